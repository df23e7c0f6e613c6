// Command overhead measures the time per token with a callback, as a stream, and without either, for
// the model whose path is given. benches/capi/callback.c and benches/callback.rs do the same in C and
// Rust: one thread, the variants in turns, the median of all rounds.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"codegeex"
)

const (
	rounds = 15
	tokens = 256
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintf(os.Stderr, "usage: %s MODEL\n", os.Args[0])
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string) error {
	ctx := context.Background()
	model, err := codegeex.Open(ctx, path, &codegeex.OpenOptions{Threads: 1})
	if err != nil {
		return err
	}
	defer model.Close()
	prompt := codegeex.Text("# language: Python\ndef read_lines(path):")
	options := &codegeex.GenerateOptions{MaxNewTokens: tokens, Temperature: 0.8, Seed: 7}
	heard := 0
	ways := []struct {
		name string
		f    func() error
	}{
		{"without a callback", func() error {
			done, err := model.Generate(ctx, prompt, options)
			if err == nil && len(done[0].IDs) != tokens {
				err = fmt.Errorf("%d tokens, expected %d", len(done[0].IDs), tokens)
			}
			return err
		}},
		{"with a callback", func() error {
			_, err := model.GenerateFunc(ctx, prompt, options, func(codegeex.Token) error {
				heard++
				return nil
			})
			return err
		}},
		{"as a stream", func() error {
			for _, err := range model.Stream(ctx, prompt, options) {
				if err != nil {
					return err
				}
				heard++
			}
			return nil
		}},
	}
	times := make([][]float64, len(ways))
	for range rounds {
		for i, way := range ways {
			start := time.Now()
			if err := way.f(); err != nil {
				return err
			}
			times[i] = append(times[i], float64(time.Since(start).Nanoseconds())/1e3/tokens)
		}
	}
	// Each round reported every token and the end twice.
	if expected := 2 * rounds * (tokens + 1); heard != expected {
		return fmt.Errorf("%d events were heard, expected %d", heard, expected)
	}
	fmt.Printf("Go, kernels %s\n", model.Kernels())
	for i, way := range ways {
		slices.Sort(times[i])
		fmt.Printf("%s: %.3f us a token\n", way.name, times[i][rounds/2])
	}
	return nil
}
