//! Buffers of numbers that tasks borrow and put back.

use std::sync::{Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};

const CACHE_LINE: usize = 64;

/// Buffers of a call, kept for the next. Each task takes one and puts it back.
#[derive(Debug, Default)]
pub struct Scratch(Mutex<Vec<Vec<f32>>>);

impl Scratch {
    /// Calls `f` with `len` values of whatever was in the buffer, from the start of a cache line
    /// on.
    ///
    /// # Errors
    /// [`OutOfMemory`](ErrorKind::OutOfMemory).
    pub fn with<R>(&self, len: usize, f: impl FnOnce(&mut [f32]) -> R) -> Result<R> {
        let mut buffer = self.lock().pop().unwrap_or_default();
        let padded = len + CACHE_LINE / size_of::<f32>();
        if buffer.len() < padded {
            buffer
                .try_reserve_exact(padded - buffer.len())
                .map_err(|e| {
                    let message =
                        format!("cannot allocate {padded} values for a matrix product: {e}");
                    Error::new(ErrorKind::OutOfMemory, message)
                })?;
            buffer.resize(padded, 0.0);
        }
        let start = buffer.as_ptr().align_offset(CACHE_LINE);
        let result = f(&mut buffer[start..start + len]);
        self.lock().push(buffer);
        Ok(result)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<f32>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
