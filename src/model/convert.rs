//! Conversion of any checkpoint into one safetensors file.
//!
//! Tensors stream one after the other through fixed buffers, so the memory that a conversion
//! takes does not depend on the size of the model. The layouts of one model give the same file,
//! bit for bit: canonical names in canonical order, shards joined, merged tensors split, the word
//! embedding cut to the vocabulary, and nothing said about where it came from. Tensors that no
//! model needs are left out.
//!
//! Linear layers, and if wanted the word embedding, can be quantized on the way, sixteen rows at a
//! time on all cores. They are stored in the order in which the kernels read them, so that opening
//! the file is mapping it.
//!
//! Numbers that are not finite, and finite ones that the target type cannot hold (beyond 65504 for
//! f16), are errors that name their tensor: a model with one of them answers with NaN.

use std::path::Path;

use half::{bf16, f16};

use crate::cancel::{CancelToken, Control};
use crate::error::{Result, bail};
use crate::num::DType;
use crate::quant::pack::{PANEL_ROWS, Packer, Panel};
use crate::quant::stored;
use crate::setters::setters;
use crate::tensor::PackedScheme;
use crate::threads::ThreadPool;
use crate::weights::safetensors::Writer;
use crate::weights::{TensorInfo, WeightSource};

use super::Checkpoint;
use super::checkpoint::{CONFIG_KEY, Form, Parameter};

/// Key of the version of this crate that wrote a converted file.
pub const VERSION_KEY: &str = "codegeex.version";
/// Bytes between two looks at the cancel flag and two reports of progress.
const CHUNK: usize = 1 << 20;

/// How a checkpoint is converted.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ConvertOptions {
    /// Element type of every tensor that is not quantized; `None` leaves each as it is, or means
    /// f16 beside quantized ones.
    pub dtype: Option<DType>,
    /// Quantizes the weights of the linear layers.
    pub quantize: Option<PackedScheme>,
    /// Quantizes the word embedding, which is the LM head as well, to eight bits.
    pub quantize_head: bool,
    /// The number of threads that quantize. By default one for each core that the process may use.
    pub threads: Option<usize>,
    /// Whether a file that is there already may be replaced. It is replaced as a whole, at the
    /// end.
    pub overwrite: bool,
}

impl ConvertOptions {
    /// Leaves types as they are and overwrites nothing.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        option dtype: DType;
        option quantize: PackedScheme;
        set quantize_head: bool;
        option threads: usize;
        set overwrite: bool;
    }

    /// What a parameter is to be quantized to.
    pub(super) fn scheme(&self, parameter: &Parameter) -> Option<PackedScheme> {
        if parameter.is_linear() {
            self.quantize
        } else {
            (self.quantize_head && parameter.is_word_embedding()).then_some(PackedScheme::Int8)
        }
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
/// [`NonFinite`](crate::ErrorKind::NonFinite) for a number that is not finite or that the target
/// type cannot hold, with its tensor, row and column;
/// [`MalformedFile`](crate::ErrorKind::MalformedFile) for shards that repeat a tensor and
/// disagree; [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a type that is none of
/// weights, for a quantized checkpoint that is to be quantized otherwise, or an `out` that exists;
/// and what the file system says.
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
    let mut plan = Vec::new();
    for parameter in checkpoint.parameters() {
        let target = Target::new(checkpoint, parameter, options)
            .map_err(|e| e.within(checkpoint.describe()))?;
        plan.push(target);
    }
    // Wide elements first keeps all of them aligned, whatever the sizes. The parts of a quantized
    // matrix are multiples of two, so they stay together and come last.
    plan.sort_by_key(|target| match &target.how {
        How::Dense => (0, std::cmp::Reverse(target.tensors[0].dtype.size())),
        _ => (1, std::cmp::Reverse(0)),
    });
    let tensors: Vec<TensorInfo> = plan.iter().flat_map(|t| t.tensors.clone()).collect();
    let config = checkpoint.config().to_json();
    let layout = stored::metadata();
    let mut metadata = vec![
        (CONFIG_KEY, config.as_str()),
        (VERSION_KEY, env!("CARGO_PKG_VERSION")),
        ("format", "pt"),
    ];
    if plan.iter().any(|t| !matches!(t.how, How::Dense)) {
        metadata.insert(1, (stored::KEY, &layout));
    }
    let quantizes = plan.iter().any(|t| matches!(t.how, How::Quantize { .. }));
    let mut run = Run {
        writer: Writer::create(out, &tensors, &metadata, options.overwrite)?,
        pool: ThreadPool::new(if quantizes { options.threads } else { Some(1) })?,
        progress,
        cancel,
        done: 0,
        reported: 0,
        total: tensors.iter().map(|info| info.bytes() as u64).sum(),
        numbers: Vec::new(),
        bytes: Vec::new(),
    };
    for target in &plan {
        run.check_cancel()?;
        run.target(checkpoint, target)
            .map_err(|e| e.within(checkpoint.describe()))?;
    }
    run.report();
    run.check_cancel()?;
    run.writer.finish()
}

/// What becomes of a parameter.
struct Target {
    /// Of the parameter.
    name: String,
    /// What it will be stored as.
    tensors: Vec<TensorInfo>,
    how: How,
}

enum How {
    /// Numbers, in the type of the one tensor.
    Dense,
    /// Quantized already; copied.
    Copy,
    /// Quantized already, by rows; packed.
    Repack {
        scales: String,
        scheme: PackedScheme,
        shape: [usize; 2],
    },
    /// To be quantized.
    Quantize {
        scheme: PackedScheme,
        shape: [usize; 2],
    },
}

impl Target {
    fn new(
        checkpoint: &Checkpoint,
        parameter: &Parameter,
        options: &ConvertOptions,
    ) -> Result<Self> {
        let name = &parameter.name;
        let wanted = options.scheme(parameter);
        match (parameter.form, wanted, &parameter.shape[..]) {
            (Form::Packed(scheme), _, &[rows, cols]) => {
                already(parameter, scheme, wanted, options)?;
                Ok(Self {
                    name: name.clone(),
                    tensors: stored::parts(name, scheme, rows, cols)?,
                    how: How::Copy,
                })
            }
            (Form::RowScaled(scheme), _, &[rows, cols]) => {
                already(parameter, scheme, wanted, options)?;
                Ok(Self {
                    name: name.clone(),
                    tensors: stored::parts(name, scheme, rows, cols)?,
                    how: How::Repack {
                        scales: parameter.row_scales(),
                        scheme,
                        shape: [rows, cols],
                    },
                })
            }
            (_, Some(scheme), &[rows, cols]) => Ok(Self {
                name: name.clone(),
                tensors: stored::parts(name, scheme, rows, cols)?,
                how: How::Quantize {
                    scheme,
                    shape: [rows, cols],
                },
            }),
            _ => {
                let from = dense_type(checkpoint, name);
                let quantizes = options.quantize.is_some() || options.quantize_head;
                let default = if quantizes { DType::F16 } else { from };
                Ok(Self {
                    name: name.clone(),
                    tensors: vec![TensorInfo {
                        name: name.clone(),
                        dtype: options.dtype.unwrap_or(default),
                        shape: parameter.shape.clone(),
                    }],
                    how: How::Dense,
                })
            }
        }
    }
}

fn dense_type(checkpoint: &Checkpoint, name: &str) -> DType {
    // A checkpoint has the tensors of its dense parameters, as it has checked.
    checkpoint.info(name).map_or(DType::F16, |info| info.dtype)
}

/// What was quantized cannot be quantized again, or be had back.
fn already(
    parameter: &Parameter,
    found: PackedScheme,
    wanted: Option<PackedScheme>,
    options: &ConvertOptions,
) -> Result<()> {
    let name = &parameter.name;
    if wanted.is_some_and(|w| w != found) || (wanted.is_none() && options.dtype.is_some()) {
        bail!(
            InvalidArgument,
            "`{name}` is quantized to {found} already; convert the original weights instead"
        );
    }
    Ok(())
}

struct Run<'a> {
    writer: Writer,
    pool: ThreadPool,
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
    fn target(&mut self, checkpoint: &Checkpoint, target: &Target) -> Result<()> {
        let infos = &target.tensors[..];
        match &target.how {
            How::Dense => infos.iter().try_for_each(|i| self.dense(checkpoint, i)),
            How::Copy => infos.iter().try_for_each(|i| self.copy(checkpoint, i)),
            How::Quantize { scheme, shape } => {
                checkpoint.verify_copies(&target.name)?;
                self.quantize(checkpoint, &target.name, *scheme, *shape)
            }
            How::Repack {
                scales,
                scheme,
                shape,
            } => self.repack(checkpoint, [&target.name, scales], *scheme, *shape),
        }
    }

    fn wrote(&mut self, bytes: usize) {
        self.done += bytes as u64;
        if self.done - self.reported >= CHUNK as u64 {
            self.report();
        }
    }

    /// Bytes as they are.
    fn copy(&mut self, checkpoint: &Checkpoint, info: &TensorInfo) -> Result<()> {
        let tensor = checkpoint.tensor(&info.name)?;
        tensor.for_each_run(&mut |run| {
            for chunk in run.chunks(CHUNK) {
                self.check_cancel()?;
                self.writer.write(chunk)?;
                self.wrote(chunk.len());
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
                let written = if from == target.dtype {
                    widen(chunk, from, &mut self.numbers);
                    self.misfit(&target.name, from, at)?;
                    self.writer.write(chunk)?;
                    chunk.len()
                } else {
                    self.narrow(chunk, from, target, at)?;
                    self.writer.write(&self.bytes)?;
                    self.bytes.len()
                };
                element += chunk.len() / from.size();
                self.wrote(written);
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
    fn misfit(&self, name: &str, dtype: DType, (element, cols): (usize, usize)) -> Result<()> {
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

    fn quantize(
        &mut self,
        checkpoint: &Checkpoint,
        name: &str,
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
        let mut waiting: Vec<f16> = Vec::new();
        waiting.try_reserve_exact(batch.min(left)).map_err(|e| {
            crate::Error::new(
                crate::ErrorKind::OutOfMemory,
                format!("cannot allocate {batch} numbers to quantize `{name}`: {e}"),
            )
        })?;
        let mut trailer = Trailer::default();
        tensor.for_each_run(&mut |run| {
            for chunk in run.chunks(CHUNK) {
                self.check_cancel()?;
                widen(chunk, from, &mut self.numbers);
                let at = (rows * cols - left, cols);
                let halves: Vec<f16> = self.numbers.iter().map(|&x| f16::from_f32(x)).collect();
                if halves.iter().any(|x| !x.is_finite()) {
                    return self.misfit(name, DType::F16, at);
                }
                left -= halves.len();
                let mut halves = &halves[..];
                while !halves.is_empty() {
                    let (fit, rest) = halves.split_at(halves.len().min(batch - waiting.len()));
                    waiting.extend_from_slice(fit);
                    halves = rest;
                    if waiting.len() == batch || (left == 0 && halves.is_empty()) {
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
        let mut panels: Vec<Option<Panel>> = Vec::new();
        panels.resize_with(rows.len().div_ceil(PANEL_ROWS * cols), || None);
        let control = Control::from(self.cancel);
        let quantized = self
            .pool
            .crew(&control)
            .for_each_chunk(&mut panels, 1, |i, panel| {
                let rest = &rows[i * PANEL_ROWS * cols..];
                panel[0] = Some(packer.quantize(&rest[..rest.len().min(PANEL_ROWS * cols)]));
            });
        if quantized.is_err() {
            return self.check_cancel();
        }
        for panel in panels.into_iter().flatten() {
            self.panel(&panel, trailer)?;
        }
        Ok(())
    }

    fn panel(&mut self, panel: &Panel, trailer: &mut Trailer) -> Result<()> {
        self.writer.write(&panel.codes)?;
        self.wrote(panel.codes.len());
        trailer.multipliers.extend_from_slice(&panel.multipliers);
        trailer
            .scales
            .extend(panel.scales.iter().flat_map(|s| s.to_le_bytes()));
        Ok(())
    }

    fn trailer(&mut self, trailer: &Trailer) -> Result<()> {
        for bytes in [&trailer.multipliers, &trailer.scales] {
            self.writer.write(bytes)?;
            self.wrote(bytes.len());
        }
        Ok(())
    }

    /// Packs integers with one scale a row, as the reference saves them.
    fn repack(
        &mut self,
        checkpoint: &Checkpoint,
        [codes_name, scales_name]: [&str; 2],
        scheme: PackedScheme,
        [rows, cols]: [usize; 2],
    ) -> Result<()> {
        let mut scales = Vec::new();
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
        let mut waiting: Vec<i8> = Vec::new();
        let mut trailer = Trailer::default();
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
                    self.panel(&packer.repack(codes, &scales[row..row + n]), &mut trailer)?;
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

/// What is written behind the codes of a matrix.
#[derive(Default)]
struct Trailer {
    multipliers: Vec<u8>,
    scales: Vec<u8>,
}

/// Mapped pages that were read would otherwise stay in this process's memory as long as the
/// system has room, and make it look as large as the model.
fn release(tensor: &crate::tensor::Tensor) {
    for block in &tensor.blocks {
        block.data.release();
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
