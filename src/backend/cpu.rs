//! The CPU backend: activations in ndarray, arithmetic in the kernels, work divided over a pool.

use std::sync::Arc;

use ndarray::Array2;

use super::isa::{self, ISA_VARIABLE, InstructionSet};
use super::{Activation, Backend, CacheShape, HeadShape, KvCache, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::generic::activation::{FastGelu, GeluTanh};
use crate::kernels::generic::attention::{Softmax, WeightedRows};
use crate::kernels::generic::dot::{DotRows, Segment};
use crate::kernels::generic::norm::LayerNorm;
use crate::kernels::linear::{Context, Scratch, linear};
use crate::kernels::{Isa, Matrix};
use crate::tensor::Tensor;
use crate::threads::ThreadPool;

/// How the CPU backend computes.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CpuOptions {
    /// Threads that compute, the calling one included. Zero means one for each core that this
    /// process may use, affinity and cgroup limits counted.
    pub threads: usize,
    /// Instructions that the kernels use. None means what the environment variable
    /// `CODEGEEX_ISA` names, or without it the fastest that this machine has.
    pub isa: Option<InstructionSet>,
}

/// The CPU, with kernels for one of the instruction sets of this machine.
#[derive(Debug)]
pub struct Cpu {
    isa: Isa,
    pool: ThreadPool,
    scratch: Scratch,
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
            pool: ThreadPool::new(options.threads)?,
            scratch: Scratch::default(),
        })
    }

    fn context(&self) -> Context<'_> {
        Context {
            isa: self.isa,
            pool: &self.pool,
            scratch: &self.scratch,
        }
    }
}

/// Values of activations that make a task worth handing to another thread.
const TASK_VALUES: usize = 16 * 1024;

impl Backend for Cpu {
    type Matrix = Matrix;
    type Vector = Vec<f32>;
    type Activations = Array2<f32>;
    type Cache = CpuCache;

    fn name(&self) -> String {
        format!("cpu {}, {} threads", self.isa.name(), self.pool.threads())
    }

    fn matrix(&self, tensor: &Tensor) -> Result<Matrix> {
        Matrix::new(tensor)
    }

    fn vector(&self, tensor: &Tensor) -> Result<Vec<f32>> {
        let matrix = Matrix::new(tensor)?;
        let mut values = vec![0.0; matrix.cols()];
        matrix.widen(self.isa, 0, 1, &mut values);
        Ok(values)
    }

    fn cache(&self, shape: CacheShape) -> CpuCache {
        CpuCache {
            shape,
            len: 0,
            pages: Vec::new(),
        }
    }

    fn rows(&self, matrix: &Matrix, ids: &[u32]) -> Result<Array2<f32>> {
        let mut out = zeros(ids.len(), matrix.cols())?;
        for (&id, row) in ids.iter().zip(flat_mut(&mut out).chunks_mut(matrix.cols())) {
            matrix.widen(self.isa, id as usize, 1, row);
        }
        Ok(out)
    }

    fn select(&self, x: &Array2<f32>, rows: &[usize]) -> Result<Array2<f32>> {
        let mut out = zeros(rows.len(), x.ncols())?;
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
        let mut out = zeros(x.nrows(), width)?;
        let x = flat(x);
        let rows = TASK_VALUES.div_ceil(width);
        self.pool
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
            });
        Ok(out)
    }

    fn linear(&self, x: &Array2<f32>, w: &Matrix, bias: Option<&Vec<f32>>) -> Result<Array2<f32>> {
        assert_eq!(x.ncols(), w.cols());
        let mut out = zeros(x.nrows(), w.rows())?;
        linear(
            self.context(),
            flat(x),
            w,
            bias.map(Vec::as_slice),
            flat_mut(&mut out),
        );
        Ok(out)
    }

    fn activate(&self, x: &mut Array2<f32>, activation: Activation) {
        self.pool
            .for_each_chunk(flat_mut(x), TASK_VALUES, |_, x| match activation {
                Activation::FastGelu => self.isa.dispatch(FastGelu(x)),
                Activation::GeluTanh => self.isa.dispatch(GeluTanh(x)),
            });
    }

    fn store(
        &self,
        cache: &mut CpuCache,
        layer: usize,
        k: &Array2<f32>,
        v: &Array2<f32>,
        first_row: usize,
        tokens: usize,
    ) {
        let width = cache.shape.kv_width;
        let rows = first_row * width..(first_row + tokens) * width;
        cache.write(layer, &flat(k)[rows.clone()], &flat(v)[rows]);
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
        let mut out = zeros(q.nrows(), width)?;
        let q = flat(q);
        let most = queries.iter().map(|q| q.position + 1).max().unwrap_or(0);
        self.pool
            .for_each_chunk(flat_mut(&mut out), shape.head_dim, |i, out| {
                let (query, head) = (queries[i / shape.heads], i % shape.heads);
                let kv_head = head / (shape.heads / shape.kv_heads);
                self.scratch.with(most, |scores| {
                    let head = Head {
                        query: &q[i * shape.head_dim..(i + 1) * shape.head_dim],
                        column: kv_head * shape.head_dim,
                        layer,
                        cache: caches[query.sequence],
                    };
                    head.attend(self.isa, &mut scores[..=query.position], out);
                });
            });
        Ok(out)
    }

    fn read(&self, x: Array2<f32>) -> Array2<f32> {
        x
    }
}

/// Fresh activations; unlike `Array2::zeros`, refuses instead of aborting without memory.
fn zeros(rows: usize, cols: usize) -> Result<Array2<f32>> {
    let refused = |what: &dyn std::fmt::Display| {
        let message = format!("cannot allocate activations of {rows} x {cols}: {what}");
        Error::new(ErrorKind::OutOfMemory, message)
    };
    let mut values = Vec::new();
    values
        .try_reserve_exact(rows * cols)
        .map_err(|e| refused(&e))?;
    values.resize(rows * cols, 0.0);
    Array2::from_shape_vec((rows, cols), values).map_err(|e| refused(&e))
}

/// Activations are made by this backend alone, in standard layout.
fn flat(x: &Array2<f32>) -> &[f32] {
    x.as_slice().expect("activations are in standard layout")
}

fn flat_mut(x: &mut Array2<f32>) -> &mut [f32] {
    x.as_slice_mut()
        .expect("activations are in standard layout")
}

/// One query of one head over one sequence.
struct Head<'a> {
    query: &'a [f32],
    /// First column of the head in a row of keys or values.
    column: usize,
    layer: usize,
    cache: &'a CpuCache,
}

impl Head<'_> {
    /// `out = softmax(scale * q · kᵀ) · v` over the first `scores.len()` positions.
    fn attend(&self, isa: Isa, scores: &mut [f32], out: &mut [f32]) {
        let stride = self.cache.shape.kv_width;
        let scale = 1.0 / (self.query.len() as f32).sqrt();
        for (page, scores) in self.cache.pages.iter().zip(scores.chunks_mut(PAGE_TOKENS)) {
            isa.dispatch(DotRows {
                segments: &[Segment {
                    col: 0,
                    cols: self.query.len(),
                    stride,
                    data: &page.keys(self.cache.shape, self.layer)[self.column..],
                }],
                x: self.query,
                scale,
                bias: None,
                out: scores,
            });
        }
        isa.dispatch(Softmax(scores));
        for (page, weights) in self.cache.pages.iter().zip(scores.chunks(PAGE_TOKENS)) {
            isa.dispatch(WeightedRows {
                weights,
                rows: &page.values(self.cache.shape, self.layer)[self.column..],
                stride,
                out,
            });
        }
    }
}

/// Tokens of a page: for the 13B shape 52 MB over all layers, 0.9 MB for the default model.
pub const PAGE_TOKENS: usize = 32;

/// Keys and values of [`PAGE_TOKENS`] positions: `[layers, 2, PAGE_TOKENS, kv_width]`.
#[derive(Debug)]
struct Page(Vec<f32>);

impl Page {
    fn zeroed(shape: CacheShape) -> Result<Self> {
        let len = Self::len(shape);
        let mut values = Vec::new();
        values.try_reserve_exact(len).map_err(|e| {
            Error::new(
                ErrorKind::OutOfMemory,
                format!(
                    "cannot allocate {} bytes for {PAGE_TOKENS} more tokens of keys and values: \
                     {e}; shorten the prompt or drop other sequences",
                    len * size_of::<f32>()
                ),
            )
        })?;
        values.resize(len, 0.0);
        Ok(Self(values))
    }

    fn copy(&self) -> Result<Self> {
        let mut values = Vec::new();
        values.try_reserve_exact(self.0.len()).map_err(|e| {
            Error::new(
                ErrorKind::OutOfMemory,
                format!("cannot copy a shared page of keys and values: {e}"),
            )
        })?;
        values.extend_from_slice(&self.0);
        Ok(Self(values))
    }

    fn len(shape: CacheShape) -> usize {
        shape.layers * 2 * PAGE_TOKENS * shape.kv_width
    }

    fn keys(&self, shape: CacheShape, layer: usize) -> &[f32] {
        let half = PAGE_TOKENS * shape.kv_width;
        &self.0[2 * layer * half..][..half]
    }

    fn values(&self, shape: CacheShape, layer: usize) -> &[f32] {
        let half = PAGE_TOKENS * shape.kv_width;
        &self.0[(2 * layer + 1) * half..][..half]
    }
}

/// Keys and values of one sequence in pages that forks share until they write.
#[derive(Debug)]
pub struct CpuCache {
    shape: CacheShape,
    len: usize,
    pages: Vec<Arc<Page>>,
}

impl KvCache for CpuCache {
    fn len(&self) -> usize {
        self.len
    }

    fn extend(&mut self, tokens: usize) -> Result<()> {
        // Pages that will be written to must be this sequence's alone.
        let first = self.len / PAGE_TOKENS;
        let wanted = (self.len + tokens).div_ceil(PAGE_TOKENS);
        let before = self.pages.len();
        let grown = (|| {
            if let Some(page) = self.pages.get_mut(first)
                && tokens > 0
                && Arc::get_mut(page).is_none()
            {
                *page = Arc::new(page.copy()?);
            }
            while self.pages.len() < wanted {
                self.pages.push(Arc::new(Page::zeroed(self.shape)?));
            }
            Ok(())
        })();
        match grown {
            Ok(()) => self.len += tokens,
            Err(_) => self.pages.truncate(before),
        }
        grown
    }

    fn truncate(&mut self, tokens: usize) {
        self.len = self.len.min(tokens);
        self.pages.truncate(self.len.div_ceil(PAGE_TOKENS));
    }

    fn fork(&self) -> Self {
        Self {
            shape: self.shape,
            len: self.len,
            pages: self.pages.clone(),
        }
    }

    fn bytes(&self) -> usize {
        self.pages.len() * Page::len(self.shape) * size_of::<f32>()
    }
}

impl CpuCache {
    /// Writes the last rows of one layer; `k` and `v` are `[tokens, kv_width]`.
    fn write(&mut self, layer: usize, k: &[f32], v: &[f32]) {
        let width = self.shape.kv_width;
        let half = PAGE_TOKENS * width;
        let tokens = k.len() / width;
        let mut position = self.len - tokens;
        let (mut k, mut v) = (k, v);
        while !k.is_empty() {
            let slot = position % PAGE_TOKENS;
            let n = (PAGE_TOKENS - slot).min(self.len - position) * width;
            let page = Arc::get_mut(&mut self.pages[position / PAGE_TOKENS])
                .expect("extend made the pages after the old end this sequence's alone");
            let keys = 2 * layer * half + slot * width;
            page.0[keys..keys + n].copy_from_slice(&k[..n]);
            page.0[keys + half..keys + half + n].copy_from_slice(&v[..n]);
            (k, v) = (&k[n..], &v[n..]);
            position += n / width;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: CacheShape = CacheShape {
        layers: 2,
        kv_width: 3,
    };

    fn cache() -> CpuCache {
        let options = CpuOptions {
            threads: 1,
            ..CpuOptions::default()
        };
        Cpu::new(&options).unwrap().cache(SHAPE)
    }

    #[test]
    fn a_backend_names_its_instructions_and_threads() {
        for set in InstructionSet::available() {
            let mut options = CpuOptions::default();
            (options.threads, options.isa) = (3, Some(set));
            let name = Cpu::new(&options).unwrap().name();
            assert_eq!(name, format!("cpu {set}, 3 threads"));
        }
    }

    fn push(cache: &mut CpuCache, value: f32, tokens: usize) {
        cache.extend(tokens).unwrap();
        for layer in 0..SHAPE.layers {
            let rows = vec![value + layer as f32 * 100.0; tokens * SHAPE.kv_width];
            cache.write(layer, &rows, &rows);
        }
    }

    fn key(cache: &CpuCache, layer: usize, position: usize) -> f32 {
        let page = &cache.pages[position / PAGE_TOKENS];
        page.keys(SHAPE, layer)[position % PAGE_TOKENS * SHAPE.kv_width]
    }

    #[test]
    fn forks_share_pages_until_they_write() {
        let mut a = cache();
        push(&mut a, 1.0, PAGE_TOKENS + 5);
        let mut b = a.fork();
        assert!(Arc::ptr_eq(&a.pages[1], &b.pages[1]));
        push(&mut a, 2.0, 3);
        push(&mut b, 3.0, 3);
        assert!(
            Arc::ptr_eq(&a.pages[0], &b.pages[0]),
            "the full page stays shared"
        );
        assert_eq!(key(&a, 0, PAGE_TOKENS + 5), 2.0);
        assert_eq!(key(&b, 1, PAGE_TOKENS + 5), 103.0);
        assert_eq!(key(&a, 0, PAGE_TOKENS + 4), 1.0);
        assert_eq!(key(&b, 0, PAGE_TOKENS + 4), 1.0);
    }

    #[test]
    fn truncation_frees_pages_and_new_tokens_take_the_place() {
        let mut a = cache();
        push(&mut a, 1.0, 3 * PAGE_TOKENS);
        a.truncate(PAGE_TOKENS + 1);
        assert_eq!((a.len(), a.pages.len()), (PAGE_TOKENS + 1, 2));
        push(&mut a, 2.0, 1);
        assert_eq!(key(&a, 0, PAGE_TOKENS + 1), 2.0);
        assert_eq!(key(&a, 0, PAGE_TOKENS), 1.0);
        a.truncate(99);
        assert_eq!(a.len(), PAGE_TOKENS + 2);
        a.truncate(0);
        assert!(a.is_empty() && a.bytes() == 0);
    }

    #[test]
    fn truncating_a_fork_to_a_full_page_then_writing_leaves_the_other_alone() {
        let mut a = cache();
        push(&mut a, 1.0, 2 * PAGE_TOKENS);
        let mut b = a.fork();
        b.truncate(PAGE_TOKENS + 10);
        push(&mut b, 9.0, 4);
        assert_eq!(key(&a, 0, PAGE_TOKENS + 10), 1.0);
        assert_eq!(key(&b, 0, PAGE_TOKENS + 10), 9.0);
    }
}
