//! Completes code, streamed, and cancels a second completion:
//! `cargo run --release --example hello [MODEL]`
//!
//! The same program exists in C (`examples/c/complete.c`) and in the languages of `bindings/`. All
//! print the same bytes, in UTF-8 and with line feeds:
//!
//! ```text
//! TEXT                            the pieces of the first completion, as they come
//! (line feed)
//! -- N tokens, REASON             its tokens, and the name of its finish reason
//! -- cancelled after 5 tokens, cancelled
//! ```
//!
//! Both prompts are that for completing the Python code `def read_lines(path):`. The first
//! completion has 48 new tokens at most, temperature 0.8, top-p 0.95 and seed 7. The second is
//! greedy, of at most 512; of its text nothing is printed, and it is cancelled once five tokens
//! were reported.

mod support;

use std::io::{Write, stdout};

use codegeex::{Event, GenerateOptions, Generator, Language};

fn main() -> codegeex::Result<()> {
    let generator = Generator::open(support::model_path())?;
    let prompt = generator.prompt(Language::PYTHON, "def read_lines(path):")?;
    let options = GenerateOptions::new()
        .max_new_tokens(48)
        .temperature(0.8)
        .top_p(0.95)
        .seed(7);
    let mut stream = generator.stream(&prompt, &options)?;
    for event in &mut stream {
        print!("{}", event?.text());
        if stdout().flush().is_err() {
            return Ok(());
        }
    }
    let done = &stream.wait()?[0];
    println!("\n-- {} tokens, {}", done.ids.len(), done.finish_reason);

    let mut stream = generator.stream(&prompt, &GenerateOptions::new().max_new_tokens(512))?;
    let mut tokens = 0;
    while let Some(event) = stream.next().transpose()? {
        tokens += usize::from(matches!(event, Event::Token { .. }));
        if tokens == 5 {
            // Any thread may do that with the stream's cancel token.
            stream.cancel();
        }
    }
    let done = &stream.wait()?[0];
    let (tokens, reason) = (done.ids.len(), done.finish_reason);
    println!("-- cancelled after {tokens} tokens, {reason}");
    Ok(())
}
