//! The library from outside, one module a subject. What counts the memory, threads, children or
//! environment of a whole process is a test binary of its own beside this.

mod api;
mod cancel;
mod checkpoints;
mod code_stops;
mod company;
mod golden_model;
#[cfg(feature = "capi")]
mod header;
mod hostile_files;
mod layering;
mod model;
mod quantized;
mod same_bits;
mod saved_state;
mod scheduler;
#[path = "../support/mod.rs"]
mod support;
mod tokenizer_files;
mod tokenizer_golden;
mod toy;

/// Counts for each thread, so that tests may run at once.
#[global_allocator]
static ALLOCATOR: support::alloc::Counting = support::alloc::Counting;
