//! AVX2 with FMA and F16C: four registers of eight lanes.

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::{prefetch, sum_of_eight, sums_of_eight};
use crate::kernels::impl_simd::impl_simd;
use crate::kernels::simd::{ACC, Simd};

/// Proof that AVX2, FMA and F16C are there.
#[derive(Clone, Copy)]
pub struct Avx2(());

/// Proof that AVX2, FMA, F16C and AVX-VNNI are there. It differs from [`Avx2`] in integer
/// arithmetic alone.
#[derive(Clone, Copy)]
pub struct AvxVnni(());

/// Lanes of one register.
const LANES: usize = 8;
const REGISTERS: usize = ACC / LANES;

/// The tiers whose arithmetic of floats is this file's.
macro_rules! impl_simd_256 {
    ($($Token:ident)+) => {$(
        impl_simd!(
            $Token, __m256, [0, 1, 2, 3], many_registers: false,
            splat: _mm256_set1_ps, load: _mm256_loadu_ps, store: _mm256_storeu_ps,
            f16: load_f16, bf16: load_bf16, i8: load_i8, pow2: pow2_of_rounded, sum: sum, sums: sums,
            fma: _mm256_fmadd_ps, prefetch: prefetch,
            binary: [
                add: _mm256_add_ps, sub: _mm256_sub_ps, mul: _mm256_mul_ps, div: _mm256_div_ps,
                max: _mm256_max_ps, min: _mm256_min_ps
            ]
        );
    )+};
}
impl_simd_256!(Avx2 AvxVnni);

/// # Safety
/// Sixteen readable bytes, and the instructions of the tier.
#[inline(always)]
unsafe fn load_f16(p: *const __m128i) -> __m256 {
    // SAFETY: as the caller promises.
    unsafe { _mm256_cvtph_ps(_mm_loadu_si128(p)) }
}

/// # Safety
/// Sixteen readable bytes, and the instructions of the tier.
#[inline(always)]
unsafe fn load_bf16(p: *const __m128i) -> __m256 {
    // SAFETY: as the caller promises.
    unsafe {
        let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(p));
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
    }
}

/// # Safety
/// Eight readable bytes, and the instructions of the tier.
#[inline(always)]
unsafe fn load_i8(p: *const __m128i) -> __m256 {
    // SAFETY: as the caller promises.
    unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(p))) }
}

/// # Safety
/// The instructions of the tier.
#[inline(always)]
unsafe fn pow2_of_rounded(x: __m256) -> __m256 {
    // SAFETY: as the caller promises.
    unsafe {
        let exponent = _mm256_add_epi32(_mm256_castps_si256(x), _mm256_set1_epi32(127));
        _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
    }
}

/// The first steps of a sum: halves onto halves until eight lanes are left.
///
/// # Safety
/// The instructions of the tier.
#[inline(always)]
unsafe fn to_eight([a, b, c, d]: [__m256; REGISTERS]) -> __m256 {
    // SAFETY: as the caller promises.
    unsafe { _mm256_add_ps(_mm256_add_ps(a, c), _mm256_add_ps(b, d)) }
}

/// # Safety
/// The instructions of the tier.
#[inline(always)]
unsafe fn sum(lanes: [__m256; REGISTERS]) -> f32 {
    // SAFETY: as the caller promises.
    unsafe { sum_of_eight(to_eight(lanes)) }
}

/// # Safety
/// The instructions of the tier.
#[inline(always)]
unsafe fn sums([a, b, c, d, e, f, g, h]: [[__m256; REGISTERS]; 8]) -> [f32; 8] {
    // SAFETY: as the caller promises.
    unsafe {
        let [a, b, c, d] = [to_eight(a), to_eight(b), to_eight(c), to_eight(d)];
        let [e, f, g, h] = [to_eight(e), to_eight(f), to_eight(g), to_eight(h)];
        sums_of_eight([a, b, c, d, e, f, g, h])
    }
}
