//! NumPy's `.npy` files: one array each, as MindSpore exports a model.
//!
//! A file is a header (a dictionary written as Python writes it) and the numbers after it. The
//! header is read as text: nothing of it is evaluated.

use std::fmt;

use crate::bytes::{Bytes, Cursor};
use crate::error::{Error, ErrorKind, Result, bail};
use crate::memory;
use crate::num::DType;

use super::part::{Dims, Part};

/// The first bytes of a file.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// Bytes of a header. NumPy itself reads no more than 10,000.
const MAX_HEADER: usize = 64 << 10;

/// The header of a file, checked against the file's length.
#[derive(Debug, Clone)]
pub struct Header {
    /// Element type.
    pub dtype: DType,
    /// Whether the first index changes fastest.
    pub column_major: bool,
    shape: Dims,
    /// Offset of the first element.
    pub start: usize,
}

impl Header {
    /// The dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }
}

/// Reads and checks the header of a whole file.
///
/// # Errors
/// [`MalformedFile`](ErrorKind::MalformedFile) with the offset of what is wrong,
/// [`UnsupportedFile`](ErrorKind::UnsupportedFile) with the version or element type.
pub fn parse(bytes: &[u8]) -> Result<Header> {
    let mut cursor = Cursor::new(bytes, 0);
    if cursor.take(MAGIC.len())? != MAGIC {
        bail!(
            MalformedFile,
            "at byte 0: expected an array of NumPy, which begins with `\\x93NUMPY`"
        );
    }
    let (major, minor) = (cursor.u8()?, cursor.u8()?);
    let length = match major {
        1 => usize::from(cursor.u16()?),
        2 | 3 => cursor.u32()? as usize,
        _ => bail!(
            UnsupportedFile,
            "at byte 6: version {major}.{minor} of NumPy's format, and 1 to 3 are read"
        ),
    };
    if length > MAX_HEADER {
        bail!(
            MalformedFile,
            "at byte 8: a header of {length} bytes is claimed, and at most {MAX_HEADER} are read"
        );
    }
    let base = cursor.pos();
    // Text that is checked once must not change under that.
    let text = memory::try_copy(cursor.take(length)?)?;
    let start = cursor.pos();
    let Fields {
        descr,
        column_major,
        shape,
    } = Literal::of(&text, base).fields()?;
    let dtype = dtype(descr)?;
    let expected = (shape.iter())
        .try_fold(dtype.size(), |n, &d| n.checked_mul(d.max(1)))
        .map(|n| if shape.contains(&0) { 0 } else { n });
    let left = bytes.len() - start;
    if expected != Some(left) {
        bail!(
            MalformedFile,
            "at byte {start}: {left} bytes follow the header, which shape {shape:?} of {dtype} does \
             not fill exactly; the file is cut short or damaged"
        );
    }
    Ok(Header {
        dtype,
        column_major,
        shape,
        start,
    })
}

/// Reads a file as one tensor.
pub(super) fn read(bytes: &Bytes) -> Result<Part> {
    let header = parse(bytes.as_slice())?;
    // Inside the file, as `parse` has checked.
    let data = bytes
        .slice(header.start..bytes.len())
        .unwrap_or_else(Bytes::empty);
    if !header.column_major {
        return Part::contiguous(header.dtype, &header.shape, &data);
    }
    let mut shape = header.shape;
    shape.reverse();
    Part::contiguous(header.dtype, &shape, &data).map(Part::transposed)
}

fn dtype(descr: &[u8]) -> Result<DType> {
    Ok(match descr {
        b"<f2" => DType::F16,
        b"<f4" => DType::F32,
        b"<f8" => DType::F64,
        b"<i8" => DType::I64,
        b"<i4" => DType::I32,
        b"<i2" => DType::I16,
        b"|i1" => DType::I8,
        b"|u1" => DType::U8,
        b"|b1" => DType::Bool,
        // NumPy has no name for bfloat16: extensions save it as two bytes of no type.
        b"<V2" | b"|V2" | b"bfloat16" => DType::BF16,
        _ => bail!(
            UnsupportedFile,
            "the element type is `{}`, and only little-endian `<f2` and `<f4` (and `|V2` for \
             bfloat16) are read; save the array as one of them: numpy.save(file, \
             array.astype('<f4'))",
            descr[..descr.len().min(40)].escape_ascii()
        ),
    })
}

struct Fields<'a> {
    descr: &'a [u8],
    column_major: bool,
    shape: Dims,
}

/// A dictionary of Python as text.
struct Literal<'a> {
    text: &'a [u8],
    pos: usize,
    base: usize,
}

impl<'a> Literal<'a> {
    fn of(text: &'a [u8], base: usize) -> Self {
        Self { text, pos: 0, base }
    }

    fn wrong(&self, expected: impl fmt::Display) -> Error {
        let rest = self.text.get(self.pos..).unwrap_or_default();
        Error::new(
            ErrorKind::MalformedFile,
            format!(
                "at byte {}: the header has `{}`, expected {expected}",
                self.base + self.pos,
                rest[..rest.len().min(24)].escape_ascii()
            ),
        )
    }

    fn space(&mut self) {
        let rest = self.text.get(self.pos..).unwrap_or_default();
        self.pos += rest.len() - rest.trim_ascii_start().len();
    }

    /// Whether `token` comes next; then it is passed.
    fn has(&mut self, token: &str) -> bool {
        self.space();
        let rest = self.text.get(self.pos..).unwrap_or_default();
        let is_next = rest.starts_with(token.as_bytes());
        if is_next {
            self.pos += token.len();
        }
        is_next
    }

    fn needs(&mut self, token: &str) -> Result<()> {
        match self.has(token) {
            true => Ok(()),
            false => Err(self.wrong(format_args!("`{token}`"))),
        }
    }

    /// A text in quotes, without any escape.
    fn text(&mut self, expected: &str) -> Result<&'a [u8]> {
        let quote = if self.has("'") {
            b'\''
        } else if self.has("\"") {
            b'"'
        } else {
            return Err(self.wrong(expected));
        };
        let rest = &self.text[self.pos..];
        let end = rest.iter().position(|&b| b == quote);
        let Some(text) = end.map(|end| &rest[..end]).filter(|t| !t.contains(&b'\\')) else {
            return Err(self.wrong(expected));
        };
        self.pos += text.len() + 1;
        Ok(text)
    }

    fn flag(&mut self) -> Result<bool> {
        if self.has("True") {
            Ok(true)
        } else if self.has("False") {
            Ok(false)
        } else {
            Err(self.wrong("True or False"))
        }
    }

    /// `()`, `(2,)`, `(2, 3)`; old versions of Python wrote `2L`.
    fn shape(&mut self) -> Result<Dims> {
        let mut shape = Dims::default();
        self.needs("(")?;
        while !self.has(")") {
            let rest = &self.text[self.pos..];
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let size = std::str::from_utf8(&rest[..digits]).ok();
            let Some(size) = size.and_then(|digits| digits.parse().ok()) else {
                return Err(self.wrong("a size of a dimension"));
            };
            shape.push(size)?;
            self.pos += digits;
            self.has("L");
            if !self.has(",") {
                self.needs(")")?;
                // `(2)` is no tuple.
                if shape.len() == 1 {
                    self.pos -= 1;
                    return Err(self.wrong("`,`"));
                }
                break;
            }
        }
        Ok(shape)
    }

    fn fields(mut self) -> Result<Fields<'a>> {
        let (mut descr, mut column_major, mut shape) = (None, None, None);
        self.needs("{")?;
        while !self.has("}") {
            let key = self.text("a key")?;
            self.needs(":")?;
            match key {
                b"descr" if descr.is_none() => {
                    descr = Some(self.text("an element type, no structure")?);
                }
                b"fortran_order" if column_major.is_none() => column_major = Some(self.flag()?),
                b"shape" if shape.is_none() => shape = Some(self.shape()?),
                _ => {
                    return Err(self.wrong(format_args!(
                        "`descr`, `fortran_order` and `shape` once each, not `{}`",
                        key[..key.len().min(40)].escape_ascii()
                    )));
                }
            }
            if !self.has(",") {
                self.needs("}")?;
                break;
            }
        }
        self.space();
        if self.pos != self.text.len() {
            return Err(self.wrong("the end of the header"));
        }
        match (descr, column_major, shape) {
            (Some(descr), Some(column_major), Some(shape)) => Ok(Fields {
                descr,
                column_major,
                shape,
            }),
            _ => Err(self.wrong("`descr`, `fortran_order` and `shape` before its end")),
        }
    }
}
