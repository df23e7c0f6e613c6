//! One token off the front of what is pending, in each mode.

use super::super::syntax::{Quote, Raw};
use super::{Before, Kind, Lexed, Mode, NEW_LINE, Scanner};

/// Longer words are no keywords, and need not be waited for.
const MAX_WORD: usize = 64;
/// The longest delimiter of a raw string that is believed, in bytes.
const MAX_RAW: usize = 24;

/// After these a statement begins.
const STARTERS: &[&str] = &["then", "else", "do", "begin"];
/// After these a value is expected.
const EXPECTING: &[&str] = &[
    "return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "yield", "await",
    "if", "unless", "while", "until", "when", "and", "or", "not", "split", "grep",
];

/// Whether a text begins with something: not, perhaps (the text is too short to tell), or where
/// that ends.
enum Match {
    No,
    Perhaps,
    At(usize),
}

fn is_perhaps(delimiter: &str, text: &str) -> bool {
    delimiter.len() > text.len() && delimiter.starts_with(text)
}

fn first_len(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

fn lexed(len: usize, kind: Kind) -> Option<Lexed> {
    Some(Lexed {
        len,
        kind,
        is_block: false,
    })
}

impl Scanner {
    /// The next token of `s`, which is not empty; none if that depends on more text.
    pub(super) fn lex(&mut self, s: &str, is_end: bool) -> Option<Lexed> {
        match &mut self.mode {
            Mode::Code => self.lex_code(s, is_end),
            Mode::LineComment => {
                if s.starts_with('\n') {
                    self.mode = Mode::Code;
                    return self.lex_code(s, is_end);
                }
                lexed(first_len(s), Kind::Comment)
            }
            Mode::BlockComment { index, level } => {
                let comment = self.syntax.block_comments[*index];
                if s.starts_with(comment.close) {
                    *level -= 1;
                    if *level == 0 {
                        self.mode = Mode::Code;
                    }
                    return lexed(comment.close.len(), Kind::Comment);
                }
                if comment.is_nested && s.starts_with(comment.open) {
                    *level = level.saturating_add(1);
                    return lexed(comment.open.len(), Kind::Comment);
                }
                let waits = is_perhaps(comment.close, s)
                    || comment.is_nested && is_perhaps(comment.open, s);
                if waits && !is_end {
                    return None;
                }
                lexed(first_len(s), Kind::Comment)
            }
            Mode::Until { close, kind } => {
                let kind = *kind;
                if s.starts_with(close.as_str()) {
                    let len = close.len();
                    self.end_string(kind);
                    return lexed(len, kind);
                }
                if is_perhaps(close, s) && !is_end {
                    return None;
                }
                lexed(first_len(s), kind)
            }
            Mode::Quoted(index) => {
                let index = *index;
                self.lex_quoted(index, s, is_end)
            }
            Mode::Regex { in_class } => {
                let c = s.chars().next()?;
                match c {
                    '\n' => {
                        self.end_string(Kind::String);
                        return self.lex_code(s, is_end);
                    }
                    '\\' => match s[1..].chars().next() {
                        None if !is_end => return None,
                        None | Some('\n') => {}
                        Some(escaped) => return lexed(1 + escaped.len_utf8(), Kind::String),
                    },
                    '[' => *in_class = true,
                    ']' => *in_class = false,
                    '/' if !*in_class => self.end_string(Kind::String),
                    _ => {}
                }
                lexed(c.len_utf8(), Kind::String)
            }
        }
    }

    fn end_string(&mut self, kind: Kind) {
        self.mode = Mode::Code;
        if kind == Kind::String {
            self.line.before = Before::Value;
            self.is_line_start = false;
        }
    }

    fn lex_quoted(&mut self, index: usize, s: &str, is_end: bool) -> Option<Lexed> {
        let quote: Quote = self.syntax.quotes[index];
        let c = s.chars().next()?;
        if let Some(interpolation) = quote.interpolation {
            if s.starts_with(interpolation) && self.more_open == 0 {
                let bracket = if interpolation.contains('{') {
                    '{'
                } else {
                    '('
                };
                let before = self.depth();
                self.open_bracket(Some(bracket), false, Some(index));
                if self.more_open == 0 && self.depth() > before {
                    self.mode = Mode::Code;
                    self.line.before = Before::Operator;
                } else {
                    // Too deep to find back to the string: it stays one.
                    self.more_open = 0;
                }
                return lexed(interpolation.len(), Kind::String);
            }
            if is_perhaps(interpolation, s) && !is_end {
                return None;
            }
        }
        if quote.escape == Some(c) {
            match s[c.len_utf8()..].chars().next() {
                None if !is_end => return None,
                None => {}
                // A line break of two characters is escaped as a whole.
                Some('\r') if !is_end && s[c.len_utf8()..].len() == 1 => return None,
                Some('\r') if s[c.len_utf8()..].starts_with("\r\n") => {
                    return lexed(c.len_utf8() + 2, Kind::String);
                }
                Some(escaped) => {
                    return lexed(c.len_utf8() + escaped.len_utf8(), Kind::String);
                }
            }
        }
        if c == '\n' && !quote.is_multiline {
            self.end_string(Kind::String);
            return self.lex_code(s, is_end);
        }
        if s.starts_with(quote.close) {
            self.end_string(Kind::String);
            return lexed(quote.close.len(), Kind::String);
        }
        if is_perhaps(quote.close, s) && !is_end {
            return None;
        }
        lexed(c.len_utf8(), Kind::String)
    }

    fn is_word(&self, c: char) -> bool {
        c.is_alphanumeric() || c == '_' || self.syntax.word_chars.contains(c)
    }

    fn lex_code(&mut self, s: &str, is_end: bool) -> Option<Lexed> {
        let c = s.chars().next()?;
        if c == '\n' {
            if self.line.may_open_at_end {
                self.open_bracket(None, true, None);
            }
            self.line = NEW_LINE;
            self.is_line_start = true;
            self.in_long_word = false;
            return lexed(1, Kind::Newline);
        }
        if c.is_whitespace() {
            self.in_long_word = false;
            return lexed(c.len_utf8(), Kind::Blank);
        }
        // A prime belongs to a word, but begins none.
        let is_word = self.is_word(c) && (c != '\'' || self.in_long_word);
        self.in_long_word &= is_word;
        // Before words: a delimiter may begin with what else belongs to one.
        if !self.in_long_word
            && let Some(found) = self.lex_delimiter(s, is_end)
        {
            return found;
        }
        if is_word {
            return self.lex_word(s, is_end);
        }
        self.is_line_start = false;
        self.line.may_open_at_end = false;
        self.line.next_is_plain = false;
        self.lex_symbol(c, s, is_end)
    }

    /// A comment or a string that begins here: `Some(None)` if that depends on more text.
    fn lex_delimiter(&mut self, s: &str, is_end: bool) -> Option<Option<Lexed>> {
        let syntax = self.syntax;
        let mut best: Option<(usize, Mode)> = None;
        let mut waits = false;
        let mut offer = |delimiter: &str, mode: Mode| {
            if s.starts_with(delimiter) {
                if best.as_ref().is_none_or(|(len, _)| delimiter.len() > *len) {
                    best = Some((delimiter.len(), mode));
                }
            } else if is_perhaps(delimiter, s) {
                waits = true;
            }
        };
        let after_blank = self
            .last_char
            .is_none_or(|c| c.is_whitespace() || matches!(c, ';' | '(' | ')' | '{' | '}'));
        if !syntax.comment_after_blank || after_blank {
            for delimiter in syntax.line_comments {
                offer(delimiter, Mode::LineComment);
            }
        }
        if self.is_line_start {
            for delimiter in syntax.line_start_comments {
                offer(delimiter, Mode::LineComment);
            }
        }
        let is_first = self.last_char.is_none_or(|c| c == '\n');
        for (index, comment) in syntax.block_comments.iter().enumerate() {
            if is_first || !comment.at_line_start {
                offer(comment.open, Mode::BlockComment { index, level: 1 });
            }
        }
        let after_value =
            self.line.before == Before::Value && self.last_char.is_some_and(|c| !c.is_whitespace());
        for (index, quote) in syntax.quotes.iter().enumerate() {
            if !(quote.is_char || quote.not_after_value && after_value) {
                offer(quote.open, Mode::Quoted(index));
            }
        }
        if syntax.raw == Raw::Lua {
            let (start, kind) = match s.strip_prefix("--") {
                Some(rest) => (rest, Kind::Comment),
                None => (s, Kind::String),
            };
            match lua_bracket(start) {
                Match::At(level) => {
                    let close = format!("]{}]", "=".repeat(level));
                    best = Some((
                        s.len() - start.len() + level + 2,
                        Mode::Until { close, kind },
                    ));
                }
                Match::Perhaps => waits = true,
                Match::No => {}
            }
        }
        if waits && !is_end {
            return Some(None);
        }
        let (len, mode) = best?;
        let kind = match &mode {
            Mode::Quoted(_) => Kind::String,
            Mode::Until { kind, .. } => *kind,
            _ => Kind::Comment,
        };
        if kind == Kind::String {
            self.is_line_start = false;
            self.line.may_open_at_end = false;
        }
        self.mode = mode;
        Some(lexed(len, kind))
    }

    fn lex_symbol(&mut self, c: char, s: &str, is_end: bool) -> Option<Lexed> {
        let len = c.len_utf8();
        let syntax = self.syntax;
        if syntax.code_escape == Some(c) {
            match s[len..].chars().next() {
                None if !is_end => return None,
                None | Some('\n' | '\r') => {}
                Some(escaped) => {
                    self.line.before = Before::Value;
                    return lexed(len + escaped.len_utf8(), Kind::Symbol);
                }
            }
        }
        match c {
            '(' | '[' | '{' => {
                let is_block = self.is_block_bracket(Some(c));
                self.open_bracket(Some(c), is_block, None);
                self.line.before = Before::Operator;
                return Some(Lexed {
                    len,
                    kind: Kind::Opener,
                    is_block,
                });
            }
            ')' | ']' | '}' => return Some(self.lex_closer(c)),
            '\'' => {
                if let Some(index) = syntax.quotes.iter().position(|q| q.is_char) {
                    return self.lex_char(index, s, is_end);
                }
            }
            // What else begins with a slash has been seen to be none of it.
            '/' if syntax.has_regex && self.line.before != Before::Value => {
                self.mode = Mode::Regex { in_class: false };
                return lexed(1, Kind::String);
            }
            _ => {}
        }
        self.line.before = match c {
            '=' => Before::Equals,
            '.' | '@' | '$' | '!' | '?' if self.line.before == Before::Value => Before::Value,
            _ => Before::Operator,
        };
        lexed(len, Kind::Symbol)
    }

    fn lex_closer(&mut self, c: char) -> Lexed {
        let opener = match c {
            ')' => '(',
            ']' => '[',
            _ => '{',
        };
        // A bracket after which an operator is more likely than a value; a curly one ends a
        // statement.
        self.line.before = if c == '}' {
            Before::Operator
        } else {
            Before::Value
        };
        let found = self.close_bracket(Some(opener));
        let is_block = found.map_or(self.is_block_bracket(Some(opener)), |o| o.is_block);
        let kind = match found {
            Some(open) => match open.back {
                Some(index) => {
                    self.mode = Mode::Quoted(index);
                    Kind::String
                }
                None => Kind::Closer,
            },
            None => Kind::Stray,
        };
        Lexed {
            len: 1,
            kind,
            is_block: is_block && kind != Kind::String,
        }
    }

    /// A character literal, or the quote alone: of a lifetime, a label, a primed name.
    fn lex_char(&mut self, index: usize, s: &str, is_end: bool) -> Option<Lexed> {
        let mut chars = s[1..].chars();
        match (chars.next(), chars.next()) {
            (None, _) if !is_end => return None,
            (Some('\\'), _) => {
                self.mode = Mode::Quoted(index);
                return lexed(1, Kind::String);
            }
            (Some('\n' | '\''), _) | (None, _) => {}
            (Some(_), None) if !is_end => return None,
            (Some(c), Some('\'')) => {
                self.line.before = Before::Value;
                return lexed(2 + c.len_utf8(), Kind::String);
            }
            _ => {}
        }
        self.line.before = Before::Operator;
        lexed(1, Kind::Symbol)
    }

    fn lex_word(&mut self, s: &str, is_end: bool) -> Option<Lexed> {
        let mut len = s
            .char_indices()
            .find(|&(_, c)| !self.is_word(c))
            .map_or(s.len(), |(at, _)| at);
        if self.in_long_word || len > MAX_WORD {
            self.in_long_word = true;
            self.is_line_start = false;
            self.line.before = Before::Value;
            self.line.next_is_plain = false;
            self.line.may_open_at_end = false;
            return lexed(len, Kind::Word);
        }
        if len == s.len() && !is_end {
            return None;
        }
        // 1'000'000
        let is_number = s.starts_with(|c: char| c.is_ascii_digit());
        if is_number && self.syntax.directive.is_some() && s[len..].starts_with('\'') {
            match s[len + 1..].chars().next() {
                None if !is_end => return None,
                Some(c) if c.is_ascii_alphanumeric() => len += 1,
                _ => {}
            }
        }
        match self.raw_string(&s[..len], &s[len..]) {
            Match::At(open) => {
                self.is_line_start = false;
                self.line.may_open_at_end = false;
                return lexed(len + open, Kind::String);
            }
            Match::Perhaps if !is_end => return None,
            _ => {}
        }
        let mut is_label = false;
        if self.syntax.has_labels && s[len..].starts_with(':') {
            match s[len + 1..].chars().next() {
                None if !is_end => return None,
                next => is_label = next != Some(':'),
            }
        }
        Some(self.word(&s[..len], is_label))
    }

    fn word(&mut self, word: &str, is_label: bool) -> Lexed {
        let syntax = self.syntax;
        let was_line_start = std::mem::replace(&mut self.is_line_start, false);
        self.line.may_open_at_end = false;
        let comments = syntax.comment_word;
        if comments.is_some_and(|w| word.eq_ignore_ascii_case(w)) {
            self.mode = Mode::LineComment;
            self.is_line_start = was_line_start;
            return Lexed {
                len: word.len(),
                kind: Kind::Comment,
                is_block: false,
            };
        }
        if was_line_start {
            self.line.begins_with_else = word
                .get(..4)
                .is_some_and(|w| w.eq_ignore_ascii_case("else"));
        }
        let is_name = self
            .last_char
            .is_some_and(|c| matches!(c, '.' | ':' | '@' | '$' | '&'));
        let kind = if is_name || is_label {
            self.line.next_is_plain = false;
            None
        } else {
            self.keyword(word)
        };
        self.line.before = if is_name || kind == Some(Kind::Closer) {
            Before::Value
        } else if STARTERS.contains(&word) {
            Before::Starter
        } else if EXPECTING.contains(&word) {
            Before::Expecting
        } else {
            Before::Value
        };
        Lexed {
            len: word.len(),
            kind: kind.unwrap_or(Kind::Word),
            is_block: kind.is_some(),
        }
    }

    /// Whether a word and what follows begin a raw string; the length of what follows then.
    fn raw_string(&mut self, word: &str, rest: &str) -> Match {
        let close = match self.syntax.raw {
            Raw::Rust if matches!(word, "r" | "br" | "cr") => {
                let hashes = rest.len() - rest.trim_start_matches('#').len();
                match rest[hashes..].chars().next() {
                    Some('"') => (hashes + 1, format!("\"{}", "#".repeat(hashes))),
                    None if hashes <= MAX_RAW => return Match::Perhaps,
                    _ => return Match::No,
                }
            }
            Raw::Cpp if matches!(word, "R" | "LR" | "uR" | "UR" | "u8R") => {
                let Some(inner) = rest.strip_prefix('"') else {
                    return Match::No;
                };
                let end = inner.find(|c: char| c.is_whitespace() || "()\\\"".contains(c));
                match end {
                    Some(end) if inner[end..].starts_with('(') => {
                        (end + 2, format!("){}\"", &inner[..end]))
                    }
                    None if inner.len() <= MAX_RAW => return Match::Perhaps,
                    _ => return Match::No,
                }
            }
            Raw::Prefix if word == "r" => {
                let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
                    return Match::No;
                };
                let quotes = rest.len() - rest.trim_start_matches(quote).len();
                if quotes == rest.len() && quotes < 3 {
                    return Match::Perhaps;
                }
                let len = if quotes >= 3 { 3 } else { 1 };
                (len, quote.to_string().repeat(len))
            }
            _ => return Match::No,
        };
        self.mode = Mode::Until {
            close: close.1,
            kind: Kind::String,
        };
        Match::At(close.0)
    }
}

/// The level of a long bracket of Lua, `[==[`, if the text begins with one.
fn lua_bracket(s: &str) -> Match {
    let Some(rest) = s.strip_prefix('[') else {
        return if s.is_empty() {
            Match::Perhaps
        } else {
            Match::No
        };
    };
    let level = rest.len() - rest.trim_start_matches('=').len();
    match rest[level..].chars().next() {
        Some('[') => Match::At(level),
        None if level <= MAX_RAW => Match::Perhaps,
        _ => Match::No,
    }
}
