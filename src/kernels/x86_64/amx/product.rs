//! The blocked product.
//!
//! ```text
//! for each 256 tokens:
//!   for each 16 panels:
//!     for each 8 blocks of inputs (or so):            B: 2 panels * 8 KiB, in L1
//!       for each pair of panels:
//!         for each 16 tokens:                         A: 16 KiB, from L2
//!           H0 H1 L0 L1 = sums (zeros the first time)
//!           for each block:
//!             load A_hi B0 B1 A_lo
//!             H0 += A_hi * B0;  H1 += A_hi * B1;  L0 += A_lo * B0;  L1 += A_lo * B1
//!           sums = H0 H1 L0 L1
//! ```
//!
//! The sizes follow from the figures of Sapphire Rapids (Intel's optimization manual, chapter on
//! AMX): a `tdpbsud` every 16 cycles with a latency of 52, two loads of 64 bytes a cycle from an
//! L1 of 48 KiB, about 48 bytes a cycle from an L2 of 2 MiB.
//!
//! 1. Four sums are in flight, so that each waits 64 cycles for its turn and never on itself.
//!    With the two operands of each side they are all eight tiles. A step loads 4 KiB: 32 cycles
//!    of loads from L1 under 64 of products, but about 85 from L2. One side has to come from L1.
//! 2. It is B, of which 8 blocks are 16 KiB. Between two uses of it, 16 KiB of A and 4 KiB of
//!    sums pass: 36 KiB in all, so that B survives in an L1 that evicts the oldest line. Twelve
//!    blocks would not.
//! 3. Sums are stored and loaded again every 8 steps, for which 512 cycles of products stand
//!    against some 64 of stores (16 each) and 32 of loads. Unless they overlap, 84 % is left.
//! 4. For A to come from L2 and not from further away, a stretch of 8 blocks of 256 tokens, 256
//!    KiB, is used for 16 panels in turn, whose sums are 512 KiB; all of it fits. Weights come
//!    from memory once for every 256 tokens, 2 KiB for 1024 cycles of products.
//! 5. The weights of the next pair are prefetched into L2 meanwhile, evenly over the steps: each
//!    panel is a stream of its own, interrupted every 8 KiB, which a prefetcher follows badly.
//! 6. The blocks are divided evenly (17 are 6, 6 and 5), so that no stretch is very short.
//!
//! A last, single panel has two sums in flight and reaches 60 % of the rate at most: callers
//! divide panels by even numbers. None of this changes a result, sums of integers being exact.

use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};

use super::tiles::{TILE_BYTES, Tiles};
use crate::kernels::packed::unit::{ActivationBlock, Sums};

/// Blocks of inputs in a stretch.
const STRETCH: usize = 8;
/// Blocks of 16 tokens that use a stretch of weights before the next is read.
const TOKEN_BLOCKS: usize = 16;
/// Panels whose sums stay in the cache.
const PANELS: usize = 16;
/// The most blocks for which no sum can overflow: 128 * 255 * 65536 < 2^31.
pub const MAX_BLOCKS: usize = 1024;

const CACHE_LINE: usize = 64;
const TILE_LINES: usize = TILE_BYTES / CACHE_LINE;

// Tile numbers.
const H0: usize = 0;
const H1: usize = 1;
const L0: usize = 2;
const L1: usize = 3;
const A_HI: usize = 4;
const A_LO: usize = 5;
const B0: usize = 6;
const B1: usize = 7;

/// Checked arguments, see [`super::product`].
pub struct Product<'a> {
    panels: &'a [&'a [u8]],
    blocks: usize,
    activations: &'a [ActivationBlock],
    sums: &'a mut [Sums],
}

impl<'a> Product<'a> {
    pub fn new(
        panels: &'a [&'a [u8]],
        blocks: usize,
        activations: &'a [ActivationBlock],
        sums: &'a mut [Sums],
    ) -> Self {
        assert!(
            (1..=MAX_BLOCKS).contains(&blocks),
            "{blocks} blocks, not 1 to {MAX_BLOCKS}"
        );
        for panel in panels {
            assert_eq!(panel.len(), blocks * TILE_BYTES, "a panel is not [blocks]");
        }
        assert!(
            activations.len().is_multiple_of(blocks),
            "activations are not [16s, blocks]"
        );
        assert_eq!(
            sums.len(),
            activations.len() / blocks * panels.len(),
            "sums are not [16s, panels]"
        );
        Self {
            panels,
            blocks,
            activations,
            sums,
        }
    }

    pub fn run<T: Tiles>(mut self, tiles: &mut T) {
        let token_blocks = self.activations.len() / self.blocks;
        for tokens in (0..token_blocks).step_by(TOKEN_BLOCKS) {
            let tokens = tokens..(tokens + TOKEN_BLOCKS).min(token_blocks);
            for start in (0..self.panels.len()).step_by(PANELS) {
                let end = (start + PANELS).min(self.panels.len());
                let mut at = Some(Position {
                    panel: start,
                    stretch: 0,
                });
                while let Some(here) = at {
                    let next = self.after(here, start, end);
                    if here.panel + 1 < end {
                        self.stretch::<T, 2>(tiles, here, next, tokens.clone());
                    } else {
                        self.stretch::<T, 1>(tiles, here, next, tokens.clone());
                    }
                    at = next;
                }
            }
        }
    }

    /// The next pair of panels `start..end`, or the next stretch of the first.
    fn after(&self, here: Position, start: usize, end: usize) -> Option<Position> {
        let Position { panel, stretch } = here;
        if panel + 2 < end {
            let panel = panel + 2;
            return Some(Position { panel, stretch });
        }
        let (panel, stretch) = (start, stretch + 1);
        (stretch < self.blocks.div_ceil(STRETCH)).then_some(Position { panel, stretch })
    }

    /// The blocks of a stretch: all of them divided evenly.
    fn blocks_of(&self, stretch: usize) -> std::ops::Range<usize> {
        let stretches = self.blocks.div_ceil(STRETCH);
        let bound = |i: usize| (i * self.blocks).div_ceil(stretches);
        bound(stretch)..bound(stretch + 1)
    }

    /// A stretch of the weights of `N` panels for some blocks of 16 tokens.
    fn stretch<T: Tiles, const N: usize>(
        &mut self,
        tiles: &mut T,
        here: Position,
        next: Option<Position>,
        tokens: std::ops::Range<usize>,
    ) {
        let blocks = self.blocks_of(here.stretch);
        let mut weights: [&[[u8; TILE_BYTES]]; N] = [&[]; N];
        for (i, weights) in weights.iter_mut().enumerate() {
            let (all, _) = self.panels[here.panel + i].as_chunks();
            *weights = &all[blocks.clone()];
        }
        let mut ahead = Ahead::default();
        if let Some(next) = next {
            let blocks = self.blocks_of(next.stretch);
            let bytes = blocks.start * TILE_BYTES..blocks.end * TILE_BYTES;
            for (to, panel) in ahead.panels.iter_mut().zip(&self.panels[next.panel..]) {
                *to = &panel[bytes.clone()];
            }
            ahead.lines_per_step = TILE_LINES.div_ceil(tokens.len());
        }
        for token_block in tokens {
            let activations = &self.activations[token_block * self.blocks..][blocks.clone()];
            let sums = &mut self.sums[token_block * self.panels.len() + here.panel..][..N];
            multiply::<T, N>(
                tiles,
                activations,
                &weights,
                sums,
                blocks.start == 0,
                &mut ahead,
            );
        }
    }
}

/// Where a stretch of weights is: of a panel and perhaps the one after it.
#[derive(Clone, Copy)]
struct Position {
    panel: usize,
    stretch: usize,
}

/// Weights to prefetch.
#[derive(Default)]
struct Ahead<'a> {
    panels: [&'a [u8]; 2],
    /// Bytes already asked for.
    done: usize,
    lines_per_step: usize,
}

impl Ahead<'_> {
    #[inline(always)]
    fn step(&mut self) {
        for _ in 0..self.lines_per_step {
            for panel in self.panels {
                if self.done < panel.len() {
                    // SAFETY: a prefetch is a hint that never faults, on every x86-64.
                    unsafe {
                        _mm_prefetch::<_MM_HINT_T1>(panel.as_ptr().wrapping_add(self.done).cast())
                    };
                }
            }
            self.done += CACHE_LINE;
        }
    }
}

/// Sixteen tokens with `N` panels, added to `sums`, or written there the first time.
#[inline(always)]
fn multiply<T: Tiles, const N: usize>(
    tiles: &mut T,
    activations: &[ActivationBlock],
    weights: &[&[[u8; TILE_BYTES]]; N],
    sums: &mut [Sums],
    first: bool,
    ahead: &mut Ahead<'_>,
) {
    const { assert!(N == 1 || N == 2) };
    if first {
        tiles.zero::<H0>();
        tiles.zero::<L0>();
        if N == 2 {
            tiles.zero::<H1>();
            tiles.zero::<L1>();
        }
    } else {
        tiles.load_sums::<H0>(&sums[0].hi);
        tiles.load_sums::<L0>(&sums[0].lo);
        if N == 2 {
            tiles.load_sums::<H1>(&sums[1].hi);
            tiles.load_sums::<L1>(&sums[1].lo);
        }
    }
    let steps = activations.len();
    // Cut to equal lengths, so that the compiler can drop the bounds checks of the loop.
    let (first_panel, last_panel) = (&weights[0][..steps], &weights[N - 1][..steps]);
    for i in 0..steps {
        ahead.step();
        tiles.load::<A_HI>(&activations[i].hi);
        tiles.load::<B0>(&first_panel[i]);
        tiles.dot::<H0, A_HI, B0>();
        if N == 2 {
            tiles.load::<B1>(&last_panel[i]);
            tiles.dot::<H1, A_HI, B1>();
        }
        tiles.load::<A_LO>(&activations[i].lo);
        tiles.dot::<L0, A_LO, B0>();
        if N == 2 {
            tiles.dot::<L1, A_LO, B1>();
        }
    }
    tiles.store_sums::<H0>(&mut sums[0].hi);
    tiles.store_sums::<L0>(&mut sums[0].lo);
    if N == 2 {
        tiles.store_sums::<H1>(&mut sums[1].hi);
        tiles.store_sums::<L1>(&mut sums[1].lo);
    }
}
