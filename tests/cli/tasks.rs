//! `translate` and `explain`.

use codegeex::Language;
use codegeex::generate::GenerateOptions;
use codegeex::prompt::{Task, Template};

use crate::LIBRARY;
use crate::command::run;

const CODE: &str = "func add(a int, b int) int {\n\treturn a + b\n}\n";

/// What the command must write: the library's completion of the task's prompt between what the
/// task has around it.
fn library(task: &Task, set: impl FnOnce(&mut GenerateOptions)) -> String {
    let mut options = GenerateOptions::default();
    options.limits.max_new_tokens = 24;
    options.stops.stop.clone_from(&task.stop);
    (options.sampling.temperature, options.sampling.top_p) = (0.2, Some(0.95));
    set(&mut options);
    let found = LIBRARY.complete_n(&task.prompt, &options).unwrap();
    format!("{}{}{}", task.lead, found[0].text, task.tail)
}

fn answer(args: &[&str], stdin: &str) -> String {
    let args = [args, &["--max-new-tokens", "24"]].concat();
    run(&args, stdin).ok()
}

fn language(name: &str) -> Language {
    Language::from_name(name).unwrap()
}

#[test]
fn a_translation_is_the_librarys_with_and_without_a_declaration() {
    let args = ["translate", "--from", "go", "--to", "Python"];
    let (go, python) = (language("go"), language("python"));
    let expected = library(&Task::translate(go, CODE, python, "").unwrap(), |_| ());
    assert_eq!(answer(&[&args[..], &[CODE]].concat(), ""), expected);
    assert_eq!(answer(&[&args[..], &["-"]].concat(), CODE), expected);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), CODE).unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(
        answer(&[&args[..], &["--file", path]].concat(), ""),
        expected
    );

    let declaration = "def add(a, b):\n";
    let task = Task::translate(go, CODE, python, declaration).unwrap();
    let expected = library(&task, |_| ());
    assert!(expected.starts_with(declaration));
    let with = [&args[..], &["--declaration", declaration, CODE]].concat();
    assert_eq!(answer(&with, ""), expected);
}

#[test]
fn explanations_and_docstrings_are_the_librarys() {
    let go = language("go");
    let args = ["explain", "--lang", "go", CODE];
    let expected = library(&Task::explain(go, CODE).unwrap(), |_| ());
    assert!(expected.starts_with("//"));
    assert_eq!(answer(&args, ""), expected);

    let task = Task::docstring(go, CODE).unwrap();
    let args = [&args[..], &["--docstring"]].concat();
    assert_eq!(answer(&args, ""), library(&task, |_| ()));

    // What closes the answer is written as well, and sampling options hold.
    let task = Task::docstring(language("java"), CODE).unwrap();
    let args = "--lang java --docstring --temperature 0.8 --seed 5 --repetition-penalty 1.1";
    let args: Vec<&str> = ["explain", CODE]
        .into_iter()
        .chain(args.split(' '))
        .collect();
    let found = answer(&args, "");
    let set = |o: &mut GenerateOptions| {
        (
            o.sampling.temperature,
            o.sampling.seed,
            o.sampling.repetition_penalty,
        ) = (0.8, 5, Some(1.1));
    };
    assert_eq!(found, library(&task, set));
    assert!(
        found.starts_with("/**\n *") && found.ends_with("*/"),
        "{found:?}"
    );
}

#[test]
fn only_the_chosen_lines_are_taken() {
    let task = Task::explain(language("go"), "\treturn a + b\n").unwrap();
    let args = ["explain", "--lang", "go", "--lines", "2,2", CODE];
    assert_eq!(answer(&args, ""), library(&task, |_| ()));
    let task = Task::explain(language("go"), "\treturn a + b\n}\n").unwrap();
    let args = ["explain", "--lang", "go", "--lines", "2,99", CODE];
    assert_eq!(answer(&args, ""), library(&task, |_| ()));
    // There are none of these.
    let args = ["explain", "--lang", "go", "--lines", "7,9", CODE];
    let message = run(&args, "").failed(2);
    assert_eq!(message, "error: --lines 7,9: the code has 3 lines\n");
}

#[test]
fn a_template_asks_in_its_own_words() {
    let text = "// language: Go\n<INPUT>\n\n// the same, shorter\n<INPUT:0,1>\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let path = file.path().to_str().unwrap();
    let args = ["explain", "--lang", "go", "--template", path, CODE];
    let template = Template::parse(text).unwrap();
    let task = Task::custom(&template, language("go"), CODE).unwrap();
    assert!(
        task.prompt
            .ends_with("shorter\nfunc add(a int, b int) int {\n")
    );
    assert_eq!(answer(&args, ""), library(&task, |_| ()));

    std::fs::write(file.path(), "<INPUT:one>").unwrap();
    let message = run(&args, "").failed(2);
    assert!(
        message.contains("<INPUT:one>") && message.contains(path),
        "{message}"
    );
}

#[test]
fn stops_of_the_task_and_of_the_caller_hold_and_samples_are_framed() {
    let task = Task::docstring(language("java"), CODE).unwrap();
    let plain = library(&task, |_| ());
    let inner = plain
        .strip_prefix(&task.lead)
        .unwrap()
        .strip_suffix(&task.tail)
        .unwrap();
    let stop: String = inner.chars().skip(3).take(2).collect();
    let args = [
        "explain",
        "--docstring",
        "--lang",
        "java",
        "--stop",
        &stop,
        CODE,
    ];
    let expected = library(&task, |o| o.stops.stop.push(stop.clone()));
    assert!(expected.len() < plain.len());
    assert_eq!(answer(&args, ""), expected);

    let args = "explain --docstring --lang java -n 2 --temperature 0";
    let args: Vec<&str> = args.split(' ').chain([CODE]).collect();
    let found = answer(&args, "");
    let plain = library(&task, |o| o.sampling.temperature = 0.0);
    let one = |i| format!("--- sample {i} (stop)\n{plain}\n");
    assert_eq!(found, one(0) + &one(1));
}

#[test]
fn what_cannot_be_a_task_is_a_failure_without_output() {
    let translate = ["translate", "--from", "go", "--to", "c"];
    let message = run(&[&translate[..], &[" \n"]].concat(), "").failed(1);
    assert!(message.contains("blank"), "{message}");
    let long = "x := 1\n".repeat(1000);
    let message = run(&[&translate[..], &["-"]].concat(), &long).failed(1);
    assert!(message.contains("2048"), "{message}");
}
