//! The sandbox on Linux, 5.14 or later.
//!
//! | module | what it is for |
//! |---|---|
//! | `folder`, `hold`, `plain_folder` | the private folder, and the namespaces that hold it |
//! | `detect` | which way works here |
//! | `bubblewrap`, `namespaces` (with `inside`, `root`), `plain` | ways to start a program |
//! | `view`, `overlay`, `limits`, `seccomp`, `cgroup` | what all of them hold a program to |
//! | `watch`, `usage`, `server` | what happens while it runs |
//! | `fork`, `stdio` | processes and their streams |

mod bubblewrap;
mod cgroup;
mod detect;
mod folder;
mod fork;
mod hold;
mod inside;
mod limits;
mod namespaces;
mod overlay;
mod plain;
mod plain_folder;
mod root;
mod seccomp;
mod server;
mod stdio;
mod usage;
mod view;
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) use folder::Folder;
pub(super) use server::Server;

use super::{Command, Outcome, Policy};
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use bubblewrap::Bubblewrap;
use cgroup::Cgroups;
use namespaces::Namespaces;
use stdio::Stdio3;
use watch::{Both, Kept, Launch};

#[derive(Debug, Clone)]
pub(super) struct Sandbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    mechanism: Mechanism,
    cgroups: Option<Arc<Cgroups>>,
}

#[derive(Debug)]
enum Mechanism {
    Bubblewrap(Bubblewrap),
    Namespaces(Namespaces),
    Plain,
}

/// How long a process that is forked may take until it executes a program.
const LONGEST_FORK: Duration = Duration::from_secs(10);

/// Whether a program was not started because something has its file open for writing. Not this library any
/// more; but what another thread forks in the meantime has a copy of the descriptor, until it executes.
/// Bubblewrap reports the system's text and no number.
fn is_open_for_writing(error: &Error) -> bool {
    error.to_string().contains("Text file busy")
}

impl Sandbox {
    pub(super) fn detect(policy: Policy) -> Result<Self> {
        detect::detect(policy)
    }

    fn new(mechanism: Mechanism) -> Self {
        let cgroups = Cgroups::detect();
        Self(Arc::new(Shared { mechanism, cgroups }))
    }

    pub(super) fn counts_kernel_memory(&self) -> bool {
        self.0.cgroups.as_ref().is_some_and(|c| c.is_enabled())
    }

    pub(super) fn name(&self) -> &'static str {
        match &self.0.mechanism {
            Mechanism::Bubblewrap(_) => "bubblewrap",
            Mechanism::Namespaces(_) => "namespaces",
            Mechanism::Plain => "none",
        }
    }

    pub(super) fn folder(&self, disk: u64) -> Result<Folder> {
        match &self.0.mechanism {
            Mechanism::Plain => Folder::plain(disk),
            _ => Folder::in_memory(disk),
        }
    }

    pub(super) fn make_writable(&self, path: &Path) -> Result<()> {
        match hold::programs_id() {
            Some(id) if !matches!(self.0.mechanism, Mechanism::Plain) => {
                std::os::unix::fs::chown(path, Some(id), Some(id))
                    .map_err(|e| Error::io(path, "give it to programs", e))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn run(&self, command: &Command, cancel: &CancelToken) -> Result<Outcome> {
        let start = Instant::now();
        loop {
            match self.run_once(command, cancel) {
                Err(e) if is_open_for_writing(&e) && start.elapsed() < LONGEST_FORK => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                done => return done,
            }
        }
    }

    fn run_once(&self, command: &Command, cancel: &CancelToken) -> Result<Outcome> {
        cancel.check()?;
        let limits = &command.limits;
        let (stdout, stdout_theirs) = watch::output_pipe()?;
        let (stderr, stderr_theirs) = watch::output_pipe()?;
        let stdio = Stdio3 {
            stdin: stdio::sealed(&command.stdin)?,
            stdout: stdout_theirs,
            stderr: stderr_theirs,
        };
        let mut group = self.prepare(command, stdio)?()?;
        let mut both = Both {
            stdout: Kept::new(stdout, limits.output),
            stderr: Kept::new(stderr, limits.output),
        };
        let wall = Some(limits.wall);
        let folder = &command.folder.0;
        let watched = watch::watch(&mut *group, limits, wall, folder, cancel, &mut both)?;
        Ok(Outcome {
            end: watched.end,
            stdout: both.stdout.bytes,
            stderr: both.stderr.bytes,
            wall: watched.wall,
            peak_memory: watched.peak_memory,
        })
    }

    pub(super) fn spawn(&self, command: &Command) -> Result<Server> {
        Server::spawn(self, command)
    }

    fn prepare(&self, command: &Command, stdio: Stdio3) -> Result<Launch> {
        let disk = command.folder.0.capacity();
        let cgroups = self.0.cgroups.as_ref();
        let cgroup = cgroups.and_then(|c| c.for_run(command.limits.memory, disk));
        match &self.0.mechanism {
            Mechanism::Bubblewrap(bubblewrap) => bubblewrap.prepare(command, stdio, cgroup),
            Mechanism::Namespaces(namespaces) => namespaces.prepare(command, stdio, cgroup),
            Mechanism::Plain => plain::prepare(command, stdio, cgroup),
        }
    }
}

fn failed(what: &str, source: impl Into<std::io::Error>) -> Error {
    let source = source.into();
    Error::new(
        ErrorKind::BackendUnavailable,
        format!("sandbox: cannot {what}: {source}"),
    )
    .with_source(source)
}
