//! Prompt templates: text with places for the code that a user selected.
//!
//! | placeholder | stands for |
//! |---|---|
//! | `<INPUT>` | the whole input |
//! | `<INPUT:a>` | its lines from line a to the end |
//! | `<INPUT:a,b>` | its lines from line a up to, but without, line b |
//!
//! Lines are numbered from 0 and split at `\n`, so that an input that ends with a line break has
//! an empty last line. A negative number counts from the end: -1 is the last line. Numbers beyond
//! the input mean its ends, and a range that ends before it begins is empty. Lines are joined with
//! `\n`, without one after the last. This is how the CodeGeeX extension for VS Code reads the
//! same placeholders.
//!
//! Everything else is text as it stands, `<input>` too; only what begins with `<INPUT` has to be
//! a placeholder. What is put in is not looked at again: an input that contains `<INPUT>` keeps
//! it. There is no logic, no escaping, and no other variable.

use crate::error::{Result, bail};
use crate::memory::{TryGrow, try_collect};

/// Most bytes of a template, of an input, and of what they make together: far more than a prompt
/// can have, and little enough for templates of strangers.
pub const MAX_TEMPLATE_BYTES: usize = 4 << 20;

const OPENING: &str = "<INPUT";

/// A template, read once and expanded any number of times.
///
/// ```
/// use codegeex::prompt::Template;
///
/// let template = Template::parse("<INPUT>\n\n# Shorter:\n<INPUT:0,1>")?;
/// let prompt = template.expand("def f():\n    return 1")?;
/// assert_eq!(prompt, "def f():\n    return 1\n\n# Shorter:\ndef f():");
/// # Ok::<(), codegeex::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template<'a> {
    parts: Vec<Part<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    /// Lines from the first number up to the second or to the end.
    Lines(i64, Option<i64>),
}

impl<'a> Template<'a> {
    /// Reads a template.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a placeholder that is none of
    /// those above, with the placeholder and its line; for a template without any; and for one
    /// longer than [`MAX_TEMPLATE_BYTES`].
    pub fn parse(text: &'a str) -> Result<Self> {
        check_size("the template", text.len())?;
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(OPENING) {
            let (before, from) = rest.split_at(at);
            let Some((part, length)) = placeholder(from) else {
                let shown: String = from.chars().take_while(|c| *c != '\n').take(24).collect();
                let shown = match shown.find('>') {
                    Some(end) => &shown[..=end],
                    None => &shown,
                };
                let line = text[..text.len() - from.len()].matches('\n').count() + 1;
                bail!(
                    InvalidArgument,
                    "line {line} of the template has {shown:?}; placeholders are <INPUT>, \
                     <INPUT:a> and <INPUT:a,b> with whole numbers"
                );
            };
            if !before.is_empty() {
                parts.try_push(Part::Text(before))?;
            }
            parts.try_push(part)?;
            rest = &from[length..];
        }
        if parts.is_empty() {
            bail!(
                InvalidArgument,
                "the template has no place for the input; it needs an <INPUT>"
            );
        }
        if !rest.is_empty() {
            parts.try_push(Part::Text(rest))?;
        }
        Ok(Self { parts })
    }

    /// Puts the input into its places.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for an input or a result longer
    /// than [`MAX_TEMPLATE_BYTES`].
    pub fn expand(&self, input: &str) -> Result<String> {
        check_size("the input", input.len())?;
        let lines = Lines::new(input)?;
        let pieces = || {
            self.parts.iter().map(|part| match *part {
                Part::Text(text) => text,
                Part::Lines(from, to) => lines.range(from, to),
            })
        };
        let mut total = 0usize;
        for piece in pieces() {
            total = total.saturating_add(piece.len());
        }
        check_size("what the template makes of the input", total)?;
        let mut prompt = String::new();
        prompt.try_reserve_exact(total)?;
        prompt.extend(pieces());
        Ok(prompt)
    }
}

fn check_size(what: &str, bytes: usize) -> Result<()> {
    if bytes > MAX_TEMPLATE_BYTES {
        bail!(
            InvalidArgument,
            "{what} has {bytes} bytes, expected {MAX_TEMPLATE_BYTES} at most"
        );
    }
    Ok(())
}

/// The placeholder at the start of a text and its length, if it is one.
fn placeholder(text: &str) -> Option<(Part<'_>, usize)> {
    let rest = text.strip_prefix(OPENING)?;
    let (inside, after) = rest.split_once('>')?;
    let length = text.len() - after.len();
    if inside.is_empty() {
        return Some((Part::Lines(0, None), length));
    }
    let number = |text: &str| text.trim_matches(' ').parse::<i64>().ok();
    let range = inside.strip_prefix(':')?;
    let (from, to) = match range.split_once(',') {
        Some((from, to)) => (number(from)?, Some(number(to)?)),
        None => (number(range)?, None),
    };
    Some((Part::Lines(from, to), length))
}

/// A text and where its lines begin.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Result<Self> {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Ok(Self {
            text,
            starts: try_collect(std::iter::once(0).chain(breaks))?,
        })
    }

    fn range(&self, from: i64, to: Option<i64>) -> &'a str {
        let index = |i: i64| {
            let size = i.unsigned_abs().min(self.starts.len() as u64) as usize;
            if i < 0 {
                self.starts.len() - size
            } else {
                size
            }
        };
        let (from, to) = (index(from), to.map_or(self.starts.len(), index));
        if from >= to {
            return "";
        }
        match self.starts.get(to) {
            // Without the line break before the next line.
            Some(next) => &self.text[self.starts[from]..next - 1],
            None => &self.text[self.starts[from]..],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use proptest::prelude::*;

    fn expand(template: &str, input: &str) -> String {
        Template::parse(template).unwrap().expand(input).unwrap()
    }

    #[test]
    fn lines_are_those_of_a_slice() {
        let input = "a\nb\nc\nd";
        for (template, expected) in [
            ("<INPUT>", input),
            ("x<INPUT>y\n<INPUT>", "xa\nb\nc\ndy\na\nb\nc\nd"),
            ("<INPUT:0>", input),
            ("<INPUT:2>", "c\nd"),
            ("<INPUT:9>", ""),
            ("<INPUT:0,1>|", "a|"),
            ("<INPUT:1,3>|", "b\nc|"),
            ("<INPUT:1,99>", "b\nc\nd"),
            ("<INPUT:3,1>|", "|"),
            ("<INPUT:2,2>|", "|"),
            ("<INPUT:-1>", "d"),
            ("<INPUT:0,-1>", "a\nb\nc"),
            ("<INPUT:-99,-3>", "a"),
            ("<INPUT: 1 , 2 >", "b"),
            ("<INPUT:-9223372036854775808,9223372036854775807>", input),
            ("<input> <INPU <<INPUT:0,1>>", "<input> <INPU <a>"),
        ] {
            assert_eq!(expand(template, input), expected, "{template}");
        }
        assert_eq!(expand("<INPUT:1>|", "a\n"), "|");
        assert_eq!(expand("<INPUT:0,1>|", "a\r\nb"), "a\r|");
        assert_eq!(expand("<INPUT:0,1>|", ""), "|");
    }

    #[test]
    fn what_is_put_in_is_not_expanded() {
        assert_eq!(
            expand("<INPUT>,<INPUT:0,1>", "<INPUT:1>\n<INPUT"),
            "<INPUT:1>\n<INPUT,<INPUT:1>"
        );
    }

    #[test]
    fn a_bad_placeholder_is_shown_with_its_line() {
        for bad in [
            "<INPUT0:1>",
            "<INPUT:>",
            "<INPUT:x>",
            "<INPUT:0,>",
            "<INPUT:,1>",
            "<INPUT:0,1,2>",
            "<INPUT:0:1>",
            "<INPUT:1.5>",
            "<INPUT:99999999999999999999>",
            "<INPUT >",
            "<INPUTS>",
        ] {
            let text = format!("<INPUT>\né{bad} more");
            let error = Template::parse(&text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            let message = error.to_string();
            let shown: String = bad.chars().take(24).collect();
            assert!(message.contains(&format!("{shown:?}")), "{message}");
            assert!(message.contains("line 2"), "{message}");
        }
        for bad in [
            "<INPUT",
            "a <INPUT:0,1\n>",
            "<INPUT:éééééééééééééééééééééééééé",
        ] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
        for none in ["", "no place", "<input>"] {
            let error = Template::parse(none).unwrap_err();
            assert!(error.to_string().contains("<INPUT>"), "{error}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let refused = |template: &str, input: &str, part: &str| {
            let error = Template::parse(template)
                .and_then(|t| t.expand(input))
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains(part), "{error}");
        };
        let large = "x\n".repeat(MAX_TEMPLATE_BYTES / 2);
        assert_eq!(expand("<INPUT>", &large).len(), MAX_TEMPLATE_BYTES);
        refused("<INPUT> ", &large, "makes of the input");
        refused("<INPUT>", &format!("{large}x"), "the input has");
        refused(&format!("{large}x"), "", "the template has");
        let many = "<INPUT>".repeat(500_000);
        refused(&many, &large, "makes of the input");
        // Places that cost no text cost no time either.
        let many = "<INPUT:1,1>".repeat(300_000);
        assert_eq!(expand(&many, &large), "");
    }

    /// One character after the other, as the documentation has it.
    fn slow(template: &str, input: &str) -> Option<String> {
        let lines: Vec<&str> = input.split('\n').collect();
        let (mut out, mut rest, mut places) = (String::new(), template, 0);
        while let Some(c) = rest.chars().next() {
            if !rest.starts_with("<INPUT") {
                out.push(c);
                rest = &rest[c.len_utf8()..];
                continue;
            }
            places += 1;
            let end = rest.find('>')?;
            let inside = &rest[6..end];
            rest = &rest[end + 1..];
            let numbers: Vec<i64> = match inside.strip_prefix(':') {
                Some(numbers) => numbers
                    .split(',')
                    .map(|n| n.parse().ok())
                    .collect::<Option<_>>()?,
                None if inside.is_empty() => vec![0],
                None => return None,
            };
            let n = lines.len() as i64;
            let at = |i: i64| if i < 0 { (n + i).max(0) } else { i.min(n) } as usize;
            let (from, to) = match numbers[..] {
                [from] => (at(from), lines.len()),
                [from, to] => (at(from), at(to)),
                _ => return None,
            };
            out += &lines[from..to.max(from)].join("\n");
        }
        (places > 0).then_some(out)
    }

    proptest! {
        #[test]
        fn it_equals_the_slow_way(
            template in proptest::collection::vec("<INPUT>|<INPUT:-?[0-4]>|<INPUT:-?[0-4],-?[0-4]>|<INP|>|[a\n\u{e9}]{1,3}|<INPUT:|:1", 0..6),
            input in "[a\n\u{e9}]{0,12}",
        ) {
            let template = template.concat();
            let found = Template::parse(&template).and_then(|t| t.expand(&input)).ok();
            prop_assert_eq!(found, slow(&template, &input));
        }
    }
}
