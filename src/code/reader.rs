//! A [`Scanner`] that also knows where it is: positions, the brackets that are open with the
//! indentation of their lines, and what the line so far looks like.

use std::collections::TryReserveError;
use std::ops::Range;

use super::scan::{Kind, Scanner};
use super::syntax::{Blocks, Syntax};
use crate::error::Result;
use crate::language::Language;
use crate::memory::{TryGrow, try_copy};

/// Columns to the next stop of a tab, as Python counts them.
const TAB: usize = 8;

/// The column after a blank.
pub(super) fn after_blank(column: usize, blank: char) -> usize {
    match blank {
        '\t' => (column / TAB + 1) * TAB,
        '\r' => column,
        _ => column + 1,
    }
}

/// A token in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub kind: Kind,
    /// Bytes of all the text that was read.
    pub at: Range<usize>,
    /// How many brackets and blocks are open after it.
    pub depth: usize,
    pub is_block: bool,
    /// Its first character.
    pub first: char,
    /// Whether a line ends in it.
    pub ends_line: bool,
    /// What the next character belongs to unless it ends it: string, comment or symbol.
    pub inside: Kind,
    /// The same of the piece before it.
    pub was_inside: Kind,
    /// Columns before the first character of its line that is not blank.
    pub indent: usize,
    /// Whether only blanks stand before it on its line.
    pub is_first: bool,
}

impl Piece {
    /// Whether it is code and neither a blank nor a line break.
    pub fn is_code(&self) -> bool {
        !matches!(self.kind, Kind::Blank | Kind::Newline | Kind::Comment)
    }
}

/// A bracket or block that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bracket {
    /// The bracket; none where a word opened it.
    pub bracket: Option<char>,
    pub is_block: bool,
    /// The indentation of its line.
    pub indent: usize,
}

/// Reads text in pieces.
#[derive(Debug)]
pub(super) struct Reader {
    scanner: Scanner,
    at: usize,
    batch: Vec<Piece>,
    was_inside: Kind,
    /// How many were open at the beginning of the line.
    open_before: usize,
    /// What is open, outermost first.
    pub open: Vec<Bracket>,
    /// The blanks that the line begins with, in columns.
    pub indent: usize,
    /// Whether the line is nothing but these so far.
    pub is_blank: bool,
    /// Ends a line that opens a block.
    opener: Option<char>,
    /// The last code.
    pub last: Last,
    /// What `open` could not be made longer for.
    refused: Option<TryReserveError>,
}

/// The last code that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Last {
    /// Whether it opens a bracket or, at the end of a line, a block.
    pub opens: bool,
    /// Whether it takes the end of the line away: a backslash.
    pub continues: bool,
    /// Whether its line opened more than it closed, so far.
    pub has_opened: bool,
    /// The indentation of its line.
    pub indent: usize,
}

impl Reader {
    pub fn new(language: Language) -> Self {
        let opener = match Syntax::of(language).blocks {
            Blocks::Indentation { opener, .. } => opener,
            _ => None,
        };
        Self {
            scanner: Scanner::new(language),
            at: 0,
            batch: Vec::new(),
            was_inside: Kind::Symbol,
            open_before: 0,
            open: Vec::new(),
            indent: 0,
            is_blank: true,
            opener,
            last: Last::default(),
            refused: None,
        }
    }

    /// What is read goes wrong once there is no memory for what is open; so each reader looks
    /// here at the end.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    pub fn check(&self) -> Result<()> {
        match &self.refused {
            Some(refused) => Err(refused.clone().into()),
            None => Ok(()),
        }
    }

    /// Reads text, and passes on the tokens that are certain.
    pub fn read(&mut self, text: &str, sink: &mut impl FnMut(&Self, &Piece)) {
        let mut buffer = [0; 4];
        for c in text.chars() {
            self.step(Some(c.encode_utf8(&mut buffer)), sink);
        }
    }

    /// Passes on what was held back for what might follow.
    pub fn finish(&mut self, sink: &mut impl FnMut(&Self, &Piece)) {
        self.step(None, sink);
    }

    /// What the next character belongs to unless it ends it: string, comment or symbol.
    pub fn inside(&self) -> Kind {
        self.scanner.inside()
    }

    /// The same with what was held back, as if the text ended here.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    pub fn finished(&self) -> Result<Self> {
        let mut finished = self.try_clone()?;
        finished.finish(&mut |_, _| {});
        finished.check()?;
        Ok(finished)
    }

    /// A copy.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    pub fn try_clone(&self) -> Result<Self> {
        self.check()?;
        Ok(Self {
            scanner: self.scanner.clone(),
            batch: Vec::new(),
            open: try_copy(&self.open)?,
            refused: None,
            ..*self
        })
    }

    /// Whether the line of the last code ends with what it opens: a bracket, a block.
    pub fn last_opens(&self) -> bool {
        self.last.opens || self.last.has_opened && self.open.last().is_some_and(|o| o.is_block)
    }

    /// Whether the last code opens a block of indentation.
    pub fn is_header(&self) -> bool {
        self.last.opens && self.open.is_empty()
    }

    fn step(&mut self, text: Option<&str>, sink: &mut impl FnMut(&Self, &Piece)) {
        let mut batch = std::mem::take(&mut self.batch);
        let mut at = self.at;
        let mut take = |token: super::scan::Token<'_>| {
            let end = at + token.text.len();
            batch.push(Piece {
                kind: token.kind,
                at: at..end,
                depth: token.depth,
                is_block: token.is_block,
                first: token.text.chars().next().unwrap_or(' '),
                ends_line: token.text.contains('\n'),
                inside: Kind::Symbol,
                was_inside: Kind::Symbol,
                indent: 0,
                is_first: false,
            });
            at = end;
        };
        match text {
            Some(text) => self.scanner.push(text, &mut take),
            None => self.scanner.finish(&mut take),
        }
        self.at = at;
        // The scanner knows its state after the last of them. An earlier one that is part of a
        // string or comment does not end it if the next is so too, as far as matters here.
        for i in 0..batch.len() {
            let kind = batch[i].kind;
            batch[i].inside = match batch.get(i + 1) {
                None => self.scanner.inside(),
                Some(next) if next.kind == kind => match kind {
                    Kind::String | Kind::Comment => kind,
                    _ => Kind::Symbol,
                },
                Some(_) => Kind::Symbol,
            };
        }
        for mut piece in batch.drain(..) {
            self.place(&mut piece);
            sink(self, &piece);
        }
        self.batch = batch;
    }

    /// Counts columns, and opens and closes brackets.
    fn place(&mut self, piece: &mut Piece) {
        piece.was_inside = std::mem::replace(&mut self.was_inside, piece.inside);
        piece.is_first = self.is_blank;
        piece.indent = self.indent;
        if piece.ends_line {
            self.indent = 0;
            self.is_blank = true;
            self.open_before = piece.depth;
        } else if self.is_blank && piece.first.is_whitespace() {
            self.indent = after_blank(self.indent, piece.first);
        } else {
            self.is_blank = false;
        }
        self.open.truncate(piece.depth);
        while self.open.len() < piece.depth && self.refused.is_none() {
            let bracket = Some(piece.first).filter(|c| matches!(c, '(' | '[' | '{'));
            let pushed = self.open.try_push(Bracket {
                bracket: bracket.or((piece.kind == Kind::String).then_some('{')),
                is_block: piece.is_block,
                indent: piece.indent,
            });
            self.refused = pushed.err();
        }
        if piece.is_code() {
            let is_opener = self.opener == Some(piece.first) && self.open.is_empty();
            self.last = Last {
                opens: piece.kind == Kind::Opener || is_opener && piece.kind == Kind::Symbol,
                continues: piece.kind == Kind::Symbol && piece.first == '\\',
                has_opened: self.open.len() > self.open_before,
                indent: piece.indent,
            };
        }
    }
}

/// Texts that look like code, for tests: words, brackets, quotes, comments, indentation, and some
/// of anything.
#[cfg(test)]
pub(super) fn source() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let pieces = vec![
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "'",
        "\"\"\"",
        "`",
        "//",
        "/*",
        "*/",
        "#",
        "--",
        "\\",
        ";",
        ",",
        ":",
        "x",
        "y",
        "if",
        "else",
        "end",
        "do",
        "def f",
        "r#",
        " ",
        "    ",
        "\t",
        "\n",
        "\n    ",
        "\n\t",
        "\r\n",
        "${",
        "=",
        "\u{e9}",
        "\u{3000}",
        "\n}\n",
        "x = 1\n",
        "{\n    ",
        ":\n  ",
        "(\n        ",
    ];
    let piece = prop_oneof![
        20 => proptest::sample::select(pieces).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}
