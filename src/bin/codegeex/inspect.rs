//! `codegeex inspect`

use std::fmt::Write;
use std::path::{Path, PathBuf};

use codegeex::ErrorKind;
use codegeex::backend::{Backend, Cpu, CpuOptions, InstructionSet};
use codegeex::generate::{InfillOrder, InfillTokens};
use codegeex::model::{
    Checkpoint, ConvertOptions, EstimateOptions, MemoryEstimate, ModelConfig, estimate,
    estimate_config,
};
use codegeex::tensor::PackedScheme;
use codegeex::tokenizer::{BpeTokenizer, Tokenizer};
use codegeex::weights::{WeightSource, locate};
use indicatif::BinaryBytes;
use serde_json::{Value, json};

use crate::failure::Result;
use crate::lines;
use crate::model::{ConfigArgs, KvArgs};

/// Say what a checkpoint holds and what memory it takes, without loading it.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  codegeex inspect codegeex_13b.pt --no-tensors")]
pub struct Args {
    /// A .pt or .bin file, safetensors, an index, a folder of them or of mp_rank_* shards, a training
    /// run, or the config.json of a model alone, under any name.
    file: PathBuf,
    /// Leave out the list of tensors.
    #[arg(long)]
    no_tensors: bool,
    /// Write one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    kv: KvArgs,
}

pub fn run(args: Args) -> Result {
    if let Some(config) = config_alone(&args.file) {
        return of_config(&config, &args);
    }
    let options = args.config.options()?;
    let checkpoint = Checkpoint::open(&args.file, &options)?;
    let positions = checkpoint.config().max_position_embeddings;
    let tokenizer = Tokenizing::beside(&args.file)?;
    let tokenizer = tokenizer.as_ref();
    let backend = Cpu::new(&CpuOptions::new().kv(args.kv.kv))?.name();
    let wanted = EstimateOptions::new(1, positions).kv(args.kv.kv);
    let memory = estimate(&args.file, &options, &wanted)?;
    lines::write_stdout(&match args.json {
        true => as_json(&checkpoint, tokenizer, &memory, &backend, !args.no_tensors),
        false => as_text(&checkpoint, tokenizer, &memory, &backend, !args.no_tensors),
    })
}

/// The configuration that a path names, or that is in a folder without weights.
fn config_alone(path: &Path) -> Option<PathBuf> {
    if path.file_name().is_some_and(|name| name == "config.json") || is_config(path) {
        return Some(path.to_owned());
    }
    let config = path.join("config.json");
    let has_weights = || !matches!(locate(path), Err(e) if e.kind() == ErrorKind::NotFound);
    (config.is_file() && !has_weights()).then_some(config)
}

/// Bytes of the largest file that is looked at for a configuration.
const MAX_CONFIG: u64 = 256 << 10;

/// Whether a file of any name is a configuration: an object that says the type of the model, and not
/// the index of a checkpoint.
fn is_config(path: &Path) -> bool {
    let is_short =
        |path: &Path| std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() <= MAX_CONFIG);
    if !is_short(path) {
        return false;
    }
    let text = std::fs::read(path).unwrap_or_default();
    let value: Option<Value> = serde_json::from_slice(&text).ok();
    value.is_some_and(|value| {
        (value.get("model_type").is_some() || value.get("num_layers").is_some())
            && value.get("weight_map").is_none()
    })
}

/// A configuration as JSON: numbers in single precision are as short as they are written.
fn as_value(config: &ModelConfig) -> Value {
    serde_json::from_str(&config.to_json()).unwrap_or_default()
}

/// What a model of a configuration takes, in each type of weights.
fn of_config(path: &Path, args: &Args) -> Result {
    let config = ModelConfig::open(path)?;
    let tokenizer = Tokenizing::beside(path)?;
    let tokenizer = tokenizer.as_ref();
    let context = config.max_position_embeddings;
    let wanted = EstimateOptions::new(1, context).kv(args.kv.kv);
    let int8 = ConvertOptions::new()
        .quantize(PackedScheme::Int8)
        .quantize_head(true);
    let int4 = int8.clone().quantize(PackedScheme::Int4);
    let mut sizes = Vec::new();
    for (name, weights) in [
        ("FP16", ConvertOptions::new()),
        ("INT8", int8),
        ("INT4", int4),
    ] {
        sizes.push((name, estimate_config(&config, &weights, &wanted)?));
    }
    let memory = sizes[0].1;
    if args.json {
        let weights = sizes
            .iter()
            .map(|(name, memory)| (*name, memory.weights_mapped));
        let weights: serde_json::Map<_, _> = weights
            .map(|(name, bytes)| (name.to_lowercase(), bytes.into()))
            .collect();
        return lines::write_stdout(&format!(
            "{}\n",
            json!({
                "family": config.family.name(),
                "tokenizer": Tokenizing::json(tokenizer),
                "config": as_value(&config),
                "parameters": config.parameters(),
                "weight_bytes": weights,
                "memory": {
                    "cache_per_token": memory.cache_per_token,
                    "cache_full_context": memory.cache,
                    "activations": memory.scratch,
                },
            })
        ));
    }
    let weights = sizes
        .iter()
        .map(|(name, memory)| format!("{name} {}", BinaryBytes(memory.weights_mapped)));
    let weights: Vec<String> = weights.collect();
    lines::write_stdout(&format!(
        "source      {} (no weights)\n\
         family      {}; context {context}, vocabulary {}\n\
         {}config      {}\n\
         parameters  {}\n\
         weights     {}\n\
         memory      KV cache: {} a token, {} for {context}; activations: {}\n",
        path.display(),
        config.family,
        config.padded_vocab_size,
        Tokenizing::line(tokenizer),
        config.to_json(),
        config.parameters(),
        weights.join(", "),
        BinaryBytes(memory.cache_per_token),
        BinaryBytes(memory.cache),
        BinaryBytes(memory.scratch),
    ))
}

/// What is known of the tokenizer beside a model.
struct Tokenizing {
    ids: usize,
    infill: Option<InfillTokens>,
}

impl Tokenizing {
    fn beside(path: &Path) -> Result<Option<Self>> {
        let tokenizer = BpeTokenizer::open_beside(path)?;
        Ok(tokenizer.map(|tokenizer| Self {
            ids: tokenizer.vocab_size(),
            infill: InfillTokens::of(&tokenizer),
        }))
    }

    fn line(this: Option<&Self>) -> String {
        let Some(this) = this else {
            return String::new();
        };
        let infill = match this.infill {
            Some(infill) => {
                let orders: Vec<&str> = infill.orders().map(InfillOrder::name).collect();
                format!("{} ({})", infill.name(), orders.join(", "))
            }
            None => "none".to_owned(),
        };
        format!(
            "tokenizer   {} ids; fill-in-the-middle: {infill}\n",
            this.ids
        )
    }

    fn json(this: Option<&Self>) -> serde_json::Value {
        this.map_or(serde_json::Value::Null, |this| {
            json!({
                "ids": this.ids,
                "infill": this.infill.map(InfillTokens::name),
            })
        })
    }
}

/// Names of what this machine has.
fn instruction_sets() -> Vec<&'static str> {
    let sets = InstructionSet::available();
    sets.into_iter().map(InstructionSet::name).collect()
}

fn as_json(
    checkpoint: &Checkpoint,
    tokenizer: Option<&Tokenizing>,
    memory: &MemoryEstimate,
    backend: &str,
    list: bool,
) -> String {
    let config = checkpoint.config();
    let ignored = checkpoint.ignored().cloned().unwrap_or_default();
    let tensors = checkpoint.tensors().iter().map(
        |t| json!({"name": t.name, "dtype": t.dtype.name(), "shape": t.shape, "bytes": t.bytes()}),
    );
    let mut answer = json!({
        "source": checkpoint.describe(),
        "family": config.family.name(),
        "tokenizer": Tokenizing::json(tokenizer),
        "config": as_value(config),
        "config_origin": checkpoint.config_origin().to_string(),
        "parameters": config.parameters(),
        "dtype": checkpoint.dtypes().to_string(),
        "dtypes": {
            "linear_layers": checkpoint.dtypes().linear_layers,
            "head": checkpoint.dtypes().head,
            "others": checkpoint.dtypes().others,
        },
        "ignored": {
            "tensors": checkpoint.other_tensors(),
            "entries": ignored.entries,
            "files": ignored.files,
        },
        "copied": {
            "tensors": checkpoint.copied().tensors,
            "bytes": checkpoint.copied().bytes,
        },
        "bytes": checkpoint.weight_bytes(),
        "memory": {
            "weights_mapped": memory.weights_mapped,
            "weights_owned": memory.weights_owned,
            "cache_per_token": memory.cache_per_token,
            "cache_full_context": memory.cache,
            "activations": memory.scratch,
        },
        "backend": backend,
        "instruction_sets": instruction_sets(),
    });
    if list {
        answer["tensors"] = tensors.collect();
    }
    format!("{answer}\n")
}

/// The line about parts of the checkpoint that are ignored; empty if there are none.
fn ignored(checkpoint: &Checkpoint) -> String {
    let ignored = checkpoint.ignored().cloned().unwrap_or_default();
    let count = |n: usize, one: &str, more: &str| match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {more}")),
    };
    let tensors = count(checkpoint.other_tensors(), "other tensor", "other tensors");
    let files = count(
        ignored.files,
        "file of training state",
        "files of training state",
    );
    let entries = ignored
        .entries
        .iter()
        .map(|name| format!("`{}`", name.escape_debug()));
    let parts: Vec<String> = tensors.into_iter().chain(entries).chain(files).collect();
    match parts.is_empty() {
        true => String::new(),
        false => format!("ignored     {}\n", parts.join(", ")),
    }
}

/// The line about tensors that are read through a copy; empty if there are none.
fn copied(checkpoint: &Checkpoint) -> String {
    match checkpoint.copied() {
        copied if copied.tensors > 0 => format!("copied      {copied}\n"),
        _ => String::new(),
    }
}

fn as_text(
    checkpoint: &Checkpoint,
    tokenizer: Option<&Tokenizing>,
    memory: &MemoryEstimate,
    backend: &str,
    list: bool,
) -> String {
    let config = checkpoint.config();
    let tensors = checkpoint.tensors();
    let bytes = checkpoint.weight_bytes();
    let mut text = format!(
        "source      {}\n\
         family      {}; context {}, vocabulary {}\n\
         {}config      {}\n            from {}\n\
         parameters  {}\n\
         weights     {}, {bytes} bytes ({}) in {} tensors\n\
         {}{}\
         memory      {} mapped, {} allocated; KV cache: {} a token, {} for {}; activations: {}\n\
         backend     {backend}; this machine has {}\n",
        checkpoint.describe(),
        config.family,
        config.max_position_embeddings,
        config.padded_vocab_size,
        Tokenizing::line(tokenizer),
        config.to_json(),
        checkpoint.config_origin(),
        config.parameters(),
        checkpoint.dtypes(),
        BinaryBytes(bytes),
        tensors.len(),
        ignored(checkpoint),
        copied(checkpoint),
        BinaryBytes(memory.weights_mapped),
        BinaryBytes(memory.weights_owned),
        BinaryBytes(memory.cache_per_token),
        BinaryBytes(memory.cache),
        config.max_position_embeddings,
        BinaryBytes(memory.scratch),
        instruction_sets().join(", "),
    );
    if list {
        text.push_str("tensors\n");
        let width = tensors.iter().map(|t| t.name.len()).max().unwrap_or(0);
        for t in tensors {
            let shape = format!("{:?}", t.shape);
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "  {:<width$}  {:<4}  {shape:<14}  {}",
                t.name,
                t.dtype.name(),
                t.bytes()
            );
        }
    }
    text
}
