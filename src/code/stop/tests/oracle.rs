//! Slow and obvious: whole texts, masked first, then looked at line by line and bracket by bracket.

use super::*;

/// The text with `_` for everything in strings and ` ` for everything in comments, line breaks
/// kept in both, and whether each byte stands inside of a string.
struct Masked {
    code: Vec<char>,
    in_string: Vec<bool>,
    in_comment: Vec<bool>,
}

/// `quotes` with whether they may span lines; the longest first.
fn mask(text: &[char], quotes: &[(&str, bool)], line: &str, block: bool) -> Masked {
    let mut code = text.to_vec();
    let (mut in_string, mut in_comment) = (vec![false; text.len()], vec![false; text.len()]);
    let begins = |at: usize, s: &str| s.chars().enumerate().all(|(i, c)| text.get(at + i) == Some(&c));
    let mut at = 0;
    while at < text.len() {
        if let Some((quote, is_long)) = quotes.iter().find(|(q, _)| begins(at, q)) {
            let from = at;
            at += quote.len();
            while at < text.len() && !begins(at, quote) {
                if text[at] == '\\' {
                    at += if begins(at + 1, "\r\n") { 3 } else { 2 };
                } else if text[at] == '\n' && !is_long {
                    break;
                } else {
                    at += 1;
                }
            }
            if begins(at, quote) {
                at += quote.len();
            }
            at = at.min(text.len());
            for i in from..at {
                code[i] = if text[i] == '\n' { '\n' } else { '_' };
                in_string[i] = true;
            }
        } else if begins(at, line) || block && begins(at, "/*") {
            let from = at;
            if begins(at, line) {
                while at < text.len() && text[at] != '\n' {
                    at += 1;
                }
            } else {
                at += 2;
                while at < text.len() && !begins(at, "*/") {
                    at += 1;
                }
                at = (at + 2).min(text.len());
            }
            for i in from..at {
                code[i] = if text[i] == '\n' { '\n' } else { ' ' };
                in_comment[i] = true;
            }
        } else {
            at += 1;
        }
    }
    Masked {
        code,
        in_string,
        in_comment,
    }
}

/// A line of Python.
#[derive(Debug, Clone)]
struct Row {
    start: usize,
    /// Where its first character is that is no blank, if it has one.
    first: Option<usize>,
    indent: usize,
    is_comment: bool,
    /// It goes on with what the line before began.
    goes_on: bool,
    word: String,
    /// The last character of its code, and of what goes on after it.
    last: char,
    has_def: bool,
}

fn rows(text: &[char]) -> Vec<Row> {
    let quotes = [("\"\"\"", true), ("'''", true), ("\"", false), ("'", false)];
    let masked = mask(text, &quotes, "#", false);
    let mut rows: Vec<Row> = Vec::new();
    let mut open: Vec<char> = Vec::new();
    let mut start = 0;
    while start <= text.len() {
        let end = (start..text.len()).find(|&i| text[i] == '\n').unwrap_or(text.len());
        let in_string = start > 0 && start < text.len() && {
            // The line break before belongs to the string, too.
            masked.in_string[start - 1]
        };
        let breaks = start > 0 && {
            let before: String = text[..start].iter().collect();
            let before = before.strip_suffix('\n').unwrap_or(&before);
            let before = before.strip_suffix('\r').unwrap_or(before);
            let at = before.chars().count();
            before.ends_with('\\') && !masked.in_comment[at - 1]
        };
        let goes_on = in_string || breaks || !open.is_empty();
        let first = (start..end).find(|&i| !text[i].is_whitespace());
        let mut indent = 0;
        for &c in &text[start..first.unwrap_or(end)] {
            indent = match c {
                '\t' => indent / 8 * 8 + 8,
                '\r' => indent,
                _ => indent + 1,
            };
        }
        let is_comment = first.is_some_and(|i| masked.in_comment[i]);
        let code = &masked.code[start..end];
        let text_of = |from: usize| -> String {
            masked.code[from..end]
                .iter()
                .take_while(|c| c.is_alphanumeric() || **c == '_')
                .collect()
        };
        let mut has_def = false;
        for i in start..end {
            let c = masked.code[i];
            let begins = i == start || !(masked.code[i - 1].is_alphanumeric() || masked.code[i - 1] == '_');
            has_def |= begins && !masked.in_string[i] && text_of(i) == "def";
            if masked.in_string[i] {
                continue;
            }
            match c {
                '(' | '[' | '{' => open.push(c),
                ')' | ']' | '}' => {
                    let opener = match c {
                        ')' => '(',
                        ']' => '[',
                        _ => '{',
                    };
                    if let Some(at) = open.iter().rposition(|&o| o == opener) {
                        open.truncate(at);
                    }
                }
                _ => {}
            }
        }
        let mut last = code.iter().rev().find(|c| !c.is_whitespace()).copied();
        if last == Some(':') && !open.is_empty() {
            last = Some(' ');
        }
        let row = Row {
            start,
            first,
            indent,
            is_comment,
            goes_on,
            word: first.map(text_of).unwrap_or_default(),
            last: last.unwrap_or(' '),
            has_def,
        };
        if goes_on && let Some(head) = rows.iter_mut().rev().find(|r| is_head(r)) {
            head.has_def |= has_def;
            if last.is_some() {
                head.last = row.last;
            }
        }
        rows.push(row);
        start = end + 1;
    }
    rows
}

/// Whether a row begins a statement.
fn is_head(row: &Row) -> bool {
    row.first.is_some() && !row.is_comment && !row.goes_on
}
