//! The vector operations that kernels are written over, and the portable tier.
//!
//! All tiers compute the same bits: a kernel that sums does so in [`ACC`] virtual lanes, element
//! `i` into lane `i % ACC` by fused multiply-add, whatever the width of a register, and folds the
//! lanes in one fixed order ([`Simd::sum`]).

use half::{bf16, f16};

use super::packed::panel::PanelDot;

/// Virtual lanes of an accumulator: two AVX-512 registers, four AVX2 registers.
pub const ACC: usize = 32;

/// An element type of weights that widens to `f32` without loss.
pub trait Element: bytemuck::Pod + Send + Sync {
    /// The value.
    fn widen(self) -> f32;
    /// `ACC` values as an accumulator-shaped vector.
    fn load<S: Simd>(simd: S, values: &[Self; ACC]) -> S::Wide;
}

impl Element for f32 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }
    #[inline(always)]
    fn load<S: Simd>(simd: S, values: &[f32; ACC]) -> S::Wide {
        simd.load(values)
    }
}

impl Element for f16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self.to_f32()
    }
    #[inline(always)]
    fn load<S: Simd>(simd: S, values: &[f16; ACC]) -> S::Wide {
        simd.load_f16(values)
    }
}

impl Element for bf16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self.to_f32()
    }
    #[inline(always)]
    fn load<S: Simd>(simd: S, values: &[bf16; ACC]) -> S::Wide {
        simd.load_bf16(values)
    }
}

impl Element for i8 {
    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from(self)
    }
    #[inline(always)]
    fn load<S: Simd>(simd: S, values: &[i8; ACC]) -> S::Wide {
        simd.load_i8(values)
    }
}

/// Operations on [`ACC`] single-precision lanes at once. The value of a token type that
/// implements this proves that its instructions are there.
pub trait Simd: PanelDot {
    /// `ACC` lanes in as many registers as that takes.
    type Wide: Copy;
    /// One register of a `Wide`.
    type Part: Copy;
    /// Parts of a `Wide`.
    const PARTS: usize;
    /// Whether there are 32 vector registers rather than 16.
    const MANY_REGISTERS: bool;

    /// Asks for the cache line at an address, which need not be valid.
    fn prefetch<T>(self, address: *const T);
    /// The same value in every lane.
    fn splat(self, value: f32) -> Self::Wide;
    /// Loads lanes.
    fn load(self, values: &[f32; ACC]) -> Self::Wide;
    /// Loads and widens lanes.
    fn load_f16(self, values: &[f16; ACC]) -> Self::Wide;
    /// Loads and widens lanes.
    fn load_bf16(self, values: &[bf16; ACC]) -> Self::Wide;
    /// Loads and widens lanes.
    fn load_i8(self, values: &[i8; ACC]) -> Self::Wide;
    /// Stores lanes.
    fn store(self, lanes: Self::Wide, out: &mut [f32; ACC]);
    /// `a + b`.
    fn add(self, a: Self::Wide, b: Self::Wide) -> Self::Wide;
    /// `a - b`.
    fn sub(self, a: Self::Wide, b: Self::Wide) -> Self::Wide;
    /// `a * b`.
    fn mul(self, a: Self::Wide, b: Self::Wide) -> Self::Wide;
    /// `a / b`.
    fn div(self, a: Self::Wide, b: Self::Wide) -> Self::Wide;
    /// `a * b + c`, rounded once.
    fn mul_add(self, a: Self::Wide, b: Self::Wide, c: Self::Wide) -> Self::Wide;
    /// Zero in every lane of a part.
    fn zero_part(self) -> Self::Part;
    /// Loads the lanes of part `part`, which is below [`PARTS`](Self::PARTS).
    fn load_part(self, values: &[f32; ACC], part: usize) -> Self::Part;
    /// Stores the lanes of part `part`.
    fn store_part(self, lanes: Self::Part, out: &mut [f32; ACC], part: usize);
    /// [`mul_add`](Self::mul_add) of parts.
    fn mul_add_part(self, a: Self::Part, b: Self::Part, c: Self::Part) -> Self::Part;
    /// The larger, lane by lane; `b` where either is NaN.
    fn max(self, a: Self::Wide, b: Self::Wide) -> Self::Wide;
    /// The smaller, lane by lane; `b` where either is NaN.
    fn min(self, a: Self::Wide, b: Self::Wide) -> Self::Wide;
    /// The sum of all lanes: halves onto halves, lane `i + ACC / 2` onto lane `i`, down to one.
    fn sum(self, lanes: Self::Wide) -> f32;
    /// [`sum`](Self::sum) of each of eight.
    fn sums(self, lanes: [Self::Wide; 8]) -> [f32; 8];
    /// `2^n` for lanes that hold `n + 1.5 * 2^23`, the sum left by rounding with that constant;
    /// n from -126 to 127.
    fn pow2_of_rounded(self, magic: Self::Wide) -> Self::Wide;
}

/// The portable tier: arrays, left to the compiler.
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

impl Simd for Scalar {
    type Wide = [f32; ACC];
    type Part = [f32; 8];
    const PARTS: usize = ACC / 8;
    const MANY_REGISTERS: bool = false;

    #[inline(always)]
    fn prefetch<T>(self, _: *const T) {}
    #[inline(always)]
    fn splat(self, value: f32) -> Self::Wide {
        [value; ACC]
    }
    #[inline(always)]
    fn load(self, values: &[f32; ACC]) -> Self::Wide {
        *values
    }
    #[inline(always)]
    fn load_f16(self, values: &[f16; ACC]) -> Self::Wide {
        values.map(f16::to_f32)
    }
    #[inline(always)]
    fn load_bf16(self, values: &[bf16; ACC]) -> Self::Wide {
        values.map(bf16::to_f32)
    }
    #[inline(always)]
    fn load_i8(self, values: &[i8; ACC]) -> Self::Wide {
        values.map(f32::from)
    }
    #[inline(always)]
    fn store(self, lanes: Self::Wide, out: &mut [f32; ACC]) {
        *out = lanes;
    }
    #[inline(always)]
    fn add(self, a: Self::Wide, b: Self::Wide) -> Self::Wide {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::Wide, b: Self::Wide) -> Self::Wide {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::Wide, b: Self::Wide) -> Self::Wide {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: Self::Wide, b: Self::Wide) -> Self::Wide {
        std::array::from_fn(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn mul_add(self, a: Self::Wide, b: Self::Wide, c: Self::Wide) -> Self::Wide {
        std::array::from_fn(|i| crate::num::fma(a[i], b[i], c[i]))
    }
    #[inline(always)]
    fn zero_part(self) -> Self::Part {
        [0.0; 8]
    }
    #[inline(always)]
    fn load_part(self, values: &[f32; ACC], part: usize) -> Self::Part {
        values.as_chunks().0[part]
    }
    #[inline(always)]
    fn store_part(self, lanes: Self::Part, out: &mut [f32; ACC], part: usize) {
        out.as_chunks_mut().0[part] = lanes;
    }
    #[inline(always)]
    fn mul_add_part(self, a: Self::Part, b: Self::Part, c: Self::Part) -> Self::Part {
        std::array::from_fn(|i| crate::num::fma(a[i], b[i], c[i]))
    }
    #[inline(always)]
    fn max(self, a: Self::Wide, b: Self::Wide) -> Self::Wide {
        std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn min(self, a: Self::Wide, b: Self::Wide) -> Self::Wide {
        std::array::from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn sum(self, mut lanes: Self::Wide) -> f32 {
        let mut width = ACC / 2;
        while width > 0 {
            for i in 0..width {
                lanes[i] += lanes[i + width];
            }
            width /= 2;
        }
        lanes[0]
    }
    #[inline(always)]
    fn sums(self, lanes: [Self::Wide; 8]) -> [f32; 8] {
        lanes.map(|lanes| self.sum(lanes))
    }
    #[inline(always)]
    fn pow2_of_rounded(self, magic: Self::Wide) -> Self::Wide {
        magic.map(crate::num::pow2_of_rounded)
    }
}
