//! How much of a long text the model sees: from a fixed line on, which moves seldom and far.
//!
//! Position embeddings are absolute, so a prompt that loses its first token has nothing in common with the
//! one before. A window that slid with every keystroke would be computed anew at every keystroke;
//! one that begins at an anchor, and loses some 512 tokens at once when it is full, is computed
//! anew once in 512 tokens.
//!
//! ```text
//! most:   tokens of a prompt at most
//! full:   at most most - step tokens, from the leftmost line start that gives that
//! forward, when there are more than most; back, when there are no more than most - 2 step and
//! something was cut: both to the full window. So the anchor stays for a step of typing and for a
//! step of deleting after it moved.
//! ```

#[cfg(test)]
mod tests;

use crate::error::Result;
use crate::memory::try_concat;
use crate::tokenizer::{SpecialTokens, Tokenizer};

/// No token of GPT-2 has more bytes. Of a vocabulary with longer ones, texts of nothing else are
/// cut sooner than they had to be.
pub(super) const TOKEN_BYTES: usize = 128;

/// What of a text the model sees.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// What stands before it: the tag line, or nothing.
    head: String,
    /// Tokens of a prompt at most, those of the head included.
    most: usize,
    /// Tokens by which the anchor moves, about.
    step: usize,
    /// Where in the text it begins.
    anchor: usize,
}

impl Window {
    /// A window on an empty text.
    pub fn new(head: String, most: usize, step: usize) -> Self {
        Self {
            head,
            most,
            step,
            anchor: 0,
        }
    }

    /// Where in the text it begins.
    pub fn anchor(&self) -> usize {
        self.anchor
    }

    /// The head and what is in the window.
    pub fn prompt(&self, text: &str) -> String {
        [&self.head, &text[self.anchor..]].concat()
    }

    /// Follows a text from `old`, which it is on, to `new`. Returns the ids of the prompt, and
    /// whether the window begins with other text than before.
    ///
    /// # Errors
    /// Those of [`Tokenizer::encode`]; the window is then as before.
    pub fn follow(
        &mut self,
        tokenizer: &dyn Tokenizer,
        old: &str,
        new: &str,
    ) -> Result<(Vec<u32>, bool)> {
        let before = self.anchor;
        let (mut anchor, mut moved) = match self.kept(old, new) {
            Some(anchor) => (anchor, false),
            None => (0, before > 0),
        };
        let too_long = new.len() - anchor > self.most * TOKEN_BYTES;
        let mut ids = match too_long {
            true => Vec::new(),
            false => self.encode(tokenizer, new, anchor)?,
        };
        let is_over = too_long || ids.len() > self.most;
        let is_short = anchor > 0 && ids.len() + 2 * self.step <= self.most;
        if is_over || is_short {
            let full = self.full(tokenizer, new)?;
            moved |= full != anchor;
            ids = self.encode(tokenizer, new, full)?;
            anchor = full;
        }
        self.anchor = anchor;
        Ok((ids, moved))
    }

    /// Where the window begins in `new`, if that is where it began in `old`.
    fn kept(&self, old: &str, new: &str) -> Option<usize> {
        let (cut, window) = old.split_at(self.anchor);
        if new.starts_with(cut) {
            return Some(self.anchor);
        }
        // Something changed above it and nothing in it.
        let above = new.strip_suffix(window)?;
        let is_line = |text: &str| text.is_empty() || text.ends_with('\n');
        (!window.is_empty() && is_line(above) == is_line(cut)).then_some(above.len())
    }

    fn encode(&self, tokenizer: &dyn Tokenizer, text: &str, anchor: usize) -> Result<Vec<u32>> {
        let prompt = try_concat(&[&self.head, &text[anchor..]])?;
        tokenizer.encode_prompt(&prompt, SpecialTokens::AsText)
    }

    /// The leftmost line start from which no more than `most - step` tokens are left; inside of a
    /// line where the next line start would cost more than half of that.
    fn full(&self, tokenizer: &dyn Tokenizer, text: &str) -> Result<usize> {
        let target = self.most - self.step;
        let first = text.floor_char_boundary(text.len().saturating_sub(target * TOKEN_BYTES));
        let fits = |at: usize| -> Result<bool> {
            Ok(at >= first && self.encode(tokenizer, text, at)?.len() <= target)
        };
        if fits(0)? {
            return Ok(0);
        }
        // Where that number of tokens begins, about.
        let head = tokenizer.encode_prompt(&self.head, SpecialTokens::AsText)?;
        let tail = tokenizer.encode_continuation(&text[first..], SpecialTokens::AsText)?;
        let last = tail.iter().rev().take(target.saturating_sub(head.len()));
        let bytes = last.map(|&id| tokenizer.token_bytes(id).map_or(0, <[u8]>::len));
        let at = text.len().saturating_sub(bytes.sum::<usize>());
        let half = at + (text.len() - at) / 2;
        let mut anchor = match line_start(text, at).filter(|&line| line <= half) {
            Some(line) => line,
            None => {
                let mut at = text.ceil_char_boundary(at);
                while !fits(at)? && at < text.len() {
                    at = text.ceil_char_boundary(at + 1);
                }
                return Ok(at);
            }
        };
        while let Some(above) = line_above(text, anchor) {
            if !fits(above)? {
                break;
            }
            anchor = above;
        }
        while !fits(anchor)? {
            anchor = line_start(text, anchor + 1).unwrap_or(text.len());
        }
        Ok(anchor)
    }
}

/// The first line start at `at` or after it.
fn line_start(text: &str, at: usize) -> Option<usize> {
    match at.checked_sub(1) {
        None => Some(0),
        Some(before) => {
            let end = text.as_bytes().get(before..)?.iter();
            Some(before + end.copied().position(|b| b == b'\n')? + 1)
        }
    }
}

/// The line start before the line that begins at `line`.
fn line_above(text: &str, line: usize) -> Option<usize> {
    let above = &text.as_bytes()[..line.checked_sub(1)?];
    Some(
        above
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |at| at + 1),
    )
}
