//! Running what was built, and judging how it ended.
//!
//! A program passes if its harness says so after the tests: with a random line that this process
//! makes for every run and hands over on standard input, where the harness takes it before the
//! program begins. It is in no file, argument or variable. A program that ends early with exit code
//! 0 does not print it. What this is not: proof against a program that was written against this
//! harness and searches the memory of its own process. Solution and tests share one, as in the
//! reference; only the tests can tell whether results are right.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::sandbox::{Access, Command, End, Folder, Limits, Outcome, Sandbox};
use super::super::verdict::{Judgement, Verdict};
use super::Toolchain;
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};

/// Bytes that a program may write to files, and a build.
const DISK: u64 = 256 << 20;

/// What a worker runs programs with.
pub(in super::super) struct Context<'a> {
    pub sandbox: &'a Sandbox,
    pub cancel: &'a CancelToken,
    /// What a program may use.
    pub run: Limits,
    /// What a build may use.
    pub build: Limits,
}

/// A program that can be run.
pub(in super::super) struct Artifact {
    pub folder: Folder,
    pub program: OsString,
    pub args: Vec<OsString>,
    pub env: Vec<(OsString, OsString)>,
    /// Parts of the machine that it sees.
    pub mounts: Vec<PathBuf>,
    /// Caches that it may write to a copy of.
    pub copies: Vec<PathBuf>,
    /// What the artifact needs on the disk until it has run.
    pub keep: Option<std::sync::Arc<tempfile::TempDir>>,
    /// Wall time of building it.
    pub seconds: f64,
    /// Whether running it builds it too.
    pub also_builds: bool,
}

/// What became of a build.
pub(in super::super) enum Built {
    Artifact(Box<Artifact>),
    /// With the wall time that it took.
    Failed(Judgement, f64),
}

/// What is known of a run that ended by itself.
pub(in super::super) struct Failure<'a> {
    pub end: End,
    /// What the harness says: a word such as `wrong_answer`.
    pub word: Option<&'a str>,
    /// Standard output without what the harness wrote.
    pub stdout: &'a str,
    pub stderr: &'a str,
}

/// A program that has run.
pub(in super::super) struct Finished {
    pub judgement: Judgement,
    pub seconds: f64,
    /// Bytes.
    pub peak_memory: u64,
}

impl Artifact {
    pub fn new(folder: Folder, program: impl Into<OsString>, outcome: Option<&Outcome>) -> Self {
        Self {
            folder,
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            mounts: Vec::new(),
            copies: Vec::new(),
            keep: None,
            seconds: outcome.map_or(0.0, |o| o.wall.as_secs_f64()),
            also_builds: false,
        }
    }

    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    pub fn mounts(mut self, mounts: &[PathBuf]) -> Self {
        self.mounts.extend_from_slice(mounts);
        self
    }
}

impl Context<'_> {
    /// An empty folder for one program.
    pub fn folder(&self) -> Result<Folder> {
        self.sandbox.folder(DISK)
    }

    /// Runs a step of a build. It sees the mounts and the folder.
    pub fn build_step(
        &self,
        folder: &Folder,
        program: &Path,
        args: &[OsString],
        env: &[(&str, &str)],
        mounts: &[PathBuf],
    ) -> Result<Outcome> {
        let mut command = Command::new(program, folder)
            .args(args)
            .limits(self.build.clone());
        for (name, value) in env {
            command = command.env(name, value);
        }
        for path in mounts {
            command = show(command, path);
        }
        let outcome = self.sandbox.run(&command, self.cancel)?;
        self.not_cancelled(&outcome)?;
        Ok(outcome)
    }

    fn not_cancelled(&self, outcome: &Outcome) -> Result<()> {
        if outcome.end == End::Cancelled {
            self.cancel.check()?;
            return Err(Error::new(ErrorKind::Cancelled, "cancelled"));
        }
        Ok(())
    }

    /// The verdict of a build that did not succeed.
    pub fn failed_build(&self, outcome: &Outcome, is_error: impl Fn(&str) -> bool) -> Judgement {
        if let Some(judgement) = crossed(outcome.end, &self.build, "the compiler ") {
            return judgement;
        }
        let said = String::from_utf8_lossy(&outcome.stderr);
        let said = if said.trim().is_empty() {
            String::from_utf8_lossy(&outcome.stdout)
        } else {
            said
        };
        let line = super::super::verdict::line_of(&said, is_error);
        Judgement::new(Verdict::CompileError, line)
    }

    /// Runs an artifact and judges it.
    pub fn run(&self, artifact: &Artifact, toolchain: &dyn Toolchain) -> Result<Finished> {
        let nonce = nonce()?;
        let mut limits = self.run.clone();
        if artifact.also_builds {
            limits = self.build.clone();
            limits.output = self.run.output;
        }
        let mut command = Command::new(&artifact.program, &artifact.folder)
            .args(&artifact.args)
            .limits(limits);
        if !toolchain.trusts_exit_code() {
            command = command.stdin(format!("{nonce}\n"));
        }
        for (name, value) in &artifact.env {
            command = command.env(name, value);
        }
        for path in &artifact.mounts {
            command = show(command, path);
        }
        for path in &artifact.copies {
            command = command.mount(path, path, Access::CopyOnWrite);
        }
        let outcome = self.sandbox.run(&command, self.cancel)?;
        self.not_cancelled(&outcome)?;
        Ok(Finished {
            judgement: self.judge(&outcome, &nonce, toolchain),
            seconds: outcome.wall.as_secs_f64(),
            peak_memory: outcome.peak_memory,
        })
    }

    fn judge(&self, outcome: &Outcome, nonce: &str, toolchain: &dyn Toolchain) -> Judgement {
        if let Some(judgement) = crossed(outcome.end, &self.run, "") {
            return judgement;
        }
        let stdout = String::from_utf8_lossy(&outcome.stdout);
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        let (printed, word) = report(&stdout, nonce);
        let failure = Failure {
            end: outcome.end,
            word: word.as_deref(),
            stdout: &printed,
            stderr: &stderr,
        };
        let ran = toolchain.trusts_exit_code() || failure.word == Some("passed");
        if outcome.end.is_success() && ran {
            let objection = toolchain.objection(&failure);
            return objection.unwrap_or_else(Judgement::passed);
        }
        if outcome.end.is_success() && failure.word.is_none() {
            let reason = "ended with exit code 0 before the tests did";
            return Judgement::new(Verdict::Exception, reason);
        }
        match failure.word {
            Some("compile_error") => failure.with(Verdict::CompileError, |_| false),
            Some("out_of_memory") => failure.with(Verdict::OutOfMemory, |_| false),
            Some("wrong_answer") => failure.with(Verdict::WrongAnswer, |_| false),
            Some("exception") => failure.with(Verdict::Exception, |_| false),
            _ => toolchain.explain(&failure),
        }
    }
}

impl Failure<'_> {
    /// A verdict with the line of standard error for which `wanted` holds, or its last, or how the
    /// program ended.
    pub fn with(&self, verdict: Verdict, wanted: impl Fn(&str) -> bool) -> Judgement {
        let line = super::super::verdict::line_of(self.stderr, wanted);
        if line.is_empty() {
            return Judgement::new(verdict, self.ended());
        }
        Judgement::new(verdict, line)
    }

    /// How it ended, in words.
    pub fn ended(&self) -> String {
        match self.end {
            End::Exited(code) => format!("ended with exit code {code}"),
            End::Signal(signal) => format!("ended by signal {signal}{}", name_of(signal)),
            other => other.to_string(),
        }
    }
}

fn name_of(signal: i32) -> &'static str {
    match signal {
        4 => " (illegal instruction)",
        6 => " (aborted)",
        7 => " (bus error)",
        8 => " (arithmetic error)",
        9 => " (killed)",
        11 => " (segmentation fault)",
        _ => "",
    }
}

/// The verdict of a limit that was crossed. `who` used too much.
fn crossed(end: End, limits: &Limits, who: &str) -> Option<Judgement> {
    let seconds = |d: Duration| d.as_secs_f64();
    let (verdict, reason) = match end {
        End::TimedOut => (
            Verdict::TimedOut,
            format!(
                "{who}used more than {} s of processor time or {} s in all",
                seconds(limits.cpu),
                seconds(limits.wall)
            ),
        ),
        End::OutOfMemory => (
            Verdict::OutOfMemory,
            format!("{who}used more than {} MiB of memory", limits.memory >> 20),
        ),
        End::OutputLimit => (
            Verdict::OutputLimit,
            format!("{who}printed more than {} bytes", limits.output),
        ),
        End::DiskLimit => (
            Verdict::OutputLimit,
            format!(
                "{who}wrote more than {} MiB to a file or {} MiB in all",
                limits.file_size >> 20,
                DISK >> 20
            ),
        ),
        _ => return None,
    };
    Some(Judgement::new(verdict, reason))
}

/// Splits the harness's line off what a program printed: the rest, and the word.
fn report(stdout: &str, nonce: &str) -> (String, Option<String>) {
    let Some(at) = stdout.rfind(nonce) else {
        return (stdout.to_owned(), None);
    };
    let (before, after) = stdout.split_at(at);
    let line = after.lines().next().unwrap_or_default();
    let rest = &after[line.len()..];
    let word = line[nonce.len()..].trim().to_owned();
    let before = before.strip_suffix('\n').unwrap_or(before);
    let rest = rest.strip_prefix('\n').unwrap_or(rest);
    (format!("{before}{rest}"), Some(word))
}

/// What of some folders the sandbox does not show anyway.
pub(super) fn outside_usr<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for path in paths {
        let path = path.as_ref().to_owned();
        if path.is_absolute() && !path.starts_with("/usr") && !out.contains(&path) {
            out.push(path);
        }
    }
    out
}

/// Shows a part of the machine that a program may read.
///
/// Root's sandbox has none of its rights and cannot look into root's own folders, where rustup and
/// others install; a copy on writing is made with them, of a file with the folder it lies in.
pub(super) fn show<'a>(command: Command<'a>, path: &Path) -> Command<'a> {
    if is_hidden(path) {
        let folder = match path.parent() {
            Some(parent) if path.is_file() => parent,
            _ => path,
        };
        return command.mount(folder, folder, Access::CopyOnWrite);
    }
    command.read_only(path)
}

#[cfg(unix)]
fn is_hidden(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0);
    let is_closed = |p: &Path| std::fs::metadata(p).is_ok_and(|m| m.mode() & 1 == 0);
    is_root && path.ancestors().skip(1).any(is_closed)
}

#[cfg(not(unix))]
fn is_hidden(_: &Path) -> bool {
    false
}

/// 128 random bits as hexadecimal digits.
fn nonce() -> Result<String> {
    use std::io::Read;
    let path = Path::new("/dev/urandom");
    let mut bytes = [0u8; 16];
    std::fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|e| Error::io(path, "read", e))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_taken_from_what_was_printed() {
        assert_eq!(report("a\nb", "xx"), ("a\nb".to_owned(), None));
        let passed = Some("passed".to_owned());
        assert_eq!(
            report("\nxx passed\n", "xx"),
            (String::new(), passed.clone())
        );
        assert_eq!(
            report("a\n\nxx passed\nb", "xx"),
            ("a\nb".to_owned(), passed)
        );
        assert_eq!(report("xx", "xx"), (String::new(), Some(String::new())));
    }

    #[test]
    fn nonces_differ() {
        let (a, b) = (nonce().unwrap(), nonce().unwrap());
        assert!(a.len() == 32 && a != b);
    }
}
