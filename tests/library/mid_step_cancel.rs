//! Requests that end while others are in the middle of a step: their callers learn of it before the
//! next operation, and the others get the same bits.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use codegeex::backend::{Cpu, CpuOptions};
use codegeex::cancel::{CancelToken, Control};
use codegeex::generate::{
    BeamOptions, Completion, FinishReason, GenerateOptions, Generator, Request, RequestId,
    RequestOptions, Scheduler, SchedulerOptions, Service, Ticket, Update,
};
use codegeex::model::{
    Checkpoint, ConvertOptions, Input, Logits, Model, ModelConfig, OpenOptions, PageSize, State,
    Transformer, write_random,
};
use codegeex::tensor::PackedScheme;

/// How often a step calls back at least: before each layer, the top query layer included.
const STOPS: usize = 6;
/// Tokens of prompts that a step computes.
const SHARE: usize = 16;

type OnStop = Box<dyn FnMut(usize) + Send>;

/// A model that tells a test between which operations it is, from 1, once its caller has been told.
struct Stepped {
    model: Transformer<Cpu>,
    on_stop: Mutex<OnStop>,
}

impl fmt::Debug for Stepped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stepped")
    }
}

impl Stepped {
    fn on_stop(&self, on_stop: impl FnMut(usize) + Send + 'static) {
        *self.on_stop.lock().unwrap() = Box::new(on_stop);
    }
}

impl Model for Stepped {
    fn config(&self) -> &ModelConfig {
        self.model.config()
    }
    fn describe(&self) -> String {
        self.model.describe()
    }
    fn new_state(&self) -> Box<dyn State> {
        self.model.new_state()
    }
    fn page(&self) -> PageSize {
        self.model.page()
    }
    fn forward(&self, batch: &mut [Input<'_>], control: &Control<'_>) -> codegeex::Result<Logits> {
        let mut stop = 0;
        let mut observed = || {
            control.progress();
            stop += 1;
            (self.on_stop.lock().unwrap())(stop);
        };
        let inner = Control::from(&control.cancel)
            .threads(control.threads)
            .on_progress(&mut observed);
        self.model.forward(batch, &inner)
    }
}

fn stepped(folder: &Path) -> (Arc<Stepped>, Generator) {
    let config = format!(
        r#"{{"num_layers":{},"hidden_size":48,"num_attention_heads":3,"padded_vocab_size":131,
            "max_position_embeddings":200}}"#,
        STOPS - 1
    );
    let config = ModelConfig::from_json(&config).unwrap();
    let path = folder.join("m.safetensors");
    let options = ConvertOptions::new().quantize(PackedScheme::Int8);
    let cancel = CancelToken::new();
    write_random(&config, &path, &options, 3, &mut |_, _| {}, &cancel).unwrap();
    let checkpoint = Checkpoint::open(&path, &OpenOptions::new()).unwrap();
    let cpu = Cpu::new(&CpuOptions::new().threads(1)).unwrap();
    let model = Arc::new(Stepped {
        model: Transformer::new(cpu, &checkpoint).unwrap(),
        on_stop: Mutex::new(Box::new(|_| {})),
    });
    let generator = crate::support::tokenizer::generator(Arc::clone(&model) as Arc<dyn Model>);
    (model, generator)
}

fn prompt(tokens: usize, salt: usize) -> Vec<u32> {
    (0..tokens)
        .map(|j| ((j * 37 + salt) % 131) as u32)
        .collect()
}

fn options(tokens: usize) -> GenerateOptions {
    let mut options = GenerateOptions::default();
    options.limits.max_new_tokens = tokens;
    options.sampling.temperature = 0.9;
    options.top_logprobs = 1;
    options
}

fn bounds(sequences: usize) -> SchedulerOptions {
    let mut bounds = SchedulerOptions::default();
    bounds.sequences = sequences;
    bounds.prefill_tokens = SHARE;
    bounds
}

fn bits(completions: &[Completion]) -> Vec<(Vec<u32>, Vec<u32>)> {
    let logprobs = |c: &Completion| c.logprobs.iter().map(|x| x.to_bits()).collect();
    let both = |c: &Completion| (c.ids.clone(), logprobs(c));
    completions.iter().map(both).collect()
}

/// What happened, in order, as the test writes it down.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn push(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    /// The line after the one that is `line`.
    fn after(&self, line: &str) -> String {
        let log = self.0.lock().unwrap();
        let at = log.iter().position(|l| l == line);
        let at = at.unwrap_or_else(|| panic!("no {line:?} in {log:?}"));
        log[at + 1].clone()
    }

    fn count(&self, line: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|l| *l == line).count()
    }
}

/// How the second request ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Cancel,
    Deadline,
}

/// A request reads a long prompt; a second one generates, or waits for room, and is ended before
/// the third operation of a step. Returns its completions.
fn ended_in_a_step(end: End, sequences: usize, mut wanted: RequestOptions) -> Vec<Completion> {
    let folder = tempfile::tempdir().unwrap();
    let (model, generator) = stepped(folder.path());
    let (long, short) = (prompt(90, 1), prompt(5, 2));
    let alone = generator
        .generate(&long, &options(9), &CancelToken::new(), &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap();

    let mut scheduler = Scheduler::new(&generator, bounds(sequences)).unwrap();
    // Long after the first steps, which take milliseconds.
    let deadline = Instant::now() + Duration::from_secs(2);
    if end == End::Deadline {
        let limits = match &mut wanted {
            RequestOptions::Sample(options) => &mut options.limits,
            RequestOptions::Beams(options) => &mut options.limits,
            other => panic!("{other:?}"),
        };
        limits.deadline = Some(deadline);
    }
    let second = Request::new(short, wanted);
    let cancel = second.cancel.clone();
    let names: BTreeMap<RequestId, &str> = if sequences == 1 {
        // The one that computes goes first, so that the other waits.
        let first = scheduler.submit(Request::new(long, options(9))).unwrap();
        [
            (first, "first"),
            (scheduler.submit(second).unwrap(), "second"),
        ]
        .into()
    } else {
        let second = scheduler.submit(second).unwrap();
        let first = scheduler.submit(Request::new(long, options(9))).unwrap();
        [(first, "first"), (second, "second")].into()
    };

    let log = Log::default();
    let mut found = BTreeMap::new();
    for step in 1.. {
        model.on_stop({
            let (log, cancel) = (log.clone(), cancel.clone());
            move |stop| {
                if (step, stop) == (3, 3) {
                    match end {
                        End::Cancel => cancel.cancel(),
                        End::Deadline => {
                            assert!(Instant::now() < deadline, "the machine is too slow");
                            while Instant::now() < deadline {
                                std::thread::sleep(Duration::from_millis(1));
                            }
                        }
                    }
                    log.push("ended");
                }
                log.push(format!("step {step} stop {stop}"));
            }
        });
        let left = scheduler.step(&mut |id, update| {
            if let Update::Done(result) = update {
                log.push(format!("done {}", names[&id]));
                assert!(found.insert(names[&id], result.unwrap()).is_none());
            }
            ControlFlow::Continue(())
        });
        if !left {
            break;
        }
    }
    // It was ended once the scheduler had been called back, so it ends at the next stop.
    assert_eq!(log.after("ended"), "step 3 stop 3");
    assert_eq!(log.after("step 3 stop 3"), "done second", "{end:?}");
    assert_eq!(log.after("done second"), "step 3 stop 4");
    assert_eq!(log.count("done second"), 1);
    assert_eq!(bits(&found["first"]), bits(&alone), "{end:?}");
    assert_eq!(scheduler.progress().sequences, 0);
    found.remove("second").unwrap()
}

#[test]
fn a_request_that_generates_ends_before_the_next_operation() {
    for (end, reason) in [
        (End::Cancel, FinishReason::Cancelled),
        (End::Deadline, FinishReason::Deadline),
    ] {
        let beams = BeamOptions::new().num_beams(3).max_new_tokens(100);
        let samples = options(100).samples(3);
        let found = [
            ended_in_a_step(end, 8, samples.into()),
            ended_in_a_step(end, 8, beams.into()),
        ];
        assert!(found.iter().all(|found| found.len() == 3));
        for completion in found.concat() {
            // Two steps: one after the prompt, one sampled from the first step of its own.
            assert_eq!(completion.finish_reason, reason);
            assert_eq!(completion.ids.len(), 2, "{end:?}");
        }
    }
}

#[test]
fn a_request_that_waits_ends_before_the_next_operation() {
    for (end, reason) in [
        (End::Cancel, FinishReason::Cancelled),
        (End::Deadline, FinishReason::Deadline),
    ] {
        let found = ended_in_a_step(end, 1, options(100).into());
        assert_eq!(found[0].finish_reason, reason);
        assert!(found[0].ids.is_empty());
    }
}

/// The prompt that was being read when its request was cancelled is not kept as though it were
/// whole.
#[test]
fn a_prompt_that_was_cut_short_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (model, generator) = stepped(folder.path());
    let (first, second) = (prompt(64, 1), prompt(64, 2));
    let go_on = &mut |_: codegeex::generate::Event| ControlFlow::Continue(());
    let never = CancelToken::new();
    let alone = generator.generate(&second, &options(5), &never, go_on);
    let alone = bits(&alone.unwrap());
    let mut scheduler = Scheduler::new(&generator, bounds(8)).unwrap();
    scheduler.submit(Request::new(first, options(30))).unwrap();
    let request = Request::new(second.clone(), options(5));
    let cancel = request.cancel.clone();
    scheduler.submit(request).unwrap();
    // The last piece of both prompts, 8 tokens each of a step.
    for step in 1..=8 {
        let cancel = cancel.clone();
        model.on_stop(move |stop| {
            if (step, stop) == (8, 2) {
                cancel.cancel();
            }
        });
        scheduler.step(&mut |_, _| ControlFlow::Continue(()));
    }
    model.on_stop(|_| {});
    let again = scheduler.submit(Request::new(second, options(5))).unwrap();
    let mut found = Vec::new();
    while scheduler.step(&mut |id, update| {
        if let (true, Update::Done(result)) = (id == again, update) {
            found = result.unwrap();
        }
        ControlFlow::Continue(())
    }) {}
    assert_eq!(bits(&found), alone);
    assert_eq!(scheduler.progress().reused_tokens, 0);
}

/// A callback that panics at an end in the middle of a step loses the step's
/// sequences, and nothing hangs.
#[test]
fn a_panic_in_the_middle_of_a_step_fails_its_requests() {
    let folder = tempfile::tempdir().unwrap();
    let (model, generator) = stepped(folder.path());
    let mut scheduler = Scheduler::new(&generator, bounds(8)).unwrap();
    let request = Request::new(prompt(5, 2), options(50));
    let cancel = request.cancel.clone();
    scheduler.submit(request).unwrap();
    scheduler
        .submit(Request::new(prompt(50, 1), options(9)))
        .unwrap();
    scheduler.step(&mut |_, _| ControlFlow::Continue(()));
    model.on_stop(move |stop| {
        if stop == 2 {
            cancel.cancel();
        }
    });
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        scheduler.step(&mut |_, update| match update {
            Update::Done(_) => panic!("a callback of a test"),
            _ => ControlFlow::Continue(()),
        })
    }));
    assert!(panicked.is_err());
    let mut errors = Vec::new();
    for _ in 0..3 {
        scheduler.step(&mut |_, update| {
            if let Update::Done(Err(error)) = update {
                errors.push(error.kind());
            }
            ControlFlow::Continue(())
        });
    }
    assert_eq!(errors, [codegeex::ErrorKind::Internal]);
    assert!(scheduler.is_idle());
}

/// Steps that wait at every stop until the test lets them go on.
struct Gate {
    reached: mpsc::Receiver<usize>,
    go: mpsc::Sender<()>,
}

impl Gate {
    fn before(model: &Stepped) -> Self {
        let (tell, reached) = mpsc::channel();
        let (go, wait) = mpsc::channel();
        model.on_stop(move |stop| {
            // Without the test there is nothing to wait for.
            if tell.send(stop).is_ok() {
                let _ = wait.recv_timeout(PATIENCE);
            }
        });
        Self { reached, go }
    }

    fn wait(&self) -> usize {
        self.reached.recv_timeout(PATIENCE).expect("a stop")
    }

    fn go(&self) {
        self.go.send(()).unwrap();
    }
}

/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The end of a request, with its completions; nothing may come after it.
fn done(ticket: &mut Ticket) -> Vec<Completion> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        match ticket.try_next() {
            Some(event) => drop(event.unwrap()),
            None if ticket.is_over() => return ticket.take_completions().unwrap(),
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    panic!("no end");
}

#[test]
fn a_service_answers_in_the_middle_of_a_step() {
    let folder = tempfile::tempdir().unwrap();
    let (model, generator) = stepped(folder.path());
    let gate = Gate::before(&model);
    let service = Service::start(&generator, bounds(8)).unwrap();
    let mut long = service
        .submit(Request::new(prompt(90, 1), options(3)))
        .unwrap();
    assert_eq!(gate.wait(), 1);
    // It comes while the step runs, and is cancelled before anybody took it in.
    let mut unheard = service
        .submit(Request::new(prompt(5, 2), options(50)))
        .unwrap();
    let mut late = options(50);
    late.limits.deadline = Some(Instant::now());
    let mut late = service.submit(Request::new(prompt(5, 3), late)).unwrap();
    let wrong = service
        .submit(Request::new(vec![7777], options(50)))
        .unwrap();
    wrong.cancel();
    unheard.cancel();
    gate.go();
    assert_eq!(gate.wait(), 2);
    let found = done(&mut unheard);
    assert_eq!(found[0].finish_reason, FinishReason::Cancelled);
    assert!(found[0].ids.is_empty() && unheard.try_next().is_none());
    assert_eq!(done(&mut late)[0].finish_reason, FinishReason::Deadline);
    assert_eq!(
        wrong.wait().unwrap_err().kind(),
        codegeex::ErrorKind::TokenOutOfRange
    );
    // The one that is read as well, alone now: no stop follows.
    long.cancel();
    gate.go();
    let found = done(&mut long);
    assert_eq!(found[0].finish_reason, FinishReason::Cancelled);
    assert!(gate.reached.try_recv().is_err());
}

#[test]
fn a_service_is_dropped_in_the_middle_of_a_step() {
    let folder = tempfile::tempdir().unwrap();
    let (model, generator) = stepped(folder.path());
    let gate = Gate::before(&model);
    let service = Service::start(&generator, bounds(8)).unwrap();
    let ticket = service
        .submit(Request::new(prompt(90, 1), options(3)))
        .unwrap();
    assert_eq!(gate.wait(), 1);
    let (tell, told) = mpsc::channel();
    let dropping = std::thread::spawn(move || {
        tell.send(()).unwrap();
        drop(service);
    });
    told.recv().unwrap();
    // A stop lasts so long that the drop is seen at one of the first; the step has more.
    let mut stops = 1;
    while !dropping.is_finished() {
        std::thread::sleep(Duration::from_millis(200));
        let _ = gate.go.send(());
        if gate.reached.recv_timeout(Duration::from_millis(50)).is_ok() {
            stops += 1;
        }
        assert!(stops < STOPS, "the service computed on");
    }
    dropping.join().unwrap();
    let error = ticket.wait().unwrap_err();
    assert_eq!(error.kind(), codegeex::ErrorKind::Cancelled);
}
