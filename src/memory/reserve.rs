//! An allocator with a reserve for the moment when the system refuses.
//!
//! Everything whose size follows from outside is allocated so that a refusal is an error
//! (`super::grow`). What is left are allocations of a small, fixed size: the count of an
//! `Arc`, an error's message, what the standard library needs to start a thread. Rust ends the process
//! when one of those is refused, and a host of the C library must never be ended. So the C library
//! allocates by this: a small request that the system refuses is served from a static megabyte. With
//! it a call goes on until it asks for something large, fails there, and gives the reserve back as it
//! unwinds; or it needs nothing large any more, and succeeds.
//!
//! Static memory is reserved when the library is loaded and costs nothing until it is touched. Programs
//! in Rust have an allocator of their own choice, and this is not in their way: it is installed where
//! the library is built for C alone (`cfg(codegeex_c_library)`, which `tools/install-capi.sh` gives, or
//! cargo-c's `cfg(cargo_c)`).
//!
//! Not for speed: free blocks are looked for one by one, under a lock that is spun on.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

/// The largest request that is served from the reserve. Larger than everything of a fixed size, and
/// small enough that what grows gets past it soon: growing is refused from there on.
pub const LARGEST: usize = 16 << 10;

/// Bytes of the reserve: for some hundred calls that fail at once.
const SIZE: usize = 1 << 20;

/// The unit in which it is handed out, and the strictest alignment.
const BLOCK: usize = 64;

const BLOCKS: usize = SIZE / BLOCK;

#[repr(align(64))]
struct Memory {
    _bytes: [u8; SIZE],
}

/// An allocator that asks another one, and has a reserve for when that refuses.
pub struct Reserve<A = System> {
    inner: A,
    locked: AtomicBool,
    /// One bit for each block; guarded by the lock.
    used: UnsafeCell<[u64; BLOCKS / 64]>,
    /// Parts belong to those that they were handed to.
    memory: UnsafeCell<Memory>,
}

// SAFETY: `used` is touched under the lock alone, and of `memory` nothing but the addresses.
unsafe impl<A: Sync> Sync for Reserve<A> {}

impl<A> Reserve<A> {
    /// In front of `inner`.
    pub const fn new(inner: A) -> Self {
        Self {
            inner,
            locked: AtomicBool::new(false),
            used: UnsafeCell::new([0; BLOCKS / 64]),
            memory: UnsafeCell::new(Memory { _bytes: [0; SIZE] }),
        }
    }

    /// Bytes of the reserve that are in use.
    pub fn in_use(&self) -> usize {
        self.with_used(|used| {
            used.iter()
                .map(|word| word.count_ones() as usize)
                .sum::<usize>()
        }) * BLOCK
    }

    fn with_used<R>(&self, f: impl FnOnce(&mut [u64; BLOCKS / 64]) -> R) -> R {
        while (self.locked)
            .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            std::thread::yield_now();
        }
        // SAFETY: the lock is held until the borrow ends, and `f` cannot panic: it indexes within
        // bounds that it was given.
        let result = f(unsafe { &mut *self.used.get() });
        self.locked.store(false, Ordering::Release);
        result
    }

    fn owns(&self, pointer: *mut u8) -> bool {
        pointer.addr().wrapping_sub(self.memory.get().addr()) < SIZE
    }

    /// Memory of the reserve, or null.
    #[cold]
    fn take(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST || layout.align() > BLOCK {
            return std::ptr::null_mut();
        }
        let wanted = blocks(layout);
        let found = self.with_used(|used| {
            let mut run = 0;
            for block in 0..BLOCKS {
                run = if is_used(used, block) { 0 } else { run + 1 };
                if run == wanted {
                    let first = block + 1 - wanted;
                    (first..=block).for_each(|block| used[block / 64] |= 1 << (block % 64));
                    return Some(first);
                }
            }
            None
        });
        match found {
            // `wrapping` as the pointer need not be dereferenced here; it is in bounds.
            Some(first) => self.memory.get().cast::<u8>().wrapping_add(first * BLOCK),
            None => std::ptr::null_mut(),
        }
    }

    /// Takes memory of the reserve back.
    #[cold]
    fn give_back(&self, pointer: *mut u8, layout: Layout) {
        let first = (pointer.addr() - self.memory.get().addr()) / BLOCK;
        self.with_used(|used| {
            for block in first..first + blocks(layout) {
                used[block / 64] &= !(1 << (block % 64));
            }
        });
    }
}

/// Blocks that a request takes.
fn blocks(layout: Layout) -> usize {
    layout.size().div_ceil(BLOCK).max(1)
}

fn is_used(used: &[u64; BLOCKS / 64], block: usize) -> bool {
    used[block / 64] >> (block % 64) & 1 == 1
}

// SAFETY: memory comes from `inner` or is a run of blocks of the reserve that nothing else has: as
// large and as aligned as asked for. What is given back goes to where it came from.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Reserve<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        let found = unsafe { self.inner.alloc(layout) };
        match found.is_null() {
            false => found,
            true => self.take(layout),
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        let found = unsafe { self.inner.alloc_zeroed(layout) };
        if !found.is_null() {
            return found;
        }
        let found = self.take(layout);
        if !found.is_null() {
            // SAFETY: as many bytes were taken.
            unsafe { found.write_bytes(0, layout.size()) };
        }
        found
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match self.owns(pointer) {
            // SAFETY: the caller's promises are passed on; it came from there.
            false => unsafe { self.inner.dealloc(pointer, layout) },
            true => self.give_back(pointer, layout),
        }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let is_ours = self.owns(pointer);
        if !is_ours {
            // SAFETY: the caller's promises are passed on; it came from there.
            let found = unsafe { self.inner.realloc(pointer, layout, size) };
            if !found.is_null() {
                return found;
            }
        }
        // SAFETY: the caller promises a size that makes a layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let found = match is_ours {
            // SAFETY: the size is not zero, as the caller promises.
            true => unsafe { self.alloc(wanted) },
            false => self.take(wanted),
        };
        if !found.is_null() {
            // SAFETY: both are as large as is copied, and nothing else has `found`; `pointer` is given
            // back to where it came from, once.
            unsafe {
                std::ptr::copy_nonoverlapping(pointer, found, layout.size().min(size));
                self.dealloc(pointer, layout);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refuses while it is told to.
    struct Refusing(AtomicBool);

    // SAFETY: null, or what the system's allocator says.
    unsafe impl GlobalAlloc for Refusing {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            match self.0.load(Ordering::Relaxed) {
                true => std::ptr::null_mut(),
                // SAFETY: the caller's promises are passed on.
                false => unsafe { System.alloc(layout) },
            }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            // SAFETY: the caller's promises are passed on.
            unsafe { System.dealloc(pointer, layout) }
        }
    }

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    static RESERVE: Reserve<Refusing> = Reserve::new(Refusing(AtomicBool::new(false)));

    #[test]
    fn small_requests_are_served_and_everything_comes_back() {
        let refuse = |refuse| RESERVE.inner.0.store(refuse, Ordering::Relaxed);
        // SAFETY: what is asked for is written within its size and given back once, with its layout.
        unsafe {
            let outside = RESERVE.alloc(layout(100));
            outside.write_bytes(7, 100);
            assert!(!RESERVE.owns(outside));
            refuse(true);
            assert!(RESERVE.alloc(layout(LARGEST + 1)).is_null());
            let strict = Layout::from_size_align(64, 4096).unwrap();
            assert!(RESERVE.alloc(strict).is_null());

            // What grows moves into the reserve and keeps its bytes.
            let inside = RESERVE.realloc(outside, layout(100), 200);
            assert!(RESERVE.owns(inside));
            assert!((0..100).all(|i| *inside.add(i) == 7));
            let zeroed = RESERVE.alloc_zeroed(layout(130));
            zeroed.write_bytes(9, 130);
            RESERVE.dealloc(zeroed, layout(130));
            let zeroed = RESERVE.alloc_zeroed(layout(130));
            assert!((0..130).all(|i| *zeroed.add(i) == 0));
            assert_eq!(RESERVE.in_use(), 256 + 192);

            // And out again, as soon as there is memory.
            refuse(false);
            let outside = RESERVE.realloc(inside, layout(200), 50);
            assert!(!RESERVE.owns(outside) && *outside.add(49) == 7);
            RESERVE.dealloc(outside, layout(50));
            RESERVE.dealloc(zeroed, layout(130));
            assert_eq!(RESERVE.in_use(), 0);

            // All of it, in parts that do not overlap, from several threads.
            refuse(true);
            let take = || {
                let mut mine = Vec::new();
                for i in 0..BLOCKS {
                    let size = 1 + i * 37 % 3000;
                    match RESERVE.alloc(layout(size)) {
                        p if p.is_null() => break,
                        p => {
                            p.write_bytes(i as u8, size);
                            mine.push((p.expose_provenance(), size, i as u8));
                        }
                    }
                }
                mine
            };
            let all: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
                threads
                    .into_iter()
                    .flat_map(|t| t.join().unwrap())
                    .collect()
            });
            assert!(RESERVE.in_use() > SIZE - 2 * 3000, "{}", RESERVE.in_use());
            for (address, size, value) in all {
                let p = std::ptr::with_exposed_provenance_mut::<u8>(address);
                assert!((0..size).all(|i| *p.add(i) == value));
                RESERVE.dealloc(p, layout(size));
            }
            assert_eq!(RESERVE.in_use(), 0);
            refuse(false);
        }
    }
}
