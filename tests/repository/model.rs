//! States, batches, sampling and scoring on the default model.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use codegeex::ErrorKind;
use codegeex::backend::{CpuOptions, KvFormat};
use codegeex::cancel::{CancelToken, Control};
use codegeex::generate::{Event, FinishReason, GenerateOptions, Generator};
use codegeex::model::{Input, LoadOptions, Model, State, Wanted, load};
use codegeex::tokenizer::{BpeTokenizer, SpecialTokens, Tokenizer};
use rayon::prelude::*;

static MODEL: LazyLock<Arc<dyn Model>> = LazyLock::new(|| open(2));

fn open(threads: usize) -> Arc<dyn Model> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/codegeex_tiny.safetensors");
    let mut options = LoadOptions::default();
    options.cpu.threads = Some(threads);
    load(path, &options).unwrap()
}

fn generator() -> Generator {
    Generator::new(MODEL.clone(), Arc::new(BpeTokenizer::codegeex().unwrap()))
}

fn ids(text: &str) -> Vec<u32> {
    BpeTokenizer::codegeex()
        .unwrap()
        .encode(text, SpecialTokens::AsText)
        .unwrap()
}

const CODE: &str = "# language: Python\nimport os\n\ndef read(path):\n    with open(path) as f:\n";

fn feed(state: &mut dyn State, ids: &[u32]) -> Vec<f32> {
    let mut batch = [Input::new(state, ids, Wanted::Last)];
    let logits = MODEL.forward(&mut batch, &Control::new()).unwrap();
    logits.last(0).unwrap().to_vec()
}

/// More threads of the host wait on the model than it has of its own.
#[test]
fn a_host_may_compute_from_all_threads_of_its_own_pool() {
    let host = rayon::ThreadPoolBuilder::new().num_threads(5).build();
    let ids = ids(CODE);
    let expected = feed(&mut *MODEL.new_state(), &ids);
    host.unwrap().install(|| {
        (0..15).into_par_iter().for_each(|i| {
            // Half of them in one call, half in two.
            let mut state = MODEL.new_state();
            if i % 2 == 0 {
                assert_eq!(feed(&mut *state, &ids), expected);
            } else {
                feed(&mut *state, &ids[..9]);
                assert_eq!(feed(&mut *state, &ids[9..]), expected);
            }
        });
    });
}

#[test]
fn truncated_and_forked_states_are_as_if_fed_afresh() {
    let ids = ids(&CODE.repeat(3));
    let (first, second) = ids.split_at(ids.len() / 2);
    let mut state = MODEL.new_state();
    feed(&mut *state, first);
    let mut fork = state.fork();
    let whole = feed(&mut *state, second);
    assert_eq!(state.len(), ids.len());

    // The fork goes another way, then comes back.
    feed(&mut *fork, &second[5..]);
    assert_eq!(feed(&mut *state, &[198]), {
        let mut again = MODEL.new_state();
        feed(&mut *again, first);
        feed(&mut *again, second);
        feed(&mut *again, &[198])
    });
    fork.truncate(first.len());
    assert_eq!(feed(&mut *fork, second), whole);

    state.truncate(first.len() + 1);
    assert_eq!(feed(&mut *state, &second[1..]), whole);
    state.truncate(0);
    assert!(state.is_empty());
    assert_eq!(feed(&mut *state, &ids), whole);
}

#[test]
fn sequences_of_a_batch_are_as_if_alone() {
    let prompts = [ids(CODE), ids("// language: Go\nfunc main() {\n"), ids("x")];
    let alone: Vec<Vec<f32>> = prompts
        .iter()
        .map(|p| feed(&mut *MODEL.new_state(), p))
        .collect();
    let mut states: Vec<_> = prompts.iter().map(|_| MODEL.new_state()).collect();
    let wanted = [Wanted::Last, Wanted::All, Wanted::Nothing];
    let mut batch: Vec<Input<'_>> = states
        .iter_mut()
        .zip(&prompts)
        .zip(wanted)
        .map(|((state, ids), wanted)| Input::new(&mut **state, ids, wanted))
        .collect();
    let logits = MODEL.forward(&mut batch, &Control::new()).unwrap();
    assert_eq!(logits.last(0).unwrap().to_vec(), alone[0]);
    assert_eq!(logits.rows(1).len(), prompts[1].len());
    assert_eq!(logits.last(1).unwrap().to_vec(), alone[1]);
    assert!(logits.last(2).is_none());
    assert_eq!(states[2].len(), 1);
}

#[test]
fn a_prompt_in_parts_without_logits_is_the_same_prompt() {
    let ids = ids(&CODE.repeat(30));
    assert!(ids.len() > codegeex::generate::PREFILL_TOKENS);
    let whole = feed(&mut *MODEL.new_state(), &ids);
    let mut state = MODEL.new_state();
    for part in ids[..ids.len() - 1].chunks(100) {
        let mut batch = [Input::new(&mut *state, part, Wanted::Nothing)];
        let logits = MODEL.forward(&mut batch, &Control::new()).unwrap();
        assert_eq!(logits.rows(0).len(), 0);
    }
    assert_eq!(feed(&mut *state, &ids[ids.len() - 1..]), whole);

    let mut options = GenerateOptions::default();
    options.limits.max_new_tokens = 1;
    let found = generator().complete_n(CODE.repeat(30), &options).unwrap();
    let best = (0..whole.len()).fold(0, |b, i| if whole[i] > whole[b] { i } else { b });
    assert_eq!(found[0].ids, [best as u32]);
}

#[test]
fn a_refused_call_leaves_the_states_alone() {
    let mut state = MODEL.new_state();
    let ids = ids(CODE);
    let expected = feed(&mut *MODEL.new_state(), &ids);
    feed(&mut *state, &ids[..5]);
    let mut refused = |ids: &[u32], cancel: &CancelToken| {
        let mut batch = [Input::new(&mut *state, ids, Wanted::Last)];
        let error = MODEL.forward(&mut batch, &cancel.into()).unwrap_err();
        assert_eq!(state.len(), 5);
        error.kind()
    };
    let go = CancelToken::new();
    let stop = CancelToken::new();
    stop.cancel();
    assert_eq!(refused(&[1; 2044], &go), ErrorKind::ContextOverflow);
    assert_eq!(refused(&[1, 52_224], &go), ErrorKind::TokenOutOfRange);
    assert_eq!(refused(&[], &go), ErrorKind::InvalidArgument);
    assert_eq!(refused(&[1, 2], &stop), ErrorKind::Cancelled);
    assert_eq!(feed(&mut *state, &ids[5..]), expected);

    let other = open(1);
    let mut batch = [Input::new(&mut *state, &[1], Wanted::Last)];
    let error = other.forward(&mut batch, &(&go).into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StateMismatch);
}

#[test]
fn a_limit_on_keys_and_values_refuses_a_call_and_leaves_the_state_alone() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/codegeex_tiny.safetensors");
    let mut options = LoadOptions::default();
    options.cpu = CpuOptions::new().threads(1).kv(KvFormat::Int8);
    let feed = |model: &dyn Model, state: &mut dyn State, tokens: usize| {
        let ids = vec![220; tokens];
        let mut batch = [Input::new(state, &ids, Wanted::Nothing)];
        model.forward(&mut batch, &Control::new()).map(drop)
    };
    let model = load(&path, &options).unwrap();
    let mut one = model.new_state();
    feed(&*model, &mut *one, 1).unwrap();
    options.cpu = options.cpu.memory_limit(one.bytes() as u64);
    let model = load(&path, &options).unwrap();
    let mut state = model.new_state();
    feed(&*model, &mut *state, 20).unwrap();
    let error = feed(&*model, &mut *state, 20).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert!(error.to_string().contains("limit"), "{error}");
    assert_eq!((state.len(), state.bytes()), (20, one.bytes()));
    feed(&*model, &mut *state, 12).unwrap();
}

#[test]
fn every_position_can_be_used_and_none_more() {
    let mut state = MODEL.new_state();
    feed(&mut *state, &vec![220; 2048]);
    assert_eq!(state.len(), 2048);
    let mut batch = [Input::new(&mut *state, &[220], Wanted::Last)];
    let error = MODEL.forward(&mut batch, &Control::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContextOverflow);
    assert!(error.to_string().contains("2048"), "{error}");
}

fn sampled() -> GenerateOptions {
    let mut options = GenerateOptions::default();
    options.limits.max_new_tokens = 24;
    options.sampling.temperature = 0.8;
    options.sampling.top_p = Some(0.95);
    options.sampling.seed = 42;
    options
}

#[test]
fn a_seed_gives_the_same_tokens_whatever_the_threads_and_the_batch() {
    let alone = generator().complete_n(CODE, &sampled()).unwrap();
    for threads in [1, 3] {
        let generator = Generator::new(open(threads), Arc::new(BpeTokenizer::codegeex().unwrap()));
        assert_eq!(generator.complete_n(CODE, &sampled()).unwrap(), alone);
    }
    let mut several = sampled();
    several.samples = 3;
    let together = generator().complete_n(CODE, &several).unwrap();
    assert_eq!(together[0].ids, alone[0].ids);
    assert!(together[1].ids != together[0].ids || together[2].ids != together[0].ids);
    let mut third = sampled();
    third.first_sample = 2;
    assert_eq!(
        generator().complete_n(CODE, &third).unwrap()[0].ids,
        together[2].ids
    );
    let mut other = sampled();
    other.sampling.seed = 43;
    assert_ne!(
        generator().complete_n(CODE, &other).unwrap()[0].ids,
        alone[0].ids
    );
}

/// Pins the tokens of one seed: they must never change, on any platform.
#[test]
fn the_tokens_of_a_seed_are_these() {
    let found = generator().complete_n(CODE, &sampled()).unwrap();
    let text = &found[0].text;
    assert_eq!(found[0].ids.len(), 24);
    assert_eq!(&found[0].ids[..8], PINNED, "{text}");
}

const PINNED: &[u32] = &[50272, 40539, 654, 13, 22179, 7, 418, 13];

#[test]
fn log_probabilities_of_a_completion_are_those_of_its_score() {
    let found = generator().complete_n(CODE, &sampled()).unwrap();
    let prompt = ids(CODE);
    let all = [&prompt[..], &found[0].ids].concat();
    let score = generator().score(&all, 3, &CancelToken::new()).unwrap();
    assert_eq!((score.logprobs.len(), score.logprobs[0]), (all.len(), None));
    for (a, b) in found[0]
        .logprobs
        .iter()
        .zip(&score.logprobs[prompt.len()..])
    {
        assert!((a - b.unwrap()).abs() < 1e-4);
    }
    assert!(score.top.len() == 3 && score.top[0].1 >= score.top[1].1);
}

#[test]
fn sessions_on_one_model_do_not_disturb_each_other() {
    let mut options = sampled();
    options.limits.max_new_tokens = 12;
    let expected = generator().complete_n(CODE, &options).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..3 {
                    assert_eq!(generator().complete_n(CODE, &options).unwrap(), expected);
                }
            });
        }
    });
}

#[test]
fn another_thread_cancels() {
    let cancel = CancelToken::new();
    let mut options = GenerateOptions::default();
    options.limits.max_new_tokens = 2000;
    let mut tokens = 0;
    let (send, started) = std::sync::mpsc::channel();
    let found = std::thread::scope(|scope| {
        let flag = cancel.clone();
        scope.spawn(move || {
            started.recv().unwrap();
            flag.cancel();
        });
        generator()
            .generate(CODE, &options, &cancel, &mut |event| {
                if matches!(event, Event::Token { .. }) {
                    tokens += 1;
                    let _ = send.send(());
                }
                ControlFlow::Continue(())
            })
            .unwrap()
    });
    assert_eq!(found[0].finish_reason, FinishReason::Cancelled);
    assert!(tokens < 2000 && found[0].ids.len() == tokens);
}

#[test]
fn perplexity_of_a_long_text_counts_every_token_once() {
    let text = ids(&CODE.repeat(200));
    assert!(text.len() > 2 * 2048);
    let mut heard = Vec::new();
    let result = generator()
        .perplexity(&text, &CancelToken::new(), &mut |n| heard.push(n))
        .unwrap();
    assert_eq!(result.tokens, text.len() - 1);
    assert_eq!(heard.last(), Some(&text.len()));
    assert!((1.0..100.0).contains(&result.value()), "{}", result.value());
    let short = generator().perplexity(&[1], &CancelToken::new(), &mut |_| {});
    assert_eq!(short.unwrap_err().kind(), ErrorKind::InvalidArgument);
}
