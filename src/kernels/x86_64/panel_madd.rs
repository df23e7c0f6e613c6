//! Panels of packed weights without VNNI, by the multiply-and-add-pairs of AVX2 and AVX-512 BW.
//!
//! ```text
//! int8: widen the weights to 16 bits, times activations of 16 bits, pairs added in 32 bits
//! int4: bytes 0 … 15 times signed bytes, pairs added in 16 bits: a group of 32 inputs fits, since
//!       8 * 2 * 15 * 128 < 2^15; times the multiplier, pairs added in 32 bits
//! ```
//!
//! For 8 bits, pairs of a row stand in two lanes of 32 bits; every eight blocks they move to `f64`
//! (8 * 16 * 2 * 255 * 32639 < 2^31). For 4 bits the corrections make the sums signed, so that a
//! lane ends within 16 bits: wrapping on the way there does no harm.

use std::arch::x86_64::*;

use super::avx2::Avx2;
use super::avx512::Avx512;
use crate::kernels::packed::panel::{Form, PanelDot, Quad, Sums, by_tiles};
use crate::kernels::packed::{INT4_LINES, INT8_LINES, Line, PANEL_ROWS};
use crate::kernels::simd::Simd;

/// Lines from where weights are read to where they are prefetched.
const AHEAD: usize = 16;
/// Lines after which 32-bit sums of 8-bit weights move on.
const FLUSH: usize = 8 * INT8_LINES;

/// The kernels for registers of `$rows8` rows of 16-bit weights (two lanes of 32 bits a row).
macro_rules! panel_madd {
    (
        $Token:ident, $Reg:ty, rows: $rows8:literal, $module:ident,
        int8: $t8:tt, int4: $t4:tt,
        widen: $widen:expr, quad: $quad:expr, word: $word:expr, store: $store:expr,
        load: $load:expr, and: $and:ident, shift: $shift:ident, splat8: $splat8:ident,
        multipliers: $multipliers:expr,
        zero: $zero:ident, madd: $madd:ident, maddubs: $maddubs:ident, add16: $add16:ident,
        add32: $add32:ident
    ) => {
        mod $module {
            use super::*;

            /// Rows of a register of 16-bit weights; twice as many in one of bytes.
            const ROWS: usize = $rows8;
            /// Registers of 16-bit weights in a line.
            const PARTS: usize = PANEL_ROWS / ROWS;
            /// Registers of bytes in a line.
            const BYTE_PARTS: usize = PARTS / 2;
            /// Lanes of 32 bits.
            const LANES: usize = 2 * ROWS;

            impl PanelDot for $Token {
                const INT8_FORM: Form = Form::Words;
                const INT8_OFFSET: f64 = 128.0;
                const INT4_FORM: Form = Form::HalvesByPairs;
                by_tiles!(int8: int8 $t8, int4: int4 $t4);

                #[inline(always)]
                fn peak(self, rounds: u64) -> u64 {
                    const CHAINS: usize = 6;
                    let mut lanes = [0i32; LANES];
                    // SAFETY: the token proves the instructions; the store is of an array of a
                    // register's size.
                    unsafe {
                        let step = $word(std::hint::black_box(0x0001_0001));
                        let mut x = step;
                        let (mut w, mut sums) = ([$zero(); CHAINS], [$zero(); CHAINS]);
                        for (i, w) in w.iter_mut().enumerate() {
                            *w = $word(std::hint::black_box(i as i32 * 0x0003_0003));
                        }
                        for _ in 0..rounds {
                            // A new factor each time, or the products would be made only once.
                            x = $add16(x, step);
                            for i in 0..CHAINS {
                                sums[i] = $add32(sums[i], $madd(w[i], x));
                            }
                        }
                        for i in 1..CHAINS {
                            sums[0] = $add32(sums[0], sums[i]);
                        }
                        $store(lanes.as_mut_ptr().cast(), sums[0]);
                    }
                    std::hint::black_box(lanes);
                    2 * rounds * (CHAINS * 2 * LANES) as u64
                }
            }

            #[inline(always)]
            fn int8<const T: usize>(
                token: $Token,
                panel: &[Line],
                x: &[[Quad; T]],
                out: &mut [Sums; T],
            ) {
                *out = [[0.0; PANEL_ROWS]; T];
                for (lines, x) in panel.chunks(FLUSH).zip(x.chunks(FLUSH)) {
                    // SAFETY: the token proves the instructions; loads are of parts of lines and
                    // of whole quads, stores of arrays of a register's size.
                    unsafe {
                        let mut sums = [[$zero(); PARTS]; T];
                        for (line, x) in lines.iter().zip(x) {
                            token.prefetch(line.as_ptr().wrapping_add(AHEAD * size_of::<Line>()));
                            for part in 0..PARTS {
                                let w: $Reg = $widen(line.as_ptr().add(part * 4 * ROWS));
                                for t in 0..T {
                                    let x: $Reg = $quad(&x[t]);
                                    sums[t][part] = $add32(sums[t][part], $madd(w, x));
                                }
                            }
                        }
                        for t in 0..T {
                            for part in 0..PARTS {
                                let mut lanes = [0i32; LANES];
                                $store(lanes.as_mut_ptr().cast(), sums[t][part]);
                                for r in 0..ROWS {
                                    let pair = f64::from(lanes[2 * r]) + f64::from(lanes[2 * r + 1]);
                                    out[t][part * ROWS + r] += pair;
                                }
                            }
                        }
                    }
                }
            }

            #[inline(always)]
            fn int4<const T: usize>(
                token: $Token,
                panel: &[[Line; INT4_LINES]],
                multipliers: &[[u8; PANEL_ROWS]],
                x: &[[[Quad; T]; INT8_LINES]],
                corrections: &[[[Quad; T]; 2]],
                out: &mut [Sums; T],
            ) {
                // SAFETY: the token proves the instructions; loads are of parts of lines and of
                // multipliers, stores of arrays of a register's size.
                unsafe {
                    let half = $splat8(15);
                    for part in 0..BYTE_PARTS {
                        let (mut high, mut low) = ([$zero(); T], [$zero(); T]);
                        let blocks = panel.iter().zip(multipliers).zip(x.iter().zip(corrections));
                        for ((lines, multipliers), (x, corrections)) in blocks {
                            let m: [$Reg; 2] = $multipliers(multipliers.as_ptr().add(part * LANES));
                            let (mut high0, mut low0) = ([$zero(); T], [$zero(); T]);
                            let (mut high1, mut low1) = ([$zero(); T], [$zero(); T]);
                            for t in 0..T {
                                high0[t] = $word(corrections[0][t][0]);
                                low0[t] = $word(corrections[0][t][1]);
                                high1[t] = $word(corrections[1][t][0]);
                                low1[t] = $word(corrections[1][t][1]);
                            }
                            for q in 0..INT4_LINES {
                                let line = lines[q].as_ptr();
                                token.prefetch(line.wrapping_add(AHEAD * size_of::<Line>()));
                                let codes: $Reg = $load(line.add(part * 4 * LANES).cast());
                                let first = $and(codes, half);
                                let second = $and($shift::<4>(codes), half);
                                let (x0, x1) = (&x[q], &x[q + INT4_LINES]);
                                for t in 0..T {
                                    high0[t] = $add16(high0[t], $maddubs(first, $word(x0[t][0])));
                                    low0[t] = $add16(low0[t], $maddubs(first, $word(x0[t][1])));
                                    high1[t] = $add16(high1[t], $maddubs(second, $word(x1[t][0])));
                                    low1[t] = $add16(low1[t], $maddubs(second, $word(x1[t][1])));
                                }
                            }
                            for t in 0..T {
                                high[t] = $add32(high[t], $madd(high0[t], m[0]));
                                high[t] = $add32(high[t], $madd(high1[t], m[1]));
                                low[t] = $add32(low[t], $madd(low0[t], m[0]));
                                low[t] = $add32(low[t], $madd(low1[t], m[1]));
                            }
                        }
                        for t in 0..T {
                            let (mut h, mut l) = ([0i32; LANES], [0i32; LANES]);
                            $store(h.as_mut_ptr().cast(), high[t]);
                            $store(l.as_mut_ptr().cast(), low[t]);
                            for r in 0..LANES {
                                out[t][part * LANES + r] = f64::from(h[r]) * 256.0 + f64::from(l[r]);
                            }
                        }
                    }
                }
            }
        }
    };
}

panel_madd!(
    Avx2, __m256i, rows: 4, avx2,
    int8: [2, 1], int4: [2, 1],
    widen: widen_256, quad: quad_256, word: _mm256_set1_epi32, store: _mm256_storeu_si256,
    load: load_256, and: _mm256_and_si256, shift: _mm256_srli_epi16, splat8: _mm256_set1_epi8,
    multipliers: multipliers_256,
    zero: _mm256_setzero_si256, madd: _mm256_madd_epi16, maddubs: _mm256_maddubs_epi16,
    add16: _mm256_add_epi16, add32: _mm256_add_epi32
);

panel_madd!(
    Avx512, __m512i, rows: 8, avx512,
    int8: [8, 4, 2, 1], int4: [4, 2, 1],
    widen: widen_512, quad: quad_512, word: _mm512_set1_epi32, store: _mm512_storeu_si512,
    load: load_512, and: _mm512_and_si512, shift: _mm512_srli_epi16, splat8: _mm512_set1_epi8,
    multipliers: multipliers_512,
    zero: _mm512_setzero_si512, madd: _mm512_madd_epi16, maddubs: _mm512_maddubs_epi16,
    add16: _mm512_add_epi16, add32: _mm512_add_epi32
);

/// Sixteen bytes to words.
///
/// # Safety
/// Sixteen readable bytes, and AVX2.
#[inline(always)]
unsafe fn widen_256(p: *const u8) -> __m256i {
    // SAFETY: as the caller promises.
    unsafe { _mm256_cvtepu8_epi16(_mm_loadu_si128(p.cast())) }
}

/// Thirty-two bytes to words.
///
/// # Safety
/// Thirty-two readable bytes, and AVX-512 BW.
#[inline(always)]
unsafe fn widen_512(p: *const u8) -> __m512i {
    // SAFETY: as the caller promises.
    unsafe { _mm512_cvtepu8_epi16(_mm256_loadu_si256(p.cast())) }
}

/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn quad_256(quad: &Quad) -> __m256i {
    // SAFETY: as the caller promises; a quad is eight bytes.
    unsafe { _mm256_set1_epi64x(quad.as_ptr().cast::<i64>().read_unaligned()) }
}

/// # Safety
/// AVX-512 F.
#[inline(always)]
unsafe fn quad_512(quad: &Quad) -> __m512i {
    // SAFETY: as the caller promises; a quad is eight bytes.
    unsafe { _mm512_set1_epi64(quad.as_ptr().cast::<i64>().read_unaligned()) }
}

/// # Safety
/// Thirty-two readable bytes, and AVX2.
#[inline(always)]
unsafe fn load_256(p: *const __m256i) -> __m256i {
    // SAFETY: as the caller promises.
    unsafe { _mm256_loadu_si256(p) }
}

/// # Safety
/// Sixty-four readable bytes, and AVX-512 F.
#[inline(always)]
unsafe fn load_512(p: *const __m512i) -> __m512i {
    // SAFETY: as the caller promises.
    unsafe { _mm512_loadu_si512(p) }
}

/// Multipliers of the first and of the second group of eight rows, in both words of a row.
///
/// # Safety
/// Eight readable bytes, and AVX2.
#[inline(always)]
unsafe fn multipliers_256(p: *const u8) -> [__m256i; 2] {
    // SAFETY: as the caller promises.
    unsafe {
        let m = _mm256_cvtepu8_epi32(_mm_loadl_epi64(p.cast()));
        let both = _mm256_or_si256(m, _mm256_slli_epi32::<16>(m));
        let first = _mm256_and_si256(both, _mm256_set1_epi16(15));
        [first, _mm256_srli_epi16::<4>(both)]
    }
}

/// The same for sixteen rows.
///
/// # Safety
/// Sixteen readable bytes, and AVX-512 BW.
#[inline(always)]
unsafe fn multipliers_512(p: *const u8) -> [__m512i; 2] {
    // SAFETY: as the caller promises.
    unsafe {
        let m = _mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast()));
        let both = _mm512_or_si512(m, _mm512_slli_epi32::<16>(m));
        let first = _mm512_and_si512(both, _mm512_set1_epi16(15));
        [first, _mm512_srli_epi16::<4>(both)]
    }
}
