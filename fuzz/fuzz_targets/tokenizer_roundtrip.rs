//! Any text encodes, comes back, and makes no control token unless asked to.
#![no_main]

use codegeex::tokenizer::{BpeTokenizer, SpecialTokens, Tokenizer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let ids = tokenizer.encode(text, SpecialTokens::AsText).unwrap();
    assert!(
        ids.iter()
            .all(|id| *id < 50256 || (50266..=50274).contains(id))
    );
    assert_eq!(
        tokenizer
            .decode(&ids)
            .expect("every id stands for something"),
        text
    );

    let parsed = tokenizer.encode(text, SpecialTokens::Parse).unwrap();
    assert!(
        parsed
            .iter()
            .all(|&id| (id as usize) < tokenizer.vocab_size())
    );
    if !text.contains("<|") {
        assert_eq!(parsed, ids);
    }
});
