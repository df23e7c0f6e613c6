//! A sampler of your own: never the same token twice in a row, and only ASCII.
//! `cargo run --release --example sampler [MODEL]`

mod support;

use std::sync::Arc;

use codegeex::generate::{Candidates, History};
use codegeex::{GenerateOptions, Generator, Language, Sampler, Tokenizer};

/// Bans the token before. A sampler has no state of its own: the history has what it depends on, so
/// that one sampler serves any number of requests.
#[derive(Debug)]
struct NoStutter;

impl Sampler for NoStutter {
    fn apply(&self, candidates: &mut Candidates, history: History<'_>) -> codegeex::Result<()> {
        candidates.retain(|c| Some(&c.id) != history.generated.last());
        Ok(())
    }
}

/// Keeps the tokens that a function of their bytes accepts.
struct ByBytes {
    tokenizer: Arc<dyn Tokenizer>,
    accept: fn(&[u8]) -> bool,
}

impl std::fmt::Debug for ByBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ByBytes")
    }
}

impl Sampler for ByBytes {
    fn apply(&self, candidates: &mut Candidates, _: History<'_>) -> codegeex::Result<()> {
        candidates.retain(|c| self.tokenizer.token_bytes(c.id).is_some_and(self.accept));
        Ok(())
    }
}

fn main() -> codegeex::Result<()> {
    let generator = Generator::open(support::model_path())?;
    let options = GenerateOptions::new()
        .max_new_tokens(48)
        .temperature(0.8)
        .seed(7)
        .sampler(NoStutter)
        .sampler(ByBytes {
            tokenizer: Arc::clone(generator.tokenizer()),
            accept: <[u8]>::is_ascii,
        });
    let completion = generator.complete(generator.prompt(Language::PYTHON, "def ")?, &options)?;
    println!("def {completion}");
    assert!(completion.ids.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(completion.text.is_ascii());
    Ok(())
}
