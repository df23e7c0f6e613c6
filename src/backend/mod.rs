//! What a model computes with: the operations of the forward pass over one kind of memory.
//!
//! [`Backend`] is generic, so that the layers are written once and compiled for each backend;
//! the choice between backends is made once, when a model is loaded. A backend knows matrices,
//! vectors and KV caches. It does not know layers or configurations.
#![forbid(unsafe_code)]

pub mod cpu;
mod isa;

use std::fmt;

use crate::cancel::Control;
pub use crate::checksum::{SealedReader, SealedWriter};
use crate::error::Result;
use crate::tensor::{Stored, Tensor};

pub use cpu::{ActivationFormat, Cpu, CpuOptions, Rows};
pub(crate) use cpu::{GROUP_TOKENS, PAGE_TOKENS, page_bytes};
pub use isa::{ISA_VARIABLE, InstructionSet};

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

/// One query row of an attention: which sequence it belongs to and where it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// Index into the caches of the call.
    pub sequence: usize,
    /// It sees the positions up to this one, those that the window leaves.
    pub position: usize,
}

/// Keys and values of one sequence in every layer.
///
/// Memory comes in pages that forks share until one of them writes.
pub trait KvCache: Send + Sync + fmt::Debug + Sized {
    /// Tokens that are kept.
    fn len(&self) -> usize;

    /// Whether no token is kept.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes room for `tokens` more and counts them as kept; their keys and values are written
    /// next, layer by layer.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory); the cache is then as before.
    fn extend(&mut self, tokens: usize) -> Result<()>;

    /// Forgets all but the first `tokens`.
    fn truncate(&mut self, tokens: usize);

    /// A second sequence with the same tokens, which shares the memory.
    fn fork(&self) -> Self;

    /// Bytes of the pages of this sequence, shared ones counted in full.
    fn bytes(&self) -> usize;

    /// What the bytes of [`write_to`](Self::write_to) depend on beside the shape: their order, the
    /// format of the numbers, and how they were computed.
    fn stored_id(&self) -> [u32; 2];

    /// Writes the keys and values of all tokens: the same bytes for the same tokens.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io).
    fn write_to(&self, out: &mut SealedWriter<'_>) -> Result<()>;

    /// Fills an empty cache with the `tokens` that another of its shape and
    /// [`stored_id`](Self::stored_id) wrote.
    ///
    /// # Errors
    /// [`MalformedFile`](crate::ErrorKind::MalformedFile), [`Io`](crate::ErrorKind::Io),
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    fn read_from(&mut self, tokens: usize, input: &mut SealedReader<'_>) -> Result<()>;
}

/// The operations of the forward pass.
///
/// Activations are row-major `[tokens, width]`. What returns a result fails with
/// [`OutOfMemory`](crate::ErrorKind::OutOfMemory), and with
/// [`Cancelled`](crate::ErrorKind::Cancelled) where [`scoped`](Self::scoped) says so, and with
/// nothing else. Lengths are the model's to get right; an implementation checks them and panics
/// rather than reading past an end.
pub trait Backend: Clone + Send + Sync + fmt::Debug + Sized + 'static {
    /// A weight matrix, where the backend computes.
    type Matrix: Send + Sync + fmt::Debug;
    /// A parameter vector in single precision.
    type Vector: Send + Sync + fmt::Debug;
    /// Activations of some tokens.
    type Activations: Send;
    /// Keys and values of a sequence.
    type Cache: KvCache + 'static;
    /// Sines and cosines of rotary position embedding, for the rows of a call.
    type Angles: Send;

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

    /// An empty cache.
    fn cache(&self, shape: CacheShape) -> Self::Cache;

    /// The pages of such a cache.
    fn page(&self, shape: CacheShape) -> PageSize;

    /// Rows `ids` of a matrix, widened: `[ids.len(), cols]`.
    fn rows(&self, matrix: &Self::Matrix, ids: &[u32]) -> Result<Self::Activations>;

    /// Rows `rows` of `x`.
    fn select(&self, x: &Self::Activations, rows: &[usize]) -> Result<Self::Activations>;

    /// Rows of `cols` values each from the host.
    fn upload(&self, values: Vec<f32>, cols: usize) -> Result<Self::Activations>;

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

    /// The angles of rows at these positions: for every frequency its product with the position.
    fn angles(&self, positions: &[u32], frequencies: &[f32]) -> Result<Self::Angles>;

    /// Rotates the first values of every head of every row by the angles of the row, in place.
    fn rotate(
        &self,
        x: &mut Self::Activations,
        angles: &Self::Angles,
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

    /// Writes the rows of `k` and `v` as the last tokens of the caches in `layer`: the first
    /// `tokens[0]` rows to the first cache, and so on. Tokens before those keep what they have,
    /// whatever the result.
    fn store(
        &self,
        caches: &mut [&mut Self::Cache],
        layer: usize,
        k: &Self::Activations,
        v: &Self::Activations,
        tokens: &[usize],
    ) -> Result<()>;

    /// Scaled dot-product attention of each row of `q`, `[queries, heads * head_dim]`, over its
    /// sequence's keys and values in `layer`; softmax in single precision.
    fn attend(
        &self,
        q: &Self::Activations,
        queries: &[Query],
        caches: &[&Self::Cache],
        layer: usize,
        shape: HeadShape,
    ) -> Result<Self::Activations>;

    /// Brings activations to the host, row after row.
    fn read(&self, x: Self::Activations) -> Vec<f32>;
}
