//! Byte-pair encoding against its definition.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::bpe::{BYTE_TOKENS, BpeScratch, MAX_TOKEN_LEN, MergeFault, Merges};
use super::super::byte_chars::BYTE_ORDER;
use super::super::codegeex::gpt2_merges;

/// The definition, run as written: quadratic.
fn naive(ranks: &HashMap<(u32, u32), u32>, piece: &[u8]) -> Vec<u32> {
    let byte_token = |byte: &u8| BYTE_ORDER.iter().position(|b| b == byte).unwrap() as u32;
    let mut tokens: Vec<u32> = piece.iter().map(byte_token).collect();
    loop {
        let merge = tokens
            .windows(2)
            .enumerate()
            .filter_map(|(at, pair)| Some((*ranks.get(&(pair[0], pair[1]))?, at)))
            .min();
        let Some((token, at)) = merge else {
            return tokens;
        };
        tokens.splice(at..at + 2, [token]);
    }
}

fn ranks(pairs: &[(u32, u32)]) -> HashMap<(u32, u32), u32> {
    pairs.iter().copied().zip(BYTE_TOKENS..).collect()
}

/// The token of a byte of `BYTE_ORDER`.
fn letter(byte: u8) -> u32 {
    u32::from(byte - b'!')
}

/// Merges of tokens made of a, b and c, from arbitrary numbers.
fn small_merges(choices: &[(u16, u16)]) -> Vec<(u32, u32)> {
    let mut tokens: Vec<(u32, usize)> = b"abc".iter().map(|&b| (letter(b), 1)).collect();
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    for &(left, right) in choices {
        let (left, left_len) = tokens[usize::from(left) % tokens.len()];
        let (right, right_len) = tokens[usize::from(right) % tokens.len()];
        if !pairs.contains(&(left, right)) && left_len + right_len <= MAX_TOKEN_LEN {
            tokens.push((BYTE_TOKENS + pairs.len() as u32, left_len + right_len));
            pairs.push((left, right));
        }
    }
    pairs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Small alphabets make overlapping and unreachable tokens common.
    #[test]
    fn any_merges_encode_as_defined(
        choices in prop::collection::vec(any::<(u16, u16)>(), 0..40),
        pieces in prop::collection::vec("[abc]{1,80}|a{1,80}|[ab]{1,80}", 1..8),
    ) {
        let pairs = small_merges(&choices);
        let merges = Merges::new(&BYTE_ORDER, &pairs).unwrap();
        let mut scratch = BpeScratch::default();
        for piece in &pieces {
            let expected = naive(&ranks(&pairs), piece.as_bytes());
            prop_assert_eq!(merges.encode(piece.as_bytes(), &mut scratch).unwrap(), expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn gpt2_encodes_as_defined(
        pieces in prop::collection::vec(
            "[a-z]{1,60}|[a-zA-Z]{1,30}|[!-/:-@\\[-`{-~]{1,60}|[0-9]{1,40}|\\PC{1,30}|[=-]{1,200}|[aeinrst]{1,99}",
            64,
        ),
        bytes in prop::collection::vec(any::<u8>(), 1..80),
    ) {
        let pairs = gpt2_merges().unwrap();
        let ranks = ranks(&pairs);
        let merges = Merges::new(&BYTE_ORDER, &pairs).unwrap();
        let mut scratch = BpeScratch::default();
        for piece in pieces.iter().map(String::as_bytes).chain([&bytes[..]]) {
            prop_assert_eq!(merges.encode(piece, &mut scratch).unwrap(), naive(&ranks, piece));
        }
    }
}

#[test]
fn every_token_of_gpt2_encodes_to_itself() {
    let merges = Merges::new(&BYTE_ORDER, &gpt2_merges().unwrap()).unwrap();
    let mut scratch = BpeScratch::default();
    for token in 0..merges.len() as u32 {
        assert!(merges.is_reachable(token));
        let bytes = merges.token_bytes(token);
        assert_eq!(merges.encode(bytes, &mut scratch).unwrap(), [token]);
    }
}

/// The bound of the module's documentation is the longest path of tokens in the trie times the
/// bytes. What counts in practice is that no input comes anywhere near, however long it is.
#[test]
fn attempts_are_linear_in_the_length() {
    let merges = Merges::new(&BYTE_ORDER, &gpt2_merges().unwrap()).unwrap();
    let mut random = 1_u32;
    let mut next = |choices: &[u8]| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        choices[(random >> 16) as usize % choices.len()]
    };
    let mut mixed = |choices: &[u8]| (0..1_000_000).map(|_| next(choices)).collect::<Vec<u8>>();
    let mut inputs = vec![
        mixed(b"abcdefghijklmnopqrstuvwxyz"),
        mixed(b"aeinorst"),
        mixed(b"ab"),
        mixed(b"!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~"),
        mixed(b"-="),
        mixed(&std::array::from_fn::<u8, 256, _>(|b| b as u8)),
        b"getElementById".repeat(70_000),
        b"antidisestablishmentarianism".repeat(35_000),
    ];
    inputs.extend((0..=u8::MAX).map(|byte| vec![byte; 100_000]));
    inputs.extend((0..merges.len() as u32).step_by(97).map(|token| {
        let bytes = merges.token_bytes(token);
        bytes.repeat(20_000 / bytes.len())
    }));
    for input in inputs {
        let mut scratch = BpeScratch::default();
        merges.encode(&input, &mut scratch).unwrap();
        let start = String::from_utf8_lossy(&input[..20]);
        assert!(
            scratch.attempts <= 4 * input.len(),
            "{start:?}…: {} attempts for {} bytes",
            scratch.attempts,
            input.len()
        );
    }
}

#[test]
fn refuses_merges_that_cannot_be() {
    let fault = |pairs: &[(u32, u32)]| Merges::new(&BYTE_ORDER, pairs).unwrap_err();
    let (a, b) = (letter(b'a'), letter(b'b'));
    assert_eq!(
        fault(&[(a, b), (257, a)]),
        MergeFault::NotYetMade {
            merge: 1,
            token: 257
        }
    );
    assert_eq!(
        fault(&[(a, u32::MAX)]),
        MergeFault::NotYetMade {
            merge: 0,
            token: u32::MAX
        }
    );
    assert_eq!(
        fault(&[(a, b), (b, a), (a, b)]),
        MergeFault::Repeated {
            merge: 2,
            first: 256
        }
    );
    let doubling: Vec<(u32, u32)> = (0..40)
        .map(|n| if n == 0 { (a, a) } else { (255 + n, 255 + n) })
        .collect();
    assert_eq!(
        fault(&doubling),
        MergeFault::TooLong {
            merge: 10,
            len: 2048
        }
    );
    // 1023 tokens of a, up to the longest, and each of them with every other byte behind it.
    let mut large: Vec<(u32, u32)> = vec![(a, a)];
    large.extend((256..256 + 1022).map(|token| (token, a)));
    for token in 900..256 + 1022 {
        large.extend((0..256).filter(|&byte| byte != a).map(|byte| (token, byte)));
    }
    assert!(matches!(fault(&large), MergeFault::TooLarge { .. }));
}
