//! `codegeex_beam_options` and beam search.

use std::ffi::c_char;

use super::boundary::{Handle, free_handle, guard, guard_value, new_handle, unknown};
use super::cancel::codegeex_cancel_token;
use super::completions::{codegeex_completions, new_completions};
use super::error::codegeex_error;
use super::generate::cancel_or_never;
use super::generate_options::{SPECIAL, special_name};
use super::model::codegeex_model;
use super::settings::{self, Options, Setting, copy_or_default, json, number, one_of};
use super::status::codegeex_status;
use super::tokenizer::special_tokens;
use crate::generate::{BeamOptions, BeamRules, EarlyStopping};
use crate::memory::{TryGrow, try_copy, try_copy_text};

/// Options of a beam search. Unset options keep their defaults: four beams of at most 128 tokens by
/// the rules of the CodeGeeX reference. NULL means all defaults.
///
/// Threads: set options from one thread at a time. Any number of threads may read options that no
/// longer change.
#[allow(non_camel_case_types)]
pub struct codegeex_beam_options(std::convert::Infallible);

impl Handle for codegeex_beam_options {
    const NAME: &'static str = "codegeex_beam_options";
    type Value = Options<BeamSettings>;
}

/// The options, with the numbers of the other rules beside, so that setters come in any order.
#[derive(Clone, Default)]
pub struct BeamSettings {
    options: BeamOptions,
    hugging_face: bool,
    length_penalty: Option<f32>,
    early_stopping: EarlyStopping,
}

impl BeamSettings {
    fn length_penalty(&self) -> f32 {
        self.length_penalty.unwrap_or(1.0)
    }

    fn finish(self) -> BeamOptions {
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

/// The rules of the CodeGeeX reference: the score is the sum of the log-probabilities.
pub const CODEGEEX_BEAM_RULES_REFERENCE: i32 = 0;
/// The rules of `generate` in Hugging Face transformers.
pub const CODEGEEX_BEAM_RULES_HUGGING_FACE: i32 = 1;

/// `False` in transformers: stops when the best running beam scores no better than the worst
/// finished one.
pub const CODEGEEX_EARLY_STOPPING_NO: i32 = 0;
/// `True` in transformers: stops as soon as `num_beams` beams have finished.
pub const CODEGEEX_EARLY_STOPPING_YES: i32 = 1;
/// `"never"` in transformers: stops only when no running beam can improve the result.
pub const CODEGEEX_EARLY_STOPPING_NEVER: i32 = 2;

const EARLY: &[(&str, EarlyStopping)] = &[
    ("no", EarlyStopping::No),
    ("yes", EarlyStopping::Yes),
    ("never", EarlyStopping::Never),
];

const RULES: &[(&str, bool)] = &[("reference", false), ("hugging_face", true)];

const TABLE: &[Setting<BeamSettings>] = &[
    Setting {
        key: "num_beams\0",
        help: "Number of beams, which is also the maximum number of results.\0",
        set: |o, v| {
            o.options.num_beams = number(v)?;
            Ok(())
        },
        get: |o| o.options.num_beams.to_string(),
    },
    Setting {
        key: "max_new_tokens\0",
        help: "Maximum number of new tokens.\0",
        set: |o, v| {
            o.options.limits.max_new_tokens = number(v)?;
            Ok(())
        },
        get: |o| o.options.limits.max_new_tokens.to_string(),
    },
    Setting {
        key: "rules\0",
        help: "How beams are scored: reference or hugging_face.\0",
        set: |o, v| {
            o.hugging_face = one_of(v, RULES)?;
            Ok(())
        },
        get: |o| RULES[usize::from(o.hugging_face)].0.to_owned(),
    },
    Setting {
        key: "length_penalty\0",
        help: "Length penalty of the hugging_face rules: scores are divided by length to this power.\0",
        set: |o, v| {
            o.length_penalty = Some(number(v)?);
            Ok(())
        },
        get: |o| o.length_penalty().to_string(),
    },
    Setting {
        key: "early_stopping\0",
        help: "Early stopping of the hugging_face rules: no, yes or never.\0",
        set: |o, v| {
            o.early_stopping = one_of(v, EARLY)?;
            Ok(())
        },
        get: |o| {
            let found = EARLY.iter().find(|(_, e)| *e == o.early_stopping);
            found.map_or("", |(name, _)| name).to_owned()
        },
    },
    Setting {
        key: "stop\0",
        help: "Stop strings, as a JSON array.\0",
        set: |o, v| {
            o.options.stops.stop = json(v, "a JSON array of strings")?;
            Ok(())
        },
        get: |o| serde_json::json!(o.options.stops.stop).to_string(),
    },
    Setting {
        key: "banned_ids\0",
        help: "Ids that are excluded from all beams, as a JSON array of numbers.\0",
        set: |o, v| {
            o.options.banned_ids = json(v, "a JSON array of ids")?;
            Ok(())
        },
        get: |o| serde_json::json!(o.options.banned_ids).to_string(),
    },
    Setting {
        key: "special_tokens\0",
        help: "How special tokens in the prompt are encoded: text or parse.\0",
        set: |o, v| {
            o.options.special_tokens = one_of(v, SPECIAL)?;
            Ok(())
        },
        get: |o| special_name(o.options.special_tokens).to_owned(),
    },
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

/// Sets an option by key; key and value are text. A refused value changes nothing.
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

/// Number of beams, which is also the maximum number of results: 1 to 1024.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_beam_options_set_num_beams(
    options: *mut codegeex_beam_options,
    num_beams: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.num_beams = num_beams);
        Ok(())
    })
}

/// Maximum number of new tokens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_beam_options_set_max_new_tokens(
    options: *mut codegeex_beam_options,
    max_new_tokens: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.limits.max_new_tokens = max_new_tokens);
        Ok(())
    })
}

/// How beams are scored and when the search ends: one of `CODEGEEX_BEAM_RULES_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_beam_options_set_rules(
    options: *mut codegeex_beam_options,
    rules: i32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let hugging_face = match rules {
            CODEGEEX_BEAM_RULES_REFERENCE => false,
            CODEGEEX_BEAM_RULES_HUGGING_FACE => true,
            _ => {
                let expected = "CODEGEEX_BEAM_RULES_REFERENCE, CODEGEEX_BEAM_RULES_HUGGING_FACE";
                return unknown("rules", rules, expected);
            }
        };
        options.change(|o| o.hugging_face = hugging_face);
        Ok(())
    })
}

/// Length penalty of the Hugging Face rules: scores are divided by length to this power, -64 to 64;
/// default 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_beam_options_set_length_penalty(
    options: *mut codegeex_beam_options,
    length_penalty: f32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.length_penalty = Some(length_penalty));
        Ok(())
    })
}

/// Early stopping of the Hugging Face rules: one of `CODEGEEX_EARLY_STOPPING_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_beam_options_set_early_stopping(
    options: *mut codegeex_beam_options,
    early_stopping: i32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let early = match early_stopping {
            CODEGEEX_EARLY_STOPPING_NO => EarlyStopping::No,
            CODEGEEX_EARLY_STOPPING_YES => EarlyStopping::Yes,
            CODEGEEX_EARLY_STOPPING_NEVER => EarlyStopping::Never,
            _ => {
                let expected = "CODEGEEX_EARLY_STOPPING_NO, CODEGEEX_EARLY_STOPPING_YES, \
                                CODEGEEX_EARLY_STOPPING_NEVER";
                return unknown("early_stopping", early_stopping, expected);
            }
        };
        options.change(|o| o.early_stopping = early);
        Ok(())
    })
}

/// Adds a stop string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_beam_options_add_stop(
    options: *mut codegeex_beam_options,
    text: *const c_char,
    text_len: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let text = try_copy_text(call.text(text, text_len, "text")?)?;
        options.change(|o| o.options.stops.stop.try_push(text))?;
        Ok(())
    })
}

/// Ids that are excluded from all beams. Replaces the previous ones.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_beam_options_set_banned_ids(
    options: *mut codegeex_beam_options,
    ids: *const u32,
    ids_len: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let ids = try_copy(call.slice(ids, ids_len, "ids")?)?;
        options.change(|o| o.options.banned_ids = ids);
        Ok(())
    })
}

/// How special tokens in the prompt are encoded: one of `CODEGEEX_SPECIAL_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_beam_options_set_special_tokens(
    options: *mut codegeex_beam_options,
    special: i32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let special = special_tokens(special)?;
        options.change(|o| o.options.special_tokens = special);
        Ok(())
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
        let options = copy_or_default(call.get_or_none(options, "options")?.as_ref()).finish();
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
        let options = copy_or_default(call.get_or_none(options, "options")?.as_ref()).finish();
        let cancel = cancel_or_never(call.get_or_none(cancel, "cancel")?.as_ref());
        let beams = call.out(beams, "beams")?;
        let found = model.generator.beam_search(prompt, &options, &cancel);
        beams.set(new_completions(model.log.note("searching", found)?)?);
        Ok(())
    })
}
