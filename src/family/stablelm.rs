//! StableLM (Stable Code 3B): layer norms, part of a head rotated, a gated MLP.

use super::fields::Fields;
use super::{Definition, ModelConfig, Position, Residual, View, llama};
use crate::backend::RotaryPairs;
use crate::error::Result;

pub(super) static STABLELM: Definition = Definition {
    name: "stablelm",
    model_types: &["stablelm", "stablelm_epoch"],
    read,
    prefix: "model.",
    layers: "layers",
    module: |_, module| (llama::name(module), View::WHOLE),
    language_tags: |_| false,
    unused: &[".rotary_emb.inv_freq"],
};

fn read(fields: &Fields<'_>) -> Result<ModelConfig> {
    let mut config = llama::sizes(fields, &STABLELM, Some(32))?;
    let old = fields.single("norm_eps")?;
    config.layernorm_epsilon = fields.single("layer_norm_eps")?.or(old).unwrap_or(1e-5);
    config.activation = fields.activation("hidden_act", "silu")?;
    config.gated = true;
    config.qkv_bias = fields.flag("use_qkv_bias", false)?;
    config.dense_bias = false;
    config.mlp_bias = false;
    let rotary = fields.rotary(llama::head_dim(&config), 0.25, RotaryPairs::Halves)?;
    config.position = Position::Rotary(rotary);
    config.residual = match fields.flag("use_parallel_residual", false)? {
        true => Residual::ParallelOneNorm,
        false => Residual::Sequential,
    };
    config.tied_head = fields.flag("tie_word_embeddings", false)?;
    fields.only("qk_layernorm", false)?;
    fields.only("rotary_scaling_factor", 1.0)?;
    Ok(config)
}
