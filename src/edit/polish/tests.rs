//! Which tokens are shown, against counting them one by one.

use super::*;
use crate::generate::test_model::TestModel;
use crate::generate::{GenerateOptions, Generator};
use crate::tokenizer::CodeGeexTokenizer;
use std::sync::Arc;

#[test]
fn the_tokens_that_are_shown_are_those_that_overlap_what_is_shown() {
    let tokenizer = CodeGeexTokenizer::codegeex().unwrap();
    let generator = Generator::new(
        Arc::new(TestModel::saying(&["if a:\n    return some_value(1)\n"])),
        Arc::new(tokenizer.clone()),
    );
    for (prompt, healed) in [("if a:\n    retu", 4), ("if a:\n    return", 6), ("if", 0)] {
        let options = GenerateOptions::new().heal(true);
        let completion = generator.complete(prompt, &options).unwrap();
        assert_eq!(completion.healed, healed, "{prompt}");
        let text = &completion.text[..];
        for cut in 0..=text.len() {
            let is_blank = |c: char| c == ' ' || c == '\t';
            let visible = text[..cut].trim_end_matches(is_blank).len();
            let (mut at, mut expected) = (0, Vec::new());
            for (id, logprob) in completion.ids.iter().zip(&completion.logprobs) {
                let start = at;
                at += tokenizer.token_bytes(*id).unwrap().len();
                // Some of it is text, and is not after what is shown.
                if at > healed && start < healed + visible && visible > 0 {
                    expected.push(*logprob);
                }
            }
            // A token of blanks alone before what is not shown does not count.
            let found = shown(&tokenizer, &completion, &text[..cut]);
            assert_eq!(found, expected, "{prompt:?} {cut}");
        }
        // Other blanks make no difference.
        let tabs = text.replace("    ", "\t");
        assert_eq!(
            shown(&tokenizer, &completion, tabs.trim_end()),
            shown(&tokenizer, &completion, text.trim_end())
        );
    }
}
