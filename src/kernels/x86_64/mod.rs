//! Tiers of x86-64: the vector operations of each instruction set.

use std::arch::x86_64::*;

pub mod amx;
pub mod avx2;
pub mod avx512;
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
