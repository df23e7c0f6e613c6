package codegeex

// #include "callbacks.h"
import "C"

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// An OptionKey is an option that can be set by key in the Extra field of options.
type OptionKey struct {
	// Key is the name, such as "temperature".
	Key string
	// Help describes the option and the format of its value.
	Help string
}

// setting sets options behind a handle one after the other, until one is refused. A zero value leaves
// the default. The library refuses values out of range, and says what it expects.
type setting struct {
	err   error
	byKey setByKey
}

type setByKey = func(key *C.char, keyLen C.size_t, value *C.char, valueLen C.size_t, err **C.codegeex_error) C.codegeex_status

func (s *setting) call(f func(err **C.codegeex_error) C.codegeex_status) {
	s.use(func() error { return call(f) })
}

// use sets an option whose value is an object of this package.
func (s *setting) use(f func() error) {
	if s.err == nil {
		s.err = f()
	}
}

// set sets an option by its key.
func (s *setting) set(key, value string) {
	k, kn := cText(key)
	v, vn := cText(value)
	s.call(func(err **C.codegeex_error) C.codegeex_status { return s.byKey(k, kn, v, vn, err) })
}

func (s *setting) text(key, value string) {
	if value != "" {
		s.set(key, value)
	}
}

func (s *setting) number(key string, value int) {
	if value != 0 {
		s.set(key, strconv.Itoa(value))
	}
}

func (s *setting) unsigned(key string, value uint64) {
	if value != 0 {
		s.set(key, strconv.FormatUint(value, 10))
	}
}

func (s *setting) float(key string, value float32) {
	if value != 0 {
		s.set(key, formatFloat(value))
	}
}

func (s *setting) flag(key string, value bool) {
	if value {
		s.set(key, "true")
	}
}

// timeout is in milliseconds, rounded up.
func (s *setting) timeout(value time.Duration) {
	ms := value.Milliseconds()
	switch rest := value % time.Millisecond; {
	case rest > 0:
		ms++
	case rest < 0:
		ms--
	}
	if ms != 0 {
		s.set("timeout_ms", strconv.FormatInt(ms, 10))
	}
}

func (s *setting) texts(key string, values []string) {
	if len(values) > 0 {
		s.set(key, jsonList("[", "]", values, jsonText))
	}
}

func (s *setting) ids(key string, values []uint32) {
	if len(values) > 0 {
		s.set(key, jsonList("[", "]", values, func(id uint32) string { return strconv.FormatUint(uint64(id), 10) }))
	}
}

func (s *setting) stopAt(at StopAt) {
	if at.Rules != "" {
		s.set("stop_at", at.Language+":"+at.Rules)
	}
	if at.Before != "" {
		s.set("stop_before", jsonText(at.Before))
	}
}

// extra sets options by key and value, in the order of the keys.
func (s *setting) extra(options map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(options)) {
		s.set(key, options[key])
	}
}

// done is the owner of options that were set, or the first error.
func (s *setting) done(handle unsafe.Pointer, free func(unsafe.Pointer)) (*owner, error) {
	if s.err != nil {
		free(handle)
		return nil, s.err
	}
	return newOwner(handle, free), nil
}

func formatFloat(value float32) string { return strconv.FormatFloat(float64(value), 'g', -1, 32) }

func jsonList[T any](open, end string, values []T, format func(T) string) string {
	var list strings.Builder
	list.WriteString(open)
	for i, value := range values {
		if i > 0 {
			list.WriteByte(',')
		}
		list.WriteString(format(value))
	}
	return list.String() + end
}

// jsonText is a text as JSON. Bytes that are no UTF-8 stay, so that the library reports them.
func jsonText(text string) string {
	var quoted strings.Builder
	quoted.WriteByte('"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			quoted.WriteByte('\\')
			quoted.WriteByte(c)
		case c < ' ':
			fmt.Fprintf(&quoted, "\\u%04x", c)
		default:
			quoted.WriteByte(c)
		}
	}
	quoted.WriteByte('"')
	return quoted.String()
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

// special is how special tokens in a prompt are encoded, by name.
func (s *setting) special(value SpecialTokens) {
	switch value {
	case SpecialAsText:
	case SpecialParse:
		s.set("special_tokens", "parse")
	default:
		s.number("special_tokens", int(value))
	}
}

// A Speculation configures speculative decoding. It changes latency, never the output.
type Speculation struct {
	// Tokens is the maximum number of draft tokens per step; 0 disables it.
	Tokens int
	// Draft is a draft model with the same vocabulary. Without one, draft tokens are taken from the
	// text so far (prompt lookup).
	Draft *Model
}

// A StopAt says where code ends a completion: stop rules for a language.
type StopAt struct {
	// Language is the name of the language.
	Language string
	// Rules is a comma-separated list of line, block, function, unindented, humaneval. The first rule
	// that matches ends the completion, and no token is sampled after it; "" disables them.
	Rules string
	// Before is the code left of the cursor, which the completion follows. In options, "" means the
	// prompt.
	Before string
}

// A LogitBias is added to the logits of an id. Negative infinity bans it.
type LogitBias struct {
	ID   uint32
	Bias float32
}

// InfillOrder is the order of a fill-in-the-middle prompt; "" means the one that the model prefers.
type InfillOrder string

const (
	// InfillPSM is prefix, suffix, middle.
	InfillPSM InfillOrder = "psm"
	// InfillSPM is suffix, prefix, middle.
	InfillSPM InfillOrder = "spm"
)

// A ContextFile is another file of the repository, in a fill-in-the-middle prompt.
type ContextFile struct {
	// Path is relative to the root of the repository.
	Path string
	// Text is the text of the file, or the part of it that matters.
	Text string
}

// An Infill is what a fill-in-the-middle prompt has beside the prompt of the call, which is the text
// before the cursor. A model without fill-in-the-middle completes the prompt, and returns several
// samples best first, ranked by the suffix.
type Infill struct {
	// Suffix is the text after the cursor.
	Suffix string
	// Order is the order of the prompt.
	Order InfillOrder
	// Path is the path of the current file; "" means unknown.
	Path string
	// Repository is the name of the repository; "" means unknown. It needs Path.
	Repository string
	// Files are other files of the repository, the most important last. They need Path.
	Files []ContextFile
	// Language is the name of the language of the current file, for models whose format names it.
	Language string
}

// infill sets the options of fill-in-the-middle.
func (s *setting) infill(in *Infill) {
	if in == nil {
		return
	}
	s.set("suffix", jsonText(in.Suffix))
	s.text("infill_order", string(in.Order))
	if in.Path != "" {
		s.set("path", jsonText(in.Path))
	}
	if in.Repository != "" {
		s.set("repository", jsonText(in.Repository))
	}
	if len(in.Files) > 0 {
		s.set("files", jsonList("[", "]", in.Files, func(f ContextFile) string {
			return `{"path":` + jsonText(f.Path) + `,"text":` + jsonText(f.Text) + "}"
		}))
	}
	s.text("infill_language", in.Language)
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
	// StopIDs are token ids that end a completion as the end of text does.
	StopIDs []uint32
	// Infill makes the prompt one of fill-in-the-middle; nil means an ordinary completion.
	Infill *Infill
	// Heal enables token healing: it re-samples the last tokens of the prompt among those that match
	// its bytes, so that a prompt may end inside a word or a run of spaces.
	Heal bool
	// TopLogprobs reports the N most likely tokens at each position.
	TopLogprobs int
	// SpecialTokens is how special tokens in the prompt are encoded.
	SpecialTokens SpecialTokens
	// Samplers are custom samplers. They run in this order: after banned ids, logit bias and
	// penalties, before temperature, top-k, top-p, min-p and typical-p, and also with greedy decoding.
	Samplers []Sampler
	// Timeout ends the generation with the partial result, with FinishDeadline and without an error;
	// 0 means none.
	Timeout time.Duration
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

// size is a number for C, which is unsigned there: see nonNegative.
func size(n int) C.size_t { return C.size_t(n) }

// nonNegative refuses negative numbers, which C would take for enormous ones.
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

// build makes the options of a call. The samplers report how they end to sampled; if it is nil they
// are left out.
func (o *GenerateOptions) build(sampled *sampling) (*owner, error) {
	if o == nil {
		return nil, nil
	}
	var h *C.codegeex_generate_options
	type failure = **C.codegeex_error
	type status = C.codegeex_status
	s := setting{byKey: func(k *C.char, kn C.size_t, v *C.char, vn C.size_t, e failure) status {
		return C.codegeex_generate_options_set(h, k, kn, v, vn, e)
	}}
	s.call(func(e failure) status { return C.codegeex_generate_options_new(&h, e) })
	s.number("max_new_tokens", o.MaxNewTokens)
	s.float("temperature", o.Temperature)
	s.number("top_k", o.TopK)
	s.float("top_p", o.TopP)
	s.float("min_p", o.MinP)
	s.float("typical_p", o.TypicalP)
	s.float("repetition_penalty", o.RepetitionPenalty)
	s.float("presence_penalty", o.PresencePenalty)
	s.float("frequency_penalty", o.FrequencyPenalty)
	if len(o.LogitBias) > 0 {
		s.set("logit_bias", jsonList("{", "}", o.LogitBias, func(b LogitBias) string {
			if math.IsInf(float64(b.Bias), -1) {
				return fmt.Sprintf(`"%d":null`, b.ID)
			}
			return fmt.Sprintf(`"%d":%s`, b.ID, formatFloat(b.Bias))
		}))
	}
	s.ids("banned_ids", o.BannedIDs)
	s.unsigned("seed", o.Seed)
	s.unsigned("first_sample", uint64(o.FirstSample))
	s.number("samples", o.Samples)
	s.texts("stop", o.Stop)
	s.stopAt(o.StopAt)
	s.ids("stop_ids", o.StopIDs)
	s.infill(o.Infill)
	s.flag("heal", o.Heal)
	s.number("top_logprobs", o.TopLogprobs)
	s.special(o.SpecialTokens)
	s.timeout(o.Timeout)
	s.number("prefill_limit", o.PrefillLimit)
	s.number("threads", o.Threads)
	if draft := o.Speculation.Draft; draft != nil {
		s.use(func() error { return nonNegative(o.Speculation.Tokens) })
		s.use(func() error {
			return use(draft.own, func(m *C.codegeex_model) error {
				return call(func(e failure) status {
					return C.codegeex_generate_options_set_speculation_model(h, m, size(o.Speculation.Tokens), e)
				})
			})
		})
	} else if o.Speculation.Tokens != 0 {
		s.set("speculation", "lookup:"+strconv.Itoa(o.Speculation.Tokens))
	}
	s.extra(o.Extra)
	if sampled != nil {
		for _, f := range o.Samplers {
			s.sampler(h, samplerOf{sampled, f})
		}
	}
	return s.done(unsafe.Pointer(h), freeGenerateOptions)
}

// Value returns an option as text, by its key.
func (o *GenerateOptions) Value(key string) (string, error) {
	if o == nil {
		o = &GenerateOptions{}
	}
	built, err := o.build(nil)
	return value(built, err, key, func(h *C.codegeex_generate_options, k *C.char, kn C.size_t, v **C.char, vn *C.size_t, e **C.codegeex_error) C.codegeex_status {
		return C.codegeex_generate_options_get(h, k, kn, v, vn, e)
	})
}
