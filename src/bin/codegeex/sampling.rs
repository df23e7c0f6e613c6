//! Sampling parameters and stop strings: the arguments that commands share.

use clap::builder::NonEmptyStringValueParser;
use codegeex::generate::GenerateOptions;
use codegeex::tokenizer::SpecialTokens;

use crate::failure::{Failure, Result};
use crate::numbers::whole;

#[derive(clap::Args)]
#[command(next_help_heading = "Sampling")]
pub struct SamplingArgs {
    /// Maximum number of new tokens.
    #[arg(long, default_value_t = 128, value_name = "N")]
    #[arg(value_parser = whole::<usize>, allow_negative_numbers = true)]
    max_new_tokens: usize,
    /// Sampling temperature; 0 is greedy decoding. [default: 0.2]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    temperature: Option<f32>,
    /// Top-k sampling: keep the K most likely tokens; 0 keeps all.
    #[arg(long, default_value_t = 0, value_name = "K")]
    #[arg(value_parser = whole::<usize>, allow_negative_numbers = true)]
    top_k: usize,
    /// Top-p (nucleus) sampling: keep the most likely tokens whose probabilities add up to P.
    /// [default: 0.95]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    top_p: Option<f32>,
    /// Min-p sampling: keep tokens whose probability is at least P times the highest; 0 keeps all.
    #[arg(
        long,
        default_value_t = 0.0,
        value_name = "P",
        allow_negative_numbers = true
    )]
    min_p: f32,
    /// Typical-p sampling: keep the most typical tokens whose probabilities add up to P; 1 keeps
    /// all.
    #[arg(
        long,
        default_value_t = 1.0,
        value_name = "P",
        allow_negative_numbers = true
    )]
    typical_p: f32,
    /// Repetition penalty for tokens of the prompt and the completion; 1 means none.
    #[arg(
        long,
        default_value_t = 1.0,
        value_name = "F",
        allow_negative_numbers = true
    )]
    repetition_penalty: f32,
    /// Presence penalty: subtracted once from the logit of every token in the completion.
    #[arg(
        long,
        default_value_t = 0.0,
        value_name = "X",
        allow_negative_numbers = true
    )]
    presence_penalty: f32,
    /// Frequency penalty: subtracted from the logit of a token for each occurrence in the
    /// completion.
    #[arg(
        long,
        default_value_t = 0.0,
        value_name = "X",
        allow_negative_numbers = true
    )]
    frequency_penalty: f32,
    /// Value added to the logit of a token, such as 198=-2.5; -inf bans the token. Separate
    /// several with commas.
    #[arg(long, value_name = "ID=X", value_delimiter = ',', value_parser = bias)]
    logit_bias: Vec<(u32, f32)>,
    /// Token ids that are never sampled. Separate several with commas.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    #[arg(value_parser = whole::<u32>, allow_hyphen_values = true)]
    banned_ids: Vec<u32>,
    /// Token ids that end a completion, beside the model's end of text. Separate several with commas.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    #[arg(value_parser = whole::<u32>, allow_hyphen_values = true)]
    stop_ids: Vec<u32>,
    /// Random seed; the same seed samples the same tokens.
    #[arg(long, default_value_t = 0, value_name = "N")]
    #[arg(value_parser = whole::<u64>, allow_negative_numbers = true)]
    seed: u64,
    /// Stop string: ends the completion and is not part of it. May be given several times.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    stop: Vec<String>,
    /// Number of completions to generate.
    #[arg(
        short,
        long = "samples",
        alias = "n",
        default_value_t = 1,
        value_name = "N",
        value_parser = whole::<usize>,
        allow_negative_numbers = true
    )]
    n: usize,
}

fn bias(text: &str) -> std::result::Result<(u32, f32), String> {
    let pair = text
        .split_once('=')
        .and_then(|(id, bias)| Some((id.parse().ok()?, bias.parse().ok()?)));
    pair.ok_or_else(|| "expected a token id, =, and a number".to_owned())
}

/// Which sampling applies where the command line names none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// The library's: greedy decoding.
    Library,
    /// For a person who reads the completion: greedy decoding of a small model repeats itself.
    Person,
}

/// The temperature in the help of a command that has --jsonl and --num-beams.
pub const TEMPERATURE: &str = "Sampling temperature; 0 is greedy decoding. [default: 0.2; 0 with --jsonl and \
                               --num-beams]";
/// Top-p in the help of a command that has --jsonl and --num-beams.
pub const TOP_P: &str = "Top-p (nucleus) sampling: keep the most likely tokens whose probabilities add up to P. \
                         [default: 0.95; 1, which keeps all, with --jsonl and --num-beams]";

impl SamplingArgs {
    /// Whether a stop string is given.
    pub fn has_stop(&self) -> bool {
        !self.stop.is_empty()
    }

    /// The options that they stand for.
    pub fn options(self, special_tokens: SpecialTokens, preset: Preset) -> Result<GenerateOptions> {
        let (temperature, top_p) = match preset {
            Preset::Library => (0.0, None),
            Preset::Person => (0.2, Some(0.95)),
        };
        let options = GenerateOptions::new()
            .max_new_tokens(self.max_new_tokens)
            .temperature(self.temperature.unwrap_or(temperature))
            .top_k((self.top_k > 0).then_some(self.top_k))
            .top_p(self.top_p.or(top_p))
            .min_p(self.min_p)
            .typical_p(self.typical_p)
            .repetition_penalty(self.repetition_penalty)
            .presence_penalty(self.presence_penalty)
            .frequency_penalty(self.frequency_penalty)
            .logit_bias(self.logit_bias)
            .banned_ids(self.banned_ids)
            .seed(self.seed)
            .stop(self.stop)
            .stop_ids(self.stop_ids)
            .samples(self.n)
            .special_tokens(special_tokens);
        options.validate().map_err(|e| Failure::options(&e))?;
        Ok(options)
    }
}
