// Package codegeex runs the CodeGeeX code model in the process, on libcodegeex.so by cgo.
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
// Every call that takes a while takes a context, and ends soon after the context does, whatever it
// is at: loading, a prompt, a step. The error is then [ErrCancelled] and the context's own, such as
// [context.DeadlineExceeded]. Generations return what there is by then as well.
//
// # Closing
//
// What has a Close method holds memory outside of Go's. Close it when it is not needed any more;
// what is forgotten is closed some time after it became garbage, of which Go's collector sees only
// the small part in Go. The order does not matter: a session keeps what it needs of a closed model.
// Closing twice, and while another goroutine's call runs, is allowed; that call ends as usual.
// Methods of what was closed return [ErrClosed].
//
// # Goroutines
//
// Models, tokenizers and services serve any number of goroutines at once. Sessions, states, decoders
// and tickets serve one call at a time; a second one is [ErrBusy]. Options are read when a call begins.
//
// # Callbacks
//
// Functions that a call is given run on the calling goroutine, before it returns; loggers also run on
// threads of a service. They may use this package. A panic in one ends the call and goes on in the
// caller, a panic in a logger is dropped. They must not call [runtime.Goexit], which FailNow of
// package testing does: the call would never end, and what it uses would stay in use.
package codegeex
