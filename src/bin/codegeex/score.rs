//! `codegeex score`

use std::io::Write;
use std::path::PathBuf;

use codegeex::cancel::CancelToken;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::failure::Result;
use crate::lines;
use crate::model::{ModelArgs, SpecialArgs};
use crate::progress::{Progress, Unit};

/// Say how likely a model finds given text.
///
/// With --jsonl, answers {"ids": […]} or {"text": …} a line with the log-probability of each token
/// given those before it, null for the first. With --perplexity, reads a whole text file.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  echo '{\"text\": \"for i in range(10):\"}' | codegeex score --jsonl --top 3"
)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// One {"ids": […]} or {"text": …} a line.
    #[arg(long, required_unless_present = "perplexity")]
    jsonl: bool,
    /// Also the K likeliest ids to follow the last one, as [id, log-probability].
    #[arg(long, value_name = "K", requires = "jsonl")]
    top: Option<usize>,
    /// The perplexity of a text file.
    #[arg(long, value_name = "FILE", conflicts_with = "jsonl")]
    perplexity: Option<PathBuf>,
    #[command(flatten)]
    special: SpecialArgs,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Request {
    Ids { ids: Vec<u32> },
    Text { text: String },
}

#[derive(Serialize)]
struct Answer {
    ids: Vec<u32>,
    logprobs: Vec<Option<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top: Option<Vec<(u32, f32)>>,
}

pub fn run(args: Args, cancel: &CancelToken) -> Result {
    let generator = args.model.generator()?;
    let policy = args.special.policy();
    if let Some(path) = &args.perplexity {
        let text = lines::read_text(Some(path))?;
        let ids = generator.tokenizer().encode(&text, policy);
        let mut progress = Progress::new(Unit::Tokens);
        let result = generator.perplexity(&ids, cancel, &mut |done| {
            progress.update(done as u64, ids.len() as u64);
        })?;
        drop(progress);
        let answer = json!({"perplexity": result.value(), "tokens": result.tokens});
        writeln!(std::io::stdout(), "{answer}")?;
        return Ok(());
    }
    lines::answer_each(|request: Request| {
        let ids = match request {
            Request::Ids { ids } => ids,
            Request::Text { text } => generator.tokenizer().encode(&text, policy),
        };
        let score = generator.score(&ids, args.top.unwrap_or(0), cancel)?;
        Ok(Some(Answer {
            ids,
            logprobs: score.logprobs,
            top: args.top.map(|_| score.top),
        }))
    })
}
