//! CodeGen: GPT-J with queries, values and keys in one tensor.

use super::{Definition, ModelConfig, Module, View, gptj};

pub(super) static CODEGEN: Definition = Definition {
    name: "codegen",
    model_types: &["codegen"],
    read: |fields| gptj::read(fields, &CODEGEN),
    prefix: "transformer.",
    layers: "h",
    module,
    language_tags: |_| false,
    unused: &[".attn.causal_mask", ".attn.bias", ".attn.masked_bias"],
};

/// The devices that the model was trained on, each of which kept its queries, values and keys side by
/// side.
const GROUPS: usize = 4;

fn module(config: &ModelConfig, module: Module) -> (&'static str, View) {
    let width = config.hidden_size / GROUPS;
    let part = match module {
        Module::Query => 0,
        Module::Value => 1,
        Module::Key => 2,
        _ => return (gptj::name(module), View::WHOLE),
    };
    (
        "attn.qkv_proj",
        View::in_groups(GROUPS, part * width, width),
    )
}
