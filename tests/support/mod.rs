//! What the tests of checkpoints share: small files made by hand, and memory that is counted.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod alloc;
pub mod families;
pub mod files;
pub mod golden;
pub mod tokenizer;
pub mod vocabulary;

use std::io::Write;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Every layout that holds the numbers of `reference.safetensors`, which is not listed.
pub const ALIKE: [&str; 10] = [
    "single.pt",
    "single_f32.pt",
    "merged_qkv.pt",
    "mp2",
    "mp4",
    "mp2_merged",
    "flat_parameters.pt",
    "views.pt",
    "indexed",
    "mindspore",
];

/// The checkpoints that `tests/data/layouts/make.py` made.
pub fn layouts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/layouts")
}

/// The default model, or in the published crate, which has no room for it, the toy.
pub fn some_model() -> PathBuf {
    let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models");
    let default = models.join("codegeex_tiny.safetensors");
    if default.exists() {
        return default;
    }
    models.join("toy.safetensors")
}

/// Where tests keep what evaluation makes ready, which takes minutes: `CODEGEEX_CACHE`, or a folder in
/// Cargo's target folder. Never the cache folder of the user.
pub fn cache_dir() -> PathBuf {
    std::env::var_os("CODEGEEX_CACHE").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).join("toolchains"),
        PathBuf::from,
    )
}

/// Says that the test that calls this leaves something out. With `CODEGEEX_CI=1` that is a failure;
/// otherwise a line on the standard error of the process, which the test harness does not capture.
#[track_caller]
pub fn skip(why: &str) {
    static SKIPS: AtomicUsize = AtomicUsize::new(0);
    let thread = std::thread::current();
    // The harness names the threads of tests after them, unless there is one thread for all.
    let place = Location::caller();
    let test = thread.name().filter(|name| *name != "main");
    let test = test.map_or_else(|| place.to_string(), str::to_owned);
    assert!(
        std::env::var_os("CODEGEEX_CI").is_none_or(|value| value != "1"),
        "{why}; with CODEGEEX_CI=1 nothing may be skipped"
    );
    let number = SKIPS.fetch_add(1, Ordering::Relaxed) + 1;
    // As one write, so that lines of several tests stay whole.
    let line = format!("skipped (number {number} of this binary): {test}: {why}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Larger test data that is not part of the repository: in the folder `CODEGEEX_SHARED`, or in
/// `shared` beside the repository. The test that asks is skipped where it is not there.
/// `CODEGEEX_SHARED=none` says that there is none, which is then no failure anywhere.
#[track_caller]
pub fn shared(what: &str) -> Option<PathBuf> {
    if std::env::var_os("CODEGEEX_SHARED").is_some_and(|value| value == "none") {
        return None;
    }
    let root = std::env::var_os("CODEGEEX_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let path = root.join(what);
    if path.exists() {
        return Some(path);
    }
    skip(&format!(
        "{} is not there (CODEGEEX_SHARED names another folder)",
        path.display()
    ));
    None
}
