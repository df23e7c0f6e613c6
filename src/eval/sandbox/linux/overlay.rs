//! Folders that a program may write to without changing them: an overlay file system, its upper
//! layer in the private folder's file system.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::Mode;
use rustix::mount::MountFlags;

use super::hold::MOUNTED;
use crate::error::{Error, ErrorKind, Result, bail};
use crate::eval::sandbox::{Access, Mount};

/// One such folder, prepared so that mounting it allocates nothing.
#[derive(Debug)]
pub(super) struct Overlay {
    folders: [CString; 4],
    options: CString,
    merged: PathBuf,
}

impl Overlay {
    /// Where it is mounted.
    pub(super) fn merged(&self) -> &Path {
        &self.merged
    }
}

/// The overlays that `mounts` ask for, in their order.
pub(super) fn prepare(mounts: &[Mount]) -> Result<Vec<Overlay>> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let copied = mounts.iter().filter(|m| m.access == Access::CopyOnWrite);
    copied
        .map(|mount| {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let top = format!("{}/over-{number}", MOUNTED.to_string_lossy());
            let [upper, work, merged] = ["upper", "work", "merged"].map(|n| format!("{top}/{n}"));
            let lower = mount.source.as_os_str().as_bytes();
            if lower.iter().any(|byte| b":,\\\0".contains(byte)) {
                bail!(
                    InvalidArgument,
                    "{}: a folder to be copied on writing has none of `:`, `,` and `\\` in its name",
                    mount.source.display()
                );
            }
            let options = [
                b"lowerdir=".as_slice(),
                lower,
                format!(",upperdir={upper},workdir={work},userxattr").as_bytes(),
            ]
            .concat();
            let c = |text: Vec<u8>| {
                CString::new(text).map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))
            };
            Ok(Overlay {
                merged: PathBuf::from(&merged),
                folders: [
                    c(top.into_bytes())?,
                    c(upper.into_bytes())?,
                    c(work.into_bytes())?,
                    c(merged.into_bytes())?,
                ],
                options: c(options)?,
            })
        })
        .collect()
}

/// Mounts them, in the calling process's own copy of its mount namespace. Allocates nothing.
pub(super) fn mount(overlays: &[Overlay]) -> rustix::io::Result<()> {
    if overlays.is_empty() {
        return Ok(());
    }
    // SAFETY: no descriptor table is unshared, and this process has one thread.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }?;
    for overlay in overlays {
        for folder in &overlay.folders {
            rustix::fs::mkdir(folder.as_c_str(), Mode::from_raw_mode(0o755))?;
        }
        let merged = overlay.folders[3].as_c_str();
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        rustix::mount::mount(
            c"overlay",
            merged,
            c"overlay",
            flags,
            overlay.options.as_c_str(),
        )?;
    }
    Ok(())
}
