//! The root folder of a program: what is made and mounted for it, prepared so that doing it
//! allocates nothing.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::folder::ETC;
use super::hold::{MOUNTED, ROOT};
use super::namespaces::c_string;
use super::overlay::Overlay;
use super::view::{DEVICES, Entry};
use crate::error::{Error, Result};
use crate::eval::sandbox::{Access, Folder, Mount};

/// One thing to be done.
#[derive(Debug)]
enum Step {
    /// Makes a folder that may be there.
    Folder(CString),
    /// Makes an empty file that may be there, to mount something on.
    File(CString),
    Link {
        target: CString,
        at: CString,
    },
    /// Shows `source` at `at`, with what is mounted below it.
    Bind {
        source: CString,
        at: CString,
        attributes: u64,
    },
}

#[derive(Debug)]
pub(super) struct Root(Vec<Step>);

const PLAIN: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
const READ_ONLY: u64 = PLAIN | libc::MOUNT_ATTR_RDONLY;
const DEVICE: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;

impl Root {
    pub(super) fn prepare(view: &[Entry], mounts: &[Mount], overlays: &[Overlay]) -> Result<Self> {
        let mut root = Self(Vec::new());
        for entry in view {
            match entry {
                Entry::Shown(path) => root.bind(path, path, READ_ONLY)?,
                Entry::Link { target, at } => root.link(target, at)?,
            }
        }
        let held = Path::new(std::ffi::OsStr::from_bytes(MOUNTED.to_bytes()));
        for name in ETC {
            let (source, at) = (held.join("etc").join(name), Path::new("/etc").join(name));
            root.folders_to(&at)?;
            root.0.push(Step::File(inside(&at)?));
            root.0.push(bind(&source, &at, READ_ONLY)?);
        }
        for name in DEVICES {
            let at = Path::new("/dev").join(name);
            root.bind(&at, &at, DEVICE)?;
        }
        root.link(Path::new("/proc/self/fd"), Path::new("/dev/fd"))?;
        for (fd, name) in ["stdin", "stdout", "stderr"].iter().enumerate() {
            let target = PathBuf::from(format!("/proc/self/fd/{fd}"));
            root.link(&target, &Path::new("/dev").join(name))?;
        }
        for (source, at) in [("shm", "/dev/shm"), ("tmp", "/tmp")] {
            root.folders_to(&Path::new(at).join("."))?;
            root.0.push(Step::Folder(inside(Path::new(at))?));
            root.0.push(bind(&held.join(source), Path::new(at), PLAIN)?);
        }
        root.0.push(Step::Folder(inside(Path::new("/proc"))?));
        let mut overlays = overlays.iter();
        for mount in mounts {
            let (is_folder, attributes) = match mount.access {
                Access::CopyOnWrite => (true, PLAIN),
                access => {
                    let meta = std::fs::metadata(&mount.source)
                        .map_err(|e| Error::io(&mount.source, "show it to a program", e))?;
                    let attributes = match access {
                        Access::ReadOnly => READ_ONLY,
                        _ => PLAIN,
                    };
                    (meta.is_dir(), attributes)
                }
            };
            let source = match mount.access {
                Access::CopyOnWrite => overlays
                    .next()
                    .map_or(mount.source.as_path(), Overlay::merged),
                _ => &mount.source,
            };
            root.folders_to(&mount.target)?;
            let at = inside(&mount.target)?;
            root.0.push(if is_folder {
                Step::Folder(at)
            } else {
                Step::File(at)
            });
            root.0.push(bind(source, &mount.target, attributes)?);
        }
        Ok(root)
    }

    fn bind(&mut self, source: &Path, at: &Path, attributes: u64) -> Result<()> {
        self.folders_to(at)?;
        let place = inside(at)?;
        self.0.push(if source.is_dir() {
            Step::Folder(place)
        } else {
            Step::File(place)
        });
        self.0.push(bind(source, at, attributes)?);
        Ok(())
    }

    fn link(&mut self, target: &Path, at: &Path) -> Result<()> {
        self.folders_to(at)?;
        self.0.push(Step::Link {
            target: c_string(target.as_os_str().as_bytes())?,
            at: inside(at)?,
        });
        Ok(())
    }

    /// The folders above `at`.
    fn folders_to(&mut self, at: &Path) -> Result<()> {
        let mut above: Vec<&Path> = at.ancestors().skip(1).collect();
        // The root is there.
        above.pop();
        for folder in above.into_iter().rev() {
            self.0.push(Step::Folder(inside(folder)?));
        }
        Ok(())
    }

    /// Makes it and moves the calling process in, which is the first of its process namespace and
    /// has a mount namespace of its own. Allocates nothing.
    pub(super) fn enter(&self) -> rustix::io::Result<()> {
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change(c"/", private)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        let options = c"size=1m,nr_inodes=4096,mode=0755";
        rustix::mount::mount(c"tmpfs", ROOT, c"tmpfs", flags, options)?;
        rustix::process::umask(Mode::from_raw_mode(0o022));
        rustix::process::chdir(ROOT)?;
        for step in &self.0 {
            step.take()?;
        }
        let flags = flags | MountFlags::NOEXEC;
        // The first process is ours: programs see nothing of it.
        rustix::mount::mount(c"proc", c"proc", c"proc", flags, c"hidepid=2")?;
        rustix::process::pivot_root(c".", c".")?;
        // What was the root lies over the new one.
        rustix::mount::unmount(c".", UnmountFlags::DETACH)?;
        set_attributes(c"/", libc::MOUNT_ATTR_RDONLY, 0)?;
        let work = CStr::from_bytes_with_nul(WORK).map_err(|_| Errno::INVAL)?;
        rustix::process::chdir(work)
    }
}

const WORK: &[u8] = b"/tmp/w\0";
const _: () = assert!(WORK.len() == Folder::INSIDE.len() + 1);

impl Step {
    fn take(&self) -> rustix::io::Result<()> {
        match self {
            Self::Folder(at) => {
                match rustix::fs::mkdir(at.as_c_str(), Mode::from_raw_mode(0o755)) {
                    Err(Errno::EXIST) => Ok(()),
                    // The folder is shown read-only; what has to be below it may be there.
                    Err(Errno::ROFS) => rustix::fs::stat(at.as_c_str()).map(drop),
                    made => made,
                }
            }
            Self::File(at) => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                match rustix::fs::open(at.as_c_str(), flags, Mode::from_raw_mode(0o644)) {
                    Err(Errno::EXIST) => Ok(()),
                    Err(Errno::ROFS) => rustix::fs::stat(at.as_c_str()).map(drop),
                    made => made.map(drop),
                }
            }
            Self::Link { target, at } => rustix::fs::symlink(target.as_c_str(), at.as_c_str()),
            Self::Bind {
                source,
                at,
                attributes,
            } => {
                rustix::mount::mount_bind_recursive(source.as_c_str(), at.as_c_str())?;
                set_attributes(at, *attributes, libc::AT_RECURSIVE)
            }
        }
    }
}

fn bind(source: &Path, at: &Path, attributes: u64) -> Result<Step> {
    Ok(Step::Bind {
        source: c_string(source.as_os_str().as_bytes())?,
        at: inside(at)?,
        attributes,
    })
}

/// A path as it is while the new root is the current folder.
fn inside(at: &Path) -> Result<CString> {
    let bytes = at.as_os_str().as_bytes();
    c_string(bytes.strip_prefix(b"/").unwrap_or(bytes))
}

/// Sets attributes of a mount, and of those below it if `flags` say so.
fn set_attributes(at: &CStr, attributes: u64, flags: libc::c_int) -> rustix::io::Result<()> {
    let wanted = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: both pointers are valid for the call, and the length is that of the structure.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            at.as_ptr(),
            flags,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    };
    super::fork::checked(result)
}
