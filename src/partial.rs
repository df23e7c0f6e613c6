//! A file that grows under a temporary name beside its destination and gets its own when it is whole.
//!
//! The temporary name is that of the destination, hidden, so what a killed process leaves is found by
//! the next one that writes the same file. A lock on the temporary file tells what is left from what
//! another process still writes.
#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::error::{Error, Result, bail};
use crate::system;

/// How often another process may come first.
const TRIES: usize = 16;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// As the user's other files.
    Default,
    /// The user alone, as far as the system has such permissions.
    Owner,
}

/// Dropping it removes the file, and then unlocks it.
#[derive(Debug)]
pub(crate) struct PartialFile {
    temporary: NamedTempFile,
    out: PathBuf,
}

impl PartialFile {
    /// Creates the file. What a process that is gone left is removed.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) where `out` is a folder, a device or
    /// whatever else is no file; [`Busy`](crate::ErrorKind::Busy) while another process writes the same
    /// file; and what the file system says.
    pub fn create(out: &Path, access: Access) -> Result<Self> {
        let error = |e| Error::io(out, "create a temporary file beside it", e);
        // Renaming would replace a device or a pipe by a file.
        if std::fs::metadata(out).is_ok_and(|meta| !meta.is_file()) {
            bail!(
                InvalidArgument,
                "{}: exists and is not a regular file; choose another name",
                out.display()
            );
        }
        let path = beside(out, "");
        for _ in 0..TRIES {
            match create_new(&path, access) {
                // Made by this process: another one that opened it before it was locked closes it again.
                Ok(file) => match file.try_lock() {
                    Ok(()) if system::is_at(&file, &path) => return Self::of(path, file, out),
                    Ok(()) | Err(TryLockError::WouldBlock) => {}
                    // A file system without locks.
                    Err(TryLockError::Error(_)) => {
                        drop(file);
                        let _ = std::fs::remove_file(&path);
                        return Self::unshared(out, access);
                    }
                },
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    let is_file = std::fs::symlink_metadata(&path).map(|meta| meta.is_file());
                    match is_file {
                        Ok(true) => {}
                        Ok(false) => return Self::unshared(out, access),
                        Err(_) => continue,
                    }
                    match OpenOptions::new().write(true).open(&path) {
                        Ok(left) => match left.try_lock() {
                            // Only who has the lock removes or renames the file of this name.
                            Ok(()) if system::is_at(&left, &path) => {
                                std::fs::remove_file(&path).map_err(error)?;
                            }
                            Ok(()) => {}
                            Err(TryLockError::WouldBlock) => bail!(
                                Busy,
                                "{}: another process is writing this file; wait for it, or choose \
                                 another name",
                                out.display()
                            ),
                            Err(TryLockError::Error(_)) => return Self::unshared(out, access),
                        },
                        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                        // Of another user, for instance.
                        Err(_) => return Self::unshared(out, access),
                    }
                }
                Err(e) => return Err(error(e)),
            }
        }
        bail!(
            Busy,
            "{}: other processes write this file; wait for them, or choose another name",
            out.display()
        )
    }

    /// A file of a name of its own, where names cannot be shared.
    fn unshared(out: &Path, access: Access) -> Result<Self> {
        let error = |e| Error::io(out, "create a temporary file beside it", e);
        for i in 0..u32::MAX {
            let path = beside(out, &format!(".{}-{i}", std::process::id()));
            match create_new(&path, access) {
                Ok(file) => return Self::of(path, file, out),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(error(e)),
            }
        }
        bail!(
            Busy,
            "{}: no name for a temporary file is free",
            out.display()
        )
    }

    fn of(path: PathBuf, file: File, out: &Path) -> Result<Self> {
        let path = TempPath::try_from_path(path)
            .map_err(|e| Error::io(out, "create a temporary file beside it", e))?;
        Ok(Self {
            temporary: NamedTempFile::from_parts(file, path),
            out: out.to_owned(),
        })
    }

    pub fn file(&self) -> &File {
        self.temporary.as_file()
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when something has that name already and
    /// is not to be overwritten; and what the file system says.
    pub fn persist(self, overwrite: bool) -> Result<()> {
        let Self { temporary, out } = self;
        match system::persist(temporary, &out, overwrite) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(exists(&out)),
            Err(e) => Err(Error::io(&out, "rename the finished file to it", e)),
        }
    }
}

/// The error about a file that is not to be overwritten.
pub(crate) fn exists(out: &Path) -> Error {
    Error::new(
        crate::ErrorKind::InvalidArgument,
        format!(
            "{}: exists already; choose another name or allow overwriting",
            out.display()
        ),
    )
}

pub(crate) fn folder_of(out: &Path) -> &Path {
    match out.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn beside(out: &Path, own: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(out.file_name().unwrap_or_default());
    name.push(own);
    name.push(".partial");
    folder_of(out).join(name)
}

fn create_new(path: &Path, access: Access) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if let Access::Owner = access {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let (Access::Default | Access::Owner) = access;
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// What renaming a file to its name would destroy.
    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_not_replaced() {
        use std::os::unix::fs::FileTypeExt;

        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        for out in [dir.path(), &socket, &link, Path::new("/dev/null")] {
            let error = PartialFile::create(out, Access::Default).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument);
            assert!(error.to_string().contains("not a regular file"), "{error}");
        }
        let kind = std::fs::metadata(&socket).unwrap().file_type();
        assert!(kind.is_socket());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_a_killed_process_left_is_replaced_and_a_live_one_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let count = || std::fs::read_dir(dir.path()).unwrap().count();
        std::fs::write(beside(&out, ""), "left").unwrap();
        let first = PartialFile::create(&out, Access::Default).unwrap();
        assert_eq!(count(), 1);
        let busy = PartialFile::create(&out, Access::Default).unwrap_err();
        assert_eq!(busy.kind(), crate::ErrorKind::Busy);
        assert!(!busy.to_string().contains("partial"), "{busy}");
        first.file().write_all(b"whole").unwrap();
        first.persist(false).unwrap();
        assert_eq!(std::fs::read(&out).unwrap(), b"whole");
        assert_eq!(count(), 1);
        let second = PartialFile::create(&out, Access::Default).unwrap();
        let error = second.persist(false).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument);
        assert_eq!(std::fs::read(&out).unwrap(), b"whole");
        drop(PartialFile::create(&out, Access::Default).unwrap());
        assert_eq!(count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_of_the_temporary_name_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (out, precious) = (dir.path().join("out"), dir.path().join("precious"));
        std::fs::write(&precious, "mine").unwrap();
        std::os::unix::fs::symlink(&precious, beside(&out, "")).unwrap();
        let file = PartialFile::create(&out, Access::Default).unwrap();
        file.file().write_all(b"new").unwrap();
        file.persist(false).unwrap();
        assert_eq!(std::fs::read(&precious).unwrap(), b"mine");
        // A second name of a file loses that name and nothing else.
        std::fs::remove_file(beside(&out, "")).unwrap();
        std::fs::hard_link(&precious, beside(&out, "")).unwrap();
        drop(PartialFile::create(&out, Access::Default).unwrap());
        assert_eq!(std::fs::read(&precious).unwrap(), b"mine");
    }
}
