//! Stages that make what was said before less likely.
//!
//! Each sorts the ids of the text once for a token, so that an id costs one search over the
//! candidates however often it occurs; no table over the vocabulary is needed.

use super::{History, Sampler};
use crate::error::Result;
use crate::generate::candidates::Candidates;
use crate::memory::{TryGrow, try_copy};

/// Makes every id of the prompt and of the generated text less likely, once, however often it
/// occurs: `logit / p` where the logit is positive, `logit * p` where it is not (CTRL, arXiv
/// 1909.05858, in the form of Hugging Face's `repetition_penalty`). Below 1 it makes them
/// likelier.
///
/// It costs a sort of the text's ids and 4 bytes for each of them.
#[derive(Debug, Clone, Copy)]
pub struct RepetitionPenalty(
    /// Above zero.
    pub f32,
);

impl Sampler for RepetitionPenalty {
    fn apply(&self, candidates: &mut Candidates, history: History<'_>) -> Result<()> {
        let mut seen = try_copy(history.prompt)?;
        seen.try_extend(history.generated)?;
        seen.sort_unstable();
        seen.dedup();
        let penalise = |logit: f32, p: f32| if logit > 0.0 { logit / p } else { logit * p };
        candidates
            .change(seen.into_iter().map(|id| (id, self.0)), penalise)
            .map_err(|e| e.within("repetition_penalty"))
    }
}

/// Makes every id of the generated text less likely:
/// `logit - (count * frequency + presence)` in f32, as OpenAI's `presence_penalty` and
/// `frequency_penalty` do. The prompt does not count. Negative numbers make them likelier.
///
/// It costs a sort of the generated ids and 4 bytes for each of them.
#[derive(Debug, Clone, Copy)]
pub struct PresenceFrequencyPenalty {
    /// For being there at all.
    pub presence: f32,
    /// For each time that it is there.
    pub frequency: f32,
}

impl Sampler for PresenceFrequencyPenalty {
    fn apply(&self, candidates: &mut Candidates, history: History<'_>) -> Result<()> {
        let mut generated = try_copy(history.generated)?;
        generated.sort_unstable();
        let penalties = generated
            .chunk_by(|a, b| a == b)
            .map(|same| (same[0], same.len() as f32 * self.frequency + self.presence));
        candidates
            .change(penalties, |logit, penalty| logit - penalty)
            .map_err(|e| e.within("presence_penalty and frequency_penalty"))
    }
}
