//! The table of handles. What C holds is a number in the shape of a pointer: a place in this table
//! and how often that place was given out before. Nothing ever reads memory at it, so a handle that
//! was freed, that is freed twice, of another kind or made up is told from one that is alive, on any
//! thread and at any moment, and whatever a call holds lives until that call returns.
//!
//! ```text
//! bit  63 62   61 ......... 24   23 ....... 6   5 .... 0
//!      0  1      generation         slot         shard
//! ```
//!
//! Bit 62 is set in every handle and in no address of a program, so neither is ever taken for the
//! other; bit 63 is left alone for languages whose numbers have a sign. A place is given out again after it was freed, under the next generation; one
//! that has had 2^38 of them stays empty for good, so no handle ever comes back. Memory is that of the
//! most handles that were alive at once, 32 bytes for each.
//!
//! A shard is locked for a few instructions, and values are dropped outside of it: their
//! destructors may call the host, and the host this library. This module is independent of the
//! kinds of handles.
#![forbid(unsafe_code)]

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind, Result};

const _: () = assert!(size_of::<usize>() == 8, "a handle has 64 bits");

/// A type of which C has pointers and knows nothing else. Values are used by any number of threads.
pub trait Handle: Send + Sync + 'static {
    /// The name of the type in C.
    const NAME: &'static str;
    /// The value behind a handle.
    type Value: Send + Sync + 'static;
}

/// A value with what the boundary knows about it.
pub struct Boxed<H: Handle> {
    poisoned: AtomicBool,
    value: H::Value,
}

/// A value in the table, of any kind.
pub trait Kept: Any + Send + Sync {
    /// Lets no later call use the value.
    fn poison(&self);
}

impl<H: Handle> Kept for Boxed<H> {
    fn poison(&self) {
        self.poisoned.store(true, Ordering::Relaxed);
    }
}

/// A handle that a call holds.
pub struct Held<H: Handle>(Arc<Boxed<H>>);

impl<H: Handle> Held<H> {
    pub fn is_poisoned(&self) -> bool {
        self.0.poisoned.load(Ordering::Relaxed)
    }

    /// The same, whatever its kind.
    pub fn kept(&self) -> Arc<dyn Kept> {
        Arc::clone(&self.0) as _
    }
}

impl<H: Handle> std::ops::Deref for Held<H> {
    type Target = H::Value;

    fn deref(&self) -> &H::Value {
        &self.0.value
    }
}

/// Ends a list of free slots.
const NONE: u32 = u32::MAX;

enum State {
    Free { next: u32 },
    Alive(Arc<dyn Kept>),
}

struct Slot {
    generation: u64,
    state: State,
}

struct Shard {
    slots: Vec<Slot>,
    /// The first of the free ones.
    free: u32,
}

const SHARD_BITS: u32 = 6;
const SLOT_BITS: u32 = 18;
const GENERATION_BITS: u32 = 62 - SLOT_BITS - SHARD_BITS;
const SHARDS: usize = 1 << SHARD_BITS;
const MARK: u64 = 1 << 62;

static TABLE: [Mutex<Shard>; SHARDS] = [const {
    Mutex::new(Shard {
        slots: Vec::new(),
        free: NONE,
    })
}; SHARDS];

/// Where a handle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    shard: usize,
    slot: u32,
    generation: u64,
}

impl Place {
    fn of<H>(handle: *const H) -> Option<Self> {
        let bits = handle.addr() as u64;
        (bits >> 62 == 1).then_some(Self {
            shard: bits as usize % SHARDS,
            slot: (bits >> SHARD_BITS) as u32 & ((1 << SLOT_BITS) - 1),
            generation: (bits & !MARK) >> (SHARD_BITS + SLOT_BITS),
        })
    }

    fn handle<H>(self) -> *mut H {
        let bits = MARK
            | self.generation << (SHARD_BITS + SLOT_BITS)
            | u64::from(self.slot) << SHARD_BITS
            | self.shard as u64;
        std::ptr::without_provenance_mut(bits as usize)
    }
}

impl Shard {
    fn lock(index: usize) -> MutexGuard<'static, Self> {
        // Nothing below panics half-way.
        TABLE[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alive(&mut self, place: Place) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(place.slot as usize)?;
        let is_alive = matches!(slot.state, State::Alive(_));
        (is_alive && slot.generation == place.generation).then_some(slot)
    }

    /// A free slot: how often it was given out before.
    fn take_free(&mut self) -> Result<u32> {
        if self.free != NONE {
            let slot = self.free;
            if let State::Free { next } = self.slots[slot as usize].state {
                self.free = next;
            }
            return Ok(slot);
        }
        let slot = self.slots.len() as u32;
        if slot == 1 << SLOT_BITS {
            let message = format!(
                "{} handles are alive, and there can be no more; free some",
                SHARDS << SLOT_BITS
            );
            return Err(Error::new(ErrorKind::OutOfMemory, message));
        }
        self.slots.try_reserve(1)?;
        self.slots.push(Slot {
            generation: 0,
            state: State::Free { next: NONE },
        });
        Ok(slot)
    }

    fn give_back(&mut self, at: u32) {
        let slot = &mut self.slots[at as usize];
        slot.generation += 1;
        if slot.generation < 1 << GENERATION_BITS {
            slot.state = State::Free { next: self.free };
            self.free = at;
        }
    }
}

/// A new handle.
///
/// # Errors
/// [`OutOfMemory`](ErrorKind::OutOfMemory).
pub fn new_handle<H: Handle>(value: H::Value) -> Result<*mut H> {
    // In turn, so that threads that make handles seldom meet.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let kept: Arc<Boxed<H>> = Arc::new(Boxed {
        poisoned: AtomicBool::new(false),
        value,
    });
    let shard = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    let mut locked = Shard::lock(shard);
    let slot = locked.take_free()?;
    let place = &mut locked.slots[slot as usize];
    place.state = State::Alive(kept);
    let generation = place.generation;
    Ok(Place {
        shard,
        slot,
        generation,
    }
    .handle())
}

/// The value of a handle, if it is alive and of this kind.
pub fn hold<H: Handle>(handle: *const H) -> Option<Held<H>> {
    let place = Place::of(handle)?;
    let kept: Arc<dyn Any + Send + Sync> = {
        let mut shard = Shard::lock(place.shard);
        let State::Alive(kept) = &shard.alive(place)?.state else {
            return None;
        };
        Arc::clone(kept) as _
    };
    kept.downcast().ok().map(Held)
}

/// Takes a handle out of the table, if it is alive and of this kind. Calls that hold the value go on
/// with it; it is dropped with the last that does.
pub fn take<H: Handle>(handle: *const H) -> Option<Arc<dyn Kept>> {
    let place = Place::of(handle)?;
    let mut shard = Shard::lock(place.shard);
    let slot = shard.alive(place)?;
    if !matches!(&slot.state, State::Alive(kept) if (&**kept as &dyn Any).is::<Boxed<H>>()) {
        return None;
    }
    let state = std::mem::replace(&mut slot.state, State::Free { next: NONE });
    shard.give_back(place.slot);
    match state {
        State::Alive(kept) => Some(kept),
        State::Free { .. } => None,
    }
}

/// Gives the table's memory back, where no handle is alive: for a library that is unloaded.
#[cfg(target_os = "linux")]
pub fn forget() {
    for shard in 0..SHARDS {
        let mut shard = Shard::lock(shard);
        let is_free = |slot: &Slot| matches!(slot.state, State::Free { .. });
        if shard.slots.iter().all(is_free) {
            shard.slots = Vec::new();
            shard.free = NONE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    struct Probe;

    impl Handle for Probe {
        const NAME: &'static str = "codegeex_probe";
        type Value = u64;
    }

    struct Other;

    impl Handle for Other {
        const NAME: &'static str = "codegeex_other";
        type Value = u64;
    }

    #[test]
    fn a_place_survives_the_way_through_a_pointer() {
        for place in [(0, 0, 0), (63, 5, 7), (1, (1 << SLOT_BITS) - 1, 1)] {
            let (shard, slot, generation) = place;
            let generation = generation * ((1 << GENERATION_BITS) - 1) / 7;
            let place = Place {
                shard,
                slot,
                generation,
            };
            assert_eq!(Place::of(place.handle::<Probe>()), Some(place));
        }
        let local = 0;
        assert_eq!(Place::of((&raw const local).cast::<Probe>()), None);
        assert_eq!(Place::of(std::ptr::null::<Probe>()), None);
    }

    #[test]
    fn what_was_freed_or_never_was_is_nothing() {
        let first = new_handle::<Probe>(1).unwrap();
        assert_eq!(hold(first).map(|held| *held), Some(1));
        assert!(hold(first.cast::<Other>()).is_none(), "another kind");
        assert!(take(first.cast::<Other>()).is_none(), "another kind");
        let held = hold(first).unwrap();
        assert!(take(first).is_some());
        assert_eq!(*held, 1, "a call goes on with what it holds");
        assert!(take(first).is_none(), "freed twice");
        assert!(hold(first).is_none());
        // The same places are given out again, never the same handle.
        let mut seen = HashSet::from([first.addr()]);
        for i in 0..10_000 {
            let handle = new_handle::<Probe>(i).unwrap();
            assert!(seen.insert(handle.addr()), "a handle came back");
            assert!(hold(first).is_none() && take(first).is_none());
            assert!(take(handle).is_some());
        }
        for bits in [1, 8, 4096, usize::MAX, MARK as usize | 77, usize::MAX / 2] {
            let made_up = std::ptr::without_provenance::<Probe>(bits);
            assert!(hold(made_up).is_none() && take(made_up).is_none());
        }
    }

    #[test]
    fn a_worn_out_place_is_not_given_out_again() {
        let mut shard = Shard {
            slots: Vec::new(),
            free: NONE,
        };
        assert_eq!(shard.take_free().unwrap(), 0);
        shard.slots[0].generation = (1 << GENERATION_BITS) - 2;
        shard.give_back(0);
        assert_eq!(shard.take_free().unwrap(), 0);
        shard.give_back(0);
        assert_eq!(shard.take_free().unwrap(), 1);
    }

    #[test]
    fn threads_free_what_others_use() {
        for _ in 0..2_000 {
            let handle = new_handle::<Probe>(7).unwrap().addr();
            let handle = || std::ptr::without_provenance::<Probe>(handle);
            let freed: usize = std::thread::scope(|scope| {
                let use_it = || hold(handle()).is_none_or(|held| *held == 7);
                let users = [scope.spawn(use_it), scope.spawn(use_it)];
                let free_it = || usize::from(take(handle()).is_some());
                let freers = [scope.spawn(free_it), scope.spawn(free_it)];
                assert!(users.into_iter().all(|user| user.join().unwrap()));
                freers.into_iter().map(|freer| freer.join().unwrap()).sum()
            });
            assert_eq!(freed, 1);
        }
    }
}
