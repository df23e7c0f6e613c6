//! Many requests at once: admits them as memory allows, computes a step of all of them together,
//! and lets them go as they end.
//!
//! The weights are read once a step for all sequences, so a step of sixteen costs a model that
//! waits for its memory hardly more than a step of one. Answers do not depend on company: logits
//! are the same to the bit in any batch, draws are numbered, and a cached prefix holds what
//! computing it again would give.
//!
//! Memory is planned, not tried: a prompt is admitted when its pages and those of one sample, at
//! its longest, fit the limit; further samples of it begin as theirs fit. So nothing that was
//! admitted is ever given up for something else. The plan counts pages that are shared in full
//! and is never below what is held.
//!
//! What ends early, cancelled or late, running or waiting, ends between two operations of the step
//! that is under way: for that a step takes the states out of the requests while the model has them.
//!
//! Who gets on: requests are admitted in the order in which they came, the first one that does
//! not fit holds the others up (a large one is not starved by small ones). Free places go to the
//! request with the fewest running samples. Prompts share the tokens of a step equally.
//!
//! This module starts no threads; [`Service`](super::Service) does.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::time::Instant;

use super::job::{Finished, Job, Parts};
use super::prefixes::Prefixes;
use super::sample::{Fed, Listener};
use super::{Candidates, Completion, Event, GenerateOptions, Generator, PREFILL_TOKENS};
use crate::cancel::{CancelToken, Control};
use crate::error::{Error, ErrorKind, Result, bail};
use crate::model::State;
use crate::setters::setters;

/// Names a request of one scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

impl RequestId {
    /// The number of its job.
    pub(super) fn number(self) -> u64 {
        self.0
    }
}

/// What happens to a request for which there is no room yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// It waits for its turn.
    #[default]
    Wait,
    /// It is refused with [`Busy`](ErrorKind::Busy).
    Refuse,
}

/// A request to a [`Scheduler`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Request {
    /// Ids of the prompt.
    pub prompt: Vec<u32>,
    /// Everything else that is asked for. All samples of a request share the computation and
    /// the memory of its prompt.
    pub options: GenerateOptions,
    /// Ends it from any thread.
    pub cancel: CancelToken,
    /// What happens when there is no room.
    pub when_full: WhenFull,
}

impl Request {
    /// A request that waits when there is no room.
    pub fn new(prompt: Vec<u32>, options: GenerateOptions) -> Self {
        Self {
            prompt,
            options,
            cancel: CancelToken::new(),
            when_full: WhenFull::default(),
        }
    }
}

/// Bounds of a [`Scheduler`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SchedulerOptions {
    /// Sequences that are computed together at most. More give more tokens a second in all, and
    /// each of them later.
    pub sequences: usize,
    /// Tokens of prompts that a step computes at most: sequences that are generating wait for so
    /// many. Fewer make their tokens come more evenly, and prompts take longer.
    pub prefill_tokens: usize,
    /// The most bytes of keys and values that may be planned for, or no limit but the
    /// [backend's](crate::backend::CpuOptions::memory_limit).
    pub cache_bytes: Option<u64>,
    /// Prompts that are kept after they were computed, for requests that begin the same. They
    /// give way when room is needed.
    pub prefixes: usize,
    /// Requests that wait at most; a further one is refused with [`Busy`](ErrorKind::Busy).
    pub waiting: usize,
}

impl SchedulerOptions {
    /// 64 sequences, 8 kept prompts, 1024 waiting requests.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        set sequences: usize;
        set prefill_tokens: usize;
        option cache_bytes: u64;
        set prefixes: usize;
        set waiting: usize;
    }
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self {
            sequences: 64,
            prefill_tokens: PREFILL_TOKENS,
            cache_bytes: None,
            prefixes: 8,
            waiting: 1024,
        }
    }
}

/// What happened to a request.
#[derive(Debug)]
#[non_exhaustive]
pub enum Update<'a> {
    /// One of its samples got a token or ended.
    Event(Event<'a>),
    /// It is over: all of its samples, or why there are none.
    Done(Result<Vec<Completion>>),
}

/// How full a scheduler is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Requests that wait for room.
    pub waiting: usize,
    /// Requests that were admitted.
    pub running: usize,
    /// Samples that are being generated.
    pub sequences: usize,
    /// Bytes of keys and values that are planned for, kept prefixes included.
    pub cache_bytes: u64,
    /// Tokens of prompts that were found in kept prefixes, since the beginning.
    pub reused_tokens: u64,
}

/// Computes any number of requests together, a step at a time, on the calling thread.
///
/// ```no_run
/// # use std::ops::ControlFlow;
/// # fn main() -> codegeex::Result<()> {
/// # use codegeex::{generate::*, model::load, tokenizer::*};
/// # let tokenizer = std::sync::Arc::new(Gpt2Tokenizer::codegeex());
/// # let generator = Generator::new(load("codegeex_13b.pt", &Default::default())?, tokenizer);
/// let mut scheduler = Scheduler::new(&generator, SchedulerOptions::default())?;
/// for prompt in ["def a():", "def b():"] {
///     let ids = generator.tokenizer().encode(prompt, SpecialTokens::AsText);
///     scheduler.submit(Request::new(ids, GenerateOptions::default()))?;
/// }
/// while scheduler.step(&mut |id, update| {
///     if let Update::Done(Ok(completions)) = update {
///         println!("{id:?}: {}", completions[0].text);
///     }
///     ControlFlow::Continue(())
/// }) {}
/// # Ok(())
/// # }
/// ```
pub struct Scheduler {
    generator: Generator,
    options: SchedulerOptions,
    /// Pages that may be planned for.
    most_pages: u64,
    /// Tokens of a page.
    page: usize,
    next_id: u64,
    waiting: VecDeque<Job>,
    running: Vec<Job>,
    prefixes: Prefixes,
    reused_tokens: u64,
    candidates: Candidates,
}

impl Scheduler {
    /// A scheduler without requests.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for bounds that let nothing run.
    pub fn new(generator: &Generator, options: SchedulerOptions) -> Result<Self> {
        if options.sequences == 0 || options.prefill_tokens == 0 {
            bail!(
                InvalidArgument,
                "a scheduler of {} sequences and {} prefill tokens a step, expected at least one \
                 of each",
                options.sequences,
                options.prefill_tokens
            );
        }
        let page = generator.model().page();
        Ok(Self {
            generator: generator.clone(),
            most_pages: match options.cache_bytes {
                Some(bytes) => bytes / page.bytes.max(1) as u64,
                None => u64::MAX,
            },
            page: page.tokens.max(1),
            options,
            next_id: 0,
            waiting: VecDeque::new(),
            running: Vec::new(),
            prefixes: Prefixes::default(),
            reused_tokens: 0,
            candidates: Candidates::default(),
        })
    }

    /// Takes a request in. Nothing is computed yet.
    ///
    /// # Errors
    /// Those of [`Generator::generate_from`] for the prompt and the options,
    /// [`OutOfMemory`](ErrorKind::OutOfMemory) for a request that could never fit, and
    /// [`Busy`](ErrorKind::Busy) when too many wait, or when one that does not want to wait would
    /// have to.
    pub fn submit(&mut self, request: Request) -> Result<RequestId> {
        let Request {
            prompt,
            options,
            cancel,
            when_full,
        } = request;
        let job = Job::new(&self.generator, self.next_id, prompt, options, &cancel)?;
        self.add(job, when_full)
    }

    /// Takes a job in, with its state if it brings one.
    pub(super) fn add(&mut self, mut job: Job, when_full: WhenFull) -> Result<RequestId> {
        let pages = |tokens: usize| tokens.div_ceil(self.page) as u64;
        let prompt = job.prompt().len();
        job.prompt_pages = pages(prompt);
        // Full pages of the prompt are shared; the one that is not full is copied.
        job.sample_pages = pages(job.longest()) - (prompt / self.page) as u64;
        let needed = job.pages();
        if needed > self.most_pages {
            bail!(
                OutOfMemory,
                "the request needs up to {needed} pages of keys and values, the scheduler may \
                 have {}; shorten it or raise the limit",
                self.most_pages
            );
        }
        if when_full == WhenFull::Refuse && (!self.waiting.is_empty() || !self.fits(&job)) {
            bail!(
                Busy,
                "{} requests are running and {} are waiting, and there is no room for another \
                 now; try again later",
                self.running.len(),
                self.waiting.len()
            );
        }
        if self.waiting.len() >= self.options.waiting.max(1) {
            bail!(
                Busy,
                "{} requests are waiting already; try again later",
                self.waiting.len()
            );
        }
        self.next_id = self.next_id.max(job.id) + 1;
        let id = RequestId(job.id);
        self.waiting.push_back(job);
        Ok(id)
    }

    pub(super) fn generator(&self) -> &Generator {
        &self.generator
    }

    /// Whether there is nothing to do.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// How full it is.
    pub fn progress(&self) -> Progress {
        Progress {
            waiting: self.waiting.len(),
            running: self.running.len(),
            sequences: self.sequences(),
            cache_bytes: self.planned() * self.generator.model().page().bytes as u64,
            reused_tokens: self.reused_tokens,
        }
    }

    /// Forgets the kept prefixes.
    pub fn drop_prefixes(&mut self) {
        self.prefixes = Prefixes::default();
    }

    /// Computes one step of what is running, admitting before what fits. `on_update` hears of
    /// every token and of every end; when it breaks, that request ends. Returns whether anything
    /// is left to do.
    ///
    /// A request that fails ends with its error and leaves the others alone. One that is cancelled
    /// or whose deadline passes, running or waiting, ends before the next matrix product that the
    /// model computes: `on_update` hears of it there, with the step still under way for the others,
    /// and from the next layer on it costs nothing. The step itself is cut short once all requests
    /// in it are cancelled.
    pub fn step(
        &mut self,
        on_update: &mut dyn FnMut(RequestId, Update<'_>) -> ControlFlow<()>,
    ) -> bool {
        self.advance(&mut OnUpdate(on_update));
        !self.is_idle()
    }

    /// A step.
    pub(super) fn advance(&mut self, listener: &mut dyn Listener) {
        let mut candidates = std::mem::take(&mut self.candidates);
        let generator = self.generator.clone();
        let mut parts = Parts {
            generator: &generator,
            candidates: &mut candidates,
            listener,
        };
        self.retire(&mut parts);
        self.admit();
        self.start(&mut parts);
        self.retire(&mut parts);
        self.prepare(&mut parts);
        self.compute(&mut parts);
        self.retire(&mut parts);
        self.candidates = candidates;
    }

    fn sequences(&self) -> usize {
        self.running.iter().map(Job::live).sum()
    }

    /// Pages that are planned for.
    fn planned(&self) -> u64 {
        self.running.iter().map(Job::pages).sum::<u64>() + self.prefixes.pages()
    }

    /// Whether a job could be admitted, kept prefixes dropped if need be.
    fn fits(&self, job: &Job) -> bool {
        let held = self.planned() - self.prefixes.pages();
        self.running.len() < self.options.sequences && held + job.pages() <= self.most_pages
    }

    /// Drops prefixes until so many pages more are within the limit. Whether they are.
    fn make_room(&mut self, pages: u64) -> bool {
        while self.planned().saturating_add(pages) > self.most_pages {
            if !self.prefixes.drop_one() {
                return false;
            }
        }
        true
    }

    /// Lets go what has ended or was asked to.
    fn retire(&mut self, parts: &mut Parts<'_>) {
        for job in self.waiting.iter_mut().chain(&mut self.running) {
            if !job.has_ended() {
                job.look_around(parts);
            }
        }
        while let Some(i) = self.running.iter().position(Job::has_ended) {
            parts.listener.finished(self.running.remove(i).finish());
        }
        while let Some(i) = self.waiting.iter().position(Job::has_ended) {
            let job = self.waiting.remove(i);
            job.into_iter()
                .for_each(|job| parts.listener.finished(job.finish()));
        }
    }

    fn admit(&mut self) {
        while let Some(job) = self.waiting.pop_front() {
            if !self.fits(&job) {
                self.waiting.push_front(job);
                return;
            }
            self.admit_one(job);
        }
    }

    fn admit_one(&mut self, mut job: Job) {
        if !job.has_state() {
            // A shorter one than a page is not worth a lookup that has to copy it.
            let found = self.prefixes.find(job.prompt(), self.page);
            self.reused_tokens += found.as_ref().map_or(0, |s| s.len() as u64);
            let new = || self.generator.model().new_state();
            job.set_state(found.unwrap_or_else(new));
        }
        self.make_room(job.pages());
        self.running.push(job);
    }

    /// Begins samples while there are places and pages for them.
    fn start(&mut self, parts: &mut Parts<'_>) {
        while self.sequences() < self.options.sequences {
            let ready = self.running.iter().enumerate();
            let next = ready
                .filter(|(_, job)| job.can_start())
                .min_by_key(|(_, job)| job.live());
            let Some((i, job)) = next else {
                return;
            };
            // The pages of a first sample are counted from the beginning.
            let more = if job.live() == 0 { 0 } else { job.sample_pages };
            if !self.make_room(more) {
                return;
            }
            self.running[i].start(parts);
            self.between(parts);
        }
    }

    fn prepare(&mut self, parts: &mut Parts<'_>) {
        let reading = self.running.iter().filter(|j| j.unread() > 0).count();
        let share = self.options.prefill_tokens.div_ceil(reading.max(1));
        let all: Vec<u64> = self.running.iter().map(|job| job.id).collect();
        for id in all {
            let Some(job) = self.job(id) else {
                continue;
            };
            job.prepare(share, parts);
            if job.speculates() {
                self.between(parts);
            }
        }
    }

    /// Lets go what has ended, in the middle of a step: between two operations of the model, and
    /// between what is drawn and guessed for one job and for the next, since a draw takes up to a
    /// millisecond and a guess a call of another model.
    fn between(&mut self, parts: &mut Parts<'_>) {
        parts.listener.between();
        self.retire(parts);
    }

    /// One call of the model for all jobs; where that fails, one for each.
    fn compute(&mut self, parts: &mut Parts<'_>) {
        let all: Vec<u64> = self.running.iter().map(|job| job.id).collect();
        let Err(error) = self.call(&all, parts) else {
            return;
        };
        if error.kind() == ErrorKind::Cancelled && self.is_cancelled(&all) {
            return;
        }
        if error.kind() == ErrorKind::OutOfMemory {
            self.drop_prefixes();
        }
        for id in all {
            if let Err(error) = self.call(&[id], parts)
                && !(error.kind() == ErrorKind::Cancelled && self.is_cancelled(&[id]))
                && let Some(job) = self.job(id)
            {
                job.fail(error);
            }
        }
    }

    /// Whether all of these have ended or were asked to.
    fn is_cancelled(&self, jobs: &[u64]) -> bool {
        let mut jobs = self.running.iter().filter(|job| jobs.contains(&job.id));
        jobs.all(|job| job.cancel_token().is_cancelled())
    }

    /// The job, while it has not ended.
    fn job(&mut self, id: u64) -> Option<&mut Job> {
        self.running.iter_mut().find(|job| job.id == id)
    }

    /// One call of the model.
    fn call(&mut self, jobs: &[u64], parts: &mut Parts<'_>) -> Result<(), Error> {
        let (mut fed, mut lenders) = (Vec::new(), Vec::new());
        let (mut tokens, mut threads) = (Vec::new(), None);
        for job in self.running.iter_mut().filter(|j| jobs.contains(&j.id)) {
            threads = threads.into_iter().chain(job.threads()).min();
            tokens.push(job.cancel_token().clone());
            lenders.push((job.id, job.lend(&mut fed)));
        }
        if fed.is_empty() {
            return Ok(());
        }
        let clock = Instant::now();
        let mut batch: Vec<_> = fed.iter_mut().map(Fed::input).collect();
        let model = parts.generator.model();
        let mut between = || self.between(parts);
        let control = Control::from(&CancelToken::all_of(tokens))
            .threads(threads)
            .on_progress(&mut between);
        let result = model.forward(&mut batch, &control);
        drop(control);
        let took = clock.elapsed();
        drop(batch);
        // Those that ended meanwhile take nothing back.
        let mut fed = fed.into_iter();
        for &(id, count) in &lenders {
            let its = fed.by_ref().take(count);
            match self.job(id) {
                Some(job) => job.give_back(its),
                None => its.for_each(drop),
            }
        }
        let logits = result?;
        let mut row = 0;
        for (id, count) in lenders {
            if let Some(job) = self.running.iter_mut().find(|job| job.id == id) {
                job.take(&logits, row, took, parts);
                // Its prompt was read just now: others may begin the same.
                if self.options.prefixes > 0
                    && job.live() == 0
                    && let Some(state) = job.prompt_state().map(State::fork)
                {
                    let most = self.options.prefixes;
                    self.prefixes
                        .keep(job.prompt(), state, job.prompt_pages, most);
                }
            }
            row += count;
            self.between(parts);
        }
        // They are kept where there is room, and no further.
        self.make_room(0);
        Ok(())
    }
}

/// Reports to the caller of a step.
struct OnUpdate<'a>(&'a mut dyn FnMut(RequestId, Update<'_>) -> ControlFlow<()>);

impl Listener for OnUpdate<'_> {
    fn event(&mut self, job: u64, event: Event<'_>) -> ControlFlow<()> {
        (self.0)(RequestId(job), Update::Event(event))
    }

    fn finished(&mut self, job: Finished) {
        let _ = (self.0)(RequestId(job.id), Update::Done(job.result));
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scheduler({:?})", self.progress())
    }
}
