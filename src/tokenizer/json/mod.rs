//! Reading `tokenizer.json`, the file in which Hugging Face keeps a whole tokenizer.
//!
//! `parse` reads what is written, `rules` what it means for text, and this file makes a vocabulary of
//! both. Two kinds are known: byte-level vocabularies in GPT-2's spelling, and those of SentencePiece's
//! kind, whose tokens are characters, with a token for every byte besides. Others are refused: they
//! have text that cannot be encoded.

mod parse;
mod rules;

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

pub(super) use self::parse::Bounded;
use self::parse::{File, Model};
use self::rules::{Plan, SPACE_MARK, unknown};
use super::added::{self, AddedToken, Flags, MAX_NAME};
use super::bpe::{Base, MAX_MERGES, MAX_TOKEN_LEN, MergeFault, Merges, Rule};
use super::byte_chars::{BYTE_ORDER, byte_chars};
use super::config::Config;
use super::files::read_text;
use super::normalize::{self, Normalized};
use super::split::{Joins, Split};
use super::vocabulary::{MAX_IDS, Other, Rules, Vocabulary};
use crate::error::{Error, ErrorKind, Result, bail, excerpt, quoted};
use crate::memory::{TryGrow, TryGrowText, try_copy, try_filled, try_vec};

/// Bytes of a token as a file spells it: at most three for each byte that it stands for.
const MAX_SPELLED: usize = 3 * MAX_TOKEN_LEN;

/// Reads a file, and the name of the token that ends a text from the files beside it.
pub(super) fn read(path: &Path) -> Result<Vocabulary> {
    let json = read_text(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let config = Config::beside(folder, false)?;
    from_json(&json, &config).map_err(|error| error.within(path.display()))
}

/// Reads `json`; `config` is what stands beside it.
pub(super) fn from_json(json: &str, config: &Config) -> Result<Vocabulary> {
    let file = parse::parse(json)?;
    let rule = |name: &str| file.rest.get(name).unwrap_or(&Value::Null);
    const KEYS: [&str; 7] = [
        "version",
        "truncation",
        "padding",
        "normalizer",
        "pre_tokenizer",
        "post_processor",
        "decoder",
    ];
    if let Some((key, value)) = file
        .rest
        .iter()
        .find(|(key, _)| !KEYS.contains(&key.as_str()))
    {
        return Err(unknown(
            &format!("key {} with", quoted(key)),
            value,
            "a key that is known",
        ));
    }
    let plan = Plan::read(rule("normalizer"), rule("pre_tokenizer"), rule("decoder"))?;
    let mut prefix = Vec::new();
    rules::prefix(rule("post_processor"), &mut prefix)?;
    let ignore_merges = check_model(&file.model, &plan)?;
    let tokens = Tokens::collect(&file)?;
    let base = match plan.is_bytes {
        true => base_of_bytes(&tokens)?,
        false => base_of_chars(&tokens, &plan)?,
    };
    let merge_rules = merge_rules(&file.model, &tokens, &plan)?;
    let (merges, ids, ranked) = Merges::from_rules(&base, &merge_rules, tokens.by_id.len())
        .map_err(|fault| describe(fault, &file.model))?;

    let split = split(&plan, &merges, &merge_rules, &tokens, ranked.is_some())?;
    if ignore_merges && matches!(split, Split::Joins(_)) {
        let value = Value::Bool(true);
        return Err(unknown("ignore_merges", &value, "a pre-tokenizer with it"));
    }
    let added = added(&file, &plan)?;
    if let Some(&id) = prefix.iter().find(|&&id| tokens.get(id).is_none()) {
        bail!(
            InvalidVocabulary,
            "the post-processor adds token {id}, which is not there: expected ids of tokens"
        );
    }
    let end_of_text = config.end_of_text(|name| {
        let added = file.added.iter().find(|token| token.content == name);
        let added = added.and_then(|token| u32::try_from(token.id).ok());
        added.or_else(|| tokens.by_token.get(name).copied())
    });
    let others = others(&tokens, &ids, &added, &plan)?;
    let rules = Rules {
        split,
        normalizer: plan.normalizer,
        leading_space: plan.leading_space,
        strip: plan.strip,
        ignore_merges,
        prefix,
        end_of_text,
    };
    Vocabulary::new(merges, ranked, ids, others, &added, rules)
}

/// Refuses a model with rules that are not known. Returns `ignore_merges`.
fn check_model(model: &Model, plan: &Plan) -> Result<bool> {
    let mut ignore_merges = false;
    let mut falls_back = false;
    for (key, value) in &model.rest {
        let is_default = match key.as_str() {
            "type" | "unk_token" => value.is_string() || value.is_null(),
            "dropout" => value.is_null() || value.as_f64() == Some(0.0),
            "continuing_subword_prefix" | "end_of_word_suffix" => value.is_null() || value == "",
            "fuse_unk" => value.is_boolean(),
            "byte_fallback" => {
                falls_back = value == true;
                value.is_boolean()
            }
            "ignore_merges" => {
                ignore_merges = value == true;
                value.is_boolean()
            }
            _ => false,
        };
        if !is_default {
            return Err(unknown(
                &format!("model's {}", quoted(key)),
                value,
                "BPE without dropout, prefixes and suffixes",
            ));
        }
    }
    if !plan.is_bytes && !falls_back {
        bail!(
            UnsupportedFile,
            "the model has neither bytes nor byte_fallback: expected one of them, without which \
             there is text that has no ids"
        );
    }
    Ok(ignore_merges)
}

/// The tokens of a file, those that are added among them.
struct Tokens<'f> {
    by_token: HashMap<&'f str, u32>,
    by_id: Vec<Option<&'f str>>,
}

impl<'f> Tokens<'f> {
    fn collect(file: &'f File) -> Result<Self> {
        let vocab = &file.model.vocab;
        let mut this = Self {
            by_token: HashMap::new(),
            by_id: Vec::new(),
        };
        this.by_token.try_reserve(vocab.len())?;
        let added = file.added.iter().map(|added| (&*added.content, added.id));
        let count = vocab.len() + file.added.len();
        let most = vocab.iter().chain(added.clone()).map(|(_, id)| id).max();
        let most = most.unwrap_or_default();
        if most >= MAX_IDS as u64 {
            bail!(
                InvalidVocabulary,
                "the largest id of {count} tokens is {most}: expected ids below {MAX_IDS}"
            );
        }
        // Published vocabularies leave some ids free.
        this.by_id = try_filled(None, most as usize + 1)?;
        for (token, id) in vocab.iter() {
            if token.len() > MAX_SPELLED {
                bail!(
                    InvalidVocabulary,
                    "token {} has {} bytes: expected tokens of at most {MAX_TOKEN_LEN}",
                    excerpt(token),
                    token.len()
                );
            }
            if let Some(other) = this.by_token.insert(token, id as u32) {
                bail!(
                    InvalidVocabulary,
                    "token {} has the ids {other} and {id}: expected one",
                    excerpt(token)
                );
            }
            this.place(token, id)?;
        }
        for (token, id) in added {
            match this.by_token.get(token) {
                Some(&there) if u64::from(there) == id => {}
                Some(there) => bail!(
                    InvalidVocabulary,
                    "the added token {} has the id {id}, and {there} in the vocabulary: expected \
                     one",
                    excerpt(token)
                ),
                None => this.place(token, id)?,
            }
        }
        Ok(this)
    }

    fn place(&mut self, token: &'f str, id: u64) -> Result<()> {
        let place = &mut self.by_id[id as usize];
        if let Some(other) = place {
            bail!(
                InvalidVocabulary,
                "the tokens {} and {} have the same id {id}: expected one for each",
                excerpt(other),
                excerpt(token)
            );
        }
        *place = Some(token);
        Ok(())
    }

    fn get(&self, id: u32) -> Option<&'f str> {
        *self.by_id.get(id as usize)?
    }

    /// The id of a token that there must be.
    fn require(&self, token: &str, why: impl std::fmt::Display) -> Result<u32> {
        match self.by_token.get(token) {
            Some(&id) => Ok(id),
            None => bail!(
                InvalidVocabulary,
                "the vocabulary has no token {}, {why}",
                excerpt(token)
            ),
        }
    }
}

fn base_of_bytes(tokens: &Tokens<'_>) -> Result<Base> {
    let mut ids = try_vec(256)?;
    for (byte, spelled) in BYTE_ORDER.into_iter().zip(byte_chars()) {
        let why =
            format_args!("which stands for the byte {byte:#04x}: expected one for every byte");
        ids.push(tokens.require(spelled.encode_utf8(&mut [0; 4]), why)?);
    }
    Ok(Base {
        bytes: BYTE_ORDER,
        chars: Vec::new(),
        ids,
    })
}

fn base_of_chars(tokens: &Tokens<'_>, plan: &Plan) -> Result<Base> {
    let mut base = Base {
        bytes: std::array::from_fn(|byte| byte as u8),
        chars: Vec::new(),
        ids: try_vec(256)?,
    };
    for byte in 0..=u8::MAX {
        let mut buffer = [0; 4];
        let name: &str = match byte {
            b' ' if plan.marks_spaces => SPACE_MARK,
            0..0x80 => char::from(byte).encode_utf8(&mut buffer),
            _ => "",
        };
        let id = match tokens.by_token.get(name) {
            Some(&id) => id,
            None => {
                let name = format!("<0x{byte:02X}>");
                let why = format_args!("which byte_fallback needs: expected one for every byte");
                tokens.require(&name, why)?
            }
        };
        base.ids.push(id);
    }
    for (id, token) in (0..).zip(&tokens.by_id) {
        let mut chars = token.unwrap_or_default().chars();
        if let (Some(c), None) = (chars.next(), chars.next())
            && !c.is_ascii()
            && !(plan.marks_spaces && SPACE_MARK.starts_with(c))
            && tokens.by_token.contains_key(token.unwrap_or_default())
        {
            base.chars.try_push(c)?;
            base.ids.try_push(id)?;
        }
    }
    Ok(base)
}

/// The byte that a token of [`base_of_chars`] stands for, if it is one for bytes.
fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    (digits.len() == 2 && digits.bytes().all(is_hex))
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

fn merge_rules(model: &Model, tokens: &Tokens<'_>, plan: &Plan) -> Result<Vec<Rule>> {
    let count = model.merges.len() / 2;
    if count > MAX_MERGES {
        bail!(
            InvalidVocabulary,
            "there are {count} merges: expected at most {MAX_MERGES}"
        );
    }
    let mut rules = try_vec(count)?;
    let mut made = String::new();
    let mut halves = model.merges.iter();
    while let (Some((left, _)), Some((right, _))) = (halves.next(), halves.next()) {
        let merge = rules.len();
        let why = format_args!("which merge {merge} names: expected merges of its tokens");
        made.clear();
        made.try_push_str(left)?;
        made.try_push_str(right)?;
        if made.len() > MAX_SPELLED {
            bail!(
                InvalidVocabulary,
                "merge {merge} makes a token of {} bytes: expected at most {MAX_TOKEN_LEN}",
                made.len()
            );
        }
        if !plan.is_bytes && [left, right, &made].iter().any(|t| byte_of(t).is_some()) {
            bail!(
                UnsupportedFile,
                "merge {merge} is of {} and {}: expected no merge of tokens for bytes",
                excerpt(left),
                excerpt(right)
            );
        }
        rules.push(Rule {
            left: tokens.require(left, why)?,
            right: tokens.require(right, why)?,
            made: tokens.require(
                &made,
                format_args!("which merge {merge} makes: expected an id for it"),
            )?,
        });
    }
    Ok(rules)
}

/// The error for merges that [`Merges`] refuses.
fn describe(fault: MergeFault, model: &Model) -> Error {
    let (merge, what) = match fault {
        MergeFault::NotYetMade { merge, token } => (merge, format!("names token {token}")),
        MergeFault::Repeated { merge, first } => (merge, format!("is the same as merge {first}")),
        MergeFault::TooLong { merge, len } => (
            merge,
            format!("makes a token of {len} bytes: expected at most {MAX_TOKEN_LEN}"),
        ),
        MergeFault::TooLarge { merge } => (
            merge,
            "makes the tokens too many or too long to hold".to_owned(),
        ),
        MergeFault::OutOfMemory => return Error::out_of_memory("the merges of the tokenizer"),
    };
    let mut halves = model.merges.iter().skip(2 * merge).map(|(half, _)| half);
    let (left, right) = (halves.next(), halves.next());
    Error::new(
        ErrorKind::InvalidVocabulary,
        format!(
            "merge {merge} of {} and {} {what}",
            excerpt(left.unwrap_or_default()),
            excerpt(right.unwrap_or_default())
        ),
    )
}

fn split(
    plan: &Plan,
    merges: &Merges,
    rules: &[Rule],
    tokens: &Tokens<'_>,
    is_ranked: bool,
) -> Result<Split> {
    Ok(match &*plan.steps {
        [] => {
            let mut joins = Box::new(Joins::new());
            merges.adjacent_bytes(|left, right| joins.join(left, right));
            if is_ranked {
                // Other merges apply as well: all that tokens have beside each other counts.
                let byte_of_char = char_bytes();
                for rule in rules {
                    let made = tokens.get(rule.made).unwrap_or_default();
                    for pair in token_bytes(made, plan, &byte_of_char)?.0.windows(2) {
                        joins.join(pair[0], pair[1]);
                    }
                }
            }
            if plan.divides_at_spaces {
                joins.divide_at_spaces();
            }
            Split::Joins(joins)
        }
        [only] if only.covers_all() => Split::One(*only),
        steps => Split::Steps(steps.into()),
    })
}

/// The added tokens, by the names that they have in text.
fn added(file: &File, plan: &Plan) -> Result<Vec<AddedToken>> {
    let mut all = try_vec(file.added.len())?;
    let mut scratch = Normalized::default();
    for token in &file.added {
        let flags = Flags {
            single_word: token.single_word,
            lstrip: token.lstrip,
            rstrip: token.rstrip,
            normalized: token.normalized.unwrap_or(!token.special),
        };
        let mut name = &token.content;
        if name.is_empty() || name.len() > MAX_NAME {
            bail!(
                InvalidVocabulary,
                "the added token {} has {} bytes: expected 1 to {MAX_NAME}",
                excerpt(name),
                name.len()
            );
        }
        if flags.normalized && normalize::apply(&plan.normalizer, name, false, &mut scratch)? {
            name = &scratch.text;
        }
        all.push(added::token(name, token.id as u32, flags)?);
    }
    Ok(all)
}

/// The tokens that no merge makes.
fn others(
    tokens: &Tokens<'_>,
    ids: &[u32],
    added: &[AddedToken],
    plan: &Plan,
) -> Result<Vec<Other>> {
    let mut is_merged = try_filled(false, tokens.by_id.len())?;
    for &id in ids {
        is_merged[id as usize] = true;
    }
    let mut is_control = try_filled(false, tokens.by_id.len())?;
    for token in added.iter().filter(|token| !token.is_text) {
        is_control[token.id as usize] = true;
    }
    let byte_of_char = char_bytes();
    let mut others = Vec::new();
    for (id, token) in tokens.by_id.iter().enumerate() {
        let Some(token) = token.filter(|_| !is_merged[id]) else {
            continue;
        };
        let (bytes, is_word) = token_bytes(token, plan, &byte_of_char)?;
        others.try_push(Other {
            id: id as u32,
            bytes,
            is_control: is_control[id],
            is_word,
        })?;
    }
    Ok(others)
}

/// The byte of each character of GPT-2's alphabet.
fn char_bytes() -> HashMap<char, u8> {
    byte_chars().zip(BYTE_ORDER).collect()
}

/// The bytes that a token stands for, and whether a whole piece of text can be that.
fn token_bytes(
    token: &str,
    plan: &Plan,
    byte_of_char: &HashMap<char, u8>,
) -> Result<(Vec<u8>, bool)> {
    if !plan.is_bytes {
        let bytes = match byte_of(token) {
            Some(byte) => vec![byte],
            None if plan.marks_spaces => token.replace(SPACE_MARK, " ").into_bytes(),
            None => try_copy(token.as_bytes())?,
        };
        return Ok((bytes, false));
    }
    let mut bytes = try_vec(token.len())?;
    for c in token.chars() {
        match byte_of_char.get(&c) {
            Some(&byte) => bytes.push(byte),
            // A name with a character that is none of GPT-2's alphabet.
            None => return Ok((try_copy(token.as_bytes())?, false)),
        }
    }
    Ok((bytes, true))
}
