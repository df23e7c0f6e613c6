//! Generation: from a prompt to completions, streamed, with stops and a cancel flag; beam search;
//! and the scoring of given text.
//!
//! A [`Generator`] joins a model and a tokenizer. It keeps nothing between calls, so one serves
//! any number of threads; a [`Session`] keeps its last sequence for a prompt that begins the same.
//! A [`Scheduler`] computes many requests together, a [`Service`] does so on a thread of its own.
//! Generation and beam search always run on a scheduler: a single request is a batch of one. Scores
//! of given text are prefills of a state of their own, see [`feed`](crate::model::feed). All samples
//! of one prompt share its computation. This module knows no languages and no tasks; prompts come
//! ready-made, and [`code`](crate::code) tells where code ends.
#![forbid(unsafe_code)]

mod beam;
mod candidates;
mod heal;
mod options;
mod prefixes;
mod request;
pub mod rng;
pub mod sampler;
mod samples;
mod scheduler;
mod score;
mod sequence;
mod service;
mod session;
mod speculate;
mod step;
mod stop;
mod text;

#[cfg(test)]
pub(crate) mod test_model;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use crate::cancel::CancelToken;
use crate::error::{Result, bail};
use crate::model::Model;
use crate::tokenizer::Tokenizer;

pub use crate::model::PREFILL_TOKENS;
pub use beam::{BeamOptions, BeamRules, EarlyStopping, MAX_BEAMS};
use heal::TextTokens;

pub use candidates::{Candidate, Candidates, log_probability, top_log_probabilities};
pub use options::{FinishReason, GenerateOptions, MAX_SAMPLES, StopAt};
pub use sampler::{
    BannedIds, Greedy, History, LogitBias, MinP, PresenceFrequencyPenalty, RepetitionPenalty,
    Sampler, Temperature, TopK, TopP, TypicalP,
};
pub use scheduler::{
    Progress, Request, RequestId, RequestOptions, Scheduler, SchedulerOptions, Update, WhenFull,
};
pub use score::{Perplexity, Score};
pub use service::{Service, Ticket, TicketEvent};
pub use session::Session;
pub use speculate::{Drafts, Speculated, Speculation};
pub use stop::StopStrings;

/// What happens during a generation, for streaming.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A token was sampled. The end of text is one as well: its text is empty, and the
    /// [`End`](Self::End) of its sample follows.
    Token {
        /// Which sample, from 0.
        sample: usize,
        /// The token.
        id: u32,
        /// Its log-probability under the model, before any sampler.
        logprob: f32,
        /// The likeliest tokens and their log-probabilities, best first, as many as the options
        /// ask for.
        top_logprobs: &'a [(u32, f32)],
        /// The text that is certain now and was not before. It may be empty: a token may end
        /// inside a character, and what may begin a stop string is held back, as is what a rule
        /// of code may cut off: line breaks.
        text: &'a str,
    },
    /// A sample is complete.
    End {
        /// Which sample, from 0.
        sample: usize,
        /// The rest of its text.
        text: &'a str,
        /// Why it ended.
        reason: FinishReason,
    },
}

/// One finished sample or beam.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Completion {
    /// Its text, without the stop string that ended it, or up to where the rule of code ended it.
    pub text: String,
    /// Its tokens, those of what was cut off included, and the end of text where the model ended
    /// it: each has its log-probability.
    pub ids: Vec<u32>,
    /// Bytes at the beginning of the tokens that belong to the prompt and not to the text, see
    /// [`GenerateOptions::heal`]; 0 without healing.
    pub healed: usize,
    /// The log-probability of each token under the model, before any sampler.
    pub logprobs: Vec<f32>,
    /// The likeliest tokens in the place of each token, as many as the options ask for; empty
    /// where they ask for none.
    pub top_logprobs: Vec<Vec<(u32, f32)>>,
    /// Of a sample the sum of `logprobs`; of a beam its score by the rules of the search.
    pub score: f64,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// What speculative decoding brought.
    pub speculated: Speculated,
}

/// A model with its tokenizer.
#[derive(Clone)]
pub struct Generator {
    model: Arc<dyn Model>,
    tokenizer: Arc<dyn Tokenizer>,
    /// Made when a prompt is healed first.
    text_tokens: Arc<OnceLock<TextTokens>>,
}

impl Generator {
    /// Joins a model and a tokenizer.
    pub fn new(model: Arc<dyn Model>, tokenizer: Arc<dyn Tokenizer>) -> Self {
        Self {
            model,
            tokenizer,
            text_tokens: Arc::default(),
        }
    }

    /// The model.
    pub fn model(&self) -> &Arc<dyn Model> {
        &self.model
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Arc<dyn Tokenizer> {
        &self.tokenizer
    }

    /// Completes a prompt.
    ///
    /// # Errors
    /// As for [`generate`](Self::generate).
    pub fn complete(&self, prompt: &str, options: &GenerateOptions) -> Result<Vec<Completion>> {
        self.generate(prompt, options, &CancelToken::new(), &mut |_| {
            ControlFlow::Continue(())
        })
    }

    /// Completes a prompt and reports every token as it is drawn. `on_event` runs on the calling
    /// thread; when it breaks, or when `cancel` is set from any thread, what was generated so
    /// far is returned with [`FinishReason::Cancelled`]. A cancel is seen in the middle of a
    /// prompt and of a token, before the next task of a matrix product: `benches/cancel.rs`
    /// measures how soon that is.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for options out of range or a
    /// prompt without tokens, [`ContextOverflow`](crate::ErrorKind::ContextOverflow) for a prompt
    /// longer than the model has positions, [`NonFinite`](crate::ErrorKind::NonFinite) for broken
    /// logits, [`OutOfMemory`](crate::ErrorKind::OutOfMemory), and what a sampler reports.
    pub fn generate(
        &self,
        prompt: &str,
        options: &GenerateOptions,
        cancel: &CancelToken,
        on_event: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<Completion>> {
        let ids = self.tokenizer.encode(prompt, options.special_tokens);
        self.generate_from(&ids, options, cancel, on_event)
    }

    /// Like [`generate`](Self::generate), for a prompt of ids.
    ///
    /// # Errors
    /// As for [`generate`](Self::generate), and
    /// [`TokenOutOfRange`](crate::ErrorKind::TokenOutOfRange).
    pub fn generate_from(
        &self,
        prompt: &[u32],
        options: &GenerateOptions,
        cancel: &CancelToken,
        on_event: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<Completion>> {
        Session::new(self).generate(prompt, options, cancel, on_event)
    }

    fn text_tokens(&self) -> &TextTokens {
        self.text_tokens
            .get_or_init(|| TextTokens::new(&*self.tokenizer))
    }

    fn check_prompt(&self, ids: &[u32]) -> Result<()> {
        let most = self.model.config().max_position_embeddings;
        if ids.is_empty() {
            bail!(
                InvalidArgument,
                "the prompt is empty; a model continues text"
            );
        }
        if ids.len() > most {
            bail!(
                ContextOverflow,
                "the prompt has {} tokens, the model has {most} positions; shorten the prompt",
                ids.len()
            );
        }
        Ok(())
    }
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Generator({})", self.model.describe())
    }
}
