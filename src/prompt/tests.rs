//! Whole prompts of tasks, and what holds for every language.

use super::shots::Shot;
use super::*;
use crate::ErrorKind;
use crate::language::Language;

fn language(name: &str) -> Language {
    Language::from_name(name).unwrap()
}

#[test]
fn a_translation_is_in_the_references_form() {
    let code = "int one() {\n    return 1;\n}\n\n";
    let task = Task::translate(language("cpp"), code, language("js"), "").unwrap();
    let expected = "code translation\nC++:\nint one() {\n    return 1;\n}\nJavaScript:\n";
    assert_eq!(task.prompt, expected);
    assert_eq!((&*task.lead, &*task.tail), ("", ""));
    assert_eq!(task.language, language("js"));
    let stop = [
        "\n// language:",
        "\ncode translation\n",
        "\nC++:\n",
        "\nJavaScript:\n",
    ];
    assert_eq!(task.stop, stop);

    let declaration = "def one():\n";
    let task = Task::translate(language("go"), "x", language("python"), declaration).unwrap();
    assert_eq!(
        task.prompt,
        "code translation\nGo:\nx\nPython:\ndef one():\n"
    );
    assert_eq!(task.lead, declaration);
}

#[test]
fn an_explanation_shows_how_and_begins_a_remark() {
    let task = Task::explain(language("python"), "    x = 1\n    y = 2\n").unwrap();
    let expected = "# language: Python
def average(values):
    if not values:
        return None
    return sum(values) / len(values)

# The code above, with a remark on what each line does
# takes a list of numbers
def average(values):
    # an empty list has no average
    if not values:
        # so the answer is nothing
        return None
    # otherwise the sum is shared out evenly
    return sum(values) / len(values)

    x = 1
    y = 2

# The code above, with a remark on what each line does
    #";
    assert_eq!(task.prompt, expected);
    assert_eq!(task.lead, "    #");
    assert!(task.stop.contains(&"\n# language:".to_owned()));
    assert!(
        task.stop
            .contains(&"\n# The code above, with a remark on what each line does".to_owned())
    );

    // Without an example of the language.
    let task = Task::explain(language("html"), "<p>").unwrap();
    let heading = "<!--The code above, with a remark on what each line does-->";
    assert_eq!(
        task.prompt,
        format!("<!--language: HTML-->\n<p>\n\n{heading}\n<!--")
    );
}

#[test]
fn docstrings_have_the_form_of_the_language() {
    let docs = |name, code| Task::docstring(language(name), code).unwrap();
    let task = docs("java", "  int one() {\n  }");
    let example = "/**
 * Average of some numbers.
 *
 * @param values the numbers
 * @return their average
 */
static double average(double[] values) {
    double sum = 0;";
    assert!(task.prompt.contains(example), "{}", task.prompt);
    assert!(
        task.prompt
            .ends_with("  int one() {\n  }\n\n// The code above, documented\n  /**\n   *")
    );
    assert_eq!((&*task.stop[0], &*task.tail), ("*/", "*/"));

    let task = docs("rust", "fn one() -> u32 {\n    1\n}\n");
    assert!(
        task.prompt
            .contains("\n/// Average of some numbers; NaN without any.\nfn average(")
    );
    assert!(task.prompt.ends_with("// The code above, documented\n///"));
    assert_eq!((&*task.stop[0], &*task.tail), ("\nfn one() -> u32 {", ""));

    let task = docs("python", "def f(\n    a,\n):\n\n        return a");
    let example = "def average(values):
    \"\"\"Average of some numbers.

    Args:
        values: the numbers.

    Returns:
        Their average, or None for an empty list.
    \"\"\"
    if not values:";
    assert!(task.prompt.contains(example), "{}", task.prompt);
    assert!(
        task.prompt
            .ends_with("documented\ndef f(\n    a,\n):\n        \"\"\"")
    );

    let task = docs("html", "<p>");
    assert!(
        task.prompt
            .ends_with("<!--The code above, documented-->\n<!--")
    );
    assert_eq!((&*task.stop[0], &*task.tail), ("-->", "-->"));
}

#[test]
fn every_language_has_every_task() {
    let code = "\n  one\n    two\n";
    for language in Language::all() {
        let from = Language::GO;
        let tasks = [
            Task::complete(language, code).unwrap(),
            Task::translate(from, code, language, "begin").unwrap(),
            Task::explain(language, code).unwrap(),
            Task::docstring(language, code).unwrap(),
        ];
        for task in tasks {
            assert!(task.prompt.ends_with(&task.lead), "{task:?}");
            assert!(task.prompt.contains(code.trim_end()), "{task:?}");
            assert!(task.stop.iter().all(|stop| !stop.is_empty()), "{task:?}");
            // A space at the end would keep the model from its usual tokens.
            assert!(
                task.lead.is_empty() || !task.lead.ends_with(' '),
                "{task:?}"
            );
            assert_eq!(task.language, language);
            if !task.prompt.starts_with("code translation\n") {
                assert!(task.prompt.starts_with(&format!("{}\n", language.tag())));
            }
        }
    }
    for shot in Shot::all() {
        assert!(!shot.doc.is_empty());
        for name in shot.languages() {
            assert!(std::ptr::eq(
                Shot::of(Language::from_name(name).unwrap()).unwrap(),
                shot
            ));
        }
    }
}

#[test]
fn blank_code_is_refused() {
    let go = language("go");
    for code in ["", " \n\t\n"] {
        for task in [
            Task::translate(go, code, go, ""),
            Task::explain(go, code),
            Task::docstring(go, code),
        ] {
            assert_eq!(task.unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
    }
}
