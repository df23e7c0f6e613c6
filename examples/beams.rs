//! The likeliest completions of a line with the small default model, by the sum of the
//! log-probabilities and by their mean: `cargo run --release --example beams`

use std::sync::Arc;

use codegeex::Language;
use codegeex::cancel::CancelToken;
use codegeex::generate::{BeamOptions, BeamRules, EarlyStopping, Generator};
use codegeex::model::{LoadOptions, load};
use codegeex::tokenizer::Gpt2Tokenizer;

fn main() -> codegeex::Result<()> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/codegeex_tiny.safetensors"
    );
    let model = load(path, &LoadOptions::default())?;
    let generator = Generator::new(model, Arc::new(Gpt2Tokenizer::codegeex()));
    let prompt = Language::PYTHON.prompt("def read_lines(path):\n    with");
    let mut options = BeamOptions::default();
    options.num_beams = 4;
    options.limits.max_new_tokens = 24;
    // A line is enough.
    options.stops.stop = vec!["\n".into()];

    let mean = BeamRules::HuggingFace {
        length_penalty: 1.0,
        early_stopping: EarlyStopping::Never,
    };
    for (name, rules) in [("sum", BeamRules::Reference), ("mean", mean)] {
        options.rules = rules;
        println!("by the {name} of the log-probabilities:");
        for beam in generator.beam_search(&prompt, &options, &CancelToken::new())? {
            println!("  {:8.3}  with{}", beam.score, beam.text);
        }
    }
    Ok(())
}
