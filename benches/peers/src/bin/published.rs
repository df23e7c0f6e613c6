//! Times tokenizers of published models beside Hugging Face's `tokenizers`, on one thread.
//!
//! Usage: `cargo run --release --bin published -- TOKENIZERS [FOLDER...]`, where TOKENIZERS has a folder
//! with a `tokenizer.json` for each model. Source files come from the other folders, or as in the
//! other program. The ids of every file are compared before timing.

#[path = "../corpus.rs"]
mod corpus;

use std::path::Path;
use std::time::{Duration, Instant};

use codegeex::tokenizer::{BpeTokenizer, EncodeScratch, SpecialTokens};
use corpus::Corpus;

const ROUNDS: usize = 5;

fn main() {
    let mut args = std::env::args_os().skip(1);
    let tokenizers = args.next().expect("a folder of tokenizers");
    let corpora = corpus::from_folders_or_found(args);
    let mut folders: Vec<_> = std::fs::read_dir(&tokenizers)
        .expect("a folder of tokenizers")
        .map(|entry| entry.expect("an entry").path().join("tokenizer.json"))
        .filter(|path| path.is_file())
        .collect();
    folders.sort();
    for path in folders {
        println!("\n{}", path.display());
        let start = Instant::now();
        let ours = BpeTokenizer::open(&path).expect("a tokenizer that is read");
        let opened = start.elapsed();
        let start = Instant::now();
        let theirs = tokenizers::Tokenizer::from_file(&path).expect("a tokenizer");
        println!(
            "  opened in {opened:.0?}, tokenizers {:.0?}",
            start.elapsed()
        );
        for corpus in &corpora {
            compare(&ours, &theirs, corpus);
        }
        if let Some(name) = path.parent().and_then(Path::file_name) {
            println!("  {} has the same ids", name.display());
        }
    }
}

fn compare(ours: &BpeTokenizer, theirs: &tokenizers::Tokenizer, corpus: &Corpus) {
    let mut scratch = EncodeScratch::default();
    let mut ids = Vec::new();
    for text in &corpus.texts {
        ids.clear();
        ours.encode_into(text, SpecialTokens::Parse, &mut scratch, &mut ids)
            .expect("memory");
        let expected = theirs
            .encode_fast(&**text, false)
            .expect("any text encodes");
        assert_eq!(ids, expected.get_ids(), "{:.60}", text);
    }
    let mut best = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for text in &corpus.texts {
            ids.clear();
            ours.encode_into(text, SpecialTokens::Parse, &mut scratch, &mut ids)
                .expect("memory");
        }
        best[0] = best[0].min(start.elapsed());
        let start = Instant::now();
        for text in &corpus.texts {
            let found = theirs
                .encode_fast(&**text, false)
                .expect("any text encodes");
            std::hint::black_box(found.len());
        }
        best[1] = best[1].min(start.elapsed());
    }
    let [ours, theirs] = best.map(|time| corpus.megabytes() / time.as_secs_f64());
    println!(
        "  {:<50} codegeex {ours:>6.1} MB/s, tokenizers {theirs:>6.1} MB/s: {:.1}x",
        corpus.name,
        ours / theirs
    );
}
