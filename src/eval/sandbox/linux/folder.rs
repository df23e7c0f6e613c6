//! The private folder of programs, and reading and writing in it from outside, where everything
//! in it may have been put there by a program to mislead us.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::hold::Held;
use super::plain_folder::Plain;
use crate::error::{Error, ErrorKind, Result};

#[derive(Debug, Clone)]
pub(in crate::eval::sandbox) struct Folder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    work: OwnedFd,
    path: PathBuf,
}

#[derive(Debug)]
enum Kind {
    /// A file system of its own.
    Memory(Held),
    /// A temporary folder of the machine, where nothing better works.
    Plain(Plain),
}

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Files of `/etc` that programs see instead of the machine's own.
pub(super) const ETC: [&str; 4] = ["passwd", "group", "hosts", "nsswitch.conf"];
const ETC_TEXTS: [&str; 4] = [
    "sandbox:x:1000:1000::/tmp/w:/bin/sh\n",
    "sandbox:x:1000:\n",
    "127.0.0.1 localhost\n::1 localhost\n",
    "hosts: files\n",
];

impl Folder {
    pub(super) fn in_memory(disk: u64) -> Result<Self> {
        let held = Held::new(disk)?;
        let open = |name: &str| {
            rustix::fs::openat(&held.top, name, FOLDER, Mode::empty())
                .map_err(|e| super::failed("open a private folder", e))
        };
        let work = open("tmp/w")?;
        let etc = open("etc")?;
        for (name, text) in ETC.into_iter().zip(ETC_TEXTS) {
            put(&etc, OsStr::new(name), text.as_bytes())
                .map_err(|e| super::failed("write in a private folder", e))?;
        }
        let path = PathBuf::from(format!("/proc/self/fd/{}", work.as_raw_fd()));
        let kind = Kind::Memory(held);
        Ok(Self(Arc::new(Inner { kind, work, path })))
    }

    pub(super) fn plain(disk: u64) -> Result<Self> {
        let plain = Plain::new(disk)?;
        let path = plain.path().to_owned();
        let work = rustix::fs::open(&path, FOLDER, Mode::empty())
            .map_err(|e| super::failed("open a private folder", e))?;
        let kind = Kind::Plain(plain);
        Ok(Self(Arc::new(Inner { kind, work, path })))
    }

    /// The namespaces that hold it.
    pub(super) fn held(&self) -> Result<&Held> {
        match &self.0.kind {
            Kind::Memory(held) => Ok(held),
            Kind::Plain(_) => Err(Error::new(
                ErrorKind::InvalidArgument,
                "a private folder was made by a sandbox without isolation: make it with the one that runs the command",
            )),
        }
    }

    /// Bytes of memory that it can take.
    pub(super) fn capacity(&self) -> u64 {
        match &self.0.kind {
            Kind::Memory(held) => rustix::fs::fstatfs(&held.top).map_or(0, |space| {
                u64::try_from(space.f_bsize).map_or(0, |size| space.f_blocks.saturating_mul(size))
            }),
            Kind::Plain(_) => 0,
        }
    }

    /// Whether nothing more can be written, or may be.
    pub(super) fn is_full(&self) -> bool {
        match &self.0.kind {
            Kind::Memory(held) => match rustix::fs::fstatfs(&held.top) {
                Ok(space) => space.f_bavail == 0 || space.f_ffree == 0,
                Err(_) => false,
            },
            Kind::Plain(plain) => plain.is_full(),
        }
    }

    pub(in crate::eval::sandbox) fn path(&self) -> &Path {
        &self.0.path
    }

    pub(in crate::eval::sandbox) fn write(&self, name: &Path, bytes: &[u8]) -> Result<()> {
        let (folders, file) = split(name)?;
        let at = |e: Errno| Error::io(name, "write it in a private folder", e.into());
        let mut folder = None;
        for step in folders {
            let next = enter_or_make(folder.as_ref().unwrap_or(&self.0.work), step).map_err(at)?;
            folder = Some(next);
        }
        put(folder.as_ref().unwrap_or(&self.0.work), file, bytes).map_err(at)
    }

    pub(in crate::eval::sandbox) fn read(&self, name: &Path, max: u64) -> Result<Vec<u8>> {
        split(name)?;
        let at = |e: std::io::Error| Error::io(name, "read it in a private folder", e);
        // Not blocking: a program may have made a pipe of that name.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let fd = rustix::fs::openat2(&self.0.work, name, flags, Mode::empty(), resolve)
            .map_err(|e| at(e.into()))?;
        let file = std::fs::File::from(fd);
        let meta = file.metadata().map_err(at)?;
        if !meta.is_file() || meta.len() > max {
            let what = if meta.is_file() {
                format!("{} bytes", meta.len())
            } else {
                "no plain file".to_owned()
            };
            return Err(Error::new(
                ErrorKind::MalformedFile,
                format!(
                    "{}: found {what} in a private folder, expected a file of at most {max} bytes",
                    name.display()
                ),
            ));
        }
        let mut bytes = Vec::new();
        file.take(max).read_to_end(&mut bytes).map_err(at)?;
        Ok(bytes)
    }
}

/// The folders on the way and the last name of a relative path that goes nowhere but down.
fn split(name: &Path) -> Result<(Vec<&OsStr>, &OsStr)> {
    let mut steps = Vec::new();
    for component in name.components() {
        match component {
            Component::Normal(step) => steps.push(step),
            _ => steps.clear(),
        }
    }
    let all = name.components().count();
    match steps.pop() {
        Some(file) if steps.len() + 1 == all => Ok((steps, file)),
        _ => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "{}: a name in a private folder is relative and has no `..` in it",
                name.display()
            ),
        )),
    }
}

fn enter_or_make(folder: &OwnedFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let is_new = match rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(0o777)) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(e) => return Err(e),
    };
    let fd = rustix::fs::openat(folder, name, FOLDER, Mode::empty())?;
    if is_new {
        // Whatever the umask of this process.
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(0o777))?;
    }
    Ok(fd)
}

/// Writes a new file in place of what has that name.
fn put(folder: &OwnedFd, name: &OsStr, bytes: &[u8]) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(e) => return Err(e),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o755);
    let fd = rustix::fs::openat(folder, name, flags, mode)?;
    rustix::fs::fchmod(&fd, mode)?;
    let written = std::fs::File::from(fd).write_all(bytes);
    written.map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
}
