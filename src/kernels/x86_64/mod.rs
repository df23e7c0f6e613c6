//! Tiers of x86-64: the vector operations of each instruction set.

use std::arch::x86_64::*;

pub mod avx2;
pub mod avx512;
mod panel_madd;
mod panel_vnni;

/// Implements [`Simd`](super::simd::Simd) for a token from the register operations of its
/// instruction set. `$i` numbers the registers that make up `ACC` lanes; the file says how many
/// `LANES` one has, and how many `REGISTERS` that makes.
///
/// No closures here: one that the compiler does not inline is compiled without the tier's
/// instructions, and so is every intrinsic in it.
macro_rules! impl_simd {
    (
        $Token:ident, $Reg:ty, [$($i:literal),+], four_rows: $four_rows:literal,
        splat: $splat:ident, load: $load:ident, store: $store:ident,
        f16: $f16:ident, bf16: $bf16:ident, pow2: $pow2:ident, sum: $sum:ident,
        fma: $fma:ident,
        binary: $binary:tt
    ) => {
        impl $Token {
            /// # Safety
            /// The machine must have every feature of the tier.
            pub(in crate::kernels) unsafe fn new() -> Self {
                Self(())
            }
        }

        impl Simd for $Token {
            type Wide = [$Reg; REGISTERS];
            const FOUR_ROWS: bool = $four_rows;

            #[inline(always)]
            fn prefetch<T>(self, address: *const T) {
                // SAFETY: a prefetch is a hint that never faults.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
            }
            #[inline(always)]
            fn splat(self, value: f32) -> Self::Wide {
                // SAFETY: the token proves the instructions.
                [unsafe { $splat(value) }; REGISTERS]
            }
            #[inline(always)]
            fn load(self, values: &[f32; ACC]) -> Self::Wide {
                // SAFETY: the token proves the instructions; all registers are ACC values.
                unsafe { [$($load(values.as_ptr().add($i * LANES))),+] }
            }
            #[inline(always)]
            fn load_f16(self, values: &[f16; ACC]) -> Self::Wide {
                // SAFETY: the token proves the instructions; all registers are ACC values.
                unsafe { [$($f16(values.as_ptr().add($i * LANES).cast())),+] }
            }
            #[inline(always)]
            fn load_bf16(self, values: &[bf16; ACC]) -> Self::Wide {
                // SAFETY: the token proves the instructions; all registers are ACC values.
                unsafe { [$($bf16(values.as_ptr().add($i * LANES).cast())),+] }
            }
            #[inline(always)]
            fn store(self, lanes: Self::Wide, out: &mut [f32; ACC]) {
                // SAFETY: the token proves the instructions; all registers are ACC values.
                unsafe { $($store(out.as_mut_ptr().add($i * LANES), lanes[$i]);)+ }
            }
            #[inline(always)]
            fn mul_add(self, a: Self::Wide, b: Self::Wide, c: Self::Wide) -> Self::Wide {
                // SAFETY: the token proves the instructions.
                unsafe { [$($fma(a[$i], b[$i], c[$i])),+] }
            }
            #[inline(always)]
            fn sum(self, lanes: Self::Wide) -> f32 {
                // SAFETY: the token proves the instructions.
                unsafe { $sum(lanes) }
            }
            #[inline(always)]
            fn pow2_of_rounded(self, magic: Self::Wide) -> Self::Wide {
                // SAFETY: the token proves the instructions.
                unsafe { [$($pow2(magic[$i])),+] }
            }
            impl_simd!(@binary [$($i),+] $binary);
        }
    };
    (@binary $registers:tt [$($name:ident: $op:ident),+]) => {
        $(impl_simd!(@one $registers $name $op);)+
    };
    (@one [$($i:literal),+] $name:ident $op:ident) => {
        #[inline(always)]
        fn $name(self, a: Self::Wide, b: Self::Wide) -> Self::Wide {
            // SAFETY: the token proves the instructions.
            unsafe { [$($op(a[$i], b[$i])),+] }
        }
    };
}
use impl_simd;

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
