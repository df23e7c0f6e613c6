//! The incremental decoder against decoding all at once.

use proptest::prelude::*;

use super::super::{CodeGeexTokenizer, InvalidUtf8, StreamDecoder, Tokenizer};
use crate::error::ErrorKind;

/// Bytes that are UTF-8, almost so, or arbitrary.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        any::<String>().prop_map(String::into_bytes),
        "[é中🙂a]{0,6}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..6),
        prop::collection::vec(
            prop::sample::select(&b"\x80\xBF\xC3\xE4\xED\xA0\xF0\x9F\xF4\x90\xFFa"[..]),
            0..9
        ),
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn any_division_gives_the_same_text(
        bytes in bytes(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut lossy = StreamDecoder::new(InvalidUtf8::Replace);
        let mut strict = StreamDecoder::new(InvalidUtf8::Refuse);
        let (mut text, mut strict_text) = (String::new(), String::new());
        let mut refused = None;
        for cut in cuts.windows(2) {
            let part = &bytes[cut[0]..cut[1]];
            lossy.push(part, &mut text).unwrap();
            if refused.is_none() {
                refused = strict.push(part, &mut strict_text).err();
            }
            // What may still become a character is held back, and nothing else is.
            let so_far = String::from_utf8_lossy(&bytes[..cut[1]]).into_owned();
            let certain = match std::str::from_utf8(tail_after_last_error(&bytes[..cut[1]])) {
                Err(_) => so_far.strip_suffix(char::REPLACEMENT_CHARACTER).unwrap(),
                Ok(_) => &so_far,
            };
            prop_assert_eq!(&text, certain);
            prop_assert_eq!(lossy.is_pending(), certain.len() < so_far.len());
        }
        lossy.finish(&mut text).unwrap();
        prop_assert_eq!(&text, &String::from_utf8_lossy(&bytes));
        let refused = refused.or_else(|| strict.finish(&mut strict_text).err());
        match std::str::from_utf8(&bytes) {
            Ok(text) => {
                prop_assert!(refused.is_none());
                prop_assert_eq!(text, strict_text);
            }
            Err(error) => {
                prop_assert_eq!(strict_text.as_bytes(), &bytes[..error.valid_up_to()]);
                let refused = refused.unwrap();
                prop_assert_eq!(refused.kind(), ErrorKind::InvalidUtf8);
                let place = format!("at {} ", error.valid_up_to());
                prop_assert!(refused.to_string().contains(&place), "{}", refused);
            }
        }
    }

    #[test]
    fn tokens_one_by_one_give_what_decode_gives(ids in prop::collection::vec(0_u32..50400, 0..40)) {
        let tokenizer = CodeGeexTokenizer::codegeex();
        let mut decoder = StreamDecoder::default();
        let mut text = String::new();
        for &id in &ids {
            decoder.push_token(&tokenizer, id, &mut text).unwrap();
        }
        decoder.finish(&mut text).unwrap();
        prop_assert_eq!(text, tokenizer.decode(&ids).unwrap());
    }
}

/// What follows the last bytes that can no longer become a character.
fn tail_after_last_error(mut bytes: &[u8]) -> &[u8] {
    while let Err(error) = std::str::from_utf8(bytes) {
        let Some(len) = error.error_len() else { break };
        bytes = &bytes[error.valid_up_to() + len..];
    }
    bytes
}

#[test]
fn an_unknown_id_leaves_the_decoder_as_it_was() {
    let tokenizer: &dyn Tokenizer = &CodeGeexTokenizer::codegeex();
    let mut decoder = StreamDecoder::new(InvalidUtf8::Refuse);
    let mut text = String::new();
    decoder.push_token(tokenizer, 8582, &mut text).unwrap();
    let error = decoder.push_token(tokenizer, 50400, &mut text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenOutOfRange);
    assert!(decoder.is_pending());
    decoder.push_token(tokenizer, 25081, &mut text).unwrap();
    decoder.finish(&mut text).unwrap();
    assert_eq!(text, "🙂");
}

#[test]
fn finishing_inside_a_character_follows_the_policy() {
    let mut text = String::new();
    let mut lossy = StreamDecoder::new(InvalidUtf8::Replace);
    lossy.push(b"ab\xE4\xB8", &mut text).unwrap();
    assert_eq!(text, "ab");
    lossy.finish(&mut text).unwrap();
    assert_eq!(text, "ab\u{FFFD}");
    let mut strict = StreamDecoder::new(InvalidUtf8::Refuse);
    strict.push(b"ab\xE4\xB8", &mut text).unwrap();
    let error = strict.finish(&mut text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidUtf8);
    // It is new afterwards.
    strict.push("中".as_bytes(), &mut text).unwrap();
    strict.finish(&mut text).unwrap();
    assert!(text.ends_with("ab中"));
}
