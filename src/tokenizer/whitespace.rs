//! CodeGeeX's tokens for runs of spaces, which make indentation cheap.
//!
//! Before byte-pair encoding, every run of L spaces, 2 ≤ L ≤ 10, becomes the token
//! `<|extratoken_{8+L}|>`; of a longer run first tens, then what is left. A single space that is
//! left stays text, so eleven spaces and `x` are the token of ten and the piece ` x`. Tabs, line
//! ends and other white space are not concerned.

use std::collections::TryReserveError;

/// The shortest run with a token.
pub(super) const MIN_RUN: usize = 2;

/// The longest run with a token.
pub(super) const MAX_RUN: usize = 10;

/// Number of tokens for runs.
pub(super) const RUN_TOKENS: usize = MAX_RUN - MIN_RUN + 1;

const SPACES: &[u8; MAX_RUN] = b"          ";

/// The ids of the runs, from [`MIN_RUN`] to [`MAX_RUN`].
#[derive(Debug, Clone, Copy)]
pub(super) struct SpaceRuns([u32; RUN_TOKENS]);

/// The name of the token of a run of `len` spaces.
pub(super) fn run_name(len: usize) -> String {
    format!("<|extratoken_{}|>", 8 + len)
}

impl SpaceRuns {
    /// Runs whose tokens have the ids of `ids`, shortest first.
    pub(super) fn new(ids: [u32; RUN_TOKENS]) -> Self {
        Self(ids)
    }

    /// Appends the tokens of the run of spaces at `at`, and returns where it ends or, when one
    /// space is left over, where that one is.
    pub(super) fn encode(
        &self,
        text: &[u8],
        at: usize,
        ids: &mut Vec<u32>,
    ) -> Result<usize, TryReserveError> {
        let end = text[at..]
            .iter()
            .position(|&byte| byte != b' ')
            .map_or(text.len(), |len| at + len);
        let (tens, rest) = ((end - at) / MAX_RUN, (end - at) % MAX_RUN);
        ids.try_reserve(tens + 1)?;
        ids.extend(std::iter::repeat_n(self.0[MAX_RUN - MIN_RUN], tens));
        Ok(match rest.checked_sub(MIN_RUN) {
            Some(run) => {
                ids.push(self.0[run]);
                end
            }
            None => end - rest,
        })
    }

    /// The spaces that `id` stands for, if it is one of these tokens.
    pub(super) fn decode(&self, id: u32) -> Option<&'static [u8]> {
        let run = self.0.iter().position(|&token| token == id)?;
        Some(&SPACES[..MIN_RUN + run])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tens_come_first_and_a_single_space_stays() {
        let runs = SpaceRuns::new([2, 3, 4, 5, 6, 7, 8, 9, 10]);
        for len in 2..100 {
            let text = " ".repeat(len) + "x";
            let mut ids = Vec::new();
            let end = runs.encode(text.as_bytes(), 0, &mut ids).unwrap();
            let taken: u32 = ids.iter().sum();
            assert_eq!(end, taken as usize);
            assert_eq!(len - end, usize::from(len % 10 == 1));
            assert!(ids.iter().rev().skip(1).all(|&id| id == 10));
            let spaces: usize = ids
                .iter()
                .filter_map(|&id| runs.decode(id))
                .map(<[u8]>::len)
                .sum();
            assert_eq!(spaces, end);
        }
        assert_eq!(runs.decode(11), None);
        assert_eq!(run_name(10), "<|extratoken_18|>");
    }
}
