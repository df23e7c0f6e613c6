//! safetensors files: the reader of one file's header, and the [`Writer`].
//!
//! Errors name the offset in the file, and two tensors of one name are refused. A tensor of an
//! element type that no weight has may lie beside the model's.

mod header;
mod write;

use std::ops::Range;

use crate::bytes::{Bytes, Cursor};
use crate::cancel::CancelToken;
use crate::error::{Result, bail, quoted};
use crate::memory;
use crate::num::DType;

use super::part::{Named, Part};
use header::{Described, RawHeader};

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
    pub tensors: Vec<Entry>,
}

/// A tensor of a safetensors file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the file.
    pub name: String,
    /// Element type, or the name of one that no weight has.
    pub dtype: Result<DType, String>,
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Where its bytes are in the file.
    pub range: Range<usize>,
}

/// Whether a JSON object follows eight bytes, as in every safetensors file.
pub(super) fn looks_like(start: &[u8]) -> bool {
    start.get(PREFIX) == Some(&b'{')
}

/// Whether a file of `len` bytes is JSON, so perhaps the index of several, and not itself
/// safetensors, whose length can by chance be spelled like the start of JSON. `start` are its
/// first bytes.
pub(super) fn is_json(start: &[u8], len: usize) -> bool {
    let length = Cursor::new(start, 0).u64().unwrap_or(u64::MAX);
    let safetensors = looks_like(start) && length <= len as u64;
    !safetensors && start.trim_ascii_start().starts_with(b"{")
}

/// Reads and checks the header of a whole file.
///
/// # Errors
/// [`MalformedFile`](crate::ErrorKind::MalformedFile) with the offset of what is wrong;
/// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
pub fn parse(bytes: &[u8]) -> Result<Header> {
    parse_unless(&Bytes::copy_from(bytes)?, &CancelToken::new())
}

/// [`parse`], unless it is cancelled meanwhile.
fn parse_unless(bytes: &Bytes, cancel: &CancelToken) -> Result<Header> {
    let mut prefix = [0; PREFIX];
    let found = bytes.len().min(PREFIX);
    prefix[..found].copy_from_slice(&bytes.as_slice()[..found]);
    let length = Cursor::new(&prefix[..found], 0).u64()?;
    let left = bytes.len() - PREFIX;
    if length > MAX_HEADER || length > left as u64 {
        bail!(
            MalformedFile,
            "at byte 0: a header of {length} bytes is claimed, but {left} bytes follow (and at \
             most {MAX_HEADER} are allowed); the file is cut short or no safetensors file"
        );
    }
    let start = PREFIX + length as usize;
    // Text that is checked once and kept must not change under that.
    let json = bytes.slice(PREFIX..start).unwrap_or_else(Bytes::empty);
    let json = json.into_owned()?;
    let raw = header::parse(json.as_slice(), cancel)?;
    check(raw, start, bytes.len(), cancel)
}

fn check(raw: RawHeader, start: usize, len: usize, cancel: &CancelToken) -> Result<Header> {
    let mut metadata = raw.metadata;
    metadata.sort_unstable();
    let mut tensors = memory::try_vec(raw.tensors.len())?;
    for (name, described) in raw.tensors {
        cancel.check()?;
        tensors.push(checked(name, described, start, len)?);
    }
    tensors.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    if let Some(pair) = tensors.windows(2).find(|pair| pair[0].name == pair[1].name) {
        bail!(
            MalformedFile,
            "two tensors are named {}, at bytes {} and {}",
            quoted(&pair[0].name),
            pair[0].range.start,
            pair[1].range.start
        );
    }
    // Empty tensors first where they share an offset with one that is not.
    tensors.sort_unstable_by(|a, b| {
        let place = |t: &Entry| (t.range.start, t.range.end);
        (place(a).cmp(&place(b))).then_with(|| a.name.cmp(&b.name))
    });
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
                "tensor {} begins at byte {}, but the data before it end at byte {end}: {what}",
                quoted(&t.name),
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

fn checked(name: String, described: Described, start: usize, len: usize) -> Result<Entry> {
    let (from, to) = described.data_offsets;
    let range = (start.checked_add(from)).zip(start.checked_add(to));
    let Some((from, to)) = range.filter(|&(from, to)| from <= to && to <= len) else {
        bail!(
            MalformedFile,
            "tensor {name} claims bytes {from} to {to} of the data, which begin at byte {start} \
             and end with the file at byte {len}; the file is cut short or damaged",
            name = quoted(&name)
        );
    };
    let dtype = dtype(&described.dtype).ok_or(described.dtype);
    if let Ok(dtype) = dtype {
        let expected = (described.shape.iter())
            .try_fold(dtype.size(), |n, &d| n.checked_mul(d.max(1)))
            .map(|n| if described.shape.contains(&0) { 0 } else { n });
        if expected != Some(to - from) {
            bail!(
                MalformedFile,
                "tensor {name} at byte {from} has {} bytes, which shape {:?} of {dtype} does \
                 not fill exactly",
                to - from,
                described.shape,
                name = quoted(&name)
            );
        }
    }
    Ok(Entry {
        name,
        dtype,
        shape: described.shape,
        range: from..to,
    })
}

fn dtype(name: &str) -> Option<DType> {
    Some(match name {
        "F32" => DType::F32,
        "F16" => DType::F16,
        "BF16" => DType::BF16,
        "F64" => DType::F64,
        "I64" => DType::I64,
        "I32" => DType::I32,
        "I16" => DType::I16,
        "I8" => DType::I8,
        "U8" => DType::U8,
        "BOOL" => DType::Bool,
        _ => return None,
    })
}

/// What a file holds.
pub(super) struct Contents {
    /// The tensors under the names that they have there.
    pub tensors: Named,
    /// Names and element types of the tensors that no model can use.
    pub unread: Vec<(String, String)>,
    pub metadata: Metadata,
}

pub(super) fn read(bytes: &Bytes, cancel: &CancelToken) -> Result<Contents> {
    let header = parse_unless(bytes, cancel)?;
    let mut contents = Contents {
        tensors: memory::try_vec(header.tensors.len())?,
        unread: Vec::new(),
        metadata: header.metadata,
    };
    for entry in header.tensors {
        cancel.check()?;
        let dtype = match entry.dtype {
            Ok(dtype) => dtype,
            Err(other) => {
                let what = memory::text(format_args!("a tensor of type {}", quoted(&other)))?;
                memory::push(&mut contents.unread, (entry.name, what))?;
                continue;
            }
        };
        // Inside the file, as `parse` has checked.
        let data = bytes.slice(entry.range).unwrap_or_else(Bytes::empty);
        let part = Part::contiguous(dtype, &entry.shape, &data)
            .map_err(|e| e.within(format_args!("tensor {}", quoted(&entry.name))))?;
        contents.tensors.push((entry.name, part));
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_messages_are_visible_and_have_a_bound() {
        let long = "w".repeat(10_000);
        let escape = "\\u001b[2J";
        let past = r#""dtype":"F32","shape":[1],"data_offsets":[0,4]"#;
        let short = r#""dtype":"F32","shape":[2],"data_offsets":[0,4]"#;
        for (header, data) in [
            (format!(r#"{{"{escape}{long}":{{{past}}}}}"#), 0),
            (format!(r#"{{"{escape}{long}":{{{short}}}}}"#), 4),
            (
                format!(r#"{{"{escape}{long}":{{{past}}},"\u0001":{{{past}}}}}"#),
                4,
            ),
            (
                format!(r#"{{"{escape}{long}":{{{past}}},"{escape}{long}":{{{past}}}}}"#),
                4,
            ),
            (format!(r#"{{"a":"{escape}{long}"}}"#), 0),
        ] {
            let mut file = (header.len() as u64).to_le_bytes().to_vec();
            file.extend(header.as_bytes());
            file.resize(file.len() + data, 0);
            let message = parse(&file).unwrap_err().to_string();
            assert!(
                message.len() < 800 && message.chars().all(|c| !c.is_control()),
                "{message:?}"
            );
            assert!(message.contains("\\u{1b}[2Jwww"), "{message}");
        }
    }
}
