//! Names and places of files, by the rules of the system.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use crate::command::{run, start};
use crate::support::layouts;

fn small_model() -> PathBuf {
    layouts().join("single.pt")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn names_in_any_script_and_long_paths_are_read_written_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("x".repeat(100)).join("y".repeat(200));
    let short = folder.path().join("é");
    std::fs::create_dir_all(&long).unwrap();
    std::fs::create_dir_all(&short).unwrap();
    for out in [
        short.join("модель ü 模型 🦀.safetensors"),
        long.join("out put.safetensors"),
    ] {
        run(&["convert", text(&small_model()), text(&out)], "").ok();
        let first = std::fs::read(&out).unwrap();
        let small = small_model();
        let args = ["convert", text(&small), text(&out)];
        let message = run(&args, "").failed(1);
        assert!(message.contains(text(&out)), "{message}");
        run(&[&args[..], &["--overwrite"]].concat(), "").ok();
        assert!(std::fs::read(&out).unwrap() == first);
        assert_eq!(entries(out.parent().unwrap()), 1);
        let shown = run(&["inspect", text(&out)], "").ok();
        assert!(shown.contains(text(&out)), "{shown}");
    }
}

/// The old file goes on being read; where the system does not let go of its name, nothing changes.
#[test]
fn a_model_in_use_can_be_replaced_or_stays_whole() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.safetensors");
    run(&["convert", text(&small_model()), text(&model)], "").ok();
    let before = std::fs::read(&model).unwrap();
    let args = ["score", "--jsonl", "--model", text(&model)];
    let (mut child, mut stdin, stdout) = start(&args);
    let mut answers = BufReader::new(stdout).lines();
    let mut ask = || {
        stdin.write_all(b"{\"ids\": [1, 2, 3]}\n").unwrap();
        answers.next().unwrap().unwrap()
    };
    let answer = ask();
    let small = small_model();
    let args = ["convert", text(&small), text(&model)];
    let args = [&args[..], &["--dtype", "f32", "--overwrite"]].concat();
    let replaced = run(&args, "");
    if replaced.code == Some(0) {
        assert!(std::fs::read(&model).unwrap().len() > before.len());
    } else {
        if !cfg!(windows) {
            panic!("{replaced:?}");
        }
        let message = replaced.failed(1);
        assert!(
            message.contains("model.safetensors: cannot rename"),
            "{message}"
        );
        assert!(std::fs::read(&model).unwrap() == before);
    }
    assert_eq!(ask(), answer);
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(entries(folder.path()), 1);
}

#[cfg(windows)]
#[test]
fn separators_and_prefixes_are_those_of_windows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let verbatim = folder.join("out.safetensors");
    assert!(text(&verbatim).starts_with(r"\\?\"), "{verbatim:?}");
    run(&["convert", text(&small_model()), text(&verbatim)], "").ok();
    let plain = text(&verbatim).strip_prefix(r"\\?\").unwrap();
    let slashes = plain.replace('\\', "/");
    for path in [text(&verbatim), plain, &slashes] {
        let shown = run(&["inspect", path], "").ok();
        assert!(shown.contains(path), "{shown}");
    }
    let message = run(&["inspect", r"\\nowhere\share\model.safetensors"], "").failed(1);
    assert!(
        message.contains(r"\\nowhere\share\model.safetensors"),
        "{message}"
    );
}

#[cfg(windows)]
#[test]
fn names_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "nul",
        "con.safetensors",
        "a:b",
        "model.safetensors.",
        "what?",
    ] {
        // Not `join`, which takes `a:b` for a file on another drive.
        let out = format!("{}\\{name}", folder.path().display());
        let message = run(&["convert", text(&small_model()), &out], "").failed(1);
        assert!(message.contains("Windows"), "{message}");
    }
    for name in ["NUL", "CON", r"\\.\NUL"] {
        run(&["inspect", name], "").failed(1);
    }
    assert_eq!(entries(folder.path()), 0);
}

/// A vocabulary beside a model is the model's, on the command line as in the library.
#[test]
fn the_vocabulary_beside_a_model_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.safetensors");
    std::fs::copy(crate::support::some_model(), &model).unwrap();
    let args = [
        "generate",
        "x",
        "--max-new-tokens",
        "1",
        "--model",
        text(&model),
    ];
    run(&args, "").ok();
    std::fs::write(folder.path().join("vocab.json"), "{}").unwrap();
    let said = run(&args, "").failed(1);
    assert!(said.contains("added_tokens.json"), "{said}");
}
