//! Random numbers for sampling, and how a token is sampled with them: the whole of it, so that the
//! same tokens can be reproduced by any other implementation.
//!
//! A counter-based generator has no state to carry: the number for token t of sample s under a
//! seed is a function of (seed, s, t), the same on every platform, in any batch and in any order
//! of computation.
//!
//! # The generator
//!
//! Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
//! SC 2011): a counter of four words of 32 bits `x0 x1 x2 x3` and a key of two, `k0 k1`. Ten
//! times over, with `hi` and `lo` for the upper and the lower word of a product of 64 bits:
//!
//! ```text
//! x0, x1, x2, x3 = hi(0xCD9E8D57 * x2) ^ x1 ^ k0,  lo(0xCD9E8D57 * x2),
//!                  hi(0xD2511F53 * x0) ^ x3 ^ k1,  lo(0xD2511F53 * x0)
//! k0, k1 = k0 + 0x9E3779B9, k1 + 0xBB67AE85        modulo 2^32
//! ```
//!
//! # The number of a token
//!
//! - Key: the seed; its lower word is `k0`, its upper `k1`.
//! - Counter: `x0` and `x1` are the lower and the upper word of t, the count of tokens generated
//!   before in this sample; `x2` is the number of the sample,
//!   [`first_sample`](super::GenerateOptions::first_sample) plus its index; `x3` is 0.
//! - Of the four words that come out, `u = (x0 * 2^21 + floor(x1 / 2^11)) / 2^53`: 53 bits, at
//!   least 0, less than 1, exact in binary64. The other two words are not used.
//!
//! A greedy choice uses no number.
//!
//! # From logits to a token
//!
//! 1. The candidates are the ids of the tokenizer, in ascending order, each with its logit in
//!    binary32. A logit of NaN or positive infinity is an error; an id whose logit is negative
//!    infinity is no candidate.
//! 2. The stages of the chain change them, in the order that [`sampler`](super::sampler) gives.
//!    The formula of each is in its own documentation. Arithmetic is IEEE 754, binary32 unless
//!    it says otherwise, every operation rounded for itself to nearest, ties to even; nothing is
//!    fused or reordered.
//! 3. Where candidates are ranked, the greater logit is first, and of equal logits the smaller
//!    id; positive zero is greater than negative zero.
//! 4. The weight of a candidate is `exp(logit - maximum)`, the difference rounded to binary32,
//!    the exponential that of [`num::exp`](crate::num::exp), which has the formula. Far below the
//!    maximum it is about 1.2e-38, not 0; for negative infinity it is 0. The sum `S` of the
//!    weights is in binary64, added up in the order of ids. Stages that compare probabilities use
//!    the same weights and sum.
//! 5. Of `left = u * S`, in binary64, the weights are subtracted one by one in the order of ids.
//!    The first candidate at which `left` is below zero is the token. Should rounding leave none,
//!    it is the last one with a weight above zero.

#[cfg(test)]
mod tests;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Ten rounds of Philox4x32.
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut x0, mut x1, mut x2, mut x3], [mut k0, mut k1]) = (counter, key);
    for _ in 0..10 {
        let (high0, low0) = multiply(MULTIPLIERS[0], x0);
        let (high1, low1) = multiply(MULTIPLIERS[1], x2);
        (x0, x1, x2, x3) = (high1 ^ x1 ^ k0, low1, high0 ^ x3 ^ k1, low0);
        k0 = k0.wrapping_add(WEYL[0]);
        k1 = k1.wrapping_add(WEYL[1]);
    }
    [x0, x1, x2, x3]
}

fn multiply(a: u32, b: u32) -> (u32, u32) {
    let product = u64::from(a) * u64::from(b);
    ((product >> 32) as u32, product as u32)
}

/// The number in [0, 1) for drawing token `index` of sample `sample`, as specified
/// [above](self).
///
/// ```
/// use codegeex::generate::rng::uniform;
///
/// assert_eq!(uniform(0, 0, 0), 0.3990464708489645);
/// ```
pub fn uniform(seed: u64, sample: u32, index: u64) -> f64 {
    let counter = [index as u32, (index >> 32) as u32, sample, 0];
    let [a, b, _, _] = philox4x32(counter, [seed as u32, (seed >> 32) as u32]);
    let bits = u64::from(a) << 21 | u64::from(b >> 11);
    bits as f64 / (1u64 << 53) as f64
}
