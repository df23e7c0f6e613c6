//! The tokenizer that all vocabularies share: text to ids and back by a vocabulary's rules.

use std::collections::TryReserveError;
use std::sync::{Arc, Mutex, PoisonError};

use super::normalize::{self, Normalized};
use super::pretokenize::{at_space_run, piece_end};
use super::split::{Split, by_steps};
use super::vocabulary::{Finders, LeadingSpace, PieceScratch, Strip, Vocabulary};
use super::whitespace::SpaceRuns;
use super::{SpecialTokens, Tokenizer};
use crate::error::{Result, bail};
use crate::memory::{TryGrow, TryGrowText, try_collect, try_vec};
use crate::threads::ThreadPool;

/// A tokenizer of byte-pair encoding: CodeGeeX's own, which is compiled in, or that of another
/// model, read from its files by [`open`](Self::open).
///
/// Cheap to clone, and shared freely between threads: it never changes.
///
/// ```
/// use codegeex::tokenizer::{BpeTokenizer, SpecialTokens, Tokenizer};
///
/// let tokenizer = BpeTokenizer::codegeex()?;
/// let ids = tokenizer.encode("if x:\n    y()", SpecialTokens::AsText)?;
/// assert_eq!(ids, [361, 2124, 25, 198, 50268, 88, 3419]);
/// assert_eq!(tokenizer.decode(&ids)?, "if x:\n    y()");
/// # Ok::<(), codegeex::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BpeTokenizer {
    vocabulary: Arc<Vocabulary>,
}

/// Working memory for [`BpeTokenizer::encode_into`], to be kept from one text to the next.
///
/// It remembers short pieces of the texts before, so encoding many similar texts with the same
/// one is faster. Results never depend on it; it can serve different tokenizers in turn.
#[derive(Debug, Default)]
pub struct EncodeScratch {
    piece: PieceScratch,
    normalized: Normalized,
    /// Text with a space put before it.
    spaced: String,
}

impl BpeTokenizer {
    pub(super) fn new(vocabulary: Vocabulary) -> Self {
        Self {
            vocabulary: Arc::new(vocabulary),
        }
    }

    /// Appends the ids of `text` to `ids`.
    ///
    /// The same ids as [`encode`](Tokenizer::encode), without allocating for each text.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory); some of the ids may then be in `ids`.
    pub fn encode_into(
        &self,
        text: &str,
        special: SpecialTokens,
        scratch: &mut EncodeScratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        self.encode_at(text, special, false, scratch, ids)
    }

    /// Appends the ids of `text`, which may go on from another one.
    fn encode_at(
        &self,
        text: &str,
        special: SpecialTokens,
        goes_on: bool,
        scratch: &mut EncodeScratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let vocabulary = &*self.vocabulary;
        vocabulary.prepare(&mut scratch.piece, text.len());
        let finders = match special {
            SpecialTokens::AsText => &vocabulary.text_tokens,
            SpecialTokens::Parse => &vocabulary.all_tokens,
        };
        let mut place = match goes_on {
            true => Place::GoesOn,
            false => Place::First,
        };
        let mut start = 0;
        if let Some(raw) = &finders.raw {
            while let Some(found) = raw.find(text, start) {
                let before = &text[start..found.range.start];
                self.encode_segment(before, place, finders, scratch, ids)?;
                ids.try_push(found.id)?;
                start = found.range.end;
                place = Place::Behind;
            }
        }
        self.encode_segment(&text[start..], place, finders, scratch, ids)
    }

    /// Appends the ids of text in which no added token is that is looked for before normalization.
    fn encode_segment(
        &self,
        text: &str,
        place: Place,
        finders: &Finders,
        scratch: &mut EncodeScratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let rules = &self.vocabulary.rules;
        if text.is_empty() {
            return Ok(());
        }
        if rules.normalizer.is_empty() && finders.normalized.is_none() {
            return self.encode_plain(text, place, scratch, ids);
        }
        let mut normalized = std::mem::take(&mut scratch.normalized);
        let goes_on = place == Place::GoesOn;
        let changed = normalize::apply(&rules.normalizer, text, goes_on, &mut normalized)?;
        let text = match changed {
            true => &normalized.text,
            false => text,
        };
        let (mut start, mut place) = (0, place);
        if let Some(finder) = &finders.normalized {
            while let Some(found) = finder.find(text, start) {
                self.encode_plain(&text[start..found.range.start], place, scratch, ids)?;
                ids.try_push(found.id)?;
                start = found.range.end;
                place = Place::Behind;
            }
        }
        self.encode_plain(&text[start..], place, scratch, ids)?;
        scratch.normalized = normalized;
        Ok(())
    }

    /// Appends the ids of normalized text without added tokens.
    fn encode_plain(
        &self,
        text: &str,
        place: Place,
        scratch: &mut EncodeScratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let wanted = match self.vocabulary.rules.leading_space {
            LeadingSpace::Never => false,
            LeadingSpace::First => place == Place::First,
            LeadingSpace::Always => place != Place::GoesOn,
        };
        if !wanted || text.is_empty() || text.starts_with(' ') {
            return self.encode_pieces(text, &mut scratch.piece, ids);
        }
        scratch.spaced.clear();
        scratch.spaced.try_push_str(" ")?;
        scratch.spaced.try_push_str(text)?;
        self.encode_pieces(&scratch.spaced, &mut scratch.piece, ids)
    }

    fn encode_pieces(
        &self,
        text: &str,
        scratch: &mut PieceScratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let vocabulary = &*self.vocabulary;
        let bytes = text.as_bytes();
        match &vocabulary.rules.split {
            Split::CodeGeex(spaces) => Ok(self.encode_around(spaces, text, scratch, ids)?),
            Split::One(pattern) => {
                let mut at = 0;
                while let Some(piece) = pattern.find(text, at) {
                    vocabulary.encode_piece(bytes, piece.start, piece.end, scratch, ids)?;
                    at = piece.end;
                }
                Ok(())
            }
            Split::Steps(steps) => by_steps(steps, text, 0..text.len(), &mut |piece| {
                Ok(vocabulary.encode_piece(bytes, piece.start, piece.end, scratch, ids)?)
            }),
            Split::Joins(joins) => {
                let mut at = 0;
                while at < bytes.len() {
                    let end = joins.piece_end(bytes, at);
                    vocabulary.encode_piece(bytes, at, end, scratch, ids)?;
                    at = end;
                }
                Ok(())
            }
        }
    }

    /// Appends the ids of `text`, with the runs of spaces in it as tokens of their own.
    #[inline(never)]
    fn encode_around(
        &self,
        spaces: &SpaceRuns,
        text: &str,
        scratch: &mut PieceScratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), TryReserveError> {
        let vocabulary = &*self.vocabulary;
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if at_space_run(text, at) {
                at = spaces.encode(bytes, at, ids)?;
            } else {
                let end = piece_end::<true>(text, at);
                vocabulary.encode_piece(bytes, at, end, scratch, ids)?;
                at = end;
            }
        }
        Ok(())
    }

    /// The ids of each of `texts`, encoded by the threads of `pool`. A single text is the work of
    /// one thread.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    pub fn encode_batch(
        &self,
        pool: &ThreadPool,
        texts: &[&str],
        special: SpecialTokens,
    ) -> Result<Vec<Vec<u32>>> {
        let mut batch = try_collect(texts.iter().map(|_| Ok(Vec::new())))?;
        let scratches = Mutex::new(Vec::new());
        let lock = || scratches.lock().unwrap_or_else(PoisonError::into_inner);
        pool.for_each_chunk(&mut batch, 1, |i, ids| {
            let mut scratch: EncodeScratch = lock().pop().unwrap_or_default();
            ids[0] = self.encode_with(texts[i], special, &mut scratch);
            lock().push(scratch);
        });
        let mut all = try_vec(batch.len())?;
        for ids in batch {
            all.push(ids?);
        }
        Ok(all)
    }

    fn encode_with(
        &self,
        text: &str,
        special: SpecialTokens,
        scratch: &mut EncodeScratch,
    ) -> Result<Vec<u32>> {
        let mut ids = try_vec(ids_of(text.len()))?;
        self.encode_into(text, special, scratch, &mut ids)?;
        Ok(ids)
    }
}

/// Where text stands that is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the beginning.
    First,
    /// Behind an added token.
    Behind,
    /// Behind other text.
    GoesOn,
}

/// An estimate of the number of ids of `len` bytes of text: source code has three to four bytes a
/// token.
fn ids_of(len: usize) -> usize {
    len / 3 + 1
}

impl Tokenizer for BpeTokenizer {
    fn encode(&self, text: &str, special: SpecialTokens) -> Result<Vec<u32>> {
        self.encode_with(text, special, &mut EncodeScratch::default())
    }

    fn encode_continuation(&self, text: &str, special: SpecialTokens) -> Result<Vec<u32>> {
        let mut ids = try_vec(ids_of(text.len()))?;
        self.encode_at(text, special, true, &mut EncodeScratch::default(), &mut ids)?;
        Ok(ids)
    }

    fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        self.vocabulary.token_bytes(id)
    }

    fn vocab_size(&self) -> usize {
        self.vocabulary.len()
    }

    fn end_of_text(&self) -> u32 {
        self.vocabulary.rules.end_of_text
    }

    fn is_control(&self, id: u32) -> bool {
        self.vocabulary.is_control(id)
    }

    fn control_id(&self, name: &str) -> Option<u32> {
        self.vocabulary.control(name)
    }

    fn prefix(&self) -> &[u32] {
        &self.vocabulary.rules.prefix
    }

    fn leading_space(&self, id: u32) -> usize {
        let bytes = self.token_bytes(id).unwrap_or_default();
        let spaces = bytes.iter().take_while(|&&byte| byte == b' ').count();
        match self.vocabulary.rules.strip {
            Strip::Nothing => 0,
            Strip::Space => spaces.min(1),
            Strip::Spaces => spaces,
        }
    }

    fn decode(&self, ids: &[u32]) -> Result<String> {
        let mut bytes = try_vec(ids.len().saturating_mul(4))?;
        for &id in ids {
            bytes.try_extend(bytes_or_error(self, id)?)?;
        }
        if let Some(&first) = ids.first() {
            bytes.drain(..self.leading_space(first));
        }
        let error = match String::from_utf8(bytes) {
            Ok(text) => return Ok(text),
            Err(error) => error,
        };
        let mut text = String::new();
        for chunk in error.as_bytes().utf8_chunks() {
            text.try_push_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                text.try_push_str("\u{FFFD}")?;
            }
        }
        Ok(text)
    }
}

/// The bytes of `id`, or the error that says there are none.
pub(super) fn bytes_or_error(tokenizer: &dyn Tokenizer, id: u32) -> Result<&[u8]> {
    match tokenizer.token_bytes(id) {
        Some(bytes) => Ok(bytes),
        None => bail!(
            TokenOutOfRange,
            "unknown token id {id}: expected an id below {}",
            tokenizer.vocab_size()
        ),
    }
}
