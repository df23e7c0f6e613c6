//! Go programs: an import that is not used is an error, as is one that is missing.

mod lex;
mod uses;

use super::super::dataset::Problem;

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

/// Package, the imports that are used, the prompt without its own, and the completion.
pub(super) fn solution(problem: &Problem, head: &str, generation: &str, test: &str) -> String {
    let code = format!("{}{generation}\n", without_imports(problem, head));
    let whole = format!("{code}{test}");
    let used = uses::packages(&whole);
    let mut imports = quoted(&problem.test_setup);
    imports.extend(quoted(&problem.import));
    imports.extend(PACKAGES.iter().map(|p| (*p).to_owned()));
    let mut names = Vec::new();
    let mut block = String::new();
    for path in imports {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        if !names.contains(&name) && used.contains(&*name) {
            block.push_str(&format!("    \"{path}\"\n"));
            names.push(name);
        }
    }
    format!("package main\n\nimport (\n{block})\n\n{code}")
}

/// The same as the reference puts it together: the imports of the tests, and those of its list whose name
/// and a dot stand anywhere in the completion.
pub(super) fn reference_solution(problem: &Problem, head: &str, generation: &str) -> String {
    let setup = &problem.test_setup;
    let is_used = |path: &&&str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        !setup.contains(**path) && generation.contains(&format!("{name}."))
    };
    let imports: String = PACKAGES
        .iter()
        .filter(is_used)
        .map(|p| format!("    \"{p}\"\n"))
        .collect();
    let imports = match imports.is_empty() {
        true => String::new(),
        false => format!("import (\n{imports})\n"),
    };
    let head = without_imports(problem, head);
    format!("{setup}\n{imports}{head}{generation}\n")
}

fn without_imports(problem: &Problem, head: &str) -> String {
    match problem.import.is_empty() {
        true => head.to_owned(),
        false => head.replace(&problem.import, ""),
    }
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
