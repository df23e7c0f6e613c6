//! What closes the block or the function around the cursor, where brackets or words delimit them.

use super::StopRule;
use crate::code::scan::{Kind, Token};
use crate::code::syntax::{Blocks, Functions, Syntax};
use crate::error::Result;
use crate::memory::try_copy;

/// As many as the scanner remembers; deeper ones are no functions.
const MAX_FRAMES: usize = 256;

/// Words that begin a block which is no function, for all its round brackets.
const CONTROL: &[&str] = &[
    "if",
    "for",
    "while",
    "switch",
    "else",
    "do",
    "try",
    "catch",
    "finally",
    "match",
    "foreach",
    "synchronized",
    "using",
    "lock",
    "with",
    "unless",
    "until",
    "select",
    "guard",
    "loop",
    "new",
    "return",
    "case",
    "default",
    "record",
    "fixed",
];
/// Words of types: brackets before them say nothing.
const TYPES: &[&str] = &[
    "class",
    "struct",
    "interface",
    "enum",
    "union",
    "namespace",
    "trait",
    "impl",
    "module",
    "object",
];

/// Brackets directly after these are part of a type: `interface{}`.
const ANONYMOUS: &[&str] = &["struct", "interface"];

/// What stands before a block since the last statement.
#[derive(Debug, Clone, Copy, Default)]
struct Header {
    has_parameters: bool,
    has_control: bool,
    has_function_word: bool,
    /// Whether the last character was the first one of an arrow: `=>`, `->`.
    may_be_arrow: bool,
    after_anonymous: bool,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    is_block: bool,
    is_function: bool,
    is_type: bool,
    /// What stood before the bracket.
    header: Header,
}

/// What is open, with what it is, and the ends that the rules wait for.
#[derive(Debug, Clone)]
pub(super) struct Frames {
    syntax: &'static Syntax,
    open: Vec<Frame>,
    header: Header,
    is_answer: bool,
    /// The depths at which a block and a function are over.
    block_end: Option<usize>,
    function_end: Option<usize>,
    /// Whether the cursor is in no function, so that the answer's first one counts.
    is_outside_functions: bool,
}

impl Frames {
    pub(super) fn new(syntax: &'static Syntax) -> Self {
        Self {
            syntax,
            open: Vec::new(),
            header: Header::default(),
            is_answer: false,
            block_end: None,
            function_end: None,
            is_outside_functions: false,
        }
    }

    /// A copy, which memory may be refused for.
    pub(super) fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            open: try_copy(&self.open)?,
            ..*self
        })
    }

    /// What is read from now on is the answer.
    pub(super) fn set_cursor(&mut self) {
        self.is_answer = true;
        self.block_end = self.open.iter().rposition(|f| f.is_block);
        let function = self.open.iter().rposition(|f| f.is_function);
        self.is_outside_functions = function.is_none();
        self.function_end = function.or(self.block_end);
    }

    /// Which rules fire at a token.
    pub(super) fn token(&mut self, token: &Token<'_>) -> [Option<StopRule>; 2] {
        let is_stray = token.kind == Kind::Stray && token.is_block;
        let mut is_type = false;
        if token.depth < self.open.len() {
            let closed = self.open[token.depth];
            self.open.truncate(token.depth);
            is_type = closed.is_type;
            self.header = closed.header;
            self.header.has_parameters |= token.text == ")";
            self.header.may_be_arrow = false;
            self.header.after_anonymous = false;
        }
        match token.kind {
            Kind::Closer | Kind::Stray if token.is_block && !is_type => {
                self.header = Header::default();
            }
            Kind::Word | Kind::Symbol => self.read(token.text),
            // A word that opens; brackets are no part of what stands before them.
            Kind::Opener if token.is_block && !matches!(token.text, "(" | "[" | "{") => {
                self.read(token.text);
            }
            Kind::Newline if self.line_ends_statement() => self.header = Header::default(),
            _ => {}
        }
        if token.depth > self.open.len() && self.open.len() < MAX_FRAMES {
            self.opens(token);
        }
        if !self.is_answer {
            return [None, None];
        }
        let is_over = |end: Option<usize>| is_stray || end.is_some_and(|d| token.depth <= d);
        [
            is_over(self.block_end).then_some(StopRule::Block),
            is_over(self.function_end).then_some(StopRule::Function),
        ]
    }

    /// Whether what stands before a block stands on its line, as far as no brackets are open.
    fn line_ends_statement(&self) -> bool {
        matches!(self.syntax.blocks, Blocks::Keywords { .. }) || self.syntax.line_ends_statement
    }

    fn opens(&mut self, token: &Token<'_>) {
        // A line break opens what its last word, `then`, began.
        let is_block = token.is_block || token.kind == Kind::Newline;
        let is_type = self.header.after_anonymous && token.text == "{";
        let is_function = is_block
            && !is_type
            && match self.syntax.functions {
                Functions::Words(_) => self.header.has_function_word,
                Functions::Parameters => {
                    self.header.has_function_word
                        || self.header.has_parameters && !self.header.has_control
                }
                Functions::Outermost => !self.open.iter().any(|f| f.is_block),
            };
        let depth = self.open.len();
        let header = std::mem::take(&mut self.header);
        self.open.push(Frame {
            is_block,
            is_function,
            is_type,
            header,
        });
        if self.is_answer {
            if is_block && self.block_end.is_none() {
                self.block_end = Some(depth);
            }
            if is_function && self.is_outside_functions {
                self.is_outside_functions = false;
                self.function_end = Some(depth);
            }
        }
    }

    fn read(&mut self, text: &str) {
        let in_brackets = self.open.last().is_some_and(|f| !f.is_block);
        let header = &mut self.header;
        let is_arrow = text == ">" && header.may_be_arrow;
        header.may_be_arrow = matches!(text, "=" | "-");
        header.after_anonymous = ANONYMOUS.contains(&text);
        if text == ";" {
            *header = Header::default();
            return;
        }
        match self.syntax.functions {
            Functions::Words(words) => {
                header.has_function_word |= words.iter().any(|w| {
                    *w == text || self.syntax.ignores_case && w.eq_ignore_ascii_case(text)
                });
            }
            Functions::Parameters => {
                header.has_control |= CONTROL.contains(&text);
                header.has_function_word |= text == "function" || is_arrow && !header.has_control;
                // Round brackets before these were those of a call: `f()`, `x = {`.
                let ends_call = text == "=" || text == "," && in_brackets;
                // What follows `class` has to have brackets of its own.
                header.has_parameters &= !ends_call && !TYPES.contains(&text);
            }
            Functions::Outermost => {}
        }
    }
}
