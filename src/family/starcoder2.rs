//! StarCoder2: layer norms, rotary positions, biases, a sliding window.

use super::fields::Fields;
use super::{Definition, ModelConfig, Module, Position, View, llama};
use crate::backend::RotaryPairs;
use crate::error::Result;

pub(super) static STARCODER2: Definition = Definition {
    name: "starcoder2",
    model_types: &["starcoder2"],
    read,
    prefix: "model.",
    layers: "layers",
    module: |_, module| (name(module), View::WHOLE),
    language_tags: |_| false,
    unused: &[".rotary_emb.inv_freq"],
};

fn read(fields: &Fields<'_>) -> Result<ModelConfig> {
    let mut config = llama::sizes(fields, &STARCODER2, Some(2))?;
    config.head_dim = fields.count("head_dim")?;
    config.layernorm_epsilon = fields.single("norm_epsilon")?.unwrap_or(1e-5);
    fields.only("norm_type", "layer_norm")?;
    fields.only("mlp_type", "default")?;
    config.activation = fields.activation("hidden_act", "gelu_pytorch_tanh")?;
    let rotary = fields.rotary(llama::head_dim(&config), 1.0, RotaryPairs::Halves)?;
    config.position = Position::Rotary(rotary);
    let bias = fields.flag("use_bias", true)?;
    (config.qkv_bias, config.dense_bias, config.mlp_bias) = (bias, bias, bias);
    config.tied_head = fields.flag("tie_word_embeddings", true)?;
    fields.window(&mut config, None, false)?;
    // Of StarCoder's configuration: published files have them still, and nothing reads them.
    for key in [
        "activation_function",
        "layer_norm_epsilon",
        "scale_attn_weights",
    ] {
        fields.value(key);
    }
    Ok(config)
}

fn name(module: Module) -> &'static str {
    match module {
        Module::Up => "mlp.c_fc",
        Module::Down => "mlp.c_proj",
        _ => llama::name(module),
    }
}
