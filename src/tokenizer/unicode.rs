//! Whether a character is a letter, a number or white space, as GPT-2's pattern asks.
//!
//! Letters are general categories L*, numbers N*, white space is the property White_Space, all of
//! Unicode 16.0. A later version gives letters to code points that were unassigned, which moves
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

/// The class of `c`.
#[inline]
pub(super) fn class(c: char) -> Class {
    let code = c as usize;
    let Some(&block) = INDEX.get(code / 256) else {
        return Class::Other;
    };
    let word = BLOCKS[usize::from(block)][code % 256 / 32];
    match word >> (code % 32 * 2) & 3 {
        0 => Class::Other,
        1 => Class::Letter,
        2 => Class::Number,
        _ => Class::Space,
    }
}

#[cfg(test)]
mod tests {
    use super::super::unicode_tables::UNICODE_VERSION;
    use super::*;
    use unicode_general_category::{GeneralCategory as Category, get_general_category};

    /// The development dependency has tables of the same version of Unicode, so every scalar
    /// value must agree; when it moves on, so must this test, and not the tables.
    #[test]
    fn every_scalar_value_has_the_class_of_its_general_category() {
        assert_eq!(UNICODE_VERSION, "16.0.0");
        for c in '\0'..=char::MAX {
            let expected = match get_general_category(c) {
                Category::UppercaseLetter
                | Category::LowercaseLetter
                | Category::TitlecaseLetter
                | Category::ModifierLetter
                | Category::OtherLetter => Class::Letter,
                Category::DecimalNumber | Category::LetterNumber | Category::OtherNumber => {
                    Class::Number
                }
                _ if c.is_whitespace() => Class::Space,
                _ => Class::Other,
            };
            assert_eq!(class(c), expected, "U+{:04X}", c as u32);
        }
    }
}
