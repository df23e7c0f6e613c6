package codegeex

import (
	"errors"
	"runtime"
	"sync"
	"unsafe"
)

// ErrClosed is what methods of a closed object return.
var ErrClosed = errors.New("codegeex: use after Close")

// An owner owns one handle of the library. The handle is freed when the owner is closed or becomes
// garbage. Closing while a call runs is safe, and does not wait: the library keeps what a running call
// needs, and refuses a handle that was freed.
type owner struct{ *owned }

// owned is what a cleanup keeps, which must not know the owner.
type owned struct {
	free func(unsafe.Pointer)

	mu     sync.Mutex
	handle unsafe.Pointer
	closed bool
	// copies is the number of calls of lend that run.
	copies int
}

func newOwner(handle unsafe.Pointer, free func(unsafe.Pointer)) *owner {
	o := &owner{&owned{handle: handle, free: free}}
	runtime.AddCleanup(o, (*owned).close, o.owned)
	return o
}

// get returns the handle. The owner must be kept alive while a call begins with it.
func (o *owner) get() (unsafe.Pointer, error) {
	if o == nil {
		return nil, ErrClosed
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, ErrClosed
	}
	return o.handle, nil
}

// refused is the error of a call with the handle: ErrClosed if the owner was closed before the library
// looked at it.
func (o *owner) refused(err error) error {
	if e, ok := err.(*Error); ok && e.Code == ErrInvalidArgument {
		if _, closed := o.get(); closed != nil {
			return closed
		}
	}
	return err
}

func (o *owner) close() {
	if o != nil {
		o.owned.close()
	}
}

func (o *owned) close() {
	o.mu.Lock()
	last := !o.closed && o.copies == 0
	o.closed = true
	o.mu.Unlock()
	if last {
		o.free(o.handle)
	}
}

// use calls f with the handle of an owner as a P, a C pointer. (An incomplete C type cannot be a type
// argument, but a pointer to it can.)
func use[P any](o *owner, f func(P) error) error {
	handle, err := o.get()
	if err != nil {
		return err
	}
	// Otherwise the owner may become garbage, and its handle be freed, before the call begins.
	defer runtime.KeepAlive(o)
	return o.refused(f(*(*P)(unsafe.Pointer(&handle))))
}

// lend is use for functions that copy data that belongs to the handle. If the owner is closed
// meanwhile, the handle is freed after the copy.
func lend[P any](o *owner, f func(P) error) error {
	if o == nil {
		return ErrClosed
	}
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return ErrClosed
	}
	o.copies++
	o.mu.Unlock()
	defer func() {
		o.mu.Lock()
		o.copies--
		last := o.closed && o.copies == 0
		o.mu.Unlock()
		if last {
			o.free(o.handle)
		}
	}()
	return use(o, f)
}

// ask is use for functions that cannot fail. For a closed owner it returns the zero value.
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
