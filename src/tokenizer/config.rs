//! What `tokenizer_config.json` and `special_tokens_map.json` say beside a tokenizer's own file: the
//! class, added tokens, and which token ends a text.

use std::cell::Cell;
use std::fmt;
use std::path::Path;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::files::read_text;
use super::json::Bounded;
use super::vocabulary::MAX_IDS;
use crate::error::{Error, ErrorKind, Result, bail, excerpt, parser_message};
use crate::memory::{self, TryGrow, try_copy_text};

/// What published tokenizers call the token that ends a text, most usual first.
const USUAL: [&str; 6] = [
    "<|endoftext|>",
    "</s>",
    "<｜end▁of▁sentence｜>",
    "<|end_of_text|>",
    "<eos>",
    "[EOS]",
];

/// The settings that matter.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub class: Option<String>,
    /// The name of the token that ends a text.
    pub end: Option<String>,
    /// Ids and names of added tokens.
    pub added: Vec<(u32, String)>,
}

impl Config {
    /// Reads the files of `folder`, if they are there. `wants_added` asks for the added tokens.
    pub(super) fn beside(folder: &Path, wants_added: bool) -> Result<Self> {
        let mut this = Self::default();
        for (name, is_config) in [
            ("tokenizer_config.json", true),
            ("special_tokens_map.json", false),
        ] {
            let path = folder.join(name);
            if !path.is_file() {
                continue;
            }
            let json = read_text(&path)?;
            let mut keys = vec!["eos_token"];
            if is_config {
                keys.push("tokenizer_class");
            }
            if is_config && wants_added {
                keys.push("added_tokens_decoder");
            }
            this.take(&json, &keys)
                .map_err(|error| error.within(path.display()))?;
        }
        Ok(this)
    }

    /// What a file with `keys` says that is not known yet.
    fn take(&mut self, json: &str, keys: &[&str]) -> Result<()> {
        let fields = fields(json, keys)?;
        let text = |value: Option<&Value>| {
            let text = value.and_then(Value::as_str);
            text.map(try_copy_text).transpose()
        };
        if self.end.is_none() {
            let token = fields.get("eos_token");
            // Either the name, or an object with it.
            self.end = text(token.and_then(|token| token.get("content")).or(token))?;
        }
        if self.class.is_none() {
            self.class = text(fields.get("tokenizer_class"))?;
        }
        let added = fields
            .get("added_tokens_decoder")
            .and_then(Value::as_object);
        for (key, token) in added.into_iter().flatten() {
            let id = key.parse().ok().filter(|&id| id < MAX_IDS as u32);
            let name = text(token.get("content"))?;
            let (Some(id), Some(name)) = (id, name.filter(|name| !name.is_empty())) else {
                bail!(
                    InvalidVocabulary,
                    "the added token {} has no id or no content: expected ids below {MAX_IDS} and text",
                    excerpt(key)
                );
            };
            self.added.try_push((id, name))?;
        }
        Ok(())
    }

    /// The id of an added token.
    pub(super) fn added_id(&self, name: &str) -> Option<u32> {
        let found = self.added.iter().find(|(_, added)| added == name);
        found.map(|(id, _)| *id)
    }

    /// The id of the token that ends a text, or without a name for it of one that is usual;
    /// `u32::MAX` if no token is. `id` gives the id of a name.
    pub(super) fn end_of_text(&self, id: impl Fn(&str) -> Option<u32>) -> u32 {
        let found = match &self.end {
            Some(name) => id(name),
            None => USUAL.iter().find_map(|name| id(name)),
        };
        found.unwrap_or(u32::MAX)
    }
}

/// Some values of an object; the others are passed over.
fn fields(json: &str, keys: &[&str]) -> Result<Map<String, Value>> {
    memory::check_json(json.as_bytes())?;
    let mut parser = serde_json::Deserializer::from_str(json);
    parser.deserialize_map(Fields(keys)).map_err(|error| {
        let message = parser_message(error).to_string();
        Error::new(ErrorKind::InvalidVocabulary, message)
    })
}

struct Fields<'k>(&'k [&'k str]);

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let values = Cell::new(0);
        let mut found = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            match self.0.contains(&&*key) {
                true => drop(found.insert(key, map.next_value_seed(Bounded(&values))?)),
                false => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}
