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

/// How likely a model finds given tokens.
///
/// Threads: immutable; any number of threads may read one at once.
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

/// Scores tokens, and ranks the `top` likeliest ids to follow them. `cancel` may be NULL; a call that
/// is cancelled is CODEGEEX_CANCELLED.
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

/// The likeliest ids to follow the last token, best first. They belong to the score. NULL for NULL.
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

/// Perplexity of any number of tokens, at least two, in windows as long as the model has positions:
/// the exponential of the mean negative log-probability.
///
/// `cancel` and `progress` may be NULL; `progress` hears tokens. `value` receives the perplexity;
/// `log_probability` and `tokens`, which may be NULL, the sum of log-probabilities and how many
/// tokens were predicted. A call that is cancelled is CODEGEEX_CANCELLED.
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
        // A flag of our own: a callback that cancels this call leaves the caller's alone.
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
