//! Status codes: the numbers of [`ErrorKind`](crate::ErrorKind), and two that only this boundary
//! has.

use std::ffi::c_char;

use super::boundary::{Failure, guard_value};
use crate::error::ErrorKind;

/// A status code: `CODEGEEX_OK` or an error. Codes are grouped by hundreds and never reused. Later
/// releases may add codes.
#[allow(non_camel_case_types)]
pub type codegeex_status = i32;

/// Success.
pub const CODEGEEX_OK: codegeex_status = 0;
/// An argument is invalid, or a required argument is NULL.
pub const CODEGEEX_INVALID_ARGUMENT: codegeex_status = 100;
/// A token id is out of range for the vocabulary.
pub const CODEGEEX_TOKEN_OUT_OF_RANGE: codegeex_status = 101;
/// A sequence would exceed the context length.
pub const CODEGEEX_CONTEXT_OVERFLOW: codegeex_status = 102;
/// A state belongs to another model.
pub const CODEGEEX_STATE_MISMATCH: codegeex_status = 103;
/// The operating system reported an I/O error.
pub const CODEGEEX_IO: codegeex_status = 200;
/// A file or folder does not exist.
pub const CODEGEEX_NOT_FOUND: codegeex_status = 201;
/// A file violates its own format: truncated, overlapping or overflowing.
pub const CODEGEEX_MALFORMED_FILE: codegeex_status = 300;
/// A well-formed file uses a feature that this library does not support.
pub const CODEGEEX_UNSUPPORTED_FILE: codegeex_status = 301;
/// A checkpoint lacks a tensor that the model needs.
pub const CODEGEEX_MISSING_TENSOR: codegeex_status = 302;
/// A tensor's shape differs from the model configuration.
pub const CODEGEEX_SHAPE_MISMATCH: codegeex_status = 303;
/// The model configuration is missing.
pub const CODEGEEX_MISSING_CONFIG: codegeex_status = 304;
/// A model configuration is inconsistent or unsupported.
pub const CODEGEEX_INVALID_CONFIG: codegeex_status = 305;
/// Text is not valid UTF-8.
pub const CODEGEEX_INVALID_UTF8: codegeex_status = 400;
/// A tokenizer vocabulary is inconsistent.
pub const CODEGEEX_INVALID_VOCABULARY: codegeex_status = 401;
/// A computation produced NaN or infinity.
pub const CODEGEEX_NON_FINITE: codegeex_status = 500;
/// An allocation failed or exceeded a configured limit.
pub const CODEGEEX_OUT_OF_MEMORY: codegeex_status = 501;
/// A backend or instruction set is not available on this machine.
pub const CODEGEEX_BACKEND_UNAVAILABLE: codegeex_status = 502;
/// The queue is full, or the handle is in use by another call. Retry later.
pub const CODEGEEX_BUSY: codegeex_status = 503;
/// The call was cancelled.
pub const CODEGEEX_CANCELLED: codegeex_status = 600;
/// A broken invariant of this library. Please report it.
pub const CODEGEEX_INTERNAL: codegeex_status = 900;
/// A panic inside this library, caught at the boundary. Please report it with its message. The
/// handles of the call are poisoned.
pub const CODEGEEX_PANIC: codegeex_status = 901;
/// An earlier call with the same handle panicked. The handle can only be freed.
pub const CODEGEEX_POISONED: codegeex_status = 902;

/// Every status with its name.
pub(super) const ALL: &[(codegeex_status, &str)] = &[
    (CODEGEEX_OK, "ok\0"),
    (CODEGEEX_INVALID_ARGUMENT, "invalid argument\0"),
    (CODEGEEX_TOKEN_OUT_OF_RANGE, "token out of range\0"),
    (CODEGEEX_CONTEXT_OVERFLOW, "context overflow\0"),
    (CODEGEEX_STATE_MISMATCH, "state mismatch\0"),
    (CODEGEEX_IO, "input or output\0"),
    (CODEGEEX_NOT_FOUND, "not found\0"),
    (CODEGEEX_MALFORMED_FILE, "malformed file\0"),
    (CODEGEEX_UNSUPPORTED_FILE, "unsupported file\0"),
    (CODEGEEX_MISSING_TENSOR, "missing tensor\0"),
    (CODEGEEX_SHAPE_MISMATCH, "shape mismatch\0"),
    (CODEGEEX_MISSING_CONFIG, "missing configuration\0"),
    (CODEGEEX_INVALID_CONFIG, "invalid configuration\0"),
    (CODEGEEX_INVALID_UTF8, "invalid UTF-8\0"),
    (CODEGEEX_INVALID_VOCABULARY, "invalid vocabulary\0"),
    (CODEGEEX_NON_FINITE, "non-finite number\0"),
    (CODEGEEX_OUT_OF_MEMORY, "out of memory\0"),
    (CODEGEEX_BACKEND_UNAVAILABLE, "backend unavailable\0"),
    (CODEGEEX_BUSY, "busy\0"),
    (CODEGEEX_CANCELLED, "cancelled\0"),
    (CODEGEEX_INTERNAL, "internal error\0"),
    (CODEGEEX_PANIC, "panic\0"),
    (CODEGEEX_POISONED, "poisoned\0"),
];

impl Failure {
    pub(super) fn status(&self) -> codegeex_status {
        match self {
            Self::Library(error) => error.kind().code(),
            Self::Panic(_) => CODEGEEX_PANIC,
            Self::Poisoned(_) => CODEGEEX_POISONED,
        }
    }
}

/// The name of a status, such as `out of memory`; a static string. `unknown status` for an unknown
/// number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_status_name(status: codegeex_status) -> *const c_char {
    guard_value!(std::ptr::null(), |_call| {
        let found = ALL.iter().find(|(number, _)| *number == status);
        Ok(found
            .map_or("unknown status\0", |(_, name)| name)
            .as_ptr()
            .cast())
    })
}

const _: () = {
    // Every kind has its status; a kind without one does not compile.
    let mut i = 0;
    while i < ErrorKind::ALL.len() {
        assert!(ErrorKind::ALL[i].code() == ALL[i + 1].0);
        i += 1;
    }
    assert!(ALL.len() == ErrorKind::ALL.len() + 3);
};
