//! A generation as an iterator.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::ops::ControlFlow;

use super::scheduler::Scheduler;
use super::step::{FinishedRequest, Sink};
use super::{Completion, Event, GenerateOptions, Prompt, Session};
use crate::cancel::CancelToken;
use crate::error::{Result, bail};

/// The events of a generation, computed as they are asked for. See
/// [`Generator::stream`](super::Generator::stream) and [`Session::stream`].
///
/// Dropping it cancels the rest. An error is the last item.
pub struct Stream<'s> {
    session: Holder<'s>,
    scheduler: Scheduler,
    queue: Queue,
    cancel: CancelToken,
    end: End,
}

/// The session that a stream works on.
pub(super) enum Holder<'s> {
    Own(Box<Session>),
    Callers(&'s mut Session),
}

impl From<Session> for Holder<'static> {
    fn from(session: Session) -> Self {
        Self::Own(Box::new(session))
    }
}

impl<'s> From<&'s mut Session> for Holder<'s> {
    fn from(session: &'s mut Session) -> Self {
        Self::Callers(session)
    }
}

impl Holder<'_> {
    fn session(&mut self) -> &mut Session {
        match self {
            Self::Own(session) => session,
            Self::Callers(session) => session,
        }
    }
}

/// What a request has left behind.
enum End {
    NotYet,
    Done(Result<Vec<Completion>>),
    /// The result was handed out.
    Taken,
}

/// Events that were not asked for yet.
#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    finished: Option<FinishedRequest>,
}

impl Sink for Queue {
    fn event(&mut self, _: u64, event: Event) -> ControlFlow<()> {
        self.events.push_back(event);
        ControlFlow::Continue(())
    }

    fn finished(&mut self, request: FinishedRequest) {
        self.finished = Some(request);
    }
}

impl<'s> Stream<'s> {
    pub(super) fn new(
        session: impl Into<Holder<'s>>,
        prompt: Prompt<'_>,
        options: &GenerateOptions,
    ) -> Result<Self> {
        let mut session = session.into();
        let cancel = CancelToken::new();
        let request = session.session().begin(prompt, options, &cancel)?;
        Ok(Self {
            scheduler: Scheduler::alone(session.session().generator(), request)?,
            session,
            queue: Queue::default(),
            cancel,
            end: End::NotYet,
        })
    }

    /// Cancels the rest. The ends of the samples still follow.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Cancels the rest, from any thread.
    pub fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// Computes what is left, and returns all samples.
    ///
    /// # Errors
    /// What ended the request, and [`InvalidArgument`](crate::ErrorKind::InvalidArgument) where the
    /// iterator has returned that already.
    pub fn wait(mut self) -> Result<Vec<Completion>> {
        while matches!(self.end, End::NotYet) {
            self.advance();
        }
        match std::mem::replace(&mut self.end, End::Taken) {
            End::Done(result) => result,
            End::NotYet | End::Taken => {
                bail!(
                    InvalidArgument,
                    "the iterator has returned the error of this request"
                )
            }
        }
    }

    /// Computes a step.
    fn advance(&mut self) {
        self.scheduler.advance(&mut self.queue);
        if let Some(finished) = self.queue.finished.take() {
            self.end = End::Done(self.session.session().adopt(finished));
        }
    }
}

impl Iterator for Stream<'_> {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        loop {
            if let Some(event) = self.queue.events.pop_front() {
                return Some(Ok(event));
            }
            match &self.end {
                End::NotYet => self.advance(),
                End::Done(Ok(_)) | End::Taken => return None,
                End::Done(Err(_)) => match std::mem::replace(&mut self.end, End::Taken) {
                    End::Done(Err(error)) => return Some(Err(error)),
                    _ => return None,
                },
            }
        }
    }
}

impl FusedIterator for Stream<'_> {}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        // A session gets its state back. After a panic of a sampler there is none.
        if matches!(self.session, Holder::Callers(_)) && !std::thread::panicking() {
            self.cancel.cancel();
            while matches!(self.end, End::NotYet) {
                self.advance();
            }
        }
    }
}

impl fmt::Debug for Stream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({:?})", self.scheduler)
    }
}
