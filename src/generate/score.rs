//! Log-probabilities of given tokens, and perplexity.

use super::candidates::{log_probability, top_log_probabilities};
use super::{Generator, PREFILL_TOKENS};
use crate::cancel::CancelToken;
use crate::error::{Result, bail};
use crate::model::{Input, State, Wanted};

/// How likely a model finds given tokens.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Score {
    /// The log-probability of each token given those before it; nothing for the first.
    pub logprobs: Vec<Option<f32>>,
    /// The likeliest ids to follow the last with their log-probabilities, best first.
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

/// Logits of this many tokens are kept at a time: 27 MB for the full vocabulary.
const SCORE_TOKENS: usize = 128;
const _: () = assert!(SCORE_TOKENS <= PREFILL_TOKENS);

impl Generator {
    /// Scores tokens, and ranks the `top` likeliest ids to follow them.
    ///
    /// # Errors
    /// As for [`generate_from`](Self::generate_from), and
    /// [`Cancelled`](crate::ErrorKind::Cancelled).
    pub fn score(&self, ids: &[u32], top: usize, cancel: &CancelToken) -> Result<Score> {
        self.check_prompt(ids)?;
        let mut state = self.model().new_state();
        let mut score = Score {
            logprobs: vec![None],
            top: Vec::new(),
        };
        for chunk in ids.chunks(SCORE_TOKENS) {
            let mut batch = [Input::new(&mut *state, chunk, Wanted::All)];
            let logits = self.model().forward(&mut batch, &cancel.into())?;
            for row in logits.rows(0) {
                // The sums of exponentials of a chunk take longer than a layer of a small model.
                cancel.check()?;
                match ids.get(score.logprobs.len()) {
                    Some(&id) => {
                        let logprob = log_probability(row, id);
                        if logprob.is_nan() {
                            let at = score.logprobs.len() - 1;
                            bail!(NonFinite, "the logits after token {at} are not finite");
                        }
                        score.logprobs.push(Some(logprob));
                    }
                    None => {
                        score.top = top_log_probabilities(row, top);
                        if score.top.iter().any(|(_, logprob)| logprob.is_nan()) {
                            bail!(NonFinite, "the logits after the last token are not finite");
                        }
                    }
                }
            }
        }
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
        for chunk in ids[state.len()..from - 1].chunks(PREFILL_TOKENS) {
            let mut batch = [Input::new(state, chunk, Wanted::Nothing)];
            self.model().forward(&mut batch, &cancel.into())?;
        }
        let mut logprobs = Vec::with_capacity(ids.len() - from);
        for chunk in ids[from - 1..ids.len() - 1].chunks(SCORE_TOKENS) {
            let mut batch = [Input::new(state, chunk, Wanted::All)];
            let logits = self.model().forward(&mut batch, &cancel.into())?;
            for row in logits.rows(0) {
                cancel.check()?;
                let at = from + logprobs.len();
                let logprob = log_probability(row, ids[at]);
                if logprob.is_nan() {
                    bail!(
                        NonFinite,
                        "the logits after token {} are not finite",
                        at - 1
                    );
                }
                logprobs.push(logprob);
            }
        }
        Ok(logprobs)
    }

    /// Perplexity of any number of tokens, in windows as long as the model has positions. Each
    /// window but the first begins with the second half of the one before, which is read but not
    /// counted, so every token counts once and has half a window before it. `progress` hears how
    /// many tokens are done.
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
