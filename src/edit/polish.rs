//! What is done with completions before they are shown: the functions of [`code`](crate::code) in
//! their order, and which tokens of a completion are left after it.

use std::borrow::Cow;

use crate::cancel::CancelToken;
use crate::code::{
    Indentation, Likelihood, cut_at_scope, distinct, rank, reindent, without_overlap,
};
use crate::error::{Error, ErrorKind, Result};
use crate::generate::{Completion, FinishReason, Session};
use crate::language::Language;
use crate::memory::{TryGrow, try_collect, try_collect_ok, try_concat, try_copy_text};
use crate::setters::setters;
use crate::tokenizer::{SpecialTokens, Tokenizer};

/// What is done with completions before they are shown, in this order. All of it by default.
///
/// The first three read the text before the cursor, and the third the text after it, in time
/// linear in them. None of them asks the model for anything; [`rank`](Self::rank) does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Polish {
    /// The indentation of the file, see [`reindent`].
    pub reindent: bool,
    /// Nothing beyond the scope of the cursor, see [`cut_at_scope`].
    pub cut_at_scope: bool,
    /// Nothing that follows the cursor already, see [`without_overlap`].
    pub without_overlap: bool,
    /// Nothing twice, see [`distinct`].
    pub distinct: bool,
    /// The best first, see [`rank`]: by the log-probabilities of the tokens that are shown, and of
    /// the text after the cursor. Where several candidates are left and some text follows the
    /// cursor, the latter costs a call of the model for each, with its tokens and
    /// [`suffix_tokens`](Self::suffix_tokens).
    pub rank: bool,
    /// Tokens of the text after the cursor that candidates are ranked by, at most; 0 ranks by
    /// their own tokens alone.
    pub suffix_tokens: usize,
}

impl Polish {
    /// All post-processing.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        set reindent: bool;
        set cut_at_scope: bool;
        set without_overlap: bool;
        set distinct: bool;
        set rank: bool;
        set suffix_tokens: usize;
    }

    /// Completions as they are.
    pub fn nothing() -> Self {
        Self {
            reindent: false,
            cut_at_scope: false,
            without_overlap: false,
            distinct: false,
            rank: false,
            suffix_tokens: 0,
        }
    }
}

impl Default for Polish {
    fn default() -> Self {
        Self {
            reindent: true,
            cut_at_scope: true,
            without_overlap: true,
            distinct: true,
            rank: true,
            suffix_tokens: 32,
        }
    }
}

/// The text around a cursor, and what the model saw of it.
pub(super) struct Place<'a> {
    pub language: Language,
    pub before: &'a str,
    pub after: &'a str,
    /// The prompt.
    pub prompt: &'a str,
}

/// A completion and what of it is shown.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub text: String,
    pub completion: Completion,
    pub score: Option<f64>,
}

impl Polish {
    /// The candidates to show, best first.
    pub(super) fn apply(
        &self,
        session: &Session,
        place: &Place<'_>,
        completions: Vec<Completion>,
        cancel: &CancelToken,
    ) -> Result<Vec<Candidate>> {
        let style = match self.reindent {
            true => Indentation::of(place.language, place.before)?,
            false => None,
        };
        let shown = |c: &Completion| self.text(style, place, &c.text);
        let texts: Vec<String> = try_collect_ok(completions.iter().map(shown))?;
        let kept = match self.distinct {
            true => distinct(&texts)?,
            false => (0..texts.len()).collect(),
        };
        let mut candidates: Vec<Option<Candidate>> = (texts.into_iter().zip(completions))
            .map(|(text, completion)| {
                let score = None;
                Some(Candidate {
                    text,
                    completion,
                    score,
                })
            })
            .collect();
        let candidates: Vec<Candidate> = (kept.into_iter())
            .filter_map(|i| candidates[i].take())
            .collect();
        match self.rank {
            true => self.ranked(session, place, candidates, cancel),
            false => Ok(candidates),
        }
    }

    /// What is shown of one completion.
    fn text(&self, style: Option<Indentation>, place: &Place<'_>, text: &str) -> Result<String> {
        let (language, before) = (place.language, place.before);
        let text = match style {
            Some(style) => reindent(language, style, before, text)?,
            None => Cow::Borrowed(text),
        };
        let mut text = &*text;
        if self.cut_at_scope {
            text = cut_at_scope(language, before, text)?;
        }
        if self.without_overlap {
            text = without_overlap(language, before, text, place.after)?;
        }
        Ok(try_copy_text(text)?)
    }

    fn ranked(
        &self,
        session: &Session,
        place: &Place<'_>,
        mut candidates: Vec<Candidate>,
        cancel: &CancelToken,
    ) -> Result<Vec<Candidate>> {
        let tokenizer = &**session.generator().tokenizer();
        let shown = candidates
            .iter()
            .map(|c| Shown::new(tokenizer, &c.completion, &c.text));
        let shown: Vec<Shown> = try_collect(shown)?;
        let scored = match candidates.len() {
            0 | 1 => None,
            _ => self.suffixes(session, place, &candidates, &shown, cancel)?,
        };
        let tokens = |i: usize| {
            let (shown, logprobs) = (&shown[i], &candidates[i].completion.logprobs);
            let (end, rest) = match &scored {
                Some(scored) => (shown.whole, &scored[i].rest[..]),
                None => (shown.end, &[][..]),
            };
            try_collect(logprobs[shown.first..end].iter().chain(rest).copied())
        };
        let tokens: Vec<Vec<f32>> = try_collect_ok((0..candidates.len()).map(tokens))?;
        let likelihoods: Vec<Likelihood<'_>> = (tokens.iter().enumerate())
            .map(|(i, tokens)| Likelihood {
                tokens,
                suffix: scored.as_ref().map(|scored| &scored[i].suffix[..]),
            })
            .collect();
        let ranked = rank(&likelihoods)?;
        let mut taken: Vec<Option<Candidate>> = candidates.drain(..).map(Some).collect();
        let take = |r: crate::code::Ranked| {
            let score = Some(r.score);
            taken[r.index].take().map(|c| Candidate { score, ..c })
        };
        Ok(ranked.into_iter().filter_map(take).collect())
    }

    /// The log-probabilities of the beginning of the text after the cursor, after each candidate:
    /// the same tokens for each. None where there is no time for it.
    ///
    /// The last token of a candidate may reach over its end, into what follows the cursor as well.
    /// What of it is shown is then scored here, so that its other bytes count once, as those of the
    /// suffix.
    fn suffixes(
        &self,
        session: &Session,
        place: &Place<'_>,
        candidates: &[Candidate],
        shown: &[Shown],
        cancel: &CancelToken,
    ) -> Result<Option<Vec<Scored>>> {
        let ended = |c: &Candidate| {
            let reason = c.completion.finish_reason;
            matches!(reason, FinishReason::Cancelled | FinishReason::Deadline)
        };
        if candidates.iter().any(ended) {
            return Ok(None);
        }
        let generator = session.generator();
        let tokenizer = generator.tokenizer();
        let encode = |text: &str| tokenizer.encode_continuation(text, SpecialTokens::AsText);
        let prompts = candidates.iter().zip(shown).map(|(candidate, shown)| {
            let (whole, rest) = candidate.text.split_at(shown.rest);
            let before = try_concat(&[place.prompt, whole])?;
            let mut ids = tokenizer.encode_prompt(&before, SpecialTokens::AsText)?;
            let from = ids.len();
            ids.try_extend(&encode(rest)?)?;
            Ok((ids, from))
        });
        let mut prompts: Vec<(Vec<u32>, usize)> = try_collect_ok::<_, Error>(prompts)?;
        let longest = prompts.iter().map(|(ids, _)| ids.len()).max().unwrap_or(0);
        let positions = generator.model().config().max_position_embeddings;
        let most = self.suffix_tokens.min(positions.saturating_sub(longest));
        let beginning = place.after.floor_char_boundary(most.saturating_mul(128));
        let mut suffix = encode(&place.after[..beginning])?;
        suffix.truncate(most);
        if suffix.is_empty() {
            return Ok(None);
        }
        let score = |(ids, from): &mut (Vec<u32>, usize)| -> Result<Scored> {
            let rest = ids.len() - *from;
            ids.try_extend(&suffix)?;
            let mut logprobs = session.score(&*ids, *from, cancel)?;
            Ok(Scored {
                suffix: logprobs.split_off(rest),
                rest: logprobs,
            })
        };
        match try_collect_ok(prompts.iter_mut().map(score)) {
            Err(error) if error.kind() == ErrorKind::Cancelled => Ok(None),
            result => result.map(Some),
        }
    }
}

/// Log-probabilities of what is no whole token of a completion.
struct Scored {
    /// Of the rest of a candidate.
    rest: Vec<f32>,
    /// Of the text after the cursor.
    suffix: Vec<f32>,
}

/// Which tokens of a completion a text was made of. It is the beginning of what the completion
/// says, but for spaces and tabs.
#[derive(Debug, PartialEq)]
struct Shown {
    /// The first token that is not of the prompt.
    first: usize,
    /// The end of those that the text has wholly.
    whole: usize,
    /// The end of those that it has in part as well.
    end: usize,
    /// Where in the text begins what it has of those.
    rest: usize,
}

impl Shown {
    fn new(tokenizer: &dyn Tokenizer, completion: &Completion, text: &str) -> Self {
        let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
        let mut ends = (text.bytes().enumerate()).filter(|(_, b)| !is_blank(b));
        let mut left = ends.clone().count();
        let (mut owed, mut at) = (completion.healed, 0);
        let mut shown = Self {
            first: 0,
            whole: 0,
            end: 0,
            rest: 0,
        };
        for &id in &completion.ids {
            if left == 0 {
                break;
            }
            let bytes = tokenizer.token_bytes(id).unwrap_or_default();
            let own = bytes.get(owed..).unwrap_or_default();
            shown.end += 1;
            if own.is_empty() && owed > 0 {
                // All of it belongs to the prompt.
                shown.first = shown.end;
            }
            owed = owed.saturating_sub(bytes.len());
            let count = own.iter().filter(|b| !is_blank(b)).count();
            if count > 0 {
                at = ends.nth(count - 1).map_or(text.len(), |(at, _)| at + 1);
            }
            // Blanks at its end are its own, as far as the text has them still.
            let blanks = own.iter().rev().take_while(|b| is_blank(b)).count();
            let there = text.bytes().skip(at).take_while(is_blank).count();
            at += blanks.min(there);
            // A token may end inside a character.
            if count <= left && text.is_char_boundary(at) {
                (shown.whole, shown.rest) = (shown.end, at);
            }
            left = left.saturating_sub(count);
        }
        if left == 0 && shown.whole == shown.end {
            // Blanks at the end are of no token that counts.
            shown.rest = text.len();
        }
        shown
    }
}

#[cfg(test)]
mod tests;
