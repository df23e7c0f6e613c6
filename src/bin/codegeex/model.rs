//! Which model a command uses, and how.

use std::path::{Path, PathBuf};

use clap::value_parser;
use codegeex::backend::{ActivationFormat, InstructionSet, KvFormat};
use codegeex::generate::Generator;
use codegeex::model::{LoadOptions, ModelConfig, OpenOptions};
use codegeex::tokenizer::{BpeTokenizer, SpecialTokens};
use codegeex::weights::MemoryMode;
use codegeex::{Error, ErrorKind};

use crate::failure::Result;
use crate::progress::Progress;

/// The small model of a checkout, relative to its top.
const DEFAULT_MODEL: &str = "models/codegeex_tiny.safetensors";

#[derive(clap::Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// Checkpoint: a .pt file, a folder of mp_rank_* shards, safetensors, or the folder of a Hugging
    /// Face model. A tokenizer beside it is used. Default: the small model of the source tree.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Tokenizer to use instead of the one beside the model: a tokenizer.json, a tokenizer.model, or a
    /// folder with one of them or with vocab.json and merges.txt.
    #[arg(long, value_name = "PATH")]
    tokenizer: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Read the weights into memory instead of memory-mapping the file.
    #[arg(long)]
    copy: bool,
    /// Number of threads; 0 uses one per core available to the process.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = value_parser!(u16).range(..=1024))]
    threads: u16,
    /// Instruction set, such as scalar, avx2, avx512vnni or neon. Default: CODEGEEX_ISA, or the
    /// fastest one of this machine.
    #[arg(long, value_name = "NAME")]
    isa: Option<InstructionSet>,
    #[command(flatten)]
    kv: KvArgs,
    #[command(flatten)]
    activations: ActivationArgs,
}

#[derive(clap::Args)]
pub struct KvArgs {
    /// Data type of the KV cache: f32, f16 or int8.
    #[arg(long, value_name = "FORMAT", default_value_t, value_parser = kv_format)]
    pub kv: KvFormat,
}

fn kv_format(name: &str) -> std::result::Result<KvFormat, String> {
    let found = KvFormat::ALL.into_iter().find(|f| f.name() == name);
    found.ok_or_else(|| "expected f32, f16 or int8".to_owned())
}

#[derive(clap::Args)]
pub struct ActivationArgs {
    /// Precision of activations in quantized layers: int16, or int8, which is faster for prompts
    /// and batches and less accurate.
    #[arg(long, value_name = "FORMAT", default_value_t, value_parser = activation_format)]
    pub activations: ActivationFormat,
}

fn activation_format(name: &str) -> std::result::Result<ActivationFormat, String> {
    let found = ActivationFormat::ALL.into_iter().find(|f| f.name() == name);
    found.ok_or_else(|| "expected int16 or int8".to_owned())
}

#[derive(clap::Args)]
pub struct ConfigArgs {
    /// Model configuration (JSON) to use instead of the one in or beside the checkpoint.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    pub fn options(&self) -> Result<OpenOptions> {
        let mut options = OpenOptions::new();
        if let Some(path) = &self.config {
            options = options.config(ModelConfig::open(path)?);
        }
        Ok(options)
    }
}

impl ModelArgs {
    /// Opens the model.
    pub fn generator(&self) -> Result<Generator> {
        let path = match &self.model {
            Some(path) => path.clone(),
            None => default_model(&[Path::new(env!("CARGO_MANIFEST_DIR")), Path::new("")])?,
        };
        let mut options = LoadOptions::default();
        options.open = self.config.options()?;
        if self.copy {
            options.open.memory = MemoryMode::Copy;
        }
        options.cpu.threads = match usize::from(self.threads) {
            0 => None,
            threads => Some(threads),
        };
        options.cpu.isa = self.isa;
        options.cpu.kv = self.kv.kv;
        options.cpu.activations = self.activations.activations;
        // Read first: a vocabulary is a small file, a model a large one.
        let tokenizer = self.tokenizer.as_ref().map(BpeTokenizer::open);
        let tokenizer = tokenizer.transpose()?;
        let _progress = Progress::of("loading the model");
        Ok(match tokenizer {
            Some(tokenizer) => Generator::open_with_tokenizer(path, tokenizer, &options)?,
            None => Generator::open_with(path, &options)?,
        })
    }
}

/// The default model in the first of these folders that has it: the checkout that this was built
/// in, and the current one.
fn default_model(folders: &[&Path]) -> codegeex::Result<PathBuf> {
    let mut places = folders.iter().map(|folder| folder.join(DEFAULT_MODEL));
    places.find(|path| path.exists()).ok_or_else(|| {
        let names: Vec<String> = (folders.iter())
            .map(|folder| folder.join(DEFAULT_MODEL).display().to_string())
            .collect();
        let message = format!(
            "the small default model is part of a checkout, but there is no {}; give a \
             checkpoint with --model PATH",
            names.join(" and no ")
        );
        Error::new(ErrorKind::NotFound, message)
    })
}

/// The tokenizer of a command without a model.
#[derive(clap::Args)]
pub struct TokenizerArgs {
    /// Tokenizer: a tokenizer.json, a tokenizer.model, or a folder with one of them or with
    /// vocab.json and merges.txt. Default: CodeGeeX's own.
    #[arg(long, value_name = "PATH")]
    tokenizer: Option<PathBuf>,
}

impl TokenizerArgs {
    pub fn open(&self) -> Result<BpeTokenizer> {
        Ok(match &self.tokenizer {
            Some(path) => BpeTokenizer::open(path)?,
            None => BpeTokenizer::codegeex()?,
        })
    }
}

/// How special tokens that are spelled out in a text are encoded.
#[derive(clap::Args)]
pub struct SpecialArgs {
    /// Parse special tokens such as <|endoftext|> in the text, as the reference does. By default
    /// they are plain text, which is safe for untrusted input.
    #[arg(long)]
    parse_special: bool,
}

impl SpecialArgs {
    pub fn policy(&self) -> SpecialTokens {
        match self.parse_special {
            true => SpecialTokens::Parse,
            false => SpecialTokens::AsText,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_default_model_is_named() {
        let error = default_model(&[Path::new("nowhere"), Path::new("elsewhere")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        for part in [
            "nowhere/models/codegeex_tiny",
            "elsewhere/models",
            "--model",
        ] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
