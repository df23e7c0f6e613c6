//! The `codegeex` program, as a user meets it: what goes in, what comes out on which stream, and
//! the exit code.

mod beams;
mod bench;
mod checkpoints;
mod command;
#[cfg(feature = "eval")]
mod evaluate;
mod generate;
#[cfg(feature = "eval")]
mod humaneval;
mod infill;
mod interrupts;
mod isa;
mod jsonl;
mod paths;
mod score;
#[path = "../support/mod.rs"]
mod support;
mod tasks;
#[cfg(unix)]
mod terminal;
mod tokens;
mod usage;

use std::sync::{Arc, LazyLock};

use codegeex::generate::Generator;
use codegeex::model::{LoadOptions, load};
use codegeex::tokenizer::BpeTokenizer;

/// The default model in this process, for what the program's answers have to be.
static LIBRARY: LazyLock<Generator> = LazyLock::new(|| {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/codegeex_tiny.safetensors"
    );
    let model = load(path, &LoadOptions::default()).unwrap();
    Generator::new(model, Arc::new(BpeTokenizer::codegeex().unwrap()))
});

const PROMPT: &str = "# language: Python\ndef add(a, b):\n    return";
