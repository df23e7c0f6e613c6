//! Go source as tokens: names, keywords, literals and operators, with the semicolons that line ends
//! stand for. Comments are left out.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name.
    Name,
    /// A keyword.
    Keyword,
    /// A number, string or rune.
    Literal,
    /// An operator or bracket.
    Operator,
    /// A semicolon; one that a line end stands for has no text.
    Semicolon,
}

/// A piece of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
}

impl Token<'_> {
    pub fn is(&self, text: &str) -> bool {
        self.text == text && matches!(self.kind, Kind::Keyword | Kind::Operator)
    }

    /// Whether a line may end after it and the statement with it.
    fn ends_statement(&self) -> bool {
        match self.kind {
            Kind::Name | Kind::Literal => true,
            Kind::Keyword => ["break", "continue", "fallthrough", "return"].contains(&self.text),
            Kind::Operator => ["++", "--", ")", "]", "}"].contains(&self.text),
            Kind::Semicolon => false,
        }
    }
}

const KEYWORDS: &[&str] = &[
    "break",
    "case",
    "chan",
    "const",
    "continue",
    "default",
    "defer",
    "else",
    "fallthrough",
    "for",
    "func",
    "go",
    "goto",
    "if",
    "import",
    "interface",
    "map",
    "package",
    "range",
    "return",
    "select",
    "struct",
    "switch",
    "type",
    "var",
];

/// The tokens of a text. What is not Go comes out as operators.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let start = at;
        let kind = if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        } else if let Some(comment) = rest.strip_prefix("/*") {
            let length = comment.find("*/").map_or(rest.len(), |end| end + 4);
            at += length;
            // A comment with a line end in it is one.
            if rest[..length].contains('\n') {
                end_line(&mut tokens);
            }
            continue;
        } else if c == '\n' {
            at += 1;
            end_line(&mut tokens);
            continue;
        } else if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        } else if matches!(c, '"' | '\'') {
            at += quoted(rest, c);
            Kind::Literal
        } else if c == '`' {
            at += rest[1..].find('`').map_or(rest.len(), |end| end + 2);
            Kind::Literal
        } else if c.is_ascii_digit() || is_fraction(rest) {
            at += number(rest);
            Kind::Literal
        } else if c.is_alphabetic() || c == '_' {
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            at += rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            match KEYWORDS.contains(&&text[start..at]) {
                true => Kind::Keyword,
                false => Kind::Name,
            }
        } else if c == ';' {
            at += 1;
            Kind::Semicolon
        } else {
            let long = [":=", "...", "++", "--", "<-"];
            let operator = long.iter().find(|o| rest.starts_with(**o));
            at += operator.map_or(c.len_utf8(), |o| o.len());
            Kind::Operator
        };
        tokens.push(Token {
            kind,
            text: &text[start..at],
        });
    }
    end_line(&mut tokens);
    tokens
}

fn end_line(tokens: &mut Vec<Token<'_>>) {
    if tokens.last().is_some_and(Token::ends_statement) {
        tokens.push(Token {
            kind: Kind::Semicolon,
            text: "",
        });
    }
}

/// The length of a string or rune with escapes; without an end it goes to the end of the line.
fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return at,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn is_fraction(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next() == Some('.') && chars.next().is_some_and(|c| c.is_ascii_digit())
}

/// The length of a number, as long as anything like it.
fn number(text: &str) -> usize {
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let exponent = if is_hex { ['p', 'P'] } else { ['e', 'E'] };
        let is_sign = matches!(c, '+' | '-') && exponent.contains(&before);
        if !(c.is_ascii_alphanumeric() || c == '_' || c == '.' || is_sign) {
            return at;
        }
        before = c;
    }
    text.len()
}
