//! The tokenizer against the reference: our own cases, verified with other implementations, and
//! the large set of golden cases where that is at hand.

use std::path::Path;

use codegeex::tokenizer::{CodeGeexTokenizer, SpecialTokens, Tokenizer};
use serde::Deserialize;

use crate::support::shared;

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    /// What the ids decode to, where that is not the text itself.
    decoded: Option<String>,
}

/// Runs every case of a file of JSON lines, and returns how many there are.
fn check(path: &Path) -> usize {
    let lines = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    let tokenizer = CodeGeexTokenizer::codegeex().unwrap();
    let mut failures = Vec::new();
    for (number, line) in (1..).zip(lines.lines()) {
        let case: Case = serde_json::from_str(line).expect("a case a line");
        let ids = tokenizer.encode(&case.text, SpecialTokens::Parse).unwrap();
        let decoded = tokenizer
            .decode(&case.ids)
            .expect("every id stands for something");
        if ids != case.ids || decoded != case.decoded.unwrap_or(case.text) {
            failures.push(number);
        }
    }
    assert!(
        failures.is_empty(),
        "{}: lines {failures:?} differ",
        path.display()
    );
    lines.lines().count()
}

#[test]
fn own_cases() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tokenizer_cases.jsonl");
    assert!(check(&path) > 100);
}

#[test]
fn golden_cases() {
    if let Some(path) = shared("golden/tokenizer_cases.jsonl") {
        assert_eq!(check(&path), 1262);
    }
}
