//! safetensors files: the writer, which streams.
//!
//! The file grows under a temporary name in the folder of its destination, and its first eight
//! bytes, the length of the header, stay zero until everything else is on disk. Whatever ends the
//! writing early, neither the destination nor a leftover temporary file looks whole.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ::safetensors::tensor::{Dtype, TensorInfo as Described};
use serde::ser::{Serialize, SerializeMap, Serializer};
use tempfile::NamedTempFile;

use crate::bytes::ALIGNMENT;
use crate::error::{Error, ErrorKind, Result, bail};
use crate::num::DType;
use crate::weights::TensorInfo;

use super::{METADATA, PREFIX};

/// Collects the short runs of column shards into writes worth a system call.
const BUFFER: usize = 1 << 20;

/// A safetensors file that is being written.
///
/// The data are to be written in the order in which the tensors were declared. Dropping a writer
/// that was not finished removes its temporary file.
#[derive(Debug)]
pub struct Writer {
    file: BufWriter<NamedTempFile>,
    out: PathBuf,
    overwrite: bool,
    header: u64,
    left: u64,
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
    /// overwritten; [`Io`](ErrorKind::Io) and [`NotFound`](ErrorKind::NotFound) for its folder.
    pub fn create(
        out: &Path,
        tensors: &[TensorInfo],
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
        if let Some(reason) = crate::system::refuses_name(name) {
            bail!(
                InvalidArgument,
                "{}: {reason}; choose another",
                out.display()
            );
        }
        if !overwrite && out.exists() {
            return Err(exists(out));
        }
        let (json, data) = header(tensors, metadata)?;
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        let folder = folder_of(out);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".partial");
        // Temporary files are private; this one becomes an ordinary file, as the umask has it.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temporary = (builder.tempfile_in(folder))
            .map_err(|e| Error::io(out, "create a temporary file beside it", e))?;
        let mut writer = Self {
            file: BufWriter::with_capacity(BUFFER, temporary),
            out: out.to_owned(),
            overwrite,
            header: json.len() as u64,
            left: (PREFIX + json.len()) as u64 + data,
        };
        writer.write(&[0; PREFIX])?;
        writer.write(json.as_bytes())?;
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
        (self.file.write_all(bytes)).map_err(|e| Error::io(&self.out, "write", e))
    }

    /// Completes the file, waits until it is on disk, and gives it its name.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io); [`InvalidArgument`](ErrorKind::InvalidArgument) when data are
    /// missing or when the destination has come into being meanwhile.
    pub fn finish(self) -> Result<()> {
        if self.left != 0 {
            bail!(
                InvalidArgument,
                "{}: {} bytes of the declared tensors were not written",
                self.out.display(),
                self.left
            );
        }
        let io = |e| Error::io(&self.out, "write", e);
        let mut temporary = (self.file.into_inner()).map_err(|e| io(e.into_error()))?;
        // Everything else first: the length is what makes the file whole.
        temporary.as_file().sync_data().map_err(io)?;
        temporary.seek(SeekFrom::Start(0)).map_err(io)?;
        (temporary.write_all(&self.header.to_le_bytes())).map_err(io)?;
        temporary.as_file().sync_all().map_err(io)?;
        match crate::system::persist(temporary, &self.out, self.overwrite) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(exists(&self.out));
            }
            Err(e) => return Err(Error::io(&self.out, "rename the finished file to it", e)),
        }
        // The name itself is on disk once the folder is. Not every file system can be asked.
        if let Ok(folder) = File::open(folder_of(&self.out)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

fn exists(out: &Path) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!(
            "{}: exists already; choose another name or allow overwriting",
            out.display()
        ),
    )
}

fn folder_of(out: &Path) -> &Path {
    match out.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The header's JSON, padded, and the number of bytes of data.
fn header(tensors: &[TensorInfo], metadata: &[(&str, &str)]) -> Result<(String, u64)> {
    let mut described = Vec::with_capacity(tensors.len());
    let mut end = 0usize;
    for info in tensors {
        let start = end;
        let Some(next) = end.checked_add(info.bytes()) else {
            bail!(InvalidArgument, "the tensors are too large for one file");
        };
        end = next;
        let info_there = Described {
            dtype: dtype(info.dtype),
            shape: info.shape.clone(),
            data_offsets: (start, end),
        };
        described.push((info.name.as_str(), info_there));
    }
    let header = Json {
        metadata,
        tensors: &described,
    };
    let mut json = serde_json::to_string(&header).map_err(|e| {
        Error::new(ErrorKind::Internal, "the header cannot be written").with_source(e)
    })?;
    let padded = (PREFIX + json.len()).next_multiple_of(ALIGNMENT) - PREFIX;
    json.extend(std::iter::repeat_n(' ', padded - json.len()));
    Ok((json, end as u64))
}

fn dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::F64 => Dtype::F64,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U8 => Dtype::U8,
        DType::Bool => Dtype::BOOL,
    }
}

/// The crate's own `Metadata` keeps the text in a hash map, whose order differs from run to run.
struct Json<'a> {
    metadata: &'a [(&'a str, &'a str)],
    tensors: &'a [(&'a str, Described)],
}

impl Serialize for Json<'_> {
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
        for (name, described) in self.tensors {
            map.serialize_entry(name, described)?;
        }
        map.end()
    }
}
