//! Short pieces looked up whole: those that are one token, and those met before.
//!
//! Most pieces of source code are short and many repeat. A piece of up to [`MAX_LEN`] bytes packs
//! into a key of two words, so comparing costs no call; longer ones go the long way. This module
//! does not know how pieces are encoded.

use std::collections::TryReserveError;

use crate::memory::try_filled;

/// Longest piece with a key.
pub(super) const MAX_LEN: usize = 15;

/// The bytes of a short piece, padded with zeros, and its length in the topmost byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Key([u64; 2]);

impl Key {
    /// The key of `text[start..end]`, of 1 to [`MAX_LEN`] bytes.
    #[inline]
    pub(super) fn new(text: &[u8], start: usize, end: usize) -> Self {
        let len = end - start;
        let window = match text[start..].first_chunk::<16>() {
            Some(window) => u128::from_le_bytes(*window),
            None => {
                let mut padded = [0; 16];
                padded[..len].copy_from_slice(&text[start..end]);
                u128::from_le_bytes(padded)
            }
        };
        let key = window & !(u128::MAX << (8 * len)) | (len as u128) << 120;
        Self([key as u64, (key >> 64) as u64])
    }

    /// A hash whose upper bits are the good ones.
    #[inline]
    fn hash(self) -> u64 {
        let [low, high] = self.0;
        (low ^ high.wrapping_mul(0xD6E8_FEB8_6659_FD93)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// A fixed map from keys to tokens: those of all tokens that have one.
#[derive(Debug)]
pub(super) struct WordTable {
    /// One more than the token, or 0 where free. The length is a power of two, and at least half
    /// of it is free.
    slots: Vec<u32>,
    keys: Vec<Key>,
    shift: u32,
}

impl WordTable {
    /// A table of `tokens`, where an empty slice stands for a token to leave out.
    pub(super) fn new<'a>(
        tokens: impl ExactSizeIterator<Item = &'a [u8]>,
    ) -> Result<Self, TryReserveError> {
        let slots = (tokens.len() * 2).next_power_of_two().max(2);
        let mut this = Self {
            slots: try_filled(0, slots)?,
            keys: try_filled(Key::default(), tokens.len())?,
            shift: u64::BITS - slots.trailing_zeros(),
        };
        for (token, bytes) in tokens.enumerate() {
            if (1..=MAX_LEN).contains(&bytes.len()) {
                let key = Key::new(bytes, 0, bytes.len());
                this.keys[token] = key;
                let mut at = this.home(key);
                while this.slots[at] != 0 {
                    at = this.next(at);
                }
                this.slots[at] = token as u32 + 1;
            }
        }
        Ok(this)
    }

    /// The token whose bytes have `key`.
    #[inline]
    pub(super) fn get(&self, key: Key) -> Option<u32> {
        let mut at = self.home(key);
        loop {
            let token = self.slots[at].checked_sub(1)?;
            if self.keys[token as usize] == key {
                return Some(token);
            }
            at = self.next(at);
        }
    }

    #[inline]
    fn home(&self, key: Key) -> usize {
        (key.hash() >> self.shift) as usize
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }
}

/// Ids of one cached piece at most.
pub(super) const CACHED_IDS: usize = 4;

/// What fills up the ids of an entry.
const NO_ID: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    key: Key,
    ids: [u32; CACHED_IDS],
}

/// The ids of pieces met before. An entry is overwritten by the next piece of the same hash.
#[derive(Debug, Default)]
pub(super) struct WordCache {
    /// Empty, or a power of two of entries. The key of an unused one is that of no piece.
    entries: Vec<Entry>,
}

impl WordCache {
    /// Makes the cache large enough to pay for a text of `len` bytes: a short text is done before
    /// the memory for a cache is cleared. Where memory is short it stays as it is: texts are encoded
    /// the same without it.
    pub(super) fn grow_for(&mut self, len: usize) {
        let wanted = match len {
            0..1024 => 0,
            _ => (len / 8).next_power_of_two().min(8192),
        };
        if wanted > self.entries.len()
            && let Ok(entries) = try_filled(Entry::default(), wanted)
        {
            self.entries = entries;
        }
    }

    /// Forgets all pieces.
    pub(super) fn clear(&mut self) {
        self.entries.fill(Entry::default());
    }

    /// Appends the ids of the piece with `key` and returns true, if they are known. There is room for
    /// [`CACHED_IDS`] in `ids`, or it grows in a way that cannot be refused.
    #[inline]
    pub(super) fn append(&self, key: Key, ids: &mut Vec<u32>) -> bool {
        let Some(entry) = self.slot(key).and_then(|at| self.entries.get(at)) else {
            return false;
        };
        if entry.key != key {
            return false;
        }
        // Copying all and cutting back takes no branch on how many there are.
        let count = entry.ids.iter().filter(|&&id| id != NO_ID).count();
        let start = ids.len();
        ids.extend_from_slice(&entry.ids);
        ids.truncate(start + count);
        true
    }

    /// Remembers the ids of the piece with `key`, if they are few enough.
    #[inline]
    pub(super) fn remember(&mut self, key: Key, ids: &[u32]) {
        if ids.len() > CACHED_IDS {
            return;
        }
        if let Some(entry) = self.slot(key).and_then(|at| self.entries.get_mut(at)) {
            entry.key = key;
            entry.ids = [NO_ID; CACHED_IDS];
            entry.ids[..ids.len()].copy_from_slice(ids);
        }
    }

    #[inline]
    fn slot(&self, key: Key) -> Option<usize> {
        let bits = self.entries.len().checked_ilog2()?;
        Some((key.hash() >> (63 - bits) >> 1) as usize)
    }
}
