//! The KV cache: sequences of pages, managed on the host once for all backends.
//!
//! A backend supplies the memory of pages, see [`PagePool`]: allocate one, copy one, bytes in and out.
//! What a sequence does stands here: it grows, is truncated and forked, forks share pages until one
//! of them writes, the [`Budget`] counts each page once, and `saved.rs` writes a sequence as bytes.
//! A step sees a sequence as a [`PageTable`].

mod budget;
mod saved;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use budget::Budget;
use budget::Held;

use super::{CacheShape, KvFormat};
use crate::error::Result;

/// Tokens of a page, on every backend.
pub const PAGE_TOKENS: usize = 32;

/// The memory of a backend for the pages of KV caches of one shape and format.
///
/// A page has the keys and values of [`PAGE_TOKENS`] tokens in every layer, in the order that the
/// backend's attention wants. Handles of a pool are cheap to clone.
pub trait PagePool: Clone + Send + Sync + fmt::Debug + 'static {
    /// The memory of one page, which is free again when this is dropped.
    type Page: Send + Sync + fmt::Debug + 'static;

    /// Layers and heads of a page.
    fn shape(&self) -> CacheShape;

    /// Element type of a page.
    fn format(&self) -> KvFormat;

    /// What the bits of keys and values depend on beside the weights and the format. States saved
    /// with one number are not restored with another.
    fn numerics(&self) -> u8;

    /// Bytes of one page, in all layers.
    fn page_bytes(&self) -> usize;

    /// What limits the pages of all sequences of the backend together.
    fn budget(&self) -> &Arc<Budget>;

    /// A new page, all zeros.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    fn allocate(&self) -> Result<Self::Page>;

    /// A new page with the contents of `page`.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    fn copy(&self, page: &Self::Page) -> Result<Self::Page>;

    /// Appends the first `tokens` of `page` in one layer to `out`: for each head
    ///
    /// ```text
    /// scales of the keys [tokens]       (int8 alone)
    /// keys [head_dim][tokens]
    /// scales of the values [tokens]     (int8 alone)
    /// values [tokens][head_dim]
    /// ```
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    fn read(&self, page: &Self::Page, layer: usize, tokens: usize, out: &mut Vec<u8>)
    -> Result<()>;

    /// Takes over what [`read`](Self::read) gave.
    ///
    /// # Errors
    /// Those of the device.
    fn write(&self, page: &mut Self::Page, layer: usize, tokens: usize, bytes: &[u8])
    -> Result<()>;
}

/// A page and the bytes that the budget counts for it.
#[derive(Debug)]
struct Counted<M> {
    memory: M,
    _held: Held,
}

/// Keys and values of one sequence in every layer.
///
/// Memory comes in pages that forks share until one of them writes.
#[derive(Debug)]
pub struct KvCache<P: PagePool> {
    pool: P,
    len: usize,
    pages: Vec<Arc<Counted<P::Page>>>,
}

impl<P: PagePool> KvCache<P> {
    /// An empty sequence with pages of this pool.
    pub fn new(pool: P) -> Self {
        Self {
            pool,
            len: 0,
            pages: Vec::new(),
        }
    }

    /// Tokens that are kept.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no token is kept.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Makes room for `tokens` more and counts them as kept; their keys and values are written
    /// next, layer by layer. The pages that they go to are then this sequence's alone.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory); the cache is then as before.
    pub fn extend(&mut self, tokens: usize) -> Result<()> {
        let first = self.len / PAGE_TOKENS;
        let wanted = self.len.saturating_add(tokens).div_ceil(PAGE_TOKENS);
        let before = self.pages.len();
        let shared = self.pages.get_mut(first);
        let copies = tokens > 0 && shared.is_some_and(|page| Arc::get_mut(page).is_none());
        let fresh = wanted.saturating_sub(before);
        let held =
            (self.pool.budget()).reserve(usize::from(copies) + fresh, self.pool.page_bytes())?;
        self.pages.try_reserve(fresh)?;
        let mut held = held.into_iter();
        if copies && let Some(held) = held.next() {
            let memory = self.pool.copy(&self.pages[first].memory)?;
            self.pages[first] = counted(memory, held);
        }
        for held in held {
            match self.pool.allocate() {
                Ok(memory) => self.pages.push(counted(memory, held)),
                Err(error) => {
                    self.pages.truncate(before);
                    return Err(error);
                }
            }
        }
        self.len += tokens;
        Ok(())
    }

    /// Forgets all but the first `tokens`.
    pub fn truncate(&mut self, tokens: usize) {
        self.len = self.len.min(tokens);
        self.pages.truncate(self.len.div_ceil(PAGE_TOKENS));
    }

    /// A second sequence with the same tokens, which shares the memory.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            len: self.len,
            pages: self.pages.clone(),
        }
    }

    /// Bytes of the pages of this sequence, shared ones counted in full.
    pub fn bytes(&self) -> usize {
        self.pages.len() * self.pool.page_bytes()
    }

    /// The pages, for a step.
    pub fn table(&mut self) -> PageTable<'_, P::Page> {
        PageTable {
            pages: &mut self.pages,
            tokens: self.len,
        }
    }
}

fn counted<M>(memory: M, held: Held) -> Arc<Counted<M>> {
    Arc::new(Counted {
        memory,
        _held: held,
    })
}

/// The pages of a sequence as a step sees them.
#[derive(Debug)]
pub struct PageTable<'p, M> {
    pages: &'p mut [Arc<Counted<M>>],
    tokens: usize,
}

impl<M> PageTable<'_, M> {
    /// Tokens of the sequence, those of the step included.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The number of pages.
    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    /// The page of the positions from `index * PAGE_TOKENS` on.
    ///
    /// # Panics
    /// When there is no such page.
    pub fn page(&self, index: usize) -> &M {
        &self.pages[index].memory
    }

    /// The same, to be written to; `None` while another sequence shares it. Pages of the tokens of
    /// the step are shared with none.
    ///
    /// # Panics
    /// When there is no such page.
    pub fn page_mut(&mut self, index: usize) -> Option<&mut M> {
        Arc::get_mut(&mut self.pages[index]).map(|page| &mut page.memory)
    }
}
