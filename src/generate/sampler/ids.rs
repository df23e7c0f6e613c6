//! What is said of single ids beforehand.

use super::{History, Sampler};
use crate::error::Result;
use crate::generate::candidates::Candidates;

/// Drops some ids. It costs a search in its list for each candidate.
#[derive(Debug, Clone)]
pub struct BannedIds(Vec<u32>);

impl BannedIds {
    /// A stage that drops these ids.
    pub fn new(ids: impl IntoIterator<Item = u32>) -> Self {
        Self::sorted(ids.into_iter().collect())
    }

    pub(in crate::generate) fn sorted(mut ids: Vec<u32>) -> Self {
        ids.sort_unstable();
        Self(ids)
    }
}

impl Sampler for BannedIds {
    fn apply(&self, candidates: &mut Candidates, _: History<'_>) -> Result<()> {
        candidates.retain(|c| self.0.binary_search(&c.id).is_err());
        Ok(())
    }
}

/// Adds a number to the logits of some ids, as OpenAI's `logit_bias` does: -100 in effect bans
/// an id, 100 in effect makes it the only one. Negative infinity drops the id. Ids that are no
/// candidates are passed over.
///
/// It costs a search over the candidates for each of its ids.
#[derive(Debug, Clone)]
pub struct LogitBias(Vec<(u32, f32)>);

impl LogitBias {
    /// A stage that adds these numbers; several for one id are added up, the smallest first. NaN
    /// and positive infinity, for themselves or as a sum, are errors where the stage applies.
    pub fn new(biases: impl IntoIterator<Item = (u32, f32)>) -> Self {
        Self::merged(biases.into_iter().collect())
    }

    pub(in crate::generate) fn merged(mut biases: Vec<(u32, f32)>) -> Self {
        // In place: a stable sort takes memory.
        biases.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        biases.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        Self(biases)
    }
}

impl Sampler for LogitBias {
    fn apply(&self, candidates: &mut Candidates, _: History<'_>) -> Result<()> {
        candidates
            .change(self.0.iter().copied(), |logit, bias| logit + bias)
            .map_err(|e| e.within("logit_bias"))
    }
}
