//! A file of samples or results that grows: every record in its turn, whole or not at all, and after an
//! interruption from where it stopped.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::json;
use super::samples::{CAPS, Record};
use crate::error::{Error, Result, bail};

/// How much work a failing machine may cost.
const SYNC_EVERY: Duration = Duration::from_secs(5);

/// A file that is being written.
pub(super) struct SampleFile {
    path: PathBuf,
    file: File,
    synced: Instant,
}

impl Drop for SampleFile {
    fn drop(&mut self) {
        // Closing the file is not enough: a program that another thread is starting has it open as
        // well for a moment, and the lock with it.
        let _ = self.file.unlock();
    }
}

impl SampleFile {
    /// Opens a file, or makes it, and reads what is there: `expect` is called with each record
    /// and its number, and says what is wrong with it. A last line without an end is cut off.
    /// Returns the file and how many records it has.
    ///
    /// # Errors
    /// [`Busy`](crate::ErrorKind::Busy) where another process writes it,
    /// [`MalformedFile`](crate::ErrorKind::MalformedFile) for a line that is no record, what `expect`
    /// says, and what the system reports.
    pub fn open<T: Record>(
        path: &Path,
        mut expect: impl FnMut(u64, &T) -> Result<()>,
    ) -> Result<(Self, u64)> {
        let mut open = OpenOptions::new();
        let open = open.read(true).write(true).create(true).truncate(false);
        let mut this = Self {
            path: path.to_owned(),
            file: open.open(path).map_err(|e| Error::io(path, "open", e))?,
            synced: Instant::now(),
        };
        match this.file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                Busy,
                "{}: another process is writing it; give each its own file",
                path.display()
            ),
            // A file system without locks is no reason to write nothing.
            Err(TryLockError::Error(_)) => {}
        }
        let (mut records, mut whole) = (0, 0);
        let mut input = BufReader::new(&this.file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let most = CAPS.line as u64;
            let read = (&mut input)
                .take(most)
                .read_until(b'\n', &mut line)
                .map_err(|e| Error::io(path, "read", e))?;
            if line.last() != Some(&b'\n') && (read as u64) < most {
                break;
            }
            let mut check = || {
                let mut record = T::read(json::object(line.trim_ascii())?)?;
                if let Some(defect) = record.defect() {
                    bail!(MalformedFile, "{defect}");
                }
                expect(records, &record)
            };
            check().map_err(|e| e.within(format!("{}: line {}", path.display(), records + 1)))?;
            records += 1;
            whole += read as u64;
        }
        this.cut(whole)?;
        Ok((this, records))
    }

    /// Drops what follows the first `bytes` bytes.
    fn cut(&mut self, bytes: u64) -> Result<()> {
        let cut = self.file.set_len(bytes);
        cut.and_then(|()| self.file.seek(SeekFrom::Start(bytes)))
            .map_err(|e| Error::io(&self.path, "write", e))?;
        Ok(())
    }

    /// Adds a record.
    ///
    /// # Errors
    /// What the system reports.
    pub fn append(&mut self, record: &impl Record) -> Result<()> {
        let failed = |e| Error::io(&self.path, "write", e);
        let mut line = serde_json::to_vec(record).map_err(|e| failed(e.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(failed)?;
        if self.synced.elapsed() > SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// What the system reports.
    pub fn sync(&mut self) -> Result<()> {
        self.synced = Instant::now();
        match self.file.sync_data() {
            // Pipes and some devices cannot.
            Err(e) if e.kind() == std::io::ErrorKind::InvalidInput => Ok(()),
            other => other.map_err(|e| Error::io(&self.path, "write", e)),
        }
    }
}
