//! The tiny models of other families with a vocabulary that text fits into.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors, View};
use serde_json::Value;
use tempfile::TempDir;

use super::vocabulary::byte_level_json;

/// Ids of the models as they are in `tests/data/families`, and here.
const IDS: [usize; 2] = [70, 263];
/// Their context length.
const CONTEXT: [usize; 2] = [64, 512];

/// What the tokenizer has beside the 256 bytes: StarCoder2's tokens, from id 256 on.
pub const CONTROLS: [&str; 7] = [
    "<|endoftext|>",
    "<fim_prefix>",
    "<fim_suffix>",
    "<fim_middle>",
    "<fim_pad>",
    "<repo_name>",
    "<file_sep>",
];

/// The folders of every model, by name.
pub fn all() -> Vec<(String, PathBuf)> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/families");
    super::golden::folders(&data)
}

/// A tensor whose rows or columns are repeated.
struct Repeated {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl View for Repeated {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.data)
    }
    fn data_len(&self) -> usize {
        self.data.len()
    }
}

/// Repeats dimension `axis` up to `to`.
fn repeat(tensor: Repeated, axis: usize, to: usize) -> Repeated {
    let item: usize = tensor.shape[axis + 1..].iter().product();
    let item = item * tensor.dtype.bitsize() / 8;
    let from = tensor.shape[axis];
    let outer = tensor.data.chunks(item * from);
    let data = outer.flat_map(|block| (0..to).flat_map(move |i| &block[i % from * item..][..item]));
    let data = data.copied().collect();
    let mut shape = tensor.shape;
    shape[axis] = to;
    Repeated {
        data,
        shape,
        ..tensor
    }
}

/// One of the models, with 263 ids, a context of 512 and a tokenizer of single bytes beside it.
pub fn with_tokenizer(folder: &Path) -> TempDir {
    let out = tempfile::tempdir().unwrap();
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    for (key, value) in config.as_object_mut().unwrap() {
        let is_context = [
            "max_position_embeddings",
            "n_positions",
            "n_ctx",
            "seq_length",
        ]
        .contains(&&**key);
        if ["vocab_size", "padded_vocab_size"].contains(&&**key) {
            *value = IDS[1].into();
        } else if is_context && *value == CONTEXT[0] {
            *value = CONTEXT[1].into();
        } else if key.as_str() == "eos_token_id" {
            *value = 256.into();
        }
    }
    let file = std::fs::read(folder.join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let tensors = tensors.iter().map(|(name, view)| {
        let mut tensor = Repeated {
            dtype: view.dtype(),
            shape: view.shape().to_vec(),
            data: view.data().to_vec(),
        };
        let is_position = name.contains("wpe") || name.contains("embed_positions");
        for axis in 0..tensor.shape.len() {
            let of = tensor.shape[axis];
            if of == IDS[0] {
                tensor = repeat(tensor, axis, IDS[1]);
            } else if is_position && axis == 0 {
                tensor = repeat(tensor, axis, of + CONTEXT[1] - CONTEXT[0]);
            }
        }
        (name.to_owned(), tensor)
    });
    let path = out.path().join("model.safetensors");
    safetensors::serialize_to_file(tensors, None, &path).unwrap();
    std::fs::write(out.path().join("config.json"), config.to_string()).unwrap();
    std::fs::write(
        out.path().join("tokenizer.json"),
        byte_level_json(&CONTROLS),
    )
    .unwrap();
    out
}
