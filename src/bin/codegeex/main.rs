//! The `codegeex` command line: the library's public interface, one file a subcommand.
//!
//! Results go to stdout, everything else to stderr. Exit code 2 means that the command was given
//! wrongly, 1 that it failed, 130 that it was interrupted.
#![forbid(unsafe_code)]

mod convert;
mod detokenize;
mod failure;
mod generate;
mod inspect;
mod lines;
mod model;
mod progress;
mod score;
mod tokenize;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use codegeex::cancel::CancelToken;

/// Code generation with CodeGeeX.
#[derive(Parser)]
#[command(name = "codegeex", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Generate(generate::Args),
    Tokenize(tokenize::Args),
    Detokenize(detokenize::Args),
    Score(score::Args),
    Convert(convert::Args),
    Inspect(inspect::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let cancel = CancelToken::new();
    if let Err(error) = cancel_on_interrupt(cancel.clone()) {
        eprintln!("warning: interrupts end the process at once: {error}");
    }
    let result = match cli.command {
        Command::Generate(args) => generate::run(args, &cancel),
        Command::Tokenize(args) => tokenize::run(args),
        Command::Detokenize(args) => detokenize::run(args),
        Command::Score(args) => score::run(args, &cancel),
        Command::Convert(args) => convert::run(args, &cancel),
        Command::Inspect(args) => inspect::run(args),
    };
    match result {
        Ok(()) if cancel.is_cancelled() => ExitCode::from(failure::INTERRUPTED),
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The first interrupt lets the command end in order, the second ends the process.
fn cancel_on_interrupt(cancel: CancelToken) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || {
        if cancel.is_cancelled() {
            std::process::exit(i32::from(failure::INTERRUPTED));
        }
        cancel.cancel();
    })
}
