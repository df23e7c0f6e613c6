//! Attention over the pages of caches: which task computes what.
//!
//! A task is some queries of one sequence that read the same head of keys and values: the tokens
//! of a prompt, and the query heads that share a key head. Page after page, all of them see it
//! while it is in the cache of the core. What a query computes does not depend on the task it is
//! in, so tasks are cut to the number of threads.

use half::f16;

use super::page::Page;
use crate::backend::{HeadShape, KvFormat, PAGE_TOKENS, PageTable, PlanRow};
use crate::error::Result;
use crate::kernels::generic::attention::{AttendBlock, QueryRow};
use crate::kernels::linear::Context;
use crate::kernels::simd::{ACC, Element};
use crate::memory::try_vec;
use crate::threads::Failures;

/// The most queries of a task: with 32, what they gather (a page's worth of numbers) and the
/// keys and values of a page stay in the second-level cache.
const TASK_ROWS: usize = 32;

/// One query of one head, and where its result goes.
struct Item<'a> {
    row: usize,
    head: usize,
    out: &'a mut [f32],
}

/// Attention of each row of `q`, `[queries, heads * head_dim]`, into the same row of `out`.
///
/// # Errors
/// [`OutOfMemory`](crate::ErrorKind::OutOfMemory), [`Cancelled`](crate::ErrorKind::Cancelled).
pub fn attend(
    cx: Context<'_>,
    q: &[f32],
    queries: &[PlanRow],
    tables: &[PageTable<'_, Page>],
    layer: usize,
    shape: HeadShape,
    out: &mut [f32],
) -> Result<()> {
    let failures = Failures::default();
    let mut items = grouped(queries, shape, out)?;
    let mut tasks = cut(&mut items, queries, shape, cx.crew.threads())?;
    cx.crew.for_each_chunk(&mut tasks, 1, |_, task| {
        for items in task {
            let call = Call {
                cx,
                q,
                queries,
                layer,
                shape,
                table: &tables[queries[items[0].row].sequence],
            };
            failures.note(match call.table.page(0).layout().format {
                KvFormat::F32 => call.run::<f32>(items),
                KvFormat::F16 => call.run::<f16>(items),
                KvFormat::Int8 => call.run::<i8>(items),
            });
        }
    })?;
    failures.into_result()
}

/// All queries of all heads, those side by side that read the same keys.
fn grouped<'a>(queries: &[PlanRow], shape: HeadShape, out: &'a mut [f32]) -> Result<Vec<Item<'a>>> {
    let group = shape.heads / shape.kv_heads;
    let mut places: Vec<Option<Item<'_>>> = try_vec(queries.len() * shape.heads)?;
    places.resize_with(queries.len() * shape.heads, || None);
    let mut out = out.chunks_exact_mut(shape.head_dim);
    let mut first = 0;
    for run in queries.chunk_by(|a, b| a.sequence == b.sequence) {
        for row in first..first + run.len() {
            for (head, out) in out.by_ref().take(shape.heads).enumerate() {
                let place = first * shape.heads
                    + head / group * group * run.len()
                    + (row - first) * group
                    + head % group;
                places[place] = Some(Item { row, head, out });
            }
        }
        first += run.len();
    }
    let mut items = try_vec(places.len())?;
    items.extend(places.into_iter().flatten());
    Ok(items)
}

/// Cuts items into tasks.
fn cut<'a, 'b>(
    items: &'b mut [Item<'a>],
    queries: &[PlanRow],
    shape: HeadShape,
    threads: usize,
) -> Result<Vec<&'b mut [Item<'a>]>> {
    let group = shape.heads / shape.kv_heads;
    // Some tasks a thread, so that none waits long for the last one. The query heads of a token that
    // share a key head are cut only where threads would have nothing to do: the parts read the
    // same pages.
    let sequences = queries.chunk_by(|a, b| a.sequence == b.sequence).count();
    let parts = threads.div_ceil(sequences.max(1) * shape.kv_heads);
    let least = group.div_ceil(parts).min(TASK_ROWS);
    let rows = (items.len().div_ceil(4 * threads)).clamp(least, TASK_ROWS);
    let mut tasks = try_vec(items.len() / rows + shape.kv_heads)?;
    let together = |a: &Item<'_>, b: &Item<'_>| {
        queries[a.row].sequence == queries[b.row].sequence && a.head / group == b.head / group
    };
    for same in items.chunk_by_mut(together) {
        let chunks = same.chunks_mut(rows);
        tasks.try_reserve(chunks.len())?;
        tasks.extend(chunks);
    }
    Ok(tasks)
}

/// What the tasks of a call share, and the pages of one.
struct Call<'a> {
    cx: Context<'a>,
    q: &'a [f32],
    queries: &'a [PlanRow],
    layer: usize,
    shape: HeadShape,
    table: &'a PageTable<'a, Page>,
}

impl Call<'_> {
    fn run<T: Element>(&self, items: &mut [Item<'_>]) -> Result<()> {
        let HeadShape {
            heads,
            kv_heads,
            head_dim,
            scale,
            window,
        } = self.shape;
        let kept = self.table.page(0).layout().shape;
        assert!(kept.kv_heads == kv_heads && kept.head_dim == head_dim);
        let kv_head = items[0].head / (heads / kv_heads);
        let columns = head_dim.next_multiple_of(ACC);
        self.cx.scratch.with(items.len() * columns, |acc| {
            let accs = acc.chunks_exact_mut(columns);
            let mut rows: Vec<QueryRow<'_>> = (items.iter().zip(accs))
                .map(|(item, acc)| {
                    let start = (item.row * heads + item.head) * head_dim;
                    QueryRow::new(&self.q[start..start + head_dim], acc.as_chunks_mut().0)
                })
                .collect();
            let ends = items.iter().map(|item| self.queries[item.row].position + 1);
            let ends: Vec<usize> = ends.collect();
            let window = window.unwrap_or(usize::MAX);
            let start_of = |end: usize| end.saturating_sub(window);
            let most = ends.iter().copied().max().unwrap_or(0);
            assert!(most <= self.table.tokens(), "a query beyond the cache");
            let pages = most.div_ceil(PAGE_TOKENS);
            let block = |p: usize| self.table.page(p).block::<T>(self.layer, kv_head);
            let first = ends.iter().map(|&end| start_of(end) / PAGE_TOKENS).min();
            for p in first.unwrap_or(0)..pages {
                let in_page = |token: usize| token.saturating_sub(p * PAGE_TOKENS).min(PAGE_TOKENS);
                for (row, &end) in rows.iter_mut().zip(&ends) {
                    row.hidden = in_page(start_of(end));
                    row.visible = in_page(end);
                }
                self.cx.isa.dispatch(AttendBlock {
                    rows: &mut rows,
                    block: block(p),
                    next: (p + 1 < pages).then(|| block(p + 1)),
                    scale,
                });
            }
            for (row, item) in rows.into_iter().zip(items) {
                row.finish(item.out);
            }
        })
    }
}
