//! `codegeex humaneval report`

use std::path::{Path, PathBuf};

use codegeex::Error;
use codegeex::eval::passk::Bootstrap;
use codegeex::eval::{EvalLanguage, Expected, Merger, Report, ReportOptions, chart, dataset};

use crate::failure::{Failure, Result};
use crate::lines;
use crate::numbers::whole;
use crate::progress::Progress;

/// Merge results, check that none is missing or duplicated, and report pass@k.
///
/// The table is printed in percent; every figure has a confidence interval from a bootstrap over
/// problems.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  codegeex humaneval report go_evaluated.jsonl --svg go.svg\n  codegeex humaneval report go.*_evaluated.jsonl\n  codegeex humaneval report *_evaluated.jsonl --k 1,10,100 --budget 100 --json all.json"
)]
pub struct Args {
    /// Files of results: all shards, of one or more languages.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Values of k for pass@k. Default: those of 1, 10 and 100 that there are enough samples for.
    #[arg(long, value_name = "K", value_delimiter = ',')]
    #[arg(value_parser = whole::<u32>, allow_hyphen_values = true)]
    k: Vec<u32>,
    /// Also report a budget of N samples a problem spread over the languages: all on the best one,
    /// evenly, or by weight.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    #[arg(value_parser = whole::<u32>, allow_hyphen_values = true)]
    budget: Vec<u32>,
    /// Languages that share a budget, with their weights: python=2,go=1. Default: the paper's five,
    /// weighted by their share of its training data.
    #[arg(long, value_name = "NAME=X", value_delimiter = ',', value_parser = weight)]
    weights: Vec<(EvalLanguage, f64)>,
    /// Expected samples per problem, where the files do not say.
    #[arg(long, value_name = "N", value_parser = whole::<u32>, allow_negative_numbers = true)]
    samples: Option<u32>,
    /// Folder with the problems, to detect those without results.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Report even if results are missing.
    #[arg(long)]
    partial: bool,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as CSV.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write a chart as SVG: bars for each language, and a heat map of translations.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Chart title.
    #[arg(long, value_name = "TEXT", default_value = "HumanEval-X")]
    title: String,
    /// Confidence level of the intervals.
    #[arg(long, value_name = "P", default_value_t = Bootstrap::default().confidence, allow_negative_numbers = true)]
    confidence: f64,
    /// Bootstrap resamples.
    #[arg(long, value_name = "N", default_value_t = Bootstrap::default().resamples, value_parser = whole::<u32>, allow_negative_numbers = true)]
    resamples: u32,
    /// Seed of the bootstrap.
    #[arg(long, value_name = "N", default_value_t = Bootstrap::default().seed, value_parser = whole::<u64>, allow_negative_numbers = true)]
    seed: u64,
}

fn weight(text: &str) -> std::result::Result<(EvalLanguage, f64), String> {
    let (name, weight) = text
        .split_once('=')
        .ok_or("expected a language, = and a number")?;
    let language = EvalLanguage::from_name(name).map_err(|e| e.to_string())?;
    let weight = weight.parse().map_err(|_| "expected a number after =")?;
    Ok((language, weight))
}

pub fn run(args: Args) -> Result {
    let mut options = ReportOptions::default();
    options.k = args.k;
    options.budgets = args.budget;
    if !args.weights.is_empty() {
        options.weights = args.weights;
    }
    options.bootstrap.confidence = args.confidence;
    options.bootstrap.resamples = args.resamples;
    options.bootstrap.seed = args.seed;
    let usage = |e: Error| Failure::Usage(e.to_string());
    options.bootstrap.validate().map_err(usage)?;

    let progress = Progress::of("reading results");
    let mut merger = Merger::new();
    for file in &args.files {
        merger.add_file(file)?;
    }
    let mut expected = Expected::default();
    expected.samples = args.samples;
    expected.partial = args.partial;
    if let Some(folder) = &args.data {
        for language in merger.languages() {
            let problems = dataset::load(folder, language)?;
            let numbers = problems.iter().map(|p| Ok(p.language()?.1));
            let numbers = numbers.collect::<codegeex::Result<_>>()?;
            expected.problems.insert(language, numbers);
        }
    }
    let report = Report::new(&merger.finish(&expected)?, &options)?;
    drop(progress);

    let write = |path: &Option<PathBuf>, text: &dyn Fn() -> String| match path {
        Some(path) => write_file(path, &text()),
        None => Ok(()),
    };
    write(&args.json, &|| report.to_json())?;
    write(&args.csv, &|| report.to_csv())?;
    write(&args.svg, &|| chart::svg(&report, &args.title))?;
    lines::write_stdout(&report.to_table())
}

fn write_file(path: &Path, text: &str) -> Result {
    std::fs::write(path, text).map_err(|e| Error::io(path, "write", e))?;
    Ok(())
}
