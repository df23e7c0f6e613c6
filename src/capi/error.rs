//! `codegeex_error`: what went wrong, owned by the caller.

use std::ffi::c_char;

use super::boundary::{Failure, Handle, free_handle, guard_value, new_handle, peek};
use super::buffer::KeptText;
use super::status::{CODEGEEX_INVALID_ARGUMENT, codegeex_status};

/// An error: a status, a message that says what was found, what was expected and what to do, and
/// the causes.
///
/// Owned by the caller. Immutable: any number of threads may read one concurrently.
#[allow(non_camel_case_types)]
pub struct codegeex_error(std::convert::Infallible);

#[derive(Debug)]
pub struct ErrorValue {
    status: codegeex_status,
    message: KeptText,
    causes: Vec<KeptText>,
}

impl Handle for codegeex_error {
    const NAME: &'static str = "codegeex_error";
    type Value = ErrorValue;
}

impl codegeex_error {
    pub(super) fn of(failure: Failure) -> super::boundary::Result<*mut Self> {
        let status = failure.status();
        let mut causes = Vec::new();
        let message = match failure {
            Failure::Library(error) => {
                let mut cause = std::error::Error::source(&error);
                while let Some(error) = cause {
                    causes.push(KeptText::new(&error.to_string())?);
                    cause = error.source();
                }
                error.to_string()
            }
            Failure::Panic(message) => {
                format!("a panic inside codegeex: {message}; the handles of this call are poisoned")
            }
            Failure::Poisoned(what) => {
                format!("an earlier call with {what} panicked; free it and make another")
            }
        };
        Ok(new_handle(ErrorValue {
            status,
            message: KeptText::new(&message)?,
            causes,
        })?)
    }
}

/// The status of the error; `CODEGEEX_INVALID_ARGUMENT` for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_error_code(error: *const codegeex_error) -> codegeex_status {
    guard_value!(CODEGEEX_INVALID_ARGUMENT, |_call| {
        Ok(peek(error).map_or(CODEGEEX_INVALID_ARGUMENT, |e| e.status))
    })
}

/// The message, NUL-terminated UTF-8. It belongs to the error. NULL for NULL.
///
/// `len` receives its length in bytes and may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_error_message(
    error: *const codegeex_error,
    len: *mut usize,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        Ok(peek(error).map_or(std::ptr::null(), |e| e.message.lend(len)))
    })
}

/// Number of causes; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_error_causes(error: *const codegeex_error) -> usize {
    guard_value!(0, |_call| { Ok(peek(error).map_or(0, |e| e.causes.len())) })
}

/// The message of a cause, nearest first, NUL-terminated UTF-8. It belongs to the error. NULL for
/// NULL and for an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_error_cause(
    error: *const codegeex_error,
    index: usize,
    len: *mut usize,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        let error = peek(error);
        let cause = error.as_ref().and_then(|e| e.causes.get(index));
        Ok(cause.map_or(std::ptr::null(), |cause| cause.lend(len)))
    })
}

/// Frees an error. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_error_free(error: *mut codegeex_error) {
    free_handle(error)
}
