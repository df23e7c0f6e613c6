//! The languages that CodeGeeX was trained on: names, tag lines, comment syntax, file extensions.
//!
//! A table of rows, one a language. A [`Language`] is the number of its row, so that it is equal to
//! itself whatever name it was found by.
#![forbid(unsafe_code)]

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::error::{Result, bail};
use crate::memory::try_concat;

/// A language that the model was trained on.
///
/// Languages are found by name, by an alias of it, or by a file's extension. However it was found,
/// a language is equal to itself.
///
/// ```
/// use codegeex::Language;
///
/// assert_eq!(Language::from_name("C++")?, Language::CPP);
/// assert_eq!(Language::from_name("cpp")?, Language::CPP);
/// assert_eq!(Language::from_path("src/main.rs"), Some(Language::RUST));
/// assert_eq!("golang".parse::<Language>()?.name(), "go");
/// # Ok::<(), codegeex::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Language(u8);

struct Row {
    name: &'static str,
    title: &'static str,
    tag: &'static str,
    /// What begins and ends a comment of one line; the end is mostly empty.
    comment: [&'static str; 2],
    extensions: &'static [&'static str],
    aliases: &'static [&'static str],
}

macro_rules! languages {
    ($($constant:ident = $name:literal, $title:literal, $tag:literal, $comment:expr,
        $extensions:expr, $aliases:expr;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u8)]
        enum Number { $($constant),* }

        impl Language {
            $(
                #[doc = concat!($title, ".")]
                pub const $constant: Self = Self(Number::$constant as u8);
            )*
        }

        /// Sorted by name. Tag lines are the reference's, right or wrong (Lua, Cobol).
        static ROWS: &[Row] = &[$(Row {
            name: $name,
            title: $title,
            tag: $tag,
            comment: $comment,
            extensions: &$extensions,
            aliases: &$aliases,
        }),*];
    };
}

// Name, title, tag line, comment, file extensions, aliases.
#[rustfmt::skip]
languages! {
    ABAP = "abap", "Abap", "* language: Abap", ["* ", ""], ["abap"], [];
    ACTIONSCRIPT = "actionscript", "ActionScript", "// language: ActionScript", ["// ", ""], ["as"], ["as", "as3"];
    ASSEMBLY = "assembly", "Assembly", "; language: Assembly", ["; ", ""], ["asm", "s", "nasm"], ["asm", "nasm"];
    BASIC = "basic", "Basic", "' language: Basic", ["' ", ""], ["bas"], [];
    C = "c", "C", "// language: C", ["// ", ""], ["c", "h"], [];
    CSHARP = "c#", "C#", "// language: C#", ["// ", ""], ["cs", "csx"], ["csharp", "cs"];
    CPP = "c++", "C++", "// language: C++", ["// ", ""], ["cpp", "cc", "cxx", "c++", "hpp", "hh", "hxx", "h++", "ipp", "tpp", "inl"], ["cpp", "cxx", "cc"];
    CLOJURE = "clojure", "Clojure", "; language: Clojure", ["; ", ""], ["clj", "cljs", "cljc", "edn"], ["clj"];
    COBOL = "cobol", "Cobol", "// language: Cobol", ["*> ", ""], ["cob", "cbl", "cpy"], [];
    CSS = "css", "CSS", "/* language: CSS */", ["/* ", " */"], ["css"], [];
    CUDA = "cuda", "Cuda", "// language: Cuda", ["// ", ""], ["cu", "cuh"], ["cu"];
    DART = "dart", "Dart", "// language: Dart", ["// ", ""], ["dart"], [];
    DELPHI = "delphi", "Delphi", "{language: Delphi}", ["{", "}"], ["dpr", "dpk"], [];
    ELIXIR = "elixir", "Elixir", "# language: Elixir", ["# ", ""], ["ex", "exs"], ["ex"];
    ERLANG = "erlang", "Erlang", "% language: Erlang", ["% ", ""], ["erl", "hrl"], ["erl"];
    EXCEL = "excel", "Excel", "' language: Excel", ["' ", ""], ["vba"], ["vba"];
    FORTRAN = "fortran", "Fortran", "!language: Fortran", ["!", ""], ["f", "for", "f77", "f90", "f95", "f03", "f08"], ["f90"];
    GDSCRIPT = "gdscript", "GDScript", "# language: GDScript", ["# ", ""], ["gd"], ["gd"];
    GO = "go", "Go", "// language: Go", ["// ", ""], ["go"], ["golang"];
    GROOVY = "groovy", "Groovy", "// language: Groovy", ["// ", ""], ["groovy", "gvy", "gradle"], [];
    HASKELL = "haskell", "Haskell", "-- language: Haskell", ["-- ", ""], ["hs", "lhs"], ["hs"];
    HTML = "html", "HTML", "<!--language: HTML-->", ["<!--", "-->"], ["html", "htm", "xhtml"], ["htm"];
    JAVA = "java", "Java", "// language: Java", ["// ", ""], ["java"], [];
    JAVASCRIPT = "javascript", "JavaScript", "// language: JavaScript", ["// ", ""], ["js", "mjs", "cjs", "jsx"], ["js", "jsx", "node", "ecmascript"];
    JULIA = "julia", "Julia", "# language: Julia", ["# ", ""], ["jl"], ["jl"];
    KOTLIN = "kotlin", "Kotlin", "// language: Kotlin", ["// ", ""], ["kt", "kts"], ["kt", "kts"];
    LEAN = "lean", "Lean", "-- language: Lean", ["-- ", ""], ["lean"], [];
    LISP = "lisp", "Lisp", "; language: Lisp", ["; ", ""], ["lisp", "lsp", "cl", "el"], ["commonlisp", "elisp"];
    LUA = "lua", "Lua", "// language: Lua", ["-- ", ""], ["lua"], [];
    MARKDOWN = "markdown", "Markdown", "<!--language: Markdown-->", ["<!--", "-->"], ["md", "markdown"], ["md"];
    MATLAB = "matlab", "Matlab", "% language: Matlab", ["% ", ""], ["matlab"], [];
    OBJECTIVE_C = "objective-c", "Objective-C", "// language: Objective-C", ["// ", ""], ["m"], ["objectivec", "objc", "obj-c"];
    OBJECTIVE_CPP = "objective-c++", "Objective-C++", "// language: Objective-C++", ["// ", ""], ["mm"], ["objective-cpp", "objectivec++", "objectivecpp", "objc++", "objcpp"];
    PASCAL = "pascal", "Pascal", "// language: Pascal", ["// ", ""], ["pas", "pp", "lpr"], ["objectpascal"];
    PERL = "perl", "Perl", "# language: Perl", ["# ", ""], ["pl", "pm"], ["pl"];
    PHP = "php", "PHP", "// language: PHP", ["// ", ""], ["php", "phtml"], [];
    POWERSHELL = "powershell", "PowerShell", "# language: PowerShell", ["# ", ""], ["ps1", "psm1", "psd1"], ["ps1", "pwsh"];
    PROLOG = "prolog", "Prolog", "% language: Prolog", ["% ", ""], ["prolog", "pro"], [];
    PYTHON = "python", "Python", "# language: Python", ["# ", ""], ["py", "pyi", "pyw"], ["py", "python3"];
    R = "r", "R", "# language: R", ["# ", ""], ["r"], [];
    RUBY = "ruby", "Ruby", "# language: Ruby", ["# ", ""], ["rb", "rake", "gemspec"], ["rb"];
    RUST = "rust", "Rust", "// language: Rust", ["// ", ""], ["rs"], ["rs"];
    SCALA = "scala", "Scala", "// language: Scala", ["// ", ""], ["scala", "sc", "sbt"], [];
    SCHEME = "scheme", "Scheme", "; language: Scheme", ["; ", ""], ["scm", "ss"], ["scm"];
    SHELL = "shell", "Shell", "# language: Shell", ["# ", ""], ["sh", "bash", "zsh", "ksh"], ["sh", "bash", "zsh", "shellscript"];
    SOLIDITY = "solidity", "Solidity", "// language: Solidity", ["// ", ""], ["sol"], ["sol"];
    SQL = "sql", "SQL", "-- language: SQL", ["-- ", ""], ["sql"], [];
    SWIFT = "swift", "swift", "// language: swift", ["// ", ""], ["swift"], [];
    TEX = "tex", "TeX", "% language: TeX", ["% ", ""], ["tex", "sty", "cls", "ltx"], ["latex"];
    TYPESCRIPT = "typescript", "TypeScript", "// language: TypeScript", ["// ", ""], ["ts", "tsx", "mts", "cts"], ["ts", "tsx", "typescriptreact"];
    VISUAL_BASIC = "vb", "Visual Basic", "' language: Visual Basic", ["' ", ""], ["vb", "vbs"], ["visualbasic", "vbnet", "vb.net"];
    VUE = "vue", "Vue", "<!--language: Vue-->", ["<!--", "-->"], ["vue"], [];
}

impl Language {
    /// Every language once, sorted by name.
    pub fn all() -> impl ExactSizeIterator<Item = Self> + DoubleEndedIterator + Clone {
        (0..Self::COUNT).map(Self::at)
    }

    const fn row(self) -> &'static Row {
        &ROWS[self.0 as usize]
    }

    /// How many languages there are.
    pub(crate) const COUNT: usize = ROWS.len();

    /// The language of an index below [`COUNT`](Self::COUNT).
    pub(crate) const fn at(index: usize) -> Self {
        assert!(index < ROWS.len());
        Self(index as u8)
    }

    /// Its index in [`all`](Self::all), by which C names languages.
    #[cfg(feature = "capi")]
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// The language of a name or an alias, such as `python`, `py`, `c++` or `cpp`. Case is ignored.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) with the closest names and a list of
    /// all.
    ///
    /// ```
    /// use codegeex::Language;
    ///
    /// let error = Language::from_name("pyhton").unwrap_err();
    /// assert!(error.to_string().contains("did you mean python?"));
    /// ```
    pub fn from_name(name: &str) -> Result<Self> {
        let wanted = name.trim();
        let found = Self::all().find(|l| l.names().any(|n| n.eq_ignore_ascii_case(wanted)));
        if let Some(language) = found {
            return Ok(language);
        }
        let close = closest(wanted);
        let hint = match close.is_empty() {
            true => String::new(),
            false => format!("did you mean {}? ", close.join(" or ")),
        };
        let names: Vec<&str> = Self::all().map(Self::name).collect();
        bail!(
            InvalidArgument,
            "no language is called {name:?}; {hint}the languages are {}",
            names.join(", ")
        )
    }

    /// The language of a file extension without its dot, such as `py`; nothing for one that is not
    /// known. Case is ignored. `m` is Objective-C, `h` is C.
    pub fn from_extension(extension: &str) -> Option<Self> {
        let is_it = |e: &&str| e.eq_ignore_ascii_case(extension);
        Self::all().find(|l| l.extensions().iter().any(is_it))
    }

    /// The language of a file, by the extension of its path.
    pub fn from_path(path: impl AsRef<Path>) -> Option<Self> {
        Self::from_extension(path.as_ref().extension()?.to_str()?)
    }

    /// The name in lower case: `python`, `c++`.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Other names that [`from_name`](Self::from_name) takes.
    pub fn aliases(self) -> &'static [&'static str] {
        self.row().aliases
    }

    /// The name as prompts and tag lines spell it.
    ///
    /// ```
    /// assert_eq!(codegeex::Language::JAVASCRIPT.title(), "JavaScript");
    /// ```
    pub const fn title(self) -> &'static str {
        self.row().title
    }

    /// Extensions of its files, without the dot, the most common first.
    pub fn extensions(self) -> &'static [&'static str] {
        self.row().extensions
    }

    /// The language tag that opens a text in the training data, a comment in most cases, without a
    /// line break: `# language: Python`.
    pub const fn tag(self) -> &'static str {
        self.row().tag
    }

    /// What begins and ends a comment of one line; the end is mostly empty.
    ///
    /// ```
    /// use codegeex::Language;
    ///
    /// assert_eq!(Language::GO.comment_marks(), ("// ", ""));
    /// assert_eq!(Language::CSS.comment_marks(), ("/* ", " */"));
    /// ```
    pub fn comment_marks(self) -> (&'static str, &'static str) {
        let [open, close] = self.row().comment;
        (open, close)
    }

    /// The prompt for completing code: the language tag, then the code so far.
    ///
    /// ```
    /// use codegeex::Language;
    ///
    /// let prompt = Language::PYTHON.prompt("def add(a, b):");
    /// assert_eq!(prompt, "# language: Python\ndef add(a, b):");
    /// ```
    pub fn prompt(self, code: &str) -> String {
        format!("{}\n{code}", self.tag())
    }

    /// [`prompt`](Self::prompt), or the error of an allocation that was refused.
    pub(crate) fn try_prompt(self, code: &str) -> Result<String> {
        Ok(try_concat(&[self.tag(), "\n", code])?)
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        let row = self.row();
        [row.name, row.title]
            .into_iter()
            .chain(row.aliases.iter().copied())
    }
}

impl FromStr for Language {
    type Err = crate::Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::from_name(name)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Language({})", self.name())
    }
}

/// Names of the languages that have a name or an alias most like `wanted`, three at most; none where
/// all are far from it.
fn closest(wanted: &str) -> Vec<&'static str> {
    // What is longer is no misspelt name, and the distance takes a product of lengths.
    if wanted.len() > 32 {
        return Vec::new();
    }
    let wanted: Vec<char> = wanted.to_lowercase().chars().collect();
    let most = wanted.len() / 3;
    let mut found: Vec<(usize, &str)> = Language::all()
        .filter_map(|l| {
            let near = l.names().map(|n| distance(&wanted, n)).min()?;
            (near <= most).then_some((near, l.name()))
        })
        .collect();
    found.sort_unstable();
    let best = found.first().map_or(0, |f| f.0);
    let names = found.into_iter().filter(|f| f.0 == best).map(|f| f.1);
    names.take(3).collect()
}

/// Edits from one to the other: a character more, less, or other, or two neighbours swapped.
fn distance(wanted: &[char], name: &str) -> usize {
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=name.len()).collect()];
    for i in 1..=wanted.len() {
        let mut row = vec![i];
        for j in 1..=name.len() {
            let change = usize::from(wanted[i - 1] != name[j - 1]);
            let mut best = (rows[i - 1][j - 1] + change)
                .min(rows[i - 1][j] + 1)
                .min(row[j - 1] + 1);
            if i > 1 && j > 1 && wanted[i - 1] == name[j - 2] && wanted[i - 2] == name[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[wanted.len()][name.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::ErrorKind;

    #[test]
    fn titles_and_comments_are_those_of_the_tags() {
        for language in Language::all() {
            let (open, close) = language.comment_marks();
            let title = language.title();
            // The reference's tags of these two are no comments.
            let open = match language {
                Language::LUA | Language::COBOL => "// ",
                _ => open,
            };
            let spelled = [" ", ""].map(|s| format!("{open}language:{s}{title}{close}"));
            assert!(spelled.contains(&language.tag().to_owned()), "{language:?}");
        }
    }

    /// `tests/data/language_tags.json` is a copy of the reference's; some languages have two names.
    #[test]
    fn tags_are_the_references() {
        let text = include_str!("../tests/data/language_tags.json");
        let tags: BTreeMap<String, String> = serde_json::from_str(text).unwrap();
        assert_eq!(tags.len(), 56);
        let mut found = BTreeSet::new();
        for (name, tag) in tags {
            let language = Language::from_name(&name).unwrap();
            assert_eq!(language.tag(), tag, "{name}");
            found.insert(language);
        }
        assert_eq!(found, Language::all().collect());
    }

    #[test]
    fn no_name_and_no_extension_means_two_languages() {
        let names: Vec<&str> = Language::all().map(Language::name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(names.len(), 52);
        let mut seen = BTreeMap::new();
        for language in Language::all() {
            for name in language.names() {
                let other = seen.insert(name.to_lowercase(), language);
                assert!(other.is_none_or(|o| o == language), "{name}");
                assert_eq!(Language::from_name(name).unwrap(), language);
                assert_eq!(name.to_uppercase().parse::<Language>().unwrap(), language);
            }
        }
        let mut seen = BTreeMap::new();
        for language in Language::all() {
            for &extension in language.extensions() {
                let other = seen.insert(extension, language);
                assert_eq!(other, None, "{extension}");
                let path = format!("a.b/c.{}", extension.to_uppercase());
                assert_eq!(Language::from_path(path), Some(language));
            }
        }
    }

    #[test]
    fn every_name_of_a_language_is_that_language() {
        for (language, names) in [
            (Language::CPP, &["c++", "cpp", "C++", "CPP", "cxx"][..]),
            (Language::CSHARP, &["c#", "csharp", "cs"]),
            (
                Language::JAVASCRIPT,
                &["js", "javascript", "JavaScript", "jsx"],
            ),
            (Language::OBJECTIVE_C, &["objectivec", "objective-c"]),
            (Language::PYTHON, &["py", "python"]),
            (Language::TYPESCRIPT, &["ts", "tsx", "typescript"]),
            (Language::RUST, &["rs", "rust"]),
            (Language::GO, &["go", "golang"]),
            (Language::SHELL, &["bash", "sh", "shell"]),
            (Language::RUBY, &["rb"]),
            (Language::KOTLIN, &["kt"]),
            (Language::MARKDOWN, &["md"]),
            (Language::VISUAL_BASIC, &["vb", "Visual Basic"]),
        ] {
            for name in names {
                assert_eq!(Language::from_name(name).unwrap(), language, "{name}");
            }
        }
    }

    #[test]
    fn unknown_names_get_the_closest_and_a_sorted_list() {
        for (name, hint) in [
            ("brainfuck", None),
            ("", None),
            ("pyhton", Some("did you mean python?")),
            ("javascrpt", Some("did you mean javascript?")),
        ] {
            let error = Language::from_name(name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            let text = error.to_string();
            assert!(
                text.contains("the languages are abap, actionscript, "),
                "{text}"
            );
            match hint {
                Some(hint) => assert!(text.contains(hint), "{text}"),
                None => assert!(!text.contains("did you mean"), "{text}"),
            }
        }
        assert!(closest(&"python".repeat(1000)).is_empty());
        for path in ["README", "a.", "x.unknown", ""] {
            assert_eq!(Language::from_path(path), None);
        }
    }
}
