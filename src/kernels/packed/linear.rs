//! Quantized linear layers over the threads of a pool.
//!
//! ```text
//! quantize the tokens, lay them out in tiles
//! for each chunk of panels (a task):  for each tile:  for each panel:  sums, scale, bias
//! ```
//!
//! With few tokens a chunk is read once and the time is that of reading it. With many, a chunk of
//! panels stays in the second-level cache while the tiles stream past it; 4-bit panels are then
//! unpacked to 8 bits first, once for all tiles.

use std::sync::{Mutex, PoisonError};

use super::panel::Sums;
use super::tokens::{Tile, Tokens};
use super::{INT8_LINES, Line, PANEL_ROWS, PackedMatrix, unpack_int4};
use crate::error::Result;
use crate::kernels::columns::{Band, Columns};
use crate::kernels::isa::{Isa, Kernel};
use crate::kernels::simd::Simd;
use crate::tensor::PackedScheme;
use crate::threads::ThreadPool;

/// Up to this many tokens 4-bit panels are multiplied as they are; beyond, unpacked.
const INT4_FEW: usize = 4;
/// Bytes of weights that make a task worth handing to another thread.
const TASK_BYTES: usize = 64 * 1024;
/// Bytes of 8-bit weights that stay in the second-level cache beside a tile.
const CHUNK_BYTES: usize = 640 * 1024;
/// The largest tile of any tier.
const MAX_TILE: usize = 16;

/// Buffers of calls, kept for the next.
#[derive(Debug, Default)]
pub struct Buffers {
    tokens: Mutex<Vec<Tokens>>,
    lines: Mutex<Vec<Vec<Line>>>,
}

fn lock<T>(pool: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a quantized linear layer runs on.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Instruction set.
    pub isa: Isa,
    /// Threads.
    pub pool: &'a ThreadPool,
    /// Buffers.
    pub buffers: &'a Buffers,
}

/// `out[t][r] = dot(W[r], x[t]) + bias[r]`: `x` is `[tokens, W.cols]`, `out` `[tokens, W.rows]`,
/// `bias` `[W.rows]`.
///
/// A token with a value that is not finite gives NaN in all of its outputs.
///
/// # Errors
/// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
///
/// # Panics
/// When the lengths disagree.
pub fn linear(
    cx: Context<'_>,
    x: &[f32],
    w: &PackedMatrix,
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
    let unpack = w.scheme() == PackedScheme::Int4 && tokens > INT4_FEW;
    let mut quantized = lock(&cx.buffers.tokens).pop().unwrap_or_default();
    let filled = cx.isa.dispatch(Fill {
        cx,
        tokens: &mut quantized,
        x,
        cols: w.cols(),
        int4: w.scheme() == PackedScheme::Int4 && !unpack,
    });
    if filled.is_ok() {
        let panels = w.panels();
        let per_task = chunk(cx.pool.threads(), tokens, w);
        let out = Columns::new(out, tokens, w.rows());
        cx.pool.run(panels.div_ceil(per_task), &|task| {
            let first = task * per_task;
            let panels = first..(first + per_task).min(panels);
            let rows = panels.start * PANEL_ROWS..(panels.end * PANEL_ROWS).min(w.rows());
            // SAFETY: tasks have disjoint ranges of rows of W, which are columns of `out`, and
            // the pool calls each task once.
            let band = unsafe { out.band(rows) };
            let mut lines = Vec::new();
            if unpack {
                lines = lock(&cx.buffers.lines).pop().unwrap_or_default();
                lines.resize(panels.len() * w.blocks() * INT8_LINES, [0; 64]);
            }
            cx.isa.dispatch(Chunk {
                tokens: &quantized,
                w,
                bias,
                panels,
                unpacked: &mut lines,
                band,
            });
            if unpack {
                lock(&cx.buffers.lines).push(lines);
            }
        });
    }
    lock(&cx.buffers.tokens).push(quantized);
    filled
}

/// Panels of a task.
fn chunk(threads: usize, tokens: usize, w: &PackedMatrix) -> usize {
    let bytes = w.lines_per_panel() * size_of::<Line>();
    let unpacked = w.blocks() * INT8_LINES * size_of::<Line>();
    let most = (CHUNK_BYTES / unpacked).max(1);
    // Some tasks a thread even out their speeds; more would only cut streams of memory short.
    let share = w.panels().div_ceil(4 * threads);
    if tokens > INT4_FEW {
        share.clamp(1, most)
    } else {
        share.max(TASK_BYTES.div_ceil(bytes)).max(1)
    }
}

/// Quantizes and lays out in the form of the tier.
struct Fill<'a> {
    cx: Context<'a>,
    tokens: &'a mut Tokens,
    x: &'a [f32],
    cols: usize,
    int4: bool,
}

impl Kernel for Fill<'_> {
    type Output = Result<()>;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Result<()> {
        let (tiles, form) = if self.int4 {
            (S::INT4_TILES, S::INT4_FORM)
        } else {
            (S::INT8_TILES, S::INT8_FORM)
        };
        let Context { isa, pool, .. } = self.cx;
        self.tokens
            .fill(isa, pool, self.x, self.cols, tiles, form, self.int4)
    }
}

/// Some panels times all tokens.
struct Chunk<'a, 'b> {
    tokens: &'a Tokens,
    w: &'a PackedMatrix,
    bias: Option<&'a [f32]>,
    panels: std::ops::Range<usize>,
    /// Room for the panels in 8 bits; empty when they are used as they are.
    unpacked: &'a mut [Line],
    band: Band<'b>,
}

impl Kernel for Chunk<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let mut sums = [[0.0; PANEL_ROWS]; MAX_TILE];
        let per_panel = self.w.blocks() * INT8_LINES;
        let int4 = self.w.scheme() == PackedScheme::Int4;
        if !self.unpacked.is_empty() {
            let outs = self.unpacked.chunks_exact_mut(per_panel);
            for (panel, out) in self.panels.clone().zip(outs) {
                unpack_int4(self.w.panel(panel), self.w.panel_multipliers(panel), out);
            }
        }
        for i in 0..self.tokens.tiles.len() {
            let tile = self.tokens.tiles[i];
            let sums = &mut sums[..tile.len];
            let x = self.tokens.quads(tile);
            for (p, panel) in self.panels.clone().enumerate() {
                if !self.unpacked.is_empty() {
                    let lines = &self.unpacked[p * per_panel..][..per_panel];
                    s.int8(lines, x, sums);
                    remove_offset(self.tokens, tile, sums);
                } else if int4 {
                    s.int4(
                        self.w.panel(panel),
                        self.w.panel_multipliers(panel),
                        x,
                        self.tokens.corrections(tile),
                        sums,
                    );
                } else {
                    s.int8(self.w.panel(panel), x, sums);
                    remove_offset(self.tokens, tile, sums);
                }
                self.finish(p, panel, tile, sums);
            }
        }
    }
}

/// From sums over `u = w + 128` to those over `w`.
#[inline(always)]
fn remove_offset(tokens: &Tokens, tile: Tile, sums: &mut [Sums]) {
    for (sums, total) in sums.iter_mut().zip(&tokens.sums[tile.start..]) {
        for sum in sums {
            *sum -= 128.0 * total;
        }
    }
}

impl Chunk<'_, '_> {
    #[inline(always)]
    fn finish(&mut self, p: usize, panel: usize, tile: Tile, sums: &[Sums]) {
        let row = panel * PANEL_ROWS;
        let scales = &self.w.scales[row..row + PANEL_ROWS];
        let rows = (self.w.rows() - row).min(PANEL_ROWS);
        let mut bias = [0.0; PANEL_ROWS];
        if let Some(all) = self.bias {
            bias[..rows].copy_from_slice(&all[row..row + rows]);
        }
        for (t, sums) in sums.iter().enumerate() {
            let token = tile.start + t;
            let scale = self.tokens.scales[token];
            let mut out = [0.0; PANEL_ROWS];
            for r in 0..PANEL_ROWS {
                out[r] = (sums[r] as f32) * (scale * scales[r]) + bias[r];
            }
            let band = self.band.token(token);
            if rows == PANEL_ROWS {
                band[p * PANEL_ROWS..][..PANEL_ROWS].copy_from_slice(&out);
            } else {
                band[p * PANEL_ROWS..][..rows].copy_from_slice(&out[..rows]);
            }
        }
    }
}
