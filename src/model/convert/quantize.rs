//! Matrices that are quantized, or packed anew, on their way into the file.

use half::f16;

use crate::cancel::Control;
use crate::error::{Result, bail};
use crate::memory;
use crate::num::DType;
use crate::quant::pack::{PANEL_ROWS, Packer, Panel};
use crate::tensor::PackedScheme;
use crate::threads::Failures;
use crate::weights::{TensorInfo, WeightSource};

use super::super::Checkpoint;
use super::CHUNK;
use super::stream::{Run, release, widen};

impl Run<'_> {
    pub(super) fn quantize(
        &mut self,
        checkpoint: &Checkpoint,
        name: &str,
        tensors: &[TensorInfo],
        scheme: PackedScheme,
        [rows, cols]: [usize; 2],
    ) -> Result<()> {
        let tensor = checkpoint.tensor(name)?;
        let from = tensor.info.dtype;
        let packer = Packer::new(scheme, cols);
        // Enough panels at once to keep every thread busy, and a chunk of memory at least.
        let panels = (self.pool.threads() * 4)
            .max(CHUNK / (PANEL_ROWS * cols))
            .max(1);
        let batch = panels * PANEL_ROWS * cols;
        let mut left = rows * cols;
        let mut waiting: Vec<f16> = memory::try_vec(batch.min(left))?;
        let mut halves: Vec<f16> = memory::try_vec(CHUNK / 2)?;
        let mut trailer = Trailer::of(tensors)?;
        tensor.for_each_run(&mut |run| {
            for chunk in run.chunks(CHUNK) {
                self.check_cancel()?;
                widen(chunk, from, &mut self.numbers);
                let at = (rows * cols - left, cols);
                halves.clear();
                halves.extend(self.numbers.iter().map(|&x| f16::from_f32(x)));
                if halves.iter().any(|x| !x.is_finite()) {
                    return self.misfit(name, DType::F16, at);
                }
                left -= halves.len();
                let mut rest = &halves[..];
                while !rest.is_empty() {
                    let (fit, after) = rest.split_at(rest.len().min(batch - waiting.len()));
                    waiting.extend_from_slice(fit);
                    rest = after;
                    if waiting.len() == batch || (left == 0 && rest.is_empty()) {
                        self.panels(packer, &waiting, cols, &mut trailer)?;
                        waiting.clear();
                    }
                }
            }
            Ok(())
        })?;
        release(&tensor);
        self.trailer(&trailer)
    }

    /// Quantizes some whole rows and writes their codes.
    fn panels(
        &mut self,
        packer: Packer,
        rows: &[f16],
        cols: usize,
        trailer: &mut Trailer,
    ) -> Result<()> {
        let count = rows.len().div_ceil(PANEL_ROWS * cols);
        let mut panels: Vec<Option<Panel>> = memory::try_vec(count)?;
        panels.resize_with(count, || None);
        let control = Control::from(self.cancel);
        let failures = Failures::default();
        let quantized = self
            .pool
            .crew(&control)
            .for_each_chunk(&mut panels, 1, |i, panel| {
                let rest = &rows[i * PANEL_ROWS * cols..];
                let found = packer.quantize(&rest[..rest.len().min(PANEL_ROWS * cols)]);
                failures.note(found.map(|found| panel[0] = Some(found)));
            });
        if quantized.is_err() {
            return self.check_cancel();
        }
        failures.into_result()?;
        for panel in panels.into_iter().flatten() {
            self.panel(&panel, trailer)?;
        }
        Ok(())
    }

    fn panel(&mut self, panel: &Panel, trailer: &mut Trailer) -> Result<()> {
        self.write(&panel.codes)?;
        trailer.multipliers.extend_from_slice(&panel.multipliers);
        trailer
            .scales
            .extend(panel.scales.iter().flat_map(|s| s.to_le_bytes()));
        Ok(())
    }

    fn trailer(&mut self, trailer: &Trailer) -> Result<()> {
        for bytes in [&trailer.multipliers, &trailer.scales] {
            self.write(bytes)?;
        }
        Ok(())
    }

    /// Packs integers with one scale a row, as the reference saves them.
    pub(super) fn repack(
        &mut self,
        checkpoint: &Checkpoint,
        [codes_name, scales_name]: [&str; 2],
        tensors: &[TensorInfo],
        scheme: PackedScheme,
        [rows, cols]: [usize; 2],
    ) -> Result<()> {
        let mut scales = memory::try_vec(rows)?;
        checkpoint.tensor(scales_name)?.for_each_run(&mut |run| {
            let (pairs, _) = run.as_chunks::<2>();
            scales.extend(pairs.iter().map(|&b| f16::from_le_bytes(b)));
            Ok(())
        })?;
        if let Some(row) = scales.iter().position(|s| !s.is_finite()) {
            bail!(
                NonFinite,
                "tensor `{scales_name}` has {} at row {row}; the checkpoint is damaged",
                scales[row]
            );
        }
        let packer = Packer::new(scheme, cols);
        let tensor = checkpoint.tensor(codes_name)?;
        let mut waiting: Vec<i8> = memory::try_vec(2 * CHUNK + PANEL_ROWS * cols)?;
        let mut trailer = Trailer::of(tensors)?;
        let mut row = 0;
        tensor.for_each_run(&mut |run| {
            for chunk in run.chunks(CHUNK) {
                self.check_cancel()?;
                match scheme {
                    // The first of two in the upper half, both signed.
                    PackedScheme::Int4 => waiting
                        .extend((chunk.iter()).flat_map(|&b| [b as i8 >> 4, (b << 4) as i8 >> 4])),
                    PackedScheme::Int8 => waiting.extend(chunk.iter().map(|&b| b as i8)),
                }
                let mut done = 0;
                loop {
                    let n = PANEL_ROWS.min(rows - row);
                    if n == 0 || waiting.len() - done < n * cols {
                        break;
                    }
                    let codes = &waiting[done..done + n * cols];
                    let panel = packer.repack(codes, &scales[row..row + n])?;
                    self.panel(&panel, &mut trailer)?;
                    done += n * cols;
                    row += n;
                }
                waiting.drain(..done);
            }
            Ok(())
        })?;
        release(&tensor);
        self.trailer(&trailer)
    }
}

/// What is written behind the codes of a matrix.
struct Trailer {
    multipliers: Vec<u8>,
    scales: Vec<u8>,
}

impl Trailer {
    /// With room for what follows the first of a matrix's tensors, its codes.
    fn of(tensors: &[TensorInfo]) -> Result<Self> {
        let (multipliers, scales) = match tensors {
            [_, multipliers, scales] => (multipliers.bytes(), scales.bytes()),
            [_, scales] => (0, scales.bytes()),
            _ => bail!(Internal, "a quantized matrix of {} tensors", tensors.len()),
        };
        Ok(Self {
            multipliers: memory::try_vec(multipliers)?,
            scales: memory::try_vec(scales)?,
        })
    }
}
