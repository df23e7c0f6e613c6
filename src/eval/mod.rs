//! HumanEval-X (paper, section 4): from problems to samples, and from results to pass@k.
//!
//! | file | what it is for |
//! |---|---|
//! | [`dataset`] | the problems, read from the published files |
//! | [`prompts`] | what the model is given |
//! | [`generation`] | samples of a model, batched, written as they come, resumed |
//! | `sample_file` | a file that grows by whole records |
//! | [`samples`] | the files that generation writes and evaluation reads, and the results |
//! | [`merge`] | results of many files put together and checked |
//! | [`passk`] | the estimator of pass@k, its interval, budgets over languages |
//! | [`report`] | pass@k of an experiment as a table, JSON and CSV |
//! | [`chart`] | the same as SVG |
//! | [`shard`] | one piece of a job of many |
//! | [`canonical`] | the problems' own solutions as samples, and which of them are broken |
//! | [`program`] | a completion with its problem and tests: the program to run |
//! | [`toolchain`] | what each language needs, and how programs are built and run with it |
//! | [`sandbox`] | runs programs that nobody has read |
//! | [`verdict`] | what became of a program, and why |
//! | [`evaluate`](mod@evaluate) | samples to results, in parallel and in order |
//! | `json`, `jsonl` | JSON as Python reads it, and files of it by lines |
//!
//! What comes from outside is hostile here: lines and files have caps, and an error names the
//! file and the line. This module draws no tokens of its own and knows no command line; only the
//! sandbox has `unsafe` code.
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

pub use dataset::{Language, Problem};
pub use evaluate::{EvaluateOptions, Evaluator};
pub use generation::{GenerationOptions, GenerationProgress, generate};
pub use merge::{Expected, Merger, Tally, Task};
pub use passk::{pass_at_budget, pass_at_k, split_budget};
pub use program::{Imports, Program, Tests};
pub use prompts::Prompt;
pub use report::{Report, ReportOptions};
pub use samples::{Run, Sample, SampleResult};
pub use shard::Shard;
pub use toolchain::{Prepared, Toolchains};
pub use verdict::{Judgement, Verdict};
