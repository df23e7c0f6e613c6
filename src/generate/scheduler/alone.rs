//! One request in a scheduler of its own.

use std::ops::ControlFlow;

use super::{RequestOptions, Scheduler, SchedulerOptions, WhenFull};
use crate::cancel::CancelToken;
use crate::error::Result;
use crate::generate::request::RequestState;
use crate::generate::step::{FinishedRequest, Sink};
use crate::generate::{Completion, Event, Generator, Prompt};

/// Computes one request in a scheduler of its own, without events.
pub(in crate::generate) fn run_alone(
    generator: &Generator,
    prompt: Prompt<'_>,
    options: impl Into<RequestOptions>,
    cancel: &CancelToken,
) -> Result<Vec<Completion>> {
    let request = RequestState::new(generator, 0, prompt, options.into(), cancel)?;
    let go_on = &mut |_: Event| ControlFlow::Continue(());
    finish_alone(generator, request, go_on)?.result
}

/// Computes one request in a scheduler of its own.
pub(in crate::generate) fn finish_alone(
    generator: &Generator,
    request: RequestState,
    on_event: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<FinishedRequest> {
    let mut scheduler = Scheduler::alone(generator, request)?;
    let mut sink = Alone {
        on_event,
        finished: None,
    };
    loop {
        scheduler.advance(&mut sink);
        if let Some(request) = sink.finished.take() {
            return Ok(request);
        }
    }
}

impl Scheduler {
    /// A scheduler of one request. It has the room that its first sequence or its beams need;
    /// further samples begin as memory allows.
    pub(in crate::generate) fn alone(generator: &Generator, request: RequestState) -> Result<Self> {
        let mut options = SchedulerOptions {
            prefixes: 0,
            ..SchedulerOptions::default()
        };
        options.sequences = options.sequences.max(request.width());
        if !request.has_further_sequences() {
            // There is nothing to plan, and what the system has need not be looked at.
            options.cache_bytes = Some(SchedulerOptions::UNLIMITED);
        }
        let mut scheduler = Scheduler::new(generator, options)?;
        let least = scheduler.plan(&request);
        scheduler.most_bytes = (scheduler.most_bytes).max(request.bytes_with(least));
        scheduler.add(request, WhenFull::Wait)?;
        Ok(scheduler)
    }
}

/// Reports to the caller of the only request.
struct Alone<'a> {
    on_event: &'a mut dyn FnMut(Event) -> ControlFlow<()>,
    finished: Option<FinishedRequest>,
}

impl Sink for Alone<'_> {
    fn event(&mut self, _: u64, event: Event) -> ControlFlow<()> {
        (self.on_event)(event)
    }

    fn finished(&mut self, request: FinishedRequest) {
        self.finished = Some(request);
    }
}
