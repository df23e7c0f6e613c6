//! What a model is: its sizes and variants, and where they are written down.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Family, slots};
use crate::backend::{Activation, Norm, RotaryPairs};
use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind, Result, bail, parser_message};
use crate::memory;

/// Sizes and variants of a decoder, for every family.
///
/// As JSON this is what a converted file carries in its metadata, and what lies beside a CodeGeeX
/// checkpoint as `config.json`, in the reference's own argument names (paper, table 2). The
/// configurations of other families are read by [`Family::read`]. A field that is absent has
/// CodeGeeX's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelConfig {
    /// The family of the model.
    #[serde(default, skip_serializing_if = "is_default")]
    pub family: Family,
    /// Decoder layers, the top query layer not counted.
    pub num_layers: usize,
    /// Width of the hidden state.
    pub hidden_size: usize,
    /// Query heads; divides `hidden_size` unless `head_dim` is given.
    pub num_attention_heads: usize,
    /// Rows of the word embedding that count.
    pub padded_vocab_size: usize,
    /// Longest sequence.
    pub max_position_embeddings: usize,
    /// Added to the variance, or to the mean square, in norms.
    #[serde(default = "default_eps")]
    pub layernorm_epsilon: f32,
    /// Nonlinearity of the MLP.
    #[serde(default)]
    pub activation: Activation,
    /// Whether a top query layer follows the final norm (CodeGeeX alone has one).
    #[serde(default = "default_true")]
    pub top_query: bool,
    /// Key and value heads; `None` means as many as query heads, 1 is multi-query attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_heads: Option<usize>,
    /// Width of the MLP; `None` means four times `hidden_size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ffn_hidden_size: Option<usize>,
    /// Width of a head; `None` means `hidden_size / num_attention_heads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_dim: Option<usize>,
    /// How hidden states are normalised.
    #[serde(default, skip_serializing_if = "is_default")]
    pub norm: Norm,
    /// Whether norms have a bias.
    #[serde(default = "default_true", skip_serializing_if = "is_true")]
    pub norm_bias: bool,
    /// Whether queries and keys are normalised head by head (RMS norm).
    #[serde(default, skip_serializing_if = "is_default")]
    pub query_key_norm: bool,
    /// How a token knows its position.
    #[serde(default, skip_serializing_if = "is_default")]
    pub position: Position,
    /// Whether queries, keys and values have biases.
    #[serde(default = "default_true", skip_serializing_if = "is_true")]
    pub qkv_bias: bool,
    /// Whether the output projection of the attention has a bias.
    #[serde(default = "default_true", skip_serializing_if = "is_true")]
    pub dense_bias: bool,
    /// Whether the layers of the MLP have biases.
    #[serde(default = "default_true", skip_serializing_if = "is_true")]
    pub mlp_bias: bool,
    /// Whether the MLP is gated: `down(act(gate(x)) * up(x))` instead of `down(act(up(x)))`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gated: bool,
    /// What attention and MLP are added to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub residual: Residual,
    /// A query sees itself and this number of tokens less one before it; `None` means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// The first layer that `window` is for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub window_from_layer: usize,
    /// Whether the word embeddings are the LM head as well.
    #[serde(default = "default_true", skip_serializing_if = "is_true")]
    pub tied_head: bool,
    /// Whether the LM head has a bias.
    #[serde(default, skip_serializing_if = "is_default")]
    pub head_bias: bool,
    /// Multiplies word embeddings.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub embedding_multiplier: f32,
    /// Multiplies attention scores; `None` means `1 / sqrt(head_dim)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention_multiplier: Option<f32>,
    /// Whether the scores of layer `i` (from 0) are divided by `i + 1` besides.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attention_by_layer: bool,
    /// Multiplies what attention and MLP add.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub residual_multiplier: f32,
    /// Multiplies logits.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub logits_multiplier: f32,
    /// Ids that end a text, as the model's own configuration says; none means that of the tokenizer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub eos_token_ids: Vec<u32>,
}

/// How a token knows its position.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Position {
    /// A table of embeddings is added to the word embeddings.
    #[default]
    Learned,
    /// Sines and cosines are added to the word embeddings, those of the token `n` for position
    /// `n + offset`.
    Sinusoidal {
        /// Added to the index of a token.
        offset: usize,
    },
    /// Queries and keys are rotated by their position.
    Rotary(Rotary),
}

/// Rotary position embedding: pairs of values of a query or key are rotated by the product of
/// the position and a frequency for each pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rotary {
    /// Leading values of a head that are rotated; even.
    pub dims: usize,
    /// Frequency `i` is `base` to the power of `-2 i / dims`.
    pub base: f64,
    /// Which values make a pair.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pairs: RotaryPairs,
    /// How frequencies are changed for longer contexts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub scaling: RotaryScaling,
}

/// Changes of the rotary frequencies for contexts that are longer than those of training.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RotaryScaling {
    /// None.
    #[default]
    None,
    /// Every frequency is divided.
    Linear {
        /// By this.
        factor: f64,
    },
    /// Low frequencies are divided, high ones stay, those in between are blended (Llama 3.1).
    Llama3 {
        /// Divides low frequencies.
        factor: f64,
        /// Wavelengths above `original_context / low_freq_factor` are low frequencies.
        low_freq_factor: f64,
        /// Wavelengths below `original_context / high_freq_factor` are high frequencies.
        high_freq_factor: f64,
        /// The context length of training.
        original_context: usize,
    },
}

impl fmt::Display for RotaryScaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Linear { factor } => write!(f, "linear by a factor of {factor}"),
            Self::Llama3 {
                factor,
                low_freq_factor: low,
                high_freq_factor: high,
                original_context,
            } => write!(
                f,
                "llama3 by a factor of {factor}, with low_freq_factor {low}, high_freq_factor {high} \
                 and an original context of {original_context}"
            ),
        }
    }
}

/// What attention and MLP of a layer take and are added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Residual {
    /// `x += attention(norm(x))`, then `x += mlp(norm(x))`.
    #[default]
    Sequential,
    /// `x += attention(norm(x)) + mlp(norm(x))`, with a norm each.
    Parallel,
    /// `x += attention(n) + mlp(n)`, with `n = norm(x)`.
    ParallelOneNorm,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out a reference"
)]
fn is_true(value: &bool) -> bool {
    *value
}

fn one() -> f32 {
    1.0
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out a reference"
)]
fn is_one(value: &f32) -> bool {
    *value == 1.0
}

/// A configuration is some dozens of numbers; what is larger is something else.
const MAX_CONFIG: u64 = 256 << 10;

fn read(path: &Path) -> Result<String> {
    let length = std::fs::metadata(path)
        .map_err(|e| Error::io(path, "open", e))?
        .len();
    if length > MAX_CONFIG {
        bail!(
            InvalidConfig,
            "{}: {length} bytes are too many for a model configuration",
            path.display()
        );
    }
    let json = Bytes::read(path)?;
    match std::str::from_utf8(json.as_slice()) {
        Ok(json) => memory::text(json),
        Err(_) => bail!(InvalidConfig, "{}: expected JSON in UTF-8", path.display()),
    }
}

fn default_eps() -> f32 {
    1e-5
}

fn default_true() -> bool {
    true
}

impl ModelConfig {
    /// The published model: 39 + 1 layers of 5120, 40 heads, 52224 ids, 2048 positions.
    pub fn codegeex_13b() -> Self {
        Self {
            num_layers: 39,
            hidden_size: 5120,
            num_attention_heads: 40,
            padded_vocab_size: 52224,
            max_position_embeddings: 2048,
            layernorm_epsilon: default_eps(),
            activation: Activation::FastGelu,
            top_query: true,
            ..Self::empty(Family::CODEGEEX)
        }
    }

    /// CodeGeeX's variants and no sizes: what a family fills in.
    pub(super) fn empty(family: Family) -> Self {
        Self {
            family,
            num_layers: 0,
            hidden_size: 0,
            num_attention_heads: 0,
            padded_vocab_size: 0,
            max_position_embeddings: 0,
            layernorm_epsilon: default_eps(),
            activation: Activation::default(),
            top_query: false,
            kv_heads: None,
            ffn_hidden_size: None,
            head_dim: None,
            norm: Norm::Layer,
            norm_bias: true,
            query_key_norm: false,
            position: Position::Learned,
            qkv_bias: true,
            dense_bias: true,
            mlp_bias: true,
            gated: false,
            residual: Residual::Sequential,
            window: None,
            window_from_layer: 0,
            tied_head: true,
            head_bias: false,
            embedding_multiplier: 1.0,
            attention_multiplier: None,
            attention_by_layer: false,
            residual_multiplier: 1.0,
            logits_multiplier: 1.0,
            eos_token_ids: Vec::new(),
        }
    }

    /// Reads a `config.json` of any family, and the `generation_config.json` beside it for the ids that
    /// end a text.
    ///
    /// # Errors
    /// Those of [`Family::read`] and of the file system, and
    /// [`InvalidConfig`](ErrorKind::InvalidConfig) for a file of more than 256 KiB.
    pub fn open(path: &Path) -> Result<Self> {
        let within = |e: Error| e.within(path.display());
        let mut config = Family::read(&read(path)?).map_err(within)?;
        let generation = path.with_file_name("generation_config.json");
        if config.family != Family::CODEGEEX && generation.is_file() {
            let ids = Family::read_eos(&read(&generation)?)
                .map_err(|e| e.within(generation.display()))?;
            if !ids.is_empty() {
                config.eos_token_ids = ids;
            }
        }
        Ok(config)
    }

    /// Reads and validates a configuration in the form of [`to_json`](Self::to_json), which is also
    /// CodeGeeX's.
    ///
    /// # Errors
    /// [`InvalidConfig`](ErrorKind::InvalidConfig) for broken JSON, a missing field, or numbers
    /// that [`validate`](Self::validate) refuses.
    pub fn from_json(json: &str) -> Result<Self> {
        memory::check_json(json.as_bytes())?;
        let config: Self = serde_json::from_str(json).map_err(|e| {
            Error::new(
                ErrorKind::InvalidConfig,
                format!(
                    "the model configuration is not what is expected ({}); it is a JSON object \
                     with num_layers, hidden_size, num_attention_heads, padded_vocab_size, \
                     max_position_embeddings and layernorm_epsilon",
                    parser_message(e)
                ),
            )
        })?;
        config.validate()?;
        Ok(config)
    }

    /// The configuration as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a struct of numbers and names always serialises")
    }

    /// Whether the model was trained on code after a line that names its language, see
    /// [`Language::tag`](crate::Language::tag): CodeGeeX and CodeGeeX2.
    pub fn has_language_tags(&self) -> bool {
        self.family.has_language_tags(self)
    }

    /// Width of one head.
    pub fn head_dim(&self) -> usize {
        self.head_dim
            .unwrap_or(self.hidden_size / self.num_attention_heads)
    }

    /// Number of key and value heads.
    pub fn num_kv_heads(&self) -> usize {
        self.kv_heads.unwrap_or(self.num_attention_heads)
    }

    /// Width of one token's queries in one layer.
    pub fn query_width(&self) -> usize {
        self.num_attention_heads.saturating_mul(self.head_dim())
    }

    /// Width of one token's keys, and of its values, in one layer.
    pub fn kv_width(&self) -> usize {
        self.num_kv_heads().saturating_mul(self.head_dim())
    }

    /// Width of the MLP.
    pub fn ffn_width(&self) -> usize {
        self.ffn_hidden_size
            .unwrap_or(self.hidden_size.saturating_mul(4))
    }

    /// Layers that keep keys and values: the decoder's and the top query layer.
    pub fn cached_layers(&self) -> usize {
        self.num_layers + usize::from(self.top_query)
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        slots(self)
            .map(|(_, shape)| shape.iter().product::<usize>())
            .sum()
    }

    /// What a query of `layer` sees: itself and so many tokens less one before it, or all.
    pub fn window_of(&self, layer: usize) -> Option<usize> {
        self.window.filter(|_| layer >= self.window_from_layer)
    }

    /// Checks that the numbers fit each other and are of a size that can be computed with.
    ///
    /// # Errors
    /// [`InvalidConfig`](ErrorKind::InvalidConfig), naming the field.
    pub fn validate(&self) -> Result<()> {
        self.validate_as(&|field| field)
    }

    /// [`validate`](Self::validate), where `key` has the name under which a file says a field.
    pub(super) fn validate_as(&self, key: &dyn Fn(&'static str) -> &'static str) -> Result<()> {
        // Caps keep every product below 2^63: a config is read from outside. Those that are made
        // before they are checked saturate.
        let fields = [
            ("num_layers", self.num_layers, 4096),
            ("hidden_size", self.hidden_size, 1 << 17),
            ("num_attention_heads", self.num_attention_heads, 1 << 12),
            ("padded_vocab_size", self.padded_vocab_size, 1 << 24),
            (
                "max_position_embeddings",
                self.max_position_embeddings,
                1 << 24,
            ),
            ("kv_heads", self.num_kv_heads(), 1 << 12),
            ("ffn_hidden_size", self.ffn_width(), 1 << 20),
        ];
        for (name, value, cap) in fields {
            if value == 0 || value > cap {
                bail!(
                    InvalidConfig,
                    "{} is {value}, expected 1 to {cap}",
                    key(name)
                );
            }
        }
        if let Some(head_dim) = self.head_dim {
            if head_dim == 0 || self.query_width() > 1 << 17 || self.kv_width() > 1 << 17 {
                bail!(
                    InvalidConfig,
                    "{} is {head_dim}, expected 1 to {}",
                    key("head_dim"),
                    (1 << 17) / self.num_attention_heads
                );
            }
        } else if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            bail!(
                InvalidConfig,
                "{} {} is not a multiple of {} {}",
                key("hidden_size"),
                self.hidden_size,
                key("num_attention_heads"),
                self.num_attention_heads
            );
        }
        if !self.num_attention_heads.is_multiple_of(self.num_kv_heads()) {
            bail!(
                InvalidConfig,
                "{} {} is not a multiple of {} {}",
                key("num_attention_heads"),
                self.num_attention_heads,
                key("kv_heads"),
                self.num_kv_heads()
            );
        }
        if !(self.layernorm_epsilon > 0.0 && self.layernorm_epsilon < 1.0) {
            bail!(
                InvalidConfig,
                "{} is {}, expected a number between 0 and 1",
                key("layernorm_epsilon"),
                self.layernorm_epsilon
            );
        }
        self.validate_variants(key)
    }

    fn validate_variants(&self, key: &dyn Fn(&'static str) -> &'static str) -> Result<()> {
        if let Position::Rotary(rotary) = &self.position {
            rotary.validate(self.head_dim())?;
        }
        if let Position::Sinusoidal { offset } = self.position
            && (offset > 1 << 16 || !self.hidden_size.is_multiple_of(2) || self.hidden_size < 4)
        {
            bail!(
                InvalidConfig,
                "sinusoidal positions of offset {offset} and {} {}, expected an even width from 4 on",
                key("hidden_size"),
                self.hidden_size
            );
        }
        if self.window == Some(0) {
            bail!(
                InvalidConfig,
                "{} is 0, expected 1 or more tokens",
                key("window")
            );
        }
        if self.top_query && (self.position != Position::Learned || !self.tied_head) {
            bail!(
                InvalidConfig,
                "top_query goes with learned positions and a tied head alone"
            );
        }
        if self.tied_head && self.head_bias {
            bail!(InvalidConfig, "head_bias goes with a head of its own alone");
        }
        for (name, value) in [
            ("embedding_multiplier", self.embedding_multiplier),
            (
                "attention_multiplier",
                self.attention_multiplier.unwrap_or(1.0),
            ),
            ("residual_multiplier", self.residual_multiplier),
            ("logits_multiplier", self.logits_multiplier),
        ] {
            if !(value.is_finite() && value != 0.0) {
                bail!(
                    InvalidConfig,
                    "{} is {value}, expected a finite number other than 0",
                    key(name)
                );
            }
        }
        Ok(())
    }
}

impl Rotary {
    fn validate(&self, head_dim: usize) -> Result<()> {
        if self.dims == 0 || self.dims > head_dim || !self.dims.is_multiple_of(2) {
            bail!(
                InvalidConfig,
                "{} values of a head are rotated, expected an even number up to its width {head_dim}",
                self.dims
            );
        }
        if !(self.base > 1.0 && self.base <= 1e12) {
            bail!(
                InvalidConfig,
                "the base of the rotary frequencies is {}, expected a number above 1",
                self.base
            );
        }
        let is_factor = |factor: f64| factor >= 1.0 && factor.is_finite();
        let expected = match self.scaling {
            RotaryScaling::Linear { factor } | RotaryScaling::Llama3 { factor, .. }
                if !is_factor(factor) =>
            {
                "a factor of 1 or more"
            }
            RotaryScaling::Llama3 {
                low_freq_factor: low,
                high_freq_factor: high,
                ..
            } if !(low > 0.0 && high > low && high.is_finite()) => {
                "a low_freq_factor above 0 and a larger high_freq_factor"
            }
            RotaryScaling::Llama3 {
                original_context: 0,
                ..
            } => "an original context of 1 or more",
            _ => return Ok(()),
        };
        bail!(
            InvalidConfig,
            "the rotary scaling is {}, expected {expected}",
            self.scaling
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_model_has_thirteen_billion_parameters() {
        let config = ModelConfig::codegeex_13b();
        config.validate().unwrap();
        let billions = config.parameters() as f64 / 1e9;
        assert!((12.5..13.5).contains(&billions), "{billions}");
    }

    #[test]
    fn json_round_trips_and_bad_numbers_are_named() {
        let config = ModelConfig::codegeex_13b();
        assert_eq!(ModelConfig::from_json(&config.to_json()).unwrap(), config);
        let error = ModelConfig::from_json(
            r#"{"num_layers":2,"hidden_size":64,"num_attention_heads":5,"padded_vocab_size":9,"max_position_embeddings":8}"#,
        )
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(
            error
                .to_string()
                .contains("multiple of num_attention_heads 5")
        );
        assert!(ModelConfig::from_json(r#"{"num_layers":0}"#).is_err());
    }
}
