//! A named tensor where it lies: the form in which weights pass from files to backends.
//!
//! Descriptions and walks over bytes, no arithmetic.
#![forbid(unsafe_code)]

mod parts;

pub use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind, Result};
use crate::num::DType;

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
    pub(crate) fn row_bytes(&self, r: usize, size: usize) -> &[u8] {
        let start = r * self.row_stride * size;
        let end = start + self.cols * size;
        self.data.as_slice().get(start..end).unwrap_or_default()
    }

    /// The first `rows` rows.
    pub(crate) fn head(mut self, rows: usize, size: usize) -> Self {
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
pub(crate) fn matrix_shape(shape: &[usize]) -> (usize, usize) {
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

    fn uncovered(&self, row: usize, col: usize) -> Error {
        Error::new(
            ErrorKind::Internal,
            format!(
                "the blocks of tensor `{}` do not cover it once, at row {row}, column {col}",
                self.info.name
            ),
        )
    }
}

/// How the weights of a packed matrix are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PackedScheme {
    /// Eight bits, one scale a row: the paper's quantization (section 2.5).
    Int8,
    /// Four bits; 32 inputs of a row share a multiplier of four bits, a row has a scale.
    Int4,
}

impl PackedScheme {
    /// The name used in messages and in the command line: `int8`, `int4`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int4 => "int4",
        }
    }
}

impl std::fmt::Display for PackedScheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A quantized matrix where it lies, in the order in which the kernels read it.
///
/// `kernels::packed` documents that order and checks the lengths of the parts.
#[derive(Debug, Clone)]
pub struct PackedTensor {
    /// Canonical name.
    pub name: String,
    /// How the weights are stored.
    pub scheme: PackedScheme,
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub cols: usize,
    /// The weights.
    pub codes: Bytes,
    /// Multipliers of groups; nothing for [`PackedScheme::Int8`].
    pub multipliers: Bytes,
    /// One f16 a row.
    pub scales: Bytes,
}

/// A weight matrix as a checkpoint holds it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Stored {
    /// Numbers, row after row.
    Dense(Tensor),
    /// Quantized.
    Packed(PackedTensor),
}
