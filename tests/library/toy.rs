//! `models/toy.safetensors`: the small checkpoint that the published crate carries, for doc tests,
//! examples and tests that need a model and no sensible answer.
//!
//! `CODEGEEX_BLESS=1 cargo test --test library toy::` writes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use codegeex::cancel::CancelToken;
use codegeex::model::{Checkpoint, ConvertOptions, ModelConfig, OpenOptions, write_random};
use codegeex::weights::{self, MemoryMode};

/// CodeGeeX's vocabulary, context length and top query layer; everything else as small as it gets.
const CONFIG: &str = r#"{"num_layers":2,"hidden_size":16,"num_attention_heads":2,
    "padded_vocab_size":52224,"max_position_embeddings":2048}"#;
const SEED: u64 = 1;
/// What the package has room for.
const LARGEST: u64 = 2_000_000;

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/toy.safetensors")
}

fn write(out: &Path) {
    let config = ModelConfig::from_json(CONFIG).unwrap();
    let options = ConvertOptions::new().overwrite(true);
    let cancel = CancelToken::new();
    write_random(&config, out, &options, SEED, &mut |_, _| {}, &cancel).unwrap();
}

/// Every tensor's shape, type and bytes.
fn tensors(path: &Path) -> BTreeMap<String, (String, Vec<u8>)> {
    let checkpoint = Checkpoint::open(path, &OpenOptions::new()).unwrap();
    let source = weights::open(path, MemoryMode::Copy).unwrap();
    assert_eq!(
        checkpoint.config(),
        &ModelConfig::from_json(CONFIG).unwrap()
    );
    let mut found = BTreeMap::new();
    for info in source.tensors() {
        let mut bytes = Vec::new();
        let tensor = source.tensor(&info.name).unwrap();
        tensor
            .for_each_run(&mut |run| {
                bytes.extend_from_slice(run);
                Ok(())
            })
            .unwrap();
        let kind = format!("{} {:?}", info.dtype, info.shape);
        found.insert(info.name.clone(), (kind, bytes));
    }
    found
}

#[test]
fn the_toy_model_is_what_the_library_writes() {
    if std::env::var_os("CODEGEEX_BLESS").is_some() {
        write(&path());
    }
    let size = std::fs::metadata(path()).unwrap().len();
    assert!(size < LARGEST, "{size} bytes");
    let folder = tempfile::tempdir().unwrap();
    let fresh = folder.path().join("toy.safetensors");
    write(&fresh);
    let (kept, fresh) = (tensors(&path()), tensors(&fresh));
    assert!(kept.len() > 30);
    assert!(kept == fresh, "the file differs; see the head of this test");
}
