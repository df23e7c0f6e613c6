//! Compact hash tables from pairs of small integers to a small integer.
//!
//! Both the merges of byte-pair encoding (two tokens give one) and the edges of the token trie
//! (a node and a byte give a node) are such maps. An entry is one word, so a lookup is mostly one
//! cache line. Not a general map: values are below 2^[`BITS`], and nothing is ever removed.

use std::collections::TryReserveError;

use crate::memory::try_filled;

/// Bits of each of the three numbers of an entry.
pub(super) const BITS: u32 = 21;

const FIELD: u64 = (1 << BITS) - 1;

/// No entry is all ones, because the topmost bit of one is never set.
const EMPTY: u64 = u64::MAX;

/// An open-addressing map `(u32, u32) -> u32`, at most half full.
#[derive(Debug)]
pub(super) struct PairMap {
    /// `a << 42 | b << 21 | value`, or [`EMPTY`]. The length is a power of two.
    slots: Vec<u64>,
    shift: u32,
    entries: usize,
    /// One bit for each quarter of a slot by hash: no entry has a hash there if it is clear. Most
    /// lookups find nothing, and this is a sixteenth of the memory.
    filter: Vec<u64>,
}

impl PairMap {
    /// A map that holds `entries` before it grows.
    pub(super) fn with_capacity(entries: usize) -> Result<Self, TryReserveError> {
        let slots = (entries * 2).next_power_of_two().max(2);
        Ok(Self {
            slots: try_filled(EMPTY, slots)?,
            shift: u64::BITS - slots.trailing_zeros(),
            entries: 0,
            filter: try_filled(0, slots.div_ceil(16))?,
        })
    }

    /// What `(a, b)` maps to.
    #[inline]
    pub(super) fn get(&self, a: u32, b: u32) -> Option<u32> {
        let key = Self::key(a, b);
        let (word, bit) = self.filter_bit(key);
        if self.filter[word] >> bit & 1 == 0 {
            return None;
        }
        let mut at = self.home(key);
        loop {
            let slot = self.slots[at];
            if slot >> BITS == key {
                return Some((slot & FIELD) as u32);
            }
            if slot == EMPTY {
                return None;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// Maps `(a, b)` to `value`, unless it is there: then returns what it maps to.
    pub(super) fn insert(
        &mut self,
        a: u32,
        b: u32,
        value: u32,
    ) -> Result<Option<u32>, TryReserveError> {
        debug_assert!([a, b, value].iter().all(|&x| u64::from(x) <= FIELD));
        if (self.entries + 1) * 2 > self.slots.len() {
            self.grow()?;
        }
        let key = Self::key(a, b);
        let mut at = self.home(key);
        while self.slots[at] != EMPTY {
            if self.slots[at] >> BITS == key {
                return Ok(Some((self.slots[at] & FIELD) as u32));
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = key << BITS | u64::from(value);
        self.entries += 1;
        let (word, bit) = self.filter_bit(key);
        self.filter[word] |= 1 << bit;
        Ok(None)
    }

    fn grow(&mut self) -> Result<(), TryReserveError> {
        let mut larger = Self::with_capacity(self.slots.len())?;
        for &slot in self.slots.iter().filter(|&&slot| slot != EMPTY) {
            let mut at = larger.home(slot >> BITS);
            while larger.slots[at] != EMPTY {
                at = (at + 1) & (larger.slots.len() - 1);
            }
            larger.slots[at] = slot;
            let (word, bit) = larger.filter_bit(slot >> BITS);
            larger.filter[word] |= 1 << bit;
        }
        larger.entries = self.entries;
        *self = larger;
        Ok(())
    }

    #[inline]
    fn key(a: u32, b: u32) -> u64 {
        u64::from(a) << BITS | u64::from(b)
    }

    /// Fibonacci hashing: the upper bits of a product with 2^64 / φ.
    #[inline]
    fn home(&self, key: u64) -> usize {
        (Self::hash(key) >> self.shift) as usize
    }

    /// The word and the bit of the filter for `key`.
    #[inline]
    fn filter_bit(&self, key: u64) -> (usize, u32) {
        let at = (Self::hash(key) >> (self.shift - 2)) as usize;
        (at / 64, (at % 64) as u32)
    }

    #[inline]
    fn hash(key: u64) -> u64 {
        key.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_put_in_and_nothing_else() {
        let max = (1 << BITS) - 1;
        let mut map = PairMap::with_capacity(3).unwrap();
        for i in 0..100 {
            assert_eq!(map.insert(i, max - i, i * 3), Ok(None));
            assert_eq!(map.insert(max - i, i, max), Ok(None));
        }
        assert_eq!(map.insert(max, max, max), Ok(None));
        assert_eq!(map.insert(5, max - 5, 1), Ok(Some(15)));
        for i in 0..100 {
            assert_eq!(map.get(i, max - i), Some(i * 3));
            assert_eq!(map.get(max - i, i), Some(max));
            assert_eq!(map.get(i, i), None);
        }
        assert_eq!(map.get(max, max), Some(max));
        assert_eq!(PairMap::with_capacity(0).unwrap().get(0, 0), None);
    }
}
