//! Units that multiply matrices, where the machine has one: the way of many tokens.
//!
//! A unit takes sixteen tokens and some panels at a time and gives sums of the two halves of the
//! activations, which are exact; so results are those of the panel kernels, to the bit. Where the
//! activations are bytes, it takes 32 tokens, sixteen in the place of each half.

mod pack;

#[cfg(target_arch = "x86_64")]
use crate::kernels::x86_64::amx;

pub use pack::*;

/// A unit of this machine.
#[derive(Clone, Copy, Debug)]
pub enum MatrixUnit {
    /// AMX.
    #[cfg(target_arch = "x86_64")]
    Tiles(amx::TileUnit),
    /// The same in software, for tests.
    #[cfg(all(test, target_arch = "x86_64"))]
    Emulated,
}

#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(unused_variables, reason = "no unit is known there")
)]
impl MatrixUnit {
    /// Sums of packed activations, `[units of tokens, blocks]`, with panels of 8-bit weights of
    /// `blocks` blocks each: `[units of tokens, panels]`.
    ///
    /// # Panics
    /// When the lengths disagree.
    pub fn product(
        self,
        panels: &[&[u8]],
        blocks: usize,
        activations: &[ActivationBlock],
        sums: &mut [Sums],
    ) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Tiles(unit) => amx::product(unit, panels, blocks, activations, sums),
            #[cfg(all(test, target_arch = "x86_64"))]
            Self::Emulated => amx::emulated_product(panels, blocks, activations, sums),
        }
    }

    /// Products of bytes a second on one thread, each counted as two operations.
    pub fn peak(self, time: std::time::Duration) -> f64 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Tiles(unit) => amx::peak(unit, time),
            #[cfg(all(test, target_arch = "x86_64"))]
            Self::Emulated => 0.0,
        }
    }
}
