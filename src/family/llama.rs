//! Llama and what has its graph: Code Llama, DeepSeek-Coder, Yi-Coder, Granite, Mistral (Codestral),
//! Qwen2 (Qwen2.5-Coder), Qwen3.

use super::fields::Fields;
use super::{Definition, Family, ModelConfig, Module, Norm, Position, View};
use crate::backend::RotaryPairs;
use crate::error::{Result, bail};

pub(super) static LLAMA: Definition = Definition {
    name: "llama",
    model_types: &["llama", "mistral", "qwen2", "qwen3", "granite"],
    read,
    prefix: "model.",
    layers: "layers",
    module: |_, module| (name(module), View::WHOLE),
    language_tags: |_| false,
    unused: &[".rotary_emb.inv_freq"],
};

/// The sizes that all Hugging Face configurations of the last years name alike.
///
/// `kv_heads` is what the class of the model has where its configuration says nothing; null means as
/// many as query heads.
pub(super) fn sizes(
    fields: &Fields<'_>,
    family: &'static Definition,
    kv_heads: Option<usize>,
) -> Result<ModelConfig> {
    let mut config = ModelConfig::empty(Family(family));
    config.num_layers = fields.needed(&["num_hidden_layers"])?;
    config.hidden_size = fields.needed(&["hidden_size"])?;
    config.num_attention_heads = fields.needed(&["num_attention_heads"])?;
    config.kv_heads = (fields.count_or("num_key_value_heads", kv_heads)?)
        .filter(|&kv_heads| kv_heads != config.num_attention_heads);
    config.padded_vocab_size = fields.needed(&["vocab_size"])?;
    config.max_position_embeddings = fields.needed(&["max_position_embeddings"])?;
    config.ffn_hidden_size = Some(fields.needed(&["intermediate_size"])?);
    Ok(config)
}

/// The width of a head, or 0 where the sizes cannot be right.
pub(super) fn head_dim(config: &ModelConfig) -> usize {
    let equal = config.hidden_size.checked_div(config.num_attention_heads);
    config.head_dim.or(equal).unwrap_or(0)
}

fn read(fields: &Fields<'_>) -> Result<ModelConfig> {
    let model_type = fields.text("model_type")?.unwrap_or_default();
    let kv_heads = match model_type {
        "mistral" => Some(8),
        "qwen2" | "qwen3" => Some(32),
        _ => None,
    };
    let mut config = sizes(fields, &LLAMA, kv_heads)?;
    config.head_dim = fields.count("head_dim")?;
    if model_type == "qwen3" && config.head_dim.is_none() {
        config.head_dim = Some(128);
    }
    config.layernorm_epsilon = fields.single("rms_norm_eps")?.unwrap_or(1e-6);
    config.norm = Norm::Rms;
    config.norm_bias = false;
    config.activation = fields.activation("hidden_act", "silu")?;
    config.gated = true;
    let rotary = fields.rotary(head_dim(&config), 1.0, RotaryPairs::Halves)?;
    config.position = Position::Rotary(rotary);
    config.tied_head = fields.flag("tie_word_embeddings", false)?;
    let bias = fields.flag("attention_bias", false)?;
    (config.qkv_bias, config.dense_bias) = match model_type {
        "qwen2" => (true, false),
        _ => (bias, bias),
    };
    config.mlp_bias = fields.flag("mlp_bias", false)?;
    match model_type {
        "qwen2" | "qwen3" => fields.window(&mut config, Some(4096), true)?,
        "mistral" => fields.window(&mut config, Some(4096), false)?,
        "granite" => {
            let multiplier = |key| -> Result<f32> { Ok(fields.single(key)?.unwrap_or(1.0)) };
            config.embedding_multiplier = multiplier("embedding_multiplier")?;
            config.residual_multiplier = multiplier("residual_multiplier")?;
            config.attention_multiplier = Some(multiplier("attention_multiplier")?);
            let scaling = multiplier("logits_scaling")?;
            if scaling == 0.0 {
                bail!(
                    InvalidConfig,
                    "logits_scaling is 0, expected another number"
                );
            }
            config.logits_multiplier = 1.0 / scaling;
        }
        _ => {}
    }
    config.query_key_norm = model_type == "qwen3";
    Ok(config)
}

pub(super) fn name(module: Module) -> &'static str {
    match module {
        Module::WordEmbeddings => "embed_tokens",
        Module::Query => "self_attn.q_proj",
        Module::Key => "self_attn.k_proj",
        Module::Value => "self_attn.v_proj",
        Module::QueryNorm => "self_attn.q_norm",
        Module::KeyNorm => "self_attn.k_norm",
        Module::Dense => "self_attn.o_proj",
        Module::Gate => "mlp.gate_proj",
        Module::Up => "mlp.up_proj",
        Module::Down => "mlp.down_proj",
        Module::FinalNorm => "norm",
        // The norms of a layer and the head.
        _ => module.name(),
    }
}
