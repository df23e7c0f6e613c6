//! Stop strings in a stream of text.

use std::sync::Arc;

use crate::error::{Result, bail};
use crate::memory::{TryGrowText, try_copy_text, try_copy_texts};

/// Passes text on until one of the stop strings appears, however it is cut into pieces.
///
/// Text that may turn out to be the start of a stop string is held back until that is decided.
#[derive(Debug, Clone)]
pub struct StopStrings {
    /// The same for all samples of a request.
    stops: Arc<Vec<String>>,
    held: String,
}

impl StopStrings {
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for an empty stop string, and
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    pub fn new(stops: &[String]) -> Result<Self> {
        if let Some(i) = stops.iter().position(String::is_empty) {
            bail!(
                InvalidArgument,
                "stop string {i} is empty and would always stop"
            );
        }
        Ok(Self {
            stops: Arc::new(try_copy_texts(stops)?),
            held: String::new(),
        })
    }

    /// Takes the next piece and appends to `out` what is certainly not part of a stop string.
    /// Returns the index of the stop string that appeared, if one did: the one that begins
    /// first, the longest of those.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    pub fn push(&mut self, text: &str, out: &mut String) -> Result<Option<usize>> {
        self.held.try_push_str(text)?;
        let found = (0..self.stops.len())
            .filter_map(|i| Some((self.held.find(&self.stops[i])?, i)))
            .min_by_key(|&(at, i)| (at, std::cmp::Reverse(self.stops[i].len())));
        if let Some((at, index)) = found {
            out.try_push_str(&self.held[..at])?;
            self.held.clear();
            return Ok(Some(index));
        }
        let keep = self.possible_start();
        out.try_push_str(&self.held[..keep])?;
        self.held.drain(..keep);
        Ok(None)
    }

    /// A copy, which memory may be refused for.
    pub(super) fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            stops: Arc::clone(&self.stops),
            held: try_copy_text(&self.held)?,
        })
    }

    /// Ends the stream: what is held back is no stop string after all.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Where the held text may begin a stop string that is not complete yet.
    fn possible_start(&self) -> usize {
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let from = self.held.len().saturating_sub(longest.saturating_sub(1));
        (from..self.held.len())
            .filter(|&at| self.held.is_char_boundary(at))
            .find(|&at| self.stops.iter().any(|s| s.starts_with(&self.held[at..])))
            .unwrap_or(self.held.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(stops: &[&str], pieces: &[&str]) -> (String, Option<usize>) {
        let stops: Vec<String> = stops.iter().map(|s| s.to_string()).collect();
        let mut matcher = StopStrings::new(&stops).unwrap();
        let mut out = String::new();
        for piece in pieces {
            if let Some(index) = matcher.push(piece, &mut out).unwrap() {
                return (out, Some(index));
            }
        }
        out.push_str(&matcher.finish());
        (out, None)
    }

    #[test]
    fn stops_across_pieces() {
        assert_eq!(run(&["\n\n"], &["a\n", "\nb"]), ("a".into(), Some(0)));
        assert_eq!(run(&["abc", "b"], &["xa", "b"]), ("xa".into(), Some(1)));
        assert_eq!(run(&["ab", "abc"], &["xabc"]), ("x".into(), Some(1)));
        assert_eq!(run(&["éé"], &["aé", "x"]), ("aéx".into(), None));
        assert_eq!(run(&[], &["a", "b"]), ("ab".into(), None));
        assert!(StopStrings::new(&[String::new()]).is_err());
    }

    #[test]
    fn nothing_is_held_longer_than_needed() {
        let mut matcher = StopStrings::new(&["def".into()]).unwrap();
        let mut out = String::new();
        matcher.push("abd", &mut out).unwrap();
        assert_eq!(out, "ab");
        matcher.push("x", &mut out).unwrap();
        assert_eq!(out, "abdx");
    }

    proptest! {
        /// One stop string, whatever the pieces: the text before its first occurrence.
        #[test]
        fn pieces_do_not_matter(text in "[ab\u{e9}]{0,30}", stop in "[ab\u{e9}]{1,4}", cuts in proptest::collection::vec(0usize..31, 0..6)) {
            let chars: Vec<char> = text.chars().collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(chars.len())).collect();
            cuts.extend([0, chars.len()]);
            cuts.sort_unstable();
            let pieces: Vec<String> = cuts.windows(2).map(|c| chars[c[0]..c[1]].iter().collect()).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let expected = match text.find(&stop) {
                Some(at) => (text[..at].to_string(), Some(0)),
                None => (text.clone(), None),
            };
            prop_assert_eq!(run(&[&stop], &pieces), expected);
        }
    }
}
