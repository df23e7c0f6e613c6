//! `codegeex_model`: an opened checkpoint with a tokenizer, ready to compute.

use std::any::Any;
use std::ffi::{c_char, c_void};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::boundary::{Handle, Userdata, free_handle, guard, guard_value, new_handle};
use super::buffer::KeptText;
use super::cancel::codegeex_cancel_token;
use super::error::codegeex_error;
use super::log::{CODEGEEX_LOG_INFO, Log};
use super::open_options::{OpenSettings, codegeex_open_options};
use super::settings::copy_or_default;
use super::status::codegeex_status;
use super::tokenizer::{codegeex, codegeex_tokenizer};
use super::version::tier_name;

use crate::backend::Cpu;
use crate::cancel::CancelToken;
use crate::generate::{Generator, InfillTokens, TokenizerBeside};
use crate::model::{EstimateOptions, Transformer, estimate, load};
use crate::tokenizer::Tokenizer;
use crate::weights::LoadProgress;

/// A loaded model with its tokenizer.
///
/// Threads: immutable; any number of threads may use one concurrently.
#[allow(non_camel_case_types)]
pub struct codegeex_model(std::convert::Infallible);

pub struct ModelValue {
    pub generator: Generator,
    pub log: Log,
    describe: KeptText,
    config: KeptText,
    infill: Option<KeptText>,
}

impl Handle for codegeex_model {
    const NAME: &'static str = "codegeex_model";
    type Value = ModelValue;
}

/// Progress callback of a long call: `done` of `total`, in the unit that the call documents. Return
/// 0 to continue, any other value to cancel the call. It runs on the calling thread and must not
/// unwind.
#[allow(non_camel_case_types)]
pub type codegeex_progress_callback =
    Option<unsafe extern "C" fn(userdata: *mut c_void, done: u64, total: u64) -> i32>;

/// A progress callback with its userdata.
#[derive(Clone, Copy)]
pub(super) struct Progress(codegeex_progress_callback, Userdata);

// SAFETY: it is called on the thread of the call that it was given to, and by nobody later.
unsafe impl Send for Progress {}
// SAFETY: the same.
unsafe impl Sync for Progress {}

impl Progress {
    pub fn new(callback: codegeex_progress_callback, userdata: *mut c_void) -> Self {
        Self(callback, Userdata(userdata))
    }

    pub fn hear(&self, done: u64, total: u64) -> ControlFlow<()> {
        let Some(callback) = self.0 else {
            return ControlFlow::Continue(());
        };
        // SAFETY: the caller's function, during its call.
        match unsafe { callback(self.1.0, done, total) } {
            0 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}

/// The tokenizer of a model that is being opened.
enum Vocabulary {
    /// That of the options.
    Given(Arc<dyn Tokenizer>),
    /// The files beside the checkpoint, or that there are none.
    Beside(TokenizerBeside),
}

/// Opens a checkpoint: a `.pt` file, a folder of `mp_rank_*` shards, or safetensors. Unless the
/// options have a tokenizer, the one beside the checkpoint is used (`tokenizer.json`, `vocab.json` with
/// `merges.txt`, or `tokenizer.model`). Without one, CodeGeeX models have the built-in tokenizer, and
/// models of other families take ids and no text.
///
/// `options`, `cancel` and `progress` may be NULL. `progress` is called with the bytes copied and
/// the total; both are 0 when all weights are used in place in mapped files.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_model_open(
    path: *const c_char,
    path_len: usize,
    options: *const codegeex_open_options,
    cancel: *const codegeex_cancel_token,
    progress: codegeex_progress_callback,
    userdata: *mut c_void,
    model: *mut *mut codegeex_model,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let path = call.text(path, path_len, "path")?;
        let OpenSettings {
            load: mut options,
            tokenizer,
            log,
        } = copy_or_default(call.get_or_none(options, "options")?.as_ref())?;
        let cancel = call.get_or_none(cancel, "cancel")?;
        let model = call.out(model, "model")?;
        let progress = Progress::new(progress, userdata);
        options.open.progress = LoadProgress::new()
            .cancel(cancel.map_or_else(CancelToken::new, |c| c.clone()))
            .on_progress(move |done, total| progress.hear(done, total));
        let opening = "opening a tokenizer";
        // Read first: a vocabulary is a small file, a model a large one.
        let vocabulary = match tokenizer {
            Some(tokenizer) => Vocabulary::Given(tokenizer),
            None => {
                let beside = TokenizerBeside::read(Path::new(path));
                Vocabulary::Beside(log.note(opening, beside)?)
            }
        };
        let loaded = log.note("opening a model", load(path, &options))?;
        let tokenizer = match vocabulary {
            Vocabulary::Given(tokenizer) => tokenizer,
            Vocabulary::Beside(beside) => {
                log.note(opening, beside.of(loaded.config(), codegeex))?
            }
        };
        let infill = InfillTokens::of(&*tokenizer);
        log.say(CODEGEEX_LOG_INFO, || {
            format!("{path}: {}", loaded.describe())
        });
        model.set(new_handle(ModelValue {
            describe: KeptText::new(&loaded.describe())?,
            config: KeptText::new(&loaded.config().to_json())?,
            infill: infill.map(|i| KeptText::new(i.name())).transpose()?,
            generator: Generator::new(loaded, tokenizer),
            log,
        })?);
        Ok(())
    })
}

/// Sizes of a model. Set `struct_size` to `sizeof` before the call; later releases may add fields
/// at the end.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct codegeex_model_info {
    /// Size of this struct in bytes.
    pub struct_size: usize,
    /// Decoder layers, without the top query layer.
    pub num_layers: usize,
    /// Width of the hidden state.
    pub hidden_size: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads.
    pub num_kv_heads: usize,
    /// Number of logits per row. Ids at or above the tokenizer's vocabulary size are padding.
    pub vocab_size: usize,
    /// Context length in tokens.
    pub max_positions: usize,
    /// Number of parameters.
    pub parameters: u64,
}

/// Fills `info`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_model_get_info(
    model: *const codegeex_model,
    info: *mut codegeex_model_info,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        let info = call.sized(info, "info")?;
        let config = model.generator.model().config();
        info.set(codegeex_model_info {
            struct_size: 0,
            num_layers: config.num_layers,
            hidden_size: config.hidden_size,
            num_attention_heads: config.num_attention_heads,
            num_kv_heads: config.num_kv_heads(),
            vocab_size: config.padded_vocab_size,
            max_positions: config.max_position_embeddings,
            parameters: config.parameters() as u64,
        });
        Ok(())
    })
}

/// A one-line description of a model: sizes, backend, kernels, threads. NUL-terminated UTF-8; it
/// belongs to the model. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_model_describe(
    model: *const codegeex_model,
    len: *mut usize,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        Ok(call.get(model, "model")?.describe.lend(len))
    })
}

/// The configuration of a model as NUL-terminated JSON; it belongs to the model. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_model_config_json(
    model: *const codegeex_model,
    len: *mut usize,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        Ok(call.get(model, "model")?.config.lend(len))
    })
}

/// The fill-in-the-middle format of a model's tokenizer, such as `starcoder` or `qwen2.5-coder`.
/// NUL-terminated; it belongs to the model. NULL for a model without one, whose samples are ranked by
/// the suffix instead, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_model_infill_format(
    model: *const codegeex_model,
    len: *mut usize,
) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        let len = call.out_or_none(len);
        let model = call.get(model, "model")?;
        Ok(match &model.infill {
            Some(name) => name.lend(len),
            None => {
                len.set(0);
                std::ptr::null()
            }
        })
    })
}

/// The name of the instruction set that the kernels of a model use, a static string. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_model_kernels(model: *const codegeex_model) -> *const c_char {
    guard_value!(std::ptr::null(), |call| {
        let model = call.get(model, "model")?;
        let model: &dyn Any = &**model.generator.model();
        let transformer = model.downcast_ref::<Transformer<Cpu>>();
        Ok(transformer.map_or(std::ptr::null(), |t| {
            tier_name(t.backend().instruction_set())
        }))
    })
}

/// Identifies a model and its weights. A model can restore states that a model with the same
/// fingerprint saved. It is computed on the first call, from a sample of the weights.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_model_fingerprint(
    model: *const codegeex_model,
    fingerprint: *mut u64,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        let out = call.out(fingerprint, "fingerprint")?;
        match model.generator.model().fingerprint() {
            Some(found) => out.set(u64::from_le_bytes(found.to_bytes())),
            None => return Err(no_fingerprint().into()),
        }
        Ok(())
    })
}

fn no_fingerprint() -> crate::Error {
    let message = "this kind of model has no fingerprint";
    crate::Error::new(crate::ErrorKind::InvalidArgument, message)
}

/// The tokenizer of a model, as a new handle; free it with codegeex_tokenizer_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_model_tokenizer(
    model: *const codegeex_model,
    tokenizer: *mut *mut codegeex_tokenizer,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let model = call.get(model, "model")?;
        let tokenizer = call.out(tokenizer, "tokenizer")?;
        tokenizer.set(new_handle(Arc::clone(model.generator.tokenizer()))?);
        Ok(())
    })
}

/// Frees a model. Sessions, states and services that use it remain valid; its threads end with the
/// last of them. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_model_free(model: *mut codegeex_model) {
    free_handle(model)
}

/// Memory that a model will need, in bytes. Set `struct_size` to `sizeof` before the call; later
/// releases may add fields at the end.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct codegeex_memory_estimate {
    /// Size of this struct in bytes.
    pub struct_size: usize,
    /// Weights used in place in mapped files, shared between processes.
    pub weights_mapped: u64,
    /// Weights in private memory.
    pub weights_owned: u64,
    /// KV cache of one token.
    pub cache_per_token: u64,
    /// KV cache of all sequences at full length.
    pub cache: u64,
    /// Activations of the largest call, and its logits.
    pub scratch: u64,
    /// The sum of the parts above.
    pub total: u64,
}

/// Estimates the memory that a checkpoint needs with these options, for `sequences` concurrent
/// sequences of `context_length` tokens each, without loading it. `options` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn codegeex_estimate_memory(
    path: *const c_char,
    path_len: usize,
    options: *const codegeex_open_options,
    sequences: usize,
    context_length: usize,
    result: *mut codegeex_memory_estimate,
    error: *mut *mut codegeex_error,
) -> codegeex_status {
    guard!(error, |call| {
        let path = call.text(path, path_len, "path")?;
        let options = copy_or_default(call.get_or_none(options, "options")?.as_ref())?;
        let result = call.sized(result, "result")?;
        let load = options.load;
        let wanted = EstimateOptions::new(sequences, context_length).kv(load.cpu.kv);
        let found = estimate(Path::new(path), &load.open, &wanted)?;
        result.set(codegeex_memory_estimate {
            struct_size: 0,
            weights_mapped: found.weights_mapped,
            weights_owned: found.weights_owned,
            cache_per_token: found.cache_per_token,
            cache: found.cache,
            scratch: found.scratch,
            total: found.total(),
        });
        Ok(())
    })
}
