//! `codegeex tokenize`

use std::io::Write;

use codegeex::tokenizer::{Gpt2Tokenizer, Tokenizer};
use serde::Deserialize;

use crate::failure::Result;
use crate::lines;
use crate::model::SpecialArgs;

/// Turn text into token ids.
///
/// Reads stdin: all of it as one text, or, with --jsonl, a JSON string or {"text": …} a line.
/// Writes a JSON array of ids for each text.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  echo '\"def add(a, b):\"' | codegeex tokenize --jsonl")]
pub struct Args {
    /// One JSON string or {"text": …} a line.
    #[arg(long)]
    jsonl: bool,
    #[command(flatten)]
    special: SpecialArgs,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Request {
    Text(String),
    Object { text: String },
}

pub fn run(args: Args) -> Result {
    let tokenizer = Gpt2Tokenizer::codegeex();
    let policy = args.special.policy();
    if args.jsonl {
        return lines::answer_each(|request: Request| {
            let (Request::Text(text) | Request::Object { text }) = request;
            Ok(Some(tokenizer.encode(&text, policy)))
        });
    }
    let ids = tokenizer.encode(&lines::read_text(None)?, policy);
    writeln!(std::io::stdout(), "{}", serde_json::json!(ids))?;
    Ok(())
}
