//! How many bytes the caches of a backend hold, and whether there may be more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// New bytes after which it is asked again what is available: on Linux that reads a dozen small
/// files, which takes some 0.2 ms.
const LOOK_EVERY: u64 = 16 << 20;
/// What has to stay free: what may be taken between two looks, and as much again.
const RESERVE: u64 = 2 * LOOK_EVERY;

/// Counts the pages of all sequences of a backend, shared ones once.
#[derive(Debug)]
pub struct Budget {
    /// The most that may be held.
    limit: Option<u64>,
    held: AtomicU64,
    /// New bytes since the last look at the system.
    unseen: AtomicU64,
    available: fn() -> Option<u64>,
}

impl Budget {
    /// At most `limit` bytes, and at most what is `available` where the pages are; `None` means
    /// not known.
    pub fn new(limit: Option<u64>, available: fn() -> Option<u64>) -> Self {
        Self {
            limit,
            held: AtomicU64::new(0),
            // The first page looks.
            unseen: AtomicU64::new(LOOK_EVERY),
            available,
        }
    }

    /// Bytes that are held.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Asks for `pages` of `bytes` each.
    ///
    /// # Errors
    /// [`OutOfMemory`](ErrorKind::OutOfMemory) when that is more than the limit or the system
    /// leaves; nothing is held then.
    pub(super) fn reserve(self: &Arc<Self>, pages: usize, bytes: usize) -> Result<Vec<Held>> {
        let wanted = (pages as u64).saturating_mul(bytes as u64);
        let refused = |why: &str| {
            let message = format!(
                "{wanted} more bytes are needed for the KV cache, but {why}; shorten the \
                 prompt, drop other sequences or use a smaller format of the cache"
            );
            Error::new(ErrorKind::OutOfMemory, message)
        };
        let most = self.limit.unwrap_or(i64::MAX as u64);
        let grow = |held: u64| held.checked_add(wanted).filter(|&sum| sum <= most);
        if let Err(held) = (self.held).fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow) {
            return Err(refused(&format!("{held} are held of the limit of {most}")));
        }
        // From here on, what is dropped is given back.
        let held: Vec<Held> = (0..pages).map(|_| Held::new(self, bytes)).collect();
        let unseen = self.unseen.fetch_add(wanted, Ordering::Relaxed);
        if pages > 0 && unseen.saturating_add(wanted) >= LOOK_EVERY {
            if let Some(available) = (self.available)()
                && available < wanted.saturating_add(RESERVE)
            {
                self.unseen.store(LOOK_EVERY, Ordering::Relaxed);
                return Err(refused(&format!(
                    "the system has {available} and {RESERVE} are to stay free"
                )));
            }
            self.unseen.store(0, Ordering::Relaxed);
        }
        Ok(held)
    }
}

/// Bytes that are counted until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Held {
    fn new(budget: &Arc<Budget>, bytes: usize) -> Self {
        let budget = Arc::clone(budget);
        Self { budget, bytes }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        (self.budget.held).fetch_sub(self.bytes as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 1 << 20;

    #[test]
    fn the_limit_counts_what_is_held_and_what_was_given_back() {
        let budget = Arc::new(Budget::new(Some(3 << 20), || None));
        let two = budget.reserve(2, PAGE).unwrap();
        let error = budget.reserve(2, PAGE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        for part in ["2097152 more bytes", "2097152 are held", "limit of 3145728"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        assert_eq!(budget.held(), 2 << 20);
        drop(two);
        assert_eq!(budget.held(), 0);
        assert_eq!(budget.reserve(3, PAGE).unwrap().len(), 3);
        assert!(budget.reserve(usize::MAX, usize::MAX).is_err());
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn the_system_is_asked_at_first_and_after_some_bytes() {
        use std::sync::atomic::AtomicUsize;
        static LOOKS: AtomicUsize = AtomicUsize::new(0);
        let budget = Arc::new(Budget::new(None, || {
            LOOKS.fetch_add(1, Ordering::Relaxed);
            Some(u64::MAX)
        }));
        let mut held = Vec::new();
        for _ in 0..33 {
            held.extend(budget.reserve(1, PAGE).unwrap());
        }
        // The first, the one that makes 16 MiB since, and the one that makes 16 more.
        assert_eq!(LOOKS.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn what_the_system_lacks_is_an_error_until_it_has_it() {
        static HAS: AtomicU64 = AtomicU64::new(48 << 20);
        let budget = Arc::new(Budget::new(None, || Some(HAS.load(Ordering::Relaxed))));
        let _held = budget.reserve(8, PAGE).unwrap();
        for _ in 0..2 {
            let error = budget.reserve(17, PAGE).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutOfMemory);
            assert!(error.to_string().contains("system has 50331648"), "{error}");
            assert_eq!(budget.held(), 8 << 20);
        }
        HAS.store(49 << 20, Ordering::Relaxed);
        assert_eq!(budget.reserve(17, PAGE).unwrap().len(), 17);
    }
}
