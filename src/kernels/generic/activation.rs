//! The nonlinearities of the MLP, in place: `x * sigmoid(t(x))`, and the others.

use super::dot::padded;
use super::exp::exp;
use crate::kernels::isa::Kernel;
use crate::kernels::simd::{ACC, Simd};

/// `x * sigmoid(1.702 x)`, which equals the paper's FastGELU.
pub struct FastGelu<'a>(pub &'a mut [f32]);

/// `x * sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3))`, which equals the tanh approximation of GELU.
pub struct GeluTanh<'a>(pub &'a mut [f32]);

impl Kernel for FastGelu<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        gate(s, self.0, |x| s.mul(x, s.splat(-1.702)));
    }
}

impl Kernel for GeluTanh<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        gate(s, self.0, |x| {
            let cube = s.mul(s.mul(x, x), x);
            let inner = s.add(x, s.mul(cube, s.splat(0.044_715)));
            // -2 sqrt(2 / pi)
            s.mul(inner, s.splat(-1.595_769))
        });
    }
}

/// `x * sigmoid(x)`, also called swish.
pub struct Silu<'a>(pub &'a mut [f32]);

impl Kernel for Silu<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        gate(s, self.0, |x| s.sub(s.splat(0.0), x));
    }
}

/// `max(x, 0)`.
pub struct Relu<'a>(pub &'a mut [f32]);

impl Kernel for Relu<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // In this order NaN stays NaN.
        each(s, self.0, |x| s.max(s.splat(0.0), x));
    }
}

/// `x / 2 * (1 + erf(x / sqrt(2)))`, GELU without an approximation by tanh. The error function is that
/// of Abramowitz and Stegun, 7.1.26: absolute error below 1.5e-7.
pub struct Gelu<'a>(pub &'a mut [f32]);

impl Kernel for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        const COEFFICIENTS: [f32; 5] = [
            1.061_405_4,
            -1.453_152,
            1.421_413_7,
            -0.284_496_74,
            0.254_829_6,
        ];
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        each(s, self.0, |x| {
            let z = s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2));
            let size = s.max(z, s.sub(zero, z));
            let t = s.div(one, s.add(one, s.mul(size, s.splat(0.327_591_1))));
            let mut p = s.splat(COEFFICIENTS[0]);
            for &c in &COEFFICIENTS[1..] {
                p = s.add(s.mul(p, t), s.splat(c));
            }
            // 1 - erf |z|, which leaves small values their digits where x is negative.
            let rest = s.mul(s.mul(p, t), exp(s, s.sub(zero, s.mul(size, size))));
            let half = s.mul(x, s.splat(0.5));
            // x / 2 * rest below zero, x - x / 2 * rest above: max(x, 0) - |x| / 2 * rest.
            let magnitude = s.max(half, s.sub(zero, half));
            s.sub(s.max(zero, x), s.mul(magnitude, rest))
        });
    }
}

/// `values *= others`.
pub struct Multiply<'a> {
    /// Changed.
    pub values: &'a mut [f32],
    /// As many.
    pub others: &'a [f32],
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (value, other) in self.values.iter_mut().zip(self.others) {
            *value *= other;
        }
    }
}

/// Every element by itself.
#[inline(always)]
fn each<S: Simd>(s: S, values: &mut [f32], f: impl Fn(S::Wide) -> S::Wide) {
    let (full, tail) = values.as_chunks_mut::<ACC>();
    let mut rest = padded(tail);
    for chunk in full.iter_mut().chain([&mut rest]) {
        s.store(f(s.load(chunk)), chunk);
    }
    tail.copy_from_slice(&rest[..tail.len()]);
}

/// `x / (1 + exp(t(x)))` for every element.
#[inline(always)]
fn gate<S: Simd>(s: S, values: &mut [f32], t: impl Fn(S::Wide) -> S::Wide) {
    each(s, values, |x| s.div(x, s.add(s.splat(1.0), exp(s, t(x)))));
}
