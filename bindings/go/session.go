package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"io"
	"iter"
	"unsafe"
)

// A Session keeps a sequence with its KV cache between calls. A prompt that shares a prefix with it
// is computed only from the first different token. Results do not depend on the cache. A Session
// serves one call at a time.
type Session struct{ own *owner }

func newSession(h *C.codegeex_session) *Session {
	s := &Session{newOwner(unsafe.Pointer(h), func(p unsafe.Pointer) {
		C.codegeex_session_free((*C.codegeex_session)(p))
	})}
	return s
}

// NewSession creates an empty session.
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

// RestoreSession restores a session that a model with the same fingerprint saved.
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

// RestoreSessionFile restores a session from a file that SaveFile wrote.
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

// Generate completes a prompt, as Model.Generate does. Afterwards the session holds the prompt and
// the first sample.
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

// IDs are the tokens in the KV cache.
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

// Reused is the number of tokens of the last prompt that were reused from the cache; 0 while a call
// runs.
func (s *Session) Reused() int {
	return ask(s.own, func(h *C.codegeex_session) int { return int(C.codegeex_session_reused(h)) })
}

// Computed is the number of tokens of the last prompt that were computed; 0 while a call runs.
func (s *Session) Computed() int {
	return ask(s.own, func(h *C.codegeex_session) int { return int(C.codegeex_session_computed(h)) })
}

// Bytes is the size of the KV cache; 0 while a call runs.
func (s *Session) Bytes() int {
	return ask(s.own, func(h *C.codegeex_session) int { return int(C.codegeex_session_bytes(h)) })
}

// Truncate keeps only the first tokens. A larger number changes nothing.
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

// Save writes the session.
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

// SaveFile saves the session to a file. The write is atomic, and only the owner can read the file.
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

// Infill completes the text between a prefix and a suffix, as Model.Infill does.
func (s *Session) Infill(ctx context.Context, prefix Prompt, suffix string, options *GenerateOptions) ([]Completion, error) {
	return s.Generate(ctx, prefix, options.withSuffix(suffix))
}
