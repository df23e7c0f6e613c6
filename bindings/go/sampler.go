package codegeex

// #include "callbacks.h"
import "C"

import (
	"errors"
	"runtime/cgo"
	"sync"
	"unsafe"
)

// A Candidate is a candidate for the next token.
type Candidate struct {
	ID    uint32
	Logit float32
}

// A SamplerInput is the input of a Sampler. Its slices are memory of the library, not copies: they are
// valid only until the sampler returns.
type SamplerInput struct {
	// Prompt has the ids of the prompt. Do not change them.
	Prompt []uint32
	// Generated has the ids generated so far. Do not change them.
	Generated []uint32
	// Candidates are in ascending order of their ids, at least one. A sampler changes their logits in
	// place; negative infinity removes a candidate. It must not change ids.
	Candidates []Candidate
}

// A Sampler is a custom sampler: it changes the logits of the candidates for the next token. If it
// returns an error, the generation ends, and the call returns that error without a result.
//
// It must depend on its input alone, so that the same input gives the same output; with speculative
// decoding it may run several times for one position. It may run on a thread of a concurrent call on
// the same model, or of a service. It must not call runtime.Goexit.
type Sampler func(SamplerInput) error

// sampling is how the samplers of one call ended: the first error or panic, which ends the call.
type sampling struct {
	mu sync.Mutex
	caught
	err error
}

// A samplerOf is a sampler as the library knows it.
type samplerOf struct {
	*sampling
	f Sampler
}

// apply runs the sampler and reports whether the call continues.
func (s samplerOf) apply(input SamplerInput) bool {
	s.mu.Lock()
	ended := s.panicky || s.err != nil
	s.mu.Unlock()
	if ended {
		return false
	}
	var c caught
	var err error
	goOn := c.hand(func() bool {
		err = s.f(input)
		return err == nil
	})
	if !goOn {
		s.mu.Lock()
		s.caught, s.err = c, err
		s.mu.Unlock()
	}
	return goOn
}

// end is the error of the call: what a sampler returned, or else the error that the library reports.
// It panics as a sampler did.
func (s *sampling) end(err error) error {
	if errors.Is(err, ErrBusy) {
		// Another call has the samplers.
		return err
	}
	s.mu.Lock()
	c, own := s.caught, s.err
	s.caught, s.err = caught{}, nil
	s.mu.Unlock()
	c.rethrow()
	if own != nil {
		return own
	}
	return err
}

// sampler adds a sampler to options. The library gives the handle back when neither options nor a call
// use it any more, also if it refuses it.
func (s *setting) sampler(options *C.codegeex_generate_options, of samplerOf) {
	s.call(func(err **C.codegeex_error) C.codegeex_status {
		userdata := C.codegeex_go_userdata(C.uintptr_t(cgo.NewHandle(of)))
		return C.codegeex_generate_options_add_sampler(options, C.codegeex_sampler_callback(C.codegeex_go_sampler),
			userdata, C.codegeex_destroy_callback(C.codegeex_go_destroy), err)
	})
}

//export codegeexGoSampler
func codegeexGoSampler(userdata C.uintptr_t, input *C.codegeex_sampler_input) C.int32_t {
	s := cgo.Handle(userdata).Value().(samplerOf)
	if s.apply(SamplerInput{
		Prompt:     unsafe.Slice((*uint32)(input.prompt), int(input.prompt_len)),
		Generated:  unsafe.Slice((*uint32)(input.generated), int(input.generated_len)),
		Candidates: unsafe.Slice((*Candidate)(unsafe.Pointer(input.candidates)), int(input.candidates_len)),
	}) {
		return 0
	}
	return 1
}
