//! The CPU backend: activations in rows, arithmetic in the kernels, work divided over a pool.

mod attention;
mod page;
mod probe;
#[cfg(test)]
mod tests;
mod workspace;

use std::sync::Arc;

use super::isa::{self, ISA_VARIABLE, InstructionSet};
use super::kv::Budget;
use super::{
    Activation, Backend, CacheShape, Determinism, Gather, HeadShape, KvFormat, Norm, PAGE_TOKENS,
    PageTable, PlanRow, PlanRows, RotaryPairs, StepPlan,
};
use crate::cancel::{CancelToken, Control};
use crate::error::{Result, bail};
use crate::kernels::generic::activation::{FastGelu, Gelu, GeluTanh, Multiply, Relu, Silu};
use crate::kernels::generic::norm::{LayerNorm, RmsNorm};
use crate::kernels::generic::rotary::{RotateHalves, RotateInterleaved};
use crate::kernels::linear::{Context, Scratch, linear};
use crate::kernels::packed::{self, PackedMatrix};
use crate::kernels::{Isa, Matrix};
use crate::memory;
use crate::setters::setters;
use crate::tensor::{Stored, Tensor};
use crate::threads::{Crew, ThreadPool};

use attention::attend;
use page::Layout;
use workspace::{Buffer, Shelf, Workspace};

pub use crate::kernels::linear::GROUP_TOKENS;
pub use crate::kernels::packed::ActivationFormat;
pub use page::{CpuPages, Page};

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
#[doc(hidden)]
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
    shelf: Arc<Shelf>,
    /// Of the call that this one is for, like what follows.
    workspace: Arc<Workspace>,
    cancel: CancelToken,
    max_threads: Option<usize>,
}

/// Activations of some tokens, row after row.
#[derive(Debug)]
pub struct Rows {
    values: Buffer,
    cols: usize,
}

impl Rows {
    /// Rows of `cols` values each.
    ///
    /// # Panics
    /// When the values are no whole number of rows.
    pub fn new(values: Vec<f32>, cols: usize) -> Self {
        assert!(cols > 0 && values.len().is_multiple_of(cols));
        Self {
            values: values.into(),
            cols,
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.cols.max(1)
    }

    /// A row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values()[row * self.cols..][..self.cols]
    }

    /// The number of values of a row.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// All values, row after row.
    pub fn values(&self) -> &[f32] {
        self.values.as_slice()
    }

    /// All values, to be changed.
    pub fn values_mut(&mut self) -> &mut [f32] {
        self.values.as_mut_slice()
    }
}

/// The plan of a step: the host's, which the operations read where it is.
#[derive(Debug)]
pub struct CpuPlan<'p> {
    step: &'p StepPlan,
    tables: Vec<PageTable<'p, Page>>,
    /// Of the rows whose logits are wanted.
    wanted: Vec<PlanRow>,
}

impl CpuPlan<'_> {
    fn rows(&self, rows: PlanRows) -> &[PlanRow] {
        match rows {
            PlanRows::All => &self.step.rows,
            PlanRows::Wanted => &self.wanted,
        }
    }
}

/// A weight matrix, where it lies.
#[derive(Debug)]
pub enum Weights {
    /// Floating-point weights.
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
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory) when the system refuses to start a thread;
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for an instruction set that is not available.
    pub fn new(options: &CpuOptions) -> Result<Self> {
        let shelf = Arc::default();
        Ok(Self {
            isa: isa::choose(options.isa, std::env::var_os(ISA_VARIABLE).as_deref())?,
            pool: Arc::new(ThreadPool::new(options.threads)?),
            scratch: Arc::default(),
            buffers: Arc::default(),
            kv: options.kv,
            activations: options.activations,
            budget: Arc::new(Budget::new(options.memory_limit, memory::available)),
            workspace: Arc::new(Workspace::new(&shelf)),
            shelf,
            cancel: CancelToken::new(),
            max_threads: None,
        })
    }

    /// The instruction set of the kernels.
    pub fn instruction_set(&self) -> InstructionSet {
        self.isa.set()
    }

    fn context(&self) -> Context<'_> {
        Context {
            isa: self.isa,
            crew: self.crew(),
            scratch: &self.scratch,
        }
    }

    fn crew(&self) -> Crew<'_> {
        Crew::new(&self.pool, &self.cancel, self.max_threads)
    }

    /// Activations with whatever the memory had before: an operation writes them all.
    fn output(&self, rows: usize, cols: usize) -> Result<Rows> {
        let values = self.workspace.take(rows, cols, &self.cancel)?;
        Ok(Rows { values, cols })
    }

    /// Some rows of a table, widened.
    fn look_up(&self, table: &Weights, rows: impl ExactSizeIterator<Item = usize>) -> Result<Rows> {
        let mut out = self.output(rows.len(), table.cols())?;
        for (row, out) in rows.zip(out.values_mut().chunks_mut(table.cols())) {
            match table {
                Weights::Dense(m) => m.widen(self.isa, row, 1, out),
                Weights::Packed(m) => m.row(row, out),
            }
        }
        Ok(out)
    }
}

/// Values of activations that make a task worth handing to another thread.
const TASK_VALUES: usize = 16 * 1024;

impl Backend for Cpu {
    type Matrix = Weights;
    type Vector = Vec<f32>;
    type Activations = Rows;
    type Pool = CpuPages;
    type Plan<'p> = CpuPlan<'p>;

    fn name(&self) -> String {
        let activations = match self.activations {
            ActivationFormat::Int16 => "",
            ActivationFormat::Int8 => ", int8 activations",
        };
        format!(
            "cpu {}, {} threads, {} KV cache{activations}",
            self.isa.name(),
            self.pool.threads(),
            self.kv
        )
    }

    fn determinism(&self) -> Determinism {
        Determinism::Bitwise
    }

    fn scoped(&self, control: &Control<'_>) -> Self {
        Self {
            workspace: Arc::new(Workspace::new(&self.shelf)),
            cancel: control.cancel.clone(),
            max_threads: control.threads,
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
        let mut values = memory::try_filled(0.0, matrix.cols())?;
        matrix.widen(self.isa, 0, 1, &mut values);
        Ok(values)
    }

    fn pool(&self, shape: CacheShape) -> CpuPages {
        let format = self.kv;
        CpuPages::new(Layout { shape, format }, self.activations, &self.budget)
    }

    fn plan<'p>(
        &self,
        step: &'p StepPlan,
        tables: Vec<PageTable<'p, Page>>,
    ) -> Result<CpuPlan<'p>> {
        let wanted = step.wanted.iter().map(|&row| step.rows[row]);
        Ok(CpuPlan {
            step,
            tables,
            wanted: memory::try_collect(wanted)?,
        })
    }

    fn embed(&self, table: &Weights, plan: &CpuPlan<'_>) -> Result<Rows> {
        self.look_up(table, plan.step.ids.iter().map(|&id| id as usize))
    }

    fn embed_positions(&self, table: &Weights, plan: &CpuPlan<'_>, rows: PlanRows) -> Result<Rows> {
        self.look_up(table, plan.rows(rows).iter().map(|row| row.position))
    }

    fn add_sinusoids(&self, x: &mut Rows, plan: &CpuPlan<'_>) -> Result<()> {
        add(x.values_mut(), &plan.step.sinusoids);
        Ok(())
    }

    fn gather(&self, x: &Rows, plan: &CpuPlan<'_>, rows: Gather) -> Result<Rows> {
        let rows = match rows {
            Gather::Wanted => &plan.step.wanted,
            Gather::Kept => &plan.step.kept,
        };
        let mut out = self.output(rows.len(), x.cols)?;
        let width = x.cols.max(1);
        for (&row, out) in rows.iter().zip(out.values_mut().chunks_exact_mut(width)) {
            out.copy_from_slice(x.row(row));
        }
        Ok(out)
    }

    fn copy(&self, x: &Rows) -> Result<Rows> {
        let mut out = self.output(x.rows(), x.cols)?;
        out.values_mut().copy_from_slice(x.values());
        Ok(out)
    }

    fn add(&self, x: &mut Rows, y: &Rows) -> Result<()> {
        add(x.values_mut(), y.values());
        Ok(())
    }

    fn scale(&self, x: &mut Rows, factor: f32) -> Result<()> {
        x.values_mut().iter_mut().for_each(|x| *x *= factor);
        Ok(())
    }

    fn norm(
        &self,
        x: &Rows,
        norm: Norm,
        weight: &Vec<f32>,
        bias: Option<&Vec<f32>>,
        epsilon: f32,
    ) -> Result<Rows> {
        let width = x.cols;
        let bias = bias.map_or(&[][..], Vec::as_slice);
        assert!(weight.len() == width && (bias.is_empty() || bias.len() == width));
        let mut out = self.output(x.rows(), width)?;
        let x = x.values();
        let rows = TASK_VALUES.div_ceil(width);
        self.crew()
            .for_each_chunk(out.values_mut(), rows * width, |i, out| {
                let x = &x[i * rows * width..];
                for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                    match norm {
                        Norm::Layer => self.isa.dispatch(LayerNorm {
                            x,
                            weight,
                            bias,
                            epsilon,
                            out,
                        }),
                        Norm::Rms => {
                            out.copy_from_slice(x);
                            self.isa.dispatch(RmsNorm {
                                x: out,
                                weight,
                                epsilon,
                            });
                        }
                    }
                }
            })?;
        Ok(out)
    }

    fn norm_heads(&self, x: &mut Rows, weight: &Vec<f32>, epsilon: f32) -> Result<()> {
        let width = weight.len();
        assert!(x.cols.is_multiple_of(width));
        let chunk = TASK_VALUES.div_ceil(width) * width;
        self.crew().for_each_chunk(x.values_mut(), chunk, |_, x| {
            for x in x.chunks_exact_mut(width) {
                self.isa.dispatch(RmsNorm { x, weight, epsilon });
            }
        })
    }

    fn rotate(
        &self,
        x: &mut Rows,
        plan: &CpuPlan<'_>,
        rows: PlanRows,
        pairs: RotaryPairs,
        head_dim: usize,
    ) -> Result<()> {
        let step = plan.step;
        let (width, n) = (x.cols, step.angles.pairs);
        assert!(2 * n <= head_dim && width.is_multiple_of(head_dim));
        assert!(x.rows() == step.count(rows));
        let chunk = TASK_VALUES.div_ceil(width);
        self.crew()
            .for_each_chunk(x.values_mut(), chunk * width, |i, x| {
                for (row, heads) in (i * chunk..).zip(x.chunks_exact_mut(width)) {
                    let at = step.index(rows, row) * n;
                    let (cos, sin) = (&step.angles.cos[at..][..n], &step.angles.sin[at..][..n]);
                    match pairs {
                        RotaryPairs::Halves => self.isa.dispatch(RotateHalves {
                            heads,
                            head_dim,
                            cos,
                            sin,
                        }),
                        RotaryPairs::Interleaved => self.isa.dispatch(RotateInterleaved {
                            heads,
                            head_dim,
                            cos,
                            sin,
                        }),
                    }
                }
            })
    }

    fn linear(&self, x: &Rows, w: &Weights, bias: Option<&Vec<f32>>) -> Result<Rows> {
        assert_eq!(x.cols, w.cols());
        let mut out = self.output(x.rows(), w.rows())?;
        let bias = bias.map(Vec::as_slice);
        match w {
            Weights::Dense(w) => linear(self.context(), x.values(), w, bias, out.values_mut())?,
            Weights::Packed(w) => {
                let cx = packed::linear::Context {
                    isa: self.isa,
                    unit: self.isa.matrix_unit(),
                    format: self.activations,
                    crew: self.crew(),
                    buffers: &self.buffers,
                };
                packed::linear::linear(cx, x.values(), w, bias, out.values_mut())?;
            }
        }
        Ok(out)
    }

    fn activate(&self, x: &mut Rows, activation: Activation) -> Result<()> {
        self.crew()
            .for_each_chunk(x.values_mut(), TASK_VALUES, |_, x| {
                activate(self.isa, x, activation)
            })
    }

    fn gate(&self, x: &mut Rows, y: &Rows, activation: Activation) -> Result<()> {
        assert_eq!(x.values.len(), y.values.len());
        let y = y.values();
        self.crew()
            .for_each_chunk(x.values_mut(), TASK_VALUES, |i, x| {
                activate(self.isa, x, activation);
                let others = &y[i * TASK_VALUES..][..x.len()];
                self.isa.dispatch(Multiply { values: x, others });
            })
    }

    fn write_kv(&self, plan: &mut CpuPlan<'_>, layer: usize, k: &Rows, v: &Rows) -> Result<()> {
        let rows = &plan.step.rows;
        assert!(k.rows() == rows.len() && v.rows() == rows.len() && k.cols == v.cols);
        let (mut k, mut v, width) = (k.values(), v.values(), k.cols);
        // Rows of a sequence that go to one page.
        let together = |a: &PlanRow, b: &PlanRow| {
            a.sequence == b.sequence && a.position / PAGE_TOKENS == b.position / PAGE_TOKENS
        };
        for rows in rows.chunk_by(together) {
            let PlanRow { sequence, position } = rows[0];
            let (own_k, own_v);
            (own_k, k) = k.split_at(rows.len() * width);
            (own_v, v) = v.split_at(rows.len() * width);
            let Some(page) = plan.tables[sequence].page_mut(position / PAGE_TOKENS) else {
                bail!(
                    Internal,
                    "a page to write to is shared with another sequence"
                );
            };
            page.write(self.crew(), layer, position % PAGE_TOKENS, (own_k, own_v))?;
        }
        Ok(())
    }

    fn attend(
        &self,
        q: &Rows,
        plan: &CpuPlan<'_>,
        rows: PlanRows,
        layer: usize,
        shape: HeadShape,
    ) -> Result<Rows> {
        let width = shape.heads * shape.head_dim;
        let queries = plan.rows(rows);
        assert!(q.cols == width && q.rows() == queries.len());
        let mut out = self.output(q.rows(), width)?;
        attend(
            self.context(),
            q.values(),
            queries,
            &plan.tables,
            layer,
            shape,
            out.values_mut(),
        )?;
        Ok(out)
    }

    fn read(&self, x: Rows) -> Result<Vec<f32>> {
        Ok(x.values.into_values())
    }
}

fn add(x: &mut [f32], y: &[f32]) {
    assert_eq!(x.len(), y.len());
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

fn activate(isa: Isa, x: &mut [f32], activation: Activation) {
    match activation {
        Activation::FastGelu => isa.dispatch(FastGelu(x)),
        Activation::GeluTanh => isa.dispatch(GeluTanh(x)),
        Activation::Gelu => isa.dispatch(Gelu(x)),
        Activation::Silu => isa.dispatch(Silu(x)),
        Activation::Relu => isa.dispatch(Relu(x)),
    }
}
