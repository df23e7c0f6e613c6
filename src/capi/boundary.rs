//! The boundary itself: every entry runs inside [`guard!`] or [`guard_value!`], and every pointer
//! of the caller is checked here and nowhere else.
//!
//! Handles are implemented in [`handles`](super::handles). A call holds references to the values
//! that it uses, so that the host may free their handles meanwhile, from a callback, another thread
//! or a finalizer. Mutable values are behind a lock that is tried, never waited for.

use std::collections::TryReserveError;
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use super::error::codegeex_error;
pub use super::handles::{Handle, Held, new_handle};
use super::handles::{Kept, hold, take};
use super::status::{CODEGEEX_OK, codegeex_status};
use crate::error::{Error, ErrorKind, bail};
use crate::memory::TryGrow;

/// The error of an entry: an error of the library, or one that only this boundary has.
#[derive(Debug)]
pub enum Failure {
    Library(Error),
    /// A panic, caught here.
    Panic(String),
    /// The handle was part of a call that panicked.
    Poisoned(&'static str),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl From<TryReserveError> for Failure {
    fn from(error: TryReserveError) -> Self {
        Self::Library(error.into())
    }
}

pub type Result<T> = std::result::Result<T, Failure>;

/// A value that one call at a time may change.
pub struct Exclusive<T>(Mutex<T>);

impl<T> Exclusive<T> {
    pub fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// The value, unless another call has it: of another thread, or the one whose callback is
    /// running.
    pub fn get(&self, what: &str) -> Result<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Ok(guard),
            // The handle itself says that it is poisoned, before this is reached.
            Err(TryLockError::Poisoned(guard)) => Ok(guard.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                ErrorKind::Busy,
                format!("{what} is in use by another call; it serves one at a time"),
            )
            .into()),
        }
    }
}

/// `CODEGEEX_STRLEN` of the header: the length of a text that ends at its NUL.
pub const STRLEN: usize = usize::MAX;

/// One call of an entry.
#[derive(Default)]
pub struct Call {
    /// The handles that take part, which a panic poisons.
    used: [Option<Arc<dyn Kept>>; 4],
    /// Those of a call with more.
    more: Vec<Arc<dyn Kept>>,
}

pub fn null(what: &str) -> Failure {
    Error::new(
        ErrorKind::InvalidArgument,
        format!("{what} is NULL; it is required"),
    )
    .into()
}

impl Call {
    /// A handle that has to be there.
    pub fn get<H: Handle>(&mut self, handle: *const H, what: &'static str) -> Result<Held<H>> {
        self.get_or_none(handle, what)?.ok_or_else(|| null(what))
    }

    /// A handle that may be NULL.
    pub fn get_or_none<H: Handle>(
        &mut self,
        handle: *const H,
        what: &'static str,
    ) -> Result<Option<Held<H>>> {
        if handle.is_null() {
            return Ok(None);
        }
        let Some(held) = hold(handle) else {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "{what} is not a live {} handle: it was freed, or has another type",
                    H::NAME
                ),
            )
            .into());
        };
        if held.is_poisoned() {
            return Err(Failure::Poisoned(what));
        }
        match self.used.iter_mut().find(|used| used.is_none()) {
            Some(used) => *used = Some(held.kept()),
            None => self.more.try_push(held.kept())?,
        }
        Ok(Some(held))
    }

    /// A text; with [`STRLEN`] one that ends at its NUL.
    ///
    /// # Safety
    /// `len` bytes at `text` are readable, if there are any; with [`STRLEN`] those up to a NUL.
    pub unsafe fn text<'a>(
        &mut self,
        text: *const c_char,
        len: usize,
        what: &str,
    ) -> Result<&'a str> {
        if len == STRLEN && text.is_null() {
            return Err(null(what));
        }
        let bytes = match len {
            // SAFETY: the caller's promise, and not NULL.
            STRLEN => unsafe { CStr::from_ptr(text) }.to_bytes(),
            // SAFETY: the caller's promise.
            _ => unsafe { self.slice(text.cast::<u8>(), len, what) }?,
        };
        std::str::from_utf8(bytes).map_err(|e| {
            let message = format!("{what} is not valid UTF-8 at byte {}", e.valid_up_to());
            Error::new(ErrorKind::InvalidUtf8, message)
                .with_source(e)
                .into()
        })
    }

    /// An array; NULL is an empty one.
    ///
    /// # Safety
    /// `len` values at `data` are readable, if there are any.
    pub unsafe fn slice<'a, T>(
        &mut self,
        data: *const T,
        len: usize,
        what: &str,
    ) -> Result<&'a [T]> {
        if len == 0 {
            return Ok(&[]);
        }
        if data.is_null() {
            return Err(null(what));
        }
        let fits = len
            .checked_mul(size_of::<T>())
            .is_some_and(|n| isize::try_from(n).is_ok());
        if !fits || !data.is_aligned() {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("{what} has {len} values at {data:p}, which no array can have"),
            )
            .into());
        }
        // SAFETY: not NULL, aligned, not larger than any object; the rest is the caller's promise.
        Ok(unsafe { std::slice::from_raw_parts(data, len) })
    }

    /// A place for a result, which has to be there.
    ///
    /// # Safety
    /// NULL or writable.
    pub unsafe fn out<T>(&mut self, place: *mut T, what: &str) -> Result<Out<T>> {
        if place.is_null() {
            return Err(null(what));
        }
        Ok(Out(place))
    }

    /// A place for a result that the caller may do without.
    ///
    /// # Safety
    /// NULL or writable.
    pub unsafe fn out_or_none<T>(&mut self, place: *mut T) -> Out<T> {
        Out(place)
    }

    /// A struct whose size the caller says in its first field: how much of it may be written.
    ///
    /// # Safety
    /// NULL, or as many bytes as the first field says are writable. `T` is `repr(C)` and begins
    /// with a `usize`.
    pub unsafe fn sized<T>(&mut self, place: *mut T, what: &str) -> Result<Sized<T>> {
        if place.is_null() {
            return Err(null(what));
        }
        // SAFETY: not NULL, and the first field is there whatever the size.
        let found = unsafe { place.cast::<usize>().read_unaligned() };
        let known = size_of::<T>();
        if found < size_of::<usize>() || found > 16 * known {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "{what}->struct_size is {found}; set it to sizeof of the struct, which has \
                     {known} bytes in this release"
                ),
            )
            .into());
        }
        Ok(Sized(place, found.min(known)))
    }
}

/// A place of the caller's for a result; written on success alone.
pub struct Out<T>(*mut T);

impl<T> Out<T> {
    /// A place of our own.
    pub fn to(place: &mut T) -> Self {
        Self(place)
    }

    /// Writes the result, if it is wanted.
    pub fn set(self, value: T) {
        if !self.0.is_null() {
            // SAFETY: `Call::out` was promised that it is writable.
            unsafe { self.0.write(value) }
        }
    }

    /// Whether anybody wants the result.
    pub fn is_wanted(&self) -> bool {
        !self.0.is_null()
    }
}

/// A struct of the caller's that may be shorter than this release knows it, or longer.
pub struct Sized<T>(*mut T, usize);

impl<T> Sized<T> {
    /// Writes as much as fits, all but the size.
    pub fn set(self, value: T) {
        let skip = size_of::<usize>();
        // SAFETY: `Call::sized` was promised that so many bytes are writable; no more are read
        // than the value has.
        unsafe {
            let from = (&raw const value).cast::<u8>().add(skip);
            let to = self.0.cast::<u8>().add(skip);
            std::ptr::copy_nonoverlapping(from, to, self.1 - skip);
        }
    }
}

/// Frees a handle. NULL, a freed handle and a handle of another kind are ignored.
pub fn free_handle<H: Handle>(handle: *mut H) {
    // A destructor that panics must not reach the caller.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(take(handle))));
}

/// Reads a handle without taking part in it: for errors, which nothing poisons.
pub fn peek<H: Handle>(handle: *const H) -> Option<Held<H>> {
    hold(handle)
}

/// The message of a panic.
fn message_of(payload: &(dyn std::any::Any + Send)) -> String {
    let text = (payload.downcast_ref::<&str>().copied())
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

/// Runs the body of an entry: nothing unwinds out of it, and a panic poisons every handle that
/// takes part.
pub fn run<T>(body: impl FnOnce(&mut Call) -> Result<T>) -> Result<T> {
    let mut call = Call::default();
    match catch_unwind(AssertUnwindSafe(|| body(&mut call))) {
        Ok(result) => result,
        Err(payload) => {
            for kept in call.used.iter().flatten().chain(&call.more) {
                kept.poison();
            }
            let message = message_of(&*payload);
            // The payload may be anything, and its destructor may panic as well.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
            Err(Failure::Panic(message))
        }
    }
}

/// The status of a result; an error goes to `place` if that is not NULL.
///
/// # Safety
/// `place` is NULL or writable.
pub unsafe fn report(result: Result<()>, place: *mut *mut codegeex_error) -> codegeex_status {
    let Err(failure) = result else {
        return CODEGEEX_OK;
    };
    let status = failure.status();
    if !place.is_null() {
        let error = run(|_| codegeex_error::of(failure)).unwrap_or(std::ptr::null_mut());
        // SAFETY: the caller's promise.
        unsafe { place.write(error) };
    }
    status
}

/// A pointer of the caller's that callbacks get back.
#[derive(Clone, Copy)]
pub struct Userdata(pub *mut c_void);

/// Refuses a number that is none of a setting's.
pub fn unknown<T>(what: &str, value: i32, expected: &str) -> Result<T> {
    let refused = || -> crate::Result<T> {
        bail!(
            InvalidArgument,
            "{what} is {value}, expected one of {expected}"
        )
    };
    refused().map_err(Failure::from)
}

/// The body of an entry that returns a status: it gets the [`Call`] and returns a [`Result`].
macro_rules! guard {
    ($error:expr, |$call:ident| $body:block) => {{
        #[allow(unused_unsafe, clippy::macro_metavars_in_unsafe)]
        // SAFETY: pointers are what the conventions of the header ask for: NULL, or valid for
        // the call. Bodies look at them by the functions of `boundary` alone, which check for
        // NULL.
        let result = $crate::capi::boundary::run(|$call| unsafe { $body });
        // SAFETY: the same.
        unsafe { $crate::capi::boundary::report(result, $error) }
    }};
}
pub(super) use guard;

/// The body of an entry that returns a value, and a default where something is wrong.
macro_rules! guard_value {
    ($default:expr, |$call:ident| $body:block) => {{
        #[allow(unused_unsafe, clippy::macro_metavars_in_unsafe)]
        // SAFETY: as in `guard!`.
        let result = $crate::capi::boundary::run(|$call| unsafe { $body });
        result.unwrap_or($default)
    }};
}
pub(super) use guard_value;
