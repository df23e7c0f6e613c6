//! `codegeex detokenize`

use codegeex::tokenizer::Tokenizer;
use serde::Deserialize;

use crate::failure::Result;
use crate::interrupt::Interrupt;
use crate::lines;
use crate::model::TokenizerArgs;

/// Decode token ids to text.
///
/// Reads one JSON array of ids from stdin and writes its text, or, with --jsonl, one array or
/// {"ids": […]} per line, each answered with a JSON string. Invalid UTF-8 becomes U+FFFD.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  echo '[4299, 751, 7]' | codegeex detokenize --jsonl")]
pub struct Args {
    /// Read one array of ids or {"ids": […]} per line.
    #[arg(long)]
    jsonl: bool,
    #[command(flatten)]
    tokenizer: TokenizerArgs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    ids: Vec<u32>,
}

impl From<Request> for Vec<u32> {
    fn from(request: Request) -> Self {
        request.ids
    }
}

pub fn run(args: Args, interrupt: &Interrupt) -> Result {
    let tokenizer = args.tokenizer.open()?;
    let text = |json: &[u8]| {
        let ids: Vec<u32> = lines::parse_either::<_, Request>(json)?;
        tokenizer.decode(&ids)
    };
    if args.jsonl {
        return lines::answer_each(interrupt, |line, _| text(line));
    }
    let json = lines::read_stdin()?;
    lines::write_stdout(&text(json.as_bytes())?)
}
