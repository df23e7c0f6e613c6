//! Programs: a completion put together with its problem and the problem's tests, as the reference
//! does it, in two parts that are one text when written one after the other.
//!
//! What differs from the reference, on purpose: the prompt is the problem's, not the one that the
//! sample says it was given, so that language tags and texts around a translation stay out of the
//! program. [`Imports`] says which imports are added. Between completion and tests stands what keeps the
//! one from swallowing the other (an attribute of Rust, a macro of C++). Nothing here builds or runs.

mod go;

use super::dataset::{EvalLanguage, Problem};
use crate::code::{Kind, scan};
use crate::error::{Result, bail};

/// Which tests of a problem are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tests {
    /// All.
    #[default]
    All,
    /// The examples of the description. Where a problem has none, all.
    Examples,
}

/// Which imports are added to a program beside those of its problem. The two differ in Python and Go: in
/// C++ the reference's headers are always there, and in Java, JavaScript and Rust it adds none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Imports {
    /// Those of the reference that the code uses. Python: numpy only where the code names it, and where
    /// it is not installed, a program that does not need it runs all the same. Go: packages that stand before
    /// a dot where no variable, parameter or other declaration has their name.
    #[default]
    Needed,
    /// As the reference adds them. Python: all of its list, numpy included. Go: those whose name and a
    /// dot stand anywhere in the completion, also in a comment, a string or another name; what the
    /// prompt imports and the completion does not name so is not imported.
    Reference,
}

/// A program to build and run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Program {
    /// What it is written in.
    pub language: EvalLanguage,
    /// Imports, prompt and completion.
    pub solution: String,
    /// The tests.
    pub test: String,
    /// Go: the test functions. Empty in the other languages.
    pub test_functions: Vec<String>,
}

/// What the reference puts before every Python program, without numpy.
const PYTHON: &[&str] = &[
    "import math",
    "import re",
    "import sys",
    "import copy",
    "import datetime",
    "import itertools",
    "import collections",
    "import heapq",
    "import statistics",
    "import functools",
    "import hashlib",
    "import string",
    "from typing import *",
    "from collections import *",
];

/// The headers that every C++ program has.
pub(super) const CPP: &[&str] = &[
    "stdlib.h",
    "algorithm",
    "math.h",
    "stdio.h",
    "vector",
    "string",
    "climits",
    "cstring",
    "iostream",
];

impl Program {
    /// The program of a completion: after the problem's prompt, or in a translation after its
    /// declaration, which has no description.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a problem id of another form,
    /// [`MalformedFile`](crate::ErrorKind::MalformedFile) for Go tests without a test function.
    pub fn assemble(
        problem: &Problem,
        generation: &str,
        tests: Tests,
        imports: Imports,
        is_translation: bool,
    ) -> Result<Self> {
        let (language, _) = problem.language()?;
        let examples = problem.example_test.as_deref().unwrap_or_default();
        let test = match tests {
            Tests::Examples if !examples.trim().is_empty() => examples,
            _ => &problem.test,
        };
        let head = if is_translation {
            &problem.declaration
        } else {
            &problem.prompt
        };
        let mut test_functions = Vec::new();
        let (solution, test) = match language {
            EvalLanguage::Python => (
                python(head, generation, test, imports)?,
                format!("{test}\n"),
            ),
            EvalLanguage::Cpp => (cpp(head, generation), format!("#undef main\n{test}\n")),
            EvalLanguage::Java | EvalLanguage::JavaScript => {
                (format!("{head}{generation}\n"), format!("{test}\n"))
            }
            EvalLanguage::Go => {
                test_functions = go::test_functions(test);
                if test_functions.is_empty() {
                    bail!(
                        MalformedFile,
                        "{}: no test function, expected `func TestName(t *testing.T)`",
                        problem.task_id
                    );
                }
                let solution = match imports {
                    Imports::Needed => go::solution(problem, head, generation, test),
                    Imports::Reference => go::reference_solution(problem, head, generation),
                };
                (solution, format!("{test}\n"))
            }
            EvalLanguage::Rust => {
                let description = if is_translation { "" } else { &problem.prompt };
                (
                    format!(
                        "fn main() {{}}\n{}{description}{generation}\n",
                        problem.declaration
                    ),
                    format!("const _: () = ();\n{}\n", rust_test(test)),
                )
            }
        };
        Ok(Self {
            language,
            solution,
            test,
            test_functions,
        })
    }

    /// The whole text.
    pub fn source(&self) -> String {
        format!("{}{}", self.solution, self.test)
    }
}

/// The completion up to the first line that is not indented.
fn python(head: &str, generation: &str, test: &str, imports: Imports) -> Result<String> {
    let is_body = |line: &&str| line.trim().is_empty() || line.starts_with([' ', '\t']);
    let body: Vec<&str> = generation.split('\n').take_while(is_body).collect();
    let body = body.join("\n");
    let numpy = match imports {
        Imports::Reference => "\nimport numpy\nimport numpy as np",
        Imports::Needed if names_numpy(&format!("{head}{body}\n{test}"))? => NUMPY,
        Imports::Needed => "",
    };
    Ok(format!("{}{numpy}\n{head}{body}\n", PYTHON.join("\n")))
}

/// The names may be the program's own, so it goes on without the package.
const NUMPY: &str =
    "\ntry:\n    import numpy\n    import numpy as np\nexcept ImportError:\n    pass";

/// Whether Python code has the names of numpy in it. Strings count, since they may be evaluated.
fn names_numpy(text: &str) -> Result<bool> {
    let is_named = |text: &str| {
        let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.any(|w| w == "np" || w == "numpy")
    };
    // Most have them nowhere, which is found faster.
    Ok(is_named(text)
        && scan(EvalLanguage::Python.language(), text)?
            .into_iter()
            .any(|(kind, range, _)| kind != Kind::Comment && is_named(&text[range])))
}

/// The headers come first and in one order whatever the prompt includes, so that they can be
/// compiled once; including one twice changes nothing.
fn cpp(head: &str, generation: &str) -> String {
    let includes: String = CPP.iter().map(|h| format!("#include<{h}>\n")).collect();
    format!("{includes}\n{head}{generation}\n")
}

/// Names the macros of the tests by their path, so that those of a completion do not replace them.
fn rust_test(test: &str) -> String {
    let mut text = String::with_capacity(test.len() + 256);
    let mut rest = test;
    while let Some(at) = rest.find("assert") {
        let (before, after) = rest.split_at(at);
        let is_macro = ["assert!", "assert_eq!", "assert_ne!"]
            .iter()
            .any(|m| after.starts_with(m));
        let is_word = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        text.push_str(before);
        if is_macro && is_word {
            text.push_str("::std::");
        }
        text.push_str("assert");
        rest = &after["assert".len()..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests;
