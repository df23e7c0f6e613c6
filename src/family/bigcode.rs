//! GPT-BigCode (SantaCoder, StarCoder): GPT-2 with one key and value head.

use super::fields::Fields;
use super::{Definition, ModelConfig, Module, View, gpt2};
use crate::error::{Result, bail};

pub(super) static BIGCODE: Definition = Definition {
    name: "gpt_bigcode",
    model_types: &["gpt_bigcode"],
    read,
    prefix: "transformer.",
    layers: "h",
    module,
    language_tags: |_| false,
    unused: &[".attn.bias", ".attn.masked_bias"],
};

fn read(fields: &Fields<'_>) -> Result<ModelConfig> {
    let mut config = gpt2::sizes(fields, &BIGCODE)?;
    let multi_query = fields.flag("multi_query", true)?;
    config.kv_heads = multi_query.then_some(1);
    let heads = config.num_kv_heads();
    if fields
        .count("num_key_value_heads")?
        .is_some_and(|n| n != heads)
    {
        bail!(
            InvalidConfig,
            "`num_key_value_heads` is not {heads}, which is what `multi_query` means"
        );
    }
    config.tied_head = fields.flag("tie_word_embeddings", true)?;
    fields.only("add_cross_attention", false)?;
    Ok(config)
}

fn module(config: &ModelConfig, module: Module) -> (&'static str, View) {
    let (h, d, heads) = (
        config.hidden_size,
        config.head_dim(),
        config.num_attention_heads,
    );
    let view = match (module, config.kv_heads) {
        (Module::Query, Some(_)) => View::rows(0, h),
        (Module::Key, Some(_)) => View::rows(h, d),
        (Module::Value, Some(_)) => View::rows(h + d, d),
        (Module::Query, None) => View::in_groups(heads, 0, d),
        (Module::Key, None) => View::in_groups(heads, d, d),
        (Module::Value, None) => View::in_groups(heads, 2 * d, d),
        _ => View::WHOLE,
    };
    (gpt2::name(module), view)
}
