//! `codegeex inspect`

use std::io::{self, Write};
use std::path::PathBuf;

use codegeex::model::Checkpoint;
use codegeex::weights::WeightSource;
use serde_json::json;

use crate::failure::Result;
use crate::model::OpenArgs;

/// Say what a checkpoint holds and what memory it takes, without loading it.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  codegeex inspect codegeex_13b.pt --tensors")]
pub struct Args {
    /// A .pt file, a folder of mp_rank_* shards, or safetensors.
    file: PathBuf,
    /// List every tensor.
    #[arg(long)]
    tensors: bool,
    /// Write one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    open: OpenArgs,
}

pub fn run(args: Args) -> Result {
    let options = args.open.options()?;
    let checkpoint = Checkpoint::open(&args.file, &options)?;
    let config = checkpoint.config();
    let positions = config.max_position_embeddings;
    let memory = checkpoint.estimate(1, positions);
    let mut output = io::BufWriter::new(io::stdout().lock());
    if args.json {
        let tensors: Vec<_> = checkpoint
            .tensors()
            .iter()
            .map(|t| {
                json!({
                    "name": t.name, "dtype": t.dtype.name(), "shape": t.shape, "bytes": t.bytes(),
                })
            })
            .collect();
        let answer = json!({
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
            "tensors": tensors,
        });
        writeln!(output, "{answer}")?;
        return Ok(());
    }
    writeln!(output, "source      {}", checkpoint.describe())?;
    writeln!(output, "config      {}", config.to_json())?;
    writeln!(output, "            from {}", checkpoint.config_origin())?;
    writeln!(output, "parameters  {}", config.parameters())?;
    writeln!(
        output,
        "weights     {}, {} tensors",
        bytes(checkpoint.weight_bytes()),
        checkpoint.tensors().len()
    )?;
    writeln!(
        output,
        "memory      {} mapped, {} allocated, and for keys and values {} a token, {} for {positions}",
        bytes(memory.weights_mapped),
        bytes(memory.weights_owned),
        bytes(memory.cache_per_token),
        bytes(memory.cache),
    )?;
    if args.tensors {
        for t in checkpoint.tensors() {
            let shape = format!("{:?}", t.shape);
            writeln!(
                output,
                "{:<48} {:<5} {shape:<14} {}",
                t.name,
                t.dtype,
                t.bytes()
            )?;
        }
    }
    output.flush()?;
    Ok(())
}

/// A number of bytes with a unit.
fn bytes(n: u64) -> String {
    indicatif::BinaryBytes(n).to_string()
}
