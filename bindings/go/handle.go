package codegeex

import (
	"errors"
	"runtime"
	"sync"
	"unsafe"
)

// ErrClosed is what methods of a closed object return.
var ErrClosed = errors.New("codegeex: use after Close")

// An owner owns one handle of the library. It is freed once, when it was closed or the owner became
// garbage, and no call uses it any more: closing while a call runs is safe, and does not wait.
type owner struct{ *owned }

// owned is what a cleanup keeps, which must not know the owner.
type owned struct {
	free func(unsafe.Pointer)

	mu     sync.Mutex
	handle unsafe.Pointer
	users  int
	closed bool
}

func newOwner(handle unsafe.Pointer, free func(unsafe.Pointer)) *owner {
	o := &owner{&owned{handle: handle, free: free}}
	runtime.AddCleanup(o, (*owned).close, o.owned)
	return o
}

// acquire lends the handle until release.
func (o *owner) acquire() (unsafe.Pointer, error) {
	if o == nil {
		return nil, ErrClosed
	}
	// Otherwise the owner may become garbage between its last use and the count.
	defer runtime.KeepAlive(o)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, ErrClosed
	}
	o.users++
	return o.handle, nil
}

func (o *owner) close() {
	if o != nil {
		o.owned.close()
	}
}

func (o *owned) release() {
	o.mu.Lock()
	o.users--
	last := o.closed && o.users == 0
	o.mu.Unlock()
	if last {
		o.free(o.handle)
	}
}

func (o *owned) close() {
	o.mu.Lock()
	last := !o.closed && o.users == 0
	o.closed = true
	o.mu.Unlock()
	if last {
		o.free(o.handle)
	}
}

// use calls f with the handle of an owner as a P, a pointer of C's. (Types that C does not tell us
// are no type arguments, but pointers to them are.)
func use[P any](o *owner, f func(P) error) error {
	handle, err := o.acquire()
	if err != nil {
		return err
	}
	// Of what the owner has, not of the owner: it may become garbage meanwhile.
	defer o.owned.release()
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
