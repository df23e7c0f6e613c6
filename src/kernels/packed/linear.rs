//! Quantized linear layers over the threads of a pool.
//!
//! ```text
//! quantize the tokens, lay them out in tiles
//! for each chunk of panels (a task):  for each tile:  for each panel:  sums, scale, bias
//! ```
//!
//! With few tokens a chunk is read once and the time is that of reading it. With more, a chunk of
//! panels stays in the second-level cache while the tiles stream past it; with many, 4-bit panels
//! are unpacked to 8 bits first, once for all tiles. A matrix unit takes tiles of sixteen tokens.
//!
//! Sums are scaled a group of inputs at a time: see [`super`]. The kernels for bytes do that
//! themselves, since a group is short.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::panel::{Form, Scaled, Sums};
use super::tokens::{Order, Tile, Tokens};
use super::unit::MatrixUnit;
use super::{
    ActivationFormat, BLOCK, INT4_LINES, INT8_LINES, Line, PANEL_ROWS, PackedMatrix, unpack_int4,
};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::columns::{Band, Columns};
use crate::kernels::isa::{Isa, Kernel};
use crate::kernels::simd::Simd;
use crate::tensor::PackedScheme;
use crate::threads::{Crew, Failures};

/// Up to this many tokens go through the panel kernels, with 4-bit panels as they are; beyond,
/// these are unpacked (but see [`FewOf`]), and a matrix unit is used.
const FEW: usize = 4;
/// Bytes of weights that make a task worth handing to another thread.
const TASK_BYTES: usize = 64 * 1024;
/// Bytes of 8-bit weights that stay in the second-level cache beside a tile.
const CHUNK_BYTES: usize = 640 * 1024;
/// Panels of a task of a matrix unit, whose sums stay in the second-level cache.
const UNIT_PANELS: usize = 16;
/// Tokens of such a task at a time, likewise.
const UNIT_TOKENS: usize = 256;
/// What a matrix unit adds to each weight: it takes `w + 128` as it is stored.
const UNIT_OFFSET: f64 = 128.0;
/// The largest tile of any tier.
const MAX_TILE: usize = 16;

/// Buffers of calls, kept for the next.
#[derive(Debug, Default)]
pub struct Buffers {
    tokens: Mutex<Vec<Tokens>>,
    tasks: Mutex<Vec<TaskBuffers>>,
}

/// Buffers of one task.
#[derive(Debug, Default)]
struct TaskBuffers {
    /// 4-bit panels in 8 bits.
    unpacked: Vec<Line>,
    sums: Vec<super::unit::Sums>,
    /// `[panels, tokens]` of a matrix unit.
    scaled: Vec<Scaled>,
}

fn lock<T>(pool: &Mutex<T>) -> MutexGuard<'_, T> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a quantized linear layer runs on.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Instruction set.
    pub isa: Isa,
    /// Matrix unit, if the instruction set has one.
    pub unit: Option<MatrixUnit>,
    /// How activations are rounded.
    pub format: ActivationFormat,
    /// Threads.
    pub crew: Crew<'a>,
    /// Buffers.
    pub buffers: &'a Buffers,
}

impl Context<'_> {
    fn uses_unit(self, tokens: usize) -> bool {
        self.unit.is_some() && tokens > FEW
    }
}

/// `out[t][r] = dot(W[r], x[t]) + bias[r]`: `x` is `[tokens, W.cols]`, `out` `[tokens, W.rows]`,
/// `bias` `[W.rows]`.
///
/// A token with a value that is not finite gives NaN in all of its outputs.
///
/// # Errors
/// [`OutOfMemory`](crate::ErrorKind::OutOfMemory), and
/// [`Cancelled`](crate::ErrorKind::Cancelled), which leaves parts of `out` as they were.
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
    let plan = Plan::new(cx, tokens, w);
    let mut quantized = lock(&cx.buffers.tokens).pop().unwrap_or_default();
    let result = cx
        .isa
        .dispatch(Fill {
            cx,
            plan: &plan,
            tokens: &mut quantized,
            x,
            w,
        })
        .and_then(|()| multiply(cx, &plan, &quantized, w, bias, out));
    lock(&cx.buffers.tokens).push(quantized);
    result
}

/// How a call is done.
struct Plan {
    tokens: usize,
    unit: bool,
    /// Whether 4-bit panels are unpacked.
    unpack: bool,
    /// Panels of a task.
    panels: usize,
}

impl Plan {
    fn new(cx: Context<'_>, tokens: usize, w: &PackedMatrix) -> Self {
        let unit = cx.uses_unit(tokens);
        let few = cx.isa.dispatch(FewOf { format: cx.format });
        let unpack = w.scheme() == PackedScheme::Int4 && (unit || tokens > few);
        let lines = if unpack {
            w.blocks() * INT8_LINES
        } else {
            w.lines_per_panel()
        };
        let bytes = lines * size_of::<Line>();
        // Some tasks a thread even out their speeds; more would only cut streams of memory short.
        let share = w.panels().div_ceil(16 * cx.crew.threads());
        let panels = if unit {
            // Pairs of panels share the activations in the unit.
            share.next_multiple_of(2).clamp(2, UNIT_PANELS)
        } else if tokens > FEW {
            share.clamp(1, (CHUNK_BYTES / bytes).max(1))
        } else {
            share.max(TASK_BYTES.div_ceil(bytes)).max(1)
        };
        Self {
            tokens,
            unit,
            unpack,
            panels,
        }
    }
}

/// Up to how many tokens 4-bit panels are multiplied as they are. By bytes, two passes of the
/// largest tile take less than unpacking and one pass.
struct FewOf {
    format: ActivationFormat,
}

impl Kernel for FewOf {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        match (self.format, S::INT4_BYTE_TILES.first()) {
            (ActivationFormat::Int8, Some(tile)) => 2 * tile,
            _ => FEW,
        }
    }
}

fn multiply(
    cx: Context<'_>,
    plan: &Plan,
    quantized: &Tokens,
    w: &PackedMatrix,
    bias: Option<&[f32]>,
    out: &mut [f32],
) -> Result<()> {
    let out = Columns::new(out, plan.tokens, w.rows());
    let failures = Failures::default();
    cx.crew.run(w.panels().div_ceil(plan.panels), &|task| {
        let first = task * plan.panels;
        let panels = first..(first + plan.panels).min(w.panels());
        let rows = panels.start * PANEL_ROWS..(panels.end * PANEL_ROWS).min(w.rows());
        // SAFETY: tasks have disjoint ranges of rows of W, which are columns of `out`, and the
        // crew calls each task at most once.
        let band = unsafe { out.band(rows) };
        let mut buffers = lock(&cx.buffers.tasks).pop().unwrap_or_default();
        let grown = buffers.grow(plan, panels.len(), w);
        if grown.is_ok() {
            cx.isa.dispatch(Chunk {
                cx,
                plan,
                tokens: quantized,
                w,
                buffers: &mut buffers,
                finish: Finish {
                    w,
                    bias,
                    first: panels.start,
                    band,
                },
                panels,
            });
        }
        lock(&cx.buffers.tasks).push(buffers);
        failures.note(grown);
    })?;
    failures.into_result()
}

impl TaskBuffers {
    fn grow(&mut self, plan: &Plan, panels: usize, w: &PackedMatrix) -> Result<()> {
        if plan.unpack {
            let lines = panels * w.blocks() * INT8_LINES;
            lengthen(&mut self.unpacked, lines, [0; 64])?;
        }
        if plan.unit {
            let tokens = plan.tokens.min(UNIT_TOKENS);
            let zero = bytemuck::Zeroable::zeroed();
            lengthen(&mut self.sums, tokens.div_ceil(16) * panels, zero)?;
            lengthen(&mut self.scaled, tokens * panels, [0.0; PANEL_ROWS])?;
        }
        Ok(())
    }
}

/// Makes `values` at least `len` long.
fn lengthen<T: Clone>(values: &mut Vec<T>, len: usize, fill: T) -> Result<()> {
    if values.len() < len {
        values.try_reserve_exact(len - values.len()).map_err(|e| {
            let message = format!("cannot allocate {len} values for a matrix product: {e}");
            Error::new(ErrorKind::OutOfMemory, message)
        })?;
        values.resize(len, fill);
    }
    Ok(())
}

/// Quantizes and lays out in the form of the tier.
struct Fill<'a> {
    cx: Context<'a>,
    plan: &'a Plan,
    tokens: &'a mut Tokens,
    x: &'a [f32],
    w: &'a PackedMatrix,
}

impl Kernel for Fill<'_> {
    type Output = Result<()>;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Result<()> {
        let Context {
            isa, crew, format, ..
        } = self.cx;
        self.tokens
            .quantize(isa, crew, format, self.x, self.w.cols())?;
        if self.plan.unit {
            return self.tokens.lay_out_blocks(crew);
        }
        let int4 = self.w.scheme() == PackedScheme::Int4 && !self.plan.unpack;
        let (byte_tiles, tiles, form) = if int4 {
            (S::INT4_BYTE_TILES, S::INT4_TILES, S::INT4_FORM)
        } else {
            (S::INT8_BYTE_TILES, S::INT8_TILES, S::INT8_FORM)
        };
        let by_bytes = format == ActivationFormat::Int8 && !byte_tiles.is_empty();
        let (tiles, form) = if by_bytes {
            (byte_tiles, Form::Bytes)
        } else {
            (tiles, form)
        };
        let order = Order {
            tiles,
            form,
            corrected: int4,
            offset: if int4 { 0 } else { S::INT8_OFFSET as i32 },
        };
        self.tokens.lay_out(isa, crew, order)
    }
}

/// Some panels times all tokens.
struct Chunk<'a, 'b> {
    cx: Context<'a>,
    plan: &'a Plan,
    tokens: &'a Tokens,
    w: &'a PackedMatrix,
    panels: Range<usize>,
    buffers: &'a mut TaskBuffers,
    finish: Finish<'a, 'b>,
}

impl Kernel for Chunk<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let per_panel = self.w.blocks() * INT8_LINES;
        if self.plan.unpack {
            let outs = self.buffers.unpacked.chunks_exact_mut(per_panel);
            for (panel, out) in self.panels.clone().zip(outs) {
                unpack_int4(s, self.w.panel(panel), self.w.panel_multipliers(panel), out);
            }
        }
        if let Some(unit) = self.cx.unit.filter(|_| self.plan.unit) {
            return self.on_unit(unit);
        }
        let mut scaled = [[0.0; PANEL_ROWS]; MAX_TILE];
        for i in 0..self.tokens.tiles.len() {
            let tile = self.tokens.tiles[i];
            let scaled = &mut scaled[..tile.len];
            for (p, panel) in self.panels.clone().enumerate() {
                scaled.fill([0.0; PANEL_ROWS]);
                if self.plan.unpack {
                    let lines = &self.buffers.unpacked[p * per_panel..][..per_panel];
                    self.int8(s, lines, tile, scaled);
                } else if self.w.scheme() == PackedScheme::Int8 {
                    self.int8(s, self.w.panel(panel), tile, scaled);
                } else {
                    self.int4(s, panel, tile, scaled);
                }
                self.finish.panel(p, tile, scaled);
            }
        }
    }
}

impl Chunk<'_, '_> {
    /// Adds the scaled sums of a panel in 8 bits.
    #[inline(always)]
    fn int8<S: Simd>(&self, s: S, lines: &[Line], tile: Tile, scaled: &mut [Scaled]) {
        let tokens = self.tokens;
        if tokens.form() == Form::Bytes {
            return s.int8_by_bytes(lines, tokens.bytes(tile), scaled);
        }
        let mut sums = [[0.0; PANEL_ROWS]; MAX_TILE];
        let sums = &mut sums[..tile.len];
        let mut first = 0;
        for group in 0..tokens.groups() {
            let count = tokens.inputs(group) / 4;
            s.int8(&lines[first..][..count], tokens.quads(tile, group), sums);
            first += count;
            scale(tokens, group, tile, S::INT8_OFFSET, sums, scaled);
        }
    }

    /// Adds the scaled sums of a panel in 4 bits.
    #[inline(always)]
    fn int4<S: Simd>(&self, s: S, panel: usize, tile: Tile, scaled: &mut [Scaled]) {
        let tokens = self.tokens;
        let (lines, multipliers) = (self.w.panel(panel), self.w.panel_multipliers(panel));
        if tokens.form() == Form::Bytes {
            return s.int4_by_bytes(lines, multipliers, tokens.bytes(tile), scaled);
        }
        let mut sums = [[0.0; PANEL_ROWS]; MAX_TILE];
        let sums = &mut sums[..tile.len];
        let mut first = 0;
        for group in 0..tokens.groups() {
            let blocks = tokens.inputs(group) / BLOCK;
            s.int4(
                &lines[first * INT4_LINES..][..blocks * INT4_LINES],
                &multipliers[first..][..blocks],
                tokens.quads(tile, group),
                tokens.corrections(tile, group),
                sums,
            );
            first += blocks;
            scale(tokens, group, tile, 0.0, sums, scaled);
        }
    }

    /// All panels through a matrix unit, some tokens at a time.
    #[inline(always)]
    fn on_unit(mut self, unit: MatrixUnit) {
        let (tokens, count) = (self.tokens, self.panels.len());
        let per_panel = self.w.blocks() * INT8_LINES;
        let mut panels: [&[u8]; UNIT_PANELS] = [&[]; UNIT_PANELS];
        for (p, panel) in self.panels.clone().enumerate() {
            let lines = match self.plan.unpack {
                true => &self.buffers.unpacked[p * per_panel..][..per_panel],
                false => self.w.panel(panel),
            };
            panels[p] = lines.as_flattened();
        }
        let mut sums = std::mem::take(&mut self.buffers.sums);
        let mut scaled = std::mem::take(&mut self.buffers.scaled);
        let at_once = tokens.at_once();
        for start in (0..self.plan.tokens).step_by(UNIT_TOKENS) {
            let len = UNIT_TOKENS.min(self.plan.tokens - start);
            let tile = Tile { start, len };
            let scaled = &mut scaled[..count * len];
            scaled.fill([0.0; PANEL_ROWS]);
            let units = start / at_once..(start + len).div_ceil(at_once);
            let mut first = 0;
            for group in 0..tokens.groups() {
                let blocks = tokens.inputs(group) / BLOCK;
                let mut weights = panels;
                for panel in &mut weights[..count] {
                    *panel = &panel[first * BLOCK * PANEL_ROWS..][..blocks * BLOCK * PANEL_ROWS];
                }
                first += blocks;
                let activations = &tokens.blocks(group)[units.start * blocks..units.end * blocks];
                let sums = &mut sums[..units.len() * count];
                unit.product(&weights[..count], blocks, activations, sums);
                for (j, sums) in sums.chunks_exact(count).enumerate() {
                    for (sums, scaled) in sums.iter().zip(scaled.chunks_exact_mut(len)) {
                        let first = j * at_once;
                        let tile = Tile {
                            start: start + first,
                            len: at_once.min(len - first),
                        };
                        let scaled = &mut scaled[first..][..tile.len];
                        scale_unit(tokens, group, tile, sums, scaled);
                    }
                }
            }
            for (p, scaled) in scaled.chunks_exact(len).enumerate() {
                self.finish.panel(p, tile, scaled);
            }
        }
        self.buffers.sums = sums;
        self.buffers.scaled = scaled;
    }
}

/// Adds a group's sums over `w + offset` to what was scaled.
#[inline(always)]
fn scale(
    tokens: &Tokens,
    group: usize,
    tile: Tile,
    offset: f64,
    sums: &[Sums],
    scaled: &mut [Scaled],
) {
    for (t, (sums, scaled)) in sums.iter().zip(scaled).enumerate() {
        let token = tile.start + t;
        let excess = offset * tokens.sum(token, group);
        let scale = tokens.scale(token, group);
        for (sum, scaled) in sums.iter().zip(scaled) {
            *scaled += ((sum - excess) as f32) * scale;
        }
    }
}

/// The same for the sums of a matrix unit.
#[inline(always)]
fn scale_unit(
    tokens: &Tokens,
    group: usize,
    tile: Tile,
    sums: &super::unit::Sums,
    scaled: &mut [Scaled],
) {
    match tokens.format() {
        ActivationFormat::Int16 => {
            let mut exact = [[0.0; PANEL_ROWS]; MAX_TILE];
            let halves = sums.hi.iter().zip(&sums.lo);
            for (exact, (hi, lo)) in exact.iter_mut().zip(halves) {
                for (exact, (&hi, &lo)) in exact.iter_mut().zip(hi.iter().zip(lo)) {
                    *exact = f64::from(hi) * 256.0 + f64::from(lo);
                }
            }
            scale(tokens, group, tile, UNIT_OFFSET, &exact, scaled);
        }
        // In 32 bits, since there is a group every four blocks of inputs.
        ActivationFormat::Int8 => {
            let both = sums.hi.iter().chain(&sums.lo);
            for (t, (sums, scaled)) in both.zip(scaled).enumerate() {
                let token = tile.start + t;
                let excess = UNIT_OFFSET as i32 * tokens.sum(token, group) as i32;
                let scale = tokens.scale(token, group);
                for (sum, scaled) in sums.iter().zip(scaled) {
                    *scaled += ((sum - excess) as f32) * scale;
                }
            }
        }
    }
}

/// From scaled sums to outputs.
struct Finish<'a, 'b> {
    w: &'a PackedMatrix,
    bias: Option<&'a [f32]>,
    /// The panel that the band begins with.
    first: usize,
    band: Band<'b>,
}

impl Finish<'_, '_> {
    /// The scales of the rows and the bias, for the `p`th panel of the band.
    #[inline(always)]
    fn panel(&mut self, p: usize, tile: Tile, scaled: &[Scaled]) {
        let row = (self.first + p) * PANEL_ROWS;
        let scales = &self.w.scales[row..row + PANEL_ROWS];
        let rows = (self.w.rows() - row).min(PANEL_ROWS);
        let mut bias = [0.0; PANEL_ROWS];
        if let Some(all) = self.bias {
            bias[..rows].copy_from_slice(&all[row..row + rows]);
        }
        for (t, scaled) in scaled.iter().enumerate() {
            let mut out = [0.0; PANEL_ROWS];
            for r in 0..PANEL_ROWS {
                out[r] = scaled[r] * scales[r] + bias[r];
            }
            let band = self.band.token(tile.start + t);
            if rows == PANEL_ROWS {
                band[p * PANEL_ROWS..][..PANEL_ROWS].copy_from_slice(&out);
            } else {
                band[p * PANEL_ROWS..][..rows].copy_from_slice(&out[..rows]);
            }
        }
    }
}
