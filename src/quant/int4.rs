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
    // Finer than the one that only just reaches the largest weight by a third: clipping more
    // never pays.
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
