//! The one error type of the crate: a kind with a stable number, a sentence of context, and a
//! source.
//!
//! Every message says what was found, what was expected and what to do about it; the kind is
//! what a program branches on. What this module does not do: wrap a dependency's error type in
//! its public interface. Those end up behind [`std::error::Error::source`].
#![forbid(unsafe_code)]

use std::fmt::{self, Write as _};
use std::path::Path;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What went wrong, for programs to branch on.
///
/// The numbers are grouped by hundreds and never reused; the C ABI returns the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum ErrorKind {
    /// An argument is outside what the function accepts.
    InvalidArgument = 100,
    /// A token id is not below the vocabulary size of the model.
    TokenOutOfRange = 101,
    /// A sequence would grow past the positions that the model has.
    ContextOverflow = 102,
    /// A state was handed to a model that did not make it.
    StateMismatch = 103,
    /// Reading or writing failed in the operating system.
    Io = 200,
    /// A file or folder does not exist.
    NotFound = 201,
    /// A file breaks the rules of its own format: truncated, overlapping, overflowing.
    MalformedFile = 300,
    /// A file is well-formed but uses something that this crate does not read.
    UnsupportedFile = 301,
    /// A checkpoint lacks a tensor that the model needs.
    MissingTensor = 302,
    /// A tensor has another shape than the model's configuration says.
    ShapeMismatch = 303,
    /// Nothing says how the model is configured.
    MissingConfig = 304,
    /// A model configuration contradicts itself or is outside what is supported.
    InvalidConfig = 305,
    /// Bytes are not valid UTF-8 where text is needed.
    InvalidUtf8 = 400,
    /// A tokenizer vocabulary is inconsistent.
    InvalidVocabulary = 401,
    /// A computation met NaN or infinity where a number is needed.
    NonFinite = 500,
    /// An allocation was refused, by the system or by a limit that was set.
    OutOfMemory = 501,
    /// A backend or an instruction set is not available on this machine.
    BackendUnavailable = 502,
    /// There is no room at the moment; the same call may succeed later.
    Busy = 503,
    /// The caller asked to stop.
    Cancelled = 600,
    /// A broken invariant of this crate: please report it.
    Internal = 900,
}

impl ErrorKind {
    /// Every kind, in the order of the codes.
    pub const ALL: [ErrorKind; 20] = [
        Self::InvalidArgument,
        Self::TokenOutOfRange,
        Self::ContextOverflow,
        Self::StateMismatch,
        Self::Io,
        Self::NotFound,
        Self::MalformedFile,
        Self::UnsupportedFile,
        Self::MissingTensor,
        Self::ShapeMismatch,
        Self::MissingConfig,
        Self::InvalidConfig,
        Self::InvalidUtf8,
        Self::InvalidVocabulary,
        Self::NonFinite,
        Self::OutOfMemory,
        Self::BackendUnavailable,
        Self::Busy,
        Self::Cancelled,
        Self::Internal,
    ];

    /// The stable number of this kind.
    pub const fn code(self) -> i32 {
        self as i32
    }
}

/// An error of this crate.
///
/// [`fmt::Display`] prints the context alone; further causes are behind
/// [`source`](std::error::Error::source). A chain says nothing twice: a cause that the context tells
/// already is not in it. [`fmt::Debug`] is for people too, since a `main` that returns an error prints
/// that: the context, the kind, and the further causes.
pub struct Error {
    kind: ErrorKind,
    context: String,
    source: Option<Source>,
    /// Whether the context has the text of `source` in it.
    told: bool,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source: &(dyn std::error::Error + 'static) = self.source.as_deref()?;
        match self.told {
            true => source.source(),
            false => Some(source),
        }
    }
}

impl Error {
    /// An error of `kind` with a sentence of context.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self {
            kind,
            context: context.into(),
            source: None,
            told: false,
        }
    }

    /// Attaches the error that caused this one. Where the context ends with its text or quotes it,
    /// the chain of causes goes on with what lies behind it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        let source = source.into();
        self.told = self.context.contains(&source.to_string());
        self.source = Some(source);
        self
    }

    /// Adds what to do, behind a semicolon.
    #[must_use]
    pub(crate) fn advise(mut self, advice: impl fmt::Display) -> Self {
        self.context = format!("{}; {advice}", self.context);
        self
    }

    /// Puts `what` and a colon before the context: the file or the item that it is about.
    #[must_use]
    pub fn within(mut self, what: impl fmt::Display) -> Self {
        self.context = format!("{what}: {}", self.context);
        self
    }

    /// The error of a failed operation on `path`.
    pub fn io(path: &Path, doing: &str, source: std::io::Error) -> Self {
        let kind = match source.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::OutOfMemory => ErrorKind::OutOfMemory,
            _ => ErrorKind::Io,
        };
        Self::new(
            kind,
            format!("{}: cannot {doing}: {source}", path.display()),
        )
        .with_source(source)
    }

    /// The error of an allocation for `what` that was refused.
    pub(crate) fn out_of_memory(what: &str) -> Self {
        let context =
            format!("cannot allocate memory for {what}; free some memory or ask for less");
        Self::new(ErrorKind::OutOfMemory, context)
    }

    /// What a program branches on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence of context, without the causes.
    pub fn context(&self) -> &str {
        &self.context
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f
                .debug_struct("Error")
                .field("kind", &self.kind)
                .field("context", &self.context)
                .field("source", &self.source)
                .finish();
        }
        write!(f, "{} ({:?})", self.context, self.kind)?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, "\n  caused by: {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl From<std::collections::TryReserveError> for Error {
    fn from(error: std::collections::TryReserveError) -> Self {
        Self::new(
            ErrorKind::OutOfMemory,
            format!("{error}; free memory or ask for less"),
        )
    }
}

/// The beginning of a text that comes from outside, for a message: what is quoted has a bound.
pub(crate) fn excerpt(text: &str) -> impl fmt::Display {
    struct Excerpt<'t>(&'t str);
    impl fmt::Display for Excerpt<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let most = self.0.floor_char_boundary(EXCERPT);
            match most < self.0.len() {
                true => write!(f, "{:?}… ({} bytes)", &self.0[..most], self.0.len()),
                false => write!(f, "{:?}", self.0),
            }
        }
    }
    Excerpt(text)
}

/// A name that comes from outside, for a message: between backticks, on one line, and not longer
/// than an [`excerpt`].
pub(crate) fn quoted(name: &str) -> impl fmt::Display {
    struct Quoted<'t>(&'t str);
    impl fmt::Display for Quoted<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let most = self.0.floor_char_boundary(EXCERPT);
            f.write_char('`')?;
            for c in self.0[..most].chars() {
                match c {
                    '"' | '\'' => f.write_char(c)?,
                    _ => c.escape_debug().fmt(f)?,
                }
            }
            match most < self.0.len() {
                true => write!(f, "…` ({} bytes)", self.0.len()),
                false => f.write_char('`'),
            }
        }
    }
    Quoted(name)
}

/// Bytes of an [`excerpt`].
const EXCERPT: usize = 200;

/// What a parser says about text from outside, which it quotes as it is and without a bound: the
/// beginning and the end, where the place is.
pub(crate) fn parser_message(error: impl fmt::Display) -> impl fmt::Display {
    struct Message(String);
    impl fmt::Display for Message {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let text = &self.0;
            if text.len() <= 2 * EXCERPT {
                return write_visible(f, text);
            }
            write_visible(f, &text[..text.floor_char_boundary(EXCERPT)])?;
            write!(f, "…")?;
            write_visible(f, &text[text.ceil_char_boundary(text.len() - EXCERPT)..])
        }
    }
    Message(error.to_string())
}

/// Writes a text; characters that cannot be seen are escaped.
fn write_visible(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => f.write_char(c)?,
            c => write!(f, "{}", c.escape_debug())?,
        }
    }
    Ok(())
}

/// Returns early with an [`Error`] of a kind and a formatted context.
macro_rules! bail {
    ($kind:ident, $($arg:tt)*) => {
        return Err($crate::error::Error::new(
            $crate::error::ErrorKind::$kind,
            format!($($arg)*),
        ))
    };
}
pub(crate) use bail;

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn names_from_outside_are_escaped_and_cut() {
        assert_eq!(quoted("a'b\n\u{1b}[2J").to_string(), "`a'b\\n\\u{1b}[2J`");
        let long = "é".repeat(500);
        let text = quoted(&long).to_string();
        assert_eq!(text, format!("`{}…` (1000 bytes)", "é".repeat(100)));
    }

    #[test]
    fn codes_are_unique_and_grouped() {
        let mut codes: Vec<i32> = ErrorKind::ALL.iter().map(|k| k.code()).collect();
        let n = codes.len();
        assert!(codes.is_sorted());
        codes.dedup();
        assert_eq!(codes.len(), n, "two kinds share a code");
        assert!(codes.iter().all(|c| (100..1000).contains(c)));
    }

    #[test]
    fn debug_is_for_people() {
        let inner = Error::new(ErrorKind::Io, "the disk is on fire");
        let error = Error::new(ErrorKind::OutOfMemory, "no room").with_source(inner);
        assert_eq!(
            format!("{error:?}"),
            "no room (OutOfMemory)\n  caused by: the disk is on fire"
        );
        let cause = std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = format!("{:?}", Error::io(Path::new("x"), "open", cause));
        assert_eq!(error.matches("not found").count(), 1, "{error}");
    }

    #[test]
    fn what_comes_from_outside_is_visible_and_has_a_bound() {
        assert_eq!(
            quoted("a.\"b\"\u{1b}[2J\u{202e}é").to_string(),
            "`a.\"b\"\\u{1b}[2J\\u{202e}é`"
        );
        let long = "é".repeat(500);
        let cut = format!("`{}…` (1000 bytes)", "é".repeat(100));
        assert_eq!(quoted(&long).to_string(), cut);
        assert_eq!(parser_message("line\n1").to_string(), "line\\n1");
        let message = parser_message(format!("`{long}` is unknown at line 3")).to_string();
        assert!(
            message.len() < 450 && message.ends_with("é` is unknown at line 3"),
            "{message}"
        );
    }

    #[test]
    fn a_cause_is_told_once() {
        let cause = || std::io::Error::from_raw_os_error(2);
        let text = cause().to_string();
        let error = Error::io(Path::new("nowhere.pt"), "open", cause());
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            format!("nowhere.pt: cannot open: {text}")
        );
        assert!(error.source().is_none());
        // What lies behind a cause that is told, and a cause that is not.
        let outer = Error::new(ErrorKind::Io, format!("cannot load: {error}")).with_source(error);
        assert!(outer.source().is_none());
        let inner = Error::new(ErrorKind::Io, "the middle").with_source(cause());
        let outer = Error::new(ErrorKind::Io, "cannot load: the middle").with_source(inner);
        assert_eq!(outer.source().unwrap().to_string(), text);
        let error = Error::new(ErrorKind::Io, "cannot load").with_source(cause());
        assert_eq!(error.within("model").source().unwrap().to_string(), text);
    }
}
