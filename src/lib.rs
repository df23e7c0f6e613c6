//! CodeGeeX, an open 13-billion-parameter code model, as a library.

#[cfg(target_endian = "big")]
compile_error!(
    "codegeex reads little-endian checkpoints in place and needs a little-endian target"
);

pub mod backend;
pub mod bytes;
pub mod cancel;
pub mod error;
pub mod generate;
mod kernels;
pub mod model;
pub mod num;
pub mod prompt;
pub mod tensor;
mod threads;
pub mod tokenizer;
pub mod weights;

pub use error::{Error, ErrorKind, Result};
