//! Reading a vocabulary from `vocab.json`, `merges.txt` and `added_tokens.json`.
//!
//! What the files say is checked before anything is built on it. Memory follows from the size of
//! the files and never from a number in them. Nothing is guessed or left out: a vocabulary with a
//! token that cannot be understood is refused.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::bpe::{BYTE_TOKENS, MAX_MERGES, MAX_TOKEN_LEN, MergeFault, Merges};
use super::byte_chars::{BYTE_ORDER, byte_chars};
use super::special;
use super::vocabulary::Vocabulary;
use crate::error::{Error, ErrorKind, Result, bail};

/// Reads the three files.
pub(super) fn read(vocab: &Path, merges: &Path, added: &Path) -> Result<Vocabulary> {
    let vocab_json: Entries = read_json(vocab)?;
    let added_json: Entries = read_json(added)?;
    let merges_txt = read_text(merges)?;

    let ids = TokenIds::collect(&[(vocab, &vocab_json), (added, &added_json)])?;
    let rules = parse_merges(&merges_txt, &ids).map_err(|error| error.within(merges.display()))?;
    let controls = controls(&ids, &rules).map_err(|error| error.within(vocab.display()))?;
    let merges = Merges::new(&BYTE_ORDER, &rules.pairs)
        .map_err(|fault| describe(fault, &rules).within(merges.display()))?;
    Vocabulary::new(merges, rules.ids, &controls).map_err(|error| error.within(added.display()))
}

fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, "read", error))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let context = format!("{}: not UTF-8 at byte {at}: expected text", path.display());
        Error::new(ErrorKind::InvalidVocabulary, context).with_source(error)
    })
}

fn read_json(path: &Path) -> Result<Entries> {
    serde_json::from_str(&read_text(path)?).map_err(|error| {
        let context = format!(
            "{}: {error}: expected one JSON object of tokens and their ids",
            path.display()
        );
        Error::new(ErrorKind::InvalidVocabulary, context).with_source(error)
    })
}

/// A JSON object of tokens and ids, with duplicate keys kept for an error to name.
struct Entries(Vec<(String, u64)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tokens and their ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Object)
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
                .flat_map(|(path, entries)| entries.0.iter().map(move |entry| (path, entry)))
        };
        let mut by_token: HashMap<&str, u64> = HashMap::new();
        for (path, (token, id)) in entries() {
            // A token may be in both files, as some programs write them, but with one id.
            if let Some(other) = by_token.insert(token, *id).filter(|other| other != id) {
                bail!(
                    InvalidVocabulary,
                    "{}: token {token:?} has id {id}, and elsewhere {other}: expected one id",
                    path.display()
                );
            }
        }
        let mut by_id: Vec<Option<&str>> = vec![None; by_token.len()];
        for (path, (token, id)) in entries() {
            let count = by_id.len();
            let place = usize::try_from(*id).ok().and_then(|id| by_id.get_mut(id));
            let Some(place) = place else {
                bail!(
                    InvalidVocabulary,
                    "{}: token {token:?} has id {id}: expected ids below {count}, because there \
                     are {count} tokens and no id may be left out",
                    path.display()
                );
            };
            if let Some(other) = place.replace(token).filter(|other| other != token) {
                bail!(
                    InvalidVocabulary,
                    "{}: token {token:?} has id {id}, which token {other:?} has as well: expected \
                     an id for each token",
                    path.display()
                );
            }
        }
        // As many tokens as ids, each with an id of its own below that: none is left out.
        let by_id: Vec<&str> = by_id.into_iter().flatten().collect();
        Ok(Self {
            by_token: (0..).zip(&by_id).map(|(id, &token)| (token, id)).collect(),
            by_id,
        })
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
        rules.ids.push(id);
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
        let (pair, made) =
            parse_merge(text, ids, &ranks).map_err(|e| e.within(format_args!("line {line}")))?;
        ranks.insert(made, BYTE_TOKENS + rules.pairs.len() as u32);
        rules.pairs.push(pair);
        rules.lines.push(line);
        rules.ids.push(made);
    }
    Ok(rules)
}

/// The ranks of the two tokens that a line merges, and the id of the token that it makes.
fn parse_merge(text: &str, ids: &TokenIds, ranks: &HashMap<u32, u32>) -> Result<((u32, u32), u32)> {
    let Some((left, right)) = text
        .split_once(' ')
        .filter(|(_, right)| !right.contains(' '))
    else {
        bail!(
            InvalidVocabulary,
            "found {text:?}: expected two tokens and one space between"
        );
    };
    let rank = |token: &str| {
        let Some(id) = ids.by_token.get(token) else {
            bail!(
                InvalidVocabulary,
                "token {token:?} is not in the vocabulary: expected only merges of its tokens"
            );
        };
        let Some(&rank) = ranks.get(id) else {
            bail!(
                InvalidVocabulary,
                "token {token:?} is not made by an earlier line: expected lines in order of rank"
            );
        };
        Ok(rank)
    };
    let pair = (rank(left)?, rank(right)?);
    let made = format!("{left}{right}");
    match ids.by_token.get(made.as_str()) {
        None => bail!(
            InvalidVocabulary,
            "token {made:?}, which {text:?} makes, is not in the vocabulary: expected an id for it"
        ),
        Some(id) if ranks.contains_key(id) => bail!(
            InvalidVocabulary,
            "an earlier line makes token {made:?} as well: expected one merge for each token"
        ),
        Some(&id) => Ok((pair, id)),
    }
}

/// The tokens that are neither a byte nor made by a merge.
fn controls(ids: &TokenIds, rules: &Rules) -> Result<Vec<(String, u32)>> {
    let mut is_piece = vec![false; ids.by_id.len()];
    for &id in &rules.ids {
        is_piece[id as usize] = true;
    }
    let others = (0..)
        .zip(&ids.by_id)
        .filter(|&(id, _)| !is_piece[id as usize]);
    others
        .map(|(id, &token)| {
            if !special::is_name(token) {
                bail!(
                    InvalidVocabulary,
                    "token {token:?} with id {id} is neither a byte nor made by a merge: expected \
                     a name such as <|endoftext|> of such a token"
                );
            }
            Ok((token.to_owned(), id))
        })
        .collect()
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
    };
    let line = rules.lines.get(merge).copied().unwrap_or_default();
    Error::new(ErrorKind::InvalidVocabulary, format!("line {line}: {what}"))
}
