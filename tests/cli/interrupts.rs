//! What an interrupt leaves behind.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use codegeex::model::ModelConfig;
use codegeex::model::checkpoint::{CONFIG_KEY, expected_tensors};
use serde_json::{Map, Value, json};

use crate::PROMPT;
use crate::command::{codegeex, finish, read_some, signal, start};

const INTERRUPTED: Option<i32> = Some(130);

#[test]
fn an_interrupted_generation_has_written_what_there_is() {
    let args = "generate --temperature 0 --max-new-tokens 1900";
    let args: Vec<&str> = args.split(' ').chain([PROMPT]).collect();
    let (child, _stdin, mut stdout) = start(&args);
    let mut text = read_some(&mut stdout, 8);
    signal(&child, "INT");
    stdout.read_to_string(&mut text).unwrap();
    let ended = finish(child);
    assert_eq!((ended.code, &*ended.stderr), (INTERRUPTED, ""));
    assert!(
        crate::LIBRARY
            .complete_n(PROMPT, &Default::default())
            .unwrap()[0]
            .text
            .starts_with(&text[..8])
    );
}

#[test]
fn an_interrupted_request_is_answered_with_what_there_is() {
    let (child, mut stdin, stdout) = start(&["generate", "--jsonl"]);
    let mut answers = BufReader::new(stdout).lines();
    // The second request is under way, or about to be, when the first is answered.
    let requests = [
        json!({"prompt": PROMPT, "max_new_tokens": 1}),
        json!({"prompt": PROMPT, "max_new_tokens": 1900}),
        json!({"prompt": PROMPT, "max_new_tokens": 1}),
    ];
    for request in requests {
        writeln!(stdin, "{request}").unwrap();
    }
    answers.next().unwrap().unwrap();
    thread::sleep(Duration::from_millis(500));
    signal(&child, "INT");
    let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
    assert_eq!(answer["finish_reason"], "cancelled");
    assert!(answer["ids"].as_array().unwrap().len() < 1900);
    assert!(answers.next().is_none(), "the third is not begun");
    assert_eq!(finish(child).code, INTERRUPTED);
}

#[test]
fn a_command_that_waits_for_input_ends_at_once() {
    for args in [&["tokenize", "--jsonl"][..], &["detokenize", "--jsonl"]] {
        let (child, mut stdin, stdout) = start(args);
        let mut answers = BufReader::new(stdout).lines();
        // Once it answers, it has taken over the signals; an error is an answer as well.
        stdin.write_all(b"\"a\"\n").unwrap();
        answers.next().unwrap().unwrap();
        signal(&child, "INT");
        assert!(answers.next().is_none());
        let ended = finish(child);
        assert_eq!((ended.code, &*ended.stderr), (INTERRUPTED, ""));
    }
}

/// A model of 4 GB that takes no room: a file of holes. Converting it takes far longer than an
/// interrupt.
fn large_model(folder: &Path) -> PathBuf {
    let config = ModelConfig::from_json(
        r#"{"num_layers": 1, "hidden_size": 128, "num_attention_heads": 2,
            "padded_vocab_size": 16777216, "max_position_embeddings": 8}"#,
    )
    .unwrap();
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!({CONFIG_KEY: config.to_json()}));
    let mut end = 0;
    for (name, shape) in expected_tensors(&config) {
        let bytes = 2 * shape.iter().product::<usize>();
        let described = json!({"dtype": "F16", "shape": shape, "data_offsets": [end, end + bytes]});
        header.insert(name, described);
        end += bytes;
    }
    let mut header = Value::Object(header).to_string();
    // Data that are not aligned would be copied as a whole.
    let padding = header.len().next_multiple_of(64) + 56 - header.len();
    header.push_str(&" ".repeat(padding));
    let path = folder.join("large.safetensors");
    let mut file = File::create(&path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes())
        .unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len((8 + header.len() + end) as u64).unwrap();
    path
}

/// Starts a conversion to `out` in a folder of its own and waits until it writes.
fn start_converting(model: &Path, out: &Path) -> Child {
    let (model, to) = (model.to_str().unwrap(), out.to_str().unwrap());
    let args = ["convert", model, to, "--dtype", "f32", "--overwrite"];
    let mut child = codegeex(&args).spawn().unwrap();
    let started = Instant::now();
    let folder = out.parent().unwrap();
    let writes = || {
        let mut entries = std::fs::read_dir(folder).unwrap();
        entries.any(|e| {
            let e = e.unwrap();
            e.path() != out && e.metadata().is_ok_and(|m| m.len() > 1 << 20)
        })
    };
    while !writes() {
        assert!(child.try_wait().unwrap().is_none(), "ended already");
        if started.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("writes nothing");
        }
        thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn an_interrupted_conversion_leaves_no_trace() {
    let models = tempfile::tempdir().unwrap();
    let model = large_model(models.path());
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.safetensors");
    for name in ["INT", "TERM"] {
        std::fs::write(&out, "mine").unwrap();
        let child = start_converting(&model, &out);
        signal(&child, name);
        let ended = finish(child);
        assert_eq!((ended.code, &*ended.stderr), (INTERRUPTED, "interrupted\n"));
        assert_eq!(std::fs::read(&out).unwrap(), b"mine");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn what_a_killed_conversion_leaves_goes_with_the_next() {
    let models = tempfile::tempdir().unwrap();
    let model = large_model(models.path());
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.safetensors");
    for _ in 0..3 {
        let mut child = start_converting(&model, &out);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    let small = crate::checkpoints::layout("single.pt");
    crate::command::run(&["convert", &small, out.to_str().unwrap()], "").ok();
    let left: Vec<_> = (std::fs::read_dir(folder.path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(left, [out]);
}
