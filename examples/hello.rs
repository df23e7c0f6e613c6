//! Completes code, streamed, and cancels a second completion:
//! `cargo run --release --example hello [MODEL]`
//!
//! The same program exists in C (`examples/c/complete.c`) and in the languages of `bindings/`. All
//! print the same bytes, in UTF-8 and with line feeds:
//!
//! ```text
//! TEXT                            the pieces of the first completion, as they come
//! (line feed)
//! -- N tokens, REASON             its tokens, and the name of its finish reason
//! -- cancelled after 5 tokens, cancelled
//! ```
//!
//! Both prompts are that for completing the Python code `def read_lines(path):`. The first
//! completion has 48 new tokens at most, temperature 0.8, top-p 0.95 and seed 7. The second is
//! greedy, of at most 512; of its text nothing is printed, and it is cancelled once five tokens
//! were reported.

use std::io::{Write, stdout};
use std::ops::ControlFlow;
use std::sync::Arc;

use codegeex::Language;
use codegeex::cancel::CancelToken;
use codegeex::generate::{Event, GenerateOptions, Generator};
use codegeex::model::{LoadOptions, load};
use codegeex::tokenizer::Gpt2Tokenizer;

fn main() -> codegeex::Result<()> {
    let default = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/codegeex_tiny.safetensors"
    );
    let path = std::env::args().nth(1).unwrap_or_else(|| default.into());
    let model = load(path, &LoadOptions::default())?;
    let generator = Generator::new(model, Arc::new(Gpt2Tokenizer::codegeex()));
    let prompt = Language::PYTHON.prompt("def read_lines(path):");
    let cancel = CancelToken::new();

    let mut options = GenerateOptions::default();
    options.limits.max_new_tokens = 48;
    options.sampling.temperature = 0.8;
    options.sampling.top_p = Some(0.95);
    options.sampling.seed = 7;
    let done = generator.generate(&prompt, &options, &cancel, &mut |event| {
        if let Event::Token { text, .. } | Event::End { text, .. } = event {
            print!("{text}");
            if stdout().flush().is_err() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    let (tokens, reason) = (done[0].ids.len(), done[0].finish_reason);
    println!("\n-- {tokens} tokens, {reason}");

    options.limits.max_new_tokens = 512;
    options.sampling.temperature = 0.0;
    let mut left = 5;
    let done = generator.generate(&prompt, &options, &cancel, &mut |event| {
        if let Event::Token { .. } = event {
            left -= 1;
            if left == 0 {
                // The other way is the token, which any thread may set.
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    let (tokens, reason) = (done[0].ids.len(), done[0].finish_reason);
    println!("-- cancelled after {tokens} tokens, {reason}");
    Ok(())
}
