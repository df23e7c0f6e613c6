//! The output of a linear layer, divided among tasks by columns.
//!
//! The rows of a weight matrix are the columns of the output, so a task that has some rows writes
//! a band of every token's output. Bands are disjoint, which the borrow checker cannot see.

use std::ops::Range;

/// A row-major matrix whose columns are handed out in bands.
pub(super) struct Columns<'a> {
    data: *mut f32,
    tokens: usize,
    width: usize,
    _borrow: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: this is a `&mut [f32]` that is only accessed through bands, whose disjointness is the
// caller's promise.
unsafe impl Sync for Columns<'_> {}

impl<'a> Columns<'a> {
    /// `data` as `tokens` rows of `width`.
    pub(super) fn new(data: &'a mut [f32], tokens: usize, width: usize) -> Self {
        assert_eq!(data.len(), tokens * width);
        Self {
            data: data.as_mut_ptr(),
            tokens,
            width,
            _borrow: std::marker::PhantomData,
        }
    }

    /// Columns `columns` of every token.
    ///
    /// # Safety
    /// Bands that are alive at the same time must not overlap.
    pub(super) unsafe fn band(&self, columns: Range<usize>) -> Band<'_> {
        assert!(columns.start <= columns.end && columns.end <= self.width);
        Band {
            columns: self,
            range: columns,
        }
    }
}

/// Some columns of every row of [`Columns`], borrowed for writing.
pub(super) struct Band<'a> {
    columns: &'a Columns<'a>,
    range: Range<usize>,
}

impl Band<'_> {
    /// Rows of the matrix.
    pub(super) fn tokens(&self) -> usize {
        self.columns.tokens
    }

    /// The columns of this band in one row.
    pub(super) fn token(&mut self, token: usize) -> &mut [f32] {
        assert!(token < self.columns.tokens);
        let start = token * self.columns.width + self.range.start;
        // SAFETY: token and range are inside the matrix, and this band alone has these columns.
        unsafe { std::slice::from_raw_parts_mut(self.columns.data.add(start), self.range.len()) }
    }

    /// `band = x · panelᵀ`, with `x` `[tokens, k]` and `panel` `[columns of the band, k]`.
    pub(super) fn product(&mut self, x: &[f32], panel: &[f32], k: usize) {
        let (m, n, width) = (self.columns.tokens, self.range.len(), self.columns.width);
        assert!(x.len() == m * k && panel.len() == n * k);
        // SAFETY: x is m rows of k, the panel read with swapped strides k rows of n, both as
        // asserted; the result goes to m rows of n at distance `width`, the columns of this band.
        unsafe {
            matrixmultiply::sgemm(
                m,
                k,
                n,
                1.0,
                x.as_ptr(),
                k as isize,
                1,
                panel.as_ptr(),
                1,
                k as isize,
                0.0,
                self.columns.data.add(self.range.start),
                width as isize,
                1,
            );
        }
    }
}
