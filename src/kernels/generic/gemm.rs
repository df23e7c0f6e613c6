//! Products of a matrix with several tokens, in the order of sums of
//! [`DotRows`](super::dot::DotRows): every result has the bits that a dot product would give it.
//!
//! ```text
//! for each pass of 120 tokens, for each block of 16 chunks of columns:
//!     for each tile of 8 rows:  w = widen(tile)                          stays in L1
//!         for each tile of 3 tokens, for each part of the lanes:         a register each
//!             sums[row][token][part] += w[row][part] * x[token][part]    over the block
//! after the last block:  out[token][row] = sum(sums[row][token]) + bias[row]
//! ```
//!
//! Why it looks like this: (1) The [`ACC`] lanes of a sum never meet before the end, so a tile
//! need not hold all of them at once: it takes one register of lanes (a part) of 8 x 3 sums (or
//! twice 4 x 3 where there are 16 registers), which is eleven loads for 24 multiply-adds, and
//! comes back for the next part while its operands are in L1. (2) Between blocks of columns the
//! sums wait in memory, lane by lane, which keeps their order. (3) The tokens are packed so that
//! a tile reads one stream: rows at a distance of a power of two would share few cache sets.
//! (4) Both operands run along the columns, so widening is the only packing that rows need; they
//! are read from memory once, and from L2 or L3 again for each further 120 tokens.
//!
//! A product of outer products, the usual form, reads fewer bytes for a multiply-add and has no
//! lanes to fold; it adds in another order. matrixmultiply beside this, one thread of a busy
//! Zen 4, 2026-11: 59 and 92 GFLOP/s with 5120 columns and 128 tokens, 83 and 83 with 256 columns
//! and 128 tokens, 89 and 65 to 83 with 256 columns and 512 tokens.

use super::dot::{Segment, padded};
use crate::kernels::columns::Band;
use crate::kernels::isa::Kernel;
use crate::kernels::simd::{ACC, Element, Simd};
use std::ops::Range;

/// Tokens of a tile.
pub const TILE_TOKENS: usize = 3;
/// Rows of a tile.
const TILE_ROWS: usize = 8;
/// Chunks of [`ACC`] columns of a block: a tile of rows takes 16 KB, one of tokens 6 KB.
const BLOCK_CHUNKS: usize = 16;
/// Tokens of a pass. Their sums take 3 KB for each tile of a task, their columns of a block
/// 240 KB.
const PASS_TOKENS: usize = 120;

/// [`ACC`] columns of the tokens of a tile.
pub type TokenChunk = [[f32; ACC]; TILE_TOKENS];
/// [`ACC`] columns of the rows of a tile.
type RowChunk = [[f32; ACC]; TILE_ROWS];
/// The sums of a tile.
type Sums = [TokenChunk; TILE_ROWS];

/// Activations in the order in which products read them: for each tile of tokens, for each
/// chunk of columns, the tokens; what is missing is zero.
#[derive(Clone, Copy)]
pub struct Packed<'a> {
    /// [`packed_len`] of them, from [`Pack`].
    pub chunks: &'a [TokenChunk],
    /// Tokens.
    pub tokens: usize,
    /// Columns.
    pub cols: usize,
}

/// Chunks that packed activations take.
pub fn packed_len(tokens: usize, cols: usize) -> usize {
    tokens.div_ceil(TILE_TOKENS) * cols.div_ceil(ACC)
}

/// Packs `[tokens, cols]` into [`packed_len`] chunks.
pub struct Pack<'a> {
    /// The tokens.
    pub x: &'a [f32],
    /// Columns.
    pub cols: usize,
    /// The result.
    pub out: &'a mut [TokenChunk],
}

impl Kernel for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let tiles = self.x.chunks(TILE_TOKENS * self.cols);
        let outs = self.out.chunks_exact_mut(self.cols.div_ceil(ACC));
        for (tokens, out) in tiles.zip(outs) {
            for (t, x) in tokens.chunks_exact(self.cols).enumerate() {
                let (full, tail) = x.as_chunks::<ACC>();
                for (out, x) in out.iter_mut().zip(full) {
                    s.store(s.load(x), &mut out[t]);
                }
                if !tail.is_empty() {
                    out[full.len()][t] = padded(tail);
                }
            }
            for out in out {
                out[tokens.len() / self.cols..].fill([0.0; ACC]);
            }
        }
    }
}

impl Packed<'_> {
    /// Columns `block` of the tokens from `token` on, which a tile starts with.
    #[inline(always)]
    fn tile(&self, token: usize, block: Block) -> &[TokenChunk] {
        let start = token / TILE_TOKENS * self.cols.div_ceil(ACC) + block.first;
        &self.chunks[start..start + block.chunks]
    }
}

/// Chunks of columns.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    chunks: usize,
}

/// Chunks of [`ACC`] values that a product of `rows` rows needs to work in.
pub fn scratch_len(rows: usize, tokens: usize) -> usize {
    let tiles = rows.div_ceil(TILE_ROWS) * tokens.min(PASS_TOKENS).div_ceil(TILE_TOKENS);
    TILE_ROWS * (BLOCK_CHUNKS + TILE_TOKENS * tiles)
}

/// `out[t][column + r] = dot(row r, x[t]) + bias[r]`.
pub(in crate::kernels) struct Gemm<'a, 'b, T> {
    /// The columns of the rows, in order.
    pub segments: &'a [Segment<'a, T>],
    /// Rows.
    pub rows: usize,
    /// The tokens.
    pub x: Packed<'a>,
    /// One value a row, or nothing.
    pub bias: Option<&'a [f32]>,
    /// [`scratch_len`] chunks of anything.
    pub scratch: &'a mut [[f32; ACC]],
    /// Where the first row goes in `out`.
    pub column: usize,
    /// The result.
    pub out: &'a mut Band<'b>,
}

impl<T: Element> Kernel for Gemm<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let scratch = std::mem::take(&mut self.scratch);
        let (rows, sums) = scratch.split_at_mut(TILE_ROWS * BLOCK_CHUNKS);
        let (rows, _) = rows.as_chunks_mut::<TILE_ROWS>();
        let (sums, _) = sums.as_chunks_mut::<TILE_TOKENS>();
        let (sums, _) = sums.as_chunks_mut::<TILE_ROWS>();
        let chunks = self.x.cols.div_ceil(ACC);
        for pass in (0..self.x.tokens).step_by(PASS_TOKENS) {
            let pass_end = (pass + PASS_TOKENS).min(self.x.tokens);
            for first in (0..chunks).step_by(BLOCK_CHUNKS) {
                let block = Block {
                    first,
                    chunks: (chunks - first).min(BLOCK_CHUNKS),
                };
                let last = first + block.chunks == chunks;
                let rows = &mut rows[..block.chunks];
                // Sums that need not wait for another block stay in one place, in L1.
                let step = usize::from(block.chunks < chunks);
                let mut slot = 0;
                for row in (0..self.rows).step_by(TILE_ROWS) {
                    widen_tile(s, self.segments, row..self.rows, first, rows);
                    for token in (pass..pass_end).step_by(TILE_TOKENS) {
                        let x = self.x.tile(token, block);
                        let tokens = pass_end - token;
                        multiply_tile(s, rows, x, tokens, first > 0, &mut sums[slot]);
                        if last {
                            self.finish_tile(s, row, token, &sums[slot]);
                        }
                        slot += step;
                    }
                }
            }
        }
    }
}

impl<T: Element> Gemm<'_, '_, T> {
    #[inline(always)]
    fn finish_tile<S: Simd>(&mut self, s: S, row: usize, token: usize, sums: &Sums) {
        let n = (self.rows - row).min(TILE_ROWS);
        let mut offsets = [0.0; TILE_ROWS];
        if let Some(bias) = self.bias {
            offsets[..n].copy_from_slice(&bias[row..row + n]);
        }
        let tokens = (self.x.tokens - token).min(TILE_TOKENS);
        for t in 0..tokens {
            let mut lanes = [s.splat(0.0); TILE_ROWS];
            for (lanes, sums) in lanes.iter_mut().zip(sums) {
                *lanes = s.load(&sums[t]);
            }
            let mut values = s.sums(lanes);
            for r in 0..TILE_ROWS {
                values[r] += offsets[r];
            }
            let out = &mut self.out.token(token + t)[self.column + row..][..n];
            // A copy of known length is an instruction, not a call.
            match out.as_mut_array::<TILE_ROWS>() {
                Some(out) => *out = values,
                None => out.copy_from_slice(&values[..n]),
            }
        }
    }
}

/// Chunks of columns from `first` on of up to a tile of rows, as `f32`. Rows that are not there
/// are left as they are; their sums are not looked at.
#[inline(always)]
fn widen_tile<S: Simd, T: Element>(
    s: S,
    segments: &[Segment<'_, T>],
    rows: Range<usize>,
    first: usize,
    tile: &mut [RowChunk],
) {
    let col = first * ACC;
    let end = col + tile.len() * ACC;
    for segment in segments {
        let from = segment.col.max(col);
        let to = (segment.col + segment.cols).min(end);
        if from >= to {
            continue;
        }
        let tile = &mut tile[(from - col) / ACC..];
        for (r, row) in rows.clone().take(TILE_ROWS).enumerate() {
            let start = row * segment.stride + from - segment.col;
            let (full, tail) = segment.data[start..start + to - from].as_chunks::<ACC>();
            for (w, out) in full.iter().zip(&mut *tile) {
                // The same row in the next block.
                s.prefetch(w.as_ptr().wrapping_add(BLOCK_CHUNKS * ACC));
                s.store(T::load(s, w), &mut out[r]);
            }
            if !tail.is_empty() {
                s.store(T::load(s, &padded(tail)), &mut tile[full.len()][r]);
            }
        }
    }
}

/// `sums[r][t] += w[r] * x[t]`, lane by lane over the chunks, for up to a tile of tokens.
#[inline(always)]
fn multiply_tile<S: Simd>(
    s: S,
    w: &[RowChunk],
    x: &[TokenChunk],
    tokens: usize,
    add: bool,
    sums: &mut Sums,
) {
    match tokens {
        1 => multiply_rows::<S, 1>(s, w, x, add, sums),
        2 => multiply_rows::<S, 2>(s, w, x, add, sums),
        _ => multiply_rows::<S, TILE_TOKENS>(s, w, x, add, sums),
    }
}

#[inline(always)]
fn multiply_rows<S: Simd, const T: usize>(
    s: S,
    w: &[RowChunk],
    x: &[TokenChunk],
    add: bool,
    sums: &mut Sums,
) {
    const HALF: usize = TILE_ROWS / 2;
    if S::MANY_REGISTERS {
        multiply::<S, TILE_ROWS, T>(s, w, 0, x, add, sums);
    } else {
        multiply::<S, HALF, T>(s, w, 0, x, add, sums);
        multiply::<S, HALF, T>(s, w, HALF, x, add, sums);
    }
}

/// `R` rows from `row` on and the first `T` tokens of a tile.
#[inline(always)]
fn multiply<S: Simd, const R: usize, const T: usize>(
    s: S,
    w: &[RowChunk],
    row: usize,
    x: &[TokenChunk],
    add: bool,
    sums: &mut Sums,
) {
    for part in 0..S::PARTS {
        let mut lanes = [[s.zero_part(); T]; R];
        if add {
            for r in 0..R {
                for t in 0..T {
                    lanes[r][t] = s.load_part(&sums[row + r][t], part);
                }
            }
        }
        for (w, x) in w.iter().zip(x) {
            let mut xs = [s.zero_part(); T];
            for t in 0..T {
                xs[t] = s.load_part(&x[t], part);
            }
            for r in 0..R {
                let ws = s.load_part(&w[row + r], part);
                for t in 0..T {
                    lanes[r][t] = s.mul_add_part(ws, xs[t], lanes[r][t]);
                }
            }
        }
        for r in 0..R {
            for t in 0..T {
                s.store_part(lanes[r][t], &mut sums[row + r][t], part);
            }
        }
    }
}
