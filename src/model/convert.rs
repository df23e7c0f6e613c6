//! Conversion of any checkpoint into one safetensors file.
//!
//! Tensors stream one after the other through fixed buffers, so the memory that a conversion
//! takes does not depend on the size of the model. The layouts of one model give the same file,
//! bit for bit: canonical names in canonical order, shards joined, merged tensors split, the word
//! embedding cut to the vocabulary, and nothing said about where it came from. Tensors that no
//! model needs are left out.
//!
//! A finite number that the target type cannot hold (beyond 65504 for f16) is an error that names
//! its tensor, not a silent infinity. Infinities and NaNs that are in the source stay what they
//! are: conversion does not judge a model.

use std::path::Path;

use half::{bf16, f16};

use crate::cancel::CancelToken;
use crate::error::{Result, bail};
use crate::num::DType;
use crate::weights::safetensors::Writer;
use crate::weights::{TensorInfo, WeightSource};

use super::Checkpoint;
use super::checkpoint::CONFIG_KEY;

/// Key of the version of this crate that wrote a converted file.
pub const VERSION_KEY: &str = "codegeex.version";
/// Bytes between two looks at the cancel flag and two reports of progress.
const CHUNK: usize = 1 << 20;

/// How a checkpoint is converted.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ConvertOptions {
    /// Element type of every tensor; `None` leaves each as it is.
    pub dtype: Option<DType>,
    /// Whether a file that is there already may be replaced. It is replaced as a whole, at the
    /// end.
    pub overwrite: bool,
}

impl ConvertOptions {
    /// Leaves types as they are and overwrites nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the element type of every tensor.
    #[must_use]
    pub fn dtype(mut self, dtype: DType) -> Self {
        self.dtype = Some(dtype);
        self
    }

    /// Allows replacing a file.
    #[must_use]
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }
}

/// Writes `checkpoint` to `out` as one safetensors file with the configuration in its metadata.
///
/// `progress` is called with the bytes of tensors written so far and in all. Setting `cancel`,
/// from any thread or a signal handler, ends the conversion at the next mebibyte; `out` is then as
/// it was before.
///
/// # Errors
/// [`Cancelled`](crate::ErrorKind::Cancelled);
/// [`NonFinite`](crate::ErrorKind::NonFinite) for a number that the target type cannot hold;
/// [`MalformedFile`](crate::ErrorKind::MalformedFile) for shards that repeat a tensor and
/// disagree; [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a type that is none of
/// weights or an `out` that exists; and what the file system says.
pub fn convert(
    checkpoint: &Checkpoint,
    out: &Path,
    options: &ConvertOptions,
    progress: &mut dyn FnMut(u64, u64),
    cancel: &CancelToken,
) -> Result<()> {
    if let Some(dtype) = options.dtype.filter(|d| !d.is_weight()) {
        bail!(
            InvalidArgument,
            "weights cannot be written as {dtype}; expected f16, bf16 or f32"
        );
    }
    let mut plan: Vec<TensorInfo> = checkpoint.tensors().to_vec();
    for info in &mut plan {
        info.dtype = options.dtype.unwrap_or(info.dtype);
    }
    // Wide elements first keeps all of them aligned, whatever the sizes.
    plan.sort_by_key(|info| std::cmp::Reverse(info.dtype.size()));
    let config = checkpoint.config().to_json();
    let metadata = [
        (CONFIG_KEY, config.as_str()),
        (VERSION_KEY, env!("CARGO_PKG_VERSION")),
        ("format", "pt"),
    ];
    let mut run = Run {
        writer: Writer::create(out, &plan, &metadata, options.overwrite)?,
        progress,
        cancel,
        done: 0,
        reported: 0,
        total: plan.iter().map(|info| info.bytes() as u64).sum(),
        numbers: Vec::new(),
        bytes: Vec::new(),
    };
    for info in &plan {
        run.check_cancel()?;
        run.tensor(checkpoint, info)
            .map_err(|e| e.within(checkpoint.describe()))?;
    }
    run.report();
    run.check_cancel()?;
    run.writer.finish()
}

struct Run<'a> {
    writer: Writer,
    progress: &'a mut dyn FnMut(u64, u64),
    cancel: &'a CancelToken,
    done: u64,
    reported: u64,
    total: u64,
    /// At most a chunk of elements, widened.
    numbers: Vec<f32>,
    /// The same in the target type.
    bytes: Vec<u8>,
}

impl Run<'_> {
    fn tensor(&mut self, checkpoint: &Checkpoint, target: &TensorInfo) -> Result<()> {
        checkpoint.verify_copies(&target.name)?;
        let tensor = checkpoint.tensor(&target.name)?;
        let from = tensor.info.dtype;
        let cols = tensor.matrix_shape().1.max(1);
        let mut element = 0;
        tensor.for_each_run(&mut |run| {
            for chunk in run.chunks(CHUNK) {
                self.check_cancel()?;
                let written = if from == target.dtype {
                    self.writer.write(chunk)?;
                    chunk.len()
                } else {
                    self.narrow(chunk, from, target, (element, cols))?;
                    self.writer.write(&self.bytes)?;
                    self.bytes.len()
                };
                element += chunk.len() / from.size();
                self.done += written as u64;
                if self.done - self.reported >= CHUNK as u64 {
                    self.report();
                }
            }
            Ok(())
        })?;
        // Mapped pages that were read would otherwise stay in this process's memory as long as
        // the system has room, and make it look as large as the model.
        for block in &tensor.blocks {
            block.data.release();
        }
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
        for (i, &x) in self.numbers.iter().enumerate() {
            let fits = match to.dtype {
                DType::F16 => {
                    let y = f16::from_f32(x);
                    self.bytes.extend(y.to_le_bytes());
                    y.is_finite()
                }
                DType::BF16 => {
                    let y = bf16::from_f32(x);
                    self.bytes.extend(y.to_le_bytes());
                    y.is_finite()
                }
                _ => {
                    self.bytes.extend(x.to_le_bytes());
                    true
                }
            };
            if !fits && x.is_finite() {
                let (element, cols) = (at.0 + i, at.1);
                bail!(
                    NonFinite,
                    "tensor `{}` has {x:e} at row {}, column {}, which {} cannot hold; convert to \
                     bf16 or f32, or leave the type as it is",
                    to.name,
                    element / cols,
                    element % cols,
                    to.dtype
                );
            }
        }
        Ok(())
    }

    fn check_cancel(&self) -> Result<()> {
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

/// Numbers of a weight type as f32, exactly.
fn widen(bytes: &[u8], dtype: DType, out: &mut Vec<f32>) {
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
