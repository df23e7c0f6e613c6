//! One stored tensor: element type, shape and strides over a window of bytes.
//!
//! What a file holds becomes a [`Block`] in place wherever its rows are contiguous and aligned.
//! Anything else (a transposed view, a file whose data starts at an odd byte) is copied into
//! aligned memory when it is asked for, and only then.

use std::fmt;

use crate::bytes::{Bytes, BytesMut};
use crate::error::{Result, bail};
use crate::num::DType;

use super::Block;
use super::progress::Meter;

/// The tensors of a file under the names that they have there.
pub(super) type Named = Vec<(String, Part)>;

/// Bytes that are copied between two looks at whether the copy is still wanted.
const COPY_BLOCK: usize = 256 << 10;
/// Rows and columns of the piece of a matrix that is transposed at once: its lines stay in the
/// cache, and its pages in the table of pages.
const TILE: usize = 64;
/// More dimensions than any tensor of a language model has.
const MAX_DIMS: usize = 8;

/// The dimensions or strides of a tensor.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Dims {
    len: usize,
    sizes: [usize; MAX_DIMS],
}

impl Dims {
    pub(super) fn of(sizes: &[usize]) -> Result<Self> {
        let mut dims = Self::default();
        sizes.iter().try_for_each(|&size| dims.push(size))?;
        Ok(dims)
    }

    pub(super) fn push(&mut self, size: usize) -> Result<()> {
        let Some(last) = self.sizes.get_mut(self.len) else {
            bail!(MalformedFile, "more than {MAX_DIMS} dimensions");
        };
        *last = size;
        self.len += 1;
        Ok(())
    }
}

impl std::ops::Deref for Dims {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.sizes[..self.len]
    }
}

impl std::ops::DerefMut for Dims {
    fn deref_mut(&mut self) -> &mut [usize] {
        &mut self.sizes[..self.len]
    }
}

impl fmt::Debug for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A tensor as it is stored: element `(i, j, …)` is `i * strides[0] + j * strides[1] + …`
/// elements into `data`.
#[derive(Debug, Clone)]
pub(super) struct Part {
    dtype: DType,
    shape: Dims,
    strides: Dims,
    /// From the first element to the last, checked when the part was made.
    data: Bytes,
}

fn is_expanded(shape: &[usize], strides: &[usize]) -> bool {
    (shape.iter().zip(strides)).any(|(&d, &s)| d > 1 && s == 0)
}

impl Part {
    /// A view of `storage` that starts `offset` elements into it.
    ///
    /// Strides of zero repeat elements, so an expanded view can have more of them than its
    /// storage; a copy of one may have `room` elements.
    pub(super) fn view(
        dtype: DType,
        shape: Dims,
        strides: Dims,
        offset: usize,
        storage: &Bytes,
        room: usize,
    ) -> Result<Self> {
        if strides.len() != shape.len() {
            bail!(
                MalformedFile,
                "{} dimensions and {} strides, expected as many of both",
                shape.len(),
                strides.len()
            );
        }
        let size = dtype.size();
        let held = storage.len() / size;
        // Zeros count as ones first, so that no product of some of the dimensions overflows.
        let product = (shape.iter()).try_fold(1usize, |n, &d| n.checked_mul(d.max(1)));
        let elements = product.map(|n| if shape.contains(&0) { 0 } else { n });
        let most = match is_expanded(&shape, &strides) {
            true => held.max(room),
            false => held,
        };
        let Some(elements) = elements.filter(|&n| n <= most) else {
            bail!(
                MalformedFile,
                "shape {shape:?} claims more elements than the {held} of type {dtype} that its \
                 storage of {} bytes holds",
                storage.len()
            );
        };
        let span = if elements == 0 {
            Some(0)
        } else {
            shape
                .iter()
                .zip(strides.iter())
                .try_fold(1usize, |n, (&d, &s)| n.checked_add((d - 1).checked_mul(s)?))
        };
        let bounds = span.and_then(|span| {
            let start = if elements == 0 { 0 } else { offset };
            Some((start, start.checked_add(span).filter(|&end| end <= held)?))
        });
        let data = bounds.and_then(|(start, end)| storage.slice(start * size..end * size));
        let Some(data) = data else {
            bail!(
                MalformedFile,
                "shape {shape:?} with strides {strides:?} at element {offset} reaches past the \
                 {held} elements of type {dtype} that its storage of {} bytes holds",
                storage.len()
            );
        };
        Ok(Self {
            dtype,
            shape,
            strides,
            data,
        })
    }

    /// Whether a view repeats elements and has more than `room` of them.
    pub(super) fn is_too_expanded(shape: &[usize], strides: &[usize], room: usize) -> bool {
        let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        shape.len() == strides.len()
            && is_expanded(shape, strides)
            && elements.is_none_or(|n| n > room)
    }

    /// Whether elements are repeated.
    pub(super) fn is_expanded(&self) -> bool {
        self.elements() > self.data.len() / self.dtype.size()
    }

    /// A tensor that fills `data` exactly, row after row.
    pub(super) fn contiguous(dtype: DType, shape: &[usize], data: &Bytes) -> Result<Self> {
        let shape = Dims::of(shape)?;
        let mut strides = shape;
        strides.fill(1);
        for i in (1..shape.len()).rev() {
            // Saturated only where a checked product in `new` refuses the shape.
            strides[i - 1] = strides[i].saturating_mul(shape[i].max(1));
        }
        Self::view(dtype, shape, strides, 0, data, 0)
    }

    /// The same elements with the dimensions in reverse order: the transpose of a matrix.
    pub(super) fn transposed(mut self) -> Self {
        self.shape.reverse();
        self.strides.reverse();
        self
    }

    pub(super) fn dtype(&self) -> DType {
        self.dtype
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements, checked against the storage when the part was made.
    pub(super) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// `len` indices of the outermost dimension, from `start`: a view of the same bytes.
    pub(super) fn narrow(&self, start: usize, len: usize) -> Result<Self> {
        let mut shape = self.shape;
        match shape.first_mut() {
            Some(rows) if start.checked_add(len).is_some_and(|end| end <= *rows) => *rows = len,
            _ => bail!(
                MalformedFile,
                "shape {:?} has no {len} rows from row {start}",
                self.shape
            ),
        }
        let offset = start.saturating_mul(self.strides[0]);
        Self::view(
            self.dtype,
            shape,
            self.strides,
            offset,
            &self.data,
            self.elements(),
        )
    }

    /// Rows and columns, counted as [`Tensor`](super::Tensor) does.
    pub(super) fn matrix_shape(&self) -> (usize, usize) {
        crate::tensor::matrix_shape(&self.shape)
    }

    /// Elements from row to row, when the data can be used where it lies.
    fn row_stride(&self) -> Option<usize> {
        let (rows, cols) = self.matrix_shape();
        if self.elements() == 0 {
            return Some(cols);
        }
        let aligned = (self.data.as_slice().as_ptr() as usize).is_multiple_of(self.dtype.size());
        let unit = cols == 1 || self.strides.last().is_none_or(|&s| s == 1);
        if !aligned || !unit {
            return None;
        }
        if rows == 1 {
            return Some(cols);
        }
        // All leading dimensions must advance in steps of one common row stride.
        let leading = self.shape.len() - 1;
        let mut row_stride = None;
        let mut expected = 0;
        for (&d, &s) in self.shape[..leading].iter().zip(self.strides.iter()).rev() {
            if d == 1 {
                continue;
            }
            if row_stride.is_none() {
                row_stride = Some(s);
            } else if s != expected {
                return None;
            }
            expected = s.checked_mul(d)?;
        }
        row_stride.filter(|&s| s >= cols)
    }

    /// Bytes that [`block`](Self::block) has to allocate: none when the data serve in place.
    pub(super) fn copied_bytes(&self) -> usize {
        match self.row_stride() {
            Some(_) => 0,
            None => self.elements() * self.dtype.size(),
        }
    }

    /// The part as a block whose first element is `(row, col)` of its tensor.
    pub(super) fn block(&self, row: usize, col: usize, meter: &Meter) -> Result<Block> {
        let (rows, cols) = self.matrix_shape();
        let (row_stride, data) = match self.row_stride() {
            Some(row_stride) => (row_stride, self.data.clone()),
            None => (cols, self.gather(meter)?),
        };
        Ok(Block {
            row,
            col,
            rows,
            cols,
            row_stride,
            data,
        })
    }

    /// Copies the elements, in order, into aligned memory.
    fn gather(&self, meter: &Meter) -> Result<Bytes> {
        let size = self.dtype.size();
        if let (&[rows, cols], &[down, across]) = (&*self.shape, &*self.strides)
            && across != 1
        {
            let matrix = (rows, cols, down, across);
            return match size {
                1 => self.gather_tiles::<1>(matrix, meter),
                2 => self.gather_tiles::<2>(matrix, meter),
                4 => self.gather_tiles::<4>(matrix, meter),
                _ => self.gather_tiles::<8>(matrix, meter),
            };
        }
        let len = self.elements() * size;
        let mut out = BytesMut::reserved(len)?;
        let from = self.data.as_slice();
        // A run is a row where the last stride is one, a single element elsewhere.
        let last = self.shape.len().saturating_sub(1);
        let (run, outer) = match self.strides.last() {
            Some(1) => (self.shape[last], last),
            _ => (1, self.shape.len()),
        };
        let mut index = [0usize; MAX_DIMS];
        let (mut counted, mut start) = (0, 0);
        while start < len {
            let end = start + run * size;
            if end > out.as_slice().len() {
                // Memory is taken as it is filled: zeroing all of it first would take long.
                out.lengthen(len.min(start + COPY_BLOCK.max(run * size)));
                meter.copied(start - counted)?;
                counted = start;
            }
            let to = &mut out.as_mut_slice()[start..end];
            let at: usize = (0..outer).map(|d| index[d] * self.strides[d]).sum();
            to.copy_from_slice(&from[at * size..(at + run) * size]);
            for d in (0..outer).rev() {
                index[d] += 1;
                if index[d] < self.shape[d] {
                    break;
                }
                index[d] = 0;
            }
            start = end;
        }
        meter.copied(len - counted)?;
        Ok(out.freeze())
    }

    /// Copies a matrix whose columns are contiguous, or nothing is; `N` is the size of an element.
    fn gather_tiles<const N: usize>(
        &self,
        (rows, cols, down, across): (usize, usize, usize, usize),
        meter: &Meter,
    ) -> Result<Bytes> {
        let mut out = BytesMut::reserved(rows * cols * N)?;
        let (from, _) = self.data.as_slice().as_chunks::<N>();
        let mut counted = 0;
        for top in (0..rows).step_by(TILE) {
            let bottom = rows.min(top + TILE);
            out.lengthen(bottom * cols * N);
            let (to, _) = out.as_mut_slice()[top * cols * N..].as_chunks_mut::<N>();
            for left in (0..cols).step_by(TILE) {
                for c in left..cols.min(left + TILE) {
                    for r in top..bottom {
                        to[(r - top) * cols + c] = from[r * down + c * across];
                    }
                }
                counted += (bottom - top) * (cols - left).min(TILE) * N;
                if counted >= COPY_BLOCK {
                    meter.copied(std::mem::take(&mut counted))?;
                }
            }
        }
        meter.copied(counted)?;
        Ok(out.freeze())
    }

    /// Whether two parts hold the same numbers, bit for bit.
    pub(super) fn same_bits(&self, other: &Self, meter: &Meter) -> Result<bool> {
        if self.dtype != other.dtype || self.shape != other.shape {
            return Ok(false);
        }
        let (a, b) = (self.block(0, 0, meter)?, other.block(0, 0, meter)?);
        let size = self.dtype.size();
        Ok((0..a.rows).all(|r| a.row_bytes(r, size) == b.row_bytes(r, size)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: u16) -> Bytes {
        let raw: Vec<u8> = (0..n).flat_map(u16::to_le_bytes).collect();
        Bytes::copy_from(&raw).unwrap()
    }

    fn part(shape: &[usize], strides: &[usize], offset: usize, storage: &Bytes) -> Result<Part> {
        let (shape, strides) = (Dims::of(shape)?, Dims::of(strides)?);
        Part::view(DType::F16, shape, strides, offset, storage, 0)
    }

    #[test]
    fn expanded_views_are_copied_as_far_as_there_is_room() {
        let storage = numbers(3);
        let view = |room| {
            let shape = Dims::of(&[4, 3]).unwrap();
            Part::view(
                DType::F16,
                shape,
                Dims::of(&[0, 1]).unwrap(),
                0,
                &storage,
                room,
            )
        };
        assert!(view(11).is_err());
        let part = view(12).unwrap();
        assert_eq!((part.is_expanded(), part.copied_bytes()), (true, 24));
        let block = part.block(0, 0, &Meter::default()).unwrap();
        let got = block.data.as_slice_of::<u16>().unwrap();
        assert_eq!(got, [0, 1, 2].repeat(4));
        assert_eq!(part.narrow(2, 2).unwrap().copied_bytes(), 12);
    }

    #[test]
    fn rows_with_gaps_stay_in_place_and_transposes_are_copied() {
        let storage = numbers(24);
        let gaps = part(&[3, 4], &[6, 1], 2, &storage).unwrap();
        assert_eq!(gaps.copied_bytes(), 0);
        let block = gaps.block(0, 0, &Meter::default()).unwrap();
        assert_eq!((block.rows, block.cols, block.row_stride), (3, 4, 6));
        assert_eq!(
            block.data.as_slice_of::<u16>().unwrap()[6..10],
            [8, 9, 10, 11]
        );

        let transposed = part(&[4, 3], &[1, 6], 2, &storage).unwrap();
        assert_eq!(transposed.copied_bytes(), 24);
        let block = transposed.block(0, 0, &Meter::default()).unwrap();
        let got = block.data.as_slice_of::<u16>().unwrap();
        assert_eq!(got, [2, 8, 14, 3, 9, 15, 4, 10, 16, 5, 11, 17]);
    }

    #[test]
    fn matrices_of_several_tiles_are_transposed() {
        let (rows, cols) = (TILE + 3, 2 * TILE + 1);
        for dtype in [DType::I8, DType::BF16, DType::F32, DType::I64] {
            let size = dtype.size();
            // Element `i` is the number `i`, as far as it fits.
            let raw: Vec<u8> = (0..rows * cols)
                .flat_map(|i| (i as u64).to_le_bytes().into_iter().take(size))
                .collect();
            let stored = Part::contiguous(dtype, &[cols, rows], &Bytes::copy_from(&raw).unwrap());
            let part = stored.unwrap().transposed();
            assert_eq!(part.shape(), [rows, cols]);
            assert_eq!(part.copied_bytes(), raw.len());
            let block = part.block(0, 0, &Meter::default()).unwrap();
            for (r, c) in [(0, 0), (0, 1), (1, 0), (TILE, TILE), (rows - 1, cols - 1)] {
                let expected = &raw[(c * rows + r) * size..][..size];
                assert_eq!(&block.row_bytes(r, size)[c * size..][..size], expected);
            }
            // There and back is the same.
            let back = Part::contiguous(dtype, &[rows, cols], &block.data);
            let back = back.unwrap().transposed().block(0, 0, &Meter::default());
            assert_eq!(back.unwrap().data.as_slice(), raw);
        }
    }

    #[test]
    fn odd_addresses_are_copied_and_leading_dimensions_collapse() {
        let storage = numbers(13).slice(1..25).unwrap();
        let part = Part::contiguous(DType::F16, &[3, 4], &storage).unwrap();
        assert_eq!(part.copied_bytes(), 24);
        assert!(
            part.block(0, 0, &Meter::default())
                .unwrap()
                .data
                .as_slice_of::<u16>()
                .is_some()
        );

        let cube = Part::contiguous(DType::F16, &[2, 3, 4], &numbers(24)).unwrap();
        let block = cube.block(0, 0, &Meter::default()).unwrap();
        assert_eq!((block.rows, block.cols, block.row_stride), (6, 4, 4));
        assert_eq!(
            cube.narrow(1, 1)
                .unwrap()
                .block(0, 0, &Meter::default())
                .unwrap()
                .rows,
            3
        );
    }

    #[test]
    fn claims_past_the_storage_are_refused() {
        let storage = numbers(12);
        let huge = usize::MAX;
        for (shape, strides, offset) in [
            (&[13][..], &[1][..], 0),
            (&[12], &[1], 1),
            (&[1], &[1], huge),
            (&[huge, 2], &[0, 0], 0),
            (&[2, 2], &[huge, 1], 0),
            (&[1000, 1000], &[0, 0], 0),
            (&[1], &[1, 1], 0),
            (&[1; 9], &[1; 9], 0),
            (&[0, huge, huge], &[1, 1, 1], 0),
        ] {
            let error = part(shape, strides, offset, &storage).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::MalformedFile);
        }
        let none = part(&[0, huge], &[1, 1], huge, &storage).unwrap();
        assert_eq!((none.elements(), none.copied_bytes()), (0, 0));
    }
}
