//! What closes the block or the function around the cursor, where brackets or words delimit them.

use super::StopRule;
use crate::code::scan::{Kind, Token};
use crate::code::syntax::{Blocks, Functions, Syntax};

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

/// What stands before a block since the last statement.
#[derive(Debug, Clone, Copy, Default)]
struct Header {
    has_parameters: bool,
    has_control: bool,
    has_function_word: bool,
    after_equals: bool,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    is_block: bool,
    is_function: bool,
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
        if token.depth < self.open.len() {
            let before = self.open[token.depth].header;
            self.open.truncate(token.depth);
            self.header = before;
            self.header.has_parameters |= token.text == ")";
            self.header.after_equals = false;
        }
        if matches!(token.kind, Kind::Closer | Kind::Stray) && token.is_block {
            self.header = Header::default();
        }
        match token.kind {
            Kind::Word | Kind::Symbol => self.read(token.text),
            Kind::Opener if token.is_block => self.read(token.text),
            Kind::Newline if matches!(self.syntax.blocks, Blocks::Keywords { .. }) => {
                self.header = Header::default();
            }
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

    fn opens(&mut self, token: &Token<'_>) {
        // A line break opens what its last word, `then`, began.
        let is_block = token.is_block || token.kind == Kind::Newline;
        let is_function = is_block
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
        let header = &mut self.header;
        let is_arrow = text == ">" && header.after_equals;
        header.after_equals = text == "=";
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
                header.has_function_word |= text == "function" || is_arrow;
                header.has_control |= CONTROL.contains(&text);
                // What follows `class` has to have brackets of its own.
                header.has_parameters &= !TYPES.contains(&text);
            }
            Functions::Outermost => {}
        }
    }
}
