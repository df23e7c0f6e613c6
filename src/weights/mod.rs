//! Checkpoints: from bytes on disk to named tensor views.
//!
//! A [`WeightSource`] is an opened checkpoint whose tensors carry the names of the published
//! single-file form, flattened (see [`WeightSource`] for the list), whatever layout the file has:
//! split or merged query-key-value, one file or tensor-parallel shards. Opening maps files and
//! reads their tables; no weight is touched or copied. A tensor that is spread over shards comes
//! as several [`Block`]s.
//!
//! This module knows formats. It does not know layers, configurations or arithmetic.
#![forbid(unsafe_code)]

mod assembled;
mod keymap;
mod open;
mod part;
pub mod pickle;
mod pytorch;
pub mod safetensors;
pub mod zip;

use std::fmt;

use crate::bytes::Bytes;
use crate::error::Result;
use crate::num::DType;

pub use open::{MemoryMode, from_bytes, locate, open};

/// Name, element type and shape of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Canonical name, for instance `layers.0.attention.query.weight`.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Dimensions, outermost first: `[out, in]` for the weight of a linear layer.
    pub shape: Vec<usize>,
}

impl TensorInfo {
    /// Number of elements. Sources check that this does not overflow before they hand out an
    /// info.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Number of bytes, likewise checked by the source.
    pub fn bytes(&self) -> usize {
        self.elements() * self.dtype.size()
    }
}

/// A rectangle of a tensor, where it lies in memory.
///
/// Rows are contiguous: element `(r, c)` of the block starts at byte
/// `(r * row_stride + c) * dtype.size()` of `data`.
#[derive(Debug, Clone)]
pub struct Block {
    /// First row of the tensor that this block covers.
    pub row: usize,
    /// First column of the tensor that this block covers.
    pub col: usize,
    /// Rows covered.
    pub rows: usize,
    /// Columns covered.
    pub cols: usize,
    /// Elements from the start of one row to the start of the next, at least `cols`.
    pub row_stride: usize,
    /// From the first element of the first row to the last of the last, aligned to the element.
    pub data: Bytes,
}

impl Block {
    /// The bytes of row `r` of this block, `size` bytes an element; nothing when `r` is past the
    /// end.
    fn row_bytes(&self, r: usize, size: usize) -> &[u8] {
        let start = r * self.row_stride * size;
        let end = start + self.cols * size;
        self.data.as_slice().get(start..end).unwrap_or_default()
    }

    /// The first `rows` rows.
    fn head(mut self, rows: usize, size: usize) -> Self {
        if rows < self.rows {
            let len = match rows {
                0 => 0,
                n => ((n - 1) * self.row_stride + self.cols) * size,
            };
            self.rows = rows;
            self.data = self.data.slice(0..len).unwrap_or_else(Bytes::empty);
        }
        self
    }
}

/// Rows and columns of a shape, see [`Tensor`].
fn matrix_shape(shape: &[usize]) -> (usize, usize) {
    match shape {
        [] => (1, 1),
        [leading @ .., cols] => (leading.iter().product(), *cols),
    }
}

/// A tensor as blocks that cover it exactly once.
///
/// A tensor of one dimension `[n]` counts as one row of `n` columns; one of more than two has its
/// leading dimensions multiplied into rows. Blocks are sorted by `(row, col)`.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// What it is.
    pub info: TensorInfo,
    /// Where it is.
    pub blocks: Vec<Block>,
}

impl Tensor {
    /// Rows and columns as the blocks count them.
    pub fn matrix_shape(&self) -> (usize, usize) {
        matrix_shape(&self.info.shape)
    }

    /// Drops what lies past the first `rows` indices of the outermost of two dimensions: the
    /// rows of a word embedding that are beyond the vocabulary. Copies nothing.
    #[must_use]
    pub fn take_rows(mut self, rows: usize) -> Self {
        if self.info.shape.len() == 2 && rows < self.info.shape[0] {
            let size = self.info.dtype.size();
            self.info.shape[0] = rows;
            self.blocks.retain(|b| b.row < rows);
            self.blocks = (self.blocks.into_iter())
                .map(|b| {
                    let left = rows - b.row;
                    b.head(left, size)
                })
                .collect();
        }
        self
    }

    /// Hands out the bytes of every element, row after row, in runs that are contiguous where
    /// they lie: the whole tensor at once, or a piece of a row of each block.
    ///
    /// # Errors
    /// Those of `each`, and [`Internal`](crate::ErrorKind::Internal) when the blocks do not
    /// cover the tensor.
    pub fn for_each_run(&self, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let size = self.info.dtype.size();
        let (rows, cols) = self.matrix_shape();
        let mut blocks = &self.blocks[..];
        let mut row = 0;
        while let Some(first) = blocks.first() {
            // Blocks side by side have the same rows.
            let beside = blocks.iter().take_while(|b| b.row == first.row).count();
            let (band, rest) = blocks.split_at(beside);
            let mut col = 0;
            for block in band {
                if (block.row, block.rows, block.col) != (row, first.rows, col) {
                    return Err(self.uncovered(block.row, block.col));
                }
                col += block.cols;
            }
            if col != cols {
                return Err(self.uncovered(row, col));
            }
            if let [block] = band
                && block.row_stride == cols
            {
                each(block.data.as_slice())?;
            } else {
                for r in 0..first.rows {
                    for block in band {
                        each(block.row_bytes(r, size))?;
                    }
                }
            }
            row += first.rows;
            blocks = rest;
        }
        if row != rows {
            return Err(self.uncovered(row, 0));
        }
        Ok(())
    }

    fn uncovered(&self, row: usize, col: usize) -> crate::Error {
        crate::Error::new(
            crate::ErrorKind::Internal,
            format!(
                "the blocks of tensor `{}` do not cover it once, at row {row}, column {col}",
                self.info.name
            ),
        )
    }
}

/// Bytes of opened files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Footprint {
    /// In mapped files: they take memory only as far as they are read, and the system may take
    /// that back.
    pub mapped: u64,
    /// In allocations.
    pub owned: u64,
}

/// An opened checkpoint under canonical names.
///
/// Canonical names are `word_embeddings.weight`, `position_embeddings.weight`,
/// `top_query_embeddings.weight`, `final_layernorm.{weight,bias}`, and, below `layers.{i}.` and
/// `topQueryLayer.`: `input_layernorm.*`, `attention.{query,key,value,dense}.*`,
/// `post_attention_layernorm.*`, `mlp.{dense_h_to_4h,dense_4h_to_h}.*`, each with `weight` and
/// `bias`.
pub trait WeightSource: Send + Sync + fmt::Debug {
    /// Every tensor, in the canonical order: embeddings, layers by number, final layer norm, top
    /// query layer; what is unknown comes last.
    fn tensors(&self) -> &[TensorInfo];

    /// The bytes of a tensor. Touches none of them.
    ///
    /// # Errors
    /// [`MissingTensor`](crate::ErrorKind::MissingTensor), naming the tensor and the file.
    fn tensor(&self, name: &str) -> Result<Tensor>;

    /// Text metadata stored in the file itself (safetensors has some, `.pt` has none).
    fn metadata(&self) -> &[(String, String)] {
        &[]
    }

    /// Reads every copy of a tensor that several shards repeat, and compares them.
    ///
    /// # Errors
    /// [`MalformedFile`](crate::ErrorKind::MalformedFile), naming the tensor and the files that
    /// disagree.
    fn verify_copies(&self, name: &str) -> Result<()> {
        let _ = name;
        Ok(())
    }

    /// Bytes that [`tensor`](Self::tensor) has to allocate for this one, because its data cannot
    /// be used where they lie; none for nearly every tensor of nearly every file.
    fn copied_bytes(&self, name: &str) -> u64 {
        let _ = name;
        0
    }

    /// Bytes of the files as opened: mapped, and held in memory of their own.
    fn footprint(&self) -> Footprint {
        Footprint::default()
    }

    /// What and where it is, for messages: `merged_qkv.pt (PyTorch, merged QKV)`.
    fn describe(&self) -> String;

    /// The description of one tensor, if it is there.
    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors().iter().find(|t| t.name == name)
    }
}
