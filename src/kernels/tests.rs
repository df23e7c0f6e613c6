//! Every tier of this machine against plain loops in double precision, and against each other
//! to the bit.

use half::{bf16, f16};

use super::generic::activation::{FastGelu, Gelu, GeluTanh, Multiply, Relu, Silu};
use super::generic::dot::{DotRows, Segment};
use super::generic::norm::{LayerNorm, RmsNorm};
use super::generic::rotary::{RotateHalves, RotateInterleaved};
use super::generic::widen::Widen;
use super::isa::{Isa, Kernel};
use super::linear::{Context, FEW_TOKENS, Scratch, linear};
use super::matrix::Matrix;
use super::simd::{ACC, Element, Simd};
use crate::bytes::Bytes;
use crate::cancel::Control;
use crate::num::{self, DType};
use crate::tensor::{Block, Tensor, TensorInfo};
use crate::threads::ThreadPool;

const SIZES: [usize; 12] = [1, 2, 7, 31, 32, 33, 63, 64, 65, 100, 256, 321];

/// Numbers between -2 and 2 that `f16` and `bf16` hold exactly, the same every time.
fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 40) % 129) as f32 / 32.0 - 2.0
        })
        .collect()
}

/// Runs `compute` on every tier, checks that all give the same bits, and returns them.
fn on_every_tier(compute: impl Fn(Isa) -> Vec<f32>) -> Vec<f32> {
    let first = compute(Isa::SCALAR);
    for isa in Isa::available() {
        let bits: Vec<u32> = compute(isa).iter().map(|x| x.to_bits()).collect();
        let expected: Vec<u32> = first.iter().map(|x| x.to_bits()).collect();
        assert_eq!(bits, expected, "{isa:?} differs from scalar");
    }
    first
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*f) - e).abs();
        assert!(error <= tolerance * e.abs().max(1.0), "at {i}: {f} not {e}");
    }
}

fn dot_case<T: Element>(convert: impl Fn(f32) -> T) {
    for n in SIZES {
        for rows in [1, 2, 3, 4, 5, 9] {
            let stride = n + 3;
            let w: Vec<f32> = noise(rows * stride, n as u64);
            // The gap between rows is poisoned: no kernel may read it.
            let stored: Vec<T> = w
                .iter()
                .enumerate()
                .map(|(i, &x)| convert(if i % stride < n { x } else { f32::NAN }))
                .collect();
            let x = noise(n, 77);
            let bias = noise(rows, 5);
            let run = |cuts: &[usize]| {
                on_every_tier(|isa| {
                    let mut out = vec![f32::NAN; rows];
                    let segments: Vec<Segment<T>> = cuts
                        .windows(2)
                        .map(|c| Segment {
                            col: c[0],
                            cols: c[1] - c[0],
                            stride,
                            data: &stored[c[0]..],
                        })
                        .collect();
                    isa.dispatch(DotRows {
                        segments: &segments,
                        x: &x,
                        scale: 0.5,
                        bias: Some(&bias),
                        out: &mut out,
                    });
                    out
                })
            };
            let whole = run(&[0, n]);
            if n > 64 {
                assert_eq!(run(&[0, 32, 64, n]), whole, "a cut changes bits");
            }
            let expected: Vec<f64> = (0..rows)
                .map(|r| {
                    let row = &w[r * stride..r * stride + n];
                    let sum: f64 = row.iter().zip(&x).map(|(a, b)| f64::from(a * b)).sum();
                    0.5 * sum + f64::from(bias[r])
                })
                .collect();
            assert_close(&whole, &expected, 1e-5);
        }
    }
}

#[test]
fn dot_products_of_every_type_and_size() {
    dot_case(|x| x);
    dot_case(f16::from_f32);
    dot_case(bf16::from_f32);
}

#[test]
fn eight_sums_are_those_of_each() {
    struct Sums<'a>(&'a [f32]);
    impl Kernel for Sums<'_> {
        type Output = Vec<f32>;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Vec<f32> {
            let mut lanes = [s.splat(0.0); 8];
            for (lanes, values) in lanes.iter_mut().zip(self.0.as_chunks().0) {
                *lanes = s.load(values);
            }
            let together = s.sums(lanes);
            for (sum, lanes) in together.iter().zip(lanes) {
                assert_eq!(sum.to_bits(), s.sum(lanes).to_bits());
            }
            together.to_vec()
        }
    }
    let values: Vec<f32> = noise(256, 8).iter().map(|v| v / 3.0).collect();
    let found = on_every_tier(|isa| isa.dispatch(Sums(&values)));
    let expected: Vec<f64> = values
        .chunks(32)
        .map(|v| v.iter().map(|&v| f64::from(v)).sum())
        .collect();
    assert_close(&found, &expected, 1e-5);
}

#[test]
fn widening_is_exact() {
    let every: Vec<u16> = (0..=u16::MAX).collect();
    let halves: Vec<f16> = every.iter().map(|&b| f16::from_bits(b)).collect();
    let bytes: Vec<i8> = (i8::MIN..=i8::MAX).collect();
    let brains: Vec<bf16> = every.iter().map(|&b| bf16::from_bits(b)).collect();
    for isa in Isa::available() {
        let mut out = vec![0.0; every.len()];
        isa.dispatch(Widen {
            values: &halves,
            out: &mut out,
        });
        for (x, h) in out.iter().zip(&halves) {
            assert!(*x == h.to_f32() || h.is_nan() && x.is_nan());
        }
        isa.dispatch(Widen {
            values: &bytes,
            out: &mut out[..bytes.len()],
        });
        for (x, b) in out.iter().zip(&bytes) {
            assert_eq!(*x, f32::from(*b));
        }
        isa.dispatch(Widen {
            values: &brains,
            out: &mut out,
        });
        for (x, b) in out.iter().zip(&brains) {
            assert!(*x == b.to_f32() || b.is_nan() && x.is_nan());
        }
    }
}

#[test]
fn layer_norm_of_rows_far_from_zero() {
    for n in SIZES {
        let x: Vec<f32> = noise(n, 3).iter().map(|v| v + 100.0).collect();
        let (weight, bias) = (noise(n, 4), noise(n, 5));
        let found = on_every_tier(|isa| {
            let mut out = vec![f32::NAN; n];
            isa.dispatch(LayerNorm {
                x: &x,
                weight: &weight,
                bias: &bias,
                epsilon: 1e-5,
                out: &mut out,
            });
            out
        });
        let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
        let var = x
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / n as f64;
        let expected: Vec<f64> = (0..n)
            .map(|i| {
                (f64::from(x[i]) - mean) / (var + 1e-5).sqrt() * f64::from(weight[i])
                    + f64::from(bias[i])
            })
            .collect();
        assert_close(&found, &expected, 1e-3);
    }
}

#[test]
fn rms_norm_and_a_layer_norm_without_bias() {
    for n in SIZES {
        let (x, weight) = (noise(n, 3), noise(n, 4));
        let found = on_every_tier(|isa| {
            let mut out = x.clone();
            isa.dispatch(RmsNorm {
                x: &mut out,
                weight: &weight,
                epsilon: 1e-6,
            });
            out
        });
        let square = x.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / n as f64;
        let expected = |i: usize| f64::from(x[i]) / (square + 1e-6).sqrt() * f64::from(weight[i]);
        assert_close(&found, &(0..n).map(expected).collect::<Vec<_>>(), 1e-5);
        let norm = |bias: &[f32]| {
            on_every_tier(|isa| {
                let mut out = vec![f32::NAN; n];
                isa.dispatch(LayerNorm {
                    x: &x,
                    weight: &weight,
                    bias,
                    epsilon: 1e-5,
                    out: &mut out,
                });
                out
            })
        };
        assert_eq!(norm(&[]), norm(&vec![0.0; n]));
    }
}

#[test]
fn pairs_are_rotated() {
    for (head_dim, pairs) in [(8, 4), (8, 2), (80, 32), (6, 3)] {
        let angles = noise(pairs, 1);
        let cos: Vec<f32> = angles.iter().map(|a| a.cos()).collect();
        let sin: Vec<f32> = angles.iter().map(|a| a.sin()).collect();
        let x = noise(3 * head_dim, 2);
        let halves = on_every_tier(|isa| {
            let mut heads = x.clone();
            isa.dispatch(RotateHalves {
                heads: &mut heads,
                head_dim,
                cos: &cos,
                sin: &sin,
            });
            heads
        });
        let interleaved = on_every_tier(|isa| {
            let mut heads = x.clone();
            isa.dispatch(RotateInterleaved {
                heads: &mut heads,
                head_dim,
                cos: &cos,
                sin: &sin,
            });
            heads
        });
        for (places, found) in [(0, halves), (1, interleaved)] {
            let mut expected: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
            for head in expected.chunks_mut(head_dim) {
                for i in 0..pairs {
                    let (a, b) = [(i, i + pairs), (2 * i, 2 * i + 1)][places];
                    let (s, c) = (f64::from(sin[i]), f64::from(cos[i]));
                    (head[a], head[b]) = (head[a] * c - head[b] * s, head[b] * c + head[a] * s);
                }
            }
            assert_close(&found, &expected, 1e-6);
        }
    }
}

#[test]
fn exact_gelu_silu_and_relu_follow_their_formulas() {
    // 1 - erf(z) by its continued fraction far out, by its series close to zero.
    let erfc = |z: f64| -> f64 {
        if z > 3.0 {
            let tail = (1..60).rev().fold(z, |f, k| z + f64::from(k) / 2.0 / f);
            return (-z * z).exp() / tail / std::f64::consts::PI.sqrt();
        }
        let (mut term, mut sum) = (z, z);
        for k in 1..120 {
            term *= -z * z / f64::from(k);
            sum += term / f64::from(2 * k + 1);
        }
        1.0 - sum * 2.0 / std::f64::consts::PI.sqrt()
    };
    let gelu = |x: f64| match x < 0.0 {
        true => 0.5 * x * erfc(-x / 2f64.sqrt()),
        false => x - 0.5 * x * erfc(x / 2f64.sqrt()),
    };
    for n in SIZES {
        let mut x: Vec<f32> = noise(n, 9).iter().map(|v| v * 4.0).collect();
        x[0] = -1000.0;
        x[n - 1] = 1000.0;
        let run = |f: &dyn Fn(crate::kernels::Isa, &mut [f32])| {
            on_every_tier(|isa| {
                let mut out = x.clone();
                f(isa, &mut out);
                out
            })
        };
        let wide = || x.iter().map(|&x| f64::from(x));
        let found = run(&|isa, out| isa.dispatch(Gelu(out)));
        assert_close(&found, &wide().map(gelu).collect::<Vec<_>>(), 1e-6);
        let found = run(&|isa, out| isa.dispatch(Silu(out)));
        let silu: Vec<f64> = wide().map(|x| x / (1.0 + (-x).exp())).collect();
        assert_close(&found, &silu, 1e-5);
        let found = run(&|isa, out| isa.dispatch(Relu(out)));
        assert_close(&found, &wide().map(|x| x.max(0.0)).collect::<Vec<_>>(), 0.0);
        let found = run(&|isa, out| {
            isa.dispatch(Multiply {
                values: out,
                others: &x,
            });
        });
        assert_close(&found, &wide().map(|x| x * x).collect::<Vec<_>>(), 1e-7);
    }
}

#[test]
fn activations_follow_their_formulas_and_saturate() {
    for n in SIZES {
        let mut x: Vec<f32> = noise(n, 9).iter().map(|v| v * 4.0).collect();
        x[0] = -1000.0;
        x[n - 1] = 1000.0;
        let run = |fast: bool| {
            on_every_tier(|isa| {
                let mut out = x.clone();
                if fast {
                    isa.dispatch(FastGelu(&mut out));
                } else {
                    isa.dispatch(GeluTanh(&mut out));
                }
                out
            })
        };
        // The paper's own form of FastGELU.
        let fast: Vec<f64> = x
            .iter()
            .map(|&x| f64::from(x))
            .map(|x| x / (1.0 + (-1.702 * x.abs()).exp()) * (0.851 * (x - x.abs())).exp())
            .collect();
        assert_close(&run(true), &fast, 1e-5);
        let tanh: Vec<f64> = x
            .iter()
            .map(|&x| f64::from(x))
            .map(|x| {
                let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
                0.5 * x * (1.0 + u.tanh())
            })
            .collect();
        assert_close(&run(false), &tanh, 1e-5);
    }
}

#[test]
fn the_exponential_of_the_kernels_is_that_of_num() {
    struct Exp<'a>(&'a mut [f32]);
    impl Kernel for Exp<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            for chunk in self.0.as_chunks_mut().0 {
                s.store(super::generic::exp::exp(s, s.load(chunk)), chunk);
            }
        }
    }
    let x: Vec<f32> = (-3200..3200).map(|i| i as f32 * 0.037).collect();
    let found = on_every_tier(|isa| {
        let mut out = x.clone();
        isa.dispatch(Exp(&mut out));
        out
    });
    let expected: Vec<f32> = x.iter().map(|&v| num::exp(v)).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_larger_and_the_smaller_are_the_second_where_neither_is() {
    struct Extremes<'a>(&'a [f32; ACC], &'a [f32; ACC]);
    impl Kernel for Extremes<'_> {
        type Output = [[f32; ACC]; 2];
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Self::Output {
            let (a, b) = (s.load(self.0), s.load(self.1));
            let mut out = [[f32::NAN; ACC]; 2];
            s.store(s.max(a, b), &mut out[0]);
            s.store(s.min(a, b), &mut out[1]);
            out
        }
    }
    let values = [1.0, -2.0, 0.0, -0.0, f32::INFINITY, f32::NAN];
    let a: [f32; ACC] = std::array::from_fn(|i| values[i % 6]);
    for shift in 0..6 {
        let b: [f32; ACC] = std::array::from_fn(|i| values[(i / 6 + i + shift) % 6]);
        for isa in Isa::available() {
            let [larger, smaller] = isa.dispatch(Extremes(&a, &b));
            for i in 0..ACC {
                let (a, b) = (a[i], b[i]);
                let expected = (if a > b { a } else { b }, if a < b { a } else { b });
                assert_eq!(
                    larger[i].to_bits(),
                    expected.0.to_bits(),
                    "{isa:?}: {a}, {b}"
                );
                assert_eq!(
                    smaller[i].to_bits(),
                    expected.1.to_bits(),
                    "{isa:?}: {a}, {b}"
                );
            }
        }
    }
}

/// The other tests add numbers so round that any order gives the same sum.
#[test]
fn lanes_are_added_in_one_order() {
    struct Sum<'a>(&'a [f32; ACC]);
    impl Kernel for Sum<'_> {
        type Output = Vec<f32>;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Vec<f32> {
            vec![s.sum(s.load(self.0))]
        }
    }
    for seed in 1..50 {
        let values: Vec<f32> = noise(ACC, seed).iter().map(|v| (v / 3.0).exp()).collect();
        on_every_tier(|isa| isa.dispatch(Sum(values.as_array().unwrap())));
    }
}

/// A matrix of random numbers cut into blocks at the given rows and columns.
fn cut(dtype: DType, rows: usize, cols: usize, row_cuts: &[usize], col_cuts: &[usize]) -> Tensor {
    let values = noise(rows * cols, 21);
    let mut blocks = Vec::new();
    for r in row_cuts.windows(2) {
        for c in col_cuts.windows(2) {
            let mut data = Vec::new();
            for row in r[0]..r[1] {
                for value in &values[row * cols + c[0]..row * cols + c[1]] {
                    match dtype {
                        DType::F16 => data.extend(f16::from_f32(*value).to_le_bytes()),
                        DType::BF16 => data.extend(bf16::from_f32(*value).to_le_bytes()),
                        _ => data.extend(value.to_le_bytes()),
                    }
                }
            }
            blocks.push(Block {
                row: r[0],
                col: c[0],
                rows: r[1] - r[0],
                cols: c[1] - c[0],
                row_stride: c[1] - c[0],
                data: Bytes::copy_from(&data).unwrap(),
            });
        }
    }
    let info = TensorInfo {
        name: "w".into(),
        dtype,
        shape: vec![rows, cols],
    };
    Tensor { info, blocks }
}

#[test]
fn linear_layers_of_any_cut_type_and_thread_count() {
    let (rows, cols) = (300, 192);
    let bias = noise(rows, 31);
    let values = noise(rows * cols, 21);
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        for tokens in [0, 1, 2, FEW_TOKENS, FEW_TOKENS + 1, 40] {
            let x = noise(tokens * cols, 33);
            let expected: Vec<f64> = (0..tokens * rows)
                .map(|i| {
                    let (t, r) = (i / rows, i % rows);
                    let dot = |c: usize| f64::from(values[r * cols + c] * x[t * cols + c]);
                    (0..cols).map(dot).sum::<f64>() + f64::from(bias[r])
                })
                .collect();
            let mut first: Option<Vec<f32>> = None;
            let cuts: [(&[usize], &[usize]); 4] = [
                (&[0, 300], &[0, 192]),
                (&[0, 75, 150, 300], &[0, 192]),
                (&[0, 300], &[0, 96, 192]),
                (&[0, 10, 300], &[0, 50, 192]),
            ];
            for (row_cuts, col_cuts) in cuts {
                let tensor = cut(dtype, rows, cols, row_cuts, col_cuts);
                let matrix = Matrix::new(&tensor).unwrap();
                for threads in [1, 3] {
                    let pool = ThreadPool::new(threads).unwrap();
                    let (scratch, control) = (Scratch::default(), Control::new());
                    let cx = Context {
                        isa: Isa::best(),
                        crew: pool.crew(&control),
                        scratch: &scratch,
                    };
                    let mut out = vec![f32::NAN; tokens * rows];
                    linear(cx, &x, &matrix, Some(&bias), &mut out).unwrap();
                    assert_close(&out, &expected, 1e-4);
                    let first = first.get_or_insert_with(|| out.clone());
                    assert_eq!(&out, first, "cuts or threads change bits");
                }
            }
        }
    }
}

#[test]
fn a_token_does_not_depend_on_its_company_in_a_product() {
    let tensor = cut(DType::F16, 130, 320, &[0, 130], &[0, 320]);
    let matrix = Matrix::new(&tensor).unwrap();
    let pool = ThreadPool::new(2).unwrap();
    let (scratch, control) = (Scratch::default(), Control::new());
    let cx = Context {
        isa: Isa::best(),
        crew: pool.crew(&control),
        scratch: &scratch,
    };
    let x = noise(50 * 320, 41);
    let mut all = vec![0.0; 50 * 130];
    linear(cx, &x, &matrix, None, &mut all).unwrap();
    for (from, n) in [(0, 5), (7, 30), (44, 6)] {
        let mut some = vec![0.0; n * 130];
        linear(
            cx,
            &x[from * 320..(from + n) * 320],
            &matrix,
            None,
            &mut some,
        )
        .unwrap();
        assert_eq!(some, all[from * 130..(from + n) * 130]);
    }
}

/// Products of some tokens against dot products of each alone, to the bit.
#[test]
fn products_have_the_bits_of_dot_products() {
    // Columns that end within a chunk, at the end of a block and just behind one; rows that end
    // within a tile.
    for (rows, cols, col_cuts) in [
        (9, 1, &[0, 1][..]),
        (40, 100, &[0, 100]),
        (77, 512, &[0, 96, 512]),
        (33, 1057, &[0, 512, 1024, 1057]),
        (8, 1100, &[0, 50, 1100]),
    ] {
        // Not exact in any order: the sums round.
        let x: Vec<f32> = noise(130 * cols, 3).iter().map(|v| v / 3.0).collect();
        let bias = noise(rows, 31);
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            let matrix = Matrix::new(&cut(dtype, rows, cols, &[0, rows / 2, rows], col_cuts));
            let matrix = matrix.unwrap();
            let mut wide = vec![0.0; rows * cols];
            matrix.widen(Isa::SCALAR, 0, rows, &mut wide);
            let expected = on_every_tier(|isa| {
                let mut out = vec![f32::NAN; 130 * rows];
                for (x, out) in x.chunks(cols).zip(out.chunks_mut(rows)) {
                    isa.dispatch(DotRows {
                        segments: &[Segment {
                            col: 0,
                            cols,
                            stride: cols,
                            data: &wide[..],
                        }],
                        x,
                        scale: 1.0,
                        bias: Some(&bias),
                        out,
                    });
                }
                out
            });
            for threads in [1, 2] {
                let pool = ThreadPool::new(threads).unwrap();
                let (scratch, control) = (Scratch::default(), Control::new());
                // What a task finds in its buffers must not matter.
                scratch
                    .with(1 << 20, |values| values.fill(f32::NAN))
                    .unwrap();
                for tokens in [1, 2, 3, 5, FEW_TOKENS, FEW_TOKENS + 1, 16, 17, 40, 130] {
                    let found = on_every_tier(|isa| {
                        let cx = Context {
                            isa,
                            crew: pool.crew(&control),
                            scratch: &scratch,
                        };
                        let mut out = vec![f32::NAN; tokens * rows];
                        linear(cx, &x[..tokens * cols], &matrix, Some(&bias), &mut out).unwrap();
                        out
                    });
                    assert!(
                        found == expected[..tokens * rows],
                        "{tokens} tokens, {rows} x {cols}"
                    );
                }
            }
        }
    }
}

#[test]
fn blocks_that_do_not_tile_are_refused() {
    let good = cut(DType::F32, 8, 8, &[0, 4, 8], &[0, 8]);
    assert_eq!(Matrix::new(&good).unwrap().rows(), 8);
    let mut gap = good.clone();
    gap.blocks.remove(0);
    assert!(Matrix::new(&gap).is_err());
    let mut short = good.clone();
    short.blocks[1].data = short.blocks[1].data.slice(0..16).unwrap();
    assert!(Matrix::new(&short).is_err());
    let mut overlapping = good.clone();
    overlapping.blocks[1].row_stride = 4;
    assert!(Matrix::new(&overlapping).is_err());
    let mut odd = good;
    odd.info.dtype = DType::I8;
    assert!(Matrix::new(&odd).is_err());
}
