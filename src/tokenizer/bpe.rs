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
//! This needs merges that name only base symbols and results of earlier merges, each pair once;
//! [`Merges::new`] refuses others.
//!
//! Base symbols are the 256 bytes and, for SentencePiece's kind, characters that are never taken
//! apart. A text has one division into base symbols: the characters that are symbols, and the bytes
//! of the others. So the trie holds a character's bytes, and no token is a part of it.
//!
//! Files list merges that this engine does not hold: several for one token, and some that name a
//! token before it is made. [`Merges::from_rules`] leaves out those that never apply. A token is
//! always made in the same way, whatever is around it: until then no merge crosses its ends, so what
//! happens inside is what happens when its bytes are encoded alone. So one merge is enough for each.
//! One that names a token too early is left out when its two halves are never neighbours; otherwise
//! the order of the definition is not the order of ranks, and [`ranked`](super::ranked) has to encode.
//!
//! Tokens are numbered here by rank: 0 to 255 are the bytes in the order of the vocabulary, then
//! come characters and merges. What this module does not know: ids, and where pieces begin and end.

use std::collections::TryReserveError;

use super::pairs::PairMap;
use super::ranked::Ranked;
use super::trie::{Full, Trie};
use crate::memory::{TryGrow, try_collect, try_copy, try_filled};

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

impl Full {
    fn at(self, merge: usize) -> MergeFault {
        match self {
            Self::Nodes => MergeFault::TooLarge { merge },
            Self::Memory => MergeFault::OutOfMemory,
        }
    }
}

/// What merging starts from.
#[derive(Debug)]
pub(super) struct Base {
    /// The bytes, in the order of their tokens: by value where there are `chars`.
    pub bytes: [u8; 256],
    /// Characters of several bytes.
    pub chars: Vec<char>,
    /// The id of every byte, then of every character.
    pub ids: Vec<u32>,
}

/// A merge of a file, in ids.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub left: u32,
    pub right: u32,
    /// The token whose bytes are those of both.
    pub made: u32,
}

/// The merges of a vocabulary, prepared for encoding.
#[derive(Debug)]
pub(super) struct Merges {
    pairs: PairMap,
    /// Number of base symbols, which come before all merges.
    base: u32,
    /// The two tokens that each token was merged from; a base symbol twice itself.
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
        let mut this = Self::of_bytes(bytes, merges.len())?;
        for (merge, &(left, right)) in merges.iter().enumerate() {
            this.add(merge, left, right)?;
        }
        this.finish()
    }

    /// Prepares the rules of a file, given in order of rank; also the id of every token, and what
    /// encodes in place of these merges if the rules are not in the order in which they apply.
    ///
    /// Every id is below `ids`, and no two base symbols have the same one.
    pub(super) fn from_rules(
        base: &Base,
        rules: &[Rule],
        ids: usize,
    ) -> Result<(Self, Vec<u32>, Option<Ranked>), MergeFault> {
        if rules.len() > MAX_MERGES {
            return Err(MergeFault::TooLarge { merge: MAX_MERGES });
        }
        let mut this = Self::of_bytes(&base.bytes, ids)?;
        let mut made = try_copy(&base.ids)?;
        for symbol in &base.chars {
            this.add_char(symbol)?;
        }
        // The token of each id.
        let mut tokens = try_filled(NONE, ids)?;
        for (token, &id) in (0..).zip(&made) {
            tokens[id as usize] = token;
        }
        let mut seen = PairMap::with_capacity(rules.len())?;
        let mut early = Vec::new();
        for (merge, rule) in rules.iter().enumerate() {
            if let Some(first) = seen.insert(rule.left, rule.right, merge as u32)? {
                return Err(MergeFault::Repeated { merge, first });
            }
            let (left, right) = (tokens[rule.left as usize], tokens[rule.right as usize]);
            if left == NONE || right == NONE {
                early.try_push(merge)?;
            } else if tokens[rule.made as usize] == NONE
                && this.boundary_survives(left, right, this.len() as u32)
            {
                tokens[rule.made as usize] = this.len() as u32;
                made.try_push(rule.made)?;
                this.add(merge, left, right)?;
            }
        }
        let mut early = early.iter().map(|&merge: &usize| &rules[merge]);
        let applies = early.any(|rule| {
            let (left, right) = (tokens[rule.left as usize], tokens[rule.right as usize]);
            left != NONE && right != NONE && this.boundary_survives(left, right, NONE)
        });
        let ranked = applies.then(|| Ranked::new(base, rules, seen));
        Ok((this.finish()?, made, ranked.transpose()?))
    }

    /// The 256 bytes; `more` tokens will follow.
    fn of_bytes(bytes: &[u8; 256], more: usize) -> Result<Self, MergeFault> {
        let mut this = Self {
            pairs: PairMap::with_capacity(more)?,
            base: BYTE_TOKENS,
            halves: try_collect((0..BYTE_TOKENS).map(|b| (b, b)))?,
            bytes: try_copy(bytes)?,
            starts: try_collect(0..=BYTE_TOKENS)?,
            trie: Trie::new(bytes, more)?,
            shorter: Vec::new(),
        };
        this.halves.try_reserve_exact(more)?;
        this.starts.try_reserve_exact(more)?;
        Ok(this)
    }

    /// Adds a character of several bytes, before all merges. Bytes have the order of their values.
    fn add_char(&mut self, symbol: &char) -> Result<(), MergeFault> {
        let token = self.len() as u32;
        let mut buffer = [0; 4];
        let bytes = symbol.encode_utf8(&mut buffer).as_bytes();
        self.halves.try_push((token, token))?;
        self.bytes.try_extend(bytes)?;
        self.starts.try_push(self.bytes.len() as u32)?;
        self.base += 1;
        let inserted = self.trie.insert(token, u32::from(bytes[0]), &bytes[1..]);
        inserted.map_err(|full| full.at(0))
    }

    fn finish(mut self) -> Result<Self, MergeFault> {
        self.shorter = self.trie.prefix_links(self.halves.len())?;
        // The byte that a character begins with is no token of texts that have the character.
        self.shorter[BYTE_TOKENS as usize..self.base as usize].fill(NONE);
        Ok(self)
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
            let tail = self.range(right);
            let inserted = self.trie.insert(token, left, &self.bytes[tail]);
            return inserted.map_err(|full| full.at(merge));
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

    /// Calls `see` with every two bytes that some token has beside each other.
    pub(super) fn adjacent_bytes(&self, mut see: impl FnMut(u8, u8)) {
        for token in (0..self.len() as u32).filter(|&token| self.is_reachable(token)) {
            for pair in self.token_bytes(token).windows(2) {
                see(pair[0], pair[1]);
            }
        }
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
                if left < self.base {
                    return true;
                }
                limit = left;
                left = self.halves[left as usize].1;
            } else {
                if right < self.base {
                    return true;
                }
                limit = right + 1;
                right = self.halves[right as usize].0;
            }
        }
    }
}
