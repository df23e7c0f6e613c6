//! The two sets of rules as plain loops, all continuations there are, and what Hugging Face
//! transformers found.

use super::*;

type Scored = (Vec<u32>, f64);

const PENALTIES: [f32; 5] = [0.0, 1.0, -0.5, 2.0, 0.3];
const STOPPING: [EarlyStopping; 3] = [EarlyStopping::Yes, EarlyStopping::No, EarlyStopping::Never];

fn rank(beams: &mut [Scored]) {
    beams.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
}

/// Every token after a beam, with the sum of the log-probabilities.
fn expand(model: &Table, (ids, sum): &Scored) -> Vec<Scored> {
    let logprobs = model.logprobs(ids);
    (0..)
        .zip(logprobs)
        .map(|(id, l)| ([&ids[..], &[id]].concat(), sum + l))
        .collect()
}

fn ended(beam: &Scored) -> bool {
    beam.0.last() == Some(&END)
}

/// The reference: every beam grows by its `num_beams` most likely tokens, what ended leaves, and
/// the search is over once `num_beams` have.
fn reference(model: &Table, num_beams: usize, steps: usize) -> Vec<Scored> {
    let mut beams = vec![(Vec::new(), 0.0)];
    let mut finished = Vec::new();
    for _ in 0..steps {
        let mut expanded = Vec::new();
        for beam in &beams {
            let mut best = expand(model, beam);
            rank(&mut best);
            best.truncate(num_beams);
            expanded.extend(best);
        }
        let (out, mut open): (Vec<_>, Vec<_>) = expanded.into_iter().partition(ended);
        finished.extend(out);
        rank(&mut open);
        open.truncate(num_beams);
        beams = open;
        if finished.len() >= num_beams {
            beams.clear();
        }
    }
    finished.extend(beams);
    rank(&mut finished);
    finished.truncate(num_beams);
    finished
}

/// `generate` of transformers for one prompt, as it is written: `finished` has a place for every
/// beam, of the score that nothing reaches until it is taken.
fn transformers(
    model: &Table,
    num_beams: usize,
    steps: usize,
    length_penalty: f32,
    early_stopping: EarlyStopping,
) -> Vec<Scored> {
    const NOTHING: f64 = -1e9;
    let penalty = |sum: f64, tokens: usize| sum / (tokens as f64).powf(length_penalty.into());
    let mut running = vec![(Vec::new(), 0.0)];
    let mut finished = vec![(Vec::new(), NOTHING); num_beams];
    for tokens in 1..=steps {
        let mut all: Vec<Scored> = running.iter().flat_map(|b| expand(model, b)).collect();
        rank(&mut all);
        all.truncate(2 * num_beams);
        let stops = |beam: &Scored| ended(beam) || tokens == steps;
        for beam in all.iter().take(num_beams).filter(|b| stops(b)) {
            finished.push((beam.0.clone(), penalty(beam.1, tokens)));
        }
        rank(&mut finished);
        finished.truncate(num_beams);
        all.retain(|b| !stops(b));
        all.truncate(num_beams);
        running = all;
        let Some((_, best)) = running.first() else {
            break;
        };
        let full = finished.iter().all(|b| b.1 > NOTHING);
        let length = match early_stopping {
            EarlyStopping::Never if length_penalty > 0.0 => steps,
            _ => tokens,
        };
        let worst = if full {
            finished[num_beams - 1].1
        } else {
            NOTHING
        };
        if (full && early_stopping == EarlyStopping::Yes) || penalty(*best, length) <= worst {
            break;
        }
    }
    finished.retain(|b| b.1 > NOTHING);
    finished
}

/// All continuations that end, or have as many tokens as may be, best first.
fn everything(model: &Table, steps: usize, length_penalty: f32) -> Vec<Scored> {
    let mut open = vec![(Vec::new(), 0.0)];
    let mut complete = Vec::new();
    for _ in 0..steps {
        let all: Vec<Scored> = open.iter().flat_map(|b| expand(model, b)).collect();
        let (out, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(ended);
        complete.extend(out);
        open = rest;
    }
    complete.extend(open);
    for (ids, score) in &mut complete {
        *score /= (ids.len() as f64).powf(length_penalty.into());
    }
    rank(&mut complete);
    complete
}

#[test]
fn transformers_finds_the_same() {
    let cases: Vec<Value> = serde_json::from_str(include_str!(
        "../../../../tests/data/transformers_beams.json"
    ))
    .unwrap();
    assert_eq!(cases.len(), 96);
    for case in cases {
        let number = |name: &str| case[name].as_u64().unwrap() as usize;
        let penalty = case["length_penalty"].as_f64().unwrap() as f32;
        let early = match &case["early_stopping"] {
            Value::Bool(true) => EarlyStopping::Yes,
            Value::Bool(false) => EarlyStopping::No,
            _ => EarlyStopping::Never,
        };
        let bonus = case["end_bonus"].as_f64().unwrap() as f32;
        let model = Arc::new(Table::new(number("seed") as u32, number("vocab"), bonus));
        let (num_beams, steps) = (number("num_beams"), number("steps"));
        let expected: Vec<Scored> = (case["beams"].as_array().unwrap().iter())
            .map(|beam| {
                let ids = serde_json::from_value(beam["ids"].clone()).unwrap();
                (ids, beam["score"].as_f64().unwrap())
            })
            .collect();
        let options = options(num_beams, steps, hugging_face(penalty, early));
        let found = search(&model, &options);
        assert_same(&found, &expected, &case.to_string());
        let ours = transformers(&model, num_beams, steps, penalty, early);
        assert_same(&found, &ours, &case.to_string());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_plain_loops_find_the_same(
        seed: u32,
        vocabulary in 2usize..14,
        num_beams in 1usize..7,
        steps in 1usize..7,
        end_bonus in -2.0f32..4.0,
        penalty in prop::sample::select(&PENALTIES[..]),
        early in prop::sample::select(&STOPPING[..]),
    ) {
        let model = Arc::new(Table::new(seed, vocabulary, end_bonus));
        let what = format!("{seed} {vocabulary} {num_beams} {steps} {end_bonus} {penalty} {early:?}");
        let found = search(&model, &options(num_beams, steps, BeamRules::Reference));
        assert_same(&found, &reference(&model, num_beams, steps), &what);
        let found = search(&model, &options(num_beams, steps, hugging_face(penalty, early)));
        assert_same(&found, &transformers(&model, num_beams, steps, penalty, early), &what);
    }

    /// With room for every prefix, a search is exact: all that there is, or the best of it.
    #[test]
    fn wide_enough_is_exhaustive(
        seed: u32,
        vocabulary in 2usize..5,
        steps in 1usize..5,
        end_bonus in -2.0f32..4.0,
        penalty in prop::sample::select(&PENALTIES[..]),
    ) {
        let model = Arc::new(Table::new(seed, vocabulary, end_bonus));
        let what = format!("{seed} {vocabulary} {steps} {end_bonus} {penalty}");
        let all = everything(&model, steps, penalty);
        // Not so many that the search would end with the last finished.
        let found = search(&model, &options(all.len() + 1, steps, BeamRules::Reference));
        assert_same(&found, &everything(&model, steps, 0.0), &what);
        for early in STOPPING {
            let found = search(&model, &options(all.len() + 1, steps, hugging_face(penalty, early)));
            assert_same(&found, &all, &what);
        }
        // Room for the prefixes of the last step, fewer than all that end.
        let open = (vocabulary - 1).pow(steps as u32 - 1) * vocabulary;
        let never = hugging_face(penalty, EarlyStopping::Never);
        let found = search(&model, &options(open, steps, never));
        assert_same(&found, &all[..open.min(all.len())], &what);
    }
}
