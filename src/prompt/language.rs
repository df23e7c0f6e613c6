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
pub(crate) const LANGUAGES: [(&str, &str); 56] = [
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

    /// The name as prompts and tag lines spell it.
    ///
    /// ```
    /// use codegeex::prompt::Language;
    ///
    /// assert_eq!(Language::from_name("js")?.title(), "JavaScript");
    /// # Ok::<(), codegeex::Error>(())
    /// ```
    pub fn title(self) -> &'static str {
        let (open, close) = self.comment_marks();
        let inside = &self.tag[open.len()..self.tag.len() - close.len()];
        inside.trim_start_matches("language:").trim()
    }

    /// What begins and ends a comment of one line in the manner of the tag line; the end is mostly
    /// empty.
    ///
    /// ```
    /// use codegeex::prompt::Language;
    ///
    /// assert_eq!(Language::from_name("go")?.comment_marks(), ("// ", ""));
    /// assert_eq!(Language::from_name("css")?.comment_marks(), ("/* ", " */"));
    /// # Ok::<(), codegeex::Error>(())
    /// ```
    pub fn comment_marks(self) -> (&'static str, &'static str) {
        let close = [" */", "-->", "}"];
        let close = close.into_iter().find(|c| self.tag.ends_with(c));
        // Every tag has the word.
        let open = self.tag.find("language:").unwrap_or(0);
        (&self.tag[..open], close.unwrap_or(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn titles_and_comments_come_from_the_tags() {
        for language in Language::all() {
            let (open, close) = language.comment_marks();
            let spelled =
                [" ", ""].map(|s| format!("{open}language:{s}{}{close}", language.title()));
            assert!(spelled.contains(&language.tag().to_owned()), "{language:?}");
            assert!(!open.is_empty() && !language.title().is_empty());
            assert!(!open.contains("language") && !language.title().ends_with([' ', '>', '/']));
        }
        let title = |name| Language::from_name(name).unwrap().title();
        assert_eq!(title("cpp"), "C++");
        assert_eq!(title("java"), "Java");
        assert_eq!(title("html"), "HTML");
        assert_eq!(title("css"), "CSS");
        assert_eq!(title("delphi"), "Delphi");
        assert_eq!(title("vb"), "Visual Basic");
    }

    /// `tests/data/language_tags.json` is a copy of the reference's.
    #[test]
    fn tags_are_the_references() {
        let text = include_str!("../../tests/data/language_tags.json");
        let tags: std::collections::BTreeMap<String, String> = serde_json::from_str(text).unwrap();
        assert_eq!(tags.len(), 56);
        let found = Language::all().map(|l| (l.name().to_owned(), l.tag().to_owned()));
        assert_eq!(found.collect::<std::collections::BTreeMap<_, _>>(), tags);
    }

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
