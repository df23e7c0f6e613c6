//! A suggestion, and the parts in which it is accepted.

use crate::generate::{Completion, FinishReason};

/// How much of a suggestion is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Accept {
    /// White space, then a word of letters, digits and underscores, or a run of other characters.
    Word,
    /// The first line that is not blank and its line break, with the blank ones before it.
    Line,
    /// All of it.
    All,
}

impl Accept {
    /// How many bytes of `text` that is.
    pub(super) fn of(self, text: &str) -> usize {
        match self {
            Self::Word => word(text),
            Self::Line => line(text),
            Self::All => text.len(),
        }
    }
}

fn word(text: &str) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let body = text.trim_start();
    let rest = match body.chars().next() {
        Some(c) if is_word(c) => body.trim_start_matches(is_word),
        _ => body.trim_start_matches(|c: char| !is_word(c) && !c.is_whitespace()),
    };
    text.len() - rest.len()
}

fn line(text: &str) -> usize {
    let blank = text.len() - text.trim_start().len();
    let end = text[blank..].find('\n');
    end.map_or(text.len(), |end| blank + end + 1)
}

/// What might follow the cursor.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Suggestion<'a> {
    /// What of it is not typed or accepted yet; never empty.
    pub text: &'a str,
    /// The completion that it is made of: before post-processing, and before anything was typed.
    pub completion: &'a Completion,
    /// By what it was ranked, in nats a token, see [`rank`](crate::code::rank); nothing where it
    /// was not.
    pub score: Option<f64>,
}

impl Suggestion<'_> {
    /// Whether it was ended before the model or its limits would have ended it, so that computing
    /// it again may give more.
    pub fn is_partial(&self) -> bool {
        use FinishReason::{Cancelled, Deadline, PrefillLimit};
        matches!(
            self.completion.finish_reason,
            Cancelled | Deadline | PrefillLimit
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_and_lines() {
        let parts = |text: &str, accept: Accept| {
            let (mut rest, mut parts) = (text, Vec::new());
            while !rest.is_empty() {
                let (part, left) = rest.split_at(accept.of(rest));
                parts.push(part.to_owned());
                rest = left;
            }
            parts
        };
        assert_eq!(
            parts("(a_1, ß): \r\n  return", Accept::Word),
            ["(", "a_1", ",", " ß", "):", " \r\n  return"]
        );
        assert_eq!(
            parts("\n  \n  a\r\n\n b\n ", Accept::Line),
            ["\n  \n  a\r\n", "\n b\n", " "]
        );
        assert_eq!(parts("a\nb", Accept::All), ["a\nb"]);
    }

    /// One character after the other, with a state.
    fn slow_word(text: &str) -> usize {
        let mut kind = 0;
        for (at, c) in text.char_indices() {
            let next = match c {
                c if c.is_whitespace() => 0,
                c if c.is_alphanumeric() || c == '_' => 1,
                _ => 2,
            };
            if kind != 0 && next != kind {
                return at;
            }
            kind = next;
        }
        text.len()
    }

    fn slow_line(text: &str) -> usize {
        let mut taken = 0;
        for line in text.split_inclusive('\n') {
            taken += line.len();
            if line.chars().any(|c| !c.is_whitespace()) {
                break;
            }
        }
        taken
    }

    proptest! {
        #[test]
        fn as_reading_character_by_character(text in "[a_(+ \t\r\n\u{e9}\u{3000}]{0,12}") {
            prop_assert_eq!(Accept::Word.of(&text), slow_word(&text));
            prop_assert_eq!(Accept::Line.of(&text), slow_line(&text));
        }
    }
}
