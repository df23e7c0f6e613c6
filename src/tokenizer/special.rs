//! Control tokens such as `<|endoftext|>`: what they are called and where a text spells one.
//!
//! Names have the form `<|name|>`, with letters, digits and underscores between. So two
//! occurrences in a text cannot overlap, none is a part of another, and a space is in none.

use std::collections::{HashMap, TryReserveError};
use std::ops::Range;

use crate::memory::try_copy_text;

/// The control tokens of a vocabulary.
#[derive(Debug, Default)]
pub(super) struct ControlTokens {
    ids: HashMap<Box<str>, u32>,
    longest: usize,
}

impl ControlTokens {
    /// Adds a token; [`is_name`] holds for the name, and it is new.
    pub(super) fn insert(&mut self, name: &str, id: u32) -> Result<(), TryReserveError> {
        self.ids.try_reserve(1)?;
        self.ids.insert(try_copy_text(name)?.into_boxed_str(), id);
        self.longest = self.longest.max(name.len());
        Ok(())
    }

    /// The id of the token called `name`.
    pub(super) fn id(&self, name: &str) -> Option<u32> {
        self.ids.get(name).copied()
    }

    /// The first token spelled in `text` from `start` on: where, and its id.
    pub(super) fn find(&self, text: &str, start: usize) -> Option<(Range<usize>, u32)> {
        let mut from = start;
        loop {
            let at = from + text[from..].find('<')?;
            let end = name_end(&text.as_bytes()[at..], self.longest).map(|len| at + len);
            if let Some(end) = end
                && let Some(id) = self.id(&text[at..end])
            {
                return Some((at..end, id));
            }
            from = at + 1;
        }
    }
}

/// Whether `name` has the form of a control token's name.
pub(super) fn is_name(name: &str) -> bool {
    name_end(name.as_bytes(), name.len()) == Some(name.len())
}

/// The length of what has the form of a name at the start of `text`, if at most `longest`.
fn name_end(text: &[u8], longest: usize) -> Option<usize> {
    let inner = text.strip_prefix(b"<|")?;
    let inner = &inner[..inner.len().min(longest)];
    let len = inner
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')?;
    (len > 0 && inner[len..].starts_with(b"|>")).then_some(len + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_token_and_nothing_that_only_looks_like_one() {
        let mut tokens = ControlTokens::default();
        tokens.insert("<|a|>", 7).unwrap();
        tokens.insert("<|a_1|>", 8).unwrap();
        assert_eq!(tokens.find("x<|a|>", 0), Some((1..6, 7)));
        assert_eq!(tokens.find("<<|<|a_1|><|a|>", 0), Some((3..10, 8)));
        assert_eq!(tokens.find("<|a|><|a|>", 1), Some((5..10, 7)));
        for text in [
            "", "<", "<|", "<|a", "<|a|", "<|a_1|", "<|b|>", "<|a |>", "<| a|>", "<||>",
        ] {
            assert_eq!(tokens.find(text, 0), None, "{text}");
        }
        assert!(is_name("<|endoftext|>"));
        for name in ["<||>", "<|a|>x", "a", "<|a b|>", "<|a|", "<|<|a|>"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
