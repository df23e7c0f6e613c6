//! Status codes: the numbers of [`ErrorKind`](crate::ErrorKind), and two that only this boundary
//! has.

use std::ffi::c_char;

use super::boundary::{Failure, guard_value};
use crate::error::ErrorKind;

/// What a function returns: `CODEGEEX_OK` or the number of an error. Numbers are grouped by
/// hundreds and never reused; later releases may add some.
#[allow(non_camel_case_types)]
pub type codegeex_status = i32;

/// The function did what it was asked to.
pub const CODEGEEX_OK: codegeex_status = 0;
/// An argument is outside what the function accepts, NULL where something is needed included.
pub const CODEGEEX_INVALID_ARGUMENT: codegeex_status = 100;
/// A token id is not below the vocabulary size.
pub const CODEGEEX_TOKEN_OUT_OF_RANGE: codegeex_status = 101;
/// A sequence would grow past the positions that the model has.
pub const CODEGEEX_CONTEXT_OVERFLOW: codegeex_status = 102;
/// A state was handed to a model that did not make it.
pub const CODEGEEX_STATE_MISMATCH: codegeex_status = 103;
/// Reading or writing failed in the operating system.
pub const CODEGEEX_IO: codegeex_status = 200;
/// A file or folder does not exist.
pub const CODEGEEX_NOT_FOUND: codegeex_status = 201;
/// A file breaks the rules of its own format: truncated, overlapping, overflowing.
pub const CODEGEEX_MALFORMED_FILE: codegeex_status = 300;
/// A file is well-formed but uses something that this library does not read.
pub const CODEGEEX_UNSUPPORTED_FILE: codegeex_status = 301;
/// A checkpoint lacks a tensor that the model needs.
pub const CODEGEEX_MISSING_TENSOR: codegeex_status = 302;
/// A tensor has another shape than the model's configuration says.
pub const CODEGEEX_SHAPE_MISMATCH: codegeex_status = 303;
/// Nothing says how the model is configured.
pub const CODEGEEX_MISSING_CONFIG: codegeex_status = 304;
/// A model configuration contradicts itself or is outside what is supported.
pub const CODEGEEX_INVALID_CONFIG: codegeex_status = 305;
/// Bytes are not valid UTF-8 where text is needed.
pub const CODEGEEX_INVALID_UTF8: codegeex_status = 400;
/// A tokenizer vocabulary is inconsistent.
pub const CODEGEEX_INVALID_VOCABULARY: codegeex_status = 401;
/// A computation met NaN or infinity where a number is needed.
pub const CODEGEEX_NON_FINITE: codegeex_status = 500;
/// An allocation was refused, by the system or by a limit that was set.
pub const CODEGEEX_OUT_OF_MEMORY: codegeex_status = 501;
/// A backend or an instruction set is not there on this machine.
pub const CODEGEEX_BACKEND_UNAVAILABLE: codegeex_status = 502;
/// There is no room at the moment, or the handle serves another call; the same call may succeed
/// later.
pub const CODEGEEX_BUSY: codegeex_status = 503;
/// The caller asked to stop.
pub const CODEGEEX_CANCELLED: codegeex_status = 600;
/// A broken invariant of this library: please report it.
pub const CODEGEEX_INTERNAL: codegeex_status = 900;
/// A panic inside this library, which was caught: please report it with its message. The handles
/// of the call are poisoned.
pub const CODEGEEX_PANIC: codegeex_status = 901;
/// An earlier call with the same handle panicked; all that can be done with the handle is to free
/// it.
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

/// The name of a status in a few words, such as `out of memory`; a static string. `unknown status`
/// for a number that is none.
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
