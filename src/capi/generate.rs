//! Generation from a model alone: streamed, with a cancel token.

use std::ffi::{c_char, c_void};

use super::boundary::{Held, Result, guard};
use super::cancel::codegeex_cancel_token;
use super::completions::{codegeex_completions, new_completions};
use super::error::codegeex_error;
use super::event::{Listener, codegeex_event_callback};
use super::generate_options::codegeex_generate_options;
use super::log::{CODEGEEX_LOG_DEBUG, Log};
use super::model::codegeex_model;
use super::settings::copy_or_default;
use super::status::codegeex_status;
use crate::cancel::CancelToken;
use crate::generate::Completion;

/// The cancel token of a call, or one that is never set.
pub(super) fn cancel_or_never(cancel: Option<&Held<codegeex_cancel_token>>) -> CancelToken {
    cancel.map_or_else(CancelToken::new, |c| (**c).clone())
}

/// Says what a generation came to.
pub(super) fn noted(log: &Log, result: crate::Result<Vec<Completion>>) -> Result<Vec<Completion>> {
    let completions = log.note("generating", result)?;
    for (i, completion) in completions.iter().enumerate() {
        log.say(CODEGEEX_LOG_DEBUG, || {
            let (tokens, reason) = (completion.ids.len(), completion.finish_reason);
            format!("sample {i}: {tokens} tokens, {reason}")
        });
    }
    Ok(completions)
}

/// Completes a prompt and reports every token as it is sampled.
///
/// `options`, `cancel`, `callback` and `completions` may be NULL. When the callback returns
/// nonzero, or `cancel` is set by any thread, the call succeeds with the partial result, and the
/// finish reason is CODEGEEX_FINISH_CANCELLED. `completions` receives a handle; free it with
/// codegeex_completions_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_model_generate(
    model: *const codegeex_model,
    prompt: *const c_char,
    prompt_len: usize,
    options: *const codegeex_generate_options,
    cancel: *const codegeex_cancel_token,
    callback: codegeex_event_callback,
    userdata: *mut c_void,
    completions: *mut *mut codegeex_completions,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        let prompt = call.text(prompt, prompt_len, "prompt")?;
        let options = copy_or_default(call.get_or_none(options, "options")?.as_ref())?.begin();
        let cancel = cancel_or_never(call.get_or_none(cancel, "cancel")?.as_ref());
        let out = call.out_or_none(completions);
        let mut listener = Listener::new(callback, userdata);
        let on_event = &mut |event: crate::generate::Event| listener.hear(event);
        let result = model
            .generator
            .generate(prompt, &options, &cancel, on_event);
        let completions = noted(&model.log, result)?;
        if out.is_wanted() {
            out.set(new_completions(completions)?);
        }
        Ok(())
    })
}

/// Like codegeex_model_generate, for a prompt of ids.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_model_generate_from(
    model: *const codegeex_model,
    prompt: *const u32,
    prompt_len: usize,
    options: *const codegeex_generate_options,
    cancel: *const codegeex_cancel_token,
    callback: codegeex_event_callback,
    userdata: *mut c_void,
    completions: *mut *mut codegeex_completions,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        let prompt = call.slice(prompt, prompt_len, "prompt")?;
        let options = copy_or_default(call.get_or_none(options, "options")?.as_ref())?.begin();
        let cancel = cancel_or_never(call.get_or_none(cancel, "cancel")?.as_ref());
        let out = call.out_or_none(completions);
        let mut listener = Listener::new(callback, userdata);
        let on_event = &mut |event: crate::generate::Event| listener.hear(event);
        let result = model
            .generator
            .generate(prompt, &options, &cancel, on_event);
        let completions = noted(&model.log, result)?;
        if out.is_wanted() {
            out.set(new_completions(completions)?);
        }
        Ok(())
    })
}
