//! Prints the log-probability of each token of a snippet, and the most likely tokens to follow:
//! `cargo run --release --example score [MODEL]`

mod support;

use codegeex::{CancelToken, Generator, SpecialTokens};

fn main() -> codegeex::Result<()> {
    let generator = Generator::open(support::model_path())?;
    let tokenizer = generator.tokenizer();
    let code = "# language: Python\nfor i in range(";
    let ids = tokenizer.encode(code, SpecialTokens::AsText)?;
    let score = generator.score(&ids, 5, &CancelToken::new())?;
    for (id, logprob) in ids.iter().zip(&score.logprobs) {
        let text = tokenizer.decode(&[*id])?;
        match logprob {
            Some(logprob) => println!("{logprob:8.3}  {text:?}"),
            None => println!("       -  {text:?}"),
        }
    }
    println!("\nmost likely to follow:");
    for (id, logprob) in score.top {
        println!("{logprob:8.3}  {:?}", tokenizer.decode(&[id])?);
    }
    Ok(())
}
