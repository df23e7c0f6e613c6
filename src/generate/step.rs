//! What passes between a scheduler, its requests and their sequences in a step.

use std::ops::ControlFlow;

use super::candidates::Candidates;
use super::{Completion, Event, Generator};
use crate::cancel::CancelToken;
use crate::error::Result;
use crate::model::{Input, State, Wanted};
use crate::tokenizer::Tokenizer;

/// Receives what happens to requests, by their ids, on the thread that computes.
pub(super) trait Sink {
    /// A sequence got a token or ended. A break ends the request.
    fn event(&mut self, request: u64, event: Event) -> ControlFlow<()>;

    /// A request is over.
    fn finished(&mut self, request: FinishedRequest);

    /// The model is between two operations: requests that ended are looked for after this.
    fn on_progress(&mut self) {}
}

/// What is left of a request that has ended.
pub(super) struct FinishedRequest {
    pub id: u64,
    pub result: Result<Vec<Completion>>,
    pub prompt: Vec<u32>,
    /// The state of the first sequence, where it was asked for.
    pub state: Option<Box<dyn State>>,
    /// Tokens of the prompt that were there already.
    pub reused: usize,
    /// Tokens of the prompt that were computed.
    pub computed: usize,
}

/// The input of one sequence to a call of the model. The call owns the state, so that a request may
/// end while it runs.
pub(super) struct StepInput {
    pub state: Box<dyn State>,
    pub ids: Vec<u32>,
    pub wanted: Wanted,
    pub cancel: CancelToken,
}

impl StepInput {
    pub fn input(&mut self) -> Input<'_> {
        Input::new(&mut *self.state, &self.ids, self.wanted).cancel(&self.cancel)
    }
}

/// What a step shares with all requests.
pub(super) struct StepContext<'a> {
    pub generator: &'a Generator,
    /// Memory that is used again and again.
    pub candidates: &'a mut Candidates,
    pub sink: &'a mut dyn Sink,
}

impl StepContext<'_> {
    pub fn of_request<'c>(&'c mut self, id: u64, stopped: &'c mut bool) -> RequestContext<'c> {
        RequestContext {
            generator: self.generator,
            tokenizer: &**self.generator.tokenizer(),
            candidates: self.candidates,
            id,
            sink: self.sink,
            stopped,
        }
    }
}

/// What a step shares with the sequences of one request.
pub(super) struct RequestContext<'a> {
    pub generator: &'a Generator,
    pub tokenizer: &'a dyn Tokenizer,
    pub candidates: &'a mut Candidates,
    id: u64,
    sink: &'a mut dyn Sink,
    /// The callback asked to stop.
    stopped: &'a mut bool,
}

impl RequestContext<'_> {
    pub fn report(&mut self, event: Event) {
        // Once asked to stop, the callback only gets the ends.
        if (!*self.stopped || matches!(event, Event::End { .. }))
            && self.sink.event(self.id, event).is_break()
        {
            *self.stopped = true;
        }
    }
}
