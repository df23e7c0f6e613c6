//! GPT-J: rotary positions in part of the head, attention and MLP side by side.

use super::fields::Fields;
use super::{
    Definition, ModelConfig, Module, Position, Residual, Rotary, RotaryScaling, View, gpt2,
};
use crate::backend::RotaryPairs;
use crate::error::Result;

pub(super) static GPTJ: Definition = Definition {
    name: "gptj",
    model_types: &["gptj"],
    read: |fields| read(fields, &GPTJ),
    prefix: "transformer.",
    layers: "h",
    module: |_, module| (name(module), View::WHOLE),
    language_tags: |_| false,
    unused: &[".attn.bias", ".attn.masked_bias"],
};

/// GPT-J and CodeGen.
pub(super) fn read(fields: &Fields<'_>, family: &'static Definition) -> Result<ModelConfig> {
    let mut config = gpt2::sizes(fields, family)?;
    fields.only("rotary", true)?;
    config.position = Position::Rotary(Rotary {
        dims: fields.needed(&["rotary_dim"])?,
        base: 10_000.0,
        pairs: RotaryPairs::Interleaved,
        scaling: RotaryScaling::None,
    });
    config.residual = Residual::ParallelOneNorm;
    config.qkv_bias = false;
    config.dense_bias = false;
    config.tied_head = fields.flag("tie_word_embeddings", false)?;
    config.head_bias = !config.tied_head;
    Ok(config)
}

pub(super) fn name(module: Module) -> &'static str {
    match module {
        Module::Query => "attn.q_proj",
        Module::Key => "attn.k_proj",
        Module::Value => "attn.v_proj",
        Module::Dense => "attn.out_proj",
        Module::Up => "mlp.fc_in",
        Module::Down => "mlp.fc_out",
        _ => gpt2::name(module),
    }
}
