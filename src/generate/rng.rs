//! Random numbers for sampling: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random
//! numbers: as easy as 1, 2, 3", SC 2011).
//!
//! A counter-based generator has no state to carry: the number for token t of sample s under a
//! seed is a function of (seed, s, t), the same on every platform, in any batch and in any order
//! of computation.

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

/// A number in [0, 1) for drawing token `index` of sample `sample`: key = the seed, low word
/// first; counter = (index, its high word, sample, 0); the first output word gives the upper 32
/// bits of the fraction, the second's upper 21 bits the rest.
pub fn uniform(seed: u64, sample: u32, index: u64) -> f64 {
    let counter = [index as u32, (index >> 32) as u32, sample, 0];
    let [a, b, _, _] = philox4x32(counter, [seed as u32, (seed >> 32) as u32]);
    let bits = u64::from(a) << 21 | u64::from(b >> 11);
    bits as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known-answer vectors that the authors publish with Random123.
    #[test]
    fn known_answers() {
        assert_eq!(
            philox4x32([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn uniform_is_uniform_enough_and_depends_on_every_argument() {
        let n = 20_000;
        let mean = (0..n).map(|i| uniform(7, 3, i)).sum::<f64>() / n as f64;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert!((0..n).all(|i| (0.0..1.0).contains(&uniform(7, 3, i))));
        let base = uniform(1, 1, 1);
        let others = [
            uniform(2, 1, 1),
            uniform(1 | 1 << 32, 1, 1),
            uniform(1, 2, 1),
            uniform(1, 1, 2),
            uniform(1, 1, 1 | 1 << 32),
        ];
        assert!(others.iter().all(|&u| u != base));
    }
}
