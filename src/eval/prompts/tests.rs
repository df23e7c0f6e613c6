use std::path::Path;

use super::*;
use crate::eval::dataset;

fn problems(language: EvalLanguage) -> Vec<Problem> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/eval");
    dataset::load(&folder, language).unwrap()
}

/// Of problem 0: how a translation from this language shows the solution, and how one into it
/// begins; both by hand.
fn shown(language: EvalLanguage) -> (&'static str, &'static str) {
    match language {
        EvalLanguage::Python => (
            "Python:\ndef twice(number: int) -> int:\n\n    return number + number\n",
            "Python:\ndef twice(number: int) -> int:\n",
        ),
        EvalLanguage::Cpp => (
            "C++:\n#include<stdio.h>\nusing namespace std;\nint twice(int number){\n\n    return number + number;\n}\n",
            "C++:\n#include<stdio.h>\nusing namespace std;\nint twice(int number){\n",
        ),
        EvalLanguage::Java => (
            "Java:\nimport java.util.*;\nimport java.lang.*;\n\nclass Solution {\n    public int twice(int number) {\n\n        return number + number;\n    }\n}\n",
            "Java:\nimport java.util.*;\nimport java.lang.*;\n\nclass Solution {\n    public int twice(int number) {\n",
        ),
        EvalLanguage::JavaScript => (
            "JavaScript:\n\nconst twice = (number) => {\n\n  return number + number;\n}\n",
            "JavaScript:\n\nconst twice = (number) => {\n",
        ),
        EvalLanguage::Go => (
            "Go:\n\nfunc Twice(number int) int {\n\n    return number + number\n}\n",
            "Go:\n\nfunc Twice(number int) int {\n",
        ),
        EvalLanguage::Rust => (
            "Rust:\n\nfn twice(number: i32) -> i32{\n\n\n    return number + number;\n}\n",
            "Rust:\n\nfn twice(number: i32) -> i32{\n",
        ),
    }
}

#[test]
fn translations_show_the_solution_and_no_description() {
    let mut checked = 0;
    for from in EvalLanguage::ALL {
        for to in EvalLanguage::ALL.into_iter().filter(|l| *l != from) {
            let prompts = translation(&problems(from), &problems(to)).unwrap();
            let expected = format!("code translation\n{}{}", shown(from).0, shown(to).1);
            assert_eq!(prompts[0].text, expected, "{from} to {to}");
            assert_eq!(prompts[0].task_id, format!("{}/0", to.task_prefix()));
            let (_, code) = shown(to).1.split_once('\n').unwrap();
            assert_eq!(prompts[0].code, code);
            for prompt in &prompts {
                for word in ["Double the", "Find the greatest", ">>>"] {
                    assert!(!prompt.text.contains(word), "{word} in {}", prompt.text);
                }
            }
            checked += 1;
        }
    }
    assert_eq!(checked, 30);
    assert_eq!(pairs().len(), 20);
}

#[test]
fn generations_begin_with_the_tag_or_do_not() {
    let tags = [
        (EvalLanguage::Python, "# language: Python\n"),
        (EvalLanguage::Cpp, "// language: C++\n"),
        (EvalLanguage::Java, "// language: Java\n"),
        (EvalLanguage::JavaScript, "// language: JavaScript\n"),
        (EvalLanguage::Go, "// language: Go\n"),
        (EvalLanguage::Rust, "// language: Rust\n"),
    ];
    for (language, tag) in tags {
        let problems = problems(language);
        let (with, without) = (
            generation(&problems, true).unwrap(),
            generation(&problems, false).unwrap(),
        );
        for ((with, without), problem) in with.iter().zip(&without).zip(&problems) {
            assert_eq!(with.text, format!("{tag}{}", without.text));
            assert_eq!(without.text, without.code);
            assert_eq!(with.code, without.code);
            assert_eq!(with.task_id, problem.task_id);
            match language {
                EvalLanguage::Rust => {
                    assert_eq!(
                        without.text,
                        format!("{}{}", problem.declaration, problem.prompt)
                    );
                }
                _ => assert_eq!(without.text, problem.prompt),
            }
        }
    }
}

#[test]
fn a_problem_without_counterpart_is_an_error() {
    let (mut go, java) = (problems(EvalLanguage::Go), problems(EvalLanguage::Java));
    assert!(translation(&go, &go).is_err());
    go.pop();
    let error = translation(&go, &java).unwrap_err().to_string();
    assert!(error.starts_with("Java/1 has no counterpart"), "{error}");
    assert_eq!(translation(&java, &go).unwrap().len(), 1);
}
