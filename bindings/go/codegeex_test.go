package codegeex

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
)

// modelPath is the default model, or another one that CODEGEEX_MODEL names.
func modelPath() string {
	if path := os.Getenv("CODEGEEX_MODEL"); path != "" {
		return path
	}
	return filepath.Join("..", "..", "models", "codegeex_tiny.safetensors")
}

func open(t testing.TB, options *OpenOptions) *Model {
	t.Helper()
	model, err := Open(context.Background(), modelPath(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { model.Close() })
	return model
}

// must returns the value of a call that may not fail.
func must[T any](t testing.TB) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

const code Text = "# language: Python\ndef read_lines(path):"

var background = context.Background()

func TestVersion(t *testing.T) {
	if Version() != HeaderVersion {
		t.Errorf("library %s, header %s", Version(), HeaderVersion)
	}
	if major, minor := ABIVersion(); major < 0 || major == 0 && minor < 1 {
		t.Errorf("ABI %d.%d", major, minor)
	}
	tiers := CPUTiers()
	if len(tiers) == 0 || tiers[0] != "scalar" || tiers[len(tiers)-1] != CPUTier() {
		t.Errorf("tiers %v, the fastest %q", tiers, CPUTier())
	}
	if !HasFeature("capi") || HasFeature("no such") {
		t.Error("features")
	}
}

func TestErrors(t *testing.T) {
	_, err := Open(background, "/no/such/file", nil)
	if !errors.Is(err, ErrNotFound) || !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrBusy) {
		t.Errorf("not found: %v", err)
	}
	var e *Error
	if !errors.As(err, &e) || e.Code != ErrNotFound || !strings.Contains(e.Message, "/no/such/file") {
		t.Errorf("not found: %#v", err)
	}
	broken := filepath.Join(t.TempDir(), "broken.safetensors")
	if err := os.WriteFile(broken, []byte("\x08\x00\x00\x00\x00\x00\x00\x00{\"a\":"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(background, broken, nil); err == nil || errors.Is(err, ErrPanic) {
		t.Errorf("broken file: %v", err)
	}
	for _, options := range []*GenerateOptions{
		{TopP: 2}, {Samples: -1}, {TopK: -1}, {PrefillLimit: -1}, {Extra: map[string]string{"no such": "1"}},
		{Timeout: -1}, {Speculation: Speculation{Tokens: -1}}, {SpecialTokens: 7}, {StopAt: StopAt{Rules: "line"}},
		{LogitBias: []LogitBias{{1, float32(math.NaN())}}},
		{Extra: map[string]string{"seed": "many"}}, {Temperature: float32(math.NaN())},
	} {
		if _, err := open(t, nil).Generate(background, code, options); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%+v: %v", options, err)
		}
	}
	if _, err := open(t, nil).Generate(background, Text("\xff"), nil); !errors.Is(err, ErrInvalidUTF8) {
		t.Errorf("no UTF-8: %v", err)
	}
	for _, options := range []*GenerateOptions{{Stop: []string{"\xff"}}, {StopAt: StopAt{Before: "\xff"}}} {
		if _, err := open(t, nil).Generate(background, code, options); !errors.Is(err, ErrInvalidUTF8) {
			t.Errorf("no UTF-8 in %+v: %v", options, err)
		}
	}
	for _, options := range []*BeamOptions{{NumBeams: -1}, {Rules: "others"}, {EarlyStopping: "maybe"}, {Threads: -1}} {
		if _, err := open(t, nil).BeamSearch(background, code, options); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%+v: %v", options, err)
		}
	}
	for _, options := range []*OpenOptions{{Memory: "read"}, {KV: "f8"}, {Activations: "int4"}, {Threads: -1}} {
		if _, err := Open(background, modelPath(), options); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%+v: %v", options, err)
		}
	}
	if _, err := open(t, nil).Generate(background, IDs{1 << 30}, nil); !errors.Is(err, ErrTokenOutOfRange) {
		t.Errorf("id out of range: %v", err)
	}
	for _, f := range []func(model *Model) error{
		func(*Model) error { _, err := EstimateMemory(modelPath(), nil, -1, 1); return err },
		func(*Model) error { _, err := EstimateMemory(modelPath(), nil, 1, -1); return err },
		func(m *Model) error { _, err := m.Score(background, []uint32{1, 2}, -1); return err },
	} {
		if err := f(open(t, nil)); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("a negative number: %v", err)
		}
	}
	if ErrBusy.Error() == "" || Code(-5).Error() == "" {
		t.Error("codes have names")
	}
}

func TestOptionsByKey(t *testing.T) {
	for name, keys := range map[string][]OptionKey{
		"generate": GenerateOptionKeys(), "open": OpenOptionKeys(), "beam": BeamOptionKeys(),
		"convert": ConvertOptionKeys(), "service": ServiceOptionKeys(),
	} {
		if len(keys) < 4 {
			t.Errorf("%s has %v", name, keys)
		}
		for _, key := range keys {
			if key.Key == "" || key.Help == "" {
				t.Errorf("%s: %+v", name, key)
			}
		}
	}
	// Every field arrives under its key, and a key wins over its field. Nothing else is left out.
	agree := func(what string, keys []OptionKey, value func(key string) (string, error), want map[string]string) {
		t.Helper()
		for _, key := range keys {
			expected, known := want[key.Key]
			if got := must[string](t)(value(key.Key)); got != expected || !known {
				t.Errorf("%s: %s is %s, expected %s", what, key.Key, got, expected)
			}
		}
		if len(keys) != len(want) {
			t.Errorf("%s has %d keys, expected %d", what, len(keys), len(want))
		}
	}
	generate := &GenerateOptions{
		MaxNewTokens: 3, Temperature: 0.5, TopK: 4, TopP: 0.25, MinP: 0.125, TypicalP: 0.75,
		RepetitionPenalty: 1.5, PresencePenalty: -2.5, FrequencyPenalty: 3.5,
		LogitBias: []LogitBias{{198, -2.5}, {7, float32(math.Inf(-1))}}, BannedIDs: []uint32{5, math.MaxUint32},
		Seed: math.MaxUint64, FirstSample: 7, Samples: 2, Stop: []string{"\n\n", "\"\\<é\x01"}, TopLogprobs: 8,
		StopAt:        StopAt{Language: "go", Rules: "block,function", Before: "func f() {\n"},
		SpecialTokens: SpecialParse, PrefillLimit: 9, Threads: 1, Speculation: Speculation{Tokens: 4}, Heal: true,
		StopIDs: []uint32{7}, Infill: &Infill{Suffix: "x\n", Order: InfillSPM, Path: "a.go", Repository: "r",
			Files: []ContextFile{{Path: "b.go", Text: "B"}}, Language: "go"},
		Timeout: 10*time.Millisecond + 1, Samplers: []Sampler{nil}, Extra: map[string]string{"top_k": "12"},
	}
	agree("generate", GenerateOptionKeys(), generate.Value, map[string]string{
		"max_new_tokens": "3", "temperature": "0.5", "top_k": "12", "top_p": "0.25", "min_p": "0.125",
		"typical_p": "0.75", "repetition_penalty": "1.5", "presence_penalty": "-2.5",
		"frequency_penalty": "3.5", "logit_bias": `{"198":-2.5,"7":null}`, "banned_ids": "[5,4294967295]",
		"seed": "18446744073709551615", "first_sample": "7", "samples": "2", "stop": `["\n\n","\"\\<é\u0001"]`,
		"stop_at": "go:block,function", "stop_before": `"func f() {\n"`, "heal": "true",
		"top_logprobs": "8", "special_tokens": "parse", "prefill_limit": "9", "threads": "1",
		"speculation": "lookup:4", "timeout_ms": "11", "stop_ids": "[7]", "suffix": `"x\n"`, "infill_order": "spm",
		"path": `"a.go"`, "repository": `"r"`, "files": `[{"path":"b.go","text":"B"}]`, "infill_language": "go",
	})
	beam := &BeamOptions{
		NumBeams: 3, MaxNewTokens: 5, Rules: BeamRulesHuggingFace, LengthPenalty: 0.5, EarlyStopping: EarlyStoppingNever,
		Stop: []string{"x"}, StopAt: StopAt{Language: "python", Rules: "line"}, BannedIDs: []uint32{6},
		SpecialTokens: SpecialParse, Timeout: time.Second, PrefillLimit: 7, Threads: 2, StopIDs: []uint32{8},
		Extra: map[string]string{"stop_before": `""`},
	}
	agree("beam", BeamOptionKeys(), beam.Value, map[string]string{
		"num_beams": "3", "max_new_tokens": "5", "rules": "hugging_face", "length_penalty": "0.5",
		"early_stopping": "never", "stop": `["x"]`, "stop_at": "python:line", "stop_before": `""`, "banned_ids": "[6]",
		"special_tokens": "parse", "timeout_ms": "1000", "prefill_limit": "7", "threads": "2", "stop_ids": "[8]",
	})
	opening := &OpenOptions{Memory: MemoryCopy, Threads: 3, ISA: "scalar", KV: KVFloat16,
		Activations: ActivationsInt8, MemoryLimit: math.MaxUint64}
	agree("open", OpenOptionKeys(), opening.Value, map[string]string{"memory": "copy", "threads": "3", "isa": "scalar",
		"kv": "f16", "activations": "int8", "memory_limit": "18446744073709551615", "config": "none"})
	convert := &ConvertOptions{DType: "f16", Quantize: "int8", QuantizeHead: true, Threads: 2, Overwrite: true}
	agree("convert", ConvertOptionKeys(), convert.Value, map[string]string{
		"dtype": "f16", "quantize": "int8", "quantize_head": "true", "threads": "2", "overwrite": "true"})
	service := &ServiceOptions{Sequences: 3, PrefillTokens: 4, Prefixes: 5, Waiting: 6, CacheBytes: 1 << 40}
	agree("service", ServiceOptionKeys(), service.Value, map[string]string{
		"sequences": "3", "prefill_tokens": "4", "prefixes": "5", "waiting": "6", "cache_bytes": "1099511627776"})
	// No limit of the cache means the default, half of the available memory.
	for bytes, want := range map[uint64]string{0: "none", 1: "1", UnlimitedCache: "unlimited"} {
		if got := must[string](t)((&ServiceOptions{CacheBytes: bytes}).Value("cache_bytes")); got != want {
			t.Errorf("a cache of %d bytes is %s", bytes, got)
		}
	}
}

func TestTokenizer(t *testing.T) {
	tokenizer := must[*Tokenizer](t)(NewTokenizer())
	const text = "def größe():\n\t\treturn '漢字 🎉'<|endoftext|>"
	plain := must[[]uint32](t)(tokenizer.Encode(text, SpecialAsText))
	special := must[[]uint32](t)(tokenizer.Encode(text, SpecialParse))
	if slices.Contains(plain, tokenizer.EndOfText()) || special[len(special)-1] != tokenizer.EndOfText() {
		t.Error("special tokens")
	}
	if got := must[string](t)(tokenizer.Decode(plain, InvalidUTF8Refuse)); got != text {
		t.Errorf("decoded %q", got)
	}
	if tokenizer.VocabSize() <= int(tokenizer.EndOfText()) {
		t.Error("vocabulary size")
	}
	decoder := must[*Decoder](t)(tokenizer.NewDecoder(InvalidUTF8Refuse))
	// The decoder keeps what it needs.
	tokenizer.Close()
	var built strings.Builder
	waited := false
	for _, id := range plain {
		built.WriteString(must[string](t)(decoder.Push(id)))
		waited = waited || decoder.Pending()
	}
	built.WriteString(must[string](t)(decoder.Finish()))
	if built.String() != text || !waited || decoder.Pending() {
		t.Errorf("streamed %q, pending at some time: %v", built.String(), waited)
	}
	decoder.Close()

	tokenizer = must[*Tokenizer](t)(NewTokenizer())
	defer tokenizer.Close()
	party := must[[]uint32](t)(tokenizer.Encode("🎉", SpecialAsText))
	cut := party[:1]
	if text := must[string](t)(tokenizer.Decode(cut, InvalidUTF8Replace)); text != "\uFFFD" {
		t.Errorf("half a character is %q", text)
	}
	if _, err := tokenizer.Decode(cut, InvalidUTF8Refuse); !errors.Is(err, ErrInvalidUTF8) {
		t.Errorf("half a character: %v", err)
	}
	var bytes []byte
	for _, id := range party {
		bytes = append(bytes, must[[]byte](t)(tokenizer.TokenBytes(id))...)
	}
	if string(bytes) != "🎉" {
		t.Errorf("bytes %q", bytes)
	}
	if _, err := tokenizer.TokenBytes(1 << 30); !errors.Is(err, ErrTokenOutOfRange) {
		t.Errorf("id out of range: %v", err)
	}
	if ids := must[[]uint32](t)(tokenizer.Encode("", SpecialAsText)); len(ids) != 0 {
		t.Errorf("ids of nothing: %v", ids)
	}
	if _, err := TokenizerFromFolder("/no/such/folder"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no folder: %v", err)
	}
}

func FuzzTokenizerRoundTrip(f *testing.F) {
	for _, seed := range []string{"", "def f(x):\n    return x", "漢字 🎉\x00<|endoftext|>", "\xff\xfe", "   \t\r\n"} {
		f.Add(seed)
	}
	tokenizer := must[*Tokenizer](f)(NewTokenizer())
	f.Cleanup(func() { tokenizer.Close() })
	f.Fuzz(func(t *testing.T, text string) {
		ids, err := tokenizer.Encode(text, SpecialAsText)
		if strings.ToValidUTF8(text, "") != text {
			if !errors.Is(err, ErrInvalidUTF8) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		back, err := tokenizer.Decode(ids, InvalidUTF8Refuse)
		if err != nil || back != text {
			t.Fatalf("%q became %q, %v", text, back, err)
		}
		decoder := must[*Decoder](t)(tokenizer.NewDecoder(InvalidUTF8Refuse))
		defer decoder.Close()
		var built strings.Builder
		for _, id := range ids {
			built.WriteString(must[string](t)(decoder.Push(id)))
		}
		built.WriteString(must[string](t)(decoder.Finish()))
		if built.String() != text {
			t.Fatalf("%q streamed as %q", text, built.String())
		}
	})
}

func TestModel(t *testing.T) {
	var log strings.Builder
	var mu sync.Mutex
	logger := slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	tokenizer := must[*Tokenizer](t)(NewTokenizer())
	model := open(t, &OpenOptions{Memory: MemoryCopy, Threads: 1, ISA: "scalar", KV: KVFloat16,
		Tokenizer: tokenizer, Logger: logger})
	tokenizer.Close()
	info := must[ModelInfo](t)(model.Info())
	if info.NumLayers == 0 || info.VocabSize < 50_000 || info.MaxPositions == 0 || info.Parameters == 0 ||
		info.HiddenSize == 0 || info.NumAttentionHeads == 0 || info.NumKVHeads == 0 {
		t.Errorf("%+v", info)
	}
	if model.Kernels() != "scalar" || !strings.Contains(model.String(), "scalar") {
		t.Errorf("%q runs %q", model, model.Kernels())
	}
	if !strings.HasPrefix(strings.TrimSpace(model.ConfigJSON()), "{") {
		t.Errorf("configuration %q", model.ConfigJSON())
	}
	other := open(t, nil)
	if must[uint64](t)(model.Fingerprint()) != must[uint64](t)(other.Fingerprint()) {
		t.Error("fingerprints differ")
	}
	own := must[*Tokenizer](t)(other.Tokenizer())
	other.Close()
	if own.EndOfText() == 0 {
		t.Error("a tokenizer outlives its model")
	}
	must[[]Completion](t)(model.Generate(background, code, &GenerateOptions{MaxNewTokens: 2}))
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(log.String(), "level=INFO") || !strings.Contains(log.String(), "level=DEBUG") {
		t.Errorf("log: %s", log.String())
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	to *strings.Builder
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

func TestOpenProgressAndCancel(t *testing.T) {
	var last, total uint64
	open(t, &OpenOptions{Memory: MemoryCopy, Progress: func(d, n uint64) error {
		last, total = d, n
		return nil
	}})
	if last == 0 || last != total {
		t.Errorf("%d of %d bytes", last, total)
	}
	mine := errors.New("mine")
	_, err := Open(background, modelPath(), &OpenOptions{Memory: MemoryCopy, Progress: func(d, n uint64) error { return mine }})
	if err != mine {
		t.Errorf("an error of the progress function: %v", err)
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	_, err = Open(ctx, modelPath(), &OpenOptions{Memory: MemoryCopy})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrCancelled) {
		t.Errorf("a context that has ended: %v", err)
	}
	estimate := must[MemoryEstimate](t)(EstimateMemory(modelPath(), nil, 2, 128))
	if estimate.Total == 0 || estimate.Cache != 2*128*estimate.CachePerToken {
		t.Errorf("%+v", estimate)
	}
	if _, err := EstimateMemory("/no/such/file", nil, 1, 1); !errors.Is(err, ErrNotFound) {
		t.Errorf("no file: %v", err)
	}
}

func TestForgottenObjectsAreFreed(t *testing.T) {
	freed := make(chan string, 2)
	hear := func(o *owner, name string) {
		free := o.free
		o.free = func(p unsafe.Pointer) {
			free(p)
			freed <- name
		}
	}
	func() {
		model := must[*Model](t)(Open(background, modelPath(), &OpenOptions{Logger: slog.New(slog.DiscardHandler)}))
		session := must[*Session](t)(model.NewSession())
		must[[]Completion](t)(session.Generate(background, code, &GenerateOptions{MaxNewTokens: 1}))
		hear(model.own, "model")
		hear(session.own, "session")
	}()
	deadline := time.After(30 * time.Second)
	for left := 2; left > 0; {
		runtime.GC()
		select {
		case <-freed:
			left--
		case <-deadline:
			t.Fatal("unreachable objects were not freed")
		case <-time.After(10 * time.Millisecond):
		}
	}
}
