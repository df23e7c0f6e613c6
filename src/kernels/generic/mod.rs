//! The algorithms, each written once over [`Simd`](super::simd::Simd).
//!
//! Sums run over [`ACC`](super::simd::ACC) virtual lanes in a fixed order, so every tier gives
//! the same bits; `tests.rs` holds them to it.

pub mod activation;
pub mod attention;
pub mod dot;
pub mod exp;
pub mod gemm;
pub mod norm;
pub mod rotary;
pub mod widen;
