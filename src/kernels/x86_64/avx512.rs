//! AVX-512: two registers of sixteen lanes.

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::{prefetch, sum_of_eight, sums_of_eight};
use crate::kernels::impl_simd::impl_simd;
use crate::kernels::simd::{ACC, Simd};

/// Proof that AVX-512 F, BW, VL and DQ are there.
#[derive(Clone, Copy)]
pub struct Avx512(());

/// Proof that AVX-512 F, BW, VL, DQ and VNNI are there. It differs from [`Avx512`] in integer
/// arithmetic alone.
#[derive(Clone, Copy)]
pub struct Avx512Vnni(());

/// Proof that all of [`Avx512Vnni`] and AMX are there. It differs in the products of many tokens
/// alone, which are in [`super::amx`].
#[derive(Clone, Copy)]
pub struct Amx(());

/// Lanes of one register.
const LANES: usize = 16;
const REGISTERS: usize = ACC / LANES;

/// The tiers whose arithmetic of floats is this file's.
macro_rules! impl_simd_512 {
    ($($Token:ident)+) => {$(
        impl_simd!(
            $Token, __m512, [0, 1], many_registers: true,
            splat: _mm512_set1_ps, load: _mm512_loadu_ps, store: _mm512_storeu_ps,
            f16: load_f16, bf16: load_bf16, i8: load_i8, pow2: pow2_of_rounded, sum: sum, sums: sums,
            fma: _mm512_fmadd_ps, prefetch: prefetch,
            binary: [
                add: _mm512_add_ps, sub: _mm512_sub_ps, mul: _mm512_mul_ps, div: _mm512_div_ps,
                max: _mm512_max_ps, min: _mm512_min_ps
            ]
        );
    )+};
}
impl_simd_512!(Avx512 Avx512Vnni Amx);

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
/// Sixteen readable bytes, and the instructions of the tier.
#[inline(always)]
unsafe fn load_i8(p: *const __m128i) -> __m512 {
    // SAFETY: as the caller promises.
    unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(p))) }
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

/// The first steps of a sum: halves onto halves until eight lanes are left.
///
/// # Safety
/// The instructions of the tier.
#[inline(always)]
unsafe fn to_eight([a, b]: [__m512; REGISTERS]) -> __m256 {
    // SAFETY: as the caller promises.
    unsafe {
        let x = _mm512_add_ps(a, b);
        let (low, high) = (_mm512_castps512_ps256(x), _mm512_extractf32x8_ps::<1>(x));
        _mm256_add_ps(low, high)
    }
}

/// # Safety
/// The instructions of the tier.
#[inline(always)]
unsafe fn sum(lanes: [__m512; REGISTERS]) -> f32 {
    // SAFETY: as the caller promises.
    unsafe { sum_of_eight(to_eight(lanes)) }
}

/// # Safety
/// The instructions of the tier.
#[inline(always)]
unsafe fn sums([a, b, c, d, e, f, g, h]: [[__m512; REGISTERS]; 8]) -> [f32; 8] {
    // SAFETY: as the caller promises.
    unsafe {
        let [a, b, c, d] = [to_eight(a), to_eight(b), to_eight(c), to_eight(d)];
        let [e, f, g, h] = [to_eight(e), to_eight(f), to_eight(g), to_eight(h)];
        sums_of_eight([a, b, c, d, e, f, g, h])
    }
}
