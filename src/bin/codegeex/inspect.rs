//! `codegeex inspect`

use std::fmt::Write;
use std::path::PathBuf;

use codegeex::backend::{Backend, Cpu, CpuOptions, InstructionSet};
use codegeex::model::{Checkpoint, MemoryEstimate, estimate};
use codegeex::weights::WeightSource;
use indicatif::BinaryBytes;
use serde_json::json;

use crate::failure::Result;
use crate::lines;
use crate::model::ConfigArgs;

/// Say what a checkpoint holds and what memory it takes, without loading it.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  codegeex inspect codegeex_13b.pt --no-tensors")]
pub struct Args {
    /// A .pt file, a folder of mp_rank_* shards, or safetensors.
    file: PathBuf,
    /// Leave out the list of tensors.
    #[arg(long)]
    no_tensors: bool,
    /// Write one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: Args) -> Result {
    let options = args.config.options()?;
    let checkpoint = Checkpoint::open(&args.file, &options)?;
    let positions = checkpoint.config().max_position_embeddings;
    let memory = estimate(&args.file, &options, 1, positions)?;
    let backend = Cpu::new(&CpuOptions::default())?.name();
    lines::write_stdout(&match args.json {
        true => as_json(&checkpoint, &memory, &backend, !args.no_tensors),
        false => as_text(&checkpoint, &memory, &backend, !args.no_tensors),
    })
}

/// Names of what this machine has.
fn instruction_sets() -> Vec<&'static str> {
    let sets = InstructionSet::available();
    sets.into_iter().map(InstructionSet::name).collect()
}

fn as_json(checkpoint: &Checkpoint, memory: &MemoryEstimate, backend: &str, list: bool) -> String {
    let config = checkpoint.config();
    let tensors = checkpoint.tensors().iter().map(
        |t| json!({"name": t.name, "dtype": t.dtype.name(), "shape": t.shape, "bytes": t.bytes()}),
    );
    let mut answer = json!({
        "source": checkpoint.describe(),
        "config": config,
        "config_origin": checkpoint.config_origin().to_string(),
        "parameters": config.parameters(),
        "bytes": checkpoint.weight_bytes(),
        "memory": {
            "weights_mapped": memory.weights_mapped,
            "weights_owned": memory.weights_owned,
            "cache_per_token": memory.cache_per_token,
            "cache_full_context": memory.cache,
        },
        "backend": backend,
        "instruction_sets": instruction_sets(),
    });
    if list {
        answer["tensors"] = tensors.collect();
    }
    format!("{answer}\n")
}

fn as_text(checkpoint: &Checkpoint, memory: &MemoryEstimate, backend: &str, list: bool) -> String {
    let config = checkpoint.config();
    let tensors = checkpoint.tensors();
    let bytes = checkpoint.weight_bytes();
    let mut text = format!(
        "source      {}\n\
         config      {}\n            from {}\n\
         parameters  {}\n\
         weights     {bytes} bytes ({}) in {} tensors\n\
         memory      {} mapped, {} allocated; keys and values: {} a token, {} for {}\n\
         backend     {backend}; this machine has {}\n",
        checkpoint.describe(),
        config.to_json(),
        checkpoint.config_origin(),
        config.parameters(),
        BinaryBytes(bytes),
        tensors.len(),
        BinaryBytes(memory.weights_mapped),
        BinaryBytes(memory.weights_owned),
        BinaryBytes(memory.cache_per_token),
        BinaryBytes(memory.cache),
        config.max_position_embeddings,
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
