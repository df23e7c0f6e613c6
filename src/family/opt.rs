//! OPT (Galactica): learned positions that begin with the third row of their table.

use super::fields::Fields;
use super::{Definition, Family, ModelConfig, Module, View};
use crate::error::{Result, bail};

pub(super) static OPT: Definition = Definition {
    name: "opt",
    model_types: &["opt"],
    read,
    prefix: "model.decoder.",
    layers: "layers",
    module,
    language_tags: |_| false,
    unused: &[],
};

/// Rows before the first token's.
const OFFSET: usize = 2;

fn read(fields: &Fields<'_>) -> Result<ModelConfig> {
    let mut config = ModelConfig::empty(Family(&OPT));
    config.num_layers = fields.needed(&["num_hidden_layers"])?;
    config.hidden_size = fields.needed(&["hidden_size"])?;
    config.num_attention_heads = fields.needed(&["num_attention_heads"])?;
    config.padded_vocab_size = fields.needed(&["vocab_size"])?;
    config.max_position_embeddings = fields.needed(&["max_position_embeddings"])?;
    config.ffn_hidden_size = Some(fields.needed(&["ffn_dim"])?);
    config.activation = fields.activation("activation_function", "relu")?;
    let bias = fields.flag("enable_bias", true)?;
    (config.qkv_bias, config.dense_bias, config.mlp_bias) = (bias, bias, bias);
    config.tied_head = fields.flag("tie_word_embeddings", true)?;
    fields.only("do_layer_norm_before", true)?;
    fields.only("layer_norm_elementwise_affine", true)?;
    fields.only("_remove_final_layer_norm", false)?;
    let words = fields.count("word_embed_proj_dim")?;
    if words.is_some_and(|width| width != config.hidden_size) {
        bail!(
            UnsupportedFile,
            "`word_embed_proj_dim` is not `hidden_size`, and only embeddings of that width are \
             supported"
        );
    }
    Ok(config)
}

fn module(config: &ModelConfig, module: Module) -> (&'static str, View) {
    let name = match module {
        Module::WordEmbeddings => "embed_tokens",
        Module::PositionEmbeddings => {
            let view = View::rows(OFFSET, config.max_position_embeddings);
            return ("embed_positions", view);
        }
        Module::InputNorm => "self_attn_layer_norm",
        Module::Query => "self_attn.q_proj",
        Module::Key => "self_attn.k_proj",
        Module::Value => "self_attn.v_proj",
        Module::Dense => "self_attn.out_proj",
        Module::PostAttentionNorm | Module::FinalNorm => "final_layer_norm",
        Module::Up => "fc1",
        Module::Down => "fc2",
        _ => module.name(),
    };
    (name, View::WHOLE)
}
