//! Added tokens: where a text spells one, by the longest name at the leftmost place.
//!
//! A file gives each token flags: whether it is looked for before normalization or after, as a word
//! of its own only, and with the white space before or behind. Names have a limit, so finding is
//! linear in the text.

use std::collections::TryReserveError;
use std::ops::Range;

use super::trie::{Full, Trie};
use super::unicode::{Category, category};
use crate::memory::{TryGrow, try_copy_text};

/// Bytes of the longest name.
pub(super) const MAX_NAME: usize = 256;

/// A token that is found in text before it is split.
#[derive(Debug)]
pub(super) struct AddedToken {
    pub id: u32,
    pub name: String,
    pub flags: Flags,
    /// Whether the token is text rather than a control: it is found whatever the policy.
    pub is_text: bool,
}

/// How a token is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags {
    /// Only where no letter, digit, mark or underscore is beside it.
    pub single_word: bool,
    /// White space before belongs to it.
    pub lstrip: bool,
    /// White space behind belongs to it.
    pub rstrip: bool,
    /// In normalized text.
    pub normalized: bool,
}

/// Tokens, by their names.
#[derive(Debug)]
pub(super) struct Finder {
    /// Numbers of `tokens` behind the 256 bytes.
    trie: Trie,
    tokens: Vec<(u32, Flags)>,
    /// Whether a name begins with each byte.
    begins: [bool; 256],
    /// The byte that all names begin with, if it is one of ASCII.
    begin: Option<char>,
}

/// What was found: the bytes that belong to the token, and its id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub range: Range<usize>,
    pub id: u32,
}

impl Finder {
    /// Finds `tokens`, none of which has an empty name or one longer than [`MAX_NAME`]; `None` of
    /// none. Of two with the same name, the first counts.
    pub(super) fn new<'t>(
        tokens: impl Iterator<Item = (&'t str, u32, Flags)>,
    ) -> Result<Option<Self>, Full> {
        let bytes = std::array::from_fn(|byte| byte as u8);
        let mut this = Self {
            trie: Trie::new(&bytes, 0)?,
            tokens: Vec::new(),
            begins: [false; 256],
            begin: None,
        };
        let mut count = 0;
        for (name, id, flags) in tokens {
            let Some((&head, tail)) = name.as_bytes().split_first() else {
                continue;
            };
            let there = this.trie.longest_from(name.as_bytes(), 256);
            if there.is_none_or(|(_, len)| len < name.len()) {
                let number = 256 + this.tokens.len() as u32;
                this.trie.insert(number, u32::from(head), tail)?;
                this.tokens.try_push((id, flags))?;
            }
            this.begins[usize::from(head)] = true;
            count += 1;
        }
        let mut heads = (0..=u8::MAX).filter(|&byte| this.begins[usize::from(byte)]);
        if let (Some(only), None) = (heads.next(), heads.next())
            && only.is_ascii()
        {
            this.begin = Some(char::from(only));
        }
        Ok((count > 0).then_some(this))
    }

    /// The first token in `text` that begins at `from` or later; what is before `from` belongs to
    /// others.
    pub(super) fn find(&self, text: &str, from: usize) -> Option<Found> {
        let bytes = text.as_bytes();
        let mut at = from;
        loop {
            at += match self.begin {
                Some(begin) => text[at..].find(begin)?,
                None => bytes[at..]
                    .iter()
                    .position(|&byte| self.begins[usize::from(byte)])?,
            };
            let Some((number, len)) = self.trie.longest_from(&bytes[at..], 256) else {
                at = text.ceil_char_boundary(at + 1);
                continue;
            };
            let (id, flags) = self.tokens[(number - 256) as usize];
            let (mut start, mut end) = (at, at + len);
            if flags.single_word && !(is_word_end(text, start) && is_word_start(text, end)) {
                at = end;
                continue;
            }
            if flags.lstrip {
                start = from + text[from..start].trim_end().len();
            }
            if flags.rstrip {
                end = text.len() - text[end..].trim_start().len();
            }
            return Some(Found {
                range: start..end,
                id,
            });
        }
    }
}

/// Whether no word reaches up to `at`.
fn is_word_end(text: &str, at: usize) -> bool {
    !text[..at].chars().next_back().is_some_and(is_word)
}

/// Whether no word begins at `at`.
fn is_word_start(text: &str, at: usize) -> bool {
    !text[at..].chars().next().is_some_and(is_word)
}

/// `\w`
fn is_word(c: char) -> bool {
    // Connecting punctuation, and the two joiners.
    let joins = "_‿⁀⁔︳︴﹍﹎﹏＿\u{200c}\u{200d}".contains(c);
    joins || c.is_alphabetic() || category(c) == Category::Mark || c.is_numeric()
}

/// A token with a copy of the name. White space is text, everything else a control.
pub(super) fn token(name: &str, id: u32, flags: Flags) -> Result<AddedToken, TryReserveError> {
    Ok(AddedToken {
        id,
        name: try_copy_text(name)?,
        flags,
        is_text: name.chars().all(char::is_whitespace),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finder(tokens: &[(&str, Flags)]) -> Finder {
        let tokens = tokens.iter().zip(0..);
        Finder::new(tokens.map(|(&(name, flags), id)| (name, id, flags)))
            .unwrap()
            .unwrap()
    }

    fn all(finder: &Finder, text: &str) -> Vec<(usize, usize, u32)> {
        let (mut found, mut from) = (Vec::new(), 0);
        while let Some(Found { range, id }) = finder.find(text, from) {
            from = range.end;
            found.push((range.start, range.end, id));
        }
        found
    }

    #[test]
    fn the_longest_at_the_leftmost_place_is_found() {
        let plain = Flags::default();
        let names = ["<|a|>", "<|a_1|>", "<|a|>b", "x", "é|", "é|é"];
        let finder = finder(&names.map(|name| (name, plain)));
        assert_eq!(all(&finder, "-<|a|>"), [(1, 6, 0)]);
        assert_eq!(
            all(&finder, "<<|<|a_1|><|a|>bx"),
            [(3, 10, 1), (10, 16, 2), (16, 17, 3)]
        );
        assert_eq!(all(&finder, "éé|éé|"), [(2, 7, 5), (7, 10, 4)]);
        for text in ["", "<", "<|", "<|a", "<|a|", "<|b|>", "<|a |>", "è|"] {
            assert_eq!(all(&finder, text), [], "{text}");
        }
        assert!(Finder::new([].into_iter()).unwrap().is_none());
    }

    #[test]
    fn flags_say_what_belongs_to_a_token() {
        let flags = |single_word, lstrip, rstrip| Flags {
            single_word,
            lstrip,
            rstrip,
            normalized: false,
        };
        let finder = finder(&[
            ("one", flags(true, false, false)),
            ("<l>", flags(false, true, false)),
            ("<r>", flags(false, false, true)),
        ]);
        assert_eq!(all(&finder, "one one1 (one)_one"), [(0, 3, 0), (10, 13, 0)]);
        assert_eq!(all(&finder, "a \n<l> <l>"), [(1, 6, 1), (6, 10, 1)]);
        assert_eq!(all(&finder, "a <r> \t b"), [(2, 8, 2)]);
        assert_eq!(all(&finder, "<r>  <l>"), [(0, 5, 2), (5, 8, 1)]);
    }

    /// The worst that a file of names and a text can do to each other.
    #[test]
    fn names_that_almost_match_everywhere() {
        let name = "<".repeat(MAX_NAME - 1) + "a";
        let finder = finder(&[(&name, Flags::default())]);
        assert_eq!(all(&finder, &"<".repeat(1 << 18)), []);
    }
}
