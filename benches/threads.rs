//! The pool beside rayon on what a token asks of it: some fifty short jobs one after the other.

use std::hint::black_box;

use codegeex::__internal::ThreadPool;
use criterion::{Criterion, criterion_group, criterion_main};
use rayon::prelude::*;

const THREADS: usize = 2;
const JOBS: usize = 50;

fn work(chunk: &mut [f32]) {
    for x in chunk {
        *x = *x * 0.5 + 1.0;
    }
}

fn bench(c: &mut Criterion) {
    let own = ThreadPool::new(THREADS).expect("threads start");
    let rayon = rayon::ThreadPoolBuilder::new()
        .num_threads(THREADS)
        .build()
        .expect("threads start");
    // 4 KB, 128 KB and 1 MB a job, in eight tasks.
    for values in [1 << 10, 1 << 15, 1 << 18] {
        let chunk = values / 8;
        let mut data = vec![1.0f32; values];
        let mut expected = data.clone();
        work(&mut expected);
        own.for_each_chunk(&mut data, chunk, |_, c| work(c));
        assert_eq!(data, expected);

        let mut group = c.benchmark_group(format!("{JOBS} jobs of {} KB", values / 256));
        group.bench_function("one thread", |b| {
            b.iter(|| {
                (0..JOBS).for_each(|_| black_box(&mut data).chunks_mut(chunk).for_each(work))
            });
        });
        group.bench_function("pool", |b| {
            b.iter(|| {
                for _ in 0..JOBS {
                    own.for_each_chunk(black_box(&mut data), chunk, |_, c| work(c));
                }
            });
        });
        group.bench_function("rayon, installed for each job", |b| {
            b.iter(|| {
                for _ in 0..JOBS {
                    let data = black_box(&mut data);
                    rayon.install(|| data.par_chunks_mut(chunk).for_each(work));
                }
            });
        });
        group.bench_function("rayon, installed once", |b| {
            b.iter(|| {
                rayon.install(|| {
                    for _ in 0..JOBS {
                        black_box(&mut data).par_chunks_mut(chunk).for_each(work);
                    }
                });
            });
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30);
    targets = bench
}
criterion_main!(benches);
