//! Where lines are indented less, and what that ends.

use super::StopRule;
use crate::code::reader::after_blank;
use crate::code::scan::{Kind, Scanner, Token};
use crate::code::syntax::{Blocks, Functions, Syntax};
use crate::error::Result;
use crate::memory::{try_copy, try_copy_text, try_vec};

/// Deeper brackets and blocks are taken for what the last one is.
const MAX_OPEN: usize = 256;
/// Indentations that are remembered; a line that is deeper still counts as one of the last.
const MAX_ENTRIES: usize = 256;

/// What ends a line that a deeper one follows, where no character does (Haskell, Lean).
const LAYOUT_OPENERS: &[&str] = &["=", "where", "do", "of", "then", "else", "by", ">"];
/// Declarations that begin with these have nothing to do with others that do.
const DECLARATIONS: &[&str] = &[
    "data",
    "instance",
    "class",
    "type",
    "newtype",
    "module",
    "import",
    "infix",
    "infixl",
    "infixr",
    "deriving",
    "foreign",
    "def",
    "theorem",
    "lemma",
    "example",
    "structure",
    "inductive",
    "namespace",
    "section",
    "open",
    "variable",
    "end",
    "@",
    "#",
];

/// A line that is not closed by one that is indented less.
#[derive(Debug, Clone)]
struct Entry {
    indent: usize,
    word: String,
    is_function: bool,
}

/// A rule that a line ends if it is indented less than `base`.
#[derive(Debug, Clone, Copy)]
struct Watch {
    rule: StopRule,
    base: usize,
    /// Where the answer ends if the line does end it; none while the line belongs to it.
    undecided_from: Option<usize>,
}

/// How a line of code begins.
#[derive(Debug, Clone, Copy)]
enum First<'a> {
    /// With what closes a block that another line opened, or with the bracket that opens one for
    /// it.
    Bracket,
    /// With this, whole.
    Word(&'a str),
    /// With this, and more may belong to it.
    BeginningOf(&'a str),
}

enum Verdict {
    Keeps,
    Ends,
    DependsOnMore,
}

/// Reads tokens by lines.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    syntax: &'static Syntax,
    watches: Vec<Watch>,
    /// From the outermost to the last line, each indented more than the one before.
    entries: Vec<Entry>,
    /// Whether each of what is open is a block.
    open: Vec<bool>,
    /// Whether the last code opened a block.
    has_opened: bool,
    /// Bytes of all the text that came in tokens.
    read: usize,
    /// How many of them stand before the answer, once that has begun.
    cursor: Option<usize>,
    is_cursor_line: bool,
    /// Whether the answer begins on a blank line. Then its first character decides the
    /// indentation, if it stands further left.
    may_lower: bool,
    /// Whether it has to be indented more instead, as what stands before it opens a block.
    has_to_indent: bool,
    // The line so far.
    indent: usize,
    has_code: bool,
    has_comment: bool,
    is_continued: bool,
    depth_before: usize,
    /// The last two characters.
    last_chars: [Option<char>; 2],
}

impl Lines {
    pub(super) fn new(syntax: &'static Syntax) -> Self {
        Self {
            syntax,
            watches: Vec::new(),
            entries: Vec::new(),
            open: Vec::new(),
            has_opened: false,
            read: 0,
            cursor: None,
            is_cursor_line: false,
            may_lower: false,
            has_to_indent: false,
            indent: 0,
            has_code: false,
            has_comment: false,
            is_continued: false,
            depth_before: 0,
            last_chars: [None; 2],
        }
    }

    /// A copy, which memory may be refused for.
    pub(super) fn try_clone(&self) -> Result<Self> {
        let mut entries = try_vec(self.entries.len())?;
        for entry in &self.entries {
            entries.push(Entry {
                word: try_copy_text(&entry.word)?,
                ..*entry
            });
        }
        Ok(Self {
            watches: try_copy(&self.watches)?,
            entries,
            open: try_copy(&self.open)?,
            ..*self
        })
    }

    /// What is read from now on is the answer; `before` has this length.
    pub(super) fn set_cursor(&mut self, rules: &[StopRule], scanner: &Scanner, before: usize) {
        self.cursor = Some(before);
        self.is_cursor_line = true;
        let is_begun = !self.has_code && !self.has_comment && !scanner.pending().is_empty();
        let is_blank = !self.has_code && !self.has_comment && !is_begun && !self.is_continued;
        self.has_to_indent = is_blank && self.has_opened;
        self.may_lower = is_blank && !self.has_opened;
        let last = self.entries.last().map_or(0, |e| e.indent);
        let base = match (is_begun && !self.is_continued, self.has_opened) {
            (true, _) => self.indent,
            (false, true) => last + 1,
            (false, false) => last,
        };
        let functions_below = if is_begun { self.indent } else { usize::MAX };
        for &rule in rules {
            let base = match self.effective(rule) {
                StopRule::Function => self.function_base(functions_below),
                // At the outermost level the first line of the answer may be unindented.
                StopRule::Unindented => usize::from(!self.may_lower || last > 0),
                _ => base,
            };
            self.watches.push(Watch {
                rule,
                base,
                undecided_from: self.has_to_indent.then_some(0),
            });
        }
    }

    /// How much of the answer has been read in tokens.
    pub(super) fn answered(&self) -> usize {
        self.read.saturating_sub(self.cursor.unwrap_or(self.read))
    }

    /// From where on the answer may have to be cut off.
    pub(super) fn undecided_from(&self) -> Option<usize> {
        self.watches.iter().filter_map(|w| w.undecided_from).min()
    }

    /// Where nothing delimits blocks, nothing tells functions either.
    fn effective(&self, rule: StopRule) -> StopRule {
        match (rule, self.syntax.blocks) {
            (StopRule::Function, Blocks::None) => StopRule::Unindented,
            _ => rule,
        }
    }

    /// Above which indentation a line belongs to the innermost function that is indented less
    /// than `below`; 0 for none.
    fn function_base(&self, below: usize) -> usize {
        let mut around = self.entries.iter().filter(|e| e.indent < below);
        match self.syntax.functions {
            Functions::Outermost => around.next(),
            _ => around.rfind(|e| e.is_function),
        }
        .map_or(0, |e| e.indent + 1)
    }

    /// Reads a token, and adds the rules that it makes fire, each with the length of the answer.
    pub(super) fn token(&mut self, token: &Token<'_>, found: &mut Vec<(StopRule, usize)>) {
        self.open.truncate(token.depth);
        if token.depth > self.open.len() && self.open.len() < MAX_OPEN {
            self.open
                .push(token.is_block || token.kind == Kind::Newline);
        }
        match token.kind {
            Kind::Blank | Kind::Newline | Kind::Comment => {
                for c in token.text.chars() {
                    self.blank_or_comment(c);
                    self.read += c.len_utf8();
                    // A backslash in a comment continues nothing.
                    let last = Some(c).filter(|_| token.kind != Kind::Comment || c == '\r');
                    self.last_chars = [self.last_chars[1], last];
                }
                return;
            }
            _ if !self.has_code => self.first_code(token, found),
            _ => {}
        }
        self.code(token);
        self.read += token.text.len();
        self.last_chars = [None, token.text.chars().next_back()];
    }

    fn blank_or_comment(&mut self, c: char) {
        if c == '\n' {
            self.line_break();
        } else if !c.is_whitespace() {
            if !self.has_code && !self.has_comment {
                for watch in &mut self.watches {
                    if self.indent >= watch.base {
                        watch.undecided_from = None;
                    }
                }
            }
            self.has_comment = true;
        } else if !self.has_code && !self.has_comment {
            self.indent = after_blank(self.indent, c);
        }
    }

    fn line_break(&mut self) {
        let end = self.answered();
        let is_crlf = self.last_chars[1] == Some('\r');
        let before = self.last_chars[usize::from(!is_crlf)];
        let in_brackets = self.open.last() == Some(&false);
        self.is_continued =
            !matches!(self.syntax.blocks, Blocks::None) && (in_brackets || before == Some('\\'));
        for watch in &mut self.watches {
            let from = end.saturating_sub(usize::from(is_crlf));
            watch.undecided_from = match self.is_continued {
                true => None,
                false => watch.undecided_from.or(Some(from)),
            };
        }
        self.is_cursor_line = false;
        self.indent = 0;
        self.has_code = false;
        self.has_comment = false;
        self.depth_before = self.open.len();
    }

    /// The first code of a line.
    fn first_code(&mut self, token: &Token<'_>, found: &mut Vec<(StopRule, usize)>) {
        let text = token.text;
        self.has_code = true;
        let is_directive = self.syntax.directive.is_some_and(|d| text.starts_with(d));
        if self.is_continued || is_directive {
            for watch in &mut self.watches {
                watch.undecided_from = None;
            }
            return;
        }
        let indent = self.indent;
        if self.cursor.is_some() {
            let closes = matches!(token.kind, Kind::Closer | Kind::Stray);
            let first = match closes || text == "{" {
                true => First::Bracket,
                false => First::Word(text),
            };
            self.decide(first, found);
        }
        let opened = self.entries.last().map(|e| e.indent);
        let opened = opened.filter(|&i| i < indent && self.has_opened && self.cursor.is_some());
        while self.entries.last().is_some_and(|e| e.indent >= indent) {
            self.entries.pop();
        }
        if self.entries.len() < MAX_ENTRIES {
            self.entries.push(Entry {
                indent,
                word: text.to_owned(),
                is_function: false,
            });
        }
        for i in 0..self.watches.len() {
            let rule = self.effective(self.watches[i].rule);
            if self.watches[i].base != 0 {
                continue;
            }
            // The first block of the answer, or its first declaration.
            match (rule, opened, self.syntax.functions) {
                (StopRule::Block, Some(outer), _) => self.watches[i].base = outer + 1,
                (StopRule::Unindented, _, _) => self.watches[i].base = 1,
                (StopRule::Function, _, Functions::Outermost) => {
                    self.watches[i].base = self.function_base(usize::MAX);
                }
                _ => {}
            }
        }
    }

    fn code(&mut self, token: &Token<'_>) {
        if let Functions::Words(words) = self.syntax.functions
            && matches!(token.kind, Kind::Word | Kind::Opener)
            && words.contains(&token.text)
            && let Some(entry) = self.entries.last_mut()
        {
            entry.is_function = true;
            let base = entry.indent + 1;
            let syntax = self.syntax;
            let is_used = self.cursor.is_some() && !matches!(syntax.blocks, Blocks::None);
            for watch in &mut self.watches {
                if is_used && watch.rule == StopRule::Function && watch.base == 0 {
                    watch.base = base;
                }
            }
        }
        self.has_opened = match self.syntax.blocks {
            Blocks::Indentation {
                opener: Some(c), ..
            } => self.open.is_empty() && token.text.starts_with(c) && token.kind == Kind::Symbol,
            Blocks::Indentation { .. } => LAYOUT_OPENERS.contains(&token.text),
            Blocks::Brackets(_) => token.kind == Kind::Opener && token.is_block,
            Blocks::Keywords { .. } => {
                self.open.len() > self.depth_before && self.open.last() == Some(&true)
                    || token.text.eq_ignore_ascii_case("else")
            }
            Blocks::None => false,
        };
    }

    /// Decides about a line as soon as what its first word may become does not matter.
    pub(super) fn pending(&mut self, scanner: &Scanner, found: &mut Vec<(StopRule, usize)>) {
        let text = scanner.pending();
        let is_open = !self.has_code && !self.has_comment;
        if text.is_empty() || !is_open || self.is_continued || self.undecided_from().is_none() {
            return;
        }
        let syntax = self.syntax;
        let may_be = |comment: &str| comment.starts_with(text) || text.starts_with(comment);
        let word = syntax.comment_word.unwrap_or_default();
        let is_comment = scanner.inside() == Kind::Comment
            || syntax.line_comments.iter().any(|c| may_be(c))
            || syntax.line_start_comments.iter().any(|c| may_be(c))
            || syntax.block_comments.iter().any(|c| may_be(c.open))
            || word
                .get(..text.len())
                .is_some_and(|w| w.eq_ignore_ascii_case(text));
        if !is_comment && !text.starts_with(char::is_whitespace) {
            self.decide(First::BeginningOf(text), found);
        }
    }

    fn decide(&mut self, first: First<'_>, found: &mut Vec<(StopRule, usize)>) {
        let at = self.answered();
        for i in 0..self.watches.len() {
            let verdict = match self.is_cursor_line && !self.has_to_indent {
                true => {
                    self.lower(i);
                    Verdict::Keeps
                }
                false => self.verdict(&self.watches[i], first),
            };
            let watch = &mut self.watches[i];
            match verdict {
                Verdict::Keeps => watch.undecided_from = None,
                Verdict::Ends => found.push((watch.rule, watch.undecided_from.unwrap_or(at))),
                Verdict::DependsOnMore => {}
            }
        }
    }

    /// The answer's first character stands on a blank line, further left than what is before.
    fn lower(&mut self, watch: usize) {
        if self.may_lower && self.indent < self.watches[watch].base {
            self.watches[watch].base = match self.effective(self.watches[watch].rule) {
                StopRule::Function => self.function_base(self.indent),
                StopRule::Unindented => return,
                _ => self.indent,
            };
        }
    }

    fn verdict(&self, watch: &Watch, first: First<'_>) -> Verdict {
        if self.indent >= watch.base {
            return Verdict::Keeps;
        }
        let rule = self.effective(watch.rule);
        if rule == StopRule::Unindented {
            // A word may close as well.
            let has_words = matches!(self.syntax.blocks, Blocks::Keywords { .. });
            return match first {
                First::Bracket => Verdict::Keeps,
                First::BeginningOf(_) if has_words => Verdict::DependsOnMore,
                _ => Verdict::Ends,
            };
        }
        let header = self.entries.iter().rfind(|e| e.indent < watch.base);
        let Some(header) = header.filter(|e| e.indent == self.indent) else {
            return Verdict::Ends;
        };
        let may_be = |word: &str| match first {
            First::Bracket => false,
            First::Word(text) => word == text,
            First::BeginningOf(text) => word.starts_with(text),
        };
        let follows = match (rule, self.syntax.blocks) {
            (StopRule::Block, Blocks::Indentation { continuations, .. }) => continuations
                .iter()
                .filter(|(word, _)| *word == header.word)
                .any(|(_, next)| next.iter().any(|w| may_be(w))),
            (StopRule::Function, Blocks::Indentation { .. }) => {
                matches!(self.syntax.functions, Functions::Outermost)
                    && !DECLARATIONS.contains(&header.word.as_str())
                    && may_be(&header.word)
            }
            _ => false,
        };
        match (follows, first) {
            (false, _) => Verdict::Ends,
            (true, First::BeginningOf(_)) => Verdict::DependsOnMore,
            (true, _) => Verdict::Keeps,
        }
    }
}
