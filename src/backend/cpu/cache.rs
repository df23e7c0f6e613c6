//! The KV cache of one sequence: a list of pages that forks share.

use std::sync::Arc;

use super::ActivationFormat;
use super::budget::Budget;
use super::page::{Layout, PAGE_TOKENS, Page};
use crate::backend::KvCache;
use crate::checksum::{SealedReader, SealedWriter};
use crate::error::{Result, bail};
use crate::threads::Crew;

/// The KV cache of one sequence, in pages that forks share until they write.
#[derive(Debug)]
pub struct CpuCache {
    layout: Layout,
    /// What the keys and values were computed by.
    activations: ActivationFormat,
    len: usize,
    pages: Vec<Arc<Page>>,
    budget: Arc<Budget>,
}

impl KvCache for CpuCache {
    fn len(&self) -> usize {
        self.len
    }

    fn extend(&mut self, tokens: usize) -> Result<()> {
        // Pages that will be written to must be this sequence's alone.
        let first = self.len / PAGE_TOKENS;
        let wanted = (self.len + tokens).div_ceil(PAGE_TOKENS);
        let before = self.pages.len();
        let shared = self.pages.get_mut(first);
        let copies = tokens > 0 && shared.is_some_and(|page| Arc::get_mut(page).is_none());
        let new = usize::from(copies) + wanted.saturating_sub(before);
        let held = self.budget.reserve(new, self.layout.page_bytes())?;
        let mut held = held.into_iter();
        if copies && let Some(held) = held.next() {
            self.pages[first] = Arc::new(self.pages[first].copy(held)?);
        }
        for held in held {
            match Page::zeroed(held) {
                Ok(page) => self.pages.push(Arc::new(page)),
                Err(error) => {
                    self.pages.truncate(before);
                    return Err(error);
                }
            }
        }
        self.len += tokens;
        Ok(())
    }

    fn truncate(&mut self, tokens: usize) {
        self.len = self.len.min(tokens);
        self.pages.truncate(self.len.div_ceil(PAGE_TOKENS));
    }

    fn fork(&self) -> Self {
        Self {
            layout: self.layout,
            activations: self.activations,
            len: self.len,
            pages: self.pages.clone(),
            budget: Arc::clone(&self.budget),
        }
    }

    fn bytes(&self) -> usize {
        self.pages.len() * self.layout.page_bytes()
    }

    fn stored_id(&self) -> [u32; 2] {
        self.layout.stored_id(self.activations)
    }

    fn write_to(&self, out: &mut SealedWriter<'_>) -> Result<()> {
        self.write_pages(out)
    }

    fn read_from(&mut self, tokens: usize, input: &mut SealedReader<'_>) -> Result<()> {
        self.read_pages(tokens, input)
    }
}

impl CpuCache {
    pub(super) fn new(layout: Layout, activations: ActivationFormat, budget: &Arc<Budget>) -> Self {
        Self {
            layout,
            activations,
            len: 0,
            pages: Vec::new(),
            budget: Arc::clone(budget),
        }
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    pub(super) fn pages(&self) -> &[Arc<Page>] {
        &self.pages
    }

    /// A page of zeros that the budget allows, not yet of this cache.
    pub(super) fn new_page(&self) -> Result<Page> {
        let mut held = self.budget.reserve(1, self.layout.page_bytes())?;
        match held.pop() {
            Some(held) => Page::zeroed(held),
            None => bail!(Internal, "the budget granted no page of one"),
        }
    }

    /// Appends a page that holds `tokens` tokens; the pages before it are full.
    pub(super) fn push_page(&mut self, page: Page, tokens: usize) {
        assert!(self.len == self.pages.len() * PAGE_TOKENS && tokens <= PAGE_TOKENS);
        self.pages.push(Arc::new(page));
        self.len += tokens;
    }

    /// Writes the last rows of one layer; `k` and `v` are `[tokens, kv_width]`.
    ///
    /// # Errors
    /// [`Cancelled`](crate::ErrorKind::Cancelled); the tokens before those are untouched.
    pub(super) fn write(
        &mut self,
        crew: Crew<'_>,
        layer: usize,
        k: &[f32],
        v: &[f32],
    ) -> Result<()> {
        let width = self.layout.shape.kv_width();
        let mut position = self.len - k.len() / width;
        let (mut k, mut v) = (k, v);
        while !k.is_empty() {
            let slot = position % PAGE_TOKENS;
            let n = (PAGE_TOKENS - slot).min(self.len - position);
            let page = Arc::get_mut(&mut self.pages[position / PAGE_TOKENS])
                .expect("extend made the pages after the old end this sequence's alone");
            let (k_page, v_page);
            (k_page, k) = k.split_at(n * width);
            (v_page, v) = v.split_at(n * width);
            page.write(self.layout, crew, layer, slot, (k_page, v_page))?;
            position += n;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{CacheShape, KvFormat};
    use crate::cancel::Control;
    use crate::threads::ThreadPool;

    const LAYOUT: Layout = Layout {
        shape: CacheShape {
            layers: 2,
            kv_heads: 1,
            head_dim: 3,
        },
        format: KvFormat::F32,
    };

    fn cache() -> CpuCache {
        CpuCache::new(
            LAYOUT,
            ActivationFormat::default(),
            &Arc::new(Budget::new(None)),
        )
    }

    fn push(cache: &mut CpuCache, value: f32, tokens: usize) {
        cache.extend(tokens).unwrap();
        let pool = ThreadPool::new(1).unwrap();
        let control = Control::new();
        for layer in 0..LAYOUT.shape.layers {
            let rows = vec![value + layer as f32 * 100.0; tokens * LAYOUT.shape.kv_width()];
            let written = cache.write(pool.crew(&control), layer, &rows, &rows);
            written.unwrap();
        }
    }

    fn key(cache: &CpuCache, layer: usize, position: usize) -> f32 {
        let block = cache.pages[position / PAGE_TOKENS].block::<f32>(LAYOUT, layer, 0);
        block.keys[0][position % PAGE_TOKENS]
    }

    #[test]
    fn forks_share_pages_until_they_write() {
        let mut a = cache();
        push(&mut a, 1.0, PAGE_TOKENS + 5);
        let mut b = a.fork();
        assert!(Arc::ptr_eq(&a.pages[1], &b.pages[1]));
        push(&mut a, 2.0, 3);
        push(&mut b, 3.0, 3);
        assert!(
            Arc::ptr_eq(&a.pages[0], &b.pages[0]),
            "the full page stays shared"
        );
        assert_eq!(key(&a, 0, PAGE_TOKENS + 5), 2.0);
        assert_eq!(key(&b, 1, PAGE_TOKENS + 5), 103.0);
        assert_eq!(key(&a, 0, PAGE_TOKENS + 4), 1.0);
        assert_eq!(key(&b, 0, PAGE_TOKENS + 4), 1.0);
    }

    #[test]
    fn truncation_frees_pages_and_new_tokens_take_the_place() {
        let mut a = cache();
        push(&mut a, 1.0, 3 * PAGE_TOKENS);
        a.truncate(PAGE_TOKENS + 1);
        assert_eq!((a.len(), a.pages.len()), (PAGE_TOKENS + 1, 2));
        push(&mut a, 2.0, 1);
        assert_eq!(key(&a, 0, PAGE_TOKENS + 1), 2.0);
        assert_eq!(key(&a, 0, PAGE_TOKENS), 1.0);
        a.truncate(99);
        assert_eq!(a.len(), PAGE_TOKENS + 2);
        a.truncate(0);
        assert!(a.is_empty() && a.bytes() == 0);
    }

    #[test]
    fn truncating_a_fork_to_a_full_page_then_writing_leaves_the_other_alone() {
        let mut a = cache();
        push(&mut a, 1.0, 2 * PAGE_TOKENS);
        let mut b = a.fork();
        b.truncate(PAGE_TOKENS + 10);
        push(&mut b, 9.0, 4);
        assert_eq!(key(&a, 0, PAGE_TOKENS + 10), 1.0);
        assert_eq!(key(&b, 0, PAGE_TOKENS + 10), 9.0);
    }
}
