//! `codegeex_cancel_token`.

use std::time::{Duration, Instant};

use super::boundary::{Handle, free_handle, guard, guard_value, new_handle};
use super::error::codegeex_error;
use super::status::codegeex_status;
use crate::cancel::CancelToken;

/// A flag that cancels running calls. It is set once and never cleared. One token serves any number
/// of calls, also concurrent ones.
///
/// Threads: safe to call from any thread at any time.
#[allow(non_camel_case_types)]
pub struct codegeex_cancel_token(std::convert::Infallible);

impl Handle for codegeex_cancel_token {
    const NAME: &'static str = "codegeex_cancel_token";
    type Value = CancelToken;
}

/// Creates a token that is not set. With `timeout_ms` above 0, the token sets itself after that
/// time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_cancel_token_new(
    timeout_ms: u64,
    token: *mut *mut codegeex_cancel_token,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let token = call.out(token, "token")?;
        let made = match timeout_ms {
            0 => CancelToken::new(),
            // A timeout beyond the clock's range means none.
            ms => CancelToken::new().until(Instant::now().checked_add(Duration::from_millis(ms))),
        };
        token.set(new_handle(made)?);
        Ok(())
    })
}

/// Sets the token. Calls that use it return as soon as they see it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_cancel_token_cancel(
    token: *const codegeex_cancel_token,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        call.get(token, "token")?.cancel();
        Ok(())
    })
}

/// Whether the token is set: 1 or 0; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_cancel_token_is_cancelled(
    token: *const codegeex_cancel_token,
) -> i32 {
    guard_value!(0, |call| {
        Ok(i32::from(call.get(token, "token")?.is_cancelled()))
    })
}

/// Frees a token. Calls that use it continue. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_cancel_token_free(token: *mut codegeex_cancel_token) {
    free_handle(token)
}
