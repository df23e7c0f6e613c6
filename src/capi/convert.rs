//! `codegeex_convert_options` and conversion, quantization included.

use std::ffi::{c_char, c_void};
use std::path::Path;

use super::boundary::{Handle, free_handle, guard, guard_value, new_handle};
use super::cancel::codegeex_cancel_token;
use super::error::codegeex_error;
use super::generate::cancel_or_never;
use super::model::{Progress, codegeex_progress_callback};
use super::open_options::codegeex_open_options;
use super::settings::{
    self, Options, Setting, TryClone, copy_or_default, flag, name_of, number, one_of, setting,
};
use super::status::codegeex_status;
use crate::model::{Checkpoint, ConvertOptions, convert};
use crate::num::DType;
use crate::tensor::PackedScheme;
use crate::weights::LoadProgress;

/// Options of a conversion. Unset options keep their defaults: element types unchanged, no
/// quantization, no overwriting. NULL means all defaults.
///
/// Threads: set options from one thread at a time. Any number of threads may read options that no
/// longer change.
#[allow(non_camel_case_types)]
pub struct codegeex_convert_options(std::convert::Infallible);

impl TryClone for ConvertOptions {
    fn try_clone(&self) -> crate::Result<Self> {
        // Nothing in it grows.
        Ok(self.clone())
    }
}

impl Handle for codegeex_convert_options {
    const NAME: &'static str = "codegeex_convert_options";
    type Value = Options<ConvertOptions>;
}

const DTYPES: &[(&str, Option<DType>)] = &[
    ("keep", None),
    ("f32", Some(DType::F32)),
    ("f16", Some(DType::F16)),
    ("bf16", Some(DType::BF16)),
];

const SCHEMES: &[(&str, Option<PackedScheme>)] = &[
    ("none", None),
    ("int8", Some(PackedScheme::Int8)),
    ("int4", Some(PackedScheme::Int4)),
];

const TABLE: &[Setting<ConvertOptions>] = &[
    setting!(
        "dtype",
        "Element type of tensors that are not quantized: keep, f32, f16 or bf16.",
        |o, v| o.dtype = one_of(v, DTYPES)?,
        name_of(DTYPES, o.dtype)
    ),
    setting!(
        "quantize",
        "Quantization of the linear layers: none, int8 or int4.",
        |o, v| o.quantize = one_of(v, SCHEMES)?,
        name_of(SCHEMES, o.quantize)
    ),
    setting!(
        "quantize_head",
        "Quantize the word embedding, which is also the LM head, to INT8: true or false.",
        |o, v| o.quantize_head = flag(v)?,
        o.quantize_head.to_string()
    ),
    setting!(
        "threads",
        "Number of threads for quantization; 0 means one for each core.",
        |o, v| o.threads = number(v).map(|n| (n > 0).then_some(n))?,
        o.threads.unwrap_or(0).to_string()
    ),
    setting!(
        "overwrite",
        "Whether an existing file may be replaced: true or false.",
        |o, v| o.overwrite = flag(v)?,
        o.overwrite.to_string()
    ),
];

/// Creates options with the defaults: element types unchanged, no quantization, no overwriting.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_convert_options_new(
    options: *mut *mut codegeex_convert_options,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let options = call.out(options, "options")?;
        options.set(new_handle(Options::new(ConvertOptions::default()))?);
        Ok(())
    })
}

/// Sets an option by key; key and value are text. A refused value changes nothing. The keys:
///
/// - `dtype`: Element type of tensors that are not quantized: keep, f32, f16 or bf16. Default:
///   `keep`.
/// - `quantize`: Quantization of the linear layers: none, int8 or int4. Default: `none`.
/// - `quantize_head`: Quantize the word embedding, which is also the LM head, to INT8: true or
///   false. Default: `false`.
/// - `threads`: Number of threads for quantization; 0 means one for each core. Default: `0`.
/// - `overwrite`: Whether an existing file may be replaced: true or false. Default: `false`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_convert_options_set(
    options: *mut codegeex_convert_options,
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

/// The value of an option as text, in the format of codegeex_convert_options_set.
///
/// `value` receives `value_len` bytes followed by a NUL; free it with codegeex_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_convert_options_get(
    options: *const codegeex_convert_options,
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
pub unsafe extern "C" fn codegeex_convert_options_key(
    index: usize,
    help: *mut *const c_char,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        Ok(settings::key(call, TABLE, index, help))
    })
}

/// Frees options. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_convert_options_free(options: *mut codegeex_convert_options) {
    free_handle(options)
}

/// Converts a checkpoint of any supported format to one safetensors file, with optional
/// quantization. A call that fails or is cancelled (CODEGEEX_CANCELLED) leaves `out` unchanged.
///
/// `open_options`, `options`, `cancel` and `progress` may be NULL. Of `open_options`, only memory
/// and configuration are used. `progress` is called with the bytes written and the total.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_convert(
    path: *const c_char,
    path_len: usize,
    open_options: *const codegeex_open_options,
    out: *const c_char,
    out_len: usize,
    options: *const codegeex_convert_options,
    cancel: *const codegeex_cancel_token,
    progress: codegeex_progress_callback,
    userdata: *mut c_void,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let path = call.text(path, path_len, "path")?;
        let opened = copy_or_default(call.get_or_none(open_options, "open_options")?.as_ref())?;
        let out = call.text(out, out_len, "out")?;
        let options = copy_or_default(call.get_or_none(options, "options")?.as_ref())?;
        let cancel = cancel_or_never(call.get_or_none(cancel, "cancel")?.as_ref());
        let progress = Progress::new(progress, userdata);
        // A separate flag: a callback that cancels this call must not set the caller's flag.
        let cancel = cancel.until(None);
        let mut open = opened.load.open;
        open.progress = LoadProgress::new().cancel(cancel.clone());
        let log = opened.log;
        let checkpoint = log.note(
            "opening a checkpoint",
            Checkpoint::open(Path::new(path), &open),
        )?;
        let mut hear = |done, total| {
            if progress.hear(done, total).is_break() {
                cancel.cancel();
            }
        };
        let done = convert(&checkpoint, Path::new(out), &options, &mut hear, &cancel);
        Ok(log.note("converting", done)?)
    })
}
