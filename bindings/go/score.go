package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"unsafe"
)

// A Score has the log-probabilities of given tokens.
type Score struct {
	// Logprobs has the log-probability of each token given those before it; NaN for the first.
	Logprobs []float32
	// Top has the most likely next tokens, best first.
	Top []TokenLogprob
}

// Score returns the log-probabilities of given tokens, and the top most likely next tokens.
func (m *Model) Score(ctx context.Context, ids []uint32, top int) (score Score, err error) {
	if err := nonNegative(top); err != nil {
		return Score{}, err
	}
	p, n := cIDs(ids)
	err = use(m.own, func(h *C.codegeex_model) error {
		var s *C.codegeex_score
		err := callContext(ctx, func(cancel *C.codegeex_cancel_token, err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_model_score(h, p, n, size(top), cancel, &s, err)
		})
		defer C.codegeex_score_free(s)
		var count C.size_t
		if err == nil {
			logprobs := C.codegeex_score_logprobs(s, &count)
			score.Logprobs = goSlice[float32](logprobs, count)
			best := C.codegeex_score_top(s, &count)
			score.Top = goSlice[TokenLogprob](best, count)
		}
		return err
	})
	return score, err
}

// A Perplexity says how well a model predicts tokens.
type Perplexity struct {
	// Value is the exponential of the mean negative log-probability.
	Value float64
	// LogProbability is the sum of log-probabilities.
	LogProbability float64
	// Tokens is the number of predicted tokens.
	Tokens int
}

// Perplexity is the perplexity of two or more tokens, in windows of the context length. Progress,
// which may be nil, is called with the tokens done and the total. If it returns an error, the call
// stops and returns that error.
func (m *Model) Perplexity(ctx context.Context, ids []uint32, progress func(done, total uint64) error) (Perplexity, error) {
	p, n := cIDs(ids)
	var value, sum C.double
	var tokens C.size_t
	err := use(m.own, func(h *C.codegeex_model) error {
		return withProgress(progress, func(callback C.codegeex_progress_callback, userdata unsafe.Pointer) error {
			return callContext(ctx, func(cancel *C.codegeex_cancel_token, err **C.codegeex_error) C.codegeex_status {
				return C.codegeex_model_perplexity(h, p, n, cancel, callback, userdata, &value, &sum, &tokens, err)
			})
		})
	})
	if err != nil {
		return Perplexity{}, err
	}
	return Perplexity{float64(value), float64(sum), int(tokens)}, nil
}
