//! Layer normalisation, `y = (x - mean) / sqrt(variance + eps) * weight + bias`, and RMS norm,
//! `y = x / sqrt(mean square + eps) * weight`.
//!
//! Layer normalisation passes over the row twice, for mean and variance: one pass over squares would
//! lose the digits that a large mean takes.

use super::dot::padded;
use crate::kernels::isa::Kernel;
use crate::kernels::simd::{ACC, Simd};

/// Normalises one row; all slices have its length.
pub struct LayerNorm<'a> {
    /// The row.
    pub x: &'a [f32],
    /// Scale, one value a column.
    pub weight: &'a [f32],
    /// Offset, one value a column, or nothing.
    pub bias: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
    /// The result.
    pub out: &'a mut [f32],
}

impl Kernel for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let n = self.x.len() as f32;
        let (full, tail) = self.x.as_chunks::<ACC>();
        let mut lanes = s.splat(0.0);
        for chunk in full {
            lanes = s.add(lanes, s.load(chunk));
        }
        lanes = s.add(lanes, s.load(&padded(tail)));
        let mean = s.sum(lanes) / n;

        let centre = s.splat(mean);
        let mut lanes = s.splat(0.0);
        for chunk in full {
            let d = s.sub(s.load(chunk), centre);
            lanes = s.mul_add(d, d, lanes);
        }
        let mut rest = [0.0; ACC];
        for (d, x) in rest.iter_mut().zip(tail) {
            *d = x - mean;
        }
        let d = s.load(&rest);
        lanes = s.mul_add(d, d, lanes);
        let rstd = 1.0 / (s.sum(lanes) / n + self.epsilon).sqrt();

        let scaled = |i: usize| (self.x[i] - mean) * rstd * self.weight[i];
        if self.bias.is_empty() {
            for (i, out) in self.out.iter_mut().enumerate() {
                *out = scaled(i);
            }
            return;
        }
        for (i, out) in self.out.iter_mut().enumerate() {
            *out = scaled(i) + self.bias[i];
        }
    }
}

/// RMS norm of one row, in place.
pub struct RmsNorm<'a> {
    /// The row.
    pub x: &'a mut [f32],
    /// Scale, one value a column.
    pub weight: &'a [f32],
    /// Added to the mean square.
    pub epsilon: f32,
}

impl Kernel for RmsNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let n = self.x.len() as f32;
        let (full, tail) = self.x.as_chunks::<ACC>();
        let mut lanes = s.splat(0.0);
        for chunk in full {
            let x = s.load(chunk);
            lanes = s.mul_add(x, x, lanes);
        }
        let x = s.load(&padded(tail));
        lanes = s.mul_add(x, x, lanes);
        let factor = 1.0 / (s.sum(lanes) / n + self.epsilon).sqrt();
        for (x, weight) in self.x.iter_mut().zip(self.weight) {
            *x = *x * factor * weight;
        }
    }
}
