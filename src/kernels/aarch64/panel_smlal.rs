//! Panels of packed weights on NEON without the dot product, by multiplications of 16 bits.
//!
//! ```text
//! take a line apart into four registers: one of the four inputs each, a byte for every row
//! widen to 16 bits and subtract the offset (one instruction), times one activation of 16 bits,
//! added in 32 bits, a lane for every row
//! ```
//!
//! Sums move to `f64` before they could leave 32 bits: of 8-bit weights after 128 lines
//! (`128 * 4 * 128 * 32639 < 2^31`), of 4-bit ones after eight blocks
//! (`8 * 64 * 8 * 15 * 32639 < 2^31`).

use std::arch::aarch64::*;

use super::neon::{Neon, prefetch_ahead};
use crate::kernels::packed::panel::{Form, PanelDot, Quad, Sums, by_tiles};
use crate::kernels::packed::{INT4_LINES, INT8_LINES, Line, PANEL_ROWS};

/// Lines from where weights are read to where they are prefetched.
const AHEAD: usize = 16;
/// Lines after which sums of 8-bit weights move on.
const FLUSH: usize = 128;
/// Blocks after which sums of 4-bit weights move on.
const FLUSH_BLOCKS: usize = 8;

/// Sums of the rows of a panel.
type Rows = [int32x4_t; PANEL_ROWS / 4];

impl PanelDot for Neon {
    const INT8_FORM: Form = Form::Words;
    const INT8_OFFSET: f64 = 0.0;
    const INT4_FORM: Form = Form::Words;
    by_tiles!(int8: int8 [4, 2, 1], int4: int4 [2, 1]);

    #[inline(always)]
    fn peak(self, rounds: u64) -> u64 {
        const CHAINS: usize = 12;
        // SAFETY: NEON is part of the target.
        let sum = unsafe {
            let step = vdup_n_s16(std::hint::black_box(1));
            let w = vdup_n_s16(std::hint::black_box(3));
            let (mut x, mut sums) = (step, [vdupq_n_s32(0); CHAINS]);
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = vdupq_n_s32(std::hint::black_box(i as i32));
            }
            for _ in 0..rounds {
                // A new factor each time, or the products would be made only once.
                x = vadd_s16(x, step);
                for sum in &mut sums {
                    *sum = vmlal_s16(*sum, w, x);
                }
            }
            let mut all = sums[0];
            for sum in &sums[1..] {
                all = veorq_s32(all, *sum);
            }
            vaddvq_s32(all)
        };
        std::hint::black_box(sum);
        2 * rounds * (CHAINS * 4) as u64
    }
}

#[inline(always)]
fn int8<const T: usize>(_: Neon, panel: &[Line], x: &[[Quad; T]], out: &mut [Sums; T]) {
    *out = [[0.0; PANEL_ROWS]; T];
    // SAFETY: NEON is part of the target; loads are of whole lines and quads.
    unsafe {
        let offset = vdup_n_u8(128);
        for (lines, x) in panel.chunks(FLUSH).zip(x.chunks(FLUSH)) {
            let mut sums = [[vdupq_n_s32(0); 4]; T];
            for (line, x) in lines.iter().zip(x) {
                prefetch_ahead::<{ AHEAD * size_of::<Line>() }>(line.as_ptr());
                let u = vld4q_u8(line.as_ptr());
                let x = words(x);
                multiply::<0, T>(&mut sums, u.0, offset, &x);
                multiply::<1, T>(&mut sums, u.1, offset, &x);
                multiply::<2, T>(&mut sums, u.2, offset, &x);
                multiply::<3, T>(&mut sums, u.3, offset, &x);
            }
            move_on(&sums, out);
        }
    }
}

#[inline(always)]
fn int4<const T: usize>(
    _: Neon,
    panel: &[[Line; INT4_LINES]],
    multipliers: &[[u8; PANEL_ROWS]],
    x: &[[[Quad; T]; INT8_LINES]],
    _: &[[[Quad; T]; 2]],
    out: &mut [Sums; T],
) {
    *out = [[0.0; PANEL_ROWS]; T];
    let blocks = panel.chunks(FLUSH_BLOCKS);
    let blocks = blocks
        .zip(multipliers.chunks(FLUSH_BLOCKS))
        .zip(x.chunks(FLUSH_BLOCKS));
    // SAFETY: NEON is part of the target; loads are of whole lines, quads and multipliers.
    unsafe {
        let (half, offset) = (vdupq_n_u8(15), vdup_n_u8(8));
        for ((panel, multipliers), x) in blocks {
            let mut sums = [[vdupq_n_s32(0); 4]; T];
            for ((lines, multipliers), x) in panel.iter().zip(multipliers).zip(x) {
                prefetch_ahead::<{ AHEAD * PANEL_ROWS }>(multipliers.as_ptr());
                let mut groups = [[[vdupq_n_s32(0); 4]; T]; 2];
                for q in 0..INT4_LINES {
                    let line = lines[q].as_ptr();
                    prefetch_ahead::<{ AHEAD * size_of::<Line>() }>(line);
                    let codes = vld4q_u8(line);
                    let (x0, x1) = (words(&x[q]), words(&x[q + INT4_LINES]));
                    multiply::<0, T>(&mut groups[0], vandq_u8(codes.0, half), offset, &x0);
                    multiply::<0, T>(&mut groups[1], vshrq_n_u8::<4>(codes.0), offset, &x1);
                    multiply::<1, T>(&mut groups[0], vandq_u8(codes.1, half), offset, &x0);
                    multiply::<1, T>(&mut groups[1], vshrq_n_u8::<4>(codes.1), offset, &x1);
                    multiply::<2, T>(&mut groups[0], vandq_u8(codes.2, half), offset, &x0);
                    multiply::<2, T>(&mut groups[1], vshrq_n_u8::<4>(codes.2), offset, &x1);
                    multiply::<3, T>(&mut groups[0], vandq_u8(codes.3, half), offset, &x0);
                    multiply::<3, T>(&mut groups[1], vshrq_n_u8::<4>(codes.3), offset, &x1);
                }
                let m = vld1q_u8(multipliers.as_ptr());
                let m = [widen(vandq_u8(m, half)), widen(vshrq_n_u8::<4>(m))];
                for t in 0..T {
                    for i in 0..4 {
                        sums[t][i] = vmlaq_s32(sums[t][i], groups[0][t][i], m[0][i]);
                        sums[t][i] = vmlaq_s32(sums[t][i], groups[1][t][i], m[1][i]);
                    }
                }
            }
            move_on(&sums, out);
        }
    }
}

/// The four activations of each token.
#[inline(always)]
fn words<const T: usize>(x: &[Quad; T]) -> [int16x4_t; T] {
    // SAFETY: NEON is part of the target; loads are of whole quads.
    unsafe {
        let mut out = [vdup_n_s16(0); T];
        for t in 0..T {
            out[t] = vreinterpret_s16_s32(vld1_s32(x[t].as_ptr()));
        }
        out
    }
}

/// Adds the products of input `J` of sixteen rows with all tokens.
#[inline(always)]
fn multiply<const J: i32, const T: usize>(
    sums: &mut [Rows; T],
    u: uint8x16_t,
    offset: uint8x8_t,
    x: &[int16x4_t; T],
) {
    // SAFETY: NEON is part of the target.
    unsafe {
        let low = vreinterpretq_s16_u16(vsubl_u8(vget_low_u8(u), offset));
        let high = vreinterpretq_s16_u16(vsubl_u8(vget_high_u8(u), offset));
        for t in 0..T {
            sums[t] = [
                vmlal_lane_s16::<J>(sums[t][0], vget_low_s16(low), x[t]),
                vmlal_high_lane_s16::<J>(sums[t][1], low, x[t]),
                vmlal_lane_s16::<J>(sums[t][2], vget_low_s16(high), x[t]),
                vmlal_high_lane_s16::<J>(sums[t][3], high, x[t]),
            ];
        }
    }
}

/// Sixteen bytes to 32 bits.
#[inline(always)]
fn widen(m: uint8x16_t) -> Rows {
    // SAFETY: NEON is part of the target.
    unsafe {
        let (low, high) = (vmovl_u8(vget_low_u8(m)), vmovl_u8(vget_high_u8(m)));
        [
            vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low))),
            vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(low))),
            vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(high))),
            vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(high))),
        ]
    }
}

/// Adds sums to those in `f64`.
#[inline(always)]
fn move_on<const T: usize>(sums: &[Rows; T], out: &mut [Sums; T]) {
    for (sums, out) in sums.iter().zip(out) {
        for (sums, out) in sums.iter().zip(out.as_chunks_mut::<4>().0) {
            let mut lanes = [0; 4];
            // SAFETY: NEON is part of the target; the store is of an array of a register's size.
            unsafe { vst1q_s32(lanes.as_mut_ptr(), *sums) };
            for (out, lane) in out.iter_mut().zip(lanes) {
                *out += f64::from(lane);
            }
        }
    }
}
