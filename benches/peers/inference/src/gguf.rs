//! A writer for llama.cpp's file format, GGUF version 3, and its block types Q8_0 and Q4_0.
//!
//! Only what a GPT-2 without a tokenizer needs. Everything is little-endian; dimensions are
//! written innermost first.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

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

fn entries(config: &ModelConfig, format: Format) -> Vec<Entry> {
    let (h, f) = (config.hidden_size, config.ffn_width());
    let (vocabulary, positions) = (config.padded_vocab_size, config.max_position_embeddings);
    let mut list = Vec::new();
    let mut add = |name: &str, shape: &[usize], format: Format, parts: &[String]| {
        list.push(Entry {
            name: name.to_owned(),
            shape: shape.to_vec(),
            format,
            parts: parts.to_vec(),
        });
    };
    let words = ["word_embeddings.weight".to_owned()];
    add("token_embd.weight", &[vocabulary, h], format, &words);
    let places = ["position_embeddings.weight".to_owned()];
    add(
        "position_embd.weight",
        &[positions, h],
        Format::F32,
        &places,
    );
    for kind in ["weight", "bias"] {
        let part = [format!("final_layernorm.{kind}")];
        add(&format!("output_norm.{kind}"), &[h], Format::F32, &part);
    }
    for layer in 0..config.num_layers {
        let modules: [(&str, &[&str], usize, Option<usize>); 6] = [
            ("attn_norm", &["input_layernorm"], h, None),
            (
                "attn_qkv",
                &["attention.query", "attention.key", "attention.value"],
                3 * h,
                Some(h),
            ),
            ("attn_output", &["attention.dense"], h, Some(h)),
            ("ffn_norm", &["post_attention_layernorm"], h, None),
            ("ffn_up", &["mlp.dense_h_to_4h"], f, Some(h)),
            ("ffn_down", &["mlp.dense_4h_to_h"], h, Some(f)),
        ];
        for (name, from, out, input) in modules {
            let parts = |kind: &str| -> Vec<String> {
                let name = |module: &&str| format!("layers.{layer}.{module}.{kind}");
                from.iter().map(name).collect()
            };
            let (shape, kind) = match input {
                Some(input) => (vec![out, input], format),
                None => (vec![out], Format::F32),
            };
            let name = format!("blk.{layer}.{name}");
            add(&format!("{name}.weight"), &shape, kind, &parts("weight"));
            add(&format!("{name}.bias"), &[out], Format::F32, &parts("bias"));
        }
    }
    list
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
    let fields = [
        ("general.architecture", Value::Text("gpt2")),
        // No tokenizer: as many nameless tokens as the vocabulary has rows.
        ("tokenizer.ggml.model", Value::Text("no_vocab")),
        ("gpt2.vocab_size", Value::U32(config.padded_vocab_size)),
        (
            "gpt2.context_length",
            Value::U32(config.max_position_embeddings),
        ),
        ("gpt2.embedding_length", Value::U32(config.hidden_size)),
        ("gpt2.feed_forward_length", Value::U32(config.ffn_width())),
        ("gpt2.block_count", Value::U32(config.num_layers)),
        (
            "gpt2.attention.head_count",
            Value::U32(config.num_attention_heads),
        ),
        (
            "gpt2.attention.layer_norm_epsilon",
            Value::F32(config.layernorm_epsilon),
        ),
    ];
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend((entries.len() as u64).to_le_bytes());
    out.extend((fields.len() as u64).to_le_bytes());
    for (key, value) in fields {
        text(&mut out, key);
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
