//! Log-probabilities of given tokens, and perplexity.

use super::candidates::{log_probability, top_log_probabilities_below};
use super::{Generator, Prompt};
use crate::cancel::CancelToken;
use crate::error::{Result, bail};
use crate::memory::try_vec;
use crate::model::{Logits, State, Wanted, feed};
use crate::tokenizer::SpecialTokens;

/// Log-probabilities of given tokens.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Score {
    /// The log-probability of each token given those before it; `None` for the first.
    pub logprobs: Vec<Option<f32>>,
    /// The most likely ids to follow the last with their log-probabilities, best first: ids of the
    /// tokenizer alone, without those that pad the vocabulary of the model.
    pub top: Vec<(u32, f32)>,
}

/// Perplexity of a text: the exponential of the mean negative log-probability.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Perplexity {
    /// Tokens that were predicted.
    pub tokens: usize,
    /// Sum of their log-probabilities.
    pub log_probability: f64,
}

impl Perplexity {
    /// `exp(-log_probability / tokens)`; NaN without tokens.
    pub fn value(&self) -> f64 {
        (-self.log_probability / self.tokens as f64).exp()
    }
}

impl Generator {
    /// The log-probability of each token of a prompt, and the `top` most likely ids to follow the last.
    ///
    /// # Errors
    /// As for [`generate`](Self::generate), and
    /// [`Cancelled`](crate::ErrorKind::Cancelled).
    pub fn score<'p>(
        &self,
        prompt: impl Into<Prompt<'p>>,
        top: usize,
        cancel: &CancelToken,
    ) -> Result<Score> {
        let ids = &self.encode(prompt.into(), SpecialTokens::AsText)?[..];
        self.check_prompt(ids)?;
        let mut score = Score {
            logprobs: try_vec(ids.len())?,
            top: Vec::new(),
        };
        score.logprobs.push(None);
        let mut state = self.model().new_state();
        self.each_row(&mut *state, ids, cancel, &mut |row| {
            let at = score.logprobs.len() - 1;
            if let Some(&id) = ids.get(at + 1) {
                score
                    .logprobs
                    .push(Some(finite(log_probability(row, id), at)?));
                return Ok(());
            }
            score.top = top_log_probabilities_below(row, self.tokenizer().vocab_size(), top)?;
            for (_, logprob) in &score.top {
                finite(*logprob, at)?;
            }
            Ok(())
        })?;
        Ok(score)
    }

    /// Log-probabilities of `ids[from..]`, where `state` holds fewer than `from` of them.
    pub(super) fn score_on(
        &self,
        state: &mut dyn State,
        ids: &[u32],
        from: usize,
        cancel: &CancelToken,
    ) -> Result<Vec<f32>> {
        let before = &ids[state.len()..from - 1];
        let control = cancel.into();
        feed(
            &**self.model(),
            state,
            before,
            Wanted::Nothing,
            &control,
            &mut |_| Ok(()),
        )?;
        let mut logprobs = try_vec(ids.len() - from)?;
        self.each_row(state, &ids[from - 1..ids.len() - 1], cancel, &mut |row| {
            let at = from + logprobs.len();
            logprobs.push(finite(log_probability(row, ids[at]), at - 1)?);
            Ok(())
        })?;
        Ok(logprobs)
    }

    /// Feeds `ids` and hands out the logits that follow each.
    fn each_row(
        &self,
        state: &mut dyn State,
        ids: &[u32],
        cancel: &CancelToken,
        on_row: &mut dyn FnMut(&[f32]) -> Result<()>,
    ) -> Result<()> {
        let mut on_logits = |logits: Logits| {
            for row in logits.rows(0) {
                // The sums of exponentials of a piece take longer than a layer of a small model.
                cancel.check()?;
                on_row(row)?;
            }
            Ok(())
        };
        feed(
            &**self.model(),
            state,
            ids,
            Wanted::All,
            &cancel.into(),
            &mut on_logits,
        )
    }

    /// Perplexity of any number of tokens, in windows of the context length. Windows overlap by
    /// half: each window but the first begins with the second half of the one before, which is
    /// computed and not counted, so every token counts once and has half a window before it.
    /// `progress` is called with the number of tokens that are done.
    ///
    /// # Errors
    /// As for [`score`](Self::score); at least two tokens are needed.
    pub fn perplexity(
        &self,
        ids: &[u32],
        cancel: &CancelToken,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Perplexity> {
        if ids.len() < 2 {
            bail!(
                InvalidArgument,
                "perplexity needs at least two tokens, the text has {}",
                ids.len()
            );
        }
        let window = self.model().config().max_position_embeddings;
        let step = window.div_ceil(2);
        let mut result = Perplexity {
            tokens: 0,
            log_probability: 0.0,
        };
        let mut start = 0;
        let mut counted = 1;
        while counted < ids.len() {
            let end = (start + window).min(ids.len());
            let score = self.score(&ids[start..end], 0, cancel)?;
            for logprob in score.logprobs[counted - start..].iter().flatten() {
                result.log_probability += f64::from(*logprob);
                result.tokens += 1;
            }
            counted = end;
            start += step;
            progress(counted);
        }
        Ok(result)
    }
}

/// A log-probability, unless the logits after token `at` gave none.
fn finite(logprob: f32, at: usize) -> Result<f32> {
    if logprob.is_nan() {
        bail!(NonFinite, "the logits after token {at} are not finite");
    }
    Ok(logprob)
}
