//! Attention of some queries over one block of a head's keys and values, with the softmax in its
//! streaming form: a running maximum, running sums, and accumulators that are rescaled when the
//! maximum grows. No vector of scores exists beyond the block.
//!
//! ```text
//! for each query:  s[t]  = scale * q · k[t]                 t: the 32 tokens of the block
//!                  m'    = max(m, max s);  c = exp(m - m')
//!                  p[t]  = exp(s[t] - m')
//!                  sums  = c * sums + p                     lane t stays with token t
//!                  acc   = c * acc + sum over t of p[t] * v[t]
//! in the end:      out   = acc / sum(sums)
//! ```
//!
//! Keys lie transposed, `[head_dim][32 tokens]`, so that the virtual lanes are the tokens of the
//! block: no sum runs across lanes, and one value of the query meets 32 keys in one go. Values
//! lie by token, `[32 tokens][head_dim padded to 32]`, so that the lanes are columns.
//!
//! What a query computes, and in which order, depends on its own positions alone: how many
//! queries go side by side changes no bit. A dot product is two chains of multiply-adds, over the
//! lower and over the upper half of the head: one query runs both at once, which hides the
//! latency; several run one after the other, which spares registers.

use super::exp::exp;
use crate::kernels::isa::Kernel;
use crate::kernels::simd::{ACC, Element, Scalar, Simd};
use crate::num;

/// Tokens of a block: one a lane.
pub const BLOCK_TOKENS: usize = ACC;
const CACHE_LINE: usize = 64;

/// One query of one head and what it has gathered so far.
#[derive(Debug)]
pub struct QueryRow<'a> {
    query: &'a [f32],
    /// Tokens of the next block that it sees: from this one on,
    pub hidden: usize,
    /// up to this one.
    pub visible: usize,
    max: f32,
    sums: [f32; ACC],
    /// The head's columns, padded.
    acc: &'a mut [[f32; ACC]],
}

impl<'a> QueryRow<'a> {
    /// A query that has seen nothing; `acc` is room for it, a chunk for each 32 columns.
    pub fn new(query: &'a [f32], acc: &'a mut [[f32; ACC]]) -> Self {
        assert_eq!(acc.len(), query.len().div_ceil(ACC), "acc is not the head");
        acc.fill([0.0; ACC]);
        Self {
            query,
            hidden: 0,
            visible: 0,
            max: f32::NEG_INFINITY,
            sums: [0.0; ACC],
            acc,
        }
    }

    /// The weighted mean of the values. NaN where a score was not finite.
    pub fn finish(self, out: &mut [f32]) {
        let factor = 1.0 / Scalar.sum(self.sums);
        for (out, acc) in out.iter_mut().zip(self.acc.as_flattened()) {
            *out = acc * factor;
        }
    }
}

/// Keys and values of [`BLOCK_TOKENS`] tokens of one head.
#[derive(Debug)]
pub struct Block<'a, T> {
    /// `[head_dim][tokens]`.
    pub keys: &'a [[T; ACC]],
    /// `[tokens][head_dim padded to 32]`.
    pub values: &'a [[T; ACC]],
    /// What the keys and the values of each token are to be multiplied with.
    pub scales: Option<(&'a [f32; ACC], &'a [f32; ACC])>,
}

impl<T> Clone for Block<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Block<'_, T> {}

/// Lets every query see one block.
#[derive(Debug)]
pub struct AttendBlock<'a, 'q, T> {
    /// The queries, as wide as the keys are high.
    pub rows: &'a mut [QueryRow<'q>],
    /// The block.
    pub block: Block<'a, T>,
    /// The one that comes next, which is asked for in the meantime.
    pub next: Option<Block<'a, T>>,
    /// Multiplies every score.
    pub scale: f32,
}

impl<T: Element> Kernel for AttendBlock<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let block = &self.block;
        let chunks = block.keys.len().div_ceil(ACC);
        assert!(block.values.len() == BLOCK_TOKENS * chunks);
        // The first queries ask for the next block, for all.
        let mut next = self.next.as_ref();
        let mut rows = self.rows;
        while !rows.is_empty() {
            // As many as leave the accumulators in registers.
            let n = match rows.len() {
                n if n >= 8 && S::MANY_REGISTERS => 8,
                n if n >= 4 && S::MANY_REGISTERS => 4,
                n if n >= 2 => 2,
                _ => 1,
            };
            let (some, others) = rows.split_at_mut(n);
            if some.iter().any(QueryRow::sees) {
                let next = next.take();
                match n {
                    8 => attend_rows::<S, T, 8>(s, some, block, next, self.scale),
                    4 => attend_rows::<S, T, 4>(s, some, block, next, self.scale),
                    2 => attend_rows::<S, T, 2>(s, some, block, next, self.scale),
                    _ => attend_rows::<S, T, 1>(s, some, block, next, self.scale),
                }
            }
            rows = others;
        }
    }
}

impl QueryRow<'_> {
    fn sees(&self) -> bool {
        self.visible > self.hidden
    }

    /// Puts a value into the lanes of tokens that it does not see.
    #[inline(always)]
    fn blank(&self, lanes: &mut [f32; ACC], value: f32) {
        lanes[..self.hidden].fill(value);
        lanes[self.visible..].fill(value);
    }

    fn sees_all(&self) -> bool {
        self.hidden == 0 && self.visible == BLOCK_TOKENS
    }
}

#[inline(always)]
fn attend_rows<S: Simd, T: Element, const R: usize>(
    s: S,
    rows: &mut [QueryRow<'_>],
    block: &Block<'_, T>,
    next: Option<&Block<'_, T>>,
    scale: f32,
) {
    let scores = scores::<S, T, R>(s, rows, block, next);
    let mut factor = s.splat(scale);
    if let Some((keys, _)) = block.scales {
        factor = s.mul(s.load(keys), factor);
    }
    let mut weights = [[0.0; ACC]; R];
    let mut corrections = [1.0; R];
    for r in 0..R {
        let score = s.mul(scores[r], factor);
        let p;
        (p, corrections[r]) = soften(s, &mut rows[r], score);
        let weight = match block.scales {
            Some((_, values)) => s.mul(p, s.load(values)),
            None => p,
        };
        s.store(weight, &mut weights[r]);
    }
    let chunks = block.keys.len().div_ceil(ACC);
    let mut chunk = 0;
    while chunk < chunks {
        let left = chunks - chunk;
        let args = (block, next, &weights, &corrections);
        // One query fills the registers with columns instead.
        if R == 1 && left >= 4 && S::MANY_REGISTERS {
            weigh::<S, T, R, 4>(s, rows, chunk, args);
            chunk += 4;
        } else if R <= 4 && left >= 2 && (R == 1 || S::MANY_REGISTERS) {
            weigh::<S, T, R, 2>(s, rows, chunk, args);
            chunk += 2;
        } else {
            weigh::<S, T, R, 1>(s, rows, chunk, args);
            chunk += 1;
        }
    }
}

/// Dot products of each query with the keys of the block, not yet scaled.
#[inline(always)]
fn scores<S: Simd, T: Element, const R: usize>(
    s: S,
    rows: &[QueryRow<'_>],
    block: &Block<'_, T>,
    next: Option<&Block<'_, T>>,
) -> [S::Wide; R] {
    let half = block.keys.len().div_ceil(2);
    let (low, high) = block.keys.split_at(half);
    let mut sums = [s.splat(0.0); R];
    if R == 1 {
        let (q_low, q_high) = rows[0].query.split_at(half);
        let (mut a, mut b) = (s.splat(0.0), s.splat(0.0));
        let n = high.len();
        let ahead = next.map_or(block.keys, |b| b.keys);
        let (ahead_low, ahead_high) = ahead.split_at(half);
        let (low_n, q_low_n, ahead_low) = (&low[..n], &q_low[..n], &ahead_low[..n]);
        for d in 0..n {
            prefetch(s, &ahead_low[d]);
            prefetch(s, &ahead_high[d]);
            a = s.mul_add(T::load(s, &low_n[d]), s.splat(q_low_n[d]), a);
            b = s.mul_add(T::load(s, &high[d]), s.splat(q_high[d]), b);
        }
        if half > n {
            a = s.mul_add(T::load(s, &low[n]), s.splat(q_low[n]), a);
        }
        sums[0] = s.add(a, b);
        return sums;
    }
    let mut low_q: [&[f32]; R] = [&[]; R];
    let mut high_q: [&[f32]; R] = [&[]; R];
    for r in 0..R {
        (low_q[r], high_q[r]) = rows[r].query.split_at(half);
    }
    let ahead = next.map(|b| b.keys.split_at(half));
    let a = chain::<S, T, R>(s, low, low_q, ahead.map(|a| a.0));
    let b = chain::<S, T, R>(s, high, high_q, ahead.map(|a| a.1));
    for r in 0..R {
        sums[r] = s.add(a[r], b[r]);
    }
    sums
}

#[inline(always)]
fn chain<S: Simd, T: Element, const R: usize>(
    s: S,
    keys: &[[T; ACC]],
    mut queries: [&[f32]; R],
    ahead: Option<&[[T; ACC]]>,
) -> [S::Wide; R] {
    for q in &mut queries {
        *q = &q[..keys.len()];
    }
    let mut lanes = [s.splat(0.0); R];
    for (d, key) in keys.iter().enumerate() {
        if let Some(ahead) = ahead {
            prefetch(s, &ahead[d]);
        }
        let key = T::load(s, key);
        for r in 0..R {
            lanes[r] = s.mul_add(key, s.splat(queries[r][d]), lanes[r]);
        }
    }
    lanes
}

/// Turns the scores of a block into weights, up to the sum of all: returns them, and what the
/// accumulators are to be multiplied with first.
#[inline(always)]
fn soften<S: Simd>(s: S, row: &mut QueryRow<'_>, mut score: S::Wide) -> (S::Wide, f32) {
    let mut lanes = [0.0; ACC];
    s.store(score, &mut lanes);
    if !row.sees_all() {
        // Behind the last visible token lies what the page held before.
        row.blank(&mut lanes, f32::NEG_INFINITY);
        score = s.load(&lanes);
    }
    let mut width = ACC / 2;
    while width > 0 {
        for i in 0..width {
            let other = lanes[i + width];
            lanes[i] = if other > lanes[i] { other } else { lanes[i] };
        }
        width /= 2;
    }
    let mut correction = 1.0;
    let grows = lanes[0] > row.max;
    if grows {
        correction = num::exp(row.max - lanes[0]);
        row.max = lanes[0];
    }
    let mut p = exp(s, s.sub(score, s.splat(row.max)));
    // An infinite score would leave no trace if it is negative: here it becomes NaN.
    p = s.add(p, s.sub(score, score));
    if !row.sees_all() {
        s.store(p, &mut lanes);
        row.blank(&mut lanes, 0.0);
        p = s.load(&lanes);
    }
    let mut sums = s.load(&row.sums);
    if grows {
        sums = s.mul(sums, s.splat(correction));
    }
    s.store(s.add(sums, p), &mut row.sums);
    (p, correction)
}

type Weights<'a, T, const R: usize> = (
    &'a Block<'a, T>,
    Option<&'a Block<'a, T>>,
    &'a [[f32; ACC]; R],
    &'a [f32; R],
);

/// `acc = correction * acc + sum over t of weights[t] * values[t]` for `C` chunks of columns.
#[inline(always)]
fn weigh<S: Simd, T: Element, const R: usize, const C: usize>(
    s: S,
    rows: &mut [QueryRow<'_>],
    chunk: usize,
    (block, next, weights, corrections): Weights<'_, T, R>,
) {
    let chunks = block.keys.len().div_ceil(ACC);
    let mut acc = [[s.splat(0.0); C]; R];
    // Tokens that all of these queries see; a weight of zero would not do for the others, since
    // what lies there may be infinite. Each query takes its tokens in order.
    let (mut first, mut common) = (0, BLOCK_TOKENS);
    for r in 0..R {
        first = first.max(rows[r].hidden);
        common = common.min(rows[r].visible);
        for (lanes, gathered) in acc[r].iter_mut().zip(&rows[r].acc[chunk..]) {
            *lanes = s.load(gathered);
            if corrections[r] != 1.0 {
                *lanes = s.mul(*lanes, s.splat(corrections[r]));
            }
        }
    }
    let common = common.max(first);
    let alone = |acc: &mut [[S::Wide; C]; R], r: usize, from: usize, to: usize| {
        let seen = weights[r].iter().enumerate().take(to);
        for (t, &weight) in seen.skip(from) {
            let row = &block.values[t * chunks + chunk..][..C];
            for (c, part) in row.iter().enumerate() {
                acc[r][c] = s.mul_add(s.splat(weight), T::load(s, part), acc[r][c]);
            }
        }
    };
    if first > 0 {
        for (r, row) in rows.iter().enumerate() {
            alone(&mut acc, r, row.hidden, first.min(row.visible));
        }
    }
    let ahead = next.map_or(block.values, |b| b.values);
    let ahead = ahead.chunks_exact(chunks);
    let tokens = block.values.chunks_exact(chunks).enumerate().take(common);
    for ((t, row), ahead) in tokens.zip(ahead).skip(first) {
        let row = &row[chunk..chunk + C];
        if next.is_some() {
            for line in &ahead[chunk..chunk + C] {
                prefetch(s, line);
            }
        }
        for (c, part) in row.iter().enumerate() {
            let value = T::load(s, part);
            for r in 0..R {
                acc[r][c] = s.mul_add(s.splat(weights[r][t]), value, acc[r][c]);
            }
        }
    }
    for r in 0..R {
        alone(&mut acc, r, common, rows[r].visible);
        for (lanes, out) in acc[r].iter().zip(&mut rows[r].acc[chunk..]) {
            s.store(*lanes, out);
        }
    }
}

/// Asks for the lines of a chunk.
#[inline(always)]
fn prefetch<S: Simd, T>(s: S, chunk: &[T; ACC]) {
    for line in 0..size_of_val(chunk).div_ceil(CACHE_LINE) {
        s.prefetch(chunk.as_ptr().cast::<u8>().wrapping_add(line * CACHE_LINE));
    }
}
