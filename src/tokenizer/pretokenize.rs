//! GPT-2's split of text into the pieces that byte-pair encoding works on, by hand.
//!
//! The pattern is
//!
//! ```text
//! 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//! ```
//!
//! where the last two mean: a run of white space leaves its last character to what follows, as
//! long as it has others. With `RUNS`, a run of two or more spaces is a token of its own, as in
//! CodeGeeX, see [`whitespace`](super::whitespace): it is what the end of the text is, so no piece
//! reaches into it, and none begins with it. This module does not know special tokens; other
//! patterns are in [`patterns`](super::patterns).

use super::unicode::{Class, class};

/// The class of each ASCII byte.
static ASCII: [Class; 128] = {
    let mut classes = [Class::Other; 128];
    let mut byte = 0;
    while byte < 128 {
        classes[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
            b'0'..=b'9' => Class::Number,
            b'\t'..=b'\r' | b' ' => Class::Space,
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
};

/// What may follow an apostrophe in its piece, by the pattern's order.
const CONTRACTIONS: [&[u8]; 7] = [b"s", b"t", b"re", b"ve", b"m", b"ll", b"d"];

/// Whether a run of two or more spaces begins at `at`.
#[inline]
pub(super) fn at_space_run(text: &str, at: usize) -> bool {
    text.as_bytes()[at..].starts_with(b"  ")
}

/// Where the piece of `text` ends that begins at `start`.
///
/// `start` is a character boundary before the end of the text. With `RUNS` it is not in a run of
/// two or more spaces, unless at its last one.
#[inline]
pub(super) fn piece_end<const RUNS: bool>(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let body = start + usize::from(bytes[start] == b' ');
    if body == bytes.len() {
        return body;
    }
    let (first, len) = class_at(text, body);
    match first {
        Class::Space => space_end::<RUNS>(text, start),
        Class::Other if bytes[start] == b'\'' => {
            contraction_end(bytes, start).unwrap_or_else(|| run_end(text, start + 1, first))
        }
        _ => run_end(text, body + len, first),
    }
}

/// The class of the character at `at`, and its length.
#[inline]
pub(super) fn class_at(text: &str, at: usize) -> (Class, usize) {
    match ASCII.get(usize::from(text.as_bytes()[at])) {
        Some(&class) => (class, 1),
        None => wide_class_at(text, at),
    }
}

fn wide_class_at(text: &str, at: usize) -> (Class, usize) {
    text[at..]
        .chars()
        .next()
        .map_or((Class::Other, 1), |c| (class(c), c.len_utf8()))
}

/// Where the run of characters of `class` ends that `at` is in.
#[inline]
pub(super) fn run_end(text: &str, mut at: usize, class: Class) -> usize {
    let bytes = text.as_bytes();
    loop {
        while bytes
            .get(at)
            .is_some_and(|&byte| ASCII.get(usize::from(byte)) == Some(&class))
        {
            at += 1;
        }
        if bytes.get(at).is_none_or(u8::is_ascii) {
            return at;
        }
        let (next, len) = wide_class_at(text, at);
        if next != class {
            return at;
        }
        at += len;
    }
}

fn contraction_end(bytes: &[u8], apostrophe: usize) -> Option<usize> {
    let tail = &bytes[apostrophe + 1..];
    let ending = CONTRACTIONS
        .iter()
        .find(|ending| tail.starts_with(ending))?;
    Some(apostrophe + 1 + ending.len())
}

/// Where the piece of white space ends that begins at `start`.
#[inline]
fn space_end<const RUNS: bool>(text: &str, start: usize) -> usize {
    let (mut at, mut last) = (start, start);
    while at < text.len() && !(RUNS && at_space_run(text, at)) {
        let (class, len) = class_at(text, at);
        if class != Class::Space {
            // The last character goes with what follows, unless it is the only one.
            return if last > start { last } else { at };
        }
        last = at;
        at += len;
    }
    at
}
