//! safetensors files: the writer, which streams.
//!
//! The file grows under a temporary name in the folder of its destination, and its first eight
//! bytes, the length of the header, stay zero until everything else is on disk. Whatever ends the
//! writing early, neither the destination nor a leftover temporary file looks whole.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::bytes::ALIGNMENT;
use crate::error::{Error, ErrorKind, Result, bail};
use crate::memory;
use crate::num::DType;
use crate::partial::{Access, PartialFile, exists, folder_of};
use crate::system;
use crate::weights::TensorInfo;

use super::{METADATA, PREFIX};

/// Collects the short runs of column shards into writes worth a system call.
const BUFFER: usize = 1 << 20;
/// Extensions of other formats: a file with one of these would be taken for what it is not.
const OTHER_FORMATS: [&str; 15] = [
    "pt", "pth", "bin", "ckpt", "npy", "npz", "pkl", "zip", "tar", "gguf", "ggml", "onnx", "h5",
    "msgpack", "json",
];

/// A safetensors file that is being written.
///
/// The data are to be written in the order in which the tensors were declared. Dropping a writer
/// that was not finished removes its temporary file.
#[derive(Debug)]
pub struct Writer {
    partial: PartialFile,
    buffer: Vec<u8>,
    out: PathBuf,
    overwrite: bool,
    header: u64,
    left: u64,
    total: u64,
}

impl Writer {
    /// Creates the temporary file and writes the header, padded so that data begin at a multiple
    /// of [`ALIGNMENT`].
    ///
    /// The header is a function of its arguments alone: the same tensors and metadata give the
    /// same bytes.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) when `out` exists and is not to be
    /// overwritten, or has the extension of another format; [`Busy`](ErrorKind::Busy) while
    /// another process writes the same file; [`Io`](ErrorKind::Io) and
    /// [`NotFound`](ErrorKind::NotFound) for its folder, and when the disk has less room than the
    /// file needs.
    pub fn create<'t>(
        out: &Path,
        tensors: impl IntoIterator<Item = &'t TensorInfo, IntoIter: Clone>,
        metadata: &[(&str, &str)],
        overwrite: bool,
    ) -> Result<Self> {
        let Some(name) = out.file_name().filter(|_| !out.is_dir()) else {
            bail!(
                InvalidArgument,
                "{}: expected the name of a file to write",
                out.display()
            );
        };
        if let Some(reason) = system::refuses_name(name) {
            bail!(
                InvalidArgument,
                "{}: {reason}; choose another",
                out.display()
            );
        }
        let extension = out.extension().unwrap_or_default();
        if (OTHER_FORMATS.iter()).any(|other| extension.eq_ignore_ascii_case(other)) {
            bail!(
                InvalidArgument,
                "{}: a safetensors file is written, and this is the name of another format; expected \
                 a name such as {}",
                out.display(),
                Path::new(name).with_extension("safetensors").display()
            );
        }
        if !overwrite && out.exists() {
            return Err(exists(out));
        }
        let (json, data) = header(tensors.into_iter(), metadata)?;
        let total = (PREFIX + json.len()) as u64 + data;
        let partial = PartialFile::create(out, Access::Default)?;
        let mut writer = Self {
            partial,
            buffer: memory::try_vec(BUFFER)?,
            out: out.to_owned(),
            overwrite,
            header: json.len() as u64,
            left: total,
            total,
        };
        if let Some(free) = system::disk_left(folder_of(out)).filter(|&free| free < total) {
            bail!(
                Io,
                "{}: {total} bytes are needed, and {free} are free on this disk; free some, or write \
                 to another",
                out.display()
            );
        }
        writer.write(&[0; PREFIX])?;
        writer.write(&json)?;
        Ok(writer)
    }

    /// Appends to the data.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io); [`InvalidArgument`](ErrorKind::InvalidArgument) when there are more
    /// bytes than the tensors that were declared have.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            bail!(
                InvalidArgument,
                "{}: {} bytes more than the declared tensors have",
                self.out.display(),
                bytes.len() as u64 - self.left
            );
        };
        self.left = left;
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        if bytes.len() >= BUFFER {
            return (self.partial.file().write_all(bytes)).map_err(|e| self.failed(e));
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        (self.partial.file().write_all(&self.buffer)).map_err(|e| self.failed(e))?;
        self.buffer.clear();
        Ok(())
    }

    /// The error of a write that failed.
    fn failed(&self, error: io::Error) -> Error {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        let is_full = full.contains(&error.kind());
        let failed = Error::io(&self.out, "write", error);
        if !is_full {
            return failed;
        }
        let free = match system::disk_left(folder_of(&self.out)) {
            Some(free) => format!("{free} are free"),
            None => "fewer are free".to_owned(),
        };
        failed.advise(format_args!(
            "{} bytes are needed in all, and {free} on this disk; free some, or write to another",
            self.total
        ))
    }

    /// Completes the file, waits until it is on disk, and gives it its name.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io); [`InvalidArgument`](ErrorKind::InvalidArgument) when data are
    /// missing or when the destination has come into being meanwhile.
    pub fn finish(mut self) -> Result<()> {
        if self.left != 0 {
            bail!(
                InvalidArgument,
                "{}: {} bytes of the declared tensors were not written",
                self.out.display(),
                self.left
            );
        }
        self.flush()?;
        // Everything else first: the length is what makes the file whole.
        let length = self.header.to_le_bytes();
        let mut file = self.partial.file();
        let written = file.sync_data().and_then(|()| {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&length)?;
            file.sync_all()
        });
        written.map_err(|e| self.failed(e))?;
        let folder = folder_of(&self.out).to_owned();
        self.partial.persist(self.overwrite)?;
        // The name itself is on disk once the folder is. Not every file system can be asked.
        if let Ok(folder) = File::open(folder) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

/// The header's JSON, padded, and the number of bytes of data.
fn header<'t>(
    tensors: impl Iterator<Item = &'t TensorInfo> + Clone,
    metadata: &[(&str, &str)],
) -> Result<(Vec<u8>, u64)> {
    let bytes = |info: &TensorInfo| info.bytes();
    let total = (tensors.clone().map(bytes)).try_fold(0usize, |sum, n| sum.checked_add(n));
    let Some(total) = total else {
        bail!(InvalidArgument, "the tensors are too large for one file");
    };
    let mut json = Json(Vec::new());
    serde_json::to_writer(&mut json, &Header { metadata, tensors })
        .map_err(|e| Error::new(ErrorKind::OutOfMemory, "the header").with_source(e))?;
    let padded = (PREFIX + json.0.len()).next_multiple_of(ALIGNMENT) - PREFIX;
    while json.0.len() < padded {
        memory::push(&mut json.0, b' ')?;
    }
    Ok((json.0, total as u64))
}

/// Text whose memory can be refused, which is the only way for writing to it to fail.
struct Json(Vec<u8>);

impl Write for Json {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0.try_reserve(bytes.len())).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn dtype(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "F32",
        DType::F16 => "F16",
        DType::BF16 => "BF16",
        DType::F64 => "F64",
        DType::I64 => "I64",
        DType::I32 => "I32",
        DType::I16 => "I16",
        DType::I8 => "I8",
        DType::U8 => "U8",
        DType::Bool => "BOOL",
    }
}

/// A tensor as the header describes it, its fields in the order that other writers use.
#[derive(Serialize)]
struct Described<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    data_offsets: (usize, usize),
}

struct Header<'a, I> {
    metadata: &'a [(&'a str, &'a str)],
    tensors: I,
}

impl<'t, I: Iterator<Item = &'t TensorInfo> + Clone> Serialize for Header<'_, I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        struct Text<'a>(&'a [(&'a str, &'a str)]);
        impl Serialize for Text<'_> {
            fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
                s.collect_map(self.0.iter().copied())
            }
        }
        let mut map = serializer.serialize_map(None)?;
        if !self.metadata.is_empty() {
            map.serialize_entry(METADATA, &Text(self.metadata))?;
        }
        let mut end = 0;
        for info in self.tensors.clone() {
            let start = end;
            end += info.bytes();
            let described = Described {
                dtype: dtype(info.dtype),
                shape: &info.shape,
                data_offsets: (start, end),
            };
            map.serialize_entry(&info.name, &described)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fills_up_meanwhile_is_an_error_with_both_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let tensor = TensorInfo {
            name: "w".to_owned(),
            dtype: DType::U8,
            shape: vec![1000],
        };
        let out = dir.path().join("out");
        let writer = Writer::create(&out, [&tensor], &[], false).unwrap();
        let full = writer.failed(io::ErrorKind::StorageFull.into());
        let text = full.to_string();
        assert!(
            text.contains("1064 bytes are needed in all") || text.contains("1128"),
            "{text}"
        );
        assert!(
            text.contains("free on this disk") && !text.contains("partial"),
            "{text}"
        );
        let other = writer.failed(io::ErrorKind::PermissionDenied.into());
        assert!(!other.to_string().contains("needed"), "{other}");
    }
}
