//! Folders of the cache that are filled once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::checksum::Xxh64;
use crate::error::{Error, ErrorKind, Result};

/// Written into a folder when it is complete.
const READY: &str = "ready";

/// Where what evaluation makes ready is kept: `CODEGEEX_CACHE`, else `codegeex` in the cache folder
/// of the user.
///
/// # Errors
/// [`NotFound`](ErrorKind::NotFound) where neither is known.
pub fn cache_dir() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let folder = variable("CODEGEEX_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("codegeex")))
        .or_else(|| Some(variable("HOME")?.join(".cache/codegeex")));
    folder.filter(|f| f.is_absolute()).ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            "no folder for a cache: set CODEGEEX_CACHE to an absolute path",
        )
    })
}

/// The folder called `name` for what `key` describes; `make` fills it unless it is complete. Other
/// processes that want the same one wait.
pub(super) fn folder(
    cache: &Path,
    name: &str,
    key: &[&str],
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let mut hash = Xxh64::new(0);
    hash.update(key.join("\0").as_bytes());
    let id = hash.finish();
    let parent = cache.join("eval");
    let folder = parent.join(format!("{name}-{id:016x}"));
    let ready = folder.join(READY);
    if ready.exists() {
        return Ok(folder);
    }
    create(&parent)?;
    let lock = parent.join(format!("{name}.lock"));
    let file = File::create(&lock).map_err(|e| Error::io(&lock, "create", e))?;
    file.lock().map_err(|e| Error::io(&lock, "lock", e))?;
    if ready.exists() {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| Error::io(&folder, "remove", e))?;
    }
    create(&folder)?;
    make(&folder)?;
    write(&ready, "")?;
    Ok(folder)
}

pub(super) fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create", e))
}

pub(super) fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, text).map_err(|e| Error::io(path, "write", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_filled_once_and_again_after_a_failure() {
        let cache = tempfile::tempdir().unwrap();
        let make = |key: &[&str], text: &str| {
            folder(cache.path(), "x", key, |f| write(&f.join("text"), text))
        };
        let failed = folder(cache.path(), "x", &["1"], |f| {
            write(&f.join("partial"), "")?;
            Err(Error::new(ErrorKind::Io, "no"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no");
        let first = make(&["1"], "first").unwrap();
        assert!(!first.join("partial").exists());
        assert_eq!(make(&["1"], "second").unwrap(), first);
        assert_eq!(fs::read_to_string(first.join("text")).unwrap(), "first");
        assert_ne!(make(&["2"], "third").unwrap(), first);
        assert_ne!(make(&["1", ""], "third").unwrap(), first);
    }
}
