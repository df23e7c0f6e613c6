//! Reader of the zip files that `torch.save` writes: stored entries, zip64 included.
//!
//! The central directory is copied, read, and checked against every local header when the archive
//! is opened; data are handed out in place. What this module does not do: decompress (`torch.save`
//! never compresses, so there is no zip bomb to fear), decrypt, or verify checksums, which would
//! read every byte of a 26 GB file before the first token.

use std::ops::Range;

use crate::bytes::{Bytes, Cursor};
use crate::cancel::CancelToken;
use crate::error::{Result, bail, quoted};
use crate::memory;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END64: u32 = 0x0606_4b50;
const LOCATOR64: u32 = 0x0706_4b50;

const CENTRAL_LEN: usize = 46;
const LOCAL_LEN: usize = 30;
const END_LEN: usize = 22;
const END64_LEN: usize = 56;
const LOCATOR64_LEN: usize = 20;
/// A comment's length has sixteen bits, so the end record is at most this far from the end.
const END_SEARCH: usize = END_LEN + u16::MAX as usize;

const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
const SIZES_FOLLOW: u16 = 1 << 3;
const ZIP64_EXTRA: u16 = 1;
/// In a 32-bit field: the number is in the zip64 extra field.
const ELSEWHERE: u64 = u32::MAX as u64;

/// Bytes of a central directory: some hundred for each of a million entries.
const MAX_DIRECTORY: usize = 128 << 20;

/// The first bytes of every zip file that has an entry.
pub(super) const MAGIC: &[u8] = b"PK\x03\x04";

/// A stored file inside an [`Archive`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, with slashes, as the archive has it.
    pub name: Box<str>,
    /// Where its bytes are in the archive; inside it and shared with no other entry.
    pub range: Range<usize>,
    /// Where its local header begins.
    header: usize,
}

/// An opened zip file of stored entries.
#[derive(Debug, Clone)]
pub struct Archive {
    bytes: Bytes,
    /// Sorted by name.
    entries: Vec<Entry>,
}

struct Directory {
    start: usize,
    size: usize,
    entries: usize,
}

impl Archive {
    /// Reads the central directory and checks it.
    ///
    /// # Errors
    /// [`MalformedFile`](crate::ErrorKind::MalformedFile) with the offset of what is wrong;
    /// [`UnsupportedFile`](crate::ErrorKind::UnsupportedFile) for compressed or encrypted
    /// entries and for archives in several parts.
    pub fn parse(bytes: Bytes) -> Result<Self> {
        Self::parse_unless(bytes, &CancelToken::new())
    }

    /// [`parse`](Self::parse), unless it is cancelled meanwhile.
    pub(super) fn parse_unless(bytes: Bytes, cancel: &CancelToken) -> Result<Self> {
        let directory = find_directory(&bytes)?;
        let entries = read_entries(&bytes, &directory, cancel)?;
        Ok(Self { bytes, entries })
    }

    /// Every entry, sorted by name.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Bytes of the archive.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The entry of that name.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        let at = (self.entries).binary_search_by(|e| e.name.as_ref().cmp(name));
        at.ok().map(|i| &self.entries[i])
    }

    /// The bytes of an entry of this archive, in place. An entry of another archive gives
    /// whatever lies there, or nothing.
    pub fn data(&self, entry: &Entry) -> Bytes {
        (self.bytes.slice(entry.range.clone())).unwrap_or_else(Bytes::empty)
    }
}

/// A window of the file, owned: what is parsed must not change meanwhile.
fn table(bytes: &Bytes, range: Range<usize>) -> Result<Bytes> {
    let window = bytes.slice(range.start.min(bytes.len())..range.end.min(bytes.len()));
    window.unwrap_or_else(Bytes::empty).into_owned()
}

/// Finds the end record by its signature and by its comment ending where the file ends; `tail`
/// begins at byte `first` of the file.
fn find_end(tail: &[u8], first: usize) -> Result<usize> {
    let Some(last) = tail.len().checked_sub(END_LEN) else {
        bail!(
            MalformedFile,
            "{} bytes are too few for a zip file, which ends in a record of {END_LEN}; the file \
             is cut short",
            tail.len()
        );
    };
    for at in (tail.len().saturating_sub(END_SEARCH)..=last).rev() {
        if tail[at..at + 4] == END.to_le_bytes() {
            let comment = u16::from_le_bytes([tail[at + 20], tail[at + 21]]);
            if at + END_LEN + usize::from(comment) == tail.len() {
                return Ok(first + at);
            }
        }
    }
    bail!(
        MalformedFile,
        "no zip end record between byte {} and the end at byte {}; the file is cut short \
         (an interrupted download?) or something was appended to it",
        first + tail.len().saturating_sub(END_SEARCH),
        first + tail.len()
    )
}

fn find_directory(bytes: &Bytes) -> Result<Directory> {
    // The end record, and what comes right before it in a large archive.
    let first = bytes
        .len()
        .saturating_sub(END_SEARCH + LOCATOR64_LEN + END64_LEN);
    let tail = table(bytes, first..bytes.len())?;
    let tail = tail.as_slice();
    let end = find_end(tail, first)?;
    let window = |at: usize| {
        let from = at.saturating_sub(first).min(tail.len());
        Cursor::of_window(&tail[from..], first + from)
    };
    let mut r = window(end + 4);
    let (disk, directory_disk) = (r.u16()?, r.u16()?);
    let (entries_here, entries) = (r.u16()?, r.u16()?);
    let (size, start) = (r.u32()?, r.u32()?);
    // The locator is recognised by its place; torch writes it whatever the size.
    let locator = end.checked_sub(LOCATOR64_LEN).filter(|&at| {
        let signature = window(at).u32();
        at >= first && signature.is_ok_and(|signature| signature == LOCATOR64)
    });
    let mut fields = [
        u64::from(disk),
        u64::from(directory_disk),
        u64::from(entries_here),
        u64::from(entries),
        u64::from(size),
        u64::from(start),
    ];
    let mut directory_end = end;
    if let Some(locator) = locator {
        let at = window(locator + 8).u64()?;
        let expected = locator.checked_sub(END64_LEN);
        let Some(at) = usize::try_from(at).ok().filter(|&a| Some(a) == expected) else {
            bail!(
                MalformedFile,
                "the zip64 locator at byte {locator} points to byte {at}, expected the record \
                 right before it"
            );
        };
        fields = read_end64(window(at), fields)?;
        directory_end = at;
    }
    let [disk, directory_disk, entries_here, entries, size, start] = fields;
    if disk != 0 || directory_disk != 0 || entries_here != entries {
        bail!(
            UnsupportedFile,
            "the zip file is one part of several (end record at byte {end}); join the parts first"
        );
    }
    let in_place = (start.checked_add(size)).is_some_and(|e| e == directory_end as u64);
    if !in_place {
        bail!(
            MalformedFile,
            "the end record at byte {end} puts the zip directory at byte {start}, {size} bytes \
             long, but it has to end at byte {directory_end}; the file is damaged or was prefixed \
             with other data"
        );
    }
    if entries > size / CENTRAL_LEN as u64 {
        bail!(
            MalformedFile,
            "the end record at byte {end} claims {entries} entries, but a directory of {size} \
             bytes has room for {}",
            size / CENTRAL_LEN as u64
        );
    }
    if size > MAX_DIRECTORY as u64 {
        bail!(
            UnsupportedFile,
            "a zip directory of {size} bytes, and at most {MAX_DIRECTORY} are read"
        );
    }
    // All three are at most the file's own length, as just checked.
    Ok(Directory {
        start: start as usize,
        size: size as usize,
        entries: entries as usize,
    })
}

/// Reads a zip64 end record; `small` are the same fields of the plain one, which must
/// agree unless they are all ones.
fn read_end64(mut r: Cursor<'_>, small: [u64; 6]) -> Result<[u64; 6]> {
    let at = r.pos();
    let (signature, length) = (r.u32()?, r.u64()?);
    if signature != END64 || length != (END64_LEN - 12) as u64 {
        bail!(
            MalformedFile,
            "at byte {at}: expected a zip64 end record of {END64_LEN} bytes"
        );
    }
    r.take(4)?;
    let fields = [
        u64::from(r.u32()?),
        u64::from(r.u32()?),
        r.u64()?,
        r.u64()?,
        r.u64()?,
        r.u64()?,
    ];
    for (i, (&large, small)) in fields.iter().zip(small).enumerate() {
        let absent = if i < 4 {
            u64::from(u16::MAX)
        } else {
            ELSEWHERE
        };
        if small != absent && small != large {
            bail!(
                MalformedFile,
                "the zip64 end record at byte {at} says {large} where the plain one says {small}"
            );
        }
    }
    Ok(fields)
}

fn read_entries(bytes: &Bytes, directory: &Directory, cancel: &CancelToken) -> Result<Vec<Entry>> {
    let end = directory.start + directory.size;
    let mut entries = memory::try_vec(directory.entries)?;
    let records = table(bytes, directory.start..end)?;
    let mut r = Cursor::of_window(records.as_slice(), directory.start);
    for _ in 0..directory.entries {
        cancel.check()?;
        entries.push(read_entry(bytes, &mut r, directory)?);
    }
    if r.pos() != end {
        bail!(
            MalformedFile,
            "the zip directory has {} bytes after its {} entries, at byte {}",
            end - r.pos(),
            directory.entries,
            r.pos()
        );
    }
    entries.sort_unstable_by_key(|e| e.header);
    for pair in entries.windows(2) {
        if pair[0].range.end > pair[1].header {
            bail!(
                MalformedFile,
                "entry {} ends at byte {}, inside entry {}, which begins at byte {}",
                quoted(&pair[0].name),
                pair[0].range.end,
                quoted(&pair[1].name),
                pair[1].header
            );
        }
    }
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    for pair in entries.windows(2) {
        if pair[0].name == pair[1].name {
            bail!(
                MalformedFile,
                "two entries are named {}, at bytes {} and {}",
                quoted(&pair[0].name),
                pair[0].header,
                pair[1].header
            );
        }
    }
    Ok(entries)
}

fn read_entry(bytes: &Bytes, r: &mut Cursor<'_>, directory: &Directory) -> Result<Entry> {
    let at = r.pos();
    let signature = r.u32()?;
    if signature != CENTRAL {
        bail!(
            MalformedFile,
            "at byte {at}: expected a zip directory entry, found {signature:#010x}"
        );
    }
    r.take(4)?;
    let (flags, method) = (r.u16()?, r.u16()?);
    r.take(4)?;
    let checksum = r.u32()?;
    let mut sizes = [u64::from(r.u32()?), u64::from(r.u32()?), 0];
    let lengths = [r.u16()?, r.u16()?, r.u16()?].map(usize::from);
    let disk = r.u16()?;
    r.take(6)?;
    sizes[2] = u64::from(r.u32()?);
    let Ok(name) = std::str::from_utf8(r.take(lengths[0])?) else {
        bail!(MalformedFile, "at byte {at}: the entry's name is not UTF-8");
    };
    let extra = r.take(lengths[1])?;
    r.take(lengths[2])?;
    if flags & ENCRYPTED != 0 || method != 0 {
        let what = if method != 0 {
            "compressed"
        } else {
            "encrypted"
        };
        bail!(
            UnsupportedFile,
            "entry {name} (directory at byte {at}) is {what} (method {method}, flags \
             {flags:#06x}); torch.save never does that: unpack and save the checkpoint again with \
             torch.save",
            name = quoted(name)
        );
    }
    if disk != 0 && disk != u16::MAX {
        bail!(
            UnsupportedFile,
            "entry {name} (directory at byte {at}) lies in part {disk} of several",
            name = quoted(name)
        );
    }
    // Order in the extra field: uncompressed, compressed, offset; only those that are elsewhere.
    let [packed, plain, header] = &mut sizes;
    resolve_zip64(extra, [plain, packed, header], name, at)?;
    let [packed, plain, header] = sizes;
    if packed != plain {
        bail!(
            MalformedFile,
            "entry {name} (directory at byte {at}) is stored, yet {packed} bytes are to become \
             {plain}",
            name = quoted(name)
        );
    }
    let local = usize::try_from(header).unwrap_or(usize::MAX);
    let range = read_local(bytes, local, directory.start, name, flags, plain, checksum)?;
    Ok(Entry {
        name: memory::text(name)?.into_boxed_str(),
        range,
        header: local,
    })
}

/// Replaces the fields that are all ones by what the zip64 extra field says.
fn resolve_zip64<const N: usize>(
    extra: &[u8],
    fields: [&mut u64; N],
    name: &str,
    at: usize,
) -> Result<()> {
    if fields.iter().all(|f| **f != ELSEWHERE) {
        return Ok(());
    }
    let mut r = Cursor::new(extra, 0);
    let within = |e: crate::Error| {
        e.within(format_args!(
            "extra field of entry {name}, byte {at}",
            name = quoted(name)
        ))
    };
    while r.pos() < extra.len() {
        let (id, len) = (r.u16().map_err(within)?, r.u16().map_err(within)?);
        let body = r.take(usize::from(len)).map_err(within)?;
        if id == ZIP64_EXTRA {
            let mut r = Cursor::new(body, 0);
            for field in fields {
                if *field == ELSEWHERE {
                    *field = r.u64().map_err(within)?;
                }
            }
            return Ok(());
        }
    }
    bail!(
        MalformedFile,
        "entry {name} (byte {at}) needs a zip64 extra field and has none",
        name = quoted(name)
    )
}

/// Checks a local header against the directory; where the entry's data are.
fn read_local(
    bytes: &Bytes,
    at: usize,
    limit: usize,
    name: &str,
    flags: u16,
    size: u64,
    checksum: u32,
) -> Result<Range<usize>> {
    // The name has to be that of the directory; two bytes before it say where the extra field ends.
    let fixed = at..at.saturating_add(LOCAL_LEN).min(limit);
    let fixed = table(bytes, fixed.start.min(fixed.end)..fixed.end)?;
    let within = |e: crate::Error| {
        e.within(format_args!(
            "local header of entry {name}",
            name = quoted(name)
        ))
    };
    let mut r = Cursor::of_window(fixed.as_slice(), at);
    let signature = r.u32().map_err(within)?;
    if signature != LOCAL {
        bail!(
            MalformedFile,
            "entry {name}: expected a local header at byte {at}, found {signature:#010x}",
            name = quoted(name)
        );
    }
    let _version = r.u16().map_err(within)?;
    let (local_flags, method) = (r.u16().map_err(within)?, r.u16().map_err(within)?);
    r.take(4).map_err(within)?;
    let local_checksum = r.u32().map_err(within)?;
    let mut packed = u64::from(r.u32().map_err(within)?);
    let mut plain = u64::from(r.u32().map_err(within)?);
    let (name_len, extra_len) = (r.u16().map_err(within)?, r.u16().map_err(within)?);
    let start = r.pos();
    let texts = start..start + usize::from(name_len) + usize::from(extra_len);
    let texts = table(bytes, texts.start..texts.end.min(limit))?;
    let mut r = Cursor::of_window(texts.as_slice(), start);
    let local_name = r.take(usize::from(name_len)).map_err(within)?;
    let extra = r.take(usize::from(extra_len)).map_err(within)?;
    resolve_zip64(extra, [&mut plain, &mut packed], name, at)?;
    // Where sizes follow the data, the local header may leave them out.
    let absent = flags & SIZES_FOLLOW != 0 && (packed, plain, local_checksum) == (0, 0, 0);
    let same_sizes = absent || (packed, plain, local_checksum) == (size, size, checksum);
    if local_name != name.as_bytes() || method != 0 || local_flags != flags || !same_sizes {
        bail!(
            MalformedFile,
            "entry {name}: its local header at byte {at} disagrees with the zip directory",
            name = quoted(name)
        );
    }
    let start = r.pos();
    let end = (usize::try_from(size).ok()).and_then(|size| start.checked_add(size));
    match end.filter(|&end| end <= limit) {
        Some(end) => Ok(start..end),
        None => bail!(
            MalformedFile,
            "entry {name} claims {size} bytes from byte {start}, past the {limit} bytes before \
             the zip directory",
            name = quoted(name)
        ),
    }
}
