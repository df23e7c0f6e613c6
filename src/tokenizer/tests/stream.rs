//! The incremental decoder against decoding all at once.

use proptest::prelude::*;

use super::super::{BpeTokenizer, InvalidUtf8, StreamDecoder, Tokenizer};
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
        let tokenizer = BpeTokenizer::codegeex().unwrap();
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
    let tokenizer: &dyn Tokenizer = &BpeTokenizer::codegeex().unwrap();
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

#[test]
fn text_goes_on_where_other_text_ended_inside_a_character() {
    let texts = ["5 \u{20ac} each", "\u{1f642}", "\u{e9}\u{1f642}x", "plain"];
    for text in texts {
        let bytes = text.as_bytes();
        for cut in 0..=bytes.len() {
            let (before, after) = bytes.split_at(cut);
            let unfinished = StreamDecoder::unfinished(before);
            let whole = std::str::from_utf8(&before[..cut - unfinished]).unwrap();
            // The pieces together are the text, whatever the size of what follows.
            for size in 1..4 {
                let mut decoder = StreamDecoder::after(InvalidUtf8::Refuse, before);
                assert!(!decoder.is_pending());
                let mut found = whole.to_owned();
                for piece in after.chunks(size) {
                    decoder.push(piece, &mut found).unwrap();
                }
                decoder.finish(&mut found).unwrap();
                let expected = if after.is_empty() { whole } else { text };
                assert_eq!(found, expected, "{text:?} {cut} {size}");
            }
        }
    }
}

#[test]
fn a_character_that_is_not_completed_belongs_to_the_text_before() {
    let decode = |before: &[u8], after: &[u8]| {
        let mut decoder = StreamDecoder::after(InvalidUtf8::Replace, before);
        let mut text = String::new();
        decoder.push(b"", &mut text).unwrap();
        decoder.push(after, &mut text).unwrap();
        decoder.finish(&mut text).unwrap();
        text
    };
    assert_eq!(decode(b"\xe2\x82", b"x"), "x");
    assert_eq!(decode(b"\xe2\x82", "\u{e9}".as_bytes()), "\u{e9}");
    assert_eq!(decode(b"\xe2\x82", b""), "");
    // One sign for all of it as soon as a byte of it is here.
    assert_eq!(decode(b"\xe2", b"\x82x"), "\u{fffd}x");
    assert_eq!(decode(b"\xe2", b"\x82"), "\u{fffd}");
    // Bytes that no character has are no beginning of one.
    assert_eq!(decode(b"\xff", b"x"), "x");
    assert_eq!(decode(b"\xff", b"\x82"), "\u{fffd}");
    for (bytes, expected) in [
        (&b""[..], 0),
        (b"a", 0),
        (b"\xe2", 1),
        (b"a\xe2\x82", 2),
        (b"a\xe2\x82\xac", 0),
        (b"\xf0\x9f\x99", 3),
        (b"\xf0\x9f\x99\x82", 0),
        (b"\x82\x82", 0),
        (b"\xe2\xe2", 1),
        (b"\xed\xa0", 0),
        (b"\xc0", 0),
    ] {
        assert_eq!(StreamDecoder::unfinished(bytes), expected, "{bytes:x?}");
    }
}
