//! Linear layers: `out = x · Wᵀ + bias` for some tokens at once, over the threads of a pool.
//!
//! ```text
//! few tokens:  for each row of W, for each token:  out[token][row] = dot(W[row], x[token])
//! many:        for each panel of rows of W:        out[:, panel]   = x · widen(panel)ᵀ
//! ```
//!
//! With few tokens the time is that of reading W, which both forms do once; the first reads it
//! in its own type. With many, a panel is widened to `f32` once and multiplied by a blocked
//! matrix product (matrixmultiply). Threads divide the rows of W, so no sum depends on their
//! number. The two forms add in different orders; results of one form do not depend on which
//! tokens share a call.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::columns::{Band, Columns};
use super::generic::dot::{DotRows, Segment};
use super::isa::Isa;
use super::matrix::{Matrix, Run};
use super::simd::Element;
use crate::threads::ThreadPool;

/// Up to this many tokens go through dot products.
pub const FEW_TOKENS: usize = 16;
/// Bytes of weights that make a task worth handing to another thread.
const TASK_BYTES: usize = 32 * 1024;
/// Rows of a panel of the matrix product.
const PANEL_ROWS: usize = 128;

/// Buffers of a call, kept for the next. Each task takes one and puts it back.
#[derive(Debug, Default)]
pub struct Scratch(Mutex<Vec<Vec<f32>>>);

impl Scratch {
    /// Calls `f` with `len` values of whatever was in the buffer.
    pub fn with<R>(&self, len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
        let mut buffer = self.lock().pop().unwrap_or_default();
        if buffer.len() < len {
            buffer.resize(len, 0.0);
        }
        let result = f(&mut buffer[..len]);
        self.lock().push(buffer);
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<f32>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a linear layer runs on.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Instruction set.
    pub isa: Isa,
    /// Threads.
    pub pool: &'a ThreadPool,
    /// Buffers.
    pub scratch: &'a Scratch,
}

/// `out[t][r] = dot(W[r], x[t]) + bias[r]`: `x` is `[tokens, W.cols]`, `out` `[tokens, W.rows]`,
/// `bias` `[W.rows]`.
///
/// # Panics
/// When the lengths disagree.
pub fn linear(cx: Context<'_>, x: &[f32], w: &Matrix, bias: Option<&[f32]>, out: &mut [f32]) {
    let tokens = x.len() / w.cols();
    assert_eq!(x.len(), tokens * w.cols(), "x is not [tokens, cols]");
    assert_eq!(out.len(), tokens * w.rows(), "out is not [tokens, rows]");
    assert!(
        bias.is_none_or(|b| b.len() == w.rows()),
        "bias is not [rows]"
    );
    if tokens == 0 {
        return;
    }
    let few = tokens <= FEW_TOKENS;
    let rows_per_task = if few {
        let row_bytes = w.cols() * w.dtype().size();
        // A multiple of 16 keeps the outputs of two tasks on different cache lines.
        TASK_BYTES.div_ceil(row_bytes).next_multiple_of(16)
    } else {
        PANEL_ROWS
    };
    let out = Columns::new(out, tokens, w.rows());
    cx.pool.run(w.rows().div_ceil(rows_per_task), &|task| {
        let start = task * rows_per_task;
        let rows = start..(start + rows_per_task).min(w.rows());
        // SAFETY: tasks have disjoint ranges of rows of W, which are columns of `out`, and the
        // pool calls each task once.
        let mut band = unsafe { out.band(rows.clone()) };
        if few {
            dot_band(cx.isa, x, w, bias, rows, &mut band);
        } else {
            product_band(cx, x, w, bias, rows, &mut band);
        }
    });
}

fn dot_band(
    isa: Isa,
    x: &[f32],
    w: &Matrix,
    bias: Option<&[f32]>,
    rows: Range<usize>,
    band: &mut Band<'_>,
) {
    w.for_each_run(isa, rows.start, rows.len(), &mut |run, done| {
        let bias = bias.map(|b| &b[rows.start + done..]);
        match run {
            Run::F32(n, segments) => dot_run(isa, x, segments, bias, done..done + n, band),
            Run::F16(n, segments) => dot_run(isa, x, segments, bias, done..done + n, band),
            Run::BF16(n, segments) => dot_run(isa, x, segments, bias, done..done + n, band),
        }
    });
}

/// Dot products of the rows of one run with every token, some rows at a time so that they stay
/// in the cache between tokens.
fn dot_run<T: Element>(
    isa: Isa,
    x: &[f32],
    segments: &[Segment<'_, T>],
    bias: Option<&[f32]>,
    rows: Range<usize>,
    band: &mut Band<'_>,
) {
    let cols = x.len() / band.tokens();
    for (token, x) in x.chunks_exact(cols).enumerate() {
        isa.dispatch(DotRows {
            segments,
            x,
            scale: 1.0,
            bias,
            out: &mut band.token(token)[rows.clone()],
        });
    }
}

fn product_band(
    cx: Context<'_>,
    x: &[f32],
    w: &Matrix,
    bias: Option<&[f32]>,
    rows: Range<usize>,
    band: &mut Band<'_>,
) {
    let (n, k) = (rows.len(), w.cols());
    cx.scratch.with(n * k, |panel| {
        w.widen(cx.isa, rows.start, n, panel);
        band.product(x, panel, k);
    });
    if let Some(bias) = bias {
        for token in 0..band.tokens() {
            let out = band.token(token).iter_mut();
            out.zip(&bias[rows.clone()]).for_each(|(o, b)| *o += b);
        }
    }
}
