//! Tiers of x86-64: the vector operations of each instruction set.

use std::arch::x86_64::*;

pub mod amx;
pub mod avx2;
pub mod avx512;
mod panel_avxvnni;
mod panel_madd;
mod panel_vnni;

/// # Safety
/// None: a hint that never faults.
#[inline(always)]
unsafe fn prefetch(address: *const i8) {
    // SAFETY: as above.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
}

/// The sum of eight lanes, halves onto halves.
///
/// # Safety
/// The machine must have AVX.
#[inline(always)]
unsafe fn sum_of_eight(x: __m256) -> f32 {
    // SAFETY: as the caller promises.
    unsafe {
        let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps::<1>(x, x)))
    }
}

/// [`sum_of_eight`] of each of eight, side by side: the same additions, several in one register.
///
/// # Safety
/// The machine must have AVX.
#[inline(always)]
unsafe fn sums_of_eight([a, b, c, d, e, f, g, h]: [__m256; 8]) -> [f32; 8] {
    let mut out = [0.0; 8];
    // SAFETY: as the caller promises; `out` is as large as a register.
    unsafe {
        // Two sums in a register, of four lanes each; then four of two, and eight of one.
        let (ae, bf) = (add_fours(a, e), add_fours(b, f));
        let (cg, dh) = (add_fours(c, g), add_fours(d, h));
        let (abef, cdgh) = (add_twos(ae, bf), add_twos(cg, dh));
        let even = _mm256_shuffle_ps::<0b10_00_10_00>(abef, cdgh);
        let odd = _mm256_shuffle_ps::<0b11_01_11_01>(abef, cdgh);
        _mm256_storeu_ps(out.as_mut_ptr(), _mm256_add_ps(even, odd));
    }
    out
}

/// The upper four lanes onto the lower, of `x` and of `y`.
///
/// # Safety
/// The machine must have AVX.
#[inline(always)]
unsafe fn add_fours(x: __m256, y: __m256) -> __m256 {
    // SAFETY: as the caller promises.
    unsafe {
        let low = _mm256_permute2f128_ps::<0x20>(x, y);
        let high = _mm256_permute2f128_ps::<0x31>(x, y);
        _mm256_add_ps(low, high)
    }
}

/// The upper two lanes of each four onto the lower, of `x` and of `y`.
///
/// # Safety
/// The machine must have AVX.
#[inline(always)]
unsafe fn add_twos(x: __m256, y: __m256) -> __m256 {
    // SAFETY: as the caller promises.
    unsafe {
        let low = _mm256_shuffle_ps::<0b01_00_01_00>(x, y);
        let high = _mm256_shuffle_ps::<0b11_10_11_10>(x, y);
        _mm256_add_ps(low, high)
    }
}
