//! Runs untrusted programs: on Linux, through bubblewrap or through namespaces and
//! seccomp of our own. Elsewhere there is no sandbox, and [`Sandbox::detect`] says so.
//!
//! A program has no network, sees a read-only part of the machine and no other processes, writes to
//! a private [`Folder`] in memory alone, and is ended with all that it started when it crosses a
//! limit, when it ends itself, and when this process ends. What it is not for: hiding the machine's
//! load or its clock from the program, and holding back one that knows an unfixed hole of the kernel.
//!
//! Memory is that of the processes' pages, looked at every few milliseconds, and what their open sockets
//! and pipes can hold at most. Where this process can make a control group (see
//! [`Sandbox::counts_kernel_memory`]), the kernel holds a program to little more, all that it keeps for it
//! counted. Starting a program forks this process, which takes longer the more memory of its own it has.
//!
//! ```no_run
//! use codegeex::cancel::CancelToken;
//! use codegeex::eval::sandbox::{Command, End, Policy, Sandbox};
//!
//! # fn main() -> codegeex::Result<()> {
//! let sandbox = Sandbox::detect(Policy::Auto)?;
//! let folder = sandbox.folder(64 << 20)?;
//! folder.write("hello.py", b"print('hello')")?;
//! let command = Command::new("python3", &folder).arg("hello.py");
//! let outcome = sandbox.run(&command, &CancelToken::new())?;
//! assert_eq!((outcome.end, outcome.stdout), (End::Exited(0), b"hello\n".to_vec()));
//! # Ok(())
//! # }
//! ```

mod command;
#[cfg(target_os = "linux")]
#[path = "linux/mod.rs"]
mod os;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod os;

use std::io::{Read, Write};
use std::path::Path;
use std::time::Instant;

pub use command::{Access, Command, End, Limits, Mount, Outcome};

use crate::cancel::CancelToken;
use crate::error::Result;

/// What stands between a program and the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Policy {
    /// Bubblewrap where it works, else namespaces.
    #[default]
    Auto,
    /// The program `bwrap`, version 0.5 or later.
    Bubblewrap,
    /// Namespaces and seccomp, without another program.
    Namespaces,
    /// No isolation: programs can read and write all that this process can. Limits hold as far as they
    /// can without isolation: the number of processes is not limited, and a program that wants to can
    /// leave some behind. [`Folder::INSIDE`] is not there, so name files relative to it, and every
    /// mount is what it is on the machine, whatever its [`Access`].
    None,
}

/// A way to run programs, found to work on this machine. Clones share it; any number of threads
/// may use it at once.
#[derive(Debug, Clone)]
pub struct Sandbox(os::Sandbox);

impl Sandbox {
    /// Finds what works here, by running a program in it. An error says what is missing and how to
    /// get it; nothing is run unsandboxed unless `policy` is [`Policy::None`].
    pub fn detect(policy: Policy) -> Result<Self> {
        os::Sandbox::detect(policy).map(Self)
    }

    /// `bubblewrap`, `namespaces` or `none`.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// Whether programs are kept from the machine at all.
    pub fn is_isolated(&self) -> bool {
        self.name() != "none"
    }

    /// Whether each program runs in a control group with a limit of memory, so that everything that the
    /// kernel keeps for it counts: with version 1 as root, with version 2 where a part of the hierarchy is
    /// delegated to this user.
    pub fn counts_kernel_memory(&self) -> bool {
        self.0.counts_kernel_memory()
    }

    /// A private folder that holds `disk` bytes, everything in it counted.
    pub fn folder(&self, disk: u64) -> Result<Folder> {
        self.0.folder(disk).map(Folder)
    }

    /// Lets programs write to `path`, an existing folder of the machine, where it is mounted for
    /// writing: as root, who programs do not run as, gives it to them.
    pub fn make_writable(&self, path: impl AsRef<Path>) -> Result<()> {
        self.0.make_writable(path.as_ref())
    }

    /// Runs `command` to its end. Errors are those of the sandbox itself, among them a program
    /// that cannot be started ([`NotFound`](crate::ErrorKind::NotFound) where it does not exist); what the
    /// program does is in the outcome.
    pub fn run(&self, command: &Command, cancel: &CancelToken) -> Result<Outcome> {
        self.0.run(command, cancel)
    }

    /// Starts `command` and leaves it running, to talk to. [`Command::stdin`] is not used, standard
    /// error is kept as for a run, and neither standard output nor [`Limits::wall`] limits it;
    /// [`Limits::cpu`] does. Its standard input is a socket, which it cannot open by name.
    pub fn spawn(&self, command: &Command) -> Result<Server> {
        self.0.spawn(command).map(Server)
    }
}

/// A private folder of programs, gone when it is dropped. Runs that are given the same one see what
/// earlier ones left in it and in `/tmp`.
#[derive(Debug)]
pub struct Folder(os::Folder);

impl Folder {
    /// Where a program sees it.
    pub const INSIDE: &str = "/tmp/w";

    /// Where this process sees it. Not for other processes, and once a program has run in it, not
    /// for anything that would follow links: [`write`](Self::write) and [`read`](Self::read) do not.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file that programs can read and execute; `name` is relative, folders on the way are
    /// made, and an existing file is replaced.
    pub fn write(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
        self.0.write(name.as_ref(), bytes)
    }

    /// Reads a file, at most `max` bytes of it. A link, anything but a plain file and a larger file
    /// are errors: programs may have put them there.
    pub fn read(&self, name: impl AsRef<Path>, max: u64) -> Result<Vec<u8>> {
        self.0.read(name.as_ref(), max)
    }
}

/// A sandboxed program that runs until it is dropped, and then is dead with all that it started.
#[derive(Debug)]
pub struct Server(os::Server);

impl Server {
    /// Its standard input. Writing fails once it has ended.
    pub fn stdin(&mut self) -> &mut (impl Write + use<>) {
        self.0.stdin()
    }

    /// Closes its standard input.
    pub fn close_stdin(&mut self) {
        self.0.close_stdin();
    }

    /// Its standard output. Reading ends (0 bytes) once it has ended; from the instant of
    /// [`set_deadline`](Self::set_deadline) on it fails with [`TimedOut`](std::io::ErrorKind::TimedOut).
    pub fn stdout(&mut self) -> &mut (impl Read + use<>) {
        self.0.stdout()
    }

    /// From when on reading and writing fail.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.0.set_deadline(deadline);
    }

    /// How it ended, once it has.
    pub fn end(&self) -> Option<End> {
        self.0.end()
    }

    /// What it has written to standard error so far, the first [`Limits::output`] bytes.
    pub fn stderr(&self) -> Vec<u8> {
        self.0.stderr()
    }
}
