//! The most likely completions of a line, by the sum of the log-probabilities and by their mean:
//! `cargo run --release --example beams [MODEL]`

mod support;

use codegeex::generate::{BeamRules, EarlyStopping};
use codegeex::{BeamOptions, CancelToken, Generator, Language};

fn main() -> codegeex::Result<()> {
    let generator = Generator::open(support::model_path())?;
    let prompt = generator.prompt(Language::PYTHON, "def read_lines(path):\n    with")?;
    // A line is enough.
    let options = BeamOptions::new()
        .num_beams(4)
        .max_new_tokens(24)
        .stop(["\n"]);
    let mean = BeamRules::HuggingFace {
        length_penalty: 1.0,
        early_stopping: EarlyStopping::Never,
    };
    for (name, rules) in [("sum", BeamRules::Reference), ("mean", mean)] {
        println!("by the {name} of the log-probabilities:");
        let options = options.clone().rules(rules);
        for beam in generator.beam_search(&prompt, &options, &CancelToken::new())? {
            println!("  {:8.3}  with{beam}", beam.score);
        }
    }
    Ok(())
}
