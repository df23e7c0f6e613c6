package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"errors"
	"runtime/cgo"
	"unsafe"
)

// Accept says what of a suggestion is accepted.
type Accept int32

const (
	// AcceptWord is white space, then a word or a run of other characters.
	AcceptWord Accept = C.CODEGEEX_ACCEPT_WORD
	// AcceptLine is the first line that is not blank, with its line break and the blank ones before it.
	AcceptLine Accept = C.CODEGEEX_ACCEPT_LINE
	// AcceptAll is all of it.
	AcceptAll Accept = C.CODEGEEX_ACCEPT_ALL
)

// EditOptions say how an edit session suggests. The zero value, and nil, is at most 64 tokens, healed,
// with all post-processing.
type EditOptions struct {
	// Generate says how suggestions are generated. Text is only ever text here, whatever it says of
	// special tokens.
	Generate *GenerateOptions
	// Extra sets options by key, after the fields. See EditOptionKeys.
	Extra map[string]string
}

func (o *EditOptions) build() (*owner, error) {
	if o == nil {
		return nil, nil
	}
	var h *C.codegeex_edit_options
	type failure = **C.codegeex_error
	var s setting
	s.set(func(e failure) C.codegeex_status { return C.codegeex_edit_options_new(&h, e) })
	if o.Generate != nil {
		s.use(func() error {
			built, err := o.Generate.build()
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
	s.extra(o.Extra, func(k *C.char, kn C.size_t, v *C.char, vn C.size_t, e failure) C.codegeex_status {
		return C.codegeex_edit_options_set(h, k, kn, v, vn, e)
	})
	return s.done(newOwner(unsafe.Pointer(h), func(p unsafe.Pointer) {
		C.codegeex_edit_options_free((*C.codegeex_edit_options)(p))
	}))
}

// Value is an option as text, by its key.
func (o *EditOptions) Value(key string) (string, error) {
	if o == nil {
		o = &EditOptions{}
	}
	built, err := o.build()
	return value(built, err, key, func(h *C.codegeex_edit_options, k *C.char, kn C.size_t, v **C.char, vn *C.size_t, e **C.codegeex_error) C.codegeex_status {
		return C.codegeex_edit_options_get(h, k, kn, v, vn, e)
	})
}

// An EditSession suggests code at a cursor while the text around it changes. It serves one call at a
// time.
type EditSession struct{ own *owner }

// NewEditSession makes an edit session for a language, by its name. The options may be nil.
func (m *Model) NewEditSession(language string, options *EditOptions) (*EditSession, error) {
	built, err := options.build()
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
	})}, nil
}

// An EditUpdate says what a new text changed.
type EditUpdate struct {
	// ClippedBytes from the beginning of the text the model does not see, because it is too long.
	ClippedBytes int
	// ClippedLines are the line breaks in them.
	ClippedLines int
	// Moved says that what the model sees begins elsewhere than before, and will be read anew.
	Moved bool
	// Alive says that a suggestion agrees with what was typed: nothing need be computed.
	Alive bool
}

// Update takes the text in, as it is now before and after the cursor. It computes nothing.
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

// Suggest suggests what might follow the cursor, best first: what there is already and agrees with the
// text, or else what the model says. The function, which may be nil, hears of that as it comes, before
// post-processing; an error that it returns ends the call and is returned, Stop ends it without one. A
// context that ends is an error. Either way the result is what there is by then.
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
	if err != nil {
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

// Suggestions are those that agree with the text as it is now: what of each is not typed or accepted
// yet, best first.
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
// inserted, nothing where there is no suggestion.
func (s *EditSession) Accept(what Accept) (text string, err error) {
	err = use(s.own, func(h *C.codegeex_edit_session) (err error) {
		text, err = textOf(func(out **C.char, n *C.size_t, err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_edit_session_accept(h, C.int32_t(what), out, n, err)
		})
		return err
	})
	return text, err
}

// Dismiss drops the suggestions, so that the next ones are computed.
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
