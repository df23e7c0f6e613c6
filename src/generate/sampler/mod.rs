//! Samplers: stages that narrow and reweigh the candidates before one is drawn.
//!
//! The chain that [`GenerateOptions`](super::GenerateOptions) describes composes as the
//! reference does: temperature, then top-k, then top-p, then one draw.

use std::fmt;

use super::candidates::{Candidate, Candidates};
use crate::error::Result;

/// What a sampler may know about the sequence.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    /// Ids of the prompt.
    pub prompt: &'a [u32],
    /// Ids generated so far.
    pub generated: &'a [u32],
}

/// A stage over the candidates for the next token.
///
/// Stages have no state of their own: what they depend on is in the history. So one chain serves
/// any number of sequences, and a sequence gets the same tokens in any company.
pub trait Sampler: Send + Sync + fmt::Debug {
    /// Changes logits or drops candidates, in place.
    ///
    /// # Errors
    /// Whatever keeps the stage from its work; it ends the generation.
    fn apply(&self, candidates: &mut Candidates, history: History<'_>) -> Result<()>;
}

/// Drops some ids.
#[derive(Debug, Clone)]
pub struct BannedIds(Vec<u32>);

impl BannedIds {
    /// A stage that drops these ids.
    pub fn new(ids: impl IntoIterator<Item = u32>) -> Self {
        let mut ids: Vec<u32> = ids.into_iter().collect();
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

/// Keeps the likeliest candidate alone, the one with the smallest id of equals.
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

/// Divides the logits: below 1 sharpens, above 1 flattens.
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

/// Keeps the k likeliest candidates, and with them all that equal the last of those, as the
/// reference does.
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
        let mut logits: Vec<f32> = candidates.as_slice().iter().map(|c| c.logit).collect();
        let (_, &mut least, _) = logits.select_nth_unstable_by(self.0 - 1, |a, b| b.total_cmp(a));
        candidates.retain(|c| c.logit >= least);
        Ok(())
    }
}

/// Keeps the smallest set of likeliest candidates whose probabilities add up to more than p
/// (nucleus sampling): the one that crosses the threshold stays.
#[derive(Debug, Clone, Copy)]
pub struct TopP(
    /// Above 0, at most 1.
    pub f32,
);

impl Sampler for TopP {
    fn apply(&self, candidates: &mut Candidates, _: History<'_>) -> Result<()> {
        let (weights, sum) = candidates.weights();
        let target = f64::from(self.0) * sum;
        let mut ranked: Vec<(Candidate, f32)> =
            candidates.as_slice().iter().copied().zip(weights).collect();
        let by_rank = |a: &(Candidate, f32), b: &(Candidate, f32)| Candidate::rank(&a.0, &b.0);
        // The nucleus is mostly small: sort only as much of the list as it takes.
        let (mut sorted, mut reached) = (0, 0.0);
        let mut next = 256;
        while sorted < ranked.len() {
            let rest = &mut ranked[sorted..];
            let n = next.min(rest.len());
            if n < rest.len() {
                rest.select_nth_unstable_by(n - 1, by_rank);
            }
            rest[..n].sort_unstable_by(by_rank);
            for (last, weight) in &rest[..n] {
                reached += f64::from(*weight);
                if reached > target {
                    candidates.retain(|c| Candidate::rank(c, last).is_le());
                    return Ok(());
                }
            }
            sorted += n;
            next *= 4;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_HISTORY: History<'static> = History {
        prompt: &[],
        generated: &[],
    };

    fn ids_after(logits: &[f32], stages: &[&dyn Sampler]) -> Vec<u32> {
        let mut candidates = Candidates::default();
        candidates.fill(logits).unwrap();
        for stage in stages {
            stage.apply(&mut candidates, NO_HISTORY).unwrap();
        }
        candidates.as_slice().iter().map(|c| c.id).collect()
    }

    #[test]
    fn top_k_keeps_ties_of_the_last() {
        let logits = [1.0, 3.0, 2.0, 2.0, 0.0];
        assert_eq!(ids_after(&logits, &[&TopK(1)]), [1]);
        assert_eq!(ids_after(&logits, &[&TopK(2)]), [1, 2, 3]);
        assert_eq!(ids_after(&logits, &[&TopK(4)]), [0, 1, 2, 3]);
        assert_eq!(ids_after(&logits, &[&TopK(9)]).len(), 5);
    }

    #[test]
    fn top_p_keeps_the_one_that_crosses() {
        // Probabilities 0.5, 0.25, 0.125, 0.125.
        let logits = [4.0f32.ln(), 2.0f32.ln(), 0.0, 0.0];
        assert_eq!(ids_after(&logits, &[&TopP(0.4)]), [0]);
        assert_eq!(ids_after(&logits, &[&TopP(0.6)]), [0, 1]);
        assert_eq!(
            ids_after(&logits, &[&TopP(0.8)]),
            [0, 1, 2],
            "the smaller id of equals"
        );
        assert_eq!(ids_after(&logits, &[&TopP(1.0)]).len(), 4);
        assert_eq!(ids_after(&logits, &[&TopK(2), &TopP(0.7)]), [0, 1]);
    }

    /// The nucleus by sorting everything, one candidate at a time.
    fn slow_top_p(logits: &[f32], p: f32) -> Vec<u32> {
        let mut candidates = Candidates::default();
        candidates.fill(logits).unwrap();
        let (weights, sum) = candidates.weights();
        let mut ranked: Vec<_> = candidates.as_slice().iter().zip(weights).collect();
        ranked.sort_by(|a, b| Candidate::rank(a.0, b.0));
        let (mut kept, mut reached) = (Vec::new(), 0.0);
        for (c, w) in ranked {
            kept.push(c.id);
            reached += f64::from(w);
            if reached > f64::from(p) * sum {
                break;
            }
        }
        kept.sort_unstable();
        kept
    }

    #[test]
    fn top_p_equals_the_slow_way_on_flat_and_peaked_rows() {
        let logits: Vec<f32> = (0..5000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 20) as f32 / 4096.0)
            .collect();
        for sharpen in [0.1, 1.0, 8.0, 100.0] {
            let logits: Vec<f32> = logits.iter().map(|x| x * sharpen).collect();
            for p in [0.01, 0.5, 0.95, 0.999, 1.0] {
                assert_eq!(
                    ids_after(&logits, &[&TopP(p)]),
                    slow_top_p(&logits, p),
                    "{sharpen} {p}"
                );
            }
        }
    }

    #[test]
    fn the_tiniest_temperature_takes_the_best() {
        for tiny in [f32::from_bits(1), 1e-40, 1e-38] {
            let mut candidates = Candidates::default();
            candidates.fill(&[-50.0, 20.0, 19.9, 7.0]).unwrap();
            let stage = Temperature(tiny);
            stage.apply(&mut candidates, NO_HISTORY).unwrap();
            for u in [1e-9, 0.5, 0.999] {
                assert_eq!(candidates.draw(u).unwrap().id, 1, "{tiny} {u}");
            }
        }
    }

    #[test]
    fn greedy_and_bans() {
        let logits = [1.0, 3.0, 3.0, 2.0];
        assert_eq!(ids_after(&logits, &[&Greedy]), [1]);
        let ban = BannedIds::new([2, 1, 77]);
        assert_eq!(ids_after(&logits, &[&ban, &Greedy]), [3]);
        assert!(ids_after(&logits, &[&BannedIds::new(0..4), &Greedy]).is_empty());
    }
}
