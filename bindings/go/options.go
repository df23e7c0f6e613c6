package codegeex

// #include "callbacks.h"
import "C"

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"unsafe"
)

// An OptionKey is an option that can be set by key in the Extra field of options.
type OptionKey struct {
	// Key is the name, such as "temperature".
	Key string
	// Help describes the option and the format of its value.
	Help string
}

// setting sets options behind a handle one after the other, until one is refused.
type setting struct{ err error }

func (s *setting) set(f func(err **C.codegeex_error) C.codegeex_status) {
	s.use(func() error { return call(f) })
}

// use sets an option that is an object of ours.
func (s *setting) use(f func() error) {
	if s.err == nil {
		s.err = f()
	}
}

type setByKey = func(key *C.char, keyLen C.size_t, value *C.char, valueLen C.size_t, err **C.codegeex_error) C.codegeex_status

// extra sets options by key and value, in the order of the keys.
func (s *setting) extra(options map[string]string, set setByKey) {
	for _, key := range slices.Sorted(maps.Keys(options)) {
		k, kn := cText(key)
		v, vn := cText(options[key])
		s.set(func(err **C.codegeex_error) C.codegeex_status { return set(k, kn, v, vn, err) })
	}
}

// done is the owner of options that were set, or the first error.
func (s *setting) done(o *owner) (*owner, error) {
	if s.err != nil {
		o.close()
		return nil, s.err
	}
	return o, nil
}

// value reads an option of an owner, which it closes.
func value[P any](
	o *owner,
	err error,
	key string,
	get func(o P, key *C.char, keyLen C.size_t, value **C.char, valueLen *C.size_t, err **C.codegeex_error) C.codegeex_status,
) (string, error) {
	if err != nil {
		return "", err
	}
	defer o.close()
	var text *C.char
	var n C.size_t
	k, kn := cText(key)
	err = use(o, func(options P) error {
		return call(func(err **C.codegeex_error) C.codegeex_status {
			return get(options, k, kn, &text, &n, err)
		})
	})
	if err != nil {
		return "", err
	}
	return takeString(text, n), nil
}

func optionKeys(key func(index C.size_t, help **C.char) *C.char) iter.Seq[OptionKey] {
	return func(yield func(OptionKey) bool) {
		for i := C.size_t(0); ; i++ {
			var help *C.char
			name := key(i, &help)
			if name == nil || !yield(OptionKey{C.GoString(name), C.GoString(help)}) {
				return
			}
		}
	}
}

// GenerateOptionKeys are the keys of GenerateOptions.Extra.
func GenerateOptionKeys() []OptionKey {
	return slices.Collect(optionKeys(func(i C.size_t, help **C.char) *C.char {
		return C.codegeex_generate_options_key(i, help)
	}))
}

// OpenOptionKeys are the keys of OpenOptions.Extra.
func OpenOptionKeys() []OptionKey {
	return slices.Collect(optionKeys(func(i C.size_t, help **C.char) *C.char {
		return C.codegeex_open_options_key(i, help)
	}))
}

// BeamOptionKeys are the keys of BeamOptions.Extra.
func BeamOptionKeys() []OptionKey {
	return slices.Collect(optionKeys(func(i C.size_t, help **C.char) *C.char {
		return C.codegeex_beam_options_key(i, help)
	}))
}

// EditOptionKeys are the keys of EditOptions.Extra.
func EditOptionKeys() []OptionKey {
	return slices.Collect(optionKeys(func(i C.size_t, help **C.char) *C.char {
		return C.codegeex_edit_options_key(i, help)
	}))
}

// ConvertOptionKeys are the keys of ConvertOptions.Extra.
func ConvertOptionKeys() []OptionKey {
	return slices.Collect(optionKeys(func(i C.size_t, help **C.char) *C.char {
		return C.codegeex_convert_options_key(i, help)
	}))
}

// ServiceOptionKeys are the keys of ServiceOptions.Extra.
func ServiceOptionKeys() []OptionKey {
	return slices.Collect(optionKeys(func(i C.size_t, help **C.char) *C.char {
		return C.codegeex_service_options_key(i, help)
	}))
}

// SpecialTokens is how special tokens in a text, such as <|endoftext|>, are encoded.
type SpecialTokens int32

const (
	// SpecialAsText: as plain text. No input can produce a control token.
	SpecialAsText SpecialTokens = C.CODEGEEX_SPECIAL_AS_TEXT
	// SpecialParse: as the tokens that they name.
	SpecialParse SpecialTokens = C.CODEGEEX_SPECIAL_PARSE
)

// A Speculation configures speculative decoding. It changes latency, never the output.
type Speculation struct {
	// Tokens is the maximum number of draft tokens per step; 0 disables it.
	Tokens int
	// Draft is a draft model with the same vocabulary. Without one, draft tokens are taken from the
	// text so far (prompt lookup).
	Draft *Model
}

// A StopAt is a set of stop rules for code. No token is sampled after the one that matches.
type StopAt struct {
	// Language is the name of the language.
	Language string
	// Rules is a comma-separated list of line, block, function, unindented, humaneval. The first rule
	// that matches ends the completion; an empty list disables them.
	Rules string
}

// A LogitBias is added to the logits of an id. Negative infinity bans it.
type LogitBias struct {
	ID   uint32
	Bias float32
}

// GenerateOptions are the options of a generation. The zero value and nil mean greedy decoding of one
// sample of at most 128 new tokens. A zero field means the default.
type GenerateOptions struct {
	// MaxNewTokens is the maximum number of new tokens; 0 means 128.
	MaxNewTokens int
	// Temperature is the sampling temperature. 0 means greedy, which ignores TopK, TopP, MinP,
	// TypicalP and Seed.
	Temperature float32
	// TopK keeps the k most likely tokens; 0 disables it.
	TopK int
	// TopP keeps the most likely tokens whose probabilities add up to this value (nucleus sampling);
	// 0 and 1 disable it.
	TopP float32
	// MinP keeps tokens whose probability is at least this value times the top probability.
	MinP float32
	// TypicalP keeps the most typical tokens whose probabilities add up to this value; 0 and 1
	// disable it.
	TypicalP float32
	// RepetitionPenalty applies to ids in the prompt or the generated text: positive logits are
	// divided by it, negative ones multiplied. 0 and 1 disable it.
	RepetitionPenalty float32
	// PresencePenalty is subtracted once from the logits of generated ids.
	PresencePenalty float32
	// FrequencyPenalty is subtracted from the logits of generated ids for each occurrence.
	FrequencyPenalty float32
	// LogitBias is added to logits.
	LogitBias []LogitBias
	// BannedIDs are never sampled.
	BannedIDs []uint32
	// Seed is the random seed. The random numbers depend only on it, the index of the sample and the
	// index of the token.
	Seed uint64
	// FirstSample is the index of the first sample, for the random numbers.
	FirstSample uint32
	// Samples is the number of completions of the prompt, up to 1024; 0 means 1.
	Samples int
	// Stop has the stop strings. They are not part of the text.
	Stop []string
	// StopAt ends a completion by stop rules for code.
	StopAt StopAt
	// Heal enables token healing: it re-samples the last tokens of the prompt among those that match
	// its bytes, so that a prompt may end inside a word or a run of spaces.
	Heal bool
	// TopLogprobs reports the N most likely tokens at each position.
	TopLogprobs int
	// SpecialTokens is how special tokens in the prompt are encoded.
	SpecialTokens SpecialTokens
	// PrefillLimit is the maximum number of prompt tokens to compute; 0 means no limit.
	PrefillLimit int
	// Threads is the maximum number of compute threads; 0 means all threads of the model.
	Threads int
	// Speculation configures speculative decoding.
	Speculation Speculation
	// Extra sets options by key, after the fields: options that are newer than this package, and
	// values that the fields cannot express. See GenerateOptionKeys.
	Extra map[string]string
}

// size is a number for C, where there are no negative ones: see nonNegative.
func size(n int) C.size_t { return C.size_t(n) }

// nonNegative refuses numbers that C would take for enormous ones, which mean something there.
func (s *setting) nonNegative(numbers ...int) {
	s.use(func() error { return nonNegative(numbers...) })
}

func nonNegative(numbers ...int) error {
	for _, n := range numbers {
		if n < 0 {
			return &Error{Code: ErrInvalidArgument, Message: fmt.Sprintf("a number is %d, expected none below 0", n)}
		}
	}
	return nil
}

func freeGenerateOptions(p unsafe.Pointer) {
	C.codegeex_generate_options_free((*C.codegeex_generate_options)(p))
}

func (o *GenerateOptions) build() (*owner, error) {
	if o == nil {
		return nil, nil
	}
	var h *C.codegeex_generate_options
	type failure = **C.codegeex_error
	type status = C.codegeex_status
	var s setting
	s.nonNegative(o.MaxNewTokens, o.TopK, o.Samples, o.TopLogprobs, o.PrefillLimit, o.Threads, o.Speculation.Tokens)
	s.set(func(e failure) status { return C.codegeex_generate_options_new(&h, e) })
	if s.err != nil {
		return nil, s.err
	}
	if o.MaxNewTokens != 0 {
		s.set(func(e failure) status {
			return C.codegeex_generate_options_set_max_new_tokens(h, size(o.MaxNewTokens), e)
		})
	}
	for _, f := range []struct {
		value float32
		unset float32
		set   func(C.float, failure) status
	}{
		{o.Temperature, 0, func(v C.float, e failure) status {
			return C.codegeex_generate_options_set_temperature(h, v, e)
		}},
		{o.TopP, 0, func(v C.float, e failure) status {
			return C.codegeex_generate_options_set_top_p(h, v, e)
		}},
		{o.MinP, 0, func(v C.float, e failure) status {
			return C.codegeex_generate_options_set_min_p(h, v, e)
		}},
		{o.TypicalP, 0, func(v C.float, e failure) status {
			return C.codegeex_generate_options_set_typical_p(h, v, e)
		}},
		{o.RepetitionPenalty, 0, func(v C.float, e failure) status {
			return C.codegeex_generate_options_set_repetition_penalty(h, v, e)
		}},
		{o.PresencePenalty, 0, func(v C.float, e failure) status {
			return C.codegeex_generate_options_set_presence_penalty(h, v, e)
		}},
		{o.FrequencyPenalty, 0, func(v C.float, e failure) status {
			return C.codegeex_generate_options_set_frequency_penalty(h, v, e)
		}},
	} {
		if f.value != f.unset {
			s.set(func(e failure) status { return f.set(C.float(f.value), e) })
		}
	}
	s.set(func(e failure) status { return C.codegeex_generate_options_set_top_k(h, size(o.TopK), e) })
	if len(o.LogitBias) > 0 {
		ids, biases := make([]uint32, len(o.LogitBias)), make([]float32, len(o.LogitBias))
		for i, bias := range o.LogitBias {
			ids[i], biases[i] = bias.ID, bias.Bias
		}
		p, n := cIDs(ids)
		b := (*C.float)(unsafe.Pointer(unsafe.SliceData(biases)))
		s.set(func(e failure) status { return C.codegeex_generate_options_set_logit_bias(h, p, b, n, e) })
	}
	if len(o.BannedIDs) > 0 {
		p, n := cIDs(o.BannedIDs)
		s.set(func(e failure) status { return C.codegeex_generate_options_set_banned_ids(h, p, n, e) })
	}
	s.set(func(e failure) status { return C.codegeex_generate_options_set_seed(h, C.uint64_t(o.Seed), e) })
	s.set(func(e failure) status {
		return C.codegeex_generate_options_set_first_sample(h, C.uint32_t(o.FirstSample), e)
	})
	if o.Samples != 0 {
		s.set(func(e failure) status { return C.codegeex_generate_options_set_samples(h, size(o.Samples), e) })
	}
	for _, stop := range o.Stop {
		p, n := cText(stop)
		s.set(func(e failure) status { return C.codegeex_generate_options_add_stop(h, p, n, e) })
	}
	if o.StopAt.Rules != "" {
		l, ln := cText(o.StopAt.Language)
		r, rn := cText(o.StopAt.Rules)
		s.set(func(e failure) status { return C.codegeex_generate_options_set_stop_at(h, l, ln, r, rn, e) })
	}
	s.set(func(e failure) status { return C.codegeex_generate_options_set_heal(h, cBool(o.Heal), e) })
	s.set(func(e failure) status {
		return C.codegeex_generate_options_set_top_logprobs(h, size(o.TopLogprobs), e)
	})
	s.set(func(e failure) status {
		return C.codegeex_generate_options_set_special_tokens(h, C.int32_t(o.SpecialTokens), e)
	})
	if o.PrefillLimit != 0 {
		s.set(func(e failure) status {
			return C.codegeex_generate_options_set_prefill_limit(h, size(o.PrefillLimit), e)
		})
	}
	s.set(func(e failure) status { return C.codegeex_generate_options_set_threads(h, size(o.Threads), e) })
	if draft := o.Speculation.Draft; draft != nil {
		s.use(func() error {
			return use(draft.own, func(m *C.codegeex_model) error {
				return call(func(e failure) status {
					return C.codegeex_generate_options_set_speculation_model(h, m, size(o.Speculation.Tokens), e)
				})
			})
		})
	} else if o.Speculation.Tokens != 0 {
		s.set(func(e failure) status {
			return C.codegeex_generate_options_set_speculation_lookup(h, size(o.Speculation.Tokens), e)
		})
	}
	s.extra(o.Extra, func(k *C.char, kn C.size_t, v *C.char, vn C.size_t, e failure) status {
		return C.codegeex_generate_options_set(h, k, kn, v, vn, e)
	})
	return s.done(newOwner(unsafe.Pointer(h), freeGenerateOptions))
}

// Value returns an option as text, by its key.
func (o *GenerateOptions) Value(key string) (string, error) {
	if o == nil {
		o = &GenerateOptions{}
	}
	built, err := o.build()
	return value(built, err, key, func(h *C.codegeex_generate_options, k *C.char, kn C.size_t, v **C.char, vn *C.size_t, e **C.codegeex_error) C.codegeex_status {
		return C.codegeex_generate_options_get(h, k, kn, v, vn, e)
	})
}
