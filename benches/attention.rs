//! Attention over a cache larger than the last-level cache, beside this machine's read bandwidth.

use std::hint::black_box;
use std::time::{Duration, Instant};

use codegeex::__internal::ThreadPool;
use codegeex::backend::{
    Backend, CacheShape, Cpu, CpuOptions, HeadShape, KvCache, KvFormat, PlanRow, PlanRows, Rows,
    StepPlan,
};

const HEADS: HeadShape = HeadShape {
    heads: 40,
    kv_heads: 40,
    head_dim: 128,
    scale: 0.088_388_35,
    window: None,
};
const WIDTH: usize = 40 * 128;

fn noise(rows: usize) -> Rows {
    let mut state = 88_172_645_463_325_252u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 22) as f32 - 2.0
    };
    let values = std::iter::repeat_with(next).take(rows * WIDTH);
    Rows::new(values.collect(), WIDTH)
}

/// Best of some passes over an array far larger than the caches, by all threads together.
fn read_bandwidth(threads: usize) -> f64 {
    let pool = ThreadPool::new(threads).expect("threads start");
    let mut data = vec![1u64; 32 << 20];
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        pool.for_each_chunk(&mut data, 1 << 18, |_, chunk| {
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
    (data.len() * 8) as f64 / best.as_secs_f64()
}

/// The plan of one sequence whose rows have these positions.
fn plan(positions: std::ops::Range<usize>) -> StepPlan {
    let ids = vec![0; positions.len()];
    let row = |position| PlanRow {
        sequence: 0,
        position,
    };
    StepPlan {
        ids,
        rows: positions.map(row).collect(),
        ..StepPlan::default()
    }
}

type Cache = KvCache<<Cpu as Backend>::Pool>;

fn write(cpu: &Cpu, cache: &mut Cache, layers: usize, rows: &Rows) {
    let step = plan(cache.len() - rows.rows()..cache.len());
    let mut plan = cpu.plan(&step, vec![cache.table()]).expect("memory");
    for layer in 0..layers {
        cpu.write_kv(&mut plan, layer, rows, rows)
            .expect("is not cancelled");
    }
}

fn filled(cpu: &Cpu, layers: usize, tokens: usize) -> Cache {
    let mut cache = KvCache::new(cpu.pool(CacheShape {
        layers,
        kv_heads: 40,
        head_dim: 128,
    }));
    cache.extend(tokens).expect("memory");
    write(cpu, &mut cache, layers, &noise(tokens));
    cache
}

fn best(n: usize, mut f: impl FnMut()) -> Duration {
    (0..n)
        .map(|_| {
            let s = Instant::now();
            f();
            s.elapsed()
        })
        .min()
        .expect("some")
}

fn main() {
    const TOKENS: usize = 1900;
    for threads in [1, 2] {
        println!(
            "{threads} threads: read bandwidth {:.1} GB/s",
            read_bandwidth(threads) / 1e9
        );
        for (format, layers) in [
            (KvFormat::F32, 24),
            (KvFormat::F16, 40),
            (KvFormat::Int8, 40),
        ] {
            let cpu =
                Cpu::new(&CpuOptions::new().threads(threads).kv(format)).expect("threads start");
            let mut cache = filled(&cpu, layers, TOKENS);
            let q = noise(1);
            let step = plan(TOKENS - 1..TOKENS);
            let last = cpu.plan(&step, vec![cache.table()]).expect("memory");
            // The best layer: each has its own memory, and one is short enough to get through
            // between two looks of the scheduler.
            let mut time = Duration::MAX;
            for layer in (0..8 * layers).map(|i| i % layers) {
                let attend = || cpu.attend(&q, &last, PlanRows::All, layer, HEADS);
                time = time.min(best(1, || drop(black_box(attend().expect("memory")))));
            }
            let bytes = codegeex::__internal::page_bytes(
                CacheShape {
                    layers: 1,
                    kv_heads: 40,
                    head_dim: 128,
                },
                format,
            ) as f64
                * TOKENS as f64
                / 32.0;
            let rate = bytes / time.as_secs_f64() / 1e9;
            println!(
                "  {format:?} decode at {TOKENS}: {:.2} ms a layer, {rate:.1} GB/s",
                time.as_secs_f64() * 1e3
            );
            drop(last);
            drop(cache);
            for tokens in [512, TOKENS] {
                let mut cache = filled(&cpu, 1, tokens);
                let q = noise(tokens);
                let step = plan(0..tokens);
                let all = cpu.plan(&step, vec![cache.table()]).expect("memory");
                let time = best(6, || {
                    black_box(
                        cpu.attend(&q, &all, PlanRows::All, 0, HEADS)
                            .expect("memory"),
                    );
                });
                let flops = 4.0 * WIDTH as f64 * (tokens * (tokens + 1) / 2) as f64;
                println!(
                    "  {format:?} prompt of {tokens}: {:.1} ms a layer, {:.1} GFLOP/s",
                    time.as_secs_f64() * 1e3,
                    flops / time.as_secs_f64() / 1e9
                );
            }
            let mut cache = filled(&cpu, 1, 1000);
            let rows = noise(512);
            let time = best(5, || {
                cache.truncate(1000);
                cache.extend(512).expect("memory");
                write(&cpu, &mut cache, 1, &rows);
            });
            let row = noise(1);
            let one = best(50, || {
                cache.truncate(1000);
                cache.extend(1).expect("memory");
                write(&cpu, &mut cache, 1, &row);
            });
            println!(
                "  {format:?} store of 512: {:.2} ms, of 1: {:.1} us",
                time.as_secs_f64() * 1e3,
                one.as_secs_f64() * 1e6
            );
        }
    }
}
