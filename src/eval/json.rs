//! JSON as Python's `json` module reads it, which wrote most of the files that this module is given.
//!
//! Besides what RFC 8259 allows: `NaN`, `Infinity` and `-Infinity`, numbers beyond the range of a
//! double, lone surrogates (escaped or encoded), a byte order mark, and the last of several equal keys. A
//! [`Value`] cannot hold all of these: a number that is not finite becomes `null`, an integer that has more than
//! 64 bits becomes a double, and a lone surrogate becomes U+FFFD.
#![forbid(unsafe_code)]

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use crate::error::{Result, bail};

/// Arrays and objects inside each other. Python's own limit is about the same.
const DEPTH: usize = 900;
/// Values of a record: 128 MiB of memory. The reference writes a few thousand for each sample.
const VALUES: usize = 1 << 22;
/// UTF-8's byte order mark.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The object that a line holds.
///
/// # Errors
/// [`MalformedFile`](crate::ErrorKind::MalformedFile) with what is wrong and its column, in bytes from 1.
pub(super) fn object(line: &[u8]) -> Result<Map<String, Value>> {
    let skipped = line.len() - line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line).len();
    let text = decode(&line[skipped..])?;
    let mut reader = Reader {
        text: &text,
        at: 0,
        values: 0,
    };
    let read = reader.document();
    match read {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => bail!(MalformedFile, "not a record: expected a JSON object"),
        Err(what) => bail!(
            MalformedFile,
            "not a record: {what}, at column {}",
            skipped + reader.at + 1
        ),
    }
}

/// UTF-8 with encoded surrogates, each half of which becomes U+FFFD.
fn decode(mut bytes: &[u8]) -> Result<Cow<'_, str>> {
    let mut text = String::new();
    let mut column = 1;
    loop {
        let error = match std::str::from_utf8(bytes) {
            Ok(rest) if text.is_empty() => return Ok(Cow::Borrowed(rest)),
            Ok(rest) => return Ok(Cow::Owned(text + rest)),
            Err(error) => error,
        };
        let (good, bad) = bytes.split_at(error.valid_up_to());
        column += good.len();
        let [0xed, 0xa0..=0xbf, 0x80..=0xbf, rest @ ..] = bad else {
            bail!(
                MalformedFile,
                "not a record: bytes that are not UTF-8, at column {column}"
            );
        };
        text.push_str(std::str::from_utf8(good).unwrap_or_default());
        text.push(char::REPLACEMENT_CHARACTER);
        column += 3;
        bytes = rest;
    }
}

type Parsed<T> = std::result::Result<T, String>;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    values: usize,
}

impl Reader<'_> {
    fn document(&mut self) -> Parsed<Value> {
        let value = self.value(0)?;
        self.blank();
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(self.expected("the end of the line")),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// "expected …, found …".
    fn expected(&self, what: &str) -> String {
        match self.text[self.at..].chars().next() {
            Some(c) => format!("expected {what}, found {c:?}"),
            None => format!("expected {what}, found the end of the line"),
        }
    }

    fn take(&mut self, text: &str) -> bool {
        let is_next = self.text[self.at..].starts_with(text);
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    fn value(&mut self, depth: usize) -> Parsed<Value> {
        self.blank();
        self.values += 1;
        if self.values > VALUES {
            return Err(format!("more than {VALUES} values in a record"));
        }
        match self.peek() {
            Some(b'{' | b'[') if depth == DEPTH => Err(format!(
                "more than {DEPTH} arrays and objects inside each other"
            )),
            Some(b'{') => self.map(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.take("null") || self.take("NaN") || self.take("Infinity") => Ok(Value::Null),
            _ if self.take("true") => Ok(Value::Bool(true)),
            _ if self.take("false") => Ok(Value::Bool(false)),
            _ => Err(self.expected("a value")),
        }
    }

    fn map(&mut self, depth: usize) -> Parsed<Value> {
        self.at += 1;
        let mut map = Map::new();
        self.blank();
        if self.take("}") {
            return Ok(Value::Object(map));
        }
        loop {
            self.blank();
            if self.peek() != Some(b'"') {
                return Err(self.expected("a key in quotes"));
            }
            let key = self.string()?;
            self.blank();
            if !self.take(":") {
                return Err(self.expected("':'"));
            }
            let value = self.value(depth + 1)?;
            map.insert(key, value);
            self.blank();
            if self.take("}") {
                return Ok(Value::Object(map));
            }
            if !self.take(",") {
                return Err(self.expected("',' or '}'"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Parsed<Value> {
        self.at += 1;
        let mut array = Vec::new();
        self.blank();
        if self.take("]") {
            return Ok(Value::Array(array));
        }
        loop {
            array.push(self.value(depth + 1)?);
            self.blank();
            if self.take("]") {
                return Ok(Value::Array(array));
            }
            if !self.take(",") {
                return Err(self.expected("',' or ']'"));
            }
        }
    }

    fn number(&mut self) -> Parsed<Value> {
        let start = self.at;
        if self.take("-") && self.take("Infinity") {
            return Ok(Value::Null);
        }
        if !self.take("0") && self.digits() == 0 {
            return Err(self.expected("a digit"));
        }
        let mut is_whole = true;
        // What is not a fraction or an exponent does not belong to the number, as in Python.
        for (mark, signs) in [
            (".", &[][..]),
            ("e", &["-", "+"][..]),
            ("E", &["-", "+"][..]),
        ] {
            let before = self.at;
            if self.take(mark) {
                let _ = signs.iter().any(|sign| self.take(sign));
                match self.digits() {
                    0 => self.at = before,
                    _ => is_whole = false,
                }
            }
        }
        let text = &self.text[start..self.at];
        if is_whole {
            if let Ok(number) = text.parse::<i64>() {
                return Ok(number.into());
            }
            if let Ok(number) = text.parse::<u64>() {
                return Ok(number.into());
            }
        }
        let number: f64 = text.parse().map_err(|_| self.expected("a number"))?;
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Parsed<String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c| c == '"' || c == '\\' || c < ' ');
            let Some(length) = plain else {
                self.at = self.text.len();
                return Err(self.expected("'\"'"));
            };
            text.push_str(&rest[..length]);
            self.at += length;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                _ => return Err("a control character in a string, expected an escape".to_owned()),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Parsed<char> {
        let Some(kind) = self.peek() else {
            return Err(self.expected("an escape"));
        };
        let char = match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.code();
            }
            _ => return Err(self.expected("an escape")),
        };
        self.at += 1;
        Ok(char)
    }

    /// What follows `\u`, and the second half of a pair.
    fn code(&mut self) -> Parsed<char> {
        let first = self.hex()?;
        let after = self.at;
        if (0xd800..0xdc00).contains(&first) && self.take("\\u") {
            match self.hex() {
                Ok(second @ 0xdc00..0xe000) => {
                    let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                // Another character, which is read by itself.
                _ => self.at = after,
            }
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Parsed<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let number = digits.and_then(|digits| {
            let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
            is_hex.then(|| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())?
        });
        match number {
            Some(number) => {
                self.at += 4;
                Ok(number)
            }
            None => Err(self.expected("four hexadecimal digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(line: impl AsRef<[u8]>) -> Value {
        Value::Object(object(line.as_ref()).unwrap())
    }

    #[test]
    fn what_python_writes_is_read() {
        for (text, value) in [
            (
                r#"{"a": NaN, "b": [Infinity, -Infinity]}"#,
                json!({"a": null, "b": [null, null]}),
            ),
            (
                r#"{"a": 1e999, "b": -1E+999, "c": 1e-999}"#,
                json!({"a": null, "b": null, "c": 0.0}),
            ),
            (
                r#"{"a": 12345678901234567890}"#,
                json!({"a": 12_345_678_901_234_567_890u64}),
            ),
            (
                r#"{"a": 123456789012345678901234567890}"#,
                json!({"a": 123456789012345678901234567890.0}),
            ),
            (
                r#"{"a": -9223372036854775808, "b": -0, "c": 2.50}"#,
                json!({"a": i64::MIN, "b": 0, "c": 2.5}),
            ),
            (r#"{"a": "\ud83d"}"#, json!({"a": "\u{fffd}"})),
            (r#"{"a": "\ud83d\ude00\ude00"}"#, json!({"a": "😀\u{fffd}"})),
            (
                r#"{"a": "\ud83d\ud83d\ude00x"}"#,
                json!({"a": "\u{fffd}😀x"}),
            ),
            (
                r#"{"a": "\ud83d\u0041\ud83d\n"}"#,
                json!({"a": "\u{fffd}A\u{fffd}\n"}),
            ),
            (
                r#"{"\ud800": "\"\\\/\b\f\r\t\u00e9"}"#,
                json!({"\u{fffd}": "\"\\/\u{8}\u{c}\r\té"}),
            ),
            (r#"{"a": 1, "b": 2, "a": 3}"#, json!({"a": 3, "b": 2})),
            (
                "\u{feff} {\"a\" :\t[ ] , \"b\":{ }}\r\n",
                json!({"a": [], "b": {}}),
            ),
            (
                "{\"a\": \"\u{2028}\u{7f}é\"}",
                json!({"a": "\u{2028}\u{7f}é"}),
            ),
        ] {
            assert_eq!(read(text), value, "{text}");
        }
        // As `surrogatepass` encodes one.
        let encoded = b"{\"a\": \"\xed\xa0\xbd!\xed\xb8\x80\"}";
        assert_eq!(read(encoded), json!({"a": "\u{fffd}!\u{fffd}"}));
        let deep = [b"{\"a\":".repeat(899), b"1".to_vec(), b"}".repeat(899)].concat();
        assert!(object(&deep).is_ok());
    }

    #[test]
    fn what_python_refuses_is_refused_with_its_column() {
        let wrong = |line: &[u8]| object(line).unwrap_err().to_string();
        for (text, what) in [
            ("{\"a\": }", "expected a value, found '}', at column 7"),
            (
                "{",
                "expected a key in quotes, found the end of the line, at column 2",
            ),
            ("{\"a\": nan}", "expected a value, found 'n', at column 7"),
            ("{\"a\": -NaN}", "expected a digit, found 'N', at column 8"),
            ("{\"a\": 01}", "expected ',' or '}', found '1', at column 8"),
            ("{\"a\": 1.}", "expected ',' or '}', found '.', at column 8"),
            ("{\"a\": 1e+}", "found 'e', at column 8"),
            ("{\"a\": \"\t\"}", "a control character in a string"),
            (
                "{\"a\": \"\\x\"}",
                "expected an escape, found 'x', at column 9",
            ),
            ("{\"a\": \"\\u12g4\"}", "expected four hexadecimal digits"),
            ("{\"a\": \"\\u12é\"}", "expected four hexadecimal digits"),
            ("{\"a\": \"b", "found the end of the line"),
            (
                "{\"a\": 1} x",
                "expected the end of the line, found 'x', at column 10",
            ),
            ("{'a': 1}", "expected a key in quotes"),
            ("{\"a\": 1,}", "expected a key in quotes"),
            ("[1]", "not a record: expected a JSON object"),
            ("\u{feff}\u{feff}{}", "expected a value"),
        ] {
            let error = wrong(text.as_bytes());
            assert!(error.contains(what), "{text}: {error}");
        }
        assert!(wrong(b"{\"a\": \"\xff\"}").contains("not UTF-8, at column 8"));
        assert!(wrong(b"{\"a\": \"\xed\xa0\"}").contains("not UTF-8"));
        let deep = b"{\"a\":".repeat(5000);
        assert!(wrong(&deep).contains("more than 900 arrays and objects"));
        let many = format!("{{\"a\": [{}0]}}", "0,".repeat(VALUES));
        assert!(wrong(many.as_bytes()).contains("more than 4194304 values"));
    }

    proptest! {
        #[test]
        fn what_serde_writes_is_read(text in ".*", number in any::<f64>(), whole in any::<i64>()) {
            let value = json!({"text": text, "list": [number, whole, {text.clone(): null}], "is": true});
            let line = serde_json::to_vec(&value).unwrap();
            prop_assert_eq!(read(&line), value);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = object(&bytes);
            let _ = object(&[b"{\"a\":", bytes.as_slice()].concat());
        }
    }
}
