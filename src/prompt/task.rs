//! Tasks: what a model can be asked to do with code, as a prompt and what goes with it.
//!
//! A model of this kind continues text, so a task is a text whose continuation is the answer:
//! a pair of headings for a translation, a worked example for an explanation or a docstring. The
//! prompt for a translation is the one of the model's training; the others rely on imitation, and
//! what a small model makes of them may be anything.

use super::Template;
use super::shots::Shot;
use crate::error::{Result, bail};
use crate::language::Language;
use crate::memory::{TryGrowText, try_concat, try_copy_text};

/// A prompt with what a caller needs to use the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Task {
    /// What the model continues.
    pub prompt: String,
    /// The end of the prompt that is the beginning of the answer, such as the opening quotes of
    /// a docstring: to be shown before the completion.
    pub lead: String,
    /// Stop strings: where a completion goes on with something else.
    pub stop: Vec<String>,
    /// What belongs after a completion that has ended, such as the closing quotes.
    pub tail: String,
    /// The language of the answer.
    pub language: Language,
}

impl Task {
    /// Code to go on with, after the language's tag line.
    ///
    /// ```
    /// use codegeex::Language;
    /// use codegeex::prompt::Task;
    ///
    /// let task = Task::complete(Language::PYTHON, "def add(a, b):")?;
    /// assert_eq!(task.prompt, "# language: Python\ndef add(a, b):");
    /// # Ok::<(), codegeex::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    pub fn complete(language: Language, code: &str) -> Result<Self> {
        Ok(Self::new(language, language.try_prompt(code)?))
    }

    /// Code in another language, in the form that the model was trained on. `declaration` is how
    /// the translation begins; without it the model chooses.
    ///
    /// ```
    /// use codegeex::Language;
    /// use codegeex::prompt::Task;
    ///
    /// let (java, python) = (Language::JAVA, Language::PYTHON);
    /// let task = Task::translate(java, "int one() { return 1; }\n", python, "def one():\n")?;
    /// assert_eq!(
    ///     task.prompt,
    ///     "code translation\nJava:\nint one() { return 1; }\nPython:\ndef one():\n"
    /// );
    /// assert_eq!(task.lead, "def one():\n");
    /// # Ok::<(), codegeex::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for code that is blank.
    pub fn translate(from: Language, code: &str, to: Language, declaration: &str) -> Result<Self> {
        first_line(code)?;
        let (from, title, code) = (from.title(), to.title(), code.trim_end());
        let prompt = try_concat(&[
            "code translation\n",
            from,
            ":\n",
            code,
            "\n",
            title,
            ":\n",
            declaration,
        ])?;
        let mut task = Self::new(to, prompt);
        task.lead = try_copy_text(declaration)?;
        task.stop.push("\ncode translation\n".to_owned());
        for language in [from, title] {
            let heading = format!("\n{language}:\n");
            if !task.stop.contains(&heading) {
                task.stop.push(heading);
            }
        }
        Ok(task)
    }

    /// The same code with a comment before every line that says what the line does.
    ///
    /// ```
    /// use codegeex::Language;
    /// use codegeex::prompt::Task;
    ///
    /// let task = Task::explain(Language::GO, "x := f(1)")?;
    /// assert!(task.prompt.starts_with("// language: Go\n"));
    /// assert!(task.prompt.ends_with("\n//"));
    /// assert_eq!(task.lead, "//");
    /// # Ok::<(), codegeex::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for code that is blank.
    pub fn explain(language: Language, code: &str) -> Result<Self> {
        let first = first_line(code)?;
        let marks = language.comment_marks();
        let (open, close) = marks;
        let heading =
            format!("{open}The code above, with a remark on what each line does{close}\n");
        let mut prompt = format!("{}\n", language.tag());
        if let Some(shot) = Shot::of(language) {
            prompt += &format!("{}\n{heading}{}\n", shot.code(), shot.explained(marks));
        }
        let lead = try_concat(&[indent(first), open.trim_end()])?;
        for part in [code.trim_end(), "\n\n", &heading, &lead] {
            prompt.try_push_str(part)?;
        }
        let mut task = Self::new(language, prompt);
        task.lead = lead;
        task.stop.push(format!("\n{}", heading.trim_end()));
        Ok(task)
    }

    /// The documentation of a function or a type, in the form that is usual for the language:
    /// between quotes after the first lines in Python, in a comment before the code elsewhere.
    ///
    /// ```
    /// use codegeex::Language;
    /// use codegeex::prompt::Task;
    ///
    /// let task = Task::docstring(Language::PYTHON, "def add(a, b):\n    return a + b")?;
    /// assert!(task.prompt.ends_with("\ndef add(a, b):\n    \"\"\""));
    /// assert_eq!((&*task.lead, &*task.tail), ("    \"\"\"", "\"\"\""));
    /// assert_eq!(task.stop[0], "\"\"\"");
    /// # Ok::<(), codegeex::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for code that is blank.
    pub fn docstring(language: Language, code: &str) -> Result<Self> {
        let first = first_line(code)?;
        let form = DocForm::of(language);
        let (open, close) = language.comment_marks();
        let heading = format!("{open}The code above, documented{close}\n");
        let mut prompt = format!("{}\n", language.tag());
        if let Some(shot) = Shot::of(language) {
            let (head, body) = shot.head_and_body();
            let shown = match form.inside {
                true => format!("{head}{}{body}", form.write(shot.doc, indent(&body))),
                false => format!("{}{head}{body}", form.write(shot.doc, "")),
            };
            prompt += &format!("{}\n{heading}{shown}\n", shot.code());
        }
        for part in [code.trim_end(), "\n\n", &heading] {
            prompt.try_push_str(part)?;
        }
        let (head, indent) = match form.inside {
            true => header(code)?,
            false => (String::new(), try_copy_text(indent(first))?),
        };
        let mut lead = String::new();
        for (i, line) in form.lead.split('\n').enumerate() {
            lead.try_push_str(if i == 0 { "" } else { "\n" })?;
            lead.try_push_str(&indent)?;
            lead.try_push_str(line)?;
        }
        prompt.try_push_str(&head)?;
        prompt.try_push_str(&lead)?;
        let mut task = Self::new(language, prompt);
        // A comment of single lines ends where the code begins again.
        let end = match form.close {
            "" => try_concat(&["\n", first.trim_end()])?,
            close => close.to_owned(),
        };
        task.stop.insert(0, end);
        task.tail = form.close.to_owned();
        task.lead = lead;
        Ok(task)
    }

    /// What a template of the caller's makes of the code. The template says everything, a tag
    /// line included.
    ///
    /// ```
    /// use codegeex::Language;
    /// use codegeex::prompt::{Task, Template};
    ///
    /// let template = Template::parse("// language: Go\n<INPUT>\n\n// tests\n")?;
    /// let task = Task::custom(&template, Language::GO, "func f() {}")?;
    /// assert_eq!(task.prompt, "// language: Go\nfunc f() {}\n\n// tests\n");
    /// # Ok::<(), codegeex::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Template::expand`].
    pub fn custom(template: &Template<'_>, language: Language, code: &str) -> Result<Self> {
        Ok(Self::new(language, template.expand(code)?))
    }

    /// A task that ends where another text of the training data would begin.
    fn new(language: Language, prompt: String) -> Self {
        let tag = language.tag();
        let segment = tag
            .find("language:")
            .map_or(tag, |at| &tag[..at + "language:".len()]);
        Self {
            prompt,
            lead: String::new(),
            stop: vec![format!("\n{segment}")],
            tail: String::new(),
            language,
        }
    }
}

/// How a language documents code.
struct DocForm {
    /// Whether it comes after the first lines instead of before the code.
    inside: bool,
    /// What opens it, up to where its first word begins.
    open: &'static str,
    /// What begins each further line.
    line: &'static str,
    /// What ends it; nothing for comments of single lines.
    close: &'static str,
    /// What a prompt ends with: `open` without a space at its end, which belongs to the token of
    /// the first word.
    lead: &'static str,
}

impl DocForm {
    fn of(language: Language) -> Self {
        let form = |open: &'static str, line, close| Self {
            inside: language.name() == "python",
            open,
            line,
            close,
            lead: open.trim_end_matches(' '),
        };
        match language.name() {
            "python" => form("\"\"\"", "", "\"\"\""),
            "c" | "c++" | "cuda" | "objective-c" | "objective-c++" | "java" | "scala"
            | "kotlin" | "groovy" | "javascript" | "typescript" | "php" | "css"
            | "actionscript" | "solidity" => form("/**\n * ", " * ", "*/"),
            "c#" | "rust" | "swift" | "dart" => form("/// ", "/// ", ""),
            _ => match language.comment_marks() {
                (open, "") => form(open, open, ""),
                (open, close) => form(open, "", close.trim_start()),
            },
        }
    }

    /// A whole documentation with a line break at the end.
    fn write(&self, doc: &[&str], indent: &str) -> String {
        let mut text = format!("{indent}{}", self.open);
        for (i, line) in doc.iter().enumerate() {
            if i > 0 {
                let begun = format!("{indent}{}{line}", self.line);
                text += begun.trim_end();
            } else {
                text += line;
            }
            text.push('\n');
        }
        if !self.close.is_empty() {
            let space = if self.line == " * " { " " } else { "" };
            text += &format!("{indent}{space}{}\n", self.close);
        }
        text
    }
}

/// The first line that is not blank.
fn first_line(code: &str) -> Result<&str> {
    match code.lines().find(|line| !line.trim().is_empty()) {
        Some(line) => Ok(line),
        None => bail!(InvalidArgument, "there is no code; the text is blank"),
    }
}

fn indent(text: &str) -> &str {
    &text[..text.len() - text.trim_start_matches([' ', '\t']).len()]
}

/// The lines of Python code up to the first that ends with a colon, or the first alone; and the
/// indentation of what follows.
fn header(code: &str) -> Result<(String, String)> {
    let lines = || code.trim_start_matches('\n').lines();
    let end = 1 + lines()
        .position(|line| line.trim_end().ends_with(':'))
        .unwrap_or(0);
    let mut head = String::new();
    for line in lines().take(end) {
        head.try_push_str(line)?;
        head.try_push_str("\n")?;
    }
    let mut body = lines().skip(end).filter(|line| !line.trim().is_empty());
    let indentation = match body.next() {
        Some(line) => try_copy_text(indent(line))?,
        None => try_concat(&[indent(&head), "    "])?,
    };
    Ok((head, indentation))
}
