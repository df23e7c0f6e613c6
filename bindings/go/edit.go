package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"errors"
	"runtime/cgo"
	"unsafe"
)

// Accept is which part of a suggestion is accepted.
type Accept int32

const (
	// AcceptWord is the next word or run of other characters, with the whitespace before it.
	AcceptWord Accept = C.CODEGEEX_ACCEPT_WORD
	// AcceptLine is the first non-blank line, with its line break and the blank lines before it.
	AcceptLine Accept = C.CODEGEEX_ACCEPT_LINE
	// AcceptAll is the whole suggestion.
	AcceptAll Accept = C.CODEGEEX_ACCEPT_ALL
)

// EditOptions are the options of an edit session. The zero value and nil mean at most 64 tokens,
// token healing and all post-processing.
type EditOptions struct {
	// Generate is how suggestions are generated. Special tokens in the text are always encoded as
	// plain text.
	Generate *GenerateOptions
	// Extra sets options by key, after the fields. See EditOptionKeys.
	Extra map[string]string
}

func (o *EditOptions) build(sampled *sampling) (*owner, error) {
	if o == nil {
		return nil, nil
	}
	var h *C.codegeex_edit_options
	type failure = **C.codegeex_error
	s := setting{byKey: func(k *C.char, kn C.size_t, v *C.char, vn C.size_t, e failure) C.codegeex_status {
		return C.codegeex_edit_options_set(h, k, kn, v, vn, e)
	}}
	s.call(func(e failure) C.codegeex_status { return C.codegeex_edit_options_new(&h, e) })
	if o.Generate != nil {
		s.use(func() error {
			built, err := o.Generate.build(sampled)
			if err != nil {
				return err
			}
			defer built.close()
			return use(built, func(g *C.codegeex_generate_options) error {
				return call(func(e failure) C.codegeex_status {
					return C.codegeex_edit_options_set_generate(h, g, e)
				})
			})
		})
	}
	s.extra(o.Extra)
	return s.done(unsafe.Pointer(h), func(p unsafe.Pointer) {
		C.codegeex_edit_options_free((*C.codegeex_edit_options)(p))
	})
}

// Value returns an option as text, by its key.
func (o *EditOptions) Value(key string) (string, error) {
	if o == nil {
		o = &EditOptions{}
	}
	built, err := o.build(nil)
	return value(built, err, key, func(h *C.codegeex_edit_options, k *C.char, kn C.size_t, v **C.char, vn *C.size_t, e **C.codegeex_error) C.codegeex_status {
		return C.codegeex_edit_options_get(h, k, kn, v, vn, e)
	})
}

// An EditSession gives inline code suggestions at a cursor while the text around it changes. It
// serves one call at a time.
type EditSession struct {
	own     *owner
	sampled *sampling
}

// NewEditSession creates an edit session for a language, by its name. The options may be nil.
func (m *Model) NewEditSession(language string, options *EditOptions) (*EditSession, error) {
	sampled := new(sampling)
	built, err := options.build(sampled)
	if err != nil {
		return nil, err
	}
	defer built.close()
	p, n := cText(language)
	var s *C.codegeex_edit_session
	err = use(m.own, func(h *C.codegeex_model) error {
		return useOptional(built, func(o *C.codegeex_edit_options) error {
			return call(func(err **C.codegeex_error) C.codegeex_status {
				return C.codegeex_edit_session_new(h, p, n, o, &s, err)
			})
		})
	})
	if err != nil {
		return nil, err
	}
	return &EditSession{newOwner(unsafe.Pointer(s), func(p unsafe.Pointer) {
		C.codegeex_edit_session_free((*C.codegeex_edit_session)(p))
	}), sampled}, nil
}

// An EditUpdate is the effect of an update of the text.
type EditUpdate struct {
	// ClippedBytes is the number of bytes cut from the beginning of the text because it is too long
	// for the model.
	ClippedBytes int
	// ClippedLines is the number of line breaks in those bytes.
	ClippedLines int
	// Moved says that the visible text now starts at another place, so that the KV cache is computed
	// again.
	Moved bool
	// Alive says that a suggestion still matches the text, so that nothing needs to be computed.
	Alive bool
}

// Update sets the current text before and after the cursor. It does not run the model.
func (s *EditSession) Update(before, after string) (EditUpdate, error) {
	b, bn := cText(before)
	a, an := cText(after)
	var c C.codegeex_edit_update
	c.struct_size = C.sizeof_codegeex_edit_update
	err := use(s.own, func(h *C.codegeex_edit_session) error {
		return call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_edit_session_update(h, b, bn, a, an, &c, err)
		})
	})
	if err != nil {
		return EditUpdate{}, err
	}
	return EditUpdate{
		ClippedBytes: int(c.clipped_bytes),
		ClippedLines: int(c.clipped_lines),
		Moved:        c.moved != 0,
		Alive:        c.is_alive != 0,
	}, nil
}

// Suggest returns suggestions at the cursor, best first: earlier ones that still match the text, or
// else new ones from the model. The callback, which may be nil, receives the tokens as they are
// sampled, before post-processing. If it returns an error, the call ends and returns that error; Stop
// ends it without one. A cancelled context is an error. In each case Suggest also returns the partial
// result.
func (s *EditSession) Suggest(ctx context.Context, f func(Token) error) ([]string, error) {
	var stopped error
	var callback C.codegeex_event_callback
	var userdata unsafe.Pointer
	l := &listener{yield: func(t Token) bool {
		if stopped == nil {
			stopped = f(t)
		}
		return stopped == nil
	}}
	if f != nil {
		handle := cgo.NewHandle(l)
		defer handle.Delete()
		callback = C.codegeex_event_callback(C.codegeex_go_event)
		userdata = C.codegeex_go_userdata(C.uintptr_t(handle))
	}
	err := use(s.own, func(h *C.codegeex_edit_session) error {
		return callContext(ctx, func(cancel *C.codegeex_cancel_token, err **C.codegeex_error) C.codegeex_status {
			var count C.size_t
			return C.codegeex_edit_session_suggest(h, cancel, callback, userdata, &count, err)
		})
	})
	l.rethrow()
	if err = s.sampled.end(err); err != nil {
		return nil, err
	}
	suggestions, err := s.Suggestions()
	switch {
	case err != nil:
		return nil, err
	case stopped != nil && !errors.Is(stopped, Stop):
		return suggestions, stopped
	case stopped == nil && ctx.Err() != nil:
		return suggestions, cancelledBy(ctx, "the context ended before the suggestions did")
	}
	return suggestions, nil
}

// Suggestions returns the suggestions that match the current text, best first, without the part that
// is already typed or accepted.
func (s *EditSession) Suggestions() (all []string, err error) {
	err = use(s.own, func(h *C.codegeex_edit_session) error {
		for i := range C.codegeex_edit_session_suggestions(h) {
			text, err := textOf(func(out **C.char, n *C.size_t, err **C.codegeex_error) C.codegeex_status {
				return C.codegeex_edit_session_suggestion(h, i, out, n, err)
			})
			if err != nil {
				return err
			}
			all = append(all, text)
		}
		return nil
	})
	return all, err
}

// Accept accepts the best suggestion or a part of it, as if it were typed, and returns what was
// inserted, nothing if there is no suggestion.
func (s *EditSession) Accept(what Accept) (text string, err error) {
	err = use(s.own, func(h *C.codegeex_edit_session) (err error) {
		text, err = textOf(func(out **C.char, n *C.size_t, err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_edit_session_accept(h, C.int32_t(what), out, n, err)
		})
		return err
	})
	return text, err
}

// Dismiss drops the suggestions. The next Suggest computes new ones.
func (s *EditSession) Dismiss() error {
	return use(s.own, func(h *C.codegeex_edit_session) error {
		return call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_edit_session_dismiss(h, err)
		})
	})
}

// Close frees the session. It returns nil.
func (s *EditSession) Close() error {
	s.own.close()
	return nil
}
