//! The fields of a `config.json` as Hugging Face writes it: typed, and checked that none is passed
//! over that says something about the arithmetic.

use std::cell::RefCell;
use std::fmt;

use serde_json::{Map, Value};

use super::{ModelConfig, Rotary, RotaryScaling};
use crate::backend::{Activation, RotaryPairs};
use crate::error::{Result, bail, parser_message, quoted};

/// A JSON object, and which of its keys were asked for.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    /// Of an object within another: its key there.
    within: Option<&'a str>,
    used: RefCell<Vec<&'a str>>,
}

/// Parts of the names of keys that say something about the arithmetic, or may do so.
const ARCHITECTURAL: [&str; 31] = [
    "rope",
    "rotary",
    "scal",
    "window",
    "expert",
    "moe",
    "quant",
    "norm",
    "bias",
    "multiplier",
    "softcap",
    "alibi",
    "attn",
    "attention",
    "sparse",
    "lora",
    "parallel",
    "position",
    "head",
    "mlp",
    "layer",
    "embed",
    "residual",
    "hidden",
    "inner",
    "intermediate",
    "act_",
    "activation",
    "query",
    "kv_",
    "logit",
];
/// Parts of the names of keys that say nothing about it all the same: of training, of other tasks, of
/// how another program computes.
const HARMLESS: [&str; 18] = [
    "dropout",
    "pdrop",
    "layerdrop",
    "init",
    "summary_",
    "classifier",
    "attn_implementation",
    "attention_implementation",
    "output_attentions",
    "output_hidden_states",
    "softmax_in_fp32",
    "flash",
    "apply_query_key_layer_scaling",
    "z_loss",
    "aux_loss",
    "gradient_checkpointing",
    "pretraining_tp",
    "num_logits_to_keep",
];

/// The keys that files have for a field of [`ModelConfig`], by its name there.
const KEYS: [(&str, &[&str]); 10] = [
    (
        "num_layers",
        &["num_hidden_layers", "n_layer", "num_layers"],
    ),
    ("hidden_size", &["hidden_size", "n_embd", "d_model"]),
    (
        "num_attention_heads",
        &["num_attention_heads", "n_head", "attention_heads"],
    ),
    ("padded_vocab_size", &["padded_vocab_size", "vocab_size"]),
    (
        "max_position_embeddings",
        &["max_position_embeddings", "n_positions", "seq_length"],
    ),
    (
        "kv_heads",
        &["num_key_value_heads", "multi_query_group_num"],
    ),
    (
        "ffn_hidden_size",
        &["intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size"],
    ),
    ("head_dim", &["head_dim", "kv_channels"]),
    (
        "layernorm_epsilon",
        &[
            "rms_norm_eps",
            "layer_norm_eps",
            "layer_norm_epsilon",
            "layernorm_epsilon",
            "norm_epsilon",
            "norm_eps",
        ],
    ),
    ("window", &["sliding_window"]),
];

impl<'a> Fields<'a> {
    pub fn new(map: &'a Map<String, Value>) -> Self {
        Self {
            map,
            within: None,
            used: RefCell::default(),
        }
    }

    /// The value of a key; `null` is none.
    pub fn value(&self, key: &str) -> Option<&'a Value> {
        let (key, value) = self.map.get_key_value(key)?;
        self.used.borrow_mut().push(key);
        Some(value).filter(|value| !value.is_null())
    }

    fn wrong<T>(&self, key: &str, value: &Value, expected: impl fmt::Display) -> Result<T> {
        bail!(
            InvalidConfig,
            "{} is {}, expected {expected}",
            self.name(key),
            excerpt(value)
        )
    }

    fn name(&self, key: &str) -> String {
        match self.within {
            Some(outer) => quoted(&format!("{outer}.{key}")).to_string(),
            None => quoted(key).to_string(),
        }
    }

    /// The key of this file that says a field of [`ModelConfig`].
    pub fn key_of(&self, field: &'static str) -> &'static str {
        let Some((_, keys)) = KEYS.iter().find(|(name, _)| *name == field) else {
            return field;
        };
        let is_there = |key: &&&str| self.map.get(**key).is_some_and(|value| !value.is_null());
        keys.iter().find(is_there).unwrap_or(&keys[0])
    }

    /// A whole number.
    pub fn count(&self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
            Some(n) => Ok(Some(n)),
            None => self.wrong(key, value, "a whole number"),
        }
    }

    /// A whole number; `default` if the key is absent, and none if it is null.
    pub fn count_or(&self, key: &str, default: Option<usize>) -> Result<Option<usize>> {
        match self.map.contains_key(key) {
            true => self.count(key),
            false => Ok(default),
        }
    }

    /// A number.
    pub fn number(&self, key: &str) -> Result<Option<f64>> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match value.as_f64().filter(|n| n.is_finite()) {
            Some(n) => Ok(Some(n)),
            None => self.wrong(key, value, "a number"),
        }
    }

    /// A number in single precision.
    pub fn single(&self, key: &str) -> Result<Option<f32>> {
        Ok(self.number(key)?.map(|n| n as f32))
    }

    /// True or false.
    pub fn flag(&self, key: &str, default: bool) -> Result<bool> {
        match self.value(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(value) => self.wrong(key, value, "true or false"),
        }
    }

    /// A text.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(value) => self.wrong(key, value, "a text"),
        }
    }

    /// A whole number that there has to be, under the first of these keys that is there.
    pub fn needed(&self, keys: &[&str]) -> Result<usize> {
        for key in keys {
            if let Some(n) = self.count(key)? {
                return Ok(n);
            }
        }
        bail!(InvalidConfig, "{} is missing", self.name(keys[0]))
    }

    /// An object within.
    pub fn object(&self, key: &'a str) -> Result<Option<Fields<'a>>> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Fields {
                within: Some(key),
                ..Fields::new(map)
            })),
            Some(value) => self.wrong(key, value, "an object"),
        }
    }

    /// An error unless a key is absent, null or has this value.
    pub fn only(&self, key: &str, value: impl Into<Value>) -> Result<()> {
        let only = value.into();
        match self.value(key) {
            Some(found) if *found != only => bail!(
                UnsupportedFile,
                "{} is {}, and only {only} is supported",
                self.name(key),
                excerpt(found)
            ),
            _ => Ok(()),
        }
    }

    /// The nonlinearity of the MLP.
    pub fn activation(&self, key: &str, default: &str) -> Result<Activation> {
        let name = self.text(key)?.unwrap_or(default);
        Ok(match name {
            "gelu" => Activation::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_accurate" => {
                Activation::GeluTanh
            }
            "quick_gelu" => Activation::FastGelu,
            "silu" | "swish" => Activation::Silu,
            "relu" => Activation::Relu,
            _ => bail!(
                UnsupportedFile,
                "{} is {}, and only gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, quick_gelu, \
                 silu and relu are supported",
                self.name(key),
                quoted(name)
            ),
        })
    }

    /// One id, or a list of them.
    pub fn ids(&self, key: &str) -> Result<Vec<u32>> {
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        let Some(value) = self.value(key) else {
            return Ok(Vec::new());
        };
        let ids = match value {
            Value::Array(list) if list.len() <= MAX_EOS => list.iter().map(id).collect(),
            one => id(one).map(|id| vec![id]),
        };
        match ids {
            Some(ids) => Ok(ids),
            None => self.wrong(key, value, "an id or a short list of ids"),
        }
    }

    /// Rotary position embedding in the spellings of all years: `rope_parameters`, or `rope_theta` and
    /// `rope_scaling`; `share` is the part of the head that is rotated unless something says so.
    pub fn rotary(&self, head_dim: usize, share: f64, pairs: RotaryPairs) -> Result<Rotary> {
        let parameters = self.object("rope_parameters")?;
        let old = self.object("rope_scaling")?;
        let mut base = None;
        for key in ["rope_theta", "rotary_emb_base"] {
            base = base.or(self.number(key)?);
        }
        let mut found = None;
        for key in ["partial_rotary_factor", "rotary_pct", "rope_pct"] {
            found = found.or(self.number(key)?);
        }
        if let Some(parameters) = &parameters {
            base = parameters.number("rope_theta")?.or(base);
            found = parameters.number("partial_rotary_factor")?.or(found);
        }
        let share = found.unwrap_or(share);
        if !(share > 0.0 && share <= 1.0) {
            bail!(
                InvalidConfig,
                "the rotated part of a head is {share}, expected more than 0 and at most 1"
            );
        }
        Ok(Rotary {
            // As Python's `int(head_dim * share)`.
            dims: (head_dim as f64 * share) as usize,
            base: base.unwrap_or(10_000.0),
            pairs,
            scaling: match parameters.as_ref().or(old.as_ref()) {
                None => RotaryScaling::None,
                Some(fields) => fields.scaling()?,
            },
        })
    }

    fn scaling(&self) -> Result<RotaryScaling> {
        let old = self.text("type")?;
        let kind = self.text("rope_type")?.or(old).unwrap_or("default");
        let needed = |key: &str| match self.number(key)? {
            Some(number) => Ok(number),
            None => bail!(InvalidConfig, "{} is missing", self.name(key)),
        };
        let scaling = match kind {
            "default" => RotaryScaling::None,
            "linear" => RotaryScaling::Linear {
                factor: needed("factor")?,
            },
            "llama3" => RotaryScaling::Llama3 {
                factor: needed("factor")?,
                low_freq_factor: needed("low_freq_factor")?,
                high_freq_factor: needed("high_freq_factor")?,
                original_context: self.needed(&["original_max_position_embeddings"])?,
            },
            _ => bail!(
                UnsupportedFile,
                "the scaling of rotary embeddings is {}, and only default, linear and llama3 are \
                 supported",
                quoted(kind)
            ),
        };
        let used = self.used.borrow();
        match self.map.keys().find(|key| !used.contains(&key.as_str())) {
            Some(key) => bail!(UnsupportedFile, "{} is not supported", self.name(key)),
            None => Ok(scaling),
        }
    }

    /// The sliding window, which every layer has that a configuration gives one to, or `default` if it
    /// says nothing; `optional` for a family that has a switch for it, which is off unless it is
    /// there, and a first layer.
    pub fn window(
        &self,
        config: &mut ModelConfig,
        default: Option<usize>,
        optional: bool,
    ) -> Result<()> {
        let on = !optional || self.flag("use_sliding_window", false)?;
        config.window = (self.count_or("sliding_window", default)?).filter(|_| on);
        config.window_from_layer = match optional {
            true => self.count("max_window_layers")?.unwrap_or(28),
            false => 0,
        };
        let size = config.window;
        let Some(kinds) = self.value("layer_types") else {
            normalise_window(config);
            return Ok(());
        };
        let slides = |kind: &Value| match kind.as_str() {
            Some("full_attention") => Some(false),
            Some("sliding_attention") => Some(true),
            _ => None,
        };
        let list = kinds.as_array().filter(|l| l.len() == config.num_layers);
        let slides: Option<Vec<bool>> = list.and_then(|list| list.iter().map(slides).collect());
        let Some(slides) = slides.filter(|slides| slides.is_sorted()) else {
            bail!(
                UnsupportedFile,
                "`layer_types` is {}, and only `full_attention` in the first layers and \
                 `sliding_attention` in the others, {} in all, is supported",
                excerpt(kinds),
                config.num_layers
            );
        };
        config.window_from_layer = slides.iter().filter(|slides| !*slides).count();
        if config.window_from_layer < config.num_layers && size.is_none() {
            bail!(
                InvalidConfig,
                "`layer_types` has layers of sliding attention, but `sliding_window` is missing"
            );
        }
        normalise_window(config);
        Ok(())
    }

    /// An error for a key that was not asked for and may change the arithmetic.
    pub fn finish(&self) -> Result<()> {
        let used = self.used.borrow();
        for (key, value) in self.map {
            let neutral = match value {
                Value::Null | Value::Bool(false) => true,
                Value::Array(list) => list.is_empty(),
                Value::Object(map) => map.is_empty(),
                Value::Number(n) => n.as_u64() == Some(0),
                _ => false,
            };
            let has = |parts: &[&str]| parts.iter().any(|part| key.contains(part));
            if neutral || used.contains(&key.as_str()) || has(&HARMLESS) || !has(&ARCHITECTURAL) {
                continue;
            }
            bail!(
                UnsupportedFile,
                "{} is {}, which is not supported for this architecture",
                self.name(key),
                excerpt(value)
            );
        }
        Ok(())
    }
}

/// One way of saying that there is no window.
fn normalise_window(config: &mut ModelConfig) {
    if config.window_from_layer >= config.num_layers {
        config.window = None;
    }
    if config.window.is_none() {
        config.window_from_layer = 0;
    }
}

/// The most ids that end a text.
const MAX_EOS: usize = 64;

/// The beginning of a value.
pub(super) fn excerpt(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", parser_message(&text[..end])),
        None => parser_message(text).to_string(),
    }
}
