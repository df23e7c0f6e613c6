//! The tokenizer against the reference: our own cases, verified with other implementations, and
//! the large set of golden cases where that is at hand.

use std::io::{BufRead, BufReader};
use std::path::Path;

use codegeex::tokenizer::{BpeTokenizer, InvalidUtf8, SpecialTokens, StreamDecoder, Tokenizer};
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
    let tokenizer = BpeTokenizer::codegeex().unwrap();
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

/// Published tokenizers: `CODEGEEX_TOKENIZERS` names a folder with `NAME/tokenizer.json` for each.
#[test]
#[ignore = "needs the tokenizer.json of four published models"]
fn published_tokenizers() {
    let folder = std::env::var_os("CODEGEEX_TOKENIZERS").expect("CODEGEEX_TOKENIZERS is set");
    let golden = shared("golden/tokenizers").expect("the golden cases");
    for name in ["deepseek_v3", "llama2", "llama3", "qwen3"] {
        let tokenizer = BpeTokenizer::open(Path::new(&folder).join(name)).unwrap();
        let file = std::fs::File::open(golden.join(format!("{name}.jsonl.gz"))).unwrap();
        let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
        let mut cases = 0;
        for (number, line) in (1..).zip(lines) {
            let case: Case = serde_json::from_str(&line.unwrap()).expect("a case a line");
            let ids = tokenizer.encode(&case.text, SpecialTokens::Parse).unwrap();
            assert_eq!(ids, case.ids, "{name}, line {number}");
            let decoded = tokenizer.decode(&ids).unwrap();
            assert_eq!(Some(decoded), case.decoded, "{name}, line {number}");
            let mut stream = StreamDecoder::new(InvalidUtf8::Refuse);
            let mut text = String::new();
            for id in ids {
                stream.push_token(&tokenizer, id, &mut text).unwrap();
            }
            stream.finish(&mut text).unwrap();
            assert_eq!(
                Some(text),
                case.decoded,
                "{name}, line {number}, as a stream"
            );
            cases += 1;
        }
        assert_eq!(cases, 400, "{name}");
    }
}
