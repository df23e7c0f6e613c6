//! CodeGeeX, an open 13-billion-parameter code model (arXiv 2303.17568), and other code models, as a
//! library to embed.
//!
//! Use it when your own process (an editor, a build tool, a bot, a service) should complete, score
//! or tokenize code without Python and without a GPU. It reads the checkpoints as they were
//! published and computes on the CPU. It does not serve HTTP and does not train. [`family`] has the
//! architectures that it runs.
//!
//! ```
//! use codegeex::{GenerateOptions, Generator, Language};
//!
//! # fn main() -> codegeex::Result<()> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
//! let generator = Generator::open(path)?;
//! let prompt = generator.prompt(Language::PYTHON, "def fibonacci(n):")?;
//! for event in generator.stream(prompt, &GenerateOptions::new().max_new_tokens(64))? {
//!     print!("{}", event?.text());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! `path` is a checkpoint in any of its published forms, one that [`model::convert`](fn@model::convert)
//! has written, or the folder of a model that can be downloaded today, such as
//! `Qwen/Qwen2.5-Coder-1.5B` or `bigcode/starcoder2-3b`.
//!
//! Build your program with `--release`, or optimize this crate in the dev profile too: without
//! optimization its kernels are many times slower.
//!
//! ```toml
//! [profile.dev.package.codegeex]
//! opt-level = 3
//! ```
//!
//! # Which type to use
//!
//! | you have | use |
//! |---|---|
//! | one prompt at a time | [`Generator`]: `complete`, `complete_n`, `stream`, or `generate` with a callback |
//! | the text before and after a cursor | [`Generator::infill`]; [`Infill`] adds other files |
//! | a chat: prompts that begin like the one before | [`Session`]; it keeps the KV cache |
//! | an editor with a cursor | [`edit::EditSession`]: reuse, clipping, typing through a suggestion, post-processing |
//! | requests of many threads | [`Service`]: one batch on a thread of its own, with a [`Ticket`] for each request |
//! | your own event loop | [`Scheduler`]: a step of all requests at a time |
//! | your own decoding | [`Model::forward`]: token ids to logits |
//! | the most likely texts, log-probabilities of a text | [`Generator::beam_search`], [`Generator::score`], [`Generator::perplexity`] |
//!
//! # What is where
//!
//! | module | what it is for |
//! |---|---|
//! | [`tokenizer`] | text to token ids and back, streaming decoder |
//! | [`Language`] | the languages of the training data: names, tags, comments, file extensions |
//! | [`prompt`] | tasks (translation, explanation, docstrings) and templates |
//! | [`code`] | source text without parsing it: scanner, where code ends, post-processing of completions |
//! | [`family`] | the architectures: their `config.json`, their tensors, [`ModelConfig`](family::ModelConfig) |
//! | [`model`] | loading, converting and quantizing, the [`Model`] trait and its forward pass |
//! | [`generate`] | sampling, beam search, streaming, stops, scoring, batching; the [`Sampler`] trait |
//! | [`edit`] | inline suggestions for editors |
//! | `eval` | HumanEval-X: problems, samples, pass@k, reports (feature `eval`) |
//! | [`backend`] | what a model computes with: the CPU |
//! | [`weights`] | checkpoints as named tensors |
//! | [`error`], [`cancel`], [`tensor`], [`num`] | what all of these share |
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | prefill, decode | computing the tokens of a prompt; computing one token after the other |
//! | KV cache, page | keys and values of the tokens so far; the unit in which it grows, 64 tokens |
//! | top query layer | CodeGeeX's last layer, whose query is an embedding of the position instead of the hidden state |
//! | token healing | re-sampling the last tokens of a prompt that ends inside of what is one token |
//! | prompt cache | KV caches of prompts that a [`Scheduler`] keeps for prompts that begin the same |
//! | draft tokens | tokens proposed by a lookup or a small model, and checked by the model many at a time (speculative decoding) |
//! | panel | 16 rows of a quantized matrix, stored together as the kernels read them |
//!
//! # Promises
//!
//! - Input from outside (files, text, ids, options) leads to an [`Error`], never to a panic.
//!   Allocation failure is an error, not an abort, for everything whose size follows from input, a
//!   file, a vocabulary or an option. Large allocations are checked against available memory first.
//!   Small allocations of a fixed size abort as in any Rust program; the C library keeps a reserve
//!   for them. Exception: truncating a mapped file raises SIGBUS, see
//!   [`MemoryMode`](weights::MemoryMode).
//! - No background work: threads belong to a model or a service and end with it. Every call can be
//!   cancelled.
//! - No global state, with three exceptions: the tables of the compiled-in tokenizer are built once
//!   and shared, `CODEGEEX_ISA` in the environment bounds the instruction set, and Linux grants the
//!   use of AMX tiles to the whole process for good. The C library also has a table of its handles
//!   and the reserve.
//! - Same input, same output: logits are bit-identical for any prompt chunking, batch composition,
//!   thread count and instruction set. Random numbers are a function of seed, sample and position,
//!   the same on every platform.
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
mod bytes;
pub mod cancel;
#[cfg(feature = "capi")]
#[doc(hidden)]
pub mod capi;
mod checksum;
pub mod code;
pub mod edit;
pub mod error;
#[cfg(feature = "eval")]
pub mod eval;
pub mod family;
pub mod generate;
mod kernels;
mod language;
mod memory;
pub mod model;
pub mod num;
mod partial;
pub mod prompt;
mod quant;
mod setters;
mod system;
pub mod tensor;
mod threads;
pub mod tokenizer;
pub mod weights;

pub use cancel::CancelToken;
pub use error::{Error, ErrorKind, Result};
pub use generate::{
    BeamOptions, Completion, ContextFile, Event, FinishReason, GenerateOptions, Generator, Infill,
    InfillOrder, Limits, Prompt, Request, RequestOptions, Sampler, Sampling, Scheduler,
    SchedulerOptions, Service, Session, Speculation, StopAt, Stops, Stream, Ticket, Update,
};
pub use language::Language;
pub use model::{LoadOptions, Model};
pub use tokenizer::{BpeTokenizer, SpecialTokens, Tokenizer};

/// What the fuzz targets, benchmarks and integration tests of this repository reach inside for. No
/// part of the public interface: anything here may change in any release.
#[doc(hidden)]
pub mod __internal {
    pub use crate::backend::PAGE_TOKENS;
    pub use crate::backend::cpu::{GROUP_TOKENS, page_bytes};
    pub use crate::bytes::*;
    pub use crate::checksum::*;
    pub use crate::memory::*;
    pub use crate::threads::*;
    /// The reader of the index of several files.
    pub mod index {
        pub use crate::weights::index::*;
    }
    /// The reader of NumPy's arrays.
    pub mod npy {
        pub use crate::weights::npy::*;
    }
    /// The parser of the pickles in PyTorch files.
    pub mod pickle {
        pub use crate::weights::pickle::*;
    }
    /// The reader of the zip archives that PyTorch files are.
    pub mod zip {
        pub use crate::weights::zip::*;
    }
}

/// What threads share, and what moves between them.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    const fn moved<T: Send>() {}
    shared::<CancelToken>();
    shared::<BpeTokenizer>();
    shared::<Generator>();
    shared::<generate::Service>();
    shared::<model::Checkpoint>();
    shared::<Error>();
    moved::<generate::Session>();
    moved::<generate::Ticket>();
    moved::<edit::EditSession>();
};
