//! Every stage against a slow, obvious implementation.

use proptest::prelude::*;

use super::*;
use crate::ErrorKind;
use crate::generate::GenerateOptions;
use crate::generate::candidates::Candidate;

const NO_HISTORY: History<'static> = History {
    prompt: &[],
    generated: &[],
};

fn after(logits: &[f32], history: History<'_>, stages: &[&dyn Sampler]) -> Vec<(u32, f32)> {
    let mut candidates = Candidates::default();
    candidates.fill(logits).unwrap();
    for stage in stages {
        stage.apply(&mut candidates, history).unwrap();
    }
    let all = candidates.as_slice().iter();
    all.map(|c| (c.id, c.logit)).collect()
}

fn ids_after(logits: &[f32], stages: &[&dyn Sampler]) -> Vec<u32> {
    let left = after(logits, NO_HISTORY, stages);
    left.into_iter().map(|(id, _)| id).collect()
}

#[test]
fn top_k_keeps_ties_of_the_last() {
    let logits = [1.0, 3.0, 2.0, 2.0, 0.0];
    assert_eq!(ids_after(&logits, &[&TopK(1)]), [1]);
    assert_eq!(ids_after(&logits, &[&TopK(2)]), [1, 2, 3]);
    assert_eq!(ids_after(&logits, &[&TopK(4)]), [0, 1, 2, 3]);
    assert_eq!(ids_after(&logits, &[&TopK(9)]).len(), 5);
}

#[test]
fn top_p_keeps_the_one_that_crosses() {
    // Probabilities 0.5, 0.25, 0.125, 0.125.
    let logits = [4.0f32.ln(), 2.0f32.ln(), 0.0, 0.0];
    assert_eq!(ids_after(&logits, &[&TopP(0.4)]), [0]);
    assert_eq!(ids_after(&logits, &[&TopP(0.6)]), [0, 1]);
    assert_eq!(
        ids_after(&logits, &[&TopP(0.8)]),
        [0, 1, 2],
        "the smaller id of equals"
    );
    assert_eq!(ids_after(&logits, &[&TopP(1.0)]).len(), 4);
    assert_eq!(ids_after(&logits, &[&TopK(2), &TopP(0.7)]), [0, 1]);
}

/// The nucleus by sorting everything, one candidate at a time.
fn slow_top_p(logits: &[f32], p: f32) -> Vec<u32> {
    let mut candidates = Candidates::default();
    candidates.fill(logits).unwrap();
    let (weights, sum) = candidates.weights().unwrap();
    let mut ranked: Vec<_> = candidates.as_slice().iter().zip(weights).collect();
    ranked.sort_by(|a, b| Candidate::rank(a.0, b.0));
    let (mut kept, mut reached) = (Vec::new(), 0.0);
    for (c, w) in ranked {
        kept.push(c.id);
        reached += f64::from(w);
        if reached > f64::from(p) * sum {
            break;
        }
    }
    kept.sort_unstable();
    kept
}

#[test]
fn top_p_equals_the_slow_way_on_flat_and_peaked_rows() {
    let logits: Vec<f32> = (0..5000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 20) as f32 / 4096.0)
        .collect();
    for sharpen in [0.1, 1.0, 8.0, 100.0] {
        let logits: Vec<f32> = logits.iter().map(|x| x * sharpen).collect();
        for p in [0.01, 0.5, 0.95, 0.999, 1.0] {
            assert_eq!(
                ids_after(&logits, &[&TopP(p)]),
                slow_top_p(&logits, p),
                "{sharpen} {p}"
            );
        }
    }
}

#[test]
fn the_tiniest_temperature_takes_the_best() {
    for tiny in [f32::from_bits(1), 1e-40, 1e-38] {
        let mut candidates = Candidates::default();
        candidates.fill(&[-50.0, 20.0, 19.9, 7.0]).unwrap();
        let stage = Temperature(tiny);
        stage.apply(&mut candidates, NO_HISTORY).unwrap();
        for u in [1e-9, 0.5, 0.999] {
            assert_eq!(candidates.sample(u).unwrap().id, 1, "{tiny} {u}");
        }
    }
}

#[test]
fn greedy_and_bans() {
    let logits = [1.0, 3.0, 3.0, 2.0];
    assert_eq!(ids_after(&logits, &[&Greedy]), [1]);
    let ban = BannedIds::new([2, 1, 77]);
    assert_eq!(ids_after(&logits, &[&ban, &Greedy]), [3]);
    assert!(ids_after(&logits, &[&BannedIds::new(0..4), &Greedy]).is_empty());
}

/// Probabilities in double precision.
fn softmax(logits: &[f32]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights = logits.iter().map(|&x| f64::from(x - max).exp());
    let sum: f64 = weights.clone().sum();
    weights.map(|w| w / sum).collect()
}

/// What typical-p keeps, by the formulas of Hugging Face's `TypicalLogitsWarper`, and how near
/// the mass came to the threshold where it decided.
fn slow_typical_p(logits: &[f32], mass: f64) -> (Vec<u32>, f64) {
    let p = softmax(logits);
    let entropy: f64 = p.iter().map(|p| -p * p.ln()).sum();
    let shifted: Vec<f64> = p.iter().map(|p| (-p.ln() - entropy).abs()).collect();
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| shifted[a].total_cmp(&shifted[b]));
    let mut reached = 0.0;
    let mut margin = f64::INFINITY;
    let mut last = order[0];
    for &i in &order {
        last = i;
        reached += p[i];
        margin = margin.min((reached - mass).abs());
        if reached >= mass {
            break;
        }
    }
    let kept = (0..p.len()).filter(|&i| shifted[i] <= shifted[last] + 1e-9);
    (kept.map(|i| i as u32).collect(), margin)
}

#[test]
fn typical_p_prefers_what_is_as_surprising_as_expected() {
    // One likely token and many that are not: the entropy is far from the likely one.
    let mut logits = vec![0.0; 100];
    logits[7] = 4.0;
    let kept = ids_after(&logits, &[&TypicalP(0.3)]);
    assert_eq!(kept, slow_typical_p(&logits, 0.3).0);
    assert!(!kept.contains(&7) && kept.len() == 99, "{kept:?}");
    assert_eq!(ids_after(&logits, &[&TypicalP(1.0)]).len(), 100);
    // Something stays, however little is asked for, and ties stay together.
    assert_eq!(ids_after(&[1.0, 0.5, 0.0], &[&TypicalP(1e-30)]), [1]);
    assert_eq!(ids_after(&[3.0, 3.0, -90.0], &[&TypicalP(0.2)]), [0, 1]);
    assert_eq!(ids_after(&[5.0], &[&TypicalP(0.2)]), [0]);
    // The smallest number there is does not count as much as its size.
    assert_eq!(ids_after(&[1.0, 0.9, f32::MIN], &[&TypicalP(0.4)]), [0]);
}

#[test]
fn typical_p_equals_the_slow_way_where_sorting_takes_several_rounds() {
    let logits: Vec<f32> = (0..5000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 20) as f32 / 4096.0)
        .collect();
    for sharpen in [0.1, 1.0, 8.0, 40.0] {
        let logits: Vec<f32> = logits.iter().map(|x| x * sharpen).collect();
        for p in [0.01f32, 0.2, 0.5, 0.95, 0.999] {
            let (kept, margin) = slow_typical_p(&logits, f64::from(p));
            assert!(margin > 1e-9, "{sharpen} {p}");
            assert_eq!(ids_after(&logits, &[&TypicalP(p)]), kept, "{sharpen} {p}");
        }
    }
}

#[test]
fn min_p_keeps_a_share_of_the_best() {
    // 1, 1/2, 1/4 and 1/8 of the best.
    let logits: Vec<f32> = (0..4).map(|i| -(i as f32) * 2.0f32.ln()).collect();
    assert_eq!(ids_after(&logits, &[&MinP(0.0)]).len(), 4);
    assert_eq!(ids_after(&logits, &[&MinP(0.1)]).len(), 4);
    assert_eq!(ids_after(&logits, &[&MinP(0.2)]), [0, 1, 2]);
    assert_eq!(ids_after(&logits, &[&MinP(0.3)]), [0, 1]);
    assert_eq!(ids_after(&logits, &[&MinP(1.0)]), [0]);
    assert_eq!(ids_after(&[2.0, 2.0, 1.9], &[&MinP(1.0)]), [0, 1]);
}

#[test]
fn penalties_and_biases_by_hand() {
    let logits = [4.0, -4.0, 2.0, 1.0, 0.0];
    let history = History {
        prompt: &[0, 0, 99],
        generated: &[1, 2, 1, 1],
    };
    let found = after(&logits, history, &[&RepetitionPenalty(2.0)]);
    assert_eq!(found, [(0, 2.0), (1, -8.0), (2, 1.0), (3, 1.0), (4, 0.0)]);
    let stage = PresenceFrequencyPenalty {
        presence: 0.5,
        frequency: 0.25,
    };
    let found = after(&logits, history, &[&stage]);
    assert_eq!(found, [(0, 4.0), (1, -5.25), (2, 1.25), (3, 1.0), (4, 0.0)]);
    let ban = f32::NEG_INFINITY;
    let stage = LogitBias::new([(4, 1.5), (7, 1.0), (2, -1.0), (3, ban), (4, 1.0), (3, 5.0)]);
    let found = after(&logits, history, &[&stage]);
    assert_eq!(found, [(0, 4.0), (1, -4.0), (2, 1.0), (4, 2.5)]);
}

proptest! {
    #[test]
    fn penalties_and_biases_equal_the_slow_way(
        logits in proptest::collection::vec(-30.0f32..30.0, 1..40),
        prompt in proptest::collection::vec(0u32..45, 0..20),
        generated in proptest::collection::vec(0u32..45, 0..60),
        bias in proptest::collection::vec((0u32..45, -9.0f32..9.0), 0..8),
        (repetition, presence, frequency) in (0.1f32..3.0, -2.0f32..2.0, -2.0f32..2.0),
    ) {
        let history = History { prompt: &prompt, generated: &generated };
        let stages: [&dyn Sampler; 3] = [
            &LogitBias::new(bias.iter().copied()),
            &RepetitionPenalty(repetition),
            &PresenceFrequencyPenalty { presence, frequency },
        ];
        let found = after(&logits, history, &stages);
        let mut expected = Vec::new();
        for (id, &logit) in (0u32..).zip(&logits) {
            let mut x = logit;
            // Several for one id add up from the smallest on, whatever their order.
            let mut biases: Vec<f32> = bias.iter().filter(|b| b.0 == id).map(|b| b.1).collect();
            biases.sort_unstable_by(f32::total_cmp);
            x += biases.iter().sum::<f32>();
            if prompt.contains(&id) || generated.contains(&id) {
                x = if x > 0.0 { x / repetition } else { x * repetition };
            }
            let count = generated.iter().filter(|&&g| g == id).count();
            if count > 0 {
                x -= count as f32 * frequency + presence;
            }
            expected.push((id, x));
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn min_p_equals_the_slow_way(
        logits in proptest::collection::vec(-30.0f32..30.0, 1..200),
        min_p in 0.0f32..1.0,
    ) {
        let found = ids_after(&logits, &[&MinP(min_p)]);
        let p = softmax(&logits);
        let least = f64::from(min_p) * p.iter().copied().fold(0.0, f64::max);
        for (id, &p) in (0u32..).zip(&p) {
            if (p - least).abs() > 1e-6 * least {
                prop_assert_eq!(found.contains(&id), p > least, "{}", id);
            }
        }
    }

    #[test]
    fn typical_p_equals_the_slow_way(
        logits in proptest::collection::vec((-40i8..40).prop_map(|x| f32::from(x) * 0.25), 1..200),
        p in 0.01f32..0.999,
    ) {
        let (kept, margin) = slow_typical_p(&logits, f64::from(p));
        prop_assume!(margin > 1e-6);
        prop_assert_eq!(ids_after(&logits, &[&TypicalP(p)]), kept);
    }
}

#[test]
fn overflow_in_a_stage_is_an_error_that_names_it() {
    let refused = |stage: &dyn Sampler, name: &str| {
        let mut candidates = Candidates::default();
        candidates.fill(&[1.0, f32::MAX]).unwrap();
        let history = History {
            prompt: &[],
            generated: &[1],
        };
        let error = stage.apply(&mut candidates, history).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NonFinite);
        assert!(error.to_string().contains(name), "{error}");
    };
    refused(&RepetitionPenalty(0.5), "repetition_penalty");
    refused(&LogitBias::new([(1, f32::MAX)]), "logit_bias");
    refused(&LogitBias::new([(0, f32::NAN)]), "logit_bias");
    refused(&LogitBias::new([(0, f32::INFINITY)]), "logit_bias");
    let penalty = PresenceFrequencyPenalty {
        presence: f32::MIN,
        frequency: 0.0,
    };
    refused(&penalty, "presence_penalty");
}

/// Sets the logit of one token.
#[derive(Debug, Clone, Copy)]
struct Poison(u32, f32);

impl Sampler for Poison {
    fn apply(&self, candidates: &mut Candidates, _: History<'_>) -> Result<()> {
        let all = candidates.as_mut_slice();
        all.iter_mut()
            .filter(|c| c.id == self.0)
            .for_each(|c| c.logit = self.1);
        Ok(())
    }
}

fn run_chain(options: &GenerateOptions, logits: &[f32], u: f64) -> Result<u32> {
    options.validate()?;
    let mut candidates = Candidates::default();
    candidates.fill(logits)?;
    let history = History {
        prompt: &[0, 3],
        generated: &[2, 2],
    };
    for stage in options.sampling.chain().unwrap() {
        stage.apply(&mut candidates, history)?;
    }
    Ok(candidates.sample(u)?.id)
}

#[test]
fn nan_of_a_stage_is_an_error_whatever_comes_after_it() {
    let ways: [fn(&mut GenerateOptions); 8] = [
        |_| {},
        |o| o.sampling.temperature = 1.0,
        |o| o.sampling.temperature = 0.5,
        |o| (o.sampling.temperature, o.sampling.top_k) = (1.0, Some(1)),
        |o| (o.sampling.temperature, o.sampling.top_p) = (1.0, Some(0.5)),
        |o| (o.sampling.temperature, o.sampling.min_p) = (1.0, Some(0.5)),
        |o| (o.sampling.temperature, o.sampling.typical_p) = (1.0, Some(0.5)),
        |o| (o.sampling.repetition_penalty, o.sampling.presence_penalty) = (Some(2.0), Some(1.0)),
    ];
    for (i, way) in ways.into_iter().enumerate() {
        // The sign of a NaN decides where it sorts.
        for broken in [f32::NAN, -f32::NAN, f32::INFINITY] {
            for id in 0..4 {
                let mut options = GenerateOptions::default();
                way(&mut options);
                options.sampling.samplers = vec![Arc::new(Poison(id, broken))];
                let error = run_chain(&options, &[1.0, 2.0, 3.0, 2.5], 0.5).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NonFinite, "{i}: {broken} for {id}");
                assert!(error.to_string().contains("Poison"), "{error}");
            }
            // In the model's own row.
            let mut options = GenerateOptions::default();
            way(&mut options);
            let error = run_chain(&options, &[1.0, broken, 3.0], 0.5).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NonFinite);
        }
        // A stage may ban by negative infinity.
        let mut options = GenerateOptions::default();
        way(&mut options);
        let stages: [Arc<dyn Sampler>; 3] = [0, 2, 3].map(|id| {
            let stage: Arc<dyn Sampler> = Arc::new(Poison(id, f32::NEG_INFINITY));
            stage
        });
        options.sampling.samplers = stages.to_vec();
        assert_eq!(run_chain(&options, &[1.0, 2.0, 3.0, 2.5], 0.99).unwrap(), 1);
    }
}

#[test]
fn the_chain_has_the_documented_order_and_nothing_by_default() {
    let chain = |options: &GenerateOptions| {
        let stages = options.sampling.chain().unwrap();
        let names = stages.iter().map(|stage| format!("{stage:?}"));
        names.collect::<Vec<_>>().join(" ")
    };
    let mut options = GenerateOptions::default();
    assert_eq!(chain(&options), "Greedy");
    options.sampling.temperature = 1.0;
    assert_eq!(chain(&options), "");
    options.sampling.temperature = 0.5;
    (
        options.sampling.top_k,
        options.sampling.top_p,
        options.sampling.min_p,
        options.sampling.typical_p,
    ) = (Some(3), Some(0.9), Some(0.1), Some(0.8));
    (
        options.sampling.repetition_penalty,
        options.sampling.frequency_penalty,
    ) = (Some(1.5), Some(0.25));
    options.sampling.logit_bias = vec![(1, 2.0)];
    options.sampling.banned_ids = vec![7];
    options.sampling.samplers = vec![Arc::new(Greedy)];
    let first = "BannedIds([7]) LogitBias([(1, 2.0)]) RepetitionPenalty(1.5) \
                 PresenceFrequencyPenalty { presence: 0.0, frequency: 0.25 } Checked(Greedy)";
    let sampled = "Temperature(0.5) TopK(3) TopP(0.9) MinP(0.1) TypicalP(0.8)";
    assert_eq!(chain(&options), format!("{first} {sampled}"));
    options.sampling.temperature = 0.0;
    assert_eq!(chain(&options), format!("{first} Greedy"));
}

#[test]
fn penalties_and_biases_decide_a_greedy_choice() {
    let logits = [1.0, 2.0, 3.0, 2.5];
    let chosen = |set: fn(&mut GenerateOptions)| {
        let mut options = GenerateOptions::default();
        set(&mut options);
        run_chain(&options, &logits, 0.5).unwrap()
    };
    assert_eq!(chosen(|_| {}), 2);
    // The history has 0 and 3 in the prompt, 2 twice in what was generated.
    assert_eq!(chosen(|o| o.sampling.repetition_penalty = Some(2.0)), 1);
    assert_eq!(chosen(|o| o.sampling.presence_penalty = Some(0.6)), 3);
    assert_eq!(chosen(|o| o.sampling.frequency_penalty = Some(0.2)), 2);
    assert_eq!(chosen(|o| o.sampling.frequency_penalty = Some(0.3)), 3);
    assert_eq!(chosen(|o| o.sampling.logit_bias = vec![(0, 2.5)]), 0);
    assert_eq!(
        chosen(|o| o.sampling.logit_bias = vec![(2, f32::NEG_INFINITY)]),
        3
    );
}
