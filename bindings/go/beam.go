package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"unsafe"
)

// BeamRules are how beams are scored and when the search ends.
type BeamRules int32

const (
	// BeamRulesReference: the score is the sum of the log-probabilities.
	BeamRulesReference BeamRules = C.CODEGEEX_BEAM_RULES_REFERENCE
	// BeamRulesHuggingFace: as generate in Hugging Face transformers.
	BeamRulesHuggingFace BeamRules = C.CODEGEEX_BEAM_RULES_HUGGING_FACE
)

// EarlyStopping is when a search by the Hugging Face rules ends.
type EarlyStopping int32

const (
	// EarlyStoppingNo is False in transformers: stop when the best running beam scores no better than
	// the worst finished one.
	EarlyStoppingNo EarlyStopping = C.CODEGEEX_EARLY_STOPPING_NO
	// EarlyStoppingYes is True in transformers: stop as soon as NumBeams beams have finished.
	EarlyStoppingYes EarlyStopping = C.CODEGEEX_EARLY_STOPPING_YES
	// EarlyStoppingNever is "never" in transformers: stop only when no running beam can improve the
	// result.
	EarlyStoppingNever EarlyStopping = C.CODEGEEX_EARLY_STOPPING_NEVER
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
	// Stop has the stop strings.
	Stop []string
	// BannedIDs are excluded from all beams.
	BannedIDs []uint32
	// SpecialTokens is how special tokens in the prompt are encoded.
	SpecialTokens SpecialTokens
	// Extra sets options by key, after the fields. See BeamOptionKeys.
	Extra map[string]string
}

func (o *BeamOptions) build() (*owner, error) {
	if o == nil {
		return nil, nil
	}
	var h *C.codegeex_beam_options
	type failure = **C.codegeex_error
	type status = C.codegeex_status
	var s setting
	s.nonNegative(o.NumBeams, o.MaxNewTokens)
	s.set(func(e failure) status { return C.codegeex_beam_options_new(&h, e) })
	if s.err != nil {
		return nil, s.err
	}
	if o.NumBeams != 0 {
		s.set(func(e failure) status { return C.codegeex_beam_options_set_num_beams(h, size(o.NumBeams), e) })
	}
	if o.MaxNewTokens != 0 {
		s.set(func(e failure) status {
			return C.codegeex_beam_options_set_max_new_tokens(h, size(o.MaxNewTokens), e)
		})
	}
	s.set(func(e failure) status { return C.codegeex_beam_options_set_rules(h, C.int32_t(o.Rules), e) })
	if o.LengthPenalty != 0 {
		s.set(func(e failure) status {
			return C.codegeex_beam_options_set_length_penalty(h, C.float(o.LengthPenalty), e)
		})
	}
	if o.EarlyStopping != EarlyStoppingNo {
		s.set(func(e failure) status {
			return C.codegeex_beam_options_set_early_stopping(h, C.int32_t(o.EarlyStopping), e)
		})
	}
	for _, stop := range o.Stop {
		p, n := cText(stop)
		s.set(func(e failure) status { return C.codegeex_beam_options_add_stop(h, p, n, e) })
	}
	if len(o.BannedIDs) > 0 {
		p, n := cIDs(o.BannedIDs)
		s.set(func(e failure) status { return C.codegeex_beam_options_set_banned_ids(h, p, n, e) })
	}
	s.set(func(e failure) status {
		return C.codegeex_beam_options_set_special_tokens(h, C.int32_t(o.SpecialTokens), e)
	})
	s.extra(o.Extra, func(k *C.char, kn C.size_t, v *C.char, vn C.size_t, e failure) status {
		return C.codegeex_beam_options_set(h, k, kn, v, vn, e)
	})
	return s.done(newOwner(unsafe.Pointer(h), func(p unsafe.Pointer) {
		C.codegeex_beam_options_free((*C.codegeex_beam_options)(p))
	}))
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
