//! Fill-in-the-middle: `generate --suffix`, its fields of `--jsonl`, and what `inspect` says.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::{Finished, run};
use crate::support::families::{self, CONTROLS};
use crate::support::vocabulary::byte_level_json;

/// The toy model with a tokenizer that has StarCoder2's tokens.
fn model() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let toy = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
    std::fs::copy(toy, folder.path().join("model.safetensors")).unwrap();
    let tokenizer = folder.path().join("tokenizer.json");
    std::fs::write(tokenizer, byte_level_json(&CONTROLS)).unwrap();
    folder
}

fn generate(model: &TempDir, args: &[&str]) -> Finished {
    let folder = model.path().to_str().unwrap();
    let usual = [
        "generate",
        "--temperature",
        "0",
        "--max-new-tokens",
        "8",
        "--model",
        folder,
    ];
    run(&[&usual[..], args].concat(), "")
}

#[test]
fn a_suffix_is_in_the_prompt_as_the_model_was_trained() {
    let model = model();
    let by_hand = |prompt: &str| generate(&model, &["--parse-special", prompt]).ok();
    let psm = by_hand("<fim_prefix>a = <fim_suffix>\n<fim_middle>");
    assert!(!psm.is_empty());
    assert_eq!(generate(&model, &["a = ", "--suffix", "\n"]).ok(), psm);
    let order = ["a = ", "--suffix", "\n", "--infill-order", "spm"];
    let spm = by_hand("<fim_prefix><fim_suffix>\n<fim_middle>a = ");
    assert_eq!(generate(&model, &order).ok(), spm);
    // An empty suffix is one: the end of the file.
    let end = by_hand("<fim_prefix>a = <fim_suffix><fim_middle>");
    assert_eq!(generate(&model, &["a = ", "--suffix", ""]).ok(), end);

    // Files of the repository, and the suffix from a file.
    let file = model.path().join("other.py");
    std::fs::write(&file, "B\n").unwrap();
    let file = file.to_str().unwrap();
    let all = format!(
        "<repo_name>r<file_sep>{file}\nB\n<file_sep><fim_prefix>a.py\na = <fim_suffix>B\n<fim_middle>"
    );
    let args = [
        "a = ",
        "--suffix-file",
        file,
        "--context-file",
        file,
        "--path",
        "a.py",
        "--repository",
        "r",
    ];
    assert_eq!(generate(&model, &args).ok(), by_hand(&all));
    // A special token in a suffix is text.
    let spelled = generate(&model, &["a", "--suffix", "<fim_middle>"]).ok();
    let text = "<fim_prefix>a<fim_suffix><fim_middle><fim_middle>";
    assert_ne!(spelled, by_hand(text));
}

#[test]
fn the_end_of_the_middle_ends_the_completion() {
    let model = model();
    // <fim_pad>
    let pad = ["a = ", "--suffix", "\n", "--logit-bias", "260=100"];
    let done = generate(&model, &pad);
    assert!(
        done.stderr.contains("finish reason: end_of_text"),
        "{}",
        done.stderr
    );
    assert_eq!(done.ok(), "");
    // Without a suffix it is a token like others; with --stop-ids it ends that as well.
    let plain = generate(&model, &["a = ", "--logit-bias", "260=100"]);
    assert!(
        plain.stderr.contains("finish reason: length"),
        "{}",
        plain.stderr
    );
    let stopped = generate(
        &model,
        &["a = ", "--logit-bias", "260=100", "--stop-ids", "260"],
    );
    assert!(
        stopped.stderr.contains("finish reason: end_of_text"),
        "{}",
        stopped.stderr
    );
    let message = generate(&model, &["a", "--stop-ids", "99999999"]).failed(1);
    assert!(message.contains("stop_ids has token 99999999"), "{message}");
}

#[test]
fn requests_have_a_suffix_each() {
    let model = model();
    let folder = model.path().to_str().unwrap();
    let ask = |requests: &[Value]| -> Vec<Value> {
        let lines: Vec<String> = requests.iter().map(Value::to_string).collect();
        let args = [
            "generate",
            "--jsonl",
            "--max-new-tokens",
            "8",
            "--model",
            folder,
        ];
        run(&args, lines.join("\n")).some_refused()
    };
    let answers = ask(&[
        json!({"prompt": "a = ", "suffix": "\n"}),
        json!({"ids": [257, 97, 32, 61, 32, 258, 10, 259]}),
        json!({"prompt": "a = ", "suffix": "\n", "infill_order": "spm"}),
        json!({"prompt": "a = ", "suffix": "\n", "files": [{"path": "b", "text": "B"}], "path": "a"}),
        json!({"prompt": "a = ", "path": "a"}),
        json!({"prompt": "a = ", "suffix": "\n", "infill_order": "mps"}),
        json!({"prompt": "a = ", "suffix": "\n", "files": [{"path": "b", "text": "B"}]}),
        json!({"prompt": "a = ", "suffix": "\n", "num_beams": 2}),
    ]);
    assert_eq!(answers[0]["ids"], answers[1]["ids"]);
    assert_ne!(answers[2]["ids"], answers[0]["ids"]);
    assert!(answers[3]["error"].is_null(), "{}", answers[3]);
    for (answer, part) in answers[4..].iter().zip([
        "without a suffix",
        "expected psm or spm",
        "set the path",
        "leave out the suffix or num_beams",
    ]) {
        let message = answer["error"].to_string();
        assert!(message.contains(part), "{answer}");
    }
}

#[test]
fn models_without_it_rank_by_the_suffix_and_have_no_files() {
    let args = [
        "generate",
        "-n",
        "3",
        "--max-new-tokens",
        "4",
        "--suffix",
        ")\n",
        "print(",
    ];
    let ranked = run(&args, "").ok();
    let plain = run(
        &["generate", "-n", "3", "--max-new-tokens", "4", "print("],
        "",
    )
    .ok();
    let sorted = |text: &str| {
        let mut parts: Vec<String> = (text.split("--- sample "))
            .filter_map(|part| Some(part.split_once('\n')?.1.to_owned()))
            .collect();
        parts.sort();
        parts
    };
    assert_eq!(sorted(&ranked), sorted(&plain));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let args = [
        "generate",
        "a",
        "--suffix",
        "",
        "--path",
        "a",
        "--context-file",
        file,
    ];
    let message = run(&args, "").failed(1);
    assert!(message.contains("no format for them"), "{message}");
    let message = run(&["generate", "a", "--path", "a"], "").failed(2);
    assert!(message.contains("without a suffix"), "{message}");
}

#[test]
fn inspect_names_the_format() {
    let model = model();
    let folder = model.path().to_str().unwrap();
    let text = run(&["inspect", folder, "--no-tensors"], "").ok();
    let line = "tokenizer   263 ids; fill-in-the-middle: starcoder2 (psm, spm)\n";
    assert!(text.contains(line), "{text}");
    let json: Value = serde_json::from_str(&run(&["inspect", folder, "--json"], "").ok()).unwrap();
    assert_eq!(
        json["tokenizer"],
        json!({"ids": 263, "infill": "starcoder2"})
    );
}

#[test]
fn every_family_fills_in() {
    for (name, folder) in families::all() {
        let model = families::with_tokenizer(&folder);
        let by_hand = "<fim_prefix>a = <fim_suffix>\n<fim_middle>";
        let by_hand = generate(&model, &["--parse-special", by_hand]).ok();
        let filled = generate(&model, &["a = ", "--suffix", "\n"]).ok();
        assert_eq!(filled, by_hand, "{name}");
    }
}
