//! The standard streams of a program, before it starts.
#![forbid(unsafe_code)]

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;

use super::failed;
use crate::error::Result;

/// What a program gets as its standard streams.
#[derive(Debug)]
pub(super) struct Stdio3 {
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

impl Stdio3 {
    /// The same, none of which has the number of a standard stream.
    pub(super) fn above_standard(self) -> Result<Self> {
        Ok(Self {
            stdin: above_standard(self.stdin)?,
            stdout: above_standard(self.stdout)?,
            stderr: above_standard(self.stderr)?,
        })
    }
}

/// `fd`, or a duplicate where it has the number of a standard stream, as in a host that closed its
/// own.
pub(super) fn above_standard(fd: OwnedFd) -> Result<OwnedFd> {
    if fd.as_raw_fd() > 2 {
        return Ok(fd);
    }
    rustix::io::fcntl_dupfd_cloexec(&fd, 3).map_err(|e| failed("duplicate a descriptor", e))
}

/// A file with `bytes`, open for reading, that cannot be changed. As standard input it does not have
/// to be written while the program runs, or to be read to its end.
pub(super) fn sealed(bytes: &[u8]) -> Result<OwnedFd> {
    let fd = if bytes.is_empty() {
        rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    } else {
        fill(bytes)
    };
    fd.map_err(|e| failed("make a file in memory", e))
}

fn fill(bytes: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = rustix::fs::memfd_create(c"sandbox", flags)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(&fd, rest) {
            Ok(n) => rest = &rest[n..],
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&fd, seals)?;
    rustix::fs::seek(&fd, rustix::fs::SeekFrom::Start(0))?;
    Ok(fd)
}

/// Something to wait for: a process with the second end reads a byte once it may go on, and the end of
/// the stream if the first end is gone.
pub(super) fn go_ahead() -> Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = rustix::net::socketpair(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|e| failed("make a pair of sockets", e))?;
    Ok((above_standard(ours)?, above_standard(theirs)?))
}

/// Lets the other end go on. No signal is raised if it is gone.
pub(super) fn give(ours: &OwnedFd) -> rustix::io::Result<()> {
    rustix::net::send(ours, b"x", rustix::net::SendFlags::NOSIGNAL).map(drop)
}

/// Waits until a process has ended; with the first one of a process namespace, all others have.
pub(super) fn wait_for_end(process: &OwnedFd) {
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    while let Ok(0) | Err(Errno::INTR) = rustix::event::poll(&mut fds, None) {}
}
