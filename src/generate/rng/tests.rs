//! The generator against its published vectors, and sampled tokens against a table and against a
//! second implementation, which follows the text of the specification and nothing else.

use super::*;
use crate::cancel::CancelToken;
use crate::generate::test_model::TestModel;
use crate::generate::{GenerateOptions, Generator};
use crate::tokenizer::{BpeTokenizer, Tokenizer};

/// The known-answer vectors that the authors publish with Random123.
#[test]
fn known_answers() {
    assert_eq!(
        philox4x32([0; 4], [0; 2]),
        [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
    );
    assert_eq!(
        philox4x32([u32::MAX; 4], [u32::MAX; 2]),
        [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
    );
    assert_eq!(
        philox4x32(
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xa409_3822, 0x299f_31d0]
        ),
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
    );
}

#[test]
fn uniform_is_uniform_enough_and_depends_on_every_argument() {
    let n = 20_000;
    let mean = (0..n).map(|i| uniform(7, 3, i)).sum::<f64>() / n as f64;
    assert!((mean - 0.5).abs() < 0.01, "{mean}");
    assert!((0..n).all(|i| (0.0..1.0).contains(&uniform(7, 3, i))));
    let base = uniform(1, 1, 1);
    let others = [
        uniform(2, 1, 1),
        uniform(1 | 1 << 32, 1, 1),
        uniform(1, 2, 1),
        uniform(1, 1, 2),
        uniform(1, 1, 1 | 1 << 32),
    ];
    assert!(others.iter().all(|&u| u != base));
}

/// Rows of logits that depend on the position alone: even and odd ones repeat, so that what was
/// said before matters. Values have 16 bits, so that many are equal.
fn row(position: usize, spread: f32) -> Vec<f32> {
    let salt = (position as u32 % 2).wrapping_mul(2_246_822_519);
    let hash = |id: u32| id.wrapping_mul(2_654_435_761).wrapping_add(salt) >> 16;
    let mut row: Vec<f32> = (0..VOCAB as u32)
        .map(|id| hash(id) as f32 / 65_536.0 * spread - 7.0)
        .collect();
    row[END] = f32::NEG_INFINITY;
    row
}

const VOCAB: usize = 50_432;
const END: usize = 50_256;
const PROMPT: [u32; 3] = [11, 17, 23];

fn rows(spread: f32) -> TestModel {
    TestModel::new(move |ids, logits| {
        logits.copy_from_slice(&row(ids.len() - PROMPT.len(), spread));
    })
}

/// Rounds to binary32. A sum, difference, product or quotient of two such numbers that is
/// computed in binary64 first and then rounded is the one that binary32 arithmetic gives.
fn r(x: f64) -> f64 {
    f64::from(x as f32)
}

fn exp_by_the_text(x: f64) -> f64 {
    let c = |x: f32| f64::from(x);
    let x = x.clamp(c(-87.33654), 88.0);
    let n = r(x * f64::from(f32::from_bits(0x3FB8_AA3B))).round_ties_even();
    let y = r(r(x - r(n * (355.0 / 512.0))) - r(n * c(-2.121_944_4e-4)));
    let mut p = c(1.987_569_1e-4);
    for k in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        5.000_000_3e-1,
    ] {
        p = r(r(p * y) + c(k));
    }
    r(r(r(p * r(y * y)) + y) + 1.0) * n.exp2()
}

fn uniform_by_the_text(seed: u64, sample: u64, t: u64) -> f64 {
    const WORD: u64 = 1 << 32;
    let (mut x, mut k) = ([t % WORD, t / WORD, sample, 0], [seed % WORD, seed / WORD]);
    for _ in 0..10 {
        let (a, b) = (0xCD9E_8D57 * x[2], 0xD251_1F53 * x[0]);
        x = [
            (a / WORD) ^ x[1] ^ k[0],
            a % WORD,
            (b / WORD) ^ x[3] ^ k[1],
            b % WORD,
        ];
        k = [(k[0] + 0x9E37_79B9) % WORD, (k[1] + 0xBB67_AE85) % WORD];
    }
    // Exact: less than 2^53.
    (x[0] * (1 << 21) + x[1] / (1 << 11)) as f64 / (WORD as f64 * (1 << 21) as f64)
}

type Listed = Vec<(u32, f64)>;

fn weights_by_the_text(all: &Listed) -> (Vec<f64>, f64) {
    let maximum = all.iter().fold(f64::NEG_INFINITY, |m, c| m.max(c.1));
    let weights: Vec<f64> = all
        .iter()
        .map(|c| exp_by_the_text(r(c.1 - maximum)))
        .collect();
    let sum = weights.iter().fold(0.0, |sum, w| sum + w);
    (weights, sum)
}

/// One token by the text of the specification.
fn token_by_the_text(
    o: &GenerateOptions,
    row: &[f32],
    vocabulary: usize,
    said: &[u32],
    sample: u64,
) -> u32 {
    let o = &o.sampling;
    let wide = |x: f32| f64::from(x);
    let or = |x: Option<f32>, off: f32| f64::from(x.unwrap_or(off));
    let row = row.iter().map(|&x| wide(x)).take(vocabulary);
    let mut all: Listed = (0..).zip(row).filter(|c| c.1 > f64::NEG_INFINITY).collect();
    all.retain(|c| !o.banned_ids.contains(&c.0));
    for (id, x) in &mut all {
        let bias = o
            .logit_bias
            .iter()
            .filter(|b| b.0 == *id)
            .fold(0.0, |s, b| r(s + wide(b.1)));
        *x = r(*x + bias);
        if PROMPT.contains(id) || said.contains(id) {
            let p = or(o.repetition_penalty, 1.0);
            *x = r(if *x > 0.0 { *x / p } else { *x * p });
        }
        let count = said.iter().filter(|s| *s == id).count();
        if count > 0 {
            let penalty = r(count as f64 * or(o.frequency_penalty, 0.0));
            *x = r(*x - r(penalty + or(o.presence_penalty, 0.0)));
        }
    }
    all.retain(|c| c.1 > f64::NEG_INFINITY);
    let ranked = |all: &Listed| {
        let mut ranked: Vec<usize> = (0..all.len()).collect();
        ranked.sort_by(|&a, &b| all[b].1.total_cmp(&all[a].1).then(all[a].0.cmp(&all[b].0)));
        ranked
    };
    if o.temperature == 0.0 {
        return all[ranked(&all)[0]].0;
    }
    all.iter_mut()
        .for_each(|c| c.1 = r(c.1 / wide(o.temperature)));
    if let Some(k) = o.top_k.filter(|&k| k < all.len()) {
        let least = all[ranked(&all)[k - 1]].1;
        all.retain(|c| c.1 >= least);
    }
    let keep = |all: &mut Listed, kept: &[usize]| {
        let kept: Vec<u32> = kept.iter().map(|&i| all[i].0).collect();
        all.retain(|c| kept.contains(&c.0));
    };
    if let Some(p) = o.top_p.filter(|&p| p < 1.0) {
        let (weights, sum) = weights_by_the_text(&all);
        let (mut kept, mut reached) = (Vec::new(), 0.0);
        for i in ranked(&all) {
            kept.push(i);
            reached += weights[i];
            if reached > wide(p) * sum {
                break;
            }
        }
        keep(&mut all, &kept);
    }
    let maximum = all.iter().fold(f64::NEG_INFINITY, |m, c| m.max(c.1));
    all.retain(|c| exp_by_the_text(r(c.1 - maximum)) >= or(o.min_p, 0.0));
    if let Some(p) = o.typical_p.filter(|&p| p < 1.0) {
        let (weights, sum) = weights_by_the_text(&all);
        let terms = all
            .iter()
            .zip(&weights)
            .filter(|(c, _)| c.1 - maximum > wide(-87.33654));
        let mean = terms.fold(0.0, |s, (c, w)| s + w * (c.1 - maximum)) / sum;
        let far: Vec<f64> = all.iter().map(|c| (c.1 - maximum - mean).abs()).collect();
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by(|&a, &b| far[a].total_cmp(&far[b]));
        let (mut farthest, mut reached) = (0.0, 0.0);
        for i in order {
            farthest = far[i];
            reached += weights[i];
            if reached >= wide(p) * sum {
                break;
            }
        }
        let kept: Vec<usize> = (0..all.len()).filter(|&i| far[i] <= farthest).collect();
        keep(&mut all, &kept);
    }
    let (weights, sum) = weights_by_the_text(&all);
    let mut left = uniform_by_the_text(o.seed, sample, said.len() as u64) * sum;
    for (c, w) in all.iter().zip(&weights) {
        left -= w;
        if left < 0.0 {
            return c.0;
        }
    }
    all[all.len() - 1].0
}

type Set = fn(&mut GenerateOptions);

/// Options, how far the logits are spread, and the tokens of two samples.
const SAMPLED: [(Set, f32, [[u32; 8]; 2]); 11] = [
    (
        |_| {},
        20.0,
        [
            [39603, 38099, 39603, 38099, 39603, 38099, 39603, 38099],
            [39603, 38099, 39603, 38099, 39603, 38099, 39603, 38099],
        ],
    ),
    (
        |o| o.sampling.temperature = 1.0,
        5.0,
        [
            [20112, 48998, 982, 39681, 47096, 22700, 35964, 33216],
            [26039, 39861, 38978, 6772, 41361, 42508, 2804, 4209],
        ],
    ),
    (
        |o| (o.sampling.temperature, o.sampling.seed) = (1.0, 1 << 40 | 3),
        300.0,
        [
            [17101, 7002, 377, 22184, 42098, 47825, 41111, 44398],
            [22646, 10429, 20062, 15419, 17245, 40073, 3571, 35049],
        ],
    ),
    (
        |o| (o.sampling.temperature, o.first_sample) = (0.7, 5),
        300.0,
        [
            [39980, 18935, 18609, 36646, 2351, 28140, 31241, 15597],
            [21049, 38243, 18465, 11937, 24476, 45851, 7752, 9819],
        ],
    ),
    (
        |o| (o.sampling.temperature, o.sampling.top_k) = (1.3, Some(40)),
        20.0,
        [
            [20295, 48435, 987, 39086, 47355, 23959, 36409, 33918],
            [27060, 39086, 38993, 7845, 40590, 41670, 3571, 5261],
        ],
    ),
    (
        |o| (o.sampling.temperature, o.sampling.top_p, o.sampling.seed) = (0.8, Some(0.95), 9),
        300.0,
        [
            [42331, 21752, 11700, 47215, 44072, 8832, 42187, 50032],
            [32139, 31101, 31529, 43034, 40967, 24713, 11467, 44864],
        ],
    ),
    (
        |o| (o.sampling.temperature, o.sampling.min_p, o.sampling.seed) = (1.5, Some(0.2), 4),
        1000.0,
        [
            [6765, 43267, 42564, 3664, 37396, 13013, 28657, 8832],
            [50316, 19778, 33592, 25556, 377, 20765, 48719, 43644],
        ],
    ),
    (
        |o| {
            (
                o.sampling.temperature,
                o.sampling.typical_p,
                o.sampling.seed,
            ) = (2.0, Some(0.5), 6)
        },
        500.0,
        [
            [12454, 4041, 1131, 31101, 40967, 27674, 20062, 36646],
            [45148, 49189, 30542, 6015, 23633, 37023, 31152, 36269],
        ],
    ),
    (
        |o| {
            (o.sampling.temperature, o.sampling.top_k, o.sampling.top_p) =
                (0.9, Some(300), Some(0.9));
            (o.sampling.min_p, o.sampling.typical_p, o.sampling.seed) = (Some(0.01), Some(0.9), 77);
        },
        400.0,
        [
            [10336, 6625, 5545, 847, 50316, 22972, 28657, 45241],
            [35189, 9819, 21282, 8599, 25463, 27153, 43551, 16207],
        ],
    ),
    (
        |o| {
            o.sampling.temperature = 1.0;
            o.sampling.repetition_penalty = Some(1.0005);
            (o.sampling.presence_penalty, o.sampling.frequency_penalty) = (Some(0.5), Some(0.75));
            o.sampling.banned_ids = vec![39603];
            o.sampling.logit_bias = vec![(38099, 1.5), (38099, -0.25), (17, 10.0)];
            o.sampling.logit_bias.push((41670, f32::NEG_INFINITY));
        },
        2000.0,
        [
            [20295, 48435, 987, 38099, 46368, 22972, 35422, 32321],
            [25463, 38099, 38006, 6248, 42187, 42047, 2584, 4651],
        ],
    ),
    (
        |o| {
            o.sampling.repetition_penalty = Some(1.0001);
            (o.sampling.presence_penalty, o.sampling.frequency_penalty) = (Some(-0.25), Some(0.5));
            o.sampling.logit_bias = vec![(39603, -0.25)];
        },
        2000.0,
        [
            [28657, 38099, 17711, 27153, 6765, 16207, 46368, 5261],
            [28657, 38099, 17711, 27153, 6765, 16207, 46368, 5261],
        ],
    ),
];

#[test]
fn drawn_tokens_are_those_of_the_table_and_of_the_text() {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let vocabulary = tokenizer.vocab_size();
    assert!(vocabulary < VOCAB);
    let mut wrong = String::new();
    for (i, (set, spread, expected)) in SAMPLED.iter().enumerate() {
        let mut options = GenerateOptions::default();
        (options.limits.max_new_tokens, options.samples) = (8, 2);
        set(&mut options);
        let model = std::sync::Arc::new(rows(*spread));
        let generator = Generator::new(model, std::sync::Arc::new(tokenizer.clone()));
        let go_on = &mut |_: crate::generate::Event| std::ops::ControlFlow::Continue(());
        let found = generator
            .generate(PROMPT, &options, &CancelToken::new(), go_on)
            .unwrap();
        for (s, completion) in found.iter().enumerate() {
            let number = u64::from(options.first_sample) + s as u64;
            let mut said = Vec::new();
            for t in 0..8 {
                let row = row(t, *spread);
                said.push(token_by_the_text(&options, &row, vocabulary, &said, number));
            }
            assert_eq!(completion.ids, said, "case {i}, sample {s}");
        }
        let found: Vec<&[u32]> = found.iter().map(|c| &*c.ids).collect();
        if found != expected {
            wrong += &format!("case {i}: {found:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
