//! The [`Simd`](super::simd::Simd) of a token, from a list of its register operations.

/// Implements [`Simd`](super::simd::Simd) for a token from the register operations of its
/// instruction set. `$i` numbers the registers that make up `ACC` lanes; the file says how many
/// `LANES` one has, and how many `REGISTERS` that makes.
///
/// No closures here: one that the compiler does not inline is compiled without the tier's
/// instructions, and so is every intrinsic in it.
macro_rules! impl_simd {
    (
        $Token:ident, $Reg:ty, [$($i:literal),+], many_registers: $many:literal,
        splat: $splat:ident, load: $load:ident, store: $store:ident,
        f16: $f16:ident, bf16: $bf16:ident, i8: $i8:ident, pow2: $pow2:ident, sum: $sum:ident, sums: $sums:ident,
        fma: $fma:ident, prefetch: $prefetch:ident,
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
            type Part = $Reg;
            const PARTS: usize = REGISTERS;
            const MANY_REGISTERS: bool = $many;

            #[inline(always)]
            fn prefetch<T>(self, address: *const T) {
                // SAFETY: a prefetch is a hint that never faults.
                unsafe { $prefetch(address.cast()) };
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
            fn load_i8(self, values: &[i8; ACC]) -> Self::Wide {
                // SAFETY: the token proves the instructions; all registers are ACC values.
                unsafe { [$($i8(values.as_ptr().add($i * LANES).cast())),+] }
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
            fn sums(self, lanes: [Self::Wide; 8]) -> [f32; 8] {
                // SAFETY: the token proves the instructions.
                unsafe { $sums(lanes) }
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
pub(in crate::kernels) use impl_simd;
