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

impl Failure {
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
                write!(f, "{error}")?;
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
