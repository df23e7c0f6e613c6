//! A SentencePiece model that is accepted encodes any text, and every id that comes out stands for something.
#![no_main]

use codegeex::tokenizer::{BpeTokenizer, SpecialTokens, Tokenizer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(tokenizer) = BpeTokenizer::from_sentencepiece(bytes) else {
        return;
    };
    let text = "def f(x):\n    return  'é\u{301}中\u{1f600}' <s>▁▁";
    for policy in [SpecialTokens::AsText, SpecialTokens::Parse] {
        let ids = tokenizer.encode(text, policy).unwrap();
        tokenizer
            .decode(&ids)
            .expect("every id stands for something");
    }
});
