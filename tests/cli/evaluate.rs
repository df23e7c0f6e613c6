//! `humaneval evaluate`: samples to results, with problems of our own.

#[cfg(target_os = "linux")]
use std::path::Path;

#[cfg(target_os = "linux")]
use codegeex::eval::{EvalLanguage, Sample, Toolchains, samples};

use crate::command::run;
#[cfg(target_os = "linux")]
use crate::support::skip;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/eval");

/// Whether Python can be evaluated here; it is part of every machine that CI has.
#[cfg(target_os = "linux")]
fn has_python() -> bool {
    let missing = Toolchains::missing(EvalLanguage::Python);
    for what in &missing {
        skip(&what.to_string());
    }
    missing.is_empty()
}

#[cfg(target_os = "linux")]
fn write(path: &Path, generations: &[&str]) {
    let mut text = Vec::new();
    for generation in generations {
        let sample = Sample::new("Python/0", "", generation);
        samples::write_record(&sample, &mut text).unwrap();
    }
    std::fs::write(path, text).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn samples_become_results_that_can_be_reported() {
    if !has_python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("py.jsonl");
    write(
        &file,
        &[
            "    return 2 * number\n",
            "    return 3\n",
            "    return (\n",
        ],
    );
    let file = file.to_str().unwrap();
    let args = [
        "humaneval",
        "evaluate",
        file,
        "--data",
        DATA,
        "--workers",
        "2",
    ];
    let said = run(&args, "").ok();
    let counts = "3 of 3 samples, 1 compile error, 1 passed, 1 wrong answer; ";
    assert!(said.contains(counts), "{said}");
    let out = folder.path().join("py_evaluated.jsonl");
    let results = samples::Results::open(&out).unwrap();
    let passed: Vec<bool> = results.map(|r| r.unwrap().passed).collect();
    assert_eq!(passed, [true, false, false]);
    let again = run(&args, "").ok();
    assert!(
        again.contains("3 of 3 samples, 3 of them from an earlier run, "),
        "{again}"
    );
    let out = out.to_str().unwrap();
    let table = run(&["humaneval", "report", out, "--partial"], "").ok();
    assert!(table.contains("python"), "{table}");
}

#[cfg(target_os = "linux")]
#[test]
fn canonical_solutions_are_checked() {
    if !has_python() {
        return;
    }
    let args = [
        "humaneval",
        "evaluate",
        "--canonical",
        "--data",
        DATA,
        "--lang",
        "python",
    ];
    let said = run(&args, "").ok();
    assert!(said.starts_with("python: 2 of 2 pass, "), "{said}");

    // A problem that its own solution does not solve.
    let folder = tempfile::tempdir().unwrap();
    let name = "humaneval_python.jsonl";
    let problems = std::fs::read_to_string(Path::new(DATA).join(name)).unwrap();
    let broken = problems.replace("return number + number", "return number");
    assert_ne!(broken, problems);
    std::fs::write(folder.path().join(name), broken).unwrap();
    let data = folder.path().to_str().unwrap();
    let found = run(
        &["humaneval", "evaluate", "--canonical", "--data", data],
        "",
    );
    assert_eq!(found.code, Some(1));
    let said = String::from_utf8_lossy(&found.stdout);
    assert!(said.contains("Python/0: wrong answer"), "{said}");
}

/// Whatever is asked for: nothing is run and nothing is written.
#[cfg(not(target_os = "linux"))]
#[test]
fn without_a_sandbox_nothing_is_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("py.jsonl");
    let sample = r#"{"task_id": "Python/0", "prompt": "", "generation": "    return 1\n"}"#;
    std::fs::write(&file, sample).unwrap();
    let evaluate = ["humaneval", "evaluate", "--data", DATA];
    let refused = |args: &[&str]| {
        let said = run(args, "").failed(1);
        assert!(
            said.contains("there is no sandbox on this system"),
            "{args:?}: {said}"
        );
    };
    for kind in ["auto", "bubblewrap", "namespaces", "none"] {
        let sandbox = ["--sandbox", kind];
        refused(&[&evaluate[..], &sandbox, &[file.to_str().unwrap()]].concat());
        refused(&[&evaluate[..], &sandbox, &["--canonical"]].concat());
    }
    refused(&["humaneval", "setup"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn wrong_arguments_are_refused() {
    for (args, what) in [
        (&["--data", "x"][..], "<FILE>"),
        (
            &["a.jsonl", "--canonical", "--data", "x"],
            "cannot be used with",
        ),
        (&["a.jsonl", "--data", "x", "--shard", "8/8"], "0/8 to 7/8"),
        (&["a.jsonl", "--data", "x", "--timeout=-1"], "--timeout"),
        (
            &["a.jsonl", "--data", "x", "--sandbox", "no"],
            "possible values",
        ),
    ] {
        let found = run(&[&["humaneval", "evaluate"], args].concat(), "");
        assert_eq!(found.code, Some(2), "{args:?}: {}", found.stderr);
        assert!(found.stderr.contains(what), "{args:?}: {}", found.stderr);
    }
    let found = run(
        &["humaneval", "evaluate", "nowhere.jsonl", "--data", DATA],
        "",
    );
    assert_eq!(found.code, Some(1));
    assert!(found.stderr.contains("nowhere.jsonl"), "{}", found.stderr);
}
