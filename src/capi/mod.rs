//! The C ABI, feature `capi`: the library's functions for C programs. It only translates and
//! contains no logic.
//!
//! `include/codegeex.h` is generated from this module, and its conventions are at the top of
//! `header.txt` there. One C type is one file here and one section there. `boundary` is where
//! pointers are looked at and panics end.
#![allow(clippy::missing_safety_doc)] // The header's conventions are the safety section of all.
#![allow(clippy::too_many_arguments)] // Text is pointer and length, and C has no defaults.

pub mod beam;
mod boundary;
pub mod buffer;
pub mod cancel;
pub mod code;
pub mod completions;
pub mod convert;
pub mod decoder;
pub mod edit;
pub mod error;
pub mod event;
pub mod generate;
pub mod generate_options;
mod handles;
pub mod log;
pub mod model;
pub mod open_options;
pub mod prompt;
pub mod sampler;
pub mod score;
pub mod service;
pub mod session;
mod settings;
pub mod state;
pub mod status;
pub mod task;
#[cfg(codegeex_capi_test)]
pub mod test_only;
#[cfg(test)]
mod tests;
pub mod tokenizer;
pub mod version;

/// The allocator of a library for C, so that it can promise never to end its host: see
/// [`reserve`](crate::memory::reserve). A program in Rust chooses its own.
#[cfg(any(codegeex_c_library, cargo_c))]
#[global_allocator]
static ALLOCATOR: crate::memory::reserve::Reserve =
    crate::memory::reserve::Reserve::new(std::alloc::System);
