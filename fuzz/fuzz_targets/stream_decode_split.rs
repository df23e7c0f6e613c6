//! However bytes are divided among calls, a stream gives the text of all of them.
//!
//! The input is the lengths that the calls get, and the bytes; the last call gets what is left.
#![no_main]

use codegeex::tokenizer::{InvalidUtf8, StreamDecoder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (cuts, bytes) = input;
    let mut lossy = StreamDecoder::new(InvalidUtf8::Replace);
    let mut strict = StreamDecoder::new(InvalidUtf8::Refuse);
    let (mut text, mut strict_text) = (String::new(), String::new());
    let mut is_refused = false;
    let mut rest = &bytes[..];
    for len in cuts.into_iter().map(usize::from).chain([usize::MAX]) {
        let (part, tail) = rest.split_at(len.min(rest.len()));
        lossy.push(part, &mut text).expect("the policy replaces");
        is_refused = is_refused || strict.push(part, &mut strict_text).is_err();
        rest = tail;
    }
    lossy.finish(&mut text).expect("the policy replaces");
    assert_eq!(text, String::from_utf8_lossy(&bytes));

    is_refused = is_refused || strict.finish(&mut strict_text).is_err();
    match std::str::from_utf8(&bytes) {
        Ok(valid) => assert!(!is_refused && strict_text == valid),
        Err(error) => {
            assert!(is_refused);
            assert_eq!(strict_text.as_bytes(), &bytes[..error.valid_up_to()]);
        }
    }
});
