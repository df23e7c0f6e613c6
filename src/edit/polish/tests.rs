//! Which tokens are shown, against counting them one by one.

use super::*;
use crate::generate::test_model::TestModel;
use crate::generate::{GenerateOptions, Generator};
use crate::tokenizer::BpeTokenizer;
use std::sync::Arc;

#[test]
fn the_tokens_that_are_shown_are_those_that_overlap_what_is_shown() {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
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
            let found = Shown::new(&tokenizer, &completion, &text[..cut]);
            let logprobs = &completion.logprobs[found.first..found.end];
            assert_eq!(logprobs, expected, "{prompt:?} {cut}");
            // The tokens that are wholly there, and the rest, are what is shown.
            let whole = tokenizer.decode(&completion.ids[..found.whole]).unwrap();
            let whole = whole.get(healed..).unwrap_or_default();
            let rest = &text[found.rest..cut];
            assert_eq!(
                found.whole == found.end,
                rest.is_empty(),
                "{prompt:?} {cut}"
            );
            match rest {
                "" => assert!(whole.starts_with(&text[..visible])),
                rest => assert_eq!(format!("{whole}{rest}"), text[..cut]),
            }
        }
        // Other blanks make no difference.
        let tabs = text.replace("    ", "\t");
        assert_eq!(
            Shown::new(&tokenizer, &completion, tabs.trim_end()).end,
            Shown::new(&tokenizer, &completion, text.trim_end()).end
        );
    }
}

/// Tokens that reach over the end of a candidate, into what follows the cursor as well.
#[test]
fn every_byte_counts_once() {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let generator = Generator::new(Arc::new(TestModel::noise()), Arc::new(tokenizer.clone()));
    let session = Session::new(&generator);
    let cancel = CancelToken::new();
    let encode = |text: &str| tokenizer.encode(text, SpecialTokens::AsText).unwrap();
    let (prompt, after) = ("# language: Python\ndef", ":\n    pass\n");
    // What the completion says, what of it is shown, and its tokens that are wholly shown.
    let rows = [(" f():", " f()", 1), (" g(x", " g(x", 3), (" h()", " h", 1)];
    let candidate = |&(says, text, whole): &(&str, &str, usize)| {
        let ids = encode(says);
        let all = [encode(prompt), ids.clone()].concat();
        let logprobs = session.score(&all, encode(prompt).len(), &cancel).unwrap();
        let start = tokenizer.decode(&ids[..whole]).unwrap();
        assert!(text.starts_with(&start) && text.len() < start.len() + 3);
        let mut completion = generator
            .complete("a", &GenerateOptions::new().max_new_tokens(1))
            .unwrap();
        (completion.ids, completion.logprobs) = (ids, logprobs);
        let score = None;
        Candidate {
            text: text.to_owned(),
            completion,
            score,
        }
    };
    let place = Place {
        language: Language::PYTHON,
        before: "def",
        after,
        prompt,
    };
    let candidates = rows.iter().map(candidate).collect();
    let ranked = Polish::new()
        .ranked(&session, &place, candidates, &cancel)
        .unwrap();
    assert_eq!(ranked.len(), rows.len());
    let mean = |l: &[f32]| l.iter().map(|&l| f64::from(l)).sum::<f64>() / l.len() as f64;
    for (_, text, whole) in rows {
        let found = ranked.iter().find(|c| c.text == text).unwrap();
        let (ids, suffix) = (&found.completion.ids[..whole], encode(after));
        let start = [encode(prompt), ids.to_vec()].concat();
        let rest = encode(&text[tokenizer.decode(ids).unwrap().len()..]);
        let all = [&start[..], &rest, &suffix].concat();
        assert_eq!(
            tokenizer.decode(&all).unwrap(),
            format!("{prompt}{text}{after}")
        );
        let logprobs = session.score(&all, encode(prompt).len(), &cancel).unwrap();
        let (own, suffix) = logprobs.split_at(logprobs.len() - suffix.len());
        assert_eq!(found.score, Some(mean(own) + mean(suffix)), "{text}");
    }
}
