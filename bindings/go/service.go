package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"errors"
	"iter"
	"math"
	"sync"
	"unsafe"
)

// ServiceOptions are the limits of a service. Zero and nil mean the defaults.
type ServiceOptions struct {
	// Sequences is the maximum batch size in sequences.
	Sequences int
	// PrefillTokens is the maximum number of prompt tokens per step (chunked prefill).
	PrefillTokens int
	// Prefixes is the size of the prompt cache in prompts, for requests that share a prefix. To
	// disable it set the key in Extra to 0.
	Prefixes int
	// Waiting is the maximum number of waiting requests. For no queue set the key in Extra to 0.
	Waiting int
	// CacheBytes is the limit of the KV cache of all requests together, in bytes; 0 means half of the
	// memory that the system has available, UnlimitedCache no limit except the model's.
	CacheBytes uint64
	// Extra sets options by key, after the fields. See ServiceOptionKeys.
	Extra map[string]string
}

// UnlimitedCache is no limit of the KV cache, for ServiceOptions.CacheBytes.
const UnlimitedCache = math.MaxUint64

func (o *ServiceOptions) build() (*owner, error) {
	if o == nil {
		return nil, nil
	}
	var h *C.codegeex_service_options
	type failure = **C.codegeex_error
	s := setting{byKey: func(k *C.char, kn C.size_t, v *C.char, vn C.size_t, e failure) C.codegeex_status {
		return C.codegeex_service_options_set(h, k, kn, v, vn, e)
	}}
	s.call(func(e failure) C.codegeex_status { return C.codegeex_service_options_new(&h, e) })
	s.number("sequences", o.Sequences)
	s.number("prefill_tokens", o.PrefillTokens)
	s.number("prefixes", o.Prefixes)
	s.number("waiting", o.Waiting)
	switch o.CacheBytes {
	case UnlimitedCache:
		s.set("cache_bytes", "unlimited")
	default:
		s.unsigned("cache_bytes", o.CacheBytes)
	}
	s.extra(o.Extra)
	return s.done(unsafe.Pointer(h), func(p unsafe.Pointer) {
		C.codegeex_service_options_free((*C.codegeex_service_options)(p))
	})
}

// Value returns an option as text, by its key.
func (o *ServiceOptions) Value(key string) (string, error) {
	if o == nil {
		o = &ServiceOptions{}
	}
	built, err := o.build()
	return value(built, err, key, func(h *C.codegeex_service_options, k *C.char, kn C.size_t, v **C.char, vn *C.size_t, e **C.codegeex_error) C.codegeex_status {
		return C.codegeex_service_options_get(h, k, kn, v, vn, e)
	})
}

// A Service runs requests from any number of goroutines in one batch (continuous batching): each step
// reads the weights once for all of them. It runs its own thread.
type Service struct{ own *owner }

// NewService starts a service. The options may be nil.
func (m *Model) NewService(options *ServiceOptions) (*Service, error) {
	built, err := options.build()
	if err != nil {
		return nil, err
	}
	defer built.close()
	var s *C.codegeex_service
	err = use(m.own, func(h *C.codegeex_model) error {
		return useOptional(built, func(o *C.codegeex_service_options) error {
			return call(func(err **C.codegeex_error) C.codegeex_status {
				return C.codegeex_service_new(h, o, &s, err)
			})
		})
	})
	if err != nil {
		return nil, err
	}
	service := &Service{newOwner(unsafe.Pointer(s), func(p unsafe.Pointer) {
		C.codegeex_service_free((*C.codegeex_service)(p))
	})}
	return service, nil
}

// Close cancels running requests and waits for the service's thread to end. Tickets still receive
// their last tokens. It returns nil.
func (s *Service) Close() error {
	s.own.close()
	return nil
}

// WhenFull is what happens to a request when the queue is full.
type WhenFull int32

const (
	// WhenFullWait blocks until there is room.
	WhenFullWait WhenFull = C.CODEGEEX_WHEN_FULL_WAIT
	// WhenFullRefuse returns ErrBusy.
	WhenFullRefuse WhenFull = C.CODEGEEX_WHEN_FULL_REFUSE
)

// Submit submits a request. The options may be nil. The context cancels the request, also after
// Submit has returned. Errors of the request itself, and of its samplers, are reported by Ticket.Wait.
func (s *Service) Submit(ctx context.Context, prompt Prompt, options *GenerateOptions, full WhenFull) (*Ticket, error) {
	sampled := new(sampling)
	built, err := options.build(sampled)
	if err != nil {
		return nil, err
	}
	defer built.close()
	token, err := watch(ctx)
	if err != nil {
		return nil, err
	}
	var t *C.codegeex_ticket
	err = use(s.own, func(h *C.codegeex_service) error {
		return useOptional(built, func(o *C.codegeex_generate_options) error {
			return call(func(err **C.codegeex_error) C.codegeex_status {
				if ids, ok := prompt.(IDs); ok {
					p, n := cIDs(ids)
					return C.codegeex_service_submit_from(h, p, n, o, C.int32_t(full), token.c(), &t, err)
				}
				text, _ := prompt.(Text)
				p, n := cText(string(text))
				return C.codegeex_service_submit(h, p, n, o, C.int32_t(full), token.c(), &t, err)
			})
		})
	})
	if err != nil {
		token.free()
		return nil, err
	}
	free := sync.OnceFunc(token.free)
	ticket := &Ticket{ctx: ctx, unwatch: free, sampled: sampled, own: newOwner(unsafe.Pointer(t), func(p unsafe.Pointer) {
		free()
		C.codegeex_ticket_free((*C.codegeex_ticket)(p))
	})}
	return ticket, nil
}

// A ServiceProgress is the load of a service.
type ServiceProgress struct {
	// Waiting is the number of requests in the queue.
	Waiting int
	// Running is the number of running requests.
	Running int
	// Sequences is the number of samples and beams being generated.
	Sequences int
	// CacheBytes is the KV cache reserved, prompt cache included.
	CacheBytes uint64
	// ReusedTokens is the number of prompt tokens found in the prompt cache since the start.
	ReusedTokens uint64
}

// Progress returns the load of the service.
func (s *Service) Progress() (ServiceProgress, error) {
	var c C.codegeex_service_progress
	c.struct_size = C.sizeof_codegeex_service_progress
	err := use(s.own, func(h *C.codegeex_service) error {
		return call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_service_get_progress(h, &c, err)
		})
	})
	if err != nil {
		return ServiceProgress{}, err
	}
	return ServiceProgress{
		Waiting:      int(c.waiting),
		Running:      int(c.running),
		Sequences:    int(c.sequences),
		CacheBytes:   uint64(c.cache_bytes),
		ReusedTokens: uint64(c.reused_tokens),
	}, nil
}

// A Ticket is a submitted request. It serves one call at a time, except Cancel and Close.
type Ticket struct {
	own     *owner
	ctx     context.Context
	unwatch func()
	sampled *sampling
}

// An event of a ticket, as far as the library says which.
type ticketEvent struct {
	token  Token
	exists bool
	done   bool
}

func (t *Ticket) next(wait bool) (event ticketEvent, err error) {
	err = lend(t.own, func(h *C.codegeex_ticket) error {
		for {
			var e C.codegeex_event
			e.struct_size = C.sizeof_codegeex_event
			err := call(func(err **C.codegeex_error) C.codegeex_status {
				return C.codegeex_ticket_next(h, cBool(wait), &e, err)
			})
			event.done = e.kind == C.CODEGEEX_EVENT_DONE
			if err != nil || event.done || e.kind == C.CODEGEEX_EVENT_NONE {
				return err
			}
			if event.token, event.exists = tokenOf(&e); event.exists {
				return nil
			}
		}
	})
	return event, err
}

// Tokens yields the tokens of the request as they are sampled, and the ends of its samples. Leaving
// the loop cancels nothing: you can loop again, and Wait returns the samples. An error is the last
// element; the error that ended the request is returned by Wait.
func (t *Ticket) Tokens() iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		for {
			event, err := t.next(true)
			if err != nil {
				yield(Token{}, err)
				return
			}
			if event.done || !event.exists || !yield(event.token, nil) {
				return
			}
		}
	}
}

// TryNext returns the next token without waiting; false if there is none yet.
func (t *Ticket) TryNext() (Token, bool, error) {
	event, err := t.next(false)
	return event.token, event.exists, err
}

// Wait waits for the end of the request, skips its tokens, and returns its samples. They can be
// fetched once. If the context of Submit was cancelled first, Wait also returns an error. If a sampler
// returned an error, Wait returns it; if a sampler panicked, Wait panics.
func (t *Ticket) Wait() ([]Completion, error) {
	var out *C.codegeex_completions
	err := use(t.own, func(h *C.codegeex_ticket) error {
		return call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_ticket_wait(h, &out, err)
		})
	})
	completions := takeCompletions(out)
	err = t.sampled.end(err)
	if err == nil {
		t.unwatch()
		return completions, endedBy(t.ctx, completions)
	}
	var failed *Error
	if errors.As(err, &failed) && failed.Code == ErrCancelled && t.ctx.Err() != nil {
		failed.also = context.Cause(t.ctx)
	}
	return completions, err
}

// Cancel cancels the request, from any goroutine. It still receives its last tokens.
func (t *Ticket) Cancel() error {
	return use(t.own, func(h *C.codegeex_ticket) error {
		return call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_ticket_cancel(h, err)
		})
	})
}

// Close cancels the request and frees the ticket. It returns nil.
func (t *Ticket) Close() error {
	// Another goroutine may be in Wait, which goes on without the handle.
	_ = t.Cancel()
	t.own.close()
	return nil
}
