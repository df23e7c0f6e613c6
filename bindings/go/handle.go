package codegeex

import (
	"errors"
	"runtime"
	"sync"
	"unsafe"
)

// ErrClosed is what methods of a closed object return.
var ErrClosed = errors.New("codegeex: use after Close")

// An owner owns one handle of the library. The object of the user's points to it and never the
// other way, so that a cleanup of the object can close it. A handle is freed once, when it was
// closed and no call uses it any more: closing while a call runs is safe, and does not wait.
type owner struct {
	free func(unsafe.Pointer)

	mu     sync.Mutex
	handle unsafe.Pointer
	users  int
	closed bool
}

func newOwner(handle unsafe.Pointer, free func(unsafe.Pointer)) *owner {
	return &owner{handle: handle, free: free}
}

// acquire lends the handle until release.
func (o *owner) acquire() (unsafe.Pointer, error) {
	if o == nil {
		return nil, ErrClosed
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, ErrClosed
	}
	o.users++
	return o.handle, nil
}

func (o *owner) release() {
	o.mu.Lock()
	o.users--
	last := o.closed && o.users == 0
	o.mu.Unlock()
	if last {
		o.free(o.handle)
	}
}

func (o *owner) close() {
	if o == nil {
		return
	}
	o.mu.Lock()
	last := !o.closed && o.users == 0
	o.closed = true
	o.mu.Unlock()
	if last {
		o.free(o.handle)
	}
}

// closeWithGarbage closes an owner when the object that has it is unreachable.
func closeWithGarbage[T any](object *T, o *owner) *T {
	runtime.AddCleanup(object, (*owner).close, o)
	return object
}

// use calls f with the handle of an owner as a P, a pointer of C's. (Types that C does not tell us
// are no type arguments, but pointers to them are.)
func use[P any](o *owner, f func(P) error) error {
	handle, err := o.acquire()
	if err != nil {
		return err
	}
	defer o.release()
	return f(*(*P)(unsafe.Pointer(&handle)))
}

// ask is use for functions that cannot fail; of what was closed they say the zero value.
func ask[P, R any](o *owner, f func(P) R) (result R) {
	_ = use(o, func(handle P) error {
		result = f(handle)
		return nil
	})
	return result
}

// useOptional is use where there may be no owner at all, which f gets as nil.
func useOptional[P any](o *owner, f func(P) error) error {
	if o == nil {
		var none P
		return f(none)
	}
	return use(o, f)
}
