//! `codegeex score`

use std::path::{Path, PathBuf};

use clap::ArgGroup;
use codegeex::generate::Generator;
use codegeex::tokenizer::SpecialTokens;
use codegeex::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::failure::Result;
use crate::interrupt::Interrupt;
use crate::lines;
use crate::model::{ModelArgs, SpecialArgs};
use crate::numbers::whole;
use crate::progress::Progress;

/// Print log-probabilities or the perplexity of a text.
///
/// With --jsonl, reads one {"ids": […]} or {"text": …} per line and answers with the log-probability
/// of each token given the tokens before it, null for the first. With --perplexity, reads a text
/// file.
#[derive(clap::Args)]
#[command(
    group = ArgGroup::new("input").required(true).args(["jsonl", "perplexity"]),
    after_help = "Example:\n  echo '{\"text\": \"for i in range(10):\"}' | codegeex score --jsonl --top 3"
)]
pub struct Args {
    /// Read one {"ids": […]} or {"text": …} per line.
    #[arg(long)]
    jsonl: bool,
    /// Also print the K most likely next tokens, as [id, log-probability].
    #[arg(long, value_name = "K", requires = "jsonl")]
    #[arg(value_parser = whole::<usize>, allow_negative_numbers = true)]
    top: Option<usize>,
    /// Print the perplexity of a text file.
    #[arg(long, value_name = "FILE", conflicts_with = "top")]
    perplexity: Option<PathBuf>,
    #[command(flatten)]
    special: SpecialArgs,
    #[command(flatten)]
    model: ModelArgs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    ids: Option<Vec<u32>>,
    text: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    ids: Vec<u32>,
    logprobs: Vec<Option<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top: Option<Vec<(u32, f32)>>,
}

pub fn run(args: Args, interrupt: &Interrupt) -> Result {
    let generator = args.model.generator()?;
    let policy = args.special.policy();
    if let Some(path) = &args.perplexity {
        return perplexity(&generator, path, policy, interrupt);
    }
    lines::answer_each(interrupt, |line, cancel| {
        let request: Request = lines::parse_object(line)?;
        let ids = match (request.ids, request.text) {
            (Some(ids), None) => ids,
            (None, Some(text)) => generator.tokenizer().encode_prompt(&text, policy)?,
            _ => {
                let message = "not a request: expected either ids or text";
                return Err(Error::new(ErrorKind::InvalidArgument, message));
            }
        };
        let score = generator.score(&ids, args.top.unwrap_or(0), cancel)?;
        lines::check_finite(score.logprobs.iter().flatten().copied())?;
        lines::check_finite(score.top.iter().map(|&(_, logprob)| logprob))?;
        Ok(Answer {
            ids,
            logprobs: score.logprobs,
            top: args.top.map(|_| score.top),
        })
    })
}

fn perplexity(
    generator: &Generator,
    path: &Path,
    policy: SpecialTokens,
    interrupt: &Interrupt,
) -> Result {
    let text = lines::read_file(path)?;
    let ids = generator.tokenizer().encode(&text, policy)?;
    let total = ids.len() as u64;
    let progress = Progress::of_tokens(total);
    let result = interrupt
        .orderly(|cancel| {
            let mut report = |done| progress.update(done as u64, total);
            generator.perplexity(&ids, cancel, &mut report)
        })
        .map_err(|e| e.within(path.display()))?;
    drop(progress);
    let value = result.value();
    if !value.is_finite() {
        let message = format!(
            "{}: the log-probability of the text is {}, which makes no finite perplexity",
            path.display(),
            result.log_probability
        );
        return Err(Error::new(ErrorKind::NonFinite, message).into());
    }
    let answer = json!({"perplexity": value, "tokens": result.tokens});
    lines::write_stdout(&format!("{answer}\n"))
}
