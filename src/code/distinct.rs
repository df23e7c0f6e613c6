//! Which of several candidates are worth showing: no blanks, nothing twice.

use std::collections::HashSet;

use crate::error::Result;
use crate::memory::TryGrow;

/// The indices of the candidates that are neither blank nor equal to an earlier one, in their
/// order. White space at the end makes no difference: it is invisible, and samples that end at
/// different stops differ in nothing else. White space at the beginning does.
///
/// Indices, so that a caller keeps what belongs to a candidate: its ids, its log-probabilities.
///
/// # Errors
/// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
///
/// ```
/// use codegeex::code::distinct;
///
/// let texts = ["", "return x", "return x\n", "  return x", " \t\n"];
/// assert_eq!(distinct(&texts)?, [1, 3]);
/// # Ok::<(), codegeex::Error>(())
/// ```
pub fn distinct<S: AsRef<str>>(candidates: &[S]) -> Result<Vec<usize>> {
    let mut seen = HashSet::new();
    seen.try_reserve(candidates.len())?;
    let mut kept = Vec::new();
    for (index, text) in candidates.iter().enumerate() {
        let text = text.as_ref().trim_end();
        if !text.is_empty() && seen.insert(text) {
            kept.try_push(index)?;
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every candidate against every earlier one.
    fn slow(candidates: &[String]) -> Vec<usize> {
        let mut kept: Vec<usize> = Vec::new();
        for (i, text) in candidates.iter().enumerate() {
            let is_new = kept
                .iter()
                .all(|&k| candidates[k].trim_end() != text.trim_end());
            if is_new && text.chars().any(|c| !c.is_whitespace()) {
                kept.push(i);
            }
        }
        kept
    }

    #[test]
    fn line_ends_and_blanks_at_the_end_make_no_difference() {
        let texts = [
            "a\r\nb",
            "a\nb",
            "a\nb\r\n\r\n",
            "a\nb\u{3000}",
            "\u{a0}\r\n",
        ];
        assert_eq!(distinct(&texts).unwrap(), [0, 1]);
        assert_eq!(distinct::<&str>(&[]).unwrap(), Vec::<usize>::new());
        assert_eq!(distinct(&["\t", " "]).unwrap(), Vec::<usize>::new());
    }

    proptest! {
        #[test]
        fn as_comparing_all_pairs(texts in proptest::collection::vec("[ab \t\r\n\u{3000}]{0,4}", 0..20)) {
            let kept = distinct(&texts).unwrap();
            prop_assert_eq!(&kept, &slow(&texts));
            let again: Vec<&String> = kept.iter().map(|&i| &texts[i]).collect();
            prop_assert_eq!(distinct(&again).unwrap(), (0..kept.len()).collect::<Vec<_>>());
        }
    }
}
