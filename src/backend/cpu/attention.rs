//! Attention over the pages of caches: which task computes what.

use super::cache::{CpuCache, PAGE_TOKENS};
use crate::backend::{HeadShape, Query};
use crate::kernels::Isa;
use crate::kernels::generic::attention::{Softmax, WeightedRows};
use crate::kernels::generic::dot::{DotRows, Segment};
use crate::kernels::linear::Context;

/// Attention of each row of `q`, `[queries, heads * head_dim]`, into the same row of `out`.
pub fn attend(
    cx: Context<'_>,
    q: &[f32],
    queries: &[Query],
    caches: &[&CpuCache],
    layer: usize,
    shape: HeadShape,
    out: &mut [f32],
) {
    let most = queries.iter().map(|q| q.position + 1).max().unwrap_or(0);
    cx.pool.for_each_chunk(out, shape.head_dim, |i, out| {
        let (query, head) = (queries[i / shape.heads], i % shape.heads);
        let kv_head = head / (shape.heads / shape.kv_heads);
        cx.scratch.with(most, |scores| {
            let head = Head {
                query: &q[i * shape.head_dim..(i + 1) * shape.head_dim],
                column: kv_head * shape.head_dim,
                layer,
                cache: caches[query.sequence],
            };
            head.attend(cx.isa, &mut scores[..=query.position], out);
        });
    });
}

/// One query of one head over one sequence.
struct Head<'a> {
    query: &'a [f32],
    /// First column of the head in a row of keys or values.
    column: usize,
    layer: usize,
    cache: &'a CpuCache,
}

impl Head<'_> {
    /// `out = softmax(scale * q · kᵀ) · v` over the first `scores.len()` positions.
    fn attend(&self, isa: Isa, scores: &mut [f32], out: &mut [f32]) {
        let stride = self.cache.shape().kv_width;
        let scale = 1.0 / (self.query.len() as f32).sqrt();
        for (page, scores) in self
            .cache
            .pages()
            .iter()
            .zip(scores.chunks_mut(PAGE_TOKENS))
        {
            isa.dispatch(DotRows {
                segments: &[Segment {
                    col: 0,
                    cols: self.query.len(),
                    stride,
                    data: &page.keys(self.cache.shape(), self.layer)[self.column..],
                }],
                x: self.query,
                scale,
                bias: None,
                out: scores,
            });
        }
        isa.dispatch(Softmax(scores));
        for (page, weights) in self.cache.pages().iter().zip(scores.chunks(PAGE_TOKENS)) {
            isa.dispatch(WeightedRows {
                weights,
                rows: &page.values(self.cache.shape(), self.layer)[self.column..],
                stride,
                out,
            });
        }
    }
}
