//! `codegeex_beam_options` and beam search.

use std::ffi::c_char;

use super::boundary::{Handle, free_handle, guard, guard_value, new_handle};
use super::cancel::codegeex_cancel_token;
use super::completions::{codegeex_completions, new_completions};
use super::error::codegeex_error;
use super::generate::cancel_or_never;
use super::model::codegeex_model;
use super::settings::{
    self, Options, Setting, TryClone, common, copy_or_default, name_of, number, number_or_none,
    one_of, or_none, setting,
};
use super::status::codegeex_status;
use crate::generate::{BeamOptions, BeamRules, EarlyStopping};
use crate::memory::try_copy_text;

/// Options of a beam search. Unset options keep their defaults: four beams of at most 128 tokens by
/// the rules of the CodeGeeX reference. NULL means all defaults.
///
/// Threads: set options from one thread at a time. Any number of threads may read options that no
/// longer change.
#[allow(non_camel_case_types)]
pub struct codegeex_beam_options(std::convert::Infallible);

impl TryClone for BeamSettings {
    fn try_clone(&self) -> crate::Result<Self> {
        Ok(Self {
            options: self.options.try_clone()?,
            stop_before: self.stop_before.as_deref().map(try_copy_text).transpose()?,
            ..*self
        })
    }
}

impl Handle for codegeex_beam_options {
    const NAME: &'static str = "codegeex_beam_options";
    type Value = Options<BeamSettings>;
}

/// The options, with the numbers of the other rules beside, so that setters come in any order.
#[derive(Default)]
pub struct BeamSettings {
    options: BeamOptions,
    hugging_face: bool,
    length_penalty: Option<f32>,
    early_stopping: EarlyStopping,
    timeout_ms: u64,
    stop_before: Option<String>,
}

impl BeamSettings {
    fn length_penalty(&self) -> f32 {
        self.length_penalty.unwrap_or(1.0)
    }

    /// The options of a call that begins now.
    fn begin(mut self) -> BeamOptions {
        let (limits, stops) = (&mut self.options.limits, &mut self.options.stops);
        settings::begin(limits, stops, self.timeout_ms, self.stop_before.take());
        let rules = match self.hugging_face {
            false => BeamRules::Reference,
            true => BeamRules::HuggingFace {
                length_penalty: self.length_penalty(),
                early_stopping: self.early_stopping,
            },
        };
        self.options.rules(rules)
    }
}

const EARLY: &[(&str, EarlyStopping)] = &[
    ("no", EarlyStopping::No),
    ("yes", EarlyStopping::Yes),
    ("never", EarlyStopping::Never),
];

const RULES: &[(&str, bool)] = &[("reference", false), ("hugging_face", true)];

const TABLE: &[Setting<BeamSettings>] = &[
    setting!(
        "num_beams",
        "Number of beams, which is also the maximum number of results, 1 to 1024.",
        |o, v| o.options.num_beams = number(v)?,
        o.options.num_beams.to_string()
    ),
    common!(max_new_tokens),
    setting!(
        "rules",
        "How beams are scored: reference (the CodeGeeX reference; the score is the sum of the \
         log-probabilities) or hugging_face (generate in transformers).",
        |o, v| o.hugging_face = one_of(v, RULES)?,
        name_of(RULES, o.hugging_face)
    ),
    setting!(
        "length_penalty",
        "Length penalty of the hugging_face rules: scores are divided by length to this power, -64 \
         to 64.",
        |o, v| o.length_penalty = Some(number(v)?),
        o.length_penalty().to_string()
    ),
    setting!(
        "early_stopping",
        "Early stopping of the hugging_face rules, as in transformers: no (stops when the best \
         running beam scores no better than the worst finished one), yes (stops as soon as num_beams \
         beams have finished) or never (stops when no running beam can improve the result).",
        |o, v| o.early_stopping = one_of(v, EARLY)?,
        name_of(EARLY, o.early_stopping)
    ),
    setting!(
        "banned_ids",
        "Ids that are excluded from all beams, as a JSON array of numbers.",
        |o, v| o.options.banned_ids = settings::ids(v)?,
        settings::to_json(&o.options.banned_ids)?
    ),
    common!(stop),
    common!(stop_at),
    common!(stop_before),
    common!(stop_ids),
    common!(special_tokens),
    common!(timeout_ms),
    common!(prefill_limit),
    common!(threads),
];

/// Creates options with the defaults: four beams, 128 new tokens, the rules of the CodeGeeX
/// reference, no stop strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_beam_options_new(
    options: *mut *mut codegeex_beam_options,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.out(options, "options")?;
        options.set(new_handle(Options::new(BeamSettings::default()))?);
        Ok(())
    })
}

/// Sets an option by key; key and value are text. A refused value changes nothing. The keys:
///
/// - `num_beams`: Number of beams, which is also the maximum number of results, 1 to 1024. Default:
///   `4`.
/// - `max_new_tokens`: Maximum number of new tokens. Default: `128`.
/// - `rules`: How beams are scored: reference (the CodeGeeX reference; the score is the sum of the
///   log-probabilities) or hugging_face (generate in transformers). Default: `reference`.
/// - `length_penalty`: Length penalty of the hugging_face rules: scores are divided by length to
///   this power, -64 to 64. Default: `1`.
/// - `early_stopping`: Early stopping of the hugging_face rules, as in transformers: no (stops when
///   the best running beam scores no better than the worst finished one), yes (stops as soon as
///   num_beams beams have finished) or never (stops when no running beam can improve the result).
///   Default: `no`.
/// - `banned_ids`: Ids that are excluded from all beams, as a JSON array of numbers. Default: `[]`.
/// - `stop`: Stop strings, as a JSON array; they are not part of the completion. Default: `[]`.
/// - `stop_at`: Where code ends a completion: none, or a language and rules, as in
///   go:block,function; rules are line, block, function, unindented, humaneval; the first that
///   matches ends the completion. Default: `none`.
/// - `stop_before`: Code left of the cursor, for stop_at, as a JSON string; none means the prompt.
///   Default: `none`.
/// - `stop_ids`: Token ids that end a completion as the end of text does, as a JSON array of
///   numbers. Default: `[]`.
/// - `special_tokens`: How special tokens in the prompt, such as <|endoftext|>, are encoded: text
///   (as plain text) or parse (as the tokens that they name). Default: `text`.
/// - `timeout_ms`: Timeout in milliseconds, after which the call returns the partial result; 0
///   means none. Default: `0`.
/// - `prefill_limit`: Maximum number of prompt tokens to compute, without cached ones; none means
///   no limit. Default: `none`.
/// - `threads`: Maximum number of compute threads; 0 means all threads of the model. Default: `0`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_beam_options_set(
    options: *mut codegeex_beam_options,
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

/// The value of an option as text, in the format of codegeex_beam_options_set.
///
/// `value` receives `value_len` bytes followed by a NUL; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_beam_options_get(
    options: *const codegeex_beam_options,
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
pub unsafe extern "C" fn codegeex_beam_options_key(
    index: usize,
    help: *mut *const c_char,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        Ok(settings::key(call, TABLE, index, help))
    })
}

/// Frees options. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_beam_options_free(options: *mut codegeex_beam_options) {
    free_handle(options)
}

/// Beam search: returns at most `num_beams` completions of a prompt, best first. If `cancel` is
/// set, the result is the current beams.
///
/// `options` and `cancel` may be NULL. `beams` receives a handle; free it with
/// codegeex_completions_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_model_beam_search(
    model: *const codegeex_model,
    prompt: *const c_char,
    prompt_len: usize,
    options: *const codegeex_beam_options,
    cancel: *const codegeex_cancel_token,
    beams: *mut *mut codegeex_completions,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        let prompt = call.text(prompt, prompt_len, "prompt")?;
        let options = copy_or_default(call.get_or_none(options, "options")?.as_ref())?.begin();
        let cancel = cancel_or_never(call.get_or_none(cancel, "cancel")?.as_ref());
        let beams = call.out(beams, "beams")?;
        let found = model.generator.beam_search(prompt, &options, &cancel);
        beams.set(new_completions(model.log.note("searching", found)?)?);
        Ok(())
    })
}

/// Like codegeex_model_beam_search, for a prompt of ids.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_model_beam_search_from(
    model: *const codegeex_model,
    prompt: *const u32,
    prompt_len: usize,
    options: *const codegeex_beam_options,
    cancel: *const codegeex_cancel_token,
    beams: *mut *mut codegeex_completions,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        let prompt = call.slice(prompt, prompt_len, "prompt")?;
        let options = copy_or_default(call.get_or_none(options, "options")?.as_ref())?.begin();
        let cancel = cancel_or_never(call.get_or_none(cancel, "cancel")?.as_ref());
        let beams = call.out(beams, "beams")?;
        let found = model.generator.beam_search(prompt, &options, &cancel);
        beams.set(new_completions(model.log.note("searching", found)?)?);
        Ok(())
    })
}
