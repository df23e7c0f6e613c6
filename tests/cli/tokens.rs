//! `tokenize` and `detokenize`.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use codegeex::tokenizer::SpecialTokens;
use serde_json::{Value, json};

use crate::LIBRARY;
use crate::command::{assert_error, finish, json_lines, run, start};
use crate::support::shared;

fn lines_of(values: impl IntoIterator<Item = Value>) -> String {
    values.into_iter().fold(String::new(), |mut text, value| {
        writeln!(text, "{value}").unwrap();
        text
    })
}

/// Texts to ids and ids to texts, each as bare values and as objects.
fn check_cases(cases: &[Value]) {
    assert!(cases.len() > 100);
    let column = |name: &'static str| cases.iter().map(move |case| case[name].clone());
    let ids: Vec<Value> = column("ids").collect();
    let texts = lines_of(column("text"));
    let objects = lines_of(column("text").map(|text| json!({"text": text})));
    for input in [&texts, &objects] {
        let found = run(&["tokenize", "--jsonl", "--parse-special"], input).ok();
        assert!(json_lines(&found) == ids);
    }
    let decoded: Vec<Value> = cases
        .iter()
        .map(|case| case.get("decoded").unwrap_or(&case["text"]).clone())
        .collect();
    let objects = lines_of(ids.iter().map(|ids| json!({"ids": ids})));
    for input in [&lines_of(ids.iter().cloned()), &objects] {
        let found = run(&["detokenize", "--jsonl"], input).ok();
        assert!(json_lines(&found) == decoded);
    }
}

#[test]
fn texts_become_ids_and_ids_become_texts() {
    check_cases(&json_lines(include_str!("../data/tokenizer_cases.jsonl")));
}

#[test]
fn the_reference_gives_the_same_ids_and_texts() {
    if let Some(path) = shared("golden/tokenizer_cases.jsonl") {
        check_cases(&json_lines(&std::fs::read_to_string(path).unwrap()));
    }
}

#[test]
fn special_tokens_are_text_unless_parsed() {
    let line = "\"<|endoftext|>\"\n";
    let parsed = run(&["tokenize", "--jsonl", "--parse-special"], line).ok();
    assert_eq!(parsed, "[50256]\n");
    let plain = run(&["tokenize", "--jsonl"], line).ok();
    let expected = LIBRARY
        .tokenizer()
        .encode("<|endoftext|>", SpecialTokens::AsText)
        .unwrap();
    assert_eq!(json_lines(&plain), [json!(expected)]);
    assert!(expected.len() > 1);
}

#[test]
fn a_tokenizer_of_another_model_is_a_file_or_a_folder() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tokenizers");
    let model = data.join("sentencepiece.model");
    let model = model.to_str().unwrap();
    let ids = run(&["tokenize", "--tokenizer", model], "def f(x):\n  y").ok();
    let text = run(&["detokenize", "--tokenizer", model], &ids).ok();
    assert_eq!(text, "def f(x):\n  y");

    let fixture = std::fs::read_to_string(data.join("qwen2.json")).unwrap();
    let fixture: Value = serde_json::from_str(&fixture).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    run(&["tokenize", "--tokenizer", path], "a").failed(1);
    let file = folder.path().join("tokenizer.json");
    std::fs::write(&file, fixture["tokenizer"].to_string()).unwrap();
    for case in fixture["cases"].as_array().unwrap().iter().take(20) {
        let line = format!("{}\n", case["text"]);
        for given in [path, file.to_str().unwrap()] {
            let args = [
                "tokenize",
                "--jsonl",
                "--parse-special",
                "--tokenizer",
                given,
            ];
            assert_eq!(json_lines(&run(&args, &line).ok()), [case["ids"].clone()]);
        }
        let args = ["detokenize", "--jsonl", "--tokenizer", path];
        let found = run(&args, format!("{}\n", case["ids"])).ok();
        assert_eq!(json_lines(&found), [case["decoded"].clone()]);
    }
}

#[test]
fn without_jsonl_all_of_stdin_is_one_text() {
    let text = "def f(x):\n        return \"é\"\n\n";
    let ids = run(&["tokenize"], text).ok();
    assert_eq!(ids.lines().count(), 1);
    assert_eq!(run(&["detokenize"], &ids).ok(), text);
    assert_eq!(run(&["tokenize"], "").ok(), "[]\n");
    let message = run(&["tokenize"], b"ab\xff").failed(1);
    assert!(message.contains("offset 2"), "{message}");
    for broken in ["", "[1,", "[1] [2]", "{\"ids\": \"x\"}"] {
        run(&["detokenize"], broken).failed(1);
    }
}

#[test]
fn a_line_that_is_no_request_is_answered_in_its_place() {
    let input = b"\"a\"\n\n{\"text\": \"\\ud800\"}\n\"\xff\"\n{\"texts\": \"a\"}\n5\n{\"text\": \"a\", \"n\": 1}\n\"a\" \"b\"\n\"b\"";
    let found = run(&["tokenize", "--jsonl"], input).some_refused();
    assert_eq!(found.len(), 8);
    assert_eq!(found[0], json!([64]));
    assert_error(&found[1], 100, 3, &["hex escape", "column"]);
    assert_error(&found[2], 400, 4, &["not UTF-8", "byte 2"]);
    assert_error(&found[3], 100, 5, &["unknown field `texts`", "`text`"]);
    assert_error(&found[4], 100, 6, &["expected a string"]);
    assert_error(&found[5], 100, 7, &["unknown field `n`"]);
    assert_error(&found[6], 100, 8, &["trailing characters"]);
    assert_eq!(found[7], json!([65]), "without a line break at the end");

    let input = "[64]\n[50400]\n[4294967296]\n[-1]\n[1.5]\n\"a\"\n{\"ids\": 1}\n[65]\n";
    let found = run(&["detokenize", "--jsonl"], input).some_refused();
    assert_eq!((&found[0], &found[7]), (&json!("a"), &json!("b")));
    assert_error(&found[1], 101, 2, &["50400"]);
    assert_error(&found[2], 100, 3, &["4294967296"]);
    for (i, answer) in found.iter().enumerate().take(7).skip(3) {
        assert_error(answer, 100, i as u64 + 1, &["invalid "]);
    }
}

#[test]
fn a_client_that_waits_for_each_answer_gets_it() {
    let (child, mut stdin, stdout) = start(&["tokenize", "--jsonl"]);
    let mut answers = BufReader::new(stdout).lines();
    for (text, ids) in [("\"a\"\n", "[64]"), ("\"b\"\n", "[65]"), ("\"\"\n", "[]")] {
        stdin.write_all(text.as_bytes()).unwrap();
        assert_eq!(answers.next().unwrap().unwrap(), ids);
    }
    drop(stdin);
    assert!(answers.next().is_none());
    assert_eq!(finish(child).ok(), "");
}

#[test]
fn a_line_may_be_megabytes_long() {
    let text = json!("x = 1\n".repeat(500_000));
    let ids = run(&["tokenize", "--jsonl"], format!("{text}\n")).ok();
    let back = run(&["detokenize", "--jsonl"], ids).ok();
    assert!(back == format!("{text}\n"));
}

#[test]
fn a_closed_output_is_no_error() {
    let (child, mut stdin, stdout) = start(&["tokenize", "--jsonl"]);
    drop(stdout);
    // The program ends at its first answer, after which this is not read.
    while stdin.write_all(b"\"a\"\n").is_ok() {}
    assert_eq!(finish(child).ok(), "");
}

/// What has no end is refused before it fills the memory.
#[cfg(unix)]
#[test]
fn texts_without_end_are_refused() {
    let zeros = ["score", "--perplexity", "/dev/zero"];
    for args in [&["generate", "--prompt-file", "/dev/zero"][..], &zeros] {
        let said = run(args, "").failed(1);
        assert!(said.contains("more than 64 MiB of text"), "{said}");
    }
}
