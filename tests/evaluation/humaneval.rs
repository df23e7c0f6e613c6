//! The whole of HumanEval-X in the sandbox: canonical solutions pass, wrong ones never do.
//!
//! Needs the published data (`CODEGEEX_SHARED`) and all six toolchains, and takes minutes:
//! `cargo test --all-features --test evaluation -- --ignored humaneval::`.

use std::collections::BTreeMap;

use codegeex::cancel::CancelToken;
use codegeex::eval::sandbox::{Policy, Sandbox};
use codegeex::eval::{
    EvalLanguage, EvaluateOptions, Evaluator, Problem, Sample, SampleResult, Toolchains, canonical,
    dataset,
};

fn evaluate(
    language: EvalLanguage,
    naive: bool,
    solution: impl Fn(&Problem) -> Vec<String>,
) -> Vec<SampleResult> {
    let Some(folder) = crate::support::shared("humaneval-x") else {
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
    let cache = crate::support::cache_dir();
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

/// How a completion closes what the prompt opened.
fn body(language: EvalLanguage, statement: &str) -> String {
    match language {
        EvalLanguage::Python => format!("    {statement}\n"),
        EvalLanguage::Java => format!("        {statement}\n    }}\n}}"),
        _ => format!("    {statement}\n}}\n"),
    }
}

fn check(language: EvalLanguage, wrong: &[&str]) {
    if crate::support::shared("humaneval-x").is_none() {
        return;
    }
    let results = evaluate(language, false, |p| {
        let wrong = wrong.iter().map(|w| body(language, w));
        [p.canonical_solution.clone()]
            .into_iter()
            .chain(wrong)
            .collect()
    });
    let mut counts = BTreeMap::new();
    for (n, result) in results.iter().enumerate() {
        let id = &*result.task_id;
        let is_canonical = n % (wrong.len() + 1) == 0;
        let is_untested = canonical::UNTESTED.iter().any(|(known, _)| *known == id);
        if is_canonical && canonical::UNSTABLE.iter().any(|(known, _)| *known == id) {
            continue;
        }
        let expected = (is_canonical && canonical::broken(id).is_none()) || is_untested;
        assert_eq!(result.passed, expected, "{n}: {result:#?}");
        let key = (is_canonical, result.verdict.clone());
        *counts.entry(key).or_insert(0) += 1;
    }
    eprintln!("{language}: {counts:?}");
    assert_eq!(results.len(), 164 * (wrong.len() + 1));
}

#[test]
#[ignore]
fn python() {
    let wrong = [
        "return 123456789",
        "raise ValueError",
        "sys.exit(0)",
        "import os; os._exit(0)",
    ];
    check(EvalLanguage::Python, &wrong);
}

#[test]
#[ignore]
fn cpp() {
    check(EvalLanguage::Cpp, &["throw 1;", "exit(0);"]);
}

#[test]
#[ignore]
fn java() {
    check(
        EvalLanguage::Java,
        &[
            "throw new RuntimeException();",
            "System.exit(0); throw null;",
        ],
    );
}

#[test]
#[ignore]
fn javascript() {
    check(
        EvalLanguage::JavaScript,
        &["return 123456789", "throw 1", "process.exit(0)"],
    );
}

#[test]
#[ignore]
fn go() {
    check(
        EvalLanguage::Go,
        &["panic(1)", "_ = fmt.Sprint(1); panic(2)"],
    );
}

#[test]
#[ignore]
fn rust() {
    check(EvalLanguage::Rust, &["panic!()", "std::process::exit(0)"]);
}
