//! Panels of packed weights by AVX-VNNI, the dot product of bytes in registers of 256 bits that
//! processors without AVX-512 have: a line of weights is two registers, each eight rows of four.
//!
//! The same products as in `panel_vnni`, with sixteen registers and without broadcasts from memory:
//! twelve accumulators, two registers of weights, one of activations. Kernels that would need more
//! take a half of the rows at a time.

use std::arch::x86_64::*;

use super::avx2::AvxVnni;
use crate::kernels::packed::panel::{
    Form, PanelDot, Quad, Scaled, Start, Sums, by_byte_tiles, by_tiles,
};
use crate::kernels::packed::tokens::Bytes;
use crate::kernels::packed::{BLOCK, BYTE_GROUP, INT4_LINES, INT8_LINES, Line, PANEL_ROWS};
use crate::kernels::simd::Simd;

/// Lines from where weights are read to where they are prefetched.
const AHEAD: usize = 32;
/// Rows of a register.
const ROWS: usize = 8;
/// Registers of a line.
const PARTS: usize = PANEL_ROWS / ROWS;

impl PanelDot for AvxVnni {
    const INT8_FORM: Form = Form::Halves;
    const INT8_OFFSET: f64 = 128.0;
    const INT4_FORM: Form = Form::Halves;
    by_tiles!(int8: int8 [3, 2, 1], int4: int4 [2, 1]);
    by_byte_tiles!(int8: int8_by_bytes [6, 4, 2, 1], int4: int4_by_bytes [4, 2, 1]);

    #[inline(always)]
    fn peak(self, rounds: u64) -> u64 {
        const CHAINS: usize = 12;
        let mut lanes = [0i32; ROWS];
        // SAFETY: the token proves the instructions; the store is of an array of a register's size.
        unsafe {
            let w = _mm256_set1_epi8(std::hint::black_box(3));
            let x = _mm256_set1_epi8(std::hint::black_box(-5));
            let mut sums = [_mm256_setzero_si256(); CHAINS];
            for _ in 0..rounds {
                for sum in &mut sums {
                    *sum = _mm256_dpbusd_avx_epi32(*sum, w, x);
                }
            }
            for i in 1..CHAINS {
                sums[0] = _mm256_xor_si256(sums[0], sums[i]);
            }
            _mm256_storeu_si256(lanes.as_mut_ptr().cast(), sums[0]);
        }
        std::hint::black_box(lanes);
        // Two instructions for each product, one for each half of the activation.
        rounds * (CHAINS * 4 * ROWS) as u64
    }
}

#[inline(always)]
fn int8<const T: usize>(token: AvxVnni, panel: &[Line], x: &[[Quad; T]], out: &mut [Sums; T]) {
    // SAFETY: the token proves the instructions; loads are of halves of lines.
    unsafe {
        let zero = _mm256_setzero_si256();
        let (mut high, mut low) = ([[zero; PARTS]; T], [[zero; PARTS]; T]);
        for (line, x) in panel.iter().zip(x) {
            let w = load(token, line);
            for t in 0..T {
                let (h, l) = (_mm256_set1_epi32(x[t][0]), _mm256_set1_epi32(x[t][1]));
                for part in 0..PARTS {
                    high[t][part] = _mm256_dpbusd_avx_epi32(high[t][part], w[part], h);
                    low[t][part] = _mm256_dpbusd_avx_epi32(low[t][part], w[part], l);
                }
            }
        }
        for t in 0..T {
            for part in 0..PARTS {
                combine(high[t][part], low[t][part], part, &mut out[t]);
            }
        }
    }
}

#[inline(always)]
fn int4<const T: usize>(
    token: AvxVnni,
    panel: &[[Line; INT4_LINES]],
    multipliers: &[[u8; PANEL_ROWS]],
    x: &[[[Quad; T]; INT8_LINES]],
    corrections: &[[[Quad; T]; 2]],
    out: &mut [Sums; T],
) {
    // SAFETY: the token proves the instructions; loads are of halves of lines and of multipliers.
    unsafe {
        let zero = _mm256_setzero_si256();
        for part in 0..PARTS {
            let (mut high, mut low) = ([zero; T], [zero; T]);
            let blocks = panel.iter().zip(multipliers).zip(x.iter().zip(corrections));
            for ((lines, multipliers), (x, corrections)) in blocks {
                let (mut high0, mut low0) = ([zero; T], [zero; T]);
                let (mut high1, mut low1) = ([zero; T], [zero; T]);
                for t in 0..T {
                    high0[t] = _mm256_set1_epi32(corrections[0][t][0]);
                    low0[t] = _mm256_set1_epi32(corrections[0][t][1]);
                    high1[t] = _mm256_set1_epi32(corrections[1][t][0]);
                    low1[t] = _mm256_set1_epi32(corrections[1][t][1]);
                }
                for q in 0..INT4_LINES {
                    let [w0, w1] = codes(token, &lines[q], part);
                    let (x0, x1) = (&x[q], &x[q + INT4_LINES]);
                    for t in 0..T {
                        let [a, b] = x0[t].map(|x| _mm256_set1_epi32(x));
                        high0[t] = _mm256_dpbusd_avx_epi32(high0[t], w0, a);
                        low0[t] = _mm256_dpbusd_avx_epi32(low0[t], w0, b);
                        let [a, b] = x1[t].map(|x| _mm256_set1_epi32(x));
                        high1[t] = _mm256_dpbusd_avx_epi32(high1[t], w1, a);
                        low1[t] = _mm256_dpbusd_avx_epi32(low1[t], w1, b);
                    }
                }
                let m = part_multipliers(multipliers, part);
                for t in 0..T {
                    high[t] = multiplied(high[t], high0[t], high1[t], m);
                    low[t] = multiplied(low[t], low0[t], low1[t], m);
                }
            }
            for t in 0..T {
                combine(high[t], low[t], part, &mut out[t]);
            }
        }
    }
}

#[inline(always)]
fn int8_by_bytes<const T: usize>(
    token: AvxVnni,
    panel: &[Line],
    x: &[[i32; T]],
    starts: &[[Start; T]],
    out: &mut [Scaled; T],
) {
    let groups = panel.chunks(BYTE_GROUP / 4).zip(x.chunks(BYTE_GROUP / 4));
    for ((lines, x), starts) in groups.zip(starts) {
        // SAFETY: the token proves the instructions; loads are of halves of lines.
        unsafe {
            let mut sums = [[_mm256_setzero_si256(); PARTS]; T];
            for t in 0..T {
                sums[t] = [_mm256_set1_epi32(starts[t].sum); PARTS];
            }
            for (line, x) in lines.iter().zip(x) {
                let w = load(token, line);
                for t in 0..T {
                    let x = _mm256_set1_epi32(x[t]);
                    for part in 0..PARTS {
                        sums[t][part] = _mm256_dpbusd_avx_epi32(sums[t][part], w[part], x);
                    }
                }
            }
            for t in 0..T {
                for (part, &sums) in sums[t].iter().enumerate() {
                    add_scaled(sums, starts[t].scale, part, &mut out[t]);
                }
            }
        }
    }
}

#[inline(always)]
fn int4_by_bytes<const T: usize>(
    token: AvxVnni,
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
        // A group of lines stays in the first-level cache.
        for part in 0..PARTS {
            let blocks = weights.0.iter().zip(weights.1);
            let blocks = blocks.zip(tokens.0.iter().zip(tokens.1));
            // SAFETY: the token proves the instructions; loads are of halves of lines and of
            // multipliers.
            unsafe {
                let mut sums = [_mm256_setzero_si256(); T];
                for ((lines, multipliers), (x, corrections)) in blocks {
                    let (mut first, mut second) = (sums, sums);
                    for t in 0..T {
                        first[t] = _mm256_set1_epi32(corrections[0][t]);
                        second[t] = _mm256_set1_epi32(corrections[1][t]);
                    }
                    for q in 0..INT4_LINES {
                        let [w0, w1] = codes(token, &lines[q], part);
                        let (x0, x1) = (&x[q], &x[q + INT4_LINES]);
                        for t in 0..T {
                            let (a, b) = (_mm256_set1_epi32(x0[t]), _mm256_set1_epi32(x1[t]));
                            first[t] = _mm256_dpbusd_avx_epi32(first[t], w0, a);
                            second[t] = _mm256_dpbusd_avx_epi32(second[t], w1, b);
                        }
                    }
                    let m = part_multipliers(multipliers, part);
                    for t in 0..T {
                        sums[t] = multiplied(sums[t], first[t], second[t], m);
                    }
                }
                for t in 0..T {
                    add_scaled(sums[t], starts[t].scale, part, &mut out[t]);
                }
            }
        }
    }
}

/// The weights of a line.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn load(token: AvxVnni, line: &Line) -> [__m256i; PARTS] {
    token.prefetch(line.as_ptr().wrapping_add(AHEAD * size_of::<Line>()));
    let line: *const __m256i = line.as_ptr().cast();
    // SAFETY: as the caller promises; a line is two registers.
    unsafe { [_mm256_loadu_si256(line), _mm256_loadu_si256(line.add(1))] }
}

/// The codes of a part of a line: of the first group, and of the second.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn codes(token: AvxVnni, line: &Line, part: usize) -> [__m256i; 2] {
    token.prefetch(line.as_ptr().wrapping_add(AHEAD * size_of::<Line>()));
    let halves = line.as_chunks::<{ 4 * ROWS }>().0;
    // SAFETY: as the caller promises; a half of a line is a register.
    unsafe {
        let half = _mm256_set1_epi8(15);
        let codes = _mm256_loadu_si256(halves[part].as_ptr().cast());
        let second = _mm256_srli_epi16::<4>(codes);
        [
            _mm256_and_si256(codes, half),
            _mm256_and_si256(second, half),
        ]
    }
}

/// The multipliers of the first and of the second group of the rows of a part.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn part_multipliers(multipliers: &[u8; PANEL_ROWS], part: usize) -> [__m256i; 2] {
    let rows = multipliers.as_chunks::<ROWS>().0;
    // SAFETY: as the caller promises; the load is of eight bytes.
    unsafe {
        let m = _mm256_cvtepu8_epi32(_mm_loadl_epi64(rows[part].as_ptr().cast()));
        let first = _mm256_and_si256(m, _mm256_set1_epi32(15));
        [first, _mm256_srli_epi32::<4>(m)]
    }
}

/// `sum + first * m[0] + second * m[1]`
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn multiplied(sum: __m256i, first: __m256i, second: __m256i, m: [__m256i; 2]) -> __m256i {
    // SAFETY: as the caller promises.
    unsafe {
        let sum = _mm256_add_epi32(sum, _mm256_mullo_epi32(first, m[0]));
        _mm256_add_epi32(sum, _mm256_mullo_epi32(second, m[1]))
    }
}

/// `256 high + low` for the rows of a part, exactly.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn combine(high: __m256i, low: __m256i, part: usize, out: &mut Sums) {
    let (mut h, mut l) = ([0i32; ROWS], [0i32; ROWS]);
    // SAFETY: as the caller promises; stores are of arrays of a register's size.
    unsafe {
        _mm256_storeu_si256(h.as_mut_ptr().cast(), high);
        _mm256_storeu_si256(l.as_mut_ptr().cast(), low);
    }
    for r in 0..ROWS {
        out[part * ROWS + r] = f64::from(h[r]) * 256.0 + f64::from(l[r]);
    }
}

/// Adds the sums of a group for the rows of a part.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn add_scaled(sums: __m256i, scale: f32, part: usize, out: &mut Scaled) {
    let out = out.as_chunks_mut::<ROWS>().0[part].as_mut_ptr();
    // SAFETY: as the caller promises; the rows of a part are a register.
    unsafe {
        let scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(scale));
        _mm256_storeu_ps(out, _mm256_add_ps(_mm256_loadu_ps(out), scaled));
    }
}
