//! pass@k: the chance that at least one of k samples passes, estimated without bias from n
//! samples of which c passed (paper, section 4.1), and how certain an average of it is.
//!
//! Numbers in, numbers out; files and tables are those of [`report`](super::report).

use crate::error::{Result, bail};
use crate::generate::rng;

/// Samples of a problem, and how many of them passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Samples.
    pub samples: u32,
    /// Those that passed.
    pub passed: u32,
}

/// Estimates pass@k of one problem of which `c` of `n` samples passed:
/// `1 - C(n - c, k) / C(n, k)`.
///
/// Binomials overflow, and one minus a number close to one loses what matters. So the quotient
/// is taken as its product of min(c, k) factors `1 - max(c, k) / (n - i)`, i from 0, and what is
/// carried along is one minus the product so far, a sum of positive terms.
///
/// ```
/// use codegeex::eval::pass_at_k;
///
/// assert_eq!(pass_at_k(4, 2, 1)?, 0.5);
/// assert_eq!(pass_at_k(200, 101, 100)?, 1.0);
/// # Ok::<(), codegeex::Error>(())
/// ```
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) unless `c` and `k` are at most `n`.
pub fn pass_at_k(n: u32, c: u32, k: u32) -> Result<f64> {
    if c > n || k > n {
        bail!(
            InvalidArgument,
            "pass@{k} of {n} samples of which {c} passed, expected neither number above {n}"
        );
    }
    if c > n - k {
        // Any k of them have one that passed.
        return Ok(1.0);
    }
    let (few, many) = (c.min(k), f64::from(c.max(k)));
    let mut some = 0.0;
    for i in 0..few {
        some = either(some, many / f64::from(n - i));
        if some == 1.0 {
            break;
        }
    }
    Ok(some)
}

/// The chance that one of two independent things happens.
fn either(a: f64, b: f64) -> f64 {
    a + (1.0 - a) * b
}

/// The chance that a budget of samples that is spent on several languages solves a problem:
/// `1 - Π C(n - c, k) / C(n, k)`, a factor for each language with the part of the budget that it
/// gets (paper, section 4.3).
///
/// # Errors
/// As for [`pass_at_k`], and for lists that differ in length.
pub fn pass_at_budget(counts: &[Count], parts: &[u32]) -> Result<f64> {
    if counts.len() != parts.len() {
        bail!(
            InvalidArgument,
            "{} languages and {} parts of a budget, expected one for each",
            counts.len(),
            parts.len()
        );
    }
    let mut some = 0.0;
    for (count, &part) in counts.iter().zip(parts) {
        some = either(some, pass_at_k(count.samples, count.passed, part)?);
    }
    Ok(some)
}

/// Splits a budget by weights into whole parts that sum to it: each gets its share rounded down,
/// and what is left goes to those that were rounded down most, the first of equals.
///
/// ```
/// use codegeex::eval::split_budget;
///
/// assert_eq!(split_budget(10, &[33.0, 6.0, 20.0, 32.0, 9.0])?, [3, 1, 2, 3, 1]);
/// # Ok::<(), codegeex::Error>(())
/// ```
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for weights that are negative, not
/// finite, or zero in sum.
pub fn split_budget(budget: u32, weights: &[f64]) -> Result<Vec<u32>> {
    let sum: f64 = weights.iter().sum();
    if !(sum > 0.0 && sum.is_finite()) || weights.iter().any(|w| *w < 0.0) {
        bail!(
            InvalidArgument,
            "weights {}, expected numbers from 0 on with a sum above 0",
            weights
                .iter()
                .map(f64::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    let shares: Vec<f64> = (weights.iter())
        .map(|w| w / sum * f64::from(budget))
        .collect();
    // A share is at most the budget.
    let mut parts: Vec<u32> = shares.iter().map(|s| s.floor() as u32).collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by(|&a, &b| shares[b].fract().total_cmp(&shares[a].fract()));
    let given: u32 = parts.iter().sum();
    for &i in order.iter().cycle().take((budget - given) as usize) {
        parts[i] += 1;
    }
    Ok(parts)
}

/// A mean over problems and the interval that holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Bootstrap over problems (Efron 1979, percentile intervals): as many problems as there are, sampled
/// with replacement, over and over.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Bootstrap {
    /// Bootstrap resamples.
    pub resamples: u32,
    /// Share of the resampled means that the interval holds.
    pub confidence: f64,
    /// Seed of the resampling.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// 10,000 resamples, 95 %, seed 0.
    fn default() -> Self {
        Self {
            resamples: 10_000,
            confidence: 0.95,
            seed: 0,
        }
    }
}

impl Bootstrap {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the number.
    pub fn validate(&self) -> Result<()> {
        if !(1..=1_000_000).contains(&self.resamples) {
            bail!(
                InvalidArgument,
                "{} resamples, expected 1 to 1,000,000",
                self.resamples
            );
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            bail!(
                InvalidArgument,
                "a confidence of {}, expected a number between 0 and 1",
                self.confidence
            );
        }
        Ok(())
    }

    /// The means of several lists over the same problems, each with its interval. The same
    /// problems are sampled for all lists, so that an average of lists belongs to what it averages.
    ///
    /// Resample r takes the problems `floor(u(r, j) * n)` for j from 0 to n - 1, where
    /// [`u`](rng::uniform) is the number of sample r and token j under the seed.
    ///
    /// # Errors
    /// As for [`validate`](Self::validate), and for lists that are empty or differ in length.
    pub fn estimate(&self, lists: &[Vec<f64>]) -> Result<Vec<Estimate>> {
        self.validate()?;
        let n = lists.first().map_or(0, Vec::len);
        if n == 0 || lists.iter().any(|list| list.len() != n) {
            bail!(
                InvalidArgument,
                "lists of {} problems, expected the same number in each, and one or more",
                lists
                    .iter()
                    .map(|l| l.len().to_string())
                    .collect::<Vec<_>>()
                    .join(", ")
            );
        }
        let mut means = vec![Vec::with_capacity(self.resamples as usize); lists.len()];
        let mut times = vec![0u32; n];
        for r in 0..self.resamples {
            times.fill(0);
            for j in 0..n {
                // Below n: u is below 1 by 2^-53 at least, and n is far below 2^53.
                times[(rng::uniform(self.seed, r, j as u64) * n as f64) as usize] += 1;
            }
            for (list, means) in lists.iter().zip(&mut means) {
                let sum: f64 = (list.iter().zip(&times))
                    .map(|(value, &times)| value * f64::from(times))
                    .sum();
                means.push(sum / n as f64);
            }
        }
        let estimates = lists.iter().zip(means).map(|(list, mut means)| {
            means.sort_by(f64::total_cmp);
            let outside = (1.0 - self.confidence) / 2.0;
            Estimate {
                mean: list.iter().sum::<f64>() / n as f64,
                low: quantile(&means, outside),
                high: quantile(&means, 1.0 - outside),
            }
        });
        Ok(estimates.collect())
    }
}

/// Of sorted numbers, with linear interpolation; there is one at least.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (below, part) = (at.floor() as usize, at.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * part
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;
    use num_traits::ToPrimitive;
    use proptest::prelude::*;

    use super::*;

    /// C(n, k), exactly.
    fn choose(n: u32, k: u32) -> BigUint {
        let mut c = BigUint::from(u32::from(k <= n));
        for i in 0..k.min(n) {
            c = c * (n - i) / (i + 1);
        }
        c
    }

    /// A quotient rounded at 1100 bits after the point, which is below what a double resolves.
    fn quotient(a: BigUint, b: &BigUint) -> f64 {
        let scaled: BigUint = (a << 1100u32) / b;
        let bits = scaled.bits();
        let shift = bits.saturating_sub(64);
        let top = (scaled >> shift).to_u64().unwrap() as f64;
        top * 2f64.powi(shift as i32 - 1100)
    }

    fn exact(n: u32, c: u32, k: u32) -> f64 {
        let all = choose(n, k);
        quotient(&all - choose(n - c, k), &all)
    }

    #[track_caller]
    fn assert_close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() <= 1e-13 * expected,
            "{found} instead of {expected}"
        );
    }

    #[test]
    fn every_count_of_small_numbers_is_exact() {
        for n in 0..=24 {
            for c in 0..=n {
                for k in 0..=n {
                    assert_close(pass_at_k(n, c, k).unwrap(), exact(n, c, k));
                }
            }
        }
        assert!(pass_at_k(3, 4, 1).is_err() && pass_at_k(3, 1, 4).is_err());
    }

    #[test]
    fn the_papers_numbers_and_far_larger_ones() {
        for k in [1, 10, 100] {
            for c in 0..=200 {
                assert_close(pass_at_k(200, c, k).unwrap(), exact(200, c, k));
            }
        }
        for (n, c, k) in [
            (100_000, 1, 1),
            (100_000, 3, 2),
            (4_000, 700, 3),
            (5_000, 2, 4_997),
        ] {
            assert_close(pass_at_k(n, c, k).unwrap(), exact(n, c, k));
        }
        // One of four thousand million: nothing is lost, and nothing takes long.
        let n = u32::MAX;
        assert_close(pass_at_k(n, 1, 1).unwrap(), 1.0 / f64::from(n));
        assert_eq!(pass_at_k(n, n / 2, n / 2).unwrap(), 1.0);
    }

    proptest! {
        #[test]
        fn any_numbers_are_exact(n in 1u32..600, c in 0.0..1.0, k in 0.0..1.0) {
            let part = |share: f64| (share * f64::from(n + 1)) as u32;
            let (c, k) = (part(c), part(k));
            assert_close(pass_at_k(n, c, k).unwrap(), exact(n, c, k));
        }

        #[test]
        fn parts_sum_to_the_budget(budget in 0u32..1000, weights in proptest::collection::vec(0.0..9.0, 1..7)) {
            prop_assume!(weights.iter().sum::<f64>() > 0.0);
            let parts = split_budget(budget, &weights).unwrap();
            prop_assert_eq!(parts.iter().sum::<u32>(), budget);
            let sum: f64 = weights.iter().sum();
            for (part, weight) in parts.iter().zip(&weights) {
                prop_assert!((f64::from(*part) - weight / sum * f64::from(budget)).abs() < 1.0 + 1e-9);
            }
        }
    }

    #[test]
    fn a_budget_passes_where_one_part_passes() {
        let count = |samples, passed| Count { samples, passed };
        let counts = [count(10, 3), count(20, 1), count(10, 0)];
        let all_fail = quotient(
            choose(7, 2) * choose(19, 5),
            &(choose(10, 2) * choose(20, 5)),
        );
        let found = pass_at_budget(&counts, &[2, 5, 3]).unwrap();
        assert_close(found, 1.0 - all_fail);
        assert_eq!(pass_at_budget(&counts, &[0, 0, 10]).unwrap(), 0.0);
        assert_eq!(pass_at_budget(&counts, &[8, 0, 0]).unwrap(), 1.0);
        assert!(pass_at_budget(&counts, &[11, 0, 0]).is_err());
        assert!(pass_at_budget(&counts, &[1]).is_err());
    }

    #[test]
    fn budgets_are_split_by_weight() {
        let shares = [33.0, 6.0, 20.0, 32.0, 9.0];
        assert_eq!(split_budget(100, &shares).unwrap(), [33, 6, 20, 32, 9]);
        assert_eq!(split_budget(5, &[1.0; 5]).unwrap(), [1; 5]);
        assert_eq!(split_budget(7, &[1.0; 5]).unwrap(), [2, 2, 1, 1, 1]);
        assert_eq!(split_budget(3, &[0.0, 2.0]).unwrap(), [0, 3]);
        for weights in [&[][..], &[0.0], &[-1.0, 2.0], &[f64::NAN], &[f64::INFINITY]] {
            assert!(split_budget(3, weights).is_err(), "{weights:?}");
        }
    }

    #[test]
    fn the_interval_is_that_of_the_binomial_and_deterministic() {
        // 60 of 164 problems solved: the means of resamples are binomial.
        let list: Vec<f64> = (0..164).map(|i| f64::from(u8::from(i < 60))).collect();
        let other: Vec<f64> = list.iter().map(|x| 1.0 - x).collect();
        let bootstrap = Bootstrap::default();
        let found = bootstrap.estimate(&[list.clone(), other]).unwrap();
        let p = 60.0 / 164.0;
        let half = 1.96 * (p * (1.0 - p) / 164.0f64).sqrt();
        assert_eq!(found[0].mean, p);
        assert!((found[0].low - (p - half)).abs() < 0.01, "{found:?}");
        assert!((found[0].high - (p + half)).abs() < 0.01, "{found:?}");
        // The same resamples for both lists.
        assert!((found[0].low + found[1].high - 1.0).abs() < 1e-12);
        assert_eq!(
            bootstrap.estimate(std::slice::from_ref(&list)).unwrap()[0],
            found[0]
        );
        let seed = Bootstrap {
            seed: 1,
            ..bootstrap
        };
        let fine: Vec<f64> = (0..164).map(|i| f64::from(i).sin().abs()).collect();
        let [a, b] = [bootstrap, seed].map(|b| b.estimate(std::slice::from_ref(&fine)).unwrap()[0]);
        assert!(a.mean == b.mean && a.low != b.low, "{a:?} {b:?}");
        let alike = bootstrap.estimate(&[vec![0.25; 9]]).unwrap()[0];
        assert_eq!((alike.low, alike.mean, alike.high), (0.25, 0.25, 0.25));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let bootstrap = Bootstrap::default();
        for wrong in [
            Bootstrap {
                resamples: 0,
                ..bootstrap
            },
            Bootstrap {
                confidence: 1.0,
                ..bootstrap
            },
            Bootstrap {
                confidence: f64::NAN,
                ..bootstrap
            },
        ] {
            assert!(wrong.estimate(&[vec![1.0]]).is_err(), "{wrong:?}");
        }
        assert!(bootstrap.estimate(&[]).is_err());
        assert!(bootstrap.estimate(&[vec![]]).is_err());
        assert!(bootstrap.estimate(&[vec![1.0], vec![1.0, 2.0]]).is_err());
    }
}
