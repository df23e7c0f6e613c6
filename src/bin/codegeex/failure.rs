//! How a command fails: the message and the exit code.

use std::error::Error as _;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use codegeex::ErrorKind;

/// Exit code of an interrupted command, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// The arguments make no sense together.
    Usage(String),
    /// The library reports an error.
    Library(codegeex::Error),
    /// Standard input cannot be read.
    Stdin(io::Error),
    /// Standard output cannot be written.
    Stdout(io::Error),
    /// Some lines of the input were answered with an error.
    Lines(usize),
}

pub type Result<T = ()> = std::result::Result<T, Failure>;

impl From<codegeex::Error> for Failure {
    fn from(error: codegeex::Error) -> Self {
        Self::Library(error)
    }
}

/// Options of the library whose names the command line writes with dashes.
const OPTIONS: &[&str] = &[
    "banned_ids",
    "early_stopping",
    "frequency_penalty",
    "length_penalty",
    "logit_bias",
    "max_new_tokens",
    "min_p",
    "num_beams",
    "presence_penalty",
    "repetition_penalty",
    "samples",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
];

/// A message about options of the library, with their names on the command line. Names that are
/// plain words are replaced at the beginning only.
fn with_option_names(message: &str) -> String {
    let named = |(at, word): (usize, &str)| {
        let name = word.trim_end_matches([',', ';']);
        match OPTIONS.contains(&name) && (at == 0 || name.contains('_')) {
            true => format!("--{}", word.replace('_', "-")),
            false => word.to_owned(),
        }
    };
    let words: Vec<String> = message.split(' ').enumerate().map(named).collect();
    words.join(" ")
}

impl Failure {
    /// Options of the command line that the library refuses.
    pub fn options(error: &codegeex::Error) -> Self {
        Self::Usage(with_option_names(&error.to_string()))
    }

    /// Says what happened on stderr and gives the exit code.
    pub fn report(self) -> ExitCode {
        let (message, code) = match &self {
            // The reader of the output has closed it.
            Self::Stdout(e) if e.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Self::Library(e) if e.kind() == ErrorKind::Cancelled => {
                ("interrupted".to_owned(), ExitCode::from(INTERRUPTED))
            }
            Self::Usage(_) => (format!("error: {self}"), ExitCode::from(2)),
            _ => (format!("error: {self}"), ExitCode::FAILURE),
        };
        // Without stderr there is no place left to report it.
        let _ = writeln!(io::stderr(), "{message}");
        code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) => f.write_str(message),
            Self::Library(error) => {
                match error.kind() {
                    // Some values are checked only when the model is known.
                    ErrorKind::InvalidArgument | ErrorKind::TokenOutOfRange => {
                        f.write_str(&with_option_names(&error.to_string()))?;
                    }
                    _ => write!(f, "{error}")?,
                }
                let mut cause = error.source();
                while let Some(e) = cause {
                    write!(f, ": {e}")?;
                    cause = e.source();
                }
                Ok(())
            }
            Self::Stdin(error) => write!(f, "cannot read standard input: {error}"),
            Self::Stdout(error) => write!(f, "cannot write to standard output: {error}"),
            Self::Lines(1) => f.write_str("one line of the input was answered with an error"),
            Self::Lines(n) => write!(f, "{n} lines of the input were answered with an error"),
        }
    }
}
