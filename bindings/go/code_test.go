package codegeex

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestCodeStops(t *testing.T) {
	at := StopAt{Language: "python", Rules: "function", Before: "def one():\n"}
	stop := must[*CodeStop](t)(NewCodeStop(at))
	for _, step := range []struct {
		piece, text string
		reason      FinishReason
	}{
		{"    return 1\n", "    return 1", FinishNone},
		{"\nd", "", FinishEndOfFunction},
		{"ef two", "", FinishEndOfFunction},
	} {
		text, reason, err := stop.Push(step.piece)
		if err != nil || text != step.text || reason != step.reason {
			t.Errorf("after %q: %q, %v, %v", step.piece, text, reason, err)
		}
	}
	text, reason, err := CutCode(at, "    return 1\n\ndef two():")
	if err != nil || text != "    return 1" || reason != FinishEndOfFunction {
		t.Errorf("cut to %q, %v, %v", text, reason, err)
	}
	text, reason, err = CutCode(at, "    return 1")
	if err != nil || text != "    return 1" || reason != FinishNone {
		t.Errorf("nothing to cut: %q, %v, %v", text, reason, err)
	}
	// What is held back is text after all.
	stop = must[*CodeStop](t)(NewCodeStop(StopAt{Language: "Go", Rules: "block", Before: "if x {"}))
	text, _, err = stop.Push("\n\ty()\n")
	if rest := must[string](t)(stop.Finish()); err != nil || text+rest != "\n\ty()\n" {
		t.Errorf("%q and %q, %v", text, rest, err)
	}
	stop.Close()
	stop.Close()
	if _, _, err := stop.Push("x"); err != ErrClosed {
		t.Errorf("closed: %v", err)
	}
	for at, code := range map[StopAt]Code{
		{"pyton", "line", ""}: ErrInvalidArgument, {"python", "lines", ""}: ErrInvalidArgument,
		{"python", "", ""}: ErrInvalidArgument, {"python", "line", "\xff"}: ErrInvalidUTF8,
	} {
		if _, err := NewCodeStop(at); !errors.Is(err, code) {
			t.Errorf("%+v: %v", at, err)
		}
		if text, _, err := CutCode(at, "x"); !errors.Is(err, code) || text != "" {
			t.Errorf("%+v: %q, %v", at, text, err)
		}
	}
}

func TestCodeOfEditors(t *testing.T) {
	if got := must[string](t)(CutCodeAtScope("rust", "fn f() -> u8 { ", "'é' }\n\nfn g() -> u8 { 2 }\n")); got != "'é' }" {
		t.Errorf("cut at the scope: %q", got)
	}
	if got := must[string](t)(CodeWithoutOverlap("python", "print(len(", "x))", "))\n")); got != "x" {
		t.Errorf("without overlap: %q", got)
	}
	for text, want := range map[string]Indentation{
		"function f() {\n  g(a,\n    b);\n": 2, "if (x) {\n\ty()\n}\n": IndentTabs, "f();\n": IndentUnknown,
	} {
		if got := must[Indentation](t)(IndentationOf("javascript", text)); got != want {
			t.Errorf("indentation of %q is %d", text, got)
		}
	}
	const before = "func f() {\n\tif a {\n\t\tb()\n\t}\n\t"
	if got := must[string](t)(Reindent("go", IndentTabs, before, "if c {\n        d()\n    }\n")); got != "if c {\n\t\td()\n\t}\n" {
		t.Errorf("reindented: %q", got)
	}
	for _, wrong := range []Indentation{IndentUnknown, 17} {
		if _, err := Reindent("go", wrong, "", "x"); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("indentation %d: %v", wrong, err)
		}
	}
	if _, err := IndentationOf("no such", ""); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("no such language: %v", err)
	}
}

func TestCandidatesOfCode(t *testing.T) {
	// Texts of the heap, which C may see only while they are pinned.
	candidates := []string{"", strings.Repeat("return x", 1), "return x\n", "  return x", " \t"}
	if got := must[[]int](t)(DistinctCode(candidates)); !slices.Equal(got, []int{1, 3}) {
		t.Errorf("distinct: %v", got)
	}
	if got := must[[]int](t)(DistinctCode(nil)); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
	if _, err := DistinctCode([]string{"\xff"}); !errors.Is(err, ErrInvalidUTF8) {
		t.Errorf("no UTF-8: %v", err)
	}
	likely := []Likelihood{{Logprobs: []float32{-0.5, -0.5}}, {Logprobs: slices.Repeat([]float32{-0.25}, 7)}}
	if got := must[[]Ranked](t)(RankCode(likely)); !reflect.DeepEqual(got, []Ranked{{1, -0.25}, {0, -0.5}}) {
		t.Errorf("ranked: %v", got)
	}
	likely[0].Suffix, likely[1].Suffix = []float32{-0.25, -0.25}, []float32{-4, 0}
	if got := must[[]Ranked](t)(RankCode(likely)); !reflect.DeepEqual(got, []Ranked{{0, -0.75}, {1, -2.25}}) {
		t.Errorf("ranked with suffixes: %v", got)
	}
	likely[1].Suffix = nil
	if got := must[[]Ranked](t)(RankCode(likely)); got[0].Index != 1 {
		t.Errorf("ranked with one suffix: %v", got)
	}
	likely[0] = Likelihood{Logprobs: []float32{float32(math.NaN())}, Suffix: []float32{}}
	if got := must[[]Ranked](t)(RankCode(likely)); got[0].Index != 1 || math.IsNaN(got[1].Score) {
		t.Errorf("ranked with NaN: %v", got)
	}
}

func TestScanCode(t *testing.T) {
	tokens := must[[]CodeToken](t)(ScanCode("python", "é(\"}\") # {"))
	want := []CodeToken{
		{CodeWord, "é", 0, 0}, {CodeOpener, "(", 2, 1}, {CodeString, "\"}\"", 3, 1}, {CodeCloser, ")", 6, 0},
		{CodeBlank, " ", 7, 0}, {CodeComment, "# {", 8, 0},
	}
	if !reflect.DeepEqual(tokens, want) {
		t.Errorf("%+v", tokens)
	}
	if tokens := must[[]CodeToken](t)(ScanCode("go", "")); len(tokens) != 0 {
		t.Errorf("of nothing: %+v", tokens)
	}
	if _, err := ScanCode("no such", ""); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("no such language: %v", err)
	}
}
