//! Generation over a model that follows a script, so that every way to end can be arranged.

use std::any::Any;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::ErrorKind;
use crate::cancel::Control;
use crate::error::bail;
use crate::model::{Input, Logits, ModelConfig, PageSize, State, Wanted};
use crate::tokenizer::{BpeTokenizer, SpecialTokens};

const VOCAB: usize = 50_432;
const END: u32 = 50_256;

/// Says the ids of a script one after the other, whatever it is fed, then the end of text.
#[derive(Debug)]
struct Scripted {
    config: ModelConfig,
    script: Vec<u32>,
    prompt: usize,
    calls: AtomicUsize,
    /// Put into the logits of the end of text at this position.
    poison: Option<(usize, f32)>,
}

#[derive(Debug, Clone)]
struct Position(usize);

impl State for Position {
    fn len(&self) -> usize {
        self.0
    }
    fn truncate(&mut self, tokens: usize) {
        self.0 = self.0.min(tokens);
    }
    fn fork(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }
    fn bytes(&self) -> usize {
        0
    }
}

impl Model for Scripted {
    fn config(&self) -> &ModelConfig {
        &self.config
    }
    fn describe(&self) -> String {
        "scripted".into()
    }
    fn new_state(&self) -> Box<dyn State> {
        Box::new(Position(0))
    }
    fn page(&self) -> PageSize {
        PageSize {
            tokens: 4,
            bytes: 1,
        }
    }
    fn forward(&self, batch: &mut [Input<'_>], control: &Control<'_>) -> Result<Logits> {
        control.cancel.check()?;
        self.calls.fetch_add(1, Ordering::Relaxed);
        let rows = batch.iter().filter(|i| i.wanted == Wanted::Last).count();
        let mut values = vec![0.0; rows * VOCAB];
        let mut row = 0;
        let mut counts = Vec::new();
        for input in batch {
            let Some(position) = (&mut *input.state as &mut dyn Any).downcast_mut::<Position>()
            else {
                bail!(StateMismatch, "not a position");
            };
            position.0 += input.ids.len();
            counts.push(usize::from(input.wanted == Wanted::Last));
            if input.wanted == Wanted::Last {
                let said = position.0 - self.prompt;
                let next = self.script.get(said).copied().unwrap_or(END);
                values[row * VOCAB + next as usize] = 20.0;
                if let Some((at, value)) = self.poison
                    && at == said
                {
                    values[row * VOCAB + END as usize] = value;
                }
                row += 1;
            }
        }
        Ok(Logits::new(values, VOCAB, counts))
    }
}

fn config() -> ModelConfig {
    let mut config = ModelConfig::codegeex_13b();
    config.padded_vocab_size = VOCAB;
    config
}

const PROMPT: &str = "x = 1\n";

fn scripted(text: &str) -> Scripted {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    Scripted {
        config: config(),
        script: tokenizer.encode(text, SpecialTokens::AsText).unwrap(),
        prompt: tokenizer
            .encode(PROMPT, SpecialTokens::AsText)
            .unwrap()
            .len(),
        calls: AtomicUsize::new(0),
        poison: None,
    }
}

fn generator(model: Scripted) -> Generator {
    Generator::new(Arc::new(model), Arc::new(BpeTokenizer::codegeex().unwrap()))
}

/// Generates, and checks that the events tell the same story as the completion.
fn run(model: Scripted, options: &GenerateOptions) -> Completion {
    let (mut text, mut ids, mut ends) = (String::new(), Vec::new(), Vec::new());
    let cancel = CancelToken::new();
    let found = generator(model)
        .generate(PROMPT, options, &cancel, &mut |event| {
            match event {
                Event::Token { id, text: t, .. } => {
                    assert!(ends.is_empty());
                    ids.push(id);
                    text.push_str(&t);
                }
                Event::End {
                    text: t, reason, ..
                } => {
                    text.push_str(&t);
                    ends.push(reason);
                }
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(found.len(), 1);
    let completion = found[0].clone();
    assert_eq!(
        (text, ids),
        (completion.text.clone(), completion.ids.clone())
    );
    assert_eq!(ends, [completion.finish_reason]);
    assert_eq!(completion.ids.len(), completion.logprobs.len());
    completion
}

fn options() -> GenerateOptions {
    GenerateOptions::default()
}

#[test]
fn the_end_of_text_is_the_last_token_and_no_text() {
    let text = "def f():\n    return '🙂é中'\n";
    let found = run(scripted(text), &options());
    assert_eq!(found.text, text);
    assert_eq!(found.finish_reason, FinishReason::EndOfText);
    assert!(found.logprobs.iter().all(|&l| l < 0.0 && l > -0.1));
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let said = tokenizer.encode(text, SpecialTokens::AsText).unwrap();
    assert_eq!(found.ids, [&said[..], &[END]].concat());
}

/// A client that scores answers sums the log-probabilities of all tokens: that of the end of text
/// belongs to them, and is the one that scoring the same tokens gives.
#[test]
fn the_end_of_text_has_the_log_probability_that_scoring_gives() {
    let model = Arc::new(test_model::TestModel::new(|ids, logits| {
        logits[9] = 2.5;
        logits[END as usize] = ids.len() as f32;
    }));
    let generator = Generator::new(model, Arc::new(BpeTokenizer::codegeex().unwrap()));
    let mut options = options();
    options.top_logprobs = 2;
    let cancel = CancelToken::new();
    let mut events = Vec::new();
    let found = generator
        .generate([5], &options, &cancel, &mut |event| {
            events.push(match event {
                Event::Token {
                    id, logprob, text, ..
                } => (Some(id), logprob, text.to_owned()),
                Event::End { text, .. } => (None, 0.0, text.to_owned()),
            });
            ControlFlow::Continue(())
        })
        .unwrap();
    let found = &found[0];
    assert_eq!(found.ids, [9, 9, END]);
    assert_eq!(found.finish_reason, FinishReason::EndOfText);
    let all = [&[5], &found.ids[..]].concat();
    let expected = generator.score(&all, 0, &cancel).unwrap().logprobs;
    let scored: Vec<f32> = expected[1..].iter().map(|l| l.unwrap()).collect();
    assert_eq!(found.logprobs, scored);
    assert_eq!(found.top_logprobs[2][0], (END, scored[2]));
    assert_eq!(events.len(), 4);
    assert_eq!(events[2], (Some(END), scored[2], String::new()));
    assert_eq!(events[3].0, None);
}

#[test]
fn a_stop_string_across_tokens_is_cut_off() {
    let mut options = options();
    options.stops.stop = vec!["never".into(), "\n\ndef".into()];
    let found = run(scripted("a = 2\n\n\ndef g():\n"), &options);
    assert_eq!(found.text, "a = 2\n");
    assert_eq!(found.finish_reason, FinishReason::Stop(1));
}

#[test]
fn what_was_held_back_for_a_stop_string_comes_at_the_end() {
    let mut options = options();
    options.stops.stop = vec!["\n\n\n\n".into()];
    let found = run(scripted("a = 2\n\n\n"), &options);
    assert_eq!(found.text, "a = 2\n\n\n");
    assert_eq!(found.finish_reason, FinishReason::EndOfText);
}

#[test]
fn the_limit_of_tokens_may_cut_a_character() {
    let mut options = options();
    options.limits.max_new_tokens = 1;
    // The first token of this emoji is half of it.
    let found = run(scripted("🙂"), &options);
    assert_eq!(found.text, "\u{fffd}");
    assert_eq!(found.finish_reason, FinishReason::Length);
    options.limits.max_new_tokens = 0;
    let model = scripted("abc");
    let found = run(model, &options);
    assert_eq!((found.text.as_str(), found.ids.len()), ("", 0));
    assert_eq!(found.finish_reason, FinishReason::Length);
}

#[test]
fn generation_ends_where_the_positions_end() {
    let mut model = scripted("a b c d e f g h");
    model.config.max_position_embeddings = model.prompt + 3;
    let found = run(model, &options());
    assert_eq!(found.finish_reason, FinishReason::ContextFull);
    // The last token needs no position: nothing is computed from it.
    assert_eq!(found.ids.len(), 4);

    let mut model = scripted("a");
    model.config.max_position_embeddings = model.prompt - 1;
    let error = generator(model).complete_n(PROMPT, &options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContextOverflow);
}

#[test]
fn bad_options_and_prompts_are_refused_by_name() {
    let bad = |set: &dyn Fn(&mut GenerateOptions), name: &str| {
        let mut options = options();
        set(&mut options);
        let error = generator(scripted("a"))
            .complete_n(PROMPT, &options)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(name), "{error}");
    };
    bad(&|o| o.sampling.temperature = -1.0, "temperature");
    bad(&|o| o.sampling.temperature = f32::NAN, "temperature");
    bad(&|o| o.sampling.top_p = Some(0.0), "top_p");
    bad(&|o| o.sampling.top_p = Some(1.5), "top_p");
    bad(&|o| o.sampling.min_p = Some(-0.1), "min_p");
    bad(&|o| o.sampling.min_p = Some(1.1), "min_p");
    bad(&|o| o.sampling.min_p = Some(f32::NAN), "min_p");
    bad(&|o| o.sampling.typical_p = Some(0.0), "typical_p");
    bad(&|o| o.sampling.typical_p = Some(1.5), "typical_p");
    bad(&|o| o.sampling.typical_p = Some(f32::NAN), "typical_p");
    bad(
        &|o| o.sampling.repetition_penalty = Some(0.0),
        "repetition_penalty",
    );
    bad(
        &|o| o.sampling.repetition_penalty = Some(f32::INFINITY),
        "repetition_penalty",
    );
    bad(
        &|o| o.sampling.repetition_penalty = Some(f32::NAN),
        "repetition_penalty",
    );
    bad(
        &|o| o.sampling.presence_penalty = Some(f32::NAN),
        "presence_penalty",
    );
    bad(
        &|o| o.sampling.frequency_penalty = Some(f32::INFINITY),
        "frequency_penalty",
    );
    bad(
        &|o| o.sampling.logit_bias = vec![(3, f32::INFINITY)],
        "token 3",
    );
    bad(
        &|o| o.sampling.logit_bias = vec![(3, f32::NAN)],
        "logit_bias",
    );
    bad(&|o| o.samples = 0, "samples");
    bad(&|o| o.samples = MAX_SAMPLES + 1, "samples");
    bad(&|o| o.first_sample = u32::MAX, "samples");
    bad(&|o| o.stops.stop = vec![String::new()], "stop");
    bad(
        &|o| o.sampling.banned_ids = (0..VOCAB as u32).collect(),
        "no token",
    );
    let error = generator(scripted("a")).complete_n("", &options());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_broken_logit_is_an_error_and_padding_is_never_sampled() {
    let mut model = scripted("a b c");
    model.poison = Some((1, f32::NAN));
    let error = generator(model).complete_n(PROMPT, &options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NonFinite);

    let mut model = scripted("a");
    model.script = vec![50_401; 3];
    let found = run(model, &{
        let mut o = options();
        o.limits.max_new_tokens = 2;
        o
    });
    assert!(found.ids.iter().all(|&id| id < 50_400));
}

#[test]
fn cancelling_returns_what_there_is_within_one_token() {
    let cancel = CancelToken::new();
    let mut seen = 0;
    let found = generator(scripted("a b c d e f"))
        .generate(PROMPT, &options(), &cancel, &mut |event| {
            if matches!(event, Event::Token { .. }) {
                seen += 1;
                if seen == 3 {
                    cancel.cancel();
                }
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(found[0].finish_reason, FinishReason::Cancelled);
    assert_eq!((found[0].ids.len(), seen), (3, 3));

    let before = CancelToken::new();
    before.cancel();
    let found = generator(scripted("a"))
        .generate(PROMPT, &options(), &before, &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(found[0].finish_reason, FinishReason::Cancelled);
    assert!(found[0].ids.is_empty());
}

#[test]
fn a_callback_that_breaks_stops_all_samples() {
    let mut options = options();
    options.samples = 3;
    let (mut tokens, mut ends) = (0, 0);
    let found = generator(scripted("a b c d e f"))
        .generate(PROMPT, &options, &CancelToken::new(), &mut |event| {
            match event {
                Event::Token { .. } => tokens += 1,
                Event::End { .. } => ends += 1,
            }
            match tokens {
                4 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })
        .unwrap();
    assert_eq!((tokens, ends), (4, 3));
    assert!(
        found
            .iter()
            .all(|c| c.finish_reason == FinishReason::Cancelled)
    );
}

#[test]
fn the_prompt_is_computed_once_for_all_samples() {
    let model = Arc::new(scripted("a b c"));
    let generator = Generator::new(model.clone(), Arc::new(BpeTokenizer::codegeex().unwrap()));
    let mut options = options();
    options.samples = 5;
    let found = generator.complete_n(PROMPT, &options).unwrap();
    assert_eq!(found.len(), 5);
    assert!(found.iter().all(|c| c.text == "a b c"));
    // The prompt, and one call for each token that is followed by another.
    assert_eq!(model.calls.load(Ordering::Relaxed), 1 + 3);
}

#[test]
fn stages_of_the_caller_see_the_history() {
    #[derive(Debug)]
    struct NoRepeats;
    impl Sampler for NoRepeats {
        fn apply(&self, candidates: &mut Candidates, history: History<'_>) -> Result<()> {
            assert!(!history.prompt.is_empty());
            candidates.retain(|c| !history.generated.contains(&c.id));
            Ok(())
        }
    }
    let mut options = options();
    options.sampling.samplers = vec![Arc::new(NoRepeats)];
    options.limits.max_new_tokens = 3;
    let mut model = scripted("a");
    model.script = vec![64; 3];
    let found = run(model, &options);
    // After the scripted token is gone all logits are equal, and the smallest id wins.
    assert_eq!(found.ids, [64, 0, 1]);
}

#[test]
fn a_session_scores_as_a_generator_does_and_stays_as_it_is() {
    let model = Arc::new(test_model::TestModel::noise());
    let generator = Generator::new(model.clone(), Arc::new(BpeTokenizer::codegeex().unwrap()));
    let ids: Vec<u32> = (0..300).map(|i| i * 7 % 1000).collect();
    let cancel = CancelToken::new();
    let expected = generator.score(&ids, 0, &cancel).unwrap().logprobs;
    let mut session = Session::new(&generator);
    let options = GenerateOptions::new().max_new_tokens(3);
    for _ in 0..2 {
        for from in [1, 50, 150, 299, 300] {
            let fed = model.fed();
            let found = session.score(&ids, from, &cancel).unwrap();
            let found: Vec<Option<f32>> = found.into_iter().map(Some).collect();
            assert_eq!(found, expected[from..], "{from}");
            let kept = session.ids().len().min(100).min(from - 1);
            assert_eq!(model.fed() - fed, 299 - kept);
        }
        let go_on = &mut |_: Event| ControlFlow::Continue(());
        session
            .generate(&ids[..100], &options, &cancel, go_on)
            .unwrap();
    }
    assert_eq!(session.reused(), 99);
    for from in [0, 301] {
        let error = session.score(&ids, from, &cancel).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}
