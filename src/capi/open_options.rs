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

/// How a model is opened. What is not set is as in a new one, and NULL stands for a new one.
///
/// Threads: setters on one thread at a time; any number of threads may use one that does not
/// change.
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

/// Files are mapped: opening costs next to nothing, pages are read when they are used. The files
/// must not be truncated meanwhile.
pub const CODEGEEX_MEMORY_MAP: i32 = 0;
/// Files are read into memory of their own.
pub const CODEGEEX_MEMORY_COPY: i32 = 1;
/// Files are mapped and locked in memory, so that the system never takes their pages back. Needs a
/// limit of locked memory (RLIMIT_MEMLOCK) that is as large as the files.
pub const CODEGEEX_MEMORY_LOCK: i32 = 2;

/// Keys and values are kept in single precision, as they are computed.
pub const CODEGEEX_KV_F32: i32 = 0;
/// Keys and values are kept in half precision.
pub const CODEGEEX_KV_F16: i32 = 1;
/// Keys and values are kept in eight bits with a scale for each token and head.
pub const CODEGEEX_KV_INT8: i32 = 2;

/// Inputs of quantized layers are rounded to 16 bits with a scale for each token.
pub const CODEGEEX_ACTIVATIONS_INT16: i32 = 0;
/// Inputs of quantized layers are rounded to 8 bits with a scale for each 256 of a token: faster for
/// prompts and many sequences, and less exact.
pub const CODEGEEX_ACTIVATIONS_INT8: i32 = 1;

const MEMORY: &[(&str, MemoryMode)] = &[
    ("map", MemoryMode::Map),
    ("copy", MemoryMode::Copy),
    ("lock", MemoryMode::Lock),
];

const TABLE: &[Setting<OpenSettings>] = &[
    Setting {
        key: "memory\0",
        help: "How the bytes of the files come into memory: map, copy or lock.\0",
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
        help: "Threads that compute, the calling one included; 0 means one for each core.\0",
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
        help: "How keys and values are kept: f32, f16 or int8.\0",
        set: |o, v| {
            o.load.cpu.kv = one_of(v, &KvFormat::ALL.map(|f| (f.name(), f)))?;
            Ok(())
        },
        get: |o| o.load.cpu.kv.name().to_owned(),
    },
    Setting {
        key: "activations\0",
        help: "How the inputs of quantized layers are rounded: int16 or int8.\0",
        set: |o, v| {
            let formats = ActivationFormat::ALL.map(|f| (f.name(), f));
            o.load.cpu.activations = one_of(v, &formats)?;
            Ok(())
        },
        get: |o| o.load.cpu.activations.name().to_owned(),
    },
    Setting {
        key: "memory_limit\0",
        help: "The most bytes of keys and values over all sequences; none means no limit.\0",
        set: |o, v| {
            o.load.cpu.memory_limit = number_or_none(v)?;
            Ok(())
        },
        get: |o| or_none(o.load.cpu.memory_limit),
    },
    Setting {
        key: "config\0",
        help: "The model's configuration as JSON, for files that carry none; none means theirs.\0",
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

/// Makes options: files mapped, all cores, the fastest instruction set, keys and values in single
/// precision, no limit of memory, the compiled-in tokenizer, no log.
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

/// Sets an option by its key, both as text. A value that is refused changes nothing.
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

/// The value of an option as text, such as codegeex_open_options_set takes.
///
/// `value` receives `value_len` bytes, with a zero behind them; free it with codegeex_free.
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

/// The key of an option by its index from 0, a static string, or NULL past the last. `help`, unless
/// NULL, receives a static string that says what it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_open_options_key(
    index: usize,
    help: *mut *const c_char,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        Ok(settings::key(call, TABLE, index, help))
    })
}

/// How the bytes of the files come into memory: one of `CODEGEEX_MEMORY_*`.
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

/// Threads that compute, the calling one included; 0 means one for each core that the process may
/// use.
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
/// `auto` means the fastest. All give the same results to the bit.
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

/// How keys and values are kept: one of `CODEGEEX_KV_*`.
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

/// How the inputs of quantized layers are rounded: one of `CODEGEEX_ACTIVATIONS_*`.
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

/// The most bytes of keys and values that the model may hold over all sequences, 0 for none at all:
/// what would go beyond is CODEGEEX_OUT_OF_MEMORY. UINT64_MAX means no limit.
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

/// The tokenizer of the model; NULL means the compiled-in one.
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

/// Where the messages of the model go that is opened with these options: those of `level` (one of
/// `CODEGEEX_LOG_*`) and more serious ones. A callback of NULL means nowhere.
///
/// `destroy`, unless NULL, gets `userdata` when neither these options nor a model use it any more,
/// and at once where this call fails.
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
        // The one before goes when nobody holds the lock: its callback may do anything.
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
