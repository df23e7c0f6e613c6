//! What of a completion follows the cursor already.

use std::cmp::Reverse;
use std::ops::Range;

use super::reader::{Bracket, Piece, Reader};
use super::scan::Kind;
use crate::error::Result;
use crate::language::Language;
use crate::memory::{TryGrow, try_collect, try_filled};

/// How many brackets around the cursor and after it are compared.
const MAX_PAIRS: usize = 32;
/// How many overlaps of the end with the text after the cursor are tried, longest first.
const MAX_OVERLAPS: usize = 64;

/// The part of a completion that does not follow the cursor already. It is cut, never changed
/// inside, at the first of these:
///
/// - where it closes a bracket, block or string that the text after the cursor closes, as the
///   closers that editors insert while typing. Which these are is told by their kinds and, for a
///   closer that begins a line, by the indentation of the line that opened it. So the completion
///   may close what was left open: of `))`, one `)` stays in `f(g(▮)`.
/// - where a line begins that is the next line of text after the cursor, unless that consists of
///   closers only;
/// - where its end is what follows the cursor: `;`, `, b)`, a line and a half. Never within a word,
///   and never so that a bracket or string that the completion opened would lose its closer.
///
/// White space goes that would stand before a line break or double a space.
///
/// `before` and `after` should go as far as they are known; the text after the cursor is read with
/// the syntax of the language, from the state that the cursor is in. If the completion is indented
/// in another way than the text, [`reindent`](super::reindent) it first.
///
/// Time is linear in all three texts.
///
/// # Errors
/// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
///
/// ```
/// use codegeex::code::without_overlap;
/// use codegeex::Language;
///
/// let python = Language::PYTHON;
/// let cut = |before, completion, after| without_overlap(python, before, completion, after);
/// assert_eq!(cut("print(len(", "x))", "))\n")?, "x");
/// assert_eq!(cut("print(len(", "x))", ")\n")?, "x)");
/// assert_eq!(cut("print(", "(1, 2)", ")\n")?, "(1, 2)");
/// assert_eq!(cut("a = [\"", "x\"]\nb = 2\n", "\"]\n")?, "x");
/// assert_eq!(cut("a = 1\n", "b = 2\nc = 3\n", "\nc = 3\n")?, "b = 2");
/// # Ok::<(), codegeex::Error>(())
/// ```
pub fn without_overlap<'a>(
    language: Language,
    before: &str,
    completion: &'a str,
    after: &str,
) -> Result<&'a str> {
    let mut reader = Reader::new(language);
    reader.read(before, &mut |_, _| {});
    let at_cursor = reader.finished()?;
    let outline = Outline::new(reader, before.len(), completion)?;
    let line = before.rsplit('\n').next().unwrap_or_default();
    let mut end = outline.closed_again(&at_cursor, language, after)?;
    let end_of_lines = outline.line_again(line, completion, after);
    end = end.min(end_of_lines);
    let overlaps = overlaps(completion, after)?;
    loop {
        let shorter = outline.end_again(completion, after, &overlaps, end);
        let shorter = end_of_white_space(&completion[..shorter], after);
        // What is left may have become the line that follows.
        let shorter = shorter.min(outline.last_line_again(line, &completion[..shorter], after));
        if shorter == end {
            return Ok(&completion[..end]);
        }
        end = shorter;
    }
}

/// A closer without an opener of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unmatched {
    closes: Closes,
    /// The indentation of its line, if it begins that.
    indent: Option<usize>,
    /// Where it begins.
    at: usize,
    /// How many of those that were open at the cursor are left, as the scanner has it.
    left: usize,
}

/// What a closer closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closes {
    Bracket(char),
    /// A block that a word opened.
    Word,
    /// The string or comment that the cursor is in.
    Text,
}

impl Closes {
    fn of(piece: &Piece) -> Self {
        match piece.first {
            ')' => Self::Bracket('('),
            ']' => Self::Bracket('['),
            '}' => Self::Bracket('{'),
            _ => Self::Word,
        }
    }

    fn fits(self, open: &Bracket) -> bool {
        match self {
            Self::Bracket(c) => open.bracket == Some(c),
            Self::Word => open.bracket.is_none(),
            Self::Text => false,
        }
    }
}

/// The state after every byte of a completion, and the closers in it that close what was open
/// before.
struct Outline {
    unmatched: Vec<Unmatched>,
    depth: Vec<usize>,
    in_text: Vec<bool>,
    /// Whether the position is inside of a token, as between the quotes of `"""`.
    in_token: Vec<bool>,
    /// The next position where less is open than at this one.
    next_lower: Vec<usize>,
    /// The next position in code.
    next_code: Vec<usize>,
}

impl Outline {
    fn new(mut reader: Reader, cursor: usize, completion: &str) -> Result<Self> {
        let at_cursor = reader.finished()?;
        let len = completion.len();
        let mut depth = try_filled(at_cursor.open.len(), len + 1)?;
        let mut in_text = try_filled(at_cursor.inside() != Kind::Symbol, len + 1)?;
        let mut in_token = try_filled(false, len + 1)?;
        let mut is_enclosed = is_enclosed(&at_cursor)?;
        let mut least = at_cursor.open.len();
        let mut unmatched = Vec::new();
        let mut refused = None;
        let mut take = |_: &Reader, piece: &Piece| {
            if piece.at.end <= cursor {
                return;
            }
            let at = piece.at.start.saturating_sub(cursor);
            let end = piece.at.end - cursor;
            depth[at + 1..=end].fill(piece.depth);
            in_text[at + 1..=end].fill(piece.inside != Kind::Symbol);
            // One that began before the cursor, as a character literal, may end after it.
            in_token[at + 1..end].fill(piece.at.start >= cursor);
            let mut push = |closes, left| {
                let closer = Unmatched {
                    closes,
                    indent: None,
                    at,
                    left,
                };
                refused = refused.take().or(unmatched.try_push(closer).err());
            };
            if is_enclosed && piece.inside == Kind::Symbol && piece.depth <= least {
                is_enclosed = false;
                if !piece.ends_line {
                    push(Closes::Text, least);
                }
            } else if piece.kind == Kind::Stray || piece.depth < least {
                push(Closes::of(piece), piece.depth);
            }
            least = least.min(piece.depth);
        };
        reader.read(completion, &mut take);
        reader.finish(&mut take);
        reader.check()?;
        if let Some(refused) = refused {
            return Err(refused.into());
        }
        let is_text = try_collect(in_text.iter().map(|&t| usize::from(t)))?;
        Ok(Self {
            unmatched,
            next_lower: next_lower(&depth)?,
            next_code: next_lower(&is_text)?,
            depth,
            in_text,
            in_token,
        })
    }

    /// Where the completion closes what the text after the cursor closes.
    fn closed_again(&self, at_cursor: &Reader, language: Language, after: &str) -> Result<usize> {
        let len = self.depth.len() - 1;
        let closers = closers_after(at_cursor, language, after)?;
        let Some(first) = closers.first() else {
            return Ok(len);
        };
        let is_enclosed = is_enclosed(at_cursor)?;
        let open = at_cursor.open.len() + usize::from(is_enclosed);
        // How many of those open at the cursor nothing closes yet: with as many left out, the
        // closers fit best.
        let fit = |skipped: usize, with_indent: bool| {
            let pairs = closers.iter().zip(skipped..open);
            let fits = |(closer, i): (&Unmatched, usize)| {
                if i == 0 && is_enclosed {
                    return closer.closes == Closes::Text;
                }
                let open = &at_cursor.open[open - 1 - i];
                let same_indent = closer.indent.is_none_or(|n| n == open.indent);
                closer.closes.fits(open) && (same_indent || !with_indent)
            };
            pairs.take_while(|&pair| fits(pair)).count()
        };
        // Of equals, the one by which nothing stays open at the end, or the fewest left out.
        let missing = open.checked_sub(closers.len());
        let best = |with_indent| {
            let fits = (0..open.min(MAX_PAIRS)).map(|g| (fit(g, with_indent), g));
            fits.filter(|f| f.0 > 0)
                .max_by_key(|&(n, g)| (n, missing == Some(g), Reverse(g)))
        };
        let best = best(true).or_else(|| best(false));
        let mut text_is_open = is_enclosed;
        for closer in &self.unmatched {
            text_is_open &= closer.closes != Closes::Text;
            let left = closer.left + usize::from(text_is_open);
            let again = match best {
                Some((_, skipped)) if left < open => open - left > skipped,
                _ => closer.closes == first.closes,
            };
            if again {
                return Ok(closer.at);
            }
        }
        Ok(len)
    }

    /// Where a line ends before the one that comes next after the cursor.
    fn line_again(&self, line: &str, completion: &str, after: &str) -> usize {
        let Some(next) = next_line(after) else {
            return completion.len();
        };
        if is_cursor_line(line, completion.lines().next().unwrap_or(""), next, after) {
            return 0;
        }
        let mut least = self.depth[0];
        let mut counted = 0;
        for (newline, _) in completion.match_indices('\n') {
            let start = newline + 1;
            least = self.depth[counted..=start]
                .iter()
                .fold(least, |l, &d| l.min(d));
            counted = start;
            let text = &completion[start..];
            let is_next = text
                .strip_prefix(next)
                .is_some_and(|rest| rest.split('\n').next().unwrap_or("").trim().is_empty());
            if is_next && self.depth[start] <= least && !self.in_text[start] {
                return completion[..newline].trim_end_matches('\r').len();
            }
        }
        completion.len()
    }

    /// The same for the last line alone.
    fn last_line_again(&self, line: &str, completion: &str, after: &str) -> usize {
        let Some(next) = next_line(after) else {
            return completion.len();
        };
        let Some(rest) = completion.trim_end().strip_suffix(next) else {
            let first = completion.len() <= next.len() && !completion.contains('\n');
            let is_again = first && is_cursor_line(line, completion, next, after);
            return if is_again { 0 } else { completion.len() };
        };
        if !rest.is_empty() && !rest.ends_with('\n') {
            return completion.len();
        }
        self.line_again(line, completion, after)
    }

    /// Where the end begins that is the beginning of the text after the cursor.
    fn end_again(&self, completion: &str, after: &str, overlaps: &Overlaps, end: usize) -> usize {
        let mut len = overlaps.longest[end];
        for _ in 0..MAX_OVERLAPS {
            if len == 0 {
                break;
            }
            let start = end - len;
            let (kept, again) = (&completion[..start], &completion[start..end]);
            let is_whole = !self.in_token[start]
                && !between_words(kept, again)
                && !between_words(again, &after[len..]);
            let is_balanced = self.next_lower[start] > end
                && (!self.in_text[start] || self.next_code[start] > end);
            if is_whole && is_balanced && !again.trim_start().is_empty() {
                return start;
            }
            len = overlaps.shorter[len];
        }
        end
    }
}

/// Whether the end of `a` and the beginning of `b` are one word.
fn between_words(a: &str, b: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    is_word(a.chars().next_back()) && is_word(b.chars().next())
}

/// The next line after the cursor's that is not blank, if it has more than closers and the like.
fn next_line(after: &str) -> Option<&str> {
    let (_, rest) = after.split_once('\n')?;
    let line = rest.split('\n').find(|l| !l.trim().is_empty())?.trim_end();
    line.contains(char::is_alphanumeric).then_some(line)
}

/// Whether the cursor's line, blank but for the completion, would be the next one again.
fn is_cursor_line(line: &str, first: &str, next: &str, after: &str) -> bool {
    let is_alone =
        line.trim().is_empty() && after.split('\n').next().unwrap_or("").trim().is_empty();
    is_alone && next.strip_prefix(line) == Some(first.trim_end())
}

/// Whether the cursor is in a string or in a comment that does not end with the line.
fn is_enclosed(at_cursor: &Reader) -> Result<bool> {
    match at_cursor.inside() {
        Kind::String => Ok(true),
        Kind::Comment => spans_lines(at_cursor),
        _ => Ok(false),
    }
}

fn spans_lines(at_cursor: &Reader) -> Result<bool> {
    let mut reader = at_cursor.try_clone()?;
    reader.read("\n", &mut |_, _| {});
    Ok(reader.inside() == at_cursor.inside())
}

/// The first closers after the cursor that have no opener there.
fn closers_after(at_cursor: &Reader, language: Language, after: &str) -> Result<Vec<Unmatched>> {
    let mut closers = Vec::new();
    let mut start = 0;
    if is_enclosed(at_cursor)? {
        if let Some(close) = text_closer(at_cursor, after)? {
            start = close.end;
            closers.push(Unmatched {
                closes: Closes::Text,
                indent: None,
                at: close.start,
                left: 0,
            });
        }
    } else if at_cursor.inside() == Kind::Comment {
        start = after.find('\n').unwrap_or(after.len());
    }
    let mut is_cursor_line = !after[..start].contains('\n');
    let mut take = |_: &Reader, piece: &Piece| {
        if piece.kind == Kind::Stray && closers.len() < MAX_PAIRS {
            closers.push(Unmatched {
                closes: Closes::of(piece),
                indent: (piece.is_first && !is_cursor_line).then_some(piece.indent),
                at: start + piece.at.start,
                left: 0,
            });
        }
        is_cursor_line &= !piece.ends_line;
    };
    let mut reader = Reader::new(language);
    reader.read(&after[start..], &mut take);
    reader.finish(&mut take);
    reader.check()?;
    Ok(closers)
}

/// The delimiter that closes the string or comment that the cursor is in, if what follows is
/// better read so than as code: if a string that cannot span lines would else end with its line,
/// it has not been closed yet.
fn text_closer(at_cursor: &Reader, after: &str) -> Result<Option<Range<usize>>> {
    let mut reader = at_cursor.try_clone()?;
    let depth = reader.open.len();
    let spans_lines = spans_lines(at_cursor)?;
    let line = match spans_lines {
        true => after,
        false => after.split('\n').next().unwrap_or(""),
    };
    let mut start = None;
    let mut found = None;
    let mut take = |_: &Reader, piece: &Piece| {
        let from = *start.get_or_insert(piece.at.start);
        let closes = matches!(piece.kind, Kind::String | Kind::Comment)
            && piece.inside == Kind::Symbol
            && piece.depth <= depth;
        if found.is_none() && closes {
            found = Some(piece.at.start - from..piece.at.end - from);
        }
    };
    reader.read(line, &mut take);
    reader.finish(&mut take);
    reader.check()?;
    Ok(found.filter(|_| spans_lines || reader.inside() != Kind::String))
}

/// Where the white space at the end begins that the text after the cursor makes superfluous.
fn end_of_white_space(text: &str, after: &str) -> usize {
    let (line, is_ended) = match after.split_once('\n') {
        Some((line, _)) => (line, true),
        None => (after, false),
    };
    if is_ended && line.trim().is_empty() {
        return text.trim_end().len();
    }
    let trimmed = text.trim_end_matches([' ', '\t']);
    let is_indentation = trimmed.is_empty() || trimmed.ends_with('\n');
    match after.starts_with([' ', '\t']) && !is_indentation {
        true => trimmed.len(),
        false => text.len(),
    }
}

/// The beginnings of a text that end at each byte of another.
struct Overlaps {
    /// The longest, in bytes.
    longest: Vec<usize>,
    /// For each length, the next shorter one that ends in the same place.
    shorter: Vec<usize>,
}

/// Knuth, Morris and Pratt's search for `after` in `completion`, with all its states.
fn overlaps(completion: &str, after: &str) -> Result<Overlaps> {
    let (text, after) = (completion.as_bytes(), after.as_bytes());
    let after = &after[..after.len().min(text.len())];
    let mut shorter = try_filled(0, after.len() + 1)?;
    let mut len = 0;
    for i in 1..after.len() {
        while len > 0 && after[len] != after[i] {
            len = shorter[len];
        }
        len += usize::from(after[len] == after[i]);
        shorter[i + 1] = len;
    }
    let mut longest = try_filled(0, text.len() + 1)?;
    len = 0;
    for (i, &byte) in text.iter().enumerate() {
        while len > 0 && after.get(len) != Some(&byte) {
            len = shorter[len];
        }
        len += usize::from(!after.is_empty() && after.get(len) == Some(&byte));
        longest[i + 1] = len;
    }
    Ok(Overlaps { longest, shorter })
}

/// For each position, the next one with a smaller value; past the end without one.
fn next_lower(values: &[usize]) -> Result<Vec<usize>> {
    let mut next = try_filled(values.len(), values.len())?;
    let mut waiting: Vec<usize> = Vec::new();
    for (i, &value) in values.iter().enumerate() {
        while let Some(&last) = waiting.last()
            && value < values[last]
        {
            next[last] = i;
            waiting.pop();
        }
        waiting.try_push(i)?;
    }
    Ok(next)
}

#[cfg(test)]
mod tests;
