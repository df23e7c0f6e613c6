//! The table of parameters: every tensor of a model with its name, its shape and its role.
//!
//! Whatever has to know which parameters there are asks here: loading, conversion, the number of
//! parameters, random checkpoints.

use std::fmt;

use super::ModelConfig;

/// One parameter of a model. It displays as its canonical name:
/// `layers.0.attention.query.weight`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Where the module is.
    pub place: Place,
    /// The module.
    pub module: Module,
    /// Which of its tensors.
    pub kind: Kind,
}

/// Where a module is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Outside of layers.
    Model,
    /// In the decoder layer of this number.
    Layer(usize),
    /// In the top query layer.
    TopLayer,
}

/// A module with parameters. h is the width of the hidden state, q that of queries, kv that of keys,
/// d that of a head, f that of the MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Module {
    /// `[vocabulary, h]`, the LM head as well if that is tied.
    WordEmbeddings,
    /// `[positions, h]`
    PositionEmbeddings,
    /// `[positions, h]`: what the queries of the top query layer are made of.
    TopQueryEmbeddings,
    /// The norm before the attention, `[h]`.
    InputNorm,
    /// `[q, h]`
    Query,
    /// `[kv, h]`
    Key,
    /// `[kv, h]`
    Value,
    /// `[d]`
    QueryNorm,
    /// `[d]`
    KeyNorm,
    /// The output projection of the attention, `[h, q]`.
    Dense,
    /// The norm before the MLP, `[h]`.
    PostAttentionNorm,
    /// The gate of a gated MLP, `[f, h]`.
    Gate,
    /// The first layer of the MLP, `[f, h]`.
    Up,
    /// The second layer of the MLP, `[h, f]`.
    Down,
    /// The norm after the layers, `[h]`.
    FinalNorm,
    /// An LM head of its own, `[vocabulary, h]`.
    Head,
}

/// Which tensor of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The matrix of a linear layer, the table of an embedding, the scale of a norm.
    Weight,
    /// What is added.
    Bias,
}

/// What a parameter is used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The matrix of a linear layer, which conversion may quantize.
    Linear,
    /// The matrix that makes logits, which conversion may quantize to eight bits.
    Head,
    /// A table whose rows are looked up.
    Table,
    /// A vector: a bias, or the scale of a norm.
    Vector,
}

impl Module {
    /// The canonical name of the module within its place.
    pub fn name(self) -> &'static str {
        match self {
            Self::WordEmbeddings => "word_embeddings",
            Self::PositionEmbeddings => "position_embeddings",
            Self::TopQueryEmbeddings => "top_query_embeddings",
            Self::InputNorm => "input_layernorm",
            Self::Query => "attention.query",
            Self::Key => "attention.key",
            Self::Value => "attention.value",
            Self::QueryNorm => "attention.query_layernorm",
            Self::KeyNorm => "attention.key_layernorm",
            Self::Dense => "attention.dense",
            Self::PostAttentionNorm => "post_attention_layernorm",
            Self::Gate => "mlp.gate",
            Self::Up => "mlp.dense_h_to_4h",
            Self::Down => "mlp.dense_4h_to_h",
            Self::FinalNorm => "final_layernorm",
            Self::Head => "lm_head",
        }
    }
}

impl Slot {
    /// A parameter outside of layers.
    pub const fn model(module: Module, kind: Kind) -> Self {
        Self {
            place: Place::Model,
            module,
            kind,
        }
    }

    /// What the parameter is used as.
    pub fn role(self, config: &ModelConfig) -> Role {
        match (self.kind, self.module) {
            (Kind::Weight, Module::WordEmbeddings) if config.tied_head => Role::Head,
            (Kind::Weight, Module::Head) => Role::Head,
            (
                Kind::Weight,
                Module::WordEmbeddings | Module::PositionEmbeddings | Module::TopQueryEmbeddings,
            ) => Role::Table,
            (
                Kind::Weight,
                Module::Query
                | Module::Key
                | Module::Value
                | Module::Dense
                | Module::Gate
                | Module::Up
                | Module::Down,
            ) => Role::Linear,
            _ => Role::Vector,
        }
    }

    /// Whether it has a row for every id: then a file may have rows beyond the vocabulary.
    pub fn is_by_id(self) -> bool {
        self.kind == Kind::Weight && matches!(self.module, Module::WordEmbeddings | Module::Head)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Model => {}
            Place::Layer(i) => write!(f, "layers.{i}.")?,
            Place::TopLayer => f.write_str("topQueryLayer.")?,
        }
        let kind = match self.kind {
            Kind::Weight => "weight",
            Kind::Bias => "bias",
        };
        write!(f, "{}.{kind}", self.module.name())
    }
}

/// Every parameter of a model of this configuration, with its shape, in canonical order.
pub fn slots(config: &ModelConfig) -> impl Iterator<Item = (Slot, Vec<usize>)> {
    let h = config.hidden_size;
    let vocabulary = config.padded_vocab_size;
    let learned = config.position == super::Position::Learned;
    let positions = config.max_position_embeddings;
    let embeddings = [
        (Module::WordEmbeddings, vocabulary, true),
        (Module::PositionEmbeddings, positions, learned),
        (Module::TopQueryEmbeddings, positions, config.top_query),
    ];
    let embeddings = (embeddings.into_iter())
        .filter(|&(_, _, is_there)| is_there)
        .map(move |(module, rows, _)| (Slot::model(module, Kind::Weight), vec![rows, h]));
    let layer = Layer::new(config);
    let layers = (0..config.num_layers).flat_map(move |i| layer.slots(Place::Layer(i)));
    let norm = [true, config.norm_bias]
        .into_iter()
        .zip([Kind::Weight, Kind::Bias])
        .filter(|&(is_there, _)| is_there)
        .map(move |(_, kind)| (Slot::model(Module::FinalNorm, kind), vec![h]));
    let top = config.top_query.then(|| layer.slots(Place::TopLayer));
    let head = [
        (!config.tied_head, Kind::Weight, vec![vocabulary, h]),
        (config.head_bias, Kind::Bias, vec![vocabulary]),
    ];
    let head = (head.into_iter())
        .filter(|&(is_there, ..)| is_there)
        .map(|(_, kind, shape)| (Slot::model(Module::Head, kind), shape));
    embeddings
        .chain(layers)
        .chain(norm)
        .chain(top.into_iter().flatten())
        .chain(head)
}

/// The modules of a layer: output width, input width of a matrix, whether the module and its bias
/// are there.
#[derive(Clone, Copy)]
struct Layer {
    modules: [(Module, usize, Option<usize>, bool, bool); 11],
}

impl Layer {
    fn new(config: &ModelConfig) -> Self {
        let (h, f) = (config.hidden_size, config.ffn_width());
        let (q, kv, d) = (config.query_width(), config.kv_width(), config.head_dim());
        let (norm, qkv, mlp) = (config.norm_bias, config.qkv_bias, config.mlp_bias);
        let head_norm = config.query_key_norm;
        let own_norm = config.residual != super::Residual::ParallelOneNorm;
        Self {
            modules: [
                (Module::InputNorm, h, None, true, norm),
                (Module::Query, q, Some(h), true, qkv),
                (Module::Key, kv, Some(h), true, qkv),
                (Module::Value, kv, Some(h), true, qkv),
                (Module::QueryNorm, d, None, head_norm, false),
                (Module::KeyNorm, d, None, head_norm, false),
                (Module::Dense, h, Some(q), true, config.dense_bias),
                (Module::PostAttentionNorm, h, None, own_norm, norm),
                (Module::Gate, f, Some(h), config.gated, mlp),
                (Module::Up, f, Some(h), true, mlp),
                (Module::Down, h, Some(f), true, mlp),
            ],
        }
    }

    fn slots(self, place: Place) -> impl Iterator<Item = (Slot, Vec<usize>)> {
        let there = self.modules.into_iter().filter(|m| m.3);
        there.flat_map(move |(module, out, input, _, bias)| {
            let slot = |kind| Slot {
                place,
                module,
                kind,
            };
            let weight = match input {
                Some(input) => vec![out, input],
                None => vec![out],
            };
            let bias = bias.then(|| (slot(Kind::Bias), vec![out]));
            std::iter::once((slot(Kind::Weight), weight)).chain(bias)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_codegeex_and_every_slot_has_one_of_its_own() {
        let config = ModelConfig::codegeex_13b();
        let names: Vec<String> = slots(&config).map(|(slot, _)| slot.to_string()).collect();
        assert_eq!(names.len(), 3 + 40 * 16 + 2);
        assert_eq!(names[0], "word_embeddings.weight");
        assert_eq!(names[4], "layers.0.input_layernorm.bias");
        assert_eq!(names[5], "layers.0.attention.query.weight");
        assert_eq!(names[3 + 39 * 16], "final_layernorm.weight");
        assert!(names[names.len() - 1] == "topQueryLayer.mlp.dense_4h_to_h.bias");
        let mut unique = names.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
    }
}
