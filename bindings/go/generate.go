package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"errors"
	"iter"
	"runtime/cgo"
	"unsafe"
)

// A Prompt is the input of a generation: a Text or IDs.
type Prompt interface{ prompt() }

// Text is a prompt of text, which must be UTF-8.
type Text string

// IDs is a prompt of token ids.
type IDs []uint32

func (Text) prompt() {}
func (IDs) prompt()  {}

// A FinishReason is why a completion ended.
type FinishReason int32

const (
	// FinishNone: it has not ended.
	FinishNone FinishReason = C.CODEGEEX_FINISH_NONE
	// FinishEndOfText: the model ended the text.
	FinishEndOfText FinishReason = C.CODEGEEX_FINISH_END_OF_TEXT
	// FinishStop: a stop string appeared.
	FinishStop FinishReason = C.CODEGEEX_FINISH_STOP
	// FinishLength: the maximum number of new tokens was reached.
	FinishLength FinishReason = C.CODEGEEX_FINISH_LENGTH
	// FinishContextFull: the context length was reached.
	FinishContextFull FinishReason = C.CODEGEEX_FINISH_CONTEXT_FULL
	// FinishCancelled: the context ended, or the caller stopped.
	FinishCancelled FinishReason = C.CODEGEEX_FINISH_CANCELLED
	// FinishDeadline: the timeout of the options expired.
	FinishDeadline FinishReason = C.CODEGEEX_FINISH_DEADLINE
	// FinishPrefillLimit: the prompt has more tokens to compute than the prefill limit.
	FinishPrefillLimit FinishReason = C.CODEGEEX_FINISH_PREFILL_LIMIT
	// FinishEndOfLine: stop rule for code, the line ended.
	FinishEndOfLine FinishReason = C.CODEGEEX_FINISH_END_OF_LINE
	// FinishEndOfBlock: stop rule for code, the block ended.
	FinishEndOfBlock FinishReason = C.CODEGEEX_FINISH_END_OF_BLOCK
	// FinishEndOfFunction: stop rule for code, the function ended.
	FinishEndOfFunction FinishReason = C.CODEGEEX_FINISH_END_OF_FUNCTION
	// FinishUnindentedLine: stop rule for code, a line started in the first column.
	FinishUnindentedLine FinishReason = C.CODEGEEX_FINISH_UNINDENTED_LINE
	// FinishHumanEval: stop rule for code, the point where the CodeGeeX reference ends a HumanEval-X
	// generation.
	FinishHumanEval FinishReason = C.CODEGEEX_FINISH_HUMANEVAL
	// FinishOther: a reason that is newer than this package.
	FinishOther FinishReason = C.CODEGEEX_FINISH_OTHER
)

// String is the name of the reason, such as "length".
func (r FinishReason) String() string {
	return C.GoString(C.codegeex_finish_reason_name(C.int32_t(r)))
}

// A TokenLogprob is a token with its log-probability under the model, before sampling.
type TokenLogprob struct {
	ID      uint32
	Logprob float32
}

// A Token is an element of a stream: a sampled token or, if FinishReason is set, the end of a sample.
type Token struct {
	// Sample is the index of the sample, from 0.
	Sample int
	// ID is the token.
	ID uint32
	// Logprob is its log-probability under the model, before sampling.
	Logprob float32
	// Text is newly finalized text. It may be empty: a token may end inside a character, and a
	// possible beginning of a stop string is held back.
	Text string
	// Top has the most likely tokens at its position, best first, as many as TopLogprobs of the
	// options.
	Top []TokenLogprob
	// FinishReason is FinishNone for a token. Otherwise this is the end of the sample, and Text is
	// the rest of its text.
	FinishReason FinishReason
	// StopIndex is the index in the options of the stop string that ended the sample; -1 if none did.
	StopIndex int
}

// End reports whether it is the end of a sample.
func (t Token) End() bool { return t.FinishReason != FinishNone }

// tokenOf copies an event; false for one of a kind that came after this package.
func tokenOf(e *C.codegeex_event) (Token, bool) {
	t := Token{Sample: int(e.sample), Text: goString(e.text, e.text_len), StopIndex: -1}
	switch e.kind {
	case C.CODEGEEX_EVENT_TOKEN:
		t.ID, t.Logprob = uint32(e.id), float32(e.logprob)
		t.Top = goSlice[TokenLogprob](e.top_logprobs, e.top_logprobs_len)
	case C.CODEGEEX_EVENT_END:
		t.FinishReason = FinishReason(e.finish_reason)
		if e.stop_index != C.SIZE_MAX {
			t.StopIndex = int(e.stop_index)
		}
	default:
		return Token{}, false
	}
	return t, true
}

// A Completion is a finished sample, or a beam.
type Completion struct {
	// Text excludes the stop string that ended it.
	Text string
	// IDs are its tokens, including those of the stop string.
	IDs []uint32
	// Logprobs has the log-probability of each token under the model, before sampling.
	Logprobs []float32
	// Top has the most likely tokens at each position; nil if none were requested.
	Top [][]TokenLogprob
	// FinishReason is why it ended.
	FinishReason FinishReason
	// StopIndex is the index in the options of the stop string that ended it; -1 if none did.
	StopIndex int
	// Score is the score of a beam; for a sample, the sum of its log-probabilities.
	Score float64
	// Drafted is the number of draft tokens proposed by speculative decoding, Accepted the number
	// that the model accepted.
	Drafted, Accepted int
	// Healed is, with token healing, the number of bytes of the prompt that the first tokens cover.
	// Text begins after them.
	Healed int
}

// takeCompletions copies what the library gave away, and frees it.
func takeCompletions(h *C.codegeex_completions) []Completion {
	defer C.codegeex_completions_free(h)
	if h == nil {
		return nil
	}
	all := make([]Completion, C.codegeex_completions_count(h))
	for i := range all {
		at, c := C.size_t(i), &all[i]
		var n C.size_t
		c.Text = lent(func(n *C.size_t) *C.char { return C.codegeex_completions_text(h, at, n) })
		ids := C.codegeex_completions_ids(h, at, &n)
		c.IDs = goSlice[uint32](ids, n)
		logprobs := C.codegeex_completions_logprobs(h, at, &n)
		c.Logprobs = goSlice[float32](logprobs, n)
		for token := range c.IDs {
			top := C.codegeex_completions_top_logprobs(h, at, C.size_t(token), &n)
			if top == nil || n == 0 {
				break
			}
			c.Top = append(c.Top, goSlice[TokenLogprob](top, n))
		}
		c.FinishReason = FinishReason(C.codegeex_completions_finish_reason(h, at))
		c.StopIndex = -1
		if index := C.codegeex_completions_stop_index(h, at); index != C.SIZE_MAX {
			c.StopIndex = int(index)
		}
		c.Score = float64(C.codegeex_completions_score(h, at))
		c.Drafted = int(C.codegeex_completions_drafted(h, at))
		c.Healed = int(C.codegeex_completions_healed(h, at))
		c.Accepted = int(C.codegeex_completions_accepted(h, at))
	}
	return all
}

// Stop, returned by the callback of a generation, ends it without an error.
var Stop = errors.New("codegeex: stop")

// A generateCall is a generation by a model or a session: one of the library's functions, for a
// prompt of text and for one of ids.
type generateCall struct {
	own  *owner
	text func(h unsafe.Pointer, p *C.char, n C.size_t, to *generateArguments) C.codegeex_status
	ids  func(h unsafe.Pointer, p *C.uint32_t, n C.size_t, to *generateArguments) C.codegeex_status
}

// generateArguments are what these functions have in common.
type generateArguments struct {
	options  *C.codegeex_generate_options
	cancel   *C.codegeex_cancel_token
	callback C.codegeex_event_callback
	userdata unsafe.Pointer
	out      *C.codegeex_completions
	err      **C.codegeex_error
}

// run generates; the listener may be nil. If the context is cancelled, it returns the partial result
// with the error.
func (g generateCall) run(ctx context.Context, prompt Prompt, options *GenerateOptions, l *listener) ([]Completion, error) {
	var sampled sampling
	built, err := options.build(&sampled)
	if err != nil {
		return nil, err
	}
	defer built.close()
	var to generateArguments
	if l != nil {
		handle := cgo.NewHandle(l)
		defer handle.Delete()
		to.callback = C.codegeex_event_callback(C.codegeex_go_event)
		to.userdata = C.codegeex_go_userdata(C.uintptr_t(handle))
	}
	err = use(g.own, func(handle unsafe.Pointer) error {
		return useOptional(built, func(o *C.codegeex_generate_options) error {
			to.options = o
			return callContext(ctx, func(cancel *C.codegeex_cancel_token, err **C.codegeex_error) C.codegeex_status {
				to.cancel, to.err = cancel, err
				if ids, ok := prompt.(IDs); ok {
					p, n := cIDs(ids)
					return g.ids(handle, p, n, &to)
				}
				text, _ := prompt.(Text)
				p, n := cText(string(text))
				return g.text(handle, p, n, &to)
			})
		})
	})
	completions := takeCompletions(to.out)
	if l != nil {
		l.rethrow()
	}
	err = sampled.end(err)
	if err == nil {
		err = endedBy(ctx, completions)
	}
	return completions, err
}

// endedBy is the error of a context that ended a generation.
func endedBy(ctx context.Context, completions []Completion) error {
	if ctx.Err() != nil {
		for _, c := range completions {
			if c.FinishReason == FinishCancelled {
				return cancelledBy(ctx, "the context ended before the generation did")
			}
		}
	}
	return nil
}

func (g generateCall) withFunc(ctx context.Context, prompt Prompt, options *GenerateOptions, f func(Token) error) ([]Completion, error) {
	if f == nil {
		return g.run(ctx, prompt, options, nil)
	}
	var stopped error
	l := &listener{yield: func(t Token) bool {
		// The ends of samples follow after a stop.
		if stopped == nil {
			stopped = f(t)
		}
		return stopped == nil
	}}
	completions, err := g.run(ctx, prompt, options, l)
	switch {
	case stopped == nil:
		return completions, err
	case errors.Is(stopped, Stop):
		return completions, nil
	default:
		return completions, stopped
	}
}

func (g generateCall) stream(ctx context.Context, prompt Prompt, options *GenerateOptions) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		left := false
		l := &listener{yield: func(t Token) bool {
			if !left {
				// A body that panics leaves as well.
				left = true
				left = !yield(t, nil)
			}
			return !left
		}}
		_, err := g.run(ctx, prompt, options, l)
		if err != nil && !left {
			yield(Token{}, err)
		}
	}
}

func (m *Model) generation() generateCall {
	return generateCall{
		own: m.own,
		text: func(h unsafe.Pointer, p *C.char, n C.size_t, to *generateArguments) C.codegeex_status {
			return C.codegeex_model_generate((*C.codegeex_model)(h), p, n, to.options, to.cancel,
				to.callback, to.userdata, &to.out, to.err)
		},
		ids: func(h unsafe.Pointer, p *C.uint32_t, n C.size_t, to *generateArguments) C.codegeex_status {
			return C.codegeex_model_generate_from((*C.codegeex_model)(h), p, n, to.options, to.cancel,
				to.callback, to.userdata, &to.out, to.err)
		},
	}
}

// Generate completes a prompt. The options may be nil. If the context is cancelled first, Generate
// returns the partial result with the error.
func (m *Model) Generate(ctx context.Context, prompt Prompt, options *GenerateOptions) ([]Completion, error) {
	return m.GenerateFunc(ctx, prompt, options, nil)
}

// GenerateFunc is Generate with a callback that receives every token as it is sampled, and the ends
// of samples. If the callback returns an error, the generation ends and returns it with the partial
// result; Stop ends it without an error.
func (m *Model) GenerateFunc(ctx context.Context, prompt Prompt, options *GenerateOptions, f func(Token) error) (result []Completion, err error) {
	return m.generation().withFunc(ctx, prompt, options, f)
}

// Stream completes a prompt token by token. Leaving the loop ends the generation. Each loop over it
// runs a new generation. An error is the last element.
func (m *Model) Stream(ctx context.Context, prompt Prompt, options *GenerateOptions) iter.Seq2[Token, error] {
	return m.generation().stream(ctx, prompt, options)
}

// withSuffix is a copy of options that may be nil, with a suffix.
func (o *GenerateOptions) withSuffix(suffix string) *GenerateOptions {
	var filled GenerateOptions
	if o != nil {
		filled = *o
	}
	var infill Infill
	if filled.Infill != nil {
		infill = *filled.Infill
	}
	infill.Suffix = suffix
	filled.Infill = &infill
	return &filled
}

// Infill completes the text between a prefix and a suffix, the text before and after a cursor: by
// fill-in-the-middle where the model has it, see InfillFormat. Other models complete the prefix, and
// return several samples best first, ranked by the suffix. The options may be nil; the suffix replaces
// that of the options.
func (m *Model) Infill(ctx context.Context, prefix Prompt, suffix string, options *GenerateOptions) ([]Completion, error) {
	return m.Generate(ctx, prefix, options.withSuffix(suffix))
}
