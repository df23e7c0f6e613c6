//! The threads of a pool as one call may use them.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Task, ThreadPool, lock};
use crate::cancel::CancelToken;
use crate::error::{Result, bail};

/// The threads of a pool as one call may use them: at most N of them, until it is cancelled.
///
/// The flag is looked at before each task. Once it is set, tasks that have not begun never do, so
/// a call ends as soon as those that have are through, and its results must not be used.
#[derive(Clone, Copy)]
pub struct Crew<'a> {
    pool: &'a ThreadPool,
    threads: usize,
    cancel: &'a CancelToken,
}

impl<'a> Crew<'a> {
    pub(crate) fn new(
        pool: &'a ThreadPool,
        cancel: &'a CancelToken,
        threads: Option<usize>,
    ) -> Self {
        Self {
            pool,
            threads: match threads {
                None => pool.threads(),
                Some(most) => most.clamp(1, pool.threads()),
            },
            cancel,
        }
    }

    /// Number of threads that compute at most, the caller's included.
    pub fn threads(self) -> usize {
        self.threads
    }

    /// Whether the call was cancelled.
    ///
    /// # Errors
    /// [`Cancelled`](crate::ErrorKind::Cancelled) when it was.
    pub fn check(self) -> Result<()> {
        self.cancel.check()
    }

    /// Calls `task` at most once for each index below `tasks`, and once if it is not cancelled;
    /// otherwise like [`ThreadPool::run`].
    ///
    /// # Errors
    /// [`Cancelled`](crate::ErrorKind::Cancelled) when a task was left out.
    ///
    /// # Panics
    /// With the first panic of a task, after the others have ended.
    pub fn run(self, tasks: usize, task: &Task<'_>) -> Result<()> {
        let stopped = AtomicBool::new(false);
        self.pool.run_on(self.threads, tasks, &|index| {
            if stopped.load(Ordering::Relaxed) {
                return;
            }
            if self.cancel.is_cancelled() {
                stopped.store(true, Ordering::Relaxed);
                return;
            }
            task(index);
        });
        if stopped.into_inner() {
            self.cancel.check()?;
            bail!(Internal, "a flag that was set is not set any more");
        }
        Ok(())
    }

    /// Calls `task` with each chunk of `chunk` elements of `data`, the last maybe shorter, and
    /// its number; otherwise like [`run`](Self::run).
    ///
    /// # Errors
    /// [`Cancelled`](crate::ErrorKind::Cancelled) when a chunk was left out.
    ///
    /// # Panics
    /// When `chunk` is zero.
    pub fn for_each_chunk<T: Send>(
        self,
        data: &mut [T],
        chunk: usize,
        task: impl Fn(usize, &mut [T]) + Sync,
    ) -> Result<()> {
        let tasks = data.len().div_ceil(chunk);
        self.run(tasks, &chunked(data, chunk, task))
    }
}

impl fmt::Debug for Crew<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crew({} threads)", self.threads)
    }
}

/// A task that takes the next chunk, whatever its index.
pub(super) fn chunked<T: Send>(
    data: &mut [T],
    chunk: usize,
    task: impl Fn(usize, &mut [T]) + Sync,
) -> impl Fn(usize) + Sync {
    let chunks = Mutex::new(data.chunks_mut(chunk).enumerate());
    move |_| {
        let next = lock(&chunks).next();
        if let Some((i, chunk)) = next {
            task(i, chunk);
        }
    }
}
