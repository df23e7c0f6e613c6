//! A tokenizer of as many bytes as a small model has ids.

use std::sync::Arc;

use codegeex::{BpeTokenizer, Generator, Model, Result, SpecialTokens, Tokenizer};
use serde_json::{Value, json};

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

/// A `tokenizer.json` of single bytes, and these control tokens from id 256 on.
#[allow(dead_code, reason = "not every test binary has a use for it")]
pub fn byte_level_json(controls: &[&str]) -> String {
    // The printable stand-ins of bytes, as GPT-2 has them.
    let printable = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut stand_in = 255;
    let mut vocab = serde_json::Map::new();
    for byte in 0..256 {
        let code = match printable(byte) {
            true => byte,
            false => {
                stand_in += 1;
                stand_in
            }
        };
        let name: String = char::from_u32(code).unwrap().into();
        vocab.insert(name, byte.into());
    }
    let added: Vec<Value> = (256..)
        .zip(controls)
        .map(|(id, content)| {
            json!({
                "id": id, "content": content, "special": true, "normalized": false,
                "single_word": false, "lstrip": false, "rstrip": false,
            })
        })
        .collect();
    let byte_level = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    });
    json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": added,
        "pre_tokenizer": byte_level, "post_processor": null, "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    })
    .to_string()
}
