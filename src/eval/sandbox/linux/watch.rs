//! Waits for a group of processes, collects what it writes, and ends it when it crosses a limit.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::folder::Folder;
use super::usage::Usage;
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::eval::sandbox::{End, Limits};

/// How the first process of a group ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Exited(i32),
    Signal(i32),
    /// The program was never started; why stands in what was written to standard error.
    NotStarted,
}

/// A running program with all that it starts.
pub(super) trait Group: Send {
    /// Readable once the group has ended.
    fn ended(&self) -> BorrowedFd<'_>;
    /// Ends every process. They may still be ending when this returns.
    fn kill(&mut self);
    /// Waits until every process is gone.
    fn reap(&mut self) -> Result<Status>;
    /// Whether the kernel killed a part of it because its control group was full.
    fn is_over(&self) -> bool;
    /// What it uses now; where that may be more than `exact_above` bytes of memory, exactly.
    fn usage(&mut self, exact_above: u64) -> Usage;
}

/// A program that is ready to be started. It ends with the thread that does.
pub(super) type Launch = Box<dyn FnOnce() -> Result<Box<dyn Group>> + Send>;

/// A stream of a program that is kept up to a length.
#[derive(Debug)]
pub(super) struct Kept {
    from: Option<OwnedFd>,
    pub(super) bytes: Vec<u8>,
    cap: usize,
    /// More came than is kept.
    pub(super) is_over: bool,
}

impl Kept {
    /// Of a pipe that does not block.
    pub(super) fn new(from: OwnedFd, cap: usize) -> Self {
        Self {
            from: Some(from),
            bytes: Vec::new(),
            cap,
            is_over: false,
        }
    }

    /// Takes what is there, and no more than a few buffers of it at once.
    pub(super) fn take(&mut self) {
        let mut buffer = [0; 1 << 14];
        for _ in 0..16 {
            let Some(from) = &self.from else { return };
            match rustix::io::read(from, &mut buffer) {
                Ok(0) => self.from = None,
                Ok(n) => {
                    let room = self.cap - self.bytes.len();
                    self.bytes.extend_from_slice(&buffer[..n.min(room)]);
                    self.is_over |= n > room;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.from = None,
            }
            if self.is_over {
                return;
            }
        }
    }

    pub(super) fn poll(&self) -> Option<PollFd<'_>> {
        let from = self.from.as_ref()?;
        Some(PollFd::new(from, PollFlags::IN))
    }
}

/// What is known of a group that has ended.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) end: End,
    pub(super) wall: Duration,
    pub(super) peak_memory: u64,
}

/// Looks that have to agree with the first one that there is too much memory.
const MORE_LOOKS: usize = 6;
/// How fast a program can make memory its own, in bytes a second, at most: pages have to be
/// cleared first.
const FASTEST: u64 = 4 << 30;
const SHORTEST_LOOK: Duration = Duration::from_millis(2);
const LONGEST_LOOK: Duration = Duration::from_millis(20);

/// Waits for the end of `group`. `each` is called at every look, to take output; it returns
/// whether there was too much of it.
pub(super) fn watch(
    group: &mut dyn Group,
    limits: &Limits,
    wall: Option<Duration>,
    folder: &Folder,
    cancel: &CancelToken,
    outputs: &mut dyn Outputs,
) -> Result<Watched> {
    let started = Instant::now();
    let deadline = wall.and_then(|wall| started.checked_add(wall));
    let mut next_look = started + SHORTEST_LOOK;
    let mut peak_memory = 0;
    let crossed = loop {
        let now = Instant::now();
        let mut until = next_look;
        if let Some(deadline) = deadline {
            until = until.min(deadline);
        }
        if outputs.wait(group.ended(), until.saturating_duration_since(now))? {
            break None;
        }
        if outputs.take() {
            break Some(End::OutputLimit);
        }
        if cancel.is_cancelled() {
            break Some(End::Cancelled);
        }
        let now = Instant::now();
        if deadline.is_some_and(|deadline| now >= deadline) {
            break Some(End::TimedOut);
        }
        if now < next_look {
            continue;
        }
        let mut usage = group.usage(limits.memory);
        for _ in 0..MORE_LOOKS {
            if usage.memory <= limits.memory {
                break;
            }
            // While processes that share memory begin and end, a look may count some of it twice:
            // those that are left have larger shares than when the others were looked at.
            std::thread::sleep(SHORTEST_LOOK / 2);
            usage.memory = group.usage(limits.memory).memory.min(usage.memory);
        }
        peak_memory = usage.memory.max(peak_memory);
        if usage.memory > limits.memory || group.is_over() {
            break Some(End::OutOfMemory);
        }
        if usage.cpu >= limits.cpu {
            break Some(End::TimedOut);
        }
        if folder.is_full() {
            break Some(End::DiskLimit);
        }
        let room = limits.memory - usage.memory;
        let time = Duration::from_secs_f64(room as f64 / FASTEST as f64);
        next_look = Instant::now() + time.clamp(SHORTEST_LOOK, LONGEST_LOOK);
    };
    if crossed.is_some() {
        group.kill();
    }
    let status = group.reap()?;
    let wall = started.elapsed();
    // All writers are gone, so what is left is in the pipes.
    let is_over = outputs.take();
    let end = match (crossed, status) {
        (Some(end), _) => end,
        (None, Status::NotStarted) => return Err(not_started(outputs.stderr())),
        (None, _) if is_over => End::OutputLimit,
        (None, status) if status != Status::Exited(0) && group.is_over() => End::OutOfMemory,
        (None, Status::Signal(libc::SIGXFSZ)) => End::DiskLimit,
        (None, Status::Signal(libc::SIGXCPU)) => End::TimedOut,
        (None, status) if status != Status::Exited(0) && folder.is_full() => End::DiskLimit,
        (None, Status::Exited(code)) => End::Exited(code),
        (None, Status::Signal(number)) => End::Signal(number),
    };
    Ok(Watched {
        end,
        wall,
        peak_memory,
    })
}

fn not_started(message: &[u8]) -> Error {
    let message = String::from_utf8_lossy(message);
    let kind = if message.contains("execvp") && message.contains("No such file") {
        ErrorKind::NotFound
    } else {
        ErrorKind::BackendUnavailable
    };
    let message = message.trim();
    Error::new(
        kind,
        format!("sandbox: the program was not started: {message}"),
    )
}

/// The streams of a group.
pub(super) trait Outputs {
    /// Waits for output, for the end of the group (then the result is true), or for the time.
    fn wait(&self, ended: BorrowedFd, time: Duration) -> Result<bool> {
        wait(ended, self.fds(), time)
    }
    fn fds(&self) -> [Option<PollFd<'_>>; 2];
    /// Takes what is there; true if that was too much.
    fn take(&mut self) -> bool;
    fn stderr(&self) -> &[u8];
}

fn wait(ended: BorrowedFd, streams: [Option<PollFd<'_>>; 2], time: Duration) -> Result<bool> {
    let mut fds = vec![PollFd::from_borrowed_fd(ended, PollFlags::IN)];
    fds.extend(streams.into_iter().flatten());
    let time = rustix::time::Timespec::try_from(time)
        .map_err(|_| Error::new(ErrorKind::Internal, "sandbox: a time out of range"))?;
    match rustix::event::poll(&mut fds, Some(&time)) {
        Ok(_) => Ok(!fds[0].revents().is_empty()),
        Err(Errno::INTR) => Ok(false),
        Err(e) => Err(super::failed("wait for a program", e)),
    }
}

/// Both streams of a run.
#[derive(Debug)]
pub(super) struct Both {
    pub(super) stdout: Kept,
    pub(super) stderr: Kept,
}

impl Outputs for Both {
    fn fds(&self) -> [Option<PollFd<'_>>; 2] {
        [self.stdout.poll(), self.stderr.poll()]
    }

    fn take(&mut self) -> bool {
        self.stdout.take();
        self.stderr.take();
        self.stdout.is_over || self.stderr.is_over
    }

    fn stderr(&self) -> &[u8] {
        &self.stderr.bytes
    }
}

/// The two ends of a pipe for output: ours does not block, theirs does.
pub(super) fn output_pipe() -> Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|e| super::failed("make a pipe", e))?;
    rustix::fs::fcntl_setfl(ours.as_fd(), rustix::fs::OFlags::NONBLOCK)
        .map_err(|e| super::failed("make a pipe", e))?;
    Ok((ours, theirs))
}
