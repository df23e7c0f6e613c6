//! A private folder without isolation: a temporary folder of the machine. Its size is looked at
//! from time to time, and whatever is in it can be deleted.
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

#[derive(Debug)]
pub(super) struct Plain {
    folder: tempfile::TempDir,
    disk: u64,
    /// When it was last looked at, and whether it was full.
    seen: Mutex<Option<(Instant, bool)>>,
}

/// How long a look is good for: each visits every file.
const LOOK: Duration = Duration::from_millis(100);
/// Files and folders that are visited or deleted at most, for programs that go on making them.
const MOST: usize = 4_000_000;

impl Plain {
    pub(super) fn new(disk: u64) -> Result<Self> {
        let folder = tempfile::tempdir()
            .map_err(|e| Error::io(&std::env::temp_dir(), "make a folder in it", e))?;
        Ok(Self {
            folder,
            disk,
            seen: Mutex::new(None),
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whether there is more in it than there may be.
    pub(super) fn is_full(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, is_full)) = *seen
            && when.elapsed() < LOOK
        {
            return is_full;
        }
        let is_full = size(self.path()) > self.disk;
        *seen = Some((Instant::now(), is_full));
        is_full
    }
}

/// Bytes of everything in a folder. Links are not followed.
fn size(top: &Path) -> u64 {
    let mut bytes = 0u64;
    let mut folders = vec![top.to_owned()];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            bytes = bytes.saturating_add(meta.blocks().saturating_mul(512).max(1024));
            if meta.is_dir() {
                folders.push(entry.path());
            }
            count += 1;
            if count > MOST {
                return u64::MAX;
            }
        }
    }
    bytes
}

impl Drop for Plain {
    fn drop(&mut self) {
        empty(self.path());
    }
}

/// Deletes what is in `top`, however deep: folders in a folder are moved up to the top before it
/// is deleted, so that no path gets longer than three names.
fn empty(top: &Path) {
    let mut number = 0usize;
    loop {
        let mut progress = false;
        for entry in fs::read_dir(top).into_iter().flatten().flatten() {
            let path = entry.path();
            if !is_folder(&path) {
                progress |= fs::remove_file(&path).is_ok();
                continue;
            }
            open_up(&path);
            for inner in fs::read_dir(&path).into_iter().flatten().flatten() {
                let inner = inner.path();
                if is_folder(&inner) {
                    open_up(&inner);
                    progress |= fs::rename(&inner, free_name(top, &mut number)).is_ok();
                } else {
                    progress |= fs::remove_file(&inner).is_ok();
                }
            }
            progress |= fs::remove_dir(&path).is_ok();
        }
        if !progress || number > MOST {
            return;
        }
    }
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

/// Lets its owner do everything with a folder.
fn open_up(folder: &Path) {
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
}

fn free_name(top: &Path, number: &mut usize) -> PathBuf {
    loop {
        *number += 1;
        let path = top.join(format!("deleted-{number}"));
        if fs::symlink_metadata(&path).is_err() || *number > MOST {
            return path;
        }
    }
}
