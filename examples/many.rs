//! Many requests at once, computed in one batch on a thread of their own: each has a deadline, one
//! is cancelled, and the KV cache is limited: `cargo run --release --example many [MODEL]`

mod support;

use std::time::{Duration, Instant};

use codegeex::{GenerateOptions, Generator, Request, SchedulerOptions, Service, Speculation};

fn main() -> codegeex::Result<()> {
    let generator = Generator::open(support::model_path())?;
    let limits = SchedulerOptions::new().cache_bytes(256 << 20);
    let service = Service::start(&generator, limits)?;

    let file =
        "# language: Python\nimport os\n\n\ndef read_lines(path):\n    with open(path) as f:\n";
    let mut tickets = Vec::new();
    for (seed, line) in (0..).zip(["        return", "        for line in", "        data ="]) {
        let options = GenerateOptions::new()
            .max_new_tokens(32)
            .samples(2)
            .temperature(0.8)
            .seed(seed)
            .deadline(Instant::now() + Duration::from_secs(20))
            // The same answer, sooner where it repeats its prompt.
            .speculation(Speculation::lookup());
        tickets.push(service.submit(Request::new(format!("{file}{line}"), options))?);
    }
    // From any thread; the partial result is the answer.
    tickets[2].cancel();

    for (i, ticket) in tickets.into_iter().enumerate() {
        for completion in ticket.wait()? {
            println!("{i}: {:?} ({})", completion.text, completion.finish_reason);
        }
    }
    Ok(())
}
