//! Many requests at once, computed together on a thread of their own: each has a deadline, one is
//! cancelled, and memory for keys and values is bounded.
//!
//! `cargo run --release --example many`

use std::sync::Arc;
use std::time::{Duration, Instant};

use codegeex::generate::{
    GenerateOptions, Generator, Request, SchedulerOptions, Service, Speculation, TicketEvent,
};
use codegeex::model::{LoadOptions, load};
use codegeex::tokenizer::{Gpt2Tokenizer, SpecialTokens};

fn main() -> codegeex::Result<()> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/codegeex_tiny.safetensors"
    );
    let model = load(path, &LoadOptions::default())?;
    let generator = Generator::new(model, Arc::new(Gpt2Tokenizer::codegeex()));

    let mut bounds = SchedulerOptions::default();
    bounds.cache_bytes = Some(256 << 20);
    let service = Service::start(&generator, bounds)?;

    let file =
        "# language: Python\nimport os\n\n\ndef read_lines(path):\n    with open(path) as f:\n";
    let mut tickets = Vec::new();
    for (i, line) in ["        return", "        for line in", "        data ="]
        .iter()
        .enumerate()
    {
        let prompt = format!("{file}{line}");
        let ids = generator.tokenizer().encode(&prompt, SpecialTokens::AsText);
        let mut options = GenerateOptions::default();
        options.limits.max_new_tokens = 32;
        options.samples = 2;
        options.sampling.temperature = 0.8;
        options.sampling.seed = i as u64;
        // Each costs memory and time only for what it computes itself.
        options.limits.deadline = Some(Instant::now() + Duration::from_secs(20));
        // The same answer, sooner where it repeats its prompt.
        options.speculation = Some(Speculation::lookup());
        tickets.push(service.submit(Request::new(ids, options))?);
    }
    // From any thread; what there is by then is the answer.
    tickets[2].cancel();

    for (i, ticket) in tickets.iter().enumerate() {
        while let Some(event) = ticket.recv() {
            if let TicketEvent::Done(completions) = event {
                for completion in completions? {
                    println!(
                        "{i}: {:?} ({:?})",
                        completion.text, completion.finish_reason
                    );
                }
            }
        }
    }
    Ok(())
}
