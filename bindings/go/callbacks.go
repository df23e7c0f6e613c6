package codegeex

// #include "callbacks.h"
import "C"

import (
	"context"
	"log/slog"
	"runtime/cgo"
)

// A panic must not unwind through the frames of the library. It is caught here, ends the call, and is
// raised again after the call has returned.
type caught struct {
	value   any
	panicky bool
}

// hand runs a callback and reports whether the call continues.
func (c *caught) hand(f func() bool) (goOn bool) {
	if c.panicky {
		return false
	}
	returned := false
	defer func() {
		if !returned {
			// runtime.Goexit comes here too, and cannot be kept from leaving.
			c.value, c.panicky = recover(), true
			goOn = false
		}
	}()
	goOn = f()
	returned = true
	return goOn
}

// rethrow panics as the caller's function did.
func (c *caught) rethrow() {
	if c.panicky {
		panic(c.value)
	}
}

// A listener receives the events of one generation.
type listener struct {
	caught
	yield func(Token) bool
}

//export codegeexGoEvent
func codegeexGoEvent(userdata C.uintptr_t, event *C.codegeex_event) C.int32_t {
	l := cgo.Handle(userdata).Value().(*listener)
	token, ok := tokenOf(event)
	if !ok || l.hand(func() bool { return l.yield(token) }) {
		return 0
	}
	return 1
}

// A progress listener is the progress callback of a call.
type progressListener struct {
	caught
	report func(done, total uint64) error
	err    error
}

//export codegeexGoProgress
func codegeexGoProgress(userdata C.uintptr_t, done, total C.uint64_t) C.int32_t {
	l := cgo.Handle(userdata).Value().(*progressListener)
	goOn := l.hand(func() bool {
		l.err = l.report(uint64(done), uint64(total))
		return l.err == nil
	})
	if goOn {
		return 0
	}
	return 1
}

var logLevels = []struct {
	c     C.int32_t
	level slog.Level
}{
	{C.CODEGEEX_LOG_DEBUG, slog.LevelDebug},
	{C.CODEGEEX_LOG_INFO, slog.LevelInfo},
	{C.CODEGEEX_LOG_WARNING, slog.LevelWarn},
	{C.CODEGEEX_LOG_ERROR, slog.LevelError},
}

//export codegeexGoLog
func codegeexGoLog(userdata C.uintptr_t, level C.int32_t, message *C.char, messageLen C.size_t) {
	logger := cgo.Handle(userdata).Value().(*slog.Logger)
	// The thread may belong to the library, where a panic would end the process.
	defer func() { _ = recover() }()
	at := slog.LevelError
	for _, l := range logLevels {
		if l.c == level {
			at = l.level
		}
	}
	logger.Log(context.Background(), at, goString(message, messageLen))
}

//export codegeexGoDestroy
func codegeexGoDestroy(userdata C.uintptr_t) {
	cgo.Handle(userdata).Delete()
}
