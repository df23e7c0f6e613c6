//! What the standard library does not say about the operating system, or does in a way that ends the
//! process when memory is short: threads, memory that is left, cores, locked and released pages, space
//! on disks, which file a name is of, how a finished file gets its name, and which names there may be.
//!
//! | | Linux | macOS | Windows |
//! |---|---|---|---|
//! | threads | `pthread_create` | `pthread_create` | `CreateThread` |
//! | memory left | [`memory`](crate::memory) reads `/proc` and cgroups | `host_statistics64` | `GlobalMemoryStatusEx` |
//! | cores | [`threads`](crate::threads) reads `/proc` and sysfs | `hw.physicalcpu` | `GetLogicalProcessorInformationEx` |
//! | locked pages | `mlock` | `mlock` | `VirtualLock`, in a working set that grows for it |
//! | released pages | `madvise` | `madvise` | `VirtualUnlock` of pages that are not locked |
//! | a finished file gets its name | `rename`, `link` | `rename`, `link` | `FileRenameInfoEx`, `MoveFileEx` |
//! | disk space left | `statvfs` | `statvfs` | `GetDiskFreeSpaceExW` |
//! | one file, two names | device and inode | the same | `GetFileInformationByHandle` |
//! | names of files | all but NUL and `/` | the same | no reserved names, no `<>:"\|?*`, no dot or space at the end |
//!
//! The other systems of the Unix family lock and release pages as Linux does and say neither how much
//! memory is left nor how many cores there are. What this module does not do: decide anything. Its
//! callers do.

#[cfg(target_os = "macos")]
mod macos;
mod names;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "macos")]
pub(crate) use macos::{available_memory, cores};
#[cfg(unix)]
pub(crate) use unix::{
    LOCK_ADVICE, Locked, Thread, disk_left, is_at, is_same_file, lock, persist, release,
};
#[cfg(windows)]
pub(crate) use windows::{
    LOCK_ADVICE, Locked, Thread, available_memory, cores, disk_left, is_at, is_same_file, lock,
    persist, release,
};

/// Bytes of a thread's stack, as the standard library has it.
const STACK: usize = 2 << 20;

/// Most bytes of a thread's name, the zero byte at the end included: Linux keeps no more.
const NAME: usize = 16;

/// What a thread does, and its name.
pub(crate) struct ThreadStart {
    /// Ends with a zero byte.
    name: [u8; NAME],
    body: Box<dyn FnOnce() + Send>,
}

impl ThreadStart {
    /// A longer name than [`NAME`] is cut.
    pub fn new(name: &str, body: impl FnOnce() + Send + 'static) -> Self {
        let mut bytes = [0; NAME];
        for (to, from) in bytes[..NAME - 1].iter_mut().zip(name.bytes()) {
            *to = from;
        }
        Self {
            name: bytes,
            body: Box::new(body),
        }
    }

    /// Runs it. A panic ends the thread and nothing else; what it says was printed.
    fn run(self) {
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(self.body));
    }
}

/// Bytes that the system has left for this process, file cache included; `None` where it does not say.
#[cfg(not(any(windows, target_os = "macos")))]
pub(crate) fn available_memory() -> Option<u64> {
    None
}

/// Cores that this process may use; `None` where the system does not say.
#[cfg(not(any(windows, target_os = "macos")))]
pub(crate) fn cores() -> Option<usize> {
    None
}

/// Why no file of this system can have the name `name`; `None` where it can.
pub(crate) fn refuses_name(name: &std::ffi::OsStr) -> Option<&'static str> {
    if cfg!(windows) {
        // Names that are no Unicode are names all the same; what is looked for is ASCII.
        names::refused_by_windows(&name.to_string_lossy())
    } else {
        None
    }
}
