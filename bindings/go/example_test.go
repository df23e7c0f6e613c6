package codegeex_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"slices"

	"codegeex"
)

// The model that the repository carries.
var path = filepath.Join("..", "..", "models", "codegeex_tiny.safetensors")

func ExampleTokenizer() {
	tokenizer, err := codegeex.NewTokenizer()
	if err != nil {
		log.Fatal(err)
	}
	defer tokenizer.Close()
	ids, err := tokenizer.Encode("def add(a, b):", codegeex.SpecialAsText)
	if err != nil {
		log.Fatal(err)
	}
	text, err := tokenizer.Decode(ids, codegeex.InvalidUTF8Replace)
	fmt.Println(ids, text, err)
	// Output: [4299 751 7 64 11 275 2599] def add(a, b): <nil>
}

func ExampleModel_Stream() {
	ctx := context.Background()
	model, err := codegeex.Open(ctx, path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	prompt, err := codegeex.GenerationPrompt("python", "def read_lines(path):")
	if err != nil {
		log.Fatal(err)
	}
	options := &codegeex.GenerateOptions{MaxNewTokens: 16}
	tokens := 0
	for token, err := range model.Stream(ctx, codegeex.Text(prompt), options) {
		if err != nil {
			log.Fatal(err)
		}
		if token.End() {
			fmt.Println(tokens, "tokens,", token.FinishReason)
		} else {
			tokens++
		}
	}
	// Output: 16 tokens, length
}

func ExampleModel_GenerateFunc() {
	ctx := context.Background()
	model, err := codegeex.Open(ctx, path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	left := 3
	done, err := model.GenerateFunc(ctx, codegeex.Text("def f("), nil, func(token codegeex.Token) error {
		if left--; left == 0 {
			return codegeex.Stop
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(done[0].IDs), "tokens,", done[0].FinishReason)
	// Output: 3 tokens, cancelled
}

// A custom sampler that never repeats a token.
func ExampleSampler() {
	ctx := context.Background()
	model, err := codegeex.Open(ctx, path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	noRepeat := func(in codegeex.SamplerInput) error {
		for _, id := range in.Generated {
			at, found := slices.BinarySearchFunc(in.Candidates, id, func(c codegeex.Candidate, id uint32) int {
				return cmp.Compare(c.ID, id)
			})
			if found {
				in.Candidates[at].Logit = float32(math.Inf(-1))
			}
		}
		return nil
	}
	options := &codegeex.GenerateOptions{MaxNewTokens: 32, Samplers: []codegeex.Sampler{noRepeat}}
	done, err := model.Generate(ctx, codegeex.Text("def f("), options)
	if err != nil {
		log.Fatal(err)
	}
	ids := done[0].IDs
	slices.Sort(ids)
	fmt.Println(len(ids), "tokens,", len(slices.Compact(ids)), "different ones")
	// Output: 32 tokens, 32 different ones
}

func ExampleCutCode() {
	at := codegeex.StopAt{Language: "go", Rules: "function", Before: "func Add(a, b int) int {\n"}
	text, reason, err := codegeex.CutCode(at, "\treturn a + b\n}\n\nfunc Sub(")
	fmt.Printf("%q %v %v\n", text, reason, err)
	// Output: "\treturn a + b\n}" end_of_function <nil>
}

func ExampleOpen_errors() {
	_, err := codegeex.Open(context.Background(), "no such file", nil)
	fmt.Println(errors.Is(err, codegeex.ErrNotFound), errors.Is(err, os.ErrNotExist))
	// Output: true true
}

func ExampleGenerationPrompt() {
	prompt, err := codegeex.GenerationPrompt("go", "func Add(a, b int) int {")
	fmt.Printf("%q %v\n", prompt, err)
	// Output: "// language: Go\nfunc Add(a, b int) int {" <nil>
}
