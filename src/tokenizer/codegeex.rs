//! The CodeGeeX tokenizer: GPT-2's byte-level byte-pair encoding, and tokens for runs of spaces.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::bpe::{BYTE_TOKENS, Merges};
use super::byte_chars::BYTE_ORDER;
use super::pretokenize::{at_space_run, piece_end};
use super::vocabulary::{END_OF_TEXT, PieceScratch, Vocabulary};
use super::{SpecialTokens, Tokenizer, files};
use crate::error::{Error, ErrorKind, Result, bail};
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
/// let tokenizer = CodeGeexTokenizer::codegeex();
/// let ids = tokenizer.encode("if x:\n    y()", SpecialTokens::AsText);
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
    pub fn codegeex() -> Self {
        static SHARED: OnceLock<CodeGeexTokenizer> = OnceLock::new();
        SHARED.get_or_init(Self::build_codegeex).clone()
    }

    /// Builds the tables behind [`codegeex`](Self::codegeex) anew. For measuring that.
    #[doc(hidden)]
    pub fn build_codegeex() -> Self {
        let pairs = gpt2_merges();
        let end_of_text = BYTE_TOKENS + pairs.len() as u32;
        let ids = (0..end_of_text).collect();
        let mut controls = vec![(END_OF_TEXT.to_owned(), end_of_text)];
        controls
            .extend((1..=EXTRA_TOKENS).map(|n| (format!("<|extratoken_{n}|>"), end_of_text + n)));
        let vocabulary = Merges::new(&BYTE_ORDER, &pairs)
            .map_err(|fault| Error::new(ErrorKind::Internal, format!("{fault:?}")))
            .and_then(|merges| Vocabulary::new(merges, ids, &controls));
        match vocabulary {
            Ok(vocabulary) => Self::new(vocabulary),
            Err(error) => unreachable!("the compiled-in vocabulary is sound: {error}"),
        }
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

    /// Whether `folder` has a vocabulary: a `vocab.json` or a `merges.txt`.
    pub(crate) fn is_in_folder(folder: &Path) -> bool {
        ["vocab.json", "merges.txt"]
            .iter()
            .any(|name| folder.join(name).exists())
    }

    fn new(vocabulary: Vocabulary) -> Self {
        Self {
            vocabulary: Arc::new(vocabulary),
        }
    }

    /// Appends the ids of `text` to `ids`.
    ///
    /// The same ids as [`encode`](Tokenizer::encode), without allocating for each text.
    pub fn encode_into(
        &self,
        text: &str,
        special: SpecialTokens,
        scratch: &mut EncodeScratch,
        ids: &mut Vec<u32>,
    ) {
        let vocabulary = &*self.vocabulary;
        vocabulary.prepare(&mut scratch.piece, text.len());
        let mut start = 0;
        if special == SpecialTokens::Parse {
            while let Some((at, id)) = vocabulary.controls.find(text, start) {
                self.encode_text(&text[start..at.start], scratch, ids);
                ids.push(id);
                start = at.end;
            }
        }
        self.encode_text(&text[start..], scratch, ids);
    }

    /// Appends the ids of `text`, in which nothing is a control token.
    fn encode_text(&self, text: &str, scratch: &mut EncodeScratch, ids: &mut Vec<u32>) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if at_space_run(text, at) {
                at = self.vocabulary.spaces.encode(bytes, at, ids);
            } else {
                let end = piece_end(text, at);
                self.vocabulary
                    .encode_piece(bytes, at, end, &mut scratch.piece, ids);
                at = end;
            }
        }
    }

    /// The ids of each of `texts`, encoded by the threads of `pool`. A single text is the work of
    /// one thread.
    pub fn encode_batch(
        &self,
        pool: &ThreadPool,
        texts: &[&str],
        special: SpecialTokens,
    ) -> Vec<Vec<u32>> {
        let mut batch = vec![Vec::new(); texts.len()];
        let scratches = Mutex::new(Vec::new());
        let lock = || scratches.lock().unwrap_or_else(PoisonError::into_inner);
        pool.for_each_chunk(&mut batch, 1, |i, ids| {
            let mut scratch: EncodeScratch = lock().pop().unwrap_or_default();
            ids[0].reserve(ids_of(texts[i].len()));
            self.encode_into(texts[i], special, &mut scratch, &mut ids[0]);
            lock().push(scratch);
        });
        batch
    }
}

/// The compiled-in merges, in order of rank.
pub(super) fn gpt2_merges() -> Vec<(u32, u32)> {
    let (pairs, _) = GPT2_MERGES.as_chunks::<4>();
    let id = |bytes| u32::from(u16::from_le_bytes(bytes));
    pairs
        .iter()
        .map(|&[a, b, c, d]| (id([a, b]), id([c, d])))
        .collect()
}

/// A guess at how many ids a text of `len` bytes has: source code has three to four bytes an id.
fn ids_of(len: usize) -> usize {
    len / 3 + 1
}

impl Tokenizer for CodeGeexTokenizer {
    fn encode(&self, text: &str, special: SpecialTokens) -> Vec<u32> {
        let mut ids = Vec::with_capacity(ids_of(text.len()));
        self.encode_into(text, special, &mut EncodeScratch::default(), &mut ids);
        ids
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
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        for &id in ids {
            bytes.extend_from_slice(bytes_or_error(self, id)?);
        }
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }
}

/// The bytes of `id`, or the error that says there are none.
pub(super) fn bytes_or_error(tokenizer: &dyn Tokenizer, id: u32) -> Result<&[u8]> {
    match tokenizer.token_bytes(id) {
        Some(bytes) => Ok(bytes),
        None => bail!(
            TokenOutOfRange,
            "token id {id} stands for nothing: expected an id below {}",
            tokenizer.vocab_size()
        ),
    }
}
