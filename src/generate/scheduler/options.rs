//! Bounds of a scheduler.

use crate::generate::PREFILL_TOKENS;
use crate::setters::setters;

/// Bounds of a [`Scheduler`](super::Scheduler).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SchedulerOptions {
    /// Sequences that are computed together at most. Higher = more total throughput, higher latency
    /// of each request.
    pub sequences: usize,
    /// Tokens of prompts that a step computes at most. Lower = generating sequences get their
    /// tokens more evenly, prompts take longer.
    pub prefill_tokens: usize,
    /// Bytes of KV cache that may be planned for. `None` plans for half of what the system has
    /// available when the scheduler is made, or for any number where it
    /// does not say; [`UNLIMITED`](Self::UNLIMITED) admits whatever is submitted, and requests that
    /// the system then refuses memory fail. The
    /// [backend's limit](crate::backend::CpuOptions::memory_limit) holds in any case.
    pub cache_bytes: Option<u64>,
    /// Prompts whose KV cache is kept after they were computed (prompt cache), for requests that
    /// begin the same. They give way when room is needed.
    pub prefixes: usize,
    /// Requests that wait at most; a further one is refused with [`Busy`](crate::ErrorKind::Busy).
    pub waiting: usize,
}

impl SchedulerOptions {
    /// A value of [`cache_bytes`](Self::cache_bytes): memory is not planned.
    pub const UNLIMITED: u64 = u64::MAX;

    /// 64 sequences, 8 kept prompts, 1024 waiting requests, half of the available memory.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        set sequences: usize;
        set prefill_tokens: usize;
        option cache_bytes: u64;
        set prefixes: usize;
        set waiting: usize;
    }
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self {
            sequences: 64,
            prefill_tokens: PREFILL_TOKENS,
            cache_bytes: None,
            prefixes: 8,
            waiting: 1024,
        }
    }
}
