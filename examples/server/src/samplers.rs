//! Stages of the sampler chain that OpenAI's options ask for, over the library's
//! [`Sampler`] trait.

use std::sync::{Mutex, PoisonError};

use codegeex::generate::{Candidates, History, Sampler, top_log_probabilities};

/// Adds a number to the logits of some tokens.
#[derive(Debug)]
pub struct Bias(Vec<(u32, f32)>);

impl Bias {
    /// A stage that adds these.
    pub fn new(biases: &[(u32, f32)]) -> Self {
        let mut biases = biases.to_vec();
        biases.sort_unstable_by_key(|&(id, _)| id);
        Self(biases)
    }
}

impl Sampler for Bias {
    fn apply(&self, candidates: &mut Candidates, _: History<'_>) -> codegeex::Result<()> {
        for candidate in candidates.as_mut_slice() {
            if let Ok(at) = self.0.binary_search_by_key(&candidate.id, |&(id, _)| id) {
                candidate.logit += self.0[at].1;
            }
        }
        Ok(())
    }
}

/// Lowers the logits of tokens that were generated before: once for being there, and again for
/// each time.
#[derive(Debug)]
pub struct Penalties {
    /// Taken once.
    pub presence: f32,
    /// Taken for each time.
    pub frequency: f32,
}

impl Sampler for Penalties {
    fn apply(&self, candidates: &mut Candidates, history: History<'_>) -> codegeex::Result<()> {
        let mut seen = history.generated.to_vec();
        seen.sort_unstable();
        let all = candidates.as_mut_slice();
        for same in seen.chunk_by(|a, b| a == b) {
            if let Ok(at) = all.binary_search_by_key(&same[0], |c| c.id) {
                all[at].logit -= self.presence + self.frequency * same.len() as f32;
            }
        }
        Ok(())
    }
}

/// Changes nothing and remembers the likeliest tokens, for the event that follows.
#[derive(Debug)]
pub struct TopLogprobs {
    most: usize,
    last: Mutex<Vec<(u32, f32)>>,
}

impl TopLogprobs {
    /// Remembers so many.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            last: Mutex::default(),
        }
    }

    /// Those of the last token that was drawn.
    pub fn take(&self) -> Vec<(u32, f32)> {
        std::mem::take(&mut *self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sampler for TopLogprobs {
    fn apply(&self, candidates: &mut Candidates, _: History<'_>) -> codegeex::Result<()> {
        let all = candidates.as_slice();
        let logits: Vec<f32> = all.iter().map(|c| c.logit).collect();
        let top = top_log_probabilities(&logits, self.most);
        let top = top.into_iter().map(|(at, p)| (all[at as usize].id, p));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = top.collect();
        Ok(())
    }
}
