//! XGLM, which InCoder is: sinusoidal positions, scaled embeddings.

use super::fields::Fields;
use super::{Definition, Family, ModelConfig, Module, Position, View};
use crate::error::Result;

pub(super) static XGLM: Definition = Definition {
    name: "xglm",
    model_types: &["xglm"],
    read,
    prefix: "model.",
    layers: "layers",
    module: |_, module| (name(module), View::WHOLE),
    language_tags: |_| false,
    unused: &["embed_positions.weights"],
};

/// The positions before the first token's.
const OFFSET: usize = 2;

fn read(fields: &Fields<'_>) -> Result<ModelConfig> {
    let mut config = ModelConfig::empty(Family(&XGLM));
    config.num_layers = fields.needed(&["num_layers"])?;
    config.hidden_size = fields.needed(&["d_model"])?;
    config.num_attention_heads = fields.needed(&["attention_heads"])?;
    config.padded_vocab_size = fields.needed(&["vocab_size"])?;
    config.max_position_embeddings = fields.needed(&["max_position_embeddings"])?;
    config.ffn_hidden_size = Some(fields.needed(&["ffn_dim"])?);
    config.activation = fields.activation("activation_function", "gelu")?;
    config.position = Position::Sinusoidal { offset: OFFSET };
    if fields.flag("scale_embedding", true)? {
        config.embedding_multiplier = (config.hidden_size as f32).sqrt();
    }
    config.tied_head = fields.flag("tie_word_embeddings", true)?;
    fields.only("add_cross_attention", false)?;
    Ok(config)
}

fn name(module: Module) -> &'static str {
    match module {
        Module::WordEmbeddings => "embed_tokens",
        Module::InputNorm => "self_attn_layer_norm",
        Module::Query => "self_attn.q_proj",
        Module::Key => "self_attn.k_proj",
        Module::Value => "self_attn.v_proj",
        Module::Dense => "self_attn.out_proj",
        Module::PostAttentionNorm => "final_layer_norm",
        Module::Up => "fc1",
        Module::Down => "fc2",
        Module::FinalNorm => "layer_norm",
        _ => module.name(),
    }
}
