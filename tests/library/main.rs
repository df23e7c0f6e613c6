//! The library from outside, one module a subject. The published crate carries these tests. Those that
//! need what it leaves out are in tests/repository, tests/cli and tests/fuzz_regressions; those that
//! count the memory, threads or children of a whole process are test binaries of their own.

mod api;
mod cancel;
mod checkpoints;
mod code_stops;
mod families;
mod hostile_files;
mod layering;
mod mid_step_cancel;
mod same_bits;
mod scheduler;
#[path = "../support/mod.rs"]
mod support;
mod tokenizer_files;
mod tokenizer_golden;
mod tokenizer_json;
mod toy;

/// Counts for each thread, so that tests may run at once.
#[global_allocator]
static ALLOCATOR: support::alloc::Counting = support::alloc::Counting;
