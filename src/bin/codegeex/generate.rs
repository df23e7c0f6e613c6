//! `codegeex generate`

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use codegeex::cancel::CancelToken;
use codegeex::generate::{Completion, Event, GenerateOptions, Generator};
use codegeex::prompt::{self, Language};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};
use crate::lines;
use crate::model::{ModelArgs, SpecialArgs};

/// Complete code and write the completion as it comes.
///
/// The prompt is given as an argument, in a file, or on stdin. With --jsonl, answers a request a
/// line of stdin: {"prompt": …} with lang, max_new_tokens, temperature, top_k, top_p, seed, stop
/// and n where they differ from the options given here.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  codegeex generate --lang python --max-new-tokens 64 'def fibonacci(n):'"
)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The text to complete; - reads it from stdin.
    #[arg(required_unless_present_any = ["prompt_file", "jsonl"])]
    prompt: Option<String>,
    /// Read the prompt from a file.
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    prompt_file: Option<PathBuf>,
    /// Answer JSON requests, one a line of stdin.
    #[arg(long, conflicts_with_all = ["prompt", "prompt_file"])]
    jsonl: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    special: SpecialArgs,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Sampling")]
struct SamplingArgs {
    /// Language of the prompt: begins it with the language's tag line.
    #[arg(long, value_name = "NAME")]
    lang: Option<String>,
    /// New tokens at most.
    #[arg(long, default_value_t = 128, value_name = "N")]
    max_new_tokens: usize,
    /// 0 always takes the likeliest token.
    #[arg(long, default_value_t = 0.0, value_name = "T")]
    temperature: f32,
    /// Draw among the K likeliest tokens; 0 means among all.
    #[arg(long, default_value_t = 0, value_name = "K")]
    top_k: usize,
    /// Draw among the likeliest tokens that make up this probability.
    #[arg(long, default_value_t = 1.0, value_name = "P")]
    top_p: f32,
    /// The same seed draws the same tokens.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Text that ends the completion; may be given several times.
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Number of completions.
    #[arg(short, long = "samples", default_value_t = 1, value_name = "N")]
    n: usize,
}

/// A request of --jsonl; what is missing is as on the command line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    prompt: String,
    lang: Option<String>,
    max_new_tokens: Option<usize>,
    temperature: Option<f32>,
    top_k: Option<usize>,
    top_p: Option<f32>,
    seed: Option<u64>,
    stop: Option<OneOrMany>,
    n: Option<usize>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    One(Choice),
    Many { choices: Vec<Choice> },
}

#[derive(Serialize)]
struct Choice {
    text: String,
    ids: Vec<u32>,
    logprobs: Vec<f32>,
    finish_reason: &'static str,
}

impl From<Completion> for Choice {
    fn from(completion: Completion) -> Self {
        Self {
            finish_reason: completion.finish_reason.name(),
            text: completion.text,
            ids: completion.ids,
            logprobs: completion.logprobs,
        }
    }
}

pub fn run(args: Args, cancel: &CancelToken) -> Result {
    let mut options = GenerateOptions::default();
    options.max_new_tokens = args.sampling.max_new_tokens;
    options.temperature = args.sampling.temperature;
    options.top_k = args.sampling.top_k;
    options.top_p = args.sampling.top_p;
    options.seed = args.sampling.seed;
    options.stop = args.sampling.stop;
    options.samples = args.sampling.n;
    options.special_tokens = args.special.policy();
    options
        .validate()
        .map_err(|e| Failure::Usage(e.to_string()))?;
    let lang = args.sampling.lang.as_deref();
    with_tag(lang, String::new()).map_err(|e| Failure::Usage(e.to_string()))?;

    let generator = args.model.generator()?;
    if args.jsonl {
        return answer_lines(&generator, &options, lang, cancel);
    }
    let text = match (args.prompt, args.prompt_file) {
        (Some(prompt), _) if prompt != "-" => prompt,
        (_, file) => lines::read_text(file.as_deref())?,
    };
    let prompt = with_tag(lang, text)?;
    if options.samples == 1 {
        stream(&generator, &prompt, &options, cancel)
    } else {
        print_all(&generator, &prompt, &options, cancel)
    }
}

fn with_tag(lang: Option<&str>, code: String) -> codegeex::Result<String> {
    match lang {
        Some(name) => Ok(prompt::generation(Language::from_name(name)?, &code)),
        None => Ok(code),
    }
}

/// Writes the one completion as it comes.
fn stream(
    generator: &Generator,
    prompt: &str,
    options: &GenerateOptions,
    cancel: &CancelToken,
) -> Result {
    let mut output = io::stdout().lock();
    let mut written = Ok(());
    let completions = generator.generate(prompt, options, cancel, &mut |event| {
        let (Event::Token { text, .. } | Event::End { text, .. }) = event else {
            return ControlFlow::Continue(());
        };
        if written.is_ok() {
            written = output
                .write_all(text.as_bytes())
                .and_then(|()| output.flush());
        }
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    written?;
    if completions.iter().any(|c| !c.text.ends_with('\n')) {
        writeln!(output)?;
    }
    Ok(())
}

/// Writes several completions, each after a line with its number.
fn print_all(
    generator: &Generator,
    prompt: &str,
    options: &GenerateOptions,
    cancel: &CancelToken,
) -> Result {
    let completions =
        generator.generate(prompt, options, cancel, &mut |_| ControlFlow::Continue(()))?;
    let mut output = io::stdout().lock();
    for (i, completion) in completions.iter().enumerate() {
        writeln!(output, "--- sample {i} ({})", completion.finish_reason)?;
        writeln!(output, "{}", completion.text)?;
    }
    Ok(())
}

fn answer_lines(
    generator: &Generator,
    defaults: &GenerateOptions,
    lang: Option<&str>,
    cancel: &CancelToken,
) -> Result {
    lines::answer_each(|request: Request| {
        let mut options = defaults.clone();
        let set = &mut options;
        set.max_new_tokens = request.max_new_tokens.unwrap_or(set.max_new_tokens);
        set.temperature = request.temperature.unwrap_or(set.temperature);
        set.top_k = request.top_k.unwrap_or(set.top_k);
        set.top_p = request.top_p.unwrap_or(set.top_p);
        set.seed = request.seed.unwrap_or(set.seed);
        set.samples = request.n.unwrap_or(set.samples);
        match request.stop {
            Some(OneOrMany::One(stop)) => set.stop = vec![stop],
            Some(OneOrMany::Many(stop)) => set.stop = stop,
            None => {}
        }
        let prompt = with_tag(request.lang.as_deref().or(lang), request.prompt)?;
        let completions =
            generator.generate(
                &prompt,
                &options,
                cancel,
                &mut |_| ControlFlow::Continue(()),
            )?;
        if cancel.is_cancelled() {
            return Ok(None);
        }
        let mut choices: Vec<Choice> = completions.into_iter().map(Into::into).collect();
        Ok(Some(match choices.pop() {
            Some(only) if choices.is_empty() => Answer::One(only),
            last => {
                choices.extend(last);
                Answer::Many { choices }
            }
        }))
    })
}
