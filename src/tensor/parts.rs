//! Parts of a stored tensor: some of its outputs, in place, or a copy that is the other way round.

use super::{Block, Tensor};
use crate::bytes::BytesMut;
use crate::error::{Result, bail};
use crate::memory;

/// Rows and columns that are transposed at a time, so that both sides stay in the cache.
const TILE: usize = 64;

impl Block {
    /// `count` rows, or columns of one row, from `start` on, in place.
    fn part(&self, of_columns: bool, start: usize, count: usize, size: usize) -> Option<Self> {
        let (first, end) = match of_columns {
            true => (start, start + count),
            false => {
                let first = start * self.row_stride;
                (first, first + (count - 1) * self.row_stride + self.cols)
            }
        };
        let mut part = self.clone();
        part.data = self.data.slice(first * size..end * size)?;
        match of_columns {
            true => part.cols = count,
            false => part.rows = count,
        }
        Some(part)
    }
}

impl Tensor {
    /// `count` outputs from `start` on of each of `groups` equal groups, one after the other: rows of
    /// a matrix, elements of a vector. Copies nothing.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorKind::Internal) for outputs that are not there.
    pub(crate) fn outputs(mut self, groups: usize, start: usize, count: usize) -> Result<Self> {
        let of_columns = self.info.shape.len() == 1;
        let size = self.info.dtype.size();
        let all = self.info.shape.first().copied().unwrap_or(0);
        let group = all.checked_div(groups).unwrap_or(0);
        let mut blocks = memory::try_vec(groups)?;
        for g in 0..groups {
            let (from, to) = (g * group + start, g * group + start + count);
            for block in &self.blocks {
                let (first, n) = match of_columns {
                    true => (block.col, block.cols),
                    false => (block.row, block.rows),
                };
                let (low, high) = (from.max(first), to.min(first + n));
                if low >= high {
                    continue;
                }
                let part = block.part(of_columns, low - first, high - low, size);
                let Some(mut part) = part else {
                    bail!(
                        Internal,
                        "`{}` has no outputs {from} to {to}",
                        self.info.name
                    );
                };
                let place = g * count + (low - from);
                match of_columns {
                    true => part.col = place,
                    false => part.row = place,
                }
                memory::push(&mut blocks, part)?;
            }
        }
        self.info.shape[0] = groups * count;
        self.blocks = blocks;
        Ok(self)
    }

    /// A copy of a matrix `[in, out]` as `[out, in]`, or of `count` outputs from `start` on;
    /// `progress` is called with the bytes that were copied since the last time.
    ///
    /// # Errors
    /// Those of `progress`, [`OutOfMemory`](crate::ErrorKind::OutOfMemory), and
    /// [`Internal`](crate::ErrorKind::Internal) for outputs that are not there.
    pub(crate) fn transposed(
        mut self,
        progress: &mut dyn FnMut(usize) -> Result<()>,
        outputs: Option<(usize, usize)>,
    ) -> Result<Self> {
        let &[inputs, all] = &self.info.shape[..] else {
            bail!(Internal, "`{}` is no matrix", self.info.name);
        };
        let (start, count) = outputs.unwrap_or((0, all));
        if start.checked_add(count).is_none_or(|end| end > all) {
            bail!(
                Internal,
                "`{}` has no {count} outputs from {start} on",
                self.info.name
            );
        }
        let size = self.info.dtype.size();
        let mut out = BytesMut::zeroed(inputs * count * size)?;
        for block in &self.blocks {
            let (first, end) = (
                start.max(block.col),
                (start + count).min(block.col + block.cols),
            );
            for rows in (0..block.rows).step_by(TILE) {
                let rows = rows..block.rows.min(rows + TILE);
                for cols in (first..end).step_by(TILE) {
                    for c in cols..end.min(cols + TILE) {
                        let column = (c - start) * inputs + block.row;
                        for r in rows.clone() {
                            let from = (c - block.col) * size;
                            let to = (column + r) * size;
                            let value = &block.row_bytes(r, size)[from..from + size];
                            out.as_mut_slice()[to..to + size].copy_from_slice(value);
                        }
                    }
                }
                progress(rows.len() * end.saturating_sub(first) * size)?;
            }
        }
        self.info.shape = vec![count, inputs];
        self.blocks = vec![Block {
            row: 0,
            col: 0,
            rows: count,
            cols: inputs,
            row_stride: inputs,
            data: out.freeze(),
        }];
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Bytes;
    use crate::num::DType;
    use crate::tensor::TensorInfo;

    /// A tensor whose elements are their own places, in one block or in several.
    fn numbered(shape: &[usize], blocks: &[(usize, usize, usize, usize)]) -> Tensor {
        let (_, width) = crate::tensor::matrix_shape(shape);
        let block = |&(row, col, rows, cols): &(usize, usize, usize, usize)| {
            let values = (0..rows * cols).map(|i| (row + i / cols) * width + col + i % cols);
            let bytes: Vec<u8> = values.flat_map(|v| (v as u16).to_le_bytes()).collect();
            Block {
                row,
                col,
                rows,
                cols,
                row_stride: cols,
                data: Bytes::copy_from(&bytes).unwrap(),
            }
        };
        Tensor {
            info: TensorInfo {
                name: "t".into(),
                dtype: DType::F16,
                shape: shape.to_vec(),
            },
            blocks: blocks.iter().map(block).collect(),
        }
    }

    fn values(tensor: &Tensor) -> Vec<u16> {
        let mut all = Vec::new();
        tensor
            .for_each_run(&mut |run| {
                let pairs = run.chunks_exact(2);
                all.extend(pairs.map(|b| u16::from_le_bytes([b[0], b[1]])));
                Ok(())
            })
            .unwrap();
        all
    }

    #[test]
    fn outputs_of_groups_are_found_in_place() {
        for blocks in [&[(0, 0, 6, 2)][..], &[(0, 0, 5, 2), (5, 0, 1, 2)]] {
            let part = numbered(&[6, 2], blocks).outputs(2, 1, 2).unwrap();
            assert_eq!(part.info.shape, [4, 2]);
            assert_eq!(values(&part), [2, 3, 4, 5, 8, 9, 10, 11]);
        }
        let vector = numbered(&[6], &[(0, 0, 1, 6)]).outputs(3, 1, 1).unwrap();
        assert_eq!(values(&vector), [1, 3, 5]);
    }

    #[test]
    fn a_matrix_turns_round() {
        for blocks in [&[(0, 0, 100, 70)][..], &[(0, 0, 100, 3), (0, 3, 100, 67)]] {
            let matrix = || numbered(&[100, 70], blocks);
            let copied = std::cell::Cell::new(0);
            let mut count = |bytes| {
                copied.set(copied.get() + bytes);
                Ok(())
            };
            let turned = matrix().transposed(&mut count, None).unwrap();
            assert_eq!(turned.info.shape, [70, 100]);
            let expected: Vec<u16> = (0..7000).map(|i| i % 100 * 70 + i / 100).collect();
            assert_eq!(values(&turned), expected);
            let some = matrix().transposed(&mut count, Some((2, 3))).unwrap();
            assert_eq!(some.info.shape, [3, 100]);
            assert_eq!(values(&some), expected[200..500]);
            assert_eq!(copied.get(), 2 * (7000 + 300));
            assert!(matrix().transposed(&mut count, Some((68, 3))).is_err());
        }
    }
}
