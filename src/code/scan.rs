//! Text in pieces to tokens: code, strings and comments, and which brackets are open.

mod lex;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::syntax::{Blocks, Syntax, When};
use crate::error::Result;
use crate::language::Language;
use crate::memory::{TryGrow, try_copy, try_copy_text};

/// Brackets that are remembered; deeper ones are counted only.
const MAX_OPEN: usize = 256;
/// How far from the innermost a closer looks for its opener.
const MAX_LOOK_BACK: usize = 16;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A blank in code that is no line break.
    Blank,
    /// A line break in code, or at the end of a line comment.
    Newline,
    /// A word, a keyword that delimits nothing, or a number.
    Word,
    /// A bracket or a keyword that opens.
    Opener,
    /// A bracket or a keyword that closes what was open.
    Closer,
    /// One that would close, where nothing that it could close is open.
    Stray,
    /// Any other character of code.
    Symbol,
    /// Part of a string, its delimiters included.
    String,
    /// Part of a comment, its delimiters included.
    Comment,
}

/// A piece of the text. The texts of all tokens, one after another, are the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its characters. Strings and comments come in several tokens.
    pub text: &'a str,
    /// How many brackets and blocks are open after it.
    pub depth: usize,
    /// Whether it opens or closes a block: see [`Blocks`].
    pub is_block: bool,
}

/// A bracket or block that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// The bracket; none where a keyword opened it.
    pub bracket: Option<char>,
    /// Whether it delimits a block.
    pub is_block: bool,
    /// The string that goes on after it: an index into the quotes.
    back: Option<usize>,
}

/// Where the next character stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mode {
    Code,
    LineComment,
    BlockComment {
        index: usize,
        level: u32,
    },
    Quoted(usize),
    /// A raw string, or a comment of Lua, up to this text.
    Until {
        close: String,
        kind: Kind,
    },
    Regex {
        in_class: bool,
    },
}

/// The last token of the line that is neither blank nor comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Operator,
    Equals,
    /// A word after which a statement begins: `then`.
    Starter,
    /// A word after which a value is expected: `return`.
    Expecting,
    Value,
}

/// What of the line so far decides about its words.
#[derive(Debug, Clone)]
struct LineState {
    before: Before,
    begins_with_else: bool,
    has_loop: bool,
    may_open_at_end: bool,
    next_is_plain: bool,
}

const NEW_LINE: LineState = LineState {
    before: Before::Nothing,
    begins_with_else: false,
    has_loop: false,
    may_open_at_end: false,
    next_is_plain: false,
};

/// Reads text in pieces by the syntax of its language.
///
/// The tokens are the same however the text is cut, and each is passed on as soon as no further
/// text could change it. Memory is bounded by some kilobytes, time is linear.
///
/// ```
/// use codegeex::code::{Kind, Scanner};
/// use codegeex::Language;
///
/// let mut scanner = Scanner::new(Language::RUST);
/// let mut strings = String::new();
/// for piece in ["f(r#\"a", ")\"#, 'b'", ", '"] {
///     scanner.push(piece, &mut |token| {
///         if token.kind == Kind::String {
///             strings.push_str(token.text);
///         }
///     });
/// }
/// assert_eq!(strings, "r#\"a)\"#'b'");
/// assert_eq!(scanner.open().len(), 1);
/// # Ok::<(), codegeex::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Scanner {
    syntax: &'static Syntax,
    mode: Mode,
    /// Text whose meaning depends on what follows.
    pending: String,
    open: Vec<Open>,
    /// How many are open beyond those in `open`.
    more_open: usize,
    line: LineState,
    last_char: Option<char>,
    /// Whether only blanks and comments stand before on the line.
    is_line_start: bool,
    /// Inside of a word that is too long for a keyword.
    in_long_word: bool,
}

/// A token without its text.
struct Lexed {
    len: usize,
    kind: Kind,
    is_block: bool,
}

impl Scanner {
    /// A scanner at the beginning of a text.
    pub fn new(language: Language) -> Self {
        Self {
            syntax: Syntax::of(language),
            mode: Mode::Code,
            pending: String::new(),
            open: Vec::new(),
            more_open: 0,
            line: NEW_LINE,
            last_char: None,
            is_line_start: true,
            in_long_word: false,
        }
    }

    /// A copy, which memory may be refused for.
    pub(super) fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            mode: self.mode.clone(),
            pending: try_copy_text(&self.pending)?,
            open: try_copy(&self.open)?,
            line: self.line.clone(),
            ..*self
        })
    }

    /// Takes the next piece and passes on the tokens that are certain.
    pub fn push(&mut self, text: &str, sink: &mut impl FnMut(Token<'_>)) {
        for c in text.chars() {
            self.pending.push(c);
            self.drain(false, sink);
        }
    }

    /// Ends the text: passes on the rest.
    pub fn finish(&mut self, sink: &mut impl FnMut(Token<'_>)) {
        self.drain(true, sink);
    }

    /// What is read already, but depends on what follows: the beginning of a delimiter, a word
    /// that may go on.
    pub fn pending(&self) -> &str {
        &self.pending
    }

    /// What is open, outermost first; at most 256, see [`depth`](Self::depth) for all.
    pub fn open(&self) -> &[Open] {
        &self.open
    }

    /// How many brackets and blocks are open.
    pub fn depth(&self) -> usize {
        self.open.len() + self.more_open
    }

    /// What the next character would belong to unless it ended it: [`Kind::String`],
    /// [`Kind::Comment`] or, for code, [`Kind::Symbol`].
    pub fn inside(&self) -> Kind {
        match &self.mode {
            Mode::Code => Kind::Symbol,
            Mode::LineComment | Mode::BlockComment { .. } => Kind::Comment,
            Mode::Quoted(_) | Mode::Regex { .. } => Kind::String,
            Mode::Until { kind, .. } => *kind,
        }
    }

    fn drain(&mut self, is_end: bool, sink: &mut impl FnMut(Token<'_>)) {
        while !self.pending.is_empty() {
            let pending = std::mem::take(&mut self.pending);
            let Some(lexed) = self.lex(&pending, is_end) else {
                self.pending = pending;
                return;
            };
            let text = &pending[..lexed.len];
            self.last_char = text.chars().next_back();
            sink(Token {
                kind: lexed.kind,
                text,
                depth: self.depth(),
                is_block: lexed.is_block,
            });
            self.pending = pending;
            self.pending.drain(..lexed.len);
        }
    }

    fn open_bracket(&mut self, bracket: Option<char>, is_block: bool, back: Option<usize>) {
        if self.open.len() < MAX_OPEN {
            self.open.push(Open {
                bracket,
                is_block,
                back,
            });
        } else {
            self.more_open += 1;
        }
    }

    /// Closes the innermost one of a kind, and what stands open inside of it. Brackets inside of
    /// a string's code never close one outside of it.
    fn close_bracket(&mut self, bracket: Option<char>) -> Option<Open> {
        if self.more_open > 0 {
            self.more_open -= 1;
            return Some(Open {
                bracket,
                is_block: self.is_block_bracket(bracket),
                back: None,
            });
        }
        let from = self.open.len().saturating_sub(MAX_LOOK_BACK);
        for i in (from..self.open.len()).rev() {
            let open = self.open[i];
            if open.bracket == bracket {
                self.open.truncate(i);
                return Some(open);
            }
            if open.back.is_some() {
                return None;
            }
        }
        None
    }

    fn is_block_bracket(&self, bracket: Option<char>) -> bool {
        match (bracket, self.syntax.blocks) {
            (None, _) => true,
            (Some(c), Blocks::Brackets(brackets) | Blocks::Keywords { brackets, .. }) => {
                brackets.contains(&c)
            }
            _ => false,
        }
    }

    /// What a word that is no label or field delimits.
    fn keyword(&mut self, word: &str) -> Option<Kind> {
        let Blocks::Keywords {
            openers,
            closers,
            before_plain,
            ..
        } = self.syntax.blocks
        else {
            return None;
        };
        let same = |other: &str| match self.syntax.ignores_case {
            true => word.eq_ignore_ascii_case(other),
            false => word == other,
        };
        let is_plain = std::mem::replace(
            &mut self.line.next_is_plain,
            before_plain.iter().any(|w| same(w)),
        );
        if is_plain {
            return None;
        }
        let inner = self.open.last().and_then(|o| o.bracket);
        let in_brackets = matches!(inner, Some('(' | '['));
        if closers.iter().any(|w| same(w)) {
            if in_brackets && openers.iter().any(|o| o.when == When::OutsideBrackets) {
                return None;
            }
            return Some(match self.close_bracket(None) {
                Some(_) => Kind::Closer,
                None => Kind::Stray,
            });
        }
        let opener = openers.iter().find(|o| same(o.word))?;
        let opens = match opener.when {
            When::Always => true,
            When::Statement => !matches!(self.line.before, Before::Value | Before::Expecting),
            When::OutsideBrackets => !in_brackets,
            When::UnlessOpened => !std::mem::take(&mut self.line.has_loop),
            When::AfterEquals => self.line.before == Before::Equals,
            When::LineEnd => {
                self.line.may_open_at_end = !self.line.begins_with_else;
                return None;
            }
        };
        if !opens {
            return None;
        }
        self.line.has_loop = matches!(opener.word, "for" | "while" | "until");
        self.open_bracket(None, true, None);
        Some(Kind::Opener)
    }
}

/// The tokens of a whole text as ranges of bytes, neighbours of the same kind joined if they are
/// parts of strings or comments, with how many brackets and blocks are open after each.
///
/// # Errors
/// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
pub fn scan(language: Language, text: &str) -> Result<Vec<(Kind, Range<usize>, usize)>> {
    let mut tokens: Vec<(Kind, Range<usize>, usize)> = Vec::new();
    let mut at = 0;
    let mut refused = None;
    let mut sink = |token: Token<'_>| {
        let range = at..at + token.text.len();
        at = range.end;
        match tokens.last_mut() {
            Some((kind, last, depth))
                if *kind == token.kind && matches!(*kind, Kind::String | Kind::Comment) =>
            {
                last.end = range.end;
                *depth = token.depth;
            }
            _ => {
                let pushed = tokens.try_push((token.kind, range, token.depth));
                refused = refused.take().or(pushed.err());
            }
        }
    };
    let mut scanner = Scanner::new(language);
    scanner.push(text, &mut sink);
    scanner.finish(&mut sink);
    match refused {
        Some(refused) => Err(refused.into()),
        None => Ok(tokens),
    }
}
