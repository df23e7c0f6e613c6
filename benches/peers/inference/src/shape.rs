//! The models that are timed: plain GPT-2 shapes, since no other engine has a top query layer.

use codegeex::model::ModelConfig;

/// A model's sizes and how it is called on the command line.
pub struct Shape {
    pub name: &'static str,
    pub config: ModelConfig,
}

impl Shape {
    /// Four layers of the published model and its vocabulary: 1.54 G parameters.
    pub const DEFAULT: &str = "13b-4layers";

    pub fn named(name: &str) -> Option<Self> {
        let (name, layers, hidden, heads) = match name {
            Self::DEFAULT => (Self::DEFAULT, 4, 5120, 40),
            // The default model of the crate without its top query layer.
            "tiny" => ("tiny", 6, 256, 4),
            _ => return None,
        };
        let json = format!(
            r#"{{"num_layers":{layers},"hidden_size":{hidden},"num_attention_heads":{heads},
            "padded_vocab_size":52224,"max_position_embeddings":2048,"layernorm_epsilon":1e-5,
            "activation":"gelu_tanh","top_query":false}}"#
        );
        let config = ModelConfig::from_json(&json).expect("the sizes above fit each other");
        Some(Self { name, config })
    }

    /// Numbers in the matrices that one token is multiplied by: the linear layers and the LM head.
    pub fn multiplied(&self) -> usize {
        let (h, f) = (self.config.hidden_size, self.config.ffn_width());
        self.config.num_layers * (4 * h * h + 2 * h * f) + self.config.padded_vocab_size * h
    }
}
