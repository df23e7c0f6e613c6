//! Which model a command uses, and how.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use codegeex::generate::Generator;
use codegeex::model::{LoadOptions, ModelConfig, OpenOptions, load};
use codegeex::tokenizer::{Gpt2Tokenizer, SpecialTokens};
use codegeex::weights::MemoryMode;

use crate::failure::{Failure, Result};

/// The small model of a checkout, relative to its top.
const DEFAULT_MODEL: &str = "models/codegeex_tiny.safetensors";

#[derive(clap::Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// Checkpoint: a .pt file, a folder of mp_rank_* shards, or safetensors. Without it, the
    /// small model of the checkout.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    #[command(flatten)]
    open: OpenArgs,
    /// Threads to compute with; 0 means as many as this process may use.
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
}

#[derive(clap::Args)]
pub struct OpenArgs {
    /// Model configuration (JSON), in place of the one in or beside the checkpoint.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read the weights into memory instead of mapping them.
    #[arg(long)]
    copy: bool,
}

impl OpenArgs {
    pub fn options(&self) -> Result<OpenOptions> {
        let mut options = OpenOptions::new();
        if self.copy {
            options = options.memory(MemoryMode::Copy);
        }
        if let Some(path) = &self.config {
            let json = crate::lines::read_text(Some(path))?;
            let config = ModelConfig::from_json(&json).map_err(|e| e.within(path.display()))?;
            options = options.config(config);
        }
        Ok(options)
    }
}

impl ModelArgs {
    /// Opens the model.
    pub fn generator(&self) -> Result<Generator> {
        let path = match &self.model {
            Some(path) => path.clone(),
            None => default_model()?,
        };
        let mut options = LoadOptions::default();
        options.open = self.open.options()?;
        options.cpu.threads = self.threads;
        let model = load(path, &options)?;
        Ok(Generator::new(model, Arc::new(Gpt2Tokenizer::codegeex())))
    }
}

fn default_model() -> Result<PathBuf> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    [checkout, Path::new(".")]
        .iter()
        .map(|folder| folder.join(DEFAULT_MODEL))
        .find(|path| path.exists())
        .ok_or_else(|| {
            Failure::Usage(format!(
                "the small default model is part of a checkout, as {DEFAULT_MODEL}, and is not \
                 in {} or below this folder; give a checkpoint with --model PATH",
                checkout.display()
            ))
        })
}

/// What special tokens spelled out in a text mean.
#[derive(clap::Args)]
pub struct SpecialArgs {
    /// Take special tokens such as <|endoftext|> in the text as plain text, which is safe for
    /// text from others. By default they are taken as tokens, as the reference does.
    #[arg(long)]
    plain: bool,
}

impl SpecialArgs {
    pub fn policy(&self) -> SpecialTokens {
        match self.plain {
            true => SpecialTokens::AsText,
            false => SpecialTokens::Parse,
        }
    }
}
