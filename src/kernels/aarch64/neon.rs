//! NEON: eight registers of four lanes.
//!
//! The comparisons of `max` and `min` are spelled out, because the instructions of those names
//! give NaN where [`Simd`] asks for the second operand.
// NEON is part of this target, so its intrinsics are safe to call here; the macro that they are
// handed to serves targets where they are not.
#![allow(unused_unsafe)]

use std::arch::aarch64::*;
use std::arch::asm;

use half::{bf16, f16};

use crate::kernels::impl_simd::impl_simd;
use crate::kernels::simd::{ACC, Simd};

/// Proof that NEON is there.
#[derive(Clone, Copy)]
pub struct Neon(());

/// Proof that NEON with dot products of integers is there. It differs from [`Neon`] in integer
/// arithmetic alone.
#[derive(Clone, Copy)]
pub struct NeonDot(());

/// Lanes of one register.
const LANES: usize = 4;
const REGISTERS: usize = ACC / LANES;

macro_rules! impl_simd_neon {
    ($($Token:ident)+) => {$(
        impl_simd!(
            $Token, float32x4_t, [0, 1, 2, 3, 4, 5, 6, 7], many_registers: true,
            splat: vdupq_n_f32, load: vld1q_f32, store: vst1q_f32,
            f16: load_f16, bf16: load_bf16, i8: load_i8, pow2: pow2_of_rounded, sum: sum, sums: sums,
            fma: mul_add, prefetch: prefetch,
            binary: [
                add: vaddq_f32, sub: vsubq_f32, mul: vmulq_f32, div: vdivq_f32,
                max: max, min: min
            ]
        );
    )+};
}
impl_simd_neon!(Neon NeonDot);

/// # Safety
/// None: a hint that never faults.
#[inline(always)]
unsafe fn prefetch(address: *const u8) {
    // SAFETY: as above; no register but the address is touched.
    unsafe {
        asm!("prfm pldl1keep, [{}]", in(reg) address,
            options(nostack, preserves_flags, readonly));
    }
}

/// Asks for the cache line `BYTES` behind an address: a multiple of 8 below 32 Ki, which the
/// instruction adds itself.
#[inline(always)]
pub(super) fn prefetch_ahead<const BYTES: usize>(address: *const u8) {
    // SAFETY: a hint that never faults; no register but the address is touched.
    unsafe {
        asm!("prfm pldl1keep, [{}, #{}]", in(reg) address, const BYTES,
            options(nostack, preserves_flags, readonly));
    }
}

/// # Safety
/// Eight readable bytes, and the instructions of the tier.
#[inline(always)]
unsafe fn load_f16(p: *const u16) -> float32x4_t {
    // SAFETY: as the caller promises.
    unsafe { vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))) }
}

/// # Safety
/// Eight readable bytes, and the instructions of the tier.
#[inline(always)]
unsafe fn load_bf16(p: *const u16) -> float32x4_t {
    // SAFETY: as the caller promises.
    unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(p))) }
}

/// # Safety
/// Four readable bytes, and the instructions of the tier.
#[inline(always)]
unsafe fn load_i8(p: *const i32) -> float32x4_t {
    // SAFETY: as the caller promises.
    unsafe {
        let bytes = vreinterpret_s8_s32(vdup_n_s32(p.read_unaligned()));
        vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))))
    }
}

/// # Safety
/// The instructions of the tier.
#[inline(always)]
unsafe fn mul_add(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
    // SAFETY: as the caller promises.
    unsafe { vfmaq_f32(c, a, b) }
}

/// # Safety
/// The instructions of the tier.
#[inline(always)]
unsafe fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    // SAFETY: as the caller promises.
    unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
}

/// # Safety
/// The instructions of the tier.
#[inline(always)]
unsafe fn min(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    // SAFETY: as the caller promises.
    unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
}

/// # Safety
/// The instructions of the tier.
#[inline(always)]
unsafe fn pow2_of_rounded(x: float32x4_t) -> float32x4_t {
    // SAFETY: as the caller promises.
    unsafe {
        let exponent = vaddq_s32(vreinterpretq_s32_f32(x), vdupq_n_s32(127));
        vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent))
    }
}

/// # Safety
/// The instructions of the tier.
#[inline(always)]
unsafe fn sum(x: [float32x4_t; REGISTERS]) -> f32 {
    // SAFETY: as the caller promises.
    unsafe {
        let (a, c) = (vaddq_f32(x[0], x[4]), vaddq_f32(x[2], x[6]));
        let (b, d) = (vaddq_f32(x[1], x[5]), vaddq_f32(x[3], x[7]));
        let x = vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d));
        let x = vadd_f32(vget_low_f32(x), vget_high_f32(x));
        vget_lane_f32::<0>(x) + vget_lane_f32::<1>(x)
    }
}

/// # Safety
/// The instructions of the tier.
#[inline(always)]
unsafe fn sums(x: [[float32x4_t; REGISTERS]; 8]) -> [f32; 8] {
    let mut sums = [0.0; 8];
    for (out, x) in sums.iter_mut().zip(x) {
        // SAFETY: as the caller promises.
        *out = unsafe { sum(x) };
    }
    sums
}
