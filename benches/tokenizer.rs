//! The tokenizer alone: building it, encoding, decoding. Beside other implementations: `peers/`.

use std::hint::black_box;
use std::path::Path;

use codegeex::tokenizer::{
    BpeTokenizer, EncodeScratch, InvalidUtf8, SpecialTokens, StreamDecoder, Tokenizer,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// This crate's tokenizer as text, until it makes a megabyte.
fn source() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tokenizer");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the source is there")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    paths.sort();
    let texts = paths
        .iter()
        .map(|path| std::fs::read_to_string(path).expect("text"));
    let text: String = texts.collect();
    text.repeat(1_000_000 / text.len() + 1)
}

/// Letters in no order: one piece.
fn letters() -> String {
    let mut random = 1_u32;
    let letter = |_| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b"aeinorstdlucmfpgbhvyk"[(random >> 16) as usize % 21])
    };
    (0..1_000_000).map(letter).collect()
}

fn bench(c: &mut Criterion) {
    c.bench_function("tokenizer/build", |b| b.iter(BpeTokenizer::build_codegeex));

    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let source = source();
    let inputs = [
        ("source", source.clone()),
        (
            "line",
            "        for (let i = 0; i < items.length; i++) {\n".to_owned(),
        ),
        ("one word of letters", letters()),
        ("one word of dashes", "-".repeat(1_000_000)),
    ];
    let mut group = c.benchmark_group("tokenizer");
    for (name, text) in &inputs {
        let ids = tokenizer.encode(text, SpecialTokens::AsText).unwrap();
        assert!(tokenizer.decode(&ids).is_ok_and(|decoded| decoded == *text));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("encode/{name}"), |b| {
            b.iter(|| {
                tokenizer
                    .encode(black_box(text), SpecialTokens::AsText)
                    .unwrap()
            });
        });
    }

    let ids = tokenizer.encode(&source, SpecialTokens::AsText).unwrap();
    let mut scratch = EncodeScratch::default();
    let mut out = Vec::new();
    tokenizer
        .encode_into(&source, SpecialTokens::AsText, &mut scratch, &mut out)
        .unwrap();
    assert_eq!(out, ids);
    group.throughput(Throughput::Bytes(source.len() as u64));
    group.bench_function("encode_into/source", |b| {
        b.iter(|| {
            out.clear();
            tokenizer
                .encode_into(
                    black_box(&source),
                    SpecialTokens::AsText,
                    &mut scratch,
                    &mut out,
                )
                .unwrap();
        });
    });
    group.bench_function("decode/source", |b| {
        b.iter(|| tokenizer.decode(black_box(&ids)))
    });
    group.bench_function("stream/source", |b| {
        b.iter(|| {
            let mut decoder = StreamDecoder::new(InvalidUtf8::Replace);
            let mut text = String::new();
            for &id in &ids {
                decoder
                    .push_token(&tokenizer, id, &mut text)
                    .expect("a known id");
            }
            text
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
