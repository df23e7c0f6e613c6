//! Stored weights to single precision, exactly.

use crate::kernels::isa::Kernel;
use crate::kernels::simd::{ACC, Element, Simd};

/// `out[i] = values[i]`; both have the same length.
pub struct Widen<'a, T> {
    /// What to widen.
    pub values: &'a [T],
    /// The result.
    pub out: &'a mut [f32],
}

impl<T: Element> Kernel for Widen<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (values, tail) = self.values.as_chunks::<ACC>();
        let (out, out_tail) = self.out.as_chunks_mut::<ACC>();
        for (values, out) in values.iter().zip(out) {
            s.store(T::load(s, values), out);
        }
        for (value, out) in tail.iter().zip(out_tail) {
            *out = value.widen();
        }
    }
}
