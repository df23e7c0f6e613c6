//! Fill-in-the-middle on the command line.

use std::path::PathBuf;

use codegeex::Language;
use codegeex::generate::{ContextFile, Infill, InfillOrder};
use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::lines;

#[derive(clap::Args, Default)]
#[command(next_help_heading = "Fill-in-the-middle")]
pub struct InfillArgs {
    /// Text after the cursor: the completion goes between the prompt and it. Models without
    /// fill-in-the-middle see the prompt alone, and rank the samples of -n by it.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    suffix: Option<String>,
    /// Read the text after the cursor from a file.
    #[arg(long, value_name = "FILE", conflicts_with = "suffix")]
    suffix_file: Option<PathBuf>,
    /// Order of prefix and suffix in the prompt: psm, or spm for models that were trained on both.
    /// Default: the model's first one.
    #[arg(long, value_name = "ORDER", value_parser = order)]
    infill_order: Option<InfillOrder>,
    /// Path of the current file, for models that see paths.
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Name of the repository, for models that see it.
    #[arg(long, value_name = "NAME")]
    repository: Option<String>,
    /// Another file of the repository that the model reads first. May be given several times, the
    /// most important last; needs --path.
    #[arg(long, value_name = "FILE")]
    context_file: Vec<PathBuf>,
}

fn order(name: &str) -> std::result::Result<InfillOrder, String> {
    InfillOrder::from_name(name).ok_or_else(|| "expected psm or spm".to_owned())
}

impl InfillArgs {
    /// The fill-in-the-middle of a prompt, if there is any.
    pub fn options(self, lang: Option<Language>) -> Result<Option<Infill>> {
        let suffix = match (self.suffix, &self.suffix_file) {
            (None, Some(file)) => Some(lines::read_file(file)?),
            (suffix, _) => suffix,
        };
        let files = self.context_file.iter().map(|file| {
            let text = lines::read_file(file)?;
            Ok(ContextFile::new(file.to_string_lossy(), text))
        });
        let files = files.collect::<Result<Vec<_>>>()?;
        let fields = Fields {
            suffix,
            infill_order: self.infill_order.map(|order| order.name().to_owned()),
            path: self.path,
            repository: self.repository,
            files: files.into_iter().map(File::from).collect(),
        };
        (fields.infill(lang)).map_err(|e| Failure::Usage(e.to_string()))
    }
}

/// The same in a request of --jsonl.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Fields {
    pub suffix: Option<String>,
    pub infill_order: Option<String>,
    pub path: Option<String>,
    pub repository: Option<String>,
    pub files: Vec<File>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    path: String,
    text: String,
}

impl From<ContextFile> for File {
    fn from(ContextFile { path, text }: ContextFile) -> Self {
        Self { path, text }
    }
}

impl Fields {
    /// The fill-in-the-middle of a prompt, if there is any.
    pub fn infill(self, lang: Option<Language>) -> codegeex::Result<Option<Infill>> {
        let others = [&self.infill_order, &self.path, &self.repository];
        let Some(suffix) = self.suffix else {
            if others.iter().any(|field| field.is_some()) || !self.files.is_empty() {
                return Err(codegeex::Error::new(
                    codegeex::ErrorKind::InvalidArgument,
                    "fill-in-the-middle without a suffix; give one, which may be empty",
                ));
            }
            return Ok(None);
        };
        let order = match self.infill_order.as_deref() {
            None => None,
            Some(name) => match InfillOrder::from_name(name) {
                Some(order) => Some(order),
                None => {
                    let message = format!("infill_order is {name:?}, expected psm or spm");
                    let kind = codegeex::ErrorKind::InvalidArgument;
                    return Err(codegeex::Error::new(kind, message));
                }
            },
        };
        let files = (self.files.into_iter()).map(|file| ContextFile::new(file.path, file.text));
        let mut infill = Infill::new(suffix).order(order).files(files).language(lang);
        infill.path = self.path;
        infill.repository = self.repository;
        Ok(Some(infill))
    }
}
