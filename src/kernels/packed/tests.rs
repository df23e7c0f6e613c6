//! Every tier of this machine against plain sums of integers, and whole layers against the
//! formula, to the bit.

use super::linear::{Buffers, Context, linear};
use super::*;
use crate::cancel::Control;
use crate::kernels::isa::Isa;
use crate::tensor::{PackedScheme, PackedTensor};
use crate::threads::ThreadPool;

/// Numbers below `n`, the same every time.
fn noise(count: usize, n: u64, seed: u64) -> Vec<u64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) % n
        })
        .collect()
}

/// A matrix of random codes, or of bytes `fill` and the largest multipliers, and the same as
/// integers `[rows, cols]`.
fn matrix(
    scheme: PackedScheme,
    rows: usize,
    cols: usize,
    fill: Option<u8>,
) -> (PackedMatrix, Vec<i64>) {
    let (panels, blocks) = (rows.div_ceil(PANEL_ROWS), cols.div_ceil(BLOCK));
    let (codes, multipliers) = sizes(scheme, rows, cols).unwrap();
    let mut bytes: Vec<u8> = noise(codes, 256, 1).iter().map(|&b| b as u8).collect();
    let mut factors: Vec<u8> = noise(multipliers, 256, 2)
        .iter()
        .map(|&b| b as u8)
        .collect();
    if let Some(byte) = fill {
        bytes.fill(byte);
        factors.fill(255);
    }
    let scales: Vec<f16> = noise(rows, 1000, 3)
        .iter()
        .map(|&s| f16::from_f32(s as f32 / 1e6))
        .collect();
    let mut integers = vec![0; rows * cols];
    for (i, value) in integers.iter_mut().enumerate() {
        let (r, k) = (i / cols, i % cols);
        let (panel, block, row) = (r / PANEL_ROWS, k / BLOCK, r % PANEL_ROWS);
        assert!(panel < panels && block < blocks);
        *value = match scheme {
            PackedScheme::Int8 => {
                let at = ((panel * blocks + block) * 16 + k % 64 / 4) * 64 + 4 * row + k % 4;
                i64::from(bytes[at]) - 128
            }
            PackedScheme::Int4 => {
                let at = ((panel * blocks + block) * 8 + k % 32 / 4) * 64 + 4 * row + k % 4;
                let shift = if k % 64 < 32 { 0 } else { 4 };
                let m = factors[(panel * blocks + block) * 16 + row] >> shift & 15;
                (i64::from(bytes[at] >> shift & 15) - 8) * i64::from(m)
            }
        };
    }
    let scale_bytes: Vec<u8> = scales.iter().flat_map(|s| s.to_le_bytes()).collect();
    let tensor = PackedTensor {
        name: "w".to_owned(),
        scheme,
        rows,
        cols,
        codes: Bytes::copy_from(&bytes).unwrap(),
        multipliers: Bytes::copy_from(&factors).unwrap(),
        scales: Bytes::copy_from(&scale_bytes).unwrap(),
    };
    (PackedMatrix::new(&tensor).unwrap(), integers)
}

/// What a layer has to give: the definition in the module documentation, in 64-bit integers.
fn expected(
    format: ActivationFormat,
    x: &[f32],
    w: &PackedMatrix,
    integers: &[i64],
    bias: &[f32],
) -> Vec<f32> {
    let cols = w.cols();
    let (greatest, group) = match format {
        ActivationFormat::Int16 => (32639.0, cols),
        ActivationFormat::Int8 => (127.0, 256),
    };
    let mut out = Vec::new();
    for x in x.chunks(cols) {
        let groups = x.chunks(group).map(|x| {
            let largest = x.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            let q = x.iter().map(|x| x * (greatest / largest));
            let q: Vec<i64> = q.map(|x| x.round_ties_even() as i64).collect();
            (q, largest / greatest)
        });
        let groups: Vec<_> = groups.collect();
        for r in 0..w.rows() {
            let row = &integers[r * cols..(r + 1) * cols];
            let mut total = 0.0f32;
            for ((q, scale), row) in groups.iter().zip(row.chunks(group)) {
                let sum: i64 = row.iter().zip(q).map(|(w, q)| w * q).sum();
                total += sum as f32 * scale;
            }
            out.push(total * w.scales[r] + bias[r]);
        }
    }
    out
}

fn run(
    isa: Isa,
    format: ActivationFormat,
    threads: usize,
    x: &[f32],
    w: &PackedMatrix,
    bias: &[f32],
) -> Vec<f32> {
    #[cfg(target_arch = "x86_64")]
    if isa.set() == crate::kernels::isa::InstructionSet::Scalar {
        // The way of a matrix unit is taken with tiles in software, on any machine.
        let emulated = Some(unit::MatrixUnit::Emulated);
        let on_unit = run_with(isa, emulated, format, threads, x, w, bias);
        let without = run_with(isa, None, format, threads, x, w, bias);
        assert_eq!(bits(&on_unit), bits(&without), "the matrix unit differs");
        return on_unit;
    }
    run_with(isa, isa.matrix_unit(), format, threads, x, w, bias)
}

fn run_with(
    isa: Isa,
    unit: Option<unit::MatrixUnit>,
    format: ActivationFormat,
    threads: usize,
    x: &[f32],
    w: &PackedMatrix,
    bias: &[f32],
) -> Vec<f32> {
    let pool = ThreadPool::new(threads).unwrap();
    let (buffers, control) = (Buffers::default(), Control::new());
    let cx = Context {
        isa,
        unit,
        format,
        crew: pool.crew(&control),
        buffers: &buffers,
    };
    let mut out = vec![f32::NAN; x.len() / w.cols() * w.rows()];
    linear(cx, x, w, Some(bias), &mut out).unwrap();
    out
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn layers_are_exact_on_every_tier_for_any_number_of_tokens() {
    for scheme in [PackedScheme::Int8, PackedScheme::Int4] {
        for (rows, cols) in [(1, 1), (16, 64), (17, 65), (40, 321), (33, 1100), (160, 96)] {
            for fill in [None, Some(0), Some(255)] {
                let (w, integers) = matrix(scheme, rows, cols, fill);
                let bias: Vec<f32> = noise(rows, 100, 9).iter().map(|&b| b as f32).collect();
                for tokens in [1, 2, 3, 4, 5, 7, 12, 13, 16, 30, 45] {
                    let x = noise(tokens * cols, 2001, tokens as u64);
                    let x = x.iter().map(|&v| match fill {
                        Some(_) => -1.0,
                        None => (v as f32 - 1000.0) / 37.0,
                    });
                    let x: Vec<f32> = x.collect();
                    for format in ActivationFormat::ALL {
                        let expected = bits(&expected(format, &x, &w, &integers, &bias));
                        for isa in Isa::available() {
                            for threads in [1, 3] {
                                let found = bits(&run(isa, format, threads, &x, &w, &bias));
                                assert_eq!(
                                    found, expected,
                                    "{isa:?}, {scheme} by {format}, {rows} x {cols}, {tokens} \
                                     tokens, {threads} threads"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn sums_of_the_widest_rows_do_not_overflow() {
    // Tiers differ in whether they sum over `w`, which is largest at 0, or over `w + 128`.
    for (scheme, fill) in [
        (PackedScheme::Int8, 0),
        (PackedScheme::Int8, 255),
        (PackedScheme::Int4, 0),
    ] {
        let (w, integers) = matrix(scheme, 16, MAX_COLS, Some(fill));
        for sign in [1.0, -1.0] {
            let x = vec![sign; MAX_COLS];
            for format in ActivationFormat::ALL {
                let expected = bits(&expected(format, &x, &w, &integers, &[0.0; 16]));
                for isa in Isa::available() {
                    let found = bits(&run(isa, format, 1, &x, &w, &[0.0; 16]));
                    assert_eq!(found, expected, "{isa:?}, {scheme} of {fill} by {format}");
                }
            }
        }
    }
}

#[test]
fn what_is_not_finite_poisons_its_token_alone() {
    let (w, _) = matrix(PackedScheme::Int8, 20, 70, None);
    let x = vec![1.0; 3 * 70];
    for format in ActivationFormat::ALL {
        let clean = run(Isa::best(), format, 1, &x, &w, &[0.0; 20]);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut x = x.clone();
            x[70 + 69] = bad;
            for isa in Isa::available() {
                let out = run(isa, format, 1, &x, &w, &[0.0; 20]);
                assert!(out[20..40].iter().all(|x| x.is_nan()));
                assert_eq!(bits(&out[..20]), bits(&clean[..20]));
                assert_eq!(bits(&out[40..]), bits(&clean[40..]));
            }
        }
    }
}

#[test]
fn tokens_of_zeros_give_the_bias() {
    let (w, _) = matrix(PackedScheme::Int4, 20, 70, None);
    let bias = [3.5; 20];
    for format in ActivationFormat::ALL {
        for tiny in [0.0, -0.0, 1e-35] {
            let found = run(Isa::best(), format, 1, &[tiny; 70], &w, &bias);
            assert_eq!(found, bias);
        }
    }
}

#[test]
fn rows_are_the_weights() {
    for scheme in [PackedScheme::Int8, PackedScheme::Int4] {
        let (w, integers) = matrix(scheme, 35, 100, None);
        for r in 0..35 {
            let mut row = vec![0.0; 100];
            w.row(r, &mut row);
            for (k, found) in row.iter().enumerate() {
                assert_eq!(*found, integers[r * 100 + k] as f32 * w.scales[r]);
            }
        }
    }
}

#[test]
fn parts_of_a_wrong_length_are_refused() {
    let whole = |codes: usize, multipliers: usize, scales: usize| PackedTensor {
        name: "w".to_owned(),
        scheme: PackedScheme::Int4,
        rows: 20,
        cols: 70,
        codes: Bytes::copy_from(&vec![0; codes]).unwrap(),
        multipliers: Bytes::copy_from(&vec![0; multipliers]).unwrap(),
        scales: Bytes::copy_from(&vec![0; scales]).unwrap(),
    };
    assert!(PackedMatrix::new(&whole(2048, 64, 40)).is_ok());
    for wrong in [
        whole(2047, 64, 40),
        whole(2048, 63, 40),
        whole(2048, 64, 38),
    ] {
        let error = PackedMatrix::new(&wrong).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::ShapeMismatch);
        assert!(error.to_string().contains("2048 bytes of codes"), "{error}");
    }
}
