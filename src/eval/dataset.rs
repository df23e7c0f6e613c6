//! The problems of HumanEval-X, as they were published: a file of JSON lines for each language.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::jsonl::{Caps, Lines};
use crate::Language;
use crate::error::{Error, ErrorKind, Result, bail};

/// The longest published line has 7 kB, the largest file 600 kB unpacked.
const CAPS: Caps = Caps {
    line: 4 << 20,
    total: 256 << 20,
};

/// A language of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvalLanguage {
    /// CPython 3.
    Python,
    /// C++11 or later.
    Cpp,
    /// Java.
    Java,
    /// JavaScript, for Node.
    JavaScript,
    /// Go.
    Go,
    /// Rust: it came after the paper, whose figures are of the other five.
    Rust,
}

impl EvalLanguage {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::Python,
        Self::Cpp,
        Self::Java,
        Self::JavaScript,
        Self::Go,
        Self::Rust,
    ];

    /// The five of the paper.
    pub const PAPER: [Self; 5] = [
        Self::Python,
        Self::Cpp,
        Self::Java,
        Self::JavaScript,
        Self::Go,
    ];

    /// The language of a name or an alias, as [`Language::from_name`] knows them: `python` or `py`, `cpp`
    /// or `c++`, `js` or `javascript`. Case is ignored.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) with the names that there are.
    pub fn from_name(name: &str) -> Result<Self> {
        let language = Language::from_name(name).ok();
        match Self::ALL
            .into_iter()
            .find(|l| Some(l.language()) == language)
        {
            Some(found) => Ok(found),
            None => bail!(
                InvalidArgument,
                "HumanEval-X has no language \"{name}\"; it has cpp, go, java, js, python and rust"
            ),
        }
    }

    /// Its name in file names and records: `python`, `cpp`, `java`, `js`, `go`, `rust`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Cpp => "cpp",
            Self::Java => "java",
            Self::JavaScript => "js",
            Self::Go => "go",
            Self::Rust => "rust",
        }
    }

    /// What the ids of its problems begin with, before the slash: `Python`, `CPP`, `Java`,
    /// `JavaScript`, `Go`, `Rust`.
    pub fn task_prefix(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Cpp => "CPP",
            Self::Java => "Java",
            Self::JavaScript => "JavaScript",
            Self::Go => "Go",
            Self::Rust => "Rust",
        }
    }

    /// The same language among those of the training data.
    pub fn language(self) -> Language {
        match self {
            Self::Python => Language::PYTHON,
            Self::Cpp => Language::CPP,
            Self::Java => Language::JAVA,
            Self::JavaScript => Language::JAVASCRIPT,
            Self::Go => Language::GO,
            Self::Rust => Language::RUST,
        }
    }

    /// The language and the number of a problem from its id, such as `CPP/17`.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for anything else.
    pub fn of_task(task_id: &str) -> Result<(Self, u32)> {
        let parts = task_id.split_once('/');
        let parts = parts.and_then(|(prefix, number)| {
            let language = Self::from_name(prefix).ok()?;
            let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            Some((language, digits.then(|| number.parse().ok())??))
        });
        match parts {
            Some(parts) => Ok(parts),
            None => bail!(
                InvalidArgument,
                "no problem is called \"{task_id}\"; expected a language and a number such as \
                 Python/0, CPP/0, Java/0, JavaScript/0, Go/0 or Rust/0"
            ),
        }
    }
}

impl fmt::Display for EvalLanguage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for EvalLanguage {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for EvalLanguage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).map_err(serde::de::Error::custom)
    }
}

/// A problem. Fields that a language does not have are empty.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// Its id, such as `Python/0`.
    pub task_id: String,
    /// What a completion goes on from: imports, the description, the head of the function. In Rust
    /// the description alone, which the reference puts after the declaration.
    pub prompt: String,
    /// Imports and the head of the function, without the description.
    pub declaration: String,
    /// A body of the function that passes.
    pub canonical_solution: String,
    /// The program that checks a solution.
    pub test: String,
    /// The same for the examples of the description alone.
    #[serde(default)]
    pub example_test: Option<String>,
    /// Go: the imports of the prompt.
    #[serde(default)]
    pub import: String,
    /// Go: package and imports of the test.
    #[serde(default)]
    pub test_setup: String,
    /// Go: the description as it is in the prompt.
    #[serde(default)]
    pub docstring: String,
    /// Python and Java: the description as it is in the prompt.
    #[serde(default)]
    pub text: String,
}

impl Problem {
    /// Its language and number.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for an id of another form.
    pub fn language(&self) -> Result<(EvalLanguage, u32)> {
        EvalLanguage::of_task(&self.task_id)
    }
}

/// The problems of a file, one at a time.
pub struct Problems {
    lines: Lines,
}

impl Problems {
    /// Opens a file, plain or gzip.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) and what else the system reports.
    pub fn open(path: &Path) -> Result<Self> {
        let lines = Lines::open(path, CAPS)?;
        Ok(Self { lines })
    }
}

impl Iterator for Problems {
    type Item = Result<Problem>;

    /// The next problem, or an error with the file and the line.
    fn next(&mut self) -> Option<Result<Problem>> {
        match self.lines.record::<Problem>() {
            Ok(None) => None,
            Ok(Some(problem)) => Some(match problem.language() {
                Ok(_) => Ok(problem),
                Err(e) => Err(malformed(&e, self.lines.place())),
            }),
            Err(e) => Some(Err(e)),
        }
    }
}

impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problems({})", self.lines.place())
    }
}

fn malformed(error: &Error, place: String) -> Error {
    Error::new(ErrorKind::MalformedFile, error.context().to_owned()).within(place)
}

/// The file of a language in a folder: `humaneval_python.jsonl` or `humaneval_python.jsonl.gz`,
/// in the folder itself or in `python/data` as in the reference's repository. The plain one comes
/// first.
///
/// # Errors
/// [`NotFound`](ErrorKind::NotFound) with what was looked for.
pub fn problem_file(folder: &Path, language: EvalLanguage) -> Result<PathBuf> {
    let name = format!("humaneval_{}.jsonl", language.name());
    let places = [folder.to_owned(), folder.join(language.name()).join("data")];
    for place in &places {
        for file in [place.join(&name), place.join(format!("{name}.gz"))] {
            if file.is_file() {
                return Ok(file);
            }
        }
    }
    bail!(
        NotFound,
        "{}: there is no {name} and no {name}.gz, nor in {}/data; expected the folder of \
         HumanEval-X",
        folder.display(),
        language.name()
    )
}

/// All problems of a language in a folder, in the order of the file.
///
/// # Errors
/// As for [`problem_file`] and [`Problems`];
/// [`MalformedFile`](ErrorKind::MalformedFile) as well for a problem of another language, for
/// one that is there twice, and for a file without problems.
pub fn load(folder: &Path, language: EvalLanguage) -> Result<Vec<Problem>> {
    let path = problem_file(folder, language)?;
    let mut problems = Problems::open(&path)?;
    let mut numbers = HashSet::new();
    let mut found = Vec::new();
    while let Some(problem) = problems.next() {
        let problem = problem?;
        let (its, number) = problem.language()?;
        if its != language {
            bail!(
                MalformedFile,
                "{}: problem {} among those of {language}",
                problems.lines.place(),
                problem.task_id
            );
        }
        if !numbers.insert(number) {
            bail!(
                MalformedFile,
                "{}: problem {} for the second time",
                problems.lines.place(),
                problem.task_id
            );
        }
        found.push(problem);
    }
    if found.is_empty() {
        bail!(MalformedFile, "{}: no problems in it", path.display());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"task_id": "Go/3", "prompt": "p", "declaration": "d", "canonical_solution": "c", "test": "t", "example_test": null, "more": 1}"#;

    fn load_text(text: &str) -> Result<Vec<Problem>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("humaneval_go.jsonl");
        std::fs::write(path, text).unwrap();
        load(folder.path(), EvalLanguage::Go)
    }

    #[test]
    fn names_and_ids() {
        for language in EvalLanguage::ALL {
            assert_eq!(EvalLanguage::from_name(language.name()).unwrap(), language);
            let id = format!("{}/163", language.task_prefix());
            assert_eq!(EvalLanguage::of_task(&id).unwrap(), (language, 163));
            let name = language.language().name();
            assert_eq!(EvalLanguage::from_name(name).unwrap(), language);
        }
        for (name, language) in [
            ("C++", EvalLanguage::Cpp),
            ("py", EvalLanguage::Python),
            ("JavaScript", EvalLanguage::JavaScript),
            ("golang", EvalLanguage::Go),
            ("rs", EvalLanguage::Rust),
        ] {
            assert_eq!(EvalLanguage::from_name(name).unwrap(), language);
        }
        let error = EvalLanguage::from_name("ts").unwrap_err().to_string();
        assert!(
            error.contains("no language \"ts\"; it has cpp, go"),
            "{error}"
        );
        for id in [
            "Go",
            "Go/",
            "Go/x",
            "Go/+1",
            "Perl/1",
            "/1",
            "Go/1/2",
            "Go/99999999999",
        ] {
            assert!(EvalLanguage::of_task(id).is_err(), "{id}");
        }
    }

    #[test]
    fn a_file_is_read_and_what_is_wrong_has_a_line() {
        let problems = load_text(&format!("{LINE}\n\n")).unwrap();
        assert_eq!(problems[0].language().unwrap(), (EvalLanguage::Go, 3));
        assert_eq!(problems[0].example_test, None);
        let wrong = |text: String| {
            let error = load_text(&text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MalformedFile, "{error}");
            error.to_string()
        };
        assert!(wrong(format!("{LINE}\n{LINE}")).contains("line 2: problem Go/3 for the second"));
        let python = LINE.replace("Go/3", "Python/3");
        assert!(wrong(python).contains("line 1: problem Python/3 among those of go"));
        assert!(wrong(LINE.replace("Go/3", "Perl/3")).contains("line 1: no problem is called"));
        assert!(wrong(format!("\n{}", &LINE[..40])).contains("line 2: not a record: "));
        assert!(wrong(LINE.replace("\"test\"", "\"tset\"")).contains("missing field `test`"));
        assert!(wrong(String::new()).contains("no problems"));
    }

    #[test]
    fn files_are_found_in_both_layouts() {
        let folder = tempfile::tempdir().unwrap();
        let error = problem_file(folder.path(), EvalLanguage::Go).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let data = folder.path().join("go/data");
        std::fs::create_dir_all(&data).unwrap();
        for path in [
            data.join("humaneval_go.jsonl.gz"),
            folder.path().join("humaneval_go.jsonl.gz"),
            folder.path().join("humaneval_go.jsonl"),
        ] {
            std::fs::write(&path, LINE).unwrap();
            assert_eq!(problem_file(folder.path(), EvalLanguage::Go).unwrap(), path);
        }
    }
}
