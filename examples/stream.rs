//! Streams a completion and cancels it from another thread:
//! `cargo run --release --example stream [MODEL]`

mod support;

use std::io::{Write, stdout};
use std::time::Duration;

use codegeex::{Event, GenerateOptions, Generator, Language};

fn main() -> codegeex::Result<()> {
    let generator = Generator::open(support::model_path())?;
    let prompt = generator.prompt(Language::GO, "func (s *Server) Close() error {\n")?;
    let options = GenerateOptions::new()
        .max_new_tokens(2000)
        .temperature(0.8)
        .top_p(0.95)
        .seed(7);
    let mut stream = generator.stream(prompt, &options)?;

    // Any thread that has the token can end the generation. Dropping the stream does, too.
    let cancel = stream.cancel_token().clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        cancel.cancel();
    });

    let mut tokens = 0;
    for event in &mut stream {
        let event = event?;
        print!("{}", event.text());
        // Without a terminal there is nothing to stream to.
        if stdout().flush().is_err() {
            return Ok(());
        }
        tokens += usize::from(matches!(event, Event::Token { .. }));
    }
    let reason = stream.wait()?[0].finish_reason;
    println!("\n\n{tokens} tokens, then: {reason}");
    Ok(())
}
