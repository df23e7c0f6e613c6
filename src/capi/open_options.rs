//! `codegeex_open_options`: how a model is opened.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::boundary::{Handle, free_handle, guard, guard_value, new_handle, unknown};
use super::error::codegeex_error;
use super::log::{
    CODEGEEX_LOG_DEBUG, CODEGEEX_LOG_ERROR, Kept, Log, codegeex_destroy_callback,
    codegeex_log_callback,
};
use super::settings::{
    self, Options, Setting, TryClone, name_of, number, number_or_none, one_of, or_none, setting,
};
use super::status::codegeex_status;
use super::tokenizer::codegeex_tokenizer;
use crate::backend::{ActivationFormat, InstructionSet, KvFormat};
use crate::error::bail;
use crate::family::Family;
use crate::model::{LoadOptions, ModelConfig};
use crate::tokenizer::Tokenizer;
use crate::weights::MemoryMode;

/// Options for opening a model. Unset options keep their defaults; NULL means all defaults.
///
/// Threads: set options from one thread at a time. Any number of threads may read options that no
/// longer change.
#[allow(non_camel_case_types)]
pub struct codegeex_open_options(std::convert::Infallible);

#[derive(Clone, Default)]
pub struct OpenSettings {
    pub load: LoadOptions,
    pub tokenizer: Option<Arc<dyn Tokenizer>>,
    pub log: Log,
}

impl TryClone for OpenSettings {
    fn try_clone(&self) -> crate::Result<Self> {
        // Nothing in it grows.
        Ok(self.clone())
    }
}

impl Handle for codegeex_open_options {
    const NAME: &'static str = "codegeex_open_options";
    type Value = Options<OpenSettings>;
}

/// Memory-map the files: opening is nearly free, and pages are read on first use. Do not truncate
/// the files while the model is open.
pub const CODEGEEX_MEMORY_MAP: i32 = 0;
/// Read the files into private memory.
pub const CODEGEEX_MEMORY_COPY: i32 = 1;
/// Memory-map and lock the files (mlock), so that their pages are never evicted. RLIMIT_MEMLOCK
/// must be at least the size of the files.
pub const CODEGEEX_MEMORY_LOCK: i32 = 2;

const MEMORY: &[(&str, MemoryMode)] = &[
    ("map", MemoryMode::Map),
    ("copy", MemoryMode::Copy),
    ("lock", MemoryMode::Lock),
];

const TABLE: &[Setting<OpenSettings>] = &[
    setting!(
        "memory",
        "How the files are loaded: map (memory-map: opening is nearly free, pages are read on first \
         use; do not truncate the files meanwhile), copy (read into private memory) or lock \
         (memory-map and mlock, within RLIMIT_MEMLOCK).",
        |o, v| o.load.open.memory = one_of(v, MEMORY)?,
        name_of(MEMORY, o.load.open.memory)
    ),
    setting!(
        "threads",
        "Number of compute threads, including the calling thread; 0 means one for each core.",
        |o, v| o.load.cpu.threads = number(v).map(|n| (n > 0).then_some(n))?,
        o.load.cpu.threads.unwrap_or(0).to_string()
    ),
    setting!(
        "isa",
        "Instruction set of the kernels, by name (see codegeex_cpu_tier_name); auto means the \
         fastest. All give bit-identical results.",
        |o, v| o.load.cpu.isa = isa(v)?,
        o.load
            .cpu
            .isa
            .map_or("auto", InstructionSet::name)
            .to_owned()
    ),
    setting!(
        "kv",
        "Format of the KV cache: f32 (as computed), f16, or int8 (with a scale for each token and \
         head).",
        |o, v| o.load.cpu.kv = one_of(v, &KvFormat::ALL.map(|f| (f.name(), f)))?,
        o.load.cpu.kv.name().to_owned()
    ),
    setting!(
        "activations",
        "Precision of activations in quantized layers: int16 (a scale for each token), or int8 (a \
         scale for each group of 256 inputs: faster for prompts and large batches, less exact).",
        |o, v| {
            o.load.cpu.activations = one_of(v, &ActivationFormat::ALL.map(|f| (f.name(), f)))?
        },
        o.load.cpu.activations.name().to_owned()
    ),
    setting!(
        "memory_limit",
        "Limit of the KV cache over all sequences, in bytes; none means no limit. Exceeding it is \
         CODEGEEX_OUT_OF_MEMORY.",
        |o, v| o.load.cpu.memory_limit = number_or_none(v)?,
        or_none(o.load.cpu.memory_limit)
    ),
    setting!(
        "config",
        "Model configuration as JSON, for files without one; none means the configuration of the \
         files.",
        |o, v| o.load.open.config = config(v)?,
        or_none(o.load.open.config.as_ref().map(ModelConfig::to_json))
    ),
];

fn config(text: &str) -> crate::Result<Option<ModelConfig>> {
    match text.trim() {
        "none" => Ok(None),
        json => Family::read(json).map(Some),
    }
}

fn isa(name: &str) -> crate::Result<Option<InstructionSet>> {
    match name.trim() {
        "auto" => Ok(None),
        name => {
            let set: InstructionSet = name.parse()?;
            let available = InstructionSet::available();
            if !available.contains(&set) {
                let names: Vec<&str> = available.iter().map(|s| s.name()).collect();
                bail!(
                    InvalidArgument,
                    "this machine does not have {set}; it has {}",
                    names.join(", ")
                );
            }
            Ok(Some(set))
        }
    }
}

/// Creates options with the defaults: memory-mapped files, all cores, the fastest instruction set,
/// KV cache in FP32, no memory limit, the tokenizer of the checkpoint, no log.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_open_options_new(
    options: *mut *mut codegeex_open_options,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.out(options, "options")?;
        options.set(new_handle(Options::new(OpenSettings::default()))?);
        Ok(())
    })
}

/// Sets an option by key; key and value are text. A refused value changes nothing. The keys:
///
/// - `memory`: How the files are loaded: map (memory-map: opening is nearly free, pages are read on
///   first use; do not truncate the files meanwhile), copy (read into private memory) or lock
///   (memory-map and mlock, within RLIMIT_MEMLOCK). Default: `map`.
/// - `threads`: Number of compute threads, including the calling thread; 0 means one for each core.
///   Default: `0`.
/// - `isa`: Instruction set of the kernels, by name (see codegeex_cpu_tier_name); auto means the
///   fastest. All give bit-identical results. Default: `auto`.
/// - `kv`: Format of the KV cache: f32 (as computed), f16, or int8 (with a scale for each token and
///   head). Default: `f32`.
/// - `activations`: Precision of activations in quantized layers: int16 (a scale for each token),
///   or int8 (a scale for each group of 256 inputs: faster for prompts and large batches, less
///   exact). Default: `int16`.
/// - `memory_limit`: Limit of the KV cache over all sequences, in bytes; none means no limit.
///   Exceeding it is CODEGEEX_OUT_OF_MEMORY. Default: `none`.
/// - `config`: Model configuration as JSON, for files without one; none means the configuration of
///   the files. Default: `none`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_open_options_set(
    options: *mut codegeex_open_options,
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

/// The value of an option as text, in the format of codegeex_open_options_set.
///
/// `value` receives `value_len` bytes followed by a NUL; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_open_options_get(
    options: *const codegeex_open_options,
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
pub unsafe extern "C" fn codegeex_open_options_key(
    index: usize,
    help: *mut *const c_char,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        Ok(settings::key(call, TABLE, index, help))
    })
}

/// How the files are loaded: one of `CODEGEEX_MEMORY_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_open_options_set_memory(
    options: *mut codegeex_open_options,
    memory: i32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let memory = match memory {
            CODEGEEX_MEMORY_MAP => MemoryMode::Map,
            CODEGEEX_MEMORY_COPY => MemoryMode::Copy,
            CODEGEEX_MEMORY_LOCK => MemoryMode::Lock,
            _ => {
                let expected = "CODEGEEX_MEMORY_MAP, CODEGEEX_MEMORY_COPY, CODEGEEX_MEMORY_LOCK";
                return unknown("memory", memory, expected);
            }
        };
        options.change(|o| o.load.open.memory = memory);
        Ok(())
    })
}

/// Number of compute threads, including the calling thread; 0 means one for each available core.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_open_options_set_threads(
    options: *mut codegeex_open_options,
    threads: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        options.change(|o| o.load.cpu.threads = (threads > 0).then_some(threads));
        Ok(())
    })
}

/// The tokenizer of the model; NULL means the tokenizer beside the checkpoint, or else the built-in
/// tokenizer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_open_options_set_tokenizer(
    options: *mut codegeex_open_options,
    tokenizer: *const codegeex_tokenizer,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let tokenizer = call.get_or_none(tokenizer, "tokenizer")?;
        options.change(|o| o.tokenizer = tokenizer.map(|t| Arc::clone(&t)));
        Ok(())
    })
}

/// Log callback of the model that is opened with these options. It receives messages of `level`
/// (one of `CODEGEEX_LOG_*`) and more severe ones. NULL disables the log.
///
/// `destroy`, unless NULL, is called with `userdata` when neither these options nor a model use it
/// any more, or immediately if this call fails.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_open_options_set_log(
    options: *mut codegeex_open_options,
    level: i32,
    callback: codegeex_log_callback,
    userdata: *mut c_void,
    destroy: codegeex_destroy_callback,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let kept = Kept::new(userdata, destroy);
        let options = call.get(options, "options")?;
        if callback.is_some() && !(CODEGEEX_LOG_ERROR..=CODEGEEX_LOG_DEBUG).contains(&level) {
            return unknown(
                "level",
                level,
                "CODEGEEX_LOG_ERROR, CODEGEEX_LOG_WARNING, CODEGEEX_LOG_INFO, CODEGEEX_LOG_DEBUG",
            );
        }
        let log = Log::new(callback, level, kept);
        // The previous callback is dropped after the lock is released, because it may call the
        // library.
        let before = options.change(|o| std::mem::replace(&mut o.log, log));
        drop(before);
        Ok(())
    })
}

/// Frees options. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_open_options_free(options: *mut codegeex_open_options) {
    free_handle(options)
}
