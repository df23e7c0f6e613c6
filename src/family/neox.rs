//! GPT-NeoX (GPT-NeoX-20B, PolyCoder, Pythia): rotary positions, queries, keys and values of a head
//! side by side.

use super::fields::Fields;
use super::{Definition, Family, ModelConfig, Module, Position, Residual, View};
use crate::backend::RotaryPairs;
use crate::error::Result;

pub(super) static NEOX: Definition = Definition {
    name: "gpt_neox",
    model_types: &["gpt_neox"],
    read,
    prefix: "gpt_neox.",
    layers: "layers",
    module,
    language_tags: |_| false,
    unused: &[
        ".attention.bias",
        ".attention.masked_bias",
        ".rotary_emb.inv_freq",
    ],
};

fn read(fields: &Fields<'_>) -> Result<ModelConfig> {
    let mut config = ModelConfig::empty(Family(&NEOX));
    config.num_layers = fields.needed(&["num_hidden_layers"])?;
    config.hidden_size = fields.needed(&["hidden_size"])?;
    config.num_attention_heads = fields.needed(&["num_attention_heads"])?;
    config.padded_vocab_size = fields.needed(&["vocab_size"])?;
    config.max_position_embeddings = fields.needed(&["max_position_embeddings"])?;
    config.ffn_hidden_size = Some(fields.needed(&["intermediate_size"])?);
    config.layernorm_epsilon = fields.single("layer_norm_eps")?.unwrap_or(1e-5);
    config.activation = fields.activation("hidden_act", "gelu")?;
    let head_dim = config.hidden_size.checked_div(config.num_attention_heads);
    let rotary = fields.rotary(head_dim.unwrap_or(0), 0.25, RotaryPairs::Halves)?;
    config.position = Position::Rotary(rotary);
    config.residual = match fields.flag("use_parallel_residual", true)? {
        true => Residual::Parallel,
        false => Residual::Sequential,
    };
    config.qkv_bias = fields.flag("attention_bias", true)?;
    config.dense_bias = config.qkv_bias;
    config.tied_head = fields.flag("tie_word_embeddings", false)?;
    Ok(config)
}

fn module(config: &ModelConfig, module: Module) -> (&'static str, View) {
    let (d, heads) = (config.head_dim(), config.num_attention_heads);
    let part = match module {
        Module::Query => 0,
        Module::Key => 1,
        Module::Value => 2,
        _ => return (name(module), View::WHOLE),
    };
    (name(module), View::in_groups(heads, part * d, d))
}

fn name(module: Module) -> &'static str {
    match module {
        Module::WordEmbeddings => "embed_in",
        Module::Query | Module::Key | Module::Value => "attention.query_key_value",
        Module::FinalNorm => "final_layer_norm",
        Module::Head => "embed_out",
        // GPT-NeoX and CodeGeeX both have Megatron's names.
        _ => module.name(),
    }
}
