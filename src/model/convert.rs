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

mod plan;
mod quantize;
mod stream;

use std::path::Path;

use crate::cancel::CancelToken;
use crate::error::{Result, bail};
use crate::num::DType;
use crate::setters::setters;
use crate::system;
use crate::tensor::PackedScheme;
use crate::weights::WeightSource;

use super::Checkpoint;
use crate::family::Role;

use plan::Plan;
use stream::Run;

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
    /// Quantizes the LM head to eight bits: the word embeddings, unless the model has a head of its own.
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
    pub(super) fn scheme(&self, role: Role) -> Option<PackedScheme> {
        match role {
            Role::Linear => self.quantize,
            Role::Head => self.quantize_head.then_some(PackedScheme::Int8),
            Role::Table | Role::Vector => None,
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
/// weights, for a quantized checkpoint that is to be quantized otherwise, for an `out` that exists,
/// is part of the checkpoint, or has the extension of another format;
/// [`Busy`](crate::ErrorKind::Busy) while another conversion writes to `out`; and
/// [`Io`](crate::ErrorKind::Io) from the file system, with the bytes that are needed and free when
/// the disk is full.
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
    if let Some(same) = same_file(checkpoint, out) {
        bail!(
            InvalidArgument,
            "{}: this is {same} of the checkpoint that is converted; choose another name",
            out.display()
        );
    }
    let plan = Plan::new(checkpoint, options)?;
    let mut run = Run::new(checkpoint, &plan, out, options, progress, cancel)?;
    for target in &plan.targets {
        run.target(target)
            .map_err(|e| e.within(checkpoint.describe()))?;
    }
    run.finish()
}

/// The file of the checkpoint that `out` is, by its own name or through a link.
fn same_file(checkpoint: &Checkpoint, out: &Path) -> Option<String> {
    let files = checkpoint.files().iter();
    let mut same = files.filter(|file| system::is_same_file(file, out));
    same.next().map(|file| match file.as_path() == out {
        true => "a file".to_owned(),
        false => format!("the file {}", file.display()),
    })
}
