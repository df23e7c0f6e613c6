//! Pages of mapped files, and files that replace others, on the systems of the Unix family.

use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use memmap2::{Mmap, UncheckedAdvice};
use tempfile::NamedTempFile;

/// What to do when pages cannot be locked.
pub(crate) const LOCK_ADVICE: &str = "raise the limit of locked memory (ulimit -l)";

/// Says that pages are locked. They are unlocked with the mapping itself.
#[derive(Debug)]
pub(crate) struct Locked;

/// Reads all pages of a mapping and keeps them in memory until it is gone.
pub(crate) fn lock(map: &Mmap) -> io::Result<Locked> {
    map.lock().map(|()| Locked)
}

/// Drops the pages of a part of a mapping; a later read finds them in the file again. Locked pages stay.
pub(crate) fn release(map: &Mmap, range: Range<usize>) {
    assert!(range.start <= range.end && range.end <= map.len());
    // Advice: that it was not taken changes nothing.
    // SAFETY: dropping pages loses what was written to them. A `Mmap` is read-only, so there is
    // nothing to lose: a later read finds the bytes of the file again. The range is inside the
    // mapping.
    let _ =
        unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
}

/// Gives a finished file its name; with `overwrite`, instead of a file that has it. Processes that map
/// the old file keep it.
pub(crate) fn persist(temporary: NamedTempFile, out: &Path, overwrite: bool) -> io::Result<()> {
    let named = if overwrite {
        temporary.persist(out)
    } else {
        temporary.persist_noclobber(out)
    };
    named.map(drop).map_err(|e| e.error)
}

fn same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Whether the open `file` is what has the name `path`, not a link to it.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => same(&open, &named),
        _ => false,
    }
}

/// Whether two names lead to one file.
pub(crate) fn is_same_file(a: &Path, b: &Path) -> bool {
    match (std::fs::metadata(a), std::fs::metadata(b)) {
        (Ok(a), Ok(b)) => same(&a, &b),
        _ => false,
    }
}

/// Bytes that this user can still write to the disk of a folder; `None` where the system does not say.
pub(crate) fn disk_left(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}
