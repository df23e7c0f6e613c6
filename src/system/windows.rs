//! Threads, memory, cores, pages of mapped files, and files that replace others, on Windows.

use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Component, Path, Prefix};
use std::sync::{Mutex, PoisonError};

use memmap2::Mmap;
use tempfile::NamedTempFile;
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_NORMAL, FILE_BASIC_INFO, FILE_FLAG_BACKUP_SEMANTICS,
    FILE_FLAG_OPEN_REPARSE_POINT, FileBasicInfo, GetDiskFreeSpaceExW, GetFileInformationByHandle,
    MoveFileExW, SetFileInformationByHandle,
};
use windows_sys::Win32::System::Memory::{VirtualLock, VirtualUnlock};
use windows_sys::Win32::System::SystemInformation::{
    GetLogicalProcessorInformationEx, GlobalMemoryStatusEx, MEMORYSTATUSEX, RelationProcessorCore,
};
use windows_sys::Win32::System::Threading::{
    CreateThread, GetCurrentProcess, GetCurrentThread, GetCurrentThreadId, GetProcessAffinityMask,
    GetProcessGroupAffinity, GetProcessWorkingSetSize, GetThreadId, INFINITE,
    STACK_SIZE_PARAM_IS_A_RESERVATION, SetProcessWorkingSetSize, SetThreadDescription,
    WaitForSingleObject,
};

use super::{NAME, STACK, ThreadStart};

/// What to do when pages cannot be locked.
pub(crate) const LOCK_ADVICE: &str = "free physical memory";

/// The smallest page of the processors that Windows runs on.
const PAGE: usize = 4096;

/// The least of the physical memory that is left, file cache included, and of what this process may
/// still commit. Windows refuses an allocation beyond that instead of ending the process.
pub(crate) fn available_memory() -> Option<u64> {
    let mut status = MEMORYSTATUSEX {
        dwLength: size_of::<MEMORYSTATUSEX>() as u32,
        ..MEMORYSTATUSEX::default()
    };
    // SAFETY: `status` has the length that it says.
    let told = unsafe { GlobalMemoryStatusEx(&mut status) };
    (told != 0).then(|| status.ullAvailPhys.min(status.ullAvailPageFile))
}

/// Cores with a logical processor in the affinity mask; all of them for a process that runs in more than
/// one processor group.
pub(crate) fn cores() -> Option<usize> {
    let mut len = 0;
    // SAFETY: with no buffer, only the length is written.
    unsafe {
        GetLogicalProcessorInformationEx(RelationProcessorCore, std::ptr::null_mut(), &mut len);
    }
    // Words, since the records want the alignment of a pointer.
    let mut buffer: Vec<u64> = vec![0; (len as usize).div_ceil(size_of::<u64>())];
    // SAFETY: the buffer has at least `len` bytes and the alignment of the records.
    let told = unsafe {
        GetLogicalProcessorInformationEx(
            RelationProcessorCore,
            buffer.as_mut_ptr().cast(),
            &mut len,
        )
    };
    if told == 0 {
        return None;
    }
    let records = bytemuck::cast_slice(&buffer).get(..len as usize)?;
    count_cores(records, affinity())
}

/// The processor group of this process and its mask, where there is one alone.
fn affinity() -> Option<(u16, u64)> {
    let (mut process, mut system) = (0, 0);
    let (mut groups, mut group) = (1, 0);
    // SAFETY: the handle stands for this process and need not be closed; the masks are written, and
    // at most `groups` groups.
    let told = unsafe {
        let this = GetCurrentProcess();
        GetProcessAffinityMask(this, &mut process, &mut system) != 0
            && GetProcessGroupAffinity(this, &mut groups, &mut group) != 0
    };
    (told && groups == 1 && process != 0).then_some((group, process as u64))
}

/// Counts the records of `SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX` that describe a core of `affinity`:
/// a kind and a length, u32 each; 22 bytes of no interest; the number of masks, u16; and the masks of 16
/// bytes each, the bits as u64 and the group as u16.
fn count_cores(mut records: &[u8], affinity: Option<(u16, u64)>) -> Option<usize> {
    const HEAD: usize = 32;
    const MASK: usize = 16;
    let u16_at = |bytes: &[u8], at: usize| {
        let bytes = bytes.get(at..at + 2)?;
        Some(u16::from_le_bytes(bytes.try_into().ok()?))
    };
    let mut cores = 0;
    while !records.is_empty() {
        let len = u32::from_le_bytes(records.get(4..8)?.try_into().ok()?);
        let record = records.get(..len as usize).filter(|r| r.len() >= HEAD)?;
        let masks = usize::from(u16_at(record, HEAD - 2)?);
        let mut usable = affinity.is_none();
        for mask in record.get(HEAD..HEAD + masks * MASK)?.chunks_exact(MASK) {
            let bits = u64::from_le_bytes(mask[..8].try_into().ok()?);
            let of_process = affinity.filter(|(group, _)| u16_at(mask, 8) == Some(*group));
            usable |= of_process.is_some_and(|(_, allowed)| bits & allowed != 0);
        }
        cores += usize::from(usable);
        records = &records[record.len()..];
    }
    (cores > 0).then_some(cores)
}

/// Pages in memory; the working set of the process shrinks again when this is dropped, which must be
/// after the mapping.
#[derive(Debug)]
pub(crate) struct Locked {
    bytes: usize,
}

impl Drop for Locked {
    fn drop(&mut self) {
        // A working set that stays larger is no loss.
        let _ = resize_working_set(|size| size.saturating_sub(self.bytes));
    }
}

/// Reads all pages of a mapping and keeps them in memory until it is gone. Windows lets a process lock as
/// much as its smallest working set, less a little, so that grows first.
pub(crate) fn lock(map: &Mmap) -> io::Result<Locked> {
    if map.is_empty() {
        return Ok(Locked { bytes: 0 });
    }
    let bytes = map.len().next_multiple_of(PAGE) + PAGE;
    resize_working_set(|size| size.saturating_add(bytes))?;
    let locked = Locked { bytes };
    // SAFETY: the range is that of the mapping; locking changes nothing in it.
    if unsafe { VirtualLock(map.as_ptr().cast(), map.len()) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(locked)
}

/// Changes the smallest and the largest working set alike.
fn resize_working_set(change: impl Fn(usize) -> usize) -> io::Result<()> {
    // Read and written by one thread at a time. That is this library's part; another library of the
    // process that does the same is not kept out.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut least, mut most) = (0, 0);
    // SAFETY: the handle stands for this process; two sizes are written.
    let changed = unsafe {
        let this = GetCurrentProcess();
        GetProcessWorkingSetSize(this, &mut least, &mut most) != 0
            && SetProcessWorkingSetSize(this, change(least), change(most)) != 0
    };
    if changed {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Takes the pages of a part of a mapping out of the working set; a later read finds them in the file
/// again. Must not be called for locked pages: it would unlock them.
pub(crate) fn release(map: &Mmap, range: Range<usize>) {
    let part = &map[range];
    if !part.is_empty() {
        // That the pages are not locked is what is expected, and reported as an error.
        // SAFETY: the range is inside the mapping; nothing in it changes.
        unsafe { VirtualUnlock(part.as_ptr().cast(), part.len()) };
    }
}

/// Gives a finished file its name; with `overwrite`, instead of a file that has it. Processes that map
/// the old file keep it where the file system has POSIX semantics, as NTFS does since Windows 10;
/// elsewhere the old file stays and the error says that access is denied.
pub(crate) fn persist(temporary: NamedTempFile, out: &Path, overwrite: bool) -> io::Result<()> {
    // Temporary files are marked as such, so that Windows is in no hurry to write them to the disk.
    let info = FILE_BASIC_INFO {
        FileAttributes: FILE_ATTRIBUTE_NORMAL,
        ..FILE_BASIC_INFO::default()
    };
    // SAFETY: the handle is open, and `info` is what this class takes; times of 0 stay as they are.
    let marked = unsafe {
        SetFileInformationByHandle(
            temporary.as_file().as_raw_handle(),
            FileBasicInfo,
            (&raw const info).cast(),
            size_of::<FILE_BASIC_INFO>() as u32,
        )
    };
    if marked == 0 {
        return Err(io::Error::last_os_error());
    }
    let (file, mut path) = temporary.into_parts();
    drop(file);
    if overwrite {
        std::fs::rename(&path, out)?;
    } else {
        rename_to_new(&path, out)?;
    }
    // It has another name now.
    path.disable_cleanup(true);
    Ok(())
}

/// A rename that fails where the new name is taken.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (verbatim(from)?, verbatim(to)?);
    // SAFETY: both names end with a zero.
    if unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), 0) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The absolute form of a path that calls of Windows take at any length, and a zero. Other paths end at
/// 260 characters there. Links are not followed.
fn verbatim(path: &Path) -> io::Result<Vec<u16>> {
    let path = std::path::absolute(path)?;
    let (head, skipped) = match path.components().next() {
        Some(Component::Prefix(prefix)) => match prefix.kind() {
            Prefix::Disk(_) => (r"\\?\", 0),
            Prefix::UNC(..) => (r"\\?\UNC\", r"\\".len()),
            // Verbatim, or a device.
            _ => ("", 0),
        },
        _ => ("", 0),
    };
    let rest = path.as_os_str().encode_wide().skip(skipped);
    Ok(head.encode_utf16().chain(rest).chain([0]).collect())
}

/// The volume of a file and its number there.
fn identity(file: &File) -> Option<(u32, u32, u32)> {
    let mut found = MaybeUninit::<BY_HANDLE_FILE_INFORMATION>::zeroed();
    // SAFETY: the handle is open as long as `file` is, and the record is written.
    let told = unsafe { GetFileInformationByHandle(file.as_raw_handle(), found.as_mut_ptr()) };
    if told == 0 {
        return None;
    }
    // SAFETY: plain integers, zero where the call left them out.
    let found = unsafe { found.assume_init() };
    Some((
        found.dwVolumeSerialNumber,
        found.nFileIndexHigh,
        found.nFileIndexLow,
    ))
}

/// What has a name, for looking at it and no more: without access, so that no lock is in the way.
fn named(path: &Path, flags: u32) -> Option<File> {
    let mut options = OpenOptions::new();
    options
        .access_mode(0)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | flags);
    options.open(path).ok()
}

/// Whether the open `file` is what has the name `path`, not a link to it.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let named = named(path, FILE_FLAG_OPEN_REPARSE_POINT);
    let found = named.as_ref().and_then(identity);
    found.is_some() && found == identity(file)
}

/// Whether two names lead to one file.
pub(crate) fn is_same_file(a: &Path, b: &Path) -> bool {
    let (a, b) = (named(a, 0), named(b, 0));
    let (a, b) = (a.as_ref().and_then(identity), b.as_ref().and_then(identity));
    a.is_some() && a == b
}

/// Bytes that this user can still write to the disk of a folder; `None` where the system does not say.
pub(crate) fn disk_left(folder: &Path) -> Option<u64> {
    let name = verbatim(folder).ok()?;
    let mut free = 0;
    // SAFETY: the name ends with a zero, and one number is written.
    let told = unsafe {
        GetDiskFreeSpaceExW(
            name.as_ptr(),
            &mut free,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    };
    (told != 0).then_some(free)
}

/// A thread that was started. Dropped without a join, it goes on by itself.
pub(crate) struct Thread(OwnedHandle);

impl Thread {
    /// Starts a thread.
    pub fn start(start: ThreadStart) -> io::Result<Self> {
        let start = Box::into_raw(Box::new(start));
        // SAFETY: `start` is the new thread's, and `run` takes it once.
        let thread = unsafe {
            CreateThread(
                std::ptr::null(),
                STACK,
                Some(run),
                start.cast::<c_void>(),
                STACK_SIZE_PARAM_IS_A_RESERVATION,
                std::ptr::null_mut(),
            )
        };
        if thread.is_null() {
            let error = io::Error::last_os_error();
            // SAFETY: there is no thread that would take it.
            drop(unsafe { Box::from_raw(start) });
            return Err(error);
        }
        // SAFETY: a handle that nothing else has.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(thread) }))
    }

    /// Whether this is the calling thread.
    pub fn is_current(&self) -> bool {
        // SAFETY: the handle is open.
        unsafe { GetThreadId(self.0.as_raw_handle()) == GetCurrentThreadId() }
    }

    /// Waits for its end. A thread that waits for itself does not wait.
    pub fn join(self) {
        if self.is_current() {
            return;
        }
        // SAFETY: the handle is open until the end of this function.
        unsafe { WaitForSingleObject(self.0.as_raw_handle(), INFINITE) };
    }
}

unsafe extern "system" fn run(start: *mut c_void) -> u32 {
    // SAFETY: `Thread::start` made it from a box, and leaves it to this one call.
    let start = unsafe { Box::from_raw(start.cast::<ThreadStart>()) };
    let mut name = [0; NAME];
    for (to, from) in name.iter_mut().zip(start.name) {
        *to = u16::from(from);
    }
    // SAFETY: `name` ends with a zero. A name is for debuggers: that there is none changes nothing.
    unsafe { SetThreadDescription(GetCurrentThread(), name.as_ptr()) };
    start.run();
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A core's record with one mask for each pair.
    fn core(masks: &[(u16, u64)]) -> Vec<u8> {
        let len = 32 + 16 * masks.len().max(1);
        let mut record = vec![0; len];
        record[4..8].copy_from_slice(&(len as u32).to_le_bytes());
        record[30..32].copy_from_slice(&(masks.len() as u16).to_le_bytes());
        for (mask, (group, bits)) in record[32..].chunks_exact_mut(16).zip(masks) {
            mask[..8].copy_from_slice(&bits.to_le_bytes());
            mask[8..10].copy_from_slice(&group.to_le_bytes());
        }
        record
    }

    #[test]
    fn cores_count_once_within_the_mask_of_the_process() {
        let records: Vec<u8> = [(0, 0b11), (0, 0b1100), (0, 0b1_0000), (1, 0b11)]
            .iter()
            .flat_map(|mask| core(&[*mask]))
            .collect();
        for (affinity, expected) in [
            (None, Some(4)),
            (Some((0, 0b1_1111)), Some(3)),
            (Some((0, 0b0_0110)), Some(2)),
            (Some((1, 0b0_0001)), Some(1)),
            (Some((2, 0b1_1111)), None),
        ] {
            assert_eq!(count_cores(&records, affinity), expected, "{affinity:?}");
        }
        assert_eq!(count_cores(&records[..records.len() - 1], None), None);
        assert_eq!(
            count_cores(&[0; 48], None),
            None,
            "a record without a length"
        );
        assert_eq!(count_cores(&[], None), None);
    }

    #[test]
    fn the_system_tells_memory_and_cores() {
        assert!(available_memory().unwrap() > 1 << 20);
        let logical = std::thread::available_parallelism().unwrap().get();
        assert!((1..=logical.max(64)).contains(&cores().unwrap()));
    }

    #[test]
    fn locked_pages_stay_and_released_ones_are_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, [7; 3 * PAGE + 5]).unwrap();
        for map in [crate::bytes::Bytes::map, crate::bytes::Bytes::map_locked] {
            let bytes = map(&path).unwrap();
            assert!(bytes.as_slice().iter().all(|b| *b == 7));
            bytes.slice(PAGE + 1..2 * PAGE + 2).unwrap().release();
            assert!(bytes.as_slice().iter().all(|b| *b == 7));
        }
    }

    #[test]
    fn absolute_paths_are_marked_as_long() {
        for (path, expected) in [
            (r"C:\a\b", r"\\?\C:\a\b"),
            ("C:/a/./b/../模型", r"\\?\C:\a\模型"),
            (r"\\server\share\a", r"\\?\UNC\server\share\a"),
            (r"\\?\C:\a", r"\\?\C:\a"),
            (r"\\?\UNC\server\share\a", r"\\?\UNC\server\share\a"),
            (r"\\.\pipe\a", r"\\.\pipe\a"),
        ] {
            let found = verbatim(Path::new(path)).unwrap();
            let expected: Vec<u16> = expected.encode_utf16().chain([0]).collect();
            assert_eq!(
                found,
                expected,
                "{path}: {}",
                String::from_utf16_lossy(&found)
            );
        }
        let here = verbatim(Path::new("a")).unwrap();
        assert!(String::from_utf16(&here).unwrap().starts_with(r"\\?\"));
        assert!(verbatim(Path::new("")).is_err());
    }

    #[test]
    fn a_file_gets_its_name_once_and_replaces_another_when_it_may() {
        let dir = tempfile::tempdir().unwrap();
        // Longer than what Windows takes without being told that it is long.
        let folder = dir.path().join("x".repeat(120)).join("y".repeat(120));
        std::fs::create_dir_all(&folder).unwrap();
        let out = folder.join("имя 模型.bin");
        let write = |text: &str, overwrite| {
            let file = NamedTempFile::new_in(&folder).unwrap();
            std::fs::write(file.path(), text).unwrap();
            persist(file, &out, overwrite)
        };
        assert!(disk_left(&folder).unwrap() > 0);
        write("first", false).unwrap();
        let taken = write("second", false).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists, "{taken}");
        assert_eq!(std::fs::read(&out).unwrap(), b"first");
        write("third", true).unwrap();
        assert_eq!(std::fs::read(&out).unwrap(), b"third");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }
}
