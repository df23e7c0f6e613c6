//! Shared, immutable bytes: a window into a memory-mapped file or into an aligned allocation.
//!
//! What this module does not do: interpret the bytes. A [`Bytes`] is checked for length and
//! alignment each time it is viewed as numbers.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

use crate::error::{Error, ErrorKind, Result, bail};
use crate::memory;
use crate::system::{self, Locked};

/// Bytes of a file that are read at a time.
const READ_BLOCK: usize = 256 << 10;
/// Alignment in bytes of what [`Bytes`] allocates: a cache line, and the widest vector.
pub const ALIGNMENT: usize = 64;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; ALIGNMENT]);

enum Owner {
    /// Dropped in this order: pages are unlocked with the mapping.
    Mapped {
        map: memmap2::Mmap,
        locked: Option<Locked>,
    },
    Owned {
        lines: Vec<Line>,
        len: usize,
    },
}

impl Owner {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped { map, .. } => map,
            Self::Owned { lines, len } => &bytemuck::cast_slice(lines)[..*len],
        }
    }
}

/// A zeroed, growable-once buffer that becomes [`Bytes`] when it is filled.
pub struct BytesMut {
    lines: Vec<Line>,
    len: usize,
}

impl BytesMut {
    /// `len` zero bytes, aligned to [`ALIGNMENT`].
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`] when the allocator refuses.
    pub fn zeroed(len: usize) -> Result<Self> {
        let mut bytes = Self::reserved(len)?;
        bytes.lengthen(len);
        Ok(bytes)
    }

    /// No bytes yet, with room for `len`.
    pub(crate) fn reserved(len: usize) -> Result<Self> {
        let mut lines = Vec::new();
        lines
            .try_reserve_exact(len.div_ceil(ALIGNMENT))
            .map_err(|e| {
                Error::new(
                    ErrorKind::OutOfMemory,
                    format!("cannot allocate {len} bytes: {e}"),
                )
            })?;
        Ok(Self { lines, len: 0 })
    }

    /// Adds zeros up to `len`, for which there is room.
    pub(crate) fn lengthen(&mut self, len: usize) {
        self.lines.resize(len.div_ceil(ALIGNMENT), Line::zeroed());
        self.len = len;
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }

    /// The bytes, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }

    /// Ends writing.
    pub fn freeze(self) -> Bytes {
        let range = 0..self.len;
        Bytes {
            owner: Arc::new(Owner::Owned {
                lines: self.lines,
                len: self.len,
            }),
            range,
        }
    }
}

/// A window into shared immutable bytes. Cloning and slicing copy nothing.
#[derive(Clone)]
pub struct Bytes {
    owner: Arc<Owner>,
    range: Range<usize>,
}

impl Bytes {
    /// Maps a whole file, read-only. Nothing is read until it is touched.
    ///
    /// Another process can still write to the file. A mapped file must not be truncated while it
    /// is in use: the system answers a read past its new end with SIGBUS, which ends the process.
    /// A file that is written in place gives old and new bytes mixed. To replace a model file,
    /// rename a new one over it; or use [`Bytes::read`] where others may write to it.
    pub fn map(path: &Path) -> Result<Self> {
        Self::mapped(path, false)
    }

    fn mapped(path: &Path, lock_it: bool) -> Result<Self> {
        let file = open_file(path)?;
        // SAFETY: the mapping is read-only, and its length is that of the file now. That nobody
        // writes to the file meanwhile cannot be had from any system, here as in every program
        // that maps files. What is at stake is kept small: tables (anything whose text or numbers
        // are checked once and trusted later) are copied to owned memory before they are parsed
        // (`into_owned`), and what stays mapped are weights, for which every bit pattern is
        // valid. A writer can tear a weight, and truncating raises SIGBUS, as documented.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| Error::io(path, "map", e))?;
        let lock = |map| {
            system::lock(map).map_err(|e| {
                let message = format!(
                    "{}: cannot lock {} bytes in memory: {e}; {}, or map without locking",
                    path.display(),
                    map.len(),
                    system::LOCK_ADVICE
                );
                Error::new(ErrorKind::OutOfMemory, message).with_source(e)
            })
        };
        let locked = lock_it.then(|| lock(&map)).transpose()?;
        let range = 0..map.len();
        Ok(Self {
            owner: Arc::new(Owner::Mapped { map, locked }),
            range,
        })
    }

    /// Like [`map`](Self::map), and locks the pages: they are read now, and stay in memory until
    /// the last window into them is gone.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`] when the system does not allow this process to lock so much.
    pub fn map_locked(path: &Path) -> Result<Self> {
        Self::mapped(path, true)
    }

    /// Reads a whole file into memory of its own.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`] when the file is large and more than what this process can
    /// still take (see `memory`), before anything is allocated; and what reading reports.
    pub fn read(path: &Path) -> Result<Self> {
        Self::read_watched(path, &mut |_| Ok(()))
    }

    /// Like [`read`](Self::read); calls `watch` with the length of each block that was read.
    ///
    /// # Errors
    /// As for [`read`](Self::read), and those of `watch`, which end the reading.
    pub fn read_watched(path: &Path, watch: &mut dyn FnMut(usize) -> Result<()>) -> Result<Self> {
        let mut file = open_file(path)?;
        let len = file
            .metadata()
            .map_err(|e| Error::io(path, "read the length", e))?
            .len();
        let Ok(len) = usize::try_from(len) else {
            bail!(
                OutOfMemory,
                "{}: {len} bytes do not fit the address space",
                path.display()
            );
        };
        let advice = "map the file instead of copying it, or free memory";
        memory::check(len, "a copy of it", advice).map_err(|e| e.within(path.display()))?;
        let mut buffer = BytesMut::reserved(len).map_err(|e| e.within(path.display()))?;
        while buffer.len < len {
            let start = buffer.len;
            // Memory is taken as it is filled: zeroing all of it first would take seconds.
            buffer.lengthen(len.min(start + READ_BLOCK));
            let block = &mut buffer.as_mut_slice()[start..];
            file.read_exact(block)
                .map_err(|e| Error::io(path, "read", e))?;
            let read = block.len();
            watch(read)?;
        }
        Ok(buffer.freeze())
    }

    /// The same bytes in memory of their own: a copy where they are those of a mapped file, which
    /// can change.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`] when the allocator refuses.
    pub fn into_owned(self) -> Result<Self> {
        match self.is_mapped() {
            true => Self::copy_from(self.as_slice()),
            false => Ok(self),
        }
    }

    /// Copies `bytes` into memory of its own.
    pub fn copy_from(bytes: &[u8]) -> Result<Self> {
        let mut buffer = BytesMut::zeroed(bytes.len())?;
        buffer.as_mut_slice().copy_from_slice(bytes);
        Ok(buffer.freeze())
    }

    /// No bytes.
    pub fn empty() -> Self {
        Self {
            owner: Arc::new(Owner::Owned {
                lines: Vec::new(),
                len: 0,
            }),
            range: 0..0,
        }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.owner.as_slice()[self.range.clone()]
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Whether these bytes belong to a mapped file rather than to an allocation.
    pub fn is_mapped(&self) -> bool {
        matches!(*self.owner, Owner::Mapped { .. })
    }

    /// Tells the system that these bytes will not be needed soon: the pages of a mapped file stop
    /// counting as this process's memory, and are read again if they are touched after all. For
    /// an allocation and for locked pages nothing happens.
    pub fn release(&self) {
        if let Owner::Mapped { map, locked: None } = &*self.owner {
            system::release(map, self.range.clone());
        }
    }

    /// A window of this window, or `None` when `range` reaches past its end.
    pub fn slice(&self, range: Range<usize>) -> Option<Self> {
        if range.start > range.end || range.end > self.len() {
            return None;
        }
        Some(Self {
            owner: Arc::clone(&self.owner),
            range: self.range.start + range.start..self.range.start + range.end,
        })
    }

    /// The bytes as numbers, or `None` when the length is no multiple of the element or the
    /// address is not aligned for it.
    pub fn as_slice_of<T: Pod>(&self) -> Option<&[T]> {
        bytemuck::try_cast_slice(self.as_slice()).ok()
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_mapped() { "mapped" } else { "owned" };
        write!(f, "Bytes({kind}, {} bytes)", self.len())
    }
}

/// Reads little-endian numbers and runs of bytes, and says where when there are too few.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    pos: usize,
    /// Where in the file `bytes` begin.
    base: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at byte `pos` of `bytes`; a `pos` past the end makes the first read fail.
    pub fn new(bytes: &'a [u8], pos: usize) -> Self {
        let base = 0;
        Self { bytes, pos, base }
    }

    /// Starts at the first of `bytes`, which begin at byte `base` of a file: that is what offsets
    /// count from.
    pub fn of_window(bytes: &'a [u8], base: usize) -> Self {
        let pos = 0;
        Self { bytes, pos, base }
    }

    /// Offset of the next byte.
    pub fn pos(&self) -> usize {
        self.base + self.pos
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::MalformedFile`] with the offset, when fewer are left.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        let Some(taken) = rest.get(..n) else {
            bail!(
                MalformedFile,
                "at byte {}: {n} bytes expected, {} are left; the file is cut short or damaged",
                self.pos(),
                rest.len()
            );
        };
        self.pos += n;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8> {
        self.array::<1>().map(|[b]| b)
    }

    /// The next two bytes.
    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next four bytes.
    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next eight bytes.
    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

fn open_file(path: &Path) -> Result<File> {
    // Asked before opening: opening a named pipe waits for a writer, perhaps for ever.
    let meta = std::fs::metadata(path).map_err(|e| Error::io(path, "open", e))?;
    if !meta.is_file() {
        bail!(
            InvalidArgument,
            "{}: expected a regular file",
            path.display()
        );
    }
    File::open(path).map_err(|e| Error::io(path, "open", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_stay_inside_and_owned_bytes_are_aligned() {
        let bytes = Bytes::copy_from(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        assert_eq!(bytes.as_slice().as_ptr() as usize % ALIGNMENT, 0);
        let inner = bytes.slice(2..6).unwrap();
        assert_eq!(inner.as_slice(), [3, 4, 5, 6]);
        assert_eq!(inner.slice(1..4).unwrap().as_slice(), [4, 5, 6]);
        assert!(inner.slice(1..5).is_none());
        assert!(inner.slice(usize::MAX..usize::MAX).is_none());
        assert!(
            bytes.slice(1..5).unwrap().as_slice_of::<u32>().is_none(),
            "misaligned"
        );
        assert_eq!(bytes.as_slice_of::<u32>().unwrap().len(), 2);
    }

    #[test]
    fn a_folder_is_refused_and_an_empty_file_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            Bytes::map(dir.path()).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
        let path = dir.path().join("empty");
        std::fs::write(&path, []).unwrap();
        assert!(Bytes::map(&path).unwrap().is_empty());
        assert!(Bytes::read(&path).unwrap().is_empty());
    }

    /// A file with a hole, far larger than any memory, takes no space itself.
    #[test]
    fn a_copy_that_memory_cannot_hold_is_refused_before_it_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large");
        let file = File::create(&path).unwrap();
        if memory::available().is_none() || file.set_len(1 << 43).is_err() {
            eprintln!("skipped: the system tells no memory or has no such files");
            return;
        }
        let error = Bytes::read(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        for part in ["large: 8796093022208 bytes", "available; map the file"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
