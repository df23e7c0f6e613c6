//! How fast this machine reads memory, with as many threads as the engines have.

use std::hint::black_box;
use std::time::Instant;

/// Words of the array: 512 MiB, far beyond the caches.
const WORDS: usize = 64 << 20;
const PASSES: usize = 6;

/// Bytes a second of the best of some passes, all threads together.
pub fn read_bandwidth(threads: usize) -> f64 {
    let data = vec![1u64; WORDS];
    let mut best = f64::MAX;
    for _ in 0..PASSES {
        let start = Instant::now();
        std::thread::scope(|scope| {
            for part in data.chunks(WORDS.div_ceil(threads)) {
                scope.spawn(|| black_box(sum(part)));
            }
        });
        best = best.min(start.elapsed().as_secs_f64());
    }
    size_of_val(&data[..]) as f64 / best
}

/// Sixteen sums side by side, which the compiler keeps in vector registers.
fn sum(words: &[u64]) -> [u64; 16] {
    let mut lanes = [0u64; 16];
    for part in words.as_chunks::<16>().0 {
        for (lane, word) in lanes.iter_mut().zip(part) {
            *lane = lane.wrapping_add(*word);
        }
    }
    lanes
}
