//! Reading a `tokenizer.model` of tiktoken's kind: a line of base64 and a rank for each token.
//!
//! Such a file has tokens alone. How text is split, and which tokens are added, is code in the folders of
//! the models that have one; here it is known for GLM-4 and CodeGeeX4, by the class that
//! `tokenizer_config.json` names.

use std::collections::HashMap;

use super::added::{self, Flags};
use super::bpe::{Base, MAX_MERGES, MAX_TOKEN_LEN, MergeFault, Merges, Rule};
use super::config::Config;
use super::patterns::Pattern;
use super::split::Split;
use super::vocabulary::{LeadingSpace, MAX_IDS, Other, Rules, Strip, Vocabulary};
use crate::error::{Error, ErrorKind, Result, bail, excerpt};
use crate::memory::{TryGrow, try_copy, try_filled, try_vec};

/// The class whose rules are known.
const GLM4: &str = "ChatGLM4Tokenizer";
/// What it puts before every text.
const PREFIX: [&str; 2] = ["[gMASK]", "<sop>"];
/// Bytes of all divisions of all tokens at most.
const MAX_WORK: usize = 1 << 28;

/// Whether a file is of this kind.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    let line = bytes.split(|&byte| byte == b'\n').next();
    let line = line.filter(|line| line.len() <= 2 * MAX_TOKEN_LEN);
    let line = line.and_then(|line| std::str::from_utf8(line).ok());
    line.is_some_and(|line| matches!(token_and_rank(line), Ok(Some(_))))
}

/// Reads a file; `config` is what stands beside it.
pub(super) fn from_bytes(bytes: &[u8], config: &Config) -> Result<Vocabulary> {
    if config.class.as_deref() != Some(GLM4) {
        bail!(
            UnsupportedFile,
            "the file has tokens and ranks of tiktoken, and a tokenizer_config.json with the class {} \
             beside it: expected {GLM4}, whose rules this crate has, or a tokenizer.json",
            excerpt(config.class.as_deref().unwrap_or("(none)"))
        );
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        bail!(
            InvalidVocabulary,
            "the file is not UTF-8: expected lines of base64 and ranks"
        );
    };
    let mut tokens: HashMap<Vec<u8>, u32> = HashMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let entry = token_and_rank(line).map_err(|e| e.within(format_args!("line {number}")))?;
        let Some((token, rank)) = entry else {
            continue;
        };
        tokens.try_reserve(1)?;
        if tokens.insert(token, rank).is_some() {
            bail!(
                InvalidVocabulary,
                "line {number}: the token is on an earlier line as well: expected one rank for each"
            );
        }
    }
    let most = tokens
        .values()
        .chain(config.added.iter().map(|(id, _)| id))
        .max();
    let mut by_id: Vec<Option<&[u8]>> =
        try_filled(None, most.map_or(0, |&most| most as usize + 1))?;
    for (token, &rank) in &tokens {
        if by_id[rank as usize].replace(token).is_some() {
            bail!(
                InvalidVocabulary,
                "two tokens have the rank {rank}: expected one for each"
            );
        }
    }
    let mut base = Base {
        bytes: std::array::from_fn(|byte| byte as u8),
        chars: Vec::new(),
        ids: try_vec(256)?,
    };
    for byte in 0..=u8::MAX {
        let Some(&id) = tokens.get(&[byte][..]) else {
            bail!(
                InvalidVocabulary,
                "there is no token for the byte {byte:#04x}: expected one for every byte"
            );
        };
        base.ids.push(id);
    }
    let rules = merge_rules(&by_id, &tokens)?;
    let (merges, ids, ranked) = Merges::from_rules(&base, &rules, by_id.len()).map_err(refuse)?;

    let mut is_merged = try_filled(false, by_id.len())?;
    for &id in &ids {
        is_merged[id as usize] = true;
    }
    let mut others = Vec::new();
    for (id, token) in (0..).zip(&by_id) {
        let Some(token) = token.filter(|_| !is_merged[id as usize]) else {
            continue;
        };
        others.try_push(Other {
            id,
            bytes: try_copy(token)?,
            is_control: false,
            is_word: true,
        })?;
    }
    let mut names = Vec::new();
    for (id, name) in &config.added {
        if by_id[*id as usize].is_some() {
            bail!(
                InvalidVocabulary,
                "the added token {} has the id {id} of another token: expected one of its own",
                excerpt(name)
            );
        }
        names.try_push(added::token(name, *id, Flags::default())?)?;
        others.try_push(Other {
            id: *id,
            bytes: try_copy(name.as_bytes())?,
            is_control: true,
            is_word: false,
        })?;
    }
    let mut prefix = try_vec(PREFIX.len())?;
    for name in PREFIX {
        let Some(id) = config.added_id(name) else {
            bail!(
                InvalidVocabulary,
                "tokenizer_config.json adds no token {name}: expected it, as {GLM4} has it"
            );
        };
        prefix.push(id);
    }
    let rules = Rules {
        split: Split::One(Pattern::Words { digits: 3 }),
        normalizer: Vec::new(),
        leading_space: LeadingSpace::Never,
        strip: Strip::Nothing,
        ignore_merges: true,
        prefix,
        end_of_text: config.end_of_text(|name| config.added_id(name)),
    };
    Vocabulary::new(merges, ranked, ids, others, &names, rules)
}

/// All divisions of all tokens, by rank.
fn merge_rules(by_id: &[Option<&[u8]>], tokens: &HashMap<Vec<u8>, u32>) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    let mut work = 0;
    for (made, token) in (0..).zip(by_id) {
        let token = token.unwrap_or_default();
        work += token.len() * token.len();
        if work > MAX_WORK || rules.len() > MAX_MERGES {
            bail!(
                InvalidVocabulary,
                "the tokens are too many or too long together: expected at most {MAX_MERGES} merges"
            );
        }
        for at in 1..token.len() {
            let (left, right) = token.split_at(at);
            if let (Some(&left), Some(&right)) = (tokens.get(left), tokens.get(right)) {
                rules.try_push(Rule { left, right, made })?;
            }
        }
    }
    Ok(rules)
}

fn refuse(fault: MergeFault) -> Error {
    match fault {
        MergeFault::OutOfMemory => Error::out_of_memory("the merges of the tokenizer"),
        _ => Error::new(
            ErrorKind::InvalidVocabulary,
            "the tokens are too many or too long to hold",
        ),
    }
}

/// The token and the rank of a line; nothing for an empty line.
fn token_and_rank(line: &str) -> Result<Option<(Vec<u8>, u32)>> {
    if line.is_empty() {
        return Ok(None);
    }
    let parts = line.split_once(' ');
    let rank = parts.and_then(|(_, rank)| rank.parse().ok());
    let rank = rank.filter(|&rank| rank < MAX_IDS as u32);
    let token = match parts {
        Some((token, _)) if token.len() <= 2 * MAX_TOKEN_LEN => base64(token)?,
        _ => None,
    };
    match (token, rank) {
        (Some(token), Some(rank)) if !token.is_empty() && token.len() <= MAX_TOKEN_LEN => {
            Ok(Some((token, rank)))
        }
        _ => bail!(
            InvalidVocabulary,
            "found {}: expected a token of 1 to {MAX_TOKEN_LEN} bytes in base64, a space, and a rank \
             below {MAX_IDS}",
            excerpt(line)
        ),
    }
}

/// The bytes of a text in base64 with padding.
fn base64(text: &str) -> Result<Option<Vec<u8>>> {
    let (groups, []) = text.as_bytes().as_chunks::<4>() else {
        return Ok(None);
    };
    let mut bytes = try_vec(groups.len() * 3)?;
    for (at, group) in groups.iter().enumerate() {
        let padding = group.iter().rev().take_while(|&&c| c == b'=').count();
        if padding > 2 || (padding > 0 && at + 1 < groups.len()) {
            return Ok(None);
        }
        let mut word = 0_u32;
        for &c in &group[..4 - padding] {
            let digit = match c {
                b'A'..=b'Z' => c - b'A',
                b'a'..=b'z' => c - b'a' + 26,
                b'0'..=b'9' => c - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return Ok(None),
            };
            word = word << 6 | u32::from(digit);
        }
        word <<= 6 * padding;
        bytes.extend(&word.to_be_bytes()[1..4 - padding]);
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::super::{BpeTokenizer, SpecialTokens, Tokenizer};

    const CONFIG: &str = r#"{"tokenizer_class": "ChatGLM4Tokenizer", "eos_token": "<|endoftext|>",
        "added_tokens_decoder": {
            "300": {"content": "<|endoftext|>", "special": true},
            "301": {"content": "[gMASK]", "special": true},
            "303": {"content": "<sop>", "special": true}}}"#;

    /// As `base64` writes it.
    fn written(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for group in bytes.chunks(3) {
            let mut padded = [0; 4];
            padded[1..=group.len()].copy_from_slice(group);
            let word = u32::from_be_bytes(padded);
            for at in 0..4 {
                let digit = DIGITS[(word >> (18 - 6 * at) & 63) as usize];
                text.push(if at <= group.len() {
                    char::from(digit)
                } else {
                    '='
                });
            }
        }
        text
    }

    fn open(tokens: &[&str], config: &str) -> crate::Result<BpeTokenizer> {
        let bytes = (0..=255_u8).map(|byte| vec![byte]);
        let all = bytes.chain(tokens.iter().map(|token| token.as_bytes().to_vec()));
        let lines: String = (0..)
            .zip(all)
            .map(|(rank, token)| format!("{} {rank}\n", written(&token)))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tokenizer.model"), lines).unwrap();
        std::fs::write(folder.path().join("tokenizer_config.json"), config).unwrap();
        BpeTokenizer::open(folder.path())
    }

    #[test]
    fn tokens_merge_by_rank() {
        let tokenizer = open(&["bc", "ab", "abc", " abc", "abcd", "xyz"], CONFIG).unwrap();
        assert_eq!(tokenizer.prefix(), [301, 303]);
        assert_eq!(
            (tokenizer.end_of_text(), tokenizer.vocab_size()),
            (300, 304)
        );
        for (text, ids) in [
            ("abc", &[258][..]),
            ("abc abc", &[258, 259]),
            ("abcd", &[260]),
            ("aabcd", &[97, 260]),
            // No two tokens make it: it is one as a whole piece alone.
            ("xyz", &[261]),
            ("xyzz", &[120, 121, 122, 122]),
        ] {
            assert_eq!(
                tokenizer.encode(text, SpecialTokens::AsText).unwrap(),
                ids,
                "{text}"
            );
            assert_eq!(tokenizer.decode(ids).unwrap(), text);
        }
        let ids = tokenizer.encode("a<sop>", SpecialTokens::Parse).unwrap();
        assert_eq!(ids, [97, 303]);
    }

    #[test]
    fn what_is_not_read_is_named() {
        let refused = |tokens: &[&str], config: &str, parts: &[&str]| {
            let error = open(tokens, config).unwrap_err();
            for part in parts {
                assert!(
                    error.to_string().contains(part),
                    "{part:?} is not in: {error}"
                );
            }
        };
        refused(
            &[],
            r#"{"tokenizer_class": "QWenTokenizer"}"#,
            &["QWenTokenizer", "ChatGLM4"],
        );
        refused(&[], "{}", &["(none)"]);
        refused(&["a"], CONFIG, &["line 257", "earlier line"]);
        refused(
            &["ab"],
            &CONFIG.replace("<sop>", "sop"),
            &["adds no token <sop>"],
        );
        refused(
            &["ab"],
            &CONFIG.replace("300", "256"),
            &["id 256 of another token"],
        );
        refused(
            &["ab"],
            &CONFIG.replace("300", "x"),
            &["\"x\"", "expected ids"],
        );
    }
}
