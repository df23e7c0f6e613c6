//! One sample under way: samples its tokens, turns them into text, and knows when it is complete.

use std::sync::Arc;
use std::time::Duration;

use super::candidates::{log_probability, top_log_probabilities_below};
use super::options::{FinishReason, GenerateOptions};
use super::rng;
use super::sampler::{History, Sampler};
use super::speculate::{Drafter, Position};
use super::step::{RequestContext, StepInput};
use super::text::Text;
use super::{Completion, Event};
use crate::cancel::CancelToken;
use crate::error::{Result, bail};
use crate::memory::{TryGrow, TryGrowText, try_copy};
use crate::model::{Logits, State, Wanted};

/// What all samples of a request have in common, beside the prompt.
pub(super) struct Task {
    /// Bytes that followed the prompt and that every sample begins with, see
    /// [`heal`](super::heal).
    pub due: Vec<u8>,
    pub options: GenerateOptions,
    pub chain: Vec<Arc<dyn Sampler>>,
    /// Tokens that the model has room for.
    pub context_length: usize,
}

/// One sample. Its state is there while it is being generated.
pub(super) struct Sequence {
    /// Its place among the samples of the request.
    index: usize,
    state: Option<Box<dyn State>>,
    /// What the model is fed in this step: the last token, then draft tokens.
    input: Vec<u32>,
    drafter: Option<Drafter>,
    text: Text,
    completion: Completion,
    ended: bool,
}

impl Sequence {
    /// `text` is where its text begins.
    pub fn new(index: usize, options: &GenerateOptions, text: Text) -> Self {
        Self {
            index,
            state: None,
            input: Vec::new(),
            drafter: options.speculation.as_ref().map(Drafter::new),
            text,
            completion: Completion {
                text: String::new(),
                ids: Vec::new(),
                healed: 0,
                logprobs: Vec::new(),
                top_logprobs: Vec::new(),
                score: 0.0,
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
        prompt: &[u32],
        state: Box<dyn State>,
        row: &[f32],
        context: &mut RequestContext<'_>,
    ) -> Result<()> {
        self.state = Some(state);
        self.sample(task, prompt, row, context)
    }

    /// Decides what is fed next: the last token, and draft tokens after it, those of a draft model
    /// once they are there.
    pub fn prepare(&mut self, task: &Task, prompt: &[u32], vocabulary: usize) {
        self.input.clear();
        let Some(&last) = self.completion.ids.last() else {
            return;
        };
        self.input.push(last);
        let (Some(state), Some(drafter)) = (&self.state, &mut self.drafter) else {
            return;
        };
        // The last token that may come needs no draft after it, and draft tokens need room.
        let wanted = task.options.limits.max_new_tokens - self.completion.ids.len();
        let room = task.context_length - state.len() - 1;
        let most = wanted.saturating_sub(1).min(room);
        drafter.begin(
            &position(task, prompt, &self.completion.ids, self.index, vocabulary),
            most,
        );
    }

    /// Whether its draft model has tokens to draft in this step.
    pub fn is_drafting(&self) -> bool {
        self.drafter.as_ref().is_some_and(Drafter::is_drafting)
    }

    /// Tokens of the prompt that the draft model was fed, where one is to draft in this step.
    pub fn draft_prompt_read(&self, prompt: &[u32]) -> Option<usize> {
        let live = self.drafter.as_ref().filter(|_| self.is_live());
        live.and_then(|drafter| drafter.read_of(prompt))
    }

    /// The draft model's state with the prompt and nothing else.
    pub fn draft_prompt(&self, prompt: &[u32]) -> Option<Box<dyn State>> {
        self.drafter.as_ref()?.fork_at(prompt)
    }

    /// Continues a state of the draft model that holds the prompt.
    pub fn set_draft_prompt(&mut self, state: Box<dyn State>, prompt: &[u32]) {
        if let Some(drafter) = &mut self.drafter {
            drafter.set_state(state, prompt);
        }
    }

    /// Drafts nothing until another sequence has read the prompt, and nothing in this step where
    /// that is not done in it.
    pub fn wait_for_draft_prompt(&mut self, this_step: bool) {
        if let Some(drafter) = &mut self.drafter {
            drafter.wait(this_step);
        }
    }

    /// Detaches the draft model's state with what it is fed next.
    pub fn detach_draft(
        &mut self,
        prompt: &[u32],
        tokens: usize,
        cancel: &CancelToken,
    ) -> Option<StepInput> {
        let drafter = self.drafter.as_mut().filter(|_| self.state.is_some())?;
        drafter.detach(prompt, &self.completion.ids, tokens, cancel)
    }

    /// Attaches what `detach_draft` detached.
    pub fn attach_draft(&mut self, input: StepInput) {
        if let Some(drafter) = &mut self.drafter {
            drafter.attach(input);
        }
    }

    /// Samples a draft token from the draft model's logits of sequence `row`.
    pub fn accept_draft(
        &mut self,
        task: &Task,
        prompt: &[u32],
        logits: &Logits,
        row: usize,
        took: Duration,
        context: &mut RequestContext<'_>,
    ) -> Result<()> {
        let Some(drafter) = &mut self.drafter else {
            return Ok(());
        };
        let vocabulary = context.tokenizer.vocab_size();
        let at = position(task, prompt, &self.completion.ids, self.index, vocabulary);
        drafter.accept(&at, logits, row, took, context.candidates)
    }

    /// Goes on without a draft model.
    pub fn stop_drafting(&mut self) {
        if let Some(drafter) = &mut self.drafter {
            drafter.give_up();
        }
    }

    /// Detaches its state with what `prepare` decided to feed, and the draft tokens.
    pub fn detach_state(&mut self, cancel: &CancelToken) -> Option<StepInput> {
        if let Some(drafter) = &mut self.drafter
            && !self.input.is_empty()
        {
            // Without memory for draft tokens, none are fed.
            let _ = self.input.try_extend(&drafter.finish());
        }
        let wanted = match self.input.len() {
            0 => return None,
            1 => Wanted::Last,
            _ => Wanted::All,
        };
        Some(StepInput {
            state: self.state.take()?,
            ids: std::mem::take(&mut self.input),
            wanted,
            cancel: cancel.clone(),
        })
    }

    /// Attaches what it detached.
    pub fn attach_state(&mut self, input: StepInput) {
        self.state = Some(input.state);
        self.input = input.ids;
    }

    /// Whether it was fed something in this step.
    pub fn has_input(&self) -> bool {
        self.state.is_some() && !self.input.is_empty()
    }

    /// Samples from the logits of sequence `row`: a token after every one that was fed, as long as
    /// they equal the draft tokens.
    pub fn accept(
        &mut self,
        task: &Task,
        prompt: &[u32],
        logits: &Logits,
        row: usize,
        took: Duration,
        context: &mut RequestContext<'_>,
    ) -> Result<()> {
        let rows = logits.rows(row);
        if rows.len() != self.input.len() {
            bail!(
                Internal,
                "the model returned {} rows of logits for {} tokens",
                rows.len(),
                self.input.len()
            );
        }
        let drafted = self.input.len() - 1;
        let mut accepted = 0;
        for (i, row) in rows.enumerate() {
            self.sample(task, prompt, row, context)?;
            let sampled = self.completion.ids.last();
            if self.ended || i == drafted || sampled != Some(&self.input[i + 1]) {
                // The state forgets the draft tokens that were wrong or come after the end.
                if let Some(state) = &mut self.state {
                    state.truncate(state.len() - (drafted - i));
                }
                accepted = i;
                break;
            }
        }
        if let Some(drafter) = &mut self.drafter {
            drafter.learn(drafted, accepted, took);
            self.completion.speculated = drafter.counters;
        }
        Ok(())
    }

    /// Forgets the tokens that were fed last, whose logits are not used.
    pub fn undo_step(&mut self) {
        if let Some(state) = &mut self.state {
            state.truncate(state.len() - self.input.len());
        }
    }

    /// Ends it as it is.
    pub fn stop(&mut self, reason: FinishReason, context: &mut RequestContext<'_>) -> Result<()> {
        match self.ended {
            false => self.end(reason, context),
            true => Ok(()),
        }
    }

    /// The state of a sample that has ended.
    pub fn release(&mut self) -> Option<Box<dyn State>> {
        if !self.ended {
            return None;
        }
        self.drafter = None;
        self.state.take()
    }

    /// Samples the next token and ends the sample when it is complete.
    fn sample(
        &mut self,
        task: &Task,
        prompt: &[u32],
        logits: &[f32],
        context: &mut RequestContext<'_>,
    ) -> Result<()> {
        let options = &task.options;
        let ids = &self.completion.ids;
        context.candidates.fill(logits)?;
        // Rows of the embedding beyond the tokenizer's ids are padding.
        let vocabulary = context.tokenizer.vocab_size();
        context.candidates.retain(|c| (c.id as usize) < vocabulary);
        let due = &task.due[self.completion.healed..];
        if !due.is_empty() {
            let tokens = context.generator.text_tokens()?;
            tokens.restrict(context.tokenizer, due, context.candidates)?;
        }
        let history = History {
            prompt,
            generated: ids,
        };
        for stage in &task.chain {
            stage.apply(context.candidates, history)?;
        }
        let u = rng::uniform(
            options.sampling.seed,
            number(task, self.index),
            ids.len() as u64,
        );
        let id = context.candidates.sample(u)?.id;
        let logprob = log_probability(logits, id);
        let completion = &mut self.completion;
        completion.ids.try_push(id)?;
        completion.logprobs.try_push(logprob)?;
        completion.score += f64::from(logprob);
        if options.top_logprobs > 0 {
            let top = top_log_probabilities_below(logits, vocabulary, options.top_logprobs)?;
            completion.top_logprobs.try_push(top)?;
        }

        let mut text = String::new();
        let ends = context.generator.ends_text(id) || options.stops.stop_ids.contains(&id);
        let stop = if ends {
            Some(FinishReason::EndOfText)
        } else if due.is_empty() {
            self.text.push(context.tokenizer, id, &mut text)?
        } else if let Some(bytes) = context.tokenizer.token_bytes(id) {
            let owed = bytes.len().min(due.len());
            completion.healed += owed;
            self.text.push_bytes(&bytes[owed..], &mut text)?
        } else {
            None
        };
        completion.text.try_push_str(&text)?;
        let reason = if stop.is_some() {
            stop
        } else if completion.ids.len() == options.limits.max_new_tokens {
            Some(FinishReason::Length)
        } else {
            // A token that was sampled and not fed yet needs room to go on from.
            let taken = prompt.len() + completion.ids.len();
            (taken > task.context_length).then_some(FinishReason::ContextFull)
        };
        context.report(Event::Token {
            sample: self.index,
            id,
            logprob,
            top_logprobs: match completion.top_logprobs.last() {
                Some(top) => try_copy(top)?,
                None => Vec::new(),
            },
            text,
        });
        match reason {
            Some(reason) => self.end(reason, context),
            None => Ok(()),
        }
    }

    /// Completes it: the text that was held back is text after all, unless what it holds ends
    /// it before.
    fn end(&mut self, reason: FinishReason, context: &mut RequestContext<'_>) -> Result<()> {
        self.ended = true;
        let mut text = String::new();
        let reason = self.text.finish(&mut text)?.unwrap_or(reason);
        self.completion.finish_reason = reason;
        self.completion.text.try_push_str(&text)?;
        context.report(Event::End {
            sample: self.index,
            text,
            reason,
        });
        Ok(())
    }
}

/// The number of a sample for its random numbers; options were checked, so that all numbers fit.
fn number(task: &Task, index: usize) -> u32 {
    task.options.first_sample + index as u32
}

fn position<'a>(
    task: &'a Task,
    prompt: &'a [u32],
    generated: &'a [u32],
    index: usize,
    vocabulary: usize,
) -> Position<'a> {
    Position {
        prompt,
        generated,
        seed: task.options.sampling.seed,
        chain: &task.chain,
        sample: number(task, index),
        vocabulary,
    }
}
