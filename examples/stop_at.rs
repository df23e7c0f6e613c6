//! Completes one function of each language and ends with it, or with the line:
//! `cargo run --release --example stop_at [MODEL]`

mod support;

use codegeex::code::StopRule;
use codegeex::{GenerateOptions, Generator, Language, StopAt};

fn main() -> codegeex::Result<()> {
    let generator = Generator::open(support::model_path())?;
    for (language, code) in [
        (Language::PYTHON, "def read_lines(path):\n"),
        (Language::GO, "func (s *Server) Close() error {\n"),
        (Language::JAVA, "class Point {\n    int x() {\n"),
    ] {
        for rule in [StopRule::Function, StopRule::Line] {
            let options = GenerateOptions::new()
                .max_new_tokens(200)
                .stop_at(StopAt::new(language, [rule]));
            let completion = generator.complete(generator.prompt(language, code)?, &options)?;
            let (tokens, reason) = (completion.ids.len(), completion.finish_reason);
            println!("--- {tokens} tokens, then: {reason}\n{code}{completion}\n");
        }
    }
    Ok(())
}
