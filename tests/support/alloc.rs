//! An allocator that counts what each thread holds, so that tests can bound it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// Counts, and lets the system's allocator do the work.
pub struct Counting;

impl Counting {
    fn add(n: usize) {
        // A thread that is ending has no counters left, and they are not read.
        let _ = HELD.try_with(|held| {
            held.set(held.get().wrapping_add(n));
            // What another thread allocated and this one frees makes the count negative.
            if held.get() <= usize::MAX / 2 {
                let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
            }
        });
    }

    fn sub(n: usize) {
        let _ = HELD.try_with(|held| held.set(held.get().wrapping_sub(n)));
    }
}

// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        Self::sub(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may exist for a moment.
        Self::add(size);
        // SAFETY: the caller's promises are passed on.
        let new = unsafe { System.realloc(ptr, layout, size) };
        Self::sub(layout.size());
        new
    }
}

/// Runs `f`; the most bytes that this thread held during it above what it held before.
pub fn peak_of<T>(f: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    let before = if before > usize::MAX / 2 { 0 } else { before };
    HELD.set(before);
    PEAK.set(before);
    let value = f();
    (value, PEAK.get() - before)
}
