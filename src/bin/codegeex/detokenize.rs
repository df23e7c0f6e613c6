//! `codegeex detokenize`

use std::io::Write;

use codegeex::tokenizer::{Gpt2Tokenizer, Tokenizer};
use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::lines;

/// Turn token ids into text.
///
/// Reads stdin: one JSON array of ids, whose text is written as it is, or, with --jsonl, an array
/// or {"ids": […]} a line, each answered with a JSON string. Bytes that are not UTF-8 become
/// U+FFFD.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  echo '[4299, 751, 7]' | codegeex detokenize --jsonl")]
pub struct Args {
    /// One array of ids or {"ids": […]} a line.
    #[arg(long)]
    jsonl: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Request {
    Ids(Vec<u32>),
    Object { ids: Vec<u32> },
}

pub fn run(args: Args) -> Result {
    let tokenizer = Gpt2Tokenizer::codegeex();
    if args.jsonl {
        return lines::answer_each(|request: Request| {
            let (Request::Ids(ids) | Request::Object { ids }) = request;
            tokenizer.decode(&ids).map(Some)
        });
    }
    let ids: Vec<u32> = serde_json::from_str(&lines::read_text(None)?)
        .map_err(|e| Failure::Usage(format!("expected one JSON array of ids on stdin: {e}")))?;
    let text = tokenizer.decode(&ids)?;
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
