//! `convert` and `inspect`.

use std::path::Path;

use serde_json::Value;

use crate::command::{json_lines, run};
use crate::support::{ALIKE, layouts};

pub fn layout(name: &str) -> String {
    layouts().join(name).to_str().unwrap().to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn inspect(path: &Path) -> Value {
    json_lines(&run(&["inspect", "--json", text(path)], "").ok()).remove(0)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_layout_of_a_model_becomes_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.safetensors");
    let mut first = None;
    for name in ALIKE.iter().chain(&["reference.safetensors"]) {
        let args = ["convert", &layout(name), text(&out), "--dtype", "f16"];
        let args = [&args[..], &["--overwrite"]].concat();
        assert_eq!(run(&args, "").ok(), "");
        let bytes = std::fs::read(&out).unwrap();
        assert!(*first.get_or_insert(bytes.clone()) == bytes, "{name}");
    }
    assert_eq!(names(folder.path()), ["out.safetensors"]);
    // A file carries its configuration, and converts to itself.
    let again = folder.path().join("again.safetensors");
    run(&["convert", text(&out), text(&again)], "").ok();
    assert!(std::fs::read(again).unwrap() == first.unwrap());
}

#[test]
fn what_is_read_through_a_copy_is_shown() {
    let views = run(&["inspect", "--no-tensors", &layout("views.pt")], "").ok();
    let line = "\ncopied      2 tensors are read through a copy (4096 bytes)\n";
    assert!(views.contains(line), "{views}");
    let single = run(&["inspect", "--no-tensors", &layout("single.pt")], "").ok();
    assert!(!single.contains("copied"), "{single}");
    let views = inspect(Path::new(&layout("views.pt")));
    assert_eq!(
        views["copied"],
        serde_json::json!({"tensors": 2, "bytes": 4096})
    );
}

#[test]
fn weights_get_the_type_that_is_asked_for_or_keep_theirs() {
    let folder = tempfile::tempdir().unwrap();
    for (input, dtype, expected) in [
        ("single.pt", "", "f16"),
        ("single_bf16.pt", "", "bf16"),
        ("single_f32.pt", "", "f32"),
        ("single_f32.pt", "f16", "f16"),
        ("single_f32.pt", "bf16", "bf16"),
        ("single.pt", "f32", "f32"),
    ] {
        let out = folder.path().join(format!("{input}-{dtype}.safetensors"));
        let input = layout(input);
        let mut args = vec!["convert", &input, text(&out)];
        if !dtype.is_empty() {
            args.extend(["--dtype", dtype]);
        }
        run(&args, "").ok();
        let tensors = inspect(&out)["tensors"].clone();
        let tensors = tensors.as_array().unwrap();
        assert!(tensors.len() > 10);
        assert!(
            tensors.iter().all(|t| t["dtype"] == expected),
            "{input} {dtype}: {}",
            tensors[0]
        );
    }
}

#[test]
fn a_file_that_is_there_stays_unless_it_may_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.safetensors");
    std::fs::write(&out, "mine").unwrap();
    let input = layout("single.pt");
    let message = run(&["convert", &input, text(&out)], "").failed(1);
    assert!(message.contains(text(&out)), "{message}");
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
    // Neither does a conversion that fails.
    let broken = layout("config.json");
    run(&["convert", &broken, text(&out), "--overwrite"], "").failed(1);
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
    run(&["convert", &input, text(&out), "--overwrite"], "").ok();
    assert!(inspect(&out)["parameters"].is_number());
    assert_eq!(names(folder.path()), ["out.safetensors"]);
    let nowhere = folder.path().join("no/such/folder/out");
    run(&["convert", &input, text(&nowhere)], "").failed(1);
}

#[test]
fn a_configuration_may_be_given() {
    let folder = tempfile::tempdir().unwrap();
    let lone = folder.path().join("lone.pt");
    std::fs::copy(layout("single.pt"), &lone).unwrap();
    let out = folder.path().join("out.safetensors");
    for args in [
        &["convert", text(&lone), text(&out)][..],
        &["inspect", text(&lone)],
        &["generate", "!", "--model", text(&lone)],
        &["score", "--jsonl", "--model", text(&lone)],
    ] {
        let message = run(args, "").failed(1);
        assert!(message.contains("num_attention_heads"), "{message}");
    }
    let config = layout("config.json");
    let config = ["--config", &config];
    run(
        &[&["convert", text(&lone), text(&out)], &config[..]].concat(),
        "",
    )
    .ok();
    assert_eq!(inspect(&out)["config"]["num_attention_heads"], 2);
    let with = |args: &[&str]| run(&[args, &config].concat(), "").ok();
    with(&["inspect", text(&lone)]);
    with(&["score", "--jsonl", "--model", text(&lone)]);
    let found = with(&["generate", "!", "--model", text(&lone)]);
    for how in [
        &["--copy"][..],
        &["--threads", "3"],
        &["--kv", "f32"],
        &["--kv", "f16"],
        &["--kv", "int8"],
    ] {
        let args = [&["generate", "!", "--model", text(&lone)], how].concat();
        assert_eq!(with(&args), found);
    }

    let wrong = folder.path().join("wrong.json");
    std::fs::write(&wrong, "{\"num_layers\": 0}").unwrap();
    let args = ["inspect", text(&lone), "--config", text(&wrong)];
    assert!(run(&args, "").failed(1).contains("wrong.json"));
}

#[test]
fn inspect_tells_config_tensors_parameters_and_bytes() {
    let path = layouts().join("single.pt");
    let found = inspect(&path);
    let tensors = found["tensors"].as_array().unwrap();
    let sum = |f: &dyn Fn(&Value) -> u64| tensors.iter().map(f).sum::<u64>();
    let elements = |t: &Value| -> u64 {
        let shape = t["shape"].as_array().unwrap();
        shape.iter().map(|d| d.as_u64().unwrap()).product()
    };
    let parameters = sum(&elements);
    let bytes = sum(&|t| t["bytes"].as_u64().unwrap());
    assert_eq!(found["parameters"], parameters);
    assert_eq!(
        (found["bytes"].as_u64(), bytes),
        (Some(bytes), 2 * parameters)
    );
    assert_eq!(found["config"]["hidden_size"], 16);
    let cache = |kv: &str| {
        let args = ["inspect", "--json", "--kv", kv, text(&path)];
        json_lines(&run(&args, "").ok())[0]["memory"]["cache_full_context"].as_u64()
    };
    assert!(found["memory"]["cache_per_token"].as_u64() > Some(0));
    assert!(cache("f32") == cache("f16").map(|n| 2 * n) && cache("int8") < cache("f16"));

    let whole = run(&["inspect", text(&path)], "").ok();
    for part in [
        "\"hidden_size\":16",
        &parameters.to_string(),
        &format!("{bytes} bytes"),
    ] {
        assert!(whole.contains(part), "{part} is not in {whole}");
    }
    for t in tensors {
        let name = t["name"].as_str().unwrap();
        let line = whole
            .lines()
            .find(|l| l.split_whitespace().next() == Some(name));
        assert!(line.expect(name).ends_with(&t["bytes"].to_string()));
    }
    let short = run(&["inspect", "--no-tensors", text(&path)], "").ok();
    assert!(whole.starts_with(&short) && short.lines().count() < 9);
    assert!(
        short.contains("family      codegeex; context 32, vocabulary 120\n"),
        "{short}"
    );
    let args = ["inspect", "--no-tensors", "--json", text(&path)];
    assert!(json_lines(&run(&args, "").ok())[0].get("tensors").is_none());
    let message = run(&["inspect", &layout("legacy.pt")], "").failed(1);
    assert!(message.contains("legacy.pt"), "{message}");
}

#[test]
fn inspect_tells_what_a_configuration_without_weights_takes() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    // Qwen2.5-Coder-1.5B.
    let json = r#"{"architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0,
        "eos_token_id": 151643, "hidden_act": "silu", "hidden_size": 1536, "intermediate_size": 8960,
        "max_position_embeddings": 32768, "max_window_layers": 28, "model_type": "qwen2",
        "num_attention_heads": 12, "num_hidden_layers": 28, "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": null,
        "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_cache": true,
        "use_mrope": false, "use_sliding_window": false, "vocab_size": 151936}"#;
    std::fs::write(&config, json).unwrap();
    for path in [folder.path(), &config] {
        let found = inspect(path);
        assert_eq!(found["family"], "llama");
        assert_eq!(found["parameters"], 1_543_714_304u64);
        assert_eq!(found["weight_bytes"]["fp16"], 2 * 1_543_714_304u64);
        assert!(found["weight_bytes"]["int4"].as_u64() < found["weight_bytes"]["int8"].as_u64());
        // 28 layers, keys and values of 2 heads of 128, four bytes.
        assert_eq!(found["memory"]["cache_per_token"], 28 * 2 * 2 * 128 * 4);
        let shown = run(&["inspect", text(path)], "").ok();
        assert!(
            shown.contains("family      llama; context 32768, vocabulary 151936\n"),
            "{shown}"
        );
    }
    std::fs::write(&config, json.replace("qwen2", "qwen9")).unwrap();
    let message = run(&["inspect", text(folder.path())], "").failed(1);
    assert!(message.contains("`model_type` is \"qwen9\""), "{message}");
}
