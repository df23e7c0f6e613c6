//! One sample under way: draws its tokens, turns them into text, and knows when it is complete.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::candidates::{Candidates, log_probability, top_log_probabilities_below};
use super::job::Finished;
use super::options::{FinishReason, GenerateOptions};
use super::rng;
use super::sampler::{History, Sampler};
use super::speculate::{Drafter, Position};
use super::text::Text;
use super::{Completion, Event, Generator};
use crate::cancel::{CancelToken, Control};
use crate::error::{Result, bail};
use crate::model::{Input, Logits, State, Wanted};
use crate::tokenizer::Tokenizer;

/// Hears what happens to jobs, by their ids, on the thread that computes.
pub(super) trait Listener {
    /// A sample got a token or ended. A break ends the job.
    fn event(&mut self, job: u64, event: Event<'_>) -> ControlFlow<()>;

    /// A job is over.
    fn finished(&mut self, job: Finished);

    /// The model is between two operations: what has ended is looked for after this.
    fn between(&mut self) {}
}

/// What a call of the model feeds to one sequence. The call has the state to itself, so that a job
/// may end while it runs.
pub(super) struct Fed {
    pub state: Box<dyn State>,
    pub ids: Vec<u32>,
    pub wanted: Wanted,
    pub cancel: CancelToken,
}

impl Fed {
    pub fn input(&mut self) -> Input<'_> {
        Input::new(&mut *self.state, &self.ids, self.wanted).cancel(&self.cancel)
    }
}

/// What all samples of a request have in common.
pub(super) struct Task {
    pub prompt: Vec<u32>,
    /// Bytes that followed the prompt and that every sample begins with, see
    /// [`heal`](super::heal).
    pub due: Vec<u8>,
    pub options: GenerateOptions,
    pub chain: Vec<Arc<dyn Sampler>>,
    /// Positions of the model.
    pub positions: usize,
}

/// Where drawn tokens go, and what drawing needs.
pub(super) struct Desk<'a> {
    pub generator: &'a Generator,
    pub tokenizer: &'a dyn Tokenizer,
    /// Memory that is used again and again.
    pub candidates: &'a mut Candidates,
    pub job: u64,
    pub listener: &'a mut dyn Listener,
    /// The callback asked to stop.
    pub stopped: &'a mut bool,
}

impl Desk<'_> {
    fn report(&mut self, event: Event<'_>) {
        // Once asked to stop, the callback only hears of the ends.
        if (!*self.stopped || matches!(event, Event::End { .. }))
            && self.listener.event(self.job, event).is_break()
        {
            *self.stopped = true;
        }
    }
}

/// One sample. Its state is there while it is being generated.
pub(super) struct Sample {
    /// Its place among the samples of the request.
    index: usize,
    state: Option<Box<dyn State>>,
    /// What the model is fed in this step: the last token, then guesses.
    feed: Vec<u32>,
    drafter: Option<Drafter>,
    /// How long the guessing took.
    drafting: Duration,
    text: Text,
    completion: Completion,
    ended: bool,
}

impl Sample {
    /// `text` is where its text begins.
    pub fn new(index: usize, options: &GenerateOptions, text: Text) -> Self {
        Self {
            index,
            state: None,
            feed: Vec::new(),
            drafter: options.speculation.as_ref().map(Drafter::new),
            drafting: Duration::ZERO,
            text,
            completion: Completion {
                text: String::new(),
                ids: Vec::new(),
                healed: 0,
                logprobs: Vec::new(),
                top_logprobs: Vec::new(),
                finish_reason: FinishReason::Length,
                speculated: Default::default(),
            },
            ended: false,
        }
    }

    /// Whether it is being generated.
    pub fn is_live(&self) -> bool {
        self.state.is_some()
    }

    pub fn has_ended(&self) -> bool {
        self.ended
    }

    pub fn into_completion(self) -> Completion {
        self.completion
    }

    /// Begins with a state that holds the prompt, and the logits after it.
    pub fn start(
        &mut self,
        task: &Task,
        state: Box<dyn State>,
        row: &[f32],
        desk: &mut Desk<'_>,
    ) -> Result<Option<Box<dyn State>>> {
        self.state = Some(state);
        self.draw(task, row, desk)?;
        Ok(self.release())
    }

    /// Decides what is fed next: the last token and guesses at those that follow.
    pub fn prepare(
        &mut self,
        task: &Task,
        desk: &mut Desk<'_>,
        control: &Control<'_>,
    ) -> Result<()> {
        self.feed.clear();
        let (Some(state), Some(&last)) = (&self.state, self.completion.ids.last()) else {
            return Ok(());
        };
        self.feed.push(last);
        let number = self.number(task);
        let Some(drafter) = &mut self.drafter else {
            return Ok(());
        };
        let clock = std::time::Instant::now();
        // The last token that may come needs no guess after it, and guesses need positions.
        let wanted = task.options.limits.max_new_tokens - self.completion.ids.len();
        let room = task.positions - state.len() - 1;
        let at = Position {
            prompt: &task.prompt,
            generated: &self.completion.ids,
            options: &task.options,
            chain: &task.chain,
            sample: number,
            most: wanted.saturating_sub(1).min(room),
            vocabulary: desk.tokenizer.vocab_size(),
        };
        let drafts = drafter.draft(&at, desk.candidates, control)?;
        self.feed.extend(drafts);
        self.drafting = clock.elapsed();
        Ok(())
    }

    /// Gives its state away with what `prepare` decided to feed.
    pub fn lend(&mut self, cancel: &CancelToken) -> Option<Fed> {
        let wanted = match self.feed.len() {
            0 => return None,
            1 => Wanted::Last,
            _ => Wanted::All,
        };
        Some(Fed {
            state: self.state.take()?,
            ids: std::mem::take(&mut self.feed),
            wanted,
            cancel: cancel.clone(),
        })
    }

    /// Takes back what it lent.
    pub fn give_back(&mut self, fed: Fed) {
        self.state = Some(fed.state);
        self.feed = fed.ids;
    }

    /// Whether it lends something in this step.
    pub fn is_fed(&self) -> bool {
        self.state.is_some() && !self.feed.is_empty()
    }

    /// Draws from the logits of sequence `row`: a token after every one that was fed, as long as
    /// they are what was guessed.
    pub fn take(
        &mut self,
        task: &Task,
        logits: &Logits,
        row: usize,
        took: Duration,
        desk: &mut Desk<'_>,
    ) -> Result<Option<Box<dyn State>>> {
        let rows = logits.rows(row);
        if rows.len() != self.feed.len() {
            bail!(
                Internal,
                "the model returned {} rows of logits for {} tokens",
                rows.len(),
                self.feed.len()
            );
        }
        let drafted = self.feed.len() - 1;
        let mut accepted = 0;
        for (i, row) in rows.enumerate() {
            self.draw(task, row, desk)?;
            let drawn = self.completion.ids.last();
            if self.ended || i == drafted || drawn != Some(&self.feed[i + 1]) {
                // The state forgets the guesses that were wrong or come after the end.
                if let Some(state) = &mut self.state {
                    state.truncate(state.len() - (drafted - i));
                }
                accepted = i;
                break;
            }
        }
        if let Some(drafter) = &mut self.drafter {
            drafter.learn(drafted, accepted, took + self.drafting);
            self.completion.speculated = drafter.counters;
        }
        Ok(self.release())
    }

    /// Forgets the tokens that were fed last, whose logits nobody wants any more.
    pub fn take_back(&mut self) {
        if let Some(state) = &mut self.state {
            state.truncate(state.len() - self.feed.len());
        }
    }

    /// Ends it as it is. Returns its state, if it had one.
    pub fn stop(&mut self, reason: FinishReason, desk: &mut Desk<'_>) -> Option<Box<dyn State>> {
        if !self.ended {
            self.end(reason, desk);
        }
        self.release()
    }

    /// The state of a sample that has ended.
    fn release(&mut self) -> Option<Box<dyn State>> {
        match self.ended {
            true => self.state.take(),
            false => None,
        }
    }

    /// Its number for the draws; options were checked, so that all numbers fit.
    fn number(&self, task: &Task) -> u32 {
        task.options.first_sample + self.index as u32
    }

    /// Draws the next token and ends the sample when it is complete.
    fn draw(&mut self, task: &Task, logits: &[f32], desk: &mut Desk<'_>) -> Result<()> {
        let options = &task.options;
        let ids = &self.completion.ids;
        desk.candidates.fill(logits)?;
        // Rows of the embedding beyond the tokenizer's ids are padding.
        let vocabulary = desk.tokenizer.vocab_size();
        desk.candidates.retain(|c| (c.id as usize) < vocabulary);
        let due = &task.due[self.completion.healed..];
        if !due.is_empty() {
            let tokens = desk.generator.text_tokens();
            tokens.restrict(desk.tokenizer, due, desk.candidates);
        }
        let history = History {
            prompt: &task.prompt,
            generated: ids,
        };
        for stage in &task.chain {
            stage.apply(desk.candidates, history)?;
        }
        let u = rng::uniform(options.sampling.seed, self.number(task), ids.len() as u64);
        let id = desk.candidates.draw(u)?.id;
        if id == desk.tokenizer.end_of_text() {
            self.end(FinishReason::EndOfText, desk);
            return Ok(());
        }
        let logprob = log_probability(logits, id);
        let completion = &mut self.completion;
        completion.ids.push(id);
        completion.logprobs.push(logprob);
        if options.top_logprobs > 0 {
            let top = top_log_probabilities_below(logits, vocabulary, options.top_logprobs);
            completion.top_logprobs.push(top);
        }

        let mut text = String::new();
        let stop = if due.is_empty() {
            self.text.push(desk.tokenizer, id, &mut text)?
        } else if let Some(bytes) = desk.tokenizer.token_bytes(id) {
            let owed = bytes.len().min(due.len());
            completion.healed += owed;
            self.text.push_bytes(&bytes[owed..], &mut text)?
        } else {
            None
        };
        completion.text.push_str(&text);
        let reason = if stop.is_some() {
            stop
        } else if completion.ids.len() == options.limits.max_new_tokens {
            Some(FinishReason::Length)
        } else {
            // A token that was drawn and not fed yet needs a position to go on from.
            let taken = task.prompt.len() + completion.ids.len();
            (taken > task.positions).then_some(FinishReason::ContextFull)
        };
        desk.report(Event::Token {
            sample: self.index,
            id,
            logprob,
            top_logprobs: completion.top_logprobs.last().map_or(&[], |top| top),
            text: &text,
        });
        if let Some(reason) = reason {
            self.end(reason, desk);
        }
        Ok(())
    }

    /// Completes it: the text that was held back is text after all, unless what it holds ends
    /// it before.
    fn end(&mut self, reason: FinishReason, desk: &mut Desk<'_>) {
        self.ended = true;
        let mut text = String::new();
        let reason = self.text.finish(&mut text).unwrap_or(reason);
        self.completion.finish_reason = reason;
        self.completion.text.push_str(&text);
        desk.report(Event::End {
            sample: self.index,
            text: &text,
            reason,
        });
    }
}
