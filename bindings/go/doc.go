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
// # Options
//
// A zero field means the default, and so does nil. Fields are checked by the library when a call
// begins: a value out of range is [ErrInvalidArgument], with a message that names the key. Extra sets
// options by key and value, after the fields.
//
// # Goroutines
//
// Models, tokenizers and services are safe for concurrent use. Sessions, states, decoders, code stops
// and tickets serve one call at a time; a concurrent call returns [ErrBusy]. Options are read when a
// call starts.
//
// # Callbacks
//
// Callbacks run on the calling goroutine, before the call returns; loggers and samplers also run on
// threads of a service, samplers on those of concurrent calls as well. They may use this package. A
// panic in a callback or sampler ends the call and continues in the caller, for requests of a service
// in [Ticket.Wait]; a panic in a logger is dropped. None of them may call [runtime.Goexit], which
// testing.T.FailNow does: the call would never end, and its objects would stay in use.
package codegeex
