//! A flag by which another thread asks running work to stop.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Result, bail};

/// A shared flag, set once and never cleared. Clones share it; setting it twice does no harm.
///
/// Work that takes a token looks at it between layers, between tokens and between blocks of a
/// file, and leaves what it was working on as it was before the call.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the work to stop. May be called from any thread and from a signal handler's thread.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the work was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error of kind [`Cancelled`](crate::ErrorKind::Cancelled) once the flag is set.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            bail!(Cancelled, "the caller cancelled this call");
        }
        Ok(())
    }
}
