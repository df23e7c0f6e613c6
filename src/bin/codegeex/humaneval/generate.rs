//! `codegeex humaneval generate`

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use codegeex::code::EvalCut;
use codegeex::eval::generation::{Generated, GenerationProgress};
use codegeex::eval::{
    EvalLanguage, EvalTask, GenerationOptions, Shard, dataset, generate, prompts,
};

use crate::failure::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::lines;
use crate::model::ModelArgs;
use crate::numbers::whole;
use crate::progress::Progress;

/// Generate samples of a model for every problem of a language and append them to a file.
///
/// The file has one JSON record a line, ordered by problem and then by sample. The same command continues an
/// interrupted run, and the finished file is the same as without the interruption.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  codegeex humaneval generate --lang go --data humaneval-x --model 13b.safetensors --out go.jsonl\n  codegeex humaneval generate --task translation --from java --lang go --data humaneval-x --shard 0/8 --out java-go-0.jsonl"
)]
pub struct Args {
    /// Task to evaluate.
    #[arg(long, value_enum, default_value_t = Kind::Generation)]
    task: Kind,
    /// Language to generate: python, cpp, java, js, go or rust.
    #[arg(long, value_name = "NAME", value_parser = EvalLanguage::from_name)]
    lang: EvalLanguage,
    /// For translation: the language to translate from.
    #[arg(long, value_name = "NAME", value_parser = EvalLanguage::from_name)]
    from: Option<EvalLanguage>,
    /// Folder with the problems: humaneval_python.jsonl.gz and so on.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// File of samples to write or to continue.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Samples per problem.
    #[arg(long, default_value_t = 200, value_name = "N")]
    #[arg(value_parser = whole::<u32>, allow_negative_numbers = true)]
    samples: u32,
    /// Sampling temperature; 0 is greedy decoding.
    #[arg(
        long,
        default_value_t = 0.8,
        value_name = "T",
        allow_negative_numbers = true
    )]
    temperature: f32,
    /// Top-p (nucleus) sampling: keep the most likely tokens that add up to this probability.
    #[arg(
        long,
        default_value_t = 0.95,
        value_name = "P",
        allow_negative_numbers = true
    )]
    top_p: f32,
    /// Maximum tokens of prompt and completion together.
    #[arg(long, default_value_t = 1024, value_name = "N")]
    #[arg(value_parser = whole::<u32>, allow_negative_numbers = true)]
    max_tokens: u32,
    /// Random seed. The same seed gives the same samples.
    #[arg(long, default_value_t = 0, value_name = "N")]
    #[arg(value_parser = whole::<u64>, allow_negative_numbers = true)]
    seed: u64,
    /// Only the first N problems.
    #[arg(long, value_name = "N", value_parser = whole::<usize>, allow_negative_numbers = true)]
    limit: Option<usize>,
    /// Generate only shard I of N, from 0/N to (N-1)/N.
    #[arg(long, value_name = "I/N", default_value_t = Shard::WHOLE)]
    shard: Shard,
    /// What precedes the code of a prompt. Translations never have a language tag.
    #[arg(long, value_enum, value_name = "STYLE", default_value_t = PromptStyle::Auto)]
    prompt_style: PromptStyle,
    /// How completions are truncated: reference, which compares with published scores, or
    /// code-aware, which ignores braces in strings and comments.
    #[arg(long, value_name = "NAME", default_value_t)]
    cut: EvalCut,
    /// Batch size: more gives more throughput and takes more memory.
    #[arg(long, default_value_t = 16, value_name = "N")]
    #[arg(value_parser = whole::<usize>, allow_negative_numbers = true)]
    batch: usize,
    #[command(flatten)]
    model: ModelArgs,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    /// Complete functions from their descriptions.
    Generation,
    /// Translate solutions from another language.
    Translation,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum PromptStyle {
    /// The language tag for models that were trained with it (CodeGeeX, CodeGeeX2).
    Auto,
    /// Nothing.
    Plain,
    /// The language tag, such as `# language: Python`.
    Tag,
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
    let task = EvalTask::new(args.lang, args.from);
    let problems = dataset::load(&args.data, args.lang)?;
    let generator = args.model.generator()?;
    let tag = match args.prompt_style {
        PromptStyle::Auto => generator.model().config().has_language_tags(),
        PromptStyle::Plain => false,
        PromptStyle::Tag => true,
    };
    let mut prompts = match args.from {
        None => prompts::generation(&problems, tag)?,
        Some(from) => prompts::translation(&dataset::load(&args.data, from)?, &problems)?,
    };
    prompts.truncate(args.limit.unwrap_or(usize::MAX));
    let mut options = GenerationOptions::default();
    options.samples = args.samples;
    options.temperature = args.temperature;
    options.top_p = args.top_p;
    options.max_tokens = args.max_tokens;
    options.seed = args.seed;
    options.tag = tag && args.from.is_none();
    options.cut = args.cut;
    options.shard = args.shard;
    options.sequences = args.batch;
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

/// An estimate of the time left.
fn estimate(at: &GenerationProgress) -> String {
    let speed = at.tokens_per_second();
    match (at.tokens_of_sample(), at.left()) {
        (Some(tokens), Some(left)) => format!(
            "{speed:.0} tokens/s, about {} left at {tokens:.0} tokens a sample",
            duration(left)
        ),
        _ => format!("{speed:.0} tokens/s, no estimate before the first sample is complete"),
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
        text += &format!(", {resumed} of them from an earlier run");
    }
    if *too_long > 0 {
        text += &format!(
            "; {too_long} prompts leave no room for an answer within --max-tokens, their samples \
             are empty"
        );
    }
    if *cancelled {
        text += "; run the same command again to continue";
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
