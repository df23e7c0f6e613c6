//! CodeGeeX, an open 13-billion-parameter code model (arXiv 2303.17568), as a library to embed.
//!
//! Use it when your own process (an editor, a build tool, a bot, a service) should complete,
//! score or tokenize code without Python and without a GPU. It reads the checkpoints as they were
//! published and computes on the CPU. It is no server and no trainer, and it runs models of this
//! one architecture.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use std::sync::Arc;
//!
//! use codegeex::cancel::CancelToken;
//! use codegeex::generate::{Event, GenerateOptions, Generator};
//! use codegeex::model::{LoadOptions, load};
//! use codegeex::Language;
//! use codegeex::tokenizer::Gpt2Tokenizer;
//!
//! # fn main() -> codegeex::Result<()> {
//! let model = load("codegeex_13b.pt", &LoadOptions::default())?;
//! let generator = Generator::new(model, Arc::new(Gpt2Tokenizer::codegeex()));
//! let prompt = Language::PYTHON.prompt("def fibonacci(n):");
//! let options = GenerateOptions::default();
//! generator.generate(&prompt, &options, &CancelToken::new(), &mut |event| {
//!     if let Event::Token { text, .. } | Event::End { text, .. } = event {
//!         print!("{text}");
//!     }
//!     ControlFlow::Continue(())
//! })?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! | module | what it is for |
//! |---|---|
//! | [`tokenizer`] | text to ids and back, streaming decoder |
//! | [`Language`] | the languages of the training data: names, tags, comments, extensions |
//! | [`prompt`] | tasks and templates |
//! | [`code`] | source text without parsing it: scanner, where code ends, post-processing of completions |
//! | [`model`] | loading, converting and quantizing, the [`Model`](model::Model) trait and its forward pass |
//! | [`generate`] | sampling, beams, streaming, stops, scoring, many requests at once; the [`Sampler`](generate::Sampler) trait |
//! | [`edit`] | suggestions while somebody types: reuse, clipping, type-through, post-processing |
//! | `eval` | HumanEval-X: problems, samples, pass@k, reports (feature `eval`) |
//! | [`backend`] | what a model computes with; the CPU |
//! | [`weights`] | checkpoints as named tensors, and the parsers of their formats |
//! | [`error`], [`cancel`], [`checksum`], [`memory`], [`bytes`], [`tensor`], [`num`], [`threads`] | what all of these share |
//!
//! # Promises
//!
//! - A host is never aborted: what comes from outside (files, text, ids, options) leads to an
//!   [`Error`], not to a panic, and memory for weights, caches and activations is asked for in a
//!   way that can be refused: where the system tells what it has left ([`memory`]), before it
//!   would grant more and end the process. A mapped file is the exception that the system makes: see
//!   [`MemoryMode`](weights::MemoryMode).
//! - No globals: threads belong to a model and end with it. Every call can be cancelled.
//! - The same input gives the same output: logits have the same bits for any number of threads, any
//!   company in a batch, any split of a prompt and any instruction set. Random draws are a function
//!   of seed, sample and position, the same on every platform.
//!
//! # Crate features
//!
//! | feature | effect |
//! |---|---|
//! | none (default) | the library |
//! | `capi` | the C ABI of `include/codegeex.h`, for `libcodegeex.so`; no further dependency |
//! | `cli` | the `codegeex` program; needs clap, indicatif and ctrlc |
//! | `eval` | the module `eval`, and with `cli` the command `humaneval`; needs flate2, and on Linux rustix, libc and seccompiler |

#[cfg(target_endian = "big")]
compile_error!(
    "codegeex reads little-endian checkpoints in place: big-endian targets are not supported, \
     see docs/platforms.md"
);
#[cfg(not(target_pointer_width = "64"))]
compile_error!(
    "codegeex maps models of many gigabytes: only 64-bit targets are supported, see docs/platforms.md"
);
#[cfg(not(any(unix, windows)))]
compile_error!(
    "codegeex maps files: only systems of the Unix family and Windows are supported, see docs/platforms.md"
);

pub mod backend;
pub mod bytes;
pub mod cancel;
#[cfg(feature = "capi")]
#[doc(hidden)]
pub mod capi;
pub mod checksum;
pub mod code;
pub mod edit;
pub mod error;
#[cfg(feature = "eval")]
pub mod eval;
pub mod generate;
mod kernels;
mod language;
pub mod memory;
pub mod model;
pub mod num;
pub mod prompt;
mod quant;
mod setters;
mod system;
pub mod tensor;
pub mod threads;
pub mod tokenizer;
pub mod weights;

pub use error::{Error, ErrorKind, Result};
pub use language::Language;
