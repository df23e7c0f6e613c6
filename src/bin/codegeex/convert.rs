//! `codegeex convert`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use codegeex::model::{Checkpoint, ConvertOptions, convert};
use codegeex::num::DType;
use codegeex::tensor::PackedScheme;
use codegeex::tokenizer::BpeTokenizer;
use codegeex::{Error, ErrorKind};

use crate::failure::Result;
use crate::interrupt::Interrupt;
use crate::model::ConfigArgs;
use crate::progress::Progress;

/// Convert a checkpoint of any form to one safetensors file.
///
/// Tensors stream one by one, so memory does not depend on the size of the model. The result is
/// written beside OUT and renamed at the end: an interrupted conversion leaves OUT as it was, and
/// what a killed one leaves beside it goes with the next to the same OUT.
///
/// int8 and int4 quantize the linear layers; the rest becomes f16.
///
/// The tokenizer is not part of OUT: copy tokenizer.json, or what the model has in its place, beside
/// OUT, or give it to other commands with --tokenizer.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  codegeex convert codegeex_13b.pt codegeex_13b.safetensors --dtype int8 --head int8"
)]
pub struct Args {
    /// A .pt or .bin file, safetensors, an index, a folder of them or of mp_rank_* shards, or a
    /// training run.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The safetensors file to write.
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Element type of the weights; by default the one they have.
    #[arg(long, value_enum)]
    dtype: Option<Dtype>,
    /// Quantize the LM head: the word embedding, unless the model has a head of its own.
    #[arg(long, value_enum)]
    head: Option<Head>,
    /// Replace OUT if it exists.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Dtype {
    F16,
    Bf16,
    F32,
    Int8,
    Int4,
}

#[derive(Clone, Copy, ValueEnum)]
enum Head {
    Int8,
}

pub fn run(args: Args, interrupt: &Interrupt) -> Result {
    if args.output.exists() && !args.overwrite {
        let message = format!(
            "{}: exists already; choose another name, or replace it with --overwrite",
            args.output.display()
        );
        return Err(Error::new(ErrorKind::InvalidArgument, message).into());
    }
    let checkpoint = Checkpoint::open(&args.input, &args.config.options()?)?;
    let mut options = ConvertOptions::new()
        .overwrite(args.overwrite)
        .quantize_head(args.head.is_some());
    match args.dtype {
        None => {}
        Some(Dtype::F16) => options = options.dtype(DType::F16),
        Some(Dtype::Bf16) => options = options.dtype(DType::BF16),
        Some(Dtype::F32) => options = options.dtype(DType::F32),
        Some(Dtype::Int8) => options = options.quantize(PackedScheme::Int8),
        Some(Dtype::Int4) => options = options.quantize(PackedScheme::Int4),
    }
    let progress = Progress::of_bytes(checkpoint.weight_bytes());
    let mut report = |done, total| progress.update(done, total);
    interrupt
        .orderly(|cancel| convert(&checkpoint, &args.output, &options, &mut report, cancel))?;
    drop(progress);
    mention_tokenizer(&args.input, &args.output);
    Ok(())
}

/// Says that the tokenizer of IN has to be put beside OUT, unless there is one.
fn mention_tokenizer(input: &Path, output: &Path) {
    let names = BpeTokenizer::files_beside(input);
    if names.is_empty() || !BpeTokenizer::files_beside(output).is_empty() {
        return;
    }
    let folder = match input.is_dir() {
        true => input,
        false => input.parent().unwrap_or(Path::new("")),
    };
    // A lost stderr is no reason to fail.
    let _ = writeln!(
        io::stderr(),
        "note: {} holds the weights and the configuration; copy the tokenizer ({}) from {} beside it, \
         or give --tokenizer {} to other commands",
        output.display(),
        names.join(", "),
        folder.display(),
        folder.display()
    );
}
