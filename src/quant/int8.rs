//! Eight bits and one scale a row, as the reference quantizes.
//!
//! ```text
//! scale = f16(max |w| / 127)
//! q     = round(f16(w / scale)), ties to even
//! ```
//!
//! `w` are `f16`. That the quotient is rounded to `f16` before it is rounded to an integer decides
//! ties, so it is part of the definition.

use half::f16;

/// The largest magnitude of a code.
pub const MAX: f32 = 127.0;

/// Quantizes a row of finite numbers and returns its scale. A row of zeros has scale zero.
///
/// # Panics
/// When `codes` is shorter than the row.
pub fn quantize_row(row: &[f16], codes: &mut [i8]) -> f16 {
    // Magnitudes of f16 compare like their bits.
    let largest = row.iter().map(|w| w.to_bits() & 0x7fff).max().unwrap_or(0);
    let codes = &mut codes[..row.len()];
    if largest == 0 {
        codes.fill(0);
        return f16::ZERO;
    }
    let scale = f16::from_f32(f16::from_bits(largest).to_f32() / MAX);
    // A row of denormals can have a scale that rounds to zero: the smallest one serves.
    let scale = scale.max(f16::from_bits(1));
    let divisor = scale.to_f32();
    for (code, w) in codes.iter_mut().zip(row) {
        let quotient = f16::from_f32(w.to_f32() / divisor).to_f32();
        *code = quotient.round_ties_even().clamp(-MAX, MAX) as i8;
    }
    scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halves(row: &[f32]) -> Vec<f16> {
        row.iter().map(|&w| f16::from_f32(w)).collect()
    }

    fn quantized(row: &[f32]) -> (f16, Vec<i8>) {
        let mut codes = vec![99; row.len()];
        let scale = quantize_row(&halves(row), &mut codes);
        (scale, codes)
    }

    #[test]
    fn ties_go_to_even_after_the_quotient_was_rounded_to_f16() {
        // The scale is exactly 1.
        let row = [127.0, 0.5, 1.5, 2.5, -0.5, -1.5, 64.5, -127.0];
        let (scale, codes) = quantized(&row);
        assert_eq!(scale, f16::ONE);
        assert_eq!(codes, [127, 0, 2, 2, 0, -2, 64, -127]);
    }

    #[test]
    fn a_tie_that_only_the_rounded_quotient_has() {
        let (largest, w) = (1.171875, 0.059_967_04);
        let (scale, codes) = quantized(&[largest, w]);
        let quotient = w / scale.to_f32();
        assert_eq!(quotient.round_ties_even(), 7.0);
        assert_eq!(f16::from_f32(quotient).to_f32(), 6.5);
        assert_eq!(codes, [127, 6]);
    }

    #[test]
    fn zeros_and_denormals() {
        assert_eq!(quantized(&[0.0, -0.0, 0.0]), (f16::ZERO, vec![0, 0, 0]));
        let tiny = f16::from_bits(3).to_f32();
        let (scale, codes) = quantized(&[tiny, -tiny, 0.0]);
        assert_eq!(scale, f16::from_bits(1));
        assert_eq!(codes, [3, -3, 0]);
        // The largest number there is.
        let (_, codes) = quantized(&[65504.0, -65504.0, 1.0]);
        assert_eq!(codes, [127, -127, 0]);
    }
}
