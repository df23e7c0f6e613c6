// Command overhead measures what streaming costs: greedy completions of the model whose path is given,
// with a function that hears every token, as a stream, and without either, in turns.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"codegeex"
)

func main() {
	tokens := flag.Int("tokens", 256, "new tokens of a completion")
	runs := flag.Int("runs", 15, "completions of each kind; the fastest counts")
	threads := flag.Int("threads", 1, "threads that compute")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintf(os.Stderr, "usage: %s [FLAGS] MODEL\n", os.Args[0])
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *tokens, *runs, *threads); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string, tokens, runs, threads int) error {
	ctx := context.Background()
	model, err := codegeex.Open(ctx, path, &codegeex.OpenOptions{Threads: threads})
	if err != nil {
		return err
	}
	defer model.Close()
	prompt := codegeex.Text("# language: Python\ndef read_lines(path):")
	options := &codegeex.GenerateOptions{MaxNewTokens: tokens}
	heard := 0
	kinds := []struct {
		name string
		f    func() error
	}{
		{"without", func() error {
			_, err := model.Generate(ctx, prompt, options)
			return err
		}},
		{"function", func() error {
			_, err := model.GenerateFunc(ctx, prompt, options, func(codegeex.Token) error {
				heard++
				return nil
			})
			return err
		}},
		{"stream", func() error {
			for _, err := range model.Stream(ctx, prompt, options) {
				if err != nil {
					return err
				}
				heard++
			}
			return nil
		}},
	}
	done, err := model.Generate(ctx, prompt, options)
	if err != nil {
		return err
	}
	drawn := len(done[0].IDs)
	best := make([]time.Duration, len(kinds))
	for range runs {
		for i, kind := range kinds {
			start := time.Now()
			if err := kind.f(); err != nil {
				return err
			}
			if took := time.Since(start); best[i] == 0 || took < best[i] {
				best[i] = took
			}
		}
	}
	// Every token was heard, and the end, twice in each round.
	if heard != 2*runs*(drawn+1) {
		return fmt.Errorf("%d events were heard, expected %d", heard, 2*runs*(drawn+1))
	}
	for i, kind := range kinds {
		each := float64(best[i].Nanoseconds()) / 1e3 / float64(drawn)
		more := float64((best[i] - best[0]).Nanoseconds()) / 1e3 / float64(drawn)
		fmt.Printf("go: %-8s %9.2f us/token, %+.2f\n", kind.name, each, more)
	}
	return nil
}
