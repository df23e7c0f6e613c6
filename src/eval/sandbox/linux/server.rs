//! A sandboxed program that is talked to while it runs.
#![forbid(unsafe_code)]

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

use super::stdio::Stdio3;
use super::watch::{self, Kept, Outputs};
use super::{Sandbox, failed};
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::eval::sandbox::{Command, End};

/// What the thread that watches the program has to tell.
#[derive(Debug, Default)]
struct Shared {
    end: Option<End>,
    stderr: Vec<u8>,
}

#[derive(Debug)]
pub(in crate::eval::sandbox) struct Server {
    stdin: Stdin,
    stdout: Stdout,
    shared: Arc<Mutex<Shared>>,
    stop: CancelToken,
    keeper: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn spawn(sandbox: &Sandbox, command: &Command) -> Result<Self> {
        // A socket and not a pipe: writing to one without a reader can be told not to
        // raise a signal, which would end a host that does not expect it.
        let (stdin, stdin_theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|e| failed("make a pair of sockets", e))?;
        let (stdout, stdout_theirs) = watch::output_pipe()?;
        let (stderr, stderr_theirs) = watch::output_pipe()?;
        let stdio = Stdio3 {
            stdin: stdin_theirs,
            stdout: stdout_theirs,
            stderr: stderr_theirs,
        };
        let shared = Arc::new(Mutex::new(Shared::default()));
        let stop = CancelToken::new();
        let mut outputs = Stderr {
            kept: Kept::new(stderr, command.limits.output),
            shared: shared.clone(),
        };
        let limits = command.limits.clone();
        let folder = command.folder.0.clone();
        let launch = sandbox.prepare(command, stdio)?;
        let (sender, started) = mpsc::channel();
        let (told, asked) = (shared.clone(), stop.clone());
        // The program ends with the thread that starts it, so that thread stays.
        let keep = move || {
            let mut group = match launch() {
                Ok(group) => group,
                Err(error) => {
                    let _ = sender.send(Err(error));
                    return;
                }
            };
            let _ = sender.send(Ok(()));
            let watched = watch::watch(&mut *group, &limits, None, &folder, &asked, &mut outputs);
            // A program that was never started has said so in its standard error.
            let end = watched.map_or(End::Exited(127), |watched| watched.end);
            drop(group);
            told.lock().unwrap_or_else(PoisonError::into_inner).end = Some(end);
        };
        let keeper = std::thread::Builder::new()
            .name("sandbox".to_owned())
            .spawn(keep)
            .map_err(|e| failed("start a thread", e))?;
        let lost = |_| Error::new(ErrorKind::Internal, "sandbox: a thread ended early");
        let result = started.recv().map_err(lost).flatten();
        let server = Self {
            stdin: Stdin {
                to: Some(stdin),
                deadline: None,
            },
            stdout: Stdout {
                from: stdout,
                deadline: None,
            },
            shared,
            stop,
            keeper: Some(keeper),
        };
        result.map(|()| server)
    }

    pub(in crate::eval::sandbox) fn stdin(&mut self) -> &mut (impl Write + use<>) {
        &mut self.stdin
    }

    pub(in crate::eval::sandbox) fn close_stdin(&mut self) {
        self.stdin.to = None;
    }

    pub(in crate::eval::sandbox) fn stdout(&mut self) -> &mut (impl Read + use<>) {
        &mut self.stdout
    }

    pub(in crate::eval::sandbox) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.stdin.deadline = deadline;
        self.stdout.deadline = deadline;
    }

    pub(in crate::eval::sandbox) fn end(&self) -> Option<End> {
        self.shared().end
    }

    pub(in crate::eval::sandbox) fn stderr(&self) -> Vec<u8> {
        self.shared().stderr.clone()
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

/// Standard error, given on as it comes.
struct Stderr {
    kept: Kept,
    shared: Arc<Mutex<Shared>>,
}

impl Outputs for Stderr {
    fn fds(&self) -> [Option<PollFd<'_>>; 2] {
        [self.kept.poll(), None]
    }

    fn take(&mut self) -> bool {
        let before = self.kept.bytes.len();
        self.kept.take();
        if let Some(new) = self.kept.bytes.get(before..).filter(|new| !new.is_empty()) {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.stderr.extend_from_slice(new);
        }
        self.kept.is_over
    }

    fn stderr(&self) -> &[u8] {
        &self.kept.bytes
    }
}

#[derive(Debug)]
struct Stdin {
    to: Option<OwnedFd>,
    deadline: Option<Instant>,
}

impl Write for Stdin {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let to = self.to.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        loop {
            match rustix::net::send(to, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(count) => return Ok(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => wait_until(to, PollFlags::OUT, self.deadline)?,
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Stdout {
    from: OwnedFd,
    deadline: Option<Instant>,
}

impl Read for Stdout {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match rustix::io::read(&self.from, &mut *buffer) {
                Ok(count) => return Ok(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => wait_until(&self.from, PollFlags::IN, self.deadline)?,
                Err(e) => return Err(e.into()),
            }
        }
    }
}

fn wait_until(fd: &OwnedFd, what: PollFlags, deadline: Option<Instant>) -> io::Result<()> {
    let time = match deadline {
        None => None,
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let left = rustix::time::Timespec::try_from(left);
            Some(left.map_err(|_| io::ErrorKind::InvalidInput)?)
        }
    };
    match rustix::event::poll(&mut [PollFd::new(&fd.as_fd(), what)], time.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
