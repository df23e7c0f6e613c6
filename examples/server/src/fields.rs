//! The fields of a JSON object, taken one by one with their types and ranges checked, so that an
//! error names the field. `null` stands for a field that is not there; fields without a use
//! are ignored.

use std::fmt::Display;
use std::ops::RangeInclusive;

use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::error::{ApiError, Result};

/// What some programs begin a file of UTF-8 with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The fields that are left.
#[derive(Debug)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Parses a body. A lone surrogate in a string becomes U+FFFD, as in JavaScript's
    /// `TextEncoder`: editors that count in UTF-16 cut texts there.
    ///
    /// # Errors
    /// 400 for what is not a JSON object.
    pub fn parse(mut body: Vec<u8>) -> Result<Self> {
        replace_lone_surrogates(&mut body);
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&body);
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            Ok(other) => Err(Self::no_object(&format!("it is {}", kind(&other)))),
            Err(error) => Err(Self::no_object(&error.to_string())),
        }
    }

    fn no_object(found: &str) -> ApiError {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_json",
            format!("the body has to be a JSON object: {found}"),
        )
    }

    /// Takes a field as it is.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a number.
    pub fn number(&mut self, name: &str, range: RangeInclusive<f64>) -> Result<Option<f64>> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let number = value
            .as_f64()
            .ok_or_else(|| wrong(name, &value, "a number"))?;
        within(name, number, range).map(Some)
    }

    /// Takes an integer. `16.0` is one.
    pub fn integer(&mut self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match integer(&value) {
            Some(number) => within(name, number, range).map(Some),
            // As large as this, every number is an integer.
            None if value.as_f64().is_some_and(|n| n.fract() == 0.0) => {
                Err(outside(name, &value, range))
            }
            None => Err(wrong(name, &value, "an integer")),
        }
    }

    /// Takes an integer that is not negative.
    pub fn count(&mut self, name: &str, range: RangeInclusive<usize>) -> Result<Option<usize>> {
        let clamp = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let range = clamp(*range.start())..=clamp(*range.end());
        // Within the range, so not negative.
        Ok(self.integer(name, range)?.map(|n| n as usize))
    }

    /// Takes `true` or `false`.
    pub fn boolean(&mut self, name: &str) -> Result<Option<bool>> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match value.as_bool() {
            Some(flag) => Ok(Some(flag)),
            None => Err(wrong(name, &value, "true or false")),
        }
    }

    /// Takes a string.
    pub fn string(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(value) => Err(wrong(name, &value, "a string")),
        }
    }

    /// Takes an object, as fields of its own.
    pub fn object(&mut self, name: &str) -> Result<Option<Self>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self(map))),
            Some(value) => Err(wrong(name, &value, "an object")),
        }
    }

    /// All that is left, by name.
    pub fn into_rest(self) -> Map<String, Value> {
        self.0
    }
}

/// The error of a field with a value of another type.
pub fn wrong(name: &str, value: &Value, expected: &str) -> ApiError {
    let message = format!("{name} is {}, expected {expected}", kind(value));
    ApiError::field(name, message).with_code("invalid_type")
}

/// The value of a JSON number without a fraction, however it is written.
pub fn integer(value: &Value) -> Option<i64> {
    // The first number that is too large. Below it, a number without a fraction fits.
    const END: f64 = -(i64::MIN as f64);
    let whole = |n: &f64| n.fract() == 0.0 && (-END..END).contains(n);
    (value.as_i64()).or_else(|| value.as_f64().filter(whole).map(|n| n as i64))
}

fn within<T: PartialOrd + Display>(name: &str, value: T, range: RangeInclusive<T>) -> Result<T> {
    match range.contains(&value) {
        true => Ok(value),
        false => Err(outside(name, &value, range)),
    }
}

fn outside<T: Display>(name: &str, value: &impl Display, range: RangeInclusive<T>) -> ApiError {
    let (least, most) = range.into_inner();
    ApiError::field(
        name,
        format!("{name} is {value}, expected {least} to {most}"),
    )
}

/// Writes `\\ufffd` over each escape of half a surrogate pair. Backslashes are in strings only.
fn replace_lone_surrogates(json: &mut [u8]) {
    let mut at = 0;
    while let Some(next) = json[at..].iter().position(|&byte| byte == b'\\') {
        at += next;
        at += match (escaped(json, at), escaped(json, at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                json[at + 2..at + 6].copy_from_slice(b"fffd");
                6
            }
            // The escaped character may be a backslash.
            _ => 2,
        };
        at = at.min(json.len());
    }
}

/// The unit of UTF-16 that an escape at `at` stands for.
fn escaped(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok()?;
    // This would take a sign, too.
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| hexadecimal)
}

/// A value by its type: strings are not repeated in messages.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(_) => "a string".into(),
        Value::Array(_) => "an array".into(),
        Value::Object(_) => "an object".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Result<Value> {
        let body = format!("{{\"v\": {json}}}").into_bytes();
        Fields::parse(body).map(|mut fields| fields.take("v").unwrap_or_default())
    }

    #[test]
    fn halves_of_surrogate_pairs_are_replaced() {
        for (json, expected) in [
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""a\ude42b""#, "a\u{fffd}b"),
            (r#""\uD83D\uDE42""#, "\u{1f642}"),
            (r#""\ud83d\ud83d\ude42""#, "\u{fffd}\u{1f642}"),
            (r#""\ud83dx\ude42""#, "\u{fffd}x\u{fffd}"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            // The letters after an escaped backslash.
            (r#""\\ud83d""#, "\\ud83d"),
            (r#""\\\ud83d""#, "\\\u{fffd}"),
        ] {
            assert_eq!(value(json).unwrap(), expected, "{json}");
        }
        for json in [
            r#""\u+83d""#,
            r#""\ud83""#,
            r#""\ud8"#,
            r#""\"#,
            r#""\ud83d"#,
        ] {
            assert_eq!(
                value(json).unwrap_err().code,
                Some("invalid_json"),
                "{json}"
            );
        }
        let bytes = b"{\"v\": \"\xed\xa0\xbd\"}".to_vec();
        assert_eq!(Fields::parse(bytes).unwrap_err().code, Some("invalid_json"));
        let marked = b"\xef\xbb\xbf{\"v\": 1}".to_vec();
        assert_eq!(Fields::parse(marked).unwrap().take("v"), Some(1.into()));
    }

    #[test]
    fn integers_are_numbers_without_a_fraction() {
        let take = |json: &str, range| {
            let body = format!("{{\"v\": {json}}}").into_bytes();
            Fields::parse(body)?.integer("v", range)
        };
        let all = i64::MIN..=i64::MAX;
        for (json, expected) in [
            ("16", 16),
            ("16.0", 16),
            ("1.6e1", 16),
            ("-0.0", 0),
            ("-7.0", -7),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("-9223372036854775808.0", i64::MIN),
        ] {
            assert_eq!(take(json, all.clone()).unwrap(), Some(expected), "{json}");
        }
        for (json, code) in [
            ("16.5", "invalid_type"),
            ("1e-3", "invalid_type"),
            ("\"16\"", "invalid_type"),
            ("true", "invalid_type"),
            ("9223372036854775808", "invalid_value"),
            ("9223372036854775808.0", "invalid_value"),
            ("-9223372036854777856", "invalid_value"),
            ("18446744073709551616", "invalid_value"),
            ("1e300", "invalid_value"),
            // These are no JSON, whatever Python writes.
            ("1e400", "invalid_json"),
            ("NaN", "invalid_json"),
            ("Infinity", "invalid_json"),
        ] {
            let error = take(json, all.clone()).unwrap_err();
            assert_eq!(error.code, Some(code), "{json}: {}", error.message);
        }
        let error = take("1e300", 0..=10).unwrap_err();
        assert_eq!(error.message, "v is 1e+300, expected 0 to 10");
        assert_eq!(
            take("11.0", 0..=10).unwrap_err().message,
            "v is 11, expected 0 to 10"
        );
    }
}
