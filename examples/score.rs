//! Says how likely a model finds a snippet, token by token, and what it expects next:
//! `cargo run --release --example score`

use std::sync::Arc;

use codegeex::cancel::CancelToken;
use codegeex::generate::Generator;
use codegeex::model::{LoadOptions, load};
use codegeex::tokenizer::{Gpt2Tokenizer, SpecialTokens};

fn main() -> codegeex::Result<()> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/codegeex_tiny.safetensors"
    );
    let model = load(path, &LoadOptions::default())?;
    let generator = Generator::new(model, Arc::new(Gpt2Tokenizer::codegeex()));
    let tokenizer = generator.tokenizer();

    let code = "# language: Python\nfor i in range(";
    let ids = tokenizer.encode(code, SpecialTokens::AsText);
    let score = generator.score(&ids, 5, &CancelToken::new())?;
    for (id, logprob) in ids.iter().zip(&score.logprobs) {
        let text = tokenizer.decode(&[*id])?;
        match logprob {
            Some(logprob) => println!("{logprob:8.3}  {text:?}"),
            None => println!("       -  {text:?}"),
        }
    }
    println!("\nlikeliest to follow:");
    for (id, logprob) in score.top {
        println!("{logprob:8.3}  {:?}", tokenizer.decode(&[id])?);
    }
    Ok(())
}
