//! The parts of a `tokenizer.json`, as they are written.
//!
//! The vocabulary and the merges, which are most of a file, go into lists that have room for them
//! before the parser runs. What else there is has a limit.

use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::super::files::Token;
use crate::error::{Error, ErrorKind, Result, parser_message};
use crate::memory::{self, TryGrow, try_vec};

/// Most values of a file beside its vocabulary, merges and added tokens.
const MAX_VALUES: u32 = 20_000;

/// Strings, one after the other.
#[derive(Debug, Default)]
pub(super) struct Strings {
    text: String,
    /// Where each ends, and its number.
    ends: Vec<(usize, u64)>,
}

impl Strings {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        let mut start = 0;
        self.ends.iter().map(move |&(end, number)| {
            let string = &self.text[start..end];
            start = end;
            (string, number)
        })
    }

    fn push(&mut self, string: &str, number: u64) {
        self.text.push_str(string);
        self.ends.push((self.text.len(), number));
    }
}

/// The model of a file.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Tokens and their ids.
    pub vocab: Strings,
    /// Two tokens for each merge.
    pub merges: Strings,
    /// Everything else.
    pub rest: Map<String, Value>,
}

/// An added token of a file.
#[derive(Debug, Deserialize)]
pub(super) struct Added {
    pub id: u64,
    pub content: String,
    #[serde(default)]
    pub single_word: bool,
    #[serde(default)]
    pub lstrip: bool,
    #[serde(default)]
    pub rstrip: bool,
    pub normalized: Option<bool>,
    #[serde(default)]
    pub special: bool,
}

/// A whole file.
#[derive(Debug, Default)]
pub(super) struct File {
    pub model: Model,
    pub added: Vec<Added>,
    pub rest: Map<String, Value>,
}

/// Reads `json`.
pub(super) fn parse(json: &str) -> Result<File> {
    let strings = count_strings(json);
    let reserve = |count: usize| -> Result<Strings> {
        let mut text = String::new();
        text.try_reserve_exact(json.len())?;
        Ok(Strings {
            text,
            ends: try_vec(count)?,
        })
    };
    let model = Model {
        vocab: reserve(strings)?,
        // One string may hold both tokens of a merge.
        merges: reserve(2 * strings)?,
        rest: Map::new(),
    };
    memory::check_json(json.as_bytes())?;
    // What is left of the file, names of added tokens and rules, takes less than this.
    drop(try_vec::<u8>(json.len())?);
    let values = Cell::new(0);
    let mut parser = serde_json::Deserializer::from_str(json);
    let whole = Whole {
        model: Some(model),
        values: &values,
    };
    let file = parser
        .deserialize_map(whole)
        .and_then(|file| parser.end().map(|()| file));
    file.map_err(|error| {
        let context = format!(
            "{}: expected a tokenizer as Hugging Face writes it",
            parser_message(error)
        );
        Error::new(ErrorKind::InvalidVocabulary, context)
    })
}

/// How many strings `json` has.
fn count_strings(json: &str) -> usize {
    let bytes = json.as_bytes();
    let (mut count, mut at) = (0, 0);
    while let Some(open) = bytes[at..].iter().position(|&byte| byte == b'"') {
        at += open + 1;
        while let Some(&byte) = bytes.get(at).filter(|&&byte| byte != b'"') {
            at += if byte == b'\\' { 2 } else { 1 };
        }
        at = (at + 1).min(bytes.len());
        count += 1;
    }
    count
}

struct Whole<'c> {
    model: Option<Model>,
    values: &'c Cell<u32>,
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = File;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a model")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<File, A::Error> {
        let mut file = File::default();
        let mut has_added = false;
        while let Some(key) = map.next_key::<String>()? {
            match &*key {
                "model" => {
                    let Some(model) = self.model.take() else {
                        return Err(A::Error::duplicate_field("model"));
                    };
                    file.model = map.next_value_seed(ModelSeed(model, self.values))?;
                }
                "added_tokens" if has_added => {
                    return Err(A::Error::duplicate_field("added_tokens"));
                }
                "added_tokens" => {
                    has_added = true;
                    file.added = map.next_value_seed(AddedSeed)?;
                }
                _ => {
                    let value = map.next_value_seed(Bounded(self.values))?;
                    if file.rest.insert(key, value).is_some() {
                        return Err(A::Error::custom("a key is there twice"));
                    }
                }
            }
        }
        match self.model {
            None => Ok(file),
            Some(_) => Err(A::Error::missing_field("model")),
        }
    }
}

struct ModelSeed<'c>(Model, &'c Cell<u32>);

impl<'de> DeserializeSeed<'de> for ModelSeed<'_> {
    type Value = Model;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Model, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ModelSeed<'_> {
    type Value = Model;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a model with a vocabulary")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Model, A::Error> {
        let Self(mut model, values) = self;
        while let Some(key) = map.next_key::<String>()? {
            match &*key {
                "vocab" if model.vocab.len() > 0 => {
                    return Err(A::Error::duplicate_field("vocab"));
                }
                "vocab" => map.next_value_seed(VocabSeed(&mut model.vocab))?,
                "merges" if model.merges.len() > 0 => {
                    return Err(A::Error::duplicate_field("merges"));
                }
                "merges" => map.next_value_seed(MergesSeed(&mut model.merges))?,
                _ => {
                    let value = map.next_value_seed(Bounded(values))?;
                    if key == "type" && value != "BPE" {
                        return Err(A::Error::custom(format_args!(
                            "a model of type {value}: this crate reads BPE alone"
                        )));
                    }
                    if model.rest.insert(key, value).is_some() {
                        return Err(A::Error::custom("a key is there twice"));
                    }
                }
            }
        }
        Ok(model)
    }
}

struct VocabSeed<'s>(&'s mut Strings);

impl<'de> DeserializeSeed<'de> for VocabSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for VocabSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tokens and their ids")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // Every string of the file has room.
        while map.next_key_seed(Token(&mut self.0.text))?.is_some() {
            self.0.ends.push((self.0.text.len(), map.next_value()?));
        }
        Ok(())
    }
}

struct MergesSeed<'s>(&'s mut Strings);

impl<'de> DeserializeSeed<'de> for MergesSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for MergesSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of merges")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(MergeSeed(self.0))?.is_some() {}
        Ok(())
    }
}

/// Appends the two tokens of a merge.
struct MergeSeed<'s>(&'s mut Strings);

impl<'de> DeserializeSeed<'de> for MergeSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MergeSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("two tokens, as a list or with one space between")
    }

    fn visit_str<E: serde::de::Error>(self, merge: &str) -> Result<(), E> {
        match merge.split_once(' ') {
            Some((left, right)) if !right.contains(' ') => {
                self.0.push(left, 0);
                self.0.push(right, 0);
                Ok(())
            }
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(merge), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for count in 0..2 {
            if list.next_element_seed(Token(&mut self.0.text))?.is_none() {
                return Err(A::Error::invalid_length(count, &self));
            }
            self.0.ends.push((self.0.text.len(), 0));
        }
        match list.next_element::<&str>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::invalid_length(3, &self)),
        }
    }
}

struct AddedSeed;

impl<'de> DeserializeSeed<'de> for AddedSeed {
    type Value = Vec<Added>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Added>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for AddedSeed {
    type Value = Vec<Added>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of added tokens")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Added>, A::Error> {
        let mut all = Vec::new();
        while let Some(added) = list.next_element::<Added>()? {
            all.try_push(added).map_err(A::Error::custom)?;
        }
        Ok(all)
    }
}

/// Any value, as long as the file has few.
pub(in super::super) struct Bounded<'c>(pub &'c Cell<u32>);

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.0.set(self.0.get() + 1);
        if self.0.get() > MAX_VALUES {
            return Err(D::Error::custom(format_args!(
                "more than {MAX_VALUES} values beside the tokens"
            )));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        crate::memory::try_copy_text(value)
            .map(Value::String)
            .map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(value) = list.next_element_seed(Bounded(self.0))? {
            all.push(value);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Bounded(self.0))?;
            if all.insert(key, value).is_some() {
                return Err(A::Error::custom("a key is there twice"));
            }
        }
        Ok(Value::Object(all))
    }
}
