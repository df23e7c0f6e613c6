//! CPU kernels: dot products, matrix products, layer norm, activations, attention.
//!
//! The entry points are safe and check lengths; `unsafe` stays inside. Kernels know numbers and
//! shapes, not layers. An algorithm is written once in [`generic`] over
//! [`simd::Simd`], and compiled for every tier of [`isa`]; all tiers give the same bits.

#[cfg(target_arch = "aarch64")]
pub mod aarch64;
mod columns;
pub mod generic;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod impl_simd;
pub mod isa;
pub mod linear;
pub mod matrix;
pub mod packed;
pub mod probe;
pub mod scratch;
pub mod simd;
#[cfg(target_arch = "x86_64")]
pub mod x86_64;

#[cfg(test)]
mod tests;

pub use isa::Isa;
pub use matrix::Matrix;
