//! Fills in the middle of a function: `cargo run --release --example infill [MODEL]`
//!
//! A model with fill-in-the-middle (StarCoder2, Qwen2.5-Coder, Code Llama, …) sees the text on both
//! sides of the cursor. Of other models, such as the default one here, the best of some samples is taken.

mod support;

use codegeex::code::StopRule;
use codegeex::{ContextFile, GenerateOptions, Generator, Infill, Language, StopAt};

fn main() -> codegeex::Result<()> {
    let generator = Generator::open(support::model_path())?;
    let (before, after) = (
        "def mean(values):\n    total = ",
        "\n    return total / len(values)\n",
    );
    match generator.infill_tokens() {
        Some(tokens) => println!("the model fills in the middle, format {}", tokens.name()),
        None => {
            println!("the model sees the text before the cursor; the text after it ranks samples")
        }
    }
    let stop_at = StopAt::new(Language::PYTHON, [StopRule::Line]);
    let options = GenerateOptions::new().max_new_tokens(24).stop_at(stop_at);
    let sampled = options.clone().temperature(0.8).samples(4);
    let middle = generator.infill(before, after, &sampled)?;
    println!("{before}[{middle}]{after}");

    // Other files of the repository, for models that know how to separate them.
    let knows_files =
        |tokens: codegeex::generate::InfillTokens| tokens.has_files(&**generator.tokenizer());
    if generator.infill_tokens().is_some_and(knows_files) {
        let infill = Infill::new(after)
            .path("statistics.py")
            .files([ContextFile::new(
                "sums.py",
                "def add(values):\n    return sum(values)\n",
            )]);
        let middle = generator.complete(before, &options.infill(infill))?;
        println!("with sums.py: {middle}");
    }
    Ok(())
}
