//! Stages that keep a share of the probability: the most likely candidates (top-p), or the most
//! typical ones.

use std::cmp::Ordering;

use super::{History, Sampler};
use crate::error::Result;
use crate::generate::candidates::{Candidate, Candidates};
use crate::memory::try_collect;
use crate::num::exp_constants;

/// Keeps the smallest set of most likely candidates whose probabilities add up to more than p
/// (nucleus sampling, arXiv 1904.09751): the one that crosses the threshold stays.
///
/// The weights are those of [`Candidates::weights`], added up in the order of their ranks in f64
/// and compared with `p` times their sum. It costs an exponential a candidate, a partial sort,
/// and 16 bytes a candidate.
#[derive(Debug, Clone, Copy)]
pub struct TopP(
    /// Above 0, at most 1.
    pub f32,
);

impl Sampler for TopP {
    fn apply(&self, candidates: &mut Candidates, _: History<'_>) -> Result<()> {
        let (weights, sum) = candidates.weights()?;
        let target = f64::from(self.0) * sum;
        let all = candidates.as_slice().iter().copied();
        let mut weighted = try_collect(all.zip(weights))?;
        let last = last_of_prefix(&mut weighted, Candidate::rank, |mass| mass > target);
        if let Some(last) = last {
            candidates.retain(|c| Candidate::rank(c, &last).is_le());
        }
        Ok(())
    }
}

/// Keeps the candidates whose information `-log p` is nearest to the entropy of the whole
/// distribution, as many as make up the probability `p` (locally typical sampling, arXiv
/// 2202.00666): the smallest set that reaches it, and with it all that are as near as the
/// farthest of the set, as in Hugging Face's `TypicalLogitsWarper`. At least one stays.
///
/// How far a candidate is from the entropy needs no logarithm. With `x = logit - maximum`, the
/// logarithm of the normalising sum is part of both `-log p` and the entropy, so their distance
/// is `|x - mean|`, where `mean` is the sum of `weight * x` over the sum of the weights, all in
/// f64 and in the order of ids; an `x` of -87.33654 or less adds nothing. The weights are those of
/// [`Candidates::weights`], added up from the nearest on, the smaller id first of equals, until
/// they are `p` times their sum or more.
///
/// It costs an exponential a candidate, a partial sort, and 28 bytes a candidate.
#[derive(Debug, Clone, Copy)]
pub struct TypicalP(
    /// Above 0, at most 1; 1 keeps all.
    pub f32,
);

impl Sampler for TypicalP {
    fn apply(&self, candidates: &mut Candidates, _: History<'_>) -> Result<()> {
        let Some(best) = candidates.best() else {
            return Ok(());
        };
        if self.0 >= 1.0 {
            return Ok(());
        }
        let below = |c: &Candidate| f64::from(c.logit) - f64::from(best.logit);
        let (weights, sum) = candidates.weights()?;
        let mut total = 0.0;
        for (c, &weight) in candidates.as_slice().iter().zip(&weights) {
            // `exp` never gives 0, and its smallest number times an absurd logit would count.
            if below(c) > f64::from(exp_constants::LOW) {
                total += f64::from(weight) * below(c);
            }
        }
        let mean = total / sum;
        let distance = |c: &Candidate| (below(c) - mean).abs();
        let all = candidates.as_slice().iter();
        let mut weighted = try_collect(all.map(|c| (distance(c), c.id)).zip(weights))?;
        let nearest = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        let target = f64::from(self.0) * sum;
        if let Some((farthest, _)) = last_of_prefix(&mut weighted, nearest, |mass| mass >= target) {
            candidates.retain(|c| distance(c) <= farthest);
        }
        Ok(())
    }
}

/// The last element of the shortest prefix, in `order`, whose summed weights are `enough`;
/// nothing when those of all are not.
fn last_of_prefix<T: Copy>(
    weighted: &mut [(T, f32)],
    order: impl Fn(&T, &T) -> Ordering,
    enough: impl Fn(f64) -> bool,
) -> Option<T> {
    let order = |a: &(T, f32), b: &(T, f32)| order(&a.0, &b.0);
    // The prefix is mostly short: sort only as much as it takes.
    let (mut sorted, mut reached) = (0, 0.0);
    let mut next = 256;
    while sorted < weighted.len() {
        let rest = &mut weighted[sorted..];
        let n = next.min(rest.len());
        if n < rest.len() {
            rest.select_nth_unstable_by(n - 1, order);
        }
        rest[..n].sort_unstable_by(order);
        for &(last, weight) in &rest[..n] {
            reached += f64::from(weight);
            if enough(reached) {
                return Some(last);
            }
        }
        sorted += n;
        next *= 4;
    }
    None
}
