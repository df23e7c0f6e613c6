//! Byte-pair encoding against its definition.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::bpe::{BYTE_TOKENS, Base, BpeScratch, MAX_TOKEN_LEN, MergeFault, Merges, Rule};
use super::super::byte_chars::BYTE_ORDER;
use super::super::codegeex::gpt2_merges;
use super::super::ranked::{Ranked, RankedScratch};

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

/// The definition for rules in ids, run as written.
fn naive_rules(rules: &[Rule], mut ids: Vec<u32>) -> Vec<u32> {
    let rank_of = |pair: &[u32]| {
        rules
            .iter()
            .position(|rule| (rule.left, rule.right) == (pair[0], pair[1]))
    };
    loop {
        let pairs = ids.windows(2).enumerate();
        let merge = pairs
            .filter_map(|(at, pair)| Some((rank_of(pair)?, at)))
            .min();
        let Some((rank, at)) = merge else {
            return ids;
        };
        ids.splice(at..at + 2, [rules[rank].made]);
    }
}

/// Tokens over a, b and é, and merges that make them: some of their divisions, in any order.
fn any_rules(choices: &[(u16, u16)], keys: &[u16]) -> (Vec<Vec<u8>>, Vec<Rule>) {
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    tokens.push("é".into());
    let symbols = [u32::from(b'a'), u32::from(b'b'), 256];
    let mut made: Vec<u32> = symbols.to_vec();
    for &(left, right) in choices {
        let half = |n: u16| tokens[made[usize::from(n) % made.len()] as usize].clone();
        let token = [half(left), half(right)].concat();
        if token.len() <= 24 && !tokens.contains(&token) {
            made.push(tokens.len() as u32);
            tokens.push(token);
        }
    }
    let mut rules = Vec::new();
    for &whole in &made {
        for &left in &made {
            let rest = tokens[whole as usize].strip_prefix(&*tokens[left as usize]);
            let right = rest.and_then(|rest| tokens.iter().position(|token| token == rest));
            if let Some(right) = right.filter(|&right| made.contains(&(right as u32))) {
                rules.push(Rule {
                    left,
                    right: right as u32,
                    made: whole,
                });
            }
        }
    }
    let mut keyed: Vec<(u16, Rule)> = rules
        .into_iter()
        .enumerate()
        .map(|(at, rule)| match keys.get(at % (keys.len() + 1)) {
            Some(&key) => (key % 4, rule),
            None => (1, rule),
        })
        .collect();
    // Mostly in the order in which tokens are made, as in files.
    keyed.retain(|(key, _)| *key != 3);
    keyed.sort_by_key(|(key, rule)| (if *key == 0 { 0 } else { 1 }, rule.made));
    (tokens, keyed.into_iter().map(|(_, rule)| rule).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Several merges for a token, merges that never apply, and merges out of order.
    #[test]
    fn any_rules_encode_as_defined(
        choices in prop::collection::vec(any::<(u16, u16)>(), 0..24),
        keys in prop::collection::vec(any::<u16>(), 0..9),
        pieces in prop::collection::vec("[abé]{1,60}|[ab]{1,40}|a{1,80}|[aéè]{1,40}", 1..8),
    ) {
        let (tokens, rules) = any_rules(&choices, &keys);
        let base = Base {
            bytes: std::array::from_fn(|byte| byte as u8),
            chars: vec!['é'],
            ids: (0..257).collect(),
        };
        let (merges, ids, ranked) = Merges::from_rules(&base, &rules, tokens.len()).unwrap();
        for piece in &pieces {
            let mut buffer = [0; 4];
            let symbols = piece.chars().flat_map(|c| match c {
                'é' => vec![256],
                c => c.encode_utf8(&mut buffer).bytes().map(u32::from).collect(),
            });
            let expected = naive_rules(&rules, symbols.collect());
            let mut found = Vec::new();
            Ranked::all(&base, &rules)
                .encode(piece.as_bytes(), &mut RankedScratch::default(), &mut found)
                .unwrap();
            prop_assert_eq!(&found, &expected);
            if ranked.is_none() {
                let mut scratch = BpeScratch::default();
                let found = merges.encode(piece.as_bytes(), &mut scratch).unwrap();
                let found: Vec<u32> = found.iter().map(|&token| ids[token as usize]).collect();
                prop_assert_eq!(&found, &expected);
            }
        }
    }
}

/// A merge that applies before those of the rank that made its halves: the order of the definition.
#[test]
fn merges_out_of_order_are_seen() {
    let rule = |left: u8, right: u32, made| Rule {
        left: u32::from(left),
        right,
        made,
    };
    let base = Base {
        bytes: std::array::from_fn(|byte| byte as u8),
        chars: Vec::new(),
        ids: (0..256).collect(),
    };
    let aba = Rule {
        left: 256,
        right: u32::from(b'a'),
        made: 257,
    };
    let ab = rule(b'a', u32::from(b'b'), 256);
    let encoded = |rules: &[Rule]| {
        let (_, _, ranked) = Merges::from_rules(&base, rules, 258).unwrap();
        let mut ids = Vec::new();
        let ranked = ranked?;
        ranked
            .encode(b"abab", &mut RankedScratch::default(), &mut ids)
            .unwrap();
        Some(ids)
    };
    assert_eq!(encoded(&[ab, aba]), None);
    assert_eq!(encoded(&[aba, ab]), Some(vec![257, u32::from(b'b')]));
    let long = "ab".repeat(2 << 20);
    let (_, _, ranked) = Merges::from_rules(&base, &[aba, ab], 258).unwrap();
    let mut ids = Vec::new();
    let mut scratch = RankedScratch::default();
    ranked
        .unwrap()
        .encode(long.as_bytes(), &mut scratch, &mut ids)
        .unwrap();
    assert_eq!(ids.len(), 2 << 20);
}
