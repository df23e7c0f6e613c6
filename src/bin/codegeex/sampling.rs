//! How the next token is chosen and when a text ends: the arguments that commands share.

use clap::builder::NonEmptyStringValueParser;
use codegeex::generate::GenerateOptions;
use codegeex::tokenizer::SpecialTokens;

use crate::failure::{Failure, Result};

#[derive(clap::Args)]
#[command(next_help_heading = "Sampling")]
pub struct SamplingArgs {
    /// New tokens at most.
    #[arg(long, default_value_t = 128, value_name = "N")]
    max_new_tokens: usize,
    /// 0 always takes the likeliest token.
    #[arg(
        long,
        default_value_t = 0.0,
        value_name = "T",
        allow_negative_numbers = true
    )]
    temperature: f32,
    /// Draw among the K likeliest tokens; 0 means among all.
    #[arg(long, default_value_t = 0, value_name = "K")]
    top_k: usize,
    /// Draw among the likeliest tokens that make up this probability.
    #[arg(
        long,
        default_value_t = 1.0,
        value_name = "P",
        allow_negative_numbers = true
    )]
    top_p: f32,
    /// Draw among the tokens at least this share as likely as the likeliest; 0 means among all.
    #[arg(
        long,
        default_value_t = 0.0,
        value_name = "P",
        allow_negative_numbers = true
    )]
    min_p: f32,
    /// Draw among the most typical tokens that make up this probability.
    #[arg(
        long,
        default_value_t = 1.0,
        value_name = "P",
        allow_negative_numbers = true
    )]
    typical_p: f32,
    /// Above 1: tokens of the prompt and of the completion become less likely.
    #[arg(
        long,
        default_value_t = 1.0,
        value_name = "F",
        allow_negative_numbers = true
    )]
    repetition_penalty: f32,
    /// Subtracted from the logits of tokens that the completion has.
    #[arg(
        long,
        default_value_t = 0.0,
        value_name = "X",
        allow_negative_numbers = true
    )]
    presence_penalty: f32,
    /// Subtracted from the logits of tokens for each time that the completion has them.
    #[arg(
        long,
        default_value_t = 0.0,
        value_name = "X",
        allow_negative_numbers = true
    )]
    frequency_penalty: f32,
    /// Adds to the logit of a token, -inf bans it: 198=-2.5; several with commas.
    #[arg(long, value_name = "ID=X", value_delimiter = ',', value_parser = bias)]
    logit_bias: Vec<(u32, f32)>,
    /// Tokens that are never drawn; several with commas.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    banned_ids: Vec<u32>,
    /// The same seed draws the same tokens.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Text that ends the completion; may be given several times.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    stop: Vec<String>,
    /// Number of completions.
    #[arg(
        short,
        long = "samples",
        alias = "n",
        default_value_t = 1,
        value_name = "N"
    )]
    n: usize,
}

fn bias(text: &str) -> std::result::Result<(u32, f32), String> {
    let pair = text
        .split_once('=')
        .and_then(|(id, bias)| Some((id.parse().ok()?, bias.parse().ok()?)));
    pair.ok_or_else(|| "expected a token id, =, and a number".to_owned())
}

impl SamplingArgs {
    /// The options that they stand for.
    pub fn options(self, special_tokens: SpecialTokens) -> Result<GenerateOptions> {
        let options = GenerateOptions::new()
            .max_new_tokens(self.max_new_tokens)
            .temperature(self.temperature)
            .top_k((self.top_k > 0).then_some(self.top_k))
            .top_p(self.top_p)
            .min_p(self.min_p)
            .typical_p(self.typical_p)
            .repetition_penalty(self.repetition_penalty)
            .presence_penalty(self.presence_penalty)
            .frequency_penalty(self.frequency_penalty)
            .logit_bias(self.logit_bias)
            .banned_ids(self.banned_ids)
            .seed(self.seed)
            .stop(self.stop)
            .samples(self.n)
            .special_tokens(special_tokens);
        options
            .validate()
            .map_err(|e| Failure::Usage(e.to_string()))?;
        Ok(options)
    }
}
