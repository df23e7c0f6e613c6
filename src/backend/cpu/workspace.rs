//! Where the outputs of operations are: buffers that one call takes, gives back, and takes again.
//!
//! A buffer comes with whatever numbers it had, since an operation writes all of its output. Buffers
//! that are free are kept as long as everything together is within the most that was ever in use at
//! once, which `model/shape.rs` tells beforehand, or within [`KEPT`]: a step of a few tokens takes
//! nothing from the system, and a prompt holds no more than it needs. After the call, [`KEPT`] at most
//! goes to the next one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::memory;

/// Bytes of free buffers that are kept in any case.
const KEPT: usize = 1 << 20;
/// Activations of at least this size are checked against what the system has. A look costs
/// some 0.2 ms, and a token makes hundreds of activations.
const LARGE: usize = 16 << 20;
/// Values that are zeroed between two looks at whether the call was cancelled.
const ZEROED_VALUES: usize = 256 * 1024;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Buffers that are in nobody's use.
type Free = Vec<Vec<f32>>;

/// Buffers between calls: one list for each call that there was at the same time.
#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<Vec<Free>>);

/// The buffers of one call.
#[derive(Debug)]
pub(super) struct Workspace {
    state: Mutex<State>,
    shelf: Arc<Shelf>,
}

/// Sizes are in bytes.
#[derive(Debug, Default)]
struct State {
    free: Free,
    free_bytes: usize,
    used: usize,
    /// The most that was in use at once.
    most: usize,
}

impl State {
    /// Lets go of free buffers, the largest first, until there are at most `bytes`.
    fn trim(&mut self, bytes: usize) {
        // Some buffers, in the order of their sizes.
        while self.free_bytes > bytes
            && let Some(buffer) = self.free.pop()
        {
            self.free_bytes -= size(&buffer);
        }
    }

    /// What may be free.
    fn room(&self) -> usize {
        self.most.saturating_sub(self.used).max(KEPT)
    }

    /// The smallest free buffer of `len` values that is not much larger.
    fn find(&mut self, len: usize) -> Option<Vec<f32>> {
        let at = self.free.partition_point(|buffer| buffer.len() < len);
        let close = self.free.get(at)?.len() - len <= len / 8;
        close.then(|| {
            let buffer = self.free.remove(at);
            self.free_bytes -= size(&buffer);
            buffer
        })
    }
}

fn size(buffer: &[f32]) -> usize {
    size_of_val(buffer)
}

impl Workspace {
    /// With the buffers of an earlier call.
    pub fn new(shelf: &Arc<Shelf>) -> Self {
        let free = lock(&shelf.0).pop().unwrap_or_default();
        Self {
            state: Mutex::new(State {
                free_bytes: free.iter().map(|buffer| size(buffer)).sum(),
                free,
                ..State::default()
            }),
            shelf: Arc::clone(shelf),
        }
    }

    /// `rows * cols` values of whatever was in the buffer.
    ///
    /// # Errors
    /// [`OutOfMemory`](ErrorKind::OutOfMemory), [`Cancelled`](ErrorKind::Cancelled).
    pub fn take(
        self: &Arc<Self>,
        rows: usize,
        cols: usize,
        cancel: &CancelToken,
    ) -> Result<Buffer> {
        let len = rows * cols;
        let found = {
            let mut state = lock(&self.state);
            let found = state.find(len);
            state.used += found.as_ref().map_or(len * size_of::<f32>(), |b| size(b));
            state.most = state.most.max(state.used);
            let room = state.room();
            state.trim(room);
            found
        };
        // Counts until it is dropped, also where the rest fails.
        let mut buffer = Buffer {
            counted: found.as_ref().map_or(len * size_of::<f32>(), |b| size(b)),
            values: found.unwrap_or_default(),
            len,
            home: Some(Arc::clone(self)),
        };
        if buffer.values.len() < len {
            allocate(&mut buffer.values, rows, cols, cancel)?;
        }
        // An operation that reads what it did not write shows in every test.
        if cfg!(debug_assertions) {
            buffer.as_mut_slice().fill(f32::NAN);
        }
        Ok(buffer)
    }

    fn give_back(&self, buffer: Vec<f32>, counted: usize, is_whole: bool) {
        let mut state = lock(&self.state);
        state.used -= counted;
        // No memory for the list is no reason to fail: the buffer goes.
        if is_whole && !buffer.is_empty() && state.free.try_reserve(1).is_ok() {
            let at = (state.free).partition_point(|other| other.len() < buffer.len());
            state.free_bytes += size(&buffer);
            state.free.insert(at, buffer);
        }
        let room = state.room();
        state.trim(room);
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.trim(KEPT);
        let free = std::mem::take(&mut state.free);
        let mut shelf = lock(&self.shelf.0);
        if shelf.try_reserve(1).is_ok() {
            shelf.push(free);
        }
    }
}

fn allocate(values: &mut Vec<f32>, rows: usize, cols: usize, cancel: &CancelToken) -> Result<()> {
    let refused = |what: &dyn std::fmt::Display| {
        let message = format!("cannot allocate activations of {rows} x {cols}: {what}");
        Error::new(ErrorKind::OutOfMemory, message)
    };
    let len = rows * cols;
    let bytes = len * size_of::<f32>();
    if bytes >= LARGE {
        memory::check(bytes, "activations", "feed fewer tokens at a time")?;
    }
    values.try_reserve_exact(len).map_err(|e| refused(&e))?;
    // The system hands out memory page by page as it is written: some milliseconds for the
    // logits of a hundred tokens.
    while values.len() < len {
        if !values.is_empty() {
            cancel.check()?;
        }
        values.resize(len.min(values.len() + ZEROED_VALUES), 0.0);
    }
    Ok(())
}

/// Values that go back to their workspace.
#[derive(Debug)]
pub(super) struct Buffer {
    /// At least `len`, when it is whole.
    values: Vec<f32>,
    len: usize,
    /// Bytes that the workspace counts for it.
    counted: usize,
    home: Option<Arc<Workspace>>,
}

impl Buffer {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn as_slice(&self) -> &[f32] {
        &self.values[..self.len]
    }

    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.values[..self.len]
    }

    /// Takes the values away from the workspace.
    pub fn into_values(mut self) -> Vec<f32> {
        let mut values = std::mem::take(&mut self.values);
        values.truncate(self.len);
        values
    }
}

impl From<Vec<f32>> for Buffer {
    fn from(values: Vec<f32>) -> Self {
        Self {
            len: values.len(),
            values,
            counted: 0,
            home: None,
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            let is_whole = self.values.len() >= self.len;
            home.give_back(std::mem::take(&mut self.values), self.counted, is_whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(workspace: &Arc<Workspace>, rows: usize, cols: usize) -> Buffer {
        workspace.take(rows, cols, &CancelToken::new()).unwrap()
    }

    fn address(buffer: &Buffer) -> *const f32 {
        buffer.as_slice().as_ptr()
    }

    #[test]
    fn a_step_after_the_first_takes_the_buffers_of_the_one_before() {
        let shelf = Arc::default();
        let mut seen: Vec<*const f32> = Vec::new();
        for step in 0..3 {
            let workspace = Arc::new(Workspace::new(&shelf));
            for _layer in 0..2 {
                let (a, b) = (take(&workspace, 4, 100), take(&workspace, 4, 300));
                let found = [address(&a), address(&b)];
                if step > 0 {
                    assert!(found.iter().all(|address| seen.contains(address)));
                }
                seen.extend(found);
                drop(a);
                // Of a size near enough, but not for one far smaller.
                assert_eq!(address(&take(&workspace, 1, 390)), found[0]);
                assert_ne!(address(&take(&workspace, 1, 200)), found[0]);
                drop(b);
            }
        }
        assert_eq!(lock(&shelf.0).len(), 1);
    }

    #[test]
    fn a_prompt_holds_no_more_than_what_was_in_use_at_once() {
        const MIB: usize = (1 << 20) / size_of::<f32>();
        let shelf = Arc::default();
        let workspace = Arc::new(Workspace::new(&shelf));
        let held = || {
            let state = lock(&workspace.state);
            assert_eq!(
                state.free_bytes,
                state.free.iter().map(|b| size(b)).sum::<usize>()
            );
            (state.used + state.free_bytes) >> 20
        };
        for _ in 0..3 {
            let narrow: Vec<Buffer> = (0..4).map(|_| take(&workspace, 4, MIB)).collect();
            assert!((16..=24).contains(&held()));
            drop(narrow);
            let x = take(&workspace, 4, MIB);
            let wide = take(&workspace, 16, MIB);
            drop((x, wide));
            assert!(held() <= 20, "{}", held());
        }
        drop(workspace);
        let kept: usize = lock(&shelf.0).iter().flatten().map(|b| size(b)).sum();
        assert!(kept <= KEPT);
    }

    #[test]
    fn values_that_leave_and_a_call_that_is_cancelled_are_not_counted() {
        let workspace = Arc::new(Workspace::new(&Arc::default()));
        let used = || lock(&workspace.state).used;
        let mut buffer = take(&workspace, 2, 3);
        buffer.as_mut_slice().fill(7.0);
        assert_eq!(used(), 24);
        assert_eq!(buffer.into_values(), [7.0; 6]);
        assert_eq!((used(), lock(&workspace.state).free_bytes), (0, 0));
        let cancel = CancelToken::new();
        cancel.cancel();
        let error = workspace.take(3, ZEROED_VALUES, &cancel).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!((used(), lock(&workspace.state).free_bytes), (0, 0));
    }
}
