//! Text to token ids and back: GPT-2 byte-level BPE with CodeGeeX's whitespace tokens.
//!
//! This module does not know prompts, models or files other than vocabularies.

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
    fn encode(&self, text: &str, special: SpecialTokens) -> Vec<u32>;

    /// The bytes that `id` stands for, or `None` when the id stands for nothing. Bytes of one
    /// token may end inside a UTF-8 character.
    fn token_bytes(&self, id: u32) -> Option<&[u8]>;

    /// One more than the largest id that [`encode`](Self::encode) can produce.
    fn vocab_size(&self) -> usize;

    /// The id that ends a text.
    fn end_of_text(&self) -> u32;

    /// The text of `ids`.
    ///
    /// Bytes that are not valid UTF-8 become U+FFFD, as in
    /// [`String::from_utf8_lossy`]; use a `StreamDecoder` to refuse them instead.
    ///
    /// # Errors
    /// [`TokenOutOfRange`](crate::ErrorKind::TokenOutOfRange) for an id without bytes.
    fn decode(&self, ids: &[u32]) -> Result<String>;
}
