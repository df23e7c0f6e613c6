//! `codegeex_generate_options`: options of a generation.

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

/// Options of a generation. Unset options keep their defaults: greedy, 128 new tokens, one sample,
/// no stop strings. NULL means all defaults. Values out of range are reported by the call that uses
/// the options.
///
/// Threads: set options from one thread at a time. Any number of threads may read options that no
/// longer change. A call reads the options when it starts.
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
            // A timeout beyond the clock's range means none.
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
        "Maximum number of new tokens."
    ),
    numeric!(
        "temperature",
        sampling.temperature,
        "Sampling temperature; 0 means greedy."
    ),
    numeric!("top_k", sampling.top_k, off at 0,
        "Top-k sampling: keep the k most likely tokens; 0 disables it."),
    numeric!("top_p", sampling.top_p, off at 1.0,
        "Top-p (nucleus) sampling: probability mass of the most likely tokens to keep; 1 disables it."),
    numeric!(
        "min_p", sampling.min_p, off at 0.0,
        "Min-p sampling: keep tokens at least this value times as likely as the top one; 0 disables it."
    ),
    numeric!(
        "typical_p", sampling.typical_p, off at 1.0,
        "Typical-p sampling: probability mass of the most typical tokens to keep; 1 disables it."
    ),
    numeric!(
        "repetition_penalty", sampling.repetition_penalty, off at 1.0,
        "Repetition penalty, for ids in the prompt or the generated text; 1 disables it."
    ),
    numeric!(
        "presence_penalty", sampling.presence_penalty, off at 0.0,
        "Presence penalty: subtracted once from the logits of generated ids; 0 disables it."
    ),
    numeric!(
        "frequency_penalty", sampling.frequency_penalty, off at 0.0,
        "Frequency penalty: subtracted from an id's logit for each occurrence; 0 disables it."
    ),
    Setting {
        key: "logit_bias\0",
        help: "Logit bias, as a JSON object of ids and values to add: {\"198\": -2.5}; null bans an id.\0",
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
    numeric!("seed", sampling.seed, "Random seed."),
    numeric!(
        "first_sample",
        first_sample,
        "Index of the first sample, for the random numbers."
    ),
    numeric!("samples", samples, "Number of completions of the prompt."),
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
        help: "Token healing: re-sample the last tokens of the prompt; true or false.\0",
        set: |o, v| {
            o.options.heal = flag(v)?;
            Ok(())
        },
        get: |o| o.options.heal.to_string(),
    },
    Setting {
        key: "banned_ids\0",
        help: "Ids that are never sampled, as a JSON array of numbers.\0",
        set: |o, v| {
            o.options.sampling.banned_ids = json(v, "a JSON array of ids")?;
            Ok(())
        },
        get: |o| serde_json::json!(o.options.sampling.banned_ids).to_string(),
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
    numeric!(
        "top_logprobs",
        top_logprobs,
        "Reports the N most likely tokens at each position."
    ),
    Setting {
        key: "timeout_ms\0",
        help: "Timeout of the generation in milliseconds; 0 means none.\0",
        set: |o, v| {
            o.timeout_ms = number(v)?;
            Ok(())
        },
        get: |o| o.timeout_ms.to_string(),
    },
    Setting {
        key: "prefill_limit\0",
        help: "Maximum number of prompt tokens to compute; none means no limit.\0",
        set: |o, v| {
            o.options.limits.prefill_limit = number_or_none(v)?;
            Ok(())
        },
        get: |o| or_none(o.options.limits.prefill_limit),
    },
    numeric!(
        "threads", limits.threads, off at 0,
        "Maximum number of compute threads; 0 means all threads of the model."
    ),
    Setting {
        key: "speculation\0",
        help: "Speculative decoding: off, lookup, or lookup:N for N draft tokens per step.\0",
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

/// Creates options with the defaults: greedy, 128 new tokens, one sample, no stop strings.
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

/// Copies options.
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

/// Sets an option by key; key and value are text. A refused value changes nothing. For keys and
/// value formats, see codegeex_generate_options_key.
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

/// The value of an option as text, in the format of codegeex_generate_options_set.
///
/// `value` receives `value_len` bytes followed by a NUL; free it with codegeex_free.
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

/// The key of an option by index, from 0; a static string. NULL past the last option. `help`,
/// unless NULL, receives a description of the option; a static string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_key(
    index: usize,
    help: *mut *const c_char,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        Ok(settings::key(call, TABLE, index, help))
    })
}

/// Maximum number of new tokens.
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

/// Sampling temperature; 0 means greedy, which ignores top-k, top-p, min-p, typical-p and the seed.
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

/// Top-k sampling: keep the k most likely tokens; 0 disables it.
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

/// Top-p (nucleus) sampling: keep the most likely tokens whose probabilities add up to this value,
/// above 0 and up to 1; 1 disables it.
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

/// Min-p sampling: keep tokens whose probability is at least this value times the top probability;
/// 0 disables it.
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

/// Typical-p sampling: keep the most typical tokens whose probabilities add up to this value; 1
/// disables it.
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

/// Repetition penalty, for ids in the prompt or the generated text: positive logits are divided by
/// it, negative ones multiplied; 1 disables it.
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

/// Presence penalty: subtracted once from the logits of generated ids; 0 disables it.
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

/// Frequency penalty: subtracted from the logits of generated ids for each occurrence; 0 disables
/// it.
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

/// Random seed. The random numbers depend only on it, the index of the sample and the index of the
/// token.
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

/// Index of the first sample, for the random numbers: two calls for samples 0 to 9 and 10 to 19
/// give the same samples as one call for 0 to 19.
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

/// Number of completions of the prompt, 1 to 1024. The prompt is computed once for all of them.
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

/// Reports the N most likely tokens at each position, before sampling.
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

/// Maximum number of compute threads; 0 means all threads of the model.
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

/// Timeout in milliseconds. The generation then ends and returns the partial result. 0 means no
/// timeout.
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

/// Maximum number of prompt tokens to compute. Tokens in the cache of a session or service do not
/// count. SIZE_MAX means no limit.
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

/// Logit bias: `biases_len` ids and the values to add to their logits. Replaces the previous
/// biases. Negative infinity bans an id.
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

/// Ids that are never sampled. Replaces the previous ones.
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

/// Adds a stop string. It is not part of the completion's text.
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

/// Stop rules for code of a language, by its name. `rules` is a comma-separated list of `line`,
/// `block`, `function`, `unindented`, `humaneval`; the first rule that matches ends the completion.
/// An empty list disables them. No token is sampled after the one that matches.
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

/// Token healing: re-samples the last tokens of the prompt among those that match its bytes, so
/// that a prompt may end inside a word or a run of spaces. Nonzero enables it.
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

/// Removes all stop strings.
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

/// How special tokens in the prompt are encoded: one of `CODEGEEX_SPECIAL_*`.
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

/// Speculative decoding by prompt lookup: up to `tokens` draft tokens per step, taken from the text
/// so far; 0 disables it. It changes latency, never the output.
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

/// Speculative decoding with a draft model that has the same vocabulary: up to `tokens` draft
/// tokens per step; 0 disables it. It changes latency, never the output. The options keep the draft
/// model alive.
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
