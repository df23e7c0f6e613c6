//! Activations as integers: quantized a token at a time, laid out for the tier's kernels.

use super::panel::{Form, Quad};
use super::unit;
use super::{BLOCK, GROUP};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::isa::{Isa, Kernel};
use crate::kernels::simd::Simd;
use crate::num::ROUND_MAGIC;
use crate::threads::Crew;

/// The largest magnitude: both of its bytes are 127.
pub const MAX_QUANTIZED: f32 = 32_639.0;
/// A token whose values are all smaller than this counts as zero.
const TINY: f32 = 1e-30;
/// Values that make a task worth handing to another thread.
const TASK_VALUES: usize = 16 * 1024;

/// Tokens of a tile: which they are, and where their quads start.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// First token.
    pub start: usize,
    /// Tokens.
    pub len: usize,
}

/// Quantized activations of some tokens. Buffers are kept from call to call.
#[derive(Debug, Default)]
pub struct Tokens {
    width: usize,
    /// `[tokens, width]`, zeros behind the last input.
    values: Vec<i16>,
    /// What an integer stands for, a token.
    pub scales: Vec<f32>,
    /// Sum of the integers of a token.
    pub sums: Vec<f64>,
    /// Tiles in order.
    pub tiles: Vec<Tile>,
    /// Of each tile `[quads of a row, tokens of the tile]`.
    quads: Vec<Quad>,
    /// Of each tile `[groups of a row, tokens of the tile]`; empty for [`Form::Words`].
    corrections: Vec<Quad>,
    /// For a matrix unit.
    blocks: Vec<unit::ActivationBlock>,
}

impl Tokens {
    /// Lays the quantized tokens out in tiles of at most `tiles[0]` tokens.
    ///
    /// # Errors
    /// [`OutOfMemory`](ErrorKind::OutOfMemory), [`Cancelled`](ErrorKind::Cancelled).
    pub fn lay_out(
        &mut self,
        isa: Isa,
        crew: Crew<'_>,
        tiles: &[usize],
        form: Form,
        corrected: bool,
    ) -> Result<()> {
        let tokens = self.scales.len();
        self.tiles.clear();
        let mut start = 0;
        while start < tokens {
            let fits = tiles.iter().copied().find(|&n| n <= tokens - start);
            let len = fits.unwrap_or(1);
            self.tiles.push(Tile { start, len });
            start += len;
        }
        let width = self.width();
        let quads = width / 4;
        let groups = if corrected { width / GROUP } else { 0 };
        reserve(&mut self.quads, tokens * quads, Quad::default())?;
        reserve(&mut self.corrections, tokens * groups, Quad::default())?;

        // Tiles differ in length, so the pieces of the two outputs are cut off one by one.
        let (mut quads_left, mut corrections_left) =
            (&mut self.quads[..], &mut self.corrections[..]);
        let mut pieces = Vec::with_capacity(self.tiles.len());
        for tile in &self.tiles {
            let (quads, rest) = quads_left.split_at_mut(tile.len * quads);
            quads_left = rest;
            let (corrections, rest) = corrections_left.split_at_mut(tile.len * groups);
            corrections_left = rest;
            let values = &self.values[tile.start * width..(tile.start + tile.len) * width];
            pieces.push(Lay {
                values,
                width,
                form,
                quads,
                corrections,
            });
        }
        let per_task = TASK_VALUES.div_ceil(width * tiles[0]);
        crew.for_each_chunk(&mut pieces, per_task, |_, pieces| {
            for piece in pieces {
                isa.dispatch(piece);
            }
        })
    }

    /// Lays the quantized tokens out for a matrix unit.
    ///
    /// # Errors
    /// [`OutOfMemory`](ErrorKind::OutOfMemory), [`Cancelled`](ErrorKind::Cancelled).
    pub fn lay_out_blocks(&mut self, crew: Crew<'_>) -> Result<()> {
        let per_token = self.width() / BLOCK;
        let sixteens = self.scales.len().div_ceil(16);
        let zero = bytemuck::Zeroable::zeroed();
        reserve(&mut self.blocks, sixteens * per_token, zero)?;
        let (values, width) = (&self.values, self.width());
        crew.for_each_chunk(&mut self.blocks, per_token, |i, blocks| {
            let values = &values[i * 16 * width..];
            unit::pack(&values[..values.len().min(16 * width)], per_token, blocks);
        })
    }

    /// `[tokens / 16, blocks of a row]`, as [`lay_out_blocks`](Self::lay_out_blocks) left them.
    pub fn blocks(&self) -> &[unit::ActivationBlock] {
        &self.blocks
    }

    /// Quantizes `x`, `[tokens, cols]`.
    ///
    /// # Errors
    /// [`OutOfMemory`](ErrorKind::OutOfMemory), [`Cancelled`](ErrorKind::Cancelled).
    pub fn quantize(&mut self, isa: Isa, crew: Crew<'_>, x: &[f32], cols: usize) -> Result<()> {
        let tokens = x.len() / cols;
        let width = cols.next_multiple_of(BLOCK);
        self.width = width;
        reserve(&mut self.values, tokens * width, 0)?;
        reserve(&mut self.scales, tokens, 0.0)?;
        reserve(&mut self.sums, tokens, 0.0)?;
        let rows = self
            .values
            .chunks_exact_mut(width)
            .zip(x.chunks_exact(cols));
        let found = self.scales.iter_mut().zip(&mut self.sums);
        let mut rows: Vec<_> = rows
            .zip(found)
            .map(|((out, x), (scale, sum))| QuantizeRow { x, out, scale, sum })
            .collect();
        crew.for_each_chunk(&mut rows, TASK_VALUES.div_ceil(width), |_, rows| {
            for row in rows {
                isa.dispatch(row);
            }
        })
    }

    /// Values of a token, those of padding included.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The quads of a tile.
    #[inline(always)]
    pub fn quads(&self, tile: Tile) -> &[Quad] {
        let quads = self.width() / 4;
        &self.quads[tile.start * quads..(tile.start + tile.len) * quads]
    }

    /// The corrections of a tile.
    #[inline(always)]
    pub fn corrections(&self, tile: Tile) -> &[Quad] {
        let groups = self.width() / GROUP;
        &self.corrections[tile.start * groups..(tile.start + tile.len) * groups]
    }
}

/// Makes `values` `len` long, its content left over or `fill`.
fn reserve<T: Clone>(values: &mut Vec<T>, len: usize, fill: T) -> Result<()> {
    values.truncate(len);
    values.try_reserve_exact(len - values.len()).map_err(|e| {
        Error::new(
            ErrorKind::OutOfMemory,
            format!("cannot allocate {len} quantized activations: {e}"),
        )
    })?;
    values.resize(len, fill);
    Ok(())
}

/// One token to integers: `round(x * (32639 / max|x|))`, ties to even.
struct QuantizeRow<'a> {
    x: &'a [f32],
    /// At least as long; the rest becomes zeros.
    out: &'a mut [i16],
    scale: &'a mut f32,
    sum: &'a mut f64,
}

impl Kernel for &mut QuantizeRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        // As integers, magnitudes compare like the numbers, and NaN is above infinity.
        let mut largest = 0u32;
        for x in self.x {
            largest = largest.max(x.to_bits() & 0x7fff_ffff);
        }
        let largest = f32::from_bits(largest);
        let (inverse, scale) = if !largest.is_finite() {
            // Poisons every output of the token.
            (0.0, f32::NAN)
        } else if largest < TINY {
            (0.0, 0.0)
        } else {
            (MAX_QUANTIZED / largest, largest / MAX_QUANTIZED)
        };
        let (out, padding) = self.out.split_at_mut(self.x.len());
        let magic = ROUND_MAGIC.to_bits() as i32;
        let mut sum = 0i64;
        for (out, x) in out.chunks_mut(BLOCK).zip(self.x.chunks(BLOCK)) {
            let mut part = 0i32;
            for (out, &x) in out.iter_mut().zip(x) {
                let rounded = (x * inverse + ROUND_MAGIC).to_bits() as i32;
                let value = rounded.wrapping_sub(magic) as i16;
                part += i32::from(value);
                *out = value;
            }
            sum += i64::from(part);
        }
        padding.fill(0);
        *self.scale = scale;
        *self.sum = sum as f64;
    }
}

/// One tile into the form of the kernels.
struct Lay<'a> {
    /// `[tokens of the tile, width]`
    values: &'a [i16],
    width: usize,
    form: Form,
    quads: &'a mut [Quad],
    corrections: &'a mut [Quad],
}

impl Kernel for &mut Lay<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let tokens = self.values.len() / self.width;
        for (t, values) in self.values.chunks_exact(self.width).enumerate() {
            let (fours, _) = values.as_chunks::<4>();
            if self.form == Form::Words {
                for (quad, v) in self.quads[t..].iter_mut().step_by(tokens).zip(fours) {
                    *quad = [word(v[0], v[1]), word(v[2], v[3])];
                }
                continue;
            }
            for (quad, v) in self.quads[t..].iter_mut().step_by(tokens).zip(fours) {
                let (mut high, mut low) = ([0; 4], [0; 4]);
                for k in 0..4 {
                    // Balanced digits: the low byte is signed, the high one takes the carry.
                    low[k] = v[k] as u8;
                    high[k] = (v[k].wrapping_add(128) >> 8) as u8;
                }
                *quad = [i32::from_le_bytes(high), i32::from_le_bytes(low)];
            }
            if self.corrections.is_empty() {
                continue;
            }
            let (groups, _) = values.as_chunks::<GROUP>();
            for (correction, group) in self.corrections[t..].iter_mut().step_by(tokens).zip(groups)
            {
                // Sums of high and low bytes over inputs 0, 1 and over inputs 2, 3 of each four.
                let (mut high, mut low) = ([0i16; 2], [0i16; 2]);
                for v in group.as_chunks::<4>().0 {
                    for k in 0..4 {
                        high[k / 2] += v[k].wrapping_add(128) >> 8;
                        low[k / 2] += i16::from(v[k] as i8);
                    }
                }
                // At most 8 * 16 * 128 each.
                *correction = match self.form {
                    Form::HalvesByPairs => [
                        word(-8 * high[0], -8 * high[1]),
                        word(-8 * low[0], -8 * low[1]),
                    ],
                    _ => [
                        -8 * (i32::from(high[0]) + i32::from(high[1])),
                        -8 * (i32::from(low[0]) + i32::from(low[1])),
                    ],
                };
            }
        }
    }
}

/// Two 16-bit integers in one of 32 bits, the first in the lower half.
#[inline(always)]
fn word(first: i16, second: i16) -> i32 {
    i32::from(second) << 16 | i32::from(first as u16)
}
