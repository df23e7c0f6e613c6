//! How a language is written, as far as telling code from strings and comments and finding the
//! ends of blocks needs it.

use super::table;
use crate::language::Language;

/// How a language is written. Table data: languages that are written alike share an entry.
///
/// Approximations, beyond what the fields say:
/// - Where a regular expression may begin (JavaScript, TypeScript, Ruby, Perl, Groovy) is inferred
///   from what stands before the slash: after a value it divides. It ends with the line at the
///   latest.
/// - Strings that cannot span lines end with the line, closed or not, so that a mistake (an
///   apostrophe in JSX text) does not reach further.
/// - Here-documents, Ruby's `%w[]` and Perl's `q{}` are read as code; formatted strings of Python
///   and C# as plain strings, the code inside included.
/// - Words that close a block do so wherever they stand in code: `echo done` in a shell.
/// - Preprocessor branches are all read, so that a bracket opened in both counts twice.
/// - In Vue, HTML and Markdown only comments are known: scripts, styles and fenced code are not.
/// - Haskell, Lean: layout is indentation, without the rules for operators and `let`.
#[derive(Debug)]
pub struct Syntax {
    /// What begins a comment that ends with the line.
    pub line_comments: &'static [&'static str],
    /// The same where nothing but blanks stands before it on the line.
    pub line_start_comments: &'static [&'static str],
    /// A word that begins a comment: `rem`.
    pub comment_word: Option<&'static str>,
    /// Whether a line comment needs a blank or a `;` before it, as in shells, where `$#` is none.
    pub comment_after_blank: bool,
    /// Comments with an end.
    pub block_comments: &'static [BlockComment],
    /// Strings and characters.
    pub quotes: &'static [Quote],
    /// Raw strings whose end depends on their beginning.
    pub raw: Raw,
    /// Whether a slash may begin a regular expression.
    pub has_regex: bool,
    /// Takes the special meaning from the next character, in code.
    pub code_escape: Option<char>,
    /// What belongs to a word besides letters, digits and `_`.
    pub word_chars: &'static str,
    /// Whether `word:` is a label, never a keyword.
    pub has_labels: bool,
    /// Whether keywords may be written in any case.
    pub ignores_case: bool,
    /// How blocks are delimited.
    pub blocks: Blocks,
    /// What makes a block a function.
    pub functions: Functions,
    /// Begins a line that has no indentation of its own: `#` of the C preprocessor.
    pub directive: Option<char>,
    /// Whether a bracket that opens a block stands on the line of what it belongs to, so that
    /// lines end statements: Go.
    pub line_ends_statement: bool,
}

/// A comment with an end.
#[derive(Debug, Clone, Copy)]
pub struct BlockComment {
    /// Begins it.
    pub open: &'static str,
    /// Ends it.
    pub close: &'static str,
    /// Whether one may stand in another.
    pub is_nested: bool,
    /// Whether it begins only at the start of a line.
    pub at_line_start: bool,
}

/// A string or a character literal.
#[derive(Debug, Clone, Copy)]
pub struct Quote {
    /// Begins it.
    pub open: &'static str,
    /// Ends it.
    pub close: &'static str,
    /// Takes the special meaning from the next character. A doubled delimiter needs none: it ends
    /// one string and begins the next.
    pub escape: Option<char>,
    /// Whether it may span lines.
    pub is_multiline: bool,
    /// Begins code inside the string; the last character is the bracket.
    pub interpolation: Option<&'static str>,
    /// A character literal: it holds one character or an escape, otherwise the quote is a symbol,
    /// as of a lifetime in Rust.
    pub is_char: bool,
    /// A symbol, not a string, directly after a value: the transpose of MATLAB.
    pub not_after_value: bool,
}

/// Raw strings whose end depends on their beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raw {
    /// None.
    None,
    /// `r#"` to `"#`, with as many `#`.
    Rust,
    /// `R"x(` to `)x"`.
    Cpp,
    /// `[==[` to `]==]`, which after `--` is a comment.
    Lua,
    /// `r"` to `"`, and `r'` to `'`.
    Prefix,
}

/// How blocks are delimited.
#[derive(Debug, Clone, Copy)]
pub enum Blocks {
    /// By indentation, with what may continue a statement at the indentation of its first line:
    /// a word that begins it, and those that may follow.
    Indentation {
        /// Ends a line that opens a block.
        opener: Option<char>,
        /// Which words may continue which.
        continuations: &'static [(&'static str, &'static [&'static str])],
    },
    /// By these brackets. Others are tracked, but delimit no block.
    Brackets(&'static [char]),
    /// By words, and by brackets where there are any.
    Keywords {
        /// Begin a block.
        openers: &'static [Opener],
        /// End one.
        closers: &'static [&'static str],
        /// The word after one of these is no keyword: `End Sub`, `Exit For`.
        before_plain: &'static [&'static str],
        /// Brackets that delimit blocks as well.
        brackets: &'static [char],
    },
    /// By nothing that could be found without parsing: only indentation tells.
    None,
}

/// A word that begins a block.
#[derive(Debug, Clone, Copy)]
pub struct Opener {
    /// The word.
    pub word: &'static str,
    /// Where it does so.
    pub when: When,
}

/// Where a word begins a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Everywhere.
    Always,
    /// At the beginning of a statement or after an operator: elsewhere it is a modifier.
    Statement,
    /// Not directly inside of round or square brackets, where it belongs to a comprehension.
    OutsideBrackets,
    /// At the end of a line that does not begin with `else`: `then`.
    LineEnd,
    /// Unless the line began with a word that has opened one: `while x do`.
    UnlessOpened,
    /// After `=`.
    AfterEquals,
}

/// What makes a block a function.
#[derive(Debug, Clone, Copy)]
pub enum Functions {
    /// One of these words in what stands before the block.
    Words(&'static [&'static str]),
    /// Round brackets before it, and none of the words that begin other blocks.
    Parameters,
    /// The outermost block is one.
    Outermost,
}

impl Syntax {
    /// The syntax of a language.
    pub fn of(language: Language) -> &'static Self {
        table::of(language.name())
    }
}
