//! The standard streams of a program, before it starts.

use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};

use super::failed;
use crate::error::Result;

/// What a program gets as its standard streams.
#[derive(Debug)]
pub(super) struct Stdio3 {
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// A file with `bytes`, open for reading, that nobody can change. As standard input it needs
/// nobody to write it while the program runs, and nobody minds if it is not read.
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
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&fd, seals)?;
    rustix::fs::seek(&fd, rustix::fs::SeekFrom::Start(0))?;
    Ok(fd)
}
