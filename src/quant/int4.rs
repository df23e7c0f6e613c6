//! Four bits, with a multiplier of four bits for every 32 inputs and one scale a row.
//!
//! ```text
//! w ≈ scale[row] * m[group] * q,   q = -8 … 7,   m = 1 … 15
//! ```
//!
//! `m * q` are integers of eight bits, so a row of four-bit weights is a row of eight-bit weights
//! of which some values are missing, and every sum over it is exact. The multiplier of a group is
//! the one with the least squared error. It costs 4.125 bits a weight; see benches/README.md for what other formats cost and give.

use half::f16;

use crate::kernels::packed::GROUP;

/// The lowest code.
pub const LOW: f32 = -8.0;
/// The highest code.
pub const HIGH: f32 = 7.0;
/// The largest multiplier.
pub const MAX_MULTIPLIER: u8 = 15;

/// Quantizes a row of finite numbers: codes as they are stored (`q + 8`), one a weight, and
/// multipliers, one a group. Returns the scale. A row of zeros has scale zero.
///
/// # Panics
/// When `codes` is shorter than the row or `multipliers` than its groups.
pub fn quantize_row(row: &[f32], codes: &mut [u8], multipliers: &mut [u8]) -> f16 {
    let largest = row.iter().fold(0.0f32, |most, w| most.max(w.abs()));
    let scale = f16::from_f32(largest / (-LOW * f32::from(MAX_MULTIPLIER)));
    let scale = if largest == 0.0 {
        f16::ZERO
    } else {
        scale.max(f16::from_bits(1))
    };
    let step = scale.to_f32();
    let groups = row.chunks(GROUP).zip(codes.chunks_mut(GROUP));
    for ((group, codes), multiplier) in groups.zip(multipliers) {
        *multiplier = best_multiplier(group, step);
        encode(group, step * f32::from(*multiplier), codes);
    }
    scale
}

/// The multiplier with the least squared error; the smaller of two that are equal.
fn best_multiplier(group: &[f32], step: f32) -> u8 {
    let (mut best, mut least) = (1, f32::INFINITY);
    if step == 0.0 {
        return best;
    }
    let largest = group.iter().fold(0.0f32, |most, w| most.max(w.abs()));
    // Around the one that only just reaches the largest weight: what is much finer clips too much,
    // what is much coarser rounds too much.
    let reach = largest / (-LOW * step);
    let first = (reach * 0.6).floor().clamp(1.0, f32::from(MAX_MULTIPLIER)) as u8;
    let last = (reach * 1.35).ceil().clamp(1.0, f32::from(MAX_MULTIPLIER)) as u8;
    for m in first..=last {
        let error = squared_error(group, step * f32::from(m));
        if error < least {
            (best, least) = (m, error);
        }
    }
    best
}

fn squared_error(group: &[f32], step: f32) -> f32 {
    let inverse = 1.0 / step;
    let mut error = 0.0;
    for w in group {
        let q = (w * inverse).round_ties_even().clamp(LOW, HIGH);
        let d = w - q * step;
        error += d * d;
    }
    error
}

fn encode(group: &[f32], step: f32, codes: &mut [u8]) {
    let inverse = if step == 0.0 { 0.0 } else { 1.0 / step };
    for (code, w) in codes.iter_mut().zip(group) {
        let q = (w * inverse).round_ties_even().clamp(LOW, HIGH);
        *code = (q - LOW) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look normally distributed, the same every time.
    fn noise(n: usize) -> Vec<f32> {
        let mut state = 7u64;
        let mut uniform = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        (0..n)
            .map(|_| (0..6).map(|_| uniform()).sum::<f32>() * 0.03)
            .collect()
    }

    #[test]
    fn no_other_multiplier_is_much_better() {
        let row = noise(40 * GROUP + 5);
        let (mut codes, mut multipliers) = (vec![99; row.len()], vec![0; 41]);
        let step = quantize_row(&row, &mut codes, &mut multipliers).to_f32();
        for (g, group) in row.chunks(GROUP).enumerate() {
            let codes = &codes[g * GROUP..][..group.len()];
            let m = multipliers[g];
            assert!((1..=MAX_MULTIPLIER).contains(&m) && codes.iter().all(|&c| c < 16));
            let restored = codes
                .iter()
                .map(|&c| (f32::from(c) - 8.0) * step * f32::from(m));
            let error: f32 = group
                .iter()
                .zip(restored)
                .map(|(w, r)| (w - r).powi(2))
                .sum();
            let least = (1..=MAX_MULTIPLIER)
                .map(|m| squared_error(group, step * f32::from(m)))
                .fold(f32::INFINITY, f32::min);
            assert!(error <= least * 1.001, "group {g}: {error}, not {least}");
        }
    }

    #[test]
    fn rows_of_zeros_and_of_the_largest_numbers() {
        let (mut codes, mut multipliers) = (vec![99; 40], vec![0; 2]);
        assert_eq!(
            quantize_row(&[0.0; 40], &mut codes, &mut multipliers),
            f16::ZERO
        );
        assert!(codes.iter().all(|&c| c == 8));
        let scale = quantize_row(&[-65504.0; 40], &mut codes, &mut multipliers);
        let restored = (f32::from(codes[0]) - 8.0) * scale.to_f32() * f32::from(multipliers[0]);
        assert!((restored / -65504.0 - 1.0).abs() < 0.01, "{restored}");
    }
}
