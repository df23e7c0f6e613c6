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
use super::settings::{self, Options, Setting, copy_or_default, flag, number};
use super::status::codegeex_status;
use crate::edit::{Accept, EditOptions, EditSession};
use crate::generate::Event;
use crate::language::Language;

/// How an edit session suggests. What is not set is as in a new one: 64 tokens at most, healed, with
/// all post-processing; NULL stands for a new one.
///
/// Threads: setters on one thread at a time; any number of threads may use one that does not
/// change.
#[allow(non_camel_case_types)]
pub struct codegeex_edit_options(std::convert::Infallible);

impl Handle for codegeex_edit_options {
    const NAME: &'static str = "codegeex_edit_options";
    type Value = Options<EditOptions>;
}

/// Suggests code at a cursor while the text around it changes. It keeps the model.
///
/// Threads: one call at a time; a second one is CODEGEEX_BUSY, from a callback too. To end a
/// suggestion from another thread, set the cancel token that it was given.
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

/// A setting that is true or false.
macro_rules! polish {
    ($key:literal, $field:ident, $help:literal) => {
        Setting {
            key: concat!($key, "\0"),
            help: concat!($help, "\0"),
            set: |o, v| {
                o.polish.$field = flag(v)?;
                Ok(())
            },
            get: |o| o.polish.$field.to_string(),
        }
    };
}

const TABLE: &[Setting<EditOptions>] = &[
    Setting {
        key: "clip_step\0",
        help: "Tokens by which the beginning of what the model sees moves, about.\0",
        set: |o, v| {
            o.clip_step = number(v)?;
            Ok(())
        },
        get: |o| o.clip_step.to_string(),
    },
    polish!(
        "reindent",
        reindent,
        "Suggestions get the indentation of the file."
    ),
    polish!(
        "cut_at_scope",
        cut_at_scope,
        "Nothing beyond the scope of the cursor."
    ),
    polish!(
        "without_overlap",
        without_overlap,
        "Nothing that follows the cursor already."
    ),
    polish!("distinct", distinct, "Nothing twice."),
    polish!(
        "rank",
        rank,
        "The best first, by the log-probabilities of tokens."
    ),
    Setting {
        key: "suffix_tokens\0",
        help: "Tokens of the text after the cursor that suggestions are ranked by, at most.\0",
        set: |o, v| {
            o.polish.suffix_tokens = number(v)?;
            Ok(())
        },
        get: |o| o.polish.suffix_tokens.to_string(),
    },
];

/// Makes options: 64 tokens at most, healed, all post-processing.
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

/// Sets an option by its key, both as text. A value that is refused changes nothing.
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

/// The value of an option as text, such as codegeex_edit_options_set takes.
///
/// `value` receives `value_len` bytes, with a zero behind them; free it with codegeex_free.
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

/// The key of an option by its index from 0, a static string, or NULL past the last. `help`, unless
/// NULL, receives a static string that says what it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_edit_options_key(
    index: usize,
    help: *mut *const c_char,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        Ok(settings::key(call, TABLE, index, help))
    })
}

/// How suggestions are generated, in place of 64 tokens at most and healed. Text is only ever text
/// here, whatever these options say of special tokens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_edit_options_set_generate(
    options: *mut codegeex_edit_options,
    generate: *const codegeex_generate_options,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let generate = call.get(generate, "generate")?.copy();
        if generate.timeout_ms > 0 {
            let message = "an edit session lasts longer than a timeout_ms; give suggestions a \
                           cancel token with a timeout";
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

/// Makes an edit session for a language, by its name. `options` may be NULL.
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
        let options = copy_or_default(call.get_or_none(options, "options")?.as_ref());
        let out = call.out(session, "session")?;
        out.set(new_handle(EditValue {
            session: Exclusive::new(EditSession::new(&model.generator, language, options)?),
            log: model.log.clone(),
        })?);
        Ok(())
    })
}

/// What a new text changed. Set `struct_size` to `sizeof` before it is filled; later releases may add
/// fields at the end.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct codegeex_edit_update {
    /// Size of this struct in bytes.
    pub struct_size: usize,
    /// Bytes from the beginning of the text that the model does not see, because it is too long.
    pub clipped_bytes: usize,
    /// Line breaks in them.
    pub clipped_lines: usize,
    /// 1 if what the model sees begins elsewhere than before, so that it will be read anew.
    pub moved: i32,
    /// 1 if a suggestion agrees with what was typed: nothing need be computed.
    pub is_alive: i32,
}

/// Takes the text in, as it is now before and after the cursor. Computes nothing. `update` may be
/// NULL.
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

/// Suggests what might follow the cursor: what there is already and agrees with the text, or else
/// what the model says. The callback hears of that as it comes, before post-processing. Cancelled, it
/// suggests what there is by then.
///
/// `cancel` and `callback` may be NULL. `count` receives how many suggestions there are, best first;
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

/// The suggestions that agree with the text as it is now; 0 for NULL and while a call runs.
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

/// What of a suggestion, by its index from 0, is not typed or accepted yet.
///
/// `text` receives `text_len` bytes, with a zero behind them; free it with codegeex_free.
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

/// White space, then a word or a run of other characters.
pub const CODEGEEX_ACCEPT_WORD: i32 = 0;
/// The first line that is not blank, with its line break and the blank ones before it.
pub const CODEGEEX_ACCEPT_LINE: i32 = 1;
/// All of it.
pub const CODEGEEX_ACCEPT_ALL: i32 = 2;

/// Accepts the best suggestion or a part of it, one of `CODEGEEX_ACCEPT_*`, as if it were typed.
///
/// `text` receives the `text_len` bytes that were inserted, none where there is no suggestion, with a
/// zero behind them; free it with codegeex_free.
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

/// Drops the suggestions, so that the next ones are computed.
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
