//! Stages that compare logits: the best, the k best, and those that are likely enough beside the
//! best.

use super::{History, Sampler};
use crate::error::Result;
use crate::generate::candidates::Candidates;
use crate::memory::try_collect;
use crate::num;

/// Keeps the most likely candidate alone, the one with the smallest id of equals. Two passes.
#[derive(Debug, Clone, Copy)]
pub struct Greedy;

impl Sampler for Greedy {
    fn apply(&self, candidates: &mut Candidates, _: History<'_>) -> Result<()> {
        if let Some(best) = candidates.best() {
            candidates.retain(|c| c.id == best.id);
        }
        Ok(())
    }
}

/// Keeps the k most likely candidates, and with them all that equal the last of those, as the
/// reference does. A selection in linear time, and 4 bytes a candidate.
#[derive(Debug, Clone, Copy)]
pub struct TopK(
    /// At least 1.
    pub usize,
);

impl Sampler for TopK {
    fn apply(&self, candidates: &mut Candidates, _: History<'_>) -> Result<()> {
        if self.0 == 0 || self.0 >= candidates.as_slice().len() {
            return Ok(());
        }
        let mut logits = try_collect(candidates.as_slice().iter().map(|c| c.logit))?;
        let (_, &mut least, _) = logits.select_nth_unstable_by(self.0 - 1, |a, b| b.total_cmp(a));
        candidates.retain(|c| c.logit >= least);
        Ok(())
    }
}

/// Keeps the candidates that are at least `p` times as likely as the most likely one (min-p sampling,
/// arXiv 2407.01082): `exp(logit - maximum) >= p`, computed with [`num::exp`] in f32. The
/// most likely one itself always stays. One exponential a candidate, and no memory.
#[derive(Debug, Clone, Copy)]
pub struct MinP(
    /// 0 to 1; 0 keeps all.
    pub f32,
);

impl Sampler for MinP {
    fn apply(&self, candidates: &mut Candidates, _: History<'_>) -> Result<()> {
        if let Some(best) = candidates.best() {
            candidates.retain(|c| num::exp(c.logit - best.logit) >= self.0);
        }
        Ok(())
    }
}
