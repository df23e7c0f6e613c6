//! CodeGeeX's own vocabulary: GPT-2's merges, compiled in, and tokens for runs of spaces.

use std::collections::TryReserveError;
use std::path::Path;
use std::sync::OnceLock;

use super::added::{self, Flags};
use super::bpe::{BYTE_TOKENS, MergeFault, Merges};
use super::byte_chars::BYTE_ORDER;
use super::config::Config;
use super::encoder::BpeTokenizer;
use super::split::Split;
use super::vocabulary::{LeadingSpace, Other, Rules, Strip, Vocabulary};
use super::whitespace::{MIN_RUN, RUN_TOKENS, SpaceRuns, run_name};
use super::{files, json, sentencepiece};
use crate::error::{Error, ErrorKind, Result, bail};
use crate::memory::{try_collect, try_copy, try_copy_text, try_vec};

/// Names of the files that hold a whole tokenizer.
const JSON: &str = "tokenizer.json";
const SENTENCEPIECE: &str = "tokenizer.model";

/// The name of the token that ends a text.
pub(super) const END_OF_TEXT: &str = "<|endoftext|>";

/// The merges of GPT-2 in order of rank: pairs of ids, two bytes each, little-endian.
/// Written by `tools/src/bin/gpt2_merges.rs`, which takes them from a published crate.
static GPT2_MERGES: &[u8; 200_000] = include_bytes!("gpt2_merges.bin");

/// Number of `<|extratoken_1|>`, `<|extratoken_2|>`, … in CodeGeeX's vocabulary.
const EXTRA_TOKENS: u32 = 143;

impl BpeTokenizer {
    /// The tokenizer of CodeGeeX's published checkpoints, compiled in.
    ///
    /// The first call of a process builds its tables, which takes milliseconds; the others share
    /// them.
    ///
    /// # Errors
    /// [`OutOfMemory`](ErrorKind::OutOfMemory): the tables take 10 MB.
    pub fn codegeex() -> Result<Self> {
        static SHARED: OnceLock<BpeTokenizer> = OnceLock::new();
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
        vocabulary(merges, ids, &controls).map(Self::new)
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

    /// Reads a `tokenizer.json` as Hugging Face writes it.
    ///
    /// # Errors
    /// [`InvalidVocabulary`](ErrorKind::InvalidVocabulary) for a file that contradicts itself,
    /// [`UnsupportedFile`](ErrorKind::UnsupportedFile) for one with a rule that is not known, which
    /// the message quotes, and the errors of reading files.
    pub fn from_json_file(path: &Path) -> Result<Self> {
        json::read(path).map(Self::new)
    }

    /// Reads the `tokenizer.json` in `text`. `end_of_text` is the name of the token that ends a text;
    /// without it a usual one is looked for.
    ///
    /// # Errors
    /// As [`from_json_file`](Self::from_json_file).
    pub fn from_json(text: &str, end_of_text: Option<&str>) -> Result<Self> {
        let config = Config {
            end: end_of_text.map(try_copy_text).transpose()?,
            ..Config::default()
        };
        json::from_json(text, &config).map(Self::new)
    }

    /// Reads a `tokenizer.model`: as SentencePiece writes it, of type BPE, or the tokens and ranks of
    /// tiktoken for CodeGeeX4 and GLM-4. What `tokenizer_config.json` beside it says counts.
    ///
    /// # Errors
    /// As [`from_json_file`](Self::from_json_file).
    pub fn from_model_file(path: &Path) -> Result<Self> {
        sentencepiece::read(path).map(Self::new)
    }

    /// Reads the `tokenizer.model` of SentencePiece in `bytes`.
    ///
    /// # Errors
    /// As [`from_json_file`](Self::from_json_file).
    pub fn from_sentencepiece(bytes: &[u8]) -> Result<Self> {
        sentencepiece::from_bytes(bytes, &Config::default()).map(Self::new)
    }

    /// Opens a tokenizer: a file `tokenizer.json` or `tokenizer.model`, or a folder with one of them
    /// or with `vocab.json`, `merges.txt` and `added_tokens.json`. Of several, the first of these
    /// is read: `tokenizer.json`, `vocab.json`, `tokenizer.model`.
    ///
    /// # Errors
    /// Those of the reader, and [`NotFound`](ErrorKind::NotFound) for a folder without any.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !path.is_dir() {
            return match path.extension().is_some_and(|e| e == "model") {
                true => Self::from_model_file(path),
                false => Self::from_json_file(path),
            };
        }
        let has = |name: &str| path.join(name).exists();
        match () {
            () if has(JSON) => Self::from_json_file(&path.join(JSON)),
            () if has("vocab.json") || has("merges.txt") => Self::from_folder(path),
            () if has(SENTENCEPIECE) => Self::from_model_file(&path.join(SENTENCEPIECE)),
            () => bail!(
                NotFound,
                "{}: the folder has no tokenizer: expected {JSON}, vocab.json with merges.txt, or \
                 {SENTENCEPIECE}",
                path.display()
            ),
        }
    }

    /// The tokenizer in the folder of a checkpoint, which is a folder itself or a file in one, as
    /// [`open`](Self::open) reads it; nothing where the folder has none.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_beside(checkpoint: impl AsRef<Path>) -> Result<Option<Self>> {
        let (folder, names) = files_beside(checkpoint.as_ref());
        match names.is_empty() {
            false => Self::open(folder).map(Some),
            true => Ok(None),
        }
    }

    /// The names of the tokenizer's files in the folder of a checkpoint; none where
    /// [`open_beside`](Self::open_beside) finds no tokenizer.
    pub fn files_beside(checkpoint: impl AsRef<Path>) -> Vec<&'static str> {
        let (folder, mut names) = files_beside(checkpoint.as_ref());
        if !names.is_empty() {
            let there = |name: &&str| folder.join(name).exists();
            names.extend(BESIDE.into_iter().filter(there));
        }
        names
    }
}

/// What is read beside a tokenizer's own file.
const BESIDE: [&str; 3] = [
    "added_tokens.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
];

/// The folder of a checkpoint, and the tokenizers there.
fn files_beside(checkpoint: &Path) -> (&Path, Vec<&'static str>) {
    let folder = match checkpoint.is_dir() {
        true => checkpoint,
        false => checkpoint.parent().unwrap_or(Path::new("")),
    };
    let mut names = vec![JSON, "vocab.json", "merges.txt", SENTENCEPIECE];
    names.retain(|name| folder.join(name).exists());
    (folder, names)
}

/// CodeGeeX's rules over `merges`, where token i has the id `ids[i]`, and `controls`.
///
/// # Errors
/// [`InvalidVocabulary`](ErrorKind::InvalidVocabulary) where a token that the rules need is missing.
pub(super) fn vocabulary(
    merges: Merges,
    ids: Vec<u32>,
    controls: &[(&str, u32)],
) -> Result<Vocabulary> {
    let required = |name: &str| match controls.iter().find(|(control, _)| *control == name) {
        Some(&(_, id)) => Ok(id),
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
    let mut others = try_vec(controls.len())?;
    let mut names = try_vec(controls.len())?;
    for &(name, id) in controls {
        let run = spaces.decode(id);
        others.push(Other {
            id,
            bytes: try_copy(run.unwrap_or(name.as_bytes()))?,
            is_control: run.is_none(),
            is_word: false,
        });
        names.push(added::token(name, id, Flags::default())?);
    }
    let rules = Rules {
        split: Split::CodeGeex(spaces),
        normalizer: Vec::new(),
        leading_space: LeadingSpace::Never,
        strip: Strip::Nothing,
        ignore_merges: false,
        prefix: Vec::new(),
        end_of_text: required(END_OF_TEXT)?,
    };
    Vocabulary::new(merges, None, ids, others, &names, rules)
}

/// The compiled-in merges, in order of rank.
pub(super) fn gpt2_merges() -> Result<Vec<(u32, u32)>, TryReserveError> {
    let (pairs, _) = GPT2_MERGES.as_chunks::<4>();
    let id = |bytes| u32::from(u16::from_le_bytes(bytes));
    let pairs = pairs.iter();
    try_collect(pairs.map(|&[a, b, c, d]| (id([a, b]), id([c, d]))))
}
