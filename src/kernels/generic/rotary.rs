//! Rotary position embedding: pairs of values are rotated, in place.

use crate::kernels::isa::Kernel;
use crate::kernels::simd::Simd;

/// Rotates the pairs `(i, i + n)` of each head, where `n` is the number of pairs.
pub struct RotateHalves<'a> {
    /// Heads, one after the other.
    pub heads: &'a mut [f32],
    /// Values of a head.
    pub head_dim: usize,
    /// Of the angle of each pair.
    pub cos: &'a [f32],
    /// Of the angle of each pair.
    pub sin: &'a [f32],
}

/// Rotates the pairs `(2 i, 2 i + 1)` of each head.
pub struct RotateInterleaved<'a> {
    /// Heads, one after the other.
    pub heads: &'a mut [f32],
    /// Values of a head.
    pub head_dim: usize,
    /// Of the angle of each pair.
    pub cos: &'a [f32],
    /// Of the angle of each pair.
    pub sin: &'a [f32],
}

// Products and sums are rounded one by one, so every instruction set gives the same bits.

impl Kernel for RotateHalves<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let n = self.cos.len();
        let sin = &self.sin[..n];
        for head in self.heads.chunks_exact_mut(self.head_dim) {
            let (first, rest) = head.split_at_mut(n);
            let second = &mut rest[..n];
            for i in 0..n {
                let (a, b) = (first[i], second[i]);
                first[i] = a * self.cos[i] - b * sin[i];
                second[i] = b * self.cos[i] + a * sin[i];
            }
        }
    }
}

impl Kernel for RotateInterleaved<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for head in self.heads.chunks_exact_mut(self.head_dim) {
            let angles = self.cos.iter().zip(self.sin);
            for (pair, (cos, sin)) in head.as_chunks_mut::<2>().0.iter_mut().zip(angles) {
                let [a, b] = *pair;
                *pair = [a * cos - b * sin, b * cos + a * sin];
            }
        }
    }
}
