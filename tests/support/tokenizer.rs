//! A tokenizer of as many bytes as a small model has ids.

use std::sync::Arc;

use codegeex::{BpeTokenizer, Generator, Model, Result, SpecialTokens, Tokenizer};

/// Ids are bytes. Nothing is an end of text.
pub struct Bytes(pub usize);

static ALL: [u8; 256] = {
    let mut all = [0; 256];
    let mut i = 0;
    while i < all.len() {
        all[i] = i as u8;
        i += 1;
    }
    all
};

impl Tokenizer for Bytes {
    fn encode(&self, text: &str, _: SpecialTokens) -> Result<Vec<u32>> {
        let known = text.bytes().map(u32::from);
        Ok(known.filter(|&id| (id as usize) < self.0).collect())
    }

    fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        let id = id as usize;
        (id < self.0).then(|| &ALL[id % 256..id % 256 + 1])
    }

    fn vocab_size(&self) -> usize {
        self.0
    }

    fn end_of_text(&self) -> u32 {
        u32::MAX
    }

    fn decode(&self, ids: &[u32]) -> Result<String> {
        let bytes: Vec<u8> = ids.iter().map(|&id| id as u8).collect();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The model with CodeGeeX's tokenizer, or where it has fewer ids with one of bytes.
pub fn generator(model: Arc<dyn Model>) -> Generator {
    let codegeex = BpeTokenizer::codegeex().unwrap();
    let ids = model.config().padded_vocab_size;
    let tokenizer: Arc<dyn Tokenizer> = match codegeex.vocab_size() <= ids {
        true => Arc::new(codegeex),
        false => Arc::new(Bytes(ids)),
    };
    Generator::new(model, tokenizer)
}
