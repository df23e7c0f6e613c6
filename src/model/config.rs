//! What a model is: its sizes and variants, and where they are written down.

use serde::{Deserialize, Serialize};

use crate::backend::Activation;
use crate::error::{Error, ErrorKind, Result, bail};
use crate::memory;

/// Sizes and variants of a model, in the reference's own argument names (paper, table 2).
///
/// As JSON this is what lies beside a checkpoint as `config.json`, and what a converted file
/// carries in its metadata.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelConfig {
    /// Decoder layers, the top query layer not counted.
    pub num_layers: usize,
    /// Width of the hidden state.
    pub hidden_size: usize,
    /// Query heads; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Rows of the word embedding that count.
    pub padded_vocab_size: usize,
    /// Longest sequence.
    pub max_position_embeddings: usize,
    /// Added to the variance in layer norms.
    #[serde(default = "default_eps")]
    pub layernorm_epsilon: f32,
    /// Nonlinearity of the MLP.
    #[serde(default)]
    pub activation: Activation,
    /// Whether a top query layer follows the final layer norm (CodeGeeX; GPT-2 has none).
    #[serde(default = "default_true")]
    pub top_query: bool,
    /// Key and value heads; `None` means as many as query heads, 1 is multi-query attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_heads: Option<usize>,
    /// Width of the MLP; `None` means four times `hidden_size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ffn_hidden_size: Option<usize>,
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
            kv_heads: None,
            ffn_hidden_size: None,
        }
    }

    /// Reads and validates a configuration.
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
                    "the model configuration is not what is expected ({e}); it is a JSON object \
                     with num_layers, hidden_size, num_attention_heads, padded_vocab_size, \
                     max_position_embeddings and layernorm_epsilon"
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

    /// Width of one head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// Number of key and value heads.
    pub fn num_kv_heads(&self) -> usize {
        self.kv_heads.unwrap_or(self.num_attention_heads)
    }

    /// Width of one token's keys, and of its values, in one layer.
    pub fn kv_width(&self) -> usize {
        self.num_kv_heads() * self.head_dim()
    }

    /// Width of the MLP.
    pub fn ffn_width(&self) -> usize {
        self.ffn_hidden_size.unwrap_or(4 * self.hidden_size)
    }

    /// Layers that keep keys and values: the decoder's and the top query layer.
    pub fn cached_layers(&self) -> usize {
        self.num_layers + usize::from(self.top_query)
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        let (h, kv, f) = (self.hidden_size, self.kv_width(), self.ffn_width());
        let attention = 2 * (h * h + h) + 2 * (kv * h + kv);
        let mlp = f * h + f + h * f + h;
        let layer = attention + mlp + 4 * h;
        let embeddings = (self.padded_vocab_size
            + self.max_position_embeddings * (1 + usize::from(self.top_query)))
            * h;
        embeddings + self.cached_layers() * layer + 2 * h
    }

    /// Checks that the numbers fit each other and are of a size that can be computed with.
    ///
    /// # Errors
    /// [`InvalidConfig`](ErrorKind::InvalidConfig), naming the field.
    pub fn validate(&self) -> Result<()> {
        // Caps keep every product below 2^63: a config is read from outside.
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
                bail!(InvalidConfig, "{name} is {value}, expected 1 to {cap}");
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            bail!(
                InvalidConfig,
                "hidden_size {} is not a multiple of num_attention_heads {}",
                self.hidden_size,
                self.num_attention_heads
            );
        }
        if !self.num_attention_heads.is_multiple_of(self.num_kv_heads()) {
            bail!(
                InvalidConfig,
                "num_attention_heads {} is not a multiple of kv_heads {}",
                self.num_attention_heads,
                self.num_kv_heads()
            );
        }
        if !(self.layernorm_epsilon > 0.0 && self.layernorm_epsilon < 1.0) {
            bail!(
                InvalidConfig,
                "layernorm_epsilon is {}, expected a number between 0 and 1",
                self.layernorm_epsilon
            );
        }
        Ok(())
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
