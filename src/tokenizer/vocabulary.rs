//! A vocabulary: which id is which token, in both directions, and the rules around merging.
//!
//! Byte-pair encoding numbers its tokens by rank; the ids of a vocabulary can be any, some may be
//! free, and added tokens have ids besides. This module does not read files.

use std::collections::{HashMap, TryReserveError};
use std::sync::atomic::{AtomicU64, Ordering};

use super::added::{AddedToken, Finder};
use super::bpe::{BpeScratch, Merges};
use super::normalize::Step;
use super::ranked::{Ranked, RankedScratch};
use super::split::Split;
use super::trie::Full;
use super::words::{CACHED_IDS, Key, MAX_LEN, WordCache, WordTable};
use crate::error::{Error, ErrorKind, Result};
use crate::memory::{TryGrow, try_copy, try_filled};

/// One more than the largest id that is supported.
pub(super) const MAX_IDS: usize = 1 << 20;

/// What an id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Nothing.
    Free,
    /// A token of byte-pair encoding, by rank.
    Piece(u32),
    /// Text that no merge makes: the place among `others`.
    Text(u32),
    /// A control token, whose bytes are its name: the place among `others`.
    Control(u32),
}

/// A token that no merge makes.
#[derive(Debug)]
pub(super) struct Other {
    pub id: u32,
    pub bytes: Vec<u8>,
    pub is_control: bool,
    /// Whether a piece of text can be this token as a whole.
    pub is_word: bool,
}

/// When a space is put before text that does not begin with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum LeadingSpace {
    /// Never.
    #[default]
    Never,
    /// At the beginning of a text.
    First,
    /// At its beginning and behind every added token.
    Always,
}

/// What decoding leaves out at the beginning of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Strip {
    #[default]
    Nothing,
    /// One space.
    Space,
    /// All spaces of the first token.
    Spaces,
}

/// The rules of a tokenizer.
#[derive(Debug)]
pub(super) struct Rules {
    pub split: Split,
    pub normalizer: Vec<Step>,
    pub leading_space: LeadingSpace,
    pub strip: Strip,
    /// Whether a piece that is a token stands for it, even if merges do not make that token.
    pub ignore_merges: bool,
    /// What a template puts before every text.
    pub prefix: Vec<u32>,
    pub end_of_text: u32,
}

/// Added tokens by where and when they are looked for.
#[derive(Debug, Default)]
pub(super) struct Finders {
    /// Before normalization, and after.
    pub raw: Option<Finder>,
    pub normalized: Option<Finder>,
}

/// All tokens of a tokenizer, prepared for encoding and decoding.
#[derive(Debug)]
pub(super) struct Vocabulary {
    merges: Merges,
    /// What encodes in place of `merges`, if their order asks for it.
    ranked: Option<Ranked>,
    words: WordTable,
    /// The id of each token of `merges`, then of each further word.
    ids: Vec<u32>,
    /// Longer tokens that are taken whole, with `ignore_merges`.
    long: HashMap<Box<[u8]>, u32>,
    longest: usize,
    /// Whether there is more to merging than `merges`.
    merges_otherwise: bool,
    /// The reverse: by id.
    meanings: Vec<Meaning>,
    others: Vec<Other>,
    /// Added tokens that are text, and all of them.
    pub(super) text_tokens: Finders,
    pub(super) all_tokens: Finders,
    pub(super) rules: Rules,
    /// Tells vocabularies of this process apart, so that a cache serves the one that filled it.
    serial: u64,
}

/// Working memory of [`Vocabulary::encode_piece`].
#[derive(Debug, Default)]
pub(super) struct PieceScratch {
    bpe: BpeScratch,
    ranked: RankedScratch,
    cache: WordCache,
    /// The vocabulary whose ids the cache holds.
    serial: u64,
}

impl Vocabulary {
    /// A vocabulary where token i of `merges` has the id `ids[i]`, besides `others`; `added` are to
    /// be found in texts by these names, which are normalized where that is asked for.
    ///
    /// No two of `ids` and `others` are the same, and all are below [`MAX_IDS`].
    pub(super) fn new(
        merges: Merges,
        ranked: Option<Ranked>,
        mut ids: Vec<u32>,
        others: Vec<Other>,
        added: &[AddedToken],
        rules: Rules,
    ) -> Result<Self> {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let all = ids.iter().copied().chain(others.iter().map(|o| o.id));
        let count = all.max().map_or(0, |most| most as usize + 1);
        let mut meanings = try_filled(Meaning::Free, count)?;
        for (token, &id) in (0..).zip(&ids) {
            meanings[id as usize] = Meaning::Piece(token);
        }
        for (at, other) in (0..).zip(&others) {
            meanings[other.id as usize] = match other.is_control {
                true => Meaning::Control(at),
                false => Meaning::Text(at),
            };
        }
        let reachable = merges.len();
        let mut more: Vec<&[u8]> = Vec::new();
        let mut long = HashMap::new();
        let mut longest = 0;
        if rules.ignore_merges {
            for other in others.iter().filter(|other| other.is_word) {
                if other.bytes.len() > MAX_LEN {
                    long.try_reserve(1)?;
                    longest = longest.max(other.bytes.len());
                    long.insert(try_copy(&other.bytes)?.into_boxed_slice(), other.id);
                } else {
                    more.try_push(&other.bytes)?;
                    ids.try_push(other.id)?;
                }
            }
        }
        let words = WordTable::new((0..reachable + more.len()).map(|token| {
            match token.checked_sub(reachable) {
                Some(further) => more[further],
                // Merges of another order may make something else of it.
                None if ranked.is_some() && !rules.ignore_merges => &[],
                None if merges.is_reachable(token as u32) => merges.token_bytes(token as u32),
                None => &[],
            }
        }))?;
        let text_tokens = Finders::new(added, |token| token.is_text)?;
        let all_tokens = Finders::new(added, |_| true)?;
        Ok(Self {
            words,
            merges,
            merges_otherwise: ranked.is_some() || longest > 0,
            ranked,
            ids,
            long,
            longest,
            meanings,
            others,
            text_tokens,
            all_tokens,
            rules,
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// One more than the largest id.
    pub(super) fn len(&self) -> usize {
        self.meanings.len()
    }

    /// The bytes that `id` stands for.
    pub(super) fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        match *self.meanings.get(id as usize)? {
            Meaning::Free => None,
            Meaning::Piece(token) => Some(self.merges.token_bytes(token)),
            Meaning::Text(at) | Meaning::Control(at) => Some(&self.others[at as usize].bytes),
        }
    }

    /// Whether `id` is a control token.
    pub(super) fn is_control(&self, id: u32) -> bool {
        let meaning = self.meanings.get(id as usize);
        matches!(meaning, Some(Meaning::Control(_)))
    }

    /// The id of the control token called `name`. Where bytes have a space, a name may have the mark
    /// for one.
    pub(super) fn control(&self, name: &str) -> Option<u32> {
        let is_same = |bytes: &[u8]| {
            let mut rest = bytes;
            name.chars().all(|c| {
                let mut buffer = [0; 4];
                let found = rest.strip_prefix(c.encode_utf8(&mut buffer).as_bytes());
                let found = found.or_else(|| rest.strip_prefix(b" ").filter(|_| c == '▁'));
                rest = found.unwrap_or_default();
                found.is_some()
            }) && rest.is_empty()
        };
        let mut controls = self.others.iter().filter(|other| other.is_control);
        controls.find(|o| is_same(&o.bytes)).map(|other| other.id)
    }

    /// Prepares `scratch` for this vocabulary and a text of `len` bytes.
    pub(super) fn prepare(&self, scratch: &mut PieceScratch, len: usize) {
        if scratch.serial != self.serial {
            scratch.serial = self.serial;
            scratch.cache.clear();
        }
        scratch.cache.grow_for(len);
    }

    /// Appends the ids of the piece `text[start..end]`, which is not empty.
    #[inline]
    pub(super) fn encode_piece(
        &self,
        text: &[u8],
        start: usize,
        end: usize,
        scratch: &mut PieceScratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), TryReserveError> {
        if end - start > MAX_LEN {
            return self.merge(&text[start..end], scratch, ids);
        }
        // A short piece has no more ids than bytes.
        ids.try_reserve(
            const {
                if MAX_LEN > CACHED_IDS {
                    MAX_LEN
                } else {
                    CACHED_IDS
                }
            },
        )?;
        let key = Key::new(text, start, end);
        if scratch.cache.append(key, ids) {
            return Ok(());
        }
        let first = ids.len();
        match self.words.get(key) {
            Some(token) => ids.push(self.ids[token as usize]),
            None => self.merge(&text[start..end], scratch, ids)?,
        }
        scratch.cache.remember(key, &ids[first..]);
        Ok(())
    }

    fn merge(
        &self,
        piece: &[u8],
        scratch: &mut PieceScratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), TryReserveError> {
        if self.merges_otherwise {
            return self.merge_otherwise(piece, scratch, ids);
        }
        self.merge_in_order(piece, scratch, ids)
    }

    /// What is more than merging in order: long tokens that are taken whole, and merges out of order.
    #[cold]
    fn merge_otherwise(
        &self,
        piece: &[u8],
        scratch: &mut PieceScratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), TryReserveError> {
        if piece.len() <= self.longest
            && let Some(&id) = self.long.get(piece)
        {
            return ids.try_push(id);
        }
        match &self.ranked {
            Some(ranked) => ranked.encode(piece, &mut scratch.ranked, ids),
            None => self.merge_in_order(piece, scratch, ids),
        }
    }

    #[inline]
    fn merge_in_order(
        &self,
        piece: &[u8],
        scratch: &mut PieceScratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), TryReserveError> {
        let tokens = self.merges.encode(piece, &mut scratch.bpe)?;
        ids.try_reserve(tokens.len())?;
        ids.extend(tokens.iter().map(|&token| self.ids[token as usize]));
        Ok(())
    }
}

impl Finders {
    fn new(added: &[AddedToken], wanted: impl Fn(&AddedToken) -> bool) -> Result<Self> {
        let finder = |normalized: bool| {
            let tokens = added
                .iter()
                .filter(|token| token.flags.normalized == normalized && wanted(token));
            Finder::new(tokens.map(|token| (&*token.name, token.id, token.flags)))
        };
        let refuse = |full| match full {
            Full::Memory => Error::out_of_memory("the added tokens"),
            Full::Nodes => Error::new(
                ErrorKind::InvalidVocabulary,
                "the added tokens are too many or too long to hold",
            ),
        };
        Ok(Self {
            raw: finder(false).map_err(refuse)?,
            normalized: finder(true).map_err(refuse)?,
        })
    }
}
