//! Beam search: the most likely continuations instead of a sampled one.
//!
//! ```text
//! running = [the prompt]
//! repeat:
//!   candidates = running × next tokens, by the sum of their log-probabilities
//!   those that end leave and are finished; the best num_beams of the others run on
//! until num_beams are finished (BeamRules has the other ends), nothing runs, or the tokens are used up
//! ```
//!
//! A search is a request of the scheduler: all running beams go through the model in one call a
//! step, together with the sequences of other requests. A beam that goes on in one candidate keeps
//! its state; one that goes on in several is forked, and its pages are shared until the forks
//! write. Candidates of equal sums rank by their ids, so nothing depends on chance or on the order
//! of computation. Nothing here is sampled: temperature, top-k, top-p and samplers belong to
//! [`Generator::generate`].

mod options;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::time::Duration;

use super::candidates::{Candidate, Candidates, log_sum_exp};
use super::options::FinishReason;
use super::request::Group;
use super::sampler::{BannedIds, History, Sampler};
use super::scheduler::run_alone;
use super::step::{RequestContext, StepInput};
use super::text::Text;
use super::{Completion, Event, Generator, Prompt};
use crate::cancel::CancelToken;
use crate::error::{Result, bail};
use crate::memory::{TryGrow, try_collect, try_copy, try_copy_text, try_filled, try_vec};
use crate::model::{Logits, State, Wanted};
use crate::num;
use crate::tokenizer::Tokenizer;

pub use options::{BeamOptions, BeamRules, EarlyStopping, MAX_BEAMS};

impl Generator {
    /// Searches for the most likely continuations of a prompt: at most `num_beams`, best first,
    /// equals by their ids. [`Completion::score`] is the score by the rules of the search.
    ///
    /// A step costs about as much as one of [`generate`](Self::generate) with `num_beams`
    /// samples, and ranking the vocabulary for each. Memory is a state for every running beam,
    /// shared as far as they have their tokens in common, down to a page. Once `cancel` is set,
    /// the beams of that moment are returned, those that were still running with
    /// [`FinishReason::Cancelled`]; the deadline of the options does the same. To search together
    /// with other requests, submit the options to a [`Service`](super::Service) or a
    /// [`Scheduler`](super::Scheduler).
    ///
    /// # Errors
    /// As for [`generate`](Self::generate); no sampler takes part.
    ///
    /// ```
    /// use codegeex::{BeamOptions, CancelToken, Generator};
    ///
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
    /// let generator = Generator::open(path)?;
    /// let options = BeamOptions::new().num_beams(3).max_new_tokens(8);
    /// let beams = generator.beam_search("def add(a, b):\n", &options, &CancelToken::new())?;
    /// assert!(beams[0].score >= beams[2].score);
    /// # Ok::<(), codegeex::Error>(())
    /// ```
    pub fn beam_search<'p>(
        &self,
        prompt: impl Into<Prompt<'p>>,
        options: &BeamOptions,
        cancel: &CancelToken,
    ) -> Result<Vec<Completion>> {
        run_alone(self, prompt.into(), options.try_clone()?, cancel)
    }
}

/// The beams of a search.
pub(super) struct BeamGroup {
    options: BeamOptions,
    banned: BannedIds,
    /// New tokens at most, and why no more.
    most: usize,
    limit: FinishReason,
    /// New tokens of every running beam.
    tokens: usize,
    /// Best first.
    running: Vec<Beam>,
    /// Best first, `num_beams` at most.
    finished: Vec<FinishedBeam>,
    /// The search is over.
    ended: bool,
}

/// A beam that goes on.
struct Beam {
    ids: Vec<u32>,
    logprobs: Vec<f32>,
    sum: f64,
    /// Nothing before the search begins, and once the last of its continuations has it.
    state: Option<Box<dyn State>>,
    decoded: Decoded,
}

/// The text of a beam, decoded as its tokens come.
struct Decoded {
    text: Text,
    certain: String,
}

impl Decoded {
    fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            text: self.text.try_clone()?,
            certain: try_copy_text(&self.certain)?,
        })
    }

    /// Adds a token. Returns why the text ends there, if it does.
    fn push(&mut self, tokenizer: &dyn Tokenizer, id: u32) -> Result<Option<FinishReason>> {
        self.text.push(tokenizer, id, &mut self.certain)
    }
}

/// A beam that ended.
struct FinishedBeam {
    ids: Vec<u32>,
    logprobs: Vec<f32>,
    score: f64,
    reason: FinishReason,
    decoded: Decoded,
}

/// A running beam with one token more.
#[derive(Clone, Copy)]
struct Continuation {
    parent: usize,
    id: u32,
    logprob: f32,
    sum: f64,
}

impl BeamGroup {
    /// A search that has not begun.
    pub fn new(generator: &Generator, prompt: &[u32], options: BeamOptions) -> Result<Self> {
        let tokenizer = &**generator.tokenizer();
        let text = {
            let stops = &options.stops;
            Text::new(&stops.stop, stops.stop_at.as_ref(), tokenizer, prompt)?
        };
        // The token after the last one that fits is not fed: nothing is computed from it.
        let room = generator.model().config().max_position_embeddings + 1 - prompt.len();
        let (most, limit) = match options.limits.max_new_tokens <= room {
            true => (options.limits.max_new_tokens, FinishReason::Length),
            false => (room, FinishReason::ContextFull),
        };
        let certain = String::new();
        Ok(Self {
            banned: BannedIds::sorted(try_copy(&options.banned_ids)?),
            options,
            most,
            limit,
            tokens: 0,
            running: vec![Beam {
                ids: Vec::new(),
                logprobs: Vec::new(),
                sum: 0.0,
                state: None,
                decoded: Decoded { text, certain },
            }],
            finished: Vec::new(),
            ended: false,
        })
    }

    /// Takes the logits after every running beam, and ends the search where that decides it. A
    /// search that was cancelled stays as it is.
    fn advance(
        &mut self,
        prompt: &[u32],
        rows: &[&[f32]],
        cancel: &CancelToken,
        context: &mut RequestContext<'_>,
    ) -> Result<()> {
        let vocabulary = context.tokenizer.vocab_size();
        let Some(found) = self.expand(prompt, rows, vocabulary, context.candidates, cancel)? else {
            return Ok(());
        };
        self.select(found, context.generator)?;
        match self.tokens == self.most || self.running.is_empty() {
            true => self.conclude(self.limit, context),
            false => Ok(()),
        }
    }

    /// The continuations of every running beam that may count, best first; nothing once the search
    /// was cancelled.
    fn expand(
        &self,
        prompt: &[u32],
        rows: &[&[f32]],
        vocabulary: usize,
        candidates: &mut Candidates,
        cancel: &CancelToken,
    ) -> Result<Option<Vec<Continuation>>> {
        let keep = self.options.candidates();
        let mut found = Vec::new();
        let mut best: Vec<Candidate> = Vec::new();
        for (parent, (beam, row)) in self.running.iter().zip(rows).enumerate() {
            if cancel.is_cancelled() {
                return Ok(None);
            }
            candidates.fill(row)?;
            // Rows of the embedding beyond the tokenizer's ids are padding.
            candidates.retain(|c| (c.id as usize) < vocabulary);
            let history = History {
                prompt,
                generated: &beam.ids,
            };
            self.banned.apply(candidates, history)?;
            best.clear();
            best.try_extend(candidates.as_slice())?;
            if best.len() > keep {
                best.select_nth_unstable_by(keep - 1, Candidate::rank);
                best.truncate(keep);
            }
            let log_sum = log_sum_exp(row);
            found.try_reserve(best.len())?;
            found.extend(best.iter().map(|c| {
                let logprob = (f64::from(c.logit) - log_sum) as f32;
                Continuation {
                    parent,
                    id: c.id,
                    logprob,
                    sum: beam.sum + f64::from(logprob),
                }
            }));
        }
        if found.is_empty() && self.finished.is_empty() {
            bail!(
                InvalidArgument,
                "no token may follow: the logits or the bans leave none to choose from"
            );
        }
        let ids = |c: &Continuation| (&self.running[c.parent].ids, c.id);
        found.sort_unstable_by(|a, b| b.sum.total_cmp(&a.sum).then_with(|| ids(a).cmp(&ids(b))));
        Ok(Some(found))
    }

    /// Takes the next step: the candidates that end are finished, the best of the others run on.
    fn select(&mut self, mut found: Vec<Continuation>, generator: &Generator) -> Result<()> {
        let tokenizer = &*generator.tokenizer;
        let num_beams = self.options.num_beams;
        let global = matches!(self.options.rules, BeamRules::HuggingFace { .. });
        if global {
            found.truncate(self.options.candidates());
        }
        self.tokens += 1;
        let last = self.tokens == self.most;
        let mut next: Vec<(Continuation, Decoded)> = try_vec(num_beams.min(found.len()))?;
        for (rank, &c) in found.iter().enumerate() {
            let counts = !global || rank < num_beams;
            let parent = &self.running[c.parent];
            let stops = &self.options.stops;
            let ends = generator.ends_text(c.id) || stops.stop_ids.contains(&c.id);
            let (reason, decoded) = if ends {
                (Some(FinishReason::EndOfText), parent.decoded.try_clone()?)
            } else if next.len() == num_beams {
                continue;
            } else {
                let mut decoded = parent.decoded.try_clone()?;
                (decoded.push(tokenizer, c.id)?, decoded)
            };
            match reason {
                Some(reason) if counts => {
                    let (ids, logprobs) = parent.continued(c)?;
                    self.finish(ids, logprobs, c.sum, reason, decoded)?;
                }
                // In the last step all that is left ends.
                None if counts || !last => next.push((c, decoded)),
                _ => {}
            }
        }
        self.rank_finished();
        let best = next.first().map(|(c, _)| c.sum);
        // In the last step, too, the reference returns what has finished alone.
        if !(last && global) && best.is_some_and(|best| self.is_decided(best)) {
            next.clear();
        }
        if last {
            // Nothing more is fed.
            self.running.iter_mut().for_each(|beam| beam.state = None);
        }
        self.continue_with(next)
    }

    /// Whether the search ends although a beam with this sum could go on.
    fn is_decided(&self, best: f64) -> bool {
        if self.finished.len() < self.options.num_beams {
            return false;
        }
        let (length_penalty, early_stopping) = match self.options.rules {
            BeamRules::Reference => return true,
            BeamRules::HuggingFace {
                length_penalty,
                early_stopping,
            } => (length_penalty, early_stopping),
        };
        // The score that the best running beam is held to be able to reach.
        let tokens = match early_stopping {
            EarlyStopping::Yes => return true,
            EarlyStopping::Never if length_penalty > 0.0 => self.most,
            EarlyStopping::Never | EarlyStopping::No => self.tokens,
        };
        let reachable = best / num::pow(tokens as f64, length_penalty.into());
        self.finished.iter().all(|beam| reachable <= beam.score)
    }

    /// The chosen continuations become the running beams.
    fn continue_with(&mut self, next: Vec<(Continuation, Decoded)>) -> Result<()> {
        let mut children = try_filled(0usize, self.running.len())?;
        next.iter().for_each(|(c, _)| children[c.parent] += 1);
        let mut running = try_vec(next.len())?;
        for (c, decoded) in next {
            let parent = &mut self.running[c.parent];
            children[c.parent] -= 1;
            // The last continuation has the state itself, so that no page is shared needlessly.
            let state = match children[c.parent] {
                0 => parent.state.take(),
                _ => parent.state.as_ref().map(|state| state.fork()),
            };
            let (ids, logprobs) = parent.continued(c)?;
            running.push(Beam {
                ids,
                logprobs,
                sum: c.sum,
                state,
                decoded,
            });
        }
        self.running = running;
        Ok(())
    }

    fn finish(
        &mut self,
        ids: Vec<u32>,
        logprobs: Vec<f32>,
        sum: f64,
        reason: FinishReason,
        decoded: Decoded,
    ) -> Result<()> {
        let score = match self.options.rules {
            BeamRules::HuggingFace { length_penalty, .. } if !ids.is_empty() => {
                sum / num::pow(ids.len() as f64, length_penalty.into())
            }
            _ => sum,
        };
        self.finished.try_push(FinishedBeam {
            ids,
            logprobs,
            score,
            reason,
            decoded,
        })?;
        Ok(())
    }

    fn rank_finished(&mut self) {
        let rank = |a: &FinishedBeam, b: &FinishedBeam| -> Ordering {
            b.score.total_cmp(&a.score).then_with(|| a.ids.cmp(&b.ids))
        };
        self.finished.sort_unstable_by(rank);
        self.finished.truncate(self.options.num_beams);
    }

    /// Ends the search: beams that still run are results as good as the finished ones.
    fn conclude(&mut self, reason: FinishReason, context: &mut RequestContext<'_>) -> Result<()> {
        self.ended = true;
        for beam in std::mem::take(&mut self.running) {
            self.finish(beam.ids, beam.logprobs, beam.sum, reason, beam.decoded)?;
        }
        self.rank_finished();
        for (sample, beam) in self.finished.iter_mut().enumerate() {
            let Decoded { text, certain } = &mut beam.decoded;
            // What was held back is text after all, unless it ends the text before.
            beam.reason = text.finish(certain)?.unwrap_or(beam.reason);
            context.report(Event::End {
                sample,
                text: try_copy_text(certain)?,
                reason: beam.reason,
            });
        }
        Ok(())
    }
}

impl Group for BeamGroup {
    fn width(&self) -> usize {
        self.options.num_beams
    }

    fn live(&self) -> usize {
        let has_state = |beam: &&Beam| beam.state.is_some();
        self.running.iter().filter(has_state).count()
    }

    fn is_new(&self) -> bool {
        self.can_start()
    }

    fn can_start(&self) -> bool {
        self.tokens == 0 && !self.ended
    }

    fn has_further(&self) -> bool {
        false
    }

    fn has_ended(&self) -> bool {
        self.ended
    }

    fn start(
        &mut self,
        prompt: &[u32],
        state: &mut Option<Box<dyn State>>,
        row: &mut Option<Vec<f32>>,
        context: &mut RequestContext<'_>,
        cancel: &CancelToken,
    ) -> Result<()> {
        let Some(row) = row.take() else {
            return Ok(());
        };
        self.running[0].state = state.take();
        self.advance(prompt, &[&row], cancel, context)
    }

    fn prepare(&mut self, _prompt: &[u32], _context: &mut RequestContext<'_>) {}

    fn detach_states(&mut self, cancel: &CancelToken, inputs: &mut Vec<StepInput>) -> usize {
        let before = inputs.len();
        for beam in &mut self.running {
            if let (Some(state), Some(&last)) = (beam.state.take(), beam.ids.last()) {
                inputs.push(StepInput {
                    state,
                    ids: vec![last],
                    wanted: Wanted::Last,
                    cancel: cancel.clone(),
                });
            }
        }
        inputs.len() - before
    }

    fn attach_states(&mut self, inputs: &mut dyn Iterator<Item = StepInput>) {
        for (beam, input) in self.running.iter_mut().zip(inputs) {
            beam.state = Some(input.state);
        }
    }

    fn accept(
        &mut self,
        prompt: &[u32],
        logits: &Logits,
        row: usize,
        _took: Duration,
        cancel: &CancelToken,
        context: &mut RequestContext<'_>,
    ) -> Result<()> {
        let mut rows = try_vec(self.running.len())?;
        for beam in 0..self.running.len() {
            match logits.last(row + beam) {
                Some(row) => rows.push(row),
                // The end of the request is found next.
                None if cancel.is_cancelled() => return Ok(()),
                None => bail!(Internal, "the model returned no logits for beam {beam}"),
            }
        }
        self.advance(prompt, &rows, cancel, context)
    }

    fn stop(&mut self, reason: FinishReason, context: &mut RequestContext<'_>) -> Result<()> {
        match self.ended {
            false => self.conclude(reason, context),
            true => Ok(()),
        }
    }

    fn into_completions(self: Box<Self>) -> Result<Vec<Completion>> {
        let completion = |beam: FinishedBeam| Completion {
            text: beam.decoded.certain,
            ids: beam.ids,
            healed: 0,
            logprobs: beam.logprobs,
            top_logprobs: Vec::new(),
            score: beam.score,
            finish_reason: beam.reason,
            speculated: Default::default(),
        };
        Ok(try_collect(self.finished.into_iter().map(completion))?)
    }
}

impl Beam {
    /// Its tokens and their log-probabilities with one more.
    fn continued(&self, c: Continuation) -> Result<(Vec<u32>, Vec<f32>)> {
        let mut ids = try_vec(self.ids.len() + 1)?;
        ids.extend_from_slice(&self.ids);
        ids.push(c.id);
        let mut logprobs = try_vec(self.logprobs.len() + 1)?;
        logprobs.extend_from_slice(&self.logprobs);
        logprobs.push(c.logprob);
        Ok((ids, logprobs))
    }
}
