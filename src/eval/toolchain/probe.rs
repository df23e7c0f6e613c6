//! Finding out what is installed, by asking the tools themselves.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::super::dataset::EvalLanguage;
use crate::cancel::CancelToken;
use crate::error::{Error, Result, bail};

/// Something that a language needs and this machine does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// The language.
    pub language: EvalLanguage,
    /// What is missing.
    pub what: String,
    /// How to get it, as a command where there is one.
    pub install: String,
}

impl Missing {
    pub(super) fn new(language: EvalLanguage, what: &str, install: &str) -> Self {
        Self {
            language,
            what: what.to_owned(),
            install: install.to_owned(),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.language, self.what, self.install)
    }
}

/// What a command prints to standard output, if it is there and succeeds.
pub(super) fn ask(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Feeds a compiler a text; whether it takes it.
pub(super) fn takes(program: &Path, args: &[&str], text: &str) -> bool {
    use std::io::Write;
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        return false;
    };
    // A compiler that does not read it has failed and says so by its exit code.
    let _ = child.stdin.take().map(|mut i| i.write_all(text.as_bytes()));
    child.wait().is_ok_and(|status| status.success())
}

/// The program of a name in `PATH`.
pub(super) fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_absolute() && file.is_file())
}

/// Runs a command of a toolchain outside of the sandbox and returns what it prints.
pub(super) fn run(command: &mut Command, cancel: &CancelToken) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |doing, e| Error::io(Path::new(&name), doing, e);
    // Files, as a pipe without a reader would block the command.
    let file = || tempfile::tempfile().map_err(|e| failed("make a file for the output of", e));
    let (mut stdout, mut stderr) = (file()?, file()?);
    let share = |file: &File| file.try_clone().map_err(|e| failed("give a file to", e));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(share(&stdout)?)
        .stderr(share(&stderr)?)
        .spawn()
        .map_err(|e| failed("run", e))?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|e| failed("wait for", e))? {
            break status;
        }
        if let Err(cancelled) = cancel.check() {
            // Either may fail when it has ended just now.
            let _ = child.kill();
            let _ = child.wait();
            return Err(cancelled);
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let read = |file: &mut File| {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.read_to_end(&mut bytes))
            .map_err(|e| failed("read the output of", e))?;
        Ok::<_, Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    if !status.success() {
        let said = read(&mut stderr)?;
        let tail: Vec<&str> = said.trim().lines().rev().take(8).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        let args: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
        bail!(
            BackendUnavailable,
            "`{name} {}` failed with {}: {}",
            args.join(" "),
            status,
            tail.join("\n")
        );
    }
    read(&mut stdout)
}
