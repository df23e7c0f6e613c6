//! Quantized linear layers: packed weights of 8 or 4 bits times activations of 16 or 8 bits.
//!
//! ```text
//! W[r]      = ws[r] * w,     w integers of 8 bits, or of 4 bits times a multiplier       (a row)
//! x[t][g]   = xs[t][g] * q,  q integers, xs[t][g] = max|x[t][g]| / the largest integer   (a token)
//! out[t][r] = (Σ_g xs[t][g] * Σ_{k in g} w[r][k] q[t][k]) * ws[r] + bias[r]
//! ```
//!
//! [`ActivationFormat`] says how many bits `q` has and how many inputs a group `g` has: all of
//! them, or 256. The sums within a group are sums of integers and exact, and what is rounded
//! (activations to integers, a group's sum to `f32`, the products with the scales, the sum of the
//! groups in their order) is rounded for one token and one row at a time. So the result has the
//! same bits for any number of threads, any other requests in the batch, and any instruction set.
//!
//! # Layout
//!
//! Rows are padded to a multiple of [`PANEL_ROWS`], inputs to a multiple of [`BLOCK`].
//!
//! - 8 bits: panels of 16 rows; a panel is a sequence of lines of 64 bytes, one for every four
//!   inputs; byte `4 r + j` of a line is `w + 128` for row `r`, input `j`. VNNI, AMX (16 lines are
//!   one tile) and NEON's dot product read this as it is.
//! - 4 bits: each block of 64 inputs is eight lines; a byte of line `q` has `w + 8` of four inputs
//!   `4 q …` in its low half and of `32 + 4 q …` in its high half, so that a half is one group of
//!   [`GROUP`] inputs. A group's weights share a multiplier of 1 to 15: `w * m` are integers of 8
//!   bits with one scale a row. Multipliers come apart from the codes, 16 bytes a block, one for
//!   each row, the first group in the low half.
//!
//! This module does not quantize weights (`quant` does) and does not know files.

pub mod linear;
pub mod panel;
pub mod tokens;
pub mod unit;

#[cfg(test)]
mod tests;

use std::fmt;

use half::f16;

use crate::bytes::Bytes;
use crate::error::{Result, bail};
use crate::kernels::simd::Simd;
use crate::tensor::{PackedScheme, PackedTensor};

/// Rows of a panel.
pub const PANEL_ROWS: usize = 16;
/// Inputs that rows are padded to a multiple of.
pub const BLOCK: usize = 64;
/// Inputs that share a multiplier.
pub const GROUP: usize = 32;
/// Inputs of a token that share a scale where activations have 8 bits: sums over that many are
/// below 2^24, which `f32` holds exactly.
pub const BYTE_GROUP: usize = 256;
/// Four inputs (8 bits) or eight (4 bits) of sixteen rows.
pub type Line = [u8; 64];
/// Lines of a block of 8-bit weights.
pub const INT8_LINES: usize = 16;
/// Lines of a block of 4-bit weights.
pub const INT4_LINES: usize = 8;
/// Lines from where 4-bit weights are unpacked to where they are prefetched.
const UNPACK_AHEAD: usize = 64;
/// More inputs than this could overflow the 32-bit sums of the kernels.
pub const MAX_COLS: usize = 65_536;

/// How the inputs of a quantized linear layer are rounded. Layers that are not quantized do not
/// round theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ActivationFormat {
    /// 16 bits and one scale a token, the largest magnitude being 32639: the layer is as exact as
    /// its weights.
    #[default]
    Int16,
    /// 8 bits and one scale for each 256 inputs of a token, the largest magnitude being 127. It
    /// costs some accuracy, and halves the arithmetic, which is what bounds prompts and many
    /// sequences at once, where instructions multiply bytes: AVX-VNNI, AVX-512 VNNI, AMX and
    /// NEON's dot product. Elsewhere it is no faster.
    Int8,
}

impl ActivationFormat {
    /// Every format, the most exact first.
    pub const ALL: [ActivationFormat; 2] = [Self::Int16, Self::Int8];

    /// The name used in messages and in the command line: `int16` or `int8`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int16 => "int16",
            Self::Int8 => "int8",
        }
    }

    /// The largest magnitude of the integers. Both bytes of 32639 are 127.
    const fn largest(self) -> f32 {
        match self {
            Self::Int16 => 32_639.0,
            Self::Int8 => 127.0,
        }
    }

    /// Inputs that share a scale, of a token with `width`.
    fn group(self, width: usize) -> usize {
        match self {
            Self::Int16 => width,
            Self::Int8 => BYTE_GROUP,
        }
    }
}

impl fmt::Display for ActivationFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Bytes of the codes, and of the multipliers, of a packed matrix; `None` when it would be too
/// large for the address space.
pub fn sizes(scheme: PackedScheme, rows: usize, cols: usize) -> Option<(usize, usize)> {
    let blocks = rows
        .div_ceil(PANEL_ROWS)
        .checked_mul(cols.div_ceil(BLOCK))?;
    Some(match scheme {
        PackedScheme::Int8 => (blocks.checked_mul(INT8_LINES * size_of::<Line>())?, 0),
        PackedScheme::Int4 => (
            blocks.checked_mul(INT4_LINES * size_of::<Line>())?,
            blocks.checked_mul(PANEL_ROWS)?,
        ),
    })
}

/// A packed matrix where it lies.
#[derive(Debug)]
pub struct PackedMatrix {
    scheme: PackedScheme,
    rows: usize,
    cols: usize,
    codes: Bytes,
    multipliers: Bytes,
    /// One a row, zeros for the rows of padding.
    scales: Vec<f32>,
}

impl PackedMatrix {
    /// A view of a stored matrix; only the scales are read.
    ///
    /// # Errors
    /// [`ShapeMismatch`](crate::ErrorKind::ShapeMismatch) when a part is not as long as the
    /// layout says, [`OutOfMemory`](crate::ErrorKind::OutOfMemory) for the scales.
    pub fn new(tensor: &PackedTensor) -> Result<Self> {
        let &PackedTensor {
            scheme, rows, cols, ..
        } = tensor;
        let expected = sizes(scheme, rows, cols).filter(|_| cols <= MAX_COLS);
        let found = (tensor.codes.len(), tensor.multipliers.len());
        let scales = tensor.scales.len();
        if expected != Some(found) || scales != 2 * rows {
            bail!(
                ShapeMismatch,
                "{}: {rows} x {cols} in {scheme} should have {} bytes of codes, {} of multipliers \
                 and {} of scales (and at most {MAX_COLS} columns), found {}, {} and {scales}",
                tensor.name,
                expected.map_or(0, |e| e.0),
                expected.map_or(0, |e| e.1),
                2 * rows,
                found.0,
                found.1
            );
        }
        let mut widened = Vec::new();
        let padded = rows.next_multiple_of(PANEL_ROWS);
        widened.try_reserve_exact(padded).map_err(|e| {
            crate::Error::new(
                crate::ErrorKind::OutOfMemory,
                format!("cannot allocate {padded} scales of {}: {e}", tensor.name),
            )
        })?;
        let (pairs, _) = tensor.scales.as_slice().as_chunks::<2>();
        widened.extend(pairs.iter().map(|&b| f16::from_le_bytes(b).to_f32()));
        widened.resize(padded, 0.0);
        Ok(Self {
            scheme,
            rows,
            cols,
            codes: tensor.codes.clone(),
            multipliers: tensor.multipliers.clone(),
            scales: widened,
        })
    }

    /// Rows, which is outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns, which is inputs.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// How the weights are stored.
    pub fn scheme(&self) -> PackedScheme {
        self.scheme
    }

    fn panels(&self) -> usize {
        self.rows.div_ceil(PANEL_ROWS)
    }

    fn blocks(&self) -> usize {
        self.cols.div_ceil(BLOCK)
    }

    fn lines_per_panel(&self) -> usize {
        self.blocks()
            * match self.scheme {
                PackedScheme::Int8 => INT8_LINES,
                PackedScheme::Int4 => INT4_LINES,
            }
    }

    fn panel(&self, panel: usize) -> &[Line] {
        let lines = self.lines_per_panel();
        let (all, _) = self.codes.as_slice().as_chunks();
        &all[panel * lines..][..lines]
    }

    /// One entry a block; the two multipliers of a row in the halves of a byte.
    fn panel_multipliers(&self, panel: usize) -> &[[u8; PANEL_ROWS]] {
        let blocks = self.blocks();
        let (all, _) = self.multipliers.as_slice().as_chunks();
        &all[panel * blocks..][..blocks]
    }

    /// Writes row `row`, dequantized.
    ///
    /// # Panics
    /// When there is no such row or `out` is not as long as a row.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.rows && out.len() == self.cols);
        let (panel, r) = (row / PANEL_ROWS, row % PANEL_ROWS);
        let lines = self.panel(panel);
        let scale = self.scales[row];
        match self.scheme {
            PackedScheme::Int8 => {
                for (out, line) in out.chunks_mut(4).zip(lines) {
                    for (out, &u) in out.iter_mut().zip(&line[4 * r..]) {
                        *out = (f32::from(u) - 128.0) * scale;
                    }
                }
            }
            PackedScheme::Int4 => {
                let blocks = lines.as_chunks::<INT4_LINES>().0.iter();
                for ((out, lines), m) in out
                    .chunks_mut(BLOCK)
                    .zip(blocks)
                    .zip(self.panel_multipliers(panel))
                {
                    let m = [m[r] & 15, m[r] >> 4].map(f32::from);
                    for (k, out) in out.iter_mut().enumerate() {
                        let group = k / GROUP;
                        let byte = lines[k % GROUP / 4][4 * r + k % 4];
                        let u = (byte >> (4 * group)) & 15;
                        *out = (f32::from(u) - 8.0) * m[group] * scale;
                    }
                }
            }
        }
    }
}

/// Writes the 8-bit form of a panel of 4-bit weights: `w * m + 128`, which is what the kernels
/// for 8 bits read, with the same sums.
///
/// Two bytes at a time: those of a pair are of one row and have the same multiplier, and neither
/// `15 * 15` nor what is added to it leaves a byte, so nothing is carried from one to the other.
#[inline(always)]
fn unpack_int4(s: impl Simd, panel: &[Line], multipliers: &[[u8; PANEL_ROWS]], out: &mut [Line]) {
    let blocks = panel.as_chunks::<INT4_LINES>().0.iter();
    let outs = out.as_chunks_mut::<INT8_LINES>().0.iter_mut();
    for ((lines, multipliers), out) in blocks.zip(multipliers).zip(outs) {
        let (mut factors, mut terms) = ([[0; 2 * PANEL_ROWS]; 2], [[0; 2 * PANEL_ROWS]; 2]);
        for i in 0..2 * PANEL_ROWS {
            let m = u16::from(multipliers[i / 2]);
            (factors[0][i], factors[1][i]) = (m & 15, m >> 4);
            for half in 0..2 {
                terms[half][i] = (128 - 8 * factors[half][i]) * 0x0101;
            }
        }
        let (first, second) = out.split_at_mut(INT4_LINES);
        for ((line, first), second) in lines.iter().zip(first).zip(second) {
            s.prefetch(line.as_ptr().wrapping_add(UNPACK_AHEAD * size_of::<Line>()));
            let outs = first.as_chunks_mut::<2>().0.iter_mut();
            let outs = outs.zip(second.as_chunks_mut::<2>().0);
            for (i, (pair, (first, second))) in line.as_chunks::<2>().0.iter().zip(outs).enumerate()
            {
                let pair = u16::from_le_bytes(*pair);
                let low = (pair & 0x0f0f) * factors[0][i] + terms[0][i];
                let high = (pair >> 4 & 0x0f0f) * factors[1][i] + terms[1][i];
                (*first, *second) = (low.to_le_bytes(), high.to_le_bytes());
            }
        }
    }
}
