//! The models that are timed.

use std::path::Path;

use codegeex::family::{Position, Role, slots};
use codegeex::model::ModelConfig;

/// A model's sizes and how it is called on the command line.
pub struct Shape {
    /// What its files are named by.
    pub name: String,
    /// What names it on the command line of another process.
    pub argument: String,
    pub config: ModelConfig,
}

macro_rules! published {
    ($file:literal) => {
        include_str!(concat!("../../../../tests/data/published_configs/", $file))
    };
}

impl Shape {
    /// Four layers of the published model and its vocabulary: 1.54 G parameters.
    pub const DEFAULT: &str = "13b-4layers";

    /// A plain GPT-2 shape (no other engine has a top query layer), a published model, or the
    /// `config.json` of one.
    pub fn named(argument: &str) -> Option<Self> {
        let gpt2 = |layers: usize, hidden: usize, heads: usize| {
            let json = format!(
                r#"{{"num_layers":{layers},"hidden_size":{hidden},"num_attention_heads":{heads},
                "padded_vocab_size":52224,"max_position_embeddings":2048,"layernorm_epsilon":1e-5,
                "activation":"gelu_tanh","top_query":false}}"#
            );
            ModelConfig::from_json(&json).expect("the sizes above fit each other")
        };
        let published = |json: &str| {
            codegeex::family::Family::read(json).expect("a configuration of the tests")
        };
        let mut name = argument.to_owned();
        let config = match argument {
            Self::DEFAULT => gpt2(4, 5120, 40),
            // The default model of the crate without its top query layer.
            "tiny" => gpt2(6, 256, 4),
            "qwen2.5-coder-1.5b" => published(published!("Qwen--Qwen2.5-Coder-1.5B.json")),
            "starcoder2-3b" => published(published!("bigcode--starcoder2-3b.json")),
            path if path.ends_with(".json") => {
                let path = Path::new(path);
                name = path.file_stem()?.to_str()?.to_owned();
                ModelConfig::open(path).unwrap_or_else(|e| panic!("{e}"))
            }
            _ => return None,
        };
        Some(Self {
            name,
            argument: argument.to_owned(),
            config,
        })
    }

    /// Whether it is a GPT-2, the only one that candle and the scripts are written for.
    pub fn is_gpt2(&self) -> bool {
        self.config.position == Position::Learned
    }

    /// Numbers in the matrices that one token is multiplied by: the linear layers and the LM head.
    pub fn multiplied(&self) -> usize {
        let config = &self.config;
        slots(config)
            .filter(|(slot, _)| matches!(slot.role(config), Role::Linear | Role::Head))
            .map(|(_, shape)| shape.iter().product::<usize>())
            .sum()
    }

    /// Of `tokens` in the KV cache, how many a token looks at.
    pub fn visible(&self, tokens: usize) -> usize {
        self.config
            .window
            .map_or(tokens, |window| window.min(tokens))
    }
}
