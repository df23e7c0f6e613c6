//! The sandbox on Linux, 5.14 or later.
//!
//! | module | what it is for |
//! |---|---|
//! | `folder`, `hold` | the private folder, and the namespaces that hold it |
//! | `bubblewrap`, `namespaces`, `plain` | ways to start a program |
//! | `view`, `overlay`, `limits`, `seccomp` | what all of them hold a program to |
//! | `watch`, `usage`, `server` | what happens while it runs |
//! | `fork`, `stdio` | processes and their streams |

mod bubblewrap;
mod folder;
mod fork;
mod hold;
mod limits;
mod overlay;
mod seccomp;
mod server;
mod stdio;
mod usage;
mod view;
mod watch;

use std::sync::Arc;

pub(super) use folder::Folder;
pub(super) use server::Server;

use super::{Command, Outcome, Policy};
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result, bail};
use bubblewrap::Bubblewrap;
use stdio::Stdio3;
use watch::{Both, Kept, Launch};

#[derive(Debug, Clone)]
pub(super) struct Sandbox(Arc<Mechanism>);

#[derive(Debug)]
enum Mechanism {
    Bubblewrap(Bubblewrap),
}

impl Sandbox {
    pub(super) fn detect(policy: Policy) -> Result<Self> {
        let mechanism = match policy {
            Policy::Auto | Policy::Bubblewrap => Mechanism::Bubblewrap(Bubblewrap::find(
                view::of_this_machine(),
                seccomp::program()?,
            )?),
            _ => bail!(BackendUnavailable, "sandbox: not there yet"),
        };
        Ok(Self(Arc::new(mechanism)))
    }

    pub(super) fn name(&self) -> &'static str {
        match &*self.0 {
            Mechanism::Bubblewrap(_) => "bubblewrap",
        }
    }

    pub(super) fn folder(&self, disk: u64) -> Result<Folder> {
        Folder::in_memory(disk)
    }

    pub(super) fn run(&self, command: &Command, cancel: &CancelToken) -> Result<Outcome> {
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
        match &*self.0 {
            Mechanism::Bubblewrap(bubblewrap) => bubblewrap.prepare(command, stdio),
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
