//! A scheduler on a thread of its own.

use std::collections::BTreeMap;
use std::iter::FusedIterator;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::request::RequestState;
use super::scheduler::{Progress, Request, Scheduler, SchedulerOptions, Update};
use super::step::{FinishedRequest, Sink, StepContext};
use super::updates::{Arrived, UpdateReceiver, UpdateSender, updates};
use super::{Candidates, Completion, Event, Generator};
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::memory;
use crate::system::Thread;
use crate::threads::start_thread;

/// Runs a [`Scheduler`] on a thread of its own, for programs whose requests come from many threads.
/// Dropping it cancels running requests and waits for the end of the thread, except on that thread.
///
/// ```
/// use codegeex::{GenerateOptions, Generator, Request, SchedulerOptions, Service};
///
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
/// let generator = Generator::open(path)?;
/// let service = Service::start(&generator, SchedulerOptions::new())?;
/// let options = GenerateOptions::new().max_new_tokens(8);
/// let first = service.submit(Request::new("def a():", options.clone()))?;
/// let second = service.submit(Request::new("def b():", options))?;
/// for event in first {
///     print!("{}", event?.text());
/// }
/// println!("{}", second.wait()?[0]);
/// # Ok::<(), codegeex::Error>(())
/// ```
pub struct Service {
    shared: Arc<Shared>,
    worker: Option<Thread>,
}

struct Shared {
    inbox: Mutex<Inbox>,
    wake: Condvar,
    shutdown: AtomicBool,
}

#[derive(Default)]
struct Inbox {
    requests: Vec<(Request, UpdateSender)>,
    progress: Progress,
    /// Requests that wait at most.
    most_waiting: usize,
    /// The worker is gone, and with it what reads this.
    closed: bool,
}

/// Closes the inbox when the worker ends, by a panic as well: tickets then report that there is no
/// answer.
struct Closing<'a>(&'a Shared);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let mut inbox = self.0.lock();
        inbox.closed = true;
        inbox.requests.clear();
        inbox.progress = Progress::default();
    }
}

/// A request that is under way: an iterator over its events, which waits for the next. An error is
/// the last item. Dropping it cancels the request.
#[derive(Debug)]
pub struct Ticket {
    events: UpdateReceiver,
    cancel: CancelToken,
    is_over: bool,
    completions: Option<Vec<Completion>>,
}

impl Ticket {
    /// The next event, without waiting for it: nothing where there is none yet, and after the end.
    pub fn try_next(&mut self) -> Option<Result<Event>> {
        match self.is_over {
            true => None,
            false => match self.events.try_next() {
                Arrived::Update(update) => self.accept(update),
                Arrived::Nothing => None,
                Arrived::Closed => Some(Err(self.lost())),
            },
        }
    }

    /// Whether the request has ended and all of its events were taken.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Cancels the request. It still gets its last events.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Cancels the request, from any thread.
    pub fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// All samples, once the request is over; nothing before that, after an error, and when they
    /// were taken.
    pub fn take_completions(&mut self) -> Option<Vec<Completion>> {
        self.completions.take()
    }

    /// Waits for the end, and returns all samples.
    ///
    /// # Errors
    /// What ended the request; [`Cancelled`](ErrorKind::Cancelled) when the service is gone;
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) where the result was returned already.
    pub fn wait(mut self) -> Result<Vec<Completion>> {
        for event in &mut self {
            event?;
        }
        self.take_completions().ok_or_else(|| {
            let message = "the result of this request was returned already";
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }

    fn accept(&mut self, update: Update) -> Option<Result<Event>> {
        match update {
            Update::Event(event) => Some(Ok(event)),
            Update::Done(result) => {
                self.is_over = true;
                match result {
                    Ok(completions) => {
                        self.completions = Some(completions);
                        None
                    }
                    Err(error) => Some(Err(error)),
                }
            }
        }
    }

    fn lost(&mut self) -> Error {
        self.is_over = true;
        let message = "the service ended before the request did";
        Error::new(ErrorKind::Cancelled, message)
    }
}

impl Iterator for Ticket {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        if self.is_over {
            return None;
        }
        match self.events.next() {
            Some(update) => self.accept(update),
            None => Some(Err(self.lost())),
        }
    }
}

impl FusedIterator for Ticket {}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Service {
    /// Starts the thread.
    ///
    /// # Errors
    /// Those of [`Scheduler::new`], and [`OutOfMemory`](ErrorKind::OutOfMemory) when the system
    /// refuses to start a thread.
    pub fn start(generator: &Generator, options: SchedulerOptions) -> Result<Self> {
        let waiting = options.waiting.max(1);
        let scheduler = Scheduler::new(generator, options)?;
        let shared = Arc::new(Shared {
            inbox: Mutex::new(Inbox {
                most_waiting: waiting,
                ..Inbox::default()
            }),
            wake: Condvar::new(),
            shutdown: AtomicBool::new(false),
        });
        let worker = start_thread("codegeex-service", {
            let shared = Arc::clone(&shared);
            move || shared.work(scheduler)
        })?;
        Ok(Self {
            shared,
            worker: Some(worker),
        })
    }

    /// Hands a request in. What is wrong with it is the last item of the ticket.
    ///
    /// # Errors
    /// [`Busy`](ErrorKind::Busy) when too many wait, and [`Internal`](ErrorKind::Internal) after a
    /// panic of the service's thread, of a model for instance.
    pub fn submit(&self, request: Request) -> Result<Ticket> {
        let (sender, events) = updates()?;
        // The ticket's own flag, so that dropping it leaves the caller's alone.
        let cancel = request.cancel.until(None);
        let request = Request {
            cancel: cancel.clone(),
            ..request
        };
        let mut inbox = self.shared.lock();
        if inbox.closed {
            let message = "the thread of this service panicked; start another service";
            return Err(Error::new(ErrorKind::Internal, message));
        }
        let waiting = inbox.progress.waiting + inbox.requests.len();
        if waiting >= inbox.most_waiting {
            let message = format!("{waiting} requests are waiting already; try again later");
            return Err(Error::new(ErrorKind::Busy, message));
        }
        memory::push(&mut inbox.requests, (request, sender))?;
        drop(inbox);
        self.shared.wake.notify_one();
        Ok(Ticket {
            events,
            cancel,
            is_over: false,
            completions: None,
        })
    }

    /// How full the scheduler is, requests that it has not looked at yet counted as waiting.
    pub fn progress(&self) -> Progress {
        let inbox = self.shared.lock();
        Progress {
            waiting: inbox.progress.waiting + inbox.requests.len(),
            ..inbox.progress
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shared.shutdown.store(true, Ordering::Relaxed);
        let inbox = self.shared.lock();
        self.shared.wake.notify_one();
        drop(inbox);
        if let Some(worker) = self.worker.take() {
            // A panic has ended every ticket already. A sampler may drop the service that runs it: the
            // thread does not wait for itself.
            worker.join();
        }
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({:?})", self.progress())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        // The inbox is consistent between any two statements.
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// New requests, waiting for them while `idle`; nothing at the end.
    fn requests(&self, idle: bool) -> Option<Vec<(Request, UpdateSender)>> {
        let mut inbox = self.lock();
        loop {
            if self.shutdown.load(Ordering::Relaxed) {
                return None;
            }
            if !idle || !inbox.requests.is_empty() {
                return Some(std::mem::take(&mut inbox.requests));
            }
            inbox = (self.wake.wait(inbox)).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes out the requests that ended before the scheduler took them in.
    fn ended_requests(&self) -> Vec<(Request, UpdateSender)> {
        let has_ended = |request: &Request| {
            let deadline = request.options.limits().deadline;
            request.cancel.is_cancelled() || deadline.is_some_and(|at| Instant::now() >= at)
        };
        let mut inbox = self.lock();
        let ended = inbox.requests.extract_if(.., |(r, _)| has_ended(r));
        ended.collect()
    }

    fn work(&self, mut scheduler: Scheduler) {
        // Dropped last, when the clients of a worker that panicked are gone.
        let _closing = Closing(self);
        let mut clients = Clients {
            shared: self,
            generator: scheduler.generator().clone(),
            clients: BTreeMap::new(),
        };
        while let Some(requests) = self.requests(scheduler.is_idle()) {
            for (request, events) in requests {
                let cancel = request.cancel.clone();
                let client = Client { events, cancel };
                match scheduler.submit(request) {
                    Ok(id) => {
                        clients.clients.insert(id.number(), client);
                    }
                    Err(error) => client.done(Err(error)),
                }
            }
            self.lock().progress = scheduler.progress();
            scheduler.advance(&mut clients);
            self.lock().progress = scheduler.progress();
        }
    }
}

/// Passes on what happens to the clients.
struct Clients<'a> {
    shared: &'a Shared,
    generator: Generator,
    clients: BTreeMap<u64, Client>,
}

impl Sink for Clients<'_> {
    fn event(&mut self, request: u64, event: Event) -> ControlFlow<()> {
        match self.clients.get_mut(&request) {
            Some(client) if !self.shared.shutdown.load(Ordering::Relaxed) => {
                client.event(request, event)
            }
            _ => ControlFlow::Break(()),
        }
    }

    fn finished(&mut self, request: FinishedRequest) {
        if let Some(client) = self.clients.remove(&request.id)
            && !self.shared.shutdown.load(Ordering::Relaxed)
        {
            client.done(request.result);
        }
    }

    fn on_progress(&mut self) {
        if self.shared.shutdown.load(Ordering::Relaxed) {
            self.clients
                .values()
                .for_each(|client| client.cancel.cancel());
            return;
        }
        for (request, events) in self.shared.ended_requests() {
            let cancel = request.cancel.clone();
            Client { events, cancel }.end_at_once(&self.generator, request);
        }
    }
}

/// Who waits for the answer to a request.
struct Client {
    events: UpdateSender,
    cancel: CancelToken,
}

impl Client {
    fn done(self, result: Result<Vec<Completion>>) {
        self.events.done(result);
    }

    /// Answers a request that ended before anything of it was computed.
    fn end_at_once(mut self, generator: &Generator, request: Request) {
        let Request {
            prompt, options, ..
        } = request;
        match RequestState::new(generator, 0, prompt, options, &request.cancel) {
            Ok(mut request) => {
                request.poll_end(&mut StepContext {
                    generator,
                    candidates: &mut Candidates::default(),
                    sink: &mut self,
                });
                self.done(request.finish().result);
            }
            Err(error) => self.done(Err(error)),
        }
    }
}

impl Sink for Client {
    fn event(&mut self, _: u64, event: Event) -> ControlFlow<()> {
        match self.events.event(event) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }

    /// `end_at_once` hands out the result itself.
    fn finished(&mut self, _: FinishedRequest) {}
}
