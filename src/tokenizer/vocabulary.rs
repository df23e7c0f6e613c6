//! A vocabulary: which id is which token, in both directions.
//!
//! Byte-pair encoding numbers its tokens by rank; the ids of a vocabulary can be any permutation,
//! and the control tokens have ids besides. This module does not read files.

use std::collections::TryReserveError;
use std::sync::atomic::{AtomicU64, Ordering};

use super::bpe::{BpeScratch, Merges};
use super::special::ControlTokens;
use super::whitespace::{MIN_RUN, RUN_TOKENS, SpaceRuns, run_name};
use super::words::{CACHED_IDS, Key, MAX_LEN, WordCache, WordTable};
use crate::error::{Result, bail};
use crate::memory::{try_collect, try_copy};

/// The name of the token that ends a text.
pub(super) const END_OF_TEXT: &str = "<|endoftext|>";

/// What an id stands for.
#[derive(Debug)]
enum Meaning {
    /// A token of byte-pair encoding, by rank.
    Piece(u32),
    /// Bytes of its own: a control token's name, or spaces.
    Control(Box<[u8]>),
}

/// All tokens of a tokenizer, prepared for encoding and decoding.
#[derive(Debug)]
pub(super) struct Vocabulary {
    merges: Merges,
    words: WordTable,
    /// The id of each token of `merges`.
    ids: Vec<u32>,
    /// The reverse, and the control tokens: by id.
    meanings: Vec<Meaning>,
    pub(super) controls: ControlTokens,
    pub(super) spaces: SpaceRuns,
    pub(super) end_of_text: u32,
    /// Tells vocabularies of this process apart, so that a cache serves the one that filled it.
    serial: u64,
}

/// Working memory of [`Vocabulary::encode_piece`].
#[derive(Debug, Default)]
pub(super) struct PieceScratch {
    bpe: BpeScratch,
    cache: WordCache,
    /// The vocabulary whose ids the cache holds.
    serial: u64,
}

impl Vocabulary {
    /// A vocabulary where token i of `merges` has the id `ids[i]`, besides `controls`.
    ///
    /// The ids of both together are 0 to one less than their number, each once.
    pub(super) fn new(merges: Merges, ids: Vec<u32>, controls: &[(&str, u32)]) -> Result<Self> {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let mut by_name = ControlTokens::default();
        for (name, id) in controls {
            by_name.insert(name, *id)?;
        }
        let required = |name: &str| match by_name.id(name) {
            Some(id) => Ok(id),
            None => bail!(
                InvalidVocabulary,
                "there is no token {name}, without which texts cannot be encoded as CodeGeeX does"
            ),
        };
        let mut runs = [0; RUN_TOKENS];
        for (len, id) in (MIN_RUN..).zip(&mut runs) {
            *id = required(&run_name(len))?;
        }
        let spaces = SpaceRuns::new(runs);
        Ok(Self {
            words: word_table(&merges)?,
            meanings: meanings(&ids, controls, &spaces)?,
            end_of_text: required(END_OF_TEXT)?,
            spaces,
            merges,
            ids,
            controls: by_name,
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// Number of ids.
    pub(super) fn len(&self) -> usize {
        self.meanings.len()
    }

    /// The bytes that `id` stands for.
    pub(super) fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        match self.meanings.get(id as usize)? {
            Meaning::Piece(token) => Some(self.merges.token_bytes(*token)),
            Meaning::Control(bytes) => Some(bytes),
        }
    }

    /// Whether `id` is a control token other than a run of spaces.
    pub(super) fn is_control(&self, id: u32) -> bool {
        let meaning = self.meanings.get(id as usize);
        matches!(meaning, Some(Meaning::Control(_))) && self.spaces.decode(id).is_none()
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
        let tokens = self.merges.encode(piece, &mut scratch.bpe)?;
        ids.try_reserve(tokens.len())?;
        ids.extend(tokens.iter().map(|&token| self.ids[token as usize]));
        Ok(())
    }
}

fn word_table(merges: &Merges) -> Result<WordTable, TryReserveError> {
    WordTable::new((0..merges.len()).map(|token| match token as u32 {
        token if merges.is_reachable(token) => merges.token_bytes(token),
        _ => &[],
    }))
}

fn meanings(
    ids: &[u32],
    controls: &[(&str, u32)],
    spaces: &SpaceRuns,
) -> Result<Vec<Meaning>, TryReserveError> {
    // Every place is written: the ids are 0 to one less than their number, each once.
    let mut meanings = try_collect((0..ids.len() + controls.len()).map(|_| Meaning::Piece(0)))?;
    for (token, &id) in (0..).zip(ids) {
        meanings[id as usize] = Meaning::Piece(token);
    }
    for (name, id) in controls {
        let bytes = spaces.decode(*id).unwrap_or(name.as_bytes());
        meanings[*id as usize] = Meaning::Control(try_copy(bytes)?.into_boxed_slice());
    }
    Ok(meanings)
}
