//! A request under way: its prompt, then its sequences.

use std::sync::Arc;
use std::time::Duration;

use super::beam::BeamGroup;
use super::infill;
use super::options::{FinishReason, Limits};
use super::samples::SampleGroup;
use super::scheduler::RequestOptions;
use super::step::{FinishedRequest, RequestContext, StepContext, StepInput};
use super::{Completion, Generator, Prompt};
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result, bail};
use crate::memory::try_copy;
use crate::model::{Logits, Model, State, Wanted};

/// The sequences of a request once its prompt was read: samples or beams.
pub(super) trait Group: Send {
    /// Sequences that have to begin together.
    fn width(&self) -> usize;

    /// Sequences that are being generated.
    fn live(&self) -> usize;

    /// Whether none has begun.
    fn is_new(&self) -> bool;

    /// Whether there are sequences that have not begun.
    fn can_start(&self) -> bool;

    /// Whether further ones may begin after those that begin first.
    fn has_further(&self) -> bool;

    fn has_ended(&self) -> bool;

    /// Begins the next sequence or all, from the state that holds the prompt and the logits after
    /// it. Both are taken when nothing is left to begin.
    fn start(
        &mut self,
        prompt: &[u32],
        state: &mut Option<Box<dyn State>>,
        row: &mut Option<Vec<f32>>,
        context: &mut RequestContext<'_>,
        cancel: &CancelToken,
    ) -> Result<()>;

    /// Decides what each live sequence is fed in this step.
    fn prepare(&mut self, prompt: &[u32], context: &mut RequestContext<'_>);

    /// The model that drafts tokens.
    fn draft_model(&self) -> Option<&Arc<dyn Model>> {
        None
    }

    /// Detaches the states of the draft model that it works on next, with at most `tokens` tokens.
    /// Returns how many.
    fn detach_drafts(
        &mut self,
        _prompt: &[u32],
        _tokens: usize,
        _cancel: &CancelToken,
        _inputs: &mut Vec<StepInput>,
    ) -> usize {
        0
    }

    /// Attaches what `detach_drafts` detached, in the same order.
    fn attach_drafts(&mut self, _inputs: &mut dyn Iterator<Item = StepInput>) {}

    /// Takes the draft model's logits for what was detached, the sequences from `row` on.
    fn accept_drafts(
        &mut self,
        _prompt: &[u32],
        _logits: &Logits,
        _row: usize,
        _took: Duration,
        _context: &mut RequestContext<'_>,
    ) -> Result<()> {
        Ok(())
    }

    /// Goes on without drafts of a model.
    fn stop_drafting(&mut self) {}

    /// Detaches the states that a call of the model works on, with what they are fed. Returns how
    /// many. `inputs` has room for them.
    fn detach_states(&mut self, cancel: &CancelToken, inputs: &mut Vec<StepInput>) -> usize;

    /// Attaches what `detach_states` detached, in the same order.
    fn attach_states(&mut self, inputs: &mut dyn Iterator<Item = StepInput>);

    /// Takes the logits for what was detached, the sequences from `row` on.
    fn accept(
        &mut self,
        prompt: &[u32],
        logits: &Logits,
        row: usize,
        took: Duration,
        cancel: &CancelToken,
        context: &mut RequestContext<'_>,
    ) -> Result<()>;

    /// Ends every sequence as it is.
    fn stop(&mut self, reason: FinishReason, context: &mut RequestContext<'_>) -> Result<()>;

    /// Asks for the state of the first sequence after its end.
    fn keep_state(&mut self) {}

    /// That state.
    fn kept_state(&mut self) -> Option<Box<dyn State>> {
        None
    }

    fn into_completions(self: Box<Self>) -> Result<Vec<Completion>>;
}

/// What the running call of the model computes for a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Nothing,
    /// This many tokens of the prompt.
    Prompt(usize),
    /// A step of every live sequence.
    Sequences,
}

/// Bytes of KV cache that a scheduler plans for a request, at its longest.
#[derive(Clone, Copy, Default)]
pub(super) struct Plan {
    /// For the prompt.
    pub prompt: u64,
    /// Of that, what the model alone holds, without a draft model.
    pub prefix: u64,
    /// For every sequence, beside what it shares with the prompt.
    pub sequence: u64,
}

/// A request under way.
pub(super) struct RequestState {
    pub id: u64,
    pub plan: Plan,
    prompt: Vec<u32>,
    group: Box<dyn Group>,
    /// Tokens that the model has room for.
    context_length: usize,
    limits: Limits,
    caller: CancelToken,
    /// Set by the caller's and by the deadline.
    cancel: CancelToken,
    /// Holds the prompt as far as it was read, until every sequence has a state of its own.
    state: Option<Box<dyn State>>,
    /// Logits after the prompt, until every sequence was started.
    row: Option<Vec<f32>>,
    /// Tokens of the prompt that were there already.
    reused: usize,
    /// Tokens of the prompt that were computed.
    computed: usize,
    phase: Phase,
    /// A call of the model has its states.
    is_detached: bool,
    /// The callback asked to stop.
    stopped: bool,
    failure: Option<Error>,
    /// Whether a state is wanted back in the end. It would take memory that is not planned.
    keeps: bool,
}

impl RequestState {
    /// A request whose options and prompt are checked.
    pub fn new(
        generator: &Generator,
        id: u64,
        prompt: Prompt<'_>,
        options: RequestOptions,
        cancel: &CancelToken,
    ) -> Result<Self> {
        let config = generator.model().config();
        options.validate(config.padded_vocab_size)?;
        if !generator.tokenizer().has_text() {
            options.check_without_text()?;
        }
        let mut options = options;
        let mut prompt = match &mut options {
            RequestOptions::Sample(options) => infill::encode(generator, prompt, options)?,
            RequestOptions::Beams(options) => generator.encode(prompt, options.special_tokens)?,
        };
        generator.check_prompt(&prompt)?;
        let (ids, rows) = (generator.tokenizer().vocab_size(), config.padded_vocab_size);
        if let Some(&id) = prompt.iter().find(|&&id| id as usize >= rows) {
            let hint = match ids > rows {
                true => format!("; the tokenizer has {ids} ids and does not belong to this model"),
                false => String::new(),
            };
            bail!(
                TokenOutOfRange,
                "token {id} of the prompt is not below the vocabulary size {rows}{hint}"
            );
        }
        Ok(Self {
            id,
            plan: Plan::default(),
            context_length: config.max_position_embeddings,
            limits: options.limits().clone(),
            caller: cancel.clone(),
            cancel: cancel.until(options.limits().deadline),
            state: None,
            row: None,
            reused: 0,
            computed: 0,
            phase: Phase::Nothing,
            is_detached: false,
            stopped: false,
            failure: None,
            keeps: false,
            group: match options {
                RequestOptions::Sample(options) => {
                    Box::new(SampleGroup::new(generator, &mut prompt, options)?)
                }
                RequestOptions::Beams(options) => {
                    Box::new(BeamGroup::new(generator, &prompt, options)?)
                }
            },
            prompt,
        })
    }

    pub fn prompt(&self) -> &[u32] {
        &self.prompt
    }

    /// Tokens of a sequence at most, the prompt's included.
    pub fn longest(&self) -> usize {
        // A sequence is fed all that it sampled but the last token.
        let new = self.limits.max_new_tokens.saturating_sub(1);
        (self.prompt.len().saturating_add(new)).min(self.context_length)
    }

    pub fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    pub fn draft_model(&self) -> Option<&Arc<dyn Model>> {
        self.group.draft_model()
    }

    /// The most threads that may compute for it.
    pub fn threads(&self) -> Option<usize> {
        self.limits.threads
    }

    /// Gives it a state that holds a proper prefix of its prompt.
    pub fn set_state(&mut self, state: Box<dyn State>) {
        self.reused = state.len();
        self.state = Some(state);
    }

    /// Asks for the state of the first sequence, or as far as the prompt was read, in the end.
    pub fn keep_state(&mut self) {
        self.keeps = true;
        self.group.keep_state();
    }

    pub fn has_state(&self) -> bool {
        self.state.is_some()
    }

    /// The state with the whole prompt and nothing else, from when it was read to when the first
    /// sequence begins.
    pub fn prompt_state(&self) -> Option<&dyn State> {
        match (self.group.is_new(), &self.row) {
            (true, Some(_)) => self.state.as_deref(),
            _ => None,
        }
    }

    /// Bytes that it may hold: those of the prompt and of its live sequences. There is always one
    /// more sequence to come where none is live.
    pub fn bytes(&self) -> u64 {
        self.bytes_with(self.plan)
    }

    /// The same with another plan.
    pub fn bytes_with(&self, plan: Plan) -> u64 {
        let sequences = self.live().max(self.width()) as u64;
        (plan.sequence.saturating_mul(sequences)).saturating_add(plan.prompt)
    }

    /// Whether it may hold more than the bytes that it is admitted with.
    pub fn has_further_sequences(&self) -> bool {
        self.group.has_further()
    }

    /// Tokens of the prompt that are still to be read.
    pub fn unread(&self) -> usize {
        match (&self.row, &self.state) {
            (None, Some(state)) => self.prompt.len() - state.len(),
            _ => 0,
        }
    }

    /// Sequences that have to begin together.
    pub fn width(&self) -> usize {
        self.group.width()
    }

    pub fn live(&self) -> usize {
        self.group.live()
    }

    /// Places that it takes among the sequences that are computed together: those of its live
    /// sequences, and of all beams from the beginning.
    pub fn places(&self) -> usize {
        match self.width() {
            1 => self.live(),
            width => width,
        }
    }

    /// Whether a sequence could begin now.
    pub fn can_start(&self) -> bool {
        self.row.is_some() && self.group.can_start() && !self.cancel.is_cancelled()
    }

    pub fn has_ended(&self) -> bool {
        self.failure.is_some() || self.group.has_ended()
    }

    /// Ends it where it was asked to, or where there is nothing to do. While a call has its states
    /// that is done at once as well, unless one of them is wanted back.
    pub fn poll_end(&mut self, context: &mut StepContext<'_>) {
        if self.is_detached && self.keeps {
            return;
        }
        // In this order: the caller's, set between the two looks, is no deadline.
        let is_cancelled = self.cancel.is_cancelled();
        let reason = if self.stopped || self.caller.is_cancelled() {
            FinishReason::Cancelled
        } else if is_cancelled {
            FinishReason::Deadline
        } else if self.limits.max_new_tokens == 0 {
            FinishReason::Length
        } else if self.unread() > 0 && self.prefill_left() == Some(0) {
            FinishReason::PrefillLimit
        } else {
            return;
        };
        let mut context = context.of_request(self.id, &mut self.stopped);
        let stopped = self.group.stop(reason, &mut context);
        self.note(stopped);
    }

    /// Tokens of the prompt that may still be computed, where that is limited.
    fn prefill_left(&self) -> Option<usize> {
        let read = self.state.as_ref().map_or(0, |s| s.len());
        Some(
            self.limits
                .prefill_limit?
                .saturating_sub(read - self.reused),
        )
    }

    /// Begins the next sequence, and samples its first token; or all beams.
    pub fn start(&mut self, context: &mut StepContext<'_>) {
        let mut context = context.of_request(self.id, &mut self.stopped);
        let (state, row) = (&mut self.state, &mut self.row);
        let started = (self.group).start(&self.prompt, state, row, &mut context, &self.cancel);
        self.note(started);
    }

    /// Decides what the next call of the model does for it: at most `tokens` of its prompt, or a
    /// step of its sequences.
    pub fn prepare(&mut self, tokens: usize, context: &mut StepContext<'_>) {
        self.phase = Phase::Nothing;
        if self.state.is_none() && self.live() == 0 {
            // The unwinding took them along.
            let message = "a callback or a sampler panicked in an earlier step of this request";
            self.fail(Error::new(ErrorKind::Internal, message));
            return;
        }
        let unread = self.unread();
        if unread > 0 {
            let left = self.prefill_left().unwrap_or(unread);
            self.phase = Phase::Prompt(unread.min(left).min(tokens));
        } else if self.live() > 0 {
            self.phase = Phase::Sequences;
            let mut context = context.of_request(self.id, &mut self.stopped);
            self.group.prepare(&self.prompt, &mut context);
        }
    }

    /// See [`Group::detach_drafts`].
    pub fn detach_drafts(&mut self, tokens: usize, inputs: &mut Vec<StepInput>) -> usize {
        match self.phase {
            Phase::Sequences => {
                (self.group).detach_drafts(&self.prompt, tokens, &self.cancel, inputs)
            }
            _ => 0,
        }
    }

    /// See [`Group::attach_drafts`].
    pub fn attach_drafts(&mut self, mut inputs: impl Iterator<Item = StepInput>) {
        self.group.attach_drafts(&mut inputs);
    }

    /// See [`Group::accept_drafts`].
    pub fn accept_drafts(
        &mut self,
        logits: &Logits,
        row: usize,
        took: Duration,
        context: &mut StepContext<'_>,
    ) {
        let mut context = context.of_request(self.id, &mut self.stopped);
        let accepted = (self.group).accept_drafts(&self.prompt, logits, row, took, &mut context);
        self.note(accepted);
    }

    /// See [`Group::stop_drafting`].
    pub fn stop_drafting(&mut self) {
        self.group.stop_drafting();
    }

    /// Detaches the states that a call of the model works on, with what they are fed. Returns how
    /// many.
    pub fn detach_states(&mut self, inputs: &mut Vec<StepInput>) -> usize {
        let count = match self.phase {
            Phase::Prompt(tokens @ 1..) => {
                let read = self.state.as_ref().map_or(0, |state| state.len());
                let ids = match try_copy(&self.prompt[read..read + tokens]) {
                    Ok(ids) => ids,
                    Err(refused) => {
                        self.fail(refused.into());
                        return 0;
                    }
                };
                let Some(state) = self.state.take() else {
                    return 0;
                };
                inputs.push(StepInput {
                    state,
                    ids,
                    wanted: match read + tokens == self.prompt.len() {
                        true => Wanted::Last,
                        false => Wanted::Nothing,
                    },
                    cancel: self.cancel.clone(),
                });
                1
            }
            Phase::Sequences => self.group.detach_states(&self.cancel, inputs),
            Phase::Nothing | Phase::Prompt(0) => 0,
        };
        self.is_detached = count > 0;
        count
    }

    /// Attaches what it detached, in the same order.
    pub fn attach_states(&mut self, mut inputs: impl Iterator<Item = StepInput>) {
        self.is_detached = false;
        match self.phase {
            Phase::Sequences => self.group.attach_states(&mut inputs),
            _ => self.state = inputs.next().map(|input| input.state).or(self.state.take()),
        }
    }

    /// Takes the logits for what it detached, the sequences from `row` on.
    pub fn accept(
        &mut self,
        logits: &Logits,
        row: usize,
        took: Duration,
        context: &mut StepContext<'_>,
    ) {
        match std::mem::replace(&mut self.phase, Phase::Nothing) {
            Phase::Nothing | Phase::Prompt(0) => {}
            Phase::Prompt(tokens) => {
                self.computed += tokens;
                match logits.last(row).map(try_copy).transpose() {
                    Ok(row) => self.row = row,
                    Err(refused) => self.fail(refused.into()),
                }
            }
            Phase::Sequences => {
                let mut context = context.of_request(self.id, &mut self.stopped);
                let (prompt, cancel) = (&self.prompt, &self.cancel);
                let accepted = (self.group).accept(prompt, logits, row, took, cancel, &mut context);
                self.note(accepted);
            }
        }
    }

    pub fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    fn note(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.fail(error);
        }
    }

    pub fn finish(mut self) -> FinishedRequest {
        let kept = self.group.kept_state();
        FinishedRequest {
            id: self.id,
            result: match self.failure {
                Some(error) => Err(error),
                None => self.group.into_completions(),
            },
            prompt: self.prompt,
            state: kept.or(self.state).filter(|_| self.keeps),
            reused: self.reused,
            computed: self.computed,
        }
    }
}
