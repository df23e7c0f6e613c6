//! Threads, pages of mapped files, and files that replace others, on the systems of the Unix family.

use std::ffi::c_void;
use std::fs::{File, Metadata};
use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use memmap2::{Mmap, UncheckedAdvice};
use tempfile::NamedTempFile;

use super::{STACK, ThreadStart};

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

/// A thread that was started. Dropped without a join, it goes on by itself.
pub(crate) struct Thread(libc::pthread_t);

// SAFETY: some systems have a pointer here. It names the thread, from any other as well.
unsafe impl Send for Thread {}
// SAFETY: as above; a shared reference does nothing.
unsafe impl Sync for Thread {}

impl Thread {
    /// Starts a thread.
    pub fn start(start: ThreadStart) -> io::Result<Self> {
        let answer = |code| match code {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        };
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: it writes the attributes, or says that it did not.
        answer(unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) })?;
        let mut thread = MaybeUninit::uninit();
        let start = Box::into_raw(Box::new(start));
        // SAFETY: the attributes were made and are not used after they are destroyed. `start` is
        // the new thread's, and `run` takes it once.
        let started = unsafe {
            let attributes = attributes.as_mut_ptr();
            // Without it the thread has the stack of the system's choice.
            libc::pthread_attr_setstacksize(attributes, STACK);
            let code =
                libc::pthread_create(thread.as_mut_ptr(), attributes, run, start.cast::<c_void>());
            libc::pthread_attr_destroy(attributes);
            answer(code)
        };
        match started {
            // SAFETY: the thread was started, so its name was written.
            Ok(()) => Ok(Self(unsafe { thread.assume_init() })),
            Err(error) => {
                // SAFETY: there is no thread that would take it.
                drop(unsafe { Box::from_raw(start) });
                Err(error)
            }
        }
    }

    /// Whether this is the calling thread.
    pub fn is_current(&self) -> bool {
        // SAFETY: it has no conditions.
        self.0 == unsafe { libc::pthread_self() }
    }

    /// Waits for its end. A thread that waits for itself does not wait.
    pub fn join(self) {
        if self.is_current() {
            return;
        }
        let thread = ManuallyDrop::new(self).0;
        // SAFETY: it was started, is neither joined nor detached yet, and is another thread.
        unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: as for `join`, which does not come here.
        unsafe { libc::pthread_detach(self.0) };
    }
}

extern "C" fn run(start: *mut c_void) -> *mut c_void {
    // SAFETY: `Thread::start` made it from a box, and leaves it to this one call.
    let start = unsafe { Box::from_raw(start.cast::<ThreadStart>()) };
    // A name is for debuggers: that there is none changes nothing.
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    if let Ok(name) = std::ffi::CStr::from_bytes_until_nul(&start.name) {
        // SAFETY: `name` ends with a zero byte.
        #[cfg(target_os = "linux")]
        unsafe {
            libc::pthread_setname_np(libc::pthread_self(), name.as_ptr());
        }
        // SAFETY: the same.
        #[cfg(target_os = "macos")]
        unsafe {
            libc::pthread_setname_np(name.as_ptr());
        }
    }
    start.run();
    std::ptr::null_mut()
}
