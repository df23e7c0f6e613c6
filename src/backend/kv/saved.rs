//! A cache as bytes, the same for all backends.
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
//! memory held before. No length is stored: all follow from the shape, the format and the number of
//! tokens.

use super::{KvCache, PAGE_TOKENS, PagePool, counted};
use crate::backend::{KvFormat, SealedReader, SealedWriter};
use crate::error::{Error, ErrorKind, Result, bail};

/// The order of the bytes above; another one gets another number.
const LAYOUT_VERSION: u32 = 1;

/// A section, for messages.
const SECTION: &str = "the KV cache of a page in a layer";

impl<P: PagePool> KvCache<P> {
    /// What the bytes of [`write_to`](Self::write_to) depend on beside the shape: their order, the
    /// format of the numbers, and how they were computed. What goes on from a cache has to get what
    /// computing it again would give, so that belongs to it.
    pub fn stored_id(&self) -> [u32; 2] {
        let format = match self.pool.format() {
            KvFormat::F32 => 0,
            KvFormat::F16 => 1,
            KvFormat::Int8 => 2,
        };
        [
            LAYOUT_VERSION,
            u32::from(self.pool.numerics()) << 8 | format,
        ]
    }

    /// Writes the keys and values of all tokens: the same bytes for the same tokens.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io), [`OutOfMemory`](ErrorKind::OutOfMemory).
    pub fn write_to(&self, out: &mut SealedWriter<'_>) -> Result<()> {
        let mut section = buffer(section_bytes(&self.pool, self.len.min(PAGE_TOKENS)))?;
        for (page, tokens) in self.pages.iter().zip(tokens_of_pages(self.len)) {
            for layer in 0..self.pool.shape().layers {
                section.clear();
                self.pool.read(&page.memory, layer, tokens, &mut section)?;
                if section.len() != section_bytes(&self.pool, tokens) {
                    bail!(Internal, "a page has {} bytes in a layer", section.len());
                }
                out.write(&section)?;
                out.seal()?;
            }
        }
        Ok(())
    }

    /// Fills an empty cache with the `tokens` that another of its shape and
    /// [`stored_id`](Self::stored_id) wrote. A page is taken once the bytes of its first layer are
    /// there and whole, so that what a file only claims to hold costs a page at most.
    ///
    /// # Errors
    /// [`MalformedFile`](ErrorKind::MalformedFile), [`Io`](ErrorKind::Io),
    /// [`OutOfMemory`](ErrorKind::OutOfMemory).
    ///
    /// # Panics
    /// When the cache is not empty.
    pub fn read_from(&mut self, tokens: usize, input: &mut SealedReader<'_>) -> Result<()> {
        assert!(self.is_empty(), "a cache is restored into an empty one");
        let mut section = buffer(section_bytes(&self.pool, tokens.min(PAGE_TOKENS)))?;
        for tokens in tokens_of_pages(tokens) {
            let mut page = None;
            for layer in 0..self.pool.shape().layers {
                section.resize(section_bytes(&self.pool, tokens), 0);
                input.read(&mut section, SECTION)?;
                input.check(SECTION)?;
                let (memory, _) = match &mut page {
                    Some(page) => page,
                    none => none.insert(self.allocate()?),
                };
                self.pool.write(memory, layer, tokens, &section)?;
            }
            if let Some((memory, held)) = page {
                self.pages.try_reserve(1)?;
                self.pages.push(counted(memory, held));
                self.len += tokens;
            }
        }
        Ok(())
    }

    /// A page that the budget allows, not yet of this cache.
    fn allocate(&self) -> Result<(P::Page, super::Held)> {
        let mut held = (self.pool.budget()).reserve(1, self.pool.page_bytes())?;
        match held.pop() {
            Some(held) => Ok((self.pool.allocate()?, held)),
            None => bail!(Internal, "the budget granted no page of one"),
        }
    }
}

/// Bytes of one layer of a page with `tokens` tokens.
fn section_bytes(pool: &impl PagePool, tokens: usize) -> usize {
    let (shape, format) = (pool.shape(), pool.format());
    let scale = match format {
        KvFormat::Int8 => size_of::<f32>(),
        KvFormat::F32 | KvFormat::F16 => 0,
    };
    2 * shape.kv_heads * tokens * (shape.head_dim * format.element_bytes() + scale)
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
