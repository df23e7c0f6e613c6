//! What happens to text before it is split: composition, and words put in place of others.

use std::collections::TryReserveError;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::charsmap::CharsMap;
use crate::memory::{TryGrowText, try_vec};

/// One step of normalization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Normalization form C of Unicode.
    Nfc,
    /// Text put before a text that is not empty.
    Prepend(String),
    /// Every occurrence of the first text becomes the second.
    Replace(String, String),
    /// The map of characters of a SentencePiece model.
    Map(CharsMap),
    /// Several spaces become one, and none stays at the ends.
    Squeeze,
}

/// Working memory of [`apply`]: the result, and memory for another.
#[derive(Debug, Default)]
pub(super) struct Normalized {
    pub text: String,
    spare: String,
}

/// Applies the steps to `text`. Returns whether they change it: then `scratch` has the result. What
/// is put before a text is left out where the text goes on from another one.
pub(super) fn apply(
    steps: &[Step],
    text: &str,
    goes_on: bool,
    scratch: &mut Normalized,
) -> Result<bool, TryReserveError> {
    let mut changed = false;
    for step in steps {
        let current = match changed {
            true => &scratch.text,
            false => text,
        };
        let same = match step {
            Step::Nfc => current.is_ascii() || is_nfc_quick(current.chars()) == IsNormalized::Yes,
            Step::Prepend(_) => goes_on || current.is_empty(),
            Step::Replace(from, _) => from.is_empty() || !current.contains(&**from),
            Step::Map(_) => false,
            Step::Squeeze => {
                !current.starts_with(' ')
                    && !current.ends_with([' ', '▁'])
                    && !current.contains("  ")
            }
        };
        if same {
            continue;
        }
        scratch.spare.clear();
        scratch.spare.try_reserve(current.len())?;
        write(step, current, goes_on, &mut scratch.spare)?;
        std::mem::swap(&mut scratch.text, &mut scratch.spare);
        changed = true;
    }
    Ok(changed)
}

fn write(step: &Step, text: &str, goes_on: bool, out: &mut String) -> Result<(), TryReserveError> {
    match step {
        Step::Map(map) => map.write(text, out)?,
        Step::Squeeze => {
            let mut rest = text.trim_end_matches([' ', '▁']);
            if goes_on && rest.starts_with(' ') {
                out.try_push_str(" ")?;
            }
            loop {
                rest = rest.trim_start_matches(' ');
                let end = rest.find("  ").unwrap_or(rest.len());
                out.try_push_str(&rest[..end])?;
                rest = &rest[end..];
                match rest.is_empty() {
                    true => break,
                    false => out.try_push_str(" ")?,
                }
            }
        }
        Step::Nfc => {
            // The iterator holds a run of marks, in memory of its own that cannot be refused.
            try_vec::<u8>(text.len().saturating_mul(NFC_BYTES))?;
            for c in text.nfc() {
                out.try_push_str(c.encode_utf8(&mut [0; 4]))?;
            }
        }
        Step::Prepend(before) => {
            out.try_push_str(before)?;
            out.try_push_str(text)?;
        }
        Step::Replace(from, to) => {
            let mut rest = text;
            while let Some((before, behind)) = rest.split_once(&**from) {
                out.try_push_str(before)?;
                out.try_push_str(to)?;
                rest = behind;
            }
            out.try_push_str(rest)?;
        }
    }
    Ok(())
}

/// Bytes that composing takes for a byte of text, when all of it is one run of marks: two lists of a
/// class and a character, which double as they grow and are there twice while they move.
const NFC_BYTES: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(steps: &[Step], text: &str) -> Option<String> {
        let mut scratch = Normalized::default();
        let changed = apply(steps, text, false, &mut scratch).unwrap();
        changed.then_some(scratch.text)
    }

    #[test]
    fn steps_follow_each_other() {
        let replace = |from: &str, to: &str| Step::Replace(from.into(), to.into());
        let steps = [
            Step::Prepend("_".into()),
            replace(" ", "_"),
            replace("__", "-"),
        ];
        assert_eq!(applied(&steps, "a b").unwrap(), "_a_b");
        assert_eq!(applied(&steps, " a").unwrap(), "-a");
        assert_eq!(applied(&steps, ""), None);
        assert_eq!(applied(&steps[1..], "ab"), None);
        assert_eq!(applied(&[Step::Nfc], "e\u{301}").unwrap(), "é");
        assert_eq!(applied(&[Step::Nfc], "\u{212b}").unwrap(), "Å");
        assert_eq!(applied(&[Step::Nfc], "éa中"), None);
        let mut scratch = Normalized::default();
        assert!(!apply(&steps[..1], "ab", true, &mut scratch).unwrap());
    }

    #[test]
    fn a_long_run_of_marks_takes_no_time_to_speak_of() {
        let text = "a".to_owned() + &"\u{301}\u{327}".repeat(1 << 18);
        assert_eq!(
            applied(&[Step::Nfc], &text).unwrap().chars().count(),
            1 << 19
        );
    }
}
