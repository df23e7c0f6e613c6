//! Whether a character is a letter, a number, white space and so on, as patterns ask.
//!
//! Letters are general categories L*, numbers N*, marks M*, punctuation P*, symbols S*; white space
//! is the property White_Space. All are those of Unicode 16.0. A later version gives letters to code points that were unassigned, which moves
//! the boundaries of pieces in texts that use them, and so their ids: the version belongs to the
//! tokenizer's definition, and no table of the toolchain stands in for it. No other property is
//! known here.

use super::unicode_tables::{BLOCKS, INDEX};

/// What GPT-2's pattern tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    /// Anything else: punctuation, symbols, marks, controls, unassigned code points.
    Other,
    /// `\p{L}`
    Letter,
    /// `\p{N}`
    Number,
    /// `\s`
    Space,
}

/// What other patterns tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Category {
    /// Anything else: controls, unassigned code points.
    Other,
    /// `\p{L}`
    Letter,
    /// `\p{N}`
    Number,
    /// `\s`
    Space,
    /// `\p{M}`
    Mark,
    /// `\p{P}`
    Punctuation,
    /// `\p{S}`
    Symbol,
}

/// The category of `c`.
#[inline]
pub(super) fn category(c: char) -> Category {
    let code = c as usize;
    let Some(&block) = INDEX.get(code / 256) else {
        return Category::Other;
    };
    let word = BLOCKS[usize::from(block)][code % 256 / 16];
    match word >> (code % 16 * 4) & 15 {
        1 => Category::Letter,
        2 => Category::Number,
        3 => Category::Space,
        4 => Category::Mark,
        5 => Category::Punctuation,
        6 => Category::Symbol,
        _ => Category::Other,
    }
}

/// The class of `c`.
#[inline]
pub(super) fn class(c: char) -> Class {
    match category(c) {
        Category::Letter => Class::Letter,
        Category::Number => Class::Number,
        Category::Space => Class::Space,
        _ => Class::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::unicode_tables::UNICODE_VERSION;
    use super::*;
    use unicode_general_category::get_general_category;

    /// The development dependency has tables of the same version of Unicode, so every scalar
    /// value must agree; when it moves on, so must this test, and not the tables.
    #[test]
    fn every_scalar_value_has_the_class_of_its_general_category() {
        assert_eq!(UNICODE_VERSION, "16.0.0");
        for c in '\0'..=char::MAX {
            let abbreviation = get_general_category(c).abbreviation();
            let expected = match &abbreviation[..1] {
                "L" => Category::Letter,
                "N" => Category::Number,
                _ if c.is_whitespace() => Category::Space,
                "M" => Category::Mark,
                "P" => Category::Punctuation,
                "S" => Category::Symbol,
                _ => Category::Other,
            };
            assert_eq!(category(c), expected, "U+{:04X}", c as u32);
            let coarse = match expected {
                Category::Letter => Class::Letter,
                Category::Number => Class::Number,
                Category::Space => Class::Space,
                _ => Class::Other,
            };
            assert_eq!(class(c), coarse, "U+{:04X}", c as u32);
        }
    }
}
