//! Continuous batching: admits requests as memory allows, computes a step of all of them together,
//! and lets them go as they end.
//!
//! The weights are read once a step for all sequences, so a step of sixteen costs a model that
//! waits for its memory hardly more than a step of one. Answers do not depend on other requests in
//! the batch: logits are the same to the bit in any batch, random numbers belong to their
//! positions, and a cached prefix holds what computing it again would give.
//!
//! Memory is planned: a prompt is admitted when its KV cache and that of one sample, or of all
//! beams, at their longest, fit the limit; further samples of it begin as theirs fit. So a request
//! that was admitted is never given up for another one. The plan counts pages that are shared in
//! full and is never below what is held; a draft model's KV cache is part of it.
//!
//! A request that ends early, cancelled or late, running or waiting, ends between two operations of
//! the step that is under way: for that a step detaches the states of the requests while the model
//! has them.
//!
//! Admission: requests are admitted in the order in which they came, the first one that does not
//! fit holds the others up (a large one is not starved by small ones). Free places go to the
//! request with the fewest running samples. Prompts share the tokens of a step equally.
//!
//! This module starts no threads; [`Service`](super::Service) does.

mod alone;
mod options;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use options::SchedulerOptions;

use super::options::{Limits, check_ids};
use super::prefixes::Prefixes;
use super::request::{Plan, RequestState};
use super::step::{FinishedRequest, Sink, StepContext, StepInput};
use super::{BeamOptions, Candidates, Completion, Event, GenerateOptions, Generator, Prompt};
use crate::cancel::{CancelToken, Control};
use crate::error::{Error, ErrorKind, Result, bail};
use crate::memory::{self, try_collect, try_vec};
use crate::model::{Logits, Model, PageSize, State};
use crate::setters::setters;

pub(super) use alone::{finish_alone, run_alone};

/// Names a request of one scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

impl RequestId {
    /// As a number.
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

/// How a request is decoded: samples, the greedy one included, or beams.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "there is one for each request")]
pub enum RequestOptions {
    /// As by [`Generator::generate`]. All samples of a request share the computation and the memory
    /// of its prompt.
    Sample(GenerateOptions),
    /// As by [`Generator::beam_search`]. All beams of a request begin together. Its events are the
    /// [ends](Event::End) of the beams, with their whole text.
    Beams(BeamOptions),
}

impl From<GenerateOptions> for RequestOptions {
    fn from(options: GenerateOptions) -> Self {
        Self::Sample(options)
    }
}

impl From<BeamOptions> for RequestOptions {
    fn from(options: BeamOptions) -> Self {
        Self::Beams(options)
    }
}

impl RequestOptions {
    /// Checks the values, for a model with `vocabulary` ids.
    pub(super) fn validate(&self, vocabulary: usize) -> Result<()> {
        match self {
            Self::Sample(options) => {
                options.validate()?;
                options.stops.validate(vocabulary)?;
                options.sampling.validate(vocabulary)
            }
            Self::Beams(options) => {
                options.validate()?;
                check_ids("banned_ids", options.banned_ids.iter().copied(), vocabulary)
            }
        }
    }

    /// Checks that nothing in them needs the text of tokens.
    pub(super) fn check_without_text(&self) -> Result<()> {
        let (stops, heal, infill) = match self {
            Self::Sample(options) => (&options.stops, options.heal, options.infill.is_some()),
            Self::Beams(options) => (&options.stops, false, false),
        };
        let asked = [
            ("stop", !stops.stop.is_empty()),
            (
                "stop_at",
                (stops.stop_at.as_ref()).is_some_and(|stop_at| !stop_at.rules.is_empty()),
            ),
            ("heal", heal),
            ("infill", infill),
        ];
        match asked.iter().find(|(_, asked)| *asked) {
            Some((option, _)) => Err(needs_text(option)),
            None => Ok(()),
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        match self {
            Self::Sample(options) => &options.limits,
            Self::Beams(options) => &options.limits,
        }
    }
}

/// The error for an option that needs the text of tokens, of a model without a tokenizer.
fn needs_text(option: &str) -> Error {
    let message = format!(
        "{option} needs the text of tokens, and the model came without a tokenizer; put its \
         tokenizer.json or tokenizer.model beside it, or leave {option} out"
    );
    Error::new(ErrorKind::InvalidArgument, message)
}

/// A request to a [`Scheduler`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Request {
    /// The prompt, text or ids.
    pub prompt: Prompt<'static>,
    /// How it is decoded.
    pub options: RequestOptions,
    /// Ends it from any thread.
    pub cancel: CancelToken,
    /// What happens when there is no room.
    pub when_full: WhenFull,
}

impl Request {
    /// A request that waits when there is no room.
    pub fn new<'p>(prompt: impl Into<Prompt<'p>>, options: impl Into<RequestOptions>) -> Self {
        Self {
            prompt: prompt.into().into_owned(),
            options: options.into(),
            cancel: CancelToken::new(),
            when_full: WhenFull::default(),
        }
    }

    setters! {
        set cancel: CancelToken;
        set when_full: WhenFull;
    }
}

/// Without a limit, one part in this many of what is available may be planned for. The rest is for
/// weights that are mapped, which count as available, for activations, and for other programs.
const AVAILABLE_SHARE: u64 = 2;

/// What happened to a request.
#[derive(Debug)]
#[non_exhaustive]
pub enum Update {
    /// One of its sequences got a token or ended.
    Event(Event),
    /// It is over: all of its samples or beams, or why there are none.
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
    /// Samples and beams that are being generated.
    pub sequences: usize,
    /// Bytes of KV cache that are planned for, kept prefixes included.
    pub cache_bytes: u64,
    /// Tokens of prompts that were found in kept prefixes, since the beginning.
    pub reused_tokens: u64,
}

/// Computes any number of requests together, a step at a time, on the calling thread.
///
/// ```
/// use std::ops::ControlFlow;
///
/// use codegeex::{GenerateOptions, Generator, Request, Scheduler, SchedulerOptions, Update};
///
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
/// let generator = Generator::open(path)?;
/// let mut scheduler = Scheduler::new(&generator, SchedulerOptions::new())?;
/// for prompt in ["def a():", "def b():"] {
///     scheduler.submit(Request::new(prompt, GenerateOptions::new().max_new_tokens(4)))?;
/// }
/// while scheduler.step(&mut |id, update| {
///     if let Update::Done(Ok(completions)) = update {
///         println!("{id:?}: {}", completions[0]);
///     }
///     ControlFlow::Continue(())
/// }) {}
/// # Ok::<(), codegeex::Error>(())
/// ```
pub struct Scheduler {
    generator: Generator,
    options: SchedulerOptions,
    /// Bytes that may be planned for.
    most_bytes: u64,
    page: PageSize,
    next_id: u64,
    waiting: VecDeque<RequestState>,
    running: Vec<RequestState>,
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
        Self::with_system(generator, options, memory::available)
    }

    /// `available` tells what the system has, where the options leave it to that.
    fn with_system(
        generator: &Generator,
        options: SchedulerOptions,
        available: impl FnOnce() -> Option<u64>,
    ) -> Result<Self> {
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
            most_bytes: match options.cache_bytes {
                Some(bytes) => bytes,
                None => available().map_or(u64::MAX, |bytes| bytes / AVAILABLE_SHARE),
            },
            page,
            options,
            next_id: 0,
            waiting: VecDeque::new(),
            running: Vec::new(),
            prefixes: Prefixes::default(),
            reused_tokens: 0,
            candidates: Candidates::default(),
        })
    }

    /// Queues a request. Nothing is computed yet.
    ///
    /// # Errors
    /// Those of [`Generator::generate`] for the prompt and the options,
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for more beams than there are sequences,
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
        let request = RequestState::new(&self.generator, self.next_id, prompt, options, &cancel)?;
        self.add(request, when_full)
    }

    /// Queues a request, with its state if it brings one.
    pub(super) fn add(
        &mut self,
        mut request: RequestState,
        when_full: WhenFull,
    ) -> Result<RequestId> {
        request.plan = self.plan(&request);
        let needed = request.bytes();
        if needed > self.most_bytes {
            bail!(
                OutOfMemory,
                "the request needs up to {needed} bytes of KV cache, the scheduler may have {}; \
                 shorten its prompt, lower max_new_tokens or raise cache_bytes",
                self.most_bytes
            );
        }
        let (width, places) = (request.width(), self.options.sequences);
        if width > places {
            bail!(
                InvalidArgument,
                "the request has {width} beams, the scheduler computes {places} sequences; use \
                 fewer beams or raise sequences"
            );
        }
        if when_full == WhenFull::Refuse && (!self.waiting.is_empty() || !self.fits(&request)) {
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
        // What waits may run later: there is room for that then.
        self.waiting.try_reserve(1)?;
        self.running.try_reserve(self.waiting.len() + 1)?;
        self.next_id = self.next_id.max(request.id) + 1;
        let id = RequestId(request.id);
        self.waiting.push_back(request);
        Ok(id)
    }

    /// What a request may hold, of the model and of its draft model.
    fn plan(&self, request: &RequestState) -> Plan {
        let prompt = request.prompt().len();
        let of = |page: PageSize| {
            let (tokens, bytes) = (page.tokens.max(1), page.bytes as u64);
            let pages = |tokens_in_all: usize| tokens_in_all.div_ceil(tokens) as u64;
            // Full pages of the prompt are shared; the one that is not full is copied.
            let own = pages(request.longest()) - (prompt / tokens) as u64;
            (
                pages(prompt).saturating_mul(bytes),
                own.saturating_mul(bytes),
            )
        };
        let (prefix, sequence) = of(self.page);
        let draft = request.draft_model().map(|model| of(model.page()));
        let (draft_prompt, draft_sequence) = draft.unwrap_or_default();
        Plan {
            prompt: prefix.saturating_add(draft_prompt),
            prefix,
            sequence: sequence.saturating_add(draft_sequence),
        }
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
            cache_bytes: self.planned(),
            reused_tokens: self.reused_tokens,
        }
    }

    /// Drops the kept prefixes.
    pub fn drop_prefixes(&mut self) {
        self.prefixes = Prefixes::default();
    }

    /// Admits what fits, and computes one step of what is running. `on_update` is called with every
    /// token and every end; when it breaks, that request ends. Returns whether anything is left to
    /// do.
    ///
    /// A request that fails ends with its error and leaves the others alone. One that is cancelled
    /// or whose deadline passes, running or waiting, ends before the next matrix product that the
    /// model or a draft model computes: `on_update` is called there, with the step still under way
    /// for the others, and from the next layer on the request costs nothing. The step itself is cut
    /// short once all requests in it are cancelled.
    pub fn step(
        &mut self,
        on_update: &mut dyn FnMut(RequestId, Update) -> ControlFlow<()>,
    ) -> bool {
        self.advance(&mut OnUpdate(on_update));
        !self.is_idle()
    }

    /// A step.
    pub(super) fn advance(&mut self, sink: &mut dyn Sink) {
        let mut candidates = std::mem::take(&mut self.candidates);
        let generator = self.generator.clone();
        let mut context = StepContext {
            generator: &generator,
            candidates: &mut candidates,
            sink,
        };
        self.release_ended(&mut context);
        self.admit();
        self.start(&mut context);
        self.release_ended(&mut context);
        self.prepare(&mut context);
        self.draft(&mut context);
        self.compute(&mut context);
        self.release_ended(&mut context);
        self.candidates = candidates;
    }

    fn sequences(&self) -> usize {
        self.running.iter().map(RequestState::live).sum()
    }

    /// Places that are taken or reserved.
    fn places(&self) -> usize {
        self.running.iter().map(RequestState::places).sum()
    }

    /// Bytes that are planned for.
    fn planned(&self) -> u64 {
        let running = self.running.iter().map(RequestState::bytes);
        running.fold(self.prefixes.bytes(), u64::saturating_add)
    }

    /// Whether a request could be admitted, kept prefixes dropped if need be.
    fn fits(&self, request: &RequestState) -> bool {
        // A sample waits for its place after the prompt was read; beams have theirs before.
        let places = match request.width() {
            1 => self.running.len() + 1,
            width => self.places() + width,
        };
        let held = self.planned() - self.prefixes.bytes();
        places.max(self.running.len() + 1) <= self.options.sequences
            && held.saturating_add(request.bytes()) <= self.most_bytes
    }

    /// Drops prefixes until `bytes` more are within the limit. Whether they are.
    fn make_room(&mut self, bytes: u64) -> bool {
        while self.planned().saturating_add(bytes) > self.most_bytes {
            if !self.prefixes.drop_one() {
                return false;
            }
        }
        true
    }

    /// Lets go what has ended or was asked to.
    fn release_ended(&mut self, context: &mut StepContext<'_>) {
        for request in self.waiting.iter_mut().chain(&mut self.running) {
            if !request.has_ended() {
                request.poll_end(context);
            }
        }
        while let Some(i) = self.running.iter().position(RequestState::has_ended) {
            context.sink.finished(self.running.remove(i).finish());
        }
        while let Some(i) = self.waiting.iter().position(RequestState::has_ended) {
            if let Some(request) = self.waiting.remove(i) {
                context.sink.finished(request.finish());
            }
        }
    }

    fn admit(&mut self) {
        while let Some(request) = self.waiting.pop_front() {
            if !self.fits(&request) {
                self.waiting.push_front(request);
                return;
            }
            self.admit_one(request);
        }
    }

    fn admit_one(&mut self, mut request: RequestState) {
        if !request.has_state() {
            // A shorter one than a page is not worth a lookup that has to copy it.
            let found = self.prefixes.find(request.prompt(), self.page.tokens);
            self.reused_tokens += found.as_ref().map_or(0, |s| s.len() as u64);
            let new = || self.generator.model().new_state();
            request.set_state(found.unwrap_or_else(new));
        }
        self.make_room(request.bytes());
        self.running.push(request);
    }

    /// Begins samples while there are places and bytes for them, and beams, which have both.
    fn start(&mut self, context: &mut StepContext<'_>) {
        // Beams need several places at once: further samples leave them free.
        let beams_wait = self.waiting.front().is_some_and(|r| r.width() > 1);
        loop {
            let is_full = self.places() >= self.options.sequences;
            let may_start = |request: &RequestState| match request.width() {
                1 => !is_full && (request.live() == 0 || !beams_wait),
                _ => true,
            };
            let ready = self.running.iter().enumerate();
            let next = ready
                .filter(|(_, request)| request.can_start() && may_start(request))
                .min_by_key(|(_, request)| request.live());
            let Some((i, request)) = next else {
                return;
            };
            // The bytes of a first sample and of beams are counted from the beginning.
            let more = match request.live() {
                0 => 0,
                _ => request.plan.sequence,
            };
            if !self.make_room(more) {
                return;
            }
            self.running[i].start(context);
            self.on_progress(context);
        }
    }

    fn prepare(&mut self, context: &mut StepContext<'_>) {
        let reading = self.running.iter().filter(|r| r.unread() > 0).count();
        let share = self.options.prefill_tokens.div_ceil(reading.max(1));
        for request in &mut self.running {
            request.prepare(share, context);
        }
    }

    /// Drafts tokens for all sequences that have a draft model: a token of each in a call.
    fn draft(&mut self, context: &mut StepContext<'_>) {
        let mut models: Vec<Arc<dyn Model>> = Vec::new();
        for model in self.running.iter().filter_map(RequestState::draft_model) {
            if !models.iter().any(|m| Arc::ptr_eq(m, model)) {
                models.push(Arc::clone(model));
            }
        }
        for model in models {
            let uses = |r: &&RequestState| r.draft_model().is_some_and(|m| Arc::ptr_eq(m, &model));
            // Without memory for it nothing is drafted.
            let all = try_collect(self.running.iter().filter(uses).map(|r| r.id));
            while let Ok(all) = &all
                && self.draft_call(&*model, all, context)
            {}
        }
    }

    /// A call of a draft model for these requests; where that fails, one for each. Returns whether
    /// there was anything to draft.
    fn draft_call(
        &mut self,
        model: &dyn Model,
        requests: &[u64],
        context: &mut StepContext<'_>,
    ) -> bool {
        let error = match self.call(Work::Drafts(model), requests, context) {
            Ok(called) => return called,
            Err(error) => error,
        };
        if error.kind() == ErrorKind::Cancelled && self.is_cancelled(requests) {
            return false;
        }
        for &id in requests {
            let Err(error) = self.call(Work::Drafts(model), &[id], context) else {
                continue;
            };
            let is_cancelled = self.is_cancelled(&[id]);
            if let Some(request) = self.request(id) {
                match error.kind() {
                    ErrorKind::Cancelled if is_cancelled => {}
                    // Drafting is optional: decoding goes on without it.
                    ErrorKind::OutOfMemory => request.stop_drafting(),
                    _ => request.fail(error),
                }
            }
        }
        self.on_progress(context);
        true
    }

    /// Lets go what has ended, in the middle of a step: between two operations of the model, and
    /// between what is sampled for one request and for the next, since that takes up to a
    /// millisecond for each sequence.
    fn on_progress(&mut self, context: &mut StepContext<'_>) {
        context.sink.on_progress();
        self.release_ended(context);
    }

    /// One call of the model for all requests; where that fails, one for each.
    fn compute(&mut self, context: &mut StepContext<'_>) {
        let all: Vec<u64> = match try_collect(self.running.iter().map(|request| request.id)) {
            Ok(all) => all,
            Err(_) => {
                let refused = || memory::refused("a step of the requests");
                self.running.iter_mut().for_each(|r| r.fail(refused()));
                return;
            }
        };
        let Err(error) = self.call(Work::Step, &all, context) else {
            return;
        };
        if error.kind() == ErrorKind::Cancelled && self.is_cancelled(&all) {
            return;
        }
        if error.kind() == ErrorKind::OutOfMemory {
            self.drop_prefixes();
        }
        for id in all {
            if let Err(error) = self.call(Work::Step, &[id], context)
                && !(error.kind() == ErrorKind::Cancelled && self.is_cancelled(&[id]))
                && let Some(request) = self.request(id)
            {
                request.fail(error);
            }
        }
    }

    /// Whether all of these have ended or were asked to.
    fn is_cancelled(&self, requests: &[u64]) -> bool {
        let mut requests = self.running.iter().filter(|r| requests.contains(&r.id));
        requests.all(|request| request.cancel_token().is_cancelled())
    }

    /// The request, while it has not ended.
    fn request(&mut self, id: u64) -> Option<&mut RequestState> {
        self.running.iter_mut().find(|request| request.id == id)
    }

    /// One call of a model. Returns false where there was nothing to compute.
    fn call(
        &mut self,
        work: Work<'_>,
        requests: &[u64],
        context: &mut StepContext<'_>,
    ) -> Result<bool> {
        let most = requests.len();
        let (mut inputs, mut owners) = (try_vec(self.sequences() + most)?, try_vec(most)?);
        let (mut tokens, mut threads) = (try_vec(most)?, None);
        let share = self.options.prefill_tokens.div_ceil(requests.len().max(1));
        let share = share.max(LEAST_DRAFT_TOKENS);
        let these = |r: &&mut RequestState| requests.contains(&r.id) && !r.has_ended();
        for request in self.running.iter_mut().filter(these) {
            let count = match work {
                Work::Step => request.detach_states(&mut inputs),
                Work::Drafts(_) => request.detach_drafts(share, &mut inputs),
            };
            if count > 0 {
                threads = threads.into_iter().chain(request.threads()).min();
                tokens.push(request.cancel_token().clone());
                owners.push((request.id, count));
            }
        }
        if inputs.is_empty() {
            return Ok(false);
        }
        let clock = Instant::now();
        let mut batch = try_collect(inputs.iter_mut().map(StepInput::input));
        let model = match work {
            Work::Step => &**context.generator.model(),
            Work::Drafts(model) => model,
        };
        let mut on_progress = || self.on_progress(context);
        let control = Control::from(&CancelToken::all_of(tokens))
            .threads(threads)
            .on_progress(&mut on_progress);
        let result = match &mut batch {
            Ok(batch) => model.forward(batch, &control),
            Err(_) => Err(memory::refused("a step of the requests")),
        };
        drop(control);
        let took = clock.elapsed();
        drop(batch);
        // Requests that ended meanwhile take nothing back.
        let mut inputs = inputs.into_iter();
        for &(id, count) in &owners {
            let own = inputs.by_ref().take(count);
            match (self.request(id), work) {
                (Some(request), Work::Step) => request.attach_states(own),
                (Some(request), Work::Drafts(_)) => request.attach_drafts(own),
                (None, _) => own.for_each(drop),
            }
        }
        let logits = result?;
        let mut row = 0;
        for (id, count) in owners {
            if let Some(i) = self.running.iter().position(|request| request.id == id) {
                match work {
                    Work::Step => self.accept(i, &logits, row, took, context),
                    Work::Drafts(_) => {
                        self.running[i].accept_drafts(&logits, row, took, context);
                    }
                }
            }
            row += count;
            self.on_progress(context);
        }
        // Prefixes are kept where there is room, and no further.
        self.make_room(0);
        Ok(true)
    }

    /// Gives a request its logits, and keeps its prompt where that was read with them.
    fn accept(
        &mut self,
        index: usize,
        logits: &Logits,
        row: usize,
        took: Duration,
        context: &mut StepContext<'_>,
    ) {
        let request = &mut self.running[index];
        request.accept(logits, row, took, context);
        if self.options.prefixes > 0
            && request.live() == 0
            && let Some(state) = request.prompt_state().map(State::fork)
        {
            let (bytes, most) = (request.plan.prefix, self.options.prefixes);
            self.prefixes.keep(request.prompt(), state, bytes, most);
        }
    }
}

/// Which model a call is for.
#[derive(Clone, Copy)]
enum Work<'a> {
    /// The model itself: prompts, and a step of all sequences.
    Step,
    /// A draft model.
    Drafts(&'a dyn Model),
}

/// Tokens of a request that a draft model may read in a call, however many requests there are: it
/// would not catch up with less than a few.
const LEAST_DRAFT_TOKENS: usize = 16;

/// Reports to the caller of a step.
struct OnUpdate<'a>(&'a mut dyn FnMut(RequestId, Update) -> ControlFlow<()>);

impl Sink for OnUpdate<'_> {
    fn event(&mut self, request: u64, event: Event) -> ControlFlow<()> {
        (self.0)(RequestId(request), Update::Event(event))
    }

    fn finished(&mut self, request: FinishedRequest) {
        let _ = (self.0)(RequestId(request.id), Update::Done(request.result));
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scheduler({:?})", self.progress())
    }
}
