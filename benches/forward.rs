//! The forward pass of the default model: prompts and single tokens, beside this machine's read
//! bandwidth in the same run.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use codegeex::__internal::ThreadPool;
use codegeex::cancel::Control;
use codegeex::model::{Input, LoadOptions, Model, Wanted, load};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Best of some passes over an array far larger than the caches, by all threads together.
fn read_bandwidth(threads: usize) -> f64 {
    const WORDS: usize = 32 << 20;
    const CHUNK: usize = 1 << 18;
    let pool = ThreadPool::new(threads).expect("threads start");
    let mut data = vec![1u64; WORDS];
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        pool.for_each_chunk(&mut data, CHUNK, |_, chunk| {
            let mut lanes = [0u64; 16];
            for part in chunk.as_chunks::<16>().0 {
                for (lane, word) in lanes.iter_mut().zip(part) {
                    *lane = lane.wrapping_add(*word);
                }
            }
            black_box(lanes);
        });
        best = best.min(start.elapsed());
    }
    (WORDS * size_of::<u64>()) as f64 / best.as_secs_f64()
}

fn feed(model: &dyn Model, ids: &[u32]) -> f32 {
    let mut state = model.new_state();
    let mut batch = [Input::new(&mut *state, ids, Wanted::Last)];
    let logits = model
        .forward(&mut batch, &Control::new())
        .expect("the prompt fits");
    logits.last(0).expect("logits were wanted")[0]
}

fn bench(c: &mut Criterion) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/codegeex_tiny.safetensors");
    for threads in [1, 2] {
        let mut options = LoadOptions::default();
        options.cpu.threads = Some(threads);
        let model = load(&path, &options).expect("the model loads");
        println!("{}", model.describe());
        println!("read bandwidth: {:.1} GB/s", read_bandwidth(threads) / 1e9);
        let mut group = c.benchmark_group(format!("forward/{threads} threads"));
        for tokens in [16, 128, 512] {
            let ids: Vec<u32> = (0..tokens).map(|i| 1000 + i * 7).collect();
            assert!(feed(&*model, &ids).is_finite());
            group.throughput(Throughput::Elements(u64::from(tokens)));
            group.bench_function(format!("prompt of {tokens}"), |b| {
                b.iter(|| feed(&*model, &ids));
            });
        }
        for sequences in [1, 2, 4, 8, 16] {
            let mut states: Vec<_> = (0..sequences)
                .map(|s| {
                    let mut state = model.new_state();
                    let ids: Vec<u32> = (0..64).map(|i| 1000 + s * 99 + i * 7).collect();
                    let mut batch = [Input::new(&mut *state, &ids, Wanted::Nothing)];
                    model
                        .forward(&mut batch, &Control::new())
                        .expect("the prompt fits");
                    state
                })
                .collect();
            group.throughput(Throughput::Elements(u64::from(sequences)));
            group.bench_function(format!("one token of {sequences} sequences"), |b| {
                b.iter(|| {
                    let mut batch: Vec<Input<'_>> = states
                        .iter_mut()
                        .map(|s| {
                            s.truncate(64);
                            Input::new(&mut **s, &[198], Wanted::Last)
                        })
                        .collect();
                    model.forward(&mut batch, &Control::new())
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = bench
}
criterion_main!(benches);
