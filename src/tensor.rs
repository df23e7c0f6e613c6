//! A named tensor where it lies: the form in which weights pass from files to backends.
//!
//! Plain descriptions, no arithmetic.

use crate::bytes::Bytes;
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
        let cols = self.info.shape.last().copied().unwrap_or(1);
        let rows = match self.info.shape.len() {
            0 | 1 => 1,
            n => self.info.shape[..n - 1].iter().product(),
        };
        (rows, cols)
    }
}
