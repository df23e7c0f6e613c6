//! The nonlinearities of the MLP, in place. Both are `x * sigmoid(t(x))`.

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

/// `x / (1 + exp(t(x)))` for every element.
#[inline(always)]
fn gate<S: Simd>(s: S, values: &mut [f32], t: impl Fn(S::Wide) -> S::Wide) {
    let (full, tail) = values.as_chunks_mut::<ACC>();
    let mut rest = padded(tail);
    for chunk in full.iter_mut().chain([&mut rest]) {
        let x = s.load(chunk);
        let gate = exp(s, t(x));
        s.store(s.div(x, s.add(s.splat(1.0), gate)), chunk);
    }
    tail.copy_from_slice(&rest[..tail.len()]);
}
