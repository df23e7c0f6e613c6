//! Messages of a handle, to a function of the caller's.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::boundary::Out;
use super::buffer::KeptText;

/// Failures. The call also returns them as errors.
pub const CODEGEEX_LOG_ERROR: i32 = 1;
/// Possible mistakes of the caller.
pub const CODEGEEX_LOG_WARNING: i32 = 2;
/// Opened models and the kernels they use.
pub const CODEGEEX_LOG_INFO: i32 = 3;
/// Every call that computes, with its token counts.
pub const CODEGEEX_LOG_DEBUG: i32 = 4;

/// Log callback. `message` is one line of NUL-terminated UTF-8, valid during the call. `level` is
/// one of `CODEGEEX_LOG_*`.
///
/// It runs on the thread that logs, which can be any thread that uses the handle. It must not
/// unwind.
#[allow(non_camel_case_types)]
pub type codegeex_log_callback = Option<
    unsafe extern "C" fn(
        userdata: *mut c_void,
        level: i32,
        message: *const c_char,
        message_len: usize,
    ),
>;

/// Called once when `userdata` is no longer needed.
#[allow(non_camel_case_types)]
pub type codegeex_destroy_callback = Option<unsafe extern "C" fn(userdata: *mut c_void)>;

/// A userdata with the function that frees it.
pub struct Kept {
    pub userdata: *mut c_void,
    destroy: codegeex_destroy_callback,
}

// SAFETY: the caller was told that callbacks run on every thread that uses the handle.
unsafe impl Send for Kept {}
// SAFETY: the same.
unsafe impl Sync for Kept {}

impl Kept {
    pub fn new(userdata: *mut c_void, destroy: codegeex_destroy_callback) -> Self {
        Self { userdata, destroy }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the caller's function, with what came with it, once.
            unsafe { destroy(self.userdata) }
        }
    }
}

/// Where messages go.
#[derive(Clone, Default)]
pub struct Log(Option<Arc<Sink>>);

struct Sink {
    callback: unsafe extern "C" fn(*mut c_void, i32, *const c_char, usize),
    level: i32,
    kept: Kept,
}

impl Log {
    pub fn new(callback: codegeex_log_callback, level: i32, kept: Kept) -> Self {
        Self(callback.map(|callback| {
            Arc::new(Sink {
                callback,
                level,
                kept,
            })
        }))
    }

    /// Says something, which is put into words only if anybody listens.
    pub fn say(&self, level: i32, message: impl FnOnce() -> String) {
        let Some(sink) = &self.0 else { return };
        if level > sink.level {
            return;
        }
        // Without memory for a message, it is dropped.
        let Ok(text) = KeptText::new(&message()) else {
            return;
        };
        let mut len = 0;
        let data = text.lend(Out::to(&mut len));
        // SAFETY: the caller's function; the text is valid during the call.
        unsafe { (sink.callback)(sink.kept.userdata, level, data, len) }
    }

    /// Passes a result on, and says what went wrong.
    pub fn note<T>(&self, doing: &str, result: crate::Result<T>) -> crate::Result<T> {
        if let Err(error) = &result {
            self.say(CODEGEEX_LOG_ERROR, || format!("{doing}: {error}"));
        }
        result
    }
}
