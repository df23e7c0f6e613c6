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
mod infill;
mod options;
mod prefixes;
mod prompt;
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
mod stream;
mod text;
mod updates;

#[cfg(test)]
pub(crate) mod test_model;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::cancel::CancelToken;
use crate::error::{Result, bail, excerpt};
use crate::family::{Family, ModelConfig};
use crate::language::Language;
use crate::memory::try_copy_text;
use crate::model::{LoadOptions, Model, load};
use crate::tokenizer::{BpeTokenizer, NoTokenizer, SpecialTokens, Tokenizer};

pub use crate::model::PREFILL_TOKENS;
pub use beam::{BeamOptions, BeamRules, EarlyStopping, MAX_BEAMS};
use heal::TextTokens;

pub use candidates::{
    Candidate, Candidates, log_probability, top_log_probabilities, top_log_probabilities_below,
};
pub use infill::{ContextFile, Infill, InfillOrder, InfillTokens};
pub use options::{FinishReason, GenerateOptions, Limits, MAX_SAMPLES, Sampling, StopAt, Stops};
pub use prompt::Prompt;
pub use sampler::{
    BannedIds, Greedy, History, LogitBias, MinP, PresenceFrequencyPenalty, RepetitionPenalty,
    Sampler, Temperature, TopK, TopP, TypicalP,
};
pub use scheduler::{
    Progress, Request, RequestId, RequestOptions, Scheduler, SchedulerOptions, Update, WhenFull,
};
pub use score::{Perplexity, Score};
pub use service::{Service, Ticket};
pub use session::Session;
pub use speculate::{Drafts, Speculated, Speculation};
pub use stop::StopStrings;
pub use stream::Stream;

/// What happens during a generation, for streaming.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A token was sampled. The end of text is one as well: its text is empty, and the
    /// [`End`](Self::End) of its sample follows.
    Token {
        /// The index of the sample.
        sample: usize,
        /// The token.
        id: u32,
        /// Its log-probability under the model, before any sampler.
        logprob: f32,
        /// The most likely tokens and their log-probabilities, best first, as many as
        /// [`top_logprobs`](GenerateOptions::top_logprobs) asks for.
        top_logprobs: Vec<(u32, f32)>,
        /// Newly finalized text. It may be empty: a token may end inside a character, and what may
        /// become part of a stop string is held back, as is what a code rule may cut off.
        text: String,
    },
    /// A sample is complete.
    End {
        /// The index of the sample.
        sample: usize,
        /// The rest of its text.
        text: String,
        /// Why it ended.
        reason: FinishReason,
    },
}

impl Event {
    /// The newly finalized text, which may be empty.
    pub fn text(&self) -> &str {
        match self {
            Self::Token { text, .. } | Self::End { text, .. } => text,
        }
    }

    /// The index of the sample.
    pub fn sample(&self) -> usize {
        match self {
            Self::Token { sample, .. } | Self::End { sample, .. } => *sample,
        }
    }
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
    /// The most likely tokens in the place of each token, as many as the options ask for; empty
    /// where they ask for none.
    pub top_logprobs: Vec<Vec<(u32, f32)>>,
    /// Of a sample the sum of `logprobs`; of a beam its score by the rules of the search.
    pub score: f64,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Draft tokens proposed and accepted.
    pub speculated: Speculated,
}

impl std::fmt::Display for Completion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.text)
    }
}

/// The tokenizer in the folder of a checkpoint, if there is one.
pub(crate) struct TokenizerBeside(Option<BpeTokenizer>);

impl TokenizerBeside {
    /// # Errors
    /// Those of [`BpeTokenizer::open`].
    pub fn read(checkpoint: &Path) -> Result<Self> {
        BpeTokenizer::open_beside(checkpoint).map(Self)
    }

    /// The tokenizer of a model of this configuration; `builtin` is CodeGeeX's own.
    ///
    /// # Errors
    /// Those of `builtin` and of [`check_pair`].
    pub fn of(
        self,
        config: &ModelConfig,
        builtin: impl FnOnce() -> Result<Arc<dyn Tokenizer>>,
    ) -> Result<Arc<dyn Tokenizer>> {
        let ids = config.padded_vocab_size;
        match self.0 {
            Some(tokenizer) => {
                check_pair(config, &tokenizer)?;
                Ok(Arc::new(tokenizer))
            }
            None if config.family == Family::CODEGEEX => builtin(),
            None => {
                let end = config.eos_token_ids.first().copied().unwrap_or(u32::MAX);
                Ok(Arc::new(NoTokenizer::new(ids, end)))
            }
        }
    }
}

/// Checks that a tokenizer that was read from files may be a model's.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for one that has more ids than the model, or
/// text where the model's configuration has the end of text.
pub(crate) fn check_pair(config: &ModelConfig, tokenizer: &dyn Tokenizer) -> Result<()> {
    let ids = config.padded_vocab_size;
    if tokenizer.vocab_size() > ids {
        bail!(
            InvalidArgument,
            "the tokenizer has {} ids, and the model has {ids}: they do not belong together",
            tokenizer.vocab_size()
        );
    }
    for &id in &config.eos_token_ids {
        // Not every file says which of its tokens are control tokens; their names do.
        let looks_like_control = |bytes: &[u8]| matches!(bytes.first(), Some(b'<' | b'['));
        if let Some(bytes) = tokenizer.token_bytes(id)
            && !tokenizer.is_control(id)
            && !looks_like_control(bytes)
        {
            bail!(
                InvalidArgument,
                "the model ends a text with token {id}, which is the text {} of the tokenizer: they \
                 do not belong together",
                excerpt(&String::from_utf8_lossy(bytes))
            );
        }
    }
    Ok(())
}

/// A model with its tokenizer.
///
/// It is cheap to clone and serves any number of threads. Concurrent calls share the model's
/// threads: between two tasks of a matrix product a worker goes to the call that has the fewest, so
/// that all progress side by side, with the same answers as alone. Each reads the weights for
/// itself: where requests come from many threads, a [`Service`] computes them in one batch.
///
/// ```
/// use codegeex::{GenerateOptions, Generator, Language};
///
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
/// let generator = Generator::open(path)?;
/// let prompt = generator.prompt(Language::PYTHON, "def add(a, b):")?;
/// let completion = generator.complete(&prompt, &GenerateOptions::new().max_new_tokens(8))?;
/// println!("{completion}");
/// # Ok::<(), codegeex::Error>(())
/// ```
#[derive(Clone)]
pub struct Generator {
    model: Arc<dyn Model>,
    tokenizer: Arc<dyn Tokenizer>,
    /// Made when a prompt is healed first.
    text_tokens: Arc<OnceLock<TextTokens>>,
}

impl Generator {
    /// Opens a model, and the tokenizer beside it, as [`BpeTokenizer::open`] finds it in the
    /// same folder. Without one, a CodeGeeX model has CodeGeeX's own tokenizer, and a model of another
    /// family works with ids alone ([`NoTokenizer`]).
    ///
    /// # Errors
    /// Those of [`load`] and
    /// [`BpeTokenizer::open`];
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a tokenizer that does not belong to
    /// the model: it has more ids, or text where the model's configuration has the end of text.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, &LoadOptions::new())
    }

    /// Opens a model with options, and the tokenizer beside it, as [`open`](Self::open) does.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Self> {
        let path = path.as_ref();
        // Read first: a vocabulary is a small file, a model a large one.
        let beside = TokenizerBeside::read(path)?;
        let model = load(path, options)?;
        let tokenizer = beside.of(model.config(), || Ok(Arc::new(BpeTokenizer::codegeex()?)))?;
        Ok(Self::new(model, tokenizer))
    }

    /// Opens a model with options, and takes this tokenizer in place of one beside it.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with_tokenizer(
        path: impl AsRef<Path>,
        tokenizer: BpeTokenizer,
        options: &LoadOptions,
    ) -> Result<Self> {
        let model = load(path, options)?;
        check_pair(model.config(), &tokenizer)?;
        Ok(Self::new(model, Arc::new(tokenizer)))
    }

    /// Joins a model and a tokenizer.
    ///
    /// A prompt whose ids the model does not have is
    /// [`TokenOutOfRange`](crate::ErrorKind::TokenOutOfRange), which says so where the tokenizer has
    /// more ids than the model: such two do not belong together.
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

    /// Whether an id ends a text: the tokenizer's, or one that the model's configuration names.
    pub(crate) fn ends_text(&self, id: u32) -> bool {
        id == self.tokenizer.end_of_text() || self.model.config().eos_token_ids.contains(&id)
    }

    /// Code as the prompt of this model: after the [tag line](Language::tag) of its language where
    /// the model was [trained on such](ModelConfig::has_language_tags), as it is elsewhere.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    pub fn prompt<'c>(&self, language: Language, code: &'c str) -> Result<Prompt<'c>> {
        Ok(match self.model.config().has_language_tags() {
            true => Prompt::from(language.try_prompt(code)?),
            false => Prompt::from(code),
        })
    }

    /// Completes a prompt, text or ids.
    ///
    /// # Errors
    /// As for [`generate`](Self::generate), and
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for options that ask for several
    /// samples: that is [`complete_n`](Self::complete_n).
    pub fn complete<'p>(
        &self,
        prompt: impl Into<Prompt<'p>>,
        options: &GenerateOptions,
    ) -> Result<Completion> {
        if options.samples != 1 {
            bail!(
                InvalidArgument,
                "the options ask for {} samples and complete returns one; call complete_n",
                options.samples
            );
        }
        match self.complete_n(prompt, options)?.pop() {
            Some(completion) => Ok(completion),
            None => bail!(Internal, "a request of one sample returned none"),
        }
    }

    /// Completes a prompt as often as [`samples`](GenerateOptions::samples) says. The prompt is
    /// computed once.
    ///
    /// # Errors
    /// As for [`generate`](Self::generate).
    pub fn complete_n<'p>(
        &self,
        prompt: impl Into<Prompt<'p>>,
        options: &GenerateOptions,
    ) -> Result<Vec<Completion>> {
        let go_on = &mut |_: Event| ControlFlow::Continue(());
        self.generate(prompt, options, &CancelToken::new(), go_on)
    }

    /// Completes the text between `prefix` and `suffix`, the text before and after a cursor, as
    /// [`complete_n`](Self::complete_n) does with [`infill`](GenerateOptions::infill): by
    /// fill-in-the-middle where the model has it, see [`infill_tokens`](Self::infill_tokens). Returns
    /// the first of the [samples](GenerateOptions::samples), which is the best one where the model
    /// has no fill-in-the-middle.
    ///
    /// ```
    /// # use codegeex::{GenerateOptions, Generator};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
    /// # let generator = Generator::open(path)?;
    /// let options = GenerateOptions::new().max_new_tokens(8).temperature(0.8).samples(4);
    /// let middle = generator.infill("def sum(values):\n    ", "\n    return total\n", &options)?;
    /// println!("{middle}");
    /// # Ok::<(), codegeex::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`generate`](Self::generate).
    pub fn infill<'p>(
        &self,
        prefix: impl Into<Prompt<'p>>,
        suffix: &str,
        options: &GenerateOptions,
    ) -> Result<Completion> {
        let mut options = options.try_clone()?;
        options.infill.get_or_insert_default().suffix = try_copy_text(suffix)?;
        let completions = self.complete_n(prefix, &options)?;
        match completions.into_iter().next() {
            Some(completion) => Ok(completion),
            None => bail!(Internal, "a request of at least one sample returned none"),
        }
    }

    /// The fill-in-the-middle format of the model's tokenizer, if it has one.
    pub fn infill_tokens(&self) -> Option<InfillTokens> {
        InfillTokens::of(&*self.tokenizer)
    }

    /// Completes a prompt, one event at a time: an iterator that computes when it is asked for the
    /// next event. Dropping it cancels the rest.
    ///
    /// ```
    /// # use codegeex::{GenerateOptions, Generator};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
    /// # let generator = Generator::open(path)?;
    /// let mut stream = generator.stream("def f(", &GenerateOptions::new().max_new_tokens(8))?;
    /// for event in &mut stream {
    ///     print!("{}", event?.text());
    /// }
    /// let completions = stream.wait()?;
    /// println!(" [{}]", completions[0].finish_reason);
    /// # Ok::<(), codegeex::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`generate`](Self::generate), as far as options and prompt are concerned; what fails
    /// later is an item of the iterator.
    pub fn stream<'p>(
        &self,
        prompt: impl Into<Prompt<'p>>,
        options: &GenerateOptions,
    ) -> Result<Stream<'static>> {
        Stream::new(Session::new(self), prompt.into(), options)
    }

    /// Completes a prompt and reports every token to a callback. `on_event` runs on the calling
    /// thread; when it breaks, or when `cancel` is set from any thread, the partial result is
    /// returned with [`FinishReason::Cancelled`]. Cancellation ends the computation in the middle of
    /// a prompt or a token, before the next task of a matrix product: `benches/cancel.rs` measures
    /// how soon that is.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for options out of range or a
    /// prompt without tokens, [`TokenOutOfRange`](crate::ErrorKind::TokenOutOfRange) for an id that
    /// the model does not have, [`ContextOverflow`](crate::ErrorKind::ContextOverflow) for a prompt
    /// longer than the context length, [`NonFinite`](crate::ErrorKind::NonFinite) for broken
    /// logits, [`OutOfMemory`](crate::ErrorKind::OutOfMemory), and what a sampler reports.
    pub fn generate<'p>(
        &self,
        prompt: impl Into<Prompt<'p>>,
        options: &GenerateOptions,
        cancel: &CancelToken,
        on_event: &mut dyn FnMut(Event) -> ControlFlow<()>,
    ) -> Result<Vec<Completion>> {
        Session::new(self).generate(prompt, options, cancel, on_event)
    }

    /// The ids of a prompt.
    fn encode(&self, prompt: Prompt<'_>, special: SpecialTokens) -> Result<Vec<u32>> {
        prompt.encode(&*self.tokenizer, special)
    }

    fn text_tokens(&self) -> Result<&TextTokens> {
        if let Some(tokens) = self.text_tokens.get() {
            return Ok(tokens);
        }
        let made = TextTokens::new(&*self.tokenizer)?;
        Ok(self.text_tokens.get_or_init(|| made))
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
                "the prompt has {} tokens, the context length is {most}; shorten the prompt",
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
