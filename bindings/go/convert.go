package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"unsafe"
)

// ConvertOptions are the options of a conversion. The zero value and nil keep all element types,
// quantize nothing and overwrite no file.
type ConvertOptions struct {
	// DType is the element type of tensors that are not quantized: "keep", "f32", "f16" or "bf16"; ""
	// is "keep".
	DType string
	// Quantize is the quantization of the linear layers: "none", "int8" or "int4"; "" is "none".
	Quantize string
	// QuantizeHead quantizes the word embedding, which is also the LM head, to INT8.
	QuantizeHead bool
	// Threads is the number of threads for quantization; 0 means one for each core.
	Threads int
	// Overwrite allows replacing an existing file, atomically at the end.
	Overwrite bool
	// Open has options for reading. Only memory and configuration are used.
	Open *OpenOptions
	// Progress is called with the bytes written and the total. If it returns an error, the call stops
	// and returns that error.
	Progress func(done, total uint64) error
	// Extra sets options by key, after the fields. See ConvertOptionKeys.
	Extra map[string]string
}

func (o *ConvertOptions) build() (*owner, error) {
	if o == nil {
		return nil, nil
	}
	var h *C.codegeex_convert_options
	type failure = **C.codegeex_error
	s := setting{byKey: func(k *C.char, kn C.size_t, v *C.char, vn C.size_t, e failure) C.codegeex_status {
		return C.codegeex_convert_options_set(h, k, kn, v, vn, e)
	}}
	s.call(func(e failure) C.codegeex_status { return C.codegeex_convert_options_new(&h, e) })
	s.text("dtype", o.DType)
	s.text("quantize", o.Quantize)
	s.flag("quantize_head", o.QuantizeHead)
	s.number("threads", o.Threads)
	s.flag("overwrite", o.Overwrite)
	s.extra(o.Extra)
	return s.done(unsafe.Pointer(h), func(p unsafe.Pointer) {
		C.codegeex_convert_options_free((*C.codegeex_convert_options)(p))
	})
}

// Value returns an option as text, by its key.
func (o *ConvertOptions) Value(key string) (string, error) {
	if o == nil {
		o = &ConvertOptions{}
	}
	built, err := o.build()
	return value(built, err, key, func(h *C.codegeex_convert_options, k *C.char, kn C.size_t, v **C.char, vn *C.size_t, e **C.codegeex_error) C.codegeex_status {
		return C.codegeex_convert_options_get(h, k, kn, v, vn, e)
	})
}

// Convert converts a checkpoint of any supported format to one safetensors file. The options may be
// nil. A call that fails or is cancelled leaves out unchanged.
func Convert(ctx context.Context, path, out string, options *ConvertOptions) error {
	if options == nil {
		options = &ConvertOptions{}
	}
	built, err := options.build()
	if err != nil {
		return err
	}
	defer built.close()
	open, err := options.Open.build()
	if err != nil {
		return err
	}
	defer open.close()
	p, pn := cText(path)
	q, qn := cText(out)
	return useOptional(open, func(open *C.codegeex_open_options) error {
		return use(built, func(o *C.codegeex_convert_options) error {
			return withProgress(options.Progress, func(callback C.codegeex_progress_callback, userdata unsafe.Pointer) error {
				return callContext(ctx, func(cancel *C.codegeex_cancel_token, err **C.codegeex_error) C.codegeex_status {
					return C.codegeex_convert(p, pn, open, q, qn, o, cancel, callback, userdata, err)
				})
			})
		})
	})
}
