//! `codegeex_session`: a sequence that is kept between calls.

use std::ffi::{c_char, c_void};

use super::boundary::{Exclusive, Handle, Result, free_handle, guard, guard_value, new_handle};
use super::buffer::{Saved, give};
use super::cancel::codegeex_cancel_token;
use super::completions::{codegeex_completions, new_completions};
use super::error::codegeex_error;
use super::event::{Listener, codegeex_event_callback};
use super::generate::{cancel_or_never, noted};
use super::generate_options::codegeex_generate_options;
use super::log::Log;
use super::model::codegeex_model;
use super::settings::copy_or_default;
use super::status::codegeex_status;
use crate::cancel::CancelToken;
use crate::generate::{Completion, Event, GenerateOptions, Prompt, Session};

/// A sequence with its KV cache, kept between calls. A prompt that shares a prefix with it is
/// computed only from the first different token. Results do not depend on the cache.
///
/// Threads: one call at a time; a concurrent call, also from a callback, returns CODEGEEX_BUSY.
#[allow(non_camel_case_types)]
pub struct codegeex_session(std::convert::Infallible);

pub struct SessionValue {
    session: Exclusive<Session>,
    log: Log,
}

impl Handle for codegeex_session {
    const NAME: &'static str = "codegeex_session";
    type Value = SessionValue;
}

fn new_session(session: Session, log: Log) -> crate::Result<*mut codegeex_session> {
    new_handle(SessionValue {
        session: Exclusive::new(session),
        log,
    })
}

impl SessionValue {
    fn generate(
        &self,
        prompt: Prompt<'_>,
        options: &GenerateOptions,
        cancel: &CancelToken,
        listener: &mut Listener,
    ) -> Result<Vec<Completion>> {
        let mut session = self.session.get("session")?;
        let on_event = &mut |event: Event| listener.hear(event);
        noted(
            &self.log,
            session.generate(prompt, options, cancel, on_event),
        )
    }
}

/// Creates an empty session. It keeps the model alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_session_new(
    model: *const codegeex_model,
    session: *mut *mut codegeex_session,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        let session = call.out(session, "session")?;
        session.set(new_session(
            Session::new(&model.generator),
            model.log.clone(),
        )?);
        Ok(())
    })
}

/// Completes a prompt, as codegeex_model_generate does. Afterwards the session holds the prompt and
/// the first sample.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_session_generate(
    session: *mut codegeex_session,
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
        let session = call.get(session, "session")?;
        let prompt = Prompt::from(call.text(prompt, prompt_len, "prompt")?);
        let options = copy_or_default(call.get_or_none(options, "options")?.as_ref())?.begin();
        let cancel = cancel_or_never(call.get_or_none(cancel, "cancel")?.as_ref());
        let out = call.out_or_none(completions);
        let mut listener = Listener::new(callback, userdata);
        let completions = session.generate(prompt, &options, &cancel, &mut listener)?;
        if out.is_wanted() {
            out.set(new_completions(completions)?);
        }
        Ok(())
    })
}

/// Like codegeex_session_generate, for a prompt of ids.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_session_generate_from(
    session: *mut codegeex_session,
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
        let session = call.get(session, "session")?;
        let prompt = Prompt::from(call.slice(prompt, prompt_len, "prompt")?);
        let options = copy_or_default(call.get_or_none(options, "options")?.as_ref())?.begin();
        let cancel = cancel_or_never(call.get_or_none(cancel, "cancel")?.as_ref());
        let out = call.out_or_none(completions);
        let mut listener = Listener::new(callback, userdata);
        let completions = session.generate(prompt, &options, &cancel, &mut listener)?;
        if out.is_wanted() {
            out.set(new_completions(completions)?);
        }
        Ok(())
    })
}

/// The tokens in the KV cache.
///
/// `ids` receives an array of `ids_len` ids; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_session_ids(
    session: *const codegeex_session,
    ids: *mut *mut u32,
    ids_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(session, "session")?;
        let (ids, ids_len) = (call.out(ids, "ids")?, call.out(ids_len, "ids_len")?);
        let session = value.session.get("session")?;
        give(session.ids(), ids, ids_len)
    })
}

/// Number of tokens of the last prompt that were reused from the cache; 0 for NULL and while a call
/// runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_session_reused(session: *const codegeex_session) -> usize {
    guard_value!(0, |call| {
        let value = call.get(session, "session")?;
        let session = value.session.get("session")?;
        Ok(session.reused())
    })
}

/// Number of tokens of the last prompt that were computed; 0 for NULL and while a call runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_session_computed(session: *const codegeex_session) -> usize {
    guard_value!(0, |call| {
        let value = call.get(session, "session")?;
        let session = value.session.get("session")?;
        Ok(session.computed())
    })
}

/// Size of the KV cache in bytes; 0 for NULL and while a call runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_session_bytes(session: *const codegeex_session) -> usize {
    guard_value!(0, |call| {
        let value = call.get(session, "session")?;
        let session = value.session.get("session")?;
        Ok(session.bytes())
    })
}

/// Truncates to the first `tokens` tokens. A larger number changes nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_session_truncate(
    session: *mut codegeex_session,
    tokens: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(session, "session")?;
        value.session.get("session")?.truncate(tokens);
        Ok(())
    })
}

/// Saves the session to a file. The write is atomic, and only the owner can read the file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_session_save_file(
    session: *const codegeex_session,
    path: *const c_char,
    path_len: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(session, "session")?;
        let path = call.text(path, path_len, "path")?;
        let session = value.session.get("session")?;
        Ok(value
            .log
            .note("saving a session", session.save_file(path))?)
    })
}

/// Saves the session to memory.
///
/// `bytes` receives an array of `bytes_len` bytes; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_session_save(
    session: *const codegeex_session,
    bytes: *mut *mut u8,
    bytes_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(session, "session")?;
        let (bytes, len) = (call.out(bytes, "bytes")?, call.out(bytes_len, "bytes_len")?);
        let session = value.session.get("session")?;
        let mut saved = Saved::default();
        value
            .log
            .note("saving a session", session.save(&mut saved))?;
        give(saved.bytes(), bytes, len)
    })
}

/// Restores a session from a file that a model with the same fingerprint saved. It continues with
/// bit-identical results.
///
/// `session` receives a handle; free it with codegeex_session_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_session_restore_file(
    model: *const codegeex_model,
    path: *const c_char,
    path_len: usize,
    session: *mut *mut codegeex_session,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        let path = call.text(path, path_len, "path")?;
        let out = call.out(session, "session")?;
        let restored = model.generator.restore_session_file(path);
        let session = model.log.note("restoring a session", restored)?;
        out.set(new_session(session, model.log.clone())?);
        Ok(())
    })
}

/// Restores a session from memory, like codegeex_session_restore_file from a file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_session_restore(
    model: *const codegeex_model,
    bytes: *const u8,
    bytes_len: usize,
    session: *mut *mut codegeex_session,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        let mut bytes = call.slice(bytes, bytes_len, "bytes")?;
        let out = call.out(session, "session")?;
        let restored = model.generator.restore_session(&mut bytes);
        let session = model.log.note("restoring a session", restored)?;
        out.set(new_session(session, model.log.clone())?);
        Ok(())
    })
}

/// Frees a session. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_session_free(session: *mut codegeex_session) {
    free_handle(session)
}
