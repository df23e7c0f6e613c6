//! safetensors files: the reader of one file's header, and the [`Writer`].
//!
//! The crate of that name supplies the description of a tensor; the checks are done here, because
//! errors have to name the offset, and two tensors of one name have to be refused.

mod write;

use std::fmt;
use std::ops::Range;

use ::safetensors::tensor::{Dtype, TensorInfo as Described};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

use crate::bytes::{Bytes, Cursor};
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result, bail};
use crate::num::DType;

use super::part::{Named, Part};

pub use write::Writer;

/// Bytes before the header: its length.
const PREFIX: usize = 8;
/// The format's own limit.
const MAX_HEADER: u64 = 100_000_000;
/// Text by key.
pub(super) type Metadata = Vec<(String, String)>;

const METADATA: &str = "__metadata__";

/// What a safetensors file says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Text metadata, sorted by key.
    pub metadata: Vec<(String, String)>,
    /// The tensors, in the order of their data, which they fill without gap or overlap.
    pub tensors: Vec<Stored>,
}

/// A tensor of a safetensors file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its name in the file.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Where its bytes are in the file.
    pub range: Range<usize>,
}

/// Whether a JSON object follows eight bytes, as in every safetensors file.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    bytes.get(PREFIX) == Some(&b'{')
}

/// Whether a file is JSON, so perhaps the index of several, and not itself safetensors, whose
/// length can by chance be spelled like the start of JSON.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    let length = Cursor::new(bytes, 0).u64().unwrap_or(u64::MAX);
    let safetensors = looks_like(bytes) && length <= bytes.len() as u64;
    let start = &bytes[..bytes.len().min(64)];
    !safetensors && start.trim_ascii_start().starts_with(b"{")
}

/// Reads and checks the header of a whole file.
///
/// # Errors
/// [`MalformedFile`](ErrorKind::MalformedFile) with the offset of what is wrong;
/// [`UnsupportedFile`](ErrorKind::UnsupportedFile) for an element type that is not read.
pub fn parse(bytes: &[u8]) -> Result<Header> {
    parse_unless(bytes, &CancelToken::new())
}

/// [`parse`], unless it is cancelled meanwhile.
fn parse_unless(bytes: &[u8], cancel: &CancelToken) -> Result<Header> {
    let mut r = Cursor::new(bytes, 0);
    let length = r.u64()?;
    let left = bytes.len() - PREFIX;
    if length > MAX_HEADER || length > left as u64 {
        bail!(
            MalformedFile,
            "at byte 0: a header of {length} bytes is claimed, but {left} bytes follow (and at \
             most {MAX_HEADER} are allowed); the file is cut short or no safetensors file"
        );
    }
    let json = r.take(length as usize)?;
    let start = r.pos();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let raw = HeaderVisitor(cancel).deserialize(&mut deserializer);
    let raw = raw.and_then(|raw| deserializer.end().map(|()| raw));
    cancel.check()?;
    let raw = raw.map_err(|e| {
        Error::new(
            ErrorKind::MalformedFile,
            format!("at byte {}: the header is broken: {e}", offset_of(&e, json)),
        )
    })?;
    check(raw, start, bytes.len(), cancel)
}

/// Byte of the file at which the JSON parser stopped.
fn offset_of(error: &serde_json::Error, json: &[u8]) -> usize {
    let line = json
        .split_inclusive(|&b| b == b'\n')
        .take(error.line().saturating_sub(1));
    let before: usize = line.map(<[u8]>::len).sum();
    PREFIX + before + error.column().saturating_sub(1)
}

fn check(raw: RawHeader, start: usize, len: usize, cancel: &CancelToken) -> Result<Header> {
    let mut metadata = raw.metadata;
    metadata.sort_unstable();
    let mut tensors = Vec::with_capacity(raw.tensors.len());
    for (name, described) in raw.tensors {
        cancel.check()?;
        tensors.push(checked(name, described, start, len)?);
    }
    tensors.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    if let Some(pair) = tensors.windows(2).find(|pair| pair[0].name == pair[1].name) {
        bail!(
            MalformedFile,
            "two tensors are named `{}`, at bytes {} and {}",
            pair[0].name,
            pair[0].range.start,
            pair[1].range.start
        );
    }
    // Empty tensors first where they share an offset with one that is not.
    tensors.sort_by_key(|t| (t.range.start, t.range.end));
    let mut end = start;
    for t in &tensors {
        if t.range.start != end {
            let what = if t.range.start < end {
                "they overlap"
            } else {
                "a gap"
            };
            bail!(
                MalformedFile,
                "tensor `{}` begins at byte {}, but the data before it end at byte {end}: {what}",
                t.name,
                t.range.start
            );
        }
        end = t.range.end;
    }
    if end != len {
        bail!(
            MalformedFile,
            "the tensors end at byte {end}, but the file has {len} bytes"
        );
    }
    Ok(Header { metadata, tensors })
}

fn checked(name: String, described: Described, start: usize, len: usize) -> Result<Stored> {
    let Some(dtype) = dtype(described.dtype) else {
        bail!(
            UnsupportedFile,
            "tensor `{name}` has element type {}, which is not read",
            described.dtype
        );
    };
    let (from, to) = described.data_offsets;
    let range = (start.checked_add(from)).zip(start.checked_add(to));
    let Some((from, to)) = range.filter(|&(from, to)| from <= to && to <= len) else {
        bail!(
            MalformedFile,
            "tensor `{name}` claims bytes {from} to {to} of the data, which begin at byte {start} \
             and end with the file at byte {len}; the file is cut short or damaged"
        );
    };
    let expected = (described.shape.iter())
        .try_fold(dtype.size(), |n, &d| n.checked_mul(d.max(1)))
        .map(|n| if described.shape.contains(&0) { 0 } else { n });
    if expected != Some(to - from) {
        bail!(
            MalformedFile,
            "tensor `{name}` at byte {from} has {} bytes, which shape {:?} of {dtype} does not \
             fill exactly",
            to - from,
            described.shape
        );
    }
    Ok(Stored {
        name,
        dtype,
        shape: described.shape,
        range: from..to,
    })
}

fn dtype(dtype: Dtype) -> Option<DType> {
    Some(match dtype {
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::F64 => DType::F64,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::I16 => DType::I16,
        Dtype::I8 => DType::I8,
        Dtype::U8 => DType::U8,
        Dtype::BOOL => DType::Bool,
        _ => return None,
    })
}

/// The header as JSON has it, in the order of the file, duplicates kept.
struct RawHeader {
    metadata: Vec<(String, String)>,
    tensors: Vec<(String, Described)>,
}

struct HeaderVisitor<'a>(&'a CancelToken);

impl<'de> DeserializeSeed<'de> for HeaderVisitor<'_> {
    type Value = RawHeader;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<RawHeader, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeaderVisitor<'_> {
    type Value = RawHeader;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<RawHeader, A::Error> {
        let mut header = RawHeader {
            metadata: Vec::new(),
            tensors: Vec::new(),
        };
        while let Some(name) = map.next_key::<String>()? {
            if self.0.is_cancelled() {
                return Err(A::Error::custom("cancelled"));
            }
            if name == METADATA {
                let metadata: std::collections::BTreeMap<String, String> = map.next_value()?;
                header.metadata.extend(metadata);
            } else {
                header.tensors.push((name, map.next_value()?));
            }
        }
        Ok(header)
    }
}

/// The tensors of a file under the names that they have there, and its metadata.
pub(super) fn read(bytes: &Bytes, cancel: &CancelToken) -> Result<(Named, Metadata)> {
    let header = parse_unless(bytes.as_slice(), cancel)?;
    let mut tensors = Vec::with_capacity(header.tensors.len());
    for stored in header.tensors {
        cancel.check()?;
        // Inside the file, as `parse` has checked.
        let data = bytes.slice(stored.range).unwrap_or_else(Bytes::empty);
        let part = Part::contiguous(stored.dtype, &stored.shape, &data)
            .map_err(|e| e.within(format!("tensor `{}`", stored.name)))?;
        tensors.push((stored.name, part));
    }
    Ok((tensors, header.metadata))
}
