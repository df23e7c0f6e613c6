package codegeex

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The control tokens of tests/data/infill; the 256 bytes follow from firstByte on.
const (
	fimPrefix uint32 = iota + 1
	fimMiddle
	fimSuffix
	fimPad
	fileName
	repoName
	firstByte
)

func bytesOf(text string) (ids []uint32) {
	for _, b := range []byte(text) {
		ids = append(ids, firstByte+uint32(b))
	}
	return ids
}

func openAt(t *testing.T, path ...string) *Model {
	t.Helper()
	model := must[*Model](t)(Open(background, filepath.Join(append([]string{"..", ".."}, path...)...), nil))
	t.Cleanup(func() { model.Close() })
	return model
}

func TestInfillIsInTheFormatOfTheModel(t *testing.T) {
	m := openAt(t, "tests", "data", "infill")
	if m.InfillFormat() != "starcoder" {
		t.Errorf("format %q", m.InfillFormat())
	}
	byHand := func(parts ...[]uint32) []uint32 {
		t.Helper()
		done := must[[]Completion](t)(m.Generate(background, IDs(slices.Concat(parts...)), &GenerateOptions{MaxNewTokens: 12}))
		return done[0].IDs
	}
	same := func(expected []uint32, done []Completion, err error) {
		t.Helper()
		if err != nil || !slices.Equal(done[0].IDs, expected) {
			t.Errorf("%v, %v, expected %v", done, err, expected)
		}
	}
	a, b := bytesOf("a = "), bytesOf("\nb")
	psm := byHand([]uint32{fimPrefix}, a, []uint32{fimSuffix}, b, []uint32{fimMiddle})
	options := &GenerateOptions{MaxNewTokens: 12}
	done, err := m.Infill(background, Text("a = "), "\nb", options)
	same(psm, done, err)
	done, err = m.Infill(background, IDs(a), "\nb", options)
	same(psm, done, err)
	session := must[*Session](t)(m.NewSession())
	defer session.Close()
	done, err = session.Infill(background, Text("a = "), "\nb", options)
	same(psm, done, err)
	if options.Infill != nil {
		t.Error("the options of the caller changed")
	}

	spm := byHand([]uint32{fimPrefix, fimSuffix}, b, []uint32{fimMiddle}, a)
	options.Infill = &Infill{Order: InfillSPM}
	done, err = m.Infill(background, Text("a = "), "\nb", options)
	same(spm, done, err)
	if slices.Equal(spm, psm) {
		t.Error("the order changes nothing")
	}

	files := byHand([]uint32{repoName}, bytesOf("r"), []uint32{fileName}, bytesOf("b.py\nB"), []uint32{fileName}, bytesOf("a.py\n"),
		[]uint32{fimPrefix}, a, []uint32{fimSuffix}, b, []uint32{fimMiddle})
	options.Infill = &Infill{Suffix: "\nb", Path: "a.py", Repository: "r", Files: []ContextFile{{"b.py", "B"}}}
	done, err = m.Generate(background, Text("a = "), options)
	same(files, done, err)
}

func TestInfillEndsAtTheTokensOfTheFormat(t *testing.T) {
	m := openAt(t, "tests", "data", "infill")
	forced := &GenerateOptions{LogitBias: []LogitBias{{fimPad, 1000}}}
	done := must[[]Completion](t)(m.Infill(background, Text("a"), "\nb", forced))
	if done[0].Text != "" || done[0].FinishReason != FinishEndOfText || !slices.Equal(done[0].IDs, []uint32{fimPad}) {
		t.Errorf("%+v", done)
	}
	plain := must[[]Completion](t)(m.Generate(background, Text("a"), nil))
	done = must[[]Completion](t)(m.Generate(background, Text("a"), &GenerateOptions{StopIDs: plain[0].IDs[:1]}))
	if done[0].FinishReason != FinishEndOfText || len(done[0].IDs) != 1 {
		t.Errorf("%+v", done)
	}
}

func TestInfillRanksWithoutTheTokens(t *testing.T) {
	toy := openAt(t, "models", "toy.safetensors")
	if toy.InfillFormat() != "" {
		t.Errorf("format %q", toy.InfillFormat())
	}
	options := &GenerateOptions{MaxNewTokens: 12, Samples: 6, Temperature: 1}
	texts := func(done []Completion) (texts []string) {
		for _, c := range done {
			texts = append(texts, c.Text)
		}
		return texts
	}
	plain := texts(must[[]Completion](t)(toy.Generate(background, Text("def f("), options)))
	ranked := texts(must[[]Completion](t)(toy.Infill(background, Text("def f("), "):\n    return 1\n", options)))
	if slices.Equal(plain, ranked) {
		t.Error("the suffix changes nothing")
	}
	slices.Sort(plain)
	slices.Sort(ranked)
	if !slices.Equal(plain, ranked) {
		t.Errorf("%q, expected %q", ranked, plain)
	}
}

func TestInfillSaysWhatIsWrong(t *testing.T) {
	m := openAt(t, "tests", "data", "infill")
	refused := func(infill Infill, expected string) {
		t.Helper()
		_, err := m.Generate(background, Text("a"), &GenerateOptions{Infill: &infill})
		if err == nil || !strings.Contains(err.Error(), expected) {
			t.Errorf("%v, expected %q", err, expected)
		}
	}
	refused(Infill{Order: "mps"}, "auto, psm, spm")
	refused(Infill{Files: []ContextFile{{"a.py", "A"}}}, "set the path")
	refused(Infill{Suffix: "\xff"}, "UTF-8")
	if _, err := m.NewEditSession("python", &EditOptions{Generate: &GenerateOptions{Infill: &Infill{}}}); err == nil ||
		!strings.Contains(err.Error(), "text after the cursor") {
		t.Errorf("%v", err)
	}
}
