//! Completes a function: `cargo run --release --example complete [MODEL]`

mod support;

use codegeex::{GenerateOptions, Generator, Language};

fn main() -> codegeex::Result<()> {
    let generator = Generator::open(support::model_path())?;
    let code = "def read_lines(path):\n    with open(path)";
    // The function ends where the next one begins.
    let options = GenerateOptions::new()
        .max_new_tokens(64)
        .stop(["\ndef ", "\nclass "]);
    let completion = generator.complete(generator.prompt(Language::PYTHON, code)?, &options)?;
    println!("{code}{completion}\n\n({})", completion.finish_reason);
    Ok(())
}
