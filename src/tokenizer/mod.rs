//! Text to token ids and back by byte-pair encoding: CodeGeeX's own vocabulary, and those of other
//! models, read from their files.
//!
//! A text is encoded in these steps: added tokens that it spells are taken out (`added`), control
//! tokens among them only if that is asked for; the rest is normalized (`normalize`) and split into
//! pieces (`split`, by the `patterns` of published tokenizers and the classes of `unicode`;
//! `pretokenize` and `whitespace` for CodeGeeX's); and each piece is looked up whole (`words`) or
//! merged (`bpe`, on a `trie` and a map of `pairs`; `ranked` where merges are out of order).
//! `vocabulary` holds all that for one set of tokens, and `encoder` has the public type,
//! [`BpeTokenizer`]. [`StreamDecoder`] makes text of tokens as they come.
//!
//! Readers: `codegeex` (compiled in), `files` (`vocab.json` and `merges.txt`), `json`
//! (`tokenizer.json`), `sentencepiece` and `tiktoken` (`tokenizer.model`), `config` (what stands beside).
//!
//! This module does not know prompts, models or files other than vocabularies.
#![forbid(unsafe_code)]

mod added;
mod bpe;
mod byte_chars;
mod charsmap;
mod codegeex;
mod config;
mod encoder;
mod files;
mod ids;
mod json;
mod normalize;
mod pairs;
mod patterns;
mod pretokenize;
mod ranked;
mod sentencepiece;
mod split;
mod stream;
mod tiktoken;
mod trie;
mod unicode;
mod unicode_tables;
mod vocabulary;
mod whitespace;
mod words;

#[cfg(test)]
mod tests;

pub use encoder::{BpeTokenizer, EncodeScratch};
pub use ids::NoTokenizer;
pub use stream::{InvalidUtf8, StreamDecoder};

pub use crate::threads::ThreadPool;

use crate::error::Result;

/// What a literal special token such as `<|endoftext|>` in the text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpecialTokens {
    /// It is text like any other. Safe for untrusted input: no text can produce a control token.
    #[default]
    AsText,
    /// It is taken as the token it spells, as the reference implementation does.
    Parse,
}

/// A reversible map between text and token ids.
pub trait Tokenizer: Send + Sync {
    /// The ids of `text`.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory), and what a tokenizer reports.
    fn encode(&self, text: &str, special: SpecialTokens) -> Result<Vec<u32>>;

    /// The ids of `text` where it goes on from other text: without the space that a tokenizer of
    /// SentencePiece's kind puts before a text.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    fn encode_continuation(&self, text: &str, special: SpecialTokens) -> Result<Vec<u32>> {
        self.encode(text, special)
    }

    /// The bytes that `id` stands for, or `None` for an unknown id. Bytes of one
    /// token may end inside a UTF-8 character.
    fn token_bytes(&self, id: u32) -> Option<&[u8]>;

    /// One more than the largest id that [`encode`](Self::encode) can produce.
    fn vocab_size(&self) -> usize;

    /// The id that ends a text; `u32::MAX`, which is no token, where the tokenizer does not say.
    fn end_of_text(&self) -> u32;

    /// Whether `id` is a control token, whose bytes are its name and no text. Of a tokenizer that
    /// does not say, only the [end of text](Self::end_of_text) is.
    fn is_control(&self, id: u32) -> bool {
        id == self.end_of_text()
    }

    /// Whether ids have text; of [`NoTokenizer`] they have none. Options of a generation that need the
    /// text of tokens are an error without it.
    fn has_text(&self) -> bool {
        true
    }

    /// The id of the control token called `name`, such as `<|fim_prefix|>`.
    fn control_id(&self, name: &str) -> Option<u32> {
        let _ = name;
        None
    }

    /// The ids that the tokenizer's template puts before every text, such as a beginning of text.
    /// [`encode`](Self::encode) leaves them out.
    fn prefix(&self) -> &[u32] {
        &[]
    }

    /// The ids of a prompt: the [prefix](Self::prefix) and those of `text`.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    fn encode_prompt(&self, text: &str, special: SpecialTokens) -> Result<Vec<u32>> {
        let mut ids = self.encode(text, special)?;
        let prefix = self.prefix();
        if !prefix.is_empty() {
            ids.try_reserve(prefix.len())?;
            ids.splice(0..0, prefix.iter().copied());
        }
        Ok(ids)
    }

    /// How many bytes of `id` are not text where it is the first token of a text: the space that
    /// [`encode`](Self::encode) put there. [`decode`](Self::decode) leaves them out.
    fn leading_space(&self, id: u32) -> usize {
        let _ = id;
        0
    }

    /// The text of `ids`.
    ///
    /// Bytes that are not valid UTF-8 become U+FFFD, as in
    /// [`String::from_utf8_lossy`]; use a [`StreamDecoder`] to refuse them instead.
    ///
    /// # Errors
    /// [`TokenOutOfRange`](crate::ErrorKind::TokenOutOfRange) for an id without bytes,
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    fn decode(&self, ids: &[u32]) -> Result<String>;
}
