//! The map of characters in a SentencePiece model: which sequences of bytes become which text.
//!
//! It is a trie in a double array, as the Darts-clone library lays it out, and the texts one after the
//! other with a zero byte behind each. At every place the longest sequence counts.

use std::collections::TryReserveError;

use crate::error::{Result, bail};
use crate::memory::{TryGrowText, try_copy_text, try_vec};

/// Bytes of the longest text. The longest of Unicode's compatibility decompositions has 33.
const MAX_TEXT: usize = 64;

/// A map that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CharsMap {
    units: Vec<u32>,
    texts: String,
}

impl CharsMap {
    /// Reads the bytes of a model.
    pub(super) fn new(bytes: &[u8]) -> Result<Self> {
        let size = bytes
            .first_chunk()
            .map(|size| u32::from_le_bytes(*size) as usize);
        let rest = bytes.get(4..).unwrap_or_default();
        let parts = size.and_then(|size| rest.split_at_checked(size));
        let Some((trie, texts)) = parts.filter(|(trie, _)| trie.len() % 4 == 0) else {
            bail!(
                MalformedFile,
                "the map of characters has {} bytes and a trie of {size:?}: expected a multiple of \
                 4 that fits",
                bytes.len()
            );
        };
        let Ok(texts) = std::str::from_utf8(texts) else {
            bail!(
                MalformedFile,
                "the map of characters maps to bytes that are not UTF-8: expected text"
            );
        };
        if let Some(long) = texts.split('\0').find(|text| text.len() > MAX_TEXT) {
            bail!(
                UnsupportedFile,
                "the map of characters has a text of {} bytes: expected at most {MAX_TEXT}",
                long.len()
            );
        }
        let (words, _) = trie.as_chunks::<4>();
        let mut units = try_vec(words.len())?;
        units.extend(words.iter().map(|word| u32::from_le_bytes(*word)));
        Ok(Self {
            units,
            texts: try_copy_text(texts)?,
        })
    }

    /// The text that the longest sequence at the beginning of `bytes` becomes, and its length.
    fn longest(&self, bytes: &[u8]) -> Option<(&str, usize)> {
        let offset = |unit: u32| ((unit >> 10) << ((unit & 1 << 9) >> 6)) as usize;
        let mut at = offset(*self.units.first()?);
        let mut found = None;
        for (len, &byte) in (1..).zip(bytes) {
            at ^= usize::from(byte);
            let Some(&unit) = self.units.get(at) else {
                break;
            };
            // The label, with a bit that is set in values.
            if unit & (1 << 31 | 0xFF) != u32::from(byte) {
                break;
            }
            at ^= offset(unit);
            if unit >> 8 & 1 == 1
                && let Some(&value) = self.units.get(at)
            {
                found = Some(((value & !(1 << 31)) as usize, len));
            }
        }
        let (start, len) = found?;
        let text = self.texts.get(start..)?;
        Some((text.split('\0').next().unwrap_or_default(), len))
    }

    /// Appends what `text` becomes.
    pub(super) fn write(&self, text: &str, out: &mut String) -> Result<(), TryReserveError> {
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let whole = |&(_, len): &(&str, usize)| rest.is_char_boundary(len);
            match self.longest(rest.as_bytes()).filter(whole) {
                Some((to, len)) => {
                    out.try_push_str(to)?;
                    at += len;
                }
                None => {
                    let len = rest.ceil_char_boundary(1);
                    out.try_push_str(&rest[..len])?;
                    at += len;
                }
            }
        }
        Ok(())
    }
}
