//! How searches end and what they refuse.

use super::*;
use crate::ErrorKind;
use crate::generate::GenerateOptions;

fn table() -> Arc<Table> {
    Arc::new(Table::new(7, 8, 1.0))
}

fn refused(model: Table, options: &BeamOptions) -> (ErrorKind, String) {
    let error = generator(&Arc::new(model))
        .beam_search(PROMPT, options, &CancelToken::new())
        .unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn one_beam_is_greedy() {
    for seed in 0..20 {
        let model = Arc::new(Table::new(seed, 9, 0.5));
        let found = search(&model, &options(1, 10, BeamRules::Reference));
        let generator = generator(&model);
        let greedy = GenerateOptions::new().max_new_tokens(10);
        let prompt = generator.tokenizer().decode(&PROMPT).unwrap();
        let expected = generator.complete_n(&prompt, &greedy).unwrap().remove(0);
        assert_eq!(found[0].text, expected.text);
        assert_eq!(found[0].finish_reason, expected.finish_reason);
        let n = expected.ids.len();
        assert_eq!(found[0].ids[..n], expected.ids);
        assert_eq!(found[0].logprobs[..n], expected.logprobs);
    }
}

#[test]
fn what_runs_on_alone_is_not_forked() {
    for seed in 0..20 {
        // One beam is never forked; several are as often as one goes on in more than one.
        let model = Arc::new(Table::new(seed, 9, -9.0));
        search(&model, &options(1, 9, BeamRules::Reference));
        assert_eq!(model.forks.load(Ordering::Relaxed), 0);
        assert_eq!(model.calls.load(Ordering::Relaxed), 9, "one call a step");

        // Step by step, which beams are those of the step before?
        let model = Arc::new(Table::new(seed, 9, -9.0));
        let steps = 7;
        search(&model, &options(4, steps, BeamRules::Reference));
        let mut forks = 0;
        for tokens in 1..steps {
            // The running beams after that many tokens: a search of its own ends with them.
            let running = search(&Arc::new(Table::new(seed, 9, -9.0)), &{
                options(4, tokens, BeamRules::Reference)
            });
            assert!(running.iter().all(|b| b.ids.len() == tokens));
            let mut parents: Vec<&[u32]> = running.iter().map(|b| &b.ids[..tokens - 1]).collect();
            parents.sort_unstable();
            parents.dedup();
            forks += running.len() - parents.len();
        }
        assert_eq!(model.forks.load(Ordering::Relaxed), forks, "seed {seed}");
    }
}

#[test]
fn limits_have_their_reasons() {
    let mut model = Table::new(5, 8, -9.0);
    model.config.max_position_embeddings = PROMPT.len() + 3;
    let found = search(&Arc::new(model), &options(3, 100, BeamRules::Reference));
    for beam in &found {
        assert_eq!(beam.finish_reason, FinishReason::ContextFull);
        assert_eq!(beam.ids.len(), 4, "the last token needs no position");
    }
    let model = Arc::new(Table::new(5, 8, -9.0));
    let found = search(&model, &options(3, 2, BeamRules::Reference));
    assert!(
        found
            .iter()
            .all(|b| b.finish_reason == FinishReason::Length)
    );
    let found = search(
        &table(),
        &options(3, 0, hugging_face(1.0, EarlyStopping::No)),
    );
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].ids.len(), found[0].score), (0, 0.0));
    assert_eq!(found[0].finish_reason, FinishReason::Length);
    let positions = found.len() + table().config.max_position_embeddings;
    let long = vec![1; positions];
    let none = CancelToken::new();
    let error = generator(&table()).beam_search(&long, &BeamOptions::default(), &none);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::ContextOverflow);
    let error = generator(&table()).beam_search("", &BeamOptions::default(), &none);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn cancelling_returns_the_beams_of_that_moment() {
    let rules = [BeamRules::Reference, hugging_face(1.0, EarlyStopping::No)];
    for (rules, steps) in rules.into_iter().flat_map(|r| (0..5).map(move |s| (r, s))) {
        let mut model = Table::new(3, 9, 0.5);
        model.cancelled_in_call = Some(steps);
        let found = search(&Arc::new(model), &options(3, 40, rules));
        let mut expected = search(&Arc::new(Table::new(3, 9, 0.5)), &options(3, steps, rules));
        for beam in &mut expected {
            if beam.finish_reason == FinishReason::Length {
                beam.finish_reason = FinishReason::Cancelled;
            }
        }
        if rules == BeamRules::Reference {
            assert_eq!(found, expected, "{steps}");
        } else {
            // With these rules the last step takes a beam that ends in place of one that runs.
            assert_eq!(found[0], expected[0], "{steps}");
        }
        assert!(found.iter().all(|b| b.ids.len() <= steps));
    }
}

#[test]
fn broken_logits_are_errors() {
    for broken in [f32::NAN, f32::INFINITY] {
        let mut model = Table::new(7, 8, -9.0);
        let second = search(&table(), &options(3, 1, BeamRules::Reference))[2]
            .ids
            .clone();
        model.overrides.insert((second, 4), broken);
        let (kind, message) = refused(model, &options(3, 4, BeamRules::Reference));
        assert_eq!(kind, ErrorKind::NonFinite, "{message}");
    }
    // Impossible tokens are none.
    let mut model = Table::new(7, 8, 1.0);
    for id in 1..8 {
        model.overrides.insert((vec![], id), f32::NEG_INFINITY);
    }
    let found = search(&Arc::new(model), &options(3, 4, BeamRules::Reference));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].ids, [END]);
}

#[test]
fn equal_beams_rank_by_their_ids() {
    // All tokens after all sequences are as likely.
    let mut model = Table::new(0, 5, 0.0);
    for a in 0..5 {
        model.overrides.insert((vec![], a), 1.0);
        for b in 0..5 {
            model.overrides.insert((vec![a], b), 1.0);
        }
    }
    let found = search(
        &Arc::new(model),
        &options(4, 2, hugging_face(0.0, EarlyStopping::Never)),
    );
    let ids: Vec<_> = found.iter().map(|b| b.ids.clone()).collect();
    assert_eq!(ids, [vec![0], vec![1, 0], vec![1, 1], vec![1, 2]]);
}

#[test]
fn padding_and_bans_are_in_no_beam() {
    let model = Arc::new(Table::new(11, 12, 0.0));
    let mut options = options(6, 5, BeamRules::Reference);
    options.banned_ids = vec![2, 3, 99];
    let letters = Arc::new(Letters(8));
    let generator = Generator::new(Arc::clone(&model) as _, letters);
    let none = CancelToken::new();
    let found = generator.beam_search(PROMPT, &options, &none).unwrap();
    assert_eq!(found.len(), 6);
    for beam in &found {
        assert!(
            beam.ids.iter().all(|&id| id < 8 && id != 2 && id != 3),
            "{beam:?}"
        );
        // Probabilities are the model's: what is left out takes its part of them.
        let logprob = f64::from(beam.logprobs[0]);
        assert!((logprob - model.logprobs(&[])[beam.ids[0] as usize]).abs() < 1e-5);
    }
    options.banned_ids = (0..12).collect();
    let (kind, message) = refused(Table::new(11, 12, 0.0), &options);
    assert_eq!(kind, ErrorKind::InvalidArgument);
    assert!(message.contains("bans"), "{message}");
}

#[test]
fn a_stop_string_ends_a_beam_as_the_end_of_text_does() {
    for rules in [BeamRules::Reference, hugging_face(1.0, EarlyStopping::No)] {
        let mut options = options(4, 6, rules);
        let free = search(&table(), &options);
        options.stops.stop = vec!["never".into(), "f".into()];
        let model = table();
        let found = generator(&model)
            .beam_search(PROMPT, &options, &CancelToken::new())
            .unwrap();
        assert_ne!(found, free);
        let mut stopped = 0;
        for beam in &found {
            let at = beam.ids.iter().position(|&id| id == 5);
            if beam.finish_reason == FinishReason::Stop(1) {
                stopped += 1;
                assert_eq!(at, Some(beam.ids.len() - 1), "{beam:?}");
                let text = generator(&model).tokenizer().decode(&beam.ids).unwrap();
                assert_eq!(format!("{}f", beam.text), text);
            } else {
                assert_eq!(at, None, "{beam:?}");
            }
        }
        assert!(stopped > 0);
        options.stops.stop = vec![String::new()];
        assert_eq!(
            refused(Table::new(0, 8, 0.0), &options).0,
            ErrorKind::InvalidArgument
        );
    }
}

#[test]
fn bad_options_are_refused_by_name() {
    let cases = [
        (options(0, 1, BeamRules::Reference), "num_beams is 0"),
        (options(MAX_BEAMS + 1, 1, BeamRules::Reference), "1025"),
        (
            options(1, 1, hugging_face(f32::NAN, EarlyStopping::No)),
            "length_penalty is NaN",
        ),
        (
            options(1, 1, hugging_face(65.0, EarlyStopping::No)),
            "length_penalty is 65",
        ),
        (
            options(1, 1, hugging_face(f32::NEG_INFINITY, EarlyStopping::No)),
            "-inf",
        ),
    ];
    for (options, part) in cases {
        let (kind, message) = refused(Table::new(0, 8, 0.0), &options);
        assert_eq!(kind, ErrorKind::InvalidArgument);
        assert!(message.contains(part), "{message}");
    }
    let many = search(&table(), &options(MAX_BEAMS, 3, BeamRules::Reference));
    assert!(many.len() > 300, "{}", many.len());
    let none = CancelToken::new();
    let unknown = generator(&table()).beam_search([1, 8], &BeamOptions::default(), &none);
    assert!(unknown.is_ok(), "this model knows all ids");
}
