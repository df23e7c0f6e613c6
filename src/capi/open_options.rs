//! `codegeex_open_options`: how a model is opened.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::boundary::{Handle, free_handle, guard, guard_value, new_handle, unknown};
use super::error::codegeex_error;
use super::log::{
    CODEGEEX_LOG_DEBUG, CODEGEEX_LOG_ERROR, Kept, Log, codegeex_destroy_callback,
    codegeex_log_callback,
};
use super::settings::{self, Options, Setting, number, number_or_none, one_of, or_none};
use super::status::codegeex_status;
use super::tokenizer::codegeex_tokenizer;
use crate::backend::{ActivationFormat, InstructionSet, KvFormat};
use crate::error::bail;
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

/// KV cache in FP32, as computed.
pub const CODEGEEX_KV_F32: i32 = 0;
/// KV cache in FP16.
pub const CODEGEEX_KV_F16: i32 = 1;
/// KV cache in INT8 with a scale for each token and head.
pub const CODEGEEX_KV_INT8: i32 = 2;

/// INT16 activations in quantized layers, with a scale for each token.
pub const CODEGEEX_ACTIVATIONS_INT16: i32 = 0;
/// INT8 activations in quantized layers, with a scale for each group of 256 inputs: faster for
/// prompts and large batches, less exact.
pub const CODEGEEX_ACTIVATIONS_INT8: i32 = 1;

const MEMORY: &[(&str, MemoryMode)] = &[
    ("map", MemoryMode::Map),
    ("copy", MemoryMode::Copy),
    ("lock", MemoryMode::Lock),
];

const TABLE: &[Setting<OpenSettings>] = &[
    Setting {
        key: "memory\0",
        help: "How the files are loaded into memory: map, copy or lock.\0",
        set: |o, v| {
            o.load.open.memory = one_of(v, MEMORY)?;
            Ok(())
        },
        get: |o| {
            let found = MEMORY.iter().find(|(_, m)| *m == o.load.open.memory);
            found.map_or("", |(name, _)| name).to_owned()
        },
    },
    Setting {
        key: "threads\0",
        help: "Number of compute threads, including the calling thread; 0 means one for each core.\0",
        set: |o, v| {
            o.load.cpu.threads = number(v).map(|n| (n > 0).then_some(n))?;
            Ok(())
        },
        get: |o| o.load.cpu.threads.unwrap_or(0).to_string(),
    },
    Setting {
        key: "isa\0",
        help: "Instruction set of the kernels, by name; auto means the fastest of this machine.\0",
        set: |o, v| {
            o.load.cpu.isa = isa(v)?;
            Ok(())
        },
        get: |o| {
            o.load
                .cpu
                .isa
                .map_or("auto", InstructionSet::name)
                .to_owned()
        },
    },
    Setting {
        key: "kv\0",
        help: "Format of the KV cache: f32, f16 or int8.\0",
        set: |o, v| {
            o.load.cpu.kv = one_of(v, &KvFormat::ALL.map(|f| (f.name(), f)))?;
            Ok(())
        },
        get: |o| o.load.cpu.kv.name().to_owned(),
    },
    Setting {
        key: "activations\0",
        help: "Precision of activations in quantized layers: int16 or int8.\0",
        set: |o, v| {
            let formats = ActivationFormat::ALL.map(|f| (f.name(), f));
            o.load.cpu.activations = one_of(v, &formats)?;
            Ok(())
        },
        get: |o| o.load.cpu.activations.name().to_owned(),
    },
    Setting {
        key: "memory_limit\0",
        help: "Limit of the KV cache over all sequences, in bytes; none means no limit.\0",
        set: |o, v| {
            o.load.cpu.memory_limit = number_or_none(v)?;
            Ok(())
        },
        get: |o| or_none(o.load.cpu.memory_limit),
    },
    Setting {
        key: "config\0",
        help: "Model configuration as JSON, for files without one; none means the configuration of the files.\0",
        set: |o, v| {
            o.load.open.config = match v.trim() {
                "none" => None,
                json => Some(ModelConfig::from_json(json)?),
            };
            Ok(())
        },
        get: |o| or_none(o.load.open.config.as_ref().map(ModelConfig::to_json)),
    },
];

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
/// KV cache in FP32, no memory limit, the built-in tokenizer, no log.
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

/// Sets an option by key; key and value are text. A refused value changes nothing.
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

/// How the files are loaded into memory: one of `CODEGEEX_MEMORY_*`.
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

/// The instruction set of the kernels, by name: `scalar`, `avx2`, … (see codegeex_cpu_tier_name);
/// `auto` means the fastest. All give bit-identical results.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_open_options_set_isa(
    options: *mut codegeex_open_options,
    name: *const c_char,
    name_len: usize,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let set = isa(call.text(name, name_len, "name")?)?;
        options.change(|o| o.load.cpu.isa = set);
        Ok(())
    })
}

/// Format of the KV cache: one of `CODEGEEX_KV_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_open_options_set_kv(
    options: *mut codegeex_open_options,
    kv: i32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let kv = kv_format(kv)?;
        options.change(|o| o.load.cpu.kv = kv);
        Ok(())
    })
}

pub(super) fn kv_format(value: i32) -> super::boundary::Result<KvFormat> {
    match value {
        CODEGEEX_KV_F32 => Ok(KvFormat::F32),
        CODEGEEX_KV_F16 => Ok(KvFormat::F16),
        CODEGEEX_KV_INT8 => Ok(KvFormat::Int8),
        _ => unknown(
            "kv",
            value,
            "CODEGEEX_KV_F32, CODEGEEX_KV_F16, CODEGEEX_KV_INT8",
        ),
    }
}

/// Precision of activations in quantized layers: one of `CODEGEEX_ACTIVATIONS_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_open_options_set_activations(
    options: *mut codegeex_open_options,
    activations: i32,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let format = match activations {
            CODEGEEX_ACTIVATIONS_INT16 => ActivationFormat::Int16,
            CODEGEEX_ACTIVATIONS_INT8 => ActivationFormat::Int8,
            _ => {
                return unknown(
                    "activations",
                    activations,
                    "CODEGEEX_ACTIVATIONS_INT16, CODEGEEX_ACTIVATIONS_INT8",
                );
            }
        };
        options.change(|o| o.load.cpu.activations = format);
        Ok(())
    })
}

/// Limit of the KV cache over all sequences, in bytes; 0 allows none. Exceeding it is
/// CODEGEEX_OUT_OF_MEMORY. UINT64_MAX means no limit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_open_options_set_memory_limit(
    options: *mut codegeex_open_options,
    bytes: u64,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.get(options, "options")?;
        let limit = (bytes != u64::MAX).then_some(bytes);
        options.change(|o| o.load.cpu.memory_limit = limit);
        Ok(())
    })
}

/// The tokenizer of the model; NULL means the built-in tokenizer.
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
