//! Tiers of x86-64: the vector operations of each instruction set.

pub mod avx2;
pub mod avx512;

/// Implements [`Simd`](super::simd::Simd) for a token from the register operations of its
/// instruction set, over `$N` registers.
macro_rules! impl_simd {
    (
        $Token:ident, $Reg:ty, $N:literal,
        splat: $splat:ident, load: $load:ident, store: $store:ident,
        f16: $f16:expr, bf16: $bf16:expr, pow2: $pow2:expr,
        add: $add:ident, sub: $sub:ident, mul: $mul:ident, div: $div:ident,
        fma: $fma:ident, max: $max:ident, min: $min:ident
    ) => {
        impl $Token {
            /// # Safety
            /// The machine must have every feature of the tier.
            pub(in crate::kernels) unsafe fn new() -> Self {
                Self(())
            }
        }

        impl Simd for $Token {
            type Wide = [$Reg; $N];
            // AVX-512 has 32 registers, AVX2 has 16.
            const FOUR_ROWS: bool = $N == 2;

            #[inline(always)]
            fn splat(self, value: f32) -> Self::Wide {
                // SAFETY: the token proves the instructions.
                [unsafe { $splat(value) }; $N]
            }
            #[inline(always)]
            fn load(self, values: &[f32; ACC]) -> Self::Wide {
                // SAFETY: the token proves the instructions; N registers are ACC values.
                array::from_fn(|i| unsafe { $load(values.as_ptr().add(i * (ACC / $N))) })
            }
            #[inline(always)]
            fn load_f16(self, values: &[f16; ACC]) -> Self::Wide {
                // SAFETY: the token proves the instructions; N registers are ACC values.
                array::from_fn(|i| unsafe { $f16(values.as_ptr().add(i * (ACC / $N)).cast()) })
            }
            #[inline(always)]
            fn load_bf16(self, values: &[bf16; ACC]) -> Self::Wide {
                // SAFETY: the token proves the instructions; N registers are ACC values.
                array::from_fn(|i| unsafe { $bf16(values.as_ptr().add(i * (ACC / $N)).cast()) })
            }
            #[inline(always)]
            fn store(self, lanes: Self::Wide, out: &mut [f32; ACC]) {
                for (i, register) in lanes.into_iter().enumerate() {
                    // SAFETY: the token proves the instructions; N registers are ACC values.
                    unsafe { $store(out.as_mut_ptr().add(i * (ACC / $N)), register) };
                }
            }
            impl_simd!(@binary $N, add $add, sub $sub, mul $mul, div $div, max $max, min $min);
            #[inline(always)]
            fn mul_add(self, a: Self::Wide, b: Self::Wide, c: Self::Wide) -> Self::Wide {
                // SAFETY: the token proves the instructions.
                array::from_fn(|i| unsafe { $fma(a[i], b[i], c[i]) })
            }
            #[inline(always)]
            fn pow2_of_rounded(self, magic: Self::Wide) -> Self::Wide {
                // SAFETY: the token proves the instructions.
                array::from_fn(|i| unsafe { $pow2(magic[i]) })
            }
        }
    };
    (@binary $N:literal, $($name:ident $op:ident),+) => {
        $(#[inline(always)]
        fn $name(self, a: Self::Wide, b: Self::Wide) -> Self::Wide {
            // SAFETY: the token proves the instructions.
            array::from_fn(|i| unsafe { $op(a[i], b[i]) })
        })+
    };
}
use impl_simd;
