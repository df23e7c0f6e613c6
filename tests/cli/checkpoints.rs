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

/// The tokenizer is not in the result of a conversion: `convert` says so, and another command takes it
/// from where it is.
#[test]
fn a_converted_model_has_the_tokenizer_that_is_given() {
    let llama = layouts().join("../families/llama");
    let folder = crate::support::families::with_tokenizer(&llama);
    let out = tempfile::tempdir().unwrap();
    let model = out.path().join("llama.safetensors");
    let converted = run(&["convert", text(folder.path()), text(&model)], "");
    let note = format!(
        "note: {} holds the weights and the configuration; copy the tokenizer (tokenizer.json) from \
         {} beside it, or give --tokenizer {} to other commands\n",
        model.display(),
        folder.path().display(),
        folder.path().display()
    );
    assert_eq!((converted.code, converted.stderr), (Some(0), note));

    let generate = |args: &[&str]| {
        let usual = [
            "generate",
            "a = ",
            "--max-new-tokens",
            "5",
            "--temperature",
            "0",
        ];
        run(&[&usual, args].concat(), "")
    };
    let beside = generate(&["--model", text(folder.path())]).ok();
    let message = generate(&["--model", text(&model)]).failed(1);
    assert!(message.contains("without a tokenizer"), "{message}");
    let file = folder.path().join("tokenizer.json");
    for tokenizer in [folder.path(), &file] {
        let args = ["--model", text(&model), "--tokenizer", text(tokenizer)];
        assert_eq!(generate(&args).ok(), beside);
    }
    let args = [
        "score",
        "--jsonl",
        "--model",
        text(&model),
        "--tokenizer",
        text(&file),
    ];
    let answer = json_lines(&run(&args, "{\"text\": \"ab\"}\n").ok()).remove(0);
    assert_eq!(answer["ids"].as_array().unwrap().len(), 2, "{answer}");
    // A tokenizer that has more ids than the model.
    let other = layouts().join("../tokenizers/sentencepiece.model");
    let args = ["--model", text(&llama), "--tokenizer", text(&other)];
    let message = generate(&args).failed(1);
    assert!(message.contains("they do not belong together"), "{message}");

    // Nothing is said where a tokenizer lies beside the result.
    std::fs::copy(&file, out.path().join("tokenizer.json")).unwrap();
    let again = ["convert", text(folder.path()), text(&model), "--overwrite"];
    run(&again, "").ok();
    assert_eq!(generate(&["--model", text(&model)]).ok(), beside);
}

#[test]
fn a_folder_without_weights_and_the_cache_of_a_model_say_what_to_give() {
    let folder = tempfile::tempdir().unwrap();
    let llama = layouts().join("../families/llama");
    let copy = |name: &str, to: &Path| {
        std::fs::create_dir_all(to).unwrap();
        std::fs::copy(llama.join(name), to.join(name)).unwrap();
    };
    copy("config.json", folder.path());
    let message = run(&["generate", "!", "--model", text(folder.path())], "").failed(1);
    for part in [
        "a config.json in this folder, and no weights",
        "model.safetensors.index.json",
        "pytorch_model.bin",
    ] {
        assert!(message.contains(part), "{message}");
    }

    let root = folder.path().join("models--org--llama");
    let snapshots = root.join("snapshots");
    let [old, new] = ["0123abcd", "4567ef"].map(|name| snapshots.join(name));
    for snapshot in [&old, &new] {
        copy("config.json", snapshot);
    }
    copy("model.safetensors", &new);
    let message = run(&["inspect", text(&root)], "").failed(1);
    let all = format!("give one of the folders in {}", snapshots.display());
    assert!(message.contains(&all), "{message}");
    std::fs::create_dir(root.join("refs")).unwrap();
    for (main, expected) in [("4567ef", text(&new)), ("../..", text(&snapshots))] {
        std::fs::write(root.join("refs/main"), main).unwrap();
        let message = run(&["inspect", text(&root)], "").failed(1);
        assert!(message.trim_end().ends_with(expected), "{message}");
    }
    run(&["inspect", text(&new)], "").ok();
    std::fs::remove_dir_all(&old).unwrap();
    let message = run(&["inspect", text(&root)], "").failed(1);
    let only = format!("give the folder of its snapshot: {}\n", new.display());
    assert!(message.ends_with(&only), "{message}");
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
    let elsewhere = tempfile::tempdir().unwrap();
    let other_name = elsewhere.path().join("qwen.txt");
    std::fs::copy(&config, &other_name).unwrap();
    for path in [folder.path(), &config, &other_name] {
        let found = inspect(path);
        // Single precision, as it is written.
        let epsilon = &found["config"]["layernorm_epsilon"];
        assert_eq!(epsilon.as_f64(), Some(1e-6), "{epsilon}");
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
