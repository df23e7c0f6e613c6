//! `codegeex humaneval evaluate` and `codegeex humaneval setup`

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use codegeex::cancel::CancelToken;
use codegeex::eval::evaluate::{Evaluated, Survey, evaluate_file};
use codegeex::eval::sandbox::{Policy, Sandbox};
use codegeex::eval::{
    EvalLanguage, EvaluateOptions, Evaluator, Imports, Prepared, Problem, Shard, Tests, Toolchains,
    canonical, dataset, toolchain,
};

use crate::failure::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::lines;
use crate::numbers::whole;
use crate::progress::Progress;

/// Run the tests of samples in a sandbox and append a result for each to a file.
///
/// The file has one JSON record a line, in the order of the samples. The same command continues an
/// interrupted run. A missing toolchain is reported before anything runs. A record that cannot be run
/// fails by itself: its line is named on standard error, and the others are evaluated.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  codegeex humaneval evaluate go.jsonl --data humaneval-x\n  codegeex humaneval evaluate go.jsonl --data humaneval-x --shard 0/8\n  codegeex humaneval evaluate --canonical --data humaneval-x"
)]
pub struct Args {
    /// Samples as JSON lines, plain or gzip: those of `generate`, of the reference or of any other model.
    #[arg(value_name = "FILE", required_unless_present = "canonical")]
    file: Option<PathBuf>,
    /// Run the problems' own (canonical) solutions instead, to check the installation. Fails if a
    /// solution that is known to pass does not.
    #[arg(long, conflicts_with_all = ["file", "out", "shard"])]
    canonical: bool,
    /// With --canonical: only these languages.
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "canonical", value_parser = EvalLanguage::from_name)]
    lang: Vec<EvalLanguage>,
    /// Folder with the problems: humaneval_python.jsonl.gz and so on.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// File of results to write or to continue. Default: FILE with _evaluated before its ending
    /// (the reference's own results end in _results).
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Evaluate only shard I of N, from 0/N to (N-1)/N.
    #[arg(long, value_name = "I/N", default_value_t = Shard::WHOLE)]
    shard: Shard,
    /// Programs to run in parallel; 0 means one per core.
    #[arg(long, default_value_t = 0, value_name = "N")]
    #[arg(value_parser = whole::<usize>, allow_negative_numbers = true)]
    workers: usize,
    /// CPU time limit of a run. The wall-clock limit is three times as long.
    #[arg(
        long,
        default_value_t = 5.0,
        value_name = "SECONDS",
        allow_negative_numbers = true
    )]
    timeout: f64,
    /// Memory limit of a run.
    #[arg(long, default_value_t = 1024, value_name = "MIB")]
    #[arg(value_parser = whole::<u64>, allow_negative_numbers = true)]
    memory: u64,
    /// Run only the examples of the description instead of all tests.
    #[arg(long)]
    example_tests: bool,
    /// Which imports a program gets besides its own.
    #[arg(long, value_enum, default_value_t = ImportsArg::Needed)]
    imports: ImportsArg,
    /// Compile and run each sample by itself, as the reference does; trusts the exit code (a program
    /// that exits early with 0 passes). For comparison only.
    #[arg(long)]
    naive: bool,
    /// How programs are isolated from the machine. `none` runs untrusted programs with all of your
    /// rights.
    #[arg(long, value_enum, default_value_t = Kind::Auto)]
    sandbox: Kind,
}

/// Find the toolchains and fill their caches; downloads js-md5, testify and crates.
///
/// `evaluate` does this by itself. Run it beforehand on a machine that later has no network.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  codegeex humaneval setup\n  codegeex humaneval setup --lang go,java"
)]
pub struct SetupArgs {
    /// Only these languages.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = EvalLanguage::from_name)]
    lang: Vec<EvalLanguage>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ImportsArg {
    /// The reference's, where the code uses them.
    Needed,
    /// Exactly as the reference's script adds them.
    Reference,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Bubblewrap where it works, otherwise namespaces.
    Auto,
    /// The program bwrap.
    Bubblewrap,
    /// Linux namespaces and seccomp, without another program.
    Namespaces,
    /// No isolation.
    None,
}

impl Kind {
    fn policy(self) -> Policy {
        match self {
            Self::Auto => Policy::Auto,
            Self::Bubblewrap => Policy::Bubblewrap,
            Self::Namespaces => Policy::Namespaces,
            Self::None => Policy::None,
        }
    }
}

/// Verdict and reason of a canonical solution that did not pass, by problem.
type Failed = Vec<(String, String)>;

pub fn run(args: Args, interrupt: &Interrupt) -> Result {
    let usage = |message: &str| Err(Failure::Usage(message.to_owned()));
    let Ok(timeout) = Duration::try_from_secs_f64(args.timeout) else {
        return usage("--timeout is a number of seconds above 0");
    };
    let Some(memory) = args.memory.checked_mul(1 << 20) else {
        return usage("--memory is more than there can be");
    };
    let mut options = EvaluateOptions::default();
    options.workers = args.workers;
    options.timeout = timeout;
    options.memory = memory;
    if args.example_tests {
        options.tests = Tests::Examples;
    }
    options.imports = match args.imports {
        ImportsArg::Needed => Imports::Needed,
        ImportsArg::Reference => Imports::Reference,
    };
    match &args.file {
        Some(file) => interrupt.orderly(|cancel| samples(&args, file, options, cancel)),
        None => interrupt.orderly(|cancel| ground_truth(&args, options, cancel)),
    }
}

pub fn setup(args: SetupArgs, interrupt: &Interrupt) -> Result {
    let languages = match args.lang.is_empty() {
        true => EvalLanguage::ALL.to_vec(),
        false => args.lang,
    };
    // Without a sandbox nothing can run, so nothing is downloaded.
    Sandbox::detect(Policy::None)?;
    interrupt.orderly(|cancel| prepared(&languages, false, cancel))?;
    let mut text = String::new();
    for (language, version) in Toolchains::find(&languages)?.versions() {
        let _ = writeln!(text, "{language}: {version}");
    }
    let _ = writeln!(text, "ready in {}", toolchain::cache_dir()?.display());
    lines::write_stdout(&text)
}

/// The toolchains of some languages. All missing ones are reported at once.
fn prepared(languages: &[EvalLanguage], naive: bool, cancel: &CancelToken) -> Result<Prepared> {
    let toolchains = Toolchains::find(languages)?;
    let bar = Progress::of("preparing");
    let ready = toolchains.prepare(&toolchain::cache_dir()?, naive, cancel, &mut |language| {
        bar.say(format!("preparing {language}"));
    });
    Ok(ready?)
}

fn load(data: &Path, languages: &[EvalLanguage]) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for &language in languages {
        problems.extend(dataset::load(data, language)?);
    }
    Ok(problems)
}

fn samples(args: &Args, file: &Path, options: EvaluateOptions, cancel: &CancelToken) -> Result {
    let survey = Survey::of(file, cancel)?;
    report_defects(&survey);
    let languages: Vec<EvalLanguage> = survey.languages.iter().copied().collect();
    let out = match &args.out {
        Some(out) => out.clone(),
        None => results_of(file, args.shard),
    };
    let sandbox = Sandbox::detect(args.sandbox.policy())?;
    let ready = prepared(&languages, args.naive, cancel)?;
    let problems = load(&args.data, &languages)?;
    let evaluator = Evaluator::new(&ready, &sandbox, problems, options)?;
    let start = Instant::now();
    let bar = Progress::of_samples(survey.samples);
    let mut show = |at: &Evaluated| {
        bar.update(at.resumed + at.written, at.samples);
        bar.say(speed(at.written, at.samples - at.resumed, start.elapsed()));
    };
    let done = evaluate_file(
        &evaluator, file, &survey, args.shard, &out, cancel, &mut show,
    )?;
    drop(bar);
    let mut text = format!(
        "{}: {} of {} samples",
        out.display(),
        done.resumed + done.written,
        done.samples
    );
    if done.resumed > 0 {
        let _ = write!(text, ", {} of them from an earlier run", done.resumed);
    }
    for (verdict, count) in &done.verdicts {
        let _ = write!(text, ", {count} {}", verdict.replace('_', " "));
    }
    let seconds = start.elapsed().as_secs_f64();
    let each = done.written as f64 / seconds.max(1e-9);
    let _ = write!(text, "; {seconds:.1} s, {each:.1} samples/s");
    if done.cancelled {
        text += "; run the same command again to continue";
    }
    lines::write_stdout(&(text + "\n"))
}

/// Says on standard error which records cannot be run.
fn report_defects(survey: &Survey) {
    for defect in &survey.defects {
        eprintln!("warning: {defect}");
    }
    match survey.left_out {
        0 => {}
        1 => eprintln!("warning: 1 line is no sample and was left out"),
        n => eprintln!("warning: {n} lines are no samples and were left out"),
    }
}

/// An estimate of the time left, from the samples so far.
fn speed(done: u64, of: u64, took: Duration) -> String {
    let rate = done as f64 / took.as_secs_f64().max(1e-9);
    if done == 0 {
        return "no estimate yet".to_owned();
    }
    let left = (of - done) as f64 / rate;
    format!("{rate:.1} samples/s, about {left:.0} s left")
}

/// `name_evaluated.jsonl` of `name.jsonl` or `name.jsonl.gz`, with the shard where there are several.
fn results_of(samples: &Path, shard: Shard) -> PathBuf {
    let name = samples.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".gz").unwrap_or(&name);
    let stem = stem.strip_suffix(".jsonl").unwrap_or(stem);
    let piece = match shard {
        Shard::WHOLE => String::new(),
        _ => format!("_{}of{}", shard.index(), shard.of()),
    };
    samples.with_file_name(format!("{stem}_evaluated{piece}.jsonl"))
}

fn ground_truth(args: &Args, options: EvaluateOptions, cancel: &CancelToken) -> Result {
    let mut languages: Vec<EvalLanguage> = args.lang.clone();
    if languages.is_empty() {
        let is_there = |l: &EvalLanguage| dataset::problem_file(&args.data, *l).is_ok();
        languages.extend(EvalLanguage::ALL.into_iter().filter(is_there));
    }
    if languages.is_empty() {
        dataset::problem_file(&args.data, EvalLanguage::Python)?;
    }
    let languages: Vec<EvalLanguage> = BTreeSet::from_iter(languages).into_iter().collect();
    let sandbox = Sandbox::detect(args.sandbox.policy())?;
    let ready = prepared(&languages, args.naive, cancel)?;
    let mut text = String::new();
    let (mut unexpected, mut passed, mut all) = (0, 0, 0);
    let whole = Instant::now();
    for &language in &languages {
        let problems = dataset::load(&args.data, language)?;
        let samples: Vec<_> = problems.iter().map(|p| Ok(canonical::sample(p))).collect();
        let count = samples.len();
        let evaluator = Evaluator::new(&ready, &sandbox, problems, options.clone())?;
        let bar = Progress::of_samples(count as u64);
        let start = Instant::now();
        let mut failed: Failed = Vec::new();
        evaluator.evaluate(samples.into_iter(), cancel, &mut |result| {
            bar.advance();
            if !result.passed {
                let reason = format!("{}: {}", result.verdict.replace('_', " "), result.result);
                failed.push((result.task_id, reason));
            }
            Ok(())
        })?;
        drop(bar);
        let seconds = start.elapsed().as_secs_f64();
        let _ = writeln!(
            text,
            "{language}: {} of {count} pass, {seconds:.1} s, {:.1} samples/s",
            count - failed.len(),
            count as f64 / seconds.max(1e-9)
        );
        for (id, reason) in &failed {
            let known = canonical::broken(id);
            unexpected += usize::from(known.is_none());
            let why = known.map_or_else(|| reason.clone(), |why| format!("known: {why}"));
            let _ = writeln!(text, "  {id}: {why}");
        }
        passed += count - failed.len();
        all += count;
    }
    let seconds = whole.elapsed().as_secs_f64();
    let _ = writeln!(text, "{passed} of {all} pass, {seconds:.1} s");
    lines::write_stdout(&text)?;
    if unexpected > 0 {
        let message = format!("{unexpected} canonical solutions that are known to pass did not");
        return Err(codegeex::Error::new(codegeex::ErrorKind::Internal, message).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_written_beside_their_samples() {
        let of = |name: &str, shard| results_of(Path::new(name), shard);
        let whole = Shard::WHOLE;
        assert_eq!(of("a/go.jsonl", whole), Path::new("a/go_evaluated.jsonl"));
        assert_eq!(of("go.jsonl.gz", whole), Path::new("go_evaluated.jsonl"));
        let piece = Shard::new(1, 8).unwrap();
        assert_eq!(of("go", piece), Path::new("go_evaluated_1of8.jsonl"));
    }

    #[test]
    fn an_estimate_needs_a_sample() {
        assert_eq!(speed(0, 5, Duration::from_secs(1)), "no estimate yet");
        let half = speed(5, 10, Duration::from_secs(1));
        assert_eq!(half, "5.0 samples/s, about 1 s left");
    }
}
