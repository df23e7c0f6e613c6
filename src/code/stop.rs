//! Ends an answer at the end of a line, a block or a function, while it streams.

mod brackets;
mod lines;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use self::brackets::Frames;
use self::lines::Lines;
use super::humaneval::Finished;
use super::scan::{Kind, Scanner};
use super::syntax::{Blocks, Syntax};
use crate::error::{Error, bail};
use crate::language::Language;
use crate::memory::{try_copy, try_copy_text};

/// Where an answer ends. The text before the cursor decides what is open there.
///
/// Brackets and words count in code only, not in strings and comments, and a string or comment
/// that is open at the cursor goes on in the answer. Blank lines, comment lines and lines inside
/// of round and square brackets or of strings have no indentation that would count. How blocks
/// are delimited is a matter of the [`Syntax`]; where nothing delimits them, [`Block`](Self::Block)
/// uses indentation, and [`Function`](Self::Function) is [`Unindented`](Self::Unindented).
///
/// If the text before the cursor ends with what opens a block and the cursor stands on a blank line
/// below, rules that use indentation want the answer to be indented more: it is empty if it is
/// not. On other blank lines the first character of the answer may stand further left than the
/// line before, and then decides what it is part of.
///
/// What is cut off begins at the line break before the deciding line, so that blank lines and
/// less indented comments before it go as well; after a closing bracket or word, which belongs to
/// the answer, it begins at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopRule {
    /// The first line break after the cursor, wherever it stands.
    Line,
    /// The end of the innermost block around the cursor.
    ///
    /// Brackets and keywords: what closes it. Where none is open, that of the first block of the
    /// answer, or what would close one that began before the text. Behind `{` the cursor is in
    /// that block, and before it in the one around.
    ///
    /// Indentation: a line that is indented less than the block, unless it continues the statement
    /// that the block belongs to (`else`, `except`). Behind `if x:` the block is what follows. At
    /// the outermost level it is the first block of the answer.
    Block,
    /// The end of the innermost function around the cursor, named or not; around the cursor is
    /// one as soon as `{` or, for indentation, its first line is there. Where there is none, the
    /// end of the first function of the answer, or of the block around the cursor.
    ///
    /// A class around the function stays open. What is a function is inferred from what stands
    /// before a block: see [`Functions`](super::Functions). In Haskell and Lean it is a
    /// declaration with all of its lines that begin with the same name.
    Function,
    /// The first line of code that begins in the first column, unless it begins with what closes
    /// a block (`}`, `end`), with `{`, or is one of the C preprocessor. At the outermost level the
    /// first line of the answer may be such a line, and the next one ends it.
    Unindented,
    /// Where the reference ends the generation for HumanEval-X: in Python as soon as a line begins
    /// in the first column, in C++, Java, JavaScript, Go and Rust when the answer has one `}` more
    /// than `{`, wherever they stand; in other languages nowhere.
    ///
    /// It is asked after every piece, as the reference asks after every token, and cuts nothing
    /// off: [`EvalCut`](super::EvalCut) does that. So this rule, unlike the others, depends on the
    /// pieces, and the text before the cursor does not matter to it.
    HumanEval,
}

const RULES: [StopRule; 5] = [
    StopRule::Line,
    StopRule::Block,
    StopRule::Function,
    StopRule::Unindented,
    StopRule::HumanEval,
];

impl StopRule {
    /// The name: `line`, `block`, `function`, `unindented`, `humaneval`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Block => "block",
            Self::Function => "function",
            Self::Unindented => "unindented",
            Self::HumanEval => "humaneval",
        }
    }
}

impl fmt::Display for StopRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for StopRule {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match RULES.into_iter().find(|r| r.name() == name) {
            Some(rule) => Ok(rule),
            None => bail!(
                InvalidArgument,
                "no stop rule is called {name:?}; there are line, block, function, \
                 unindented, humaneval"
            ),
        }
    }
}

/// Passes text on until a rule fires, however it is cut into pieces.
///
/// A rule fires at the first character that decides it. Text that may have to be cut off is held
/// back: a line break until the next line is known to belong to the answer, with the blank lines
/// and comments in between. Time is linear in the text.
///
/// ```
/// use codegeex::code::{CodeStop, StopRule};
/// use codegeex::Language;
///
/// let python = Language::PYTHON;
/// let mut stop = CodeStop::new(&[StopRule::Function], python, "def one():\n");
/// let mut answer = String::new();
/// assert_eq!(stop.push("    return 1\n\n", &mut answer)?, None);
/// assert_eq!(answer, "    return 1");
/// assert_eq!(stop.push("d", &mut answer)?, Some(StopRule::Function));
/// assert_eq!(answer, "    return 1");
/// # Ok::<(), codegeex::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct CodeStop {
    rules: Vec<StopRule>,
    syntax: &'static Syntax,
    scanner: Scanner,
    frames: Frames,
    lines: Lines,
    /// Of [`StopRule::HumanEval`], where it is one of the rules.
    finished: Option<Finished>,
    /// The answer's end that is not passed on yet, and where it begins in the answer.
    held: String,
    held_from: usize,
    fired: Option<StopRule>,
}

/// Whether a rule uses lines and their indentation, and not what closes blocks.
fn is_by_lines(rule: StopRule, blocks: Blocks) -> bool {
    match rule {
        StopRule::Line | StopRule::HumanEval => false,
        StopRule::Unindented => true,
        StopRule::Block | StopRule::Function => {
            matches!(blocks, Blocks::Indentation { .. } | Blocks::None)
        }
    }
}

impl CodeStop {
    /// `before`: the text left of the cursor, which decides the indentation and the brackets that
    /// are open. Without rules, all text passes. A rule that is given twice counts once.
    pub fn new(rules: &[StopRule], language: Language, before: &str) -> Self {
        let syntax = Syntax::of(language);
        let mut scanner = Scanner::new(language);
        let mut frames = Frames::new(syntax);
        let mut lines = Lines::new(syntax);
        scanner.push(before, &mut |token| {
            lines.token(&token, &mut Vec::new());
            frames.token(&token);
        });
        frames.set_cursor();
        let mut all = Vec::new();
        for &rule in rules {
            if !all.contains(&rule) {
                all.push(rule);
            }
        }
        let by_lines: Vec<StopRule> = all
            .iter()
            .copied()
            .filter(|&rule| is_by_lines(rule, syntax.blocks))
            .collect();
        lines.set_cursor(&by_lines, &scanner, before.len());
        Self {
            rules: all,
            syntax,
            scanner,
            frames,
            lines,
            finished: (rules.contains(&StopRule::HumanEval)).then(|| Finished::new(language)),
            held: String::new(),
            held_from: 0,
            fired: None,
        }
    }

    /// Takes the next piece and appends to `out` what is certainly part of the answer. Returns
    /// the rule that fired, if one did: of several at the same character, the one that was given
    /// first. After that, text is dropped.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    pub fn push(&mut self, text: &str, out: &mut String) -> Result<Option<StopRule>, Error> {
        // What is held back and what comes: nothing below needs more than that.
        self.held.try_reserve(text.len())?;
        out.try_reserve(self.held.len() + text.len())?;
        let mut rest = text;
        while self.fired.is_none()
            && let Some(c) = rest.chars().next()
        {
            let (first, tail) = rest.split_at(c.len_utf8());
            rest = tail;
            self.held.push_str(first);
            if let Some((rule, end)) = self.step(first) {
                let keep = end.saturating_sub(self.held_from).min(self.held.len());
                out.push_str(&self.held[..keep]);
                self.held.clear();
                self.fired = Some(rule);
            }
        }
        if self.fired.is_none()
            && let Some(finished) = &mut self.finished
            && finished.push(text)
        {
            out.push_str(&self.held);
            self.held.clear();
            self.fired = Some(StopRule::HumanEval);
        }
        if self.fired.is_none() {
            let keep = self.certain().saturating_sub(self.held_from);
            out.push_str(&self.held[..keep]);
            self.held.drain(..keep);
            self.held_from += keep;
        }
        Ok(self.fired)
    }

    /// A copy, which memory may be refused for.
    pub(crate) fn try_clone(&self) -> Result<Self, Error> {
        Ok(Self {
            rules: try_copy(&self.rules)?,
            syntax: self.syntax,
            scanner: self.scanner.try_clone()?,
            frames: self.frames.try_clone()?,
            lines: self.lines.try_clone()?,
            finished: self.finished.clone(),
            held: try_copy_text(&self.held)?,
            held_from: self.held_from,
            fired: self.fired,
        })
    }

    /// Ends the stream: what is held back is text after all.
    pub fn finish(&mut self) -> String {
        self.held_from += self.held.len();
        std::mem::take(&mut self.held)
    }

    /// Takes one character, the last of `held`. Returns what fires, and the answer's length then.
    fn step(&mut self, c: &str) -> Option<(StopRule, usize)> {
        let Self {
            rules,
            syntax,
            scanner,
            frames,
            lines,
            ..
        } = self;
        let mut found: Vec<(StopRule, usize)> = Vec::new();
        if c == "\n" && rules.contains(&StopRule::Line) {
            let line = self.held.len() - 1;
            let is_crlf = self.held[..line].ends_with('\r');
            found.push((StopRule::Line, self.held_from + line - usize::from(is_crlf)));
        }
        scanner.push(c, &mut |token| {
            lines.token(&token, &mut found);
            let start = lines.answered().saturating_sub(token.text.len());
            for rule in frames.token(&token).into_iter().flatten() {
                if !is_by_lines(rule, syntax.blocks) {
                    let is_part = token.is_block;
                    let end = if is_part { lines.answered() } else { start };
                    found.push((rule, end));
                }
            }
        });
        lines.pending(scanner, &mut found);
        rules
            .iter()
            .find_map(|rule| found.iter().copied().find(|(fired, _)| fired == rule))
    }

    /// How long the answer is at least, whatever comes.
    fn certain(&self) -> usize {
        let mut end = self.held_from + self.held.len();
        if self.rules.iter().all(|&r| r == StopRule::HumanEval) {
            return end;
        }
        let by_lines = self
            .rules
            .iter()
            .any(|&r| is_by_lines(r, self.syntax.blocks));
        if self.held.ends_with('\r') && (by_lines || self.rules.contains(&StopRule::Line)) {
            end -= 1;
        }
        let pending = self.scanner.pending();
        let by_words = matches!(self.syntax.blocks, Blocks::Keywords { .. });
        if by_words && self.scanner.inside() == Kind::Symbol || by_lines && pending.contains('\n') {
            end = end.min(self.lines.answered());
        }
        self.lines
            .undecided_from()
            .map_or(end, |from| end.min(from))
    }
}

/// Cuts a whole answer where the first rule fires.
///
/// # Errors
/// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
///
/// ```
/// use codegeex::code::{StopRule, cut};
/// use codegeex::Language;
///
/// let go = Language::GO;
/// let (answer, rule) = cut(&[StopRule::Function], go, "func f() {\n", "\tg(\"}\")\n}\n\nfunc")?;
/// assert_eq!((answer, rule), ("\tg(\"}\")\n}", Some(StopRule::Function)));
/// # Ok::<(), codegeex::Error>(())
/// ```
pub fn cut<'a>(
    rules: &[StopRule],
    language: Language,
    before: &str,
    text: &'a str,
) -> Result<(&'a str, Option<StopRule>), Error> {
    let mut stop = CodeStop::new(rules, language, before);
    let mut out = String::new();
    Ok(match stop.push(text, &mut out)? {
        Some(rule) => (&text[..out.len()], Some(rule)),
        None => (text, None),
    })
}
