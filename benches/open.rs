//! Opening checkpoints: the default model, and the same converted from a `.pt`, ready to compute.

use std::hint::black_box;
use std::path::Path;

use codegeex::model::{Checkpoint, LoadOptions, OpenOptions, load};
use criterion::{Criterion, criterion_group, criterion_main};

fn bench(c: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tiny = root.join("models/codegeex_tiny.safetensors");
    let pt = root.join("tests/data/layouts/single.pt");
    let options = OpenOptions::new();
    let parameters = |path: &Path| {
        let checkpoint = Checkpoint::open(path, &options).expect("the checkpoint opens");
        checkpoint.config().parameters()
    };
    assert_eq!(parameters(&tiny), 19_946_752);

    c.bench_function("open/default model, checked", |b| {
        b.iter(|| black_box(parameters(&tiny)));
    });
    c.bench_function("open/small .pt, checked", |b| {
        b.iter(|| black_box(parameters(&pt)));
    });
    let mut load_options = LoadOptions::default();
    load_options.cpu.threads = Some(2);
    c.bench_function("open/default model, ready to compute", |b| {
        b.iter(|| black_box(load(&tiny, &load_options).expect("the model loads")));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30);
    targets = bench
}
criterion_main!(benches);
