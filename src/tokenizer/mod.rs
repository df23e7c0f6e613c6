//! Text to token ids and back: GPT-2 byte-level BPE with CodeGeeX's whitespace tokens.
//!
//! A text is encoded in four steps: control tokens that it spells are taken out, if that is asked
//! for (`special`); runs of spaces become tokens (`whitespace`); what is between them is split
//! into pieces (`pretokenize`, by the classes of `unicode`); and each piece is looked up whole
//! (`words`) or put together by byte-pair encoding (`bpe`, on a `trie` and a map of `pairs`).
//! `vocabulary` holds all that for one set of tokens, compiled in or read by `files`, and
//! [`CodeGeexTokenizer`] is the public type. [`StreamDecoder`] makes text of tokens as they come.
//!
//! This module does not know prompts, models or files other than vocabularies.
#![forbid(unsafe_code)]

mod bpe;
mod byte_chars;
mod codegeex;
mod files;
mod pairs;
mod pretokenize;
mod special;
mod stream;
mod trie;
mod unicode;
mod unicode_tables;
mod vocabulary;
mod whitespace;
mod words;

#[cfg(test)]
mod tests;

pub use codegeex::{CodeGeexTokenizer, EncodeScratch};
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

    /// The bytes that `id` stands for, or `None` for an unknown id. Bytes of one
    /// token may end inside a UTF-8 character.
    fn token_bytes(&self, id: u32) -> Option<&[u8]>;

    /// One more than the largest id that [`encode`](Self::encode) can produce.
    fn vocab_size(&self) -> usize;

    /// The id that ends a text.
    fn end_of_text(&self) -> u32;

    /// Whether `id` is a control token, whose bytes are its name and no text. Of a tokenizer that
    /// does not say, only the [end of text](Self::end_of_text) is.
    fn is_control(&self, id: u32) -> bool {
        id == self.end_of_text()
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
