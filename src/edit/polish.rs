//! What is done with completions before they are shown: the functions of [`code`](crate::code) in
//! their order, and which tokens of a completion are left after it.

use std::borrow::Cow;

use crate::cancel::CancelToken;
use crate::code::{
    Indentation, Likelihood, cut_at_scope, distinct, rank, reindent, without_overlap,
};
use crate::error::{ErrorKind, Result};
use crate::generate::{Completion, FinishReason, Session};
use crate::language::Language;
use crate::memory::{try_collect_ok, try_concat, try_copy_text};
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
        let suffixes = match candidates.len() {
            0 | 1 => vec![None; candidates.len()],
            _ => self.suffixes(session, place, &candidates, cancel)?,
        };
        let tokenizer = &**session.generator().tokenizer();
        let likelihoods: Vec<Likelihood<'_>> = (candidates.iter().zip(&suffixes))
            .map(|(candidate, suffix)| Likelihood {
                tokens: shown(tokenizer, &candidate.completion, &candidate.text),
                suffix: suffix.as_deref(),
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
    fn suffixes(
        &self,
        session: &Session,
        place: &Place<'_>,
        candidates: &[Candidate],
        cancel: &CancelToken,
    ) -> Result<Vec<Option<Vec<f32>>>> {
        let none = Ok(vec![None; candidates.len()]);
        let ended = |c: &Candidate| {
            let reason = c.completion.finish_reason;
            matches!(reason, FinishReason::Cancelled | FinishReason::Deadline)
        };
        if candidates.iter().any(ended) {
            return none;
        }
        let generator = session.generator();
        let encode = |text: &str| generator.tokenizer().encode(text, SpecialTokens::AsText);
        let prompts = candidates
            .iter()
            .map(|c| encode(&try_concat(&[place.prompt, &c.text])?));
        let prompts: Vec<Vec<u32>> = prompts.collect::<Result<_>>()?;
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
        let positions = generator.model().config().max_position_embeddings;
        let most = self.suffix_tokens.min(positions.saturating_sub(longest));
        let beginning = place.after.floor_char_boundary(most.saturating_mul(128));
        let mut suffix = encode(&place.after[..beginning])?;
        suffix.truncate(most);
        if suffix.is_empty() {
            return none;
        }
        let score = |prompt: &Vec<u32>| {
            let ids = [&prompt[..], &suffix].concat();
            session.score(&ids, prompt.len(), cancel).map(Some)
        };
        match prompts.iter().map(score).collect() {
            Err(error) if error.kind() == ErrorKind::Cancelled => none,
            result => result,
        }
    }
}

/// The log-probabilities of the tokens that `text` was made of. It is the beginning of what the
/// completion says, but for spaces and tabs.
fn shown<'c>(tokenizer: &dyn Tokenizer, completion: &'c Completion, text: &str) -> &'c [f32] {
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
    let mut left = text.bytes().filter(|b| !is_blank(b)).count();
    let (mut owed, mut first, mut end) = (completion.healed, 0, 0);
    for &id in &completion.ids {
        if left == 0 {
            break;
        }
        let bytes = tokenizer.token_bytes(id).unwrap_or_default();
        let own = bytes.get(owed..).unwrap_or_default();
        end += 1;
        if own.is_empty() && owed > 0 {
            // All of it belongs to the prompt.
            first = end;
        }
        owed = owed.saturating_sub(bytes.len());
        left = left.saturating_sub(own.iter().filter(|b| !is_blank(b)).count());
    }
    &completion.logprobs[first..end]
}

#[cfg(test)]
mod tests;
