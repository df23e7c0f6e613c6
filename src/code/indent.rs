//! How a file is indented, and completions in the same way.

use std::borrow::Cow;
use std::iter::repeat_n;

use super::reader::Reader;
use super::scan::Kind;
use super::syntax::{Blocks, Syntax};
use crate::error::Result;
use crate::language::Language;
use crate::memory::{TryGrow, TryGrowText, try_collect};

/// The widest step of indentation that is believed, in columns.
const MAX_STEP: usize = 8;
/// Wider levels than that are taken as that, in spaces.
const MAX_WIDTH: usize = 16;
/// What indentation consists of.
const BLANKS: [char; 2] = [' ', '\t'];

/// What one level of indentation consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Indentation {
    /// A tab.
    Tabs,
    /// This many spaces, at least 1 and at most 16: other numbers count as these.
    Spaces(usize),
}

impl Indentation {
    /// How a text is indented: by tabs if more of its lines begin with one than with a space, else
    /// by as many spaces as most lines have more than the line before, where that opens a block or
    /// bracket. Without such lines, by 4 or else 2 if every indentation is a multiple of that.
    /// `None` where that does not tell either. Comments and the inside of strings do not count.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
    ///
    /// ```
    /// use codegeex::code::Indentation;
    /// use codegeex::Language;
    ///
    /// let js = Language::JAVASCRIPT;
    /// let found = Indentation::of(js, "function f() {\n  g(a,\n    b);\n")?;
    /// assert_eq!(found, Some(Indentation::Spaces(2)));
    /// assert_eq!(Indentation::of(js, "f();\n")?, None);
    /// # Ok::<(), codegeex::Error>(())
    /// ```
    pub fn of(language: Language, text: &str) -> Result<Option<Self>> {
        let lines = lines(Reader::new(language), text)?;
        let indented = |first: char| {
            let is = |l: &&Line<'_>| l.is_code && l.blanks.starts_with(first);
            lines.iter().filter(is).count()
        };
        let (tabs, spaces) = (indented('\t'), indented(' '));
        if tabs > spaces {
            return Ok(Some(Self::Tabs));
        }
        let widths = try_collect(lines.iter().map(Line::spaces))?;
        let mut counts = [0; MAX_STEP + 1];
        for step in steps(&lines, &widths)? {
            if (2..=MAX_STEP).contains(&step) {
                counts[step] += 1;
            }
        }
        let most = counts.iter().copied().max().filter(|&m| m > 0);
        let step = most.and_then(|m| counts.iter().position(|&c| c == m));
        Ok(step.or_else(|| common_unit(&lines)).map(Self::Spaces))
    }
}

/// A completion with the indentation of the file: tabs or spaces, and how many.
///
/// - Where the file has tabs, spaces become tabs, by the width of the completion's own steps, or
///   4 or else 2 if all its indentation is a multiple of that. If that is not so, it stays.
/// - Where the file has spaces, tabs become as many. If all blocks of the completion are indented
///   by the same step, and that is another, it is changed for lines deeper than the cursor's.
/// - The first line continues the cursor's. If that is blank before the cursor and the completion
///   repeats its indentation, so that its first line would be deeper than those after it without
///   anything that opens a block, the repetition goes. In languages where indentation is syntax it
///   goes from a single line as well. Where the cursor is not at a whole level and the completion
///   brings it to one, it repeats nothing.
///
/// What aligns lines with something above them, beyond whole levels, stays as spaces. Lines that
/// begin inside of a string stay as they are, as do blank ones and line ends. A second call
/// changes nothing more.
///
/// Time is linear in both texts.
///
/// # Errors
/// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
///
/// ```
/// use codegeex::code::{Indentation, reindent};
/// use codegeex::Language;
///
/// let go = Language::GO;
/// let before = "func f() {\n\tif a {\n\t\tb()\n\t}\n\t";
/// let style = Indentation::of(go, before)?.unwrap_or(Indentation::Tabs);
/// let completion = "if c {\n        d()\n    }\n";
/// assert_eq!(reindent(go, style, before, completion)?, "if c {\n\t\td()\n\t}\n");
/// # Ok::<(), codegeex::Error>(())
/// ```
pub fn reindent<'a>(
    language: Language,
    style: Indentation,
    before: &str,
    completion: &'a str,
) -> Result<Cow<'a, str>> {
    let mut reader = Reader::new(language);
    reader.read(before, &mut |_, _| {});
    let at_cursor = reader.finished()?;
    let mut lines = lines(reader, completion)?;
    let line = before.rsplit('\n').next().unwrap_or_default();
    let indentation = &line[..line.len() - line.trim_start_matches(BLANKS).len()];
    let tab = match style {
        Indentation::Tabs => 4,
        Indentation::Spaces(width) => width.clamp(1, MAX_WIDTH),
    };
    let cursor = width(indentation, 0, tab);
    if repeats_indentation(language, &at_cursor, cursor, &lines, tab) {
        lines[0].blanks = "";
    }
    let new = match style {
        Indentation::Tabs => to_tabs(&lines, indentation.is_empty())?,
        Indentation::Spaces(_) => to_spaces(&lines, cursor, tab)?,
    };
    let mut out = String::new();
    for (line, new) in lines.iter().zip(new) {
        let stays = line.is_text || line.is_blank && line.is_ended;
        match new.filter(|_| !stays) {
            Some(new) => {
                out.try_reserve(new.tabs + new.spaces)?;
                out.extend(repeat_n('\t', new.tabs));
                out.extend(repeat_n(' ', new.spaces));
            }
            None => out.try_push_str(line.blanks)?,
        }
        out.try_push_str(line.rest)?;
    }
    Ok(match out == completion {
        true => Cow::Borrowed(completion),
        false => Cow::Owned(out),
    })
}

/// A line of text.
struct Line<'a> {
    /// The spaces and tabs that it begins with.
    blanks: &'a str,
    /// The rest, with its end.
    rest: &'a str,
    is_blank: bool,
    /// Whether a line break follows.
    is_ended: bool,
    /// Whether the blanks belong to a string, or to what stands before them on the line.
    is_text: bool,
    /// Whether it begins with code.
    is_code: bool,
    /// Whether it begins inside of a bracket that delimits no block, which may align it.
    is_aligned: bool,
    /// Whether a block or bracket is opened at its end.
    opens: bool,
}

impl Line<'_> {
    /// How many spaces it begins with, if that is its indentation and has no tab.
    fn spaces(&self) -> Option<usize> {
        (!self.is_text && !self.blanks.contains('\t')).then_some(self.blanks.len())
    }
}

/// What a line shall begin with.
#[derive(Debug, Clone, Copy)]
struct Blanks {
    tabs: usize,
    spaces: usize,
}

/// The lines of a text, at least one.
fn lines(mut reader: Reader, text: &str) -> Result<Vec<Line<'_>>> {
    let mut lines = Vec::new();
    let mut rest = text;
    let at_cursor = reader.finished()?;
    let mut inside = at_cursor.inside();
    let mut is_aligned = is_aligned(&at_cursor);
    let mut is_text = !at_cursor.is_blank || inside == Kind::String;
    while !rest.is_empty() || lines.is_empty() {
        let len = rest.find('\n').map_or(rest.len(), |at| at + 1);
        let (line, next) = rest.split_at(len);
        let mut is_comment = inside == Kind::Comment;
        let mut has_code = lines.is_empty() && is_text;
        reader.read(line, &mut |_, piece| {
            is_comment |= piece.kind == Kind::Comment && !has_code;
            has_code |= piece.is_code();
        });
        let body = line.trim_start_matches(BLANKS);
        let is_blank = body.trim().is_empty();
        lines.try_push(Line {
            blanks: &line[..line.len() - body.len()],
            rest: body,
            is_blank,
            is_ended: line.ends_with('\n'),
            is_text,
            is_code: !is_text && !is_comment && !is_blank,
            is_aligned,
            opens: has_code && reader.last_opens(),
        })?;
        inside = reader.inside();
        is_aligned = self::is_aligned(&reader);
        is_text = inside == Kind::String;
        rest = next;
    }
    reader.check()?;
    Ok(lines)
}

fn is_aligned(reader: &Reader) -> bool {
    let inner = reader.open.last();
    inner.is_some_and(|o| !o.is_block && matches!(o.bracket, Some('(' | '[')))
}

/// The column after blanks that begin at a column, with a stop every `tab` columns.
fn width(blanks: &str, from: usize, tab: usize) -> usize {
    blanks.chars().fold(from, |column, c| match c {
        '\t' => (column / tab + 1) * tab,
        _ => column + 1,
    })
}

/// How much deeper lines are than the line before them that opens a block or bracket.
fn steps(lines: &[Line<'_>], widths: &[Option<usize>]) -> Result<Vec<usize>> {
    let mut steps = Vec::new();
    let mut above = None;
    for (i, (line, &width)) in lines.iter().zip(widths).enumerate() {
        // What the first line continues counts as code.
        let is_code = line.is_code || i == 0 && line.is_text && width.is_some();
        if let (true, Some(above), Some(width)) = (line.is_code, above, width)
            && width > above
        {
            steps.try_push(width - above)?;
        }
        if is_code || line.is_text {
            above = width.filter(|_| line.opens);
        }
    }
    Ok(steps)
}

/// The one step that all are, if it can be one level.
fn uniform(steps: &[usize]) -> Option<usize> {
    let &first = steps.first()?;
    let is_uniform = steps.iter().all(|&s| s == first);
    (is_uniform && (2..=MAX_STEP).contains(&first)).then_some(first)
}

/// The indentations by spaces that are whole levels.
fn levels<'a>(lines: &'a [Line<'_>]) -> impl Iterator<Item = usize> + 'a {
    let regular = lines.iter().filter(|l| l.is_code && !l.is_aligned);
    regular.filter_map(Line::spaces).filter(|&n| n > 0)
}

/// 4 or else 2, if there are indentations and all are multiples of it.
fn common_unit(lines: &[Line<'_>]) -> Option<usize> {
    levels(lines).next()?;
    [4, 2]
        .into_iter()
        .find(|unit| levels(lines).all(|n| n % unit == 0))
}

fn to_tabs(lines: &[Line<'_>], is_at_margin: bool) -> Result<Vec<Option<Blanks>>> {
    let mut widths = try_collect(lines.iter().map(Line::spaces))?;
    widths[0] = match (is_at_margin, lines[0].is_text) {
        (false, _) => None,
        (true, true) => Some(0),
        (true, false) => widths[0],
    };
    let unit = uniform(&steps(lines, &widths)?).or_else(|| common_unit(lines));
    let unit = unit.filter(|unit| levels(lines).all(|n| n % unit == 0));
    let has_levels = levels(lines).next().is_some();
    let blanks = |line: &Line<'_>| {
        let (unit, spaces) = (unit.filter(|_| has_levels)?, line.spaces()?);
        Some(Blanks {
            tabs: spaces / unit,
            spaces: spaces % unit,
        })
    };
    Ok(try_collect(lines.iter().map(blanks))?)
}

fn to_spaces(lines: &[Line<'_>], cursor: usize, unit: usize) -> Result<Vec<Option<Blanks>>> {
    let indent = |l: &Line<'_>| (!l.is_text).then(|| width(l.blanks, 0, unit));
    let mut widths = try_collect(lines.iter().map(indent))?;
    // The first line goes on at the cursor.
    widths[0] = Some(match lines[0].is_text {
        true => cursor,
        false => width(lines[0].blanks, cursor, unit),
    });
    if let Some(step) = uniform(&steps(lines, &widths)?).filter(|&step| step != unit) {
        let scaled = |width: usize| match width.checked_sub(cursor) {
            Some(deeper) => cursor + deeper / step * unit + deeper % step,
            None => width,
        };
        let scaled = try_collect(widths.iter().map(|w| w.map(scaled)))?;
        if steps(lines, &scaled)?.iter().all(|&step| step == unit) {
            widths = scaled;
        }
    }
    widths[0] = widths[0].map(|w| w - cursor);
    let blanks = |w: Option<usize>| w.map(|spaces| Blanks { tabs: 0, spaces });
    Ok(try_collect(widths.into_iter().map(blanks))?)
}

/// Whether the first line of a completion begins with the indentation that is there already.
fn repeats_indentation(
    language: Language,
    at_cursor: &Reader,
    cursor: usize,
    lines: &[Line<'_>],
    tab: usize,
) -> bool {
    let (first, others) = (&lines[0], &lines[1..]);
    let may_be_deeper = (at_cursor.last_opens() || at_cursor.last.has_opened)
        && at_cursor.indent <= at_cursor.last.indent;
    if cursor == 0 || !first.is_code || first.is_aligned || first.blanks.is_empty() || may_be_deeper
    {
        return false;
    }
    // Who has typed a part of a level is given the rest of it.
    if !cursor.is_multiple_of(tab) && width(first.blanks, cursor, tab).is_multiple_of(tab) {
        return false;
    }
    match others.iter().find(|l| l.is_code && !l.is_aligned) {
        Some(next) => {
            let deeper = width(next.blanks, 0, tab) + usize::from(!first.opens);
            deeper <= width(first.blanks, cursor, tab)
        }
        None => matches!(Syntax::of(language).blocks, Blocks::Indentation { .. }),
    }
}

#[cfg(test)]
mod tests;
