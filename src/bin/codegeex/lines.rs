//! Standard input and output: JSON lines, one value in, one line out, whatever is wrong with the
//! value; and whole texts.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;

use codegeex::cancel::CancelToken;
use codegeex::{Error, ErrorKind};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;

use crate::failure::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// Longest line that is read: far more than any prompt, far less than memory.
const MAX_LINE: usize = 256 << 20;
/// The longest text of a file or of standard input, in bytes.
const MAX_TEXT: usize = 64 << 20;

/// Answers every line of stdin that is not blank with one line on stdout, at once. A line that
/// cannot be read or answered gets `{"error": …}` in its place, and the command fails at the end.
/// An interrupt ends the process while it waits for a line; the line that is being answered is
/// answered with the partial result, or not at all.
pub fn answer_each<A: Serialize>(
    interrupt: &Interrupt,
    mut answer: impl FnMut(&[u8], &CancelToken) -> codegeex::Result<A>,
) -> Result {
    let mut input = Lines::new(io::stdin().lock(), MAX_LINE);
    let mut output = io::BufWriter::new(io::stdout().lock());
    // Who types lines at a terminal sees what is answered.
    let progress = (!io::stdin().is_terminal()).then(Progress::of_lines);
    let mut errors = 0;
    while let Some(Line { number, bytes }) = input.next().map_err(Failure::Stdin)? {
        let answered = interrupt.orderly(|cancel| {
            let answer = match bytes.and_then(|line| answer(line, cancel)) {
                Ok(answer) => serde_json::to_string(&answer),
                Err(e) if e.kind() == ErrorKind::Cancelled => return Ok(()),
                Err(e) => {
                    errors += 1;
                    serde_json::to_string(&json!({"error": {
                        "code": e.kind().code(), "message": e.to_string(), "line": number,
                    }}))
                }
            };
            let write = || {
                writeln!(output, "{}", answer?)?;
                output.flush()
            };
            match &progress {
                Some(progress) => {
                    progress.advance();
                    progress.beside(write)
                }
                None => write(),
            }
        });
        answered.map_err(Failure::Stdout)?;
        if interrupt.happened() {
            break;
        }
    }
    match errors {
        0 => Ok(()),
        n => Err(Failure::Lines(n)),
    }
}

struct Line<'a> {
    /// From 1, blank lines counted.
    number: usize,
    /// What is in it, or what is wrong with it.
    bytes: codegeex::Result<&'a [u8]>,
}

/// Lines that are not blank.
struct Lines<R> {
    input: R,
    /// Longest line.
    most: usize,
    line: Vec<u8>,
    /// Of the line that was read last.
    number: usize,
}

impl<R: BufRead> Lines<R> {
    fn new(input: R, most: usize) -> Self {
        Self {
            input,
            most,
            line: Vec::new(),
            number: 0,
        }
    }

    /// The next one, or nothing at the end.
    fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            self.line.clear();
            self.number += 1;
            // One more, so that a line of exactly that length may end.
            let most = self.most as u64 + 1;
            let read = (&mut self.input)
                .take(most)
                .read_until(b'\n', &mut self.line)?;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 == most && self.line.last() != Some(&b'\n') {
                self.line = Vec::new();
                self.input.skip_until(b'\n')?;
                let message = format!("the line is longer than {} bytes", self.most);
                let error = Error::new(ErrorKind::InvalidArgument, message);
                return Ok(Some(Line {
                    number: self.number,
                    bytes: Err(error),
                }));
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some(Line {
                    number: self.number,
                    bytes: Ok(self.line.trim_ascii_end()),
                }));
            }
        }
    }
}

/// Reads a line as a JSON object.
pub fn parse_object<T: DeserializeOwned>(line: &[u8]) -> codegeex::Result<T> {
    if is_object(line) {
        return parse(line);
    }
    // An array of the fields would be read as well.
    parse::<IgnoredAny>(line)?;
    let message = "not a request: expected a JSON object";
    Err(Error::new(ErrorKind::InvalidArgument, message))
}

fn is_object(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"{")
}

/// Reads a line as JSON.
fn parse<T: DeserializeOwned>(line: &[u8]) -> codegeex::Result<T> {
    if let Err(e) = std::str::from_utf8(line) {
        let message = format!("not UTF-8: byte {} fits no character", e.valid_up_to() + 1);
        return Err(Error::new(ErrorKind::InvalidUtf8, message));
    }
    serde_json::from_slice(line).map_err(|e| {
        // It counts lines from the start of ours.
        let place = format!(" at line {} column {}", e.line(), e.column());
        let text = e.to_string();
        // Names of Rust types mean nothing to the user.
        let text = ["usize", "u64", "u32"]
            .iter()
            .fold(text, |text, name| {
                text.replace(&format!("expected {name}"), "expected a whole number")
            })
            .replace("expected f32", "expected a number");
        let message = match text.strip_suffix(&place) {
            Some(what) => format!("not a request: {what}, at column {}", e.column()),
            None => format!("not a request: {text}"),
        };
        Error::new(ErrorKind::InvalidArgument, message)
    })
}

/// Reads a line as a bare value, or as an object that holds it.
pub fn parse_either<T: DeserializeOwned, O: DeserializeOwned + Into<T>>(
    line: &[u8],
) -> codegeex::Result<T> {
    match is_object(line) {
        true => parse::<O>(line).map(Into::into),
        false => parse(line),
    }
}

/// Refuses log-probabilities that JSON has no number for.
pub fn check_finite(logprobs: impl IntoIterator<Item = f32>) -> codegeex::Result<()> {
    match logprobs.into_iter().find(|x| !x.is_finite()) {
        None => Ok(()),
        Some(x) => Err(Error::new(
            ErrorKind::NonFinite,
            format!("a log-probability is {x}, for which JSON has no number"),
        )),
    }
}

/// All of stdin as text.
pub fn read_stdin() -> Result<String> {
    let progress = (!io::stdin().is_terminal()).then(|| Progress::of("reading standard input"));
    let bytes = read_bounded(io::stdin().lock()).map_err(Failure::Stdin)?;
    drop(progress);
    text(bytes, "standard input")
}

/// As much as [`text`] needs to say that it is too much.
fn read_bounded(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(MAX_TEXT as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file as text.
pub fn read_file(path: &Path) -> Result<String> {
    let read = File::open(path).and_then(read_bounded);
    let bytes = read.map_err(|e| Error::io(path, "read", e))?;
    text(bytes, &path.display().to_string())
}

fn text(bytes: Vec<u8>, name: &str) -> Result<String> {
    if bytes.len() > MAX_TEXT {
        let message = format!("{name} has more than {} MiB of text", MAX_TEXT >> 20);
        return Err(Error::new(ErrorKind::InvalidArgument, message).into());
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let message = format!("{name} is not UTF-8: the byte at offset {at} fits no character");
        Error::new(ErrorKind::InvalidUtf8, message).into()
    })
}

/// Writes all of a command's output.
pub fn write_stdout(text: &str) -> Result {
    let mut output = io::stdout().lock();
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
        .map_err(Failure::Stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_too_long_is_an_error_and_the_next_one_is_read() {
        let mut lines = Lines::new(&b"1234\n\n12345\n 12345678901\n12"[..], 4);
        let mut next = || {
            let Line { number, bytes } = lines.next().unwrap().unwrap();
            (number, bytes.map(<[u8]>::to_vec).map_err(|e| e.to_string()))
        };
        assert_eq!(next(), (1, Ok(b"1234".to_vec())));
        let refused = Err("the line is longer than 4 bytes".to_owned());
        assert_eq!(next(), (3, refused.clone()));
        assert_eq!(next(), (4, refused));
        assert_eq!(next(), (5, Ok(b"12".to_vec())));
        assert!(lines.next().unwrap().is_none());
    }

    #[test]
    fn errors_of_a_line_name_the_column() {
        let error = parse::<Vec<u32>>(b"[1, x]").unwrap_err().to_string();
        assert_eq!(error, "not a request: expected value, at column 5");
        let error = parse::<String>(b"\"\xff\"").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUtf8);
    }

    #[test]
    fn no_number_of_json_is_refused() {
        assert!(check_finite([-0.5, 0.0]).is_ok());
        for x in [f32::NEG_INFINITY, f32::NAN] {
            let error = check_finite([-0.5, x]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NonFinite);
        }
    }
}
