//! A linear layer of the 13B model on many tokens, beside matrixmultiply over the same threads.

use std::time::Instant;

use codegeex::__internal::Bytes;
use codegeex::__internal::ThreadPool;
use codegeex::backend::{Backend, Cpu, CpuOptions, Rows};
use codegeex::num::DType;
use codegeex::tensor::{Block, Stored, Tensor, TensorInfo};
use half::f16;
use half::slice::HalfFloatSliceExt;

const ROWS: usize = 5120;
const COLS: usize = 5120;
const PANEL_ROWS: usize = 128;
const REPEATS: usize = 5;

/// `out[r][t] = dot(W[r], x[t])`: each panel of W is widened, then multiplied.
fn peer(pool: &ThreadPool, w: &[f16], x: &[f32], tokens: usize, out: &mut [f32]) {
    pool.for_each_chunk(out, PANEL_ROWS * tokens, |panel, out| {
        let rows = out.len() / tokens;
        let mut wide = vec![0.0; rows * COLS];
        let start = panel * PANEL_ROWS * COLS;
        w[start..start + rows * COLS].convert_to_f32_slice(&mut wide);
        // SAFETY: `wide` is rows x COLS, `x` read with swapped strides COLS x tokens, and `out`
        // rows x tokens, all of them without gaps.
        unsafe {
            matrixmultiply::sgemm(
                rows,
                COLS,
                tokens,
                1.0,
                wide.as_ptr(),
                COLS as isize,
                1,
                x.as_ptr(),
                1,
                COLS as isize,
                0.0,
                out.as_mut_ptr(),
                tokens as isize,
                1,
            );
        }
    });
}

fn main() {
    let w: Vec<f16> = (0..ROWS * COLS)
        .map(|i| f16::from_f32((i * 7919 % 1009) as f32 / 504.0 - 1.0))
        .collect();
    let tensor = Tensor {
        info: TensorInfo {
            name: "w".into(),
            dtype: DType::F16,
            shape: vec![ROWS, COLS],
        },
        blocks: vec![Block {
            row: 0,
            col: 0,
            rows: ROWS,
            cols: COLS,
            row_stride: COLS,
            data: Bytes::copy_from(bytemuck::cast_slice(&w)).expect("there is memory"),
        }],
    };
    for threads in [1, 2] {
        let mut options = CpuOptions::default();
        options.threads = Some(threads);
        let cpu = Cpu::new(&options).expect("threads start");
        let matrix = cpu
            .matrix(&Stored::Dense(tensor.clone()))
            .expect("the tensor is whole");
        let pool = ThreadPool::new(threads).expect("threads start");
        println!("{}, [{ROWS} x {COLS}] in f16", cpu.name());
        for tokens in [8, 16, 128, 512] {
            let value = |i: usize| ((i / COLS * 31 + i % COLS) % 97) as f32 / 97.0 - 0.5;
            let x = Rows::new((0..tokens * COLS).map(value).collect(), COLS);
            let mut theirs = vec![0.0; ROWS * tokens];
            let (mut own, mut other) = (f64::MAX, f64::MAX);
            for _ in 0..REPEATS {
                let start = Instant::now();
                let found = cpu.linear(&x, &matrix, None).expect("there is memory");
                own = own.min(start.elapsed().as_secs_f64());
                let start = Instant::now();
                peer(&pool, &w, x.values(), tokens, &mut theirs);
                other = other.min(start.elapsed().as_secs_f64());
                for (i, theirs) in theirs.iter().enumerate() {
                    let difference = found.row(i % tokens)[i / tokens] - theirs;
                    assert!(difference.abs() < 0.05, "differs by {difference}");
                }
            }
            let flops = 2.0 * (tokens * ROWS * COLS) as f64;
            println!(
                "{tokens:4} tokens: {:7.1} GFLOP/s, matrixmultiply {:7.1}, ratio {:.2}",
                flops / own / 1e9,
                flops / other / 1e9,
                other / own
            );
        }
    }
}
