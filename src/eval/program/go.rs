//! Go programs: the imports have to be exactly those that are used.

use super::super::dataset::{Language, Problem};
use crate::code::{Kind, scan};

/// What a completion may use without saying so, as in the reference.
const PACKAGES: &[&str] = &[
    "math",
    "strings",
    "fmt",
    "strconv",
    "time",
    "bytes",
    "regexp",
    "sort",
    "math/rand",
    "crypto/md5",
];

/// The names of the test functions, in order.
pub(super) fn test_functions(test: &str) -> Vec<String> {
    test.lines()
        .filter_map(|line| {
            let name = line.strip_prefix("func Test")?;
            let end = name.find('(')?;
            let is_name = name[..end].chars().all(|c| c.is_alphanumeric() || c == '_');
            is_name.then(|| format!("Test{}", &name[..end]))
        })
        .collect()
}

/// Package, imports, the prompt without its own, and the completion.
pub(super) fn solution(problem: &Problem, head: &str, generation: &str, test: &str) -> String {
    let head = if problem.import.is_empty() {
        head.to_owned()
    } else {
        head.replace(&problem.import, "")
    };
    let code = format!("{head}{generation}\n");
    let used = packages_used(&format!("{code}{test}"));
    let mut imports = quoted(&problem.test_setup);
    imports.extend(quoted(&problem.import));
    imports.extend(PACKAGES.iter().map(|p| (*p).to_owned()));
    let mut seen = Vec::new();
    let mut block = String::new();
    for path in imports {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        if !seen.contains(&path) && used.contains(&name) {
            block.push_str(&format!("    \"{path}\"\n"));
        }
        seen.push(path);
    }
    format!("package main\n\nimport (\n{block})\n\n{code}")
}

/// Names that stand before a dot in code.
fn packages_used(text: &str) -> Vec<String> {
    let mut used = Vec::new();
    let Ok(go) = Language::Go.of_prompts() else {
        return used;
    };
    let mut word = None;
    let mut after_dot = false;
    for (kind, range, _) in scan(go, text) {
        let is_dot = kind == Kind::Symbol && &text[range.clone()] == ".";
        if is_dot && let Some(word) = word {
            used.push(String::from(word));
        }
        word = (kind == Kind::Word && !after_dot).then(|| &text[range]);
        after_dot = is_dot;
    }
    used
}

/// What stands between double quotes: import paths of an import block.
fn quoted(imports: &str) -> Vec<String> {
    imports
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
