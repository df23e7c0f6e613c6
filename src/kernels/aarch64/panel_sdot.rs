//! Panels of packed weights by NEON's dot product: a line of weights is four registers, each four
//! rows of four, and one instruction multiplies a register by four activations and adds up.
//!
//! ```text
//! int8: w = u ^ 0x80 as signed bytes, times signed halves of the activations: sums over w itself
//! int4: the halves of a byte as they are, 0 … 15; the corrections are what the sums begin with
//! ```
//!
//! The activations are an element of a register that holds two tokens, so nothing is broadcast. A
//! token takes eight accumulators a line, and there are 32 registers, so larger tiles take a part
//! of the rows at a time: some lines stay in the first-level cache while the parts go over them,
//! and memory is read once.
//!
//! No sum leaves 32 bits: `65536 * 128 * 128` for 8 bits, `65536 * 8 * 15 * 128` for 4.

use std::arch::aarch64::*;
use std::arch::asm;

use super::neon::{NeonDot, prefetch_ahead};
use crate::kernels::packed::panel::{
    Form, PanelDot, Quad, Scaled, Start, Sums, by_byte_tiles, by_tiles,
};
use crate::kernels::packed::tokens::Bytes;
use crate::kernels::packed::{BLOCK, BYTE_GROUP, INT4_LINES, INT8_LINES, Line, PANEL_ROWS};

/// Lines from where weights are read to where they are prefetched.
const AHEAD: usize = 16;
/// Registers of a line.
const PARTS: usize = PANEL_ROWS / 4;
/// Lines that stay in the first-level cache: 8 KiB, and 6 KiB of activations of six tokens.
const STAY: usize = 128;
/// The same in blocks of 4-bit weights: 8 KiB, and 8 KiB of activations of four tokens.
const STAY_BLOCKS: usize = 16;

/// Sums of high and of low halves for four rows, by token.
type Pairs<const T: usize> = [[int32x4_t; 2]; T];

impl PanelDot for NeonDot {
    const INT8_FORM: Form = Form::Halves;
    const INT8_OFFSET: f64 = 0.0;
    const INT4_FORM: Form = Form::Halves;
    by_tiles!(int8: int8 [6, 4, 2, 1], int4: int4 [4, 2, 1]);
    by_byte_tiles!(int8: int8_by_bytes [8, 4, 2, 1], int4: int4_by_bytes [4, 2, 1]);

    #[inline(always)]
    fn peak(self, rounds: u64) -> u64 {
        const CHAINS: usize = 16;
        // SAFETY: the token proves the instructions.
        let sum = unsafe {
            let w = vdupq_n_s8(std::hint::black_box(3));
            let x = vdupq_n_s32(std::hint::black_box(-5));
            let mut sums = [vdupq_n_s32(0); CHAINS];
            for _ in 0..rounds {
                for sum in &mut sums {
                    *sum = sdot::<0>(*sum, w, x);
                }
            }
            let mut all = sums[0];
            for sum in &sums[1..] {
                all = veorq_s32(all, *sum);
            }
            vaddvq_s32(all)
        };
        std::hint::black_box(sum);
        // Two instructions for each product, one for each half of the activation.
        rounds * (CHAINS * 16) as u64
    }
}

#[inline(always)]
fn int8<const T: usize>(_: NeonDot, panel: &[Line], x: &[[Quad; T]], out: &mut [Sums; T]) {
    // SAFETY: the token proves the instructions.
    unsafe {
        let mut all = [[[vdupq_n_s32(0); 2]; T]; PARTS];
        for (lines, x) in panel.chunks(STAY).zip(x.chunks(STAY)) {
            // Sixteen or 24 accumulators, but eight for one token.
            if T <= 2 {
                int8_parts::<T, 0, 4>(lines, x, &mut all);
            } else {
                int8_parts::<T, 0, 2>(lines, x, &mut all);
                int8_parts::<T, 2, 2>(lines, x, &mut all);
            }
        }
        combine(&all, out);
    }
}

/// `P` parts of some lines, from part `FIRST` on.
///
/// # Safety
/// The dot product.
#[inline(always)]
unsafe fn int8_parts<const T: usize, const FIRST: usize, const P: usize>(
    lines: &[Line],
    x: &[[Quad; T]],
    all: &mut [Pairs<T>; PARTS],
) {
    // SAFETY: as the caller promises; loads are of parts of lines.
    unsafe {
        let sign = vdupq_n_u8(0x80);
        let all = some_of::<T, FIRST, P>(all);
        let mut sums = *all;
        for (line, x) in lines.iter().zip(x) {
            prefetch_ahead::<{ AHEAD * size_of::<Line>() }>(line.as_ptr());
            let line = line.as_ptr().add(16 * FIRST);
            let x = two_by_two(x);
            // Spelled out: the compiler leaves a loop of six tokens as one, with sums in memory.
            multiply(&mut sums[0], veorq_u8(vld1q_u8(line), sign), &x);
            if P > 1 {
                multiply(&mut sums[1], veorq_u8(vld1q_u8(line.add(16)), sign), &x);
            }
            if P > 2 {
                multiply(&mut sums[2], veorq_u8(vld1q_u8(line.add(32)), sign), &x);
                multiply(&mut sums[3], veorq_u8(vld1q_u8(line.add(48)), sign), &x);
            }
        }
        *all = sums;
    }
}

#[inline(always)]
fn int4<const T: usize>(
    _: NeonDot,
    panel: &[[Line; INT4_LINES]],
    multipliers: &[[u8; PANEL_ROWS]],
    x: &[[[Quad; T]; INT8_LINES]],
    corrections: &[[[Quad; T]; 2]],
    out: &mut [Sums; T],
) {
    let blocks = panel
        .chunks(STAY_BLOCKS)
        .zip(multipliers.chunks(STAY_BLOCKS));
    let tokens = x.chunks(STAY_BLOCKS).zip(corrections.chunks(STAY_BLOCKS));
    // SAFETY: the token proves the instructions.
    unsafe {
        let mut all = [[[vdupq_n_s32(0); 2]; T]; PARTS];
        for ((panel, m), (x, c)) in blocks.zip(tokens) {
            // For each token and part two sums and four of groups: 24 accumulators.
            if T == 1 {
                int4_parts::<T, 0, 4>(panel, m, x, c, &mut all);
            } else if T == 2 {
                int4_parts::<T, 0, 2>(panel, m, x, c, &mut all);
                int4_parts::<T, 2, 2>(panel, m, x, c, &mut all);
            } else {
                int4_parts::<T, 0, 1>(panel, m, x, c, &mut all);
                int4_parts::<T, 1, 1>(panel, m, x, c, &mut all);
                int4_parts::<T, 2, 1>(panel, m, x, c, &mut all);
                int4_parts::<T, 3, 1>(panel, m, x, c, &mut all);
            }
        }
        combine(&all, out);
    }
}

/// `P` parts of some blocks, from part `FIRST` on.
///
/// # Safety
/// The dot product.
#[inline(always)]
unsafe fn int4_parts<const T: usize, const FIRST: usize, const P: usize>(
    panel: &[[Line; INT4_LINES]],
    multipliers: &[[u8; PANEL_ROWS]],
    x: &[[[Quad; T]; INT8_LINES]],
    corrections: &[[[Quad; T]; 2]],
    all: &mut [Pairs<T>; PARTS],
) {
    // SAFETY: as the caller promises; loads are of parts of lines.
    unsafe {
        let half = vdupq_n_u8(15);
        let all = some_of::<T, FIRST, P>(all);
        let mut sums = *all;
        let blocks = panel.iter().zip(multipliers).zip(x.iter().zip(corrections));
        for ((lines, multipliers), (x, corrections)) in blocks {
            prefetch_ahead::<{ AHEAD * PANEL_ROWS }>(multipliers.as_ptr());
            let mut group0 = [begin(&corrections[0]); P];
            let mut group1 = [begin(&corrections[1]); P];
            for q in 0..INT4_LINES {
                prefetch_ahead::<{ AHEAD * size_of::<Line>() }>(lines[q].as_ptr());
                let (x0, x1) = (two_by_two(&x[q]), two_by_two(&x[q + INT4_LINES]));
                for p in 0..P {
                    let codes = vld1q_u8(lines[q].as_ptr().add(16 * (FIRST + p)));
                    multiply(&mut group0[p], vandq_u8(codes, half), &x0);
                    multiply(&mut group1[p], vshrq_n_u8::<4>(codes), &x1);
                }
            }
            for p in 0..P {
                let [m0, m1] = part_multipliers(multipliers, FIRST + p);
                for t in 0..T {
                    for i in 0..2 {
                        let sum = vmlaq_s32(sums[p][t][i], group0[p][t][i], m0);
                        sums[p][t][i] = vmlaq_s32(sum, group1[p][t][i], m1);
                    }
                }
            }
        }
        *all = sums;
    }
}

#[inline(always)]
fn int8_by_bytes<const T: usize>(
    _: NeonDot,
    panel: &[Line],
    x: &[[i32; T]],
    starts: &[[Start; T]],
    out: &mut [Scaled; T],
) {
    let groups = panel.chunks(BYTE_GROUP / 4).zip(x.chunks(BYTE_GROUP / 4));
    for ((lines, x), starts) in groups.zip(starts) {
        // Sixteen accumulators at most. A group of lines stays in the first-level cache.
        // SAFETY: the token proves the instructions.
        unsafe {
            if T <= 4 {
                int8_bytes_parts::<T, 0, 4>(lines, x, starts, out);
            } else {
                int8_bytes_parts::<T, 0, 2>(lines, x, starts, out);
                int8_bytes_parts::<T, 2, 2>(lines, x, starts, out);
            }
        }
    }
}

/// `P` parts of the lines of a group, from part `FIRST` on.
///
/// # Safety
/// The dot product.
#[inline(always)]
unsafe fn int8_bytes_parts<const T: usize, const FIRST: usize, const P: usize>(
    lines: &[Line],
    x: &[[i32; T]],
    starts: &[Start; T],
    out: &mut [Scaled; T],
) {
    // SAFETY: as the caller promises; loads are of parts of lines.
    unsafe {
        let sign = vdupq_n_u8(0x80);
        let mut sums = [[vdupq_n_s32(0); T]; P];
        for (line, x) in lines.iter().zip(x) {
            prefetch_ahead::<{ AHEAD * size_of::<Line>() }>(line.as_ptr());
            let line = line.as_ptr().add(16 * FIRST);
            let x = four_by_four(x);
            // Spelled out, as for halves.
            multiply_bytes(&mut sums[0], veorq_u8(vld1q_u8(line), sign), &x);
            if P > 1 {
                multiply_bytes(&mut sums[1], veorq_u8(vld1q_u8(line.add(16)), sign), &x);
            }
            if P > 2 {
                multiply_bytes(&mut sums[2], veorq_u8(vld1q_u8(line.add(32)), sign), &x);
                multiply_bytes(&mut sums[3], veorq_u8(vld1q_u8(line.add(48)), sign), &x);
            }
        }
        add_scaled::<T, FIRST, P>(&sums, starts, out);
    }
}

#[inline(always)]
fn int4_by_bytes<const T: usize>(
    _: NeonDot,
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
    for (((panel, m), (x, c)), starts) in weights.zip(tokens).zip(starts) {
        // For each token and part a sum and two of groups: 24 accumulators at most.
        // SAFETY: the token proves the instructions.
        unsafe {
            if T <= 2 {
                int4_bytes_parts::<T, 0, 4>(panel, m, x, c, starts, out);
            } else {
                int4_bytes_parts::<T, 0, 2>(panel, m, x, c, starts, out);
                int4_bytes_parts::<T, 2, 2>(panel, m, x, c, starts, out);
            }
        }
    }
}

/// `P` parts of the blocks of a group, from part `FIRST` on.
///
/// # Safety
/// The dot product.
#[inline(always)]
unsafe fn int4_bytes_parts<const T: usize, const FIRST: usize, const P: usize>(
    panel: &[[Line; INT4_LINES]],
    multipliers: &[[u8; PANEL_ROWS]],
    x: &[[[i32; T]; INT8_LINES]],
    corrections: &[[[i32; T]; 2]],
    starts: &[Start; T],
    out: &mut [Scaled; T],
) {
    // SAFETY: as the caller promises; loads are of parts of lines.
    unsafe {
        let half = vdupq_n_u8(15);
        let mut sums = [[vdupq_n_s32(0); T]; P];
        let blocks = panel.iter().zip(multipliers).zip(x.iter().zip(corrections));
        for ((lines, multipliers), (x, corrections)) in blocks {
            prefetch_ahead::<{ AHEAD * PANEL_ROWS }>(multipliers.as_ptr());
            let mut group0 = [corrections[0].map(|c| vdupq_n_s32(c)); P];
            let mut group1 = [corrections[1].map(|c| vdupq_n_s32(c)); P];
            for q in 0..INT4_LINES {
                prefetch_ahead::<{ AHEAD * size_of::<Line>() }>(lines[q].as_ptr());
                let (x0, x1) = (four_by_four(&x[q]), four_by_four(&x[q + INT4_LINES]));
                for p in 0..P {
                    let codes = vld1q_u8(lines[q].as_ptr().add(16 * (FIRST + p)));
                    multiply_bytes(&mut group0[p], vandq_u8(codes, half), &x0);
                    multiply_bytes(&mut group1[p], vshrq_n_u8::<4>(codes), &x1);
                }
            }
            for p in 0..P {
                let [m0, m1] = part_multipliers(multipliers, FIRST + p);
                for t in 0..T {
                    let sum = vmlaq_s32(sums[p][t], group0[p][t], m0);
                    sums[p][t] = vmlaq_s32(sum, group1[p][t], m1);
                }
            }
        }
        add_scaled::<T, FIRST, P>(&sums, starts, out);
    }
}

/// The multipliers of the first and of the second group of the four rows of a part.
#[inline(always)]
fn part_multipliers(multipliers: &[u8; PANEL_ROWS], part: usize) -> [int32x4_t; 2] {
    let m = multipliers.as_chunks::<4>().0[part];
    // SAFETY: NEON is part of the target.
    unsafe {
        let m = vreinterpret_u8_u32(vdup_n_u32(u32::from_le_bytes(m)));
        let m = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(m))));
        [vandq_s32(m, vdupq_n_s32(15)), vshrq_n_s32::<4>(m)]
    }
}

/// Adds the scaled sums of a group for `P` parts from part `FIRST` on.
#[inline(always)]
fn add_scaled<const T: usize, const FIRST: usize, const P: usize>(
    sums: &[[int32x4_t; T]; P],
    starts: &[Start; T],
    out: &mut [Scaled; T],
) {
    for t in 0..T {
        let (parts, _) = out[t].as_chunks_mut::<4>();
        for (sums, out) in sums.iter().zip(&mut parts[FIRST..]) {
            // SAFETY: NEON is part of the target; a part is a register.
            unsafe {
                let scaled = vmulq_n_f32(vcvtq_f32_s32(sums[t]), starts[t].scale);
                vst1q_f32(out.as_mut_ptr(), vaddq_f32(vld1q_f32(out.as_ptr()), scaled));
            }
        }
    }
}

/// The sums of `P` parts from part `FIRST` on, in memory.
#[inline(always)]
fn some_of<const T: usize, const FIRST: usize, const P: usize>(
    all: &mut [Pairs<T>; PARTS],
) -> &mut [Pairs<T>; P] {
    // The compiler would keep the sums of the other parts in registers as well, of which there
    // are too few, and spill those in use.
    let all = std::hint::black_box(all);
    all[FIRST..].first_chunk_mut().expect("parts of a panel")
}

/// The quads of a tile, two tokens a register: the first `T / 2` entries, rounded up.
#[inline(always)]
fn two_by_two<const T: usize>(x: &[Quad; T]) -> [int32x4_t; T] {
    // SAFETY: NEON is part of the target; loads are of two quads, or of one.
    unsafe {
        let mut out = [vdupq_n_s32(0); T];
        for i in 0..T / 2 {
            out[i] = vld1q_s32(x[2 * i].as_ptr());
        }
        if T % 2 == 1 {
            out[T / 2] = vcombine_s32(vld1_s32(x[T - 1].as_ptr()), vdup_n_s32(0));
        }
        out
    }
}

/// The activations of a tile, four tokens a register: the first `T / 4` entries, rounded up.
#[inline(always)]
fn four_by_four<const T: usize>(x: &[i32; T]) -> [int32x4_t; T] {
    // SAFETY: NEON is part of the target; loads are of four integers, of two or of one.
    unsafe {
        let mut out = [vdupq_n_s32(0); T];
        for i in 0..T / 4 {
            out[i] = vld1q_s32(x[4 * i..].as_ptr());
        }
        match T {
            1 => out[0] = vdupq_n_s32(x[0]),
            2 => out[0] = vcombine_s32(vld1_s32(x.as_ptr()), vdup_n_s32(0)),
            _ => const { assert!(T <= 2 || T.is_multiple_of(4)) },
        }
        out
    }
}

/// The corrections of a group in all lanes.
#[inline(always)]
fn begin<const T: usize>(corrections: &[Quad; T]) -> Pairs<T> {
    // SAFETY: NEON is part of the target.
    unsafe {
        let mut out = [[vdupq_n_s32(0); 2]; T];
        for t in 0..T {
            out[t] = [
                vdupq_n_s32(corrections[t][0]),
                vdupq_n_s32(corrections[t][1]),
            ];
        }
        out
    }
}

/// Adds the products of four rows with all tokens, which lie [`two_by_two`].
///
/// # Safety
/// The dot product.
#[inline(always)]
unsafe fn multiply<const T: usize>(sums: &mut Pairs<T>, w: uint8x16_t, x: &[int32x4_t; T]) {
    // SAFETY: as the caller promises.
    unsafe {
        let w = vreinterpretq_s8_u8(w);
        for t in 0..T {
            let x = x[t / 2];
            sums[t] = match t % 2 {
                0 => [sdot::<0>(sums[t][0], w, x), sdot::<1>(sums[t][1], w, x)],
                _ => [sdot::<2>(sums[t][0], w, x), sdot::<3>(sums[t][1], w, x)],
            };
        }
    }
}

/// Adds the products of four rows with all tokens, which lie [`four_by_four`].
///
/// # Safety
/// The dot product.
#[inline(always)]
unsafe fn multiply_bytes<const T: usize>(
    sums: &mut [int32x4_t; T],
    w: uint8x16_t,
    x: &[int32x4_t; T],
) {
    // SAFETY: as the caller promises.
    unsafe {
        let w = vreinterpretq_s8_u8(w);
        for t in 0..T {
            let x = x[t / 4];
            sums[t] = match t % 4 {
                0 => sdot::<0>(sums[t], w, x),
                1 => sdot::<1>(sums[t], w, x),
                2 => sdot::<2>(sums[t], w, x),
                _ => sdot::<3>(sums[t], w, x),
            };
        }
    }
}

/// `sum + w · x`: each four bytes of `w` with the four of lane `I` of `x`, all signed.
///
/// The standard library has this as `vdotq_laneq_s32`, which is not stable.
///
/// # Safety
/// The dot product.
#[inline(always)]
unsafe fn sdot<const I: i32>(mut sum: int32x4_t, w: int8x16_t, x: int32x4_t) -> int32x4_t {
    // SAFETY: as the caller promises; registers only.
    unsafe {
        asm!("sdot {sum:v}.4s, {w:v}.16b, {x:v}.4b[{i}]",
            sum = inout(vreg) sum, w = in(vreg) w, x = in(vreg) x, i = const I,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

/// `256 high + low`, exactly.
#[inline(always)]
fn combine<const T: usize>(sums: &[Pairs<T>; PARTS], out: &mut [Sums; T]) {
    for (p, sums) in sums.iter().enumerate() {
        for (t, sums) in sums.iter().enumerate() {
            let (mut high, mut low) = ([0; 4], [0; 4]);
            // SAFETY: NEON is part of the target; stores are of arrays of a register's size.
            unsafe {
                vst1q_s32(high.as_mut_ptr(), sums[0]);
                vst1q_s32(low.as_mut_ptr(), sums[1]);
            }
            for r in 0..4 {
                out[t][4 * p + r] = f64::from(high[r]) * 256.0 + f64::from(low[r]);
            }
        }
    }
}
