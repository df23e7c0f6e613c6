//! Which model the examples open.

use std::path::{Path, PathBuf};

/// The path given as the first argument; without one the default model of the repository, and where
/// that is not there (the published crate) the toy, whose answers are noise.
pub fn model_path() -> PathBuf {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let default = models.join("codegeex_tiny.safetensors");
    match std::env::args_os().nth(1) {
        Some(path) => path.into(),
        None if default.exists() => default,
        None => models.join("toy.safetensors"),
    }
}
