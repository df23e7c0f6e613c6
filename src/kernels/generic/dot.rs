//! Dot products of matrix rows with one vector: the decode step of every linear layer.
//!
//! ```text
//! for each row:  lanes = 0
//!                for each segment, for each chunk of 32:  lanes += widen(w[chunk]) * x[chunk]
//!                out[row] = sum(lanes) * scale + bias[row]
//! ```
//!
//! What differs in the code: (1) several rows go side by side, so that independent chains of
//! multiply-adds hide each other's latency and `x` is loaded once for all; (2) the last, partial
//! chunk is padded with zeros, which add nothing; (3) what comes some way on is prefetched, since
//! rows of half a kilobyte, read side by side, are no stream that a prefetcher recognises
//! (default model, one thread of a Zen 4: 5.1 ms a token without, 4.0 ms with, 2026-11).

use crate::kernels::isa::Kernel;
use crate::kernels::simd::{ACC, Element, Simd};

const CACHE_LINE: usize = 64;
/// Bytes from where weights are read to where they are prefetched.
const PREFETCH_AHEAD: usize = 2048;

/// A run of columns of some rows, in memory.
#[derive(Clone, Copy)]
pub struct Segment<'a, T> {
    /// First column, a multiple of [`ACC`].
    pub col: usize,
    /// Number of columns; a multiple of [`ACC`] except in the last segment.
    pub cols: usize,
    /// Elements from one row to the next.
    pub stride: usize,
    /// From the first element of the first row on.
    pub data: &'a [T],
}

/// `out[r] = scale * dot(row r, x) + bias[r]` for `out.len()` rows.
pub struct DotRows<'a, T> {
    /// The columns of the rows, in order.
    pub segments: &'a [Segment<'a, T>],
    /// One value a column.
    pub x: &'a [f32],
    /// Multiplies the sum.
    pub scale: f32,
    /// One value a row, or nothing.
    pub bias: Option<&'a [f32]>,
    /// One value a row.
    pub out: &'a mut [f32],
}

impl<T: Element> Kernel for DotRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rows = self.out.len();
        let mut sums = [0.0; 4];
        let mut row = 0;
        while row < rows {
            let n = (rows - row).min(4);
            // Four rows fill the AVX-512 registers; with AVX2 two at a time stay in registers.
            if n == 4 && S::MANY_REGISTERS {
                sums = dot_rows::<S, T, 4>(simd, self.segments, self.x, row);
            } else {
                for half in (0..n).step_by(2) {
                    if n - half >= 2 {
                        let pair = dot_rows::<S, T, 2>(simd, self.segments, self.x, row + half);
                        sums[half..half + 2].copy_from_slice(&pair);
                    } else {
                        let one = dot_rows::<S, T, 1>(simd, self.segments, self.x, row + half);
                        sums[half] = one[0];
                    }
                }
            }
            for (i, sum) in sums[..n].iter().enumerate() {
                let bias = self.bias.map_or(0.0, |b| b[row + i]);
                self.out[row + i] = sum * self.scale + bias;
            }
            row += n;
        }
    }
}

#[inline(always)]
fn dot_rows<S: Simd, T: Element, const R: usize>(
    simd: S,
    segments: &[Segment<'_, T>],
    x: &[f32],
    row: usize,
) -> [f32; R] {
    let mut lanes = [simd.splat(0.0); R];
    for segment in segments {
        let (x, x_tail) = x[segment.col..segment.col + segment.cols].as_chunks::<ACC>();
        // Cut to equal lengths, so that the compiler can drop the bounds checks of the loop.
        let chunks = x.len();
        let mut full: [&[[T; ACC]]; R] = [&[]; R];
        let mut tails: [&[T]; R] = [&[]; R];
        for r in 0..R {
            let start = (row + r) * segment.stride;
            let (row, tail) = segment.data[start..start + segment.cols].as_chunks::<ACC>();
            (full[r], tails[r]) = (&row[..chunks], tail);
        }
        for c in 0..chunks {
            let xs = simd.load(&x[c]);
            for r in 0..R {
                let w = &full[r][c];
                for line in 0..size_of_val(w).div_ceil(CACHE_LINE) {
                    let ahead = PREFETCH_AHEAD + line * CACHE_LINE;
                    simd.prefetch(w.as_ptr().cast::<u8>().wrapping_add(ahead));
                }
                lanes[r] = simd.mul_add(T::load(simd, w), xs, lanes[r]);
            }
        }
        if !x_tail.is_empty() {
            let xs = simd.load(&padded(x_tail));
            for r in 0..R {
                lanes[r] = simd.mul_add(T::load(simd, &padded(tails[r])), xs, lanes[r]);
            }
        }
    }
    let mut sums = [0.0; R];
    for r in 0..R {
        sums[r] = simd.sum(lanes[r]);
    }
    sums
}

/// A partial chunk with zeros behind it.
#[inline(always)]
pub fn padded<T: Element>(tail: &[T]) -> [T; ACC] {
    let mut chunk = [T::zeroed(); ACC];
    chunk[..tail.len()].copy_from_slice(tail);
    chunk
}
