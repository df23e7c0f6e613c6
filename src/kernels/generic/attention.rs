//! Softmax and the weighted sum of values for one query of one head.

use super::dot::padded;
use super::exp::exp;
use crate::kernels::isa::Kernel;
use crate::kernels::simd::{ACC, Simd};

/// Softmax in place, in single precision, with the maximum subtracted first.
pub struct Softmax<'a>(pub &'a mut [f32]);

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (full, tail) = self.0.as_chunks_mut::<ACC>();
        let mut rest = [f32::NEG_INFINITY; ACC];
        rest[..tail.len()].copy_from_slice(tail);

        let mut lanes = s.load(&rest);
        for chunk in &*full {
            lanes = s.max(lanes, s.load(chunk));
        }
        let mut out = [0.0; ACC];
        s.store(lanes, &mut out);
        let mut max = f32::NEG_INFINITY;
        for lane in out {
            max = if lane > max { lane } else { max };
        }
        let max = s.splat(max);

        let mut lanes = s.splat(0.0);
        for chunk in &mut *full {
            let e = exp(s, s.sub(s.load(chunk), max));
            lanes = s.add(lanes, e);
            s.store(e, chunk);
        }
        s.store(exp(s, s.sub(s.load(&rest), max)), &mut rest);
        // What the padding became is not exactly zero.
        rest[tail.len()..].fill(0.0);
        lanes = s.add(lanes, s.load(&rest));
        let scale = 1.0 / s.sum(lanes);

        let factor = s.splat(scale);
        for chunk in full {
            s.store(s.mul(s.load(chunk), factor), chunk);
        }
        for (out, e) in tail.iter_mut().zip(rest) {
            *out = e * scale;
        }
    }
}

/// `out += sum over t of weights[t] * rows[t]`, in the order of `t`.
pub struct WeightedRows<'a> {
    /// One value a row.
    pub weights: &'a [f32],
    /// From the first element of the first row on.
    pub rows: &'a [f32],
    /// Elements from one row to the next.
    pub stride: usize,
    /// As wide as a row counts.
    pub out: &'a mut [f32],
}

impl Kernel for WeightedRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut col = 0;
        let (full, tail) = self.out.as_chunks_mut::<ACC>();
        for out in full {
            let mut lanes = s.load(out);
            for (t, &w) in self.weights.iter().enumerate() {
                let start = t * self.stride + col;
                let (row, _) = self.rows[start..start + ACC].as_chunks::<ACC>();
                lanes = s.mul_add(s.splat(w), s.load(&row[0]), lanes);
            }
            s.store(lanes, out);
            col += ACC;
        }
        if !tail.is_empty() {
            let mut rest = padded(tail);
            let mut lanes = s.load(&rest);
            for (t, &w) in self.weights.iter().enumerate() {
                let start = t * self.stride + col;
                let row = padded(&self.rows[start..start + tail.len()]);
                lanes = s.mul_add(s.splat(w), s.load(&row), lanes);
            }
            s.store(lanes, &mut rest);
            tail.copy_from_slice(&rest[..tail.len()]);
        }
    }
}
