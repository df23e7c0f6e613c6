package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"log/slog"
	"runtime/cgo"
	"unsafe"
)

// MemoryMode is how the files of a checkpoint are loaded into memory.
type MemoryMode string

const (
	// MemoryMap memory-maps the files: opening is nearly free. Do not truncate them while the model
	// is open. This is the default.
	MemoryMap MemoryMode = "map"
	// MemoryCopy reads the files into private memory.
	MemoryCopy MemoryMode = "copy"
	// MemoryLock memory-maps and locks the files (mlock). RLIMIT_MEMLOCK must be at least their size.
	MemoryLock MemoryMode = "lock"
)

// KVFormat is the format of the KV cache.
type KVFormat string

const (
	// KVFloat32 is FP32, as computed. This is the default.
	KVFloat32 KVFormat = "f32"
	// KVFloat16 is FP16.
	KVFloat16 KVFormat = "f16"
	// KVInt8 is INT8 with a scale for each token and head.
	KVInt8 KVFormat = "int8"
)

// ActivationFormat is the precision of activations in quantized layers.
type ActivationFormat string

const (
	// ActivationsInt16 is INT16 with a scale for each token. This is the default.
	ActivationsInt16 ActivationFormat = "int16"
	// ActivationsInt8 is INT8 with a scale for each group of 256 inputs: faster for prompts and large
	// batches, less exact.
	ActivationsInt8 ActivationFormat = "int8"
)

// OpenOptions are the options for opening a model. The zero value and nil memory-map the files and
// use all cores and the fastest instruction set.
type OpenOptions struct {
	// Memory is how the files are loaded into memory.
	Memory MemoryMode
	// Threads is the number of compute threads, including the calling thread; 0 means one for each
	// core.
	Threads int
	// ISA is the instruction set of the kernels, by name (see CPUTiers); "" means the fastest. All
	// give bit-identical results.
	ISA string
	// KV is the format of the KV cache.
	KV KVFormat
	// Activations is the precision of activations in quantized layers.
	Activations ActivationFormat
	// MemoryLimit is the limit of the KV cache over all sequences, in bytes; 0 means no limit.
	MemoryLimit uint64
	// Tokenizer is the tokenizer of the model; nil means the vocabulary beside the checkpoint, or else
	// the built-in tokenizer.
	Tokenizer *Tokenizer
	// Logger receives the log messages of the model, for the levels that it is enabled for at the
	// time of opening.
	Logger *slog.Logger
	// Progress is called with the bytes copied and the total. If it returns an error, the call stops
	// and returns that error.
	Progress func(done, total uint64) error
	// Extra sets options by key, after the fields. See OpenOptionKeys.
	Extra map[string]string
}

func (o *OpenOptions) build() (*owner, error) {
	if o == nil {
		return nil, nil
	}
	var h *C.codegeex_open_options
	type failure = **C.codegeex_error
	s := setting{byKey: func(k *C.char, kn C.size_t, v *C.char, vn C.size_t, e failure) C.codegeex_status {
		return C.codegeex_open_options_set(h, k, kn, v, vn, e)
	}}
	s.call(func(e failure) C.codegeex_status { return C.codegeex_open_options_new(&h, e) })
	s.text("memory", string(o.Memory))
	s.number("threads", o.Threads)
	s.text("isa", o.ISA)
	s.text("kv", string(o.KV))
	s.text("activations", string(o.Activations))
	s.unsigned("memory_limit", o.MemoryLimit)
	if o.Tokenizer != nil {
		s.use(func() error {
			return use(o.Tokenizer.own, func(t *C.codegeex_tokenizer) error {
				return call(func(e failure) C.codegeex_status { return C.codegeex_open_options_set_tokenizer(h, t, e) })
			})
		})
	}
	if o.Logger != nil {
		// The library gives the handle back, if the call fails too.
		level := C.int32_t(0)
		for _, l := range logLevels {
			if o.Logger.Enabled(context.Background(), l.level) {
				level = max(level, l.c)
			}
		}
		if level != 0 {
			s.call(func(e failure) C.codegeex_status {
				userdata := C.codegeex_go_userdata(C.uintptr_t(cgo.NewHandle(o.Logger)))
				return C.codegeex_open_options_set_log(h, level, C.codegeex_log_callback(C.codegeex_go_log),
					userdata, C.codegeex_destroy_callback(C.codegeex_go_destroy), e)
			})
		}
	}
	s.extra(o.Extra)
	return s.done(unsafe.Pointer(h), func(p unsafe.Pointer) {
		C.codegeex_open_options_free((*C.codegeex_open_options)(p))
	})
}

// Value returns an option as text, by its key.
func (o *OpenOptions) Value(key string) (string, error) {
	if o == nil {
		o = &OpenOptions{}
	}
	built, err := o.build()
	return value(built, err, key, func(h *C.codegeex_open_options, k *C.char, kn C.size_t, v **C.char, vn *C.size_t, e **C.codegeex_error) C.codegeex_status {
		return C.codegeex_open_options_get(h, k, kn, v, vn, e)
	})
}

// withProgress calls f with a callback and its userdata, both NULL without a callback.
func withProgress(
	report func(done, total uint64) error,
	f func(callback C.codegeex_progress_callback, userdata unsafe.Pointer) error,
) error {
	if report == nil {
		return f(nil, nil)
	}
	l := &progressListener{report: report}
	handle := cgo.NewHandle(l)
	defer handle.Delete()
	err := f(C.codegeex_progress_callback(C.codegeex_go_progress), C.codegeex_go_userdata(C.uintptr_t(handle)))
	l.rethrow()
	if l.err != nil {
		return l.err
	}
	return err
}

// A Model is a loaded checkpoint with its tokenizer. It is immutable and safe for concurrent use.
type Model struct{ own *owner }

// Open opens a checkpoint: a .pt file, a folder of mp_rank_* shards, or safetensors. The options may
// be nil.
func Open(ctx context.Context, path string, options *OpenOptions) (*Model, error) {
	built, err := options.build()
	if err != nil {
		return nil, err
	}
	defer built.close()
	var progress func(done, total uint64) error
	if options != nil {
		progress = options.Progress
	}
	p, n := cText(path)
	var h *C.codegeex_model
	err = useOptional(built, func(o *C.codegeex_open_options) error {
		return withProgress(progress, func(callback C.codegeex_progress_callback, userdata unsafe.Pointer) error {
			return callContext(ctx, func(cancel *C.codegeex_cancel_token, err **C.codegeex_error) C.codegeex_status {
				return C.codegeex_model_open(p, n, o, cancel, callback, userdata, &h, err)
			})
		})
	})
	if err != nil {
		C.codegeex_model_free(h)
		return nil, err
	}
	m := &Model{newOwner(unsafe.Pointer(h), func(p unsafe.Pointer) {
		C.codegeex_model_free((*C.codegeex_model)(p))
	})}
	return m, nil
}

// Close frees the model's memory and threads once nothing else uses them. It returns nil.
func (m *Model) Close() error {
	m.own.close()
	return nil
}

// ModelInfo has the sizes of a model.
type ModelInfo struct {
	// NumLayers is the number of decoder layers, without the top query layer.
	NumLayers int
	// HiddenSize is the width of the hidden state.
	HiddenSize int
	// NumAttentionHeads and NumKVHeads are the numbers of query heads and of KV heads.
	NumAttentionHeads, NumKVHeads int
	// VocabSize is the number of logits per row, padding included.
	VocabSize int
	// MaxPositions is the context length in tokens.
	MaxPositions int
	// Parameters is the number of parameters.
	Parameters uint64
}

// Info has the sizes of the model.
func (m *Model) Info() (info ModelInfo, err error) {
	err = use(m.own, func(h *C.codegeex_model) error {
		var c C.codegeex_model_info
		c.struct_size = C.sizeof_codegeex_model_info
		err := call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_model_get_info(h, &c, err)
		})
		info = ModelInfo{
			NumLayers:         int(c.num_layers),
			HiddenSize:        int(c.hidden_size),
			NumAttentionHeads: int(c.num_attention_heads),
			NumKVHeads:        int(c.num_kv_heads),
			VocabSize:         int(c.vocab_size),
			MaxPositions:      int(c.max_positions),
			Parameters:        uint64(c.parameters),
		}
		return err
	})
	return info, err
}

// lent copies a text that belongs to the model.
func (m *Model) lent(f func(h *C.codegeex_model, n *C.size_t) *C.char) (text string) {
	_ = lend(m.own, func(h *C.codegeex_model) error {
		text = lent(func(n *C.size_t) *C.char { return f(h, n) })
		return nil
	})
	return text
}

// String is a one-line description of the model: sizes, backend, kernels, threads. Empty after Close.
func (m *Model) String() string {
	return m.lent(func(h *C.codegeex_model, n *C.size_t) *C.char { return C.codegeex_model_describe(h, n) })
}

// ConfigJSON is the configuration of the model as JSON. Empty after Close.
func (m *Model) ConfigJSON() string {
	return m.lent(func(h *C.codegeex_model, n *C.size_t) *C.char { return C.codegeex_model_config_json(h, n) })
}

// InfillFormat is the fill-in-the-middle format of the tokenizer, such as "starcoder". Empty for a model
// without one, and after Close.
func (m *Model) InfillFormat() string {
	return m.lent(func(h *C.codegeex_model, n *C.size_t) *C.char { return C.codegeex_model_infill_format(h, n) })
}

// Kernels is the name of the instruction set that the kernels use. Empty after Close.
func (m *Model) Kernels() string {
	return ask(m.own, func(h *C.codegeex_model) string {
		return C.GoString(C.codegeex_model_kernels(h))
	})
}

// Fingerprint identifies the model and its weights. A model can restore what a model with the same
// fingerprint saved.
func (m *Model) Fingerprint() (uint64, error) {
	var number C.uint64_t
	err := use(m.own, func(h *C.codegeex_model) error {
		return call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_model_fingerprint(h, &number, err)
		})
	})
	return uint64(number), err
}

// Tokenizer is the model's tokenizer, which may outlive it.
func (m *Model) Tokenizer() (*Tokenizer, error) {
	var t *C.codegeex_tokenizer
	err := use(m.own, func(h *C.codegeex_model) error {
		return call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_model_tokenizer(h, &t, err)
		})
	})
	if err != nil {
		return nil, err
	}
	return newTokenizer(t), nil
}

// A MemoryEstimate is the memory that a model will need, in bytes.
type MemoryEstimate struct {
	// WeightsMapped are weights used in place in mapped files, shared between processes.
	WeightsMapped uint64
	// WeightsOwned are weights in private memory.
	WeightsOwned uint64
	// CachePerToken is the KV cache of one token.
	CachePerToken uint64
	// Cache is the KV cache of all sequences at full length.
	Cache uint64
	// Scratch is the activations of the largest call, and its logits.
	Scratch uint64
	// Total is the sum of the parts.
	Total uint64
}

// EstimateMemory estimates the memory that a checkpoint needs with these options, for a number of
// concurrent sequences of contextLength tokens each, without loading it. The options may be nil.
func EstimateMemory(path string, options *OpenOptions, sequences, contextLength int) (MemoryEstimate, error) {
	if err := nonNegative(sequences, contextLength); err != nil {
		return MemoryEstimate{}, err
	}
	built, err := options.build()
	if err != nil {
		return MemoryEstimate{}, err
	}
	defer built.close()
	p, n := cText(path)
	var c C.codegeex_memory_estimate
	c.struct_size = C.sizeof_codegeex_memory_estimate
	err = useOptional(built, func(o *C.codegeex_open_options) error {
		return call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_estimate_memory(p, n, o, size(sequences), size(contextLength), &c, err)
		})
	})
	if err != nil {
		return MemoryEstimate{}, err
	}
	return MemoryEstimate{
		WeightsMapped: uint64(c.weights_mapped),
		WeightsOwned:  uint64(c.weights_owned),
		CachePerToken: uint64(c.cache_per_token),
		Cache:         uint64(c.cache),
		Scratch:       uint64(c.scratch),
		Total:         uint64(c.total),
	}, nil
}
