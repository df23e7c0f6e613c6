//! Whole numbers of the command line.

use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;

/// Reads a number; the error says what was expected.
pub fn whole<T: FromStr<Err = ParseIntError>>(text: &str) -> Result<T, String> {
    text.parse::<T>().map_err(|e| match e.kind() {
        IntErrorKind::PosOverflow => "the number is too large".to_owned(),
        _ => "expected a whole number, 0 or more".to_owned(),
    })
}
