//! The `codegeex` command line: the library's public interface, one file a subcommand.
//!
//! Results go to stdout, everything else to stderr. Exit code 2 means that the command was given
//! wrongly, 1 that it failed, 130 that it was interrupted.
#![forbid(unsafe_code)]

mod beams;
mod bench;
mod convert;
mod detokenize;
mod failure;
mod generate;
#[cfg(feature = "eval")]
mod humaneval;
mod infill;
mod inspect;
mod interrupt;
mod lines;
mod model;
mod numbers;
mod progress;
mod sampling;
mod score;
mod task;
mod tokenize;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;
use interrupt::Interrupt;

/// Run CodeGeeX and other code language models on the CPU.
#[derive(Parser)]
#[command(
    name = "codegeex",
    version,
    arg_required_else_help = true,
    after_help = "Example:\n  codegeex generate --lang go 'func isSpace(c byte) bool {'"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Generate(generate::Args),
    Translate(task::TranslateArgs),
    Explain(task::ExplainArgs),
    Tokenize(tokenize::Args),
    Detokenize(detokenize::Args),
    Score(score::Args),
    Convert(convert::Args),
    Inspect(inspect::Args),
    Bench(bench::Args),
    #[cfg(feature = "eval")]
    Humaneval(humaneval::Args),
    /// HumanEval-X: this build lacks it; it needs the feature `eval`.
    #[cfg(not(feature = "eval"))]
    #[command(hide = true, disable_help_flag = true)]
    Humaneval {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        _rest: Vec<std::ffi::OsString>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let interrupt = Interrupt::catch();
    let result = match cli.command {
        Command::Generate(args) => generate::run(args, &interrupt),
        Command::Translate(args) => task::translate(args, &interrupt),
        Command::Explain(args) => task::explain(args, &interrupt),
        Command::Tokenize(args) => tokenize::run(args, &interrupt),
        Command::Detokenize(args) => detokenize::run(args, &interrupt),
        Command::Score(args) => score::run(args, &interrupt),
        Command::Convert(args) => convert::run(args, &interrupt),
        Command::Inspect(args) => inspect::run(args),
        Command::Bench(args) => bench::run(args, &interrupt),
        #[cfg(feature = "eval")]
        Command::Humaneval(args) => humaneval::run(args, &interrupt),
        #[cfg(not(feature = "eval"))]
        Command::Humaneval { .. } => Err(Failure::Usage(
            "this build has no humaneval command; build codegeex with --features cli,eval".into(),
        )),
    };
    match result {
        Ok(()) | Err(Failure::Lines(_)) if interrupt.happened() => {
            ExitCode::from(failure::INTERRUPTED)
        }
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
