//! What a model computes with: the operations of the forward pass over one kind of memory.
//!
//! [`Backend`] is generic, so that the layers are written once and compiled for each backend;
//! the choice between backends is made once, when a model is loaded. A backend knows matrices,
//! vectors and pages of KV cache. It does not know layers or configurations.
//!
//! A step is planned once on the host: [`StepPlan`] has its ids, positions, angles and wanted rows,
//! and a [`PageTable`] for each sequence says where its keys and values are. [`Backend::plan`] takes
//! both over, and from then on the operations of the step take nothing from the host, so that a
//! device can record and submit them.
#![forbid(unsafe_code)]

pub mod cpu;
mod isa;
pub mod kv;
mod plan;

use std::fmt;

use crate::cancel::Control;
pub use crate::checksum::{SealedReader, SealedWriter};
use crate::error::Result;
use crate::tensor::{Stored, Tensor};

pub use cpu::{ActivationFormat, Cpu, CpuOptions, Rows};
pub(crate) use cpu::{GROUP_TOKENS, page_bytes};
pub use isa::{ISA_VARIABLE, InstructionSet};
pub use kv::{KvCache, PAGE_TOKENS, PagePool, PageTable};
pub use plan::{Angles, Gather, PlanRow, PlanRows, StepPlan};

/// Nonlinearity of an MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Activation {
    /// `x * sigmoid(1.702 x)`, CodeGeeX (paper, section 2.2).
    #[default]
    FastGelu,
    /// The tanh approximation of GELU, GPT-2.
    GeluTanh,
    /// `x / 2 * (1 + erf(x / sqrt(2)))`, GPT-NeoX.
    Gelu,
    /// `x * sigmoid(x)`, Llama.
    Silu,
    /// `max(x, 0)`.
    Relu,
}

/// How rows are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Norm {
    /// To a mean of 0 and a variance of 1.
    #[default]
    Layer,
    /// To a mean square of 1.
    Rms,
}

/// Which values of a head make the pairs that rotary position embedding rotates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RotaryPairs {
    /// One of the first and one of the second half of the rotated values (GPT-NeoX, Llama).
    #[default]
    Halves,
    /// Two that are side by side (GPT-J, GLM).
    Interleaved,
}

/// Element type of the KV cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum KvFormat {
    /// IEEE 754 binary32, as they are computed.
    #[default]
    F32,
    /// IEEE 754 binary16, rounded to nearest, ties to even.
    F16,
    /// Eight bits a number and one scale for the keys and one for the values of a token in each
    /// head: the largest magnitude is 127, ties go to even.
    Int8,
}

impl KvFormat {
    /// Every format, the largest first.
    pub const ALL: [KvFormat; 3] = [Self::F32, Self::F16, Self::Int8];

    /// Bytes of one number, scales not counted.
    pub const fn element_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Int8 => 1,
        }
    }

    /// The name used in messages and in the command line: `f32`, `f16` or `int8`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        }
    }
}

impl fmt::Display for KvFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Sizes of a KV cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheShape {
    /// Layers that keep keys and values.
    pub layers: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
}

impl CacheShape {
    /// Width of one token's keys, and of its values, in one layer.
    pub fn kv_width(self) -> usize {
        self.kv_heads * self.head_dim
    }
}

/// Which calls of a model give the same logits, see [`Backend::determinism`] and `Model::determinism`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Determinism {
    /// Logits of a sequence are the same to the bit however its tokens are split into calls,
    /// whatever else is in the batch, and for any number of threads.
    Bitwise,
    /// Logits are the same to the bit for the same sequence of calls. Another split of a prompt or
    /// another batch may change their last bits, and with them a token that was nearly even.
    #[default]
    PerBatch,
}

/// The unit in which KV caches grow: a sequence of n tokens holds as many pages as n tokens begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize {
    /// Tokens of one page, at least 1.
    pub tokens: usize,
    /// Bytes of one page, in all layers.
    pub bytes: usize,
}

/// Heads of an attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadShape {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Multiplies scores, usually `1 / sqrt(head_dim)`.
    pub scale: f32,
    /// A query sees itself and this number of tokens less one before it; `None` means all.
    pub window: Option<usize>,
}

/// The operations of the forward pass.
///
/// Activations are row-major `[tokens, width]`. An operation may only submit its work: a later one
/// of the same call then reports what went wrong, [`read`](Self::read) at the latest. Operations fail
/// with [`OutOfMemory`](crate::ErrorKind::OutOfMemory), with
/// [`Cancelled`](crate::ErrorKind::Cancelled) where [`scoped`](Self::scoped) says so, and with what a
/// device reports. Lengths are the model's to get right; an implementation checks them and panics
/// rather than reading past an end.
pub trait Backend: Clone + Send + Sync + fmt::Debug + Sized + 'static {
    /// A weight matrix, where the backend computes.
    type Matrix: Send + Sync + fmt::Debug;
    /// A parameter vector in single precision.
    type Vector: Send + Sync + fmt::Debug;
    /// Activations of some tokens.
    type Activations: Send;
    /// The memory of KV caches.
    type Pool: PagePool;
    /// A plan that was taken over, with page tables that it holds for `'p`.
    type Plan<'p>: Send;

    /// What it is and what it runs on, for logs: `cpu avx512, 2 threads`.
    fn name(&self) -> String;

    /// How far results depend on how the calls are made.
    fn determinism(&self) -> Determinism {
        Determinism::PerBatch
    }

    /// The same backend for the operations of one call, which keep within `control`: they
    /// compute with no more threads than it allows, and end with
    /// [`Cancelled`](crate::ErrorKind::Cancelled) soon after it is cancelled, within a fraction of
    /// the largest operation. Results are the same to the bit. It is made for every call, so it
    /// has to be cheap.
    #[must_use]
    fn scoped(&self, control: &Control<'_>) -> Self;

    /// Takes over a stored matrix.
    ///
    /// # Errors
    /// An element type that weights do not have, parts that do not fit, or no memory for it.
    fn matrix(&self, stored: &Stored) -> Result<Self::Matrix>;

    /// Takes over a stored vector.
    ///
    /// # Errors
    /// As for [`matrix`](Self::matrix).
    fn vector(&self, tensor: &Tensor) -> Result<Self::Vector>;

    /// The memory of KV caches of this shape. All pools of a backend and of its clones share a
    /// [budget](PagePool::budget).
    fn pool(&self, shape: CacheShape) -> Self::Pool;

    /// Takes over the plan of a step, with a table for each sequence of [`StepPlan::rows`]. The pages
    /// that rows are written to are their sequence's alone, see [`KvCache::extend`].
    fn plan<'p>(
        &self,
        step: &'p StepPlan,
        tables: Vec<PageTable<'p, <Self::Pool as PagePool>::Page>>,
    ) -> Result<Self::Plan<'p>>;

    /// The rows of a table for the ids of the plan, widened: `[rows, cols]`.
    fn embed(&self, table: &Self::Matrix, plan: &Self::Plan<'_>) -> Result<Self::Activations>;

    /// The rows of a table for the positions of the plan, widened: `[rows, cols]`.
    fn embed_positions(
        &self,
        table: &Self::Matrix,
        plan: &Self::Plan<'_>,
        rows: PlanRows,
    ) -> Result<Self::Activations>;

    /// `x += ` the sinusoidal embeddings of the plan, for all rows.
    fn add_sinusoids(&self, x: &mut Self::Activations, plan: &Self::Plan<'_>) -> Result<()>;

    /// Some rows of `x`.
    fn gather(
        &self,
        x: &Self::Activations,
        plan: &Self::Plan<'_>,
        rows: Gather,
    ) -> Result<Self::Activations>;

    /// The same values again.
    fn copy(&self, x: &Self::Activations) -> Result<Self::Activations>;

    /// `x += y`.
    fn add(&self, x: &mut Self::Activations, y: &Self::Activations) -> Result<()>;

    /// `x *= factor`.
    fn scale(&self, x: &mut Self::Activations, factor: f32) -> Result<()>;

    /// Every row normalised, times `weight`, plus `bias`.
    fn norm(
        &self,
        x: &Self::Activations,
        norm: Norm,
        weight: &Self::Vector,
        bias: Option<&Self::Vector>,
        epsilon: f32,
    ) -> Result<Self::Activations>;

    /// RMS norm of every head of every row, in place; `weight` is as wide as a head.
    fn norm_heads(
        &self,
        x: &mut Self::Activations,
        weight: &Self::Vector,
        epsilon: f32,
    ) -> Result<()>;

    /// Rotates the first values of every head of every row by the angles of the row, in place.
    fn rotate(
        &self,
        x: &mut Self::Activations,
        plan: &Self::Plan<'_>,
        rows: PlanRows,
        pairs: RotaryPairs,
        head_dim: usize,
    ) -> Result<()>;

    /// `x · wᵀ + bias`.
    fn linear(
        &self,
        x: &Self::Activations,
        w: &Self::Matrix,
        bias: Option<&Self::Vector>,
    ) -> Result<Self::Activations>;

    /// The nonlinearity, in place.
    fn activate(&self, x: &mut Self::Activations, activation: Activation) -> Result<()>;

    /// `x = activation(x) * y`.
    fn gate(
        &self,
        x: &mut Self::Activations,
        y: &Self::Activations,
        activation: Activation,
    ) -> Result<()>;

    /// Writes the rows of `k` and `v`, `[rows, kv_width]`, to the slots of all rows of the plan in
    /// `layer`, for the whole batch at once. Other tokens keep what they have, whatever the result.
    fn write_kv(
        &self,
        plan: &mut Self::Plan<'_>,
        layer: usize,
        k: &Self::Activations,
        v: &Self::Activations,
    ) -> Result<()>;

    /// Scaled dot-product attention of each row of `q`, `[rows, heads * head_dim]`, over its
    /// sequence's keys and values in `layer`; softmax in single precision.
    fn attend(
        &self,
        q: &Self::Activations,
        plan: &Self::Plan<'_>,
        rows: PlanRows,
        layer: usize,
        shape: HeadShape,
    ) -> Result<Self::Activations>;

    /// Waits for what was submitted and brings activations to the host, row after row.
    fn read(&self, x: Self::Activations) -> Result<Vec<f32>>;
}
