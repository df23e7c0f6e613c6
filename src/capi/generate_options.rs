//! `codegeex_generate_options`: options of a generation.

use std::ffi::c_char;

use super::boundary::{Handle, free_handle, guard, guard_value, new_handle};
use super::error::codegeex_error;
use super::model::codegeex_model;
use super::settings::{
    self, Options, Setting, TryClone, common, flag, number, number_or_none, one_of, or_none,
    setting,
};
use super::status::codegeex_status;
use super::task::codegeex_task;
use crate::error::{bail, excerpt};
use crate::generate::{ContextFile, Drafts, GenerateOptions, Infill, InfillOrder, Speculation};
use crate::language::Language;
use crate::memory::{TryGrow, try_copy_text};

/// Options of a generation. Unset options keep their defaults: greedy, 128 new tokens, one sample,
/// no stop strings. NULL means all defaults. Values out of range are reported by the call that uses
/// the options.
///
/// Threads: set options from one thread at a time. Any number of threads may read options that no
/// longer change. A call reads the options when it starts.
#[allow(non_camel_case_types)]
pub struct codegeex_generate_options(std::convert::Infallible);

#[derive(Default)]
pub struct GenerateSettings {
    pub options: GenerateOptions,
    /// From the beginning of the call.
    pub timeout_ms: u64,
    /// The text that code stops read instead of the prompt.
    pub stop_before: Option<String>,
    /// The text after the cursor.
    suffix: Option<String>,
    /// Fill-in-the-middle, without the suffix.
    infill: Infill,
}

impl GenerateSettings {
    /// The options of a call that begins now.
    pub fn begin(self) -> GenerateOptions {
        let has_infill = self.has_infill();
        let mut options = self.options;
        let (limits, stops) = (&mut options.limits, &mut options.stops);
        settings::begin(limits, stops, self.timeout_ms, self.stop_before);
        options.infill = has_infill.then(|| {
            let mut infill = self.infill;
            infill.suffix = self.suffix.unwrap_or_default();
            infill
        });
        options
    }

    /// Whether an option of fill-in-the-middle is set. A suffix that is not set is empty then.
    pub fn has_infill(&self) -> bool {
        self.suffix.is_some() || self.infill != Infill::default()
    }
}

impl TryClone for GenerateSettings {
    fn try_clone(&self) -> crate::Result<Self> {
        Ok(Self {
            options: self.options.try_clone()?,
            timeout_ms: self.timeout_ms,
            stop_before: self.stop_before.as_deref().map(try_copy_text).transpose()?,
            suffix: self.suffix.as_deref().map(try_copy_text).transpose()?,
            infill: self.infill.try_clone()?,
        })
    }
}

impl Handle for codegeex_generate_options {
    const NAME: &'static str = "codegeex_generate_options";
    type Value = Options<GenerateSettings>;
}

/// The value, or nothing where it is the one that stands for off.
fn unless<T: PartialEq>(value: T, off: T) -> Option<T> {
    (value != off).then_some(value)
}

const TABLE: &[Setting<GenerateSettings>] = &[
    common!(max_new_tokens),
    setting!(
        "temperature",
        "Sampling temperature; 0 means greedy.",
        |o, v| o.options.sampling.temperature = number(v)?,
        o.options.sampling.temperature.to_string()
    ),
    setting!(
        "top_k",
        "Top-k sampling: keep the k most likely tokens; 0 disables it.",
        |o, v| o.options.sampling.top_k = unless(number(v)?, 0),
        o.options.sampling.top_k.unwrap_or(0).to_string()
    ),
    setting!(
        "top_p",
        "Top-p (nucleus) sampling: probability mass of the most likely tokens to keep; 1 disables \
         it.",
        |o, v| o.options.sampling.top_p = unless(number(v)?, 1.0),
        o.options.sampling.top_p.unwrap_or(1.0).to_string()
    ),
    setting!(
        "min_p",
        "Min-p sampling: keep tokens at least this value times as likely as the top one; 0 disables \
         it.",
        |o, v| o.options.sampling.min_p = unless(number(v)?, 0.0),
        o.options.sampling.min_p.unwrap_or(0.0).to_string()
    ),
    setting!(
        "typical_p",
        "Typical-p sampling: probability mass of the most typical tokens to keep; 1 disables it.",
        |o, v| o.options.sampling.typical_p = unless(number(v)?, 1.0),
        o.options.sampling.typical_p.unwrap_or(1.0).to_string()
    ),
    setting!(
        "repetition_penalty",
        "Repetition penalty, for ids in the prompt or the generated text; 1 disables it.",
        |o, v| o.options.sampling.repetition_penalty = unless(number(v)?, 1.0),
        o.options
            .sampling
            .repetition_penalty
            .unwrap_or(1.0)
            .to_string()
    ),
    setting!(
        "presence_penalty",
        "Presence penalty: subtracted once from the logits of generated ids; 0 disables it.",
        |o, v| o.options.sampling.presence_penalty = unless(number(v)?, 0.0),
        o.options
            .sampling
            .presence_penalty
            .unwrap_or(0.0)
            .to_string()
    ),
    setting!(
        "frequency_penalty",
        "Frequency penalty: subtracted from an id's logit for each occurrence; 0 disables it.",
        |o, v| o.options.sampling.frequency_penalty = unless(number(v)?, 0.0),
        o.options
            .sampling
            .frequency_penalty
            .unwrap_or(0.0)
            .to_string()
    ),
    setting!(
        "logit_bias",
        "Logit bias, as a JSON object of ids and values to add: {\"198\": -2.5}; null bans an id.",
        |o, v| o.options.sampling.logit_bias = settings::biases(v)?,
        settings::biases_json(&o.options.sampling.logit_bias)?
    ),
    setting!(
        "banned_ids",
        "Ids that are never sampled, as a JSON array of numbers.",
        |o, v| o.options.sampling.banned_ids = settings::ids(v)?,
        settings::to_json(&o.options.sampling.banned_ids)?
    ),
    setting!(
        "seed",
        "Random seed.",
        |o, v| o.options.sampling.seed = number(v)?,
        o.options.sampling.seed.to_string()
    ),
    setting!(
        "samples",
        "Number of completions of the prompt, 1 to 1024; the prompt is computed once.",
        |o, v| o.options.samples = number(v)?,
        o.options.samples.to_string()
    ),
    setting!(
        "first_sample",
        "Index of the first sample, for the random numbers.",
        |o, v| o.options.first_sample = number(v)?,
        o.options.first_sample.to_string()
    ),
    common!(stop),
    common!(stop_at),
    common!(stop_before),
    common!(stop_ids),
    setting!(
        "suffix",
        "Fill-in-the-middle: the text after the cursor, as a JSON string; the prompt is the text \
         before it. Models without fill-in-the-middle rank the samples by it. none means an ordinary \
         completion, unless another option of fill-in-the-middle is set.",
        |o, v| o.suffix = settings::text_or_none(v)?,
        settings::text_or_none_json(o.suffix.as_deref())?
    ),
    setting!(
        "infill_order",
        "Fill-in-the-middle: the order of the prompt, psm (prefix, suffix, middle), spm (suffix, \
         prefix, middle), or auto for the one that the model prefers.",
        |o, v| o.infill.order = one_of(v, ORDERS)?,
        settings::name_of(ORDERS, o.infill.order)
    ),
    setting!(
        "path",
        "Fill-in-the-middle: path of the current file, as a JSON string; none means unknown.",
        |o, v| o.infill.path = settings::text_or_none(v)?,
        settings::text_or_none_json(o.infill.path.as_deref())?
    ),
    setting!(
        "repository",
        "Fill-in-the-middle: name of the repository, as a JSON string; none means unknown. It needs \
         path.",
        |o, v| o.infill.repository = settings::text_or_none(v)?,
        settings::text_or_none_json(o.infill.repository.as_deref())?
    ),
    setting!(
        "files",
        "Fill-in-the-middle: other files of the repository, the most important last, as a JSON array: \
         [{\"path\": \"a.py\", \"text\": \"x = 1\"}]. It needs path.",
        |o, v| o.infill.files = settings::files(v)?,
        settings::files_json(&o.infill.files)?
    ),
    setting!(
        "infill_language",
        "Fill-in-the-middle: language of the current file, by name, for models whose format names it; \
         none means unknown.",
        |o, v| o.infill.language = language_or_none(v)?,
        or_none(o.infill.language.map(Language::name))
    ),
    setting!(
        "heal",
        "Token healing: re-samples the last tokens of the prompt among those that match its bytes, \
         so that a prompt may end inside a word; true or false.",
        |o, v| o.options.heal = flag(v)?,
        o.options.heal.to_string()
    ),
    common!(special_tokens),
    setting!(
        "top_logprobs",
        "Reports the N most likely tokens at each position, before sampling.",
        |o, v| o.options.top_logprobs = number(v)?,
        o.options.top_logprobs.to_string()
    ),
    setting!(
        "speculation",
        "Speculative decoding by prompt lookup: off, lookup, or lookup:N for up to N draft tokens \
         per step. It changes latency, never the output.",
        |o, v| o.options.speculation = speculation(v)?,
        match &o.options.speculation {
            None => "off".to_owned(),
            Some(s) => match s.drafts {
                Drafts::Lookup => format!("lookup:{}", s.tokens),
                Drafts::Model(_) => format!("model:{}", s.tokens),
            },
        }
    ),
    common!(timeout_ms),
    common!(prefill_limit),
    common!(threads),
];

const ORDERS: &[(&str, Option<InfillOrder>)] = &[
    ("auto", None),
    ("psm", Some(InfillOrder::PrefixSuffix)),
    ("spm", Some(InfillOrder::SuffixPrefix)),
];

fn language_or_none(name: &str) -> crate::Result<Option<Language>> {
    match name.trim() {
        "none" => Ok(None),
        name => Language::from_name(name).map(Some),
    }
}

fn speculation(text: &str) -> crate::Result<Option<Speculation>> {
    Ok(match text.trim() {
        "off" => None,
        "lookup" => Some(Speculation::lookup()),
        other => match other.strip_prefix("lookup:") {
            Some(tokens) => {
                let mut speculation = Speculation::lookup();
                speculation.tokens = number(tokens)?;
                Some(speculation)
            }
            None => bail!(
                InvalidArgument,
                "{} is none of off, lookup, lookup:N",
                excerpt(other)
            ),
        },
    })
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
        clone.set(new_handle(Options::new(options.copy()?))?);
        Ok(())
    })
}

/// Sets an option by key; key and value are text. A refused value changes nothing. The keys:
///
/// - `max_new_tokens`: Maximum number of new tokens. Default: `128`.
/// - `temperature`: Sampling temperature; 0 means greedy. Default: `0`.
/// - `top_k`: Top-k sampling: keep the k most likely tokens; 0 disables it. Default: `0`.
/// - `top_p`: Top-p (nucleus) sampling: probability mass of the most likely tokens to keep; 1
///   disables it. Default: `1`.
/// - `min_p`: Min-p sampling: keep tokens at least this value times as likely as the top one; 0
///   disables it. Default: `0`.
/// - `typical_p`: Typical-p sampling: probability mass of the most typical tokens to keep; 1
///   disables it. Default: `1`.
/// - `repetition_penalty`: Repetition penalty, for ids in the prompt or the generated text; 1
///   disables it. Default: `1`.
/// - `presence_penalty`: Presence penalty: subtracted once from the logits of generated ids; 0
///   disables it. Default: `0`.
/// - `frequency_penalty`: Frequency penalty: subtracted from an id's logit for each occurrence; 0
///   disables it. Default: `0`.
/// - `logit_bias`: Logit bias, as a JSON object of ids and values to add: {"198": -2.5}; null bans
///   an id. Default: `{}`.
/// - `banned_ids`: Ids that are never sampled, as a JSON array of numbers. Default: `[]`.
/// - `seed`: Random seed. Default: `0`.
/// - `samples`: Number of completions of the prompt, 1 to 1024; the prompt is computed once.
///   Default: `1`.
/// - `first_sample`: Index of the first sample, for the random numbers. Default: `0`.
/// - `stop`: Stop strings, as a JSON array; they are not part of the completion. Default: `[]`.
/// - `stop_at`: Where code ends a completion: none, or a language and rules, as in
///   go:block,function; rules are line, block, function, unindented, humaneval; the first that
///   matches ends the completion. Default: `none`.
/// - `stop_before`: Code left of the cursor, for stop_at, as a JSON string; none means the prompt.
///   Default: `none`.
/// - `stop_ids`: Token ids that end a completion as the end of text does, as a JSON array of
///   numbers. Default: `[]`.
/// - `suffix`: Fill-in-the-middle: the text after the cursor, as a JSON string; the prompt is
///   the text before it. Models without fill-in-the-middle rank the samples by it. none means
///   an ordinary completion, unless another option of fill-in-the-middle is set. Default:
///   `none`.
/// - `infill_order`: Fill-in-the-middle: the order of the prompt, psm (prefix, suffix, middle),
///   spm (suffix, prefix, middle), or auto for the one that the model prefers. Default: `auto`.
/// - `path`: Fill-in-the-middle: path of the current file, as a JSON string; none means
///   unknown. Default: `none`.
/// - `repository`: Fill-in-the-middle: name of the repository, as a JSON string; none means
///   unknown. It needs path. Default: `none`.
/// - `files`: Fill-in-the-middle: other files of the repository, the most important last, as a
///   JSON array: [{"path": "a.py", "text": "x = 1"}]. It needs path. Default: `[]`.
/// - `infill_language`: Fill-in-the-middle: language of the current file, by name, for models
///   whose format names it; none means unknown. Default: `none`.
/// - `heal`: Token healing: re-samples the last tokens of the prompt among those that match its
///   bytes, so that a prompt may end inside a word; true or false. Default: `false`.
/// - `special_tokens`: How special tokens in the prompt, such as <|endoftext|>, are encoded: text
///   (as plain text) or parse (as the tokens that they name). Default: `text`.
/// - `top_logprobs`: Reports the N most likely tokens at each position, before sampling. Default:
///   `0`.
/// - `speculation`: Speculative decoding by prompt lookup: off, lookup, or lookup:N for up to N
///   draft tokens per step. It changes latency, never the output. Default: `off`.
/// - `timeout_ms`: Timeout in milliseconds, after which the call returns the partial result; 0
///   means none. Default: `0`.
/// - `prefill_limit`: Maximum number of prompt tokens to compute, without cached ones; none means
///   no limit. Default: `none`.
/// - `threads`: Maximum number of compute threads; 0 means all threads of the model. Default: `0`.
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

/// Fill-in-the-middle: the text after the cursor. The prompt of the call is the text before it.
/// Models without fill-in-the-middle rank the samples by the suffix, best first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_set_suffix(
    options: *mut codegeex_generate_options,
    suffix: *const c_char,
    suffix_len: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let suffix = try_copy_text(call.text(suffix, suffix_len, "suffix")?)?;
        options.change(|o| o.suffix = Some(suffix));
        Ok(())
    })
}

/// Fill-in-the-middle: adds another file of the repository, the most important last. The path of the
/// current file, the option `path`, must be set as well.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_generate_options_add_file(
    options: *mut codegeex_generate_options,
    path: *const c_char,
    path_len: usize,
    text: *const c_char,
    text_len: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let file = ContextFile {
            path: try_copy_text(call.text(path, path_len, "path")?)?,
            text: try_copy_text(call.text(text, text_len, "text")?)?,
        };
        options.change(|o| o.infill.files.try_push(file))?;
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
