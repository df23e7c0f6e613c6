//! Rows of weights into panels, in the layout that `kernels::packed` describes.

use half::f16;

use super::{int4, int8};
use crate::error::Result;
pub use crate::kernels::packed::PANEL_ROWS;
use crate::kernels::packed::{BLOCK, GROUP, INT4_LINES, INT8_LINES, Line};
use crate::memory::{try_filled, try_vec};
use crate::tensor::PackedScheme;

/// One panel of a matrix, ready to be written.
#[derive(Debug, Clone)]
pub struct Panel {
    /// `[lines, 64]`
    pub codes: Vec<u8>,
    /// `[blocks, 16]`; nothing for 8 bits.
    pub multipliers: Vec<u8>,
    /// One for each row that the matrix has.
    pub scales: Vec<f16>,
}

/// Quantizes and packs panels of a matrix.
#[derive(Debug, Clone, Copy)]
pub struct Packer {
    scheme: PackedScheme,
    cols: usize,
}

impl Packer {
    /// For a matrix of `cols` inputs.
    pub fn new(scheme: PackedScheme, cols: usize) -> Self {
        Self { scheme, cols }
    }

    /// Quantizes up to 16 rows of finite numbers that `f16` holds: `[rows, cols]`.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    ///
    /// # Panics
    /// When `rows` is not some whole rows, one to sixteen.
    pub fn quantize(&self, rows: &[f16]) -> Result<Panel> {
        let mut panel = self.empty(rows.len() / self.cols, rows.len())?;
        match self.scheme {
            PackedScheme::Int8 => {
                let mut codes = try_filled(0, self.cols)?;
                for (r, row) in rows.chunks_exact(self.cols).enumerate() {
                    let scale = int8::quantize_row(row, &mut codes);
                    panel.scales.push(scale);
                    self.place_int8(&mut panel, r, &codes);
                }
            }
            PackedScheme::Int4 => {
                let mut wide = try_filled(0.0, self.cols)?;
                let mut codes = try_filled(0, self.cols)?;
                let mut multipliers = try_filled(0, self.cols.div_ceil(GROUP))?;
                for (r, row) in rows.chunks_exact(self.cols).enumerate() {
                    for (wide, w) in wide.iter_mut().zip(row) {
                        *wide = w.to_f32();
                    }
                    let scale = int4::quantize_row(&wide, &mut codes, &mut multipliers);
                    panel.scales.push(scale);
                    self.place_int4(&mut panel, r, &codes, &multipliers);
                }
            }
        }
        Ok(panel)
    }

    /// Packs up to 16 rows that were quantized elsewhere with one scale a row: codes -127 … 127,
    /// or -8 … 7 for four bits, `[rows, cols]`, and the scales.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    ///
    /// # Panics
    /// When `codes` is not as many whole rows as there are scales, one to sixteen.
    pub fn repack(&self, codes: &[i8], scales: &[f16]) -> Result<Panel> {
        let mut panel = self.empty(scales.len(), codes.len())?;
        panel.scales.extend_from_slice(scales);
        let multipliers = try_filled(1, self.cols.div_ceil(GROUP))?;
        let mut offset = try_filled(0, self.cols)?;
        for (r, row) in codes.chunks_exact(self.cols).enumerate() {
            match self.scheme {
                PackedScheme::Int8 => self.place_int8(&mut panel, r, row),
                PackedScheme::Int4 => {
                    for (offset, &code) in offset.iter_mut().zip(row) {
                        *offset = code.wrapping_add(8) as u8 & 15;
                    }
                    self.place_int4(&mut panel, r, &offset, &multipliers);
                }
            }
        }
        Ok(panel)
    }

    fn blocks(&self) -> usize {
        self.cols.div_ceil(BLOCK)
    }

    /// A panel of zeros for `rows` rows, `values` numbers.
    fn empty(&self, rows: usize, values: usize) -> Result<Panel> {
        assert!((1..=PANEL_ROWS).contains(&rows) && values == rows * self.cols);
        let (lines, zero, multipliers) = match self.scheme {
            PackedScheme::Int8 => (INT8_LINES, 128, 0),
            PackedScheme::Int4 => (INT4_LINES, 0x88, PANEL_ROWS),
        };
        Ok(Panel {
            codes: try_filled(zero, self.blocks() * lines * size_of::<Line>())?,
            multipliers: try_filled(0, self.blocks() * multipliers)?,
            scales: try_vec(rows)?,
        })
    }

    fn place_int8(&self, panel: &mut Panel, r: usize, codes: &[i8]) {
        let lines = panel.codes.as_chunks_mut::<{ size_of::<Line>() }>().0;
        for (line, four) in lines.iter_mut().zip(codes.chunks(4)) {
            for (byte, &code) in line[4 * r..].iter_mut().zip(four) {
                *byte = (code as u8) ^ 0x80;
            }
        }
    }

    fn place_int4(&self, panel: &mut Panel, r: usize, codes: &[u8], multipliers: &[u8]) {
        let lines = panel.codes.as_chunks_mut::<{ size_of::<Line>() }>().0;
        for (i, &code) in codes.iter().enumerate() {
            let line = i / BLOCK * INT4_LINES + i % GROUP / 4;
            let byte = &mut lines[line][4 * r + i % 4];
            *byte = if i % BLOCK < GROUP {
                *byte & 0xf0 | code
            } else {
                *byte & 0x0f | code << 4
            };
        }
        for (g, &m) in multipliers.iter().enumerate() {
            panel.multipliers[g / 2 * PANEL_ROWS + r] |= m << (g % 2 * 4);
        }
    }
}
