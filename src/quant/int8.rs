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
        // 1.49954 / 1 needs no rounding, but 126.97 / 0.99976 = 127.0003 is 127 in f16; what is
        // just below a tie in f32 becomes the tie.
        let (scale, codes) = quantized(&[126.9375, 64.46875]);
        let exact = f16::from_f32(64.46875).to_f32() / scale.to_f32();
        let rounded = f16::from_f32(exact).to_f32();
        assert_eq!(f32::from(codes[1]), rounded.round_ties_even());
    }

    #[test]
    fn a_tie_that_only_the_rounded_quotient_has() {
        // f16 quotients between 64 and 128 are multiples of 1/16: 100.51 becomes 100.5, and 100.
        let scale = 1.0;
        let w = 100.51f32;
        let as_half = f16::from_f32(w).to_f32();
        assert_eq!(as_half / scale, 100.5);
        let (_, codes) = quantized(&[127.0, w]);
        assert_eq!(codes[1], 100);
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
