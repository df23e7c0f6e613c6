//! Where the completions of HumanEval-X end: as the reference's scripts have it, and by rules that
//! know code.

use std::fmt;
use std::str::FromStr;

use super::scan::Scanner;
use super::stop::{CodeStop, StopRule, cut};
use super::syntax::{Blocks, Syntax};
use crate::error::{Error, bail};
use crate::language::Language;

/// How completions of HumanEval-X are cut: while they are generated, and before they are tested.
///
/// ```
/// use codegeex::code::EvalCut;
/// use codegeex::Language;
///
/// let java = Language::JAVA;
/// let prompt = "class Solution {\n    String f() {\n";
/// let completion = "        return \"}\";\n    }\n\n    String g() {\n";
/// let program = prompt.to_owned() + &EvalCut::CodeAware.clean(java, prompt, completion)?;
/// assert!(program.ends_with("return \"}\";\n    }\n}"));
/// # Ok::<(), codegeex::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EvalCut {
    /// As the reference does: scores compare with those that were published. Strings and comments
    /// count as code, and a completion goes on for whatever balances its brackets.
    #[default]
    Reference,
    /// At the end of the function that the prompt begins, see [`StopRule::Function`]. A second
    /// function that the first one needs goes as well; the reference keeps it in Python only where
    /// it is indented, and elsewhere never.
    CodeAware,
}

const CUTS: [EvalCut; 2] = [EvalCut::Reference, EvalCut::CodeAware];

impl EvalCut {
    /// The name: `reference`, `code-aware`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::CodeAware => "code-aware",
        }
    }

    /// The rule that generation stops by.
    pub fn rule(self) -> StopRule {
        match self {
            Self::Reference => StopRule::HumanEval,
            Self::CodeAware => StopRule::Function,
        }
    }

    /// Stops a completion while it streams. `prompt` is the text before it, as far as it is code
    /// of this language: of a translation the declaration alone.
    pub fn stop(self, language: Language, prompt: &str) -> CodeStop {
        CodeStop::new(&[self.rule()], language, prompt)
    }

    /// What is put behind the prompt to be tested. `prompt` is as in [`stop`](Self::stop), in Rust
    /// with the declaration; `completion` is whole, or what [`stop`](Self::stop) has passed.
    ///
    /// [`Reference`](Self::Reference), by language: in Python the completion up to the first
    /// unindented line; in Java up to `public static void main` and then up to the last `}`, with
    /// one more where they close more than they open; in Go without what follows the last line
    /// that begins with `//`, then with `func main(`, and then up to the last `}`; in C++,
    /// JavaScript and Rust up to the last `}`. Other languages have no rules.
    ///
    /// [`CodeAware`](Self::CodeAware): up to the end of the function, with what closes the blocks
    /// that the prompt has opened around it (the class of Java). One that does not end stays
    /// whole.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    pub fn clean(
        self,
        language: Language,
        prompt: &str,
        completion: &str,
    ) -> Result<String, Error> {
        match self {
            Self::Reference => Ok(reference(Dialect::of(language), completion)),
            Self::CodeAware => code_aware(language, prompt, completion),
        }
    }
}

impl fmt::Display for EvalCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EvalCut {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match CUTS.into_iter().find(|c| c.name() == name) {
            Some(cut) => Ok(cut),
            None => bail!(
                InvalidArgument,
                "no cut of completions is called {name:?}; there are reference, code-aware"
            ),
        }
    }
}

/// The languages that the rules tell apart. The reference has none for Rust; its successor treats
/// that much as C++, and so does this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Python,
    Java,
    Go,
    Braces,
    Other,
}

impl Dialect {
    fn of(language: Language) -> Self {
        match language.name() {
            "python" => Self::Python,
            "java" => Self::Java,
            "go" => Self::Go,
            "c++" | "javascript" | "rust" => Self::Braces,
            _ => Self::Other,
        }
    }
}

/// White space as Python has it.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn reference(dialect: Dialect, completion: &str) -> String {
    let mut code = completion;
    match dialect {
        // The words that the reference cuts at, "\ndef" and others, begin unindented lines, and
        // it cuts at the first of these in the end.
        Dialect::Python => {
            let mut at = 0;
            for line in completion.split('\n') {
                let is_indented = line.starts_with([' ', '\t']);
                if !is_indented && !line.chars().all(is_blank) {
                    return completion[..at.max(1) - 1].to_owned();
                }
                at += line.len() + 1;
            }
        }
        Dialect::Java => {
            if let Some(main) = code.find("public static void main") {
                return balanced(format!("{}}}", &code[..main]));
            }
            return balanced(up_to_last_brace(code).to_owned());
        }
        Dialect::Go => {
            for word in ["\n//", "\nfunc main("] {
                code = code.rfind(word).map_or(code, |at| &code[..at]);
            }
            code = up_to_last_brace(code);
        }
        Dialect::Braces => code = up_to_last_brace(code),
        Dialect::Other => {}
    }
    code.to_owned()
}

fn up_to_last_brace(code: &str) -> &str {
    code.rfind('}').map_or(code, |at| &code[..=at])
}

/// Closes the class around a method that is complete.
fn balanced(mut code: String) -> String {
    if code.matches('{').count() + 1 == code.matches('}').count() {
        code.push_str("\n}");
    }
    code
}

fn code_aware(language: Language, prompt: &str, completion: &str) -> Result<String, Error> {
    let (answer, fired) = cut(&[StopRule::Function], language, prompt, completion)?;
    let mut code = answer.to_owned();
    if fired.is_some() && matches!(Syntax::of(language).blocks, Blocks::Brackets(_)) {
        let mut scanner = Scanner::new(language);
        scanner.push(prompt, &mut |_| {});
        scanner.push(answer, &mut |_| {});
        for open in scanner.open().iter().rev() {
            if open.is_block && open.bracket == Some('{') {
                code.push_str("\n}");
            }
        }
    }
    Ok(code)
}

/// Whether the reference would end the generation, see [`StopRule::HumanEval`].
#[derive(Debug, Clone)]
pub(super) struct Finished {
    dialect: Dialect,
    opened: usize,
    closed: usize,
    /// The first character of the line.
    first: Option<char>,
    has_unindented: bool,
}

impl Finished {
    pub fn new(language: Language) -> Self {
        Self {
            dialect: Dialect::of(language),
            opened: 0,
            closed: 0,
            first: None,
            has_unindented: false,
        }
    }

    /// Reads a piece of the completion.
    pub fn push(&mut self, text: &str) -> bool {
        for c in text.chars() {
            match c {
                '{' => self.opened += 1,
                '}' => self.closed += 1,
                _ => {}
            }
            if c == '\n' {
                self.first = None;
                continue;
            }
            let first = *self.first.get_or_insert(c);
            self.has_unindented |= !matches!(first, ' ' | '\t') && !is_blank(c);
        }
        match self.dialect {
            Dialect::Python => self.has_unindented,
            Dialect::Other => false,
            _ => self.opened + 1 == self.closed,
        }
    }
}

#[cfg(test)]
mod tests;
