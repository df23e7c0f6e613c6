//! Activations as integers: quantized a token at a time, laid out for the tier's kernels.

use super::panel::{Form, Quad, Start};
use super::unit;
use super::{ActivationFormat, BLOCK, GROUP};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::isa::{Isa, Kernel};
use crate::kernels::simd::Simd;
use crate::memory::{TryGrow, try_collect};
use crate::num::ROUND_MAGIC;
use crate::threads::Crew;

/// A group whose values are all smaller than this counts as zero.
const TINY: f32 = 1e-30;
/// Values that make a task worth handing to another thread.
const TASK_VALUES: usize = 16 * 1024;

/// Tokens of a tile.
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
    format: ActivationFormat,
    width: usize,
    /// Inputs that share a scale.
    group: usize,
    /// `[tokens, width]`, zeros behind the last input.
    values: Vec<i16>,
    /// What an integer stands for, `[tokens, groups]`.
    scales: Vec<f32>,
    /// Sums of the integers, `[tokens, groups]`.
    sums: Vec<f64>,
    /// Tiles in order.
    pub tiles: Vec<Tile>,
    form: Form,
    /// Of each tile `[fours of a row, tokens of the tile]`, as many integers each as the form has.
    fours: Vec<i32>,
    /// Of each tile `[GROUPs of a row, tokens of the tile]`, likewise; may be empty.
    corrections: Vec<i32>,
    /// Of each tile `[groups, tokens of the tile]`; only for [`Form::Bytes`].
    starts: Vec<Start>,
    /// For a matrix unit, `[groups, units of tokens, blocks of a group]`.
    blocks: Vec<unit::ActivationBlock>,
}

/// How quantized tokens are laid out for the kernels of a tier.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Numbers of tokens of a tile, the largest first, the last 1.
    pub tiles: &'static [usize],
    /// How four activations lie.
    pub form: Form,
    /// Whether there are corrections, which the kernels for 4 bits read.
    pub corrected: bool,
    /// What the kernel adds to each weight, and [`Start`]s take off again.
    pub offset: i32,
}

impl Tokens {
    /// Quantizes `x`, `[tokens, cols]`.
    ///
    /// # Errors
    /// [`OutOfMemory`](ErrorKind::OutOfMemory), [`Cancelled`](ErrorKind::Cancelled).
    pub fn quantize(
        &mut self,
        isa: Isa,
        crew: Crew<'_>,
        format: ActivationFormat,
        x: &[f32],
        cols: usize,
    ) -> Result<()> {
        let tokens = x.len() / cols;
        let width = cols.next_multiple_of(BLOCK);
        (self.format, self.width, self.group) = (format, width, format.group(width));
        let groups = self.groups();
        reserve(&mut self.values, tokens * width, 0)?;
        reserve(&mut self.scales, tokens * groups, 0.0)?;
        reserve(&mut self.sums, tokens * groups, 0.0)?;
        let rows = self
            .values
            .chunks_exact_mut(width)
            .zip(x.chunks_exact(cols));
        let scales = self.scales.chunks_exact_mut(groups);
        let found = scales.zip(self.sums.chunks_exact_mut(groups));
        let row = |((out, x), (scales, sums))| QuantizeRow {
            largest: format.largest(),
            group: self.group,
            x,
            out,
            scales,
            sums,
        };
        let mut rows = try_collect(rows.zip(found).map(row))?;
        crew.for_each_chunk(&mut rows, TASK_VALUES.div_ceil(width), |_, rows| {
            for row in rows {
                isa.dispatch(row);
            }
        })
    }

    /// Lays the quantized tokens out in tiles.
    ///
    /// # Errors
    /// [`OutOfMemory`](ErrorKind::OutOfMemory), [`Cancelled`](ErrorKind::Cancelled).
    pub fn lay_out(&mut self, isa: Isa, crew: Crew<'_>, order: Order) -> Result<()> {
        let (width, groups) = (self.width, self.groups());
        let tokens = self.values.len() / width;
        self.form = order.form;
        self.tiles.clear();
        let mut start = 0;
        while start < tokens {
            let fits = order.tiles.iter().copied().find(|&n| n <= tokens - start);
            let len = fits.unwrap_or(1);
            self.tiles.try_push(Tile { start, len })?;
            start += len;
        }
        let ints = order.form.ints();
        let corrections = if order.corrected { width / GROUP } else { 0 };
        let starts = if order.form == Form::Bytes { groups } else { 0 };
        reserve(&mut self.fours, tokens * width / 4 * ints, 0)?;
        reserve(&mut self.corrections, tokens * corrections * ints, 0)?;
        reserve(&mut self.starts, tokens * starts, Start::default())?;

        // Tiles differ in length, so the pieces of the outputs are cut off one by one.
        let mut fours_left = &mut self.fours[..];
        let mut corrections_left = &mut self.corrections[..];
        let mut starts_left = &mut self.starts[..];
        let mut pieces = Vec::new();
        for tile in &self.tiles {
            let starts = split_off(&mut starts_left, tile.len * starts);
            for (group, starts) in starts.chunks_exact_mut(tile.len).enumerate() {
                for (t, start) in starts.iter_mut().enumerate() {
                    let at = (tile.start + t) * groups + group;
                    // At most 256 * 127 * 128.
                    start.sum = -order.offset * self.sums[at] as i32;
                    start.scale = self.scales[at];
                }
            }
            let values = &self.values[tile.start * width..(tile.start + tile.len) * width];
            let per_piece = (TASK_VALUES / tile.len).next_multiple_of(BLOCK);
            for first in (0..width).step_by(per_piece) {
                let inputs = per_piece.min(width - first);
                let corrections = if order.corrected { inputs / GROUP } else { 0 };
                pieces.try_push(Lay {
                    values,
                    width,
                    first,
                    form: order.form,
                    fours: split_off(&mut fours_left, tile.len * inputs / 4 * ints),
                    corrections: split_off(&mut corrections_left, tile.len * corrections * ints),
                })?;
            }
        }
        let smallest = width.min(TASK_VALUES / order.tiles[0]) * order.tiles[0];
        crew.for_each_chunk(&mut pieces, TASK_VALUES.div_ceil(smallest), |_, pieces| {
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
        let (width, at_once) = (self.width, unit::tokens(self.format));
        let units = self.values.len().div_ceil(width * at_once);
        let zero = bytemuck::Zeroable::zeroed();
        reserve(&mut self.blocks, units * width / BLOCK, zero)?;
        let mut left = &mut self.blocks[..];
        let mut pieces = Vec::new();
        for first in (0..width).step_by(self.group) {
            let inputs = first..(first + self.group).min(width);
            for values in self.values.chunks(at_once * width) {
                let out = split_off(&mut left, inputs.len() / BLOCK);
                pieces.try_push((values, inputs.clone(), out))?;
            }
        }
        let per_task = TASK_VALUES.div_ceil(self.group * at_once);
        crew.for_each_chunk(&mut pieces, per_task, |_, pieces| {
            for (values, inputs, out) in pieces {
                match self.format {
                    ActivationFormat::Int16 => unit::pack(values, width / BLOCK, out),
                    ActivationFormat::Int8 => unit::pack_bytes(values, width, inputs.clone(), out),
                }
            }
        })
    }

    /// The blocks of a group, `[units of tokens, blocks of the group]`, as
    /// [`lay_out_blocks`](Self::lay_out_blocks) left them.
    pub fn blocks(&self, group: usize) -> &[unit::ActivationBlock] {
        let units = self.values.len().div_ceil(self.width * self.at_once());
        let (first, inputs) = (group * self.group, self.inputs(group));
        &self.blocks[units * first / BLOCK..][..units * inputs / BLOCK]
    }

    /// Tokens that a matrix unit takes at once.
    pub fn at_once(&self) -> usize {
        unit::tokens(self.format)
    }

    /// How the activations are rounded.
    pub fn format(&self) -> ActivationFormat {
        self.format
    }

    /// Groups of inputs with a scale each.
    pub fn groups(&self) -> usize {
        self.width.div_ceil(self.group)
    }

    /// Inputs of a group, a multiple of [`BLOCK`].
    pub fn inputs(&self, group: usize) -> usize {
        self.group.min(self.width - group * self.group)
    }

    /// What an integer of a token stands for in a group.
    #[inline(always)]
    pub fn scale(&self, token: usize, group: usize) -> f32 {
        self.scales[token * self.groups() + group]
    }

    /// The sum of the integers of a token in a group.
    #[inline(always)]
    pub fn sum(&self, token: usize, group: usize) -> f64 {
        self.sums[token * self.groups() + group]
    }

    /// The quads of a tile in a group.
    #[inline(always)]
    pub fn quads(&self, tile: Tile, group: usize) -> &[Quad] {
        let (quads, _) = self.fours.as_chunks();
        let first = tile.start * self.width + tile.len * group * self.group;
        &quads[first / 4..][..tile.len * self.inputs(group) / 4]
    }

    /// The corrections of a tile in a group.
    #[inline(always)]
    pub fn corrections(&self, tile: Tile, group: usize) -> &[Quad] {
        let (corrections, _) = self.corrections.as_chunks();
        let first = tile.start * self.width + tile.len * group * self.group;
        &corrections[first / GROUP..][..tile.len * self.inputs(group) / GROUP]
    }

    /// A tile in the form of bytes.
    #[inline(always)]
    pub fn bytes(&self, tile: Tile) -> Bytes<'_> {
        let (first, inputs) = (tile.start * self.width, tile.len * self.width);
        let corrections = if self.corrections.is_empty() {
            &[]
        } else {
            &self.corrections[first / GROUP..][..inputs / GROUP]
        };
        Bytes {
            fours: &self.fours[first / 4..][..inputs / 4],
            corrections,
            starts: &self.starts[tile.start * self.groups()..][..tile.len * self.groups()],
        }
    }

    /// The form in which the tokens were laid out.
    pub fn form(&self) -> Form {
        self.form
    }
}

/// A tile of tokens in [`Form::Bytes`].
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a> {
    /// `[fours of a row, tokens]`
    pub fours: &'a [i32],
    /// `[GROUPs of a row, tokens]`, or nothing.
    pub corrections: &'a [i32],
    /// `[groups of a row, tokens]`
    pub starts: &'a [Start],
}

/// Cuts `len` off the front.
fn split_off<'a, T>(values: &mut &'a mut [T], len: usize) -> &'a mut [T] {
    values
        .split_off_mut(..len)
        .expect("as long as was reserved")
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

/// One token to integers: `round(x * (largest / max|x|))` in each group, ties to even.
struct QuantizeRow<'a> {
    /// The largest integer.
    largest: f32,
    /// Inputs that share a scale.
    group: usize,
    x: &'a [f32],
    /// At least as long; the rest becomes zeros.
    out: &'a mut [i16],
    scales: &'a mut [f32],
    sums: &'a mut [f64],
}

impl Kernel for &mut QuantizeRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (out, padding) = self.out.split_at_mut(self.x.len());
        padding.fill(0);
        let groups = out.chunks_mut(self.group).zip(self.x.chunks(self.group));
        let found = self.scales.iter_mut().zip(self.sums.iter_mut());
        for ((out, x), (scale, sum)) in groups.zip(found) {
            (*scale, *sum) = quantize_group(self.largest, x, out);
        }
    }
}

/// One group to integers: what an integer stands for, and the sum of the integers.
#[inline(always)]
fn quantize_group(greatest: f32, x: &[f32], out: &mut [i16]) -> (f32, f64) {
    // As integers, magnitudes compare like the numbers, and NaN is above infinity.
    let mut largest = 0u32;
    for x in x {
        largest = largest.max(x.to_bits() & 0x7fff_ffff);
    }
    let largest = f32::from_bits(largest);
    let (inverse, scale) = if !largest.is_finite() {
        // Poisons every output of the token.
        (0.0, f32::NAN)
    } else if largest < TINY {
        (0.0, 0.0)
    } else {
        (greatest / largest, largest / greatest)
    };
    let magic = ROUND_MAGIC.to_bits() as i32;
    let mut sum = 0i64;
    for (out, x) in out.chunks_mut(BLOCK).zip(x.chunks(BLOCK)) {
        let mut part = 0i32;
        for (out, &x) in out.iter_mut().zip(x) {
            let rounded = (x * inverse + ROUND_MAGIC).to_bits() as i32;
            let value = rounded.wrapping_sub(magic) as i16;
            part += i32::from(value);
            *out = value;
        }
        sum += i64::from(part);
    }
    (scale, sum as f64)
}

/// Some inputs of one tile into the form of the kernels.
struct Lay<'a> {
    /// `[tokens of the tile, width]`
    values: &'a [i16],
    width: usize,
    /// The first input; the length of `fours` says how many there are.
    first: usize,
    form: Form,
    fours: &'a mut [i32],
    corrections: &'a mut [i32],
}

impl Kernel for &mut Lay<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let tokens = self.values.len() / self.width;
        let inputs = self.fours.len() / (tokens * self.form.ints()) * 4;
        for (t, values) in self.values.chunks_exact(self.width).enumerate() {
            let values = &values[self.first..][..inputs];
            match self.form {
                Form::Words => each(self.fours, tokens, t, values, |v: &[i16; 4]| {
                    [word(v[0], v[1]), word(v[2], v[3])]
                }),
                Form::Bytes => each(self.fours, tokens, t, values, |v: &[i16; 4]| {
                    [i32::from_le_bytes(v.map(|v| v as u8))]
                }),
                Form::Halves | Form::HalvesByPairs => {
                    each(self.fours, tokens, t, values, |v: &[i16; 4]| {
                        // Balanced digits: the low byte is signed, the high one takes the carry.
                        let high = v.map(|v| (v.wrapping_add(128) >> 8) as u8);
                        let low = v.map(|v| v as u8);
                        [i32::from_le_bytes(high), i32::from_le_bytes(low)]
                    });
                }
            }
            if self.corrections.is_empty() {
                continue;
            }
            let corrections = &mut *self.corrections;
            match self.form {
                Form::Bytes => each(corrections, tokens, t, values, |group: &[i16; GROUP]| {
                    [-8 * group.iter().map(|&v| i32::from(v)).sum::<i32>()]
                }),
                Form::HalvesByPairs => each(corrections, tokens, t, values, |group| {
                    let [high, low] = halves(group);
                    [
                        word(-8 * high[0], -8 * high[1]),
                        word(-8 * low[0], -8 * low[1]),
                    ]
                }),
                Form::Halves | Form::Words => each(corrections, tokens, t, values, |group| {
                    halves(group).map(|[a, b]| -8 * (i32::from(a) + i32::from(b)))
                }),
            }
        }
    }
}

/// Writes what `form` makes of every `N` values of token `t`, one of `tokens`.
#[inline(always)]
fn each<const N: usize, const INTS: usize>(
    out: &mut [i32],
    tokens: usize,
    t: usize,
    values: &[i16],
    form: impl Fn(&[i16; N]) -> [i32; INTS],
) {
    let (out, _) = out.as_chunks_mut::<INTS>();
    for (out, values) in out[t..]
        .iter_mut()
        .step_by(tokens)
        .zip(values.as_chunks::<N>().0)
    {
        *out = form(values);
    }
}

/// Sums of high and of low bytes over inputs 0, 1 and over inputs 2, 3 of each four: at most
/// `16 * 128` each.
#[inline(always)]
fn halves(group: &[i16; GROUP]) -> [[i16; 2]; 2] {
    let (mut high, mut low) = ([0i16; 2], [0i16; 2]);
    for v in group.as_chunks::<4>().0 {
        for k in 0..4 {
            high[k / 2] += v[k].wrapping_add(128) >> 8;
            low[k / 2] += i16::from(v[k] as i8);
        }
    }
    [high, low]
}

/// Two 16-bit integers in one of 32 bits, the first in the lower half.
#[inline(always)]
fn word(first: i16, second: i16) -> i32 {
    i32::from(second) << 16 | i32::from(first as u16)
}
