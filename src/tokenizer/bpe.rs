//! Byte-pair encoding of one piece of text, in time linear in its length whatever it holds.
//!
//! The definition: start from bytes; as long as two neighbours have a merge, apply the one of the
//! lowest rank, leftmost first. Run as written this is quadratic. What is done here instead:
//!
//! ```text
//! take the longest token at the position that is compatible with the token before it;
//! when there is none, the position is dead: give up the token before and try a shorter one.
//! ```
//!
//! 1. Two tokens are compatible when encoding their joined bytes yields just these two. A
//!    sequence of tokens is the encoding of its bytes exactly when all its neighbours are
//!    compatible, because whether the definition ever merges across a boundary depends only on
//!    the two tokens beside it. (The `bpe` crate's backtracking encoder rests on the same; here
//!    the tests hold it against the definition, for arbitrary merges.)
//! 2. Compatibility is decided by undoing the merges next to the boundary, latest first, and
//!    looking whether a merge across it would have come earlier: `Merges::boundary_survives`.
//! 3. A chain of compatible tokens is the encoding of the prefix that it covers. Encodings are
//!    unique, so a position is only ever reached by one chain, and it is entered once: after that
//!    it is on the chain or dead. With n bytes there are at most n·m attempts, where m is how
//!    many tokens can lie along one path of the trie, and each undoes fewer merges than its two
//!    tokens have bytes. Both are bounded by the longest token: the time is linear in n.
//!
//! Measured on GPT-2's merges: at most 3.6 attempts a byte over all texts that repeat one token,
//! alone or with a byte between.
//!
//! This needs merges that name only bytes and results of earlier merges, each pair once;
//! [`Merges::new`] refuses others. Rejected, without a measurement: a heap of merges by rank. It
//! is shorter and needs no trie, but takes O(n log n).
//!
//! Tokens are numbered here by rank: 0 to 255 are the bytes in the order of the vocabulary, then
//! come the merges. What this module does not know: ids, and where pieces begin and end.

use std::collections::TryReserveError;

use super::pairs::PairMap;
use super::trie::{Full, Trie};
use crate::memory::{TryGrow, try_collect, try_copy};

/// Number of tokens that are single bytes.
pub(super) const BYTE_TOKENS: u32 = 256;

/// Most merges that are supported: far from the limit of [`PairMap`].
pub(super) const MAX_MERGES: usize = 1 << 20;

/// Longest token that is supported. GPT-2's longest has 128 bytes; merges can double the length
/// with every line of a file.
pub(super) const MAX_TOKEN_LEN: usize = 1024;

/// Most bytes of all tokens together.
const MAX_BYTES: usize = 1 << 24;

/// What "no token" is where a token is expected.
const NONE: u32 = u32::MAX;

/// Why merges were refused. `merge` counts from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MergeFault {
    /// It names a token that no earlier merge makes.
    NotYetMade { merge: usize, token: u32 },
    /// An earlier merge joins the same two tokens.
    Repeated { merge: usize, first: u32 },
    /// It makes a token of more than [`MAX_TOKEN_LEN`] bytes.
    TooLong { merge: usize, len: usize },
    /// With it the tokens need more memory than a vocabulary may.
    TooLarge { merge: usize },
    /// An allocation was refused.
    OutOfMemory,
}

impl From<TryReserveError> for MergeFault {
    fn from(_: TryReserveError) -> Self {
        Self::OutOfMemory
    }
}

/// The merges of a vocabulary, prepared for encoding.
#[derive(Debug)]
pub(super) struct Merges {
    pairs: PairMap,
    /// The two tokens that each token was merged from; a byte twice itself.
    halves: Vec<(u32, u32)>,
    /// Bytes of every token, one after the other.
    bytes: Vec<u8>,
    /// Where the bytes of each token begin, and at the end where the last ends.
    starts: Vec<u32>,
    trie: Trie,
    /// The longest token that is a proper prefix of each token, or [`NONE`].
    shorter: Vec<u32>,
}

/// Working memory of [`Merges::encode`], to be reused from piece to piece.
#[derive(Debug, Default)]
pub(super) struct BpeScratch {
    /// The chain of compatible tokens, which ends up as the encoding.
    chain: Vec<u32>,
    /// One bit for each position: no chain through it reaches the end.
    dead: Vec<u64>,
    /// Tokens attempted over all calls: what the linear bound is tested on.
    #[cfg(test)]
    pub(super) attempts: usize,
}

impl Merges {
    /// Prepares `merges`, given in order of rank, over bytes in the order of `bytes`.
    pub(super) fn new(bytes: &[u8; 256], merges: &[(u32, u32)]) -> Result<Self, MergeFault> {
        if merges.len() > MAX_MERGES {
            return Err(MergeFault::TooLarge { merge: MAX_MERGES });
        }
        let mut this = Self {
            pairs: PairMap::with_capacity(merges.len())?,
            halves: try_collect((0..BYTE_TOKENS).map(|b| (b, b)))?,
            bytes: try_copy(bytes)?,
            starts: try_collect(0..=BYTE_TOKENS)?,
            trie: Trie::new(bytes, merges.len())?,
            shorter: Vec::new(),
        };
        this.halves.try_reserve_exact(merges.len())?;
        this.starts.try_reserve_exact(merges.len())?;
        for (merge, &(left, right)) in merges.iter().enumerate() {
            this.add(merge, left, right)?;
        }
        this.shorter = this.trie.prefix_links(this.halves.len())?;
        Ok(this)
    }

    fn add(&mut self, merge: usize, left: u32, right: u32) -> Result<(), MergeFault> {
        let token = self.len() as u32;
        if let Some(&token) = [left, right].iter().find(|&&half| half >= token) {
            return Err(MergeFault::NotYetMade { merge, token });
        }
        if let Some(first) = self.pairs.insert(left, right, token)? {
            return Err(MergeFault::Repeated { merge, first });
        }
        let len = self.token_len(left) + self.token_len(right);
        if len > MAX_TOKEN_LEN {
            return Err(MergeFault::TooLong { merge, len });
        }
        if self.bytes.len() + len > MAX_BYTES {
            return Err(MergeFault::TooLarge { merge });
        }
        self.halves.try_push((left, right))?;
        self.bytes.try_reserve(len)?;
        for half in [left, right] {
            self.bytes.extend_from_within(self.range(half));
        }
        self.starts.try_push(self.bytes.len() as u32)?;
        // Encoding never yields a token whose own bytes encode to something else, so such a token
        // stays out of the trie: then every match there is a token that can occur.
        if self.trie.contains(left)
            && self.trie.contains(right)
            && self.boundary_survives(left, right, token)
        {
            let tail = &self.bytes[self.range(right)];
            self.trie
                .insert(token, left, tail)
                .map_err(|full| match full {
                    Full::Nodes => MergeFault::TooLarge { merge },
                    Full::Memory => MergeFault::OutOfMemory,
                })?;
        }
        Ok(())
    }

    /// Number of tokens.
    pub(super) fn len(&self) -> usize {
        self.halves.len()
    }

    /// The bytes of `token`.
    pub(super) fn token_bytes(&self, token: u32) -> &[u8] {
        &self.bytes[self.range(token)]
    }

    /// Whether encoding the bytes of `token` yields `token`.
    pub(super) fn is_reachable(&self, token: u32) -> bool {
        self.trie.contains(token)
    }

    #[inline]
    fn range(&self, token: u32) -> std::ops::Range<usize> {
        let at = token as usize;
        self.starts[at] as usize..self.starts[at + 1] as usize
    }

    #[inline]
    fn token_len(&self, token: u32) -> usize {
        self.range(token).len()
    }

    /// The tokens of `piece`.
    pub(super) fn encode<'s>(
        &self,
        piece: &[u8],
        scratch: &'s mut BpeScratch,
    ) -> Result<&'s [u32], TryReserveError> {
        scratch.chain.clear();
        scratch.dead.clear();
        scratch.dead.try_reserve(piece.len() / 64 + 1)?;
        scratch.dead.resize(piece.len() / 64 + 1, 0);
        let mut at = 0;
        let mut candidate = NONE;
        while at < piece.len() {
            if candidate == NONE {
                candidate = self.trie.longest_prefix(&piece[at..]);
            }
            match self.fitting(candidate, at, scratch) {
                Some(token) => {
                    at += self.token_len(token);
                    scratch.chain.try_push(token)?;
                    candidate = NONE;
                }
                None => {
                    (at, candidate) = self.retreat(at, scratch);
                }
            }
        }
        Ok(&scratch.chain)
    }

    /// The longest of `candidate` and its prefixes that may follow the chain, which ends at `at`.
    #[inline]
    fn fitting(&self, mut candidate: u32, at: usize, scratch: &mut BpeScratch) -> Option<u32> {
        while candidate != NONE {
            #[cfg(test)]
            {
                scratch.attempts += 1;
            }
            let end = at + self.token_len(candidate);
            let alive = scratch.dead[end / 64] >> (end % 64) & 1 == 0;
            let fits = |&last: &u32| self.boundary_survives(last, candidate, NONE);
            if alive && scratch.chain.last().is_none_or(fits) {
                return Some(candidate);
            }
            candidate = self.shorter[candidate as usize];
        }
        None
    }

    /// Marks `at` dead and gives up the tokens before it until one has a shorter prefix.
    ///
    /// Returns where that one began, and the prefix.
    #[cold]
    fn retreat(&self, mut at: usize, scratch: &mut BpeScratch) -> (usize, u32) {
        loop {
            scratch.dead[at / 64] |= 1 << (at % 64);
            let Some(last) = scratch.chain.pop() else {
                // Every text has an encoding, so the chain never runs empty. Should it do so
                // after all, starting over with the dead positions forgotten would not end.
                unreachable!("byte-pair encoding without a result")
            };
            at -= self.token_len(last);
            let shorter = self.shorter[last as usize];
            if shorter != NONE {
                return (at, shorter);
            }
        }
    }

    /// Whether merges of rank below `limit` leave the boundary between two tokens alone.
    ///
    /// `limit` excludes the token that is made of the two when asking about its own inside.
    #[inline]
    fn boundary_survives(&self, mut left: u32, mut right: u32, mut limit: u32) -> bool {
        loop {
            // Here the definition has these two beside the boundary, and the next merge that
            // involves either of them has rank `limit`.
            if self.pairs.get(left, right).is_some_and(|rank| rank < limit) {
                return false;
            }
            // Undo the later of the two. Of two equal merges the left one came first, and so it
            // is before a merge across of the same rank, while the right one is after it.
            if left > right {
                if left < BYTE_TOKENS {
                    return true;
                }
                limit = left;
                left = self.halves[left as usize].1;
            } else {
                if right < BYTE_TOKENS {
                    return true;
                }
                limit = right + 1;
                right = self.halves[right as usize].0;
            }
        }
    }
}
