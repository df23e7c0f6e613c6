//! The tokens that may come next and their logits, as samplers see them, and what is computed
//! from a row of logits: log-probabilities and the most likely ids.

use crate::error::{Result, bail};
use crate::memory::try_collect;
use crate::num;

/// A token that may come next.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Candidate {
    /// Token id.
    pub id: u32,
    /// Its logit, which samplers may change.
    pub logit: f32,
}

impl Candidate {
    /// Greater logit first, then smaller id: the fixed tie order of everything that ranks.
    pub fn rank(a: &Self, b: &Self) -> std::cmp::Ordering {
        b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id))
    }
}

/// The candidates for one position, in the order of their ids.
#[derive(Debug, Clone, Default)]
pub struct Candidates(Vec<Candidate>);

impl Candidates {
    /// Fills the list from a row of logits, reusing its memory.
    ///
    /// # Errors
    /// [`NonFinite`](crate::ErrorKind::NonFinite) when a logit is NaN or positive infinity.
    /// Negative infinity stands for an impossible token and is left out.
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    pub fn fill(&mut self, logits: &[f32]) -> Result<()> {
        self.0.clear();
        self.0.try_reserve(logits.len())?;
        for (id, &logit) in (0..).zip(logits) {
            if is_broken(logit) {
                bail!(
                    NonFinite,
                    "the logit of token {id} is {logit}; the weights or the computation that \
                     gave it are broken"
                );
            }
            if logit > f32::NEG_INFINITY {
                self.0.push(Candidate { id, logit });
            }
        }
        Ok(())
    }

    /// Looks at what a stage made of the logits: drops candidates whose logit is negative
    /// infinity.
    ///
    /// # Errors
    /// [`NonFinite`](crate::ErrorKind::NonFinite) when a logit is NaN or positive infinity.
    pub fn check(&mut self) -> Result<()> {
        self.refuse_broken()?;
        self.0.retain(|c| c.logit > f32::NEG_INFINITY);
        Ok(())
    }

    fn refuse_broken(&self) -> Result<()> {
        if let Some(c) = self.0.iter().find(|c| is_broken(c.logit)) {
            bail!(
                NonFinite,
                "a sampler made the logit of token {} {}, which cannot be sampled from",
                c.id,
                c.logit
            );
        }
        Ok(())
    }

    /// Changes the logits of some ids, each with a number of its own, and passes over those that
    /// are no candidates.
    ///
    /// # Errors
    /// As for [`check`](Self::check).
    pub(super) fn change(
        &mut self,
        numbers: impl Iterator<Item = (u32, f32)>,
        f: impl Fn(f32, f32) -> f32,
    ) -> Result<()> {
        let mut finite = true;
        for (id, number) in numbers {
            if let Ok(at) = self.0.binary_search_by_key(&id, |c| c.id) {
                let logit = &mut self.0[at].logit;
                *logit = f(*logit, number);
                finite &= logit.is_finite();
            }
        }
        if finite { Ok(()) } else { self.check() }
    }

    /// The candidates, by id.
    pub fn as_slice(&self) -> &[Candidate] {
        &self.0
    }

    /// The candidates, for changing logits.
    pub fn as_mut_slice(&mut self) -> &mut [Candidate] {
        &mut self.0
    }

    /// Drops the candidates for which `keep` is false.
    pub fn retain(&mut self, keep: impl FnMut(&Candidate) -> bool) {
        self.0.retain(keep);
    }

    /// The most likely one, the one with the smallest id of equals; `None` without candidates.
    pub fn best(&self) -> Option<Candidate> {
        self.0.iter().copied().min_by(Candidate::rank)
    }

    /// `exp(logit - maximum)` of every candidate, by [`num::exp`] in f32 and 0 for a logit of
    /// negative infinity, and their sum in f64 in the order of ids.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    pub fn weights(&self) -> Result<(Vec<f32>, f64)> {
        let max = self.best().map_or(0.0, |c| c.logit);
        let weight = |c: &Candidate| match c.logit {
            f32::NEG_INFINITY => 0.0,
            logit => num::exp(logit - max),
        };
        let weights = try_collect(self.0.iter().map(weight))?;
        let sum = weights.iter().map(|&w| f64::from(w)).sum();
        Ok((weights, sum))
    }

    /// The candidate that the number `u` in [0, 1) falls on: candidates in the order of their
    /// ids share the unit interval in proportion to their weights, see [`rng`](super::rng).
    /// Should rounding leave `u` past the end, it is the last candidate that has a weight.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) without candidates,
    /// [`NonFinite`](crate::ErrorKind::NonFinite) when a logit is NaN or positive infinity.
    pub fn sample(&self, u: f64) -> Result<Candidate> {
        self.refuse_broken()?;
        let (weights, sum) = self.weights()?;
        let mut left = u * sum;
        let mut last = None;
        for (&candidate, weight) in self.0.iter().zip(weights) {
            left -= f64::from(weight);
            if left < 0.0 {
                return Ok(candidate);
            }
            if weight > 0.0 {
                last = Some(candidate);
            }
        }
        match last {
            Some(candidate) => Ok(candidate),
            None => bail!(
                InvalidArgument,
                "the samplers left no token to sample; ban fewer tokens, or raise top_k or top_p"
            ),
        }
    }
}

/// Whether no distribution can be made of it.
fn is_broken(logit: f32) -> bool {
    logit.is_nan() || logit == f32::INFINITY
}

/// The logarithm of the sum of the exponentials of a row of logits.
pub(super) fn log_sum_exp(logits: &[f32]) -> f64 {
    const LANES: usize = 16;
    // Lanes let the compiler vectorise; their number is fixed, so the sum is the same anywhere.
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (chunks, tail) = logits.as_chunks::<LANES>();
    let mut lanes = [0.0f64; LANES];
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(num::exp(x - max));
        }
    }
    let sum: f64 = lanes.iter().sum::<f64>()
        + tail
            .iter()
            .map(|&x| f64::from(num::exp(x - max)))
            .sum::<f64>();
    f64::from(max) + num::ln(sum)
}

/// The log-probability of `id` under the model: its logit minus the log of the sum of
/// exponentials, before any sampler.
///
/// # Panics
/// When there is no such logit.
pub fn log_probability(logits: &[f32], id: u32) -> f32 {
    (f64::from(logits[id as usize]) - log_sum_exp(logits)) as f32
}

/// The `k` most likely ids of a row with their log-probabilities, best first, equals by id.
///
/// # Errors
/// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
pub fn top_log_probabilities(logits: &[f32], k: usize) -> Result<Vec<(u32, f32)>> {
    top_log_probabilities_below(logits, logits.len(), k)
}

/// The `k` most likely of the ids below `vocabulary`. Rows of the embedding beyond the ids of a
/// tokenizer are padding: they count in the sum, as in training, and are no answer.
///
/// # Errors
/// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
pub fn top_log_probabilities_below(
    logits: &[f32],
    vocabulary: usize,
    k: usize,
) -> Result<Vec<(u32, f32)>> {
    let sum = log_sum_exp(logits);
    let known = &logits[..vocabulary.min(logits.len())];
    let all = (0..known.len()).map(|id| Candidate {
        id: id as u32,
        logit: known[id],
    });
    let mut all = try_collect(all)?;
    let k = k.min(all.len());
    if k == 0 {
        return Ok(Vec::new());
    }
    all.select_nth_unstable_by(k - 1, Candidate::rank);
    all.truncate(k);
    all.sort_unstable_by(Candidate::rank);
    let top = all.iter();
    Ok(try_collect(
        top.map(|c| (c.id, (f64::from(c.logit) - sum) as f32)),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn candidates(logits: &[f32]) -> Candidates {
        let mut c = Candidates::default();
        c.fill(logits).unwrap();
        c
    }

    #[test]
    fn nan_is_an_error_and_minus_infinity_is_left_out() {
        let mut c = Candidates::default();
        let error = c.fill(&[0.0, f32::NAN]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NonFinite);
        assert!(error.to_string().contains("token 1"));
        assert!(c.fill(&[f32::INFINITY]).is_err());
        c.fill(&[1.0, f32::NEG_INFINITY, 2.0]).unwrap();
        assert_eq!(c.as_slice().len(), 2);
        c.fill(&[f32::NEG_INFINITY]).unwrap();
        assert!(c.sample(0.5).is_err());
    }

    #[test]
    fn what_stages_break_is_an_error_when_sampling() {
        for broken in [f32::NAN, -f32::NAN, f32::INFINITY] {
            for at in 0..3 {
                let mut c = candidates(&[0.0, 1.0, 2.0]);
                c.as_mut_slice()[at].logit = broken;
                for u in [0.0, 0.5, 0.999_999] {
                    let error = c.sample(u).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::NonFinite, "{broken} at {at}");
                    assert!(
                        error.to_string().contains(&format!("token {at}")),
                        "{error}"
                    );
                }
                assert_eq!(c.check().unwrap_err().kind(), ErrorKind::NonFinite);
            }
        }
    }

    #[test]
    fn a_stage_may_drop_a_candidate_by_negative_infinity() {
        let mut c = candidates(&[0.0, 1.0, 2.0]);
        c.as_mut_slice()[0].logit = f32::NEG_INFINITY;
        c.as_mut_slice()[2].logit = f32::NEG_INFINITY;
        for u in [0.0, 0.5, 1.0] {
            assert_eq!(c.sample(u).unwrap().id, 1, "{u}");
        }
        c.as_mut_slice()[1].logit = f32::NEG_INFINITY;
        assert_eq!(
            c.sample(0.5).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
        c.check().unwrap();
        assert!(c.as_slice().is_empty());
    }

    #[test]
    fn samples_share_the_interval_by_weight_in_the_order_of_ids() {
        let c = candidates(&[0.0, 3.0f32.ln(), f32::NEG_INFINITY, 0.0]);
        // Weights 1 : 3 : 0 : 1.
        for (u, id) in [
            (0.0, 0),
            (0.19, 0),
            (0.21, 1),
            (0.79, 1),
            (0.81, 3),
            (0.999_999, 3),
        ] {
            assert_eq!(c.sample(u).unwrap().id, id, "{u}");
        }
    }

    #[test]
    fn equals_rank_by_id_and_log_probabilities_sum_to_one() {
        let logits: Vec<f32> = (0..1000).map(|i| ((i * 37) % 101) as f32 * 0.1).collect();
        assert_eq!(candidates(&logits).best().unwrap().id, 30);
        let top = top_log_probabilities(&logits, 1000).unwrap();
        assert_eq!((top[0].0, top[1].0), (30, 131));
        let sum: f64 = top.iter().map(|t| f64::from(t.1).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        assert_eq!(log_probability(&logits, 131), top[1].1);
        assert!(top_log_probabilities(&logits, 0).unwrap().is_empty());
        assert_eq!(top_log_probabilities(&logits, 5).unwrap().len(), 5);
    }
}
