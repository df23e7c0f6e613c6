//! A writer for llama.cpp's file format, GGUF version 3, and its block types Q8_0 and Q4_0.
//!
//! Only what a model of the shapes here without a tokenizer needs. Everything is little-endian; dimensions are
//! written innermost first.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use codegeex::family::{Kind, Module, Norm, Place, Position, slots};
use codegeex::model::ModelConfig;
use half::f16;

use crate::random::Random;

const BLOCK: usize = 32;
const ALIGNMENT: u64 = 32;

/// Element type of the matrices; vectors are always F32.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    F32,
    F16,
    Q8_0,
    Q4_0,
}

impl Format {
    fn id(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q8_0 => 8,
        }
    }

    /// Bytes of a block of 32 numbers.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4 * BLOCK,
            Self::F16 => 2 * BLOCK,
            Self::Q8_0 => 2 + BLOCK,
            Self::Q4_0 => 2 + BLOCK / 2,
        }
    }

    fn encode(self, numbers: &[f16], out: &mut Vec<u8>) {
        for block in numbers.chunks(BLOCK) {
            match self {
                Self::F32 => out.extend(block.iter().flat_map(|x| x.to_f32().to_le_bytes())),
                Self::F16 => out.extend(block.iter().flat_map(|x| x.to_le_bytes())),
                Self::Q8_0 => q8_0(block, out),
                Self::Q4_0 => q4_0(block, out),
            }
        }
    }
}

/// A scale, then 32 signed bytes.
fn q8_0(block: &[f16], out: &mut Vec<u8>) {
    let mut numbers = [0.0f32; BLOCK];
    for (x, y) in numbers.iter_mut().zip(block) {
        *x = y.to_f32();
    }
    let largest = numbers.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    let scale = largest / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    out.extend(f16::from_f32(scale).to_le_bytes());
    out.extend(numbers.map(|x| (x * inverse).round() as i8 as u8));
}

/// A scale, then 16 bytes of two numbers each, the first half of the block in the low nibbles. The
/// number of the largest magnitude becomes -8.
fn q4_0(block: &[f16], out: &mut Vec<u8>) {
    let mut numbers = [0.0f32; BLOCK];
    for (x, y) in numbers.iter_mut().zip(block) {
        *x = y.to_f32();
    }
    let largest = (numbers.iter()).fold(0.0f32, |m, x| if x.abs() > m.abs() { *x } else { m });
    let scale = largest / -8.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    out.extend(f16::from_f32(scale).to_le_bytes());
    let nibble = |x: f32| ((x * inverse + 8.5) as u8).min(15);
    for i in 0..BLOCK / 2 {
        out.push(nibble(numbers[i]) | nibble(numbers[i + BLOCK / 2]) << 4);
    }
}

/// One tensor of the file: its name and shape there, and the canonical ones it is joined from.
struct Entry {
    name: String,
    shape: Vec<usize>,
    format: Format,
    parts: Vec<String>,
}

impl Entry {
    fn bytes(&self) -> u64 {
        let elements: usize = self.shape.iter().product();
        (elements / BLOCK * self.format.block_bytes()) as u64
    }
}

/// The tensors of llama.cpp's `gpt2`, `qwen2` and `starcoder2`, in the order of ours.
fn entries(config: &ModelConfig, format: Format) -> Vec<Entry> {
    let h = config.hidden_size;
    let fused = architecture(config) == "gpt2";
    let mut list: Vec<Entry> = Vec::new();
    for (slot, shape) in slots(config) {
        let module = match slot.module {
            Module::WordEmbeddings => "token_embd",
            Module::PositionEmbeddings => "position_embd",
            Module::FinalNorm => "output_norm",
            Module::Head => "output",
            Module::InputNorm => "attn_norm",
            Module::Query if fused => "attn_qkv",
            Module::Key | Module::Value if fused => "",
            Module::Query => "attn_q",
            Module::Key => "attn_k",
            Module::Value => "attn_v",
            Module::Dense => "attn_output",
            Module::PostAttentionNorm => "ffn_norm",
            Module::Gate => "ffn_gate",
            Module::Up => "ffn_up",
            Module::Down => "ffn_down",
            other => panic!("no engine here has {other:?}"),
        };
        let kind = match slot.kind {
            Kind::Weight => "weight",
            Kind::Bias => "bias",
        };
        let place = match slot.place {
            Place::Layer(layer) => format!("blk.{layer}."),
            _ => String::new(),
        };
        if module.is_empty() {
            // Keys and values follow the queries in one tensor.
            let name = format!("{place}attn_qkv.{kind}");
            let queries = list.iter_mut().find(|entry| entry.name == name);
            let queries = queries.expect("the queries come first");
            queries.shape[0] += h;
            queries.parts.push(slot.to_string());
            continue;
        }
        let format = match shape.len() {
            2 if slot.module != Module::PositionEmbeddings => format,
            _ => Format::F32,
        };
        list.push(Entry {
            name: format!("{place}{module}.{kind}"),
            shape,
            format,
            parts: vec![slot.to_string()],
        });
    }
    list
}

/// What llama.cpp calls a model of this configuration.
fn architecture(config: &ModelConfig) -> &'static str {
    match (&config.position, config.norm, config.gated) {
        (Position::Learned, Norm::Layer, false) => "gpt2",
        (Position::Rotary(_), Norm::Rms, true) if config.qkv_bias => "qwen2",
        (Position::Rotary(_), Norm::Rms, true) => "llama",
        (Position::Rotary(_), Norm::Layer, false) => "starcoder2",
        _ => panic!("the engines here have no such model"),
    }
}

/// The fixed-size part of the file, everything before the data.
fn header(config: &ModelConfig, entries: &[Entry]) -> Vec<u8> {
    enum Value<'a> {
        U32(usize),
        F32(f32),
        Text(&'a str),
    }
    let text = |out: &mut Vec<u8>, s: &str| {
        out.extend((s.len() as u64).to_le_bytes());
        out.extend(s.as_bytes());
    };
    let architecture = architecture(config);
    let of = |key: &str| format!("{architecture}.{key}");
    let epsilon = match config.norm {
        Norm::Rms => of("attention.layer_norm_rms_epsilon"),
        _ => of("attention.layer_norm_epsilon"),
    };
    let mut fields = vec![
        ("general.architecture".to_owned(), Value::Text(architecture)),
        // No tokenizer: as many nameless tokens as the vocabulary has rows.
        ("tokenizer.ggml.model".to_owned(), Value::Text("no_vocab")),
        (of("vocab_size"), Value::U32(config.padded_vocab_size)),
        (
            of("context_length"),
            Value::U32(config.max_position_embeddings),
        ),
        (of("embedding_length"), Value::U32(config.hidden_size)),
        (of("feed_forward_length"), Value::U32(config.ffn_width())),
        (of("block_count"), Value::U32(config.num_layers)),
        (
            of("attention.head_count"),
            Value::U32(config.num_attention_heads),
        ),
        (
            of("attention.head_count_kv"),
            Value::U32(config.num_kv_heads()),
        ),
        (epsilon, Value::F32(config.layernorm_epsilon)),
    ];
    if let Position::Rotary(rotary) = &config.position {
        fields.push((of("rope.freq_base"), Value::F32(rotary.base as f32)));
        fields.push((of("rope.dimension_count"), Value::U32(rotary.dims)));
    }
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend((entries.len() as u64).to_le_bytes());
    out.extend((fields.len() as u64).to_le_bytes());
    for (key, value) in fields {
        text(&mut out, &key);
        match value {
            Value::U32(x) => {
                out.extend(4u32.to_le_bytes());
                out.extend((x as u32).to_le_bytes());
            }
            Value::F32(x) => {
                out.extend(6u32.to_le_bytes());
                out.extend(x.to_le_bytes());
            }
            Value::Text(s) => {
                out.extend(8u32.to_le_bytes());
                text(&mut out, s);
            }
        }
    }
    let mut offset = 0u64;
    for entry in entries {
        text(&mut out, &entry.name);
        out.extend((entry.shape.len() as u32).to_le_bytes());
        for &size in entry.shape.iter().rev() {
            out.extend((size as u64).to_le_bytes());
        }
        out.extend(entry.format.id().to_le_bytes());
        out.extend(offset.to_le_bytes());
        offset = (offset + entry.bytes()).next_multiple_of(ALIGNMENT);
    }
    out.resize((out.len() as u64).next_multiple_of(ALIGNMENT) as usize, 0);
    out
}

/// Writes the random model of this shape.
pub fn write(path: &Path, config: &ModelConfig, format: Format) -> io::Result<()> {
    let entries = entries(config, format);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(&header(config, &entries))?;
    let random = Random::new();
    let mut bytes = Vec::new();
    for entry in &entries {
        let elements: usize = entry.shape.iter().product();
        bytes.clear();
        for part in &entry.parts {
            let numbers = random.tensor(part, elements / entry.parts.len());
            entry.format.encode(&numbers, &mut bytes);
        }
        assert_eq!(bytes.len() as u64, entry.bytes());
        let padded = entry.bytes().next_multiple_of(ALIGNMENT) as usize;
        bytes.resize(padded, 0);
        file.write_all(&bytes)?;
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(())
}
