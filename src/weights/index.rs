//! The index of a checkpoint in several files: which tensor is in which file beside it.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result, bail, parser_message, quoted};
use crate::memory;

use super::json::{Reader, Text, Texts};

/// Bytes of an index. That of a model of a thousand tensors has a hundred thousand.
const MAX_LENGTH: usize = 64 << 20;

/// Reads an index: the names of tensors, each with the name of its file, in the order of files.
///
/// # Errors
/// [`MalformedFile`](ErrorKind::MalformedFile) with what is wrong; a file that is not beside the
/// index is.
pub fn parse(json: &[u8]) -> Result<Vec<(String, String)>> {
    check_length(json.len())?;
    parse_unless(json, &CancelToken::new())
}

pub(super) fn check_length(length: usize) -> Result<()> {
    if length > MAX_LENGTH {
        bail!(
            UnsupportedFile,
            "an index of {length} bytes, and at most {MAX_LENGTH} are read"
        );
    }
    Ok(())
}

/// [`parse`], unless it is cancelled meanwhile.
pub(super) fn parse_unless(json: &[u8], cancel: &CancelToken) -> Result<Vec<(String, String)>> {
    let mut map = weight_map(json, cancel)?;
    if map.is_empty() {
        bail!(MalformedFile, "an index whose weight_map names no file");
    }
    map.sort_unstable();
    if let Some(pair) = map.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        bail!(
            MalformedFile,
            "tensor {} is there twice, in {} and in {}",
            quoted(&pair[0].0),
            quoted(&pair[0].1),
            quoted(&pair[1].1)
        );
    }
    for (_, file) in &map {
        // A name and nothing else: an index must not reach out of its folder.
        let plain = !file.contains(['/', '\\', ':', '\0'])
            && *file != ".."
            && *file != "."
            && crate::system::refuses_name(file.as_ref()).is_none();
        if file.is_empty() || !plain {
            bail!(
                MalformedFile,
                "{} is not the name of a file beside the index",
                quoted(file)
            );
        }
    }
    map.sort_unstable_by(|(a, f), (b, g)| (f.cmp(g)).then_with(|| a.cmp(b)));
    Ok(map)
}

fn weight_map(json: &[u8], cancel: &CancelToken) -> Result<Vec<(String, String)>> {
    struct Index<'r>(&'r Reader<'r>);

    impl<'de> Visitor<'de> for Index<'_> {
        type Value = Option<Vec<(String, String)>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with a weight_map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(key) = map.next_key_seed(Text(self.0))? {
                if key == "weight_map" {
                    found = Some(map.next_value_seed(Texts(self.0))?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }

    let reader = Reader::new(cancel);
    memory::check_json(json)?;
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let map = deserializer.deserialize_map(Index(&reader));
    let map = map.and_then(|map| deserializer.end().map(|()| map));
    reader.check()?;
    let wrong = |what: &dyn fmt::Display| {
        let text = format!("neither a checkpoint nor the index of one: {what}");
        Error::new(ErrorKind::MalformedFile, text)
    };
    match map {
        Ok(Some(map)) => Ok(map),
        Ok(None) => Err(wrong(&"it has no weight_map")),
        Err(error) => Err(wrong(&parser_message(error))),
    }
}
