//! GLM: CodeGeeX2 and CodeGeeX4, under the names of their own code (`chatglm`) and under Hugging
//! Face's (`glm`). Half of a head is rotated, gate and first layer of the MLP are one tensor.

use super::fields::Fields;
use super::{Activation, Definition, Family, ModelConfig, Module, Norm, Position, View, llama};
use crate::backend::RotaryPairs;
use crate::error::{Result, bail};

pub(super) static GLM: Definition = Definition {
    name: "glm",
    model_types: &["glm"],
    read,
    prefix: "model.",
    layers: "layers",
    module,
    language_tags: |_| false,
    unused: &[".rotary_emb.inv_freq"],
};

pub(super) static CHATGLM: Definition = Definition {
    name: "chatglm",
    model_types: &["chatglm"],
    read: read_chatglm,
    prefix: "transformer.",
    layers: "encoder.layers",
    module: chatglm_module,
    language_tags: of_codegeex2,
    unused: &["rotary_pos_emb.inv_freq"],
};

/// CodeGeeX2 has the vocabulary of ChatGLM2, CodeGeeX4 a larger one and no tags.
fn of_codegeex2(config: &ModelConfig) -> bool {
    config.padded_vocab_size == 65_024
}

/// Half of the head, in the pairs of both spellings.
const SHARE: f64 = 0.5;
const PAIRS: RotaryPairs = RotaryPairs::Interleaved;

fn read(fields: &Fields<'_>) -> Result<ModelConfig> {
    let mut config = llama::sizes(fields, &GLM, Some(2))?;
    config.head_dim = Some(fields.count("head_dim")?.unwrap_or(128));
    config.layernorm_epsilon = fields.single("rms_norm_eps")?.unwrap_or(1.562_5e-7);
    config.activation = fields.activation("hidden_act", "silu")?;
    let rotary = fields.rotary(llama::head_dim(&config), SHARE, PAIRS)?;
    config.position = Position::Rotary(rotary);
    config.qkv_bias = fields.flag("attention_bias", false)?;
    config.tied_head = fields.flag("tie_word_embeddings", false)?;
    Ok(common(config))
}

fn common(config: ModelConfig) -> ModelConfig {
    ModelConfig {
        norm: Norm::Rms,
        norm_bias: false,
        gated: true,
        dense_bias: false,
        mlp_bias: false,
        ..config
    }
}

fn module(config: &ModelConfig, module: Module) -> (&'static str, View) {
    match halves(config, module) {
        Some(view) => ("mlp.gate_up_proj", view),
        None => (llama::name(module), View::WHOLE),
    }
}

/// Gate and first layer of the MLP.
fn halves(config: &ModelConfig, module: Module) -> Option<View> {
    let f = config.ffn_width();
    match module {
        Module::Gate => Some(View::rows(0, f)),
        Module::Up => Some(View::rows(f, f)),
        _ => None,
    }
}

fn read_chatglm(fields: &Fields<'_>) -> Result<ModelConfig> {
    let mut config = ModelConfig::empty(Family(&CHATGLM));
    config.num_layers = fields.needed(&["num_layers"])?;
    config.hidden_size = fields.needed(&["hidden_size"])?;
    config.num_attention_heads = fields.needed(&["num_attention_heads"])?;
    config.head_dim = fields.count("kv_channels")?;
    let groups = fields.count("multi_query_group_num")?;
    config.kv_heads = match fields.flag("multi_query_attention", false)? {
        true => Some(groups.unwrap_or(1)),
        false => None,
    };
    config.padded_vocab_size = fields.needed(&["padded_vocab_size", "vocab_size"])?;
    config.max_position_embeddings = fields.needed(&["seq_length"])?;
    config.ffn_hidden_size = Some(fields.needed(&["ffn_hidden_size"])?);
    config.layernorm_epsilon = fields.single("layernorm_epsilon")?.unwrap_or(1e-5);
    config.activation = Activation::Silu;
    let mut rotary = fields.rotary(llama::head_dim(&config), SHARE, PAIRS)?;
    rotary.base *= fields.number("rope_ratio")?.unwrap_or(1.0);
    config.position = Position::Rotary(rotary);
    config.qkv_bias = fields.flag("add_qkv_bias", false)?;
    config.tied_head = fields.flag("tie_word_embeddings", false)?;
    for (key, value) in [
        ("rmsnorm", true),
        ("post_layer_norm", true),
        ("original_rope", true),
        ("add_bias_linear", false),
        ("apply_residual_connection_post_layernorm", false),
        ("interleaved_qkv", false),
        ("prefix_projection", false),
    ] {
        fields.only(key, value)?;
    }
    if fields
        .count("num_hidden_layers")?
        .is_some_and(|n| n != config.num_layers)
    {
        bail!(InvalidConfig, "`num_hidden_layers` is not `num_layers`");
    }
    // Changes the precision of the reference alone.
    fields.flag("fp32_residual_connection", false)?;
    Ok(common(config))
}

fn chatglm_module(config: &ModelConfig, module: Module) -> (&'static str, View) {
    if let Some(view) = halves(config, module) {
        return ("mlp.dense_h_to_4h", view);
    }
    let (q, kv) = (config.query_width(), config.kv_width());
    let qkv = "self_attention.query_key_value";
    match module {
        Module::Query => (qkv, View::rows(0, q)),
        Module::Key => (qkv, View::rows(q, kv)),
        Module::Value => (qkv, View::rows(q + kv, kv)),
        Module::Dense => ("self_attention.dense", View::WHOLE),
        Module::WordEmbeddings => ("embedding.word_embeddings", View::WHOLE),
        Module::FinalNorm => ("encoder.final_layernorm", View::WHOLE),
        Module::Head => ("output_layer", View::WHOLE),
        // The norms of a layer and the second layer of the MLP.
        _ => (module.name(), View::WHOLE),
    }
}
