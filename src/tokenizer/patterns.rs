//! The patterns that published tokenizers split text with, by hand, in linear time.
//!
//! A file names its pattern as a regular expression. [`Pattern::of`] knows the expressions that
//! published files have, by their text; others are refused, because a wrong split gives wrong ids
//! and no error. Every pattern finds its next match from a position on, and looks no further ahead
//! than that match and the run of white space or letters that it is in.
//!
//! What is between matches is a piece as well: see [`split`](super::split).

use std::ops::Range;

use super::pretokenize::{class_at, piece_end, run_end};
use super::unicode::{Category, Class, category};

/// A pattern that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    /// GPT-2's, which covers every text.
    Gpt2,
    /// That of GPT-4's generation, which covers every text: one contraction in any case; letters
    /// with one character before; 1 to `digits` digits; others with a space before and line ends
    /// behind; white space up to its last line end.
    Words { digits: usize },
    /// 1 to `most` digits.
    Digits { most: usize },
    /// A run of these characters.
    Run(&'static [(char, char)]),
    /// One line end.
    LineEnd,
    /// A run of letters or of punctuation, and one white space before.
    Spaced(Category),
    /// What DeepSeek-V3 splits with after digits and Chinese and Japanese characters.
    DeepSeek,
}

/// Ideographs and kana, as DeepSeek-V3 takes them together.
const IDEOGRAPHS_AND_KANA: &[(char, char)] = &[('一', '龥'), ('\u{3040}', 'ヿ')];
/// Ideographs and most of what is beside them, as the first DeepSeek models take them together.
const EAST_ASIAN: &[(char, char)] = &[('一', '龥'), ('ࠀ', '一'), ('가', '\u{d7ff}')];

/// The expressions, as published files write them.
pub(super) static KNOWN: &[(&str, Pattern)] = &[
    (
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        Pattern::Gpt2,
    ),
    (
        r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        Pattern::Gpt2,
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Pattern::Words { digits: 1 },
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Pattern::Words { digits: 3 },
    ),
    (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        Pattern::Words { digits: 3 },
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        Pattern::Words { digits: 3 },
    ),
    (r"\p{N}", Pattern::Digits { most: 1 }),
    (r"\p{N}{1,3}", Pattern::Digits { most: 3 }),
    (r"\p{N}+", Pattern::Digits { most: usize::MAX }),
    (
        "[\u{4e00}-龥\u{3040}-\u{309f}\u{30a0}-\u{30ff}]+",
        Pattern::Run(IDEOGRAPHS_AND_KANA),
    ),
    (
        "[\u{4e00}-龥\u{800}-\u{4e00}\u{ac00}-\u{d7ff}]+",
        Pattern::Run(EAST_ASIAN),
    ),
    ("[\r\n]", Pattern::LineEnd),
    (r"[\r\n]", Pattern::LineEnd),
    (r"\s?\p{L}+", Pattern::Spaced(Category::Letter)),
    (r"\s?\p{P}+", Pattern::Spaced(Category::Punctuation)),
    (
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
        Pattern::DeepSeek,
    ),
    (
        r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
        Pattern::DeepSeek,
    ),
];

impl Pattern {
    /// The pattern of an expression.
    pub(super) fn of(expression: &str) -> Option<Self> {
        let known = KNOWN.iter().find(|(known, _)| *known == expression);
        known.map(|(_, pattern)| *pattern)
    }

    /// Whether matches follow each other without a gap, whatever the text.
    pub(super) fn covers_all(self) -> bool {
        matches!(self, Self::Gpt2 | Self::Words { .. })
    }

    /// The first match in `text` that begins at `from` or later. `from` is a character boundary.
    #[inline]
    pub(super) fn find(self, text: &str, from: usize) -> Option<Range<usize>> {
        if from >= text.len() {
            return None;
        }
        match self {
            Self::Gpt2 => Some(from..piece_end::<false>(text, from)),
            Self::Words { digits } => Some(from..words_end(text, from, digits)),
            Self::Digits { most } => digits(text, from, most),
            Self::Run(ranges) => run_of(text, from, ranges),
            Self::LineEnd => {
                let at = text[from..].find(['\r', '\n'])?;
                Some(from + at..from + at + 1)
            }
            Self::Spaced(wanted) => spaced(text, from, wanted),
            Self::DeepSeek => deepseek(text, from),
        }
    }
}

/// The character at `at`, which is before the end.
#[inline]
fn char_at(text: &str, at: usize) -> Option<char> {
    match text.as_bytes().get(at) {
        Some(&byte) if byte.is_ascii() => Some(char::from(byte)),
        _ => text.get(at..)?.chars().next(),
    }
}

/// Where the piece ends that begins at `start`, which is before the end of the text.
#[inline]
fn words_end(text: &str, start: usize, digits: usize) -> usize {
    let bytes = text.as_bytes();
    let (first, len) = class_at(text, start);
    let next = start + len;
    match first {
        Class::Letter => return run_end(text, next, Class::Letter),
        Class::Number => return digits_end(text, next, digits - 1),
        _ => {}
    }
    if bytes[start] == b'\''
        && let Some(end) = any_contraction(text, next)
    {
        return end;
    }
    if next < bytes.len() && !matches!(bytes[start], b'\r' | b'\n') {
        let (second, len) = class_at(text, next);
        match (first, second) {
            (_, Class::Letter) => return run_end(text, next + len, Class::Letter),
            (Class::Space, Class::Other) if bytes[start] == b' ' => {
                return line_ends(bytes, run_end(text, next + len, Class::Other));
            }
            _ => {}
        }
    }
    match first {
        Class::Space => space_end(text, start),
        _ => line_ends(bytes, run_end(text, next, Class::Other)),
    }
}

/// Where a contraction ends that begins before `at` with an apostrophe. Case is ignored as Unicode
/// folds it, which makes an s of `ſ`.
fn any_contraction(text: &str, at: usize) -> Option<usize> {
    let bytes = &text.as_bytes()[at..];
    let first = bytes.first()?.to_ascii_lowercase();
    let second = bytes.get(1).map(u8::to_ascii_lowercase);
    match (first, second) {
        (b's' | b't' | b'm' | b'd', _) => Some(at + 1),
        (b'r' | b'v', Some(b'e')) | (b'l', Some(b'l')) => Some(at + 2),
        _ if bytes.starts_with("ſ".as_bytes()) => Some(at + 2),
        _ => None,
    }
}

/// Where the line ends behind `at` end.
fn line_ends(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// `\s*[\r\n]+|\s+(?!\S)|\s+` at `start`, where white space is.
#[inline]
fn space_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut last, mut line) = (start, start, None);
    while at < bytes.len() {
        let (class, len) = class_at(text, at);
        if class != Class::Space {
            break;
        }
        last = at;
        at += len;
        if matches!(bytes[last], b'\r' | b'\n') {
            line = Some(at);
        }
    }
    match line {
        Some(line) => line,
        None if at == bytes.len() || last == start => at,
        None => last,
    }
}

/// Where up to `more` further digits end.
#[inline]
fn digits_end(text: &str, mut at: usize, more: usize) -> usize {
    let mut left = more;
    while left > 0 && at < text.len() {
        let (class, len) = class_at(text, at);
        if class != Class::Number {
            break;
        }
        at += len;
        left -= 1;
    }
    at
}

fn digits(text: &str, from: usize, most: usize) -> Option<Range<usize>> {
    let mut at = from;
    while at < text.len() {
        let (class, len) = class_at(text, at);
        if class == Class::Number {
            return Some(at..digits_end(text, at + len, most - 1));
        }
        at += len;
    }
    None
}

fn run_of(text: &str, from: usize, ranges: &[(char, char)]) -> Option<Range<usize>> {
    let is_in = |c: char| !c.is_ascii() && ranges.iter().any(|&(a, z)| (a..=z).contains(&c));
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        at += bytes[at..].iter().position(|byte| !byte.is_ascii())?;
        let c = char_at(text, at)?;
        if is_in(c) {
            let rest = &text[at..];
            let len = rest.find(|c| !is_in(c)).unwrap_or(rest.len());
            return Some(at..at + len);
        }
        at += c.len_utf8();
    }
}

/// The category of the character at `at`, and its length; nothing at the end.
#[inline]
fn category_at(text: &str, at: usize) -> Option<(Category, usize)> {
    char_at(text, at).map(|c| (category(c), c.len_utf8()))
}

/// Where the run ends that `at` is in.
fn category_end(text: &str, mut at: usize, wanted: &[Category]) -> usize {
    while let Some((found, len)) = category_at(text, at)
        && wanted.contains(&found)
    {
        at += len;
    }
    at
}

fn spaced(text: &str, from: usize, wanted: Category) -> Option<Range<usize>> {
    let mut at = from;
    while let Some((found, len)) = category_at(text, at) {
        let next = at + len;
        let is_before = found == Category::Space
            && category_at(text, next).is_some_and(|(next, _)| next == wanted);
        if found == wanted || is_before {
            return Some(at..category_end(text, next, &[wanted]));
        }
        at = next;
    }
    None
}

fn deepseek(text: &str, from: usize) -> Option<Range<usize>> {
    const WORD: [Category; 2] = [Category::Letter, Category::Mark];
    const SIGN: [Category; 2] = [Category::Punctuation, Category::Symbol];
    let bytes = text.as_bytes();
    let mut at = from;
    while let Some((found, len)) = category_at(text, at) {
        let next = at + len;
        let letters = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
        if bytes[at].is_ascii_punctuation() && letters(next) {
            let rest = &bytes[next..];
            let run = rest.iter().position(|byte| !byte.is_ascii_alphabetic());
            return Some(at..next + run.unwrap_or(rest.len()));
        }
        let second = category_at(text, next).map(|(second, _)| second);
        let word_next = second.is_some_and(|second| WORD.contains(&second));
        let may_lead = !SIGN.contains(&found) && !matches!(bytes[at], b'\r' | b'\n');
        if WORD.contains(&found) || (may_lead && word_next) {
            return Some(at..category_end(text, next, &WORD));
        }
        let sign_next = second.is_some_and(|second| SIGN.contains(&second));
        if SIGN.contains(&found) || (bytes[at] == b' ' && sign_next) {
            return Some(at..line_ends(bytes, category_end(text, next, &SIGN)));
        }
        if found == Category::Space {
            return Some(at..space_end(text, at));
        }
        at = next;
    }
    None
}
