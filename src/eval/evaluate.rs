//! Evaluation: samples to results, on all workers at once, in the order of the samples.
//!
//! Samples are independent: each is built and run in a folder of its own, and its verdict is the
//! same whatever the others do and however many workers there are (times and the peak of memory
//! are measured, and differ).

mod file;

pub use file::{Evaluated, Survey, evaluate_file};

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

use super::dataset::{EvalLanguage, Problem};
use super::program::{Imports, Program, Tests};
use super::samples::{Sample, SampleResult};
use super::sandbox::{Limits, Sandbox};
use super::toolchain::{Built, Context, Prepared, Toolchain};
use super::verdict::{Judgement, Verdict};
use crate::cancel::CancelToken;
use crate::error::{Error, Result, bail};

/// Pieces of work that may be ahead of the one whose result is next.
const AHEAD: u64 = 64;

/// How samples are evaluated.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EvaluateOptions {
    /// Programs that are built or run at the same time. 0: as many as there are cores.
    pub workers: usize,
    /// Processor time of a run. It ends after three times as long by the clock in any case, so
    /// that a busy machine does not change verdicts.
    pub timeout: Duration,
    /// Bytes of memory of a run.
    pub memory: u64,
    /// Bytes of standard output of a run, and as many of standard error.
    pub output: usize,
    /// Which tests.
    pub tests: Tests,
    /// Which imports a program gets beside its own.
    pub imports: Imports,
}

impl Default for EvaluateOptions {
    /// All cores, 5 s, 1 GiB, 1 MiB, all tests, the imports that a program needs.
    fn default() -> Self {
        Self {
            workers: 0,
            timeout: Duration::from_secs(5),
            memory: 1 << 30,
            output: 1 << 20,
            tests: Tests::All,
            imports: Imports::Needed,
        }
    }
}

/// Evaluates samples of some problems.
pub struct Evaluator<'a> {
    toolchains: &'a Prepared,
    sandbox: &'a Sandbox,
    problems: HashMap<(EvalLanguage, u32), Problem>,
    options: EvaluateOptions,
}

/// Consecutive samples of one language.
struct Piece {
    number: u64,
    samples: Vec<Sample>,
}

/// Samples in pieces.
struct Pieces<I> {
    samples: I,
    /// What was read and belongs to the next piece.
    next: Option<(EvalLanguage, Sample)>,
    number: u64,
    ended: bool,
    /// An error that was read after samples of a piece.
    error: Option<Error>,
}

impl<'a> Evaluator<'a> {
    /// An evaluator for `problems`, of languages in any mixture.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a problem that is there twice,
    /// of a language that no toolchain was prepared for, or with another form of id, and for
    /// limits of zero.
    pub fn new(
        toolchains: &'a Prepared,
        sandbox: &'a Sandbox,
        problems: impl IntoIterator<Item = Problem>,
        options: EvaluateOptions,
    ) -> Result<Self> {
        if options.timeout.is_zero() || options.memory == 0 || options.output == 0 {
            bail!(
                InvalidArgument,
                "a limit of zero, expected time, memory and output above it"
            );
        }
        let mut found = HashMap::new();
        for problem in problems {
            let id = problem.language()?;
            let language = id.0;
            if toolchains.get(language).is_none() {
                bail!(
                    InvalidArgument,
                    "problem {} without a toolchain for {language}",
                    problem.task_id
                );
            }
            if let Some(before) = found.insert(id, problem) {
                bail!(
                    InvalidArgument,
                    "problem {} for the second time",
                    before.task_id
                );
            }
        }
        Ok(Self {
            toolchains,
            sandbox,
            problems: found,
            options,
        })
    }

    /// Evaluates `samples` and hands each result to `sink`, in the order of the samples. One whose
    /// `source` is set is a translation.
    ///
    /// # Errors
    /// The first one of `samples`, of `sink` or of the sandbox, and
    /// [`Cancelled`](crate::ErrorKind::Cancelled). The results before it have been handed over. A
    /// sample that cannot be run, because of its [`defect`](Sample::defect) or because its problem is not
    /// among those of the evaluator, is no error: it fails as [`InvalidSample`](Verdict::InvalidSample).
    pub fn evaluate<I>(
        &self,
        samples: I,
        cancel: &CancelToken,
        sink: &mut dyn FnMut(SampleResult) -> Result<()>,
    ) -> Result<()>
    where
        I: Iterator<Item = Result<Sample>> + Send,
    {
        let workers = match self.options.workers {
            0 => std::thread::available_parallelism().map_or(1, Into::into),
            n => n,
        };
        let stop = cancel.until(None);
        let pieces = Mutex::new(Pieces {
            samples,
            next: None,
            number: 0,
            ended: false,
            error: None,
        });
        let window = Window::default();
        std::thread::scope(|scope| {
            let (send, receive) = mpsc::channel();
            for _ in 0..workers {
                let (send, stop, pieces, window) = (send.clone(), &stop, &pieces, &window);
                scope.spawn(move || {
                    while let Some((number, done)) = self.step(pieces, workers, window, stop) {
                        let failed = done.is_err();
                        if send.send((number, done)).is_err() || failed {
                            break;
                        }
                    }
                });
            }
            drop(send);
            let outcome = deliver(receive, &window, sink);
            if outcome.is_err() {
                stop.cancel();
            }
            window.close();
            outcome
        })?;
        cancel.check()
    }

    /// Takes the next piece and evaluates it; none at the end.
    fn step<I: Iterator<Item = Result<Sample>>>(
        &self,
        pieces: &Mutex<Pieces<I>>,
        workers: usize,
        window: &Window,
        stop: &CancelToken,
    ) -> Option<(u64, Result<Vec<SampleResult>>)> {
        let taken = {
            let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
            if stop.is_cancelled() || !window.wait_for(pieces.number, stop) {
                return None;
            }
            let number = pieces.number;
            match pieces.take(self, workers) {
                Ok(piece) => Ok(piece?),
                Err(e) => Err((number, e)),
            }
        };
        match taken {
            Ok(piece) => Some((piece.number, self.piece(&piece.samples, stop))),
            Err((number, e)) => Some((number, Err(e))),
        }
    }

    /// Evaluates a piece.
    fn piece(&self, samples: &[Sample], cancel: &CancelToken) -> Result<Vec<SampleResult>> {
        let Some(first) = samples.first() else {
            return Ok(Vec::new());
        };
        let toolchain = self.toolchain(first.language()?.0)?;
        let context = self.context(cancel);
        let mut programs = Vec::new();
        let mut prepared = Vec::new();
        for sample in samples {
            let problem = match self.problem(sample)? {
                Ok(problem) => problem,
                Err(defect) => {
                    prepared.push(Err(Judgement::new(Verdict::InvalidSample, defect)));
                    continue;
                }
            };
            prepared.push(Ok(()));
            programs.push(Program::assemble(
                problem,
                &sample.generation,
                self.options.tests,
                self.options.imports,
                sample.source.is_some(),
            )?);
        }
        let built = match programs.is_empty() {
            true => Vec::new(),
            false => toolchain.build(&programs, &context)?,
        };
        if built.len() != programs.len() {
            bail!(
                Internal,
                "{} programs came to {} builds",
                programs.len(),
                built.len()
            );
        }
        let mut built = built.into_iter();
        let mut results = Vec::new();
        for (sample, prepared) in samples.iter().zip(prepared) {
            cancel.check()?;
            let next = match prepared {
                Err(judgement) => Some(Built::Failed(judgement, 0.0)),
                Ok(()) => built.next(),
            };
            let (judgement, compile, run, memory) = match next {
                None => break,
                Some(Built::Failed(judgement, seconds)) => (judgement, seconds, 0.0, 0),
                Some(Built::Artifact(artifact)) => {
                    let done = context.run(&artifact, toolchain)?;
                    (
                        done.judgement,
                        artifact.seconds,
                        done.seconds,
                        done.peak_memory,
                    )
                }
            };
            results.push(result(sample, &judgement, compile, run, memory));
        }
        Ok(results)
    }

    /// Notes at which place a sample stands whose problem is not there.
    fn check(&self, sample: &mut Sample, place: &str) {
        let problem = sample.language().map(|id| self.problems.contains_key(&id));
        if sample.defect.is_none() && matches!(problem, Ok(false)) {
            sample.defect = Some(format!("{place}: there is no problem {}", sample.task_id));
        }
    }

    /// The problem of a sample, or why the sample cannot be run.
    fn problem(&self, sample: &Sample) -> Result<std::result::Result<&Problem, String>> {
        if let Some(defect) = &sample.defect {
            return Ok(Err(defect.clone()));
        }
        let found = self.problems.get(&sample.language()?);
        Ok(found.ok_or_else(|| format!("there is no problem {}", sample.task_id)))
    }

    fn toolchain(&self, language: EvalLanguage) -> Result<&dyn Toolchain> {
        match self.toolchains.get(language) {
            Some(toolchain) => Ok(toolchain),
            None => bail!(InvalidArgument, "no toolchain was prepared for {language}"),
        }
    }

    fn context<'c>(&'c self, cancel: &'c CancelToken) -> Context<'c> {
        let run = Limits {
            cpu: self.options.timeout,
            wall: self.options.timeout.saturating_mul(3),
            memory: self.options.memory,
            output: self.options.output,
            // Runtimes need some twenty of each.
            processes: 64,
            open_files: 64,
            ..Limits::default()
        };
        let build = Limits {
            cpu: Duration::from_secs(60),
            wall: Duration::from_secs(180),
            memory: 2 << 30,
            file_size: 256 << 20,
            ..Limits::default()
        };
        Context {
            sandbox: self.sandbox,
            cancel,
            run,
            build,
        }
    }
}

impl fmt::Debug for Evaluator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluator")
            .field("toolchains", &self.toolchains)
            .field("problems", &self.problems.len())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<I: Iterator<Item = Result<Sample>>> Pieces<I> {
    /// The next piece: as many samples as the toolchain builds at once, fewer where that would
    /// leave a worker without any.
    fn take(&mut self, evaluator: &Evaluator<'_>, workers: usize) -> Result<Option<Piece>> {
        let share = |left: usize| left.div_ceil(workers).max(1);
        let share = self.samples.size_hint().1.map_or(usize::MAX, share);
        let mut samples = Vec::new();
        let mut of = None;
        while !self.ended {
            let next = match self.next.take() {
                Some(next) => Ok(Some(next)),
                None => self
                    .samples
                    .next()
                    .transpose()
                    .and_then(|sample| sample.map(|s| Ok((s.language()?.0, s))).transpose()),
            };
            let next = match next {
                Ok(next) => next,
                Err(e) => {
                    // After the results of what was read before it.
                    self.ended = true;
                    self.error = Some(e);
                    break;
                }
            };
            let Some((language, sample)) = next else {
                self.ended = true;
                break;
            };
            let batch = evaluator.toolchain(language)?.batch().min(share);
            if samples.len() >= batch || of.is_some_and(|of| of != language) {
                self.next = Some((language, sample));
                break;
            }
            of = Some(language);
            samples.push(sample);
        }
        if samples.is_empty() {
            return match self.error.take() {
                Some(error) => Err(error),
                None => Ok(None),
            };
        }
        let number = self.number;
        self.number += 1;
        Ok(Some(Piece { number, samples }))
    }
}

/// Hands over results in order until there are no more, or one is an error.
fn deliver(
    receive: mpsc::Receiver<(u64, Result<Vec<SampleResult>>)>,
    window: &Window,
    sink: &mut dyn FnMut(SampleResult) -> Result<()>,
) -> Result<()> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for (number, done) in receive {
        waiting.insert(number, done);
        while let Some(done) = waiting.remove(&next) {
            for result in done? {
                sink(result)?;
            }
            next += 1;
            window.advance(next);
        }
    }
    // What is left comes after a gap: that of a worker that was stopped.
    match waiting.into_values().find_map(Result::err) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Keeps workers from running far ahead of a slow piece, whose results would pile up.
#[derive(Default)]
struct Window {
    /// The piece whose results are next, and whether results are no longer waited for.
    at: Mutex<(u64, bool)>,
    moved: Condvar,
}

impl Window {
    /// Waits until `number` is near enough; whether it is still wanted.
    fn wait_for(&self, number: u64, stop: &CancelToken) -> bool {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        while number >= at.0 + AHEAD && !at.1 && !stop.is_cancelled() {
            let waited = self.moved.wait_timeout(at, Duration::from_millis(100));
            at = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        !at.1 && !stop.is_cancelled()
    }

    fn advance(&self, next: u64) {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).0 = next;
        self.moved.notify_all();
    }

    fn close(&self) {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.moved.notify_all();
    }
}

fn result(
    sample: &Sample,
    judgement: &Judgement,
    compile: f64,
    run: f64,
    memory: u64,
) -> SampleResult {
    let passed = judgement.verdict == Verdict::Passed;
    let verdict = judgement.verdict.name();
    let mut result = SampleResult::of(sample, passed, verdict, &judgement.reason);
    // Clocks say no more.
    let rounded = |seconds: f64| (seconds * 1e4).round() / 1e4;
    result.compile_seconds = rounded(compile);
    result.run_seconds = rounded(run);
    result.extra.insert("peak_memory".to_owned(), memory.into());
    result
}
