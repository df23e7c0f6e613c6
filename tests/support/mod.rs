//! What the tests of checkpoints share: small files made by hand, and memory that is counted.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod alloc;
pub mod files;
pub mod golden;
pub mod tokenizer;

use std::path::PathBuf;

/// Every layout that holds the numbers of `reference.safetensors`, which is not listed.
pub const ALIKE: [&str; 9] = [
    "single.pt",
    "single_f32.pt",
    "merged_qkv.pt",
    "mp2",
    "mp4",
    "mp2_merged",
    "flat_parameters.pt",
    "views.pt",
    "indexed",
];

/// The checkpoints that `tests/data/layouts/make.py` made.
pub fn layouts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/layouts")
}

/// A folder of larger test data that is not part of the repository: `CODEGEEX_SHARED`, or
/// `shared` beside it. Says on standard error when it is not there.
pub fn shared(what: &str) -> Option<PathBuf> {
    let root = std::env::var_os("CODEGEEX_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let path = root.join(what);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "skipped: {} is not there (set CODEGEEX_SHARED)",
        path.display()
    );
    None
}
