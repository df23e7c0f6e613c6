//! Completes one function of each language and ends with it, or with the line:
//! `cargo run --release --example stop_at`

use std::sync::Arc;

use codegeex::Language;
use codegeex::code::StopRule;
use codegeex::generate::{GenerateOptions, Generator, StopAt};
use codegeex::model::{LoadOptions, load};
use codegeex::tokenizer::Gpt2Tokenizer;

fn main() -> codegeex::Result<()> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/codegeex_tiny.safetensors"
    );
    let model = load(path, &LoadOptions::default())?;
    let generator = Generator::new(model, Arc::new(Gpt2Tokenizer::codegeex()));
    for (name, code) in [
        ("python", "def read_lines(path):\n"),
        ("go", "func (s *Server) Close() error {\n"),
        ("java", "class Point {\n    int x() {\n"),
    ] {
        let language = Language::from_name(name)?;
        let prompt = language.prompt(code);
        for rule in [StopRule::Function, StopRule::Line] {
            let mut options = GenerateOptions::default();
            options.limits.max_new_tokens = 200;
            options.stops.stop_at = Some(StopAt::new(language, [rule]));
            let completion = generator.complete(&prompt, &options)?.remove(0);
            println!(
                "--- {} tokens, then: {}\n{code}{}\n",
                completion.ids.len(),
                completion.finish_reason,
                completion.text
            );
        }
    }
    Ok(())
}
