//! Typing 100 characters into a file of 1,500 tokens: the tokens of the prompt that each keystroke
//! computes and the time to the suggestion, beside computing the prompt afresh.
//!
//! ```sh
//! cargo bench --bench edit                     # the first token of a suggestion
//! cargo bench --bench edit -- --tokens 16      # suggestions of 16 tokens
//! cargo bench --bench edit -- --every 10       # afresh at every tenth keystroke only: faster
//! cargo bench --bench edit -- --model FILE
//! ```
//!
//! Each suggestion that is also computed afresh has to be the same.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use codegeex::Language;
use codegeex::cancel::CancelToken;
use codegeex::edit::{EditOptions, EditSession, Polish};
use codegeex::generate::{Event, Generator, Session};
use codegeex::model::{LoadOptions, load};
use codegeex::tokenizer::{BpeTokenizer, SpecialTokens, Tokenizer};

/// What is typed into, and what is typed.
const SOURCE: &str = include_str!("../src/generate/scheduler.rs");
const FILE_TOKENS: usize = 1_500;
const KEYSTROKES: usize = 100;

struct Args {
    model: String,
    tokens: usize,
    every: usize,
}

impl Args {
    fn parse() -> Self {
        let default = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/models/codegeex_tiny.safetensors"
        );
        let mut found = Self {
            model: default.to_owned(),
            tokens: 1,
            every: 1,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().expect("an option has a value");
            match &arg[..] {
                "--model" => found.model = value(),
                "--tokens" => found.tokens = value().parse().expect("a number of tokens"),
                "--every" => found.every = value().parse().expect("a number of keystrokes"),
                // What `cargo bench` says to every bench.
                "--bench" => {}
                _ => panic!("{arg}: expected --model FILE, --tokens N or --every N"),
            }
        }
        assert!(found.every > 0, "--every 0 would never compute afresh");
        found
    }
}

fn median<T: Ord + Copy>(values: &mut [T]) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

fn mean(values: &[usize]) -> f64 {
    values.iter().sum::<usize>() as f64 / values.len() as f64
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn main() -> codegeex::Result<()> {
    let args = Args::parse();
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let rust = Language::RUST;
    let tokens = |end: usize| {
        let prompt = rust.prompt(&SOURCE[..end]);
        tokenizer
            .encode(&prompt, SpecialTokens::AsText)
            .unwrap()
            .len()
    };
    let mut ends = SOURCE.char_indices().map(|(at, _)| at);
    let start = ends
        .find(|&end| end >= 4 * FILE_TOKENS / 2 && tokens(end) >= FILE_TOKENS)
        .expect("the file is long enough");
    let model = load(&args.model, &LoadOptions::default())?;
    println!("{}", model.describe());
    let generator = Generator::new(model, Arc::new(tokenizer.clone()));

    let mut options = EditOptions::default();
    options.generate.limits.max_new_tokens = args.tokens;
    options.polish = Polish::nothing();
    let go_on = &mut |_: Event| ControlFlow::Continue(());
    let cancel = CancelToken::new();
    let mut edit = EditSession::new(&generator, rust, options.clone())?;
    edit.update(&SOURCE[..start], "")?;
    edit.suggest(&cancel, go_on)?;

    let (mut updates, mut times, mut fresh_times) = (Vec::new(), Vec::new(), Vec::new());
    let (mut computed, mut fresh_computed) = (Vec::new(), Vec::new());
    for key in 1..=KEYSTROKES {
        let before = &SOURCE[..start + key];
        let clock = Instant::now();
        edit.update(before, "")?;
        updates.push(clock.elapsed());
        // The worst case: nothing that is typed was suggested.
        edit.dismiss();
        edit.suggest(&cancel, go_on)?;
        times.push(clock.elapsed());
        computed.push(edit.reuse().computed);
        if key % args.every == 0 {
            let ids = tokenizer
                .encode(&edit.prompt(), SpecialTokens::AsText)
                .unwrap();
            let mut fresh = Session::new(&generator);
            let clock = Instant::now();
            let found = fresh.generate(&ids, &options.generate, &cancel, go_on)?;
            fresh_times.push(clock.elapsed());
            fresh_computed.push(fresh.computed());
            let text = edit.suggestion().map_or("", |s| s.text);
            assert_eq!(text, found[0].text, "after {key} keystrokes");
        }
    }
    let most = computed.iter().max().copied().unwrap_or(0);
    let (few, all) = (mean(&computed), mean(&fresh_computed));
    println!(
        "tokens of the prompt computed at a keystroke: mean {few:.2}, most {most}; afresh \
         {all:.0}: {:.0} times as many",
        all / few
    );
    let (time, fresh) = (median(&mut times), median(&mut fresh_times));
    println!(
        "time to {} token(s): median {:.2} ms; afresh {:.2} ms: {:.1} times as long",
        args.tokens,
        ms(time),
        ms(fresh),
        fresh.as_secs_f64() / time.as_secs_f64()
    );
    println!("update alone: median {:.3} ms", ms(median(&mut updates)));

    // With suggestions that stay while they are typed.
    options.generate.limits.max_new_tokens = args.tokens.max(16);
    let mut edit = EditSession::new(&generator, rust, options)?;
    let mut free = 0;
    for key in 0..=KEYSTROKES {
        let is_alive = edit.update(&SOURCE[..start + key], "")?.is_alive;
        free += usize::from(is_alive);
        edit.suggest(&cancel, go_on)?;
    }
    println!(
        "keystrokes that typed what was suggested and computed nothing: {free} of {KEYSTROKES}"
    );
    Ok(())
}
