//! Reading a vocabulary from `vocab.json`, `merges.txt` and `added_tokens.json`.
//!
//! What the files say is checked before anything is built on it. Memory follows from the size of
//! the files and never from a number in them. Nothing is inferred or left out: a vocabulary with a
//! token that cannot be understood is refused.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::added::MAX_NAME;
use super::bpe::{BYTE_TOKENS, MAX_MERGES, MAX_TOKEN_LEN, MergeFault, Merges};
use super::byte_chars::{BYTE_ORDER, byte_chars};
use super::codegeex;
use super::vocabulary::Vocabulary;
use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind, Result, bail, excerpt, parser_message};
use crate::memory::{self, TryGrow, TryGrowText, try_collect_ok, try_copy, try_filled, try_vec};

/// Reads the three files.
pub(super) fn read(vocab: &Path, merges: &Path, added: &Path) -> Result<Vocabulary> {
    let vocab_json = read_text(vocab)?;
    let added_json = read_text(added)?;
    let merges_txt = read_text(merges)?;
    let vocab_tokens = Entries::parse(&vocab_json).map_err(|e| e.within(vocab.display()))?;
    let added_tokens = Entries::parse(&added_json).map_err(|e| e.within(added.display()))?;

    let ids = TokenIds::collect(&[(vocab, &vocab_tokens), (added, &added_tokens)])?;
    let rules = parse_merges(&merges_txt, &ids).map_err(|error| error.within(merges.display()))?;
    let controls = controls(&ids, &rules).map_err(|error| error.within(vocab.display()))?;
    let merges = Merges::new(&BYTE_ORDER, &rules.pairs)
        .map_err(|fault| describe(fault, &rules).within(merges.display()))?;
    codegeex::vocabulary(merges, rules.ids, &controls)
        .map_err(|error| error.within(added.display()))
}

pub(super) fn read_text(path: &Path) -> Result<String> {
    let bytes = Bytes::read(path)?;
    String::from_utf8(try_copy(bytes.as_slice())?).map_err(|error| {
        let error = error.utf8_error();
        let at = error.valid_up_to();
        let context = format!("{}: not UTF-8 at byte {at}: expected text", path.display());
        Error::new(ErrorKind::InvalidVocabulary, context).with_source(error)
    })
}

/// Longest token in a JSON file, as it is written there: six characters for each byte of the longest
/// that is supported. What the parser holds beside the tokens is bounded by it.
const MAX_WRITTEN: usize = 6 * MAX_TOKEN_LEN;

/// A JSON object of tokens and ids, with duplicate keys kept for an error to name.
struct Entries {
    /// The tokens, one after the other.
    text: String,
    /// Where each token ends, and its id.
    ends: Vec<(usize, u64)>,
}

impl Entries {
    /// Reads `json`. All memory is asked for before the parser runs.
    fn parse(json: &str) -> Result<Self> {
        let mut text = String::new();
        text.try_reserve_exact(json.len())?;
        let ends = try_vec(count_strings(json)?)?;
        memory::check_json(json.as_bytes())?;
        let mut parser = serde_json::Deserializer::from_str(json);
        let entries = parser
            .deserialize_map(Object(Self { text, ends }))
            .and_then(|entries| parser.end().map(|()| entries));
        entries.map_err(|error| {
            let context = format!(
                "{}: expected one JSON object of tokens and their ids",
                parser_message(error)
            );
            Error::new(ErrorKind::InvalidVocabulary, context)
        })
    }

    fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        let mut start = 0;
        self.ends.iter().map(move |&(end, id)| {
            let token = &self.text[start..end];
            start = end;
            (token, id)
        })
    }
}

/// How many strings `json` has.
fn count_strings(json: &str) -> Result<usize> {
    let bytes = json.as_bytes();
    let (mut count, mut at) = (0, 0);
    while let Some(open) = bytes[at..].iter().position(|&byte| byte == b'"') {
        let start = at + open + 1;
        at = start;
        while let Some(&byte) = bytes.get(at).filter(|&&byte| byte != b'"') {
            at += if byte == b'\\' { 2 } else { 1 };
        }
        at = (at + 1).min(bytes.len());
        count += 1;
        if at - start > MAX_WRITTEN {
            bail!(
                InvalidVocabulary,
                "the string at byte {start} has {} bytes: expected tokens of at most \
                 {MAX_TOKEN_LEN}",
                at - start
            );
        }
    }
    Ok(count)
}

/// Reads the entries into lists that have room for them.
struct Object(Entries);

impl<'de> Visitor<'de> for Object {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tokens and their ids")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Entries, A::Error> {
        while map.next_key_seed(Token(&mut self.0.text))?.is_some() {
            self.0.ends.push((self.0.text.len(), map.next_value()?));
        }
        Ok(self.0)
    }
}

/// Appends a token to a text that has room for it.
pub(super) struct Token<'t>(pub &'t mut String);

impl<'de> DeserializeSeed<'de> for Token<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Token<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token")
    }

    fn visit_str<E: serde::de::Error>(self, token: &str) -> Result<(), E> {
        self.0.push_str(token);
        Ok(())
    }
}

/// The id of every token, where the ids are 0 to one less than their number.
struct TokenIds<'a> {
    by_token: HashMap<&'a str, u32>,
    by_id: Vec<&'a str>,
}

impl<'a> TokenIds<'a> {
    fn collect(files: &[(&Path, &'a Entries)]) -> Result<Self> {
        let entries = || {
            files
                .iter()
                .flat_map(|(path, entries)| entries.iter().map(move |entry| (path, entry)))
        };
        let count = files.iter().map(|(_, entries)| entries.ends.len()).sum();
        let mut by_token: HashMap<&str, u64> = HashMap::new();
        by_token.try_reserve(count)?;
        for (path, (token, id)) in entries() {
            // A token may be in both files, as some programs write them, but with one id.
            if let Some(other) = by_token.insert(token, id).filter(|other| *other != id) {
                bail!(
                    InvalidVocabulary,
                    "{}: token {} has id {id}, and elsewhere {other}: expected one id",
                    path.display(),
                    excerpt(token)
                );
            }
        }
        let mut by_id: Vec<Option<&str>> = try_filled(None, by_token.len())?;
        for (path, (token, id)) in entries() {
            let count = by_id.len();
            let place = usize::try_from(id).ok().and_then(|id| by_id.get_mut(id));
            let Some(place) = place else {
                bail!(
                    InvalidVocabulary,
                    "{}: token {} has id {id}: expected ids below {count}, because there \
                     are {count} tokens and no id may be left out",
                    path.display(),
                    excerpt(token)
                );
            };
            if let Some(other) = place.replace(token).filter(|other| *other != token) {
                bail!(
                    InvalidVocabulary,
                    "{}: token {} has id {id}, which token {} has as well: expected an id for \
                     each token",
                    path.display(),
                    excerpt(token),
                    excerpt(other)
                );
            }
        }
        // As many tokens as ids, each with an id of its own below that: none is left out.
        let mut known = Self {
            by_token: HashMap::new(),
            by_id: try_vec(by_id.len())?,
        };
        known.by_token.try_reserve(by_id.len())?;
        for (id, token) in (0..).zip(by_id.into_iter().flatten()) {
            known.by_token.insert(token, id);
            known.by_id.push(token);
        }
        Ok(known)
    }
}

/// Merges by rank, as [`Merges`] numbers tokens.
struct Rules {
    pairs: Vec<(u32, u32)>,
    /// The line of `merges.txt` that each came from.
    lines: Vec<usize>,
    /// The id of every byte, and of the token that each merge makes.
    ids: Vec<u32>,
}

fn parse_merges(text: &str, ids: &TokenIds) -> Result<Rules> {
    let mut rules = Rules {
        pairs: Vec::new(),
        lines: Vec::new(),
        ids: Vec::new(),
    };
    // The rank of each token so far, by its id.
    let mut ranks: HashMap<u32, u32> = HashMap::new();
    ranks.try_reserve(ids.by_id.len())?;
    let mut made = String::new();
    for (rank, (byte, spelled)) in (0..).zip(BYTE_ORDER.into_iter().zip(byte_chars())) {
        let Some(&id) = ids.by_token.get(spelled.encode_utf8(&mut [0; 4]) as &str) else {
            bail!(
                InvalidVocabulary,
                "the vocabulary has no token {:?}, which stands for the byte {byte:#04x}: \
                 expected one for every byte",
                spelled.to_string()
            );
        };
        ranks.insert(id, rank);
        rules.ids.try_push(id)?;
    }
    for (line, text) in (1..).zip(text.lines()) {
        if text.is_empty() || (line == 1 && text.starts_with("#version")) {
            continue;
        }
        if rules.pairs.len() == MAX_MERGES {
            bail!(
                InvalidVocabulary,
                "line {line}: expected at most {MAX_MERGES} merges"
            );
        }
        let (pair, id) = parse_merge(text, ids, &ranks, &mut made)
            .map_err(|e| e.within(format_args!("line {line}")))?;
        ranks.insert(id, BYTE_TOKENS + rules.pairs.len() as u32);
        rules.pairs.try_push(pair)?;
        rules.lines.try_push(line)?;
        rules.ids.try_push(id)?;
    }
    Ok(rules)
}

/// The ranks of the two tokens that a line merges, and the id of the token that it makes; `made` is
/// memory for that token.
fn parse_merge(
    text: &str,
    ids: &TokenIds,
    ranks: &HashMap<u32, u32>,
    made: &mut String,
) -> Result<((u32, u32), u32)> {
    let Some((left, right)) = text
        .split_once(' ')
        .filter(|(_, right)| !right.contains(' '))
    else {
        bail!(
            InvalidVocabulary,
            "found {}: expected two tokens and one space between",
            excerpt(text)
        );
    };
    let rank = |token: &str| {
        let Some(id) = ids.by_token.get(token) else {
            bail!(
                InvalidVocabulary,
                "token {} is not in the vocabulary: expected only merges of its tokens",
                excerpt(token)
            );
        };
        let Some(&rank) = ranks.get(id) else {
            bail!(
                InvalidVocabulary,
                "token {} is not made by an earlier line: expected lines in order of rank",
                excerpt(token)
            );
        };
        Ok(rank)
    };
    let pair = (rank(left)?, rank(right)?);
    made.clear();
    made.try_push_str(left)?;
    made.try_push_str(right)?;
    match ids.by_token.get(made.as_str()) {
        None => bail!(
            InvalidVocabulary,
            "token {}, which {} makes, is not in the vocabulary: expected an id for it",
            excerpt(made),
            excerpt(text)
        ),
        Some(id) if ranks.contains_key(id) => bail!(
            InvalidVocabulary,
            "an earlier line makes token {} as well: expected one merge for each token",
            excerpt(made)
        ),
        Some(&id) => Ok((pair, id)),
    }
}

/// The tokens that are neither a byte nor made by a merge.
fn controls<'a>(ids: &TokenIds<'a>, rules: &Rules) -> Result<Vec<(&'a str, u32)>> {
    let mut is_piece = try_filled(false, ids.by_id.len())?;
    for &id in &rules.ids {
        is_piece[id as usize] = true;
    }
    let others = (0..)
        .zip(&ids.by_id)
        .filter(|&(id, _)| !is_piece[id as usize]);
    try_collect_ok(others.map(|(id, &token)| {
        if !is_name(token) {
            bail!(
                InvalidVocabulary,
                "token {} with id {id} is neither a byte nor made by a merge: expected a name such \
                 as <|endoftext|> of such a token",
                excerpt(token)
            );
        }
        Ok((token, id))
    }))
}

/// Whether `name` has the form of a control token's name: `<|name|>`, with letters, digits and
/// underscores between. So no two of them overlap in a text, and a space is in none.
fn is_name(name: &str) -> bool {
    let inner = name.strip_prefix("<|").and_then(|n| n.strip_suffix("|>"));
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    inner.is_some_and(|inner| {
        !inner.is_empty() && name.len() <= MAX_NAME && inner.bytes().all(is_part)
    })
}

/// The error for merges that [`parse_merges`] could read and [`Merges`] refuses.
fn describe(fault: MergeFault, rules: &Rules) -> Error {
    let (merge, what) = match fault {
        MergeFault::NotYetMade { merge, token } => (
            merge,
            format!("names token {token} before an earlier line makes it"),
        ),
        MergeFault::Repeated { merge, first } => {
            (merge, format!("merges the same pair as token {first}"))
        }
        MergeFault::TooLong { merge, len } => (
            merge,
            format!("makes a token of {len} bytes: expected at most {MAX_TOKEN_LEN}"),
        ),
        MergeFault::TooLarge { merge } => (
            merge,
            "makes the tokens too many or too long to hold".to_owned(),
        ),
        MergeFault::OutOfMemory => return Error::out_of_memory("the merges"),
    };
    let line = rules.lines.get(merge).copied().unwrap_or_default();
    Error::new(ErrorKind::InvalidVocabulary, format!("line {line}: {what}"))
}
