//! `codegeex detokenize`

use codegeex::tokenizer::{CodeGeexTokenizer, Tokenizer};
use serde::Deserialize;

use crate::failure::Result;
use crate::interrupt::Interrupt;
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
    let tokenizer = CodeGeexTokenizer::codegeex()?;
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
