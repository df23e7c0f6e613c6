//! The names and the cuts of published checkpoints: which canonical tensor a stored one is, how
//! merged ones split, and along which dimension tensor-parallel shards were cut.

use std::borrow::Cow;

use crate::error::{Result, bail, quoted};
use crate::memory;

use super::part::Part;

/// Dictionaries of the published nesting, and modules around the model, that say nothing.
const WRAPPERS: [&str; 9] = [
    "module",
    "model",
    "state_dict",
    "model_state_dict",
    "language_model",
    "embedding",
    "topQueryEmbedding",
    "transformer",
    "encoder",
];

/// Those of them that are around a model of any family.
const OUTER_WRAPPERS: [&str; 3] = ["module", "state_dict", "model_state_dict"];

/// What compilers and trainers put around a module, at any depth.
const INNER_WRAPPERS: [&str; 5] = [
    "_orig_mod",
    "_forward_module",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_module",
];

const EMBEDDINGS: [&str; 3] = [
    "word_embeddings.weight",
    "position_embeddings.weight",
    "top_query_embeddings.weight",
];

/// A module of every layer, with `weight` and `bias`.
struct LayerModule {
    name: &'static str,
    /// Its name in MindSpore's export.
    mindspore: &'static str,
    /// How tensor-parallel shards hold its weight.
    cut: Cut,
    /// Whether MindSpore stores its weight as `[in, out]`.
    transposed: bool,
}

impl LayerModule {
    const fn new(name: &'static str, mindspore: &'static str, cut: Cut) -> Self {
        Self {
            name,
            mindspore,
            cut,
            transposed: false,
        }
    }

    const fn transposed(self) -> Self {
        Self {
            transposed: true,
            ..self
        }
    }

    /// Norms are whole in every shard, and have other names of their tensors in MindSpore.
    fn is_norm(&self) -> bool {
        self.cut == Cut::Repeated
    }
}

/// The modules of a layer, in canonical order.
const LAYER: [LayerModule; 8] = [
    LayerModule::new("input_layernorm", "layernorm1", Cut::Repeated),
    LayerModule::new("attention.query", "attention.dense1", Cut::Rows),
    LayerModule::new("attention.key", "attention.dense2", Cut::Rows),
    LayerModule::new("attention.value", "attention.dense3", Cut::Rows),
    LayerModule::new("attention.dense", "attention.projection", Cut::Columns).transposed(),
    LayerModule::new("post_attention_layernorm", "layernorm2", Cut::Repeated),
    LayerModule::new("mlp.dense_h_to_4h", "output.mapping", Cut::Rows).transposed(),
    LayerModule::new("mlp.dense_4h_to_h", "output.projection", Cut::Columns).transposed(),
];

/// The tables of MindSpore's export in the order of [`EMBEDDINGS`].
const MINDSPORE_EMBEDDINGS: [&str; 3] = [
    "embedding.word_embedding.embedding_table",
    "embedding.position_embedding.embedding_table",
    "top_query_embedding.embedding_table",
];

/// What the names of MindSpore's export begin with.
pub(super) const MINDSPORE: &str = "backbone.";

/// How tensor-parallel shards hold a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// A range of the outermost dimension in each.
    Rows,
    /// A range of columns in each.
    Columns,
    /// The same in every one.
    Repeated,
}

/// Place of a name in the canonical order: embeddings, layers, the final norm, the top query layer,
/// and in the last group what is unknown. The slot of a layer's tensor is twice the place of its
/// module, and one more for a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    group: u8,
    layer: u32,
    slot: usize,
}

impl Rank {
    const UNKNOWN: Self = Self {
        group: 4,
        layer: 0,
        slot: 0,
    };

    pub(super) fn of(name: &str) -> Self {
        let rank = |group, layer, slot| Self { group, layer, slot };
        if let Some(i) = EMBEDDINGS.iter().position(|e| *e == name) {
            return rank(0, 0, i);
        }
        let (group, layer, rest) = if let Some(rest) = name.strip_prefix("final_layernorm.") {
            return weight_or_bias(rest).map_or(Self::UNKNOWN, |i| rank(2, 0, i));
        } else if let Some(rest) = name.strip_prefix("topQueryLayer.") {
            (3, 0, rest)
        } else if let Some(rest) = name.strip_prefix("layers.") {
            match rest.split_once('.') {
                // Only the plain spelling: `layers.01` would be a second name of `layers.1`.
                Some((number, rest)) => match number.parse::<u32>() {
                    Ok(layer) if number == "0" || !number.starts_with(['0', '+']) => {
                        (1, layer, rest)
                    }
                    _ => return Self::UNKNOWN,
                },
                None => return Self::UNKNOWN,
            }
        } else {
            return Self::UNKNOWN;
        };
        let slot = rest.rsplit_once('.').and_then(|(module, kind)| {
            let module = LAYER.iter().position(|m| m.name == module)?;
            Some(2 * module + weight_or_bias(kind)?)
        });
        slot.map_or(Self::UNKNOWN, |slot| rank(group, layer, slot))
    }
}

fn weight_or_bias(kind: &str) -> Option<usize> {
    ["weight", "bias"].iter().position(|k| *k == kind)
}

/// Whether a canonical name is one of the model's.
pub(super) fn is_known(name: &str) -> bool {
    Rank::of(name) != Rank::UNKNOWN
}

/// Whether this is the table that may have rows beyond the vocabulary.
pub(super) fn is_word_embedding(name: &str) -> bool {
    name == EMBEDDINGS[0]
}

/// The name below what wraps the model; empty for a path of wrappers alone.
pub(super) fn unwrapped(path: &str) -> Result<Cow<'_, str>> {
    let mut rest = path;
    loop {
        let (head, tail) = rest.split_once('.').unwrap_or((rest, ""));
        if !WRAPPERS.contains(&head) && !INNER_WRAPPERS.contains(&head) {
            break;
        }
        rest = tail;
    }
    without_inner(rest)
}

/// A name without the modules that trainers put around others.
fn without_inner(rest: &str) -> Result<Cow<'_, str>> {
    if !rest
        .split('.')
        .any(|module| INNER_WRAPPERS.contains(&module))
    {
        return Ok(Cow::Borrowed(rest));
    }
    let mut name = String::new();
    (name.try_reserve_exact(rest.len())).map_err(|_| memory::refused("a name"))?;
    for module in rest.split('.').filter(|m| !INNER_WRAPPERS.contains(m)) {
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(module);
    }
    Ok(Cow::Owned(name))
}

/// The name of a tensor of another family, below the dictionaries and modules around the model.
pub(super) fn stored(path: &str) -> Result<String> {
    let mut rest = path;
    while let Some((head, tail)) = rest.split_once('.')
        && (OUTER_WRAPPERS.contains(&head) || INNER_WRAPPERS.contains(&head))
    {
        rest = tail;
    }
    memory::text(without_inner(rest)?)
}

/// Calls `add` with the canonical tensors that a stored one holds: itself under its canonical
/// name, or, when it is merged, a view of the rows of each. A name that is not known stays as it
/// is.
pub(super) fn canonical(
    path: &str,
    part: Part,
    add: &mut dyn FnMut(String, Part) -> Result<()>,
) -> Result<()> {
    let name = unwrapped(path)?;
    for (merged, into) in [
        ("query_key_value", &["query", "key", "value"][..]),
        ("key_value", &["key", "value"]),
    ] {
        let ends = (name.rsplit_once('.')).and_then(|(module, kind)| {
            Some((
                module.strip_suffix(merged)?.strip_suffix("attention.")?,
                kind,
            ))
        });
        if let Some((layer, kind)) = ends
            && weight_or_bias(kind).is_some()
        {
            let rows = part.shape().first().copied().unwrap_or(0);
            if !rows.is_multiple_of(into.len()) {
                bail!(
                    ShapeMismatch,
                    "tensor {path} has shape {:?}; a merged one has a multiple of {} rows",
                    part.shape(),
                    into.len(),
                    path = quoted(path)
                );
            }
            let rows = rows / into.len();
            for (i, module) in into.iter().enumerate() {
                let name = memory::text(format_args!("{layer}attention.{module}.{kind}"))?;
                add(name, part.narrow(i * rows, rows)?)?;
            }
            return Ok(());
        }
    }
    let name = if is_known(&name) { &name } else { path };
    add(memory::text(name)?, part)
}

/// The canonical name of a parameter of MindSpore's export, and whether it is stored transposed;
/// none for a name that is not one of the model's.
pub(super) fn mindspore(name: &str) -> Result<Option<(String, bool)>> {
    let Some(name) = name.strip_prefix(MINDSPORE) else {
        return Ok(None);
    };
    if let Some(i) = MINDSPORE_EMBEDDINGS.iter().position(|e| *e == name) {
        return Ok(Some((memory::text(EMBEDDINGS[i])?, false)));
    }
    let Some((path, kind)) = name.rsplit_once('.') else {
        return Ok(None);
    };
    let (place, number, module) = if path == "layernorm" {
        let Some(kind) = norm_kind(kind) else {
            return Ok(None);
        };
        let name = memory::text(format_args!("final_layernorm.{kind}"))?;
        return Ok(Some((name, false)));
    } else if let Some(module) = path.strip_prefix("top_query_layer.") {
        ("topQueryLayer", "", module)
    } else if let Some((number, module)) =
        (path.strip_prefix("blocks.")).and_then(|rest| rest.split_once('.'))
    {
        ("layers.", number, module)
    } else {
        return Ok(None);
    };
    let Some(module) = LAYER.iter().find(|m| m.mindspore == module) else {
        return Ok(None);
    };
    let kind = match module.is_norm() {
        true => norm_kind(kind),
        false => weight_or_bias(kind).map(|_| kind),
    };
    let Some(kind) = kind else {
        return Ok(None);
    };
    let canonical = memory::text(format_args!("{place}{number}.{}.{kind}", module.name))?;
    let transposed = module.transposed && kind == "weight";
    Ok(is_known(&canonical).then_some((canonical, transposed)))
}

/// The canonical name of what MindSpore calls a tensor of a norm.
fn norm_kind(kind: &str) -> Option<&'static str> {
    match kind {
        "gamma" => Some("weight"),
        "beta" => Some("bias"),
        _ => None,
    }
}

/// How shards hold the tensor of a canonical name.
pub(super) fn cut(name: &str) -> Cut {
    match Rank::of(name) {
        // Not the position embeddings: of the tables by position, the top query's alone is cut.
        Rank { group: 0, slot, .. } if slot != 1 => Cut::Rows,
        Rank {
            group: 1 | 3, slot, ..
        } => match (LAYER[slot / 2].cut, slot % 2) {
            // A bias has no columns: it is added once, after the sum over shards.
            (Cut::Columns, 1) => Cut::Repeated,
            (cut, _) => cut,
        },
        _ => Cut::Repeated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Bytes;
    use crate::num::DType;

    fn part(shape: &[usize]) -> Part {
        let data = Bytes::copy_from(&vec![0; shape.iter().product()]).unwrap();
        Part::contiguous(DType::U8, shape, &data).unwrap()
    }

    fn names(path: &str, shape: &[usize]) -> Vec<String> {
        let mut names = Vec::new();
        canonical(path, part(shape), &mut |name, _| {
            names.push(name);
            Ok(())
        })
        .unwrap();
        names
    }

    #[test]
    fn published_names_become_canonical_and_merged_ones_split() {
        let name = "module.language_model.embedding.word_embeddings.weight";
        assert_eq!(names(name, &[4]), ["word_embeddings.weight"]);
        let name = "language_model.topQueryEmbedding.top_query_embeddings.weight";
        assert_eq!(names(name, &[4]), ["top_query_embeddings.weight"]);
        assert_eq!(
            names("transformer.layers.3.attention.query_key_value.bias", &[6]),
            [
                "layers.3.attention.query.bias",
                "layers.3.attention.key.bias",
                "layers.3.attention.value.bias"
            ]
        );
        assert_eq!(
            names(
                "transformer.topQueryLayer.attention.key_value.weight",
                &[6, 2]
            ),
            [
                "topQueryLayer.attention.key.weight",
                "topQueryLayer.attention.value.weight"
            ]
        );
        assert_eq!(names("transformer.other", &[1]), ["transformer.other"]);
        for wrapped in [
            "_orig_mod.module.language_model.transformer.layers.1.mlp.dense_h_to_4h.bias",
            "_forward_module._orig_mod.transformer.layers.1.mlp.dense_h_to_4h.bias",
            "module.module.layers.1._checkpoint_wrapped_module.mlp._orig_mod.dense_h_to_4h.bias",
            "model._fsdp_wrapped_module.layers.1._fsdp_wrapped_module.mlp.dense_h_to_4h.bias",
        ] {
            assert_eq!(names(wrapped, &[4]), ["layers.1.mlp.dense_h_to_4h.bias"]);
        }
        let merged = "layers.0.attention.query_key_value.bias";
        let error = canonical(merged, part(&[7]), &mut |_, _| Ok(())).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::ShapeMismatch);
    }

    #[test]
    fn names_of_mindspore_become_canonical() {
        for (name, expected, transposed) in [
            (
                "embedding.word_embedding.embedding_table",
                "word_embeddings.weight",
                false,
            ),
            (
                "top_query_embedding.embedding_table",
                "top_query_embeddings.weight",
                false,
            ),
            ("layernorm.beta", "final_layernorm.bias", false),
            (
                "blocks.12.layernorm2.gamma",
                "layers.12.post_attention_layernorm.weight",
                false,
            ),
            (
                "blocks.0.attention.dense3.weight",
                "layers.0.attention.value.weight",
                false,
            ),
            (
                "blocks.0.attention.projection.weight",
                "layers.0.attention.dense.weight",
                true,
            ),
            (
                "blocks.0.attention.projection.bias",
                "layers.0.attention.dense.bias",
                false,
            ),
            (
                "top_query_layer.output.mapping.weight",
                "topQueryLayer.mlp.dense_h_to_4h.weight",
                true,
            ),
            (
                "top_query_layer.output.projection.bias",
                "topQueryLayer.mlp.dense_4h_to_h.bias",
                false,
            ),
        ] {
            let found = mindspore(&format!("backbone.{name}")).unwrap();
            assert_eq!(found, Some((expected.to_owned(), transposed)));
            assert_eq!(mindspore(name).unwrap(), None);
        }
        for other in [
            "blocks.01.layernorm1.beta",
            "blocks.1.layernorm3.beta",
            "blocks.1.layernorm1.weight",
            "blocks.1.attention.dense1.gamma",
            "layernorm.weight",
            "layernorm.moment",
        ] {
            assert_eq!(mindspore(&format!("backbone.{other}")).unwrap(), None);
        }
    }

    #[test]
    fn the_order_is_embeddings_layers_final_norm_top_layer_rest() {
        let order = [
            "word_embeddings.weight",
            "top_query_embeddings.weight",
            "layers.2.input_layernorm.bias",
            "layers.10.attention.query.weight",
            "final_layernorm.weight",
            "topQueryLayer.input_layernorm.weight",
            "layers.01.attention.query.weight",
        ];
        assert!(order.map(Rank::of).is_sorted());
        assert_eq!(Rank::of(order[6]), Rank::UNKNOWN);
    }

    #[test]
    fn shards_cut_what_the_reference_cuts() {
        assert_eq!(cut("word_embeddings.weight"), Cut::Rows);
        assert_eq!(cut("top_query_embeddings.weight"), Cut::Rows);
        assert_eq!(cut("position_embeddings.weight"), Cut::Repeated);
        assert_eq!(cut("layers.0.attention.dense.weight"), Cut::Columns);
        assert_eq!(cut("layers.0.attention.dense.bias"), Cut::Repeated);
        assert_eq!(cut("topQueryLayer.mlp.dense_h_to_4h.bias"), Cut::Rows);
        assert_eq!(cut("layers.0.mlp.dense_4h_to_h.bias"), Cut::Repeated);
    }
}
