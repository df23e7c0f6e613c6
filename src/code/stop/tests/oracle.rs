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
    let begins = |at: usize, s: &str| {
        s.chars()
            .enumerate()
            .all(|(i, c)| text.get(at + i) == Some(&c))
    };
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
        let end = (start..text.len())
            .find(|&i| text[i] == '\n')
            .unwrap_or(text.len());
        // The line break before belongs to the string, too.
        let in_string = start > 0 && masked.in_string[start - 1];
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
            let begins =
                i == start || !(masked.code[i - 1].is_alphanumeric() || masked.code[i - 1] == '_');
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

fn may_follow(word: &str) -> &'static [&'static str] {
    match word {
        "if" | "elif" => &["elif", "else"],
        "for" | "while" => &["else"],
        "try" | "except" => &["except", "else", "finally"],
        "else" => &["finally"],
        _ => &[],
    }
}

/// How long the answer is in characters when the rule fires, if it does.
fn python(rule: StopRule, before: &str, text: &str) -> Option<usize> {
    let cursor = before.chars().count();
    let all: Vec<char> = before.chars().chain(text.chars()).collect();
    let rows_before = rows(&all[..cursor]);
    let rows = rows(&all);
    let cursor_row = &rows_before[rows_before.len() - 1];
    let heads: Vec<&Row> = rows_before.iter().filter(|r| is_head(r)).collect();
    let last = heads.last();
    let is_header = last.is_some_and(|r| r.last == ':');
    let is_blank = cursor_row.first.is_none() && !cursor_row.goes_on;
    let last = last.map_or(0, |r| r.indent);

    let mut stack: Vec<Row> = Vec::new();
    let push = |stack: &mut Vec<Row>, row: &Row| {
        stack.retain(|r| r.indent < row.indent);
        stack.push(row.clone());
    };
    heads.iter().for_each(|r| push(&mut stack, r));
    let around = |stack: &[Row], below: usize| {
        let functions = stack.iter().filter(|r| r.has_def && r.indent < below);
        functions.map(|r| r.indent + 1).max().unwrap_or(0)
    };
    let mut base = match rule {
        BLOCK => last + usize::from(is_header),
        FUNCTION => around(&stack, usize::MAX),
        _ => usize::from(!is_blank || is_header || last > 0),
    };
    // What begins before the cursor and goes on behind it.
    let begun = rows
        .iter()
        .rfind(|r| is_head(r) && r.first.is_some_and(|f| f < cursor));
    if let Some(row) = begun {
        push(&mut stack, row);
        if rule == FUNCTION && base == 0 && row.has_def {
            base = row.indent + 1;
        }
    }
    for (at, row) in rows.iter().enumerate() {
        if !is_head(row) || row.first.is_some_and(|f| f < cursor) {
            continue;
        }
        let is_first_row = at + 1 == rows_before.len();
        let keeps = if is_first_row && !is_header {
            if row.indent < base {
                base = match rule {
                    BLOCK => row.indent,
                    FUNCTION => around(&stack, row.indent),
                    _ => base,
                };
            }
            true
        } else if row.indent >= base {
            true
        } else {
            let first = all[row.first.unwrap()];
            let is_cut_short = row.first.unwrap() + row.word.chars().count() == all.len();
            let header = stack.iter().rfind(|r| r.indent < base);
            match rule {
                UNINDENTED => ")]}{".contains(first),
                BLOCK => header.filter(|h| h.indent == row.indent).is_some_and(|h| {
                    may_follow(&h.word).iter().any(|w| match is_cut_short {
                        true => !row.word.is_empty() && w.starts_with(&row.word),
                        false => *w == row.word,
                    })
                }),
                _ => false,
            }
        };
        if !keeps {
            let kept = rows[..at].iter().rfind(|r| {
                let is_kept = r.goes_on || is_head(r) || r.is_comment && r.indent >= base;
                let is_cursors = r.start <= cursor && !(is_blank && is_header);
                is_kept || is_cursors
            });
            let Some(kept) = kept.filter(|_| !(is_first_row && is_blank)) else {
                return Some(0);
            };
            let end = (kept.start..all.len()).find(|&i| all[i] == '\n').unwrap();
            let end = end - usize::from(end > cursor && all[end - 1] == '\r');
            return Some(end.saturating_sub(cursor));
        }
        let opens = stack
            .last()
            .filter(|r| r.indent < row.indent && r.last == ':');
        if rule == BLOCK
            && base == 0
            && let Some(opens) = opens
        {
            base = opens.indent + 1;
        }
        push(&mut stack, row);
        if rule == UNINDENTED && base == 0 {
            base = 1;
        }
        if rule == FUNCTION && base == 0 && row.has_def {
            base = row.indent + 1;
        }
    }
    None
}

/// Whether what stands before a bracket makes it a function's.
fn is_function(header: &str, in_brackets: bool) -> bool {
    let mut tokens: Vec<String> = Vec::new();
    let mut was_word = false;
    for c in header.chars() {
        let is_word = c.is_alphanumeric() || c == '_';
        match tokens.last_mut() {
            Some(last) if is_word && was_word => last.push(c),
            _ if !c.is_whitespace() => tokens.push(c.to_string()),
            _ => {}
        }
        was_word = is_word;
    }
    let control = [
        "if", "for", "while", "switch", "else", "do", "return", "case",
    ];
    let is_control = |t: &String| control.contains(&t.as_str());
    let resets =
        |t: &String| ["class", "enum", "="].contains(&t.as_str()) || t == "," && in_brackets;
    let has_parameters = tokens.rsplit(resets).next().unwrap_or_default();
    let has_parameters = has_parameters.iter().any(|t| t == ")");
    let arrow = tokens
        .windows(2)
        .position(|t| (t[0] == "=" || t[0] == "-") && t[1] == ">");
    arrow.is_some_and(|at| !tokens[..at].iter().any(is_control))
        || has_parameters && !tokens.iter().any(is_control)
}

/// The same for a language of brackets.
fn brackets(rule: StopRule, before: &str, text: &str) -> Option<usize> {
    struct Frame {
        bracket: char,
        is_function: bool,
        since: String,
    }
    let cursor = before.chars().count();
    let all: Vec<char> = before.chars().chain(text.chars()).collect();
    let masked = mask(&all, &[("\"", false), ("'", false)], "//", true);
    let mut frames: Vec<Frame> = Vec::new();
    let mut since = String::new();
    let mut end: Option<usize> = None;
    let mut is_open = false;
    for at in 0..=all.len() {
        if at == cursor {
            let block = frames.iter().rposition(|f| f.bracket == '{');
            let function = frames.iter().rposition(|f| f.is_function);
            end = match rule {
                FUNCTION => function.or(block),
                _ => block,
            };
            is_open = match rule {
                FUNCTION => function.is_none(),
                _ => block.is_none(),
            };
        }
        let &c = masked.code.get(at)?;
        if masked.in_string[at] || masked.in_comment[at] {
            since.push(' ');
            continue;
        }
        let mut is_stray = false;
        match c {
            '(' | '[' | '{' => {
                let in_brackets = frames.last().is_some_and(|f| f.bracket != '{');
                let is_function = c == '{' && is_function(&since, in_brackets);
                if at >= cursor && is_open && (is_function || rule == BLOCK && c == '{') {
                    is_open = false;
                    end = Some(frames.len());
                }
                frames.push(Frame {
                    bracket: c,
                    is_function,
                    since: std::mem::take(&mut since),
                });
            }
            ')' | ']' | '}' => {
                since.push(' ');
                let opener = "([{".chars().nth(")]}".find(c).unwrap()).unwrap();
                match frames.iter().rposition(|f| f.bracket == opener) {
                    Some(i) => {
                        since = frames.swap_remove(i).since;
                        frames.truncate(i);
                        since.push(if c == ')' { ')' } else { ' ' });
                    }
                    None => is_stray = c == '}',
                }
                if c == '}' {
                    since.clear();
                }
            }
            ';' => since.clear(),
            _ => since.push(c),
        }
        if at >= cursor && (is_stray || end.is_some_and(|end| frames.len() <= end)) {
            return Some(at - cursor + usize::from(c == '}'));
        }
    }
    None
}

fn agrees(name: &str, rule: StopRule, before: &str, text: &str, want: Option<usize>) {
    let (answer, fired) = cut(&[rule], language(name), before, text).unwrap();
    let want_answer: String = text.chars().take(want.unwrap_or(usize::MAX)).collect();
    assert_eq!(answer, want_answer, "{rule}: {before:?} {text:?}");
    assert_eq!(
        fired.is_some(),
        want.is_some(),
        "{rule}: {before:?} {text:?}"
    );
    check_pieces(&[rule], language(name), before, text);
}

fn python_line() -> impl Strategy<Value = String> {
    let indents = vec!["", "", "  ", "    ", "    ", "        ", "\t", "    \t"];
    let codes = vec![
        "x = 1",
        "y",
        "def f(x):",
        "def g(): return 1",
        "class A:",
        "if x:",
        "elif y:",
        "else:",
        "elsewhere",
        "for x in y:",
        "while x:",
        "try:",
        "except E:",
        "finally:",
        "@cache",
        "return x",
        "lambda: 0",
        "x = [",
        "x = {'a': 1,",
        "]",
        "})",
        "f(",
        "1)",
        "x = 'a#b' # c",
        "s = '''a",
        "b'''",
        "\"\"\"Doc.\"\"\"",
        "s = f\"{x}:\"",
        "'it\\'s",
        "# c",
        "# c:",
        "# c \\",
        "x = 1 + \\",
        "x = 'a\\",
        "",
        "",
        " ",
        "  # c",
        "\u{e9} = '\u{4e2d}'",
        "async def h():",
        "if x: y",
    ];
    let indent = proptest::sample::select(indents);
    let code = proptest::sample::select(codes);
    let end = proptest::sample::select(vec!["\n", "\n", "\n", "\r\n"]);
    (indent, code, end).prop_map(|(indent, code, end)| format!("{indent}{code}{end}"))
}

fn c_text() -> impl Strategy<Value = String> {
    let pieces = vec![
        "{",
        "}",
        "{ ",
        " }",
        "\n}\n",
        "(",
        ")",
        "[",
        "]",
        ";",
        ",",
        "=",
        " => ",
        "->",
        " f(x) {\n",
        "int f(int x)",
        "if (x)",
        "else",
        "for (;;) {",
        "return",
        "class A",
        "enum",
        "x",
        " y ",
        "\n",
        "\n\n",
        "// }\n",
        "/* {",
        "*/",
        "\"}\"",
        "'{'",
        "\"",
        "'",
        "\\",
        "/",
        "switch (x) {",
        "case",
        "\u{e9}",
        "#if A\n",
        "g();\n",
        "do {",
    ];
    let piece = proptest::sample::select(pieces);
    let text = proptest::collection::vec(piece, 0..18).prop_map(|pieces| pieces.concat());
    // Deeper openers are not looked for.
    text.prop_filter("too deep", |t| t.matches(['(', '[', '{']).count() < 8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn python_is_what_the_lines_say(
        before in proptest::collection::vec(python_line(), 0..6),
        begun in proptest::sample::select(vec![
            "", "", "", "    ", "        ", "\t", "x = ", "    y = 1", "f(", "    f(x, ", "if x:", "    # c", "# c", "s = '''a", "  s = 'b",
        ]),
        text in proptest::collection::vec(python_line(), 0..8),
        short in 0usize..6,
        rule in proptest::sample::select(vec![BLOCK, FUNCTION, UNINDENTED]),
    ) {
        let before = before.concat() + begun;
        let text = text.concat();
        let chars = text.chars().count();
        let text: String = text.chars().take(chars.saturating_sub(short)).collect();
        agrees("python", rule, &before, &text, python(rule, &before, &text));
    }

    #[test]
    fn brackets_are_what_their_nesting_says(
        before in c_text(),
        text in c_text(),
        rule in proptest::sample::select(vec![BLOCK, FUNCTION]),
    ) {
        agrees("c", rule, &before, &text, brackets(rule, &before, &text));
    }
}
