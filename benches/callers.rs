//! Concurrent requests on one model: callers of one `Generator` share the threads of the model, a
//! `Service` computes their sequences in one batch.
//!
//! ```sh
//! cargo bench --bench callers                     # the default model
//! cargo bench --bench callers -- --model FILE     # any other, say one that `codegeex bench` wrote
//! ```
//!
//! Prints tokens a second in all, the best of the rounds, and of two callers what the slower one got.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use codegeex::cancel::CancelToken;
use codegeex::generate::{
    Event, GenerateOptions, Generator, Request, SchedulerOptions, Service, Ticket,
};

const ROUNDS: usize = 5;
const TOKENS: usize = 96;

fn main() -> codegeex::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut model: PathBuf = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/codegeex_tiny.safetensors"
    )
    .into();
    while let Some(argument) = arguments.next() {
        if argument == "--model" {
            model = arguments.next().expect("--model FILE").into();
        }
    }
    let generator = Generator::open(&model)?;
    println!("{}", generator.model().describe());
    let end = generator.tokenizer().end_of_text();
    let options = GenerateOptions::new()
        .max_new_tokens(TOKENS)
        .banned_ids([end]);
    let prompts: [Vec<u32>; 2] = [(100..116).collect(), (200..216).collect()];

    // Seconds that each of the callers took, from the start of all.
    let callers = |count: usize| -> Vec<f64> {
        let start = Instant::now();
        std::thread::scope(|scope| {
            let (generator, options) = (&generator, &options);
            let call = |prompt| {
                scope.spawn(move || {
                    let go_on = &mut |_: Event| ControlFlow::Continue(());
                    let found = generator.generate(prompt, options, &CancelToken::new(), go_on);
                    assert_eq!(found.expect("it completes")[0].ids.len(), TOKENS);
                    start.elapsed().as_secs_f64()
                })
            };
            let mut calls = Vec::new();
            for prompt in prompts.iter().take(count) {
                calls.push(call(prompt));
            }
            calls
                .into_iter()
                .map(|c| c.join().expect("no panic"))
                .collect()
        })
    };
    let service = Service::start(&generator, SchedulerOptions::default())?;
    let served = || -> Vec<f64> {
        let start = Instant::now();
        let ask = |prompt: &Vec<u32>| {
            let request = Request::new(prompt.clone(), options.clone());
            service.submit(request).expect("there is room")
        };
        let tickets: Vec<_> = prompts.iter().map(ask).collect();
        let wait = |ticket: Ticket| {
            ticket.wait().expect("it completes");
            start.elapsed().as_secs_f64()
        };
        tickets.into_iter().map(wait).collect()
    };
    let mut rows: Vec<(&str, Vec<Vec<f64>>)> = vec![
        ("one caller", Vec::new()),
        ("two callers of one Generator", Vec::new()),
        ("two requests of a Service", Vec::new()),
    ];
    for _ in 0..ROUNDS {
        rows[0].1.push(callers(1));
        rows[1].1.push(callers(2));
        rows[2].1.push(served());
    }
    println!("                               tokens/s in all   the slower one");
    for (name, rounds) in rows {
        let last = |round: &Vec<f64>| round.iter().copied().fold(0.0, f64::max);
        let best = rounds.iter().min_by(|a, b| last(a).total_cmp(&last(b)));
        let best = best.expect("there are rounds");
        let all = (best.len() * TOKENS) as f64 / last(best);
        println!("{name:30} {all:15.1} {:16.1}", TOKENS as f64 / last(best));
    }
    Ok(())
}
