//! The samples of a request: each goes on from the same prompt with random numbers of its own.

use std::sync::Arc;
use std::time::Duration;

use super::options::{FinishReason, GenerateOptions};
use super::request::Group;
use super::sequence::{Sequence, Task};
use super::step::{RequestContext, StepInput};
use super::text::Text;
use super::{Completion, Drafts, Generator};
use crate::cancel::CancelToken;
use crate::error::Result;
use crate::memory::{try_collect, try_vec};
use crate::model::{Logits, Model, State};

pub(super) struct SampleGroup {
    task: Task,
    sequences: Vec<Sequence>,
    /// Sequences that were started.
    started: usize,
    /// Those whose states a call of the model has.
    detached: Vec<usize>,
    /// The same for a call of the draft model.
    drafting: Vec<usize>,
    keeps: bool,
    /// The state of the first sequence after its end.
    kept: Option<Box<dyn State>>,
}

impl SampleGroup {
    /// Samples that have not begun. Takes the tokens off the prompt that are sampled again, see
    /// [`GenerateOptions::heal`].
    pub fn new(
        generator: &Generator,
        prompt: &mut Vec<u32>,
        options: GenerateOptions,
    ) -> Result<Self> {
        let tokenizer = &**generator.tokenizer();
        if let Some(speculation) = &options.speculation {
            speculation.validate(generator.model().config().padded_vocab_size)?;
        }
        let text = {
            let stops = &options.stops;
            Text::new(&stops.stop, stops.stop_at.as_ref(), tokenizer, prompt)?
        };
        let cut = match options.heal {
            true => generator.text_tokens()?.cut(tokenizer, prompt)?,
            false => None,
        };
        let due = cut.map(|cut| {
            prompt.truncate(cut.kept);
            cut.due
        });
        let samples = options.samples;
        let mut sequences = try_vec(samples)?;
        for i in 0..samples {
            sequences.push(Sequence::new(i, &options, text.try_clone()?));
        }
        Ok(Self {
            sequences,
            task: Task {
                chain: options.sampling.chain()?,
                context_length: generator.model().config().max_position_embeddings,
                due: due.unwrap_or_default(),
                options,
            },
            started: 0,
            detached: try_vec(samples)?,
            drafting: try_vec(samples)?,
            keeps: false,
            kept: None,
        })
    }

    /// Releases the state of a sequence that has ended.
    fn release(&mut self, index: usize) {
        let state = self.sequences[index].release();
        if index == 0 && self.keeps && state.is_some() {
            self.kept = state;
        }
    }

    /// Lets sequences whose draft model has not read the prompt share the work: one of them reads
    /// it, the others continue forks of its state.
    fn share_draft_prompt(&mut self, prompt: &[u32]) {
        let read = |s: &Sequence| s.draft_prompt_read(prompt);
        let behind = |s: &Sequence| read(s).is_some_and(|tokens| tokens < prompt.len());
        if !self.sequences.iter().any(behind) {
            return;
        }
        let donor = (self.sequences.iter()).find_map(|s| s.draft_prompt(prompt));
        if let Some(donor) = donor {
            for sequence in self.sequences.iter_mut().filter(|s| behind(s)) {
                sequence.set_draft_prompt(donor.fork(), prompt);
            }
            return;
        }
        let all = self.sequences.iter().enumerate();
        let leader = all
            .filter(|(_, s)| behind(s))
            .max_by_key(|(i, s)| (read(s), std::cmp::Reverse(*i)));
        let leader = leader.map(|(i, s)| (i, s.is_drafting()));
        for (i, sequence) in self.sequences.iter_mut().enumerate() {
            if let Some((leader, reads)) = leader
                && i != leader
                && behind(sequence)
            {
                // Where the leader needs further steps, so do they.
                sequence.wait_for_draft_prompt(!reads);
            }
        }
    }
}

impl Group for SampleGroup {
    fn width(&self) -> usize {
        1
    }

    fn live(&self) -> usize {
        self.sequences.iter().filter(|s| s.is_live()).count()
    }

    fn is_new(&self) -> bool {
        self.started == 0
    }

    fn can_start(&self) -> bool {
        self.started < self.sequences.len()
    }

    fn has_further(&self) -> bool {
        self.sequences.len() > 1
    }

    fn has_ended(&self) -> bool {
        self.sequences.iter().all(Sequence::has_ended)
    }

    fn start(
        &mut self,
        prompt: &[u32],
        state: &mut Option<Box<dyn State>>,
        row: &mut Option<Vec<f32>>,
        context: &mut RequestContext<'_>,
        _cancel: &CancelToken,
    ) -> Result<()> {
        let index = self.started;
        let last = index + 1 == self.sequences.len();
        let own = match last {
            true => state.take(),
            false => state.as_ref().map(|s| s.fork()),
        };
        let (Some(own), Some(logits)) = (own, row.take()) else {
            return Ok(());
        };
        self.started += 1;
        let started = self.sequences[index].start(&self.task, prompt, own, &logits, context);
        if !last {
            *row = Some(logits);
        }
        self.release(index);
        started
    }

    fn prepare(&mut self, prompt: &[u32], context: &mut RequestContext<'_>) {
        let vocabulary = context.tokenizer.vocab_size();
        for sequence in self.sequences.iter_mut().filter(|s| s.is_live()) {
            sequence.prepare(&self.task, prompt, vocabulary);
        }
    }

    fn draft_model(&self) -> Option<&Arc<dyn Model>> {
        match &self.task.options.speculation.as_ref()?.drafts {
            Drafts::Model(model) => Some(model),
            Drafts::Lookup => None,
        }
    }

    fn detach_drafts(
        &mut self,
        prompt: &[u32],
        mut tokens: usize,
        cancel: &CancelToken,
        inputs: &mut Vec<StepInput>,
    ) -> usize {
        self.drafting.clear();
        self.share_draft_prompt(prompt);
        for (i, sequence) in self.sequences.iter_mut().enumerate() {
            // One token each in any case: most sequences have that one alone.
            if let Some(input) = sequence.detach_draft(prompt, tokens.max(1), cancel) {
                tokens = tokens.saturating_sub(input.ids.len());
                self.drafting.push(i);
                inputs.push(input);
            }
        }
        self.drafting.len()
    }

    fn attach_drafts(&mut self, inputs: &mut dyn Iterator<Item = StepInput>) {
        for (&i, input) in self.drafting.iter().zip(inputs) {
            self.sequences[i].attach_draft(input);
        }
    }

    fn accept_drafts(
        &mut self,
        prompt: &[u32],
        logits: &Logits,
        row: usize,
        took: Duration,
        context: &mut RequestContext<'_>,
    ) -> Result<()> {
        for (row, i) in (row..).zip(self.drafting.drain(..)) {
            self.sequences[i].accept_draft(&self.task, prompt, logits, row, took, context)?;
        }
        Ok(())
    }

    fn stop_drafting(&mut self) {
        self.sequences.iter_mut().for_each(Sequence::stop_drafting);
    }

    fn detach_states(&mut self, cancel: &CancelToken, inputs: &mut Vec<StepInput>) -> usize {
        self.detached.clear();
        for (i, sequence) in self.sequences.iter_mut().enumerate() {
            if let Some(input) = sequence.detach_state(cancel) {
                self.detached.push(i);
                inputs.push(input);
            }
        }
        self.detached.len()
    }

    fn attach_states(&mut self, inputs: &mut dyn Iterator<Item = StepInput>) {
        for (i, input) in self.detached.drain(..).zip(inputs) {
            self.sequences[i].attach_state(input);
        }
    }

    fn accept(
        &mut self,
        prompt: &[u32],
        logits: &Logits,
        mut row: usize,
        took: Duration,
        cancel: &CancelToken,
        context: &mut RequestContext<'_>,
    ) -> Result<()> {
        let mut result = Ok(());
        for i in 0..self.sequences.len() {
            if !self.sequences[i].has_input() {
                continue;
            }
            // To sample takes up to a millisecond, and there may be hundreds of sequences.
            if cancel.is_cancelled() {
                if logits.rows(row).len() > 0 {
                    self.sequences[i].undo_step();
                }
            } else {
                let sequence = &mut self.sequences[i];
                let accepted = sequence.accept(&self.task, prompt, logits, row, took, context);
                self.release(i);
                result = result.and(accepted);
            }
            row += 1;
        }
        result
    }

    fn stop(&mut self, reason: FinishReason, context: &mut RequestContext<'_>) -> Result<()> {
        let mut result = Ok(());
        for i in 0..self.sequences.len() {
            let stopped = self.sequences[i].stop(reason, context);
            self.release(i);
            result = result.and(stopped);
        }
        result
    }

    fn keep_state(&mut self) {
        self.keeps = true;
    }

    fn kept_state(&mut self) -> Option<Box<dyn State>> {
        self.kept.take()
    }

    fn into_completions(self: Box<Self>) -> Result<Vec<Completion>> {
        let sequences = self.sequences.into_iter();
        Ok(try_collect(sequences.map(Sequence::into_completion))?)
    }
}
