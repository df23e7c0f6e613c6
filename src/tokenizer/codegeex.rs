//! The CodeGeeX tokenizer: GPT-2's byte-level byte-pair encoding, and tokens for runs of spaces.

use std::collections::TryReserveError;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::bpe::{BYTE_TOKENS, MergeFault, Merges};
use super::byte_chars::BYTE_ORDER;
use super::pretokenize::{at_space_run, piece_end};
use super::vocabulary::{END_OF_TEXT, PieceScratch, Vocabulary};
use super::{SpecialTokens, Tokenizer, files};
use crate::error::{Error, ErrorKind, Result, bail};
use crate::memory::{TryGrow, TryGrowText, try_collect, try_vec};
use crate::threads::ThreadPool;

/// The merges of GPT-2 in order of rank: pairs of ids, two bytes each, little-endian.
/// Written by `tools/src/bin/gpt2_merges.rs`, which takes them from a published crate.
static GPT2_MERGES: &[u8; 200_000] = include_bytes!("gpt2_merges.bin");

/// Number of `<|extratoken_1|>`, `<|extratoken_2|>`, … in CodeGeeX's vocabulary.
const EXTRA_TOKENS: u32 = 143;

/// A byte-level BPE tokenizer of GPT-2's kind with CodeGeeX's tokens for runs of spaces.
///
/// Cheap to clone, and shared freely between threads: it never changes.
///
/// ```
/// use codegeex::tokenizer::{CodeGeexTokenizer, SpecialTokens, Tokenizer};
///
/// let tokenizer = CodeGeexTokenizer::codegeex()?;
/// let ids = tokenizer.encode("if x:\n    y()", SpecialTokens::AsText)?;
/// assert_eq!(ids, [361, 2124, 25, 198, 50268, 88, 3419]);
/// assert_eq!(tokenizer.decode(&ids)?, "if x:\n    y()");
/// # Ok::<(), codegeex::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct CodeGeexTokenizer {
    vocabulary: Arc<Vocabulary>,
}

/// Working memory for [`CodeGeexTokenizer::encode_into`], to be kept from one text to the next.
///
/// It remembers short pieces of the texts before, so encoding many similar texts with the same
/// one is faster. Results never depend on it; it can serve different tokenizers in turn.
#[derive(Debug, Default)]
pub struct EncodeScratch {
    piece: PieceScratch,
}

impl CodeGeexTokenizer {
    /// The tokenizer of CodeGeeX's published checkpoints, compiled in.
    ///
    /// The first call of a process builds its tables, which takes milliseconds; the others share
    /// them.
    ///
    /// # Errors
    /// [`OutOfMemory`](ErrorKind::OutOfMemory): the tables take 10 MB.
    pub fn codegeex() -> Result<Self> {
        static SHARED: OnceLock<CodeGeexTokenizer> = OnceLock::new();
        if let Some(shared) = SHARED.get() {
            return Ok(shared.clone());
        }
        let made = Self::build_codegeex()?;
        Ok(SHARED.get_or_init(|| made).clone())
    }

    /// Builds the tables behind [`codegeex`](Self::codegeex) anew. For measuring that.
    #[doc(hidden)]
    pub fn build_codegeex() -> Result<Self> {
        let pairs = gpt2_merges()?;
        let end_of_text = BYTE_TOKENS + pairs.len() as u32;
        let ids = try_collect(0..end_of_text)?;
        let extra: Vec<String> = (1..=EXTRA_TOKENS)
            .map(|n| format!("<|extratoken_{n}|>"))
            .collect();
        let names = std::iter::once(END_OF_TEXT).chain(extra.iter().map(String::as_str));
        let controls: Vec<(&str, u32)> = names.zip(end_of_text..).collect();
        let merges = Merges::new(&BYTE_ORDER, &pairs).map_err(|fault| match fault {
            MergeFault::OutOfMemory => Error::out_of_memory("the merges of the tokenizer"),
            fault => Error::new(ErrorKind::Internal, format!("{fault:?}")),
        })?;
        Vocabulary::new(merges, ids, &controls).map(Self::new)
    }

    /// Reads a vocabulary in the files that Hugging Face's GPT-2 tokenizer has: ids by token,
    /// merges in order of rank, and ids of the added tokens, `<|extratoken_10|>` to
    /// `<|extratoken_18|>` among them.
    ///
    /// # Errors
    /// [`InvalidVocabulary`](ErrorKind::InvalidVocabulary) for files that contradict themselves
    /// or each other, and the errors of reading files.
    pub fn from_files(vocab: &Path, merges: &Path, added_tokens: &Path) -> Result<Self> {
        files::read(vocab, merges, added_tokens).map(Self::new)
    }

    /// Reads `vocab.json`, `merges.txt` and `added_tokens.json` in `folder`.
    ///
    /// # Errors
    /// As [`from_files`](Self::from_files).
    pub fn from_folder(folder: &Path) -> Result<Self> {
        Self::from_files(
            &folder.join("vocab.json"),
            &folder.join("merges.txt"),
            &folder.join("added_tokens.json"),
        )
    }

    /// The tokenizer of a checkpoint, a file or a folder: the vocabulary beside it where there is a
    /// `vocab.json` or a `merges.txt`, CodeGeeX's own elsewhere.
    ///
    /// # Errors
    /// As [`from_files`](Self::from_files) and [`codegeex`](Self::codegeex).
    pub fn beside(checkpoint: &Path) -> Result<Self> {
        match Self::folder_beside(checkpoint) {
            Some(folder) => Self::from_folder(folder),
            None => Self::codegeex(),
        }
    }

    /// The folder with the vocabulary of [`beside`](Self::beside).
    pub(crate) fn folder_beside(checkpoint: &Path) -> Option<&Path> {
        let folder = match checkpoint.is_dir() {
            true => checkpoint,
            false => checkpoint.parent().unwrap_or(Path::new("")),
        };
        let has = |name: &str| folder.join(name).exists();
        (has("vocab.json") || has("merges.txt")).then_some(folder)
    }

    fn new(vocabulary: Vocabulary) -> Self {
        Self {
            vocabulary: Arc::new(vocabulary),
        }
    }

    /// Appends the ids of `text` to `ids`.
    ///
    /// The same ids as [`encode`](Tokenizer::encode), without allocating for each text.
    ///
    /// # Errors
    /// [`OutOfMemory`](ErrorKind::OutOfMemory); some of the ids may then be in `ids`.
    pub fn encode_into(
        &self,
        text: &str,
        special: SpecialTokens,
        scratch: &mut EncodeScratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let vocabulary = &*self.vocabulary;
        vocabulary.prepare(&mut scratch.piece, text.len());
        let mut start = 0;
        if special == SpecialTokens::Parse {
            while let Some((at, id)) = vocabulary.controls.find(text, start) {
                self.encode_text(&text[start..at.start], scratch, ids)?;
                ids.try_push(id)?;
                start = at.end;
            }
        }
        Ok(self.encode_text(&text[start..], scratch, ids)?)
    }

    /// Appends the ids of `text`, in which nothing is a control token.
    fn encode_text(
        &self,
        text: &str,
        scratch: &mut EncodeScratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), TryReserveError> {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if at_space_run(text, at) {
                at = self.vocabulary.spaces.encode(bytes, at, ids)?;
            } else {
                let end = piece_end(text, at);
                self.vocabulary
                    .encode_piece(bytes, at, end, &mut scratch.piece, ids)?;
                at = end;
            }
        }
        Ok(())
    }

    /// The ids of each of `texts`, encoded by the threads of `pool`. A single text is the work of
    /// one thread.
    ///
    /// # Errors
    /// [`OutOfMemory`](ErrorKind::OutOfMemory).
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

/// The compiled-in merges, in order of rank.
pub(super) fn gpt2_merges() -> Result<Vec<(u32, u32)>, TryReserveError> {
    let (pairs, _) = GPT2_MERGES.as_chunks::<4>();
    let id = |bytes| u32::from(u16::from_le_bytes(bytes));
    let pairs = pairs.iter();
    try_collect(pairs.map(|&[a, b, c, d]| (id([a, b]), id([c, d]))))
}

/// An estimate of the number of ids of `len` bytes of text: source code has three to four bytes a
/// token.
fn ids_of(len: usize) -> usize {
    len / 3 + 1
}

impl Tokenizer for CodeGeexTokenizer {
    fn encode(&self, text: &str, special: SpecialTokens) -> Result<Vec<u32>> {
        self.encode_with(text, special, &mut EncodeScratch::default())
    }

    fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        self.vocabulary.token_bytes(id)
    }

    fn vocab_size(&self) -> usize {
        self.vocabulary.len()
    }

    fn end_of_text(&self) -> u32 {
        self.vocabulary.end_of_text
    }

    fn is_control(&self, id: u32) -> bool {
        self.vocabulary.is_control(id)
    }

    fn decode(&self, ids: &[u32]) -> Result<String> {
        let mut bytes = try_vec(ids.len().saturating_mul(4))?;
        for &id in ids {
            bytes.try_extend(bytes_or_error(self, id)?)?;
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
