//! Indexes of checkpoints in several files.

use super::*;
use codegeex::weights::{MemoryMode, open as open_path};

/// Opens a folder with an index and one good shard beside it.
fn open_index(name: &str, json: &[u8]) -> Result<Box<dyn WeightSource>, Error> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(name), json).unwrap();
    let shard = match name.contains("safetensors") {
        true => safetensors(
            r#"{"w":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]}}"#,
            12,
        ),
        false => good(),
    };
    std::fs::write(dir.path().join("shard"), &shard).unwrap();
    let (result, peak) = peak_of(|| open_path(dir.path(), MemoryMode::Copy));
    let allowed = FIXED + FACTOR * (json.len() + shard.len());
    assert!(peak <= allowed, "{peak} bytes held for {}", json.len());
    result
}

#[test]
fn indexes_that_lie() {
    let map = |map: &str| format!(r#"{{"metadata":{{"total_size":1}},"weight_map":{map}}}"#);
    let named = |file: &str| map(&format!(r#"{{"w":"{file}"}}"#));
    let mut cases = vec![
        ("empty map", map("{}"), Malformed, "names no file"),
        (
            "no map",
            "{\"metadata\":{}}".into(),
            Malformed,
            "it has no weight_map",
        ),
        ("null", map("null"), Malformed, "names no file"),
        ("a list", map("[1]"), Malformed, "nor the index of one"),
        (
            "a number for a file",
            map(r#"{"w":1}"#),
            Malformed,
            "names no file",
        ),
        (
            "cut short",
            r#"{"weight_map":{"w":"sh"#.into(),
            Malformed,
            "nor the index of one",
        ),
        (
            "more behind",
            format!("{} x", named("shard")),
            Malformed,
            "nor the index of one",
        ),
        (
            "a tensor twice",
            map(r#"{"w":"shard","w":"other"}"#),
            Malformed,
            "`w` is there twice, in `other` and in `shard`",
        ),
        (
            "the same twice",
            map(r#"{"w":"shard","w":"shard"}"#),
            Malformed,
            "`w` is there twice",
        ),
        (
            "a shard that is gone",
            named("gone"),
            ErrorKind::NotFound,
            "gone",
        ),
        (
            "another tensor",
            map(r#"{"other":"shard"}"#),
            ErrorKind::MissingTensor,
            "`other` is not in this file",
        ),
        (
            "a tensor in no shard",
            map(r#"{"w":"shard","v\u001b":"shard"}"#),
            ErrorKind::MissingTensor,
            "`v\\u{1b}` is not in this file",
        ),
    ];
    for file in [
        "",
        ".",
        "..",
        "../shard",
        "./shard",
        "a/../shard",
        "/etc/passwd",
        "\\\\\\\\host\\\\shard",
        "c:shard",
        "shard\\u0000",
        "..\\\\shard",
    ] {
        cases.push((
            "a path",
            named(file),
            Malformed,
            "not the name of a file beside the index",
        ));
    }
    let long = named(&format!("{}/", "x\\n".repeat(100_000)));
    cases.push(("a long name", long, Malformed, "(200001 bytes)"));
    let deep = format!(r#"{{"weight_map":{}"#, "{\"a\":".repeat(100_000));
    cases.push(("deep", deep, Malformed, "nor the index of one"));
    let deep = format!(r#"{{"x":{}"#, "[".repeat(100_000));
    cases.push((
        "deep beside the map",
        deep,
        Malformed,
        "nor the index of one",
    ));
    for index in [
        "model.safetensors.index.json",
        "pytorch_model.bin.index.json",
    ] {
        if let Err(error) = open_index(index, named("shard").as_bytes()) {
            // The tensors of the PyTorch file have other names.
            assert_eq!(error.kind(), ErrorKind::MissingTensor);
            assert!(index.contains("bin"), "{error}");
        }
        let own = named(index);
        let own = ("itself", own, Unsupported, "neither a torch.save");
        for (name, json, kind, says) in cases.iter().chain([&own]) {
            let error = open_index(index, json.as_bytes())
                .map(|_| ())
                .expect_err(name);
            let text = error.to_string();
            assert_eq!(error.kind(), *kind, "{name}: {text}");
            assert!(text.contains(says), "{name}: `{says}` is not in: {text}");
            assert!(
                text.len() < 1000 && !text.contains('\u{1b}'),
                "{name}: {text}"
            );
        }
    }
}
