//! `codegeex_generate_options`: what a generation is asked to do.

use std::ffi::c_char;
use std::time::{Duration, Instant};

use super::boundary::{Handle, free_handle, guard, guard_value, new_handle};
use super::error::codegeex_error;
use super::model::codegeex_model;
use super::settings::{
    self, Options, Setting, flag, json, number, number_or_none, one_of, or_none,
};
use super::status::codegeex_status;
use super::task::codegeex_task;
use super::tokenizer::special_tokens;
use crate::code::StopRule;
use crate::error::bail;
use crate::generate::{Drafts, GenerateOptions, Speculation, StopAt};
use crate::language::Language;
use crate::memory::{TryGrow, try_collect, try_copy, try_copy_text};
use crate::tokenizer::SpecialTokens;

/// What a generation is asked to do. What is not set is as in a new one: greedy, 128 new tokens, one
/// sample, no stop strings; NULL stands for a new one. Numbers out of range are reported by the call
/// that uses the options.
///
/// Threads: setters on one thread at a time; any number of threads may use one that does not
/// change. A call reads the options when it begins.
#[allow(non_camel_case_types)]
pub struct codegeex_generate_options(std::convert::Infallible);

#[derive(Clone, Default)]
pub struct GenerateSettings {
    pub options: GenerateOptions,
    /// From the beginning of the call.
    pub timeout_ms: u64,
}

impl GenerateSettings {
    /// The options of a call that begins now.
    pub fn begin(self) -> GenerateOptions {
        let mut options = self.options;
        if self.timeout_ms > 0 {
            // One that no clock reaches is none.
            options.limits.deadline =
                Instant::now().checked_add(Duration::from_millis(self.timeout_ms));
        }
        options
    }
}

impl Handle for codegeex_generate_options {
    const NAME: &'static str = "codegeex_generate_options";
    type Value = Options<GenerateSettings>;
}

pub(super) const SPECIAL: &[(&str, SpecialTokens)] = &[
    ("text", SpecialTokens::AsText),
    ("parse", SpecialTokens::Parse),
];

/// A setting that is a number in a field of the options.
macro_rules! numeric {
    ($key:literal, $($field:ident).+, $help:literal) => {
        Setting {
            key: concat!($key, "\0"),
            help: concat!($help, "\0"),
            set: |o, v| {
                o.options.$($field).+ = number(v)?;
                Ok(())
            },
            get: |o| o.options.$($field).+.to_string(),
        }
    };
    // One that is off at a number.
    ($key:literal, $($field:ident).+, off at $off:literal, $help:literal) => {
        Setting {
            key: concat!($key, "\0"),
            help: concat!($help, "\0"),
            set: |o, v| {
                o.options.$($field).+ = number(v).map(|n| unless(n, $off))?;
                Ok(())
            },
            get: |o| o.options.$($field).+.unwrap_or($off).to_string(),
        }
    };
}

/// The value, or nothing where it is the one that stands for off.
fn unless<T: PartialEq>(value: T, off: T) -> Option<T> {
    (value != off).then_some(value)
}

const TABLE: &[Setting<GenerateSettings>] = &[
    numeric!(
        "max_new_tokens",
        limits.max_new_tokens,
        "New tokens at most."
    ),
    numeric!(
        "temperature",
        sampling.temperature,
        "Divides the logits; 0 means greedy."
    ),
    numeric!("top_k", sampling.top_k, off at 0, "Candidates to keep; 0 means all."),
    numeric!("top_p", sampling.top_p, off at 1.0, "Probability mass to keep; 1 means all."),
    numeric!(
        "min_p", sampling.min_p, off at 0.0,
        "Candidates to keep: those at least this share as likely as the likeliest; 0 means all."
    ),
    numeric!(
        "typical_p", sampling.typical_p, off at 1.0,
        "Probability mass of the most typical candidates to keep; 1 means all."
    ),
    numeric!(
        "repetition_penalty", sampling.repetition_penalty, off at 1.0,
        "Divides positive logits of ids that were there, multiplies negative ones; 1 means none."
    ),
    numeric!(
        "presence_penalty", sampling.presence_penalty, off at 0.0,
        "Subtracted once from the logits of generated ids; 0 means none."
    ),
    numeric!(
        "frequency_penalty", sampling.frequency_penalty, off at 0.0,
        "Subtracted from the logits of generated ids each time that they were; 0 means none."
    ),
    Setting {
        key: "logit_bias\0",
        help: "Ids with what is added to their logits, as a JSON object: {\"198\": -2.5}; null bans.\0",
        set: |o, v| {
            let found: std::collections::BTreeMap<u32, Option<f32>> =
                json(v, "a JSON object of ids and numbers, or null")?;
            let bias = |(id, bias): (u32, Option<f32>)| (id, bias.unwrap_or(f32::NEG_INFINITY));
            o.options.sampling.logit_bias = found.into_iter().map(bias).collect();
            Ok(())
        },
        get: |o| {
            let pair = |&(id, bias): &(u32, f32)| match bias {
                f32::NEG_INFINITY => format!("\"{id}\":null"),
                bias => format!("\"{id}\":{bias}"),
            };
            let pairs: Vec<String> = o.options.sampling.logit_bias.iter().map(pair).collect();
            format!("{{{}}}", pairs.join(","))
        },
    },
    numeric!(
        "seed",
        sampling.seed,
        "Decides the draws, with the numbers of the sample and the token."
    ),
    numeric!(
        "first_sample",
        first_sample,
        "Number of the first sample, for the draws."
    ),
    numeric!("samples", samples, "Completions of the one prompt."),
    Setting {
        key: "stop\0",
        help: "Texts that end a completion, as a JSON array of strings.\0",
        set: |o, v| {
            o.options.stops.stop = json(v, "a JSON array of strings")?;
            Ok(())
        },
        get: |o| serde_json::json!(o.options.stops.stop).to_string(),
    },
    Setting {
        key: "stop_at\0",
        help: "Where code ends a completion: none, or a language and rules, as in go:block,function; \
               rules are line, block, function, unindented, humaneval.\0",
        set: |o, v| {
            o.options.stops.stop_at = match v.trim() {
                "none" => None,
                other => match other.split_once(':') {
                    Some((language, rules)) => Some(stop_at(language, rules)?),
                    None => bail!(InvalidArgument, "{v:?} is neither none nor LANGUAGE:RULES"),
                },
            };
            Ok(())
        },
        get: |o| {
            or_none(o.options.stops.stop_at.as_ref().map(|at| {
                let rules: Vec<&str> = at.rules.iter().map(|rule| rule.name()).collect();
                format!("{}:{}", at.language.name(), rules.join(","))
            }))
        },
    },
    Setting {
        key: "heal\0",
        help: "Token healing: a prompt may end inside a word or a run of spaces; true or false.\0",
        set: |o, v| {
            o.options.heal = flag(v)?;
            Ok(())
        },
        get: |o| o.options.heal.to_string(),
    },
    Setting {
        key: "banned_ids\0",
        help: "Ids that are never drawn, as a JSON array of numbers.\0",
        set: |o, v| {
            o.options.sampling.banned_ids = json(v, "a JSON array of ids")?;
            Ok(())
        },
        get: |o| serde_json::json!(o.options.sampling.banned_ids).to_string(),
    },
    Setting {
        key: "special_tokens\0",
        help: "What a special token spelled out in the prompt means: text or parse.\0",
        set: |o, v| {
            o.options.special_tokens = one_of(v, SPECIAL)?;
            Ok(())
        },
        get: |o| special_name(o.options.special_tokens).to_owned(),
    },
    numeric!(
        "top_logprobs",
        top_logprobs,
        "Also reports the likeliest tokens at each place, so many of them."
    ),
    Setting {
        key: "timeout_ms\0",
        help: "Ends the generation so many milliseconds after it began; 0 means never.\0",
        set: |o, v| {
            o.timeout_ms = number(v)?;
            Ok(())
        },
        get: |o| o.timeout_ms.to_string(),
    },
    Setting {
        key: "prefill_limit\0",
        help: "Tokens of the prompt that may be computed; none means all.\0",
        set: |o, v| {
            o.options.limits.prefill_limit = number_or_none(v)?;
            Ok(())
        },
        get: |o| or_none(o.options.limits.prefill_limit),
    },
    numeric!(
        "threads", limits.threads, off at 0,
        "Threads that compute at most; 0 means all of the model."
    ),
    Setting {
        key: "speculation\0",
        help: "Guesses at the next tokens: off, lookup, or lookup:N for N tokens a step.\0",
        set: |o, v| {
            o.options.speculation = match v.trim() {
                "off" => None,
                "lookup" => Some(Speculation::lookup()),
                other => match other.strip_prefix("lookup:") {
                    Some(tokens) => Some(lookup(number(tokens)?)),
                    None => bail!(InvalidArgument, "{v:?} is none of off, lookup, lookup:N"),
                },
            };
            Ok(())
        },
        get: |o| match &o.options.speculation {
            None => "off".to_owned(),
            Some(s) => match s.drafts {
                Drafts::Lookup => format!("lookup:{}", s.tokens),
                Drafts::Model(_) => format!("model:{}", s.tokens),
            },
        },
    },
];

pub(super) fn special_name(special: SpecialTokens) -> &'static str {
    let found = SPECIAL.iter().find(|(_, s)| *s == special);
    found.map_or("", |(name, _)| name)
}

/// The rules of code by their names, with commas between.
fn stop_at(language: &str, rules: &str) -> crate::Result<StopAt> {
    let language = Language::from_name(language.trim())?;
    let rules = rules.split(',').map(|name| name.trim().parse::<StopRule>());
    Ok(StopAt::new(
        language,
        rules.collect::<crate::Result<Vec<_>>>()?,
    ))
}

fn lookup(tokens: usize) -> Speculation {
    let mut speculation = Speculation::lookup();
    speculation.tokens = tokens;
    speculation
}

/// Makes options: greedy, 128 new tokens, one sample, no stop strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_new(
    options: *mut *mut codegeex_generate_options,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.out(options, "options")?;
        options.set(new_handle(Options::new(GenerateSettings::default()))?);
        Ok(())
    })
}

/// Makes options that are as these are now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_clone(
    options: *const codegeex_generate_options,
    clone: *mut *mut codegeex_generate_options,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let clone = call.out(clone, "clone")?;
        clone.set(new_handle(Options::new(options.copy()))?);
        Ok(())
    })
}

/// Sets an option by its key, both as text. A value that is refused changes nothing. Keys and how
/// their values are written: codegeex_generate_options_key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set(
    options: *mut codegeex_generate_options,
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

/// The value of an option as text, such as codegeex_generate_options_set takes.
///
/// `value` receives `value_len` bytes, with a zero behind them; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_get(
    options: *const codegeex_generate_options,
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
pub unsafe extern "C" fn codegeex_generate_options_key(
    index: usize,
    help: *mut *const c_char,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        Ok(settings::key(call, TABLE, index, help))
    })
}

/// New tokens at most.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_max_new_tokens(
    options: *mut codegeex_generate_options,
    max_new_tokens: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.limits.max_new_tokens = max_new_tokens);
        Ok(())
    })
}

/// Divides the logits; 0 means greedy, and top-k, top-p, min-p, typical-p and the seed do nothing
/// then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_temperature(
    options: *mut codegeex_generate_options,
    temperature: f32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.sampling.temperature = temperature);
        Ok(())
    })
}

/// Candidates to keep; 0 means all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_top_k(
    options: *mut codegeex_generate_options,
    top_k: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.sampling.top_k = unless(top_k, 0));
        Ok(())
    })
}

/// Probability mass to keep, above 0 and up to 1; 1 means all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_top_p(
    options: *mut codegeex_generate_options,
    top_p: f32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.sampling.top_p = unless(top_p, 1.0));
        Ok(())
    })
}

/// Candidates to keep: those at least this share as likely as the likeliest; 0 means all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_min_p(
    options: *mut codegeex_generate_options,
    min_p: f32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.sampling.min_p = unless(min_p, 0.0));
        Ok(())
    })
}

/// Probability mass of the most typical candidates to keep; 1 means all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_typical_p(
    options: *mut codegeex_generate_options,
    typical_p: f32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.sampling.typical_p = unless(typical_p, 1.0));
        Ok(())
    })
}

/// Divides positive logits of ids in the prompt or the generated text, and multiplies negative ones;
/// 1 means none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_repetition_penalty(
    options: *mut codegeex_generate_options,
    repetition_penalty: f32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.sampling.repetition_penalty = unless(repetition_penalty, 1.0));
        Ok(())
    })
}

/// Subtracted once from the logits of generated ids; 0 means none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_presence_penalty(
    options: *mut codegeex_generate_options,
    presence_penalty: f32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.sampling.presence_penalty = unless(presence_penalty, 0.0));
        Ok(())
    })
}

/// Subtracted from the logits of generated ids for each time that they were; 0 means none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_frequency_penalty(
    options: *mut codegeex_generate_options,
    frequency_penalty: f32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.sampling.frequency_penalty = unless(frequency_penalty, 0.0));
        Ok(())
    })
}

/// Decides the draws, together with the number of the sample and of the token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_seed(
    options: *mut codegeex_generate_options,
    seed: u64,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.sampling.seed = seed);
        Ok(())
    })
}

/// Number of the first sample, for the draws: samples 0 to 9 and 10 to 19 of two calls are those of one
/// call for 0 to 19.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_first_sample(
    options: *mut codegeex_generate_options,
    first_sample: u32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.first_sample = first_sample);
        Ok(())
    })
}

/// Completions of the one prompt, which is computed once for all: 1 to 1024.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_samples(
    options: *mut codegeex_generate_options,
    samples: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.samples = samples);
        Ok(())
    })
}

/// Also reports the likeliest tokens at each place, so many of them, before any sampler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_top_logprobs(
    options: *mut codegeex_generate_options,
    top_logprobs: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.top_logprobs = top_logprobs);
        Ok(())
    })
}

/// Threads that compute at most; 0 means all that the model has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_threads(
    options: *mut codegeex_generate_options,
    threads: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.limits.threads = unless(threads, 0));
        Ok(())
    })
}

/// Ends the generation so many milliseconds after it began, with what there is by then; 0 means never.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_timeout_ms(
    options: *mut codegeex_generate_options,
    timeout_ms: u64,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.timeout_ms = timeout_ms);
        Ok(())
    })
}

/// Tokens of the prompt that may be computed; those that a session or a service has already do not
/// count. SIZE_MAX means all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_prefill_limit(
    options: *mut codegeex_generate_options,
    prefill_limit: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| {
            o.options.limits.prefill_limit = (prefill_limit != usize::MAX).then_some(prefill_limit)
        });
        Ok(())
    })
}

/// Ids with what is added to their logits, in place of those that were set before: `biases_len` ids
/// and as many numbers. Negative infinity bans an id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_logit_bias(
    options: *mut codegeex_generate_options,
    ids: *const u32,
    biases: *const f32,
    biases_len: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let ids = call.slice(ids, biases_len, "ids")?;
        let biases = call.slice(biases, biases_len, "biases")?;
        let pairs = ids.iter().copied().zip(biases.iter().copied());
        let pairs = try_collect(pairs)?;
        options.change(|o| o.options.sampling.logit_bias = pairs);
        Ok(())
    })
}

/// Ids that are never drawn, in place of those that were set before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_banned_ids(
    options: *mut codegeex_generate_options,
    ids: *const u32,
    ids_len: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let ids = try_copy(call.slice(ids, ids_len, "ids")?)?;
        options.change(|o| o.options.sampling.banned_ids = ids);
        Ok(())
    })
}

/// Adds a text that ends a completion. It is not part of the completion's text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_add_stop(
    options: *mut codegeex_generate_options,
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

/// Adds the stop strings of a task.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_add_task_stops(
    options: *mut codegeex_generate_options,
    task: *const codegeex_task,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let task = call.get(task, "task")?;
        options.change(|o| {
            for stop in &task.task.stop {
                let stop = try_copy_text(stop)?;
                o.options.stops.stop.try_push(stop)?;
            }
            Ok(())
        })
    })
}

/// Where code of a language, by its name, ends a completion: the first of `rules` that fires, names
/// with commas between: `line`, `block`, `function`, `unindented`, `humaneval`. Empty rules mean no
/// end by code. No token is drawn after the one that decides it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_stop_at(
    options: *mut codegeex_generate_options,
    language: *const c_char,
    language_len: usize,
    rules: *const c_char,
    rules_len: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let language = call.text(language, language_len, "language")?;
        let rules = call.text(rules, rules_len, "rules")?;
        let stop_at = match rules {
            "" => None,
            rules => Some(self::stop_at(language, rules)?),
        };
        options.change(|o| o.options.stops.stop_at = stop_at);
        Ok(())
    })
}

/// Token healing: whether the last tokens of the prompt are taken back and drawn again among those
/// that agree with its bytes, so that a prompt may end inside a word or a run of spaces; nonzero is
/// yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_heal(
    options: *mut codegeex_generate_options,
    heal: i32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.heal = heal != 0);
        Ok(())
    })
}

/// Takes all stop strings away.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_clear_stop(
    options: *mut codegeex_generate_options,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.options.stops.stop.clear());
        Ok(())
    })
}

/// What a special token spelled out in the prompt means: one of `CODEGEEX_SPECIAL_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_special_tokens(
    options: *mut codegeex_generate_options,
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

/// Guesses at the next tokens from the text so far, up to `tokens` a step; 0 means none. They change
/// the time that an answer takes, and not the answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_speculation_lookup(
    options: *mut codegeex_generate_options,
    tokens: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let speculation = (tokens > 0).then(|| lookup(tokens));
        options.change(|o| o.options.speculation = speculation);
        Ok(())
    })
}

/// Guesses at the next tokens by a smaller model with the same vocabulary, up to `tokens` a step; 0
/// means none. They change the time that an answer takes, and not the answer. The options keep the
/// model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_speculation_model(
    options: *mut codegeex_generate_options,
    draft: *const codegeex_model,
    tokens: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let draft = call.get(draft, "draft")?;
        let speculation = (tokens > 0).then(|| {
            let mut speculation = Speculation::model(draft.generator.model().clone());
            speculation.tokens = tokens;
            speculation
        });
        options.change(|o| o.options.speculation = speculation);
        Ok(())
    })
}

/// Frees options. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_free(options: *mut codegeex_generate_options) {
    free_handle(options)
}
