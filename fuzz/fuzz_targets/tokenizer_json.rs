//! A tokenizer.json that is accepted encodes any text, and every id that comes out stands for something.
#![no_main]

use codegeex::tokenizer::{BpeTokenizer, SpecialTokens, Tokenizer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &str| {
    let Ok(tokenizer) = BpeTokenizer::from_json(json, None) else {
        return;
    };
    let last = json.floor_char_boundary(json.len().saturating_sub(100));
    for text in [
        "def f(x):\n    return  'é\u{301}中\u{1f600}' <s>",
        &json[last..],
    ] {
        for policy in [SpecialTokens::AsText, SpecialTokens::Parse] {
            let ids = tokenizer.encode(text, policy).unwrap();
            tokenizer
                .decode(&ids)
                .expect("every id stands for something");
        }
    }
});
