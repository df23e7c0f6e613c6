//! `codegeex humaneval`

mod evaluate;
mod generate;
mod report;

use clap::Subcommand;

use crate::failure::Result;
use crate::interrupt::Interrupt;

/// HumanEval-X: generate samples, evaluate them, report pass@k.
#[derive(clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Example:\n  codegeex humaneval generate --lang python --data humaneval-x --samples 20 --out python.jsonl\n  codegeex humaneval evaluate python.jsonl --data humaneval-x\n  codegeex humaneval report python_evaluated.jsonl"
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Generate(generate::Args),
    Evaluate(evaluate::Args),
    Setup(evaluate::SetupArgs),
    Report(report::Args),
}

pub fn run(args: Args, interrupt: &Interrupt) -> Result {
    match args.command {
        Command::Generate(args) => generate::run(args, interrupt),
        Command::Evaluate(args) => evaluate::run(args, interrupt),
        Command::Setup(args) => evaluate::setup(args, interrupt),
        Command::Report(args) => report::run(args),
    }
}
