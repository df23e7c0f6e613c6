//! Who looks on while a checkpoint is opened: may end it, and hears how far it is.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cancel::CancelToken;
use crate::error::{Result, bail};

type Progress = dyn Fn(u64, u64) -> ControlFlow<()> + Send + Sync;

/// Who looks on while a checkpoint is opened: may end it, and hears how far it is.
///
/// An end is seen between two blocks of 256 KiB that are copied, and between two tensors or
/// entries of a table. What was mapped and copied till then is given back.
#[derive(Clone, Default)]
pub struct Watch {
    cancel: CancelToken,
    progress: Option<Arc<Progress>>,
}

impl Watch {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the opening with [`Cancelled`](crate::ErrorKind::Cancelled) once this flag is set.
    #[must_use]
    pub fn cancel(mut self, cancel: CancelToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// Calls `progress` with the bytes that were copied and those that will be in all, after each
    /// block of them and after each tensor; both are 0 where all is used where it is mapped. When
    /// it breaks, the opening ends with [`Cancelled`](crate::ErrorKind::Cancelled). It is called
    /// on the thread that opens.
    #[must_use]
    pub fn on_progress(
        mut self,
        progress: impl Fn(u64, u64) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("cancel", &self.cancel)
            .field("progress", &self.progress.is_some())
            .finish()
    }
}

/// The count that a [`Watch`] hears, of one opening.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    watch: Watch,
    done: AtomicU64,
    total: AtomicU64,
}

impl Meter {
    pub fn new(watch: Watch) -> Self {
        Self {
            watch,
            ..Self::default()
        }
    }

    /// Adds bytes that will be copied.
    pub fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The flag, for what copies nothing.
    pub fn cancel(&self) -> &CancelToken {
        &self.watch.cancel
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
        if let Some(progress) = &self.watch.progress
            && progress(done.min(total), total).is_break()
        {
            bail!(Cancelled, "the progress callback ended the opening");
        }
        Ok(())
    }
}
