package codegeex

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestGenerateAndStreamAgree(t *testing.T) {
	model := open(t, nil)
	options := &GenerateOptions{MaxNewTokens: 12, Temperature: 0.8, TopP: 0.95, Seed: 7, Samples: 2, TopLogprobs: 2}
	whole := must[[]Completion](t)(model.Generate(background, code, options))
	if len(whole) != 2 || whole[0].Text == whole[1].Text {
		t.Fatalf("%+v", whole)
	}
	texts, ids, logprobs := [2]string{}, [2][]uint32{}, [2][]float32{}
	for token, err := range model.Stream(background, code, options) {
		if err != nil {
			t.Fatal(err)
		}
		texts[token.Sample] += token.Text
		if token.End() {
			if token.FinishReason != FinishLength || token.StopIndex != -1 {
				t.Errorf("end %+v", token)
			}
			continue
		}
		ids[token.Sample] = append(ids[token.Sample], token.ID)
		logprobs[token.Sample] = append(logprobs[token.Sample], token.Logprob)
		if len(token.Top) != 2 || token.Top[0].Logprob < token.Top[1].Logprob {
			t.Errorf("top %+v", token.Top)
		}
	}
	for i, c := range whole {
		if c.Text != texts[i] || !slices.Equal(c.IDs, ids[i]) || !slices.Equal(c.Logprobs, logprobs[i]) {
			t.Errorf("sample %d: %q streamed as %q", i, c.Text, texts[i])
		}
		if len(c.IDs) != 12 || len(c.Top) != 12 || c.FinishReason != FinishLength || c.FinishReason.String() != "length" {
			t.Errorf("sample %d: %+v", i, c)
		}
		sum := 0.0
		for _, l := range c.Logprobs {
			sum += float64(l)
		}
		if math.Abs(sum-c.Score) > 1e-4 {
			t.Errorf("score %v, sum %v", c.Score, sum)
		}
	}
	// The second sample alone is the same, and so is a prompt of ids, and draft tokens change nothing.
	options.FirstSample, options.Samples = 1, 1
	tokenizer := must[*Tokenizer](t)(model.Tokenizer())
	prompt := must[[]uint32](t)(tokenizer.Encode(string(code), SpecialAsText))
	alone := must[[]Completion](t)(model.Generate(background, IDs(prompt), options))
	if !slices.Equal(alone[0].IDs, whole[1].IDs) {
		t.Error("the second sample alone is another one")
	}
	options.Speculation = Speculation{Tokens: 3, Draft: model}
	drafted := must[[]Completion](t)(model.Generate(background, IDs(prompt), options))
	if !slices.Equal(drafted[0].IDs, whole[1].IDs) || drafted[0].Drafted == 0 {
		t.Errorf("drafted: %+v", drafted[0])
	}
}

func TestStops(t *testing.T) {
	model := open(t, nil)
	free := must[[]Completion](t)(model.Generate(background, code, &GenerateOptions{MaxNewTokens: 24}))[0]
	stop := free.Text[len(free.Text)/2:][:3]
	options := &GenerateOptions{MaxNewTokens: 24, Stop: []string{"no such text", stop}}
	stopped := must[[]Completion](t)(model.Generate(background, code, options))[0]
	if stopped.FinishReason != FinishStop || stopped.StopIndex != 1 ||
		stopped.Text != free.Text[:strings.Index(free.Text, stop)] {
		t.Errorf("%q stopped at %q as %+v", free.Text, stop, stopped)
	}
}

func TestLeavingALoopEndsTheGeneration(t *testing.T) {
	model := open(t, nil)
	session := must[*Session](t)(model.NewSession())
	seen := 0
	for _, err := range session.Stream(background, code, &GenerateOptions{MaxNewTokens: 512}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 3 {
			// The session is in use, which is an error and no deadlock; freeing is allowed.
			if _, err := session.IDs(); !errors.Is(err, ErrBusy) {
				t.Errorf("in use: %v", err)
			}
			model.Close()
			break
		}
	}
	if ids := must[[]uint32](t)(session.IDs()); seen != 3 || len(ids) > 40 {
		t.Errorf("%d tokens seen, %d kept", seen, len(ids))
	}
	// The function's way, with the session after the close of its model.
	mine := errors.New("mine")
	for _, end := range []struct{ returned, expected error }{{Stop, nil}, {mine, mine}} {
		calls := 0
		done, err := session.GenerateFunc(background, code, &GenerateOptions{MaxNewTokens: 512}, func(Token) error {
			if calls++; calls == 5 {
				return end.returned
			}
			return nil
		})
		if err != end.expected || calls != 5 || len(done) != 1 || len(done[0].IDs) != 5 || done[0].FinishReason != FinishCancelled {
			t.Errorf("%v: %d calls, %v, %+v", end, calls, err, done)
		}
	}
}

func TestPanicsInALoopPassThrough(t *testing.T) {
	model := open(t, nil)
	session := must[*Session](t)(model.NewSession())
	func() {
		defer func() {
			if r := recover(); r != "boo" {
				t.Errorf("recovered %v", r)
			}
		}()
		for range session.Stream(background, code, &GenerateOptions{MaxNewTokens: 512}) {
			panic("boo")
		}
	}()
	// Neither poisoned nor in use.
	must[[]Completion](t)(session.Generate(background, code, &GenerateOptions{MaxNewTokens: 1}))
	func() {
		defer func() {
			if r := recover(); r != "boo" {
				t.Errorf("recovered %v", r)
			}
		}()
		options := &OpenOptions{Memory: MemoryCopy, Progress: func(done, total uint64) error { panic("boo") }}
		_, _ = Open(background, modelPath(), options)
	}()
}

func TestContexts(t *testing.T) {
	model := open(t, nil)
	long := &GenerateOptions{MaxNewTokens: 1500, BannedIDs: []uint32{50256}}
	ctx, cancel := context.WithCancelCause(background)
	defer cancel(nil)
	mine := errors.New("mine")
	seen := 0
	var last error
	for _, err := range model.Stream(ctx, code, long) {
		if seen++; seen == 3 {
			cancel(mine)
		}
		last = err
	}
	if !errors.Is(last, ErrCancelled) || !errors.Is(last, mine) {
		t.Errorf("cancelled after three tokens: %v", last)
	}
	ctx, stop := context.WithTimeout(background, 30*time.Millisecond)
	defer stop()
	done, err := model.Generate(ctx, code, long)
	if !errors.Is(err, context.DeadlineExceeded) || len(done) != 1 || done[0].FinishReason != FinishCancelled {
		t.Errorf("a deadline: %v, %+v", err, done)
	}
	// All other calls, with a context that has ended.
	ended, cancelled := context.WithCancel(background)
	cancelled()
	ids := make([]uint32, 512)
	state := must[*State](t)(model.NewState())
	for name, f := range map[string]func() error{
		"generate":   func() error { _, err := model.Generate(ended, code, long); return err },
		"beams":      func() error { _, err := model.BeamSearch(ended, code, nil); return err },
		"score":      func() error { _, err := model.Score(ended, ids, 1); return err },
		"perplexity": func() error { _, err := model.Perplexity(ended, ids, nil); return err },
		"prefill":    func() error { return state.Prefill(ended, ids) },
		"decode":     func() error { _, err := state.Decode(ended, ids, WantedLast); return err },
		"convert":    func() error { return Convert(ended, modelPath(), filepath.Join(t.TempDir(), "out"), nil) },
	} {
		if err := f(); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrCancelled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A call that was not cancelled has no error, even though its context can be.
	free, stopFree := context.WithCancel(background)
	defer stopFree()
	must[[]Completion](t)(model.Generate(free, code, &GenerateOptions{MaxNewTokens: 1}))
}

func TestSeveralGoroutines(t *testing.T) {
	model := open(t, nil)
	options := &GenerateOptions{MaxNewTokens: 8, Temperature: 1, Seed: 3}
	want := must[[]Completion](t)(model.Generate(background, code, options))
	var all sync.WaitGroup
	for range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			got, err := model.GenerateFunc(background, code, options, func(Token) error { return nil })
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%v, %+v", err, got)
			}
		}()
	}
	all.Wait()
	// Closing while calls run lets them end.
	for range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			if _, err := model.Generate(background, code, options); err != nil && err != ErrClosed {
				t.Error(err)
			}
		}()
	}
	model.Close()
	all.Wait()
}

func TestClosing(t *testing.T) {
	model := open(t, nil)
	session := must[*Session](t)(model.NewSession())
	state := must[*State](t)(model.NewState())
	logits := must[*Logits](t)(state.Decode(background, []uint32{1}, WantedLast))
	service := must[*Service](t)(model.NewService(nil))
	ticket := must[*Ticket](t)(service.Submit(background, code, nil, WhenFullWait))
	tokenizer := must[*Tokenizer](t)(model.Tokenizer())
	decoder := must[*Decoder](t)(tokenizer.NewDecoder(InvalidUTF8Replace))
	for range 2 {
		for _, c := range []interface{ Close() error }{model, service, tokenizer, state, session, ticket, decoder, logits} {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	for name, err := range map[string]error{
		"model": second(model.Generate(background, code, nil)), "new session": second(model.NewSession()),
		"beams": second(model.BeamSearch(background, code, nil)), "info": second(model.Info()),
		"session": second(session.IDs()), "stream": last(session.Stream(background, code, nil)),
		"state": second(state.Fork()), "logits": second(logits.Row(0)),
		"states":  second(DecodeStates(background, []*State{state}, []uint32{1})),
		"service": second(service.Submit(background, code, nil, WhenFullWait)), "ticket": second(ticket.Wait()),
		"tokens": last(ticket.Tokens()), "tokenizer": second(tokenizer.Encode("a", SpecialAsText)),
		"decoder":          second(decoder.Push(1)),
		"draft":            second(open(t, nil).Generate(background, code, &GenerateOptions{Speculation: Speculation{Draft: model, Tokens: 1}})),
		"tokenizer option": second(Open(background, modelPath(), &OpenOptions{Tokenizer: tokenizer})),
	} {
		if err != ErrClosed {
			t.Errorf("%s: %v", name, err)
		}
	}
	if model.String() != "" || model.Kernels() != "" || state.Len() != 0 || session.Bytes() != 0 || decoder.Pending() || logits.Rows() != 0 {
		t.Error("values of what was closed")
	}
}

func second[T any](_ T, err error) error { return err }

func last(tokens func(yield func(Token, error) bool)) (last error) {
	for _, err := range tokens {
		last = err
	}
	return last
}

func TestSession(t *testing.T) {
	model := open(t, nil)
	session := must[*Session](t)(model.NewSession())
	options := &GenerateOptions{MaxNewTokens: 6}
	first := must[[]Completion](t)(session.Generate(background, code, options))
	kept := must[[]uint32](t)(session.IDs())
	if len(kept) == 0 || session.Bytes() == 0 {
		t.Error("nothing is kept")
	}
	var saved bytes.Buffer
	if err := session.Save(&saved); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "session")
	if err := session.SaveFile(path); err != nil {
		t.Fatal(err)
	}
	if file := must[[]byte](t)(os.ReadFile(path)); !bytes.Equal(file, saved.Bytes()) {
		t.Error("file and memory differ")
	}
	cut := saved.Bytes()[:saved.Len()/2]
	if _, err := model.RestoreSession(bytes.NewReader(cut)); !errors.Is(err, ErrMalformedFile) {
		t.Errorf("half a session: %v", err)
	}
	more := code + Text(first[0].Text) + "\n    return"
	want := must[[]Completion](t)(session.Generate(background, more, options))
	if session.Reused() == 0 {
		t.Error("nothing was reused")
	}
	for _, restored := range []*Session{
		must[*Session](t)(model.RestoreSession(&saved)), must[*Session](t)(model.RestoreSessionFile(path)),
	} {
		if ids := must[[]uint32](t)(restored.IDs()); !slices.Equal(ids, kept) {
			t.Errorf("restored %v of %v", ids, kept)
		}
		got := must[[]Completion](t)(restored.Generate(background, more, options))
		if !reflect.DeepEqual(got, want) || restored.Reused() == 0 {
			t.Errorf("restored: %+v", got)
		}
	}
	if err := session.Truncate(2); err != nil {
		t.Fatal(err)
	}
	if ids := must[[]uint32](t)(session.IDs()); len(ids) != 2 {
		t.Errorf("truncated to %v", ids)
	}
	if err := session.Save(failingWriter{}); err != errWriter {
		t.Errorf("a writer that fails: %v", err)
	}
}

var errWriter = errors.New("full")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errWriter }

func TestState(t *testing.T) {
	model := open(t, nil)
	ids := []uint32{2, 8818, 1100, 62, 6615}
	state := must[*State](t)(model.NewState())
	all := must[*Logits](t)(state.Decode(background, ids, WantedAll))
	if all.Rows() != len(ids) || all.VocabSize() != must[ModelInfo](t)(model.Info()).VocabSize || state.Len() != len(ids) || state.Bytes() == 0 {
		t.Errorf("%d rows of %d", all.Rows(), all.VocabSize())
	}
	other := must[*State](t)(model.NewState())
	if err := other.Prefill(background, ids[:4]); err != nil {
		t.Fatal(err)
	}
	fork := must[*State](t)(other.Fork())
	one := must[*Logits](t)(other.Decode(background, ids[4:], WantedLast))
	row := must[[]float32](t)(one.Row(0))
	if !slices.Equal(row, must[[]float32](t)(all.Row(4))) {
		t.Error("a split changes the logits")
	}
	var saved bytes.Buffer
	if err := fork.Save(&saved); err != nil {
		t.Fatal(err)
	}
	restored := must[*State](t)(model.RestoreState(&saved))
	both := must[*Logits](t)(DecodeStates(background, []*State{fork, restored}, []uint32{ids[4], ids[4]}))
	for i := range 2 {
		if !slices.Equal(must[[]float32](t)(both.Row(i)), row) {
			t.Errorf("state %d goes on otherwise", i)
		}
	}
	if _, err := DecodeStates(background, []*State{fork, fork}, []uint32{1, 2}); !errors.Is(err, ErrInvalidArgument) && !errors.Is(err, ErrBusy) {
		t.Errorf("twice the same state: %v", err)
	}
	if _, err := DecodeStates(background, []*State{fork}, nil); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("no ids: %v", err)
	}
	none := must[*Logits](t)(other.Decode(background, ids, WantedNone))
	if none.Rows() != 0 {
		t.Errorf("%d rows that were not requested", none.Rows())
	}
	top := must[[]TokenLogprob](t)(one.Top(0, 3))
	best := slices.Index(row, slices.Max(row))
	if len(top) != 3 || int(top[0].ID) != best || must[float32](t)(one.LogProbability(0, top[0].ID)) != top[0].Logprob {
		t.Errorf("top %+v, best %d", top, best)
	}
	if _, err := one.Row(1); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("no such row: %v", err)
	}
	if _, err := one.Top(0, -1); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("a negative number: %v", err)
	}
	if err := state.Truncate(2); err != nil || state.Len() != 2 {
		t.Errorf("truncated to %d, %v", state.Len(), err)
	}
}

func TestBeamsAndScores(t *testing.T) {
	model := open(t, nil)
	beams := must[[]Completion](t)(model.BeamSearch(background, code, &BeamOptions{NumBeams: 3, MaxNewTokens: 6}))
	if len(beams) != 3 || beams[0].Score < beams[1].Score || beams[1].Score < beams[2].Score {
		t.Errorf("%+v", beams)
	}
	face := &BeamOptions{NumBeams: 2, MaxNewTokens: 6, Rules: BeamRulesHuggingFace, LengthPenalty: 0.5,
		EarlyStopping: EarlyStoppingYes, Stop: []string{"\n\n\n"}, BannedIDs: []uint32{7}}
	if beams := must[[]Completion](t)(model.BeamSearch(background, code, face)); len(beams) == 0 {
		t.Error("no beams")
	}
	tokenizer := must[*Tokenizer](t)(model.Tokenizer())
	prompt := must[[]uint32](t)(tokenizer.Encode(string(code), SpecialAsText))
	if again := must[[]Completion](t)(model.BeamSearch(background, IDs(prompt), &BeamOptions{NumBeams: 3, MaxNewTokens: 6})); !reflect.DeepEqual(again, beams) {
		t.Error("beams of ids")
	}
	score := must[Score](t)(model.Score(background, prompt, 4))
	if len(score.Logprobs) != len(prompt) || !math.IsNaN(float64(score.Logprobs[0])) || len(score.Top) != 4 {
		t.Errorf("%+v", score)
	}
	var done uint64
	perplexity := must[Perplexity](t)(model.Perplexity(background, prompt, func(d, _ uint64) error { done = d; return nil }))
	sum := 0.0
	for _, l := range score.Logprobs[1:] {
		sum += float64(l)
	}
	n := float64(len(prompt) - 1)
	if perplexity.Tokens != len(prompt)-1 || math.Abs(perplexity.LogProbability-sum) > 1e-3 || math.Abs(perplexity.Value-math.Exp(-sum/n)) > 1e-2 || done == 0 {
		t.Errorf("%+v, expected a sum of %v", perplexity, sum)
	}
}

func TestPromptsAndTasks(t *testing.T) {
	python := must[Language](t)(FindLanguage("Python"))
	if python.Name != "python" || python.Tag != "# language: Python" || !slices.Contains(Languages(), python) {
		t.Errorf("%+v", python)
	}
	if _, err := FindLanguage("no such"); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("no such language: %v", err)
	}
	if got := must[string](t)(ExpandTemplate("<INPUT:1,2>!", "a\nb\nc")); !strings.HasPrefix(got, "b") {
		t.Errorf("expanded %q", got)
	}
	const f = "def f(x):\n    return x + 1\n"
	for name, task := range map[string]Task{
		"complete": must[Task](t)(CompleteTask("python", f)), "explain": must[Task](t)(ExplainTask("python", f)),
		"docstring": must[Task](t)(DocstringTask("python", f)), "translate": must[Task](t)(TranslateTask("python", f, "go", "func f(")),
	} {
		if !strings.Contains(task.Prompt, "def f(x):") || task.Language == "" {
			t.Errorf("%s: %+v", name, task)
		}
	}
	if task := must[Task](t)(DocstringTask("python", f)); len(task.Stop) == 0 || task.Lead == "" || task.Tail == "" || !strings.HasSuffix(task.Prompt, task.Lead) {
		t.Errorf("%+v", task)
	}
	if task := must[Task](t)(CustomTask("# <INPUT>", "python", "x")); task.Prompt != "# x" {
		t.Errorf("%+v", task)
	}
}

func TestConvert(t *testing.T) {
	out := filepath.Join(t.TempDir(), "int8.safetensors")
	var last, total uint64
	options := &ConvertOptions{Quantize: "int8", QuantizeHead: true, DType: "f16", Threads: 1, Progress: func(d, n uint64) error {
		last, total = d, n
		return nil
	}}
	if err := Convert(background, modelPath(), out, options); err != nil {
		t.Fatal(err)
	}
	if last == 0 || last != total {
		t.Errorf("%d of %d", last, total)
	}
	if err := Convert(background, modelPath(), out, options); err == nil {
		t.Error("a file was replaced without asking")
	}
	options.Overwrite, options.Open = true, &OpenOptions{Memory: MemoryCopy}
	if err := Convert(background, modelPath(), out, options); err != nil {
		t.Error(err)
	}
	model := must[*Model](t)(Open(background, out, nil))
	defer model.Close()
	must[[]Completion](t)(model.Generate(background, code, &GenerateOptions{MaxNewTokens: 2}))
}

func TestService(t *testing.T) {
	model := open(t, nil)
	service := must[*Service](t)(model.NewService(&ServiceOptions{Sequences: 4, Waiting: 8, Prefixes: 2, PrefillTokens: 64}))
	options := &GenerateOptions{MaxNewTokens: 8, Temperature: 0.8, Seed: 5}
	want := must[[]Completion](t)(model.Generate(background, code, options))[0]
	var tickets []*Ticket
	for range 3 {
		tickets = append(tickets, must[*Ticket](t)(service.Submit(background, code, options, WhenFullWait)))
	}
	for _, ticket := range tickets {
		text, ends := "", 0
		for token, err := range ticket.Tokens() {
			if err != nil {
				t.Fatal(err)
			}
			text += token.Text
			if token.End() {
				ends++
			}
		}
		done := must[[]Completion](t)(ticket.Wait())
		if text != want.Text || ends != 1 || len(done) != 1 || done[0].Text != want.Text {
			t.Errorf("%q, %d ends, %+v", text, ends, done)
		}
		if _, err := ticket.Wait(); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("fetched twice: %v", err)
		}
		if _, more, err := ticket.TryNext(); more || err != nil {
			t.Errorf("after the end: %v, %v", more, err)
		}
		ticket.Close()
	}
	if _, err := service.Progress(); err != nil {
		t.Error(err)
	}
	// The context of Submit, Cancel, and what is wrong with a request.
	long := &GenerateOptions{MaxNewTokens: 1500, BannedIDs: []uint32{50256}}
	ctx, cancel := context.WithCancel(background)
	ticket := must[*Ticket](t)(service.Submit(ctx, code, long, WhenFullWait))
	cancel()
	if _, err := ticket.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("the context of Submit: %v", err)
	}
	ticket = must[*Ticket](t)(service.Submit(background, code, long, WhenFullRefuse))
	if err := ticket.Cancel(); err != nil {
		t.Error(err)
	}
	if done := must[[]Completion](t)(ticket.Wait()); done[0].FinishReason != FinishCancelled {
		t.Errorf("%+v", done)
	}
	ticket = must[*Ticket](t)(service.Submit(background, code, &GenerateOptions{TopP: 2}, WhenFullWait))
	if _, err := ticket.Wait(); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("a wrong request: %v", err)
	}
	// Close from another goroutine ends a Wait.
	ticket = must[*Ticket](t)(service.Submit(background, code, long, WhenFullWait))
	time.AfterFunc(20*time.Millisecond, func() { ticket.Close() })
	if done, err := ticket.Wait(); err != ErrClosed && (err != nil || done[0].FinishReason != FinishCancelled) {
		t.Errorf("closed meanwhile: %v, %+v", err, done)
	}
	service.Close()
}

func TestEditing(t *testing.T) {
	model := open(t, nil)
	options := &EditOptions{Generate: &GenerateOptions{MaxNewTokens: 16, Heal: true}}
	session := must[*EditSession](t)(model.NewEditSession("python", options))
	const before = "def read_lines(path):\n    with open(pa"
	if update := must[EditUpdate](t)(session.Update(before, "")); update.Alive || update.ClippedBytes != 0 {
		t.Errorf("%+v", update)
	}
	heard := 0
	all := must[[]string](t)(session.Suggest(background, func(Token) error { heard++; return nil }))
	if len(all) != 1 || all[0] == "" || heard == 0 || !slices.Equal(all, must[[]string](t)(session.Suggestions())) {
		t.Fatalf("%q after %d tokens", all, heard)
	}
	word := must[string](t)(session.Accept(AcceptWord))
	if word == "" || !strings.HasPrefix(all[0], word) {
		t.Errorf("%q of %q", word, all[0])
	}
	if update := must[EditUpdate](t)(session.Update(before+word, "")); !update.Alive && word != all[0] {
		t.Errorf("%+v", update)
	}
	if rest := must[string](t)(session.Accept(AcceptAll)); word+rest != all[0] {
		t.Errorf("%q and %q of %q", word, rest, all[0])
	}
	if err := session.Dismiss(); err != nil || len(must[[]string](t)(session.Suggestions())) != 0 {
		t.Errorf("dismissed: %v", err)
	}
	ended, cancel := context.WithCancel(background)
	cancel()
	must[EditUpdate](t)(session.Update(before, ""))
	if _, err := session.Suggest(ended, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	session.Close()
	if err := session.Dismiss(); err != ErrClosed {
		t.Errorf("closed: %v", err)
	}
	if _, err := model.NewEditSession("no such", nil); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("no such language: %v", err)
	}
	// Rules of code end a completion, and a prompt that ends inside a word is healed.
	line := &GenerateOptions{StopAt: StopAt{Language: "python", Rules: "line"}}
	if done := must[[]Completion](t)(model.Generate(background, code+"\n    with", line)); done[0].FinishReason != FinishEndOfLine {
		t.Errorf("%+v", done[0])
	}
	// The code before the cursor is the prompt, or another text. Beams stop as well.
	block := &GenerateOptions{MaxNewTokens: 20, StopAt: StopAt{Language: "python", Rules: "block"}}
	for before, reason := range map[string]FinishReason{"": FinishLength, "if x:\n        y": FinishEndOfBlock} {
		block.StopAt.Before = before
		if done := must[[]Completion](t)(model.Generate(background, code, block)); done[0].FinishReason != reason {
			t.Errorf("after %q: %+v", before, done[0])
		}
	}
	beams := must[[]Completion](t)(model.BeamSearch(background, code+"\n    with", &BeamOptions{NumBeams: 2,
		StopAt: StopAt{Language: "python", Rules: "line"}}))
	if beams[0].FinishReason != FinishEndOfLine {
		t.Errorf("%+v", beams[0])
	}
	limited := &BeamOptions{PrefillLimit: 1}
	if beams := must[[]Completion](t)(model.BeamSearch(background, code, limited)); beams[0].FinishReason != FinishPrefillLimit {
		t.Errorf("%+v", beams[0])
	}
	// A timeout is no error.
	timed := &GenerateOptions{MaxNewTokens: 1500, BannedIDs: []uint32{50256}, Timeout: 20 * time.Millisecond}
	if done := must[[]Completion](t)(model.Generate(background, code, timed)); done[0].FinishReason != FinishDeadline {
		t.Errorf("%+v", done[0])
	}
	heal := &GenerateOptions{Heal: true, MaxNewTokens: 4}
	if done := must[[]Completion](t)(model.Generate(background, code+"\n    retu", heal)); done[0].Healed == 0 {
		t.Errorf("%+v", done[0])
	}
}
