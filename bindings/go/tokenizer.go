package codegeex

// #include "callbacks.h"
import "C"

import "unsafe"

// InvalidUTF8 is how invalid UTF-8 is handled when ids are decoded: ids may end inside a character.
type InvalidUTF8 int32

const (
	// InvalidUTF8Replace replaces them with U+FFFD.
	InvalidUTF8Replace InvalidUTF8 = C.CODEGEEX_INVALID_UTF8_REPLACE
	// InvalidUTF8Refuse returns ErrInvalidUTF8.
	InvalidUTF8Refuse InvalidUTF8 = C.CODEGEEX_INVALID_UTF8_REFUSE
)

// A Tokenizer encodes text to token ids and decodes ids to text. It is immutable and safe for
// concurrent use.
type Tokenizer struct{ own *owner }

func newTokenizer(h *C.codegeex_tokenizer) *Tokenizer {
	t := &Tokenizer{newOwner(unsafe.Pointer(h), func(p unsafe.Pointer) {
		C.codegeex_tokenizer_free((*C.codegeex_tokenizer)(p))
	})}
	return t
}

// NewTokenizer returns the built-in tokenizer of the published CodeGeeX checkpoints.
func NewTokenizer() (*Tokenizer, error) {
	var h *C.codegeex_tokenizer
	err := call(func(err **C.codegeex_error) C.codegeex_status { return C.codegeex_tokenizer_new(&h, err) })
	if err != nil {
		return nil, err
	}
	return newTokenizer(h), nil
}

// TokenizerFromFolder opens a tokenizer: a file tokenizer.json or tokenizer.model, or a folder with one
// of them or with vocab.json, merges.txt and added_tokens.json.
func TokenizerFromFolder(path string) (*Tokenizer, error) {
	var h *C.codegeex_tokenizer
	p, n := cText(path)
	err := call(func(err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_tokenizer_from_folder(p, n, &h, err)
	})
	if err != nil {
		return nil, err
	}
	return newTokenizer(h), nil
}

// Close frees the tokenizer. It returns nil.
func (t *Tokenizer) Close() error {
	t.own.close()
	return nil
}

// Encode encodes a text, which must be UTF-8, to token ids.
func (t *Tokenizer) Encode(text string, special SpecialTokens) (ids []uint32, err error) {
	p, n := cText(text)
	err = use(t.own, func(h *C.codegeex_tokenizer) error {
		var data *C.uint32_t
		var count C.size_t
		err := call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_tokenizer_encode(h, p, n, C.int32_t(special), &data, &count, err)
		})
		ids = takeSlice[uint32](data, count)
		return err
	})
	return ids, err
}

// Decode decodes token ids to text.
func (t *Tokenizer) Decode(ids []uint32, invalid InvalidUTF8) (text string, err error) {
	p, n := cIDs(ids)
	err = use(t.own, func(h *C.codegeex_tokenizer) error {
		var data *C.char
		var count C.size_t
		err := call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_tokenizer_decode(h, p, n, C.int32_t(invalid), &data, &count, err)
		})
		text = takeString(data, count)
		return err
	})
	return text, err
}

// TokenBytes returns the bytes of a token, which may end inside a character.
func (t *Tokenizer) TokenBytes(id uint32) (bytes []byte, err error) {
	err = use(t.own, func(h *C.codegeex_tokenizer) error {
		var data *C.uint8_t
		var count C.size_t
		err := call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_tokenizer_token_bytes(h, C.uint32_t(id), &data, &count, err)
		})
		bytes = takeSlice[byte](data, count)
		return err
	})
	return bytes, err
}

// VocabSize is one more than the largest id; 0 after Close.
func (t *Tokenizer) VocabSize() int {
	return ask(t.own, func(h *C.codegeex_tokenizer) int { return int(C.codegeex_tokenizer_vocab_size(h)) })
}

// EndOfText is the end-of-text id; 0 after Close.
func (t *Tokenizer) EndOfText() uint32 {
	return ask(t.own, func(h *C.codegeex_tokenizer) uint32 {
		return uint32(C.codegeex_tokenizer_end_of_text(h))
	})
}

// A Decoder is a streaming decoder: it takes ids one at a time and returns text as soon as it is
// final. A token may end inside a character. It serves one call at a time.
type Decoder struct{ own *owner }

// NewDecoder creates a decoder at the beginning of a text.
func (t *Tokenizer) NewDecoder(invalid InvalidUTF8) (*Decoder, error) {
	var d *C.codegeex_decoder
	err := use(t.own, func(h *C.codegeex_tokenizer) error {
		return call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_decoder_new(h, C.int32_t(invalid), &d, err)
		})
	})
	if err != nil {
		return nil, err
	}
	decoder := &Decoder{newOwner(unsafe.Pointer(d), func(p unsafe.Pointer) {
		C.codegeex_decoder_free((*C.codegeex_decoder)(p))
	})}
	return decoder, nil
}

// Push adds an id and returns the newly finalized text, which may be empty. On ErrInvalidUTF8 the
// decoder drops the invalid bytes and can continue.
func (d *Decoder) Push(id uint32) (text string, err error) {
	err = use(d.own, func(h *C.codegeex_decoder) error {
		var data *C.char
		var n C.size_t
		err := call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_decoder_push(h, C.uint32_t(id), &data, &n, err)
		})
		text = takeString(data, n)
		return err
	})
	return text, err
}

// Pending reports whether bytes of an incomplete character are held back.
func (d *Decoder) Pending() bool {
	return ask(d.own, func(h *C.codegeex_decoder) bool { return C.codegeex_decoder_is_pending(h) != 0 })
}

// Finish ends the text: incomplete bytes become U+FFFD or ErrInvalidUTF8. The decoder can then start
// another text.
func (d *Decoder) Finish() (text string, err error) {
	err = use(d.own, func(h *C.codegeex_decoder) error {
		var data *C.char
		var n C.size_t
		err := call(func(err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_decoder_finish(h, &data, &n, err)
		})
		text = takeString(data, n)
		return err
	})
	return text, err
}

// Close frees the decoder. It returns nil.
func (d *Decoder) Close() error {
	d.own.close()
	return nil
}
