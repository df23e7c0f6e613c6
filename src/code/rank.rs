//! The order in which to show several candidates, by what a model says of each.

use std::cmp::Ordering;

use crate::error::Result;
use crate::memory::try_collect;

/// What a model says of one candidate: natural logarithms of probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likelihood<'a> {
    /// The log-probability of each of its tokens. Where the text was cut, those of the tokens
    /// that are left, so that nothing counts that is not shown.
    pub tokens: &'a [f32],
    /// The log-probability of each token of the text after the cursor, given the text before it
    /// and this candidate; `None` where it was not computed. The beginning of that text is enough,
    /// if it is the same for all candidates.
    pub suffix: Option<&'a [f32]>,
}

/// A candidate in its place.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Ranked {
    /// Which candidate.
    pub index: usize,
    /// Its score, in nats a token, higher is better; never NaN.
    pub score: f64,
}

/// Orders candidates, best first; equals by index, so that the order is always the same.
///
/// The score is the mean log-probability of a token of the candidate, plus the same of the text
/// after the cursor. A mean, since a sum falls with every token and would put the shortest first,
/// whatever it says; and one for each of the two, since the text after the cursor may be many
/// times as long as the candidate and would drown it in a common mean. The second term counts only
/// if every candidate that has tokens has it: a score with it and one without cannot be compared.
///
/// A candidate without tokens, or with a value that is NaN or positive infinity, has the score
/// negative infinity and comes after those that have a finite one; an empty `suffix` counts as
/// none.
///
/// # Errors
/// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
///
/// ```
/// use codegeex::code::{Likelihood, rank};
///
/// // Seven tokens that the model is sure of, and two that it is not.
/// let long = Likelihood { tokens: &[-0.2; 7], suffix: None };
/// let short = Likelihood { tokens: &[-0.5; 2], suffix: None };
/// assert_eq!(rank(&[short, long])?[0].index, 1);
///
/// // But what follows the cursor does not fit the first.
/// let long = Likelihood { suffix: Some(&[-4.0, -0.1]), ..long };
/// let short = Likelihood { suffix: Some(&[-0.3, -0.1]), ..short };
/// assert_eq!(rank(&[short, long])?[0].index, 0);
/// # Ok::<(), codegeex::Error>(())
/// ```
pub fn rank(candidates: &[Likelihood<'_>]) -> Result<Vec<Ranked>> {
    let has_suffix = candidates
        .iter()
        .filter(|c| !c.tokens.is_empty())
        .all(|c| c.suffix.is_some_and(|s| !s.is_empty()));
    let scored = candidates.iter().enumerate().map(|(index, candidate)| {
        let suffix = match candidate.suffix {
            Some(suffix) if has_suffix => mean(suffix),
            _ => 0.0,
        };
        Ranked {
            index,
            score: mean(candidate.tokens) + suffix,
        }
    });
    let mut ranked = try_collect(scored)?;
    // Scores are not NaN, and both zeros are equal here. No two are equal, so sorting in place,
    // which needs no memory, is stable.
    ranked.sort_unstable_by(|a, b| {
        let by_score = b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal);
        by_score.then(a.index.cmp(&b.index))
    });
    Ok(ranked)
}

/// The mean, in double precision and in the order of the tokens; negative infinity where there
/// is none.
fn mean(logprobs: &[f32]) -> f64 {
    let sum: f64 = logprobs.iter().map(|&l| f64::from(l)).sum();
    if logprobs.is_empty() || sum.is_nan() || sum == f64::INFINITY {
        return f64::NEG_INFINITY;
    }
    sum / logprobs.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(candidates: &[Likelihood<'_>]) -> Vec<usize> {
        rank(candidates).unwrap().iter().map(|r| r.index).collect()
    }

    fn alone(tokens: &[f32]) -> Likelihood<'_> {
        let suffix = None;
        Likelihood { tokens, suffix }
    }

    #[test]
    fn length_does_not_decide() {
        assert_eq!(order(&[alone(&[-1.0]), alone(&[-0.9; 50])]), [1, 0]);
        assert_eq!(order(&[alone(&[-0.9]), alone(&[-1.0; 50])]), [0, 1]);
        // Nor that of the text after the cursor.
        let suffix = [-0.1; 200];
        let (a, b) = (alone(&[-3.0; 3]), alone(&[-1.0; 3]));
        let worse = [-0.2; 200];
        let candidates = [(a, &suffix), (b, &worse)].map(|(l, s)| Likelihood {
            suffix: Some(s),
            ..l
        });
        assert_eq!(order(&candidates), [1, 0]);
    }

    #[test]
    fn equals_keep_their_order_and_zeros_are_equal() {
        let same = alone(&[-0.5, -1.5]);
        assert_eq!(order(&[same, alone(&[-1.0]), same]), [0, 1, 2]);
        assert_eq!(order(&[alone(&[-0.0]), alone(&[0.0])]), [0, 1]);
    }

    #[test]
    fn broken_numbers_come_last() {
        let candidates = [
            alone(&[f32::NAN, -0.1]),
            alone(&[]),
            alone(&[f32::INFINITY]),
            alone(&[f32::INFINITY, f32::NEG_INFINITY]),
            alone(&[-9.0]),
            alone(&[-1.0]),
        ];
        assert_eq!(order(&candidates), [5, 4, 0, 1, 2, 3]);
        assert!(rank(&candidates).unwrap().iter().all(|r| !r.score.is_nan()));
        assert!(rank(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_suffix_that_some_lack_does_not_count() {
        let (good, bad) = ([-0.1], [-5.0]);
        let with = |l: Likelihood<'static>, s| Likelihood {
            suffix: Some(s),
            ..l
        };
        let (a, b) = (alone(&[-1.0]), alone(&[-2.0]));
        assert_eq!(order(&[with(a, &bad), with(b, &good)]), [1, 0]);
        assert_eq!(order(&[with(a, &bad), b]), [0, 1]);
        assert_eq!(order(&[with(a, &bad), with(b, &[])]), [0, 1]);
        // One without tokens has nothing to say about the others.
        assert_eq!(
            order(&[with(a, &bad), with(b, &good), alone(&[])]),
            [1, 0, 2]
        );
        // A broken suffix is its candidate's fault.
        assert_eq!(order(&[with(a, &[f32::NAN]), with(b, &bad)]), [1, 0]);
    }

    proptest! {
        /// Against the definition: each before exactly those that it beats.
        #[test]
        fn any_bits_give_a_total_order(
            rows in proptest::collection::vec(
                (proptest::collection::vec(any::<f32>(), 0..4),
                 proptest::option::of(proptest::collection::vec(any::<f32>(), 0..3))),
                0..8,
            )
        ) {
            let candidates: Vec<Likelihood<'_>> = rows
                .iter()
                .map(|(t, s)| Likelihood { tokens: t, suffix: s.as_deref() })
                .collect();
            let ranked = rank(&candidates).unwrap();
            let scores: Vec<f64> = (0..rows.len())
                .map(|i| ranked.iter().find(|r| r.index == i).unwrap().score)
                .collect();
            for (place, r) in ranked.iter().enumerate() {
                prop_assert!(!r.score.is_nan() && r.score < f64::INFINITY);
                let better = (0..rows.len())
                    .filter(|&i| scores[i] > r.score || (scores[i] == r.score && i < r.index))
                    .count();
                prop_assert_eq!(place, better);
            }
        }
    }
}
