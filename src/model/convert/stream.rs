//! Tensors that pass through fixed buffers into the file.

use std::path::Path;

use half::{bf16, f16};

use crate::cancel::CancelToken;
use crate::error::{Result, bail};
use crate::memory;
use crate::num::DType;
use crate::quant::stored;
use crate::threads::ThreadPool;
use crate::weights::safetensors::Writer;
use crate::weights::{TensorInfo, WeightSource};

use super::super::Checkpoint;
use super::super::checkpoint::CONFIG_KEY;
use super::plan::{How, Plan, Target};
use super::{CHUNK, ConvertOptions, VERSION_KEY};

/// A conversion that is running.
pub(super) struct Run<'a> {
    checkpoint: &'a Checkpoint,
    writer: Writer,
    pub(super) pool: ThreadPool,
    progress: &'a mut dyn FnMut(u64, u64),
    pub(super) cancel: &'a CancelToken,
    done: u64,
    reported: u64,
    total: u64,
    /// At most a chunk of elements, widened.
    pub(super) numbers: Vec<f32>,
    /// The same in the target type.
    bytes: Vec<u8>,
}

impl<'a> Run<'a> {
    /// Begins the file.
    pub fn new(
        checkpoint: &'a Checkpoint,
        plan: &Plan,
        out: &Path,
        options: &ConvertOptions,
        progress: &'a mut dyn FnMut(u64, u64),
        cancel: &'a CancelToken,
    ) -> Result<Self> {
        let config = checkpoint.config().to_json();
        let layout = stored::metadata();
        let format = ("format", "pt");
        let version = (VERSION_KEY, env!("CARGO_PKG_VERSION"));
        let config = (CONFIG_KEY, config.as_str());
        let metadata = match plan.is_quantized() {
            true => &[config, (stored::KEY, &layout), version, format][..],
            false => &[config, version, format],
        };
        let threads = if plan.quantizes() {
            options.threads
        } else {
            Some(1)
        };
        Ok(Self {
            checkpoint,
            writer: Writer::create(out, plan.tensors(), metadata, options.overwrite)?,
            pool: ThreadPool::new(threads)?,
            progress,
            cancel,
            done: 0,
            reported: 0,
            total: plan.bytes(),
            numbers: memory::try_vec(CHUNK / 2)?,
            bytes: memory::try_vec(2 * CHUNK)?,
        })
    }

    /// Completes the file.
    pub fn finish(mut self) -> Result<()> {
        self.report();
        self.check_cancel()?;
        self.writer.finish()
    }

    /// Writes the tensors of one parameter.
    pub fn target(&mut self, target: &Target) -> Result<()> {
        self.check_cancel()?;
        let checkpoint = self.checkpoint;
        let infos = &target.tensors[..];
        match &target.how {
            How::Dense => infos.iter().try_for_each(|i| self.dense(checkpoint, i)),
            How::Copy => infos.iter().try_for_each(|i| self.copy(checkpoint, i)),
            How::Quantize { scheme, shape } => {
                checkpoint.verify_copies(&target.name)?;
                self.quantize(checkpoint, &target.name, infos, *scheme, *shape)
            }
            How::Repack {
                scales,
                scheme,
                shape,
            } => self.repack(checkpoint, [&target.name, scales], infos, *scheme, *shape),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write(bytes)?;
        self.done += bytes.len() as u64;
        if self.done - self.reported >= CHUNK as u64 {
            self.report();
        }
        Ok(())
    }

    /// Bytes as they are.
    fn copy(&mut self, checkpoint: &Checkpoint, info: &TensorInfo) -> Result<()> {
        let tensor = checkpoint.tensor(&info.name)?;
        tensor.for_each_run(&mut |run| {
            for chunk in run.chunks(CHUNK) {
                self.check_cancel()?;
                self.write(chunk)?;
            }
            Ok(())
        })?;
        release(&tensor);
        Ok(())
    }

    fn dense(&mut self, checkpoint: &Checkpoint, target: &TensorInfo) -> Result<()> {
        checkpoint.verify_copies(&target.name)?;
        let tensor = checkpoint.tensor(&target.name)?;
        let from = tensor.info.dtype;
        let cols = tensor.matrix_shape().1.max(1);
        let mut element = 0;
        tensor.for_each_run(&mut |run| {
            for chunk in run.chunks(CHUNK) {
                self.check_cancel()?;
                let at = (element, cols);
                if from == target.dtype {
                    widen(chunk, from, &mut self.numbers);
                    self.misfit(&target.name, from, at)?;
                    self.write(chunk)?;
                } else {
                    self.narrow(chunk, from, target, at)?;
                    let bytes = std::mem::take(&mut self.bytes);
                    let written = self.write(&bytes);
                    self.bytes = bytes;
                    written?;
                }
                element += chunk.len() / from.size();
            }
            Ok(())
        })?;
        release(&tensor);
        Ok(())
    }

    /// Converts a chunk into `self.bytes`; `at` is its first element and the row length.
    fn narrow(
        &mut self,
        chunk: &[u8],
        from: DType,
        to: &TensorInfo,
        at: (usize, usize),
    ) -> Result<()> {
        widen(chunk, from, &mut self.numbers);
        self.bytes.clear();
        let mut fits = true;
        for &x in &self.numbers {
            match to.dtype {
                DType::F16 => {
                    let y = f16::from_f32(x);
                    self.bytes.extend(y.to_le_bytes());
                    fits &= y.is_finite();
                }
                DType::BF16 => {
                    let y = bf16::from_f32(x);
                    self.bytes.extend(y.to_le_bytes());
                    fits &= y.is_finite();
                }
                _ => {
                    self.bytes.extend(x.to_le_bytes());
                    fits &= x.is_finite();
                }
            }
        }
        if !fits {
            return self.misfit(&to.name, to.dtype, at);
        }
        Ok(())
    }

    /// The error about the first of `self.numbers` that `dtype` does not hold.
    pub(super) fn misfit(
        &self,
        name: &str,
        dtype: DType,
        (element, cols): (usize, usize),
    ) -> Result<()> {
        let misfits = |x: f32| match dtype {
            DType::F16 => !f16::from_f32(x).is_finite(),
            DType::BF16 => !bf16::from_f32(x).is_finite(),
            _ => !x.is_finite(),
        };
        let Some(i) = self.numbers.iter().position(|&x| misfits(x)) else {
            return Ok(());
        };
        let (x, element) = (self.numbers[i], element + i);
        let (row, col) = (element / cols, element % cols);
        if x.is_finite() {
            bail!(
                NonFinite,
                "tensor `{name}` has {x:e} at row {row}, column {col}, which {dtype} cannot hold; \
                 convert to bf16 or f32, or leave the type as it is"
            );
        }
        bail!(
            NonFinite,
            "tensor `{name}` has {x} at row {row}, column {col}; a model with it answers with NaN. \
             The checkpoint is damaged or its training diverged"
        );
    }

    pub(super) fn check_cancel(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            bail!(
                Cancelled,
                "the conversion was cancelled after {} of {} bytes; nothing was written",
                self.done,
                self.total
            );
        }
        Ok(())
    }

    fn report(&mut self) {
        self.reported = self.done;
        (self.progress)(self.done, self.total);
    }
}

/// Mapped pages that were read would otherwise stay in this process's memory as long as the
/// system has room, and make it look as large as the model.
pub(super) fn release(tensor: &crate::tensor::Tensor) {
    for block in &tensor.blocks {
        block.data.release();
    }
}

/// Weights as FP32, exactly. A chunk fits the room that was reserved for one.
pub(super) fn widen(bytes: &[u8], dtype: DType, out: &mut Vec<f32>) {
    out.clear();
    let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    match dtype {
        DType::F16 => out.extend(pairs().map(|b| f16::from_le_bytes(b).to_f32())),
        DType::BF16 => out.extend(pairs().map(|b| bf16::from_le_bytes(b).to_f32())),
        // A checkpoint holds weights of three types, as it has checked.
        _ => out.extend(
            bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
        ),
    }
}
