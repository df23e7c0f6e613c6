//! Beams and draft models in a batch, and the memory plan.

use super::*;

fn beams(num_beams: usize, tokens: usize) -> BeamOptions {
    BeamOptions::new()
        .num_beams(num_beams)
        .max_new_tokens(tokens)
}

#[test]
fn beams_are_the_same_beside_other_requests_and_within_the_limits() {
    let generator = generator(Arc::new(repetitive()));
    let prompts: Vec<Vec<u32>> = (0..6u32).map(|i| (i..i + 9 + i).collect()).collect();
    let mut scheduler = Scheduler::new(
        &generator,
        SchedulerOptions::new()
            .sequences(6)
            .prefill_tokens(5)
            // Of one token a page.
            .cache_bytes(4 * 120),
    )
    .unwrap();
    let mut searches = Vec::new();
    let mut samples = Vec::new();
    for (i, prompt) in prompts.iter().enumerate() {
        let search = beams(1 + i % 5, 3 + i);
        let request = Request::new(prompt.clone(), search.clone());
        searches.push((scheduler.submit(request).unwrap(), prompt, search));
        let mut sampled = long(4 + i);
        sampled.samples = 1 + i;
        sampled.sampling.temperature = 0.8;
        let request = Request::new(prompt.clone(), sampled.clone());
        samples.push((scheduler.submit(request).unwrap(), prompt, sampled));
    }
    let mut results = Results::new();
    let mut ends: BTreeMap<RequestId, Vec<String>> = BTreeMap::new();
    while scheduler.step(&mut |id, update| {
        match update {
            Update::Done(result) => assert!(results.insert(id, result).is_none()),
            Update::Event(Event::End { text, .. }) => {
                ends.entry(id).or_default().push(text);
            }
            Update::Event(_) => {}
        }
        ControlFlow::Continue(())
    }) {
        let now = scheduler.progress();
        assert!(now.sequences <= 6 && now.cache_bytes <= 480, "{now:?}");
    }
    for (id, prompt, search) in searches {
        let alone = generator.beam_search(prompt, &search, &CancelToken::new());
        let found = results[&id].as_ref().unwrap();
        assert_eq!(found, &alone.unwrap());
        assert_eq!(found.len(), search.num_beams);
        let texts: Vec<String> = found.iter().map(|beam| beam.text.clone()).collect();
        assert_eq!(ends[&id], texts, "each beam ends with its whole text");
    }
    for (id, prompt, sampled) in samples {
        let found = ids(results[&id].as_ref().unwrap());
        assert_eq!(found, slow(&generator, prompt, &sampled));
    }
}

#[test]
fn beams_have_deadlines_and_places_and_leave_a_prompt_for_others() {
    let model = Arc::new(repetitive());
    let generator = generator(Arc::clone(&model) as Arc<dyn Model>);
    let options = SchedulerOptions::new().sequences(4);
    let mut scheduler = Scheduler::new(&generator, options).unwrap();
    let error = scheduler.submit(Request::new(vec![1], beams(5, 3)));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidArgument);
    // A search by itself has the places that it needs.
    let cancel = CancelToken::new();
    let many = generator.beam_search([1], &beams(80, 3), &cancel);
    assert_eq!(many.unwrap().len(), 80);

    // A request that always has another sample to begin does not keep beams out.
    let mut endless = long(3);
    endless.samples = 200;
    scheduler.submit(Request::new(vec![2], endless)).unwrap();
    scheduler.step(&mut |_, _| ControlFlow::Continue(()));
    let prompt: Vec<u32> = (0..40).collect();
    let search = Request::new(prompt.clone(), beams(3, 4));
    let search = scheduler.submit(search).unwrap();
    let late = beams(3, 4).deadline(Instant::now());
    let late = scheduler
        .submit(Request::new(prompt.clone(), late))
        .unwrap();
    let (mut steps, mut done) = (0, BTreeMap::new());
    while scheduler.step(&mut |id, update| {
        if let Update::Done(result) = update {
            done.insert(id, (steps, result.unwrap()));
        }
        ControlFlow::Continue(())
    }) {
        steps += 1;
    }
    let (step, found) = &done[&search];
    assert!(*step < 15 && steps > 100, "{step} of {steps}");
    assert_eq!(found.len(), 3);
    let (_, found) = &done[&late];
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].finish_reason, FinishReason::Deadline);
    assert!(found[0].ids.is_empty());

    let fed = model.fed();
    scheduler.submit(Request::new(prompt, long(1))).unwrap();
    run(&mut scheduler);
    assert_eq!(
        model.fed() - fed,
        1,
        "the search left its prompt in the cache"
    );
}

#[test]
fn one_call_of_a_draft_model_drafts_for_all_samples() {
    let calls = |samples: usize, always: bool| {
        let draft = Arc::new(repetitive());
        let generator = generator(Arc::new(repetitive()));
        let mut options = long(24);
        options.samples = samples;
        let mut speculation = Speculation::model(Arc::clone(&draft) as Arc<dyn Model>);
        speculation.always = always;
        options.speculation = Some(speculation);
        let prompt: Vec<u32> = (0..50).map(|i| i % 7).collect();
        let found = generator
            .generate(&prompt, &options, &CancelToken::new(), &mut |_| {
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(ids(&found), slow(&generator, &prompt, &options));
        let accepted: usize = found.iter().map(|c| c.speculated.accepted).sum();
        assert!(accepted >= 12 * samples, "{accepted} accepted");
        (draft.calls(), draft.fed())
    };
    let (calls_of_one, fed_of_one) = calls(1, true);
    let (calls_of_all, fed_of_all) = calls(8, true);
    // Greedy samples are all the same. One of them reads the prompt, in a call before the others.
    assert!(
        calls_of_all <= calls_of_one + 1,
        "{calls_of_all} beside {calls_of_one}"
    );
    assert_eq!(fed_of_all, 50 + 8 * (fed_of_one - 50));
}

/// A draft model that cancels a request in one of its calls.
#[derive(Debug)]
struct Cancelling {
    model: TestModel,
    cancel: CancelToken,
    at: usize,
}

impl Model for Cancelling {
    fn config(&self) -> &crate::model::ModelConfig {
        &self.model.config
    }
    fn describe(&self) -> String {
        "cancelling".into()
    }
    fn new_state(&self) -> Box<dyn State> {
        self.model.new_state()
    }
    fn page(&self) -> PageSize {
        self.model.page()
    }
    fn forward(&self, batch: &mut [Input<'_>], control: &Control<'_>) -> Result<Logits> {
        if self.model.calls() == self.at {
            self.cancel.cancel();
        }
        control.progress();
        self.model.forward(batch, control)
    }
}

#[test]
fn a_call_of_a_draft_model_is_within_reach_of_cancellation() {
    let model = Arc::new(repetitive());
    let generator = generator(Arc::clone(&model) as Arc<dyn Model>);
    let mut scheduler = Scheduler::new(&generator, SchedulerOptions::default()).unwrap();
    let other = scheduler
        .submit(Request::new(vec![4, 2], long(30)))
        .unwrap();
    let cancel = CancelToken::new();
    let mut options = long(500);
    let mut speculation = Speculation::model(Arc::new(Cancelling {
        model: repetitive(),
        cancel: cancel.clone(),
        at: 5,
    }));
    speculation.always = true;
    options.speculation = Some(speculation);
    let mut request = Request::new(vec![1; 9], options);
    request.cancel = cancel;
    let id = scheduler.submit(request).unwrap();
    let (mut calls, mut done) = (0, None);
    while done.is_none() {
        calls = model.calls();
        scheduler.step(&mut |at, update| {
            if let (true, Update::Done(result)) = (at == id, update) {
                done = Some((model.calls(), result.unwrap()));
            }
            ControlFlow::Continue(())
        });
    }
    let (calls_then, found) = done.unwrap();
    assert_eq!(calls_then, calls, "before the step's own call of the model");
    assert_eq!(found[0].finish_reason, FinishReason::Cancelled);
    let (results, _) = run(&mut scheduler);
    let expected = slow(&generator, &[4, 2], &long(30));
    assert_eq!(ids(results[&other].as_ref().unwrap()), expected);
}

#[test]
fn without_a_limit_a_part_of_what_is_available_is_planned_for() {
    let generator = generator(Arc::new(repetitive()));
    let at_once = |options: SchedulerOptions, available: Option<u64>| {
        let mut scheduler =
            Scheduler::with_system(&generator, options.prefixes(0), || available).unwrap();
        for _ in 0..5 {
            // 20 tokens of four bytes.
            scheduler.submit(Request::new(vec![1; 10], long(11)))?;
        }
        scheduler.step(&mut |_, _| ControlFlow::Continue(()));
        Ok(scheduler.progress().running)
    };
    let default = SchedulerOptions::default;
    assert_eq!(at_once(default(), Some(400)).unwrap(), 2);
    assert_eq!(at_once(default(), Some(160)).unwrap(), 1);
    let error: crate::Error = at_once(default(), Some(158)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert!(error.to_string().contains("80 bytes"), "{error}");
    assert_eq!(
        at_once(default(), None).unwrap(),
        5,
        "the system does not say"
    );
    let unlimited = default().cache_bytes(SchedulerOptions::UNLIMITED);
    assert_eq!(at_once(unlimited, Some(0)).unwrap(), 5);
    assert_eq!(at_once(default().cache_bytes(300), Some(0)).unwrap(), 3);
    // A draft model has a cache of its own.
    let mut options = long(11);
    options.speculation = Some(Speculation::model(Arc::new(repetitive())));
    let mut scheduler = Scheduler::with_system(&generator, default(), || Some(318)).unwrap();
    let error = scheduler.submit(Request::new(vec![1; 10], options));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::OutOfMemory);
}
