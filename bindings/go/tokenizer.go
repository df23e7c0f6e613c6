package codegeex

// #include "callbacks.h"
import "C"

import "unsafe"

// InvalidUTF8 says what becomes of bytes that are not UTF-8 when ids are decoded, which may end
// inside a character.
type InvalidUTF8 int32

const (
	// InvalidUTF8Replace makes them U+FFFD.
	InvalidUTF8Replace InvalidUTF8 = C.CODEGEEX_INVALID_UTF8_REPLACE
	// InvalidUTF8Refuse makes them an error, ErrInvalidUTF8.
	InvalidUTF8Refuse InvalidUTF8 = C.CODEGEEX_INVALID_UTF8_REFUSE
)

// A Tokenizer makes token ids of text and text of ids. It never changes, and serves any number of
// goroutines at once.
type Tokenizer struct{ own *owner }

func newTokenizer(h *C.codegeex_tokenizer) *Tokenizer {
	t := &Tokenizer{newOwner(unsafe.Pointer(h), func(p unsafe.Pointer) {
		C.codegeex_tokenizer_free((*C.codegeex_tokenizer)(p))
	})}
	return t
}

// NewTokenizer makes the tokenizer of CodeGeeX's published checkpoints, which is compiled in.
func NewTokenizer() (*Tokenizer, error) {
	var h *C.codegeex_tokenizer
	err := call(func(err **C.codegeex_error) C.codegeex_status { return C.codegeex_tokenizer_new(&h, err) })
	if err != nil {
		return nil, err
	}
	return newTokenizer(h), nil
}

// TokenizerFromFolder reads vocab.json, merges.txt and added_tokens.json in a folder.
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

// Encode makes ids of a text, which has to be UTF-8.
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

// Decode makes text of ids.
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

// TokenBytes are the bytes that an id stands for, which may end inside a character.
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

// VocabSize is one more than the largest id; 0 once the tokenizer was closed.
func (t *Tokenizer) VocabSize() int {
	return ask(t.own, func(h *C.codegeex_tokenizer) int { return int(C.codegeex_tokenizer_vocab_size(h)) })
}

// EndOfText is the id that ends a text; 0 once the tokenizer was closed.
func (t *Tokenizer) EndOfText() uint32 {
	return ask(t.own, func(h *C.codegeex_tokenizer) uint32 {
		return uint32(C.codegeex_tokenizer_end_of_text(h))
	})
}

// A Decoder decodes ids one after the other, and gives out text as soon as it is certain: a token may
// end inside a character. It serves one call at a time.
type Decoder struct{ own *owner }

// NewDecoder makes a decoder at the beginning of a text.
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

// Push is the text that an id completes, which may be empty. After ErrInvalidUTF8 the bytes in
// question are dropped, and the decoder goes on.
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

// Pending says whether bytes are held back.
func (d *Decoder) Pending() bool {
	return ask(d.own, func(h *C.codegeex_decoder) bool { return C.codegeex_decoder_is_pending(h) != 0 })
}

// Finish ends the text: what is held back becomes U+FFFD or ErrInvalidUTF8. Afterwards the decoder is
// at the beginning of another text.
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
