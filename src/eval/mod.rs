//! HumanEval-X (paper, section 4): from problems to samples, and from results to pass@k.
//!
//! | file | what it is for |
//! |---|---|
//! | [`dataset`] | the problems, read from the published files |
//! | [`prompts`] | what the model is given |
//! | [`generation`] | samples of a model: batched, written as they finish, resumable |
//! | `sample_file` | a file that grows by whole records |
//! | [`samples`] | records of samples and results |
//! | [`merge`] | results of many files put together and checked |
//! | [`passk`] | the estimator of pass@k, its interval, budgets over languages |
//! | [`report`] | pass@k of an experiment as a table, JSON and CSV |
//! | [`chart`] | the same as SVG |
//! | [`shard`] | one shard of a run on many machines |
//! | [`canonical`] | the problems' own solutions as samples, and which of them are broken |
//! | [`program`] | the program to run: a completion with its problem, imports and tests |
//! | [`toolchain`] | what each language needs, and how programs are built and run with it |
//! | [`sandbox`] | runs untrusted programs |
//! | [`verdict`] | the outcome of a program, and the reason |
//! | [`evaluate`](mod@evaluate) | samples to results, in parallel and in order |
//! | `json`, `jsonl` | JSON as Python reads it, and files of it by lines |
//!
//! Input is untrusted: lines and files have size limits, and an error names the file and the line. This
//! module does not sample tokens itself and does not know the command line; only the sandbox has `unsafe`
//! code.
#![deny(unsafe_code)]

pub mod canonical;
pub mod chart;
pub mod dataset;
pub mod evaluate;
pub mod generation;
mod json;
mod jsonl;
pub mod merge;
pub mod passk;
pub mod program;
pub mod prompts;
pub mod report;
mod sample_file;
pub mod samples;
#[allow(unsafe_code)]
pub mod sandbox;
pub mod shard;
pub mod toolchain;
pub mod verdict;

pub use dataset::{EvalLanguage, Problem};
pub use evaluate::{EvaluateOptions, Evaluator};
pub use generation::{GenerationOptions, GenerationProgress, generate};
pub use merge::{EvalTask, Expected, Merger, Tally};
pub use passk::{pass_at_budget, pass_at_k, split_budget};
pub use program::{Imports, Program, Tests};
pub use prompts::Prompt;
pub use report::{Report, ReportOptions};
pub use samples::{Run, Sample, SampleResult};
pub use shard::Shard;
pub use toolchain::{Prepared, Toolchains};
pub use verdict::{Judgement, Verdict};
