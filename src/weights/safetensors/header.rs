//! The header of a safetensors file as JSON has it. Every string and list that grows with the
//! file is allocated so that it can be refused.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result, parser_message};
use crate::memory;

use super::super::json::{Reader, Text, Texts, seeds};
use super::{METADATA, PREFIX};

/// The header in the order of the file, duplicates kept.
#[derive(Default)]
pub(super) struct RawHeader {
    pub metadata: Vec<(String, String)>,
    pub tensors: Vec<(String, Described)>,
}

/// A tensor as the header describes it.
pub(super) struct Described {
    pub dtype: String,
    pub shape: Vec<usize>,
    pub data_offsets: (usize, usize),
}

/// Reads a header, which begins at byte [`PREFIX`] of its file.
pub(super) fn parse(json: &[u8], cancel: &CancelToken) -> Result<RawHeader> {
    let reader = Reader::new(cancel);
    memory::check_json(json)?;
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let raw = Header(&reader).deserialize(&mut deserializer);
    let raw = raw.and_then(|raw| deserializer.end().map(|()| raw));
    reader.check()?;
    raw.map_err(|e| {
        Error::new(
            ErrorKind::MalformedFile,
            format!(
                "at byte {}: the header is broken: {}",
                offset_of(&e, json),
                parser_message(&e)
            ),
        )
    })
}

/// Byte of the file at which the JSON parser stopped.
fn offset_of(error: &serde_json::Error, json: &[u8]) -> usize {
    let line = json
        .split_inclusive(|&b| b == b'\n')
        .take(error.line().saturating_sub(1));
    let before: usize = line.map(<[u8]>::len).sum();
    PREFIX + before + error.column().saturating_sub(1)
}

seeds! {
    Sizes: deserialize_seq;
    Tensor: deserialize_map;
    Header: deserialize_map;
}

/// Dimensions.
#[derive(Clone, Copy)]
struct Sizes<'r>(&'r Reader<'r>);

impl<'de> Visitor<'de> for Sizes<'_> {
    type Value = Vec<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of sizes")
    }

    fn visit_seq<A: SeqAccess<'de>>(
        self,
        mut seq: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let mut sizes = Vec::new();
        while let Some(size) = seq.next_element()? {
            self.0.keep(memory::push(&mut sizes, size))?;
        }
        Ok(sizes)
    }
}

/// One tensor.
struct Tensor<'r>(&'r Reader<'r>);

impl<'de> Visitor<'de> for Tensor<'_> {
    type Value = Described;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with dtype, shape and data_offsets")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Described, A::Error> {
        let (mut dtype, mut shape, mut data_offsets) = (None, None, None);
        while let Some(key) = map.next_key_seed(Text(self.0))? {
            match key.as_str() {
                "dtype" => dtype = Some(map.next_value_seed(Text(self.0))?),
                "shape" => shape = Some(map.next_value_seed(Sizes(self.0))?),
                "data_offsets" => data_offsets = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Described {
            dtype: dtype.ok_or_else(|| A::Error::missing_field("dtype"))?,
            shape: shape.ok_or_else(|| A::Error::missing_field("shape"))?,
            data_offsets: data_offsets.ok_or_else(|| A::Error::missing_field("data_offsets"))?,
        })
    }
}

struct Header<'r>(&'r Reader<'r>);

impl<'de> Visitor<'de> for Header<'_> {
    type Value = RawHeader;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<RawHeader, A::Error> {
        let mut header = RawHeader::default();
        while let Some(name) = map.next_key_seed(Text(self.0))? {
            self.0.keep(self.0.cancel.check())?;
            if name == METADATA {
                header.metadata = map.next_value_seed(Texts(self.0))?;
            } else {
                let described = map.next_value_seed(Tensor(self.0))?;
                (self.0).keep(memory::push(&mut header.tensors, (name, described)))?;
            }
        }
        Ok(header)
    }
}
