//! `codegeex translate` and `codegeex explain`

use std::path::PathBuf;

use codegeex::prompt::{Task, Template};
use codegeex::{Language, Prompt};

use crate::failure::{Failure, Result};
use crate::generate::{Frame, write_completions};
use crate::interrupt::Interrupt;
use crate::lines;
use crate::model::{ModelArgs, SpecialArgs};
use crate::sampling::{Preset, SamplingArgs};

/// What both commands take.
#[derive(clap::Args)]
struct CommonArgs {
    /// The code; - reads it from stdin.
    code: Option<String>,
    /// Read the code from a file.
    #[arg(long, value_name = "FILE", conflicts_with = "code")]
    file: Option<PathBuf>,
    /// Use only these lines of the code, counted from 1 and inclusive: 10,20.
    #[arg(long, value_name = "FIRST,LAST", value_parser = range)]
    lines: Option<(usize, usize)>,
    /// Do not print the finish reason.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    special: SpecialArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    model: ModelArgs,
}

fn range(text: &str) -> std::result::Result<(usize, usize), String> {
    let pair = text
        .split_once(',')
        .and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    match pair {
        Some((0, _)) => Err("lines are counted from 1".to_owned()),
        Some((first, last)) if first > last => Err(format!(
            "line {first} comes after line {last}; expected FIRST,LAST"
        )),
        Some(range) => Ok(range),
        None => Err("expected two line numbers with a comma, such as 10,20".to_owned()),
    }
}

impl CommonArgs {
    fn run(self, interrupt: &Interrupt, make: impl FnOnce(&str) -> Result<Task>) -> Result {
        let mut options = self
            .sampling
            .options(self.special.policy(), Preset::Person)?;
        let mut code = match (self.code, self.file) {
            (_, Some(file)) => lines::read_file(&file)?,
            (Some(code), None) if code != "-" => code,
            (Some(_), None) => lines::read_stdin()?,
            (None, None) => {
                let message = "no CODE: give it as an argument, as - to read it from stdin, or as \
                               --file FILE";
                return Err(Failure::Usage(message.to_owned()));
            }
        };
        if let Some((first, last)) = self.lines {
            let all = code.split_inclusive('\n');
            let message = match all.clone().count() {
                count if first <= count => None,
                1 => Some("the code has 1 line".to_owned()),
                count => Some(format!("the code has {count} lines")),
            };
            if let Some(message) = message {
                let message = format!("--lines {first},{last}: {message}");
                return Err(Failure::Usage(message));
            }
            code = all.skip(first - 1).take(last - first + 1).collect();
        }
        let task = make(&code)?;
        options.stops.stop.extend(task.stop);
        let frame = Frame {
            before: &task.lead,
            after: &task.tail,
            quiet: self.quiet,
        };
        let generator = self.model.generator()?;
        write_completions(
            &generator,
            Prompt::from(&task.prompt),
            &frame,
            &options,
            interrupt,
        )
    }
}

/// Translate code into another language and stream the translation.
///
/// The code is given as an argument, in a file, or on stdin.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  codegeex translate --from java --to python --file Main.java\n  codegeex translate --from go --to rust --declaration 'fn one() -> i32 {' 'func one() int { return 1 }'"
)]
pub struct TranslateArgs {
    /// Language of the code.
    #[arg(long, value_name = "NAME", value_parser = Language::from_name)]
    from: Language,
    /// Language to translate into.
    #[arg(long, value_name = "NAME", value_parser = Language::from_name)]
    to: Language,
    /// First lines of the translation, such as the function's signature.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    #[arg(allow_hyphen_values = true)]
    declaration: String,
    #[command(flatten)]
    common: CommonArgs,
}

pub fn translate(args: TranslateArgs, interrupt: &Interrupt) -> Result {
    args.common.run(interrupt, |code| {
        Ok(Task::translate(
            args.from,
            code,
            args.to,
            &args.declaration,
        )?)
    })
}

/// Explain code line by line, write its documentation, or use a prompt template.
///
/// The code is given as an argument, in a file, or on stdin. The output is the code with a comment
/// before every line; with --docstring, only the documentation.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  codegeex explain --lang python 'print(sum(range(10)))'")]
pub struct ExplainArgs {
    /// Language of the code.
    #[arg(long, value_name = "NAME", value_parser = Language::from_name)]
    lang: Language,
    /// Write the documentation of the function or type.
    #[arg(long)]
    docstring: bool,
    /// Prompt template: a text in which <INPUT> is replaced by the code, <INPUT:a> by its lines
    /// from a on, and <INPUT:a,b> by lines a up to but not including b, counted from 0.
    #[arg(long, value_name = "FILE", conflicts_with = "docstring")]
    template: Option<PathBuf>,
    #[command(flatten)]
    common: CommonArgs,
}

pub fn explain(args: ExplainArgs, interrupt: &Interrupt) -> Result {
    let lang = args.lang;
    let text = match &args.template {
        Some(path) => Some((lines::read_file(path)?, path.display())),
        None => None,
    };
    let template = match &text {
        Some((text, path)) => {
            let parsed = Template::parse(text).map_err(|e| e.within(path));
            Some(parsed.map_err(|e| Failure::Usage(e.to_string()))?)
        }
        None => None,
    };
    args.common.run(interrupt, |code| {
        Ok(match &template {
            Some(template) => Task::custom(template, lang, code)?,
            None if args.docstring => Task::docstring(lang, code)?,
            None => Task::explain(lang, code)?,
        })
    })
}
