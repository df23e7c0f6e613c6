//! `codegeex humaneval generate`

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use codegeex::code::EvalCut;
use codegeex::eval::generation::{Generated, GenerationProgress};
use codegeex::eval::{GenerationOptions, Language, Shard, Task, dataset, generate, prompts};

use crate::failure::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::lines;
use crate::model::ModelArgs;
use crate::progress::Progress;

/// Draw samples of a model for every problem of a language and append them to a file.
///
/// The file has a JSON record a line, by problem and then by sample. Given again, the command goes
/// on where it stopped, and the file is in the end the same as without an interruption.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  codegeex humaneval generate --lang go --data humaneval-x --model 13b.safetensors --out go.jsonl\n  codegeex humaneval generate --task translation --from java --lang go --data humaneval-x --shard 0/8 --out java-go-0.jsonl"
)]
pub struct Args {
    /// What to do with the problems.
    #[arg(long, value_enum, default_value_t = Kind::Generation)]
    task: Kind,
    /// Language of the answers: python, cpp, java, js, go or rust.
    #[arg(long, value_name = "NAME", value_parser = Language::from_name)]
    lang: Language,
    /// Language of the solutions to translate.
    #[arg(long, value_name = "NAME", value_parser = Language::from_name)]
    from: Option<Language>,
    /// Folder with the problems: humaneval_python.jsonl.gz and so on.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// File of samples to write, or to go on with.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Samples of each problem.
    #[arg(long, default_value_t = 200, value_name = "N")]
    samples: u32,
    /// 0 always takes the likeliest token.
    #[arg(
        long,
        default_value_t = 0.8,
        value_name = "T",
        allow_negative_numbers = true
    )]
    temperature: f32,
    /// Draw among the likeliest tokens that make up this probability.
    #[arg(
        long,
        default_value_t = 0.95,
        value_name = "P",
        allow_negative_numbers = true
    )]
    top_p: f32,
    /// Tokens of prompt and completion at most.
    #[arg(long, default_value_t = 1024, value_name = "N")]
    max_tokens: u32,
    /// The same seed draws the same samples.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only the first problems, so many.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Only this piece of the samples: 0/8 to 7/8 for eight pieces.
    #[arg(long, value_name = "I/N", default_value_t = Shard::WHOLE)]
    shard: Shard,
    /// Begin prompts without the tag line of the language. Translations never have one.
    #[arg(long)]
    no_tag: bool,
    /// Where completions end: reference, whose scores compare with those published, or
    /// code-aware, for which braces in strings and comments are none.
    #[arg(long, value_name = "NAME", default_value_t)]
    cut: EvalCut,
    /// Samples that are computed together: more are faster in all and take more memory.
    #[arg(long, default_value_t = 16, value_name = "N")]
    batch: usize,
    #[command(flatten)]
    model: ModelArgs,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    /// Solve them from their descriptions.
    Generation,
    /// Translate their solutions from another language.
    Translation,
}

pub fn run(args: Args, interrupt: &Interrupt) -> Result {
    match (args.task, args.from) {
        (Kind::Generation, Some(_)) => {
            let message = "--from is for --task translation";
            return Err(Failure::Usage(message.to_owned()));
        }
        (Kind::Translation, None) => {
            let message = "--task translation needs --from, the language of the solutions";
            return Err(Failure::Usage(message.to_owned()));
        }
        (Kind::Translation, Some(from)) if from == args.lang => {
            let message = format!("a translation from {from} into itself");
            return Err(Failure::Usage(message));
        }
        _ => {}
    }
    let task = Task::new(args.lang, args.from);
    let problems = dataset::load(&args.data, args.lang)?;
    let mut prompts = match args.from {
        None => prompts::generation(&problems, !args.no_tag)?,
        Some(from) => prompts::translation(&dataset::load(&args.data, from)?, &problems)?,
    };
    prompts.truncate(args.limit.unwrap_or(usize::MAX));
    let mut options = GenerationOptions::default();
    options.samples = args.samples;
    options.temperature = args.temperature;
    options.top_p = args.top_p;
    options.max_tokens = args.max_tokens;
    options.seed = args.seed;
    options.tag = !args.no_tag && args.from.is_none();
    options.cut = args.cut;
    options.shard = args.shard;
    options.sequences = args.batch;
    let generator = args.model.generator()?;
    let generated = interrupt.orderly(|cancel| {
        let mut progress = None;
        generate(
            &generator,
            task,
            &prompts,
            &options,
            &args.out,
            cancel,
            &mut |at| {
                let bar = progress.get_or_insert_with(|| Progress::of_samples(at.samples));
                bar.update(at.resumed + at.ended, at.samples);
                bar.say(estimate(at));
            },
        )
    })?;
    lines::write_stdout(&summary(&generated, &args.out.display().to_string()))
}

/// What is left, and what that is based on.
fn estimate(at: &GenerationProgress) -> String {
    let speed = at.tokens_per_second();
    match (at.tokens_of_sample(), at.left()) {
        (Some(tokens), Some(left)) => format!(
            "{speed:.0} tokens/s, about {} left if samples go on to have {tokens:.0} tokens",
            duration(left)
        ),
        _ => format!("{speed:.0} tokens/s, no estimate before a sample has ended"),
    }
}

fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn summary(generated: &Generated, out: &str) -> String {
    let Generated {
        progress,
        too_long,
        cancelled,
        ..
    } = generated;
    let GenerationProgress {
        samples,
        resumed,
        written,
        ..
    } = progress;
    let mut text = format!("{out}: {} of {samples} samples", resumed + written);
    if *resumed > 0 {
        text += &format!(", {resumed} of them from before");
    }
    if *too_long > 0 {
        text += &format!(
            "; {too_long} prompts leave no room for an answer within --max-tokens, their samples \
             are empty"
        );
    }
    if *cancelled {
        text += "; the same command goes on from there";
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_two_units_at_most() {
        let said = [0, 59, 60, 3599, 3600, 7260, 180_000, 864_000]
            .map(|s| duration(Duration::from_secs(s)));
        let expected = [
            "0 s",
            "59 s",
            "1 min",
            "59 min",
            "1 h 0 min",
            "2 h 1 min",
            "2 days",
            "10 days",
        ];
        assert_eq!(said, expected);
    }
}
