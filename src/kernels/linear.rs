//! Linear layers: `out = x · Wᵀ + bias` for some tokens at once, over the threads of a pool.
//!
//! ```text
//! few tokens:  for each row of W, for each token:   out[token][row] = dot(W[row], x[token])
//! many:        for each panel of rows of W:         out[:, panel]   = x · panelᵀ, blocked
//! ```
//!
//! With few tokens the time is that of reading W, which the first form does as evenly as memory
//! delivers; with many it is that of the arithmetic. Both add in the same order, and threads
//! divide the rows of W, so a result has the same bits whichever tokens share a call and however
//! many threads there are.

use std::ops::Range;

use super::columns::{Band, Columns};
use super::generic::dot::{DotRows, Segment};
use super::generic::gemm::{self, Gemm, Pack, Packed};
use super::isa::Isa;
use super::matrix::{Matrix, Run};
pub use super::scratch::Scratch;
use super::simd::{ACC, Element};
use crate::error::Result;
use crate::threads::{Crew, Failures};

/// Up to this many tokens go through dot products. A product is faster from five tokens on when
/// the weights are in the cache, from eight on when they come from memory (Zen 4, 2026-11).
pub const FEW_TOKENS: usize = 7;
/// Bytes of weights that make a task worth handing to another thread.
const TASK_BYTES: usize = 32 * 1024;
/// Rows of a panel of the product; its sums and operands of a block fit L2.
const PANEL_ROWS: usize = 32;
/// Tokens that are packed and multiplied at a time, at most: 22 MB for the widest layer of 13B.
pub const GROUP_TOKENS: usize = 264;
/// Tokens that a task packs.
const PACK_TOKENS: usize = 8 * gemm::TILE_TOKENS;

/// What a linear layer runs on.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Instruction set.
    pub isa: Isa,
    /// Threads.
    pub crew: Crew<'a>,
    /// Buffers.
    pub scratch: &'a Scratch,
}

/// `out[t][r] = dot(W[r], x[t]) + bias[r]`: `x` is `[tokens, W.cols]`, `out` `[tokens, W.rows]`,
/// `bias` `[W.rows]`.
///
/// # Errors
/// [`OutOfMemory`](crate::ErrorKind::OutOfMemory), and [`Cancelled`](crate::ErrorKind::Cancelled), which leaves
/// parts of `out` as they were.
///
/// # Panics
/// When the lengths disagree.
pub fn linear(
    cx: Context<'_>,
    x: &[f32],
    w: &Matrix,
    bias: Option<&[f32]>,
    out: &mut [f32],
) -> Result<()> {
    let tokens = x.len() / w.cols();
    assert_eq!(x.len(), tokens * w.cols(), "x is not [tokens, cols]");
    assert_eq!(out.len(), tokens * w.rows(), "out is not [tokens, rows]");
    assert!(
        bias.is_none_or(|b| b.len() == w.rows()),
        "bias is not [rows]"
    );
    if tokens == 0 {
        return Ok(());
    }
    if tokens <= FEW_TOKENS {
        let out = Columns::new(out, tokens, w.rows());
        let row_bytes = w.cols() * w.dtype().size();
        // A multiple of 16 keeps the outputs of two tasks on different cache lines.
        let rows_per_task = TASK_BYTES.div_ceil(row_bytes).next_multiple_of(16);
        let failures = Failures::default();
        for_bands(cx.crew, &out, w.rows(), rows_per_task, &|rows, band| {
            failures.note(dot_band(cx, x, w, bias, rows, band));
        })?;
        return failures.into_result();
    }
    let group = tokens.div_ceil(tokens.div_ceil(GROUP_TOKENS));
    let groups = x.chunks(group * w.cols());
    for (x, out) in groups.zip(out.chunks_mut(group * w.rows())) {
        many(cx, x, w, bias, out)?;
    }
    Ok(())
}

fn many(
    cx: Context<'_>,
    x: &[f32],
    w: &Matrix,
    bias: Option<&[f32]>,
    out: &mut [f32],
) -> Result<()> {
    let tokens = x.len() / w.cols();
    let out = Columns::new(out, tokens, w.rows());
    let failures = Failures::default();
    let len = gemm::packed_len(tokens, w.cols()) * gemm::TILE_TOKENS * ACC;
    cx.scratch.with(len, |packed| -> Result<()> {
        let (lines, _) = packed.as_chunks_mut::<ACC>();
        let (chunks, _) = lines.as_chunks_mut();
        let per_task = gemm::packed_len(PACK_TOKENS, w.cols());
        cx.crew.for_each_chunk(chunks, per_task, |task, out| {
            let start = task * PACK_TOKENS;
            let end = (start + PACK_TOKENS).min(tokens);
            let (x, cols) = (&x[start * w.cols()..end * w.cols()], w.cols());
            cx.isa.dispatch(Pack { x, cols, out });
        })?;
        let x = Packed {
            chunks,
            tokens,
            cols: w.cols(),
        };
        for_bands(cx.crew, &out, w.rows(), PANEL_ROWS, &|rows, band| {
            failures.note(product_band(cx, x, w, bias, rows, band));
        })
    })??;
    failures.into_result()
}

/// Calls `run` for each band of rows of W, with the rows and their columns of `out`.
fn for_bands(
    crew: Crew<'_>,
    out: &Columns<'_>,
    rows: usize,
    rows_per_task: usize,
    run: &(dyn Fn(Range<usize>, &mut Band<'_>) + Sync),
) -> Result<()> {
    crew.run(rows.div_ceil(rows_per_task), &|task| {
        let start = task * rows_per_task;
        let rows = start..(start + rows_per_task).min(rows);
        // SAFETY: tasks have disjoint ranges of rows of W, which are columns of `out`, and the
        // crew calls each task at most once.
        let mut band = unsafe { out.band(rows.clone()) };
        run(rows, &mut band);
    })
}

fn product_band(
    cx: Context<'_>,
    x: Packed<'_>,
    w: &Matrix,
    bias: Option<&[f32]>,
    rows: Range<usize>,
    band: &mut Band<'_>,
) -> Result<()> {
    cx.scratch
        .with(gemm::scratch_len(rows.len(), x.tokens) * ACC, |scratch| {
            let (scratch, _) = scratch.as_chunks_mut::<ACC>();
            w.for_each_run(
                cx.isa,
                cx.scratch,
                rows.start,
                rows.len(),
                &mut |run, done| {
                    let bias = bias.map(|b| &b[rows.start + done..]);
                    match run {
                        Run::F32(n, segments) => {
                            product_run(cx.isa, x, segments, bias, done..done + n, scratch, band)
                        }
                        Run::F16(n, segments) => {
                            product_run(cx.isa, x, segments, bias, done..done + n, scratch, band)
                        }
                        Run::BF16(n, segments) => {
                            product_run(cx.isa, x, segments, bias, done..done + n, scratch, band)
                        }
                    }
                },
            )
        })?
}

fn product_run<T: Element>(
    isa: Isa,
    x: Packed<'_>,
    segments: &[Segment<'_, T>],
    bias: Option<&[f32]>,
    rows: Range<usize>,
    scratch: &mut [[f32; ACC]],
    band: &mut Band<'_>,
) {
    isa.dispatch(Gemm {
        segments,
        rows: rows.len(),
        x,
        bias,
        scratch,
        column: rows.start,
        out: band,
    });
}

fn dot_band(
    cx: Context<'_>,
    x: &[f32],
    w: &Matrix,
    bias: Option<&[f32]>,
    rows: Range<usize>,
    band: &mut Band<'_>,
) -> Result<()> {
    let isa = cx.isa;
    w.for_each_run(isa, cx.scratch, rows.start, rows.len(), &mut |run, done| {
        let bias = bias.map(|b| &b[rows.start + done..]);
        match run {
            Run::F32(n, segments) => dot_run(isa, x, segments, bias, done..done + n, band),
            Run::F16(n, segments) => dot_run(isa, x, segments, bias, done..done + n, band),
            Run::BF16(n, segments) => dot_run(isa, x, segments, bias, done..done + n, band),
        }
    })
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
