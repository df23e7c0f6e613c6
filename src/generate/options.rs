//! What a generation is asked to do, and how it ended.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::sampler::{
    BannedIds, Checked, Greedy, LogitBias, MinP, PresenceFrequencyPenalty, RepetitionPenalty,
    Sampler, Temperature, TopK, TopP, TypicalP,
};
use super::speculate::Speculation;
use crate::code::StopRule;
use crate::error::{Result, bail};
use crate::language::Language;
use crate::tokenizer::SpecialTokens;

/// Most samples of one call. Each holds keys, values and a row of logits at once, so that some
/// number beyond is a mistake or an attack; more come in several calls, see
/// [`GenerateOptions::first_sample`].
pub const MAX_SAMPLES: usize = 1024;

/// Options of a generation. The default is greedy, 128 tokens, one sample, no stop strings.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GenerateOptions {
    /// New tokens at most.
    pub max_new_tokens: usize,
    /// Divides the logits; 0 means greedy, and top-k, top-p, min-p, typical-p and the seed do
    /// nothing then.
    pub temperature: f32,
    /// Candidates to keep; 0 means all.
    pub top_k: usize,
    /// Probability mass to keep; 1 means all.
    pub top_p: f32,
    /// Candidates to keep: those at least this share as likely as the likeliest; 0 means all.
    /// See [`MinP`].
    pub min_p: f32,
    /// Probability mass of the most typical candidates to keep; 1 means all. See [`TypicalP`].
    pub typical_p: f32,
    /// Divides positive logits of ids in the prompt or the generated text, and multiplies
    /// negative ones; 1 means no penalty. See [`RepetitionPenalty`].
    pub repetition_penalty: f32,
    /// Subtracted once from the logits of generated ids; 0 means no penalty. See
    /// [`PresenceFrequencyPenalty`].
    pub presence_penalty: f32,
    /// Subtracted from the logits of generated ids for each time that they were; 0 means no
    /// penalty.
    pub frequency_penalty: f32,
    /// Ids with what is added to their logits; negative infinity bans. See [`LogitBias`].
    pub logit_bias: Vec<(u32, f32)>,
    /// Decides the draws, together with the number of the sample and of the token.
    pub seed: u64,
    /// Number of the first sample, for the draws: samples 0 to 9 and 10 to 19 asked for in two
    /// calls draw with the numbers of one call for 0 to 19. Their tokens are the same as far as
    /// their logits are, see [`Model::forward`](crate::model::Model::forward).
    pub first_sample: u32,
    /// Completions of the one prompt, which is computed once for all: 1 to [`MAX_SAMPLES`].
    pub samples: usize,
    /// Texts that end a completion. They are not part of its text.
    pub stop: Vec<String>,
    /// Where code ends a completion: with a line, a block or a function. No token is drawn after
    /// the one that decides it.
    pub stop_at: Option<StopAt>,
    /// Ids that are never drawn.
    pub banned_ids: Vec<u32>,
    /// Stages of your own, applied in order after bans and penalties, before the temperature.
    pub samplers: Vec<Arc<dyn Sampler>>,
    /// What a special token spelled out in the prompt means.
    pub special_tokens: SpecialTokens,
    /// Token healing: takes the last tokens of the prompt back, as many as text that follows may
    /// change, and draws them again among those that agree with the prompt's bytes, before any
    /// other stage. So a prompt may end anywhere, inside a word or a run of spaces.
    ///
    /// The text of a completion is what follows the prompt; its ids begin with the tokens drawn
    /// again, [`Completion::healed`](super::Completion::healed) says how many bytes they owe the
    /// prompt, and `max_new_tokens` counts them. A control token ends what is taken back, and the
    /// first token of a prompt stays. Bans apply to the tokens drawn again as well.
    ///
    /// It costs the tokens drawn again, one or two mostly, and for the first request of a
    /// [`Generator`](super::Generator) some 10 ms to sort the vocabulary.
    ///
    /// ```
    /// # fn main() -> codegeex::Result<()> {
    /// # use codegeex::{generate::*, model::load, tokenizer::*};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/codegeex_tiny.safetensors");
    /// # let tokenizer = std::sync::Arc::new(Gpt2Tokenizer::codegeex());
    /// # let generator = Generator::new(load(path, &Default::default())?, tokenizer);
    /// let mut options = GenerateOptions::default();
    /// options.max_new_tokens = 3;
    /// options.heal = true;
    /// let found = generator.complete("# language: Python\nimport os\nimpor", &options)?;
    /// // The model has `import` as one token.
    /// assert!(found[0].text.starts_with("t "));
    /// assert_eq!(found[0].healed, "impor".len());
    /// # Ok(())
    /// # }
    /// ```
    pub heal: bool,
    /// Also reports the likeliest tokens at each place, so many of them, before any sampler. Each
    /// costs a pass over the logits.
    pub top_logprobs: usize,
    /// Ends the generation at this time, with what there is by then. Seen as soon as a
    /// cancellation.
    pub deadline: Option<Instant>,
    /// Tokens of the prompt that may be computed; those that a [`Session`](super::Session) or a
    /// scheduler has already do not count. Past it the generation ends; a session keeps what was
    /// computed, so that the next call goes on from there.
    pub prefill_limit: Option<usize>,
    /// Threads that compute at most; 0 means all that the model has. Requests that run together
    /// keep to the smallest.
    pub threads: usize,
    /// Guesses at the next tokens. They change the time that an answer takes, and not the answer.
    pub speculation: Option<Speculation>,
}

/// Where code ends a completion, see [`CodeStop`](crate::code::CodeStop).
///
/// The text before the cursor is read once for all samples, then every character of a completion
/// once: nothing beside the computation of a token. Stop strings see the text first; text that
/// they hold back is held back from this too.
///
/// ```
/// use codegeex::code::StopRule;
/// use codegeex::generate::{GenerateOptions, StopAt};
/// use codegeex::Language;
///
/// let mut options = GenerateOptions::default();
/// options.stop_at = Some(StopAt::new(Language::GO, [StopRule::Function]));
/// # Ok::<(), codegeex::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopAt {
    /// How the code is written.
    pub language: Language,
    /// The first one that fires ends the completion. None of them fires if there are none.
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
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            max_new_tokens: 128,
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: 0,
            first_sample: 0,
            samples: 1,
            stop: Vec::new(),
            stop_at: None,
            banned_ids: Vec::new(),
            samplers: Vec::new(),
            special_tokens: SpecialTokens::AsText,
            heal: false,
            top_logprobs: 0,
            deadline: None,
            prefill_limit: None,
            threads: 0,
            speculation: None,
        }
    }
}

impl GenerateOptions {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the option.
    pub fn validate(&self) -> Result<()> {
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            bail!(
                InvalidArgument,
                "temperature is {}, expected 0 (greedy) or a positive number",
                self.temperature
            );
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            bail!(
                InvalidArgument,
                "top_p is {}, expected a number above 0 and up to 1",
                self.top_p
            );
        }
        self.validate_stages()?;
        if self.samples == 0 || self.samples > MAX_SAMPLES {
            bail!(
                InvalidArgument,
                "{} samples, expected 1 to {MAX_SAMPLES}; ask for more in several calls",
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

    /// Checks min-p, typical-p, penalties and biases.
    fn validate_stages(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.min_p) {
            bail!(
                InvalidArgument,
                "min_p is {}, expected a number from 0 to 1",
                self.min_p
            );
        }
        if !(self.typical_p > 0.0 && self.typical_p <= 1.0) {
            bail!(
                InvalidArgument,
                "typical_p is {}, expected a number above 0 and up to 1",
                self.typical_p
            );
        }
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite()) {
            bail!(
                InvalidArgument,
                "repetition_penalty is {}, expected a positive number; 1 means no penalty",
                self.repetition_penalty
            );
        }
        for (name, penalty) in [
            ("presence_penalty", self.presence_penalty),
            ("frequency_penalty", self.frequency_penalty),
        ] {
            if !penalty.is_finite() {
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
        Ok(())
    }

    /// The stages in the order in which they apply, which [`sampler`](super::sampler) explains.
    pub(super) fn chain(&self) -> Vec<Arc<dyn Sampler>> {
        let mut chain: Vec<Arc<dyn Sampler>> = Vec::new();
        if !self.banned_ids.is_empty() {
            chain.push(Arc::new(BannedIds::new(self.banned_ids.iter().copied())));
        }
        if !self.logit_bias.is_empty() {
            chain.push(Arc::new(LogitBias::new(self.logit_bias.iter().copied())));
        }
        if self.repetition_penalty != 1.0 {
            chain.push(Arc::new(RepetitionPenalty(self.repetition_penalty)));
        }
        if self.presence_penalty != 0.0 || self.frequency_penalty != 0.0 {
            chain.push(Arc::new(PresenceFrequencyPenalty {
                presence: self.presence_penalty,
                frequency: self.frequency_penalty,
            }));
        }
        for sampler in &self.samplers {
            chain.push(Arc::new(Checked(sampler.clone())));
        }
        if self.temperature == 0.0 {
            chain.push(Arc::new(Greedy));
            return chain;
        }
        if self.temperature != 1.0 {
            chain.push(Arc::new(Temperature(self.temperature)));
        }
        if self.top_k > 0 {
            chain.push(Arc::new(TopK(self.top_k)));
        }
        if self.top_p < 1.0 {
            chain.push(Arc::new(TopP(self.top_p)));
        }
        if self.min_p > 0.0 {
            chain.push(Arc::new(MinP(self.min_p)));
        }
        if self.typical_p < 1.0 {
            chain.push(Arc::new(TypicalP(self.typical_p)));
        }
        chain
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
    /// The rule of [`GenerateOptions::stop_at`] that fired.
    Code(StopRule),
    /// `max_new_tokens` were generated.
    Length,
    /// Every position of the model is taken.
    ContextFull,
    /// The cancel flag was set, or the callback asked to stop.
    Cancelled,
    /// The deadline passed.
    Deadline,
    /// The prompt has more tokens to compute than `prefill_limit` allows.
    PrefillLimit,
}

impl FinishReason {
    /// Its name in JSON: `end_of_text`, `stop`, `length`, `context_full`, `cancelled`,
    /// `deadline`, `prefill_limit`; for rules of code `end_of_line`, `end_of_block`,
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
