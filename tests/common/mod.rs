//! Where tests find reference data.

use std::path::PathBuf;

/// A file or folder of the reference data: `$CODEGEEX_SHARED`, or `shared` beside the checkout.
/// Nothing, with a word on stderr, where there is none.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("CODEGEEX_SHARED") {
        Some(root) => PathBuf::from(root),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
    };
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("skipped: no {path} beside the checkout or under CODEGEEX_SHARED");
    None
}
