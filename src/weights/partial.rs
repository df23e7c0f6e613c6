//! A file that grows under a temporary name beside its destination and gets its own when it is whole.
//!
//! The temporary name is that of the destination, hidden, so what a killed process leaves is found by
//! the next one that writes the same file. A lock on the temporary file tells what is left from what
//! another process still writes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::error::{Error, Result, bail};
use crate::system;

/// How often another process may come first.
const TRIES: usize = 16;

/// Dropping it removes the file, and then unlocks it.
#[derive(Debug)]
pub(super) struct PartialFile {
    temporary: NamedTempFile,
    out: PathBuf,
}

impl PartialFile {
    /// Creates the file. What a process that is gone left is removed.
    ///
    /// # Errors
    /// [`Busy`](crate::ErrorKind::Busy) while another process writes the same file; and what the file
    /// system says.
    pub fn create(out: &Path) -> Result<Self> {
        let error = |e| Error::io(out, "create a temporary file beside it", e);
        let path = beside(out, "");
        for _ in 0..TRIES {
            match create_new(&path) {
                // Made by this process: another one that opened it before it was locked closes it again.
                Ok(file) => match file.try_lock() {
                    Ok(()) if system::is_at(&file, &path) => return Self::of(path, file, out),
                    Ok(()) | Err(TryLockError::WouldBlock) => {}
                    // A file system without locks.
                    Err(TryLockError::Error(_)) => {
                        drop(file);
                        let _ = std::fs::remove_file(&path);
                        return Self::unshared(out);
                    }
                },
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    let is_file = std::fs::symlink_metadata(&path).map(|meta| meta.is_file());
                    match is_file {
                        Ok(true) => {}
                        Ok(false) => return Self::unshared(out),
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
                            Err(TryLockError::Error(_)) => return Self::unshared(out),
                        },
                        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                        // Of another user, for instance.
                        Err(_) => return Self::unshared(out),
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
    fn unshared(out: &Path) -> Result<Self> {
        let error = |e| Error::io(out, "create a temporary file beside it", e);
        for i in 0..u32::MAX {
            let path = beside(out, &format!(".{}-{i}", std::process::id()));
            match create_new(&path) {
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
pub(super) fn exists(out: &Path) -> Error {
    Error::new(
        crate::ErrorKind::InvalidArgument,
        format!(
            "{}: exists already; choose another name or allow overwriting",
            out.display()
        ),
    )
}

pub(super) fn folder_of(out: &Path) -> &Path {
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

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_a_killed_process_left_is_replaced_and_a_live_one_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let count = || std::fs::read_dir(dir.path()).unwrap().count();
        std::fs::write(beside(&out, ""), "left").unwrap();
        let first = PartialFile::create(&out).unwrap();
        assert_eq!(count(), 1);
        let busy = PartialFile::create(&out).unwrap_err();
        assert_eq!(busy.kind(), crate::ErrorKind::Busy);
        assert!(!busy.to_string().contains("partial"), "{busy}");
        first.file().write_all(b"whole").unwrap();
        first.persist(false).unwrap();
        assert_eq!(std::fs::read(&out).unwrap(), b"whole");
        assert_eq!(count(), 1);
        let second = PartialFile::create(&out).unwrap();
        let error = second.persist(false).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument);
        assert_eq!(std::fs::read(&out).unwrap(), b"whole");
        drop(PartialFile::create(&out).unwrap());
        assert_eq!(count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_of_the_temporary_name_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (out, precious) = (dir.path().join("out"), dir.path().join("precious"));
        std::fs::write(&precious, "mine").unwrap();
        std::os::unix::fs::symlink(&precious, beside(&out, "")).unwrap();
        let file = PartialFile::create(&out).unwrap();
        file.file().write_all(b"new").unwrap();
        file.persist(false).unwrap();
        assert_eq!(std::fs::read(&precious).unwrap(), b"mine");
        // A second name of a file loses that name and nothing else.
        std::fs::remove_file(beside(&out, "")).unwrap();
        std::fs::hard_link(&precious, beside(&out, "")).unwrap();
        drop(PartialFile::create(&out).unwrap());
        assert_eq!(std::fs::read(&precious).unwrap(), b"mine");
    }
}
