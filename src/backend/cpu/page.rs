//! One page of a KV cache: the keys and values of [`PAGE_TOKENS`] tokens in every layer, in one of
//! three formats.
//!
//! ```text
//! page   [layers][kv_heads] of
//!   keys    scales [tokens]                  (int8 alone)
//!           numbers [head_dim][tokens]
//!   values  scales [tokens]                  (int8 alone)
//!           numbers [tokens][head_dim padded to a multiple of 32]
//! ```
//!
//! What one head reads of a page is one run of memory. Keys lie transposed, as the kernel wants
//! them; see [`crate::kernels::generic::attention`]. Every part starts on a cache line.

use std::ops::Range;
use std::sync::Arc;

use bytemuck::Pod;
use half::f16;
use half::slice::HalfFloatSliceExt;

use super::ActivationFormat;
use crate::backend::kv::{Budget, PAGE_TOKENS, PagePool};
use crate::backend::{CacheShape, KvFormat};
use crate::bytes::BytesMut;
use crate::error::{Result, bail};
use crate::kernels::generic::attention::{BLOCK_TOKENS, Block};
use crate::num::ROUND_MAGIC;
use crate::threads::Crew;

// A page is a block of the kernel.
const _: () = assert!(PAGE_TOKENS == BLOCK_TOKENS);

type Lanes<T> = [T; BLOCK_TOKENS];

/// Largest code of an int8 number; -128 is not used.
const MAX_CODE: f32 = 127.0;
/// The sign bit of a number.
const SIGN: u32 = 1 << 31;
/// Rows of keys and values that make it worth dividing the heads over threads.
const SHARED_ROWS: usize = 4;

/// Where things lie in a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub shape: CacheShape,
    pub format: KvFormat,
}

impl Layout {
    fn scales(self) -> usize {
        match self.format {
            KvFormat::Int8 => size_of::<Lanes<f32>>(),
            KvFormat::F32 | KvFormat::F16 => 0,
        }
    }

    fn key_bytes(self) -> usize {
        self.scales() + self.shape.head_dim * PAGE_TOKENS * self.format.element_bytes()
    }

    fn value_bytes(self) -> usize {
        let width = self.shape.head_dim.next_multiple_of(PAGE_TOKENS);
        self.scales() + PAGE_TOKENS * width * self.format.element_bytes()
    }

    fn head_bytes(self) -> usize {
        // Values are whole chunks of 32 numbers, keys need not be whole lines.
        self.key_bytes().next_multiple_of(64) + self.value_bytes().next_multiple_of(64)
    }

    fn layer_bytes(self) -> usize {
        self.shape.kv_heads * self.head_bytes()
    }

    pub fn page_bytes(self) -> usize {
        self.shape.layers * self.layer_bytes()
    }

    /// Where the numbers of the first `tokens` of a page lie in one layer, in the order of
    /// [`PagePool::read`].
    fn runs(self, layer: usize, tokens: usize) -> impl Iterator<Item = Range<usize>> {
        let size = self.format.element_bytes();
        let width = self.shape.head_dim.next_multiple_of(PAGE_TOKENS);
        let scales = self.scales();
        let run = move |start: usize, numbers: usize, size: usize| start..start + numbers * size;
        (0..self.shape.kv_heads).flat_map(move |head| {
            let keys = layer * self.layer_bytes() + head * self.head_bytes();
            let values = keys + self.key_bytes().next_multiple_of(64);
            let scales_of = move |part| (scales > 0).then(|| run(part, tokens, size_of::<f32>()));
            let rows = (0..self.shape.head_dim)
                .map(move |d| run(keys + scales + d * PAGE_TOKENS * size, tokens, size));
            let columns = (0..tokens).map(move |t| {
                run(
                    values + scales + t * width * size,
                    self.shape.head_dim,
                    size,
                )
            });
            (scales_of(keys).into_iter().chain(rows))
                .chain(scales_of(values).into_iter().chain(columns))
        })
    }
}

/// The memory of KV caches: pages on the heap.
#[derive(Debug, Clone)]
pub struct CpuPages {
    layout: Layout,
    /// What the keys and values are computed by.
    activations: ActivationFormat,
    budget: Arc<Budget>,
}

impl CpuPages {
    pub(super) fn new(layout: Layout, activations: ActivationFormat, budget: &Arc<Budget>) -> Self {
        Self {
            layout,
            activations,
            budget: Arc::clone(budget),
        }
    }
}

impl PagePool for CpuPages {
    type Page = Page;

    fn shape(&self) -> CacheShape {
        self.layout.shape
    }

    fn format(&self) -> KvFormat {
        self.layout.format
    }

    fn numerics(&self) -> u8 {
        match self.activations {
            ActivationFormat::Int16 => 0,
            ActivationFormat::Int8 => 1,
        }
    }

    fn page_bytes(&self) -> usize {
        self.layout.page_bytes()
    }

    fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    fn allocate(&self) -> Result<Page> {
        Ok(Page {
            layout: self.layout,
            bytes: BytesMut::zeroed(self.layout.page_bytes())?,
        })
    }

    fn copy(&self, page: &Page) -> Result<Page> {
        let mut copy = self.allocate()?;
        (copy.bytes.as_mut_slice()).copy_from_slice(page.bytes.as_slice());
        Ok(copy)
    }

    fn read(&self, page: &Page, layer: usize, tokens: usize, out: &mut Vec<u8>) -> Result<()> {
        for run in self.layout.runs(layer, tokens) {
            out.try_reserve(run.len())?;
            out.extend_from_slice(&page.bytes.as_slice()[run]);
        }
        Ok(())
    }

    fn write(&self, page: &mut Page, layer: usize, tokens: usize, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        for run in self.layout.runs(layer, tokens) {
            let Some((numbers, after)) = rest.split_at_checked(run.len()) else {
                bail!(
                    Internal,
                    "a layer of a page has {} bytes too few",
                    run.len() - rest.len()
                );
            };
            rest = after;
            page.bytes.as_mut_slice()[run].copy_from_slice(numbers);
        }
        Ok(())
    }
}

/// Keys and values of [`PAGE_TOKENS`] positions.
pub struct Page {
    layout: Layout,
    bytes: BytesMut,
}

impl Page {
    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// One head's keys and values in one layer, in the format that `T` is the type of.
    pub(super) fn block<T: Pod>(&self, layer: usize, head: usize) -> Block<'_, T> {
        let layout = self.layout;
        assert_eq!(size_of::<T>(), layout.format.element_bytes());
        let start = layer * layout.layer_bytes() + head * layout.head_bytes();
        let bytes = &self.bytes.as_slice()[start..][..layout.head_bytes()];
        let (keys, values) = bytes.split_at(layout.key_bytes().next_multiple_of(64));
        let (key_scales, keys) = keys[..layout.key_bytes()].split_at(layout.scales());
        let (value_scales, values) = values[..layout.value_bytes()].split_at(layout.scales());
        Block {
            keys: bytemuck::cast_slice(keys),
            values: bytemuck::cast_slice(values),
            scales: (layout.scales() > 0).then(|| {
                (
                    bytemuck::from_bytes(key_scales),
                    bytemuck::from_bytes(value_scales),
                )
            }),
        }
    }

    /// Writes tokens from `slot` on; `k` and `v` are `[tokens, kv_width]`.
    ///
    /// # Errors
    /// [`Cancelled`](crate::ErrorKind::Cancelled); what is before `slot` is untouched.
    pub(super) fn write(
        &mut self,
        crew: Crew<'_>,
        layer: usize,
        slot: usize,
        (k, v): (&[f32], &[f32]),
    ) -> Result<()> {
        let layout = self.layout;
        let width = layout.shape.kv_width();
        assert!(k.len() == v.len() && k.len().is_multiple_of(width));
        let head_dim = layout.shape.head_dim;
        let start = layer * layout.layer_bytes();
        let heads = &mut self.bytes.as_mut_slice()[start..][..layout.layer_bytes()];
        let write = |head: usize, bytes: &mut [u8]| {
            let (keys, values) = bytes.split_at_mut(layout.key_bytes().next_multiple_of(64));
            let keys = keys[..layout.key_bytes()].split_at_mut(layout.scales());
            let values = values[..layout.value_bytes()].split_at_mut(layout.scales());
            let rows = k.chunks_exact(width).zip(v.chunks_exact(width));
            let columns = head * head_dim..(head + 1) * head_dim;
            let rows = rows.map(|(k, v)| (&k[columns.clone()], &v[columns.clone()]));
            match layout.format {
                KvFormat::F32 => {
                    write_head(keys.1, values.1, slot, rows, |row, out: &mut [f32]| {
                        out.copy_from_slice(row);
                    })
                }
                KvFormat::F16 => {
                    write_head(keys.1, values.1, slot, rows, |row, out: &mut [f16]| {
                        out.convert_from_f32_slice(row);
                    })
                }
                KvFormat::Int8 => {
                    let mut scales = [
                        bytemuck::from_bytes_mut::<Lanes<f32>>(keys.0)[slot..].iter_mut(),
                        bytemuck::from_bytes_mut::<Lanes<f32>>(values.0)[slot..].iter_mut(),
                    ];
                    // Keys and values take turns.
                    let mut turn = 0;
                    write_head(keys.1, values.1, slot, rows, |row, out: &mut [i8]| {
                        let scale = quantize(row, out);
                        if let Some(slot) = scales[turn].next() {
                            *slot = scale;
                        }
                        turn = 1 - turn;
                    });
                }
            }
        };
        if k.len() >= SHARED_ROWS * width {
            return crew.for_each_chunk(heads, layout.head_bytes(), write);
        }
        let heads = heads.chunks_exact_mut(layout.head_bytes());
        heads.enumerate().for_each(|(i, bytes)| write(i, bytes));
        Ok(())
    }
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Page({} bytes)", self.layout.page_bytes())
    }
}

/// Writes rows of keys as columns, rows of values as rows, first the keys of a token.
fn write_head<'a, T: Pod>(
    keys: &mut [u8],
    values: &mut [u8],
    slot: usize,
    rows: impl Iterator<Item = (&'a [f32], &'a [f32])>,
    mut encode: impl FnMut(&[f32], &mut [T]),
) {
    let keys: &mut [Lanes<T>] = bytemuck::cast_slice_mut(keys);
    let values: &mut [T] = bytemuck::cast_slice_mut(values);
    let width = values.len() / PAGE_TOKENS;
    let values = values.chunks_exact_mut(width).skip(slot);
    for ((i, (k, v)), value) in rows.enumerate().zip(values) {
        // The row of values holds the keys for a moment, so that no other buffer is needed.
        encode(k, &mut value[..k.len()]);
        for (column, &key) in keys.iter_mut().zip(&value[..k.len()]) {
            column[slot + i] = key;
        }
        encode(v, &mut value[..v.len()]);
    }
}

/// Codes of a row, and its scale: the largest magnitude is 127, ties go to even. A row with a
/// number that is not finite gets the scale NaN.
fn quantize(row: &[f32], codes: &mut [i8]) -> f32 {
    // Magnitudes compare as their bits do, and in that form the loop vectorises.
    let mut most = 0;
    for x in row {
        most = most.max(x.to_bits() & !SIGN);
    }
    let most = f32::from_bits(most);
    let scale = most / MAX_CODE;
    // A scale that is no normal number would lose digits; such a row is as good as zero.
    if !most.is_finite() || !scale.is_normal() {
        codes.fill(0);
        return if most.is_finite() { 0.0 } else { f32::NAN };
    }
    for (code, &x) in codes.iter_mut().zip(row) {
        // The sum is rounded to an integer, whose low byte is that of the sum.
        *code = (x / scale + ROUND_MAGIC).to_bits() as i8;
    }
    scale
}
