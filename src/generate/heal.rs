//! Token healing: a prompt may end in the middle of what the model knows as one token.
//!
//! A prompt that ends in `"    "` has the token of four spaces at its end, and a model that has
//! learned to see five spaces as one token then finds a further space unlikely. Healing
//! removes the last tokens of the prompt, as many as text that follows may change, and re-samples
//! them: every sampled token has to agree with the bytes that were removed, until they are used up,
//! and may go beyond them.
//!
//! Which tokens are removed: some token that text is encoded to might begin with the last bytes
//! of the prompt and go on. For the longest such end of the prompt, all tokens that overlap it go;
//! and where the prompt ends in white space, those that overlap its last character, since what
//! follows decides which piece that belongs to. `tests.rs` measures this against the encodings of
//! whole files.
//!
//! This module knows bytes and tokens; it does not know what is likely.

#[cfg(test)]
mod tests;

use super::Candidates;
use crate::error::Result;
use crate::memory::{TryGrow, try_concat, try_copy};
use crate::tokenizer::{SpecialTokens, Tokenizer};

/// The tokens that text is encoded to, in the order of their bytes.
#[derive(Debug)]
pub(crate) struct TextTokens {
    ids: Vec<u32>,
    /// Bytes of the longest.
    longest: usize,
    /// Whether a run of spaces is divided from its beginning, the longest token first. Then no token
    /// in a run begins elsewhere, however it goes on.
    divides_runs: bool,
}

/// What was taken back from the end of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    /// Tokens that are left, at least one.
    pub kept: usize,
    /// The bytes of the others.
    pub due: Vec<u8>,
}

impl TextTokens {
    /// Looks at every token; takes some 10 ms for 50,000.
    ///
    /// # Errors
    /// Those of [`Tokenizer::encode`].
    pub fn new(tokenizer: &dyn Tokenizer) -> Result<Self> {
        let is_text = |id: u32, bytes: &[u8]| -> Result<bool> {
            if bytes.is_empty() || tokenizer.is_control(id) {
                return Ok(false);
            }
            Ok(match std::str::from_utf8(bytes) {
                // Some tokens never come of encoding, such as GPT-2's own runs of spaces, and no
                // model has learned them.
                Ok(text) => tokenizer.encode_continuation(text, SpecialTokens::AsText)? == [id],
                // A part of a character comes of encoding the whole one.
                Err(_) => true,
            })
        };
        let count = u32::try_from(tokenizer.vocab_size()).unwrap_or(u32::MAX);
        let mut ids = Vec::new();
        let mut longest = 0;
        for id in 0..count {
            let bytes = tokenizer.token_bytes(id).unwrap_or_default();
            if is_text(id, bytes)? {
                ids.try_push(id)?;
                longest = longest.max(bytes.len());
            }
        }
        ids.sort_unstable_by_key(|&id| (tokenizer.token_bytes(id), id));
        let divides_runs = divides_runs(tokenizer, &ids)?;
        Ok(Self {
            ids,
            longest,
            divides_runs,
        })
    }

    /// The tokens that begin with `bytes`, in the order of their bytes.
    fn beginning_with(&self, tokenizer: &dyn Tokenizer, bytes: &[u8]) -> &[u32] {
        let of = |id: u32| tokenizer.token_bytes(id).unwrap_or_default();
        let from = self.ids.partition_point(|&id| of(id) < bytes);
        let rest = &self.ids[from..];
        &rest[..rest.partition_point(|&id| of(id).starts_with(bytes))]
    }

    /// A token that begins with `bytes` and goes on.
    fn beyond<'t>(&self, tokenizer: &'t dyn Tokenizer, bytes: &[u8]) -> Option<&'t [u8]> {
        let tokens = self.beginning_with(tokenizer, bytes).iter();
        let mut tokens = tokens.filter_map(|&id| tokenizer.token_bytes(id));
        tokens.find(|token| token.len() > bytes.len())
    }

    /// The tokens that agree with `due`, in the order of their ids: those that it begins with, and
    /// those that begin with it.
    fn agreeing(&self, tokenizer: &dyn Tokenizer, due: &[u8]) -> Result<Vec<u32>> {
        let mut found = try_copy(self.beginning_with(tokenizer, due))?;
        for len in 1..due.len().min(self.longest + 1) {
            let same = self.beginning_with(tokenizer, &due[..len]).iter();
            let is_same = |&&id: &&u32| tokenizer.token_bytes(id) == Some(&due[..len]);
            for &id in same.take_while(is_same) {
                found.try_push(id)?;
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// What of `prompt` text that follows may change; `None` where it is nothing. The first token
    /// is left in any case, and so are control tokens and what is before them.
    ///
    /// # Errors
    /// Those of [`Tokenizer::encode`].
    pub fn cut(&self, tokenizer: &dyn Tokenizer, prompt: &[u32]) -> Result<Option<Cut>> {
        let mut starts = Vec::new();
        let mut tail = Vec::new();
        for &id in prompt.get(1..).unwrap_or_default().iter().rev() {
            match tokenizer.token_bytes(id) {
                Some(bytes) if !tokenizer.is_control(id) => {
                    tail.try_reserve(bytes.len())?;
                    tail.extend(bytes.iter().rev());
                }
                _ => break,
            }
            // Counted from the end, like all lengths here.
            starts.try_push(tail.len())?;
            if tail.len() >= self.longest {
                break;
            }
        }
        tail.reverse();
        let end = |len: usize| &tail[tail.len() - len..];
        let mut tokens = 0;
        let mut take = |len: usize| {
            let overlapping = starts.iter().filter(|&&start| start < len).count() + 1;
            tokens = tokens.max(overlapping.min(starts.len()));
        };
        let known = &prompt[prompt.len() - starts.len()..];
        // Where the tokens at the end begin to be others, if they are encoded to `text`.
        let first_changed = |text: &[u8]| -> Result<Option<usize>> {
            let Ok(text) = std::str::from_utf8(text) else {
                return Ok(None);
            };
            let ids = tokenizer.encode_continuation(text, SpecialTokens::AsText)?;
            let same = ids.iter().zip(known).take_while(|(a, b)| a == b).count();
            Ok(starts.iter().rev().nth(same).copied())
        };
        for len in 1..=tail.len().min(self.longest.saturating_sub(1)) {
            let before = &tail[..tail.len() - len];
            let in_run = end(len)[0] == b' ' && before.last() == Some(&b' ');
            if self.divides_runs && in_run && !starts.contains(&len) {
                continue;
            }
            let Some(longer) = self.beyond(tokenizer, end(len)) else {
                continue;
            };
            take(len);
            // Whether the tokens before that one would still be those that they are. White space
            // belongs to other pieces at the end of a text than before the token.
            let mut text = try_copy(before)?;
            if last_space(before) > 0 {
                text.try_extend(longer)?;
            }
            if let Some(start) = first_changed(&text)? {
                take(start);
            }
        }
        match last_space(&tail) {
            0 => {}
            len => {
                take(len);
                // The last white space may belong to a word, and the run before it be another one.
                if !self.divides_runs
                    && let Some(start) = first_changed(&tail[..tail.len() - len])?
                {
                    take(start);
                }
            }
        }
        let start = tokens.checked_sub(1).and_then(|last| starts.get(last));
        let cut = |&start: &usize| -> Result<Cut> {
            Ok(Cut {
                kept: prompt.len() - tokens,
                due: try_copy(end(start))?,
            })
        };
        start.map(cut).transpose()
    }

    /// Leaves the candidates that agree with `due`.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    pub fn restrict(
        &self,
        tokenizer: &dyn Tokenizer,
        due: &[u8],
        candidates: &mut Candidates,
    ) -> Result<()> {
        let mut agreeing = self.agreeing(tokenizer, due)?.into_iter().peekable();
        candidates.retain(|candidate| {
            while agreeing.next_if(|&id| id < candidate.id).is_some() {}
            agreeing.peek() == Some(&candidate.id)
        });
        Ok(())
    }
}

/// Bytes of the last character, if it is white space. Not for a space: whether a run of them may
/// change is what its tokens tell.
fn last_space(text: &[u8]) -> usize {
    let start = text.len().saturating_sub(4);
    let last = String::from_utf8_lossy(&text[start..]).chars().next_back();
    match last {
        Some(c) if c.is_whitespace() && c != ' ' => c.len_utf8(),
        _ => 0,
    }
}

/// Whether runs of spaces are divided from their beginning, the longest of `ids` first, and what
/// follows takes no space of them.
fn divides_runs(tokenizer: &dyn Tokenizer, ids: &[u32]) -> Result<bool> {
    let spaces = |&&id: &&u32| {
        let bytes = tokenizer.token_bytes(id)?;
        bytes.iter().all(|&b| b == b' ').then_some(bytes.len())
    };
    let lens: Vec<usize> = ids
        .iter()
        .filter_map(|id| spaces(&id))
        .take(MOST_RUNS)
        .collect();
    let longest = lens.iter().copied().max().unwrap_or(0).min(MOST_RUNS);
    for len in 1..=2 * longest {
        let mut left = len;
        let run = " ".repeat(len);
        for id in tokenizer.encode_continuation(&run, SpecialTokens::AsText)? {
            let expected = lens.iter().copied().filter(|&l| l <= left).max();
            let found = tokenizer.token_bytes(id).map_or(0, <[u8]>::len);
            if Some(found) != expected {
                return Ok(false);
            }
            left -= found;
        }
    }
    let words = ids.iter().filter_map(|&id| {
        let text = std::str::from_utf8(tokenizer.token_bytes(id)?).ok()?;
        let rest = text.strip_prefix(' ')?;
        (!rest.is_empty() && !rest.starts_with(' ')).then_some((id, text))
    });
    let mut words = words.take(MOST_RUNS);
    let taken = words.try_fold(false, |taken, (id, text)| {
        let run = try_concat(&[" ", text])?;
        let ids = tokenizer.encode_continuation(&run, SpecialTokens::AsText)?;
        Ok::<_, crate::Error>(taken || ids.last() == Some(&id))
    })?;
    Ok(!taken)
}

/// Tokens for runs of spaces, and of words behind a space, that are looked at; bytes of a run.
const MOST_RUNS: usize = 256;
