//! A weight matrix where it lies: one element type, any number of mapped pieces.
//!
//! A checkpoint in tensor-parallel shards has its matrices cut along rows or along columns. A
//! [`Matrix`] keeps the pieces as bands of rows, each with its segments of columns, so that the
//! kernels read shards in place. Layouts of one matrix give the same bits.

use half::{bf16, f16};

use super::generic::dot::Segment;
use super::generic::widen::Widen;
use super::isa::Isa;
use super::scratch::Scratch;
use super::simd::{ACC, Element};
use crate::bytes::Bytes;
use crate::error::{Result, bail};
use crate::num::DType;
use crate::tensor::{Block, Tensor};

/// A matrix of `f32`, `f16` or `bf16`, row-major within each piece.
#[derive(Debug)]
pub struct Matrix {
    dtype: DType,
    rows: usize,
    cols: usize,
    bands: Vec<Band>,
}

/// Consecutive rows whose columns are cut at the same places.
#[derive(Debug)]
struct Band {
    row: usize,
    rows: usize,
    /// Whether every segment starts at a multiple of [`ACC`], as the dot kernel needs.
    aligned: bool,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    col: usize,
    cols: usize,
    stride: usize,
    data: Bytes,
}

impl Matrix {
    /// A view of a tensor. Copies nothing.
    ///
    /// # Errors
    /// [`UnsupportedFile`](crate::ErrorKind::UnsupportedFile) for an element type that weights do
    /// not have; [`Internal`](crate::ErrorKind::Internal) for blocks that do not tile the tensor,
    /// are misaligned or too short, which a weight source must not hand out.
    pub fn new(tensor: &Tensor) -> Result<Self> {
        let (rows, cols) = tensor.matrix_shape();
        let (name, dtype) = (&tensor.info.name, tensor.info.dtype);
        if !dtype.is_weight() {
            bail!(
                UnsupportedFile,
                "{name} has elements of type {dtype}, expected f32, f16 or bf16"
            );
        }
        let mut bands: Vec<Band> = Vec::new();
        for block in &tensor.blocks {
            check_block(name, dtype, block)?;
            let piece = Piece {
                col: block.col,
                cols: block.cols,
                stride: block.row_stride,
                data: block.data.clone(),
            };
            let aligned = block.col.is_multiple_of(ACC);
            match bands.last_mut() {
                Some(band) if band.row == block.row && band.rows == block.rows => {
                    band.aligned &= aligned;
                    band.pieces.push(piece);
                }
                _ => bands.push(Band {
                    row: block.row,
                    rows: block.rows,
                    aligned,
                    pieces: vec![piece],
                }),
            }
        }
        let mut next_row = 0;
        for band in &bands {
            let mut next_col = 0;
            for piece in &band.pieces {
                if piece.col != next_col {
                    bail!(Internal, "{name}: blocks leave a gap at column {next_col}");
                }
                next_col += piece.cols;
            }
            if band.row != next_row || next_col != cols {
                bail!(Internal, "{name}: blocks do not tile rows from {next_row}");
            }
            next_row += band.rows;
        }
        if next_row != rows {
            bail!(Internal, "{name}: blocks cover {next_row} of {rows} rows");
        }
        Ok(Self {
            dtype,
            rows,
            cols,
            bands,
        })
    }

    /// Rows, which is outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns, which is inputs.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Writes `rows` rows from `row` on, widened, one after the other.
    ///
    /// # Panics
    /// When the rows are not there or `out` is not `rows * cols` long.
    pub fn widen(&self, isa: Isa, row: usize, rows: usize, out: &mut [f32]) {
        assert!(row + rows <= self.rows && out.len() == rows * self.cols);
        match self.dtype {
            DType::F16 => self.widen_as::<f16>(isa, row, rows, out),
            DType::BF16 => self.widen_as::<bf16>(isa, row, rows, out),
            _ => self.widen_as::<f32>(isa, row, rows, out),
        }
    }

    fn widen_as<T: Element>(&self, isa: Isa, row: usize, rows: usize, out: &mut [f32]) {
        self.for_each_band(row, rows, |band, first, n, done| {
            for piece in &band.pieces {
                let values = piece.elements::<T>();
                for r in 0..n {
                    let from = (first + r) * piece.stride;
                    let to = (done + r) * self.cols + piece.col;
                    isa.dispatch(Widen {
                        values: &values[from..from + piece.cols],
                        out: &mut out[to..to + piece.cols],
                    });
                }
            }
        });
    }

    /// Calls `visit` with the segments of each run of rows between `row` and `row + rows` and
    /// with how many rows came before. Rows whose pieces do not suit the kernels are widened
    /// into one piece of `f32` first, which changes no bit of the result.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory) for that piece.
    pub(super) fn for_each_run(
        &self,
        isa: Isa,
        scratch: &Scratch,
        row: usize,
        rows: usize,
        visit: &mut dyn FnMut(Run<'_>, usize),
    ) -> Result<()> {
        let mut result = Ok(());
        self.for_each_band(row, rows, |band, first, n, done| {
            if result.is_err() {
                return;
            }
            if !band.aligned {
                result = scratch.with(n * self.cols, |values| {
                    self.widen(isa, row + done, n, values);
                    let whole = Segment {
                        col: 0,
                        cols: self.cols,
                        stride: self.cols,
                        data: values,
                    };
                    visit(Run::F32(n, &[whole]), done);
                });
                return;
            }
            match self.dtype {
                DType::F16 => visit(Run::F16(n, &band.segments(first)), done),
                DType::BF16 => visit(Run::BF16(n, &band.segments(first)), done),
                _ => visit(Run::F32(n, &band.segments(first)), done),
            }
        });
        result
    }

    /// Calls `visit(band, first row within it, number of rows, rows done before)`.
    fn for_each_band(
        &self,
        row: usize,
        rows: usize,
        mut visit: impl FnMut(&Band, usize, usize, usize),
    ) {
        let mut done = 0;
        let start = self.bands.partition_point(|b| b.row + b.rows <= row);
        for band in &self.bands[start..] {
            if done == rows {
                break;
            }
            let first = row + done - band.row;
            let n = (band.rows - first).min(rows - done);
            visit(band, first, n, done);
            done += n;
        }
    }
}

/// Consecutive rows in one type: how many, and where their columns are.
pub(super) enum Run<'a> {
    F32(usize, &'a [Segment<'a, f32>]),
    F16(usize, &'a [Segment<'a, f16>]),
    BF16(usize, &'a [Segment<'a, bf16>]),
}

impl Band {
    fn segments<T: Element>(&self, first: usize) -> Vec<Segment<'_, T>> {
        self.pieces
            .iter()
            .map(|piece| Segment {
                col: piece.col,
                cols: piece.cols,
                stride: piece.stride,
                data: &piece.elements::<T>()[first * piece.stride..],
            })
            .collect()
    }
}

impl Piece {
    fn elements<T: Element>(&self) -> &[T] {
        self.data
            .as_slice_of()
            .expect("alignment and length were checked when the matrix was made")
    }
}

fn check_block(name: &str, dtype: DType, block: &Block) -> Result<()> {
    let needed = block
        .rows
        .checked_sub(1)
        .and_then(|r| r.checked_mul(block.row_stride))
        .and_then(|n| n.checked_add(block.cols))
        .and_then(|n| n.checked_mul(dtype.size()));
    let Some(needed) = needed.filter(|_| block.row_stride >= block.cols) else {
        bail!(Internal, "{name}: a block has no rows or overlaps itself");
    };
    let aligned = (block.data.as_slice().as_ptr() as usize).is_multiple_of(dtype.size())
        && block.data.len().is_multiple_of(dtype.size());
    if block.data.len() < needed || !aligned {
        bail!(
            Internal,
            "{name}: a block of {} bytes should have {needed}, aligned to {}",
            block.data.len(),
            dtype.size()
        );
    }
    Ok(())
}
