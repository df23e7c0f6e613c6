//! Translates a function with the small default model, which gets the form but not the meaning:
//! `cargo run --release --example translate`

use std::sync::Arc;

use codegeex::Language;
use codegeex::generate::{GenerateOptions, Generator};
use codegeex::model::{LoadOptions, load};
use codegeex::prompt::Task;
use codegeex::tokenizer::Gpt2Tokenizer;

fn main() -> codegeex::Result<()> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/codegeex_tiny.safetensors"
    );
    let model = load(path, &LoadOptions::default())?;
    let generator = Generator::new(model, Arc::new(Gpt2Tokenizer::codegeex()));

    let code = "static int square(int x) {\n    return x * x;\n}";
    let (from, to) = (Language::JAVA, Language::PYTHON);
    let task = Task::translate(from, code, to, "def square(x):\n")?;

    let mut options = GenerateOptions::default();
    options.limits.max_new_tokens = 48;
    options.stops.stop = task.stop;
    let completions = generator.complete(&task.prompt, &options)?;
    println!("{}{}{}", task.lead, completions[0].text, task.tail);
    Ok(())
}
