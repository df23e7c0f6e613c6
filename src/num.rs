//! Element types of tensors, and the elementary functions and casts whose results must not
//! depend on the platform.
//!
//! Lossy `as` casts of the crate live here. `exp`, `ln`, `pow`, `sin_cos` and, for MinGW, `fma` are
//! written out because the system's own differ in the last bit from one C library to the next, and a
//! seed must give the same tokens on every one. What this module does not do: vectorise. The kernels
//! have the same polynomial over SIMD lanes.
#![forbid(unsafe_code)]

use std::fmt;

/// Element type of a stored tensor, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    BF16,
    /// IEEE 754 binary64.
    F64,
    /// Signed 64-bit integer.
    I64,
    /// Signed 32-bit integer.
    I32,
    /// Signed 16-bit integer.
    I16,
    /// Signed 8-bit integer.
    I8,
    /// Unsigned 8-bit integer.
    U8,
    /// One byte, 0 or 1.
    Bool,
}

impl DType {
    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::BF16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// Whether the model computes with weights of this type.
    pub const fn is_weight(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::BF16)
    }

    /// The name used in messages and in the command line: `f16`, `bf16`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::F64 => "f64",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::I16 => "i16",
            Self::I8 => "i8",
            Self::U8 => "u8",
            Self::Bool => "bool",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Adding and subtracting this rounds a number below 2^22 to an integer, ties to even, and
/// leaves the integer in the low bits of the sum.
pub(crate) const ROUND_MAGIC: f32 = 12_582_912.0; // 1.5 * 2^23

/// Constants of [`exp`], for the kernels that compute the same over lanes.
pub(crate) mod exp_constants {
    /// Below this the result is a denormal or zero; it is taken as this.
    pub const LOW: f32 = -87.33654;
    /// Above this the result would be infinite.
    pub const HIGH: f32 = 88.0;
    /// ln 2 in two parts, the first exact in 9 bits.
    pub const LN2_HIGH: f32 = 355.0 / 512.0;
    /// The rest of ln 2.
    pub const LN2_LOW: f32 = -2.121_944_4e-4;
    /// Coefficients of the polynomial for `(exp(r) - 1 - r) / r^2`, highest power first.
    pub const POLY: [f32; 6] = [
        1.987_569_1e-4,
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        5.000_000_3e-1,
    ];
}

/// `2^n` for a number that holds `n + ROUND_MAGIC`.
#[inline(always)]
pub(crate) fn pow2_of_rounded(magic: f32) -> f32 {
    f32::from_bits(magic.to_bits().wrapping_add(127) << 23)
}

/// `a * b + c`, rounded once.
#[inline(always)]
pub(crate) fn fma(a: f32, b: f32, c: f32) -> f32 {
    // `fmaf` of MinGW's C library rounds twice.
    #[cfg(all(windows, target_env = "gnu"))]
    return fma_in_double(a, b, c);
    #[cfg(not(all(windows, target_env = "gnu")))]
    a.mul_add(b, c)
}

/// [`fma`] without an instruction or a C library for it: in double precision the product is exact, and a
/// sum that is rounded to odd (Boldo and Melquiond 2008) can be rounded again without an error.
#[cfg(any(test, all(windows, target_env = "gnu")))]
fn fma_in_double(a: f32, b: f32, c: f32) -> f32 {
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + c;
    // What the sum lost (Knuth's two-sum).
    let back = sum - product;
    let lost = (product - (sum - back)) + (c - back);
    let bits = sum.to_bits();
    if !sum.is_finite() || lost == 0.0 || bits & 1 == 1 {
        return sum as f32;
    }
    // The odd neighbour on the side of the exact sum.
    let away_from_zero = (lost > 0.0) == (sum > 0.0);
    f64::from_bits(if away_from_zero { bits + 1 } else { bits - 1 }) as f32
}

/// The exponential function with the same bits on every platform: products and sums in a fixed
/// order, none fused. Within 2 units in the last place; arguments outside -87.3 … 88 are taken as
/// those. NaN stays NaN.
///
/// In IEEE 754 binary32, every operation rounded for itself:
///
/// ```text
/// x = clamp(x, -87.33654, 88)
/// n = the product x * 1.442695, rounded to the nearest integer, ties to even
/// r = (x - n * (355 / 512)) - n * -2.1219444e-4
/// p = 1.9875691e-4
/// p = p * r + c         for c in 1.3981999e-3, 8.333452e-3, 4.1665796e-2, 1.6666665e-1, 5.0000003e-1
/// exp(x) = ((p * (r * r) + r) + 1) * 2^n
/// ```
///
/// A decimal stands for the nearest binary32; 1.442695 is 0x3FB8AA3B.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    use exp_constants::*;
    // In this form a comparison with NaN keeps it.
    let x = if LOW > x { LOW } else { x };
    let x = if HIGH < x { HIGH } else { x };
    let magic = x * std::f32::consts::LOG2_E + ROUND_MAGIC;
    let n = magic - ROUND_MAGIC;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = POLY[0];
    for c in &POLY[1..] {
        p = p * r + c;
    }
    let p = (p * (r * r) + r) + 1.0;
    p * pow2_of_rounded(magic)
}

/// The natural logarithm of a positive, finite number, with the same bits on every platform;
/// relative error below 1e-14. Zero gives negative infinity, a negative number NaN.
pub(crate) fn ln(x: f64) -> f64 {
    if x < 0.0 || x.is_nan() {
        return f64::NAN;
    }
    if x == 0.0 || x == f64::INFINITY {
        return if x == 0.0 { f64::NEG_INFINITY } else { x };
    }
    // Scale denormals up by 2^54 first, so that the exponent field says all.
    let (x, bias) = if x < f64::MIN_POSITIVE {
        (x * 18_014_398_509_481_984.0, 1023 + 54)
    } else {
        (x, 1023)
    };
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - bias;
    let mut m = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if m > std::f64::consts::SQRT_2 {
        m *= 0.5;
        exponent += 1;
    }
    // ln m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.1716; the series to s^21 leaves 1e-17.
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    let mut sum = 0.0;
    for k in (0..11).rev() {
        sum = sum * s2 + 1.0 / f64::from(2 * k + 1);
    }
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * s * sum
}

/// The exponential function in double precision with the same bits on every platform; relative
/// error below 1e-14. Below -700 the result is zero, above 700 infinite. NaN stays NaN.
fn exp_double(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    if x.is_nan() {
        return x;
    }
    if x.abs() > 700.0 {
        return if x < 0.0 { 0.0 } else { f64::INFINITY };
    }
    let n = (x * std::f64::consts::LOG2_E).round();
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    // |r| < 0.347: the series to r^14 leaves 1e-19.
    let sum = (1..=14)
        .rev()
        .fold(1.0, |sum, k| 1.0 + sum * r / f64::from(k));
    sum * f64::from_bits(((n as i64 + 1023) as u64) << 52)
}

/// `x` to the power of `y`, for a positive `x`, with the same bits on every platform; relative
/// error below 1e-12 where the result is between 1e-300 and 1e300. Exact where `y` is 0 or 1.
pub(crate) fn pow(x: f64, y: f64) -> f64 {
    if y.abs() > 1024.0 {
        return exp_double(y * ln(x));
    }
    let mut power = 1.0;
    for _ in 0..y.abs().trunc() as u32 {
        power *= x;
    }
    if y.fract() != 0.0 {
        power *= exp_double(y.abs().fract() * ln(x));
    }
    if y < 0.0 { 1.0 / power } else { power }
}

/// Sine and cosine with the same bits on every platform; absolute error below 1e-8 up to 2^25. Beyond,
/// and for what is not finite, NaN.
pub(crate) fn sin_cos(x: f64) -> (f64, f64) {
    // Half of pi in three parts; the first two have 33 bits each, so that multiples are exact.
    const HALF_PI: [f64; 3] = [
        1.570_796_326_734_125_6,
        6.077_100_506_303_966e-11,
        2.022_266_248_711_166_5e-21,
    ];
    if x.is_nan() || x.abs() > 33_554_432.0 {
        return (f64::NAN, f64::NAN);
    }
    let n = (x * std::f64::consts::FRAC_2_PI).round();
    let r = ((x - n * HALF_PI[0]) - n * HALF_PI[1]) - n * HALF_PI[2];
    let square = r * r;
    // |r| < 0.7854: the series to r^17 and r^18 leave 1e-18.
    let sine = (1..=8).rev().fold(1.0, |sum, k: i32| {
        1.0 - sum * square / f64::from(2 * k * (2 * k + 1))
    }) * r;
    let cosine = (1..=9).rev().fold(1.0, |sum, k: i32| {
        1.0 - sum * square / f64::from(2 * k * (2 * k - 1))
    });
    match (n as i64).rem_euclid(4) {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fused_product_and_sum_is_rounded_once() {
        let fused: [fn(f32, f32, f32) -> f32; 2] = [fma, fma_in_double];
        // (1 + 2^-12)^2 lies half-way between two numbers; what is added decides.
        let (half_way, little) = (1.0 + 2f32.powi(-12), 2f32.powi(-80));
        let (down, up) = (1.0 + 2f32.powi(-11), 1.0 + 2f32.powi(-11) + f32::EPSILON);
        for fma in fused {
            assert_eq!(fma(half_way, half_way, little), up);
            assert_eq!(fma(half_way, half_way, -little), down);
            assert_eq!(fma(-half_way, half_way, -little), -up);
            assert_eq!(fma(half_way, half_way, 0.0), down, "ties to even");
            assert_eq!(fma(f32::MAX, 2.0, -f32::MAX), f32::MAX);
            assert_eq!(fma(f32::MAX, 2.0, 0.0), f32::INFINITY);
            assert!(fma(f32::INFINITY, 1.0, f32::NEG_INFINITY).is_nan());
            assert!(fma(0.0, f32::INFINITY, 1.0).is_nan());
            assert_eq!(fma(-0.0, 1.0, -0.0).to_bits(), (-0.0f32).to_bits());
            assert_eq!(fma(1e-30, 1e-30, 0.0), 0.0);
        }
        // Against the system where that rounds once; every exponent, and sums that nearly vanish.
        let mut state = 1u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            f32::from_bits((state >> 32) as u32)
        };
        for _ in 0..200_000 {
            let (a, b, c) = (next(), next(), next());
            for c in [c, -a * b, a * b * f32::EPSILON] {
                let (found, expected) = (fma_in_double(a, b, c), fma(a, b, c));
                let same =
                    found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan());
                assert!(same, "{a:e} * {b:e} + {c:e} is {expected:e}, not {found:e}");
            }
        }
    }

    #[test]
    fn exp_is_within_two_units_of_the_exact_value() {
        let mut x = -87.3f32;
        while x < 88.0 {
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.0 * f64::from(f32::EPSILON), "{x}: {error}");
            x += 0.001_37;
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(f32::NEG_INFINITY) < 1.2e-38);
        assert!(exp(f32::INFINITY).is_finite());
    }

    #[test]
    fn ln_is_close_to_exact_over_the_whole_range() {
        let mut x = 1e-310f64;
        while x < 1e300 {
            let exact = x.ln();
            assert!((ln(x) - exact).abs() <= 1e-14 * exact.abs().max(1.0), "{x}");
            x *= 1.37;
        }
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(ln(0.0), f64::NEG_INFINITY);
        assert!(ln(-1.0).is_nan());
    }

    #[test]
    fn pow_is_close_to_exact_and_whole_powers_are_products() {
        for x in [1.0f64, 2.0, 3.0, 20.0, 2048.0] {
            let mut y = -64.0;
            while y <= 64.0 {
                let exact = x.powf(y);
                assert!((pow(x, y) - exact).abs() <= 1e-12 * exact, "{x}^{y}");
                y += 0.37;
            }
            assert_eq!((pow(x, 0.0), pow(x, 1.0), pow(x, 2.0)), (1.0, x, x * x));
            assert_eq!(pow(x, -1.0), 1.0 / x);
        }
        assert!(pow(2.0, f64::NAN).is_nan());
    }

    #[test]
    fn sin_cos_is_close_to_exact() {
        let mut x = -40.0f64;
        while x < 1.6e7 {
            let (sin, cos) = sin_cos(x);
            let most = if x.abs() < 1e5 { 1e-11 } else { 1e-8 };
            assert!((sin - x.sin()).abs() < most, "sin {x}");
            assert!((cos - x.cos()).abs() < most, "cos {x}");
            x += 0.37 + x.abs() * 0.01;
        }
        assert_eq!(sin_cos(0.0), (0.0, 1.0));
        assert!(sin_cos(f64::INFINITY).0.is_nan() && sin_cos(1e9).1.is_nan());
    }
}
