//! What is run, what it sees of the machine, what it may use, and how it ended.
#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Folder;

/// How much a command may use. Crossing a limit ends it, all of its processes at once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Time by the clock on the wall.
    pub wall: Duration,
    /// Processor time of all processes together.
    pub cpu: Duration,
    /// Bytes of memory of all processes together. Address space that is only reserved, as by a
    /// JVM, does not count; an open socket or pipe counts as what it can hold.
    pub memory: u64,
    /// Processes and threads at the same time. More cannot be started; the command goes on.
    pub processes: u32,
    /// Bytes of each file that is written.
    pub file_size: u64,
    /// Bytes of standard output, and as many of standard error.
    pub output: usize,
    /// Open files of each process.
    pub open_files: u32,
}

impl Default for Limits {
    /// 10 s, 20 s of processor time, 1 GiB, 256 processes and threads, files of 64 MiB, 1 MiB of
    /// output, 256 open files.
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(10),
            cpu: Duration::from_secs(20),
            memory: 1 << 30,
            processes: 256,
            file_size: 64 << 20,
            output: 1 << 20,
            open_files: 256,
        }
    }
}

/// What a command may do with a part of the machine that it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Read and execute. A server's socket in it can be connected to, so show none.
    ReadOnly,
    /// A folder: write to a copy that only this run sees and that is gone afterwards: for a warm cache. What
    /// is written counts towards the disk limit of the [`Folder`].
    CopyOnWrite,
    /// Write. What one program leaves there the next one finds, so nothing may depend on it that a
    /// hostile program could forge.
    ReadWrite,
}

/// A file or folder of the machine that a command is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mount {
    /// Where it is on the machine; absolute.
    pub source: PathBuf,
    /// Where the command sees it; absolute.
    pub target: PathBuf,
    /// What the command may do with it.
    pub access: Access,
}

/// A program with its arguments and all that it is given.
///
/// It starts in [`Folder::INSIDE`] with an empty environment but for `PATH`, `HOME`, `TMPDIR` and
/// `LANG`. Of the machine it sees `/usr`, what belongs to it (`/bin`, `/lib*`, `/sbin`, and of `/etc` what
/// the linker and the alternatives of Debian need), its own `/proc`, a `/dev` with `null`, `full`,
/// `random`, `urandom` and `shm`, the [`Folder`], and what [`mount`](Command::mount) adds.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Command<'a> {
    /// A path as the command sees it, or a name to be found in its `PATH`.
    pub program: OsString,
    /// Arguments, without the program's name.
    pub args: Vec<OsString>,
    /// The environment; later ones replace earlier ones.
    pub env: Vec<(OsString, OsString)>,
    /// Standard input of [`run`](super::Sandbox::run). It need not be read to the end.
    pub stdin: Vec<u8>,
    /// The private folder.
    pub folder: &'a Folder,
    /// What else of the machine is shown, in this order; later ones cover earlier ones.
    pub mounts: Vec<Mount>,
    /// What it may use.
    pub limits: Limits,
}

impl<'a> Command<'a> {
    /// A command without arguments, with the default limits.
    pub fn new(program: impl AsRef<OsStr>, folder: &'a Folder) -> Self {
        let env = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("HOME", Folder::INSIDE),
            ("TMPDIR", "/tmp"),
            ("LANG", "C.UTF-8"),
        ];
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: env.map(|(k, v)| (k.into(), v.into())).to_vec(),
            stdin: Vec::new(),
            folder,
            mounts: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        self.args.extend(args);
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Shows a file or folder at the same place, read-only.
    #[must_use]
    pub fn read_only(self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        self.mount(path, path, Access::ReadOnly)
    }

    /// Shows a file or folder.
    #[must_use]
    pub fn mount(
        mut self,
        source: impl AsRef<Path>,
        target: impl AsRef<Path>,
        access: Access,
    ) -> Self {
        self.mounts.push(Mount {
            source: source.as_ref().to_owned(),
            target: target.as_ref().to_owned(),
            access,
        });
        self
    }

    /// Sets what it may use.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// By itself, with this code. Processes that it left behind are dead.
    Exited(i32),
    /// By a signal with this number, that it caused itself.
    ///
    /// Bubblewrap tells a signal as a shell does, so there an exit code of 129 to 192 counts as one.
    Signal(i32),
    /// [`Limits::wall`] or [`Limits::cpu`] was used up.
    TimedOut,
    /// [`Limits::memory`] was used up.
    OutOfMemory,
    /// [`Limits::output`] was used up.
    OutputLimit,
    /// The folder was full, or a file larger than [`Limits::file_size`] ended the program.
    DiskLimit,
    /// The caller asked.
    Cancelled,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "ended with exit code {code}"),
            Self::Signal(number) => write!(f, "ended by signal {number}"),
            Self::TimedOut => f.write_str("ran out of time"),
            Self::OutOfMemory => f.write_str("ran out of memory"),
            Self::OutputLimit => f.write_str("printed too much"),
            Self::DiskLimit => f.write_str("wrote too much to files"),
            Self::Cancelled => f.write_str("was cancelled"),
        }
    }
}

impl End {
    /// Whether the command ended by itself with code 0.
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }
}

/// What a run came to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// The first [`Limits::output`] bytes of standard output.
    pub stdout: Vec<u8>,
    /// The first [`Limits::output`] bytes of standard error.
    pub stderr: Vec<u8>,
    /// Time from the start to the end.
    pub wall: Duration,
    /// The most memory of all processes together that was seen; looked at every few milliseconds,
    /// so 0 for a short run.
    pub peak_memory: u64,
}
