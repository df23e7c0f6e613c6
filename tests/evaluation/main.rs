//! HumanEval-X: problems, prompts and verdicts. tests/sandbox has the sandbox itself.

mod evaluate;
mod humaneval;
mod prompts;
#[path = "../support/mod.rs"]
mod support;
