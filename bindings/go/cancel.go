package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"errors"
)

// A cancelToken is the library's flag that asks a call to stop, set when a context ends.
type cancelToken struct {
	handle *C.codegeex_cancel_token
	stop   func() bool
	set    chan struct{}
}

// watch makes a token for a context; nil for one that never ends.
func watch(ctx context.Context) (*cancelToken, error) {
	if ctx.Done() == nil {
		return nil, nil
	}
	t := &cancelToken{set: make(chan struct{})}
	err := call(func(err **C.codegeex_error) C.codegeex_status {
		return C.codegeex_cancel_token_new(0, &t.handle, err)
	})
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		// Not from another goroutine then, which may come too late for a short call.
		C.codegeex_cancel_token_cancel(t.handle, nil)
	}
	t.stop = context.AfterFunc(ctx, func() {
		C.codegeex_cancel_token_cancel(t.handle, nil)
		close(t.set)
	})
	return t, nil
}

// c is the handle, NULL where there is no token.
func (t *cancelToken) c() *C.codegeex_cancel_token {
	if t == nil {
		return nil
	}
	return t.handle
}

// free ends the watch; calls that were given the token keep what they need of it.
func (t *cancelToken) free() {
	if t == nil {
		return
	}
	if !t.stop() {
		<-t.set
	}
	C.codegeex_cancel_token_free(t.handle)
}

// callContext is call for a function that a context cancels. An error that says so is the context's
// too.
func callContext(
	ctx context.Context,
	f func(cancel *C.codegeex_cancel_token, err **C.codegeex_error) C.codegeex_status,
) error {
	token, err := watch(ctx)
	if err != nil {
		return err
	}
	defer token.free()
	err = call(func(err **C.codegeex_error) C.codegeex_status { return f(token.c(), err) })
	var failed *Error
	if errors.As(err, &failed) && failed.Code == ErrCancelled && ctx.Err() != nil {
		failed.also = context.Cause(ctx)
	}
	return err
}
