//! One request under way: its prompt, then its samples.

use std::time::Duration;

use super::options::FinishReason;
use super::sample::{Desk, Fed, Listener, Sample, Task};
use super::text::Text;
use super::{Candidates, Completion, GenerateOptions, Generator};
use crate::cancel::{CancelToken, Control};
use crate::error::{Error, ErrorKind, Result, bail};
use crate::model::{Logits, State, Wanted};

/// What the running call of the model computes for a job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Nothing,
    /// So many tokens of the prompt.
    Prompt(usize),
    /// A token of every live sample, and guesses.
    Samples,
}

/// A request under way.
pub(super) struct Job {
    pub id: u64,
    task: Task,
    samples: Vec<Sample>,
    /// Samples that were started.
    started: usize,
    caller: CancelToken,
    /// Set by the caller's and by the deadline.
    cancel: CancelToken,
    /// Holds the prompt as far as it was read, until every sample has a state of its own.
    state: Option<Box<dyn State>>,
    /// Logits after the prompt, until every sample was started.
    row: Option<Vec<f32>>,
    /// Tokens of the prompt that were there already.
    reused: usize,
    /// Tokens of the prompt that were computed.
    computed: usize,
    turn: Turn,
    /// Samples, or 1 for the prompt, whose states a call of the model has.
    lent: Vec<usize>,
    /// The callback asked to stop.
    stopped: bool,
    failure: Option<Error>,
    /// Whether somebody wants a state back in the end. It would take memory that nobody planned.
    keeps: bool,
    /// The state of the first sample after its end, where it is wanted.
    kept: Option<Box<dyn State>>,
    /// Pages that the scheduler counts for the prompt and for every live sample.
    pub prompt_pages: u64,
    pub sample_pages: u64,
}

/// What is left of a job that has ended.
pub(super) struct Finished {
    pub id: u64,
    pub result: Result<Vec<Completion>>,
    pub prompt: Vec<u32>,
    pub state: Option<Box<dyn State>>,
    pub reused: usize,
    /// Tokens of the prompt that were computed.
    pub computed: usize,
}

impl Job {
    /// A job whose options and prompt are checked.
    pub fn new(
        generator: &Generator,
        id: u64,
        prompt: Vec<u32>,
        options: GenerateOptions,
        cancel: &CancelToken,
    ) -> Result<Self> {
        let config = generator.model().config();
        options.validate()?;
        options.sampling.validate(config.padded_vocab_size)?;
        if let Some(speculation) = &options.speculation {
            speculation.validate(config.padded_vocab_size)?;
        }
        generator.check_prompt(&prompt)?;
        if let Some(&id) = (prompt.iter()).find(|&&id| id as usize >= config.padded_vocab_size) {
            bail!(
                TokenOutOfRange,
                "token {id} of the prompt is not below the vocabulary size {}",
                config.padded_vocab_size
            );
        }
        let tokenizer = &**generator.tokenizer();
        let text = Text::new(
            &options.stops.stop,
            options.stops.stop_at.as_ref(),
            tokenizer,
            &prompt,
        )?;
        let cut = match options.heal {
            true => (generator.text_tokens()).cut(&**generator.tokenizer(), &prompt),
            false => None,
        };
        let mut prompt = prompt;
        let mut due = Vec::new();
        if let Some(cut) = cut {
            prompt.truncate(cut.kept);
            due = cut.due;
        }
        Ok(Self {
            id,
            samples: (0..options.samples)
                .map(|i| Sample::new(i, &options, text.clone()))
                .collect(),
            started: 0,
            caller: cancel.clone(),
            cancel: cancel.until(options.limits.deadline),
            state: None,
            row: None,
            reused: 0,
            computed: 0,
            turn: Turn::Nothing,
            lent: Vec::new(),
            stopped: false,
            failure: None,
            keeps: false,
            kept: None,
            prompt_pages: 0,
            sample_pages: 0,
            task: Task {
                chain: options.sampling.chain(),
                positions: config.max_position_embeddings,
                prompt,
                due,
                options,
            },
        })
    }

    pub fn prompt(&self) -> &[u32] {
        &self.task.prompt
    }

    /// Tokens of a sample at most, the prompt's included.
    pub fn longest(&self) -> usize {
        let new = self.task.options.limits.max_new_tokens;
        // A sample that begins is fed what it drew, all but the last token of it.
        (self.task.prompt.len().saturating_add(new.saturating_sub(1))).min(self.task.positions)
    }

    pub fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// Whether its next tokens are guessed.
    pub fn speculates(&self) -> bool {
        self.task.options.speculation.is_some()
    }

    /// The most threads that may compute for it.
    pub fn threads(&self) -> Option<usize> {
        self.task.options.limits.threads
    }

    /// Gives it a state that holds a proper prefix of its prompt.
    pub fn set_state(&mut self, state: Box<dyn State>) {
        self.reused = state.len();
        self.state = Some(state);
    }

    /// Asks for the state of the first sample, or as far as the prompt was read, in the end.
    pub fn keep_state(&mut self) {
        self.keeps = true;
    }

    pub fn has_state(&self) -> bool {
        self.state.is_some()
    }

    /// The state with the whole prompt and nothing else, from when it was read to when the first
    /// sample begins.
    pub fn prompt_state(&self) -> Option<&dyn State> {
        match (self.started, &self.row) {
            (0, Some(_)) => self.state.as_deref(),
            _ => None,
        }
    }

    /// Pages that it may hold: those of the prompt and of its live samples. One more sample is
    /// always to come where none is live.
    pub fn pages(&self) -> u64 {
        self.prompt_pages + self.live().max(1) as u64 * self.sample_pages
    }

    /// Tokens of the prompt that are still to be read.
    pub fn unread(&self) -> usize {
        match (&self.row, &self.state) {
            (None, Some(state)) => self.task.prompt.len() - state.len(),
            _ => 0,
        }
    }

    pub fn live(&self) -> usize {
        self.samples.iter().filter(|s| s.is_live()).count()
    }

    /// Whether a sample could begin now.
    pub fn can_start(&self) -> bool {
        let left = self.row.is_some() && self.started < self.samples.len();
        left && !self.cancel.is_cancelled()
    }

    pub fn has_ended(&self) -> bool {
        self.failure.is_some() || self.samples.iter().all(Sample::has_ended)
    }

    /// Ends it where it was asked to, or where there is nothing to do. While a call has its states
    /// that is done at once as well, unless somebody wants one of them back.
    pub fn look_around(&mut self, parts: &mut Parts<'_>) {
        if !self.lent.is_empty() && self.keeps {
            return;
        }
        // In this order: the caller's, set between the two looks, is no deadline.
        let is_cancelled = self.cancel.is_cancelled();
        let reason = if self.stopped || self.caller.is_cancelled() {
            FinishReason::Cancelled
        } else if is_cancelled {
            FinishReason::Deadline
        } else if self.task.options.limits.max_new_tokens == 0 {
            FinishReason::Length
        } else if self.unread() > 0 && self.prefill_left() == Some(0) {
            FinishReason::PrefillLimit
        } else {
            return;
        };
        let mut desk = parts.desk(self.id, &mut self.stopped);
        for (i, sample) in self.samples.iter_mut().enumerate() {
            let state = sample.stop(reason, &mut desk);
            if i == 0 && self.keeps && state.is_some() {
                self.kept = state;
            }
        }
    }

    /// Tokens of the prompt that may still be computed, where that is limited.
    fn prefill_left(&self) -> Option<usize> {
        let read = self.state.as_ref().map_or(0, |s| s.len());
        let limit = self.task.options.limits.prefill_limit?;
        Some(limit.saturating_sub(read - self.reused))
    }

    /// Begins the next sample, and draws its first token.
    pub fn start(&mut self, parts: &mut Parts<'_>) {
        let index = self.started;
        let last = index + 1 == self.samples.len();
        let state = match last {
            true => self.state.take(),
            false => self.state.as_ref().map(|s| s.fork()),
        };
        let (Some(state), Some(row)) = (state, self.row.take()) else {
            return;
        };
        self.started += 1;
        let mut desk = parts.desk(self.id, &mut self.stopped);
        let ended = self.samples[index].start(&self.task, state, &row, &mut desk);
        if !last {
            self.row = Some(row);
        }
        self.note(index, ended);
    }

    /// Decides what the next call of the model does for it: at most `tokens` of its prompt, or a
    /// step of its samples.
    pub fn prepare(&mut self, tokens: usize, parts: &mut Parts<'_>) {
        self.turn = Turn::Nothing;
        if self.state.is_none() && self.live() == 0 {
            // The unwinding took them along.
            let message = "a callback or a sampler panicked in an earlier step of this request";
            self.fail(Error::new(ErrorKind::Internal, message));
            return;
        }
        let unread = self.unread();
        if unread > 0 {
            let left = self.prefill_left().unwrap_or(unread);
            self.turn = Turn::Prompt(unread.min(left).min(tokens));
            return;
        }
        let control = self.control();
        let mut desk = parts.desk(self.id, &mut self.stopped);
        for sample in self.samples.iter_mut().filter(|s| s.is_live()) {
            self.turn = Turn::Samples;
            if let Err(error) = sample.prepare(&self.task, &mut desk, &control) {
                self.failure = Some(error);
                self.turn = Turn::Nothing;
                return;
            }
        }
    }

    fn control(&self) -> Control<'static> {
        Control::from(&self.cancel).threads(self.threads())
    }

    /// Gives away the states that a call of the model works on, with what they are fed. Returns
    /// how many.
    pub fn lend(&mut self, fed: &mut Vec<Fed>) -> usize {
        self.lent.clear();
        match self.turn {
            Turn::Prompt(tokens @ 1..) => {
                let Some(state) = self.state.take() else {
                    return 0;
                };
                let read = state.len();
                self.lent.push(0);
                fed.push(Fed {
                    state,
                    ids: self.task.prompt[read..read + tokens].to_vec(),
                    wanted: match read + tokens == self.task.prompt.len() {
                        true => Wanted::Last,
                        false => Wanted::Nothing,
                    },
                    cancel: self.cancel.clone(),
                });
            }
            Turn::Samples => {
                for (i, sample) in self.samples.iter_mut().enumerate() {
                    if let Some(lent) = sample.lend(&self.cancel) {
                        self.lent.push(i);
                        fed.push(lent);
                    }
                }
            }
            Turn::Nothing | Turn::Prompt(0) => {}
        }
        self.lent.len()
    }

    /// Takes back what it lent, in the same order.
    pub fn give_back(&mut self, fed: impl Iterator<Item = Fed>) {
        for (i, fed) in self.lent.drain(..).zip(fed) {
            match self.turn {
                Turn::Samples => self.samples[i].give_back(fed),
                _ => self.state = Some(fed.state),
            }
        }
    }

    /// Takes what the call returned for what it lent, the sequences from `row` on.
    pub fn take(&mut self, logits: &Logits, mut row: usize, took: Duration, parts: &mut Parts<'_>) {
        match std::mem::replace(&mut self.turn, Turn::Nothing) {
            Turn::Nothing | Turn::Prompt(0) => {}
            Turn::Prompt(tokens) => {
                self.computed += tokens;
                self.row = logits.last(row).map(|r| r.to_vec());
            }
            Turn::Samples => {
                for i in 0..self.samples.len() {
                    if !self.samples[i].is_fed() {
                        continue;
                    }
                    // A draw takes up to a millisecond, and there may be hundreds.
                    if self.cancel.is_cancelled() {
                        if logits.rows(row).len() > 0 {
                            self.samples[i].take_back();
                        }
                        row += 1;
                        continue;
                    }
                    let mut desk = parts.desk(self.id, &mut self.stopped);
                    let ended = self.samples[i].take(&self.task, logits, row, took, &mut desk);
                    row += 1;
                    self.note(i, ended);
                }
            }
        }
    }

    pub fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    fn note(&mut self, index: usize, ended: Result<Option<Box<dyn State>>>) {
        match ended {
            Ok(state) if index == 0 && self.keeps && state.is_some() => self.kept = state,
            Ok(_) => {}
            Err(error) => self.fail(error),
        }
    }

    pub fn finish(self) -> Finished {
        let completions = self.samples.into_iter().map(Sample::into_completion);
        Finished {
            id: self.id,
            result: match self.failure {
                Some(error) => Err(error),
                None => Ok(completions.collect()),
            },
            prompt: self.task.prompt,
            state: self.kept.or(self.state).filter(|_| self.keeps),
            reused: self.reused,
            computed: self.computed,
        }
    }
}

/// What a step lends to the jobs, see [`Desk`].
pub(super) struct Parts<'a> {
    pub generator: &'a Generator,
    pub candidates: &'a mut Candidates,
    pub listener: &'a mut dyn Listener,
}

impl Parts<'_> {
    fn desk<'d>(&'d mut self, job: u64, stopped: &'d mut bool) -> Desk<'d> {
        Desk {
            generator: self.generator,
            tokenizer: &**self.generator.tokenizer(),
            candidates: self.candidates,
            job,
            listener: self.listener,
            stopped,
        }
    }
}
