//! What stands for the tokenizer of a model that came without one.

use super::{SpecialTokens, Tokenizer};
use crate::error::{Result, bail};

/// No tokenizer: a model works with ids alone. Texts are refused, and ids have no text.
#[derive(Debug, Clone, Copy)]
pub struct NoTokenizer {
    vocabulary: usize,
    end_of_text: u32,
}

impl NoTokenizer {
    /// For a model with ids below `vocabulary`; `end_of_text` is `u32::MAX` if it is not known.
    pub fn new(vocabulary: usize, end_of_text: u32) -> Self {
        Self {
            vocabulary,
            end_of_text,
        }
    }
}

impl Tokenizer for NoTokenizer {
    fn encode(&self, text: &str, _: SpecialTokens) -> Result<Vec<u32>> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        bail!(
            InvalidArgument,
            "the model came without a tokenizer, so it takes ids and no text; put its tokenizer.json \
             or tokenizer.model beside it, or give a tokenizer"
        )
    }

    fn has_text(&self) -> bool {
        false
    }

    fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        ((id as usize) < self.vocabulary).then_some(&[])
    }

    fn vocab_size(&self) -> usize {
        self.vocabulary
    }

    fn end_of_text(&self) -> u32 {
        self.end_of_text
    }

    fn decode(&self, ids: &[u32]) -> Result<String> {
        match ids.iter().find(|&&id| id as usize >= self.vocabulary) {
            Some(id) => bail!(
                TokenOutOfRange,
                "token {id} is not below the vocabulary size {}",
                self.vocabulary
            ),
            None => Ok(String::new()),
        }
    }
}
