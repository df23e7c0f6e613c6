//! The languages that CodeGeeX was trained on, by name, and the tag line that opens a text in
//! each: a comment in the language's own syntax (paper, section 3.2).

use crate::error::{Result, bail};

/// A language with its tag line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Language {
    name: &'static str,
    tag: &'static str,
}

/// Names as the reference knows them; some languages have two.
const LANGUAGES: [(&str, &str); 56] = [
    ("c", "// language: C"),
    ("c++", "// language: C++"),
    ("cpp", "// language: C++"),
    ("c#", "// language: C#"),
    ("csharp", "// language: C#"),
    ("css", "/* language: CSS */"),
    ("cuda", "// language: Cuda"),
    ("dart", "// language: Dart"),
    ("lua", "// language: Lua"),
    ("objectivec", "// language: Objective-C"),
    ("objective-c", "// language: Objective-C"),
    ("objective-c++", "// language: Objective-C++"),
    ("python", "# language: Python"),
    ("perl", "# language: Perl"),
    ("prolog", "% language: Prolog"),
    ("swift", "// language: swift"),
    ("lisp", "; language: Lisp"),
    ("java", "// language: Java"),
    ("scala", "// language: Scala"),
    ("tex", "% language: TeX"),
    ("vue", "<!--language: Vue-->"),
    ("markdown", "<!--language: Markdown-->"),
    ("html", "<!--language: HTML-->"),
    ("php", "// language: PHP"),
    ("js", "// language: JavaScript"),
    ("javascript", "// language: JavaScript"),
    ("typescript", "// language: TypeScript"),
    ("go", "// language: Go"),
    ("shell", "# language: Shell"),
    ("rust", "// language: Rust"),
    ("sql", "-- language: SQL"),
    ("kotlin", "// language: Kotlin"),
    ("vb", "' language: Visual Basic"),
    ("ruby", "# language: Ruby"),
    ("pascal", "// language: Pascal"),
    ("r", "# language: R"),
    ("fortran", "!language: Fortran"),
    ("lean", "-- language: Lean"),
    ("matlab", "% language: Matlab"),
    ("delphi", "{language: Delphi}"),
    ("scheme", "; language: Scheme"),
    ("basic", "' language: Basic"),
    ("assembly", "; language: Assembly"),
    ("groovy", "// language: Groovy"),
    ("abap", "* language: Abap"),
    ("gdscript", "# language: GDScript"),
    ("haskell", "-- language: Haskell"),
    ("julia", "# language: Julia"),
    ("elixir", "# language: Elixir"),
    ("excel", "' language: Excel"),
    ("clojure", "; language: Clojure"),
    ("actionscript", "// language: ActionScript"),
    ("solidity", "// language: Solidity"),
    ("powershell", "# language: PowerShell"),
    ("erlang", "% language: Erlang"),
    ("cobol", "// language: Cobol"),
];

impl Language {
    /// Every language under each of its names.
    pub fn all() -> impl Iterator<Item = Self> {
        LANGUAGES.iter().map(|&(name, tag)| Self { name, tag })
    }

    /// The language of a name such as `python`, `c++` or `cpp`; upper and lower case are equal.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) with the names that there are.
    pub fn from_name(name: &str) -> Result<Self> {
        match Self::all().find(|l| l.name.eq_ignore_ascii_case(name)) {
            Some(language) => Ok(language),
            None => {
                let names: Vec<&str> = Self::all().map(|l| l.name).collect();
                bail!(
                    InvalidArgument,
                    "no language is called {name:?}; there are {}",
                    names.join(", ")
                )
            }
        }
    }

    /// The name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The tag line, without a line break: `# language: Python`.
    pub fn tag(self) -> &'static str {
        self.tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn names_are_unique_and_found_in_any_case() {
        let mut names: Vec<&str> = Language::all().map(Language::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), LANGUAGES.len());
        let cpp = Language::from_name("C++").unwrap();
        assert_eq!(cpp.tag(), "// language: C++");
        assert_eq!(Language::from_name("cpp").unwrap().tag(), cpp.tag());
        assert_eq!(
            Language::from_name("html").unwrap().tag(),
            "<!--language: HTML-->"
        );
        let error = Language::from_name("brainfuck").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("python"));
    }
}
