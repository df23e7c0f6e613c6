//! Attention over caches of every format against plain loops in double precision, and against
//! itself to the bit: whatever the tier, the threads, the batch and the split.

use half::f16;

use super::*;
use crate::backend::KvCache;
use crate::error::ErrorKind;

/// Rows at these positions, `(sequence, position)`.
fn plan(rows: impl IntoIterator<Item = (usize, usize)>) -> StepPlan {
    let row = |(sequence, position)| PlanRow { sequence, position };
    let rows: Vec<_> = rows.into_iter().map(row).collect();
    StepPlan {
        ids: vec![0; rows.len()],
        rows,
        ..StepPlan::default()
    }
}

/// Some rows of `x`.
fn select(x: &Rows, rows: impl IntoIterator<Item = usize>) -> Rows {
    let rows = rows.into_iter().flat_map(|row| x.row(row).to_vec());
    Rows::new(rows.collect(), x.cols())
}

fn cpu(isa: Isa, threads: usize, kv: KvFormat) -> Cpu {
    Cpu {
        isa,
        ..Cpu::new(&CpuOptions::new().threads(threads).kv(kv)).unwrap()
    }
}

fn noise(rows: usize, cols: usize, seed: u64) -> Rows {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 22) as f32 - 2.0
    };
    let values = std::iter::repeat_with(next).take(rows * cols);
    Rows::new(values.collect(), cols)
}

/// What reading gives back after a row was stored.
fn stored(row: &[f32], format: KvFormat) -> Vec<f64> {
    let most = row.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    let scale = most / 127.0;
    let one = |&x: &f32| match format {
        KvFormat::F32 => f64::from(x),
        KvFormat::F16 => f16::from_f32(x).to_f64(),
        KvFormat::Int8 => f64::from((x / scale).round_ties_even()) * f64::from(scale),
    };
    row.iter().map(one).collect()
}

/// Keys, values and queries of one sequence.
struct Case {
    shape: HeadShape,
    k: Rows,
    v: Rows,
    q: Rows,
}

impl Case {
    fn new(shape: HeadShape, tokens: usize) -> Self {
        let HeadShape {
            heads,
            kv_heads,
            head_dim,
            ..
        } = shape;
        Self {
            shape,
            k: noise(tokens, kv_heads * head_dim, 1),
            v: noise(tokens, kv_heads * head_dim, 2),
            q: noise(tokens, heads * head_dim, 3),
        }
    }

    fn tokens(&self) -> usize {
        self.q.rows()
    }

    fn oracle(&self, format: KvFormat) -> Vec<f64> {
        let d = self.shape.head_dim;
        let group = self.shape.heads / self.shape.kv_heads;
        let mut out = Vec::new();
        for n in 0..self.tokens() {
            for head in 0..self.shape.heads {
                let part =
                    |x: &Rows, t: usize, head: usize| x.row(t)[head * d..(head + 1) * d].to_vec();
                let q = part(&self.q, n, head);
                let mut weights = Vec::new();
                let first = self.shape.window.map_or(0, |w| (n + 1).saturating_sub(w));
                for t in first..=n {
                    let k = stored(&part(&self.k, t, head / group), format);
                    let dot: f64 = q.iter().zip(k).map(|(a, b)| f64::from(*a) * b).sum();
                    weights.push(dot * f64::from(self.shape.scale));
                }
                let most = weights.iter().copied().fold(f64::MIN, f64::max);
                weights.iter_mut().for_each(|w| *w = (*w - most).exp());
                let sum: f64 = weights.iter().sum();
                let mut row = vec![0.0; d];
                for (t, w) in (first..).zip(&weights) {
                    let v = stored(&part(&self.v, t, head / group), format);
                    row.iter_mut().zip(v).for_each(|(o, v)| *o += w / sum * v);
                }
                out.extend(row);
            }
        }
        out
    }

    fn cache(&self, cpu: &Cpu) -> KvCache<CpuPages> {
        KvCache::new(cpu.pool(CacheShape {
            layers: 2,
            kv_heads: self.shape.kv_heads,
            head_dim: self.shape.head_dim,
        }))
    }

    /// Feeds the sequence in pieces of these lengths, the last repeated; results of the second
    /// layer, while the first holds other numbers.
    fn run(&self, cpu: &Cpu, pieces: &[usize]) -> Vec<f32> {
        let mut cache = self.cache(cpu);
        let mut out = Vec::new();
        let mut pieces = pieces.iter();
        let mut piece = 0;
        while cache.len() < self.tokens() {
            piece = *pieces.next().unwrap_or(&piece);
            let start = cache.len();
            let n = piece.min(self.tokens() - start);
            cache.extend(n).unwrap();
            let rows = start..start + n;
            let step = plan(rows.clone().map(|position| (0, position)));
            let mut plan = cpu.plan(&step, vec![cache.table()]).unwrap();
            let [k, v, q] = [&self.k, &self.v, &self.q].map(|x| select(x, rows.clone()));
            cpu.write_kv(&mut plan, 0, &v, &k).unwrap();
            cpu.write_kv(&mut plan, 1, &k, &v).unwrap();
            let found = cpu.attend(&q, &plan, PlanRows::All, 1, self.shape).unwrap();
            out.extend(found.values());
        }
        out
    }
}

fn shape(heads: usize, kv_heads: usize, head_dim: usize) -> HeadShape {
    HeadShape {
        heads,
        kv_heads,
        head_dim,
        scale: 1.0 / (head_dim as f32).sqrt(),
        window: None,
    }
}

fn windowed(shape: HeadShape, window: usize) -> HeadShape {
    HeadShape {
        window: Some(window),
        ..shape
    }
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn attention_of_every_format_and_size_follows_the_formula() {
    let shapes = [
        shape(2, 2, 64),
        shape(4, 2, 128),
        shape(6, 1, 5),
        shape(2, 2, 33),
        shape(12, 2, 1),
        shape(3, 3, 80),
        shape(20, 1, 64),
        windowed(shape(4, 2, 64), 5),
        windowed(shape(8, 1, 33), 40),
        windowed(shape(2, 2, 8), 1),
        HeadShape {
            scale: 0.07,
            ..windowed(shape(2, 1, 64), 32)
        },
    ];
    for shape in shapes {
        for tokens in [1, 7, 32, 33, 101] {
            let case = Case::new(shape, tokens);
            for format in KvFormat::ALL {
                let what = format!("{shape:?}, {tokens} tokens, {format}");
                let expected = case.oracle(format);
                let found = case.run(&cpu(Isa::SCALAR, 1, format), &[tokens]);
                assert_eq!(found.len(), expected.len());
                for (f, e) in found.iter().zip(&expected) {
                    assert!((f64::from(*f) - e).abs() < 2e-6, "{what}: {f} not {e}");
                }
                for isa in Isa::available() {
                    for (threads, pieces) in [(1, vec![tokens]), (3, vec![5, 40, 1]), (2, vec![1])]
                    {
                        let other = case.run(&cpu(isa, threads, format), &pieces);
                        assert!(bits(&other) == bits(&found), "{what}: {isa:?}, {pieces:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn sequences_of_a_batch_do_not_see_each_other() {
    let case = Case::new(shape(4, 2, 64), 70);
    for format in KvFormat::ALL {
        let cpu = cpu(Isa::best(), 2, format);
        let alone = case.run(&cpu, &[70]);
        // The same numbers in three caches of different lengths; some queries of each.
        let lens = [70, 3, 40];
        let mut caches = lens.map(|n| {
            let mut cache = case.cache(&cpu);
            cache.extend(n).unwrap();
            cache
        });
        let all = || (0..3).flat_map(|sequence| (0..lens[sequence]).map(move |n| (sequence, n)));
        let mut step = plan(all());
        let wanted = [(0, 33), (0, 69), (1, 0), (1, 2), (2, 7), (2, 39)];
        step.wanted = (wanted.iter())
            .map(|row| all().position(|other| other == *row).unwrap())
            .collect();
        let tables = caches.iter_mut().map(KvCache::table).collect();
        let mut plan = cpu.plan(&step, tables).unwrap();
        let [k, v, q] =
            [&case.k, &case.v, &case.q].map(|x| select(x, all().map(|(_, position)| position)));
        cpu.write_kv(&mut plan, 1, &k, &v).unwrap();
        let q = cpu.gather(&q, &plan, Gather::Wanted).unwrap();
        let found = cpu.attend(&q, &plan, PlanRows::Wanted, 1, case.shape);
        let found = found.unwrap();
        let width = q.cols();
        for (i, (_, position)) in wanted.into_iter().enumerate() {
            let found = found.row(i);
            let expected = &alone[position * width..(position + 1) * width];
            assert_eq!(bits(found), bits(expected), "{format}");
        }
    }
}

/// Scores far apart, in both directions: what comes first may be all or nothing.
#[test]
fn large_scores_neither_overflow_nor_lose_the_rest() {
    let shape = shape(1, 1, 32);
    let mut case = Case::new(shape, 96);
    for rising in [true, false] {
        for (t, row) in case.k.values_mut().chunks_mut(32).enumerate() {
            let step = if rising { t } else { 96 - t };
            row.fill(step as f32 * 0.5);
        }
        case.q.values_mut().fill(3.0);
        let expected = case.oracle(KvFormat::F32);
        for isa in Isa::available() {
            let found = case.run(&cpu(isa, 1, KvFormat::F32), &[96]);
            for (f, e) in found.iter().zip(&expected) {
                assert!((f64::from(*f) - e).abs() < 1e-5, "{f} not {e}");
            }
        }
    }
}

#[test]
fn what_is_not_finite_shows_in_every_query_that_sees_it_and_in_no_other() {
    let shape = shape(4, 2, 16);
    for format in KvFormat::ALL {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for in_keys in [true, false] {
                let mut case = Case::new(shape, 40);
                let rows = if in_keys { &mut case.k } else { &mut case.v };
                rows.values_mut()[34 * 2 * 16 + 3] = bad;
                for isa in Isa::available() {
                    let found = case.run(&cpu(isa, 1, format), &[40]);
                    for (i, head) in found.chunks(16).enumerate() {
                        let (token, head_index) = (i / 4, i % 4);
                        // The number is in the first of two key heads.
                        let sees = token >= 34 && head_index < 2;
                        let broken = head.iter().any(|x| !x.is_finite());
                        assert_eq!(broken, sees, "{format} {bad} token {token}: {head:?}");
                        if sees && (in_keys || format == KvFormat::Int8) {
                            assert!(head.iter().all(|x| x.is_nan()), "{head:?}");
                        }
                    }
                }
            }
        }
    }
}

/// The value that is read back, seen through a query that sees one token alone.
fn round_trip(row: &[f32], format: KvFormat) -> Vec<f32> {
    let mut case = Case::new(shape(1, 1, row.len()), 1);
    case.v = Rows::new(row.to_vec(), row.len());
    case.run(&cpu(Isa::best(), 1, format), &[1])
}

#[test]
fn halves_are_rounded_to_nearest_even() {
    let ulp = 1.0 / 1024.0;
    let row = [
        1.0 + ulp / 2.0,
        1.0 + ulp * 1.5,
        1.0 + ulp * 0.51,
        6e-8,
        65504.0,
        -0.1,
    ];
    let expected = [
        1.0,
        1.0 + ulp * 2.0,
        1.0 + ulp,
        5.960_464_5e-8,
        65504.0,
        -0.099_975_586,
    ];
    assert_eq!(round_trip(&row, KvFormat::F16), expected);
    assert!(round_trip(&[65520.0, 1.0], KvFormat::F16)[0].is_infinite());
}

#[test]
fn eight_bits_take_the_largest_as_127_and_ties_to_even() {
    let row = [127.0, 0.5, 1.5, 2.5, -0.5, -126.5, 126.49, -127.0];
    let expected = [127.0, 0.0, 2.0, 2.0, 0.0, -126.0, 126.0, -127.0];
    assert_eq!(round_trip(&row, KvFormat::Int8), expected);
    assert_eq!(round_trip(&[0.0, -0.0], KvFormat::Int8), [0.0, 0.0]);
    assert_eq!(round_trip(&[1e-40, 0.0], KvFormat::Int8), [0.0, 0.0]);
    let large = round_trip(&[1e38, -5e37], KvFormat::Int8);
    assert!(
        (large[0] / 1e38 - 1.0).abs() < 1e-6 && large[1] < 0.0,
        "{large:?}"
    );
}

#[test]
fn pages_of_the_13b_shape_have_the_documented_size() {
    let shape = CacheShape {
        layers: 40,
        kv_heads: 40,
        head_dim: 128,
    };
    let sizes = KvFormat::ALL.map(|format| page_bytes(shape, format));
    assert_eq!(sizes, [52_428_800, 26_214_400, 13_516_800]);
}

#[test]
fn a_limit_counts_shared_pages_once_and_leaves_the_sequence_as_it_was() {
    let cache_shape = CacheShape {
        layers: 2,
        kv_heads: 2,
        head_dim: 16,
    };
    let page = page_bytes(cache_shape, KvFormat::F16);
    let options = CpuOptions::new()
        .kv(KvFormat::F16)
        .memory_limit(3 * page as u64);
    let cpu = Cpu::new(&options).unwrap();
    let mut a = KvCache::new(cpu.pool(cache_shape));
    a.extend(PAGE_TOKENS + 1).unwrap();
    let mut b = a.fork();
    assert_eq!(cpu.budget.held(), 2 * page as u64);
    // The fork needs a page of its own to write to.
    b.extend(1).unwrap();
    assert_eq!(cpu.budget.held(), 3 * page as u64);
    let before = (a.len(), a.bytes());
    let error = a.extend(PAGE_TOKENS).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert!(error.to_string().contains("limit"), "{error}");
    assert_eq!((a.len(), a.bytes()), before);
    let mut large = KvCache::new(cpu.pool(cache_shape));
    assert!(large.extend(usize::MAX / 4).is_err());
    // What another sequence gives up is available again.
    drop(b);
    a.extend(PAGE_TOKENS).unwrap();
    assert_eq!(cpu.budget.held(), 3 * page as u64);
    drop(a);
    assert_eq!(cpu.budget.held(), 0);
}
