//! Streams a completion through a callback and cancels it from another thread:
//! `cargo run --release --example stream`

use std::io::{Write, stdout};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use codegeex::cancel::CancelToken;
use codegeex::generate::{Event, GenerateOptions, Generator};
use codegeex::model::{LoadOptions, load};
use codegeex::tokenizer::Gpt2Tokenizer;

fn main() -> codegeex::Result<()> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/codegeex_tiny.safetensors"
    );
    let model = load(path, &LoadOptions::default())?;
    let generator = Generator::new(model, Arc::new(Gpt2Tokenizer::codegeex()));
    let mut options = GenerateOptions::default();
    options.limits.max_new_tokens = 2000;
    options.sampling.temperature = 0.8;
    options.sampling.top_p = Some(0.95);
    options.sampling.seed = 7;

    // Any thread that holds the token can end the generation.
    let cancel = CancelToken::new();
    let timer = cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        timer.cancel();
    });

    let prompt = "// language: Go\nfunc (s *Server) Close() error {\n";
    let completions = generator.generate(prompt, &options, &cancel, &mut |event| {
        if let Event::Token { text, .. } | Event::End { text, .. } = event {
            print!("{text}");
            // A callback can end it as well, by breaking.
            if stdout().flush().is_err() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    let completion = &completions[0];
    println!(
        "\n\n{} tokens, then: {}",
        completion.ids.len(),
        completion.finish_reason
    );
    Ok(())
}
