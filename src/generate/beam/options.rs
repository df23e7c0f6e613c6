//! The options of a beam search.

use std::time::Instant;

use crate::error::{Result, bail};
use crate::generate::options::{Limits, MAX_SAMPLES, StopAt, Stops, limits, stops};
use crate::memory::try_copy;
use crate::setters::setters;
use crate::tokenizer::SpecialTokens;

/// Most beams of one search. Each holds a KV cache and a row of logits at once.
pub const MAX_BEAMS: usize = MAX_SAMPLES;

/// Largest magnitude of a length penalty: with it, a power of any length of text is a number.
const MAX_PENALTY: f32 = 64.0;

/// Options of a beam search. The default is four beams of at most 128 tokens, as the reference
/// searches.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BeamOptions {
    /// Beams that run at a time and results at most: 1 to [`MAX_BEAMS`].
    pub num_beams: usize,
    /// How beams are scored, and when the search ends.
    pub rules: BeamRules,
    /// Where a beam ends besides the model's end of text. Every beam and every candidate for one
    /// looks for stops by itself.
    pub stops: Stops,
    /// How much the search may take.
    pub limits: Limits,
    /// Token ids that no beam contains.
    pub banned_ids: Vec<u32>,
    /// What a special token spelled out in the prompt means.
    pub special_tokens: SpecialTokens,
}

/// How beams are scored, and when a search ends. A search that runs out of tokens ends in any
/// case: then the beams that still run are results as good as the finished ones.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum BeamRules {
    /// The reference's. The score is the sum of the log-probabilities, and the search ends when
    /// `num_beams` have finished. An end of text counts if it is among the `num_beams` most likely
    /// tokens after its beam. (The reference misses one that comes as the very first token, and
    /// goes on behind it; this search does not.)
    #[default]
    Reference,
    /// Those of `generate` in Hugging Face transformers (release 5.23), where `length_penalty`
    /// is 1 and `early_stopping` is `False` by default.
    ///
    /// Of all continuations the best `2 * num_beams` are looked at, and an end of text counts if
    /// it is among the first half of those; that, beside the names of the options, is the
    /// difference to the reference where the penalty is 0 and early stopping
    /// [`Yes`](EarlyStopping::Yes). Where there are fewer continuations than that, transformers
    /// fills up with duplicates of no probability; here there are fewer beams.
    HuggingFace {
        /// The score is the sum of the log-probabilities divided by the number of new tokens to
        /// this power, an end of text counted, the prompt not: above 0 favours long beams, below
        /// 0 short ones, and 0 is the sum. From -64 to 64.
        length_penalty: f32,
        /// Whether to look for better beams once `num_beams` have finished.
        early_stopping: EarlyStopping,
    },
}

/// Whether to look for better beams once as many as are wanted have finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EarlyStopping {
    /// `True`: no.
    Yes,
    /// `False`: until the best running beam, scored at its present length, is no better than the
    /// worst finished one. With a penalty above 0 a beam that would have ended better is missed
    /// at times.
    #[default]
    No,
    /// `"never"`: as long as one could be better, whatever length it takes.
    Never,
}

impl Default for BeamOptions {
    fn default() -> Self {
        Self {
            num_beams: 4,
            rules: BeamRules::default(),
            stops: Stops::default(),
            limits: Limits::default(),
            banned_ids: Vec::new(),
            special_tokens: SpecialTokens::AsText,
        }
    }
}

impl BeamOptions {
    /// Four beams of at most 128 tokens, as the reference searches.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        set num_beams: usize;
        set rules: BeamRules;
        set stops: Stops;
        set limits: Limits;
        list banned_ids: u32;
        set special_tokens: SpecialTokens;
    }

    stops! { in Stops as stops: }

    limits! { in Limits as limits: }

    /// A copy, which memory may be refused for.
    pub(crate) fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            stops: self.stops.try_clone()?,
            limits: self.limits.clone(),
            banned_ids: try_copy(&self.banned_ids)?,
            ..*self
        })
    }

    /// Checks the values. A search also checks ids against the vocabulary.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the option.
    pub fn validate(&self) -> Result<()> {
        self.limits.validate()?;
        if self.num_beams == 0 || self.num_beams > MAX_BEAMS {
            bail!(
                InvalidArgument,
                "num_beams is {}, expected 1 to {MAX_BEAMS}",
                self.num_beams
            );
        }
        if let BeamRules::HuggingFace { length_penalty, .. } = self.rules
            && !(-MAX_PENALTY..=MAX_PENALTY).contains(&length_penalty)
        {
            bail!(
                InvalidArgument,
                "length_penalty is {length_penalty}, expected -{MAX_PENALTY} to {MAX_PENALTY}"
            );
        }
        Ok(())
    }

    /// Continuations of one beam that may count.
    pub(super) fn candidates(&self) -> usize {
        match self.rules {
            BeamRules::Reference => self.num_beams,
            BeamRules::HuggingFace { .. } => 2 * self.num_beams,
        }
    }
}
