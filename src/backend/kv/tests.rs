//! Sequences over a pool whose pages are plain bytes: what no backend has to write again.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::backend::{SealedReader, SealedWriter};
use crate::error::{ErrorKind, bail};

const SHAPE: CacheShape = CacheShape {
    layers: 2,
    kv_heads: 1,
    head_dim: 1,
};
/// A key and a value of one byte for each token and layer.
const PAGE: usize = 2 * 2 * PAGE_TOKENS;

/// `[layers][key, value][tokens]`
type Bytes = [[[u8; PAGE_TOKENS]; 2]; 2];

#[derive(Debug, Clone)]
struct Plain {
    budget: Arc<Budget>,
    /// Pages that may still be made before the memory is refused.
    left: Arc<AtomicUsize>,
}

impl Plain {
    fn new(limit: Option<u64>) -> Self {
        Self {
            budget: Arc::new(Budget::new(limit, || None)),
            left: Arc::new(AtomicUsize::new(usize::MAX)),
        }
    }

    fn take(&self) -> Result<()> {
        let less = |left: usize| left.checked_sub(1);
        match (self.left).fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => Ok(()),
            Err(_) => bail!(OutOfMemory, "no page is left"),
        }
    }
}

impl PagePool for Plain {
    type Page = Box<Bytes>;

    fn shape(&self) -> CacheShape {
        SHAPE
    }

    fn format(&self) -> KvFormat {
        // One byte an element and no scales is no format of ours; the tests that save count that in.
        KvFormat::F32
    }

    fn numerics(&self) -> u8 {
        3
    }

    fn page_bytes(&self) -> usize {
        PAGE
    }

    fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    fn allocate(&self) -> Result<Box<Bytes>> {
        self.take()?;
        Ok(Box::default())
    }

    fn copy(&self, page: &Box<Bytes>) -> Result<Box<Bytes>> {
        self.take()?;
        Ok(page.clone())
    }

    fn read(&self, page: &Box<Bytes>, layer: usize, n: usize, out: &mut Vec<u8>) -> Result<()> {
        for part in &page[layer] {
            out.extend(part[..n].iter().flat_map(|&x| f32::from(x).to_le_bytes()));
        }
        Ok(())
    }

    fn write(&self, page: &mut Box<Bytes>, layer: usize, n: usize, bytes: &[u8]) -> Result<()> {
        let numbers = bytes.as_chunks::<4>().0;
        assert_eq!(numbers.len(), 2 * n);
        for (part, numbers) in page[layer].iter_mut().zip(numbers.chunks(n)) {
            for (x, &number) in part.iter_mut().zip(numbers) {
                *x = f32::from_le_bytes(number) as u8;
            }
        }
        Ok(())
    }
}

fn push(cache: &mut KvCache<Plain>, value: u8, tokens: usize) {
    let start = cache.len();
    cache.extend(tokens).unwrap();
    let mut table = cache.table();
    assert_eq!(table.tokens(), start + tokens);
    for position in start..start + tokens {
        let page = table.page_mut(position / PAGE_TOKENS).unwrap();
        for (layer, parts) in page.iter_mut().enumerate() {
            let value = value + 100 * layer as u8;
            parts[0][position % PAGE_TOKENS] = value;
            parts[1][position % PAGE_TOKENS] = value + 50;
        }
    }
}

fn key(cache: &KvCache<Plain>, layer: usize, position: usize) -> u8 {
    cache.pages[position / PAGE_TOKENS].memory[layer][0][position % PAGE_TOKENS]
}

#[test]
fn forks_share_pages_until_they_write() {
    let mut a = KvCache::new(Plain::new(None));
    push(&mut a, 1, PAGE_TOKENS + 5);
    let mut b = a.fork();
    assert!(Arc::ptr_eq(&a.pages[1], &b.pages[1]));
    assert!(
        a.table().page_mut(0).is_none(),
        "a shared page is not written"
    );
    push(&mut a, 2, 3);
    push(&mut b, 3, 3);
    assert!(
        Arc::ptr_eq(&a.pages[0], &b.pages[0]),
        "the full page stays shared"
    );
    assert_eq!(key(&a, 0, PAGE_TOKENS + 5), 2);
    assert_eq!(key(&b, 1, PAGE_TOKENS + 5), 103);
    assert_eq!(key(&a, 0, PAGE_TOKENS + 4), 1);
    assert_eq!(key(&b, 0, PAGE_TOKENS + 4), 1);
}

#[test]
fn truncation_frees_pages_and_new_tokens_take_the_place() {
    let mut a = KvCache::new(Plain::new(None));
    push(&mut a, 1, 3 * PAGE_TOKENS);
    a.truncate(PAGE_TOKENS + 1);
    assert_eq!((a.len(), a.bytes()), (PAGE_TOKENS + 1, 2 * PAGE));
    assert_eq!(a.pool.budget.held(), 2 * PAGE as u64);
    push(&mut a, 2, 1);
    assert_eq!(key(&a, 0, PAGE_TOKENS + 1), 2);
    assert_eq!(key(&a, 0, PAGE_TOKENS), 1);
    a.truncate(99);
    assert_eq!(a.len(), PAGE_TOKENS + 2);
    a.truncate(0);
    assert!(a.is_empty() && a.bytes() == 0 && a.pool.budget.held() == 0);
}

#[test]
fn truncating_a_fork_to_a_full_page_then_writing_leaves_the_other_alone() {
    let mut a = KvCache::new(Plain::new(None));
    push(&mut a, 1, 2 * PAGE_TOKENS);
    let mut b = a.fork();
    b.truncate(PAGE_TOKENS + 10);
    push(&mut b, 9, 4);
    assert_eq!(key(&a, 0, PAGE_TOKENS + 10), 1);
    assert_eq!(key(&b, 0, PAGE_TOKENS + 10), 9);
}

#[test]
fn what_the_limit_or_the_device_refuses_leaves_the_sequence_as_it_was() {
    let pool = Plain::new(Some(4 * PAGE as u64));
    let mut a = KvCache::new(pool.clone());
    push(&mut a, 1, PAGE_TOKENS + 5);
    let b = a.fork();
    // A copy of the shared page and two new ones: three of the two that the limit leaves.
    let error = a.extend(2 * PAGE_TOKENS).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert!(a.extend(usize::MAX).is_err());
    assert_eq!(
        (a.len(), pool.budget.held()),
        (PAGE_TOKENS + 5, 2 * PAGE as u64)
    );
    // The limit allows a copy and a new page, the device has none, then one.
    for left in [0, 1] {
        pool.left.store(left, Ordering::Relaxed);
        let error = a.extend(PAGE_TOKENS).unwrap_err();
        assert!(error.to_string().contains("no page is left"), "{error}");
        assert_eq!((a.len(), a.bytes()), (PAGE_TOKENS + 5, 2 * PAGE));
        assert_eq!(key(&a, 1, PAGE_TOKENS + 4), 101);
    }
    drop(b);
    pool.left.store(1, Ordering::Relaxed);
    a.extend(PAGE_TOKENS).unwrap();
    assert_eq!(pool.budget.held(), 3 * PAGE as u64);
}

#[test]
fn what_was_saved_is_restored_and_costs_what_its_bytes_justify() {
    let mut a = KvCache::new(Plain::new(None));
    push(&mut a, 1, PAGE_TOKENS);
    push(&mut a, 2, 7);
    assert_eq!(a.stored_id(), [1, 3 << 8]);
    let mut saved = Vec::new();
    a.write_to(&mut SealedWriter::new(&mut saved)).unwrap();
    // Four bytes a number and a checksum for each page and layer.
    assert_eq!(saved.len(), (PAGE_TOKENS + 7) * 2 * 2 * 4 + 4 * 8);

    let pool = Plain::new(None);
    let mut b = KvCache::new(pool.clone());
    let mut input = &saved[..];
    b.read_from(a.len(), &mut SealedReader::new(&mut input))
        .unwrap();
    assert!(input.is_empty());
    assert_eq!((b.len(), b.bytes()), (a.len(), a.bytes()));
    for (a, b) in a.pages.iter().zip(&b.pages) {
        assert_eq!(a.memory, b.memory);
    }
    drop(b);

    // A claim of many tokens: no page beyond those that the bytes fill.
    let mut c = KvCache::new(pool.clone());
    pool.left.store(2, Ordering::Relaxed);
    let mut input = &saved[..];
    let error = c
        .read_from(1 << 30, &mut SealedReader::new(&mut input))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MalformedFile, "{error}");
}
