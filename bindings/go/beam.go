package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"time"
	"unsafe"
)

// BeamRules are how beams are scored and when the search ends.
type BeamRules string

const (
	// BeamRulesReference: the score is the sum of the log-probabilities. This is the default.
	BeamRulesReference BeamRules = "reference"
	// BeamRulesHuggingFace: as generate in Hugging Face transformers.
	BeamRulesHuggingFace BeamRules = "hugging_face"
)

// EarlyStopping is when a search by the Hugging Face rules ends.
type EarlyStopping string

const (
	// EarlyStoppingNo is False in transformers: stop when the best running beam scores no better than
	// the worst finished one. This is the default.
	EarlyStoppingNo EarlyStopping = "no"
	// EarlyStoppingYes is True in transformers: stop as soon as NumBeams beams have finished.
	EarlyStoppingYes EarlyStopping = "yes"
	// EarlyStoppingNever is "never" in transformers: stop only when no running beam can improve the
	// result.
	EarlyStoppingNever EarlyStopping = "never"
)

// BeamOptions are the options of a beam search. The zero value and nil mean four beams of at most 128
// tokens by the rules of the CodeGeeX reference.
type BeamOptions struct {
	// NumBeams is the number of beams and the maximum number of results, up to 1024; 0 means 4.
	NumBeams int
	// MaxNewTokens is the maximum number of new tokens; 0 means 128.
	MaxNewTokens int
	// Rules is how beams are scored and when the search ends.
	Rules BeamRules
	// LengthPenalty is the length penalty of the Hugging Face rules: scores are divided by length to
	// this power. 0 means the default; for a penalty of 0 set the key in Extra.
	LengthPenalty float32
	// EarlyStopping is the early stopping of the Hugging Face rules.
	EarlyStopping EarlyStopping
	// Stop has the stop strings. They are not part of the text.
	Stop []string
	// StopAt ends a completion by stop rules for code.
	StopAt StopAt
	// StopIDs are token ids that end a completion as the end of text does.
	StopIDs []uint32
	// BannedIDs are excluded from all beams.
	BannedIDs []uint32
	// SpecialTokens is how special tokens in the prompt are encoded.
	SpecialTokens SpecialTokens
	// Timeout ends the search with the current beams, with FinishDeadline and without an error; 0
	// means none.
	Timeout time.Duration
	// PrefillLimit is the maximum number of prompt tokens to compute; 0 means no limit.
	PrefillLimit int
	// Threads is the maximum number of compute threads; 0 means all threads of the model.
	Threads int
	// Extra sets options by key, after the fields. See BeamOptionKeys.
	Extra map[string]string
}

func (o *BeamOptions) build() (*owner, error) {
	if o == nil {
		return nil, nil
	}
	var h *C.codegeex_beam_options
	type failure = **C.codegeex_error
	s := setting{byKey: func(k *C.char, kn C.size_t, v *C.char, vn C.size_t, e failure) C.codegeex_status {
		return C.codegeex_beam_options_set(h, k, kn, v, vn, e)
	}}
	s.call(func(e failure) C.codegeex_status { return C.codegeex_beam_options_new(&h, e) })
	s.number("num_beams", o.NumBeams)
	s.number("max_new_tokens", o.MaxNewTokens)
	s.text("rules", string(o.Rules))
	s.float("length_penalty", o.LengthPenalty)
	s.text("early_stopping", string(o.EarlyStopping))
	s.texts("stop", o.Stop)
	s.stopAt(o.StopAt)
	s.ids("stop_ids", o.StopIDs)
	s.ids("banned_ids", o.BannedIDs)
	s.special(o.SpecialTokens)
	s.timeout(o.Timeout)
	s.number("prefill_limit", o.PrefillLimit)
	s.number("threads", o.Threads)
	s.extra(o.Extra)
	return s.done(unsafe.Pointer(h), func(p unsafe.Pointer) {
		C.codegeex_beam_options_free((*C.codegeex_beam_options)(p))
	})
}

// Value returns an option as text, by its key.
func (o *BeamOptions) Value(key string) (string, error) {
	if o == nil {
		o = &BeamOptions{}
	}
	built, err := o.build()
	return value(built, err, key, func(h *C.codegeex_beam_options, k *C.char, kn C.size_t, v **C.char, vn *C.size_t, e **C.codegeex_error) C.codegeex_status {
		return C.codegeex_beam_options_get(h, k, kn, v, vn, e)
	})
}

// BeamSearch returns the most likely completions of a prompt, best first. The options may be nil. If
// the context is cancelled first, BeamSearch returns the current beams with the error.
func (m *Model) BeamSearch(ctx context.Context, prompt Prompt, options *BeamOptions) ([]Completion, error) {
	built, err := options.build()
	if err != nil {
		return nil, err
	}
	defer built.close()
	var out *C.codegeex_completions
	err = use(m.own, func(h *C.codegeex_model) error {
		return useOptional(built, func(o *C.codegeex_beam_options) error {
			return callContext(ctx, func(cancel *C.codegeex_cancel_token, err **C.codegeex_error) C.codegeex_status {
				if ids, ok := prompt.(IDs); ok {
					p, n := cIDs(ids)
					return C.codegeex_model_beam_search_from(h, p, n, o, cancel, &out, err)
				}
				text, _ := prompt.(Text)
				p, n := cText(string(text))
				return C.codegeex_model_beam_search(h, p, n, o, cancel, &out, err)
			})
		})
	})
	beams := takeCompletions(out)
	if err == nil {
		err = endedBy(ctx, beams)
	}
	return beams, err
}
