//! Files of JSON lines, plain or gzip, read as a stream: one line is in memory at a time, and a file
//! that unpacks without end is an error. An error of a line does not end the file.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::json;
use crate::error::{Error, ErrorKind, Result, bail};

/// What a file may hold at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    /// Bytes of a line.
    pub line: usize,
    /// Bytes in all, unpacked.
    pub total: u64,
}

impl Caps {
    /// Bytes of a line that is too long which are read to find where the next one begins.
    fn skipped(self) -> u64 {
        (self.line as u64).saturating_mul(16)
    }
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
    /// out. Nothing follows an error of the file; the next line follows an error of a line.
    ///
    /// # Errors
    /// [`MalformedFile`](ErrorKind::MalformedFile) for a line or a file that is too long, and
    /// what the system reports.
    pub fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        while !self.failed {
            self.line.clear();
            self.number += 1;
            self.failed = true;
            let read = self.read_line().map_err(|e| self.unreadable(e))?;
            let most = self.caps.line;
            if read == 0 {
                return Ok(None);
            }
            self.read += read;
            let is_over = self.read > self.caps.total;
            // Most of a line that is far too long was not read, so where the next one begins is not known.
            self.failed = is_over || read > self.caps.skipped();
            if self.line.len() > most {
                let (name, line) = (self.path.display(), self.number);
                bail!(
                    MalformedFile,
                    "{name}: line {line} is longer than {most} bytes, which no record needs"
                );
            }
            if is_over {
                bail!(
                    MalformedFile,
                    "{}: more than {} bytes of lines, which is more than such a file holds",
                    self.path.display(),
                    self.caps.total
                );
            }
            self.failed = false;
            if !is_blank(&self.line) {
                return Ok(Some((self.number, self.line.trim_ascii())));
            }
        }
        Ok(None)
    }

    /// Reads up to the end of the line, which is that of Unix, Windows or the old Mac OS as in
    /// Python, and keeps no more than a byte above the cap. Returns the bytes that were read.
    fn read_line(&mut self) -> io::Result<u64> {
        let (most, mut read) = (self.caps.line + 1, 0);
        loop {
            let buffer = match self.input.fill_buf() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            let end = buffer.iter().position(|b| matches!(b, b'\n' | b'\r'));
            let is_return = end.is_some_and(|end| buffer[end] == b'\r');
            let text = &buffer[..end.unwrap_or(buffer.len())];
            let room = most - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            let taken = text.len() + usize::from(end.is_some());
            read += taken as u64;
            self.input.consume(taken);
            if is_return {
                // A line feed after it belongs to the same end.
                let next = loop {
                    match self.input.fill_buf() {
                        Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                        other => break other?,
                    }
                };
                if next.first() == Some(&b'\n') {
                    read += 1;
                    self.input.consume(1);
                }
            }
            if end.is_some() || taken == 0 || read > self.caps.skipped() {
                return Ok(read);
            }
        }
    }

    /// Whether nothing more can be read, as opposed to an error of one line.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// The next line as a JSON object.
    ///
    /// # Errors
    /// As for [`next`](Self::next), and [`MalformedFile`](ErrorKind::MalformedFile) for a line
    /// that is no object.
    pub fn object(&mut self) -> Result<Option<Map<String, Value>>> {
        let read = match self.next()? {
            None => return Ok(None),
            Some((_, line)) => json::object(line),
        };
        read.map(Some).map_err(|e| e.within(self.place()))
    }

    /// The next line as a record.
    ///
    /// # Errors
    /// As for [`next`](Self::next), and [`MalformedFile`](ErrorKind::MalformedFile) for a line
    /// that is no such record.
    pub fn record<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let Some(object) = self.object()? else {
            return Ok(None);
        };
        let read = serde_json::from_value(Value::Object(object));
        read.map(Some).map_err(|e| {
            let message = format!("{}: not a record: {e}", self.place());
            Error::new(ErrorKind::MalformedFile, message)
        })
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

/// Whether a line has nothing but white space, as Python sees it.
fn is_blank(line: &[u8]) -> bool {
    let line = line.strip_prefix(json::BYTE_ORDER_MARK).unwrap_or(line);
    let is_space = |c: char| c.is_whitespace() || matches!(c, '\x1c'..='\x1f');
    std::str::from_utf8(line).is_ok_and(|text| text.chars().all(is_space))
}

fn place(path: &Path, number: u64) -> String {
    format!("{}: line {number}", path.display())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

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
                    if lines.has_failed() {
                        assert!(matches!(lines.next(), Ok(None)), "goes on after {e}");
                    }
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
        // What Python takes for blank, and for the end of a line.
        let odd = "\u{feff}\n\u{a0}\u{2003}\x1c\n{\"a\":\r1}\r\r\n{}".as_bytes();
        let expected = [(3, "{\"a\":"), (4, "1}"), (6, "{}")];
        assert_eq!(
            lines(odd).unwrap(),
            expected.map(|(n, l)| (n, l.to_owned()))
        );
    }

    #[test]
    fn a_line_that_is_too_long_does_not_end_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"{}\n12345678901234567890\n{}\n").unwrap();
        let mut lines = Lines::open(file.path(), CAPS).unwrap();
        assert_eq!(lines.next().unwrap().unwrap().0, 1);
        assert!(lines.next().is_err() && !lines.has_failed());
        assert_eq!(lines.next().unwrap().unwrap().0, 3);
        assert!(lines.next().unwrap().is_none());
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
}
