//! Times codegeex's forward pass beside other engines: the same random weights, the same tokens, the
//! same number of threads, in one run with this machine's read bandwidth.
//!
//! Usage: `cargo run --release --config avx512.toml -- [--shape 13b-4layers|tiny|qwen2.5-coder-1.5b|
//! starcoder2-3b|CONFIG.json] [--threads 2] [--prompt 512] [--decode 32] [--runs 2] [--rounds 1] [--only NAME,NAME] [--python PROGRAM]
//! [--folder FOLDER] [--json FILE]`.
//!
//! Every engine runs in a process of its own, so that its crash is a line of the table. All engines
//! of this program are opened before the first one is timed, and wait without computing. The engines
//! are gone through in rounds, and the best run of all rounds counts, so that a busy machine hurts
//! all of them. Logits are compared with ours before any ratio is printed.

mod bandwidth;
#[cfg(feature = "candle")]
mod candle;
mod engine;
mod files;
mod gguf;
#[cfg(feature = "llama")]
mod llama;
mod options;
mod ours;
mod peers;
mod random;
mod report;
mod shape;

use std::io::Write;

use bandwidth::read_bandwidth;
use files::Files;
use options::Options;
use peers::Peer;
use report::Report;

fn main() {
    let options = Options::from_args();
    let files = Files::new(&options.folder);
    if let Some(name) = &options.child {
        peers::run_here(name, &options, &files);
        return;
    }
    let peers: Vec<Peer> = peers::all(&options)
        .into_iter()
        .filter(|peer| options.wants(&peer.name()))
        .collect();
    for peer in &peers {
        peer.prepare(&options, &files);
    }
    let mut report = Report::new(&options);
    let mut running: Vec<_> = (peers.iter())
        .map(|peer| peer.start(&options, &files))
        .collect();
    for round in 0..options.rounds {
        for (peer, running) in peers.iter().zip(&mut running) {
            report.bandwidth(read_bandwidth(options.plan.threads));
            eprint!("round {} {} ", round + 1, peer.name());
            std::io::stderr().flush().expect("standard error");
            let result = running.measure();
            match &result {
                Ok(measured) => eprintln!("{}", report::seconds(measured)),
                Err(error) => eprintln!("{error}"),
            }
            report.add(peer, result);
        }
    }
    report.bandwidth(read_bandwidth(options.plan.threads));
    report.print();
    if let Some(path) = &options.json {
        std::fs::write(path, report.json()).expect("the file for JSON can be written");
    }
    if report.anyone_wrong() {
        std::process::exit(1);
    }
}
