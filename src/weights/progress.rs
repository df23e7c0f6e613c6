//! Progress and cancellation of opening and loading a checkpoint.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cancel::CancelToken;
use crate::error::{Result, bail};

type Progress = dyn Fn(u64, u64) -> ControlFlow<()> + Send + Sync;

/// Progress callback and cancellation of opening and loading a checkpoint.
///
/// Cancellation is checked after every 256 KiB that are copied, and between the tensors or entries
/// of a table. What was mapped and copied until then is freed.
#[derive(Clone, Default)]
pub struct LoadProgress {
    cancel: CancelToken,
    progress: Option<Arc<Progress>>,
}

impl LoadProgress {
    /// No callback, never cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the opening with [`Cancelled`](crate::ErrorKind::Cancelled) once this flag is set.
    #[must_use]
    pub fn cancel(mut self, cancel: CancelToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// Calls `progress` with the bytes copied so far and the bytes to copy in all, after each block
    /// and after each tensor. Both are 0 where files are mapped and used in place. When the
    /// callback breaks, opening ends with [`Cancelled`](crate::ErrorKind::Cancelled). It is called
    /// on the opening thread.
    #[must_use]
    pub fn on_progress(
        mut self,
        progress: impl Fn(u64, u64) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }
}

impl fmt::Debug for LoadProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadProgress")
            .field("cancel", &self.cancel)
            .field("progress", &self.progress.is_some())
            .finish()
    }
}

/// The byte counts behind a [`LoadProgress`], of one opening.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    report: LoadProgress,
    done: AtomicU64,
    total: AtomicU64,
}

impl Meter {
    pub fn new(report: LoadProgress) -> Self {
        Self {
            report,
            ..Self::default()
        }
    }

    /// Adds bytes that will be copied.
    pub fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The flag, for what copies nothing.
    pub fn cancel(&self) -> &CancelToken {
        &self.report.cancel
    }

    /// Counts bytes that were copied.
    ///
    /// # Errors
    /// [`Cancelled`](crate::ErrorKind::Cancelled).
    pub fn copied(&self, bytes: usize) -> Result<()> {
        let done = self.done.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        // A tensor may be asked for, and copied, more than once.
        let total = self.total.load(Ordering::Relaxed);
        self.cancel().check()?;
        if let Some(progress) = &self.report.progress
            && progress(done.min(total), total).is_break()
        {
            bail!(Cancelled, "the progress callback cancelled loading");
        }
        Ok(())
    }
}
