//! AVX-512: two registers of sixteen lanes.

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::{impl_simd, sum_of_eight};
use crate::kernels::simd::{ACC, Simd};

/// Proof that AVX-512 F, BW, VL and DQ are there.
#[derive(Clone, Copy)]
pub struct Avx512(());

/// Proof that AVX-512 F, BW, VL, DQ and VNNI are there. It differs from [`Avx512`] in integer
/// arithmetic alone.
#[derive(Clone, Copy)]
pub struct Avx512Vnni(());

/// Lanes of one register.
const LANES: usize = 16;
const REGISTERS: usize = ACC / LANES;

/// The tiers whose arithmetic of floats is this file's.
macro_rules! impl_simd_512 {
    ($($Token:ident)+) => {$(
        impl_simd!(
            $Token, __m512, [0, 1], four_rows: true,
            splat: _mm512_set1_ps, load: _mm512_loadu_ps, store: _mm512_storeu_ps,
            f16: load_f16, bf16: load_bf16, pow2: pow2_of_rounded, sum: sum,
            fma: _mm512_fmadd_ps,
            binary: [
                add: _mm512_add_ps, sub: _mm512_sub_ps, mul: _mm512_mul_ps, div: _mm512_div_ps,
                max: _mm512_max_ps, min: _mm512_min_ps
            ]
        );
    )+};
}
impl_simd_512!(Avx512 Avx512Vnni);

/// # Safety
/// Thirty-two readable bytes, and the instructions of the tier.
#[inline(always)]
unsafe fn load_f16(p: *const __m256i) -> __m512 {
    // SAFETY: as the caller promises.
    unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(p)) }
}

/// # Safety
/// Thirty-two readable bytes, and the instructions of the tier.
#[inline(always)]
unsafe fn load_bf16(p: *const __m256i) -> __m512 {
    // SAFETY: as the caller promises.
    unsafe {
        let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(p));
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
    }
}

/// # Safety
/// The instructions of the tier.
#[inline(always)]
unsafe fn pow2_of_rounded(x: __m512) -> __m512 {
    // SAFETY: as the caller promises.
    unsafe {
        let exponent = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(127));
        _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
    }
}

/// # Safety
/// The instructions of the tier.
#[inline(always)]
unsafe fn sum([a, b]: [__m512; REGISTERS]) -> f32 {
    // SAFETY: as the caller promises.
    unsafe {
        let x = _mm512_add_ps(a, b);
        let (low, high) = (_mm512_castps512_ps256(x), _mm512_extractf32x8_ps::<1>(x));
        sum_of_eight(_mm256_add_ps(low, high))
    }
}
