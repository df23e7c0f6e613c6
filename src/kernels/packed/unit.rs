//! Units that multiply matrices, where the machine has one: the way of many tokens.
//!
//! A unit takes sixteen tokens and some panels at a time and gives sums of the two halves of the
//! activations, which are exact; so results are those of the panel kernels, to the bit.

use crate::kernels::x86_64::amx::{self, ActivationBlock, Sums, TileUnit};

/// A unit of this machine.
#[derive(Clone, Copy, Debug)]
pub enum MatrixUnit {
    /// AMX.
    Tiles(TileUnit),
    /// The same in software, for tests.
    #[cfg(test)]
    Emulated,
}

impl MatrixUnit {
    /// Sums of packed activations, `[tokens / 16, blocks]`, with panels of 8-bit weights of
    /// `blocks` blocks each: `[tokens / 16, panels]`.
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
            Self::Tiles(unit) => amx::product(unit, panels, blocks, activations, sums),
            #[cfg(test)]
            Self::Emulated => amx::emulated_product(panels, blocks, activations, sums),
        }
    }

    /// Products of bytes a second on one thread, each counted as two operations.
    pub fn peak(self, time: std::time::Duration) -> f64 {
        match self {
            Self::Tiles(unit) => amx::peak(unit, time),
            #[cfg(test)]
            Self::Emulated => 0.0,
        }
    }
}
