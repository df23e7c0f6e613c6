//! Stages of the sampler chain that OpenAI's options ask for, over the library's
//! [`Sampler`] trait.

use codegeex::generate::{Candidates, History, Sampler};

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
