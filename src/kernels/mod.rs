//! CPU kernels: dot products, matrix products, layer norm, activations, softmax.
//!
//! The entry points are safe and check lengths; `unsafe` stays inside. Kernels know numbers and
//! shapes, not layers. An algorithm is written once in [`generic`] over
//! [`simd::Simd`], and compiled for every tier of [`isa`]; all tiers give the same bits, except
//! for the blocked matrix product of [`linear`], which is matrixmultiply's and chooses its own
//! instructions.

mod columns;
pub mod generic;
pub mod isa;
pub mod linear;
pub mod matrix;
pub mod packed;
pub mod simd;
#[cfg(target_arch = "x86_64")]
pub mod x86_64;

#[cfg(test)]
mod tests;

pub use isa::Isa;
pub use matrix::Matrix;
