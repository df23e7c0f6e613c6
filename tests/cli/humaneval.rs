//! `codegeex humaneval`, with problems of our own and the default model.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use codegeex::eval::{EvalLanguage, Toolchains, Verdict, dataset};
use serde_json::{Value, json};

use crate::command::{codegeex, finish, json_lines, run};
use crate::support::families;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/eval")
}

/// The arguments of a generation into a file.
fn generation(out: &Path, more: &[&str]) -> Vec<String> {
    let mut args = vec!["humaneval", "generate", "--data"];
    let (data, out) = (data(), out.to_str().unwrap().to_owned());
    args.extend([data.to_str().unwrap(), "--out", &out]);
    args.extend(more);
    if !more.contains(&"--max-tokens") {
        args.extend(["--max-tokens", "160"]);
    }
    args.into_iter().map(str::to_owned).collect()
}

fn generate(out: &Path, more: &[&str]) -> String {
    let args = generation(out, more);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    run(&args, "").ok()
}

/// Starts a generation and waits until its file has that many bytes.
fn start(out: &Path, more: &[&str], bytes: u64) -> Child {
    let args = generation(out, more);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut child = codegeex(&args).spawn().unwrap();
    let began = Instant::now();
    while std::fs::metadata(out).map_or(0, |m| m.len()) < bytes {
        assert!(child.try_wait().unwrap().is_none(), "ended already");
        assert!(began.elapsed() < Duration::from_secs(120), "writes nothing");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

/// What `evaluate` would say of samples: that those with an even number pass.
fn results(samples: &Path, out: &Path) {
    let lines = json_lines(&std::fs::read_to_string(samples).unwrap());
    let results = lines.into_iter().map(|sample| {
        let passed = sample["completion_id"].as_u64().unwrap() % 2 == 0;
        let mut result = json!({
            "task_id": sample["task_id"], "completion_id": sample["completion_id"],
            "passed": passed, "run": sample["run"],
            "verdict": if passed { "passed" } else { "wrong_answer" },
        });
        if let Some(source) = sample.get("source") {
            result["source"] = source.clone();
        }
        format!("{result}\n")
    });
    std::fs::write(out, results.collect::<String>()).unwrap();
}

#[test]
fn killed_and_started_again_it_writes_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, broken) = (
        folder.path().join("whole.jsonl"),
        folder.path().join("broken.jsonl"),
    );
    let more = ["--lang", "js", "--samples", "12", "--batch", "4"];
    let said = generate(&whole, &more);
    assert_eq!(said, format!("{}: 24 of 24 samples\n", whole.display()));
    let expected = std::fs::read(&whole).unwrap();
    let mut resumed = 0;
    for round in 1..=3 {
        let mut child = start(&broken, &more, round * expected.len() as u64 / 5);
        child.kill().unwrap();
        child.wait().unwrap();
        let there = std::fs::read(&broken).unwrap();
        assert!(expected.starts_with(&there) && there.len() < expected.len());
        resumed = there.iter().filter(|b| **b == b'\n').count();
        // As if the system had kept half of the next record.
        std::fs::write(&broken, &expected[..there.len() + 9]).unwrap();
    }
    let said = generate(&broken, &more);
    let end = format!("24 of 24 samples, {resumed} of them from an earlier run\n");
    assert!(said.ends_with(&end), "{said}");
    assert_eq!(std::fs::read(&broken).unwrap(), expected);
}

#[test]
fn an_interrupt_ends_it_with_whole_records() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.jsonl");
    let more = ["--lang", "go", "--samples", "200", "--batch", "4"];
    let child = start(&out, &more, 1);
    crate::command::signal(&child, "INT");
    let ended = finish(child);
    assert_eq!((ended.code, &*ended.stderr), (Some(130), ""));
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(
        said.ends_with("; run the same command again to continue\n"),
        "{said}"
    );
    let records = json_lines(&std::fs::read_to_string(&out).unwrap());
    assert!(
        said.contains(&format!(": {} of 400 samples", records.len())),
        "{said}"
    );
    for (i, record) in records.iter().enumerate() {
        assert_eq!(record["completion_id"], i % 200);
    }
}

#[test]
fn every_language_from_samples_to_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut files = Vec::new();
    let languages = ["python", "cpp", "java", "js", "go", "rust"];
    let mut jobs: Vec<Vec<&str>> = languages.iter().map(|l| vec!["--lang", l]).collect();
    for (from, to) in [("java", "python"), ("python", "java"), ("go", "python")] {
        jobs.push(vec!["--task", "translation", "--from", from, "--lang", to]);
    }
    for (i, job) in jobs.iter().enumerate() {
        let parts = ["0/2", "1/2"].map(|shard| {
            let out = path(&format!("{i}-{}.jsonl", &shard[..1]));
            generate(
                &out,
                &[job, &["--samples", "2", "--shard", shard][..]].concat(),
            );
            let results_of = path(&format!("{i}-{}-results.jsonl", &shard[..1]));
            results(&out, &results_of);
            files.push(results_of.to_str().unwrap().to_owned());
            std::fs::read(&out).unwrap()
        });
        let whole = path("whole.jsonl");
        let _ = std::fs::remove_file(&whole);
        generate(&whole, &[job, &["--samples", "2"][..]].concat());
        assert_eq!(parts.concat(), std::fs::read(&whole).unwrap());
    }
    let [json, csv, svg] = ["r.json", "r.csv", "r.svg"].map(&path);
    let report = |files: &[String], more: &[&str]| {
        let mut args = vec!["humaneval", "report"];
        args.extend(files.iter().map(String::as_str));
        args.extend(more);
        run(&args, "")
    };
    let all = [
        "--json",
        json.to_str().unwrap(),
        "--csv",
        csv.to_str().unwrap(),
    ];
    let more = [
        "--svg",
        svg.to_str().unwrap(),
        "--budget",
        "2",
        "--title",
        "a & b",
    ];
    let table = report(&files, &[&all[..], &more].concat()).ok();
    for part in [
        "average of 6",
        "java to python",
        "50.00 [50.00, 50.00]",
        "best single",
    ] {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
    let found: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(found["tasks"].as_array().unwrap().len(), 9);
    assert_eq!(found["tasks"][0]["pass_at_k"][0]["mean"], 0.5);
    assert_eq!(
        std::fs::read_to_string(csv).unwrap().lines().count(),
        1 + 9 + 2 + 3
    );
    let drawing = std::fs::read_to_string(svg).unwrap();
    let document = roxmltree::Document::parse(&drawing).unwrap();
    assert_eq!(
        document
            .root_element()
            .first_element_child()
            .unwrap()
            .text(),
        Some("a & b")
    );

    // A shard that is missing, and one that is there twice.
    let said = report(&files[1..], &[]).failed(1);
    assert!(
        said.contains("generation of python: there are 1 of 2 problems"),
        "{said}"
    );
    let said = report(&[&files[..], &files[..1]].concat(), &[]).failed(1);
    assert!(said.contains("sample 0 of Python/0 is in "), "{said}");
    let said = report(&files[1..2], &["--data", data().to_str().unwrap()]).failed(1);
    assert!(said.contains("Python/0 has no samples"), "{said}");
    report(&files[1..2], &["--partial"]).ok();
    assert!(
        report(&files, &["--k", "3"])
            .failed(1)
            .contains("a k from 1 to 2")
    );
    let samples = path("0-0.jsonl").to_str().unwrap().to_owned();
    assert!(
        report(&[samples], &[])
            .failed(1)
            .contains("expected a file of results")
    );
}

/// In the sandbox, for every language whose toolchain is installed; for all with
/// `CODEGEEX_TOOLCHAINS=all`.
#[cfg(target_os = "linux")]
#[test]
fn samples_of_the_model_are_run_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: String| folder.path().join(name).to_str().unwrap().to_owned();
    let data = data();
    let mut files = Vec::new();
    for language in EvalLanguage::ALL {
        match Toolchains::find(&[language]) {
            Ok(_) => {}
            Err(e) if std::env::var_os("CODEGEEX_TOOLCHAINS").is_none() => {
                crate::support::skip(&e.to_string());
                continue;
            }
            Err(e) => panic!("{e}"),
        }
        let samples = path(format!("{language}.jsonl"));
        let more = ["--lang", language.name(), "--samples", "2"];
        generate(Path::new(&samples), &more);
        // Two solutions as well, one of them as if translated.
        let known = path(format!("{language}-known.jsonl"));
        let problem = dataset::load(&data, language).unwrap().remove(1);
        let solution = json!({"task_id": problem.task_id, "prompt": problem.prompt,
            "generation": problem.canonical_solution, "completion_id": 0});
        let mut translated = solution.clone();
        let source = if language == EvalLanguage::Go {
            "java"
        } else {
            "go"
        };
        translated["source"] = source.into();
        std::fs::write(&known, format!("{solution}\n{translated}\n")).unwrap();
        for (samples, count) in [(samples, 4), (known, 2)] {
            let results = samples.replace(".jsonl", "_results.jsonl");
            let args = ["humaneval", "evaluate", &samples, "--out", &results];
            let args = [&args[..], &["--data", data.to_str().unwrap()]].concat();
            run(&args, "").ok();
            let found = json_lines(&std::fs::read_to_string(&results).unwrap());
            assert_eq!(found.len(), count);
            for result in &found {
                let verdict = result["verdict"].as_str().unwrap();
                let passed = result["passed"].as_bool().unwrap();
                let verdict = Verdict::from_name(verdict).unwrap();
                assert_eq!(verdict == Verdict::Passed, passed);
                assert!(passed || count == 4, "{result}");
            }
            files.push((results, count));
        }
    }
    for count in [4, 2] {
        let mut args = vec!["humaneval", "report"];
        let files = files.iter().filter(|f| f.1 == count);
        args.extend(files.map(|f| &*f.0));
        let languages = args.len() - 2;
        if languages > 1 {
            let table = run(&args, "").ok();
            assert!(
                table.contains(&format!("average of {languages}")),
                "{table}"
            );
            assert_eq!(
                table.contains("100.00 [100.00, 100.00]"),
                count == 2,
                "{table}"
            );
        }
    }
}

#[test]
fn arguments_that_make_no_sense_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.jsonl");
    let failed = |more: &[&str], code| {
        let args = generation(&out, more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        run(&args, "").failed(code)
    };
    assert!(failed(&["--lang", "go", "--from", "java"], 2).contains("--from is for"));
    assert!(failed(&["--lang", "go", "--task", "translation"], 2).contains("needs --from"));
    let itself = ["--lang", "go", "--task", "translation", "--from", "go"];
    assert!(failed(&itself, 2).contains("into itself"));
    assert!(failed(&["--lang", "perl"], 2).contains("no language \"perl\""));
    assert!(failed(&["--lang", "go", "--shard", "2/2"], 2).contains("0/8 to 7/8"));
    assert!(failed(&["--lang", "go", "--cut", "no"], 2).contains("reference, code-aware"));
    assert!(failed(&["--lang", "go", "--samples", "0"], 1).contains("0 samples"));
    let nowhere = [
        "humaneval",
        "generate",
        "--lang",
        "go",
        "--data",
        "nowhere",
        "--out",
        "x",
    ];
    assert!(
        run(&nowhere, "")
            .failed(1)
            .contains("there is no humaneval_go.jsonl")
    );
    assert!(!out.exists());
    let usage = run(&["humaneval", "report", "--weights", "go", "f"], "").failed(2);
    assert!(
        usage.contains("expected a language, = and a number"),
        "{usage}"
    );
    assert!(
        run(&["humaneval", "report", "nowhere"], "")
            .failed(1)
            .contains("cannot open")
    );
}

/// Prompts of models that were not trained with language tags have none, and reports say so.
#[test]
fn every_family_has_its_own_style_of_prompts() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for (name, model) in families::all() {
        let model = families::with_tokenizer(&model);
        let out = folder.path().join(format!("{name}.jsonl"));
        let path = model.path().to_str().unwrap();
        let usual = [
            "--lang",
            "go",
            "--samples",
            "1",
            "--limit",
            "1",
            "--max-tokens",
            "500",
        ];
        generate(&out, &[&usual[..], &["--model", path]].concat());
        let samples = json_lines(&std::fs::read_to_string(&out).unwrap());
        let (prompt, run_of) = (&samples[0]["prompt"], &samples[0]["run"]);
        assert!(!prompt.as_str().unwrap().contains("language:"), "{prompt}");
        assert_eq!(run_of["tag"], false, "{name}");
        let family = run_of["family"].as_str().unwrap().to_owned();
        if !seen.insert(family.clone()) {
            continue;
        }
        let evaluated = folder.path().join(format!("{name}_evaluated.jsonl"));
        results(&out, &evaluated);
        let file = evaluated.to_str().unwrap();
        let table = run(&["humaneval", "report", "--partial", file], "").ok();
        let line = format!("model family {family}, prompt: plain, cut: reference");
        assert!(table.contains(&line), "{table}");
        // The style can be chosen.
        if family == "llama" {
            let tagged = folder.path().join("tagged.jsonl");
            let style = ["--model", path, "--prompt-style", "tag"];
            generate(&tagged, &[&usual[..], &style].concat());
            let samples = json_lines(&std::fs::read_to_string(&tagged).unwrap());
            let prompt = samples[0]["prompt"].as_str().unwrap();
            assert!(prompt.starts_with("// language: Go\n"), "{prompt}");
        }
    }
    assert!(seen.len() >= 12, "{seen:?}");
}
