//! What of a completion lies in the scope that the cursor is in.

use super::reader::{Piece, Reader};
use super::scan::Kind;
use super::syntax::{Blocks, Syntax};
use crate::error::Result;
use crate::language::Language;

/// The part of a completion that lies in the scope of the cursor. What leaves it goes, white
/// space before that included; where nothing leaves it, the completion stays as it is.
///
/// The scope is the block that the cursor is in. If there is code before the cursor on its line,
/// and that line, completed, opens a block, it is that block: who types `def f(` or `if (` wants
/// what belongs to it and not what comes after it.
///
/// - Blocks of brackets or words end with their closer, which stays, with the brackets and the
///   `;` or `,` that follow it directly: [`without_overlap`](super::without_overlap) takes away
///   what the editor has closed already.
/// - Blocks by indentation end at the first line of code with less of it. Lines inside of
///   brackets or strings, and comments, end nothing. In languages whose blocks cannot be told
///   ([`Blocks::None`]) it is the same.
///
/// Indentation is compared in columns, a tab reaching to the next multiple of 8: if the completion
/// is indented in another way than the text before it, [`reindent`](super::reindent) first.
///
/// Time is linear in both texts.
///
/// # Errors
/// [`OutOfMemory`](crate::ErrorKind::OutOfMemory).
///
/// ```
/// use codegeex::code::cut_at_scope;
/// use codegeex::Language;
///
/// let python = Language::PYTHON;
/// let before = "class A:\n    def f(self):\n        ";
/// let completion = "return 1\n\n    def g(self):\n        return 2\n";
/// assert_eq!(cut_at_scope(python, before, completion)?, "return 1");
///
/// let rust = Language::RUST;
/// let completion = "1 }\n\nfn g() -> u8 { 2 }\n";
/// assert_eq!(cut_at_scope(rust, "fn f() -> u8 { ", completion)?, "1 }");
/// # Ok::<(), codegeex::Error>(())
/// ```
pub fn cut_at_scope<'a>(language: Language, before: &str, completion: &'a str) -> Result<&'a str> {
    let mut reader = Reader::new(language);
    reader.read(before, &mut |_, _| {});
    let end = match Syntax::of(language).blocks {
        Blocks::Brackets(_) | Blocks::Keywords { .. } => {
            by_closers(reader, before.len(), completion)?
        }
        Blocks::Indentation { continuations, .. } => {
            let may_continue = |word: &str| continuations.iter().any(|(_, c)| c.contains(&word));
            by_indentation(reader, before.len(), completion, may_continue)?
        }
        Blocks::None => by_indentation(reader, before.len(), completion, |_| false)?,
    };
    Ok(&completion[..end])
}

/// Where the scope ends whose closer ends it.
fn by_closers(mut reader: Reader, cursor: usize, completion: &str) -> Result<usize> {
    // How many are open inside of the scope; after a closer that leaves fewer, it has ended.
    let at_cursor = reader.finished()?;
    let mut scope = at_cursor
        .open
        .iter()
        .rposition(|o| o.is_block)
        .map(|i| i + 1);
    let mut is_first_line = !at_cursor.is_blank;
    let mut least_open = at_cursor.open.len();
    let mut end = None;
    let mut take = |reader: &Reader, piece: &Piece| {
        if end.is_some() || piece.at.end <= cursor {
            return;
        }
        if is_first_line {
            let opened = reader.open.get(least_open..).unwrap_or_default();
            let block = opened.iter().position(|o| o.is_block);
            least_open = least_open.min(piece.depth);
            // The bracket of a block may stand on a line of its own.
            let line_ended = piece.is_first && piece.is_code();
            if let Some(block) = block
                && (piece.ends_line || line_ended)
            {
                scope = Some(least_open + block + 1);
            }
            is_first_line = !line_ended;
        }
        let leaves = match piece.kind {
            Kind::Closer => scope.is_some_and(|scope| piece.depth < scope),
            Kind::Stray => piece.is_block,
            _ => false,
        };
        if leaves {
            end = Some(piece.at.end - cursor);
        }
    };
    reader.read(completion, &mut take);
    reader.finish(&mut take);
    reader.check()?;
    let Some(end) = end else {
        return Ok(completion.len());
    };
    let rest = &completion[end..];
    Ok(completion.len() - rest.trim_start_matches([')', ']', ';', ',']).len())
}

/// Where the scope ends that the first line of code with less indentation ends.
fn by_indentation(
    mut reader: Reader,
    cursor: usize,
    completion: &str,
    may_continue: impl Fn(&str) -> bool,
) -> Result<usize> {
    let at_cursor = reader.finished()?;
    let is_mid_line = !at_cursor.is_blank || !at_cursor.open.is_empty();
    // The least indentation inside of the scope, as far as the text before the cursor tells.
    let mut least = match (is_mid_line, at_cursor.is_header()) {
        (true, false) => at_cursor
            .open
            .first()
            .map_or(at_cursor.indent, |o| o.indent),
        (true, true) => at_cursor.indent + 1,
        (false, false) => at_cursor.indent,
        (false, true) => at_cursor.indent.max(at_cursor.last.indent + 1),
    };
    // Whether the next line of code tells whether the cursor's line opens a block.
    let mut may_be_header = is_mid_line && !at_cursor.is_header();
    let mut on_cursor_line = true;
    let mut is_header = false;
    // Where what is certainly inside ends, and whether the line is so far.
    let (mut kept, mut is_inside) = (0, true);
    let mut end = None;
    let mut last = at_cursor.last;
    let mut take = |reader: &Reader, piece: &Piece| {
        if end.is_some() || piece.at.end <= cursor {
            return;
        }
        let start = piece.at.start.saturating_sub(cursor);
        let begins = piece.is_first && !piece.first.is_whitespace();
        let depth_before = match piece.kind {
            Kind::Opener => piece.depth.saturating_sub(1),
            Kind::Closer => piece.depth + 1,
            _ => piece.depth,
        };
        let in_text = piece.was_inside != Kind::Symbol;
        if begins && on_cursor_line && !is_mid_line {
            // The cursor's line, blank before, begins in the completion.
            least = least.max(piece.indent);
        } else if begins && piece.kind == Kind::Comment && !in_text {
            is_inside = piece.indent >= least;
        } else if begins && depth_before == 0 && !last.continues && !in_text {
            if std::mem::take(&mut may_be_header) && piece.indent > least {
                least += 1;
                is_header = true;
            }
            let word = completion[start..]
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next();
            let continues =
                is_header && piece.indent + 1 == least && may_continue(word.unwrap_or(""));
            if piece.indent < least && !continues {
                end = Some(kept);
                return;
            }
            is_inside = true;
        }
        if piece.is_code() {
            last = reader.last;
        }
        if is_inside && !matches!(piece.kind, Kind::Blank | Kind::Newline) {
            kept = piece.at.end - cursor;
        }
        on_cursor_line &= !piece.ends_line;
    };
    reader.read(completion, &mut take);
    reader.finish(&mut take);
    reader.check()?;
    Ok(end.unwrap_or(completion.len()))
}

#[cfg(test)]
mod tests;
