//! Times the tokenizer beside `tiktoken-rs` and Hugging Face's `tokenizers` on real source code.
//!
//! Usage: `cargo run --release [-- FOLDER...]`. Without folders it takes Python's standard library,
//! Go's source tree and the modules of npm, as far as they are installed.
//!
//! Every implementation gets the same files, whole, as strings in memory, and encodes them as
//! plain text. The best of several rounds counts, and rounds of the implementations alternate, so
//! that a busy machine hurts all of them. Before timing, the ids are compared: those of GPT-2 must
//! be the same from both peers, and our tokens must spell every file.

mod corpus;
mod peers;

use std::time::{Duration, Instant};

use corpus::Corpus;
use peers::Peer;

const ROUNDS: usize = 5;

fn main() {
    let peers = peers::all();
    let corpora = corpus::from_folders_or_found(std::env::args_os().skip(1));
    for corpus in &corpora {
        println!(
            "\n{}: {} files, {:.2} MB",
            corpus.name,
            corpus.texts.len(),
            corpus.megabytes()
        );
        peers::check(&peers, corpus);
        report("1 thread", &peers, corpus, |peer, texts| {
            texts.iter().map(|text| peer.encode(text)).sum()
        });
        let threads = rayon::current_num_threads();
        report(
            &format!("batch, {threads} threads"),
            &peers,
            corpus,
            |peer, texts| peer.encode_batch(texts),
        );
    }
}

/// Prints the speed of each peer and how many times as fast the first one, ours, is.
fn report(
    what: &str,
    peers: &[Box<dyn Peer>],
    corpus: &Corpus,
    encode: impl Fn(&dyn Peer, &[&str]) -> usize,
) {
    let texts: Vec<&str> = corpus.texts.iter().map(String::as_str).collect();
    let mut best = vec![Duration::MAX; peers.len()];
    let mut counts = vec![0; peers.len()];
    for _ in 0..ROUNDS {
        for ((peer, best), count) in peers.iter().zip(&mut best).zip(&mut counts) {
            let start = Instant::now();
            *count = encode(peer.as_ref(), &texts);
            *best = start.elapsed().min(*best);
        }
    }
    for ((peer, time), count) in peers.iter().zip(&best).zip(&counts) {
        println!(
            "  {what:<18} {:<22} {:>8.1} MB/s  {:>9} ids  ours is {:>5.1}x",
            peer.name(),
            corpus.megabytes() / time.as_secs_f64(),
            count,
            time.as_secs_f64() / best[0].as_secs_f64(),
        );
    }
}
