//! Checkpoints of random weights, of any shape and format: for measuring speed and memory without
//! the weights of a real model, and for tests.
//!
//! The numbers are a function of the seed. They keep activations in range over any depth, and are
//! good for nothing else.

use std::path::Path;

use half::{bf16, f16};

use super::ModelConfig;
use super::checkpoint::CONFIG_KEY;
use super::convert::{ConvertOptions, VERSION_KEY};
use crate::cancel::CancelToken;
use crate::error::{Result, bail};
use crate::family::slots;
use crate::num::DType;
use crate::quant::stored;
use crate::tensor::TensorInfo;
use crate::weights::safetensors::Writer;

/// Standard deviation of the weights, as GPT-2 initializes them.
const DEVIATION: f32 = 0.02;
/// Bytes made at a time.
const CHUNK: usize = 1 << 20;

/// Writes a checkpoint of random weights to `out`, in the types that `options` say (f16 where they
/// say nothing). Quantized matrices are made as such: no time goes into quantizing.
///
/// `progress` and `cancel` are those of [`convert`](super::convert::convert).
///
/// # Errors
/// [`InvalidConfig`](crate::ErrorKind::InvalidConfig),
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a type that is none of weights or an
/// `out` that exists, [`Cancelled`](crate::ErrorKind::Cancelled), and what the file system says.
pub fn write_random(
    config: &ModelConfig,
    out: &Path,
    options: &ConvertOptions,
    seed: u64,
    progress: &mut dyn FnMut(u64, u64),
    cancel: &CancelToken,
) -> Result<()> {
    config.validate()?;
    let (dense, packed) = tensors(config, options)?;
    let json = config.to_json();
    let layout = stored::metadata();
    let mut metadata = vec![
        (CONFIG_KEY, json.as_str()),
        (VERSION_KEY, env!("CARGO_PKG_VERSION")),
        ("format", "pt"),
    ];
    if !packed.is_empty() {
        metadata.insert(1, (stored::KEY, &layout));
    }
    let plan = [dense, packed].concat();
    let total: u64 = plan.iter().map(|info| info.bytes() as u64).sum();
    let mut writer = Writer::create(out, &plan, &metadata, options.overwrite)?;
    let mut source = Source(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut bytes = vec![0; CHUNK];
    let mut done = 0;
    for info in &plan {
        let mut left = info.bytes();
        while left > 0 {
            if cancel.is_cancelled() {
                bail!(Cancelled, "cancelled after {done} of {total} bytes");
            }
            let chunk = &mut bytes[..left.min(CHUNK)];
            source.fill(info, chunk);
            writer.write(chunk)?;
            left -= chunk.len();
            done += chunk.len() as u64;
            progress(done, total);
        }
    }
    writer.finish()
}

/// The tensors of a checkpoint in these types: floating-point ones, and those of quantized matrices.
///
/// # Errors
/// Those of [`write_random`] about options and configurations.
pub(super) fn tensors(
    config: &ModelConfig,
    options: &ConvertOptions,
) -> Result<(Vec<TensorInfo>, Vec<TensorInfo>)> {
    let dtype = options.dtype.unwrap_or(DType::F16);
    if !dtype.is_weight() {
        bail!(
            InvalidArgument,
            "weights cannot be written as {dtype}; expected f16, bf16 or f32"
        );
    }
    let (mut dense, mut packed) = (Vec::new(), Vec::new());
    for (slot, shape) in slots(config) {
        let name = slot.to_string();
        match (options.scheme(slot.role(config)), &shape[..]) {
            (Some(scheme), &[rows, cols]) => {
                packed.extend(stored::parts(&name, scheme, rows, cols)?);
            }
            _ => dense.push(TensorInfo { name, dtype, shape }),
        }
    }
    Ok((dense, packed))
}

/// A xorshift generator.
struct Source(u64);

impl Source {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn fill(&mut self, info: &TensorInfo, out: &mut [u8]) {
        let name = &info.name;
        let constant = |value: f32, out: &mut [u8]| match info.dtype {
            DType::F16 => repeat(&f16::from_f32(value).to_le_bytes(), out),
            DType::BF16 => repeat(&bf16::from_f32(value).to_le_bytes(), out),
            _ => repeat(&value.to_le_bytes(), out),
        };
        if name.ends_with(".scales") {
            // The deviation of the integers: those of 256 values around zero, and about that of 16
            // values times multipliers around 12.
            constant(DEVIATION / 64.0, out);
        } else if name.ends_with(".multipliers") {
            for byte in out {
                // Each between 8 and 15.
                *byte = self.next() as u8 | 0x88;
            }
        } else if info.dtype == DType::U8 {
            for eight in out.chunks_mut(8) {
                let bytes = self.next().to_le_bytes();
                eight.copy_from_slice(&bytes[..eight.len()]);
            }
        } else if name.ends_with("norm.weight") {
            constant(1.0, out);
        } else if name.ends_with(".bias") {
            constant(0.0, out);
        } else {
            for element in out.chunks_mut(info.dtype.size()) {
                // Uniform, with the deviation wanted: a width of sqrt(12) of it.
                let unit = (self.next() >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
                let value = unit * DEVIATION * 12f32.sqrt();
                match info.dtype {
                    DType::F16 => element.copy_from_slice(&f16::from_f32(value).to_le_bytes()),
                    DType::BF16 => element.copy_from_slice(&bf16::from_f32(value).to_le_bytes()),
                    _ => element.copy_from_slice(&value.to_le_bytes()),
                }
            }
        }
    }
}

fn repeat(pattern: &[u8], out: &mut [u8]) {
    for piece in out.chunks_mut(pattern.len()) {
        piece.copy_from_slice(&pattern[..piece.len()]);
    }
}
