//! What a token costs with a callback and without one, by the Rust interface: the other side of
//! `benches/capi/callback.c`, whose lines it prints. `cargo bench --bench callback [-- MODEL]`

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use codegeex::cancel::CancelToken;
use codegeex::generate::{Event, GenerateOptions, Generator};
use codegeex::model::{LoadOptions, Transformer};
use codegeex::tokenizer::BpeTokenizer;

const ROUNDS: usize = 15;
const TOKENS: usize = 256;

fn main() -> codegeex::Result<()> {
    let default = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/codegeex_tiny.safetensors"
    );
    // `cargo bench` says `--bench`.
    let given = std::env::args().skip(1).find(|a| !a.starts_with("--"));
    let mut load_options = LoadOptions::default();
    load_options.cpu.threads = Some(1);
    let model = Transformer::open_with(given.unwrap_or_else(|| default.into()), &load_options)?;
    let kernels = model.backend().instruction_set();
    let generator = Generator::new(Arc::new(model), Arc::new(BpeTokenizer::codegeex().unwrap()));
    let mut options = GenerateOptions::default();
    options.limits.max_new_tokens = TOKENS;
    options.sampling.temperature = 0.8;
    options.sampling.seed = 7;
    let prompt = "# language: Python\ndef read_lines(path):";
    let cancel = CancelToken::new();
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (way, times) in times.iter_mut().enumerate() {
            let mut bytes = 0;
            let start = Instant::now();
            let done = match way {
                0 => generator.complete_n(prompt, &options)?,
                _ => generator.generate(prompt, &options, &cancel, &mut |event| {
                    if let Event::Token { text, .. } | Event::End { text, .. } = event {
                        bytes += text.len();
                    }
                    ControlFlow::Continue(())
                })?,
            };
            let took = start.elapsed().as_secs_f64() * 1e6;
            assert_eq!(done[0].ids.len(), TOKENS);
            assert!(way == 0 || bytes == done[0].text.len());
            times.push(took / TOKENS as f64);
        }
    }
    for times in &mut times {
        times.sort_by(f64::total_cmp);
    }
    println!("Rust, kernels {kernels}");
    println!("without a callback: {:.3} us a token", times[0][ROUNDS / 2]);
    println!("with a callback: {:.3} us a token", times[1][ROUNDS / 2]);
    Ok(())
}
