//! Tiers of 64-bit Arm: the vector operations of each instruction set.

pub mod neon;
mod panel_sdot;
mod panel_smlal;
