//! The exponential function over lanes: the operations of [`num::exp`](crate::num::exp), one by
//! one, so that both give the same bits.

use crate::kernels::simd::Simd;
use crate::num::{ROUND_MAGIC, exp_constants::*};

/// `exp` of every lane.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::Wide) -> S::Wide {
    let x = s.max(s.splat(LOW), x);
    let x = s.min(s.splat(HIGH), x);
    let round = s.splat(ROUND_MAGIC);
    let magic = s.add(s.mul(x, s.splat(std::f32::consts::LOG2_E)), round);
    let n = s.sub(magic, round);
    let r = s.sub(x, s.mul(n, s.splat(LN2_HIGH)));
    let r = s.sub(r, s.mul(n, s.splat(LN2_LOW)));
    let mut p = s.splat(POLY[0]);
    for &c in &POLY[1..] {
        p = s.add(s.mul(p, r), s.splat(c));
    }
    let p = s.add(s.add(s.mul(p, s.mul(r, r)), r), s.splat(1.0));
    s.mul(p, s.pow2_of_rounded(magic))
}
