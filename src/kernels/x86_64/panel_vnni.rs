//! Panels of packed weights by AVX-512 VNNI: a line of weights is one register, sixteen rows of
//! four, and one instruction multiplies it by four activations and adds up.
//!
//! The instruction takes unsigned bytes (weights) times signed ones (halves of activations). The
//! activations of a tile lie in the order in which they are used, so each is broadcast by the
//! instruction that multiplies it. Twelve tokens make 24 accumulators.

use std::arch::x86_64::*;

use super::avx512::{Amx, Avx512Vnni};
use crate::kernels::packed::panel::{
    Form, PanelDot, Quad, Scaled, Start, Sums, by_byte_tiles, by_tiles,
};
use crate::kernels::packed::tokens::Bytes;
use crate::kernels::packed::{BLOCK, BYTE_GROUP, INT4_LINES, INT8_LINES, Line, PANEL_ROWS};
use crate::kernels::simd::Simd;

/// Lines from where weights are read to where they are prefetched.
const AHEAD: usize = 128;

/// A token that proves AVX-512 with VNNI.
trait Vnni: Simd {}

macro_rules! panel_vnni {
    ($($Token:ident)+) => {$(
        impl Vnni for $Token {}

        impl PanelDot for $Token {
            const INT8_FORM: Form = Form::Halves;
            const INT8_OFFSET: f64 = 128.0;
            const INT4_FORM: Form = Form::Halves;
            by_tiles!(int8: int8 [12, 8, 4, 2, 1], int4: int4 [4, 2, 1]);
            by_byte_tiles!(
                int8: int8_by_bytes [16, 8, 4, 2, 1], int4: int4_by_bytes [8, 4, 2, 1]
            );

            #[inline(always)]
            fn peak(self, rounds: u64) -> u64 {
                // SAFETY: the token proves the instructions.
                unsafe { peak(rounds) }
            }
        }
    )+};
}
panel_vnni!(Avx512Vnni Amx);

/// # Safety
/// AVX-512 with VNNI.
#[inline(always)]
unsafe fn peak(rounds: u64) -> u64 {
    const CHAINS: usize = 16;
    // SAFETY: as the caller promises.
    let sum = unsafe {
        let w = _mm512_set1_epi8(std::hint::black_box(3));
        let x = _mm512_set1_epi8(std::hint::black_box(-5));
        let mut sums = [_mm512_setzero_si512(); CHAINS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, w, x);
            }
        }
        let mut all = sums[0];
        for sum in &sums[1..] {
            all = _mm512_xor_si512(all, *sum);
        }
        _mm512_reduce_add_epi32(all)
    };
    std::hint::black_box(sum);
    // Two instructions for each product, one for each half of the activation.
    rounds * (CHAINS * 64) as u64
}

#[inline(always)]
fn int8<const T: usize>(token: impl Vnni, panel: &[Line], x: &[[Quad; T]], out: &mut [Sums; T]) {
    // SAFETY: the token proves the instructions; loads are of whole lines.
    unsafe {
        let zero = _mm512_setzero_si512();
        let (mut high, mut low) = ([zero; T], [zero; T]);
        for (line, x) in panel.iter().zip(x) {
            token.prefetch(line.as_ptr().wrapping_add(AHEAD * size_of::<Line>()));
            let w = _mm512_loadu_si512(line.as_ptr().cast());
            for t in 0..T {
                high[t] = _mm512_dpbusd_epi32(high[t], w, _mm512_set1_epi32(x[t][0]));
                low[t] = _mm512_dpbusd_epi32(low[t], w, _mm512_set1_epi32(x[t][1]));
            }
        }
        for t in 0..T {
            combine(high[t], low[t], &mut out[t]);
        }
    }
}

#[inline(always)]
fn int4<const T: usize>(
    token: impl Vnni,
    panel: &[[Line; INT4_LINES]],
    multipliers: &[[u8; PANEL_ROWS]],
    x: &[[[Quad; T]; INT8_LINES]],
    corrections: &[[[Quad; T]; 2]],
    out: &mut [Sums; T],
) {
    // SAFETY: the token proves the instructions; loads are of whole lines.
    unsafe {
        let zero = _mm512_setzero_si512();
        let half = _mm512_set1_epi8(15);
        let four = _mm512_set1_epi32(15);
        let (mut high, mut low) = ([zero; T], [zero; T]);
        let blocks = panel.iter().zip(multipliers).zip(x.iter().zip(corrections));
        for ((lines, multipliers), (x, corrections)) in blocks {
            token.prefetch(multipliers.as_ptr().wrapping_add(AHEAD * 16));
            let m = _mm512_cvtepu8_epi32(_mm_loadu_si128(multipliers.as_ptr().cast()));
            let (m0, m1) = (_mm512_and_si512(m, four), _mm512_srli_epi32::<4>(m));
            let (mut high0, mut low0) = ([zero; T], [zero; T]);
            let (mut high1, mut low1) = ([zero; T], [zero; T]);
            for t in 0..T {
                high0[t] = _mm512_set1_epi32(corrections[0][t][0]);
                low0[t] = _mm512_set1_epi32(corrections[0][t][1]);
                high1[t] = _mm512_set1_epi32(corrections[1][t][0]);
                low1[t] = _mm512_set1_epi32(corrections[1][t][1]);
            }
            for q in 0..INT4_LINES {
                token.prefetch(lines[q].as_ptr().wrapping_add(AHEAD * size_of::<Line>()));
                let codes = _mm512_loadu_si512(lines[q].as_ptr().cast());
                let first = _mm512_and_si512(codes, half);
                let second = _mm512_and_si512(_mm512_srli_epi16::<4>(codes), half);
                let (x0, x1) = (&x[q], &x[q + INT4_LINES]);
                for t in 0..T {
                    high0[t] = _mm512_dpbusd_epi32(high0[t], first, _mm512_set1_epi32(x0[t][0]));
                    low0[t] = _mm512_dpbusd_epi32(low0[t], first, _mm512_set1_epi32(x0[t][1]));
                    high1[t] = _mm512_dpbusd_epi32(high1[t], second, _mm512_set1_epi32(x1[t][0]));
                    low1[t] = _mm512_dpbusd_epi32(low1[t], second, _mm512_set1_epi32(x1[t][1]));
                }
            }
            for t in 0..T {
                high[t] = _mm512_add_epi32(high[t], _mm512_mullo_epi32(high0[t], m0));
                high[t] = _mm512_add_epi32(high[t], _mm512_mullo_epi32(high1[t], m1));
                low[t] = _mm512_add_epi32(low[t], _mm512_mullo_epi32(low0[t], m0));
                low[t] = _mm512_add_epi32(low[t], _mm512_mullo_epi32(low1[t], m1));
            }
        }
        for t in 0..T {
            combine(high[t], low[t], &mut out[t]);
        }
    }
}

#[inline(always)]
fn int8_by_bytes<const T: usize>(
    token: impl Vnni,
    panel: &[Line],
    x: &[[i32; T]],
    starts: &[[Start; T]],
    out: &mut [Scaled; T],
) {
    let groups = panel.chunks(BYTE_GROUP / 4).zip(x.chunks(BYTE_GROUP / 4));
    for ((lines, x), starts) in groups.zip(starts) {
        // SAFETY: the token proves the instructions; loads are of whole lines.
        unsafe {
            let mut sums = [_mm512_setzero_si512(); T];
            for t in 0..T {
                sums[t] = _mm512_set1_epi32(starts[t].sum);
            }
            for (line, x) in lines.iter().zip(x) {
                token.prefetch(line.as_ptr().wrapping_add(AHEAD * size_of::<Line>()));
                let w = _mm512_loadu_si512(line.as_ptr().cast());
                for t in 0..T {
                    sums[t] = _mm512_dpbusd_epi32(sums[t], w, _mm512_set1_epi32(x[t]));
                }
            }
            add_scaled(&sums, starts, out);
        }
    }
}

#[inline(always)]
fn int4_by_bytes<const T: usize>(
    token: impl Vnni,
    panel: &[[Line; INT4_LINES]],
    multipliers: &[[u8; PANEL_ROWS]],
    x: &[[[i32; T]; INT8_LINES]],
    corrections: &[[[i32; T]; 2]],
    starts: &[[Start; T]],
    out: &mut [Scaled; T],
) {
    const BLOCKS: usize = BYTE_GROUP / BLOCK;
    let weights = panel.chunks(BLOCKS).zip(multipliers.chunks(BLOCKS));
    let tokens = x.chunks(BLOCKS).zip(corrections.chunks(BLOCKS));
    for ((weights, tokens), starts) in weights.zip(tokens).zip(starts) {
        let blocks = weights.0.iter().zip(weights.1);
        let blocks = blocks.zip(tokens.0.iter().zip(tokens.1));
        // SAFETY: the token proves the instructions; loads are of whole lines.
        unsafe {
            let half = _mm512_set1_epi8(15);
            let four = _mm512_set1_epi32(15);
            let mut sums = [_mm512_setzero_si512(); T];
            for ((lines, multipliers), (x, corrections)) in blocks {
                token.prefetch(multipliers.as_ptr().wrapping_add(AHEAD * 16));
                let m = _mm512_cvtepu8_epi32(_mm_loadu_si128(multipliers.as_ptr().cast()));
                let (m0, m1) = (_mm512_and_si512(m, four), _mm512_srli_epi32::<4>(m));
                let (mut first, mut second) = (sums, sums);
                for t in 0..T {
                    first[t] = _mm512_set1_epi32(corrections[0][t]);
                    second[t] = _mm512_set1_epi32(corrections[1][t]);
                }
                for q in 0..INT4_LINES {
                    token.prefetch(lines[q].as_ptr().wrapping_add(AHEAD * size_of::<Line>()));
                    let codes = _mm512_loadu_si512(lines[q].as_ptr().cast());
                    let w0 = _mm512_and_si512(codes, half);
                    let w1 = _mm512_and_si512(_mm512_srli_epi16::<4>(codes), half);
                    let (x0, x1) = (&x[q], &x[q + INT4_LINES]);
                    for t in 0..T {
                        first[t] = _mm512_dpbusd_epi32(first[t], w0, _mm512_set1_epi32(x0[t]));
                        second[t] = _mm512_dpbusd_epi32(second[t], w1, _mm512_set1_epi32(x1[t]));
                    }
                }
                for t in 0..T {
                    sums[t] = _mm512_add_epi32(sums[t], _mm512_mullo_epi32(first[t], m0));
                    sums[t] = _mm512_add_epi32(sums[t], _mm512_mullo_epi32(second[t], m1));
                }
            }
            add_scaled(&sums, starts, out);
        }
    }
}

/// Adds the sums of a group.
///
/// # Safety
/// The machine must have AVX-512 F.
#[inline(always)]
unsafe fn add_scaled<const T: usize>(
    sums: &[__m512i; T],
    starts: &[Start; T],
    out: &mut [Scaled; T],
) {
    // SAFETY: as the caller promises; an entry of `out` is a register.
    unsafe {
        for t in 0..T {
            let scaled =
                _mm512_mul_ps(_mm512_cvtepi32_ps(sums[t]), _mm512_set1_ps(starts[t].scale));
            let total = _mm512_add_ps(_mm512_loadu_ps(out[t].as_ptr()), scaled);
            _mm512_storeu_ps(out[t].as_mut_ptr(), total);
        }
    }
}

/// `256 high + low`, exactly.
///
/// # Safety
/// The machine must have AVX-512 F and DQ.
#[inline(always)]
unsafe fn combine(high: __m512i, low: __m512i, out: &mut Sums) {
    // SAFETY: as the caller promises; `out` holds two registers.
    unsafe {
        let scale = _mm512_set1_pd(256.0);
        let h = _mm512_cvtepi32_pd(_mm512_castsi512_si256(high));
        let l = _mm512_cvtepi32_pd(_mm512_castsi512_si256(low));
        _mm512_storeu_pd(out.as_mut_ptr(), _mm512_fmadd_pd(h, scale, l));
        let h = _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64::<1>(high));
        let l = _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64::<1>(low));
        _mm512_storeu_pd(out.as_mut_ptr().add(8), _mm512_fmadd_pd(h, scale, l));
    }
}
