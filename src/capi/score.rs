//! `codegeex_score` and perplexity: log-probabilities of given tokens.

use std::ffi::c_void;
use std::ops::ControlFlow;

use super::boundary::{Handle, free_handle, guard, guard_value, new_handle};
use super::buffer::lend;
use super::cancel::codegeex_cancel_token;
use super::error::codegeex_error;
use super::event::{codegeex_token_logprob, pairs};
use super::generate::cancel_or_never;
use super::model::{Progress, codegeex_model, codegeex_progress_callback};
use super::status::codegeex_status;
use crate::memory::try_collect;

/// Log-probabilities of given tokens.
///
/// Threads: immutable; any number of threads may read one concurrently.
#[allow(non_camel_case_types)]
pub struct codegeex_score(std::convert::Infallible);

pub struct ScoreValue {
    logprobs: Vec<f32>,
    top: Vec<codegeex_token_logprob>,
}

impl Handle for codegeex_score {
    const NAME: &'static str = "codegeex_score";
    type Value = ScoreValue;
}

/// Log-probabilities of given tokens, and the `top` most likely next tokens. `cancel` may be NULL.
/// A cancelled call returns CODEGEEX_CANCELLED.
///
/// `score` receives a handle; free it with codegeex_score_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_model_score(
    model: *const codegeex_model,
    ids: *const u32,
    ids_len: usize,
    top: usize,
    cancel: *const codegeex_cancel_token,
    score: *mut *mut codegeex_score,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        let ids = call.slice(ids, ids_len, "ids")?;
        let cancel = cancel_or_never(call.get_or_none(cancel, "cancel")?.as_ref());
        let out = call.out(score, "score")?;
        let found = model.generator.score(ids, top, &cancel);
        let found = model.log.note("scoring", found)?;
        out.set(new_handle(ScoreValue {
            logprobs: try_collect(found.logprobs.iter().map(|l| l.unwrap_or(f32::NAN)))?,
            top: try_collect(pairs(&found.top))?,
        })?);
        Ok(())
    })
}

/// The log-probability of each token given those before it; NaN for the first. They belong to the
/// score. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_score_logprobs(
    score: *const codegeex_score,
    len: *mut usize,
) -> *const f32 {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        Ok(lend(&call.get(score, "score")?.logprobs, len))
    })
}

/// The most likely next tokens, best first. They belong to the score. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_score_top(
    score: *const codegeex_score,
    len: *mut usize,
) -> *const codegeex_token_logprob {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        Ok(lend(&call.get(score, "score")?.top, len))
    })
}

/// Frees a score. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_score_free(score: *mut codegeex_score) {
    free_handle(score)
}

/// Perplexity of two or more tokens, in windows of the context length: the exponential of the mean
/// negative log-probability.
///
/// `cancel` and `progress` may be NULL; `progress` is called with tokens. `value` receives the
/// perplexity, `log_probability` the sum of log-probabilities, `tokens` the number of predicted
/// tokens; the last two may be NULL. A cancelled call returns CODEGEEX_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_model_perplexity(
    model: *const codegeex_model,
    ids: *const u32,
    ids_len: usize,
    cancel: *const codegeex_cancel_token,
    progress: codegeex_progress_callback,
    userdata: *mut c_void,
    value: *mut f64,
    log_probability: *mut f64,
    tokens: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        let ids = call.slice(ids, ids_len, "ids")?;
        let cancel = cancel_or_never(call.get_or_none(cancel, "cancel")?.as_ref());
        let value = call.out(value, "value")?;
        let (log_probability, tokens) =
            (call.out_or_none(log_probability), call.out_or_none(tokens));
        let progress = Progress::new(progress, userdata);
        // A separate flag: a callback that cancels this call must not set the caller's flag.
        let cancel = cancel.until(None);
        let found = model.generator.perplexity(ids, &cancel, &mut |done| {
            if progress.hear(done as u64, ids.len() as u64) == ControlFlow::Break(()) {
                cancel.cancel();
            }
        });
        let found = model.log.note("scoring", found)?;
        value.set(found.value());
        log_probability.set(found.log_probability);
        tokens.set(found.tokens);
        Ok(())
    })
}
