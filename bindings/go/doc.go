// Package codegeex runs the CodeGeeX code model in-process, with libcodegeex.so through cgo.
//
//	model, err := codegeex.Open(ctx, "codegeex_tiny.safetensors", nil)
//	if err != nil { ... }
//	defer model.Close()
//	prompt, err := codegeex.GenerationPrompt("python", "def read_lines(path):")
//	if err != nil { ... }
//	for token, err := range model.Stream(ctx, codegeex.Text(prompt), nil) {
//		if err != nil { ... }
//		fmt.Print(token.Text)
//	}
//
// # Contexts
//
// Every long call takes a context. When the context is cancelled, the call ends soon, during loading,
// prefill or decoding. The error then is both [ErrCancelled] and the context's error, such as
// [context.DeadlineExceeded]. Generations also return the partial result.
//
// # Closing
//
// An object with a Close method holds memory outside the Go heap. Close it when you no longer need
// it. An unreachable object is closed after garbage collection, but the collector does not see the
// memory outside its heap. The order does not matter: a session keeps its closed model alive. You may
// close an object twice, and while another goroutine's call runs; that call completes normally.
// Methods of a closed object return [ErrClosed].
//
// # Goroutines
//
// Models, tokenizers and services are safe for concurrent use. Sessions, states, decoders and tickets
// serve one call at a time; a concurrent call returns [ErrBusy]. Options are read when a call starts.
//
// # Callbacks
//
// Callbacks run on the calling goroutine, before the call returns; loggers also run on threads of a
// service. They may use this package. A panic in a callback ends the call and continues in the
// caller; a panic in a logger is dropped. Callbacks must not call [runtime.Goexit], which
// testing.T.FailNow does: the call would never end, and its objects would stay in use.
package codegeex
