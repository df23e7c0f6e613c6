//! A cache as bytes.
//!
//! ```text
//! for each page, for each layer:  for each head of
//!     scales of the keys [tokens]       (int8 alone)
//!     keys [head_dim][tokens]
//!     scales of the values [tokens]     (int8 alone)
//!     values [tokens][head_dim]
//!   checksum
//! ```
//!
//! Only what tokens filled is written, so that the same tokens give the same bytes whatever the
//! memory held before. No length is stored: all follow from the layout and the number of tokens.

use std::ops::Range;

use super::ActivationFormat;
use super::cache::CpuCache;
use super::page::{Layout, PAGE_TOKENS, Page};
use crate::backend::{KvCache, KvFormat};
use crate::checksum::{SealedReader, SealedWriter};
use crate::error::{Error, ErrorKind, Result};

/// The order of the bytes above; another one gets another number.
const LAYOUT_VERSION: u32 = 1;

/// A section, for messages.
const SECTION: &str = "the KV cache of a page in a layer";

impl Layout {
    /// What the bytes of a cache depend on beside its shape. What goes on from a cache has to
    /// get what computing it again would give, so the form of the activations belongs to it.
    pub(super) fn stored_id(self, activations: ActivationFormat) -> [u32; 2] {
        let format = match self.format {
            KvFormat::F32 => 0,
            KvFormat::F16 => 1,
            KvFormat::Int8 => 2,
        };
        let activations = match activations {
            ActivationFormat::Int16 => 0,
            ActivationFormat::Int8 => 1,
        };
        [LAYOUT_VERSION, activations << 8 | format]
    }

    /// Where the numbers of the first `tokens` of a page lie in one layer, in the order of the
    /// file.
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

    /// Bytes of a section.
    fn section_bytes(self, tokens: usize) -> usize {
        let scales = if self.scales() > 0 {
            size_of::<f32>()
        } else {
            0
        };
        let token = self.shape.head_dim * self.format.element_bytes() + scales;
        2 * self.shape.kv_heads * tokens * token
    }
}

impl CpuCache {
    pub(super) fn write_pages(&self, out: &mut SealedWriter<'_>) -> Result<()> {
        let layout = self.layout();
        let mut section = buffer(layout.section_bytes(self.len().min(PAGE_TOKENS)))?;
        for (page, tokens) in self.pages().iter().zip(tokens_of_pages(self.len())) {
            for layer in 0..layout.shape.layers {
                section.clear();
                for run in layout.runs(layer, tokens) {
                    section.extend_from_slice(&page.bytes()[run]);
                }
                out.write(&section)?;
                out.seal()?;
            }
        }
        Ok(())
    }

    /// Fills an empty cache with `tokens`. A page is taken once the bytes of its first layer are
    /// there and whole, so that what a file only claims to hold costs a page at most.
    pub(super) fn read_pages(&mut self, tokens: usize, input: &mut SealedReader<'_>) -> Result<()> {
        assert!(self.is_empty());
        let layout = self.layout();
        let mut section = buffer(layout.section_bytes(tokens.min(PAGE_TOKENS)))?;
        for tokens in tokens_of_pages(tokens) {
            let mut page: Option<Page> = None;
            for layer in 0..layout.shape.layers {
                section.resize(layout.section_bytes(tokens), 0);
                input.read(&mut section, SECTION)?;
                input.check(SECTION)?;
                let page = match &mut page {
                    Some(page) => page,
                    none => none.insert(self.new_page()?),
                };
                let mut rest = &section[..];
                for run in layout.runs(layer, tokens) {
                    let numbers;
                    (numbers, rest) = rest.split_at(run.len());
                    page.bytes_mut()[run].copy_from_slice(numbers);
                }
            }
            if let Some(page) = page {
                self.push_page(page, tokens);
            }
        }
        Ok(())
    }
}

/// The tokens of each page of a sequence of `tokens` tokens.
fn tokens_of_pages(tokens: usize) -> impl Iterator<Item = usize> {
    (0..tokens)
        .step_by(PAGE_TOKENS)
        .map(move |first| PAGE_TOKENS.min(tokens - first))
}

fn buffer(bytes: usize) -> Result<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(bytes).map_err(|e| {
        let message =
            format!("cannot allocate a buffer of {bytes} bytes for a saved KV cache: {e}");
        Error::new(ErrorKind::OutOfMemory, message)
    })?;
    Ok(buffer)
}
