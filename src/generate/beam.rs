//! Beam search: the likeliest continuations instead of a drawn one.
//!
//! ```text
//! running = [the prompt]
//! repeat:
//!   candidates = running × next tokens, by the sum of their log-probabilities
//!   those that end leave and are finished; the best num_beams of the others run on
//! until num_beams are finished (BeamRules has the other ends), nothing runs, or the tokens are used up
//! ```
//!
//! All running beams go through the model in one call a step. A beam that goes on in one candidate
//! keeps its state; one that goes on in several is forked, and its pages are shared until the
//! forks write. Candidates of equal sums rank by their ids, so nothing depends on chance or on
//! the order of computation. Nothing here is drawn: temperature, top-k, top-p and samplers belong
//! to [`Generator::generate`].

mod options;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use super::candidates::{Candidate, Candidates, log_sum_exp};
use super::options::{FinishReason, check_ids};
use super::sampler::{BannedIds, History, Sampler};
use super::text::Text;
use super::{Generator, PREFILL_TOKENS};
use crate::cancel::CancelToken;
use crate::error::{ErrorKind, Result, bail};
use crate::model::{Input, Logits, State, Wanted};
use crate::num;

pub use options::{BeamOptions, BeamRules, EarlyStopping, MAX_BEAMS};

/// One continuation that a beam search found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Beam {
    /// Its tokens, those of a stop string and the end of text included where they ended it: the
    /// score counts them.
    pub ids: Vec<u32>,
    /// Its text, without the stop string that ended it, or up to where the rule of code ended it.
    pub text: String,
    /// The sum of `logprobs`, divided by a power of their number where the rules say so.
    pub score: f64,
    /// The log-probability of each token under the model.
    pub logprobs: Vec<f32>,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

impl Generator {
    /// Searches for the likeliest continuations of a prompt: at most `num_beams`, best first,
    /// equals by their ids.
    ///
    /// A step costs about as much as one of [`generate`](Self::generate) with `num_beams`
    /// samples, and ranking the vocabulary for each. Memory is a state for every running beam,
    /// shared as far as they have their tokens in common, down to a page. Once `cancel` is set,
    /// the beams of that moment are returned, those that were still running with
    /// [`FinishReason::Cancelled`].
    ///
    /// # Errors
    /// As for [`generate`](Self::generate); no sampler takes part.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use codegeex::cancel::CancelToken;
    /// use codegeex::generate::{BeamOptions, Generator};
    /// # use codegeex::model::{LoadOptions, load};
    /// # use codegeex::tokenizer::Gpt2Tokenizer;
    ///
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/codegeex_tiny.safetensors");
    /// # let model = load(path, &LoadOptions::default())?;
    /// let generator = Generator::new(model, Arc::new(Gpt2Tokenizer::codegeex()));
    /// let mut options = BeamOptions::default();
    /// options.num_beams = 3;
    /// options.limits.max_new_tokens = 8;
    /// let beams = generator.beam_search("def add(a, b):\n", &options, &CancelToken::new())?;
    /// assert!(beams[0].score >= beams[2].score);
    /// # Ok::<(), codegeex::Error>(())
    /// ```
    pub fn beam_search(
        &self,
        prompt: &str,
        options: &BeamOptions,
        cancel: &CancelToken,
    ) -> Result<Vec<Beam>> {
        let ids = self.tokenizer().encode(prompt, options.special_tokens);
        self.beam_search_from(&ids, options, cancel)
    }

    /// Like [`beam_search`](Self::beam_search), for a prompt of ids.
    ///
    /// # Errors
    /// As for [`beam_search`](Self::beam_search), and
    /// [`TokenOutOfRange`](crate::ErrorKind::TokenOutOfRange).
    pub fn beam_search_from(
        &self,
        prompt: &[u32],
        options: &BeamOptions,
        cancel: &CancelToken,
    ) -> Result<Vec<Beam>> {
        options.validate()?;
        self.check_prompt(prompt)?;
        let vocabulary = self.model().config().padded_vocab_size;
        check_ids("banned_ids", options.banned_ids.iter().copied(), vocabulary)?;
        Search::new(self, prompt, options, cancel)?.run()
    }
}

/// A search under way.
struct Search<'a> {
    generator: &'a Generator,
    prompt: &'a [u32],
    options: &'a BeamOptions,
    /// Before the first token.
    text: Text,
    cancel: &'a CancelToken,
    banned: BannedIds,
    /// New tokens at most, and why no more.
    most: usize,
    limit: FinishReason,
    /// New tokens of every running beam.
    tokens: usize,
    /// Best first.
    running: Vec<Running>,
    /// Best first, `num_beams` at most.
    finished: Vec<Finished>,
    candidates: Candidates,
}

/// A beam that goes on.
#[derive(Default)]
struct Running {
    ids: Vec<u32>,
    logprobs: Vec<f32>,
    sum: f64,
    /// Gone once the last of its continuations has it.
    state: Option<Box<dyn State>>,
    /// What could end it; none where nothing could.
    text: Option<Text>,
}

/// A beam that ended, not yet decoded.
struct Finished {
    ids: Vec<u32>,
    logprobs: Vec<f32>,
    score: f64,
    reason: FinishReason,
}

/// A running beam with one token more.
#[derive(Clone, Copy)]
struct Continuation {
    parent: usize,
    id: u32,
    logprob: f32,
    sum: f64,
}

impl<'a> Search<'a> {
    fn new(
        generator: &'a Generator,
        prompt: &'a [u32],
        options: &'a BeamOptions,
        cancel: &'a CancelToken,
    ) -> Result<Self> {
        let text = Text::new(
            &options.stops.stop,
            options.stops.stop_at.as_ref(),
            &**generator.tokenizer(),
            prompt,
        )?;
        // The token after the last position needs none itself: nothing is computed from it.
        let positions = generator.model().config().max_position_embeddings;
        let room = positions + 1 - prompt.len();
        let (most, limit) = match options.limits.max_new_tokens <= room {
            true => (options.limits.max_new_tokens, FinishReason::Length),
            false => (room, FinishReason::ContextFull),
        };
        let first = Running {
            text: text.may_end().then(|| text.clone()),
            ..Running::default()
        };
        Ok(Self {
            generator,
            prompt,
            options,
            text,
            cancel,
            banned: BannedIds::new(options.banned_ids.iter().copied()),
            most,
            limit,
            tokens: 0,
            running: vec![first],
            finished: Vec::new(),
            candidates: Candidates::default(),
        })
    }

    fn run(mut self) -> Result<Vec<Beam>> {
        while self.tokens < self.most && !self.running.is_empty() {
            let continuations = match self.step() {
                Ok(continuations) => continuations,
                Err(e) if e.kind() == ErrorKind::Cancelled => {
                    self.limit = FinishReason::Cancelled;
                    break;
                }
                Err(e) => return Err(e),
            };
            self.select(continuations)?;
        }
        for beam in std::mem::take(&mut self.running) {
            self.finish(beam.ids, beam.logprobs, beam.sum, self.limit);
        }
        self.rank_finished();
        let finished = std::mem::take(&mut self.finished);
        finished.into_iter().map(|beam| self.decode(beam)).collect()
    }

    fn step(&mut self) -> Result<Vec<Continuation>> {
        let logits = self.feed()?;
        self.expand(&logits)
    }

    /// Feeds the prompt at first, then the last token of every running beam. Returns a row of
    /// logits for each.
    fn feed(&mut self) -> Result<Logits> {
        let model = self.generator.model();
        if self.tokens > 0 {
            let mut batch = Vec::with_capacity(self.running.len());
            for beam in &mut self.running {
                if let (Some(state), Some(last)) = (&mut beam.state, beam.ids.last_chunk::<1>()) {
                    batch.push(Input::new(&mut **state, last, Wanted::Last));
                }
            }
            return model.forward(&mut batch, &self.cancel.into());
        }
        let mut state = model.new_state();
        // The piece with the last token is the one whose logits count.
        let whole = (self.prompt.len() - 1) / PREFILL_TOKENS * PREFILL_TOKENS;
        let (before, last) = self.prompt.split_at(whole);
        for chunk in before.chunks(PREFILL_TOKENS) {
            let mut batch = [Input::new(&mut *state, chunk, Wanted::Nothing)];
            model.forward(&mut batch, &self.cancel.into())?;
        }
        let mut batch = [Input::new(&mut *state, last, Wanted::Last)];
        let logits = model.forward(&mut batch, &self.cancel.into())?;
        self.running[0].state = Some(state);
        Ok(logits)
    }

    /// The continuations of every running beam that may count, best first.
    fn expand(&mut self, logits: &Logits) -> Result<Vec<Continuation>> {
        let vocabulary = self.generator.tokenizer().vocab_size();
        let keep = self.options.candidates();
        let mut found = Vec::new();
        let mut best: Vec<Candidate> = Vec::new();
        for (parent, beam) in self.running.iter().enumerate() {
            self.cancel.check()?;
            let Some(row) = logits.last(parent) else {
                bail!(Internal, "the model returned no logits for beam {parent}");
            };
            self.candidates.fill(row)?;
            // Rows of the embedding beyond the tokenizer's ids are padding.
            self.candidates.retain(|c| (c.id as usize) < vocabulary);
            let history = History {
                prompt: self.prompt,
                generated: &beam.ids,
            };
            self.banned.apply(&mut self.candidates, history)?;
            best.clear();
            best.extend_from_slice(self.candidates.as_slice());
            if best.len() > keep {
                best.select_nth_unstable_by(keep - 1, Candidate::rank);
                best.truncate(keep);
            }
            let log_sum = log_sum_exp(row);
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
        Ok(found)
    }

    /// Takes the next step: the candidates that end are finished, the best of the others run on.
    fn select(&mut self, mut found: Vec<Continuation>) -> Result<()> {
        let num_beams = self.options.num_beams;
        let tokenizer = self.generator.tokenizer();
        let global = matches!(self.options.rules, BeamRules::HuggingFace { .. });
        if global {
            found.truncate(self.options.candidates());
        }
        self.tokens += 1;
        let last = self.tokens == self.most;
        let mut next: Vec<(Continuation, Option<Text>)> = Vec::new();
        for (rank, &c) in found.iter().enumerate() {
            let counts = !global || rank < num_beams;
            let parent = &self.running[c.parent];
            let mut text = None;
            let reason = if c.id == tokenizer.end_of_text() {
                Some(FinishReason::EndOfText)
            } else if next.len() == num_beams {
                continue;
            } else {
                text = parent.text.clone();
                let found = text.as_mut().map(|t| {
                    let mut certain = String::new();
                    t.push(&**tokenizer, c.id, &mut certain)
                });
                found.transpose()?.flatten()
            };
            match reason {
                Some(reason) if counts => {
                    let (ids, logprobs) = parent.continued(c);
                    self.finish(ids, logprobs, c.sum, reason);
                }
                // In the last step all that is left ends.
                None if counts || !last => next.push((c, text)),
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
        self.advance(next);
        Ok(())
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
    fn advance(&mut self, next: Vec<(Continuation, Option<Text>)>) {
        let mut children = vec![0usize; self.running.len()];
        next.iter().for_each(|(c, _)| children[c.parent] += 1);
        let mut running = Vec::with_capacity(next.len());
        for (c, text) in next {
            let parent = &mut self.running[c.parent];
            children[c.parent] -= 1;
            // The last continuation has the state itself, so that no page is shared needlessly.
            let state = match children[c.parent] {
                0 => parent.state.take(),
                _ => parent.state.as_ref().map(|state| state.fork()),
            };
            let (ids, logprobs) = parent.continued(c);
            running.push(Running {
                ids,
                logprobs,
                sum: c.sum,
                state,
                text,
            });
        }
        self.running = running;
    }

    fn finish(&mut self, ids: Vec<u32>, logprobs: Vec<f32>, sum: f64, reason: FinishReason) {
        let score = match self.options.rules {
            BeamRules::HuggingFace { length_penalty, .. } if !ids.is_empty() => {
                sum / num::pow(ids.len() as f64, length_penalty.into())
            }
            _ => sum,
        };
        self.finished.push(Finished {
            ids,
            logprobs,
            score,
            reason,
        });
    }

    fn rank_finished(&mut self) {
        let rank = |a: &Finished, b: &Finished| -> Ordering {
            b.score.total_cmp(&a.score).then_with(|| a.ids.cmp(&b.ids))
        };
        self.finished.sort_unstable_by(rank);
        self.finished.truncate(self.options.num_beams);
    }

    fn decode(&self, beam: Finished) -> Result<Beam> {
        let tokenizer = self.generator.tokenizer();
        let mut text = self.text.clone();
        let mut out = String::new();
        let mut reason = None;
        for &id in &beam.ids {
            if id != tokenizer.end_of_text() && reason.is_none() {
                reason = text.push(&**tokenizer, id, &mut out)?;
            }
        }
        if reason.is_none() {
            reason = text.finish(&mut out);
        }
        Ok(Beam {
            ids: beam.ids,
            text: out,
            score: beam.score,
            logprobs: beam.logprobs,
            finish_reason: reason.unwrap_or(beam.reason),
        })
    }
}

impl Running {
    /// Its tokens and their log-probabilities with one more.
    fn continued(&self, c: Continuation) -> (Vec<u32>, Vec<f32>) {
        let ids = [&*self.ids, &[c.id]].concat();
        (ids, [&*self.logprobs, &[c.logprob]].concat())
    }
}
