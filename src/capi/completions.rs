//! `codegeex_completions`: the samples of a generation or the beams of a search.

use std::ffi::c_char;

use super::boundary::{Call, Handle, Result, free_handle, guard_value, new_handle};
use super::buffer::{KeptText, lend};
use super::event::{CODEGEEX_FINISH_NONE, codegeex_token_logprob, finish_number, pairs};
use crate::error::{Error, ErrorKind};
use crate::generate::{Completion, FinishReason, Speculated};
use crate::memory::{try_collect, try_collect_ok};

/// The finished samples of a generation, or the beams of a beam search, best first.
///
/// Threads: immutable; any number of threads may read one concurrently.
#[allow(non_camel_case_types)]
pub struct codegeex_completions(std::convert::Infallible);

pub struct OneCompletion {
    text: KeptText,
    ids: Vec<u32>,
    logprobs: Vec<f32>,
    top: Vec<Vec<codegeex_token_logprob>>,
    reason: FinishReason,
    score: f64,
    speculated: Speculated,
    healed: usize,
}

impl Handle for codegeex_completions {
    const NAME: &'static str = "codegeex_completions";
    type Value = Vec<OneCompletion>;
}

pub(super) fn new_completions(
    completions: Vec<Completion>,
) -> crate::Result<*mut codegeex_completions> {
    let one = |c: Completion| {
        Ok(OneCompletion {
            text: KeptText::new(&c.text)?,
            top: try_collect_ok(c.top_logprobs.iter().map(|top| try_collect(pairs(top))))?,
            score: c.score,
            ids: c.ids,
            logprobs: c.logprobs,
            reason: c.finish_reason,
            speculated: c.speculated,
            healed: c.healed,
        })
    };
    let all = try_collect_ok::<_, Error>(completions.into_iter().map(one))?;
    new_handle(all)
}

/// The completion at an index, of a handle that the caller keeps for as long as it uses what is
/// lent.
fn one<R>(
    call: &mut Call,
    completions: *const codegeex_completions,
    index: usize,
    read: impl FnOnce(&OneCompletion) -> R,
) -> Result<R> {
    let all = call.get(completions, "completions")?;
    match all.get(index) {
        Some(completion) => Ok(read(completion)),
        None => {
            let message = format!("completion {index} of {}", all.len());
            Err(Error::new(ErrorKind::InvalidArgument, message).into())
        }
    }
}

/// Number of completions; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_completions_count(
    completions: *const codegeex_completions,
) -> usize {
    guard_value!(0, |call| {
        Ok(call.get(completions, "completions")?.len())
    })
}

/// The text of a completion, NUL-terminated UTF-8, without the stop string that ended it. It
/// belongs to the completions. NULL for NULL or an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_completions_text(
    completions: *const codegeex_completions,
    index: usize,
    len: *mut usize,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        one(call, completions, index, |c| c.text.lend(len))
    })
}

/// The tokens of a completion, including those of the stop string and the end of text. They belong
/// to the completions. NULL for NULL or an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_completions_ids(
    completions: *const codegeex_completions,
    index: usize,
    len: *mut usize,
) -> *const u32 {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        one(call, completions, index, |c| lend(&c.ids, len))
    })
}

/// The log-probability of each token of a completion under the model, before sampling. They belong
/// to the completions. NULL for NULL or an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_completions_logprobs(
    completions: *const codegeex_completions,
    index: usize,
    len: *mut usize,
) -> *const f32 {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        one(call, completions, index, |c| lend(&c.logprobs, len))
    })
}

/// The most likely tokens at the position of token `token` of a completion, best first, as many as
/// `top_logprobs` of the options. They belong to the completions. NULL for NULL, for an index out
/// of range, and if none were requested.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_completions_top_logprobs(
    completions: *const codegeex_completions,
    index: usize,
    token: usize,
    len: *mut usize,
) -> *const codegeex_token_logprob {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        one(call, completions, index, |c| {
            c.top
                .get(token)
                .map_or(std::ptr::null(), |top| lend(top, len))
        })
    })
}

/// The finish reason of a completion: one of `CODEGEEX_FINISH_*`; CODEGEEX_FINISH_NONE for NULL or
/// an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_completions_finish_reason(
    completions: *const codegeex_completions,
    index: usize,
) -> i32 {
    guard_value!(CODEGEEX_FINISH_NONE, |call| {
        one(call, completions, index, |c| finish_number(c.reason))
    })
}

/// The index in the options of the stop string that ended a completion; SIZE_MAX if none did.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_completions_stop_index(
    completions: *const codegeex_completions,
    index: usize,
) -> usize {
    guard_value!(usize::MAX, |call| {
        one(call, completions, index, |c| match c.reason {
            FinishReason::Stop(stop) => stop,
            _ => usize::MAX,
        })
    })
}

/// The score of a beam by the rules of the search; for a sample, the sum of its log-probabilities.
/// 0 for NULL or an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_completions_score(
    completions: *const codegeex_completions,
    index: usize,
) -> f64 {
    guard_value!(0.0, |call| { one(call, completions, index, |c| c.score) })
}

/// Number of draft tokens proposed by speculative decoding; 0 for NULL or an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_completions_drafted(
    completions: *const codegeex_completions,
    index: usize,
) -> usize {
    guard_value!(0, |call| {
        one(call, completions, index, |c| c.speculated.drafted)
    })
}

/// Number of draft tokens accepted by the model; 0 for NULL or an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_completions_accepted(
    completions: *const codegeex_completions,
    index: usize,
) -> usize {
    guard_value!(0, |call| {
        one(call, completions, index, |c| c.speculated.accepted)
    })
}

/// With token healing: number of bytes of the prompt that the first tokens of a completion cover.
/// The text begins after them. 0 for NULL or an index out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_completions_healed(
    completions: *const codegeex_completions,
    index: usize,
) -> usize {
    guard_value!(0, |call| { one(call, completions, index, |c| c.healed) })
}

/// Frees completions and all data that belongs to them. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_completions_free(completions: *mut codegeex_completions) {
    free_handle(completions)
}
