//! Model families: which architectures there are, how their configurations are written down, and under
//! which names their tensors are stored. Text and tables, no arithmetic.
//!
//! [`ModelConfig`] describes every model, [`slots`] lists the parameters of one. A file per family
//! reads its `config.json` and says where each parameter is stored; [`Family::ALL`] is the list of
//! them. `docs/adding-a-family.md` is how to add one.
#![forbid(unsafe_code)]

mod bigcode;
mod codegen;
mod config;
mod fields;
mod glm;
mod gpt2;
mod gptj;
mod llama;
mod neox;
mod opt;
mod phi;
mod slots;
mod stablelm;
mod starcoder2;
mod stored;
#[cfg(test)]
mod tests;
mod xglm;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result, bail, parser_message, quoted};
use crate::memory;

use fields::{Fields, excerpt};

pub use crate::backend::{Activation, Norm, RotaryPairs};
pub use config::{ModelConfig, Position, Residual, Rotary, RotaryScaling};
pub use slots::{Kind, Module, Place, Role, Slot, slots};
pub(crate) use stored::Renamed;

/// A model family.
#[derive(Clone, Copy)]
pub struct Family(&'static Definition);

/// What one file here says about a family.
struct Definition {
    name: &'static str,
    /// Values of `model_type` in `config.json`.
    model_types: &'static [&'static str],
    /// The configuration, of all but `eos_token_ids`.
    read: fn(&Fields<'_>) -> Result<ModelConfig>,
    /// What names of tensors may begin with.
    prefix: &'static str,
    /// The module that the layers are numbered in.
    layers: &'static str,
    /// Where a module is stored: its name in its place, and its part of the tensor there.
    module: fn(&ModelConfig, Module) -> (&'static str, View),
    /// Whether a model was trained on code after a line that names its language.
    language_tags: fn(&ModelConfig) -> bool,
    /// How names of tensors end that are tables of numbers that can be computed, or copies.
    unused: &'static [&'static str],
}

/// The part of a stored tensor that a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    /// Whether the matrix is stored as `[in, out]`.
    pub transposed: bool,
    /// Equal groups that the outputs are stored in, each of which has a piece of the parameter.
    pub groups: usize,
    /// The first output of the piece, and the number of outputs, within a group; `None` means all.
    pub rows: Option<(usize, usize)>,
}

impl View {
    /// All of it.
    const WHOLE: Self = Self {
        transposed: false,
        groups: 1,
        rows: None,
    };

    /// `count` outputs from `start` on.
    const fn rows(start: usize, count: usize) -> Self {
        Self::in_groups(1, start, count)
    }

    /// `count` outputs from `start` on, of each of some equal groups.
    const fn in_groups(groups: usize, start: usize, count: usize) -> Self {
        Self {
            transposed: false,
            groups,
            rows: Some((start, count)),
        }
    }

    /// The same of a matrix that is stored the other way round.
    const fn transposed(self) -> Self {
        Self {
            transposed: true,
            ..self
        }
    }
}

/// The configuration of a family whose `config.json` is that of the reference.
fn unread(_: &Fields<'_>) -> Result<ModelConfig> {
    bail!(Internal, "the configuration of CodeGeeX has no model_type")
}

static CODEGEEX: Definition = Definition {
    name: "codegeex",
    model_types: &[],
    read: unread,
    prefix: "",
    layers: "layers",
    module: |_, module| (module.name(), View::WHOLE),
    language_tags: |_| true,
    unused: &[],
};

impl Family {
    /// CodeGeeX 13B, and what has its architecture.
    pub const CODEGEEX: Self = Self(&CODEGEEX);

    /// Every family.
    pub const ALL: [Self; 14] = [
        Self::CODEGEEX,
        Self(&gpt2::GPT2),
        Self(&bigcode::BIGCODE),
        Self(&gptj::GPTJ),
        Self(&codegen::CODEGEN),
        Self(&neox::NEOX),
        Self(&xglm::XGLM),
        Self(&opt::OPT),
        Self(&llama::LLAMA),
        Self(&starcoder2::STARCODER2),
        Self(&glm::GLM),
        Self(&glm::CHATGLM),
        Self(&stablelm::STABLELM),
        Self(&phi::PHI),
    ];

    /// The name, as `codegeex inspect` shows it.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The values of `model_type` in `config.json` that are of this family.
    pub fn model_types(self) -> &'static [&'static str] {
        self.0.model_types
    }

    /// The family of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }

    /// Reads a configuration as Hugging Face writes it, and those of CodeGeeX, which have no
    /// `model_type`.
    ///
    /// # Errors
    /// [`InvalidConfig`](ErrorKind::InvalidConfig) for broken JSON and for fields that are missing, of
    /// another type, or do not fit each other; [`UnsupportedFile`](ErrorKind::UnsupportedFile) for a
    /// `model_type` that is not known, and for a field with a value that would change the arithmetic
    /// in a way that is not implemented.
    pub fn read(json: &str) -> Result<ModelConfig> {
        memory::check_json(json.as_bytes())?;
        // A value of the parser takes more memory than its text, and cannot be refused it.
        drop(memory::try_vec::<u8>(json.len().saturating_mul(40))?);
        let value: Value = serde_json::from_str(json).map_err(|e| {
            let message = format!("the model configuration is not JSON: {}", parser_message(e));
            Error::new(ErrorKind::InvalidConfig, message)
        })?;
        let Value::Object(map) = &value else {
            bail!(
                InvalidConfig,
                "the model configuration is not a JSON object"
            );
        };
        let Some(model_type) = map.get("model_type") else {
            return match is_codegeex(map) {
                true => ModelConfig::from_json(json),
                false => bail!(
                    InvalidConfig,
                    "the model configuration has no `model_type`, which names the architecture; take \
                     the config.json that was published with the weights, or add one of {}. Without \
                     it, CodeGeeX's fields are expected: num_layers, hidden_size, \
                     num_attention_heads, padded_vocab_size and max_position_embeddings",
                    known_types()
                ),
            };
        };
        let family = model_type.as_str().and_then(|model_type| {
            let mut all = Self::ALL.into_iter();
            all.find(|family| family.model_types().contains(&model_type))
        });
        let Some(family) = family else {
            bail!(
                UnsupportedFile,
                "`model_type` is {}, and only these are supported: {}",
                excerpt(model_type),
                known_types()
            );
        };
        let fields = Fields::new(map);
        fields.text("model_type")?;
        // What another tool has quantized, and mixtures of experts.
        if let Some(quantization) = fields.object("quantization_config")? {
            let method = quantization.text("quant_method")?.unwrap_or("another tool");
            bail!(
                UnsupportedFile,
                "`quantization_config`: the weights were quantized by {}; open the original \
                 checkpoint, and quantize it with `codegeex convert`",
                quoted(method)
            );
        }
        let mut config = (family.0.read)(&fields)?;
        config.family = family;
        config.eos_token_ids = fields.ids("eos_token_id")?;
        for key in ["bos_token_id", "pad_token_id", "vocab_size"] {
            fields.value(key);
        }
        fields.finish()?;
        config.validate_as(&|field| fields.key_of(field))?;
        Ok(config)
    }

    /// The ids that end a text, of a `generation_config.json`.
    ///
    /// # Errors
    /// [`InvalidConfig`](ErrorKind::InvalidConfig).
    fn read_eos(json: &str) -> Result<Vec<u32>> {
        Fields::new(&object(json)?).ids("eos_token_id")
    }

    /// Where a parameter is stored: the name of the tensor, with and without what names begin with, and
    /// the part of it.
    fn stored(self, config: &ModelConfig, slot: Slot) -> ([String; 2], View) {
        let (module, view) = (self.0.module)(config, slot.module);
        let kind = match slot.kind {
            Kind::Weight => "weight",
            Kind::Bias => "bias",
        };
        let name = match slot.place {
            Place::Layer(i) => format!("{}.{i}.{module}.{kind}", self.0.layers),
            Place::Model | Place::TopLayer => format!("{module}.{kind}"),
        };
        ([format!("{}{name}", self.0.prefix), name], view)
    }

    /// See [`ModelConfig::has_language_tags`].
    fn has_language_tags(self, config: &ModelConfig) -> bool {
        (self.0.language_tags)(config)
    }

    /// Whether a stored tensor that no parameter needs may be there all the same.
    fn passes_over(self, config: &ModelConfig, name: &str) -> bool {
        let (head, _) = (self.0.module)(config, Module::Head);
        let copy = config.tied_head && name.ends_with(&format!("{head}.weight"));
        copy || self.0.unused.iter().any(|end| name.ends_with(end))
    }
}

/// Whether an object without a `model_type` has a field that CodeGeeX alone has.
fn is_codegeex(map: &Map<String, Value>) -> bool {
    ["family", "num_layers", "padded_vocab_size", "top_query"]
        .iter()
        .any(|key| map.contains_key(*key))
}

/// Every `model_type`, for messages.
fn known_types() -> String {
    let all = Family::ALL.iter().flat_map(|family| family.model_types());
    all.copied().collect::<Vec<_>>().join(", ")
}

fn object(json: &str) -> Result<Map<String, Value>> {
    memory::check_json(json.as_bytes())?;
    // A value of the parser takes more memory than its text, and cannot be refused it.
    drop(memory::try_vec::<u8>(json.len().saturating_mul(40))?);
    let value = serde_json::from_str(json).map_err(|e| {
        let message = format!("the model configuration is not JSON: {}", parser_message(e));
        Error::new(ErrorKind::InvalidConfig, message)
    })?;
    match value {
        Value::Object(map) => Ok(map),
        _ => bail!(
            InvalidConfig,
            "the model configuration is not a JSON object"
        ),
    }
}

impl PartialEq for Family {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Family {}

impl Default for Family {
    fn default() -> Self {
        Self::CODEGEEX
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Family {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Family {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| {
            let message = format!("family {} is not known", quoted(&name));
            serde::de::Error::custom(message)
        })
    }
}
