//! The scheduler against one token after the other, each computed from nothing.
#![allow(clippy::field_reassign_with_default)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::generate::test_model::TestModel;
use crate::generate::{
    Drafts, FinishReason, History, Sampler, Service, Session, Speculated, Speculation, rng,
};
use crate::model::{Input, Model, Wanted};
use crate::tokenizer::BpeTokenizer;

mod groups;

fn generator(model: Arc<dyn Model>) -> Generator {
    Generator::new(model, Arc::new(BpeTokenizer::codegeex().unwrap()))
}

/// A model that likes to repeat what it said, but not always.
fn repetitive() -> TestModel {
    TestModel::new(|ids, logits| {
        let last = ids[ids.len() - 1];
        let seed = ids.iter().fold(7u32, |h, &id| h.wrapping_mul(31) ^ id);
        logits[(last as usize * 7 + 3) % 50] = 9.0;
        logits[(seed % 61) as usize] = 8.0 + (seed % 13) as f32 / 6.0;
        if seed % 29 == 0 {
            logits[50_256] = 12.0;
        }
    })
}

/// Every sample by itself, every token from a new state.
fn slow(generator: &Generator, prompt: &[u32], options: &GenerateOptions) -> Vec<Vec<u32>> {
    let model = generator.model();
    let chain = options.sampling.chain().unwrap();
    let sample = |number: u32| {
        let mut ids = Vec::new();
        while ids.len() < options.limits.max_new_tokens
            && prompt.len() + ids.len() <= model.config().max_position_embeddings
        {
            let mut state = model.new_state();
            let all = [prompt, &ids].concat();
            let mut batch = [Input::new(&mut *state, &all, Wanted::Last)];
            let logits = model.forward(&mut batch, &Control::new()).unwrap();
            let mut candidates = Candidates::default();
            candidates.fill(logits.last(0).unwrap()).unwrap();
            candidates.retain(|c| (c.id as usize) < generator.tokenizer().vocab_size());
            let history = History {
                prompt,
                generated: &ids,
            };
            for stage in &chain {
                stage.apply(&mut candidates, history).unwrap();
            }
            let u = rng::uniform(options.sampling.seed, number, ids.len() as u64);
            ids.push(candidates.sample(u).unwrap().id);
            if ids.last() == Some(&50_256) {
                break;
            }
        }
        ids
    };
    (0..options.samples as u32)
        .map(|i| sample(options.first_sample + i))
        .collect()
}

type Results = BTreeMap<RequestId, Result<Vec<Completion>>>;

/// Steps to the end. Also how many sequences and pages there were at most.
fn run(scheduler: &mut Scheduler) -> (Results, Progress) {
    let (mut results, mut most) = (Results::new(), Progress::default());
    let mut left = true;
    while left {
        left = scheduler.step(&mut |id, update| {
            if let Update::Done(result) = update {
                assert!(results.insert(id, result).is_none(), "done twice");
            }
            ControlFlow::Continue(())
        });
        let now = scheduler.progress();
        most.sequences = most.sequences.max(now.sequences);
        most.cache_bytes = most.cache_bytes.max(now.cache_bytes);
    }
    (results, most)
}

fn ids(completions: &[Completion]) -> Vec<Vec<u32>> {
    completions.iter().map(|c| c.ids.clone()).collect()
}

#[derive(Debug, Clone)]
struct Wish {
    prompt: Vec<u32>,
    tokens: usize,
    samples: usize,
    temperature: f32,
    seed: u64,
    /// 0 none, 1 lookup, 2 a model that is right mostly, 3 one that is wrong mostly.
    drafts: u8,
    at_step: usize,
}

fn wish() -> impl Strategy<Value = Wish> {
    (
        proptest::collection::vec(0u32..5, 1..20),
        0usize..12,
        1usize..4,
        prop_oneof![Just(0.0f32), Just(0.7)],
        0u64..4,
        0u8..4,
        0usize..10,
    )
        .prop_map(
            |(prompt, tokens, samples, temperature, seed, drafts, at_step)| Wish {
                prompt,
                tokens,
                samples,
                temperature,
                seed,
                drafts,
                at_step,
            },
        )
}

fn options(wish: &Wish) -> GenerateOptions {
    let mut options = GenerateOptions::default();
    options.limits.max_new_tokens = wish.tokens;
    options.samples = wish.samples;
    options.sampling.temperature = wish.temperature;
    options.sampling.seed = wish.seed;
    options.speculation = match wish.drafts {
        0 => None,
        1 => Some(Speculation::lookup()),
        2 => Some(Speculation::model(Arc::new(repetitive()))),
        _ => Some(Speculation::model(Arc::new(TestModel::noise()))),
    }
    .map(|mut s| {
        s.always = true;
        s
    });
    options
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever else runs, in whatever room: the tokens of each request are those that it gets
    /// alone, without cache, drafts or other requests.
    #[test]
    fn answers_do_not_depend_on_other_requests_room_or_drafts(
        wishes in proptest::collection::vec(wish(), 1..6),
        sequences in 1usize..5,
        prefill_tokens in 1usize..9,
        // A draft model has as many of its own.
        pages in 80u64..300,
        prefixes in 0usize..3,
    ) {
        let mut model = repetitive();
        model.config.max_position_embeddings = 24;
        let generator = generator(Arc::new(model));
        let mut scheduler = Scheduler::new(&generator, SchedulerOptions {
            sequences,
            prefill_tokens,
            // The pages of the model in the test have four bytes.
            cache_bytes: Some(4 * pages),
            prefixes,
            ..SchedulerOptions::default()
        })
        .unwrap();
        let mut submitted = BTreeMap::new();
        let mut results = Results::new();
        let mut step = 0;
        let mut left = true;
        while left || step < 10 {
            for wish in wishes.iter().filter(|w| w.at_step == step) {
                let request = Request::new(wish.prompt.clone(), options(wish));
                submitted.insert(scheduler.submit(request).unwrap(), wish.clone());
            }
            left = scheduler.step(&mut |id, update| {
                if let Update::Done(result) = update {
                    assert!(results.insert(id, result).is_none());
                }
                ControlFlow::Continue(())
            });
            let now = scheduler.progress();
            prop_assert!(now.sequences <= sequences);
            prop_assert!(now.cache_bytes <= 4 * pages, "{now:?}");
            step += 1;
            prop_assert!(step < 2_000, "it never ends: {scheduler:?}");
        }
        prop_assert_eq!(results.len(), wishes.len());
        for (id, wish) in &submitted {
            let found = ids(results[id].as_ref().unwrap());
            prop_assert_eq!(found, slow(&generator, &wish.prompt, &options(wish)), "{:?}", wish);
        }
    }
}

/// Counts what is fed to the model, which is what draft tokens are to save.
#[test]
fn good_drafts_are_accepted_and_counted() {
    for (drafts, at_least) in [
        (Drafts::Model(Arc::new(repetitive())), 3),
        (Drafts::Lookup, 2),
    ] {
        // Greedy and without an end, it goes around in a circle.
        let circle = Arc::new(TestModel::new(|ids, logits| {
            logits[(ids[ids.len() - 1] as usize + 1) % 9] = 5.0;
        }));
        let model = match drafts {
            Drafts::Lookup => Arc::clone(&circle),
            _ => Arc::new(repetitive()),
        };
        let generator = generator(Arc::clone(&model) as Arc<dyn Model>);
        let mut options = GenerateOptions::default();
        options.limits.max_new_tokens = 60;
        let mut speculation = Speculation::lookup();
        speculation.drafts = drafts;
        speculation.tokens = 8;
        speculation.always = true;
        options.speculation = Some(speculation);
        let found = generator
            .generate([1, 2], &options, &CancelToken::new(), &mut |_| {
                ControlFlow::Continue(())
            })
            .unwrap();
        let found = &found[0];
        let Speculated { drafted, accepted } = found.speculated;
        assert!(accepted <= drafted && accepted < found.ids.len());
        // One call for the prompt, one for every token that was no draft token but the last.
        let steps = found.ids.len() - accepted;
        assert!(model.calls() <= 1 + steps, "{} calls", model.calls());
        assert!(
            found.ids.len() > at_least * model.calls(),
            "{} tokens in {} calls",
            found.ids.len(),
            model.calls()
        );
    }
}

#[test]
fn a_draft_model_needs_the_same_vocabulary() {
    let mut small = TestModel::noise();
    small.config.padded_vocab_size = 100;
    let mut options = GenerateOptions::default();
    options.speculation = Some(Speculation::model(Arc::new(small)));
    let error = generator(Arc::new(repetitive()))
        .complete_n("a", &options)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let mut speculation = Speculation::lookup();
    speculation.tokens = 0;
    options.speculation = Some(speculation);
    let error = generator(Arc::new(repetitive())).complete_n("a", &options);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

fn long(tokens: usize) -> GenerateOptions {
    let mut options = GenerateOptions::default();
    options.limits.max_new_tokens = tokens;
    // The model of these tests never says it.
    options.sampling.banned_ids = vec![50_256];
    options
}

fn scheduler(options: SchedulerOptions) -> Scheduler {
    Scheduler::new(&generator(Arc::new(repetitive())), options).unwrap()
}

#[test]
fn what_does_not_fit_waits_or_is_refused() {
    let mut scheduler = scheduler(SchedulerOptions {
        // 30 pages of one token.
        cache_bytes: Some(120),
        prefixes: 0,
        waiting: 2,
        ..SchedulerOptions::default()
    });
    let request = |tokens| Request::new(vec![1; 10], long(tokens));
    let never = scheduler.submit(request(30)).unwrap_err();
    assert_eq!(never.kind(), ErrorKind::OutOfMemory);
    // 10 for the prompt and 10 more.
    scheduler.submit(request(11)).unwrap();
    scheduler.step(&mut |_, _| ControlFlow::Continue(()));
    assert_eq!(scheduler.progress().cache_bytes, 80);
    let refuse = |tokens| Request {
        when_full: WhenFull::Refuse,
        ..request(tokens)
    };
    let busy = scheduler.submit(refuse(2)).unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Busy);
    scheduler.submit(request(2)).unwrap();
    scheduler.submit(request(2)).unwrap();
    assert_eq!(scheduler.progress().waiting, 2);
    let full = scheduler.submit(request(2)).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::Busy);
    let (results, _) = run(&mut scheduler);
    assert_eq!(results.len(), 3);
    assert!(
        results
            .values()
            .all(|r| r.as_ref().unwrap()[0].ids.len() > 1)
    );
    assert!(scheduler.submit(refuse(2)).is_ok());
    for bad in [(0, 1), (1, 0)] {
        let options = SchedulerOptions {
            sequences: bad.0,
            prefill_tokens: bad.1,
            ..SchedulerOptions::default()
        };
        let error = Scheduler::new(&generator(Arc::new(repetitive())), options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn a_request_of_many_samples_does_not_starve_a_small_one() {
    let mut scheduler = scheduler(SchedulerOptions {
        sequences: 4,
        ..SchedulerOptions::default()
    });
    let mut many = long(5);
    many.samples = 100;
    let many = scheduler.submit(Request::new(vec![1, 2], many)).unwrap();
    for _ in 0..3 {
        scheduler.step(&mut |_, _| ControlFlow::Continue(()));
    }
    let small = scheduler.submit(Request::new(vec![3], long(3))).unwrap();
    let (mut order, mut steps, mut small_done) = (Vec::new(), 0, 0);
    while scheduler.step(&mut |id, update| {
        if let Update::Done(_) = update {
            order.push(id);
        }
        ControlFlow::Continue(())
    }) {
        steps += 1;
        if order.is_empty() {
            small_done = steps;
        }
    }
    assert_eq!(order, [small, many]);
    assert!(small_done < 15 && steps > 80, "{small_done} of {steps}");
}

#[test]
fn a_long_prompt_does_not_hold_up_running_sequences() {
    let mut scheduler = scheduler(SchedulerOptions {
        prefill_tokens: 4,
        ..SchedulerOptions::default()
    });
    let first = scheduler.submit(Request::new(vec![1], long(20))).unwrap();
    scheduler.step(&mut |_, _| ControlFlow::Continue(()));
    scheduler
        .submit(Request::new(vec![2; 400], long(2)))
        .unwrap();
    let mut tokens = 0;
    for _ in 0..10 {
        scheduler.step(&mut |id, update| {
            tokens += usize::from(id == first && matches!(update, Update::Event(_)));
            ControlFlow::Continue(())
        });
    }
    // The first is sampled as the sample begins, then comes one a step, whatever else is read.
    assert_eq!(tokens, 11);
}

#[derive(Debug)]
struct Fails;

impl Sampler for Fails {
    fn apply(&self, _: &mut Candidates, history: History<'_>) -> Result<()> {
        match history.generated.len() {
            2 => bail!(InvalidArgument, "on purpose"),
            _ => Ok(()),
        }
    }
}

#[test]
fn one_that_fails_or_is_cancelled_leaves_the_others_alone() {
    let mut scheduler = scheduler(SchedulerOptions::default());
    let mut failing = long(9);
    failing.sampling.samplers = vec![Arc::new(Fails)];
    let fails = scheduler.submit(Request::new(vec![1], failing)).unwrap();
    let good = scheduler.submit(Request::new(vec![1], long(9))).unwrap();
    let request = Request::new(vec![4; 9], long(9));
    let cancel = request.cancel.clone();
    let cancelled = scheduler.submit(request).unwrap();
    let stopped = scheduler.submit(Request::new(vec![5], long(9))).unwrap();
    let mut late = long(9);
    late.limits.deadline = Some(Instant::now());
    let late = scheduler.submit(Request::new(vec![5], late)).unwrap();
    let mut results = Results::new();
    while scheduler.step(&mut |id, update| match update {
        Update::Done(result) => {
            results.insert(id, result);
            ControlFlow::Continue(())
        }
        Update::Event(Event::Token { .. }) if id == cancelled => {
            cancel.cancel();
            ControlFlow::Continue(())
        }
        Update::Event(Event::Token { .. }) if id == stopped => ControlFlow::Break(()),
        Update::Event(_) => ControlFlow::Continue(()),
    }) {}
    let error = results.remove(&fails).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "on purpose");
    let one = |results: &Results, id| results[&id].as_ref().unwrap()[0].clone();
    let alone = slow(&scheduler.generator, &[1], &long(9));
    assert_eq!(one(&results, good).ids, alone[0]);
    for (id, reason, tokens) in [
        (cancelled, FinishReason::Cancelled, 1),
        (stopped, FinishReason::Cancelled, 1),
        (late, FinishReason::Deadline, 0),
    ] {
        let found = one(&results, id);
        assert_eq!((found.finish_reason, found.ids.len()), (reason, tokens));
    }
}

#[test]
fn prompts_that_begin_the_same_are_computed_once() {
    let model = Arc::new(repetitive());
    let generator = generator(Arc::clone(&model) as Arc<dyn Model>);
    let mut scheduler = Scheduler::new(&generator, SchedulerOptions::default()).unwrap();
    let long_prompt: Vec<u32> = (0..40).collect();
    scheduler
        .submit(Request::new(long_prompt.clone(), long(1)))
        .unwrap();
    run(&mut scheduler);
    assert_eq!(model.fed(), 40);
    let other = [&long_prompt[..30], &[7, 7]].concat();
    let id = scheduler
        .submit(Request::new(other.clone(), long(3)))
        .unwrap();
    let (results, _) = run(&mut scheduler);
    // Two tokens of the prompt, and two of those sampled.
    assert_eq!(model.fed(), 40 + 2 + 2);
    assert_eq!(scheduler.progress().reused_tokens, 30);
    assert_eq!(
        ids(results[&id].as_ref().unwrap()),
        slow(&generator, &other, &long(3))
    );
    assert!(scheduler.progress().cache_bytes > 0);
    scheduler.drop_prefixes();
    assert_eq!(scheduler.progress().cache_bytes, 0);
}

#[test]
fn a_prefill_limit_ends_early_and_a_session_goes_on_from_there() {
    let model = Arc::new(repetitive());
    let generator = generator(Arc::clone(&model) as Arc<dyn Model>);
    let mut session = Session::new(&generator);
    let prompt: Vec<u32> = (0..50).map(|i| i % 7).collect();
    let mut options = long(3);
    options.limits.prefill_limit = Some(20);
    let mut call = |options: &GenerateOptions| {
        let cancel = CancelToken::new();
        let go_on = &mut |_: Event| ControlFlow::Continue(());
        let found = session.generate(&prompt, options, &cancel, go_on).unwrap();
        (found[0].clone(), session.ids().len(), session.reused())
    };
    for (computed, reused) in [(20, 0), (40, 20)] {
        let (found, kept, was_there) = call(&options);
        assert_eq!(found.finish_reason, FinishReason::PrefillLimit);
        assert_eq!((found.ids.len(), kept, was_there), (0, computed, reused));
        assert_eq!(model.fed(), computed);
    }
    let (found, kept, reused) = call(&options);
    assert_eq!(found.finish_reason, FinishReason::Length);
    assert_eq!((kept, reused), (52, 40), "the last token is not fed");
    assert_eq!(found.ids, slow(&generator, &prompt, &long(3))[0]);
}

#[test]
fn top_log_probabilities_come_with_every_token() {
    let generator = generator(Arc::new(repetitive()));
    let mut options = long(4);
    options.top_logprobs = 3;
    let mut seen = Vec::new();
    let found = generator
        .generate([1], &options, &CancelToken::new(), &mut |event| {
            if let Event::Token { top_logprobs, .. } = event {
                seen.push(top_logprobs.to_vec());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(found[0].top_logprobs, seen);
    assert_eq!(seen.len(), 4);
    for (top, (id, logprob)) in (seen.iter()).zip(found[0].ids.iter().zip(&found[0].logprobs)) {
        assert_eq!(top.len(), 3);
        assert_eq!(top[0], (*id, *logprob), "greedy takes the most likely");
    }
}

#[derive(Debug)]
struct Panics;

impl Sampler for Panics {
    fn apply(&self, _: &mut Candidates, _: History<'_>) -> Result<()> {
        panic!("on purpose");
    }
}

#[test]
fn a_sampler_that_panics_ends_its_own_request_alone() {
    let generator = generator(Arc::new(repetitive()));
    let service = Service::start(&generator, SchedulerOptions::default()).unwrap();
    let other = service.submit(Request::new(vec![1], long(200))).unwrap();
    let mut options = long(3);
    options.sampling.samplers = vec![Arc::new(Panics)];
    let ticket = service
        .submit(Request::new(vec![1], options.clone()))
        .unwrap();
    let error = ticket.wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.to_string().contains("on purpose"), "{error}");
    assert_eq!(other.wait().unwrap()[0].ids.len(), 200);
    let later = service.submit(Request::new(vec![1], long(2))).unwrap();
    assert_eq!(later.wait().unwrap()[0].ids.len(), 2);
    let go_on = &mut |_| ControlFlow::Continue(());
    let error = generator
        .generate([1], &options, &CancelToken::new(), go_on)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

/// A sampler that drops the service that runs it.
#[derive(Debug, Default)]
struct Drops {
    service: Mutex<Option<Service>>,
    returned: AtomicBool,
}

impl Sampler for Drops {
    fn apply(&self, _: &mut Candidates, _: History<'_>) -> Result<()> {
        let service = self.service.lock().unwrap().take();
        if service.is_some() {
            drop(service);
            self.returned.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[test]
fn a_sampler_may_drop_the_service_that_runs_it() {
    let generator = generator(Arc::new(repetitive()));
    let service = Service::start(&generator, SchedulerOptions::default()).unwrap();
    let sampler = Arc::new(Drops::default());
    let mut options = long(2_000);
    options.sampling.samplers = vec![sampler.clone()];
    let ticket = service.submit(Request::new(vec![1], options)).unwrap();
    *sampler.service.lock().unwrap() = Some(service);
    match ticket.wait() {
        Ok(partial) => assert_eq!(partial[0].finish_reason, FinishReason::Cancelled),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled),
    }
    assert!(sampler.returned.load(Ordering::Relaxed));
}

#[test]
fn a_service_serves_threads_and_cancels_dropped_tickets() {
    let generator = generator(Arc::new(repetitive()));
    let service = Service::start(&generator, SchedulerOptions::default()).unwrap();
    std::thread::scope(|scope| {
        for i in 0..6u32 {
            let (service, generator) = (&service, &generator);
            scope.spawn(move || {
                let mut ticket = service.submit(Request::new([i, 1], long(8))).unwrap();
                let text: String = (&mut ticket)
                    .map(|e| e.unwrap().text().to_owned())
                    .collect();
                assert!(ticket.is_over() && ticket.next().is_none());
                let completions = ticket.wait().unwrap();
                assert_eq!(text, completions[0].text);
                assert_eq!(ids(&completions), slow(generator, &[i, 1], &long(8)));
            });
        }
    });
    let mut endless = service.submit(Request::new(vec![1], long(2_000))).unwrap();
    assert!(matches!(endless.next(), Some(Ok(Event::Token { .. }))));
    assert_eq!(service.progress().running, 1);
    drop(endless);
    let patience = Instant::now() + Duration::from_secs(20);
    while service.progress().running > 0 {
        assert!(Instant::now() < patience, "{service:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
    let wrong = service.submit(Request::new(vec![], long(1))).unwrap();
    assert_eq!(wrong.wait().unwrap_err().kind(), ErrorKind::InvalidArgument);
    let last = service.submit(Request::new(vec![1], long(2_000))).unwrap();
    drop(service);
    // It may have been at its last token, but not for two thousand of them.
    let ended = last.wait();
    assert!(ended.is_err() || ended.is_ok_and(|c| c[0].finish_reason == FinishReason::Cancelled));
}
