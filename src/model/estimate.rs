//! How much memory a model takes, estimated before it is loaded.

use std::path::Path;

use super::ConvertOptions;
use super::ModelConfig;
use super::checkpoint::{Checkpoint, OpenOptions};
use super::random::tensors;
use super::shape::widths;
use crate::backend::{CacheShape, KvFormat};
use crate::backend::{GROUP_TOKENS, PAGE_TOKENS, page_bytes};
use crate::error::Result;
use crate::setters::setters;
use crate::weights::{Footprint, MemoryMode, WeightSource};

/// The maximum number of prompt tokens of one call of a model. It bounds the memory
/// for activations: 512 tokens of the 13B shape take 63 MB.
pub const PREFILL_TOKENS: usize = 512;

/// What a model is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EstimateOptions {
    /// The number of sequences at the same time.
    pub sequences: usize,
    /// The length of each, in tokens.
    pub context: usize,
    /// The type of the KV cache.
    pub kv: KvFormat,
    /// The most tokens of a call, [`PREFILL_TOKENS`] in generation.
    pub batch_tokens: usize,
}

impl EstimateOptions {
    /// Generation of `sequences` that are each `context` tokens long, with the default type of KV
    /// cache.
    pub fn new(sequences: usize, context: usize) -> Self {
        Self {
            sequences,
            context,
            kv: KvFormat::default(),
            batch_tokens: PREFILL_TOKENS,
        }
    }

    setters! {
        set sequences: usize;
        set context: usize;
        set kv: KvFormat;
        set batch_tokens: usize;
    }
}

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryEstimate {
    /// Weights used where they lie in mapped files: page cache, shared between processes, which
    /// the system may take back and read again.
    pub weights_mapped: u64,
    /// Weights in memory of their own.
    pub weights_owned: u64,
    /// KV cache of one token.
    pub cache_per_token: u64,
    /// KV cache of every sequence at its full length, in whole pages.
    pub cache: u64,
    /// Activations of the largest call with their copies in matrix products, and the logits of one
    /// token of each sequence. The buffers of threads, a megabyte or two each, and a megabyte of
    /// activations that are not in use are not counted; scoring takes logits of every token of a
    /// call.
    pub scratch: u64,
}

impl MemoryEstimate {
    /// All of it.
    pub fn total(&self) -> u64 {
        [
            self.weights_mapped,
            self.weights_owned,
            self.cache,
            self.scratch,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }
}

impl Checkpoint {
    /// How much memory the model takes.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    pub fn estimate(&self, options: &EstimateOptions) -> Result<MemoryEstimate> {
        let Footprint { mapped, owned } = self.source().footprint();
        let copied: u64 = (self.tensors().iter())
            .map(|info| self.source().copied_bytes(&info.name))
            .sum();
        let bytes = self.weight_bytes();
        let (cache_per_token, cache) = cache(self.config(), options);
        Ok(MemoryEstimate {
            weights_mapped: if mapped == 0 {
                0
            } else {
                bytes - copied.min(bytes)
            },
            weights_owned: owned + copied,
            cache_per_token,
            cache,
            scratch: scratch(self.config(), options, self.is_quantized())?,
        })
    }
}

/// Bytes of KV cache of one token, and of all.
fn cache(config: &ModelConfig, options: &EstimateOptions) -> (u64, u64) {
    let shape = CacheShape {
        layers: config.cached_layers(),
        kv_heads: config.num_kv_heads(),
        head_dim: config.head_dim(),
    };
    let page = page_bytes(shape, options.kv) as u64;
    let pages = options.context.div_ceil(PAGE_TOKENS) as u64;
    let all = page
        .saturating_mul(pages)
        .saturating_mul(options.sequences as u64);
    (page / PAGE_TOKENS as u64, all)
}

/// Bytes of activations at the widest point of a call.
fn scratch(config: &ModelConfig, options: &EstimateOptions, quantized: bool) -> Result<u64> {
    let widths = widths(config)?;
    let prompt = options.batch_tokens.min(options.context);
    let tokens = prompt.max(options.sequences) as u64;
    let logits = (options.sequences as u64).saturating_mul(widths.with_logits as u64);
    let values = (tokens.saturating_mul(widths.hidden as u64)).max(logits);
    // The widest input of a layer, in the order in which the kernels read it: as four bytes a
    // value in any form.
    let copied = match quantized {
        true => tokens,
        false => tokens.min(GROUP_TOKENS as u64),
    };
    let copies = copied.saturating_mul(widths.input as u64);
    Ok(values
        .saturating_add(copies)
        .saturating_mul(size_of::<f32>() as u64))
}

/// How much memory a model of this configuration takes whose weights are stored as `weights` says (FP16
/// where it says nothing) and mapped.
///
/// # Errors
/// [`InvalidConfig`](crate::ErrorKind::InvalidConfig) for a configuration that cannot be quantized so.
pub fn estimate_config(
    config: &ModelConfig,
    weights: &ConvertOptions,
    options: &EstimateOptions,
) -> Result<MemoryEstimate> {
    config.validate()?;
    let (dense, packed) = tensors(config, weights)?;
    let (cache_per_token, cache) = cache(config, options);
    let bytes = dense.iter().chain(&packed).map(|info| info.bytes() as u64);
    Ok(MemoryEstimate {
        weights_mapped: bytes.fold(0, u64::saturating_add),
        weights_owned: 0,
        cache_per_token,
        cache,
        scratch: scratch(config, options, !packed.is_empty())?,
    })
}

/// How much memory a checkpoint will take, without loading it: the files are only mapped.
///
/// # Errors
/// Those of [`Checkpoint::open`].
pub fn estimate(
    path: &Path,
    open: &OpenOptions,
    options: &EstimateOptions,
) -> Result<MemoryEstimate> {
    let mapped = open.clone().memory(MemoryMode::Map);
    let checkpoint = Checkpoint::open(path, &mapped)?;
    let mut estimate = checkpoint.estimate(options)?;
    if open.memory == MemoryMode::Copy {
        estimate.weights_owned += checkpoint.footprint().mapped;
        estimate.weights_mapped = 0;
    }
    Ok(estimate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_13b_shape_takes_what_the_documentation_says() {
        let config = ModelConfig::codegeex_13b();
        let options = EstimateOptions::new(1, 2048);
        assert_eq!(
            scratch(&config, &options, true).unwrap(),
            512 * 10 * 5120 * 4
        );
        let packed = 264 * 4 * 5120 * 4;
        assert_eq!(
            scratch(&config, &options, false).unwrap(),
            512 * 6 * 5120 * 4 + packed
        );
        let of = |kv| cache(&config, &options.kv(kv));
        assert_eq!(of(KvFormat::F32), (1_638_400, 64 * 52_428_800));
        assert_eq!(of(KvFormat::F16), (819_200, 64 * 26_214_400));
        assert_eq!(of(KvFormat::Int8), (422_400, 64 * 13_516_800));
        // A few tokens of one sequence: the logits are larger.
        let few = scratch(&config, &EstimateOptions::new(1, 1), true).unwrap();
        assert_eq!(few, (52_224 + 5120 + 20_480) * 4);
        let nonsense = EstimateOptions::new(usize::MAX, usize::MAX).batch_tokens(usize::MAX);
        assert_eq!(scratch(&config, &nonsense, true).unwrap(), u64::MAX);
        assert_eq!(cache(&config, &nonsense).1, u64::MAX);
    }
}
