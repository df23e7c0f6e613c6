//! Texts of a JSON document, allocated so that it can be refused.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::memory;

/// What all values of one document share.
pub(super) struct Reader<'a> {
    pub cancel: &'a CancelToken,
    /// What a refused allocation or a cancellation reported, which the parser's own error cannot
    /// carry.
    failed: Cell<Option<Error>>,
}

impl<'a> Reader<'a> {
    pub fn new(cancel: &'a CancelToken) -> Self {
        let failed = Cell::new(None);
        Self { cancel, failed }
    }

    /// The error that ended the parsing, if it was one of this crate's.
    pub fn check(&self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Passes an error of this crate through the parser.
    pub fn keep<T, E: serde::de::Error>(&self, result: Result<T>) -> std::result::Result<T, E> {
        result.map_err(|error| {
            self.failed.set(Some(error));
            E::custom("ended")
        })
    }
}

/// Makes visitors that hold a reader the seeds of their values.
macro_rules! seeds {
    ($($visitor:ident: $deserialize:ident;)*) => {$(
        impl<'de> DeserializeSeed<'de> for $visitor<'_> {
            type Value = <Self as Visitor<'de>>::Value;

            fn deserialize<D: Deserializer<'de>>(
                self,
                d: D,
            ) -> std::result::Result<Self::Value, D::Error> {
                d.$deserialize(self)
            }
        }
    )*};
}
pub(super) use seeds;

seeds! {
    Text: deserialize_str;
    Texts: deserialize_option;
    MaybeText: deserialize_any;
}

/// Text.
#[derive(Clone, Copy)]
pub(super) struct Text<'r>(pub &'r Reader<'r>);

impl Visitor<'_> for Text<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<String, E> {
        self.0.keep(memory::text(text))
    }
}

/// Text by key. What is no text is passed over, as is `null` for all of it.
#[derive(Clone, Copy)]
pub(super) struct Texts<'r>(pub &'r Reader<'r>);

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = Vec<(String, String)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_none<E: serde::de::Error>(self) -> std::result::Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> std::result::Result<Self::Value, D::Error> {
        d.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut map: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(key) = map.next_key_seed(Text(self.0))? {
            if let Some(value) = map.next_value_seed(MaybeText(self.0))? {
                self.0.keep(memory::push(&mut all, (key, value)))?;
            }
        }
        Ok(all)
    }
}

/// Text, or anything else, which is passed over.
struct MaybeText<'r>(&'r Reader<'r>);

impl<'de> Visitor<'de> for MaybeText<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Self::Value, E> {
        self.0.keep(memory::text(text)).map(Some)
    }

    fn visit_unit<E: serde::de::Error>(self) -> std::result::Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> std::result::Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> std::result::Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> std::result::Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> std::result::Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(
        self,
        mut seq: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut map: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}
