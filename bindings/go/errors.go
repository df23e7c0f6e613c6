package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"io/fs"
	"strings"
)

// A Code says what kind of error happened. Each is an error, so that errors.Is finds it:
//
//	if errors.Is(err, codegeex.ErrBusy) { ... }
//
// Numbers are the same in every release; later releases may add some.
type Code int32

// The codes, in groups of hundreds: calls, files, contents of files, text, resources, stopping,
// mistakes of the library.
const (
	// ErrInvalidArgument: an argument is outside what the function accepts.
	ErrInvalidArgument Code = C.CODEGEEX_INVALID_ARGUMENT
	// ErrTokenOutOfRange: a token id is not below the vocabulary size.
	ErrTokenOutOfRange Code = C.CODEGEEX_TOKEN_OUT_OF_RANGE
	// ErrContextOverflow: a sequence would grow past the positions that the model has.
	ErrContextOverflow Code = C.CODEGEEX_CONTEXT_OVERFLOW
	// ErrStateMismatch: a state was handed to a model that did not make it.
	ErrStateMismatch Code = C.CODEGEEX_STATE_MISMATCH
	// ErrIO: reading or writing failed in the operating system.
	ErrIO Code = C.CODEGEEX_IO
	// ErrNotFound: a file or folder does not exist. Such an error is fs.ErrNotExist as well.
	ErrNotFound Code = C.CODEGEEX_NOT_FOUND
	// ErrMalformedFile: a file breaks the rules of its own format.
	ErrMalformedFile Code = C.CODEGEEX_MALFORMED_FILE
	// ErrUnsupportedFile: a file uses something that the library does not read.
	ErrUnsupportedFile Code = C.CODEGEEX_UNSUPPORTED_FILE
	// ErrMissingTensor: a checkpoint lacks a tensor that the model needs.
	ErrMissingTensor Code = C.CODEGEEX_MISSING_TENSOR
	// ErrShapeMismatch: a tensor has another shape than the configuration says.
	ErrShapeMismatch Code = C.CODEGEEX_SHAPE_MISMATCH
	// ErrMissingConfig: nothing says how the model is configured.
	ErrMissingConfig Code = C.CODEGEEX_MISSING_CONFIG
	// ErrInvalidConfig: a configuration contradicts itself or is not supported.
	ErrInvalidConfig Code = C.CODEGEEX_INVALID_CONFIG
	// ErrInvalidUTF8: bytes are not valid UTF-8 where text is needed.
	ErrInvalidUTF8 Code = C.CODEGEEX_INVALID_UTF8
	// ErrInvalidVocabulary: a tokenizer vocabulary is inconsistent.
	ErrInvalidVocabulary Code = C.CODEGEEX_INVALID_VOCABULARY
	// ErrNonFinite: a computation met NaN or infinity where a number is needed.
	ErrNonFinite Code = C.CODEGEEX_NON_FINITE
	// ErrOutOfMemory: an allocation was refused, by the system or by a limit that was set.
	ErrOutOfMemory Code = C.CODEGEEX_OUT_OF_MEMORY
	// ErrBackendUnavailable: a backend or an instruction set is not there on this machine.
	ErrBackendUnavailable Code = C.CODEGEEX_BACKEND_UNAVAILABLE
	// ErrBusy: there is no room at the moment, or the object serves another call.
	ErrBusy Code = C.CODEGEEX_BUSY
	// ErrCancelled: the caller asked to stop. If a context did, the error is the context's as well.
	ErrCancelled Code = C.CODEGEEX_CANCELLED
	// ErrInternal: a broken invariant of the library: please report it.
	ErrInternal Code = C.CODEGEEX_INTERNAL
	// ErrPanic: a panic inside the library, which was caught: please report it.
	ErrPanic Code = C.CODEGEEX_PANIC
	// ErrPoisoned: an earlier call with the same object panicked; it can only be closed.
	ErrPoisoned Code = C.CODEGEEX_POISONED
)

// Error is the name of the code in a few words.
func (c Code) Error() string {
	return "codegeex: " + C.GoString(C.codegeex_status_name(C.codegeex_status(c)))
}

// An Error is what the library reports: a code, a sentence that says what was found, what was
// expected and what to do, and what caused it.
type Error struct {
	Code    Code
	Message string
	// Causes are the messages of the errors beneath, the nearest first.
	Causes []string

	also error
}

// Error is the message with its causes.
func (e *Error) Error() string {
	return "codegeex: " + strings.Join(append([]string{e.Message}, e.Causes...), ": ")
}

// Unwrap returns the code, and what the error is besides: the context's error where a context
// cancelled the call, fs.ErrNotExist where a file does not exist.
func (e *Error) Unwrap() []error {
	if e.also == nil {
		return []error{e.Code}
	}
	return []error{e.Code, e.also}
}

// call runs a function of the library, which is given the place for its error.
func call(f func(err **C.codegeex_error) C.codegeex_status) error {
	var handle *C.codegeex_error
	status := f(&handle)
	if status == C.CODEGEEX_OK {
		return nil
	}
	defer C.codegeex_error_free(handle)
	err := &Error{Code: Code(status)}
	err.Message = lent(func(n *C.size_t) *C.char { return C.codegeex_error_message(handle, n) })
	if err.Message == "" {
		err.Message = C.GoString(C.codegeex_status_name(status))
	}
	for i := range C.codegeex_error_causes(handle) {
		cause := lent(func(n *C.size_t) *C.char { return C.codegeex_error_cause(handle, i, n) })
		err.Causes = append(err.Causes, cause)
	}
	if err.Code == ErrNotFound {
		err.also = fs.ErrNotExist
	}
	return err
}

// cancelledBy makes an error of a call that a context ended.
func cancelledBy(ctx context.Context, message string) *Error {
	return &Error{Code: ErrCancelled, Message: message, also: context.Cause(ctx)}
}
