//! Phi-1, Phi-1.5, Phi-2: attention and MLP side by side, biases everywhere.

use super::fields::Fields;
use super::{Definition, ModelConfig, Module, Position, Residual, View, llama};
use crate::backend::RotaryPairs;
use crate::error::Result;

pub(super) static PHI: Definition = Definition {
    name: "phi",
    model_types: &["phi"],
    read,
    prefix: "model.",
    layers: "layers",
    module: |_, module| (name(module), View::WHOLE),
    language_tags: |_| false,
    unused: &[".rotary_emb.inv_freq"],
};

fn read(fields: &Fields<'_>) -> Result<ModelConfig> {
    let mut config = llama::sizes(fields, &PHI, None)?;
    config.layernorm_epsilon = fields.single("layer_norm_eps")?.unwrap_or(1e-5);
    config.activation = fields.activation("hidden_act", "gelu_new")?;
    let rotary = fields.rotary(llama::head_dim(&config), 0.5, RotaryPairs::Halves)?;
    config.position = Position::Rotary(rotary);
    config.residual = Residual::ParallelOneNorm;
    config.tied_head = fields.flag("tie_word_embeddings", false)?;
    config.head_bias = !config.tied_head;
    fields.only("qk_layernorm", false)?;
    Ok(config)
}

fn name(module: Module) -> &'static str {
    match module {
        Module::Dense => "self_attn.dense",
        Module::Up => "mlp.fc1",
        Module::Down => "mlp.fc2",
        // Phi and CodeGeeX both have it so.
        Module::FinalNorm => "final_layernorm",
        _ => llama::name(module),
    }
}
