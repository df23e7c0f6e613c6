package codegeex

// #include "callbacks.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// A CodeStop finds where code ends while text is added piece by piece. It serves one call at a time.
type CodeStop struct{ own *owner }

// NewCodeStop creates a code stop for a completion that follows at.Before.
func NewCodeStop(at StopAt) (*CodeStop, error) {
	l, ln := cText(at.Language)
	r, rn := cText(at.Rules)
	b, bn := cText(at.Before)
	var h *C.codegeex_code_stop
	err := call(func(err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_code_stop_new(l, ln, r, rn, b, bn, &h, err)
	})
	if err != nil {
		return nil, err
	}
	return &CodeStop{newOwner(unsafe.Pointer(h), func(p unsafe.Pointer) {
		C.codegeex_code_stop_free((*C.codegeex_code_stop)(p))
	})}, nil
}

// Push adds a piece of the completion and returns the text that is certainly part of it, which may be
// empty. The reason is FinishNone until a rule matches; text that is added after that is dropped.
func (s *CodeStop) Push(piece string) (text string, reason FinishReason, err error) {
	p, n := cText(piece)
	var number C.int32_t
	err = use(s.own, func(h *C.codegeex_code_stop) (err error) {
		text, err = textOf(func(out **C.char, len *C.size_t, err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_code_stop_push(h, p, n, out, len, &number, err)
		})
		return err
	})
	return text, FinishReason(number), err
}

// Finish ends the completion and returns the text that was held back, which may be empty.
func (s *CodeStop) Finish() (text string, err error) {
	err = use(s.own, func(h *C.codegeex_code_stop) (err error) {
		text, err = textOf(func(out **C.char, len *C.size_t, err **C.codegeex_error) C.codegeex_status {
			return C.codegeex_code_stop_finish(h, out, len, err)
		})
		return err
	})
	return text, err
}

// Close frees the code stop. It returns nil.
func (s *CodeStop) Close() error {
	s.own.close()
	return nil
}

// kept is the beginning of a completion of which a function of the library says the length.
func kept(completion string, f func(p *C.char, n C.size_t, len *C.size_t, err **C.codegeex_error) C.codegeex_status) (string, error) {
	p, n := cText(completion)
	var len C.size_t
	err := call(func(err **C.codegeex_error) C.codegeex_status { return f(p, n, &len, err) })
	return completion[:len], err
}

// CutCode cuts a whole completion that follows at.Before at the first stop rule that matches. The
// reason is FinishNone if no rule does.
func CutCode(at StopAt, completion string) (text string, reason FinishReason, err error) {
	l, ln := cText(at.Language)
	r, rn := cText(at.Rules)
	b, bn := cText(at.Before)
	var number C.int32_t
	text, err = kept(completion, func(p *C.char, n C.size_t, len *C.size_t, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_code_cut(l, ln, r, rn, b, bn, p, n, len, &number, err)
	})
	return text, FinishReason(number), err
}

// CutCodeAtScope cuts a completion where the scope of the cursor ends. Before is the text left of the
// cursor.
func CutCodeAtScope(language, before, completion string) (string, error) {
	l, ln := cText(language)
	b, bn := cText(before)
	return kept(completion, func(p *C.char, n C.size_t, len *C.size_t, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_code_cut_at_scope(l, ln, b, bn, p, n, len, err)
	})
}

// CodeWithoutOverlap is the part of a completion that the text after the cursor does not repeat.
// Before and after are the texts left and right of the cursor.
func CodeWithoutOverlap(language, before, completion, after string) (string, error) {
	l, ln := cText(language)
	b, bn := cText(before)
	a, an := cText(after)
	return kept(completion, func(p *C.char, n C.size_t, len *C.size_t, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_code_without_overlap(l, ln, b, bn, p, n, a, an, len, err)
	})
}

// Indentation is the indentation of a file: IndentTabs, IndentUnknown, or a number of spaces.
type Indentation int32

const (
	// IndentTabs is indentation by tabs.
	IndentTabs Indentation = C.CODEGEEX_INDENT_TABS
	// IndentUnknown is unknown indentation.
	IndentUnknown Indentation = C.CODEGEEX_INDENT_UNKNOWN
)

// IndentationOf is the indentation of a text: IndentTabs, a number of spaces from 1 to 16, or
// IndentUnknown.
func IndentationOf(language, text string) (Indentation, error) {
	l, ln := cText(language)
	t, tn := cText(text)
	indentation := C.int32_t(IndentUnknown)
	err := call(func(err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_code_indentation(l, ln, t, tn, &indentation, err)
	})
	return Indentation(indentation), err
}

// Reindent returns a completion with the indentation of the file: IndentTabs or a number of spaces
// from 1 to 16. Before is the text left of the cursor.
func Reindent(language string, indentation Indentation, before, completion string) (string, error) {
	l, ln := cText(language)
	b, bn := cText(before)
	p, n := cText(completion)
	return textOf(func(out **C.char, len *C.size_t, err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_code_reindent(l, ln, C.int32_t(indentation), b, bn, p, n, out, len, err)
	})
}

// DistinctCode returns the indices of the candidates worth showing: neither blank nor equal to an
// earlier candidate, ignoring white space at the end.
func DistinctCode(candidates []string) ([]int, error) {
	var pinned runtime.Pinner
	defer pinned.Unpin()
	texts := make([]C.codegeex_text, len(candidates))
	for i, candidate := range candidates {
		if candidate != "" {
			texts[i].data, texts[i].len = cText(candidate)
			pinned.Pin(texts[i].data)
		}
	}
	var data *C.size_t
	var n C.size_t
	err := call(func(err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_code_distinct(unsafe.SliceData(texts), C.size_t(len(texts)), &data, &n, err)
	})
	if err != nil {
		return nil, err
	}
	defer C.codegeex_free(unsafe.Pointer(data))
	indices := make([]int, n)
	for i, index := range unsafe.Slice(data, int(n)) {
		indices[i] = int(index)
	}
	return indices, nil
}

// A Likelihood has the log-probabilities (natural logarithms) of a candidate, for RankCode.
type Likelihood struct {
	// Logprobs has the log-probability of each token of the candidate.
	Logprobs []float32
	// Suffix has the log-probability of each token of the text after the cursor, given the text before
	// the cursor and the candidate; empty if unknown.
	Suffix []float32
}

// A Ranked is a ranked candidate.
type Ranked struct {
	// Index is the index of the candidate.
	Index int
	// Score is the mean log-probability per token, higher is better; never NaN.
	Score float64
}

// RankCode ranks candidates by mean log-probability per token, best first. If all candidates have a
// Suffix, its mean is added.
func RankCode(candidates []Likelihood) ([]Ranked, error) {
	var pinned runtime.Pinner
	defer pinned.Unpin()
	pin := func(values []float32) (*C.float, C.size_t) {
		if len(values) == 0 {
			return nil, 0
		}
		data := (*C.float)(unsafe.Pointer(unsafe.SliceData(values)))
		pinned.Pin(data)
		return data, C.size_t(len(values))
	}
	likely := make([]C.codegeex_likelihood, len(candidates))
	for i, c := range candidates {
		likely[i].logprobs, likely[i].logprobs_len = pin(c.Logprobs)
		likely[i].suffix, likely[i].suffix_len = pin(c.Suffix)
	}
	var data *C.codegeex_ranked
	var n C.size_t
	err := call(func(err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_code_rank(unsafe.SliceData(likely), C.size_t(len(likely)), &data, &n, err)
	})
	if err != nil {
		return nil, err
	}
	defer C.codegeex_free(unsafe.Pointer(data))
	ranked := make([]Ranked, n)
	for i, r := range unsafe.Slice(data, int(n)) {
		ranked[i] = Ranked{int(r.index), float64(r.score)}
	}
	return ranked, nil
}

// CodeKind is what a token of source code is. Later releases may add kinds.
type CodeKind int32

const (
	// CodeBlank: a space, tab or other blank in code, except a line break.
	CodeBlank CodeKind = C.CODEGEEX_CODE_BLANK
	// CodeNewline: a line break in code, or at the end of a line comment.
	CodeNewline CodeKind = C.CODEGEEX_CODE_NEWLINE
	// CodeWord: a word, a number, or a keyword that neither opens nor closes a block.
	CodeWord CodeKind = C.CODEGEEX_CODE_WORD
	// CodeOpener: a bracket or keyword that opens.
	CodeOpener CodeKind = C.CODEGEEX_CODE_OPENER
	// CodeCloser: a bracket or keyword that closes what was open.
	CodeCloser CodeKind = C.CODEGEEX_CODE_CLOSER
	// CodeStray: a closer without an opener.
	CodeStray CodeKind = C.CODEGEEX_CODE_STRAY
	// CodeSymbol: any other character of code.
	CodeSymbol CodeKind = C.CODEGEEX_CODE_SYMBOL
	// CodeString: a string with its delimiters, or part of one.
	CodeString CodeKind = C.CODEGEEX_CODE_STRING
	// CodeComment: a comment with its delimiters, or part of one.
	CodeComment CodeKind = C.CODEGEEX_CODE_COMMENT
)

// A CodeToken is a token of source code.
type CodeToken struct {
	Kind CodeKind
	Text string
	// Start is the index of its first byte in the text.
	Start int
	// Depth is the number of open brackets and blocks after this token.
	Depth int
}

// ScanCode splits source code into tokens, which cover all of it: what is code, string or comment, and
// how many brackets and blocks are open.
func ScanCode(language, text string) ([]CodeToken, error) {
	l, ln := cText(language)
	t, tn := cText(text)
	var data *C.codegeex_code_token
	var n C.size_t
	err := call(func(err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_code_scan(l, ln, t, tn, &data, &n, err)
	})
	if err != nil {
		return nil, err
	}
	defer C.codegeex_free(unsafe.Pointer(data))
	tokens := make([]CodeToken, n)
	for i, c := range unsafe.Slice(data, int(n)) {
		start := int(c.start)
		tokens[i] = CodeToken{CodeKind(c.kind), text[start : start+int(c.len)], start, int(c.depth)}
	}
	return tokens, nil
}
