//! `codegeex generate`

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use codegeex::Language;
use codegeex::cancel::CancelToken;
use codegeex::code::StopRule;
use codegeex::generate::{
    Completion, Event, FinishReason, GenerateOptions, Generator, Prompt, StopAt,
};
use codegeex::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::beams::{self, BeamArgs, Early};
use crate::failure::{Failure, Result};
use crate::infill::{self, InfillArgs};
use crate::interrupt::Interrupt;
use crate::lines;
use crate::model::{ModelArgs, SpecialArgs};
use crate::progress::Progress;
use crate::sampling::{self, Preset, SamplingArgs};

/// Complete code and stream the completion.
///
/// The prompt is given as an argument, in a file, or on stdin. The completion goes to stdout, the
/// finish reason to stderr. With --jsonl, reads one request per line of stdin: {"prompt": …} or
/// {"ids": […]} and, to override the options given here, lang, max_new_tokens, temperature, top_k, top_p, min_p,
/// typical_p, repetition_penalty, presence_penalty, frequency_penalty, logit_bias ({"198": -2.5}),
/// banned_ids, seed, stop, stop_ids, stop_at, heal, n, num_beams, length_penalty, early_stopping,
/// suffix, infill_order, path, repository and files ([{"path": …, "text": …}]).
#[derive(clap::Args)]
#[command(
    mut_arg("temperature", |arg| arg.help(sampling::TEMPERATURE)),
    mut_arg("top_p", |arg| arg.help(sampling::TOP_P)),
    after_help = "Example:\n  codegeex generate --lang go --max-new-tokens 64 'func isSpace(c byte) bool {'"
)]
pub struct Args {
    /// The prompt; - reads it from stdin.
    prompt: Option<String>,
    /// Read the prompt from a file.
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    prompt_file: Option<PathBuf>,
    /// Answer JSON requests, one per line of stdin.
    #[arg(long, conflicts_with_all = ["prompt", "prompt_file"])]
    jsonl: bool,
    #[command(flatten)]
    special: SpecialArgs,
    /// Programming language of the prompt, such as python, cpp or go. For models that were trained
    /// with language tags (CodeGeeX, CodeGeeX2), `# language: Python` goes before the prompt.
    #[arg(long, value_name = "NAME", value_parser = Language::from_name)]
    lang: Option<Language>,
    /// Where code ends the completion: line, block, function, unindented, humaneval, none. May be given
    /// several times; needs --lang. [default: function with --lang and without --stop, --jsonl and
    /// --num-beams, otherwise none]
    #[arg(long, value_name = "RULE", value_parser = rule)]
    stop_at: Vec<Rule>,
    /// Token healing: sample the last tokens of the prompt again, constrained to its text, for
    /// prompts that end inside a word or a run of spaces.
    #[arg(long)]
    heal: bool,
    /// Do not print the finish reason.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    infill: InfillArgs,
    #[command(flatten)]
    beams: BeamArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// A value of --stop-at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    None,
    Of(StopRule),
}

/// A request of --jsonl. Missing fields are as on the command line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    prompt: Option<String>,
    ids: Option<Vec<u32>>,
    lang: Option<String>,
    max_new_tokens: Option<usize>,
    temperature: Option<f32>,
    top_k: Option<usize>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    typical_p: Option<f32>,
    repetition_penalty: Option<f32>,
    presence_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    logit_bias: Option<BTreeMap<u32, f32>>,
    banned_ids: Option<Vec<u32>>,
    seed: Option<u64>,
    stop: Option<OneOrMany>,
    stop_ids: Option<Vec<u32>>,
    stop_at: Option<OneOrMany>,
    heal: Option<bool>,
    n: Option<usize>,
    num_beams: Option<usize>,
    length_penalty: Option<f32>,
    early_stopping: Option<Early>,
    suffix: Option<String>,
    infill_order: Option<String>,
    path: Option<String>,
    repository: Option<String>,
    #[serde(default)]
    files: Vec<infill::File>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "stop or stop_at is neither a string nor a list of strings"
)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    One(Choice),
    Many { choices: Vec<Choice> },
    Beams(beams::Answer),
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

pub fn run(args: Args, interrupt: &Interrupt) -> Result {
    if args.prompt.is_none() && args.prompt_file.is_none() && !args.jsonl {
        let message = "no PROMPT: give it as an argument, as - to read it from stdin, or as \
                       --prompt-file FILE; --jsonl reads requests";
        return Err(Failure::Usage(message.to_owned()));
    }
    let has_stop = args.sampling.has_stop();
    let preset = match args.jsonl || args.beams.num_beams.is_some() {
        true => Preset::Library,
        false => Preset::Person,
    };
    let mut options = args.sampling.options(args.special.policy(), preset)?;
    if !args.jsonl {
        let rules = match (&*args.stop_at, args.lang) {
            ([], Some(_)) if preset == Preset::Person && !has_stop => {
                &[Rule::Of(StopRule::Function)][..]
            }
            (rules, _) => rules,
        };
        let stop_at = stop_at(rules, args.lang);
        options.stops.stop_at = stop_at.map_err(|_| {
            let message = "--stop-at depends on the programming language; add --lang NAME";
            Failure::Usage(message.to_owned())
        })?;
    }
    options.heal = args.heal;
    options.infill = args.infill.options(args.lang)?;
    let search = args.beams.of_command_line(&options, args.jsonl)?;
    if options.infill.is_some() && args.jsonl {
        let message = "--suffix is for one prompt; with --jsonl each request has its own suffix";
        return Err(Failure::Usage(message.to_owned()));
    }
    let generator = args.model.generator()?;
    if args.jsonl {
        let defaults = Defaults {
            options,
            beams: args.beams,
            lang: args.lang,
            stop_at: args.stop_at,
        };
        return answer_lines(&generator, &defaults, interrupt);
    }
    let text = match (args.prompt, args.prompt_file) {
        (_, Some(file)) => lines::read_file(&file)?,
        (Some(prompt), None) if prompt != "-" => prompt,
        _ => lines::read_stdin()?,
    };
    let prompt = with_tag(&generator, args.lang, &text)?;
    match &search {
        Some(search) => interrupt.orderly(|cancel| {
            beams::print(
                &generator,
                prompt,
                search,
                options.samples,
                args.quiet,
                cancel,
            )
        }),
        None => {
            let frame = Frame {
                quiet: args.quiet,
                ..Frame::default()
            };
            write_completions(&generator, prompt, &frame, &options, interrupt)
        }
    }
}

/// What is printed around each completion.
#[derive(Default)]
pub struct Frame<'a> {
    /// The end of the prompt that is part of the answer.
    pub before: &'a str,
    /// What closes the answer.
    pub after: &'a str,
    /// Whether the finish reason stays unsaid.
    pub quiet: bool,
}

/// Completes a prompt on stdout: one completion as it comes, several at the end.
pub fn write_completions(
    generator: &Generator,
    prompt: Prompt<'_>,
    frame: &Frame<'_>,
    options: &GenerateOptions,
    interrupt: &Interrupt,
) -> Result {
    interrupt.orderly(|cancel| match options.samples {
        1 => stream(generator, prompt, frame, options, cancel),
        _ => print_all(generator, prompt, frame, options, cancel),
    })
}

fn rule(name: &str) -> codegeex::Result<Rule> {
    match name {
        "none" => Ok(Rule::None),
        _ => match name.parse() {
            Ok(rule) => Ok(Rule::Of(rule)),
            // After the names of the library.
            Err(e) => Err(Error::new(e.kind(), format!("{e}, none"))),
        },
    }
}

/// The rules that end a completion in `lang`.
fn stop_at(rules: &[Rule], lang: Option<Language>) -> codegeex::Result<Option<StopAt>> {
    let named = rules.iter().filter_map(|rule| match rule {
        Rule::None => None,
        Rule::Of(rule) => Some(*rule),
    });
    let named: Vec<StopRule> = named.collect();
    match (&*named, lang) {
        ([], _) => Ok(None),
        (_, Some(lang)) => Ok(Some(StopAt::new(lang, named))),
        (_, None) => Err(Error::new(
            ErrorKind::InvalidArgument,
            "stop_at depends on the programming language; set lang as well",
        )),
    }
}

/// Says on stderr why a completion ended, and what to do where it was cut off.
pub fn report_end(reason: FinishReason, tokens: usize) {
    let hint = match reason {
        // The user interrupted it and needs no reason.
        FinishReason::Cancelled => return,
        FinishReason::Length => "; --max-new-tokens raises the limit",
        _ => "",
    };
    // A lost stderr is no reason to fail.
    let _ = writeln!(
        io::stderr(),
        "finish reason: {reason} ({tokens} tokens{hint})"
    );
}

/// Whether stdout and stderr go to the same file or pipe, as with `2>&1`.
#[cfg(unix)]
fn is_one_output() -> bool {
    use std::os::fd::{AsFd, BorrowedFd};
    use std::os::unix::fs::MetadataExt;
    let of = |descriptor: BorrowedFd<'_>| {
        let file = std::fs::File::from(descriptor.try_clone_to_owned().ok()?);
        let metadata = file.metadata().ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    let output = of(io::stdout().as_fd());
    output.is_some() && output == of(io::stderr().as_fd())
}

#[cfg(not(unix))]
fn is_one_output() -> bool {
    false
}

fn with_tag<'c>(
    generator: &Generator,
    lang: Option<Language>,
    code: &'c str,
) -> codegeex::Result<Prompt<'c>> {
    match lang {
        Some(lang) => generator.prompt(lang, code),
        None => Ok(Prompt::from(code)),
    }
}

/// What a terminal on stderr shows: that the prompt is being read, then how many tokens there
/// are, unless the text itself shows that.
struct Watch {
    progress: Option<Progress>,
    text_shows: bool,
    done: u64,
    total: u64,
}

impl Watch {
    fn new(generator: &Generator, options: &GenerateOptions, text_shows: bool) -> Self {
        let most = generator.model().config().max_position_embeddings;
        Self {
            progress: Some(Progress::of("reading the prompt")),
            text_shows,
            done: 0,
            total: (options.limits.max_new_tokens.min(most) * options.samples) as u64,
        }
    }

    fn token(&mut self) {
        if self.done == 0 {
            // The old one has to go before another may come.
            self.progress = None;
            self.progress = (!self.text_shows).then(|| Progress::of_tokens(self.total));
        }
        self.done += 1;
        if let Some(progress) = &self.progress {
            progress.update(self.done, self.total);
        }
    }
}

/// Writes the one completion as it comes.
fn stream(
    generator: &Generator,
    prompt: Prompt<'_>,
    frame: &Frame<'_>,
    options: &GenerateOptions,
    cancel: &CancelToken,
) -> Result {
    let mut output = io::stdout().lock();
    let terminal = io::stdout().is_terminal();
    let mut watch = Watch::new(generator, options, terminal);
    let mut written = Ok(());
    let mut last = frame.before.chars().last();
    let mut write = |text: &str| {
        last = text.chars().last().or(last);
        output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush())
    };
    let mut begun = false;
    let completions = generator.generate(prompt, options, cancel, &mut |event| {
        let text = match event {
            Event::Token { text, .. } => {
                watch.token();
                text
            }
            Event::End { text, .. } => text,
            _ => return ControlFlow::Continue(()),
        };
        if !begun {
            // Not before the prompt is found to be one that can be continued.
            begun = true;
            written = write(frame.before);
        }
        if written.is_ok() {
            written = write(&text);
        }
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    if written.is_ok() {
        written = write(frame.after);
    }
    // A file gets the answer and nothing else; at a terminal the prompt of the shell follows.
    if written.is_ok() && terminal && last != Some('\n') {
        written = writeln!(output);
    }
    drop(watch);
    if written.is_ok() && !frame.quiet {
        if !terminal && last != Some('\n') && is_one_output() {
            let _ = writeln!(io::stderr());
        }
        (completions.iter()).for_each(|c| report_end(c.finish_reason, c.ids.len()));
    }
    written.map_err(Failure::Stdout)
}

/// Writes several completions, each after a line with its number.
fn print_all(
    generator: &Generator,
    prompt: Prompt<'_>,
    frame: &Frame<'_>,
    options: &GenerateOptions,
    cancel: &CancelToken,
) -> Result {
    let mut watch = Watch::new(generator, options, false);
    let completions = generator.generate(prompt, options, cancel, &mut |event| {
        if let Event::Token { .. } = event {
            watch.token();
        }
        ControlFlow::Continue(())
    })?;
    drop(watch);
    let texts = completions.iter().enumerate().map(|(i, c)| {
        let Frame { before, after, .. } = frame;
        format!(
            "--- sample {i} ({})\n{before}{}{after}\n",
            c.finish_reason, c.text
        )
    });
    lines::write_stdout(&texts.collect::<String>())
}

/// What a request of --jsonl leaves out.
struct Defaults {
    options: GenerateOptions,
    beams: BeamArgs,
    lang: Option<Language>,
    stop_at: Vec<Rule>,
}

fn answer_lines(generator: &Generator, defaults: &Defaults, interrupt: &Interrupt) -> Result {
    lines::answer_each(interrupt, |line, cancel| {
        let request: Request = lines::parse_object(line)?;
        let mut options = defaults.options.clone();
        let set = &mut options;
        let (sampling, limits) = (&mut set.sampling, &mut set.limits);
        limits.max_new_tokens = request.max_new_tokens.unwrap_or(limits.max_new_tokens);
        sampling.temperature = request.temperature.unwrap_or(sampling.temperature);
        if let Some(top_k) = request.top_k {
            sampling.top_k = (top_k > 0).then_some(top_k);
        }
        sampling.top_p = request.top_p.or(sampling.top_p);
        sampling.min_p = request.min_p.or(sampling.min_p);
        sampling.typical_p = request.typical_p.or(sampling.typical_p);
        sampling.repetition_penalty = request.repetition_penalty.or(sampling.repetition_penalty);
        sampling.presence_penalty = request.presence_penalty.or(sampling.presence_penalty);
        sampling.frequency_penalty = request.frequency_penalty.or(sampling.frequency_penalty);
        if let Some(bias) = request.logit_bias {
            sampling.logit_bias = bias.into_iter().collect();
        }
        if let Some(ids) = request.banned_ids {
            sampling.banned_ids = ids;
        }
        sampling.seed = request.seed.unwrap_or(sampling.seed);
        set.heal = request.heal.unwrap_or(set.heal);
        set.samples = request.n.unwrap_or(set.samples);
        if let Some(stop) = request.stop {
            set.stops.stop = stop.into_vec();
        }
        if let Some(ids) = request.stop_ids {
            set.stops.stop_ids = ids;
        }
        let lang = match request.lang {
            Some(name) => Some(Language::from_name(&name)?),
            None => defaults.lang,
        };
        if lang.is_some() && !generator.tokenizer().has_text() {
            let message = "lang is about text, and the model came without a tokenizer; give one with \
                           --tokenizer, or leave lang out";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        set.stops.stop_at = match request.stop_at {
            Some(names) => {
                let names = names.into_vec();
                let rules = names.iter().map(|name| rule(name));
                stop_at(&rules.collect::<codegeex::Result<Vec<_>>>()?, lang)?
            }
            None => stop_at(&defaults.stop_at, lang)?,
        };
        let infill = infill::Fields {
            suffix: request.suffix,
            infill_order: request.infill_order,
            path: request.path,
            repository: request.repository,
            files: request.files,
        };
        set.infill = infill.infill(lang)?;
        let prompt = match (&request.prompt, request.ids) {
            (Some(text), None) => with_tag(generator, lang, text)?,
            (None, Some(ids)) => Prompt::from(ids),
            _ => {
                let message = "not a request: expected either prompt or ids";
                return Err(Error::new(ErrorKind::InvalidArgument, message));
            }
        };
        let beams = BeamArgs {
            num_beams: request.num_beams,
            length_penalty: request.length_penalty,
            early_stopping: request.early_stopping,
        };
        if let Some(search) = beams.or(defaults.beams)?.search(&options)? {
            let answer = beams::answer(generator, prompt, &search, options.samples, cancel)?;
            return Ok(Answer::Beams(answer));
        }
        let go_on = &mut |_: Event| ControlFlow::Continue(());
        let completions = generator.generate(prompt, &options, cancel, go_on)?;
        let mut choices = Vec::with_capacity(completions.len());
        for completion in completions {
            lines::check_finite(completion.logprobs.iter().copied())?;
            choices.push(Choice::from(completion));
        }
        Ok(match choices.pop() {
            Some(only) if choices.is_empty() => Answer::One(only),
            last => {
                choices.extend(last);
                Answer::Many { choices }
            }
        })
    })
}
