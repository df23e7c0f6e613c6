//! `codegeex_edit_options` and `codegeex_edit_session`: suggestions at a cursor while text changes.

use std::ffi::{c_char, c_void};

use super::boundary::{Exclusive, Handle, free_handle, guard, guard_value, new_handle, unknown};
use super::buffer::give_text;
use super::cancel::codegeex_cancel_token;
use super::error::codegeex_error;
use super::event::{Listener, codegeex_event_callback};
use super::generate::cancel_or_never;
use super::generate_options::codegeex_generate_options;
use super::log::Log;
use super::model::codegeex_model;
use super::settings::{self, Options, Setting, TryClone, copy_or_default, flag, number, setting};
use super::status::codegeex_status;
use crate::edit::{Accept, EditOptions, EditSession};
use crate::generate::Event;
use crate::language::Language;

/// Options of an edit session. Unset options keep their defaults: at most 64 tokens, token healing,
/// all post-processing. NULL means all defaults.
///
/// Threads: set options from one thread at a time. Any number of threads may read options that no
/// longer change.
#[allow(non_camel_case_types)]
pub struct codegeex_edit_options(std::convert::Infallible);

impl TryClone for EditOptions {
    fn try_clone(&self) -> crate::Result<Self> {
        Ok(Self {
            generate: self.generate.try_clone()?,
            polish: self.polish,
            ..*self
        })
    }
}

impl Handle for codegeex_edit_options {
    const NAME: &'static str = "codegeex_edit_options";
    type Value = Options<EditOptions>;
}

/// Inline code suggestions at a cursor while the text around it changes. It keeps the model alive.
///
/// Threads: one call at a time; a concurrent call, also from a callback, returns CODEGEEX_BUSY. To
/// stop a suggestion from another thread, set the cancel token of the call.
#[allow(non_camel_case_types)]
pub struct codegeex_edit_session(std::convert::Infallible);

pub struct EditValue {
    session: Exclusive<EditSession>,
    log: Log,
}

impl Handle for codegeex_edit_session {
    const NAME: &'static str = "codegeex_edit_session";
    type Value = EditValue;
}

const TABLE: &[Setting<EditOptions>] = &[
    setting!(
        "clip_step",
        "Step in tokens by which the beginning of the visible text moves, approximately.",
        |o, v| o.clip_step = number(v)?,
        o.clip_step.to_string()
    ),
    setting!(
        "reindent",
        "Re-indent suggestions to the style of the file: true or false.",
        |o, v| o.polish.reindent = flag(v)?,
        o.polish.reindent.to_string()
    ),
    setting!(
        "cut_at_scope",
        "Cut suggestions at the end of the cursor's scope: true or false.",
        |o, v| o.polish.cut_at_scope = flag(v)?,
        o.polish.cut_at_scope.to_string()
    ),
    setting!(
        "without_overlap",
        "Remove text that already follows the cursor: true or false.",
        |o, v| o.polish.without_overlap = flag(v)?,
        o.polish.without_overlap.to_string()
    ),
    setting!(
        "distinct",
        "Remove duplicate suggestions: true or false.",
        |o, v| o.polish.distinct = flag(v)?,
        o.polish.distinct.to_string()
    ),
    setting!(
        "rank",
        "Rank suggestions by log-probability: true or false.",
        |o, v| o.polish.rank = flag(v)?,
        o.polish.rank.to_string()
    ),
    setting!(
        "suffix_tokens",
        "Maximum number of tokens after the cursor used for ranking.",
        |o, v| o.polish.suffix_tokens = number(v)?,
        o.polish.suffix_tokens.to_string()
    ),
    setting!(
        "infill",
        "Fill-in-the-middle: the model sees the text after the cursor, where it has \
         fill-in-the-middle: true or false.",
        |o, v| o.infill = flag(v)?,
        o.infill.to_string()
    ),
    setting!(
        "infill_suffix_tokens",
        "Maximum number of tokens after the cursor in a fill-in-the-middle prompt; at most a quarter \
         of the context length.",
        |o, v| o.infill_suffix_tokens = number(v)?,
        o.infill_suffix_tokens.to_string()
    ),
];

/// Creates options with the defaults: at most 64 tokens, token healing, all post-processing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_edit_options_new(
    options: *mut *mut codegeex_edit_options,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.out(options, "options")?;
        options.set(new_handle(Options::new(EditOptions::default()))?);
        Ok(())
    })
}

/// Sets an option by key; key and value are text. A refused value changes nothing. The keys:
///
/// - `clip_step`: Step in tokens by which the beginning of the visible text moves, approximately.
///   Default: `512`.
/// - `reindent`: Re-indent suggestions to the style of the file: true or false. Default: `true`.
/// - `cut_at_scope`: Cut suggestions at the end of the cursor's scope: true or false. Default:
///   `true`.
/// - `without_overlap`: Remove text that already follows the cursor: true or false. Default:
///   `true`.
/// - `distinct`: Remove duplicate suggestions: true or false. Default: `true`.
/// - `rank`: Rank suggestions by log-probability: true or false. Default: `true`.
/// - `suffix_tokens`: Maximum number of tokens after the cursor used for ranking. Default: `32`.
/// - `infill`: Fill-in-the-middle: the model sees the text after the cursor, where it has
///   fill-in-the-middle: true or false. Default: `true`.
/// - `infill_suffix_tokens`: Maximum number of tokens after the cursor in a fill-in-the-middle
///   prompt; at most a quarter of the context length. Default: `256`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_edit_options_set(
    options: *mut codegeex_edit_options,
    key: *const c_char,
    key_len: usize,
    value: *const c_char,
    value_len: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let key = call.text(key, key_len, "key")?;
        let value = call.text(value, value_len, "value")?;
        settings::set(TABLE, &options, key, value)
    })
}

/// The value of an option as text, in the format of codegeex_edit_options_set.
///
/// `value` receives `value_len` bytes followed by a NUL; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_edit_options_get(
    options: *const codegeex_edit_options,
    key: *const c_char,
    key_len: usize,
    value: *mut *mut c_char,
    value_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let key = call.text(key, key_len, "key")?;
        let (value, len) = (call.out(value, "value")?, call.out(value_len, "value_len")?);
        settings::get(TABLE, &options, key, value, len)
    })
}

/// The key of an option by index, from 0; a static string. NULL past the last option. `help`,
/// unless NULL, receives a description of the option; a static string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_edit_options_key(
    index: usize,
    help: *mut *const c_char,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        Ok(settings::key(call, TABLE, index, help))
    })
}

/// How suggestions are generated, instead of at most 64 tokens with token healing. Special tokens
/// in the text are always encoded as plain text. Options of fill-in-the-middle must be unset: the
/// session has the text after the cursor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_edit_options_set_generate(
    options: *mut codegeex_edit_options,
    generate: *const codegeex_generate_options,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let generate = call.get(generate, "generate")?.copy()?;
        if generate.timeout_ms > 0 {
            let message = "an edit session lasts longer than a timeout_ms; give suggestions a \
                           cancel token with a timeout";
            let kind = crate::ErrorKind::InvalidArgument;
            return Err(crate::Error::new(kind, message).into());
        }
        if generate.has_infill() {
            let message = "an edit session has the text after the cursor from its updates; leave \
                           suffix, infill_order, path, repository, files and infill_language of its \
                           generate options unset";
            let kind = crate::ErrorKind::InvalidArgument;
            return Err(crate::Error::new(kind, message).into());
        }
        options.change(|o| o.generate = generate.options);
        Ok(())
    })
}

/// Frees options. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_edit_options_free(options: *mut codegeex_edit_options) {
    free_handle(options)
}

/// Creates an edit session for a language, by its name. `options` may be NULL.
///
/// `session` receives a handle; free it with codegeex_edit_session_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_edit_session_new(
    model: *const codegeex_model,
    language: *const c_char,
    language_len: usize,
    options: *const codegeex_edit_options,
    session: *mut *mut codegeex_edit_session,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        let language = Language::from_name(call.text(language, language_len, "language")?)?;
        let options = copy_or_default(call.get_or_none(options, "options")?.as_ref())?;
        let out = call.out(session, "session")?;
        out.set(new_handle(EditValue {
            session: Exclusive::new(EditSession::new(&model.generator, language, options)?),
            log: model.log.clone(),
        })?);
        Ok(())
    })
}

/// Effect of an update of the text. Set `struct_size` to `sizeof` before the call; later releases
/// may add fields at the end.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct codegeex_edit_update {
    /// Size of this struct in bytes.
    pub struct_size: usize,
    /// Bytes cut from the beginning of the text because it is too long for the model.
    pub clipped_bytes: usize,
    /// Line breaks in those bytes.
    pub clipped_lines: usize,
    /// 1 if the visible text now starts at another place, so that the KV cache is computed again.
    pub moved: i32,
    /// 1 if a suggestion still matches the text, so that nothing needs to be computed.
    pub is_alive: i32,
}

/// Sets the current text before and after the cursor. Does not run the model. `update` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_edit_session_update(
    session: *mut codegeex_edit_session,
    before: *const c_char,
    before_len: usize,
    after: *const c_char,
    after_len: usize,
    update: *mut codegeex_edit_update,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(session, "session")?;
        let before = call.text(before, before_len, "before")?;
        let after = call.text(after, after_len, "after")?;
        let out = match update.is_null() {
            true => None,
            false => Some(call.sized(update, "update")?),
        };
        let found = value.session.get("session")?.update(before, after)?;
        if let Some(out) = out {
            out.set(codegeex_edit_update {
                struct_size: 0,
                clipped_bytes: found.clip.bytes,
                clipped_lines: found.clip.lines,
                moved: found.moved.into(),
                is_alive: found.is_alive.into(),
            });
        }
        Ok(())
    })
}

/// Suggests text at the cursor: earlier suggestions that still match the text, or else new ones
/// from the model. The callback receives the tokens as they are sampled, before post-processing. If
/// cancelled, it returns the partial result.
///
/// `cancel` and `callback` may be NULL. `count` receives the number of suggestions, best first;
/// read them with codegeex_edit_session_suggestion.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_edit_session_suggest(
    session: *mut codegeex_edit_session,
    cancel: *const codegeex_cancel_token,
    callback: codegeex_event_callback,
    userdata: *mut c_void,
    count: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(session, "session")?;
        let cancel = cancel_or_never(call.get_or_none(cancel, "cancel")?.as_ref());
        let out = call.out(count, "count")?;
        let mut listener = Listener::new(callback, userdata);
        let on_event = &mut |event: Event| listener.hear(event);
        let mut session = value.session.get("session")?;
        let suggested = session.suggest(&cancel, on_event).map(|_| ());
        value.log.note("suggesting", suggested)?;
        out.set(session.suggestions().count());
        Ok(())
    })
}

/// Number of suggestions that match the current text; 0 for NULL and while a call runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_edit_session_suggestions(
    session: *const codegeex_edit_session,
) -> usize {
    guard_value!(0, |call| {
        let value = call.get(session, "session")?;
        let session = value.session.get("session")?;
        Ok(session.suggestions().count())
    })
}

/// The part of a suggestion, by index from 0, that is not typed or accepted yet.
///
/// `text` receives `text_len` bytes followed by a NUL; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_edit_session_suggestion(
    session: *const codegeex_edit_session,
    index: usize,
    text: *mut *mut c_char,
    text_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(session, "session")?;
        let (text, len) = (call.out(text, "text")?, call.out(text_len, "text_len")?);
        let session = value.session.get("session")?;
        let Some(found) = session.suggestions().nth(index) else {
            let message = format!("suggestion {index} of {}", session.suggestions().count());
            return Err(crate::Error::new(crate::ErrorKind::InvalidArgument, message).into());
        };
        give_text(found.text, text, len)
    })
}

/// The next word or run of other characters, with the whitespace before it.
pub const CODEGEEX_ACCEPT_WORD: i32 = 0;
/// The first non-blank line, with its line break and the blank lines before it.
pub const CODEGEEX_ACCEPT_LINE: i32 = 1;
/// The whole suggestion.
pub const CODEGEEX_ACCEPT_ALL: i32 = 2;

/// Accepts the best suggestion or a part of it, one of `CODEGEEX_ACCEPT_*`, as if it were typed.
///
/// `text` receives the `text_len` inserted bytes, none if there is no suggestion, followed by a
/// NUL; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_edit_session_accept(
    session: *mut codegeex_edit_session,
    accept: i32,
    text: *mut *mut c_char,
    text_len: *mut usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(session, "session")?;
        let accept = match accept {
            CODEGEEX_ACCEPT_WORD => Accept::Word,
            CODEGEEX_ACCEPT_LINE => Accept::Line,
            CODEGEEX_ACCEPT_ALL => Accept::All,
            _ => {
                let expected = "CODEGEEX_ACCEPT_WORD, CODEGEEX_ACCEPT_LINE, CODEGEEX_ACCEPT_ALL";
                return unknown("accept", accept, expected);
            }
        };
        let (text, len) = (call.out(text, "text")?, call.out(text_len, "text_len")?);
        let accepted = value.session.get("session")?.accept(accept)?;
        give_text(&accepted.unwrap_or_default(), text, len)
    })
}

/// Drops the suggestions. The next call computes new ones.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_edit_session_dismiss(
    session: *mut codegeex_edit_session,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let value = call.get(session, "session")?;
        value.session.get("session")?.dismiss();
        Ok(())
    })
}

/// Frees an edit session. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_edit_session_free(session: *mut codegeex_edit_session) {
    free_handle(session)
}
