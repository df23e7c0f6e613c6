//! `codegeex tokenize`

use codegeex::tokenizer::Tokenizer;
use serde::Deserialize;

use crate::failure::Result;
use crate::interrupt::Interrupt;
use crate::lines;
use crate::model::{SpecialArgs, TokenizerArgs};
use crate::progress::Progress;

/// Encode text as token ids.
///
/// Reads stdin as one text, or, with --jsonl, one JSON string or {"text": …} per line. Writes a JSON
/// array of ids for each text.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  echo '\"def add(a, b):\"' | codegeex tokenize --jsonl")]
pub struct Args {
    /// Read one JSON string or {"text": …} per line.
    #[arg(long)]
    jsonl: bool,
    #[command(flatten)]
    tokenizer: TokenizerArgs,
    #[command(flatten)]
    special: SpecialArgs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    text: String,
}

impl From<Request> for String {
    fn from(request: Request) -> Self {
        request.text
    }
}

pub fn run(args: Args, interrupt: &Interrupt) -> Result {
    let tokenizer = args.tokenizer.open()?;
    let policy = args.special.policy();
    if args.jsonl {
        return lines::answer_each(interrupt, |line, _| {
            let text: String = lines::parse_either::<_, Request>(line)?;
            tokenizer.encode(&text, policy)
        });
    }
    let text = lines::read_stdin()?;
    let progress = Progress::of("tokenizing");
    let ids = serde_json::json!(tokenizer.encode(&text, policy)?);
    drop(progress);
    lines::write_stdout(&format!("{ids}\n"))
}
