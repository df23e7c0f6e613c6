package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"io/fs"
	"strings"
)

// A Code is the kind of an error. Each code is an error, so that errors.Is finds it:
//
//	if errors.Is(err, codegeex.ErrBusy) { ... }
//
// Numbers are the same in every release; later releases may add some.
type Code int32

// The codes, in groups of hundreds: calls, files, contents of files, text, resources, stopping,
// mistakes of the library.
const (
	// ErrInvalidArgument: an argument is invalid.
	ErrInvalidArgument Code = C.CODEGEEX_INVALID_ARGUMENT
	// ErrTokenOutOfRange: a token id is out of range for the vocabulary.
	ErrTokenOutOfRange Code = C.CODEGEEX_TOKEN_OUT_OF_RANGE
	// ErrContextOverflow: a sequence would exceed the context length.
	ErrContextOverflow Code = C.CODEGEEX_CONTEXT_OVERFLOW
	// ErrStateMismatch: a state belongs to another model.
	ErrStateMismatch Code = C.CODEGEEX_STATE_MISMATCH
	// ErrIO: the operating system reported an I/O error.
	ErrIO Code = C.CODEGEEX_IO
	// ErrNotFound: a file or folder does not exist. Such an error is fs.ErrNotExist as well.
	ErrNotFound Code = C.CODEGEEX_NOT_FOUND
	// ErrMalformedFile: a file violates its own format.
	ErrMalformedFile Code = C.CODEGEEX_MALFORMED_FILE
	// ErrUnsupportedFile: a file uses a feature that the library does not support.
	ErrUnsupportedFile Code = C.CODEGEEX_UNSUPPORTED_FILE
	// ErrMissingTensor: a checkpoint lacks a tensor that the model needs.
	ErrMissingTensor Code = C.CODEGEEX_MISSING_TENSOR
	// ErrShapeMismatch: a tensor's shape differs from the model configuration.
	ErrShapeMismatch Code = C.CODEGEEX_SHAPE_MISMATCH
	// ErrMissingConfig: the model configuration is missing.
	ErrMissingConfig Code = C.CODEGEEX_MISSING_CONFIG
	// ErrInvalidConfig: a model configuration is inconsistent or unsupported.
	ErrInvalidConfig Code = C.CODEGEEX_INVALID_CONFIG
	// ErrInvalidUTF8: text is not valid UTF-8.
	ErrInvalidUTF8 Code = C.CODEGEEX_INVALID_UTF8
	// ErrInvalidVocabulary: a tokenizer vocabulary is inconsistent.
	ErrInvalidVocabulary Code = C.CODEGEEX_INVALID_VOCABULARY
	// ErrNonFinite: a computation produced NaN or infinity.
	ErrNonFinite Code = C.CODEGEEX_NON_FINITE
	// ErrOutOfMemory: an allocation failed or exceeded a configured limit.
	ErrOutOfMemory Code = C.CODEGEEX_OUT_OF_MEMORY
	// ErrBackendUnavailable: a backend or instruction set is not available on this machine.
	ErrBackendUnavailable Code = C.CODEGEEX_BACKEND_UNAVAILABLE
	// ErrBusy: the queue is full, or the object is in use by another call.
	ErrBusy Code = C.CODEGEEX_BUSY
	// ErrCancelled: the call was cancelled. If a context cancelled it, errors.Is also finds the
	// context's error.
	ErrCancelled Code = C.CODEGEEX_CANCELLED
	// ErrInternal: a broken invariant of the library. Please report it.
	ErrInternal Code = C.CODEGEEX_INTERNAL
	// ErrPanic: a panic inside the library, caught at the boundary. Please report it.
	ErrPanic Code = C.CODEGEEX_PANIC
	// ErrPoisoned: an earlier call with the same object panicked; it can only be closed.
	ErrPoisoned Code = C.CODEGEEX_POISONED
)

// Error is the name of the code.
func (c Code) Error() string {
	return "codegeex: " + C.GoString(C.codegeex_status_name(C.codegeex_status(c)))
}

// An Error is an error of the library: a code, a message that says what was found, what was expected
// and what to do, and the causes.
type Error struct {
	Code    Code
	Message string
	// Causes are the messages of the causes, nearest first.
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
