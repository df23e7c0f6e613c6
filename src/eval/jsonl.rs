//! Files of JSON lines, plain or gzip, read as a stream: a line is in memory at a time, and a
//! file that unpacks without end is an error.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result, bail};

/// What a file may hold at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    /// Bytes of a line.
    pub line: usize,
    /// Bytes in all, unpacked.
    pub total: u64,
}

/// The lines of a file that are not blank.
pub(super) struct Lines {
    path: PathBuf,
    input: Box<dyn BufRead + Send>,
    caps: Caps,
    line: Vec<u8>,
    number: u64,
    read: u64,
    /// Nothing can be read after an error of the file, as opposed to one of a line.
    failed: bool,
}

impl Lines {
    /// Opens a file; whether it is packed its first bytes say, not its name.
    ///
    /// # Errors
    /// What the system reports.
    pub fn open(path: &Path, caps: Caps) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
        if file.metadata().is_ok_and(|m| m.is_dir()) {
            bail!(
                InvalidArgument,
                "{}: this is a folder, expected a file of JSON lines",
                path.display()
            );
        }
        let mut file = BufReader::new(file);
        let start = file.fill_buf().map_err(|e| Error::io(path, "read", e))?;
        let input: Box<dyn BufRead + Send> = match start.starts_with(&[0x1f, 0x8b]) {
            true => Box::new(BufReader::new(MultiGzDecoder::new(file))),
            false => Box::new(file),
        };
        Ok(Self {
            path: path.to_owned(),
            input,
            caps,
            line: Vec::new(),
            number: 0,
            read: 0,
            failed: false,
        })
    }

    /// The next line, without its end, and its number, from 1; blank lines are counted and left
    /// out. Nothing follows an error.
    ///
    /// # Errors
    /// [`MalformedFile`](ErrorKind::MalformedFile) for a line or a file that is too long, and
    /// what the system reports.
    pub fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        if self.failed {
            return Ok(None);
        }
        self.failed = true;
        let found = self.advance()?;
        self.failed = false;
        Ok(found.then(|| (self.number, self.line.trim_ascii())))
    }

    /// Reads the next line that is not blank; whether there is one.
    fn advance(&mut self) -> Result<bool> {
        loop {
            self.line.clear();
            self.number += 1;
            // One more byte, so that a line of exactly that length may end.
            let most = self.caps.line as u64 + 1;
            let read = (&mut self.input)
                .take(most)
                .read_until(b'\n', &mut self.line)
                .map_err(|e| self.unreadable(e))?;
            if read == 0 {
                return Ok(false);
            }
            if read as u64 == most && self.line.last() != Some(&b'\n') {
                let (name, line) = (self.path.display(), self.number);
                bail!(
                    MalformedFile,
                    "{name}: line {line} is longer than {} bytes, which no record needs",
                    self.caps.line
                );
            }
            self.read += read as u64;
            if self.read > self.caps.total {
                bail!(
                    MalformedFile,
                    "{}: more than {} bytes of lines, which is more than such a file holds",
                    self.path.display(),
                    self.caps.total
                );
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    /// The next line as a record.
    ///
    /// # Errors
    /// As for [`next`](Self::next), and [`MalformedFile`](ErrorKind::MalformedFile) for a line
    /// that is no such record.
    pub fn record<T: DeserializeOwned>(&mut self) -> Result<Option<(u64, T)>> {
        let path = self.path.clone();
        match self.next()? {
            None => Ok(None),
            Some((number, line)) => match parse(line) {
                Ok(record) => Ok(Some((number, record))),
                Err(error) => Err(error.within(place(&path, number))),
            },
        }
    }

    /// Number of the line that was read last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The file and the line that was read last, for errors.
    pub fn place(&self) -> String {
        place(&self.path, self.number)
    }

    fn unreadable(&self, error: io::Error) -> Error {
        match error.kind() {
            // What the unpacker says of bytes that are no gzip.
            io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidData
            | io::ErrorKind::UnexpectedEof => Error::new(
                ErrorKind::MalformedFile,
                format!("{}: damaged or cut short: {error}", self.place()),
            )
            .with_source(error),
            _ => Error::io(&self.path, "read", error),
        }
    }
}

/// A line as a record.
///
/// # Errors
/// [`MalformedFile`](ErrorKind::MalformedFile) with what is wrong and its column.
pub(super) fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T> {
    if !line.trim_ascii_start().starts_with(b"{") {
        // An array of the fields would be read as well.
        bail!(MalformedFile, "not a record: expected a JSON object");
    }
    serde_json::from_slice(line).map_err(|e| {
        // It counts lines from the start of ours.
        let place = format!(" at line {} column {}", e.line(), e.column());
        let text = e.to_string();
        let message = match text.strip_suffix(&place) {
            Some(what) => format!("not a record: {what}, at column {}", e.column()),
            None => format!("not a record: {text}"),
        };
        Error::new(ErrorKind::MalformedFile, message)
    })
}

fn place(path: &Path, number: u64) -> String {
    format!("{}: line {number}", path.display())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::{Map, Value};

    use super::*;

    const CAPS: Caps = Caps {
        line: 16,
        total: 64,
    };

    fn lines(bytes: &[u8]) -> std::result::Result<Vec<(u64, String)>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut lines = Lines::open(file.path(), CAPS).map_err(|e| e.to_string())?;
        let mut found = Vec::new();
        loop {
            match lines.next() {
                Ok(None) => return Ok(found),
                Ok(Some((number, line))) => {
                    found.push((number, String::from_utf8_lossy(line).into_owned()));
                }
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::MalformedFile);
                    let name = file.path().display().to_string();
                    assert!(matches!(lines.next(), Ok(None)), "goes on after {e}");
                    return Err(e.to_string().replace(&name, "f"));
                }
            }
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_packed_files_give_the_same_lines() {
        let text = b"{\"a\": 1}\n\n  \r\n{\"b\": 2}\r\n{}";
        let expected = [(1, "{\"a\": 1}"), (4, "{\"b\": 2}"), (5, "{}")];
        let expected = expected.map(|(n, l)| (n, l.to_owned())).to_vec();
        assert_eq!(lines(text).unwrap(), expected);
        assert_eq!(lines(&gzip(text)).unwrap(), expected);
        // Files of several members, as concatenated shards are.
        let members = [gzip(&text[..9]), gzip(&text[9..])].concat();
        assert_eq!(lines(&members).unwrap(), expected);
        assert_eq!(lines(b"").unwrap(), []);
    }

    #[test]
    fn what_is_too_long_or_damaged_is_an_error_with_its_place() {
        assert_eq!(lines(b"1234567890123456\n").unwrap().len(), 1);
        let error = lines(b"a\n12345678901234567\n").unwrap_err();
        assert!(error.starts_with("f: line 2 is longer than 16"), "{error}");
        let error = lines(&b"{}\n".repeat(22)).unwrap_err();
        assert!(error.starts_with("f: more than 64 bytes"), "{error}");
        // A bomb: a thousandfold of its size. Only its first line is unpacked.
        let error = lines(&gzip(&vec![b'x'; 1 << 24])).unwrap_err();
        assert!(error.starts_with("f: line 1 is longer"), "{error}");
        let mut packed = gzip(b"{}\n{}\n{}\n");
        packed.truncate(packed.len() - 6);
        let error = lines(&packed).unwrap_err();
        assert!(error.contains("damaged or cut short"), "{error}");
        let error = lines(&[0x1f, 0x8b, 9, 9, 9, 9]).unwrap_err();
        assert!(error.contains("damaged or cut short"), "{error}");
    }

    #[test]
    fn a_line_that_is_no_record_is_an_error_with_the_column() {
        let wrong = |line: &[u8]| {
            let error = parse::<Map<String, Value>>(line).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MalformedFile);
            error.to_string()
        };
        assert_eq!(wrong(b"[1]"), "not a record: expected a JSON object");
        assert!(wrong(b"{\"a\": }").ends_with("expected value, at column 7"));
        assert!(wrong(b"{\"a\": \"\xff\"}").contains("unicode"));
        let deep = [b"{\"a\":".repeat(5000), b"1".to_vec()].concat();
        assert!(wrong(&deep).contains("recursion limit"));
    }
}
