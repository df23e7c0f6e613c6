// Command complete completes code with the model whose path is given, streamed, and cancels a second
// completion. The same program exists in Rust (examples/hello.rs, which documents its exact output),
// in C (examples/c/complete.c), and in the other languages of bindings/.
package main

import (
	"context"
	"fmt"
	"os"

	"codegeex"
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
	model, err := codegeex.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	defer model.Close()
	text, err := codegeex.GenerationPrompt("python", "def read_lines(path):")
	if err != nil {
		return err
	}
	prompt := codegeex.Text(text)

	options := &codegeex.GenerateOptions{MaxNewTokens: 48, Temperature: 0.8, TopP: 0.95, Seed: 7}
	done, err := model.GenerateFunc(ctx, prompt, options, func(token codegeex.Token) error {
		_, err := os.Stdout.WriteString(token.Text)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Printf("\n-- %d tokens, %s\n", len(done[0].IDs), done[0].FinishReason)

	// Other ways to cancel: the context, and leaving the loop over model.Stream.
	left := 5
	options = &codegeex.GenerateOptions{MaxNewTokens: 512}
	done, err = model.GenerateFunc(ctx, prompt, options, func(token codegeex.Token) error {
		if left--; left == 0 {
			return codegeex.Stop
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Printf("-- cancelled after %d tokens, %s\n", len(done[0].IDs), done[0].FinishReason)
	return nil
}
