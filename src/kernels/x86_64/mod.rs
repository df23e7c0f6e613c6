//! Tiers of x86-64: the vector operations of each instruction set.

use std::arch::x86_64::*;

pub mod avx2;
pub mod avx512;

/// Implements [`Simd`](super::simd::Simd) for a token from the register operations of its
/// instruction set. `$i` numbers the registers that make up `ACC` lanes.
///
/// No closures here: one that the compiler does not inline is compiled without the tier's
/// instructions, and so is every intrinsic in it.
macro_rules! impl_simd {
    (
        $Token:ident, $Reg:ty, [$($i:literal),+], many_registers: $many:literal,
        splat: $splat:ident, load: $load:ident, store: $store:ident,
        f16: $f16:ident, bf16: $bf16:ident, pow2: $pow2:ident, to_eight: $to_eight:ident,
        fma: $fma:ident,
        binary: $binary:tt
    ) => {
        /// Lanes of one register.
        const LANES: usize = size_of::<$Reg>() / size_of::<f32>();
        const REGISTERS: usize = ACC / LANES;

        impl $Token {
            /// # Safety
            /// The machine must have every feature of the tier.
            pub(in crate::kernels) unsafe fn new() -> Self {
                Self(())
            }
        }

        impl Simd for $Token {
            type Wide = [$Reg; REGISTERS];
            type Part = $Reg;
            const PARTS: usize = REGISTERS;
            const MANY_REGISTERS: bool = $many;

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
            fn zero_part(self) -> Self::Part {
                // SAFETY: the token proves the instructions.
                unsafe { $splat(0.0) }
            }
            #[inline(always)]
            fn load_part(self, values: &[f32; ACC], part: usize) -> Self::Part {
                let values = &values.as_chunks::<LANES>().0[part];
                // SAFETY: the token proves the instructions; a register is LANES values.
                unsafe { $load(values.as_ptr()) }
            }
            #[inline(always)]
            fn store_part(self, lanes: Self::Part, out: &mut [f32; ACC], part: usize) {
                let out = &mut out.as_chunks_mut::<LANES>().0[part];
                // SAFETY: the token proves the instructions; a register is LANES values.
                unsafe { $store(out.as_mut_ptr(), lanes) };
            }
            #[inline(always)]
            fn mul_add_part(self, a: Self::Part, b: Self::Part, c: Self::Part) -> Self::Part {
                // SAFETY: the token proves the instructions.
                unsafe { $fma(a, b, c) }
            }
            #[inline(always)]
            fn sum(self, lanes: Self::Wide) -> f32 {
                // SAFETY: the token proves the instructions.
                unsafe { sum_of_eight($to_eight(lanes)) }
            }
            #[inline(always)]
            fn sums(self, [a, b, c, d, e, f, g, h]: [Self::Wide; 8]) -> [f32; 8] {
                // SAFETY: the token proves the instructions.
                unsafe {
                    let [a, b, c, d] = [$to_eight(a), $to_eight(b), $to_eight(c), $to_eight(d)];
                    let [e, f, g, h] = [$to_eight(e), $to_eight(f), $to_eight(g), $to_eight(h)];
                    sums_of_eight([a, b, c, d, e, f, g, h])
                }
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
