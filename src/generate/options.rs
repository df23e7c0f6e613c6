//! The options of a generation, and why one ended.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::infill::Infill;
use super::sampler::{
    BannedIds, Checked, Greedy, LogitBias, MinP, PresenceFrequencyPenalty, RepetitionPenalty,
    Sampler, Temperature, TopK, TopP, TypicalP,
};
use super::speculate::Speculation;
use crate::code::StopRule;
use crate::error::{Result, bail};
use crate::language::Language;
use crate::memory::{try_copy, try_copy_text, try_copy_texts, try_vec};
use crate::setters::setters;
use crate::tokenizer::SpecialTokens;

/// Most samples of one call. Each holds a KV cache and a row of logits at once, so that some number
/// beyond is a mistake or an attack; more come in several calls, see
/// [`GenerateOptions::first_sample`].
pub const MAX_SAMPLES: usize = 1024;

/// The setters of [`Sampling`], and of options that have them as a group.
macro_rules! sampling {
    ($($group:tt)*) => {
        setters! { $($group)*
            set temperature: f32;
            option top_k: usize;
            option top_p: f32;
            option min_p: f32;
            option typical_p: f32;
            option repetition_penalty: f32;
            option presence_penalty: f32;
            option frequency_penalty: f32;
            list logit_bias: (u32, f32);
            list banned_ids: u32;
            list samplers: Arc<dyn Sampler>;
            set seed: u64;
        }
    };
}

/// The setters of [`Stops`], and of options that have them as a group.
macro_rules! stops {
    ($($group:tt)*) => {
        setters! { $($group)*
            strings stop;
            option stop_at: StopAt;
            list stop_ids: u32;
        }
    };
}

/// The setters of [`Limits`], and of options that have them as a group.
macro_rules! limits {
    ($($group:tt)*) => {
        setters! { $($group)*
            set max_new_tokens: usize;
            option deadline: Instant;
            option prefill_limit: usize;
            option threads: usize;
        }
    };
}

pub(super) use {limits, stops};

/// How the next token is chosen. The default is greedy.
///
/// What can be off is an `Option`, and off by default. [`sampler`](super::sampler) has the order in
/// which the stages apply.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Sampling {
    /// Divides the logits before the softmax. 0 means greedy decoding: the most likely token is
    /// taken, and top-k, top-p, min-p, typical-p and the seed have no effect.
    pub temperature: f32,
    /// Keeps the `k` most likely tokens.
    pub top_k: Option<usize>,
    /// Keeps the smallest set of most likely tokens whose probabilities add up to `top_p` or more
    /// (nucleus sampling).
    pub top_p: Option<f32>,
    /// Keeps tokens whose probability is at least `min_p` times that of the most likely one. See
    /// [`MinP`].
    pub min_p: Option<f32>,
    /// Locally typical sampling: keeps the smallest set of most typical tokens whose probabilities
    /// add up to `typical_p` or more. See [`TypicalP`].
    pub typical_p: Option<f32>,
    /// Divides positive logits of tokens in the prompt or the generated text, and multiplies
    /// negative ones; above 1 discourages repetition. See [`RepetitionPenalty`].
    pub repetition_penalty: Option<f32>,
    /// Subtracted once from the logits of generated tokens. See [`PresenceFrequencyPenalty`].
    pub presence_penalty: Option<f32>,
    /// Subtracted from the logits of generated tokens once for each occurrence. See
    /// [`PresenceFrequencyPenalty`].
    pub frequency_penalty: Option<f32>,
    /// Token ids with the bias that is added to their logits; negative infinity bans a token. See
    /// [`LogitBias`].
    pub logit_bias: Vec<(u32, f32)>,
    /// Token ids that are never generated.
    pub banned_ids: Vec<u32>,
    /// Samplers of your own. They apply in order, after bans and penalties and before the
    /// temperature.
    pub samplers: Vec<Arc<dyn Sampler>>,
    /// Seed of the random numbers, which also depend on the sample and on the token's index.
    pub seed: u64,
}

/// Where a completion ends besides the model's end of text. The default is nowhere.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Stops {
    /// Stop strings. They are not part of the completion's text. An empty list never fires.
    pub stop: Vec<String>,
    /// Where code ends: at the end of a line, a block or a function. No token is sampled after the
    /// one that decides it.
    pub stop_at: Option<StopAt>,
    /// Token ids that end a completion as the model's end of text does, beside that one: they are
    /// not part of the text, and the [`FinishReason`] is `EndOfText`.
    pub stop_ids: Vec<u32>,
}

/// How much a generation may take. The default is 128 new tokens and no other limit.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// The maximum number of tokens to generate, not counting the prompt.
    pub max_new_tokens: usize,
    /// Ends the generation at this time with the partial result. Checked as often as cancellation.
    pub deadline: Option<Instant>,
    /// The maximum number of prompt tokens to compute. Tokens in the KV cache of a
    /// [`Session`](super::Session) or in a scheduler's prompt cache do not count. Past it the
    /// generation ends; a session keeps what was computed, and the next call continues from there.
    pub prefill_limit: Option<usize>,
    /// The maximum number of threads that compute; all of the model's by default. Requests in one
    /// batch use the smallest of their limits.
    pub threads: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_new_tokens: 128,
            deadline: None,
            prefill_limit: None,
            threads: None,
        }
    }
}

/// Options of a generation. The default is greedy decoding of 128 tokens, one sample, no stops.
///
/// Options are set by methods named like the fields. Those of the three groups
/// ([`Sampling`], [`Stops`], [`Limits`]) are on this type as well:
///
/// ```
/// use codegeex::GenerateOptions;
///
/// let options = GenerateOptions::new()
///     .max_new_tokens(64)
///     .temperature(0.8)
///     .top_p(0.95)
///     .seed(1)
///     .stop(["\n\n"]);
/// assert_eq!(options.sampling.top_p, Some(0.95));
/// assert_eq!(options.top_p(None).sampling.top_p, None);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GenerateOptions {
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// Where a completion ends.
    pub stops: Stops,
    /// How much the generation may take.
    pub limits: Limits,
    /// The number of completions of the prompt, which is computed once for all: 1 to
    /// [`MAX_SAMPLES`].
    pub samples: usize,
    /// Fill-in-the-middle: the prompt is the text before a cursor, and this has the text after it.
    pub infill: Option<Infill>,
    /// Index of the first sample for the random numbers: samples 0 to 9 and 10 to 19 of two calls
    /// use the random numbers of one call for 0 to 19. Their tokens are the same as far as their
    /// logits are, see [`Model::determinism`](crate::model::Model::determinism).
    pub first_sample: u32,
    /// What a special token spelled out in the prompt means.
    pub special_tokens: SpecialTokens,
    /// Token healing: re-samples the prompt's last tokens where text that follows may change them,
    /// so that a prompt may end anywhere, inside a word or a run of spaces. Only tokens that agree
    /// with the prompt's bytes are candidates.
    ///
    /// The text of a completion is what follows the prompt; its ids begin with the re-sampled
    /// tokens, [`Completion::healed`](super::Completion::healed) is the number of their bytes that
    /// belong to the prompt, and `max_new_tokens` counts them. Control tokens and the first token
    /// of a prompt are never re-sampled. Bans apply to the re-sampled tokens as well.
    ///
    /// It costs the re-sampled tokens, one or two mostly, and for the first request of a
    /// [`Generator`](super::Generator) some 10 ms to sort the vocabulary.
    ///
    /// ```
    /// # fn main() -> codegeex::Result<()> {
    /// # use codegeex::{GenerateOptions, Generator};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
    /// # let generator = Generator::open(path)?;
    /// let options = GenerateOptions::new().max_new_tokens(8).heal(true);
    /// let found = generator.complete("# language: Python\nimport os\nimpor", &options)?;
    /// // The vocabulary has `import` as one token, so `impor` is sampled again.
    /// assert_eq!(found.healed, "impor".len());
    /// # Ok(())
    /// # }
    /// ```
    pub heal: bool,
    /// Also reports the `top_logprobs` most likely tokens at each place, as the model gives them,
    /// before any sampler. Each costs a pass over the logits.
    pub top_logprobs: usize,
    /// Speculative decoding. Changes latency, never the output.
    pub speculation: Option<Speculation>,
}

/// Where code ends a completion, see [`CodeStop`](crate::code::CodeStop).
///
/// The text before the cursor is scanned once for all samples, then every character of a completion
/// once, which is negligible beside the computation of a token. Stop strings see the text first;
/// text that they hold back is held back from this too.
///
/// ```
/// use codegeex::code::StopRule;
/// use codegeex::{GenerateOptions, Language, StopAt};
///
/// let options = GenerateOptions::new().stop_at(StopAt::new(Language::GO, [StopRule::Function]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopAt {
    /// How the code is written.
    pub language: Language,
    /// The first one that fires ends the completion. An empty list never fires.
    pub rules: Vec<StopRule>,
    /// The text before the cursor. `None` means the prompt, from after its last end of text; give
    /// it where that holds more than code of the language, as for a translation.
    pub before: Option<String>,
}

impl StopAt {
    /// These rules, for what follows the prompt.
    pub fn new(language: Language, rules: impl IntoIterator<Item = StopRule>) -> Self {
        Self {
            language,
            rules: rules.into_iter().collect(),
            before: None,
        }
    }

    setters! {
        set language: Language;
        list rules: StopRule;
        option before: String;
    }

    /// A copy, which memory may be refused for.
    pub(crate) fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            language: self.language,
            rules: try_copy(&self.rules)?,
            before: self.before.as_deref().map(try_copy_text).transpose()?,
        })
    }
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            sampling: Sampling::default(),
            stops: Stops::default(),
            limits: Limits::default(),
            samples: 1,
            infill: None,
            first_sample: 0,
            special_tokens: SpecialTokens::AsText,
            heal: false,
            top_logprobs: 0,
            speculation: None,
        }
    }
}

impl Sampling {
    /// Greedy decoding.
    pub fn new() -> Self {
        Self::default()
    }

    sampling! {}

    /// Adds a sampler of your own after those that are set.
    #[must_use]
    pub fn sampler(mut self, sampler: impl Sampler + 'static) -> Self {
        self.samplers.push(Arc::new(sampler));
        self
    }

    /// Checks the values. `vocabulary` is the number of ids of the model, where it is known.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the option, and
    /// [`TokenOutOfRange`](crate::ErrorKind::TokenOutOfRange) for a banned or biased id that the
    /// vocabulary does not have.
    pub fn validate(&self, vocabulary: impl Into<Option<usize>>) -> Result<()> {
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            bail!(
                InvalidArgument,
                "temperature is {}, expected 0 (greedy) or a positive number",
                self.temperature
            );
        }
        if self.top_k == Some(0) {
            bail!(
                InvalidArgument,
                "top_k is 0, expected at least 1; leave it unset to keep all tokens"
            );
        }
        for (name, p) in [("top_p", self.top_p), ("typical_p", self.typical_p)] {
            if let Some(p) = p
                && !(p > 0.0 && p <= 1.0)
            {
                bail!(
                    InvalidArgument,
                    "{name} is {p}, expected a number above 0 and up to 1"
                );
            }
        }
        if let Some(p) = self.min_p
            && !(0.0..=1.0).contains(&p)
        {
            bail!(
                InvalidArgument,
                "min_p is {p}, expected a number from 0 to 1"
            );
        }
        if let Some(penalty) = self.repetition_penalty
            && !(penalty > 0.0 && penalty.is_finite())
        {
            bail!(
                InvalidArgument,
                "repetition_penalty is {penalty}, expected a positive number; 1 means no penalty"
            );
        }
        for (name, penalty) in [
            ("presence_penalty", self.presence_penalty),
            ("frequency_penalty", self.frequency_penalty),
        ] {
            if let Some(penalty) = penalty
                && !penalty.is_finite()
            {
                bail!(
                    InvalidArgument,
                    "{name} is {penalty}, expected a finite number; 0 means no penalty"
                );
            }
        }
        for &(id, bias) in &self.logit_bias {
            if bias.is_nan() || bias == f32::INFINITY {
                bail!(
                    InvalidArgument,
                    "logit_bias of token {id} is {bias}, expected a number, or negative infinity \
                     to ban it"
                );
            }
        }
        if let Some(vocabulary) = vocabulary.into() {
            check_ids("banned_ids", self.banned_ids.iter().copied(), vocabulary)?;
            let biased = self.logit_bias.iter().map(|&(id, _)| id);
            check_ids("logit_bias", biased, vocabulary)?;
        }
        Ok(())
    }

    /// A copy, which memory may be refused for.
    pub(crate) fn try_clone(&self) -> Result<Self> {
        let mut samplers = try_vec(self.samplers.len())?;
        samplers.extend(self.samplers.iter().map(Arc::clone));
        Ok(Self {
            logit_bias: try_copy(&self.logit_bias)?,
            banned_ids: try_copy(&self.banned_ids)?,
            samplers,
            ..*self
        })
    }

    /// The samplers in the order in which they apply, which [`sampler`](super::sampler) explains.
    pub(super) fn chain(&self) -> Result<Vec<Arc<dyn Sampler>>> {
        // As many as there are fields at most, beside those of the caller.
        const MOST: usize = 12;
        let mut chain: Vec<Arc<dyn Sampler>> = try_vec(self.samplers.len().saturating_add(MOST))?;
        if !self.banned_ids.is_empty() {
            chain.push(Arc::new(BannedIds::sorted(try_copy(&self.banned_ids)?)));
        }
        if !self.logit_bias.is_empty() {
            chain.push(Arc::new(LogitBias::merged(try_copy(&self.logit_bias)?)));
        }
        if let Some(penalty) = self.repetition_penalty.filter(|&p| p != 1.0) {
            chain.push(Arc::new(RepetitionPenalty(penalty)));
        }
        let presence = self.presence_penalty.unwrap_or_default();
        let frequency = self.frequency_penalty.unwrap_or_default();
        if presence != 0.0 || frequency != 0.0 {
            chain.push(Arc::new(PresenceFrequencyPenalty {
                presence,
                frequency,
            }));
        }
        for sampler in &self.samplers {
            chain.push(Arc::new(Checked(sampler.clone())));
        }
        if self.temperature == 0.0 {
            chain.push(Arc::new(Greedy));
            return Ok(chain);
        }
        if self.temperature != 1.0 {
            chain.push(Arc::new(Temperature(self.temperature)));
        }
        if let Some(k) = self.top_k {
            chain.push(Arc::new(TopK(k)));
        }
        if let Some(p) = self.top_p.filter(|&p| p < 1.0) {
            chain.push(Arc::new(TopP(p)));
        }
        if let Some(p) = self.min_p.filter(|&p| p > 0.0) {
            chain.push(Arc::new(MinP(p)));
        }
        if let Some(p) = self.typical_p.filter(|&p| p < 1.0) {
            chain.push(Arc::new(TypicalP(p)));
        }
        Ok(chain)
    }
}

/// Checks that ids of an option are in the vocabulary.
pub(super) fn check_ids(
    option: &str,
    ids: impl IntoIterator<Item = u32>,
    vocabulary: usize,
) -> Result<()> {
    match ids.into_iter().find(|&id| id as usize >= vocabulary) {
        Some(id) => bail!(
            TokenOutOfRange,
            "{option} has token {id}, the vocabulary has {vocabulary} tokens; expected ids below \
             that"
        ),
        None => Ok(()),
    }
}

impl Stops {
    /// No stops.
    pub fn new() -> Self {
        Self::default()
    }

    stops! {}

    /// Checks the ids. `vocabulary` is the number of ids of the model.
    pub(super) fn validate(&self, vocabulary: usize) -> Result<()> {
        check_ids("stop_ids", self.stop_ids.iter().copied(), vocabulary)
    }

    /// A copy, which memory may be refused for.
    pub(crate) fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            stop: try_copy_texts(&self.stop)?,
            stop_at: self.stop_at.as_ref().map(StopAt::try_clone).transpose()?,
            stop_ids: try_copy(&self.stop_ids)?,
        })
    }
}

impl Limits {
    /// 128 new tokens and no other limit.
    pub fn new() -> Self {
        Self::default()
    }

    limits! {}

    /// Checks the values.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the option.
    pub fn validate(&self) -> Result<()> {
        if self.threads == Some(0) {
            bail!(
                InvalidArgument,
                "threads is 0, expected at least 1; leave it unset for all"
            );
        }
        Ok(())
    }
}

impl GenerateOptions {
    /// Greedy decoding of 128 tokens, one sample, no stops.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        set sampling: Sampling;
        set stops: Stops;
        set limits: Limits;
        set samples: usize;
        option infill: Infill;
        set first_sample: u32;
        set special_tokens: SpecialTokens;
        set heal: bool;
        set top_logprobs: usize;
        option speculation: Speculation;
    }

    sampling! { in Sampling as sampling: }

    stops! { in Stops as stops: }

    limits! { in Limits as limits: }

    /// A copy, which memory may be refused for.
    pub(crate) fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            sampling: self.sampling.try_clone()?,
            stops: self.stops.try_clone()?,
            limits: self.limits.clone(),
            infill: self.infill.as_ref().map(Infill::try_clone).transpose()?,
            speculation: self.speculation.clone(),
            ..*self
        })
    }

    /// Adds a sampler of your own, see [`Sampling::sampler`].
    #[must_use]
    pub fn sampler(mut self, sampler: impl Sampler + 'static) -> Self {
        self.sampling = self.sampling.sampler(sampler);
        self
    }

    /// Checks the values. A call that uses the options also checks ids against the vocabulary.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the option.
    pub fn validate(&self) -> Result<()> {
        self.sampling.validate(None)?;
        self.limits.validate()?;
        if self.samples == 0 || self.samples > MAX_SAMPLES {
            bail!(
                InvalidArgument,
                "samples is {}, expected 1 to {MAX_SAMPLES}; ask for more in several calls",
                self.samples
            );
        }
        if self.first_sample.checked_add(self.samples as u32).is_none() {
            bail!(
                InvalidArgument,
                "{} samples from number {} on, expected numbers below 2^32",
                self.samples,
                self.first_sample
            );
        }
        Ok(())
    }
}

/// Why a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FinishReason {
    /// The model ended the text.
    EndOfText,
    /// A stop string appeared: its index in the options.
    Stop(usize),
    /// The rule of [`Stops::stop_at`] that fired.
    Code(StopRule),
    /// `max_new_tokens` were generated.
    Length,
    /// The context length of the model was reached.
    ContextFull,
    /// The call was cancelled, by its token or by the callback.
    Cancelled,
    /// The deadline passed.
    Deadline,
    /// The prompt has more tokens to compute than `prefill_limit`.
    PrefillLimit,
}

impl FinishReason {
    /// Its name in JSON: `end_of_text`, `stop`, `length`, `context_full`, `cancelled`,
    /// `deadline`, `prefill_limit`; for code rules `end_of_line`, `end_of_block`,
    /// `end_of_function`, `unindented_line`, `humaneval`.
    pub fn name(self) -> &'static str {
        match self {
            Self::EndOfText => "end_of_text",
            Self::Stop(_) => "stop",
            Self::Code(rule) => match rule {
                StopRule::Line => "end_of_line",
                StopRule::Block => "end_of_block",
                StopRule::Function => "end_of_function",
                StopRule::Unindented => "unindented_line",
                StopRule::HumanEval => "humaneval",
            },
            Self::Length => "length",
            Self::ContextFull => "context_full",
            Self::Cancelled => "cancelled",
            Self::Deadline => "deadline",
            Self::PrefillLimit => "prefill_limit",
        }
    }
}

impl fmt::Display for FinishReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
