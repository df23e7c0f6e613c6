//! Beam search for `codegeex generate`.

use std::io::{self, IsTerminal};

use codegeex::cancel::CancelToken;
use codegeex::generate::{
    BeamOptions, BeamRules, EarlyStopping, GenerateOptions, Generator, Prompt,
};
use codegeex::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};
use crate::generate::report_end;
use crate::lines;
use crate::numbers::whole;
use crate::progress::Progress;

/// Beam search options, on the command line and in requests.
#[derive(clap::Args, Clone, Copy, Default)]
#[command(next_help_heading = "Beam search")]
pub struct BeamArgs {
    /// Beam search with N beams; with -n, print that many of the best.
    #[arg(long, value_name = "N", value_parser = whole::<usize>, allow_negative_numbers = true)]
    pub num_beams: Option<usize>,
    /// Length penalty: divides the score of a beam by its length to this power; above 0 favors
    /// longer ones. [default: 0]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub length_penalty: Option<f32>,
    /// `true` (default) stops once N beams have finished; `false` stops by a heuristic, `never`
    /// only when no better beam is possible, as in Hugging Face's generate. `true` with a length
    /// penalty of 0 follows the rules of the CodeGeeX reference.
    #[arg(long, value_name = "true|false|never", value_parser = early_stopping)]
    pub early_stopping: Option<Early>,
}

/// `true`, `false` or `"never"`.
#[derive(Deserialize, Clone, Copy)]
#[serde(
    untagged,
    expecting = "early_stopping is neither true nor false nor \"never\""
)]
pub enum Early {
    Finished(bool),
    Word(Word),
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    Never,
}

fn early_stopping(name: &str) -> std::result::Result<Early, String> {
    match name {
        "true" => Ok(Early::Finished(true)),
        "false" => Ok(Early::Finished(false)),
        "never" => Ok(Early::Word(Word::Never)),
        _ => Err("expected true, false or never".to_owned()),
    }
}

impl From<Early> for EarlyStopping {
    fn from(early: Early) -> Self {
        match early {
            Early::Finished(true) => Self::Yes,
            Early::Finished(false) => Self::No,
            Early::Word(Word::Never) => Self::Never,
        }
    }
}

impl BeamArgs {
    /// Where this says nothing, what `defaults` says.
    pub fn or(self, defaults: Self) -> codegeex::Result<Self> {
        let num_beams = self.num_beams.or(defaults.num_beams);
        let rules = self.length_penalty.is_some() || self.early_stopping.is_some();
        if num_beams.is_none() && rules {
            return Err(invalid(
                "length_penalty and early_stopping are options of beam search; give num_beams",
            ));
        }
        Ok(Self {
            num_beams,
            length_penalty: self.length_penalty.or(defaults.length_penalty),
            early_stopping: self.early_stopping.or(defaults.early_stopping),
        })
    }

    /// The search that the command line asks for, if it does, and whether it makes sense.
    pub fn of_command_line(
        self,
        options: &GenerateOptions,
        jsonl: bool,
    ) -> Result<Option<BeamOptions>> {
        let usage = |e: Error| Failure::options(&e);
        if !jsonl {
            // With requests, these may go with the num_beams of one.
            self.or(Self::default()).map_err(usage)?;
        }
        let search = self.search(options).map_err(usage)?;
        match &search {
            Some(search) if options.samples > search.num_beams => Err(Failure::Usage(format!(
                "-n {} asks for more than the results of {} beams",
                options.samples, search.num_beams
            ))),
            _ => Ok(search),
        }
    }

    /// The search that is asked for, if one is.
    pub fn search(self, options: &GenerateOptions) -> codegeex::Result<Option<BeamOptions>> {
        let Some(num_beams) = self.num_beams else {
            return Ok(None);
        };
        if options.sampling.temperature > 0.0 {
            return Err(invalid(
                "num_beams searches and temperature samples; give one of the two",
            ));
        }
        let sampling = &options.sampling;
        let reweighs = sampling.repetition_penalty.is_some_and(|p| p != 1.0)
            || sampling.presence_penalty.is_some_and(|p| p != 0.0)
            || sampling.frequency_penalty.is_some_and(|p| p != 0.0)
            || !sampling.logit_bias.is_empty();
        if reweighs {
            return Err(invalid(
                "num_beams searches by the model's own probabilities; leave out the penalties \
                 and logit_bias",
            ));
        }
        if options.heal {
            return Err(invalid(
                "num_beams does not heal the end of the prompt; give one of the two",
            ));
        }
        if options.infill.is_some() {
            return Err(invalid(
                "num_beams has no fill-in-the-middle; leave out the suffix or num_beams",
            ));
        }
        let mut search = BeamOptions::new()
            .num_beams(num_beams)
            .limits(options.limits.clone())
            .stops(options.stops.clone())
            .banned_ids(sampling.banned_ids.iter().copied())
            .special_tokens(options.special_tokens);
        let length_penalty = self.length_penalty.unwrap_or(0.0);
        let early_stopping = self.early_stopping.map_or(EarlyStopping::Yes, Into::into);
        search.rules = match (length_penalty, early_stopping) {
            (0.0, EarlyStopping::Yes) => BeamRules::Reference,
            _ => BeamRules::HuggingFace {
                length_penalty,
                early_stopping,
            },
        };
        search.validate()?;
        Ok(Some(search))
    }
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

/// The answer to a request with beams.
#[derive(Serialize)]
pub struct Answer {
    beams: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    ids: Vec<u32>,
    text: String,
    score: f64,
    finish_reason: &'static str,
}

/// Answers a request of which `samples` is how many completions it asks for.
pub fn answer(
    generator: &Generator,
    prompt: Prompt<'_>,
    search: &BeamOptions,
    samples: usize,
    cancel: &CancelToken,
) -> codegeex::Result<Answer> {
    if samples != 1 {
        return Err(invalid(
            "num_beams answers with all beams and n with as many samples; give one of the two",
        ));
    }
    let mut beams = Vec::new();
    for beam in generator.beam_search(prompt, search, cancel)? {
        lines::check_finite(beam.logprobs)?;
        beams.push(Found {
            ids: beam.ids,
            text: beam.text,
            score: beam.score,
            finish_reason: beam.finish_reason.name(),
        });
    }
    Ok(Answer { beams })
}

/// Writes the best completion, or the best N, each after a line with its number.
pub fn print(
    generator: &Generator,
    prompt: Prompt<'_>,
    search: &BeamOptions,
    samples: usize,
    quiet: bool,
    cancel: &CancelToken,
) -> Result {
    let progress = Progress::of("searching");
    let mut beams = generator.beam_search(prompt, search, cancel)?;
    drop(progress);
    beams.truncate(samples);
    if samples > 1 {
        let texts = beams.iter().enumerate().map(|(i, b)| {
            let (score, reason) = (b.score, b.finish_reason);
            format!("--- beam {i} (score {score:.4}, {reason})\n{}\n", b.text)
        });
        return lines::write_stdout(&texts.collect::<String>());
    }
    let Some(best) = beams.into_iter().next() else {
        return Ok(());
    };
    let mut text = best.text;
    // A file gets the completion and nothing else; at a terminal the prompt of the shell follows.
    if io::stdout().is_terminal() && !text.ends_with('\n') {
        text.push('\n');
    }
    lines::write_stdout(&text)?;
    if !quiet {
        report_end(best.finish_reason, best.ids.len());
    }
    Ok(())
}
