//! The CPU backend: activations in ndarray, arithmetic in the kernels, work divided over a pool.

mod attention;
mod budget;
mod cache;
mod page;
mod probe;
mod saved;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ndarray::Array2;

use super::isa::{self, ISA_VARIABLE, InstructionSet};
use super::{Activation, Backend, CacheShape, HeadShape, KvFormat, PageSize, Query};
use crate::cancel::Control;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::generic::activation::{FastGelu, GeluTanh};
use crate::kernels::generic::norm::LayerNorm;
use crate::kernels::linear::{Context, Scratch, linear};
use crate::kernels::packed::{self, PackedMatrix};
use crate::kernels::{Isa, Matrix};
use crate::memory;
use crate::setters::setters;
use crate::tensor::{Stored, Tensor};
use crate::threads::{Crew, ThreadPool};

use attention::attend;
use budget::Budget;
use page::Layout;

pub use crate::kernels::linear::GROUP_TOKENS;
pub use crate::kernels::packed::ActivationFormat;
pub use cache::CpuCache;
pub use page::PAGE_TOKENS;

/// How the CPU backend computes.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CpuOptions {
    /// The number of threads that compute, the calling one included. By default one for each core
    /// that the process may use, with affinity and cgroup limits counted.
    pub threads: Option<usize>,
    /// The instruction set of the kernels. By default the one that the environment variable
    /// `CODEGEEX_ISA` names, or the fastest of the machine.
    pub isa: Option<InstructionSet>,
    /// The type of the KV cache.
    pub kv: KvFormat,
    /// Precision of activations in quantized layers (INT16 or INT8).
    pub activations: ActivationFormat,
    /// The maximum size in bytes of the KV cache over all sequences; pages that forks share count
    /// once. A call that would go beyond it fails and leaves its sequences as they were. By default
    /// the memory of the system is the limit.
    pub memory_limit: Option<u64>,
}

impl CpuOptions {
    /// All threads, the fastest instructions, the default formats, no limit.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        option threads: usize;
        option isa: InstructionSet;
        set kv: KvFormat;
        set activations: ActivationFormat;
        option memory_limit: u64;
    }
}

/// Bytes of a page, [`PAGE_TOKENS`] tokens: for the 13B shape 52,428,800 in single precision,
/// 26,214,400 in half, 13,516,800 in eight bits.
pub fn page_bytes(shape: CacheShape, format: KvFormat) -> usize {
    Layout { shape, format }.page_bytes()
}

/// The CPU, with kernels for one of the instruction sets of this machine. Clones share threads,
/// buffers and the limit of memory.
#[derive(Debug, Clone)]
pub struct Cpu {
    isa: Isa,
    pool: Arc<ThreadPool>,
    scratch: Arc<Scratch>,
    buffers: Arc<packed::linear::Buffers>,
    kv: KvFormat,
    activations: ActivationFormat,
    budget: Arc<Budget>,
    /// Of the call that this one is for.
    control: Control,
}

/// A weight matrix, where it lies.
#[derive(Debug)]
pub enum Weights {
    /// Numbers.
    Dense(Matrix),
    /// Quantized.
    Packed(PackedMatrix),
}

impl Weights {
    fn rows(&self) -> usize {
        match self {
            Self::Dense(m) => m.rows(),
            Self::Packed(m) => m.rows(),
        }
    }

    fn cols(&self) -> usize {
        match self {
            Self::Dense(m) => m.cols(),
            Self::Packed(m) => m.cols(),
        }
    }
}

impl Cpu {
    /// A backend with threads of its own.
    ///
    /// # Errors
    /// [`OutOfMemory`](ErrorKind::OutOfMemory) when the system refuses to start a thread;
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for instructions that are not there.
    pub fn new(options: &CpuOptions) -> Result<Self> {
        Ok(Self {
            isa: isa::choose(options.isa, std::env::var_os(ISA_VARIABLE).as_deref())?,
            pool: Arc::new(ThreadPool::new(options.threads)?),
            scratch: Arc::default(),
            buffers: Arc::default(),
            kv: options.kv,
            activations: options.activations,
            budget: Arc::new(Budget::new(options.memory_limit)),
            control: Control::new(),
        })
    }

    fn context(&self) -> Context<'_> {
        Context {
            isa: self.isa,
            crew: self.crew(),
            scratch: &self.scratch,
        }
    }

    fn crew(&self) -> Crew<'_> {
        self.pool.crew(&self.control)
    }

    /// Fresh activations; unlike `Array2::zeros`, refuses instead of aborting without memory.
    fn zeros(&self, rows: usize, cols: usize) -> Result<Array2<f32>> {
        let refused = |what: &dyn std::fmt::Display| {
            let message = format!("cannot allocate activations of {rows} x {cols}: {what}");
            Error::new(ErrorKind::OutOfMemory, message)
        };
        let len = rows * cols;
        let bytes = len * size_of::<f32>();
        if bytes >= LARGE_ACTIVATIONS {
            memory::check(bytes, "activations", "feed fewer tokens at a time")?;
        }
        let mut values = Vec::new();
        values.try_reserve_exact(len).map_err(|e| refused(&e))?;
        // The system hands out memory page by page as it is written: some milliseconds for the
        // logits of a hundred tokens.
        while values.len() < len {
            if !values.is_empty() {
                self.control.cancel.check()?;
            }
            values.resize(len.min(values.len() + ZEROED_VALUES), 0.0);
        }
        Array2::from_shape_vec((rows, cols), values).map_err(|e| refused(&e))
    }
}

/// Values of activations that make a task worth handing to another thread.
const TASK_VALUES: usize = 16 * 1024;
/// Activations of at least this size are checked against what the system has. A look costs
/// some 0.2 ms, and a token makes hundreds of activations.
const LARGE_ACTIVATIONS: usize = 16 << 20;
/// Values that are zeroed between two looks at whether the call was cancelled.
const ZEROED_VALUES: usize = 256 * 1024;

impl Backend for Cpu {
    type Matrix = Weights;
    type Vector = Vec<f32>;
    type Activations = Array2<f32>;
    type Cache = CpuCache;

    fn instruction_set(&self) -> Option<InstructionSet> {
        Some(self.isa.set())
    }

    fn name(&self) -> String {
        let activations = match self.activations {
            ActivationFormat::Int16 => "",
            ActivationFormat::Int8 => ", int8 activations",
        };
        format!(
            "cpu {}, {} threads, {} keys and values{activations}",
            self.isa.name(),
            self.pool.threads(),
            self.kv
        )
    }

    fn scoped(&self, control: &Control) -> Self {
        Self {
            control: control.clone(),
            ..self.clone()
        }
    }

    fn matrix(&self, stored: &Stored) -> Result<Weights> {
        Ok(match stored {
            Stored::Dense(tensor) => Weights::Dense(Matrix::new(tensor)?),
            Stored::Packed(tensor) => Weights::Packed(PackedMatrix::new(tensor)?),
        })
    }

    fn vector(&self, tensor: &Tensor) -> Result<Vec<f32>> {
        let matrix = Matrix::new(tensor)?;
        let mut values = vec![0.0; matrix.cols()];
        matrix.widen(self.isa, 0, 1, &mut values);
        Ok(values)
    }

    fn cache(&self, shape: CacheShape) -> CpuCache {
        let format = self.kv;
        CpuCache::new(Layout { shape, format }, self.activations, &self.budget)
    }

    fn page(&self, shape: CacheShape) -> PageSize {
        PageSize {
            tokens: PAGE_TOKENS,
            bytes: page_bytes(shape, self.kv),
        }
    }

    fn rows(&self, matrix: &Weights, ids: &[u32]) -> Result<Array2<f32>> {
        let mut out = self.zeros(ids.len(), matrix.cols())?;
        for (&id, row) in ids.iter().zip(flat_mut(&mut out).chunks_mut(matrix.cols())) {
            match matrix {
                Weights::Dense(m) => m.widen(self.isa, id as usize, 1, row),
                Weights::Packed(m) => m.row(id as usize, row),
            }
        }
        Ok(out)
    }

    fn select(&self, x: &Array2<f32>, rows: &[usize]) -> Result<Array2<f32>> {
        let mut out = self.zeros(rows.len(), x.ncols())?;
        for (&row, mut out) in rows.iter().zip(out.rows_mut()) {
            out.assign(&x.row(row));
        }
        Ok(out)
    }

    fn add(&self, x: &mut Array2<f32>, y: &Array2<f32>) {
        *x += y;
    }

    fn layer_norm(
        &self,
        x: &Array2<f32>,
        weight: &Vec<f32>,
        bias: &Vec<f32>,
        epsilon: f32,
    ) -> Result<Array2<f32>> {
        let width = x.ncols();
        assert!(weight.len() == width && bias.len() == width);
        let mut out = self.zeros(x.nrows(), width)?;
        let x = flat(x);
        let rows = TASK_VALUES.div_ceil(width);
        self.crew()
            .for_each_chunk(flat_mut(&mut out), rows * width, |i, out| {
                let x = &x[i * rows * width..];
                for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                    self.isa.dispatch(LayerNorm {
                        x,
                        weight,
                        bias,
                        epsilon,
                        out,
                    });
                }
            })?;
        Ok(out)
    }

    fn linear(&self, x: &Array2<f32>, w: &Weights, bias: Option<&Vec<f32>>) -> Result<Array2<f32>> {
        assert_eq!(x.ncols(), w.cols());
        let mut out = self.zeros(x.nrows(), w.rows())?;
        let bias = bias.map(Vec::as_slice);
        match w {
            Weights::Dense(w) => linear(self.context(), flat(x), w, bias, flat_mut(&mut out))?,
            Weights::Packed(w) => {
                let cx = packed::linear::Context {
                    isa: self.isa,
                    unit: self.isa.matrix_unit(),
                    format: self.activations,
                    crew: self.crew(),
                    buffers: &self.buffers,
                };
                packed::linear::linear(cx, flat(x), w, bias, flat_mut(&mut out))?;
            }
        }
        Ok(out)
    }

    fn activate(&self, x: &mut Array2<f32>, activation: Activation) -> Result<()> {
        self.crew()
            .for_each_chunk(flat_mut(x), TASK_VALUES, |_, x| match activation {
                Activation::FastGelu => self.isa.dispatch(FastGelu(x)),
                Activation::GeluTanh => self.isa.dispatch(GeluTanh(x)),
            })
    }

    fn store(
        &self,
        cache: &mut CpuCache,
        layer: usize,
        k: &Array2<f32>,
        v: &Array2<f32>,
        first_row: usize,
        tokens: usize,
    ) -> Result<()> {
        let width = cache.layout().shape.kv_width();
        let rows = first_row * width..(first_row + tokens) * width;
        cache.write(self.crew(), layer, &flat(k)[rows.clone()], &flat(v)[rows])
    }

    fn attend(
        &self,
        q: &Array2<f32>,
        queries: &[Query],
        caches: &[&CpuCache],
        layer: usize,
        shape: HeadShape,
    ) -> Result<Array2<f32>> {
        let width = shape.heads * shape.head_dim;
        assert!(q.ncols() == width && q.nrows() == queries.len());
        let mut out = self.zeros(q.nrows(), width)?;
        attend(
            self.context(),
            flat(q),
            queries,
            caches,
            layer,
            shape,
            flat_mut(&mut out),
        )?;
        Ok(out)
    }

    fn read(&self, x: Array2<f32>) -> Array2<f32> {
        x
    }
}

/// Activations are made by this backend alone, in standard layout.
fn flat(x: &Array2<f32>) -> &[f32] {
    x.as_slice().expect("activations are in standard layout")
}

fn flat_mut(x: &mut Array2<f32>) -> &mut [f32] {
    x.as_slice_mut()
        .expect("activations are in standard layout")
}
