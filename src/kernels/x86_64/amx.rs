//! AMX: products of many tokens with 8-bit weights, in integers, on tiles of 16 rows of 64 bytes.
//!
//! ```text
//! pack:     inputs x = 256 * hi + lo, signed bytes, as A tiles of 16 tokens and 64 inputs
//! product:  H = sum of hi * u,  L = sum of lo * u      u = w + 128, unsigned bytes, as B tiles
//! ```
//!
//! A B tile is a block of the packed weights as it stands in the file: 16 lines of 64 bytes, line
//! `q` with inputs `4q` to `4q + 3`, byte `4r + j` of it row `r`, input `4q + j`. A panel is the
//! blocks of 16 rows one after the other. What the caller makes of the sums is not here: `256 * H
//! + L - 128 * sum of x` is the exact product.
//!
//! - `tiles`: the registers and instructions; `emulated`: the same in software, for tests
//! - `product`: see there
//! - `detect`: what the processor and the system must grant
//!
//! Each call of [`product`] configures the tiles of its thread and releases them at its end. The
//! tile instructions are inline assembly, since their intrinsics are not stable in Rust.

mod detect;
#[cfg(test)]
mod emulated;
mod product;
#[cfg(test)]
mod tests;
mod tiles;

use std::time::{Duration, Instant};

use crate::kernels::packed::unit::{ActivationBlock, Sums};

use tiles::{DOT_OPERATIONS, Hardware, ROWS, TILE_BYTES, Tiles};

/// Proof that this processor has 8-bit products of tiles, and that the system lets this process
/// use them.
#[derive(Debug, Clone, Copy)]
pub struct TileUnit(());

impl TileUnit {
    /// The token, when the processor has AMX (TILE and INT8) and AVX-512 with VNNI, and the
    /// system grants the tiles to this process. Asked once, then remembered.
    ///
    /// On Linux the grant is for the whole process, for good, and inherited: alternate signal
    /// stacks must from then on have room for 8 KiB of tiles, and the system refuses the grant
    /// when one that a thread has already set up does not.
    pub fn detect() -> Option<Self> {
        detect::granted().then_some(Self(()))
    }
}

/// The sums of packed activations with some panels of weights.
///
/// - `panels`: of 16 rows each, every one `blocks` blocks of 64 inputs, aligned to 64 bytes for
///   speed; an even number of them, likewise
/// - `activations`: `[tokens / 16, blocks]`, as [`pack`] makes them
/// - `sums`: `[tokens / 16, panels]`, overwritten
///
/// # Panics
/// When the lengths disagree, or `blocks` is 0 or more than [`MAX_BLOCKS`].
pub fn product(
    amx: TileUnit,
    panels: &[&[u8]],
    blocks: usize,
    activations: &[ActivationBlock],
    sums: &mut [Sums],
) {
    let product = product::Product::new(panels, blocks, activations, sums);
    product.run(&mut Hardware::configure(amx));
}

/// Whether tiles can be used here, see [`TileUnit::detect`].
pub fn permitted() -> bool {
    detect::granted()
}

/// [`product`] on tiles in software.
#[cfg(test)]
pub fn emulated_product(
    panels: &[&[u8]],
    blocks: usize,
    activations: &[ActivationBlock],
    sums: &mut [Sums],
) {
    let product = product::Product::new(panels, blocks, activations, sums);
    product.run(&mut emulated::Emulated::configured());
}

/// 8-bit multiplications and additions a second that this thread's processor does in tiles,
/// without reading memory, over some time. A thread on every core gives the machine's rate.
pub fn peak(amx: TileUnit, time: Duration) -> f64 {
    /// Dots between two looks at the clock: some ten microseconds.
    const ROUNDS: u64 = 256;
    let mut tiles = Hardware::configure(amx);
    tiles.load::<6>(&[1; TILE_BYTES]);
    tiles.load::<7>(&[1; TILE_BYTES]);
    let start = Instant::now();
    let mut dots = 0;
    while start.elapsed() < time {
        for _ in 0..ROUNDS {
            // As many sums in flight as there are tiles left: none waits for itself.
            tiles.dot::<0, 6, 7>();
            tiles.dot::<1, 6, 7>();
            tiles.dot::<2, 6, 7>();
            tiles.dot::<3, 6, 7>();
            tiles.dot::<4, 6, 7>();
            tiles.dot::<5, 6, 7>();
        }
        dots += 6 * ROUNDS;
    }
    // Waits for the last sums.
    tiles.store_sums::<0>(&mut [[0; ROWS]; ROWS]);
    (dots * DOT_OPERATIONS) as f64 / start.elapsed().as_secs_f64()
}
