package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"io"
	"iter"
	"unsafe"
)

// A Session keeps the tokens that its model was fed last, with their keys and values: a prompt that
// begins with the same tokens is computed from where it differs. Answers do not depend on that. It
// serves one call at a time.
type Session struct{ own *owner }

func newSession(h *C.codegeex_session) *Session {
	s := &Session{newOwner(unsafe.Pointer(h), func(p unsafe.Pointer) {
		C.codegeex_session_free((*C.codegeex_session)(p))
	})}
	return s
}

// NewSession makes a session that was fed nothing.
func (m *Model) NewSession() (*Session, error) {
	return m.sessionOf(func(h *C.codegeex_model, out **C.codegeex_session, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_session_new(h, out, err)
	})
}

func (m *Model) sessionOf(
	f func(h *C.codegeex_model, out **C.codegeex_session, err **C.codegeex_error) C.codegeex_status,
) (*Session, error) {
	var s *C.codegeex_session
	err := use(m.own, func(h *C.codegeex_model) error {
		return call(func(err **C.codegeex_error) C.codegeex_status { return f(h, &s, err) })
	})
	if err != nil {
		return nil, err
	}
	return newSession(s), nil
}

// RestoreSession reads a session that a model with the same fingerprint saved.
func (m *Model) RestoreSession(r io.Reader) (*Session, error) {
	bytes, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	p, n := cBytes(bytes)
	return m.sessionOf(func(h *C.codegeex_model, out **C.codegeex_session, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_session_restore(h, p, n, out, err)
	})
}

// RestoreSessionFile reads a session from a file that SaveFile wrote.
func (m *Model) RestoreSessionFile(path string) (*Session, error) {
	p, n := cText(path)
	return m.sessionOf(func(h *C.codegeex_model, out **C.codegeex_session, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_session_restore_file(h, p, n, out, err)
	})
}

func (s *Session) generation() generateCall {
	return generateCall{
		own: s.own,
		text: func(h unsafe.Pointer, p *C.char, n C.size_t, to *generateArguments) C.codegeex_status {
			return C.codegeex_session_generate((*C.codegeex_session)(h), p, n, to.options, to.cancel,
				to.callback, to.userdata, &to.out, to.err)
		},
		ids: func(h unsafe.Pointer, p *C.uint32_t, n C.size_t, to *generateArguments) C.codegeex_status {
			return C.codegeex_session_generate_from((*C.codegeex_session)(h), p, n, to.options, to.cancel,
				to.callback, to.userdata, &to.out, to.err)
		},
	}
}

// Generate completes a prompt, as Model.Generate does. Afterwards the session keeps the prompt and
// what the first sample was fed.
func (s *Session) Generate(ctx context.Context, prompt Prompt, options *GenerateOptions) ([]Completion, error) {
	return s.GenerateFunc(ctx, prompt, options, nil)
}

// GenerateFunc completes a prompt, as Model.GenerateFunc does.
func (s *Session) GenerateFunc(ctx context.Context, prompt Prompt, options *GenerateOptions, f func(Token) error) ([]Completion, error) {
	return s.generation().withFunc(ctx, prompt, options, f)
}

// Stream completes a prompt token by token, as Model.Stream does.
func (s *Session) Stream(ctx context.Context, prompt Prompt, options *GenerateOptions) iter.Seq2[Token, error] {
	return s.generation().stream(ctx, prompt, options)
}

// IDs are the tokens whose keys and values are kept.
func (s *Session) IDs() (ids []uint32, err error) {
	err = use(s.own, func(h *C.codegeex_session) error {
		var data *C.uint32_t
		var n C.size_t
		err := call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_session_ids(h, &data, &n, err)
		})
		ids = takeSlice[uint32](data, n)
		return err
	})
	return ids, err
}

// Reused is how many tokens of the last prompt did not have to be computed; 0 while a call runs.
func (s *Session) Reused() int {
	return ask(s.own, func(h *C.codegeex_session) int { return int(C.codegeex_session_reused(h)) })
}

// Computed is how many tokens of the last prompt were computed; 0 while a call runs.
func (s *Session) Computed() int {
	return ask(s.own, func(h *C.codegeex_session) int { return int(C.codegeex_session_computed(h)) })
}

// Bytes is the size of the keys and values that are kept; 0 while a call runs.
func (s *Session) Bytes() int {
	return ask(s.own, func(h *C.codegeex_session) int { return int(C.codegeex_session_bytes(h)) })
}

// Truncate forgets all but the first tokens; more than there are changes nothing.
func (s *Session) Truncate(tokens int) error {
	if err := nonNegative(tokens); err != nil {
		return err
	}
	return use(s.own, func(h *C.codegeex_session) error {
		return call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_session_truncate(h, size(tokens), err)
		})
	})
}

// Save writes what the session keeps.
func (s *Session) Save(w io.Writer) error {
	return use(s.own, func(h *C.codegeex_session) error {
		return save(w, func(data **C.uint8_t, n *C.size_t, err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_session_save(h, data, n, err)
		})
	})
}

// save writes bytes that the library gives away, without a copy.
func save(w io.Writer, f func(data **C.uint8_t, n *C.size_t, err **C.codegeex_error) C.codegeex_status) error {
	var data *C.uint8_t
	var n C.size_t
	if err := call(func(err **C.codegeex_error) C.codegeex_status { return f(&data, &n, err) }); err != nil {
		return err
	}
	defer C.codegeex_free(unsafe.Pointer(data))
	written, err := w.Write(unsafe.Slice((*byte)(data), int(n)))
	if err == nil && written < int(n) {
		err = io.ErrShortWrite
	}
	return err
}

// SaveFile saves what the session keeps to a file, which is complete or as before; nobody else may
// read it.
func (s *Session) SaveFile(path string) error {
	p, n := cText(path)
	return use(s.own, func(h *C.codegeex_session) error {
		return call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_session_save_file(h, p, n, err)
		})
	})
}

// Close frees the session. It returns nil.
func (s *Session) Close() error {
	s.own.close()
	return nil
}
