package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"log/slog"
	"runtime/cgo"
	"unsafe"
)

// MemoryMode says how the bytes of a checkpoint come into memory.
type MemoryMode int32

const (
	// MemoryMap maps the files: opening costs next to nothing. They must not be truncated meanwhile.
	MemoryMap MemoryMode = C.CODEGEEX_MEMORY_MAP
	// MemoryCopy reads the files into memory of their own.
	MemoryCopy MemoryMode = C.CODEGEEX_MEMORY_COPY
	// MemoryLock maps the files and locks them in memory, which needs a limit of locked memory
	// (RLIMIT_MEMLOCK) as large as they are.
	MemoryLock MemoryMode = C.CODEGEEX_MEMORY_LOCK
)

// KVFormat says how keys and values are kept.
type KVFormat int32

const (
	// KVFloat32 is single precision, as they are computed.
	KVFloat32 KVFormat = C.CODEGEEX_KV_F32
	// KVFloat16 is half precision.
	KVFloat16 KVFormat = C.CODEGEEX_KV_F16
	// KVInt8 is eight bits, with a scale for each token and head.
	KVInt8 KVFormat = C.CODEGEEX_KV_INT8
)

// ActivationFormat says how the inputs of quantized layers are rounded.
type ActivationFormat int32

const (
	// ActivationsInt16 is 16 bits, with a scale for each token.
	ActivationsInt16 ActivationFormat = C.CODEGEEX_ACTIVATIONS_INT16
	// ActivationsInt8 is eight bits, with a scale for each 256 inputs of a token: faster for prompts
	// and many sequences, and less exact.
	ActivationsInt8 ActivationFormat = C.CODEGEEX_ACTIVATIONS_INT8
)

// OpenOptions say how a model is opened. The zero value, and nil, maps the files and computes with all
// cores and the fastest instruction set.
type OpenOptions struct {
	// Memory says how the files come into memory.
	Memory MemoryMode
	// Threads compute, the calling one included; 0 means one for each core.
	Threads int
	// ISA is the instruction set of the kernels, by name (see CPUTiers); "" means the fastest. All
	// give the same results to the bit.
	ISA string
	// KV says how keys and values are kept.
	KV KVFormat
	// Activations says how the inputs of quantized layers are rounded.
	Activations ActivationFormat
	// MemoryLimit is the most bytes of keys and values over all sequences; 0 means no limit.
	MemoryLimit uint64
	// Tokenizer replaces the compiled-in one.
	Tokenizer *Tokenizer
	// Logger gets the messages of the model, of the levels that it is enabled for now.
	Logger *slog.Logger
	// Progress hears how many bytes were copied, of how many. An error ends the call, which returns
	// it.
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
	type status = C.codegeex_status
	var s setting
	s.nonNegative(o.Threads)
	s.set(func(e failure) status { return C.codegeex_open_options_new(&h, e) })
	if s.err != nil {
		return nil, s.err
	}
	s.set(func(e failure) status { return C.codegeex_open_options_set_memory(h, C.int32_t(o.Memory), e) })
	s.set(func(e failure) status { return C.codegeex_open_options_set_threads(h, size(o.Threads), e) })
	if o.ISA != "" {
		p, n := cText(o.ISA)
		s.set(func(e failure) status { return C.codegeex_open_options_set_isa(h, p, n, e) })
	}
	s.set(func(e failure) status { return C.codegeex_open_options_set_kv(h, C.int32_t(o.KV), e) })
	s.set(func(e failure) status {
		return C.codegeex_open_options_set_activations(h, C.int32_t(o.Activations), e)
	})
	if o.MemoryLimit != 0 {
		s.set(func(e failure) status {
			return C.codegeex_open_options_set_memory_limit(h, C.uint64_t(o.MemoryLimit), e)
		})
	}
	if o.Tokenizer != nil {
		s.use(func() error {
			return use(o.Tokenizer.own, func(t *C.codegeex_tokenizer) error {
				return call(func(e failure) status { return C.codegeex_open_options_set_tokenizer(h, t, e) })
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
			s.set(func(e failure) status {
				userdata := C.codegeex_go_userdata(C.uintptr_t(cgo.NewHandle(o.Logger)))
				return C.codegeex_open_options_set_log(h, level, C.codegeex_log_callback(C.codegeex_go_log),
					userdata, C.codegeex_destroy_callback(C.codegeex_go_log_destroy), e)
			})
		}
	}
	s.extra(o.Extra, func(k *C.char, kn C.size_t, v *C.char, vn C.size_t, e failure) status {
		return C.codegeex_open_options_set(h, k, kn, v, vn, e)
	})
	return s.done(newOwner(unsafe.Pointer(h), func(p unsafe.Pointer) {
		C.codegeex_open_options_free((*C.codegeex_open_options)(p))
	}))
}

// Value is an option as text, by its key.
func (o *OpenOptions) Value(key string) (string, error) {
	if o == nil {
		o = &OpenOptions{}
	}
	built, err := o.build()
	return value(built, err, key, func(h *C.codegeex_open_options, k *C.char, kn C.size_t, v **C.char, vn *C.size_t, e **C.codegeex_error) C.codegeex_status {
		return C.codegeex_open_options_get(h, k, kn, v, vn, e)
	})
}

// withProgress calls f with a callback and its userdata, both NULL where nobody listens.
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

// A Model is a checkpoint with its tokenizer, ready to compute. It never changes, and serves any
// number of goroutines at once.
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

// Close gives the model's memory and threads back, once nothing else uses them. It returns nil.
func (m *Model) Close() error {
	m.own.close()
	return nil
}

// ModelInfo has the sizes of a model.
type ModelInfo struct {
	// NumLayers is how many decoder layers there are, the top query layer not counted.
	NumLayers int
	// HiddenSize is the width of the hidden state.
	HiddenSize int
	// NumAttentionHeads and NumKVHeads count the heads of queries, and of keys and values.
	NumAttentionHeads, NumKVHeads int
	// VocabSize is how many ids logits are computed for, padding included.
	VocabSize int
	// MaxPositions is the length of the longest sequence.
	MaxPositions int
	// Parameters is how many there are.
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

// String is one line about the model: sizes, backend, kernels, threads. Empty once it was closed.
func (m *Model) String() string {
	return ask(m.own, func(h *C.codegeex_model) string {
		return lent(func(n *C.size_t) *C.char { return C.codegeex_model_describe(h, n) })
	})
}

// ConfigJSON is the configuration of the model as JSON. Empty once it was closed.
func (m *Model) ConfigJSON() string {
	return ask(m.own, func(h *C.codegeex_model) string {
		return lent(func(n *C.size_t) *C.char { return C.codegeex_model_config_json(h, n) })
	})
}

// Kernels is the name of the instruction set that the kernels use. Empty once the model was closed.
func (m *Model) Kernels() string {
	return ask(m.own, func(h *C.codegeex_model) string {
		return C.GoString(C.codegeex_model_kernels(h))
	})
}

// Fingerprint tells the model and its weights from others: what one saved, another with the same
// number can restore.
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

// A MemoryEstimate says what a model will take, in bytes.
type MemoryEstimate struct {
	// WeightsMapped are used where they lie in mapped files, shared between processes.
	WeightsMapped uint64
	// WeightsOwned are in memory of their own.
	WeightsOwned uint64
	// CachePerToken is keys and values of one token.
	CachePerToken uint64
	// Cache is keys and values of every sequence at its full length.
	Cache uint64
	// Scratch is activations of the largest call, and logits.
	Scratch uint64
	// Total is all of it.
	Total uint64
}

// EstimateMemory says how much memory a checkpoint will take with these options, which may be nil,
// for so many sequences at the same time of so many positions each, without loading it.
func EstimateMemory(path string, options *OpenOptions, sequences, positions int) (MemoryEstimate, error) {
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
			return C.codegeex_estimate_memory(p, n, o, size(sequences), size(positions), &c, err)
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
