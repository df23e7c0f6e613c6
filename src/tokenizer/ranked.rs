//! Byte-pair encoding by the definition, for merges whose order is not that of their ranks.
//!
//! A few published files have a merge whose halves are made by merges of higher rank: Llama 3's has
//! 107 such tokens of 128,000. The definition applies it as soon as its halves are there, before others
//! of the rank that made them, and the argument behind [`bpe`](super::bpe) does not hold. A queue of
//! merges by rank and place takes O(n log n), and is right for every list of merges.
//!
//! Tokens are ids here.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, TryReserveError};

use super::bpe::{Base, Rule};
use super::pairs::PairMap;
use crate::memory::try_vec;

/// Longest piece whose merges are looked for one after the other, which is faster than a queue.
const SHORT: usize = 32;

const NONE: u32 = u32::MAX;

/// Merges of any order.
#[derive(Debug)]
pub(super) struct Ranked {
    /// The id of every byte.
    bytes: [u32; 256],
    /// The ids of characters that are never taken apart.
    chars: HashMap<char, u32>,
    /// The rank of the merge of two ids.
    pairs: PairMap,
    /// The id that each merge makes.
    made: Vec<u32>,
}

/// Working memory of [`Ranked::encode`].
#[derive(Debug, Default)]
pub(super) struct RankedScratch {
    symbols: Vec<Symbol>,
    queue: BinaryHeap<Reverse<(u32, u32)>>,
}

#[derive(Debug, Clone, Copy)]
struct Symbol {
    /// [`NONE`] for one that is part of the symbol before.
    id: u32,
    before: u32,
    behind: u32,
    /// The rank of the merge with the symbol behind; for short pieces alone.
    rank: u32,
}

impl Ranked {
    /// Merges of `base`, whose ranks `pairs` has.
    pub(super) fn new(
        base: &Base,
        rules: &[Rule],
        pairs: PairMap,
    ) -> Result<Self, TryReserveError> {
        let mut bytes = [0; 256];
        for (&byte, &id) in base.bytes.iter().zip(&base.ids) {
            bytes[usize::from(byte)] = id;
        }
        let mut chars = HashMap::new();
        chars.try_reserve(base.chars.len())?;
        chars.extend(
            base.chars
                .iter()
                .copied()
                .zip(base.ids[256..].iter().copied()),
        );
        let mut made = try_vec(rules.len())?;
        made.extend(rules.iter().map(|rule| rule.made));
        Ok(Self {
            bytes,
            chars,
            pairs,
            made,
        })
    }

    /// The same for tests, of rules no two of which are of the same pair.
    #[cfg(test)]
    pub(super) fn all(base: &Base, rules: &[Rule]) -> Self {
        let mut pairs = PairMap::with_capacity(rules.len()).unwrap();
        for (rank, rule) in (0..).zip(rules) {
            pairs.insert(rule.left, rule.right, rank).unwrap();
        }
        Self::new(base, rules, pairs).unwrap()
    }

    /// Appends the ids of `piece`.
    pub(super) fn encode(
        &self,
        piece: &[u8],
        scratch: &mut RankedScratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), TryReserveError> {
        let RankedScratch { symbols, queue } = scratch;
        symbols.clear();
        symbols.try_reserve(piece.len())?;
        let mut rest = piece;
        while !rest.is_empty() {
            let (id, len) = self.symbol(rest);
            symbols.push(Symbol {
                id,
                before: (symbols.len() as u32).wrapping_sub(1),
                behind: symbols.len() as u32 + 1,
                rank: NONE,
            });
            rest = &rest[len..];
        }
        match symbols.len() <= SHORT {
            true => self.merge_short(symbols),
            false => self.merge_long(symbols, queue)?,
        }
        let left = symbols.iter().filter(|symbol| symbol.id != NONE);
        ids.try_reserve(symbols.len())?;
        ids.extend(left.map(|symbol| symbol.id));
        Ok(())
    }

    /// The id of the base symbol that `text` begins with, and its bytes.
    fn symbol(&self, text: &[u8]) -> (u32, usize) {
        let first = text[0];
        let len = match first {
            0xC0..0xE0 => 2,
            0xE0..0xF0 => 3,
            0xF0.. => 4,
            _ => 1,
        };
        if len > 1
            && !self.chars.is_empty()
            && let Some(Ok(text)) = text.get(..len).map(std::str::from_utf8)
            && let Some(&id) = text.chars().next().and_then(|c| self.chars.get(&c))
        {
            return (id, len);
        }
        (self.bytes[usize::from(first)], 1)
    }

    fn rank(&self, left: u32, right: u32) -> u32 {
        self.pairs.get(left, right).unwrap_or(NONE)
    }

    fn merge_short(&self, symbols: &mut Vec<Symbol>) {
        for at in 1..symbols.len() {
            symbols[at - 1].rank = self.rank(symbols[at - 1].id, symbols[at].id);
        }
        loop {
            let ranks = symbols.iter().map(|symbol| symbol.rank).enumerate();
            let lowest = ranks.min_by_key(|&(at, rank)| (rank, at));
            let Some((at, rank)) = lowest.filter(|&(_, rank)| rank != NONE) else {
                return;
            };
            symbols.remove(at + 1);
            symbols[at].id = self.made[rank as usize];
            for left in [at.checked_sub(1), Some(at)].into_iter().flatten() {
                symbols[left].rank = match symbols.get(left + 1) {
                    Some(right) => self.rank(symbols[left].id, right.id),
                    None => NONE,
                };
            }
        }
    }

    fn merge_long(
        &self,
        symbols: &mut [Symbol],
        queue: &mut BinaryHeap<Reverse<(u32, u32)>>,
    ) -> Result<(), TryReserveError> {
        queue.clear();
        // Every merge takes one symbol away and adds two pairs at most.
        queue.try_reserve(symbols.len())?;
        for (at, pair) in (0..).zip(symbols.windows(2)) {
            let rank = self.rank(pair[0].id, pair[1].id);
            if rank != NONE {
                queue.push(Reverse((rank, at)));
            }
        }
        while let Some(Reverse((rank, at))) = queue.pop() {
            let left = symbols[at as usize];
            let Some(&right) = symbols.get(left.behind as usize) else {
                continue;
            };
            // The pair may have gone since.
            if left.id == NONE || self.rank(left.id, right.id) != rank {
                continue;
            }
            symbols[left.behind as usize].id = NONE;
            let this = &mut symbols[at as usize];
            this.id = self.made[rank as usize];
            this.behind = right.behind;
            let id = this.id;
            queue.try_reserve(2)?;
            if let Some(behind) = symbols.get_mut(right.behind as usize) {
                behind.before = at;
                let rank = self.rank(id, behind.id);
                if rank != NONE {
                    queue.push(Reverse((rank, at)));
                }
            }
            if let Some(before) = symbols.get(left.before as usize) {
                let rank = self.rank(before.id, id);
                if rank != NONE {
                    queue.push(Reverse((rank, left.before)));
                }
            }
        }
        Ok(())
    }
}
