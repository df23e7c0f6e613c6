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

use bytemuck::Pod;
use half::f16;
use half::slice::HalfFloatSliceExt;

use super::budget::Held;
use crate::backend::{CacheShape, KvFormat};
use crate::bytes::BytesMut;
use crate::error::Result;
use crate::kernels::generic::attention::{BLOCK_TOKENS, Block};
use crate::num::ROUND_MAGIC;
use crate::threads::Crew;

/// Tokens of a page.
pub const PAGE_TOKENS: usize = BLOCK_TOKENS;

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
    pub(super) fn scales(self) -> usize {
        match self.format {
            KvFormat::Int8 => size_of::<Lanes<f32>>(),
            KvFormat::F32 | KvFormat::F16 => 0,
        }
    }

    pub(super) fn key_bytes(self) -> usize {
        self.scales() + self.shape.head_dim * PAGE_TOKENS * self.format.element_bytes()
    }

    fn value_bytes(self) -> usize {
        let width = self.shape.head_dim.next_multiple_of(PAGE_TOKENS);
        self.scales() + PAGE_TOKENS * width * self.format.element_bytes()
    }

    pub(super) fn head_bytes(self) -> usize {
        // Values are whole chunks of 32 numbers, keys need not be whole lines.
        self.key_bytes().next_multiple_of(64) + self.value_bytes().next_multiple_of(64)
    }

    pub(super) fn layer_bytes(self) -> usize {
        self.shape.kv_heads * self.head_bytes()
    }

    pub fn page_bytes(self) -> usize {
        self.shape.layers * self.layer_bytes()
    }
}

/// Keys and values of [`PAGE_TOKENS`] positions.
pub struct Page {
    bytes: BytesMut,
    /// Gives the bytes back to the budget at the end.
    held: Held,
}

impl Page {
    /// A page of zeros, for which the budget has given `held`.
    pub fn zeroed(held: Held) -> Result<Self> {
        let bytes = BytesMut::zeroed(held.bytes())?;
        Ok(Self { bytes, held })
    }

    /// The same numbers again.
    pub fn copy(&self, held: Held) -> Result<Self> {
        assert_eq!(held.bytes(), self.held.bytes());
        let mut page = Self::zeroed(held)?;
        page.bytes
            .as_mut_slice()
            .copy_from_slice(self.bytes.as_slice());
        Ok(page)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.as_mut_slice()
    }

    /// One head's keys and values in one layer, in the format that `T` is the type of.
    pub fn block<T: Pod>(&self, layout: Layout, layer: usize, head: usize) -> Block<'_, T> {
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
    pub fn write(
        &mut self,
        layout: Layout,
        crew: Crew<'_>,
        layer: usize,
        slot: usize,
        (k, v): (&[f32], &[f32]),
    ) -> Result<()> {
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
        write!(f, "Page({} bytes)", self.held.bytes())
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
