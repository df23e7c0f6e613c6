package codegeex

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// only leaves one token, which may be any.
func only(id uint32) Sampler {
	return func(in SamplerInput) error {
		for i := range in.Candidates {
			if in.Candidates[i].ID != id {
				in.Candidates[i].Logit = float32(math.Inf(-1))
			}
		}
		return nil
	}
}

func TestSamplers(t *testing.T) {
	model := open(t, nil)
	prompt := []uint32{4299, 277, 7}
	var calls atomic.Int32
	var seen []uint32
	look := func(in SamplerInput) error {
		if !slices.Equal(in.Prompt, prompt) || int(calls.Add(1)) != len(in.Generated)+1 {
			t.Errorf("call %d: %v, %v", calls.Load(), in.Prompt, in.Generated)
		}
		ascending := func(a, b Candidate) int { return int(a.ID) - int(b.ID) }
		if len(in.Candidates) < 50_000 || !slices.IsSortedFunc(in.Candidates, ascending) {
			t.Errorf("%d candidates", len(in.Candidates))
		}
		seen = slices.Clone(in.Generated)
		return nil
	}
	options := &GenerateOptions{MaxNewTokens: 5, Temperature: 0.8, Samplers: []Sampler{look, only(751)}}
	done := must[[]Completion](t)(model.Generate(background, IDs(prompt), options))
	if !slices.Equal(done[0].IDs, []uint32{751, 751, 751, 751, 751}) || calls.Load() != 5 || len(seen) != 4 {
		t.Errorf("%v after %d calls, which saw %v", done[0].IDs, calls.Load(), seen)
	}
	// They run in their order, and change greedy decoding, streams, drafts and sessions as well.
	session := must[*Session](t)(model.NewSession())
	options = &GenerateOptions{MaxNewTokens: 4, Samplers: []Sampler{func(in SamplerInput) error {
		in.Candidates[752].Logit = 1000
		return nil
	}}, Speculation: Speculation{Tokens: 2}}
	for token, err := range session.Stream(background, IDs(prompt), options) {
		if err != nil || !token.End() && token.ID != 752 {
			t.Errorf("%+v, %v", token, err)
		}
	}
	options.Samplers = append(options.Samplers, only(753))
	if done := must[[]Completion](t)(model.Generate(background, IDs(prompt), options)); done[0].IDs[0] != 753 {
		t.Errorf("%v", done[0].IDs)
	}
	// A sampler may use the package.
	options.Samplers = []Sampler{func(in SamplerInput) error {
		_, err := model.Generate(background, IDs(prompt), &GenerateOptions{MaxNewTokens: 1})
		return err
	}}
	must[[]Completion](t)(session.Generate(background, IDs(prompt), options))
}

func TestSamplersFail(t *testing.T) {
	model := open(t, nil)
	session := must[*Session](t)(model.NewSession())
	mine := errors.New("mine")
	calls := 0
	fails := &GenerateOptions{MaxNewTokens: 50, Samplers: []Sampler{func(in SamplerInput) error {
		if calls++; len(in.Generated) == 2 {
			return mine
		}
		return nil
	}}}
	heard := 0
	done, err := session.GenerateFunc(background, code, fails, func(Token) error { heard++; return nil })
	if err != mine || done != nil || calls != 3 || heard != 2 {
		t.Errorf("%v, %+v after %d calls and %d tokens", err, done, calls, heard)
	}
	if err := last(session.Stream(background, code, fails)); err != mine {
		t.Errorf("a stream: %v", err)
	}
	// The session is neither poisoned nor in use.
	must[[]Completion](t)(session.Generate(background, code, &GenerateOptions{MaxNewTokens: 1}))
	panics := func(f func()) {
		t.Helper()
		defer func() {
			if r := recover(); r != "boo" {
				t.Errorf("recovered %v", r)
			}
		}()
		f()
	}
	boo := &GenerateOptions{Samplers: []Sampler{func(SamplerInput) error { panic("boo") }}}
	panics(func() { _, _ = session.Generate(background, code, boo) })
	panics(func() { last(model.Stream(background, code, boo)) })
	must[[]Completion](t)(session.Generate(background, code, &GenerateOptions{MaxNewTokens: 1}))
	// Ids are the library's.
	broken := &GenerateOptions{Samplers: []Sampler{func(in SamplerInput) error {
		in.Candidates[0].ID = math.MaxUint32
		return nil
	}}}
	if _, err := model.Generate(background, code, broken); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("changed ids: %v", err)
	}
	// An error of a sampler comes before that of a context.
	ctx, cancel := context.WithCancel(background)
	last := &GenerateOptions{Samplers: []Sampler{func(SamplerInput) error { cancel(); return mine }}}
	if _, err := model.Generate(ctx, code, last); err != mine {
		t.Errorf("with a context that ended: %v", err)
	}

	// By a service, on its thread.
	service := must[*Service](t)(model.NewService(nil))
	ticket := must[*Ticket](t)(service.Submit(background, code, fails, WhenFullWait))
	tokens := 0
	for _, err := range ticket.Tokens() {
		if err == nil {
			tokens++
		}
	}
	if _, err := ticket.Wait(); err != mine || tokens != 2 {
		t.Errorf("a service: %v after %d tokens", err, tokens)
	}
	ticket = must[*Ticket](t)(service.Submit(background, code, boo, WhenFullWait))
	panics(func() { _, _ = ticket.Wait() })
	ticket = must[*Ticket](t)(service.Submit(background, code, &GenerateOptions{MaxNewTokens: 2, Samplers: []Sampler{only(9)}}, WhenFullWait))
	if done := must[[]Completion](t)(ticket.Wait()); !slices.Equal(done[0].IDs, []uint32{9, 9}) {
		t.Errorf("a service: %+v", done)
	}

	// In an edit session, in which each call fails for itself.
	fail := true
	edit := must[*EditSession](t)(model.NewEditSession("python", &EditOptions{Generate: &GenerateOptions{
		MaxNewTokens: 4, Samplers: []Sampler{func(SamplerInput) error {
			if fail {
				return mine
			}
			return nil
		}},
	}}))
	must[EditUpdate](t)(edit.Update("def f(x):\n    return", ""))
	for range 2 {
		if _, err := edit.Suggest(background, nil); err != mine {
			t.Errorf("suggestions: %v", err)
		}
	}
	fail = false
	must[[]string](t)(edit.Suggest(background, nil))
}

func TestSamplersOfSeveralGoroutines(t *testing.T) {
	model := open(t, nil)
	var all sync.WaitGroup
	for i := range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			id, mine := uint32(100+i), errors.New("mine")
			done, err := model.Generate(background, code, &GenerateOptions{MaxNewTokens: 3, Samplers: []Sampler{only(id)}})
			if err != nil || !slices.Equal(done[0].IDs, []uint32{id, id, id}) {
				t.Errorf("%v, %+v", err, done)
			}
			fails := &GenerateOptions{Samplers: []Sampler{func(SamplerInput) error { return mine }}}
			if _, err := model.Generate(background, code, fails); err != mine {
				t.Errorf("the error of another call: %v", err)
			}
		}()
	}
	all.Wait()
}

func TestForgottenSamplersAreFreed(t *testing.T) {
	model := open(t, nil)
	freed := make(chan bool, 1)
	func() {
		kept := new([100]int)
		runtime.AddCleanup(kept, func(struct{}) { freed <- true }, struct{}{})
		options := &GenerateOptions{MaxNewTokens: 2, Samplers: []Sampler{func(SamplerInput) error { kept[0]++; return nil }}}
		must[[]Completion](t)(model.Generate(background, code, options))
		if kept[0] != 2 {
			t.Errorf("%d calls", kept[0])
		}
	}()
	deadline := time.After(30 * time.Second)
	for {
		runtime.GC()
		select {
		case <-freed:
			return
		case <-deadline:
			t.Fatal("the library keeps the sampler of a call that has ended")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestClosingWhileDataIsCopied(t *testing.T) {
	for range 20 {
		model := open(t, nil)
		state := must[*State](t)(model.NewState())
		logits := must[*Logits](t)(state.Decode(background, []uint32{1}, WantedLast))
		want := must[[]float32](t)(logits.Row(0))
		text, config := model.String(), model.ConfigJSON()
		service := must[*Service](t)(model.NewService(nil))
		ticket := must[*Ticket](t)(service.Submit(background, code, &GenerateOptions{MaxNewTokens: 50, TopLogprobs: 3}, WhenFullWait))
		var all sync.WaitGroup
		for _, f := range []func() bool{
			func() bool { row, err := logits.Row(0); return err == ErrClosed || slices.Equal(row, want) },
			func() bool { s := model.String(); return s == "" || s == text },
			func() bool { s := model.ConfigJSON(); return s == "" || s == config },
			func() bool {
				_, _, err := ticket.TryNext()
				return err == nil || err == ErrClosed || errors.Is(err, ErrBusy)
			},
		} {
			all.Add(1)
			go func() {
				defer all.Done()
				for range 100 {
					if !f() {
						t.Error("other data")
					}
				}
			}()
		}
		time.Sleep(time.Millisecond)
		logits.Close()
		ticket.Close()
		model.Close()
		all.Wait()
		service.Close()
		state.Close()
	}
}

func TestCallsAfterAFree(t *testing.T) {
	// The library refuses a handle that was freed between the look at it and the call.
	tokenizer := must[*Tokenizer](t)(NewTokenizer())
	stale := &Tokenizer{newOwner(tokenizer.own.handle, func(unsafe.Pointer) {})}
	tokenizer.Close()
	if _, err := stale.Encode("a", SpecialAsText); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("freed: %v", err)
	}
	err := use(stale.own, func(unsafe.Pointer) error {
		_, err := (&Tokenizer{newOwner(stale.own.handle, func(unsafe.Pointer) {})}).Encode("a", SpecialAsText)
		stale.Close()
		return err
	})
	if err != ErrClosed {
		t.Errorf("closed meanwhile: %v", err)
	}
}
