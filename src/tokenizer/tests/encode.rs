//! The whole way from text to ids and back.

use proptest::prelude::*;

use super::super::{BpeTokenizer, EncodeScratch, SpecialTokens, Tokenizer};
use crate::threads::ThreadPool;

const END_OF_TEXT: u32 = 50256;
const SPACE_RUNS: std::ops::RangeInclusive<u32> = 50266..=50274;

/// Texts with spaces, names of control tokens and what almost is one.
fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[ \n\t]{0,30}",
        "[a-zA-Z0-9_ .,;:(){}='\n-]{0,40}",
        "\\PC{0,20}",
        any::<String>(),
        "<\\|(endoftext|extratoken_[0-9]{1,3})\\|>",
        "[<|>]{1,3}(endoftext|extratoken_1)?[<|>]{1,3}",
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn text_comes_back_and_never_makes_a_control_token(text in texts()) {
        let tokenizer = BpeTokenizer::codegeex().unwrap();
        let ids = tokenizer.encode(&text, SpecialTokens::AsText).unwrap();
        prop_assert!(ids.iter().all(|id| *id < END_OF_TEXT || SPACE_RUNS.contains(id)));
        let runs = ids.iter().filter(|id| SPACE_RUNS.contains(id));
        let spaces: usize = runs.map(|&id| tokenizer.token_bytes(id).unwrap().len()).sum();
        prop_assert!(spaces <= text.matches(' ').count());
        prop_assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    }

    #[test]
    fn parsing_only_changes_how_control_tokens_are_spelled(text in texts()) {
        let tokenizer = BpeTokenizer::codegeex().unwrap();
        let mut decoded = text.clone();
        for len in 2..=10 {
            decoded = decoded.replace(&format!("<|extratoken_{}|>", 8 + len), &" ".repeat(len));
        }
        let ids = tokenizer.encode(&text, SpecialTokens::Parse).unwrap();
        prop_assert_eq!(tokenizer.decode(&ids).unwrap(), decoded);
        if !text.contains("<|") {
            prop_assert_eq!(ids, tokenizer.encode(&text, SpecialTokens::AsText).unwrap());
        }
    }

    #[test]
    fn scratch_and_batch_do_not_matter(texts in prop::collection::vec(texts(), 0..12)) {
        let tokenizer = BpeTokenizer::codegeex().unwrap();
        let long = texts.concat().repeat(20);
        let all: Vec<&str> = texts.iter().map(String::as_str).chain([&long[..]]).collect();
        let one = |text: &&str| tokenizer.encode(text, SpecialTokens::Parse).unwrap();
        let expected: Vec<Vec<u32>> = all.iter().map(one).collect();
        let pool = ThreadPool::new(3).unwrap();
        prop_assert_eq!(&tokenizer.encode_batch(&pool, &all, SpecialTokens::Parse).unwrap(), &expected);
        let mut scratch = EncodeScratch::default();
        for _ in 0..2 {
            for (text, expected) in all.iter().rev().zip(expected.iter().rev()) {
                let mut ids = vec![7];
                tokenizer.encode_into(text, SpecialTokens::Parse, &mut scratch, &mut ids).unwrap();
                prop_assert_eq!(&ids[1..], &expected[..]);
            }
        }
    }

    #[test]
    fn decoding_is_lossy_as_the_standard_library_is(ids in prop::collection::vec(0_u32..50400, 0..40)) {
        let tokenizer = BpeTokenizer::codegeex().unwrap();
        let bytes: Vec<u8> = ids
            .iter()
            .flat_map(|&id| tokenizer.token_bytes(id).unwrap().iter().copied())
            .collect();
        prop_assert_eq!(tokenizer.decode(&ids).unwrap(), String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_batch_is_the_same_for_any_number_of_threads() {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let texts = ["a", "", "  b"];
    let expected = [vec![64], vec![], vec![50266, 65]];
    for threads in 1..4 {
        let pool = ThreadPool::new(threads).unwrap();
        let batch = tokenizer
            .encode_batch(&pool, &texts, SpecialTokens::AsText)
            .unwrap();
        assert_eq!(batch, expected);
    }
}

#[test]
fn ids_of_the_vocabulary_and_beyond() {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    assert_eq!(tokenizer.vocab_size(), 50400);
    assert_eq!(tokenizer.end_of_text(), END_OF_TEXT);
    assert_eq!(tokenizer.token_bytes(0), Some(&b"!"[..]));
    assert_eq!(
        tokenizer.token_bytes(END_OF_TEXT),
        Some(&b"<|endoftext|>"[..])
    );
    assert_eq!(tokenizer.token_bytes(50257), Some(&b"<|extratoken_1|>"[..]));
    assert_eq!(tokenizer.token_bytes(50266), Some(&b"  "[..]));
    assert_eq!(tokenizer.token_bytes(50274), Some(&b"          "[..]));
    assert_eq!(
        tokenizer.token_bytes(50399),
        Some(&b"<|extratoken_143|>"[..])
    );
    for id in (50400..52224).chain([u32::MAX]) {
        assert_eq!(tokenizer.token_bytes(id), None);
        let error = tokenizer.decode(&[64, id, 65]).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::TokenOutOfRange);
        assert!(error.to_string().contains(&id.to_string()), "{error}");
    }
}

/// The largest texts that a splitter and a merge loop could stumble over take no time to speak of.
#[test]
fn a_megabyte_without_a_boundary() {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    for unit in [
        "a", "=", "7", "é", "中", "\n", " ", "\u{a0}", "aB1", "ab", "<|", "'", "\0",
    ] {
        let text = unit.repeat((1 << 20) / unit.len());
        for special in [SpecialTokens::AsText, SpecialTokens::Parse] {
            let ids = tokenizer.encode(&text, special).unwrap();
            assert!(
                tokenizer.decode(&ids).is_ok_and(|decoded| decoded == text),
                "{unit:?}"
            );
        }
    }
}
