//! AVX-512: two registers of sixteen lanes.

use std::arch::x86_64::*;
use std::array;

use half::{bf16, f16};

use super::impl_simd;
use crate::kernels::simd::{ACC, Simd};

/// Proof that AVX-512 F, BW, VL and DQ are there.
#[derive(Clone, Copy)]
pub struct Avx512(());

impl_simd!(
    Avx512, __m512, 2,
    splat: _mm512_set1_ps, load: _mm512_loadu_ps, store: _mm512_storeu_ps,
    f16: |p: *const __m256i| _mm512_cvtph_ps(_mm256_loadu_si256(p)),
    bf16: |p: *const __m256i| {
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p))))
    },
    pow2: |x: __m512| {
        let exponent = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(127));
        _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
    },
    add: _mm512_add_ps, sub: _mm512_sub_ps, mul: _mm512_mul_ps, div: _mm512_div_ps,
    fma: _mm512_fmadd_ps, max: _mm512_max_ps, min: _mm512_min_ps
);
