//! JSON lines: one value in, one line out, whatever is wrong with the value.

use std::io::{self, BufRead, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::failure::{Failure, Result};

/// Longest line that is read: far more than any prompt, far less than memory.
const MAX_LINE: u64 = 256 << 20;

/// Answers every line of stdin that is not blank with one line on stdout. A line that cannot be
/// read or answered gets `{"error": …}` in its place, and the command fails at the end. `answer`
/// returns nothing to end early.
pub fn answer_each<Q: DeserializeOwned, A: Serialize>(
    mut answer: impl FnMut(Q) -> codegeex::Result<Option<A>>,
) -> Result {
    let mut input = io::stdin().lock();
    let mut output = io::BufWriter::new(io::stdout().lock());
    let mut errors = 0;
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = (&mut input).take(MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if read as u64 == MAX_LINE {
            let message = format!("line {number} is longer than {MAX_LINE} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message).into());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let result = serde_json::from_slice(&line)
            .map_err(|e| (100, format!("line {number} is not a request: {e}")))
            .and_then(|query| answer(query).map_err(|e| (e.kind().code(), e.to_string())));
        match result {
            Ok(None) => break,
            Ok(Some(answer)) => write(&mut output, &answer)?,
            Err((code, message)) => {
                errors += 1;
                let error = json!({"error": {"code": code, "message": message, "line": number}});
                write(&mut output, &error)?;
            }
        }
        output.flush()?;
    }
    output.flush()?;
    match errors {
        0 => Ok(()),
        n => Err(Failure::Lines(n)),
    }
}

fn write(output: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *output, value)?;
    output.write_all(b"\n")
}

/// All of stdin or of a file as text.
pub fn read_text(path: Option<&std::path::Path>) -> Result<String> {
    let (bytes, name) = match path {
        None => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes)?;
            (bytes, "stdin".to_owned())
        }
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|e| codegeex::Error::io(path, "read", e))?;
            (bytes, path.display().to_string())
        }
    };
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let message = format!("{name} is not UTF-8: the byte at offset {at} fits no character");
        codegeex::Error::new(codegeex::ErrorKind::InvalidUtf8, message).into()
    })
}
