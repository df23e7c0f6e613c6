//! GPT-2 and CodeParrot: learned positions, matrices stored as `[in, out]`.

use super::fields::Fields;
use super::{Definition, Family, ModelConfig, Module, View};
use crate::error::Result;

pub(super) static GPT2: Definition = Definition {
    name: "gpt2",
    model_types: &["gpt2"],
    read,
    prefix: "transformer.",
    layers: "h",
    module,
    // Masks.
    language_tags: |_| false,
    unused: &[".attn.bias", ".attn.masked_bias"],
};

/// What GPT-2 and its descendants of OpenAI's code have in common.
pub(super) fn sizes(fields: &Fields<'_>, family: &'static Definition) -> Result<ModelConfig> {
    let mut config = ModelConfig::empty(Family(family));
    config.num_layers = fields.needed(&["n_layer"])?;
    config.hidden_size = fields.needed(&["n_embd"])?;
    config.num_attention_heads = fields.needed(&["n_head"])?;
    config.padded_vocab_size = fields.needed(&["vocab_size"])?;
    config.max_position_embeddings = fields.needed(&["n_positions"])?;
    config.layernorm_epsilon = fields.single("layer_norm_epsilon")?.unwrap_or(1e-5);
    config.activation = fields.activation("activation_function", "gelu_new")?;
    config.ffn_hidden_size = fields.count("n_inner")?;
    fields.only("scale_attn_weights", true)?;
    Ok(config)
}

fn read(fields: &Fields<'_>) -> Result<ModelConfig> {
    let mut config = sizes(fields, &GPT2)?;
    config.tied_head = fields.flag("tie_word_embeddings", true)?;
    config.attention_by_layer = fields.flag("scale_attn_by_inverse_layer_idx", false)?;
    // Changes the order of operations, not their result.
    fields.flag("reorder_and_upcast_attn", false)?;
    fields.only("add_cross_attention", false)?;
    Ok(config)
}

/// The names of the modules that are whole tensors.
pub(super) fn name(module: Module) -> &'static str {
    match module {
        Module::WordEmbeddings => "wte",
        Module::PositionEmbeddings => "wpe",
        Module::InputNorm => "ln_1",
        Module::Query | Module::Key | Module::Value => "attn.c_attn",
        Module::Dense => "attn.c_proj",
        Module::PostAttentionNorm => "ln_2",
        Module::Up => "mlp.c_fc",
        Module::Down => "mlp.c_proj",
        Module::FinalNorm => "ln_f",
        Module::Head => "lm_head",
        _ => module.name(),
    }
}

fn module(config: &ModelConfig, module: Module) -> (&'static str, View) {
    let h = config.hidden_size;
    let view = match module {
        Module::Query => View::rows(0, h).transposed(),
        Module::Key => View::rows(h, h).transposed(),
        Module::Value => View::rows(2 * h, h).transposed(),
        Module::Dense | Module::Up | Module::Down => View::WHOLE.transposed(),
        _ => View::WHOLE,
    };
    (name(module), view)
}
