//! Completes a function with the small default model:
//! `cargo run --release --example complete`

use std::sync::Arc;

use codegeex::Language;
use codegeex::generate::{GenerateOptions, Generator};
use codegeex::model::{LoadOptions, load};
use codegeex::tokenizer::Gpt2Tokenizer;

fn main() -> codegeex::Result<()> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/codegeex_tiny.safetensors"
    );
    let model = load(path, &LoadOptions::default())?;
    println!("model: {}\n", model.describe());
    let generator = Generator::new(model, Arc::new(Gpt2Tokenizer::codegeex()));

    let code = "def read_lines(path):\n    with open(path)";
    let prompt = Language::PYTHON.prompt(code);
    let mut options = GenerateOptions::default();
    options.limits.max_new_tokens = 64;
    // The function ends where the next one begins.
    options.stops.stop = vec!["\ndef ".into(), "\nclass ".into()];

    let completions = generator.complete(&prompt, &options)?;
    for completion in &completions {
        println!("{code}{}", completion.text);
        println!("\n({})", completion.finish_reason);
    }
    Ok(())
}
