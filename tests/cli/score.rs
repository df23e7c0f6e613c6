//! `score`.

use codegeex::cancel::CancelToken;
use codegeex::tokenizer::SpecialTokens;
use serde_json::{Value, json};

use crate::command::{assert_error, json_lines, run};
use crate::support::layouts;
use crate::{LIBRARY, PROMPT};

/// As the program writes it: the shortest digits that give the same f32.
fn number(x: f32) -> Value {
    serde_json::from_str(&serde_json::to_string(&x).unwrap()).unwrap()
}

#[test]
fn the_numbers_are_the_librarys() {
    let ids = LIBRARY
        .tokenizer()
        .encode(PROMPT, SpecialTokens::Parse)
        .unwrap();
    let score = LIBRARY.score(&ids, 3, &CancelToken::new()).unwrap();
    let logprobs: Vec<Value> = (score.logprobs.iter())
        .map(|x| x.map_or(Value::Null, number))
        .collect();
    assert!(logprobs[0].is_null() && logprobs[1].is_number());
    let top: Vec<Value> = (score.top.iter())
        .map(|&(id, logprob)| json!([id, number(logprob)]))
        .collect();
    assert_eq!(top.len(), 3);

    let input = format!("{}\n{}\n", json!({"text": PROMPT}), json!({"ids": ids}));
    let found = json_lines(&run(&["score", "--jsonl", "--top", "3"], &input).ok());
    let expected = json!({"ids": ids, "logprobs": logprobs, "top": top});
    assert_eq!(found, [expected.clone(), expected]);
    let found = json_lines(&run(&["score", "--jsonl"], &input).ok());
    let expected = json!({"ids": ids, "logprobs": logprobs});
    assert_eq!(found, [expected.clone(), expected]);
}

#[test]
fn the_most_likely_ids_are_those_of_the_tokenizer_however_many_are_asked_for() {
    for (top, expected) in [("0", 0), ("1", 1), ("1000000000000", 50_400)] {
        let found = run(&["score", "--jsonl", "--top", top], "{\"ids\": [5]}").ok();
        let answer = &json_lines(&found)[0];
        assert_eq!(answer["logprobs"], json!([null]));
        let top = answer["top"].as_array().unwrap();
        assert_eq!(top.len(), expected);
        // The rows of the model beyond the tokenizer's ids are padding.
        assert!(top.iter().all(|pair| pair[0].as_u64() < Some(50_400)));
        let logprob = |pair: &Value| pair[1].as_f64().unwrap();
        assert!(top.is_sorted_by(|a, b| logprob(a) >= logprob(b)));
    }
}

#[test]
fn special_tokens_of_a_text_are_text_unless_parsed() {
    let line = json!({"text": "x<|endoftext|>"}).to_string();
    let ids = |args: &[&str]| json_lines(&run(args, &line).ok())[0]["ids"].clone();
    let parsed = ids(&["score", "--jsonl", "--parse-special"]);
    assert_eq!(parsed, json!([87, 50256]));
    assert!(ids(&["score", "--jsonl"]).as_array().unwrap().len() > 2);
}

#[test]
fn what_cannot_be_scored_is_an_error_in_its_place() {
    let long = json!({"ids": vec![1; 2049]}).to_string();
    let lines = [
        "{}",
        "{\"ids\": [1], \"text\": \"x\"}",
        "{\"id\": [1]}",
        "{\"ids\": []}",
        "{\"ids\": [52224]}",
        &long,
        "[[1], null]",
        "{\"ids\": [1, 2]}",
    ];
    let found = run(&["score", "--jsonl"], lines.join("\n")).some_refused();
    assert_error(&found[0], 100, 1, &["either ids or text"]);
    assert_error(&found[1], 100, 2, &["either ids or text"]);
    assert_error(&found[2], 100, 3, &["unknown field `id`"]);
    assert_error(&found[3], 100, 4, &["empty"]);
    assert_error(&found[4], 101, 5, &["52224"]);
    assert_error(&found[5], 102, 6, &["2049", "2048"]);
    assert_error(&found[6], 100, 7, &["expected a JSON object"]);
    assert!(found[7]["logprobs"][1].is_number());
}

/// A model with a NaN among its weights has no number to give, and `null` is none.
#[test]
fn what_is_not_a_number_is_an_error() {
    let mut bytes = std::fs::read(layouts().join("reference.safetensors")).unwrap();
    let header = codegeex::weights::safetensors::parse(&bytes).unwrap();
    let norm = (header.tensors.iter())
        .find(|t| t.name.ends_with("final_layernorm.bias"))
        .unwrap();
    let nan = half::f16::NAN.to_le_bytes();
    bytes[norm.range.start..][..2].copy_from_slice(&nan);
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("broken.safetensors");
    std::fs::write(&model, bytes).unwrap();
    std::fs::copy(
        layouts().join("config.json"),
        folder.path().join("config.json"),
    )
    .unwrap();
    let model = model.to_str().unwrap();
    let args = ["score", "--jsonl", "--top", "1", "--model", model];
    let found = run(&args, "{\"ids\": [1]}\n{\"ids\": [1, 2]}").some_refused();
    assert_error(&found[0], 500, 1, &["not finite"]);
    assert_error(&found[1], 500, 2, &["not finite"]);
    let args = ["generate", "--jsonl", "--model", model];
    let found = run(&args, "{\"prompt\": \"!\"}").some_refused();
    assert_error(&found[0], 500, 1, &["broken"]);
    run(&["generate", "!", "--model", model], "").failed(1);
}

#[test]
fn perplexity_of_a_file() {
    let text = PROMPT.repeat(150);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &text).unwrap();
    let path = file.path().to_str().unwrap();
    let found = json_lines(&run(&["score", "--perplexity", path], "").ok());
    let ids = LIBRARY
        .tokenizer()
        .encode(&text, SpecialTokens::Parse)
        .unwrap();
    assert!(ids.len() > 2048);
    let expected = LIBRARY
        .perplexity(&ids, &CancelToken::new(), &mut |_| {})
        .unwrap();
    assert_eq!(
        found,
        [json!({"perplexity": expected.value(), "tokens": ids.len() - 1})]
    );

    for (bytes, part) in [
        (&b"x"[..], "two tokens"),
        (b"", "two tokens"),
        (b"a\xff", "UTF-8"),
    ] {
        std::fs::write(file.path(), bytes).unwrap();
        let message = run(&["score", "--perplexity", path], "").failed(1);
        assert!(
            message.contains(part) && message.contains(path),
            "{message}"
        );
    }
}
