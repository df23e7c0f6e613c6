//! Quantization: from rows of weights to packed integers, and the names under which packed
//! matrices are stored.
//!
//! [`int8`] is the paper's (section 2.5), to the bit of the reference; [`int4`] is this crate's
//! own, by groups. The layout is that of the kernels (`kernels::packed`), which read it where it
//! is mapped. This module does not compute with quantized weights and does not read or write
//! files.
#![forbid(unsafe_code)]

pub mod int4;
pub mod int8;
pub mod pack;
pub mod stored;
