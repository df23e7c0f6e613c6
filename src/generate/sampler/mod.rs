//! Samplers: stages that narrow and reweigh the candidates before one is sampled.
//!
//! One file a family: what is said of single ids ([`BannedIds`], [`LogitBias`]), what depends on
//! the text so far ([`RepetitionPenalty`],
//! [`PresenceFrequencyPenalty`]), and what narrows the choice
//! ([`Greedy`], [`Temperature`], [`TopK`], [`TopP`], [`MinP`], [`TypicalP`]). Sampling itself is not
//! done here: [`Candidates::sample`] does it, and [`rng`](super::rng) specifies it.
//!
//! # The order in [`GenerateOptions`](super::GenerateOptions)
//!
//! 1. banned ids, logit bias
//! 2. repetition penalty, then presence and frequency penalties
//! 3. the caller's own stages
//! 4. greedy choice and nothing after it; or temperature, top-k, top-p, min-p, typical-p
//!
//! Hugging Face `generate` and vLLM agree on 1 and 2: a bias first, then the penalties, the
//! repetition penalty before the others, all of them on the logits as the model gave them, so
//! that they mean the same at any temperature and act on a greedy choice as well. The order in 4
//! is Hugging Face's, and up to top-p the reference's. vLLM has min-p before top-k and top-p, so
//! that the nucleus there is one of what min-p left, and may be smaller.
//!
//! # What they cost
//!
//! A model's row has 50 thousand logits. Stages cost a pass or two over the candidates that are
//! left, some with an exponential each ([`TopP`], [`MinP`], [`TypicalP`]); penalties a sort of
//! the text's ids. Next to a token of a model with billions of weights it is nothing; for a small
//! model, top-k early in the chain makes the rest cheap.

mod cut;
mod ids;
mod mass;
mod penalties;
mod temperature;
#[cfg(test)]
mod tests;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::candidates::Candidates;
use crate::error::{Result, bail};

pub use cut::{Greedy, MinP, TopK};
pub use ids::{BannedIds, LogitBias};
pub use mass::{TopP, TypicalP};
pub use penalties::{PresenceFrequencyPenalty, RepetitionPenalty};
pub use temperature::Temperature;

/// What a sampler may know about the sequence.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    /// Ids of the prompt.
    pub prompt: &'a [u32],
    /// Ids generated so far.
    pub generated: &'a [u32],
}

/// A stage over the candidates for the next token.
///
/// Stages have no state of their own: what they depend on is in the history. So one chain serves
/// any number of sequences, and a sequence gets the same tokens whatever else is in the batch.
///
/// ```
/// use codegeex::generate::{Candidates, GenerateOptions, History, Sampler};
///
/// /// Never the same token twice in a row.
/// #[derive(Debug)]
/// struct NoStutter;
///
/// impl Sampler for NoStutter {
///     fn apply(&self, candidates: &mut Candidates, history: History<'_>) -> codegeex::Result<()> {
///         candidates.retain(|c| Some(&c.id) != history.generated.last());
///         Ok(())
///     }
/// }
///
/// let options = GenerateOptions::new().sampler(NoStutter);
/// ```
pub trait Sampler: Send + Sync + fmt::Debug {
    /// Changes logits or drops candidates, in place. A logit of negative infinity drops its
    /// candidate as well; NaN and positive infinity end the generation with
    /// [`NonFinite`](crate::ErrorKind::NonFinite).
    ///
    /// # Errors
    /// Whatever keeps the stage from its work; it ends the generation, and so does a panic, as
    /// [`Internal`](crate::ErrorKind::Internal).
    fn apply(&self, candidates: &mut Candidates, history: History<'_>) -> Result<()>;
}

/// A stage of the caller: its panic ends one generation and no service, and its logits are checked
/// before another stage might drop a NaN unseen.
#[derive(Debug)]
pub(super) struct Checked(pub Arc<dyn Sampler>);

impl Sampler for Checked {
    fn apply(&self, candidates: &mut Candidates, history: History<'_>) -> Result<()> {
        // Candidates are filled anew for each token, whatever is left of these.
        let applied = catch_unwind(AssertUnwindSafe(|| self.0.apply(candidates, history)));
        applied.unwrap_or_else(|panic| {
            let said = (panic.downcast_ref::<&str>().copied())
                .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            bail!(
                Internal,
                "the sampler {:?} panicked: {}",
                self.0,
                said.unwrap_or("no message")
            )
        })?;
        candidates
            .check()
            .map_err(|e| e.within(format_args!("after the sampler {:?}", self.0)))
    }
}
