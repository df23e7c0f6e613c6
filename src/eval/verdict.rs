//! Verdicts: what became of a program, and why. Only the passing of tests counts for pass@k; the
//! rest is for people who want to know what a model gets wrong.

use std::fmt;

/// What became of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Verdict {
    /// It ran through all tests.
    Passed,
    /// A test says that a result is wrong.
    WrongAnswer,
    /// It ended in another way before its tests did: an exception, a crash, an exit.
    Exception,
    /// It is not a program: the compiler refuses it, or the parser where there is none.
    CompileError,
    /// It used up its time, or its compiler did.
    TimedOut,
    /// It used up its memory.
    OutOfMemory,
    /// It printed or wrote to disk too much.
    OutputLimit,
    /// The record is no sample that can be run: it has no program, or is of a problem that is not there.
    InvalidSample,
}

impl Verdict {
    /// All, in the order in which reports list them.
    pub const ALL: [Self; 8] = [
        Self::Passed,
        Self::WrongAnswer,
        Self::Exception,
        Self::CompileError,
        Self::TimedOut,
        Self::OutOfMemory,
        Self::OutputLimit,
        Self::InvalidSample,
    ];

    /// Its name in results: `passed`, `wrong_answer`, `exception`, `compile_error`, `timed_out`,
    /// `out_of_memory`, `output_limit`, `invalid_sample`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::WrongAnswer => "wrong_answer",
            Self::Exception => "exception",
            Self::CompileError => "compile_error",
            Self::TimedOut => "timed_out",
            Self::OutOfMemory => "out_of_memory",
            Self::OutputLimit => "output_limit",
            Self::InvalidSample => "invalid_sample",
        }
    }

    /// The verdict of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.name() == name)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The reason, at most about 300 characters; `passed` where it passed.
    pub reason: String,
}

/// Characters of a reason.
const REASON: usize = 300;

impl Judgement {
    pub(super) fn new(verdict: Verdict, reason: impl AsRef<str>) -> Self {
        let reason = excerpt(reason.as_ref());
        Self { verdict, reason }
    }

    pub(super) fn passed() -> Self {
        Self::new(Verdict::Passed, "passed")
    }
}

/// The beginning of a text on one line, without control characters.
fn excerpt(text: &str) -> String {
    let mut out = String::new();
    for (n, c) in text.trim().chars().enumerate() {
        if n == REASON {
            out.push('…');
            break;
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}

/// The first line for which `wanted` holds, else the last that is not blank.
pub(super) fn line_of(text: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut lines = text.lines().filter(|l| !l.trim().is_empty());
    let last = text.lines().rev().find(|l| !l.trim().is_empty());
    let found = lines.find(|l| wanted(l)).or(last);
    found.unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::from_name(verdict.name()), Some(verdict));
        }
        assert_eq!(Verdict::from_name("Passed"), None);
    }

    #[test]
    fn reasons_are_short_and_of_one_line() {
        let long = Judgement::new(Verdict::Exception, "é\n\u{1b}".repeat(200));
        assert_eq!(long.reason.chars().count(), REASON + 1);
        assert!(!long.reason.contains(['\n', '\u{1b}']));
        assert_eq!(
            line_of("a\n\nerror: b\nc\n\n", |l| l.contains("error")),
            "error: b"
        );
        assert_eq!(line_of("a\nb\n\n", |l| l.contains("error")), "b");
        assert_eq!(line_of("\n", |_| true), "");
    }
}
