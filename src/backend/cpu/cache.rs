//! Keys and values of a sequence, in pages.

use std::sync::Arc;

use crate::backend::{CacheShape, KvCache};
use crate::error::{Error, ErrorKind, Result};

/// Tokens of a page: for the 13B shape 52 MB over all layers, 0.9 MB for the default model.
pub const PAGE_TOKENS: usize = 32;

/// Keys and values of [`PAGE_TOKENS`] positions: `[layers, 2, PAGE_TOKENS, kv_width]`.
#[derive(Debug)]
pub struct Page(Vec<f32>);

impl Page {
    fn zeroed(shape: CacheShape) -> Result<Self> {
        let len = Self::len(shape);
        let mut values = Vec::new();
        values.try_reserve_exact(len).map_err(|e| {
            Error::new(
                ErrorKind::OutOfMemory,
                format!(
                    "cannot allocate {} bytes for {PAGE_TOKENS} more tokens of keys and values: \
                     {e}; shorten the prompt or drop other sequences",
                    len * size_of::<f32>()
                ),
            )
        })?;
        values.resize(len, 0.0);
        Ok(Self(values))
    }

    fn copy(&self) -> Result<Self> {
        let mut values = Vec::new();
        values.try_reserve_exact(self.0.len()).map_err(|e| {
            Error::new(
                ErrorKind::OutOfMemory,
                format!("cannot copy a shared page of keys and values: {e}"),
            )
        })?;
        values.extend_from_slice(&self.0);
        Ok(Self(values))
    }

    fn len(shape: CacheShape) -> usize {
        shape.layers * 2 * PAGE_TOKENS * shape.kv_width
    }

    pub fn keys(&self, shape: CacheShape, layer: usize) -> &[f32] {
        let half = PAGE_TOKENS * shape.kv_width;
        &self.0[2 * layer * half..][..half]
    }

    pub fn values(&self, shape: CacheShape, layer: usize) -> &[f32] {
        let half = PAGE_TOKENS * shape.kv_width;
        &self.0[(2 * layer + 1) * half..][..half]
    }
}

/// Keys and values of one sequence in pages that forks share until they write.
#[derive(Debug)]
pub struct CpuCache {
    shape: CacheShape,
    len: usize,
    pages: Vec<Arc<Page>>,
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
        let grown = (|| {
            if let Some(page) = self.pages.get_mut(first)
                && tokens > 0
                && Arc::get_mut(page).is_none()
            {
                *page = Arc::new(page.copy()?);
            }
            while self.pages.len() < wanted {
                self.pages.push(Arc::new(Page::zeroed(self.shape)?));
            }
            Ok(())
        })();
        match grown {
            Ok(()) => self.len += tokens,
            Err(_) => self.pages.truncate(before),
        }
        grown
    }

    fn truncate(&mut self, tokens: usize) {
        self.len = self.len.min(tokens);
        self.pages.truncate(self.len.div_ceil(PAGE_TOKENS));
    }

    fn fork(&self) -> Self {
        Self {
            shape: self.shape,
            len: self.len,
            pages: self.pages.clone(),
        }
    }

    fn bytes(&self) -> usize {
        self.pages.len() * Page::len(self.shape) * size_of::<f32>()
    }
}

impl CpuCache {
    pub(super) fn new(shape: CacheShape) -> Self {
        Self {
            shape,
            len: 0,
            pages: Vec::new(),
        }
    }

    pub(super) fn shape(&self) -> CacheShape {
        self.shape
    }

    pub(super) fn pages(&self) -> &[Arc<Page>] {
        &self.pages
    }

    /// Writes the last rows of one layer; `k` and `v` are `[tokens, kv_width]`.
    pub(super) fn write(&mut self, layer: usize, k: &[f32], v: &[f32]) {
        let width = self.shape.kv_width;
        let half = PAGE_TOKENS * width;
        let tokens = k.len() / width;
        let mut position = self.len - tokens;
        let (mut k, mut v) = (k, v);
        while !k.is_empty() {
            let slot = position % PAGE_TOKENS;
            let n = (PAGE_TOKENS - slot).min(self.len - position) * width;
            let page = Arc::get_mut(&mut self.pages[position / PAGE_TOKENS])
                .expect("extend made the pages after the old end this sequence's alone");
            let keys = 2 * layer * half + slot * width;
            page.0[keys..keys + n].copy_from_slice(&k[..n]);
            page.0[keys + half..keys + half + n].copy_from_slice(&v[..n]);
            (k, v) = (&k[n..], &v[n..]);
            position += n / width;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: CacheShape = CacheShape {
        layers: 2,
        kv_width: 3,
    };

    fn cache() -> CpuCache {
        CpuCache::new(SHAPE)
    }

    fn push(cache: &mut CpuCache, value: f32, tokens: usize) {
        cache.extend(tokens).unwrap();
        for layer in 0..SHAPE.layers {
            let rows = vec![value + layer as f32 * 100.0; tokens * SHAPE.kv_width];
            cache.write(layer, &rows, &rows);
        }
    }

    fn key(cache: &CpuCache, layer: usize, position: usize) -> f32 {
        let page = &cache.pages[position / PAGE_TOKENS];
        page.keys(SHAPE, layer)[position % PAGE_TOKENS * SHAPE.kv_width]
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
