//! Sharpening and flattening.

use super::{History, Sampler};
use crate::error::Result;
use crate::generate::candidates::Candidates;

/// Divides the logits: below 1 sharpens, above 1 flattens. Where a quotient would overflow, the
/// greatest logit is subtracted from all of them first. One or two passes, no memory.
#[derive(Debug, Clone, Copy)]
pub struct Temperature(
    /// Above zero.
    pub f32,
);

impl Sampler for Temperature {
    fn apply(&self, candidates: &mut Candidates, _: History<'_>) -> Result<()> {
        let all = candidates.as_mut_slice();
        if all.iter().any(|c| (c.logit / self.0).is_infinite()) {
            // A tiny temperature: what counts is how far each is from the best, and that of the
            // best itself stays finite.
            let best = all.iter().fold(f32::NEG_INFINITY, |m, c| m.max(c.logit));
            all.iter_mut().for_each(|c| c.logit -= best);
        }
        for c in all {
            c.logit /= self.0;
        }
        Ok(())
    }
}
