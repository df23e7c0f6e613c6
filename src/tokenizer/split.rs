//! How a tokenizer divides text into the pieces that merges stay inside of.
//!
//! A file may name several steps; each works on the pieces of the one before, as if a piece were a
//! text of its own. A tokenizer without a pattern, SentencePiece's kind, merges through whole texts.
//! Such a text is divided here where no token of the vocabulary has the two bytes beside each other
//! that meet there: no merge ever crosses that place, so the ids are the same and the pieces short.

use std::ops::Range;

use super::patterns::Pattern;
use super::whitespace::SpaceRuns;
use crate::error::Result;

/// How text is divided.
#[derive(Debug)]
pub(super) enum Split {
    /// By GPT-2's pattern around CodeGeeX's runs of spaces, which have tokens of their own.
    CodeGeex(SpaceRuns),
    /// By one pattern that covers every text.
    One(Pattern),
    /// By several steps.
    Steps(Box<[Pattern]>),
    /// Where no token reaches across.
    Joins(Box<Joins>),
}

/// Which bytes tokens have beside each other.
pub(super) struct Joins([u64; 1024]);

impl std::fmt::Debug for Joins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let joined: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        write!(f, "Joins({joined} pairs)")
    }
}

impl Joins {
    /// No bytes are joined.
    pub(super) fn new() -> Self {
        Self([0; 1024])
    }

    /// A token has `left` before `right`.
    pub(super) fn join(&mut self, left: u8, right: u8) {
        let at = usize::from(left) << 8 | usize::from(right);
        self.0[at / 64] |= 1 << (at % 64);
    }

    /// Text is divided before every space.
    pub(super) fn divide_at_spaces(&mut self) {
        for left in 0..=u8::MAX {
            let at = usize::from(left) << 8 | usize::from(b' ');
            self.0[at / 64] &= !(1 << (at % 64));
        }
    }

    #[inline]
    fn are_joined(&self, left: u8, right: u8) -> bool {
        let at = usize::from(left) << 8 | usize::from(right);
        self.0[at / 64] >> (at % 64) & 1 == 1
    }

    /// Where the piece ends that begins at `start`, which is before the end.
    #[inline]
    pub(super) fn piece_end(&self, bytes: &[u8], start: usize) -> usize {
        let mut at = start + 1;
        while at < bytes.len() && self.are_joined(bytes[at - 1], bytes[at]) {
            at += 1;
        }
        at
    }
}

/// Calls `take` with every piece of `text[range]` that the steps leave.
pub(super) fn by_steps(
    steps: &[Pattern],
    text: &str,
    range: Range<usize>,
    take: &mut impl FnMut(Range<usize>) -> Result<()>,
) -> Result<()> {
    let Some((step, rest)) = steps.split_first() else {
        return match range.is_empty() {
            true => Ok(()),
            false => take(range),
        };
    };
    // To a step, its piece is the whole text.
    let piece = &text[range.clone()];
    let mut done = 0;
    while let Some(found) = step.find(piece, done) {
        let start = range.start;
        if done < found.start {
            by_steps(rest, text, start + done..start + found.start, take)?;
        }
        by_steps(rest, text, start + found.start..start + found.end, take)?;
        done = found.end;
    }
    match done < piece.len() {
        true => by_steps(rest, text, range.start + done..range.end, take),
        false => Ok(()),
    }
}
