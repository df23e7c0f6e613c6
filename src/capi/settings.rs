//! Options as text keys and values, so that a program can set options that are newer than it: one
//! table for each kind of options, which C can list.

use std::collections::TryReserveError;
use std::ffi::c_char;
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::boundary::{Call, Handle, Held, Out, Result};
use super::buffer::{Saved, give_text};
use crate::code::StopRule;
use crate::error::{Error, ErrorKind, bail, excerpt};
use crate::generate::{ContextFile, Limits, StopAt, Stops};
use crate::language::Language;
use crate::memory::{self, TryGrow, TryGrowText};
use crate::tokenizer::SpecialTokens;

/// An option: its NUL-terminated key and description, and how it is set and read.
pub struct Setting<T> {
    pub key: &'static str,
    pub help: &'static str,
    /// Changes nothing if the value is refused.
    pub set: fn(&mut T, &str) -> crate::Result<()>,
    pub get: fn(&T) -> crate::Result<String>,
}

/// An option, with one expression that sets it to a text `v` and one that reads it back.
macro_rules! setting {
    ($key:literal, $help:literal, |$o:ident, $v:ident| $set:expr, $get:expr $(,)?) => {
        $crate::capi::settings::Setting {
            key: concat!($key, "\0"),
            help: concat!($help, "\0"),
            set: |$o, $v| {
                $set;
                Ok(())
            },
            get: |$o| Ok($get),
        }
    };
}
pub(super) use setting;

/// An option that a generation and a beam search have in common. The type has `options` with the
/// groups, and `timeout_ms` and `stop_before` beside them.
macro_rules! common {
    (max_new_tokens) => {
        setting!(
            "max_new_tokens",
            "Maximum number of new tokens.",
            |o, v| o.options.limits.max_new_tokens = number(v)?,
            o.options.limits.max_new_tokens.to_string()
        )
    };
    (stop) => {
        setting!(
            "stop",
            "Stop strings, as a JSON array; they are not part of the completion.",
            |o, v| o.options.stops.stop = settings::texts(v)?,
            settings::to_json(&o.options.stops.stop)?
        )
    };
    (stop_at) => {
        setting!(
            "stop_at",
            "Where code ends a completion: none, or a language and rules, as in go:block,function; \
             rules are line, block, function, unindented, humaneval; the first that matches ends the \
             completion.",
            |o, v| o.options.stops.stop_at = settings::stop_at(v)?,
            settings::stop_at_text(o.options.stops.stop_at.as_ref())
        )
    };
    (stop_before) => {
        setting!(
            "stop_before",
            "Code left of the cursor, for stop_at, as a JSON string; none means the prompt.",
            |o, v| o.stop_before = settings::text_or_none(v)?,
            settings::text_or_none_json(o.stop_before.as_deref())?
        )
    };
    (stop_ids) => {
        setting!(
            "stop_ids",
            "Token ids that end a completion as the end of text does, as a JSON array of numbers.",
            |o, v| o.options.stops.stop_ids = settings::ids(v)?,
            settings::to_json(&o.options.stops.stop_ids)?
        )
    };
    (special_tokens) => {
        setting!(
            "special_tokens",
            "How special tokens in the prompt, such as <|endoftext|>, are encoded: text (as plain \
             text) or parse (as the tokens that they name).",
            |o, v| o.options.special_tokens = one_of(v, settings::SPECIAL)?,
            settings::name_of(settings::SPECIAL, o.options.special_tokens)
        )
    };
    (timeout_ms) => {
        setting!(
            "timeout_ms",
            "Timeout in milliseconds, after which the call returns the partial result; 0 means none.",
            |o, v| o.timeout_ms = number(v)?,
            o.timeout_ms.to_string()
        )
    };
    (prefill_limit) => {
        setting!(
            "prefill_limit",
            "Maximum number of prompt tokens to compute, without cached ones; none means no limit.",
            |o, v| o.options.limits.prefill_limit = number_or_none(v)?,
            or_none(o.options.limits.prefill_limit)
        )
    };
    (threads) => {
        setting!(
            "threads",
            "Maximum number of compute threads; 0 means all threads of the model.",
            |o, v| o.options.limits.threads = number(v).map(|n| (n > 0).then_some(n))?,
            o.options.limits.threads.unwrap_or(0).to_string()
        )
    };
}
pub(super) use common;

pub const SPECIAL: &[(&str, SpecialTokens)] = &[
    ("text", SpecialTokens::AsText),
    ("parse", SpecialTokens::Parse),
];

/// `none`, or a language and the names of rules.
pub fn stop_at(text: &str) -> crate::Result<Option<StopAt>> {
    match text.trim() {
        "none" => Ok(None),
        other => match other.split_once(':') {
            Some((language, rules)) => {
                let language = Language::from_name(language.trim())?;
                Ok(Some(StopAt::new(language, stop_rules(rules)?)))
            }
            None => bail!(
                InvalidArgument,
                "{} is neither none nor LANGUAGE:RULES",
                excerpt(other)
            ),
        },
    }
}

/// The names of stop rules, with commas between.
pub fn stop_rules(names: &str) -> crate::Result<Vec<StopRule>> {
    let mut rules = Vec::new();
    for name in names.split(',') {
        let rule: StopRule = name.trim().parse()?;
        // The first of equal rules decides.
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    Ok(rules)
}

/// How [`stop_at`] is read back.
pub fn stop_at_text(at: Option<&StopAt>) -> String {
    or_none(at.map(|at| {
        let rules: Vec<&str> = at.rules.iter().map(|rule| rule.name()).collect();
        format!("{}:{}", at.language.name(), rules.join(","))
    }))
}

/// The options of a call that begins now: its deadline, and what code stops read before it.
pub fn begin(limits: &mut Limits, stops: &mut Stops, timeout_ms: u64, before: Option<String>) {
    if timeout_ms > 0 {
        // A timeout beyond the clock's range means none.
        limits.deadline = Instant::now().checked_add(Duration::from_millis(timeout_ms));
    }
    if let Some(at) = &mut stops.stop_at {
        at.before = before;
    }
}

/// Options behind a handle. Calls read a copy, so that any number of calls may use them
/// concurrently.
#[derive(Default)]
pub struct Options<T>(RwLock<T>);

impl<T> Options<T> {
    pub fn new(value: T) -> Self {
        Self(RwLock::new(value))
    }

    /// The options as they are now.
    pub fn copy(&self) -> crate::Result<T>
    where
        T: TryClone,
    {
        self.read(T::try_clone)
    }

    pub fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn change<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Options that are copied for a call, which memory may be refused for.
pub trait TryClone: Default {
    fn try_clone(&self) -> crate::Result<Self>;
}

/// The copy of options that may be NULL, which means the default.
pub fn copy_or_default<H, T>(options: Option<&Held<H>>) -> crate::Result<T>
where
    H: Handle<Value = Options<T>>,
    T: TryClone,
{
    options.map_or_else(|| Ok(T::default()), |options| options.copy())
}

fn find<T>(table: &'static [Setting<T>], key: &str) -> crate::Result<&'static Setting<T>> {
    let name = |s: &Setting<T>| s.key.trim_end_matches('\0');
    match table.iter().find(|s| name(s) == key) {
        Some(setting) => Ok(setting),
        None => {
            let keys: Vec<&str> = table.iter().map(name).collect();
            bail!(
                InvalidArgument,
                "no option is called {}; there are {}",
                excerpt(key),
                keys.join(", ")
            )
        }
    }
}

/// Sets an option; a value that is refused changes nothing.
pub fn set<T>(
    table: &'static [Setting<T>],
    options: &Options<T>,
    key: &str,
    value: &str,
) -> Result<()> {
    let setting = find(table, key)?;
    let set = options.change(|options| (setting.set)(options, value));
    Ok(set.map_err(|e| e.within(setting.key.trim_end_matches('\0')))?)
}

pub fn get<T>(
    table: &'static [Setting<T>],
    options: &Options<T>,
    key: &str,
    value: Out<*mut c_char>,
    len: Out<usize>,
) -> Result<()> {
    let setting = find(table, key)?;
    let text = options.read(setting.get)?;
    give_text(&text, value, len)
}

/// The key at an index and its help, or NULL.
pub fn key<T>(
    call: &mut Call,
    table: &'static [Setting<T>],
    index: usize,
    help: *mut *const c_char,
) -> *const c_char {
    // SAFETY: the entry's promise.
    let help = unsafe { call.out_or_none(help) };
    match table.get(index) {
        Some(setting) => {
            help.set(setting.help.as_ptr().cast());
            setting.key.as_ptr().cast()
        }
        None => std::ptr::null(),
    }
}

/// A number in text.
pub fn number<T: FromStr>(text: &str) -> crate::Result<T> {
    text.trim().parse().map_err(|_| {
        let expected = match size_of::<T>() {
            _ if std::any::type_name::<T>().starts_with('f') => "a number".to_owned(),
            size => format!("a whole number from 0 to {}", u64::MAX >> (64 - 8 * size)),
        };
        let message = format!("{} is not {expected}", excerpt(text));
        Error::new(ErrorKind::InvalidArgument, message)
    })
}

/// A number or `none`.
pub fn number_or_none<T: FromStr>(text: &str) -> crate::Result<Option<T>> {
    match text.trim() {
        "none" => Ok(None),
        text => number(text).map(Some),
    }
}

/// How [`number_or_none`] is read back.
pub fn or_none<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "none".to_owned(), |v| v.to_string())
}

/// `true`, `false`, `1` or `0`.
pub fn flag(text: &str) -> crate::Result<bool> {
    match text.trim() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => bail!(
            InvalidArgument,
            "{} is neither true nor false",
            excerpt(text)
        ),
    }
}

/// A JSON array of texts.
pub fn texts(json: &str) -> crate::Result<Vec<String>> {
    json_list(json, json_text).map_err(|at| at.expected(TEXTS))
}

/// A JSON array of files.
pub fn files(json: &str) -> crate::Result<Vec<ContextFile>> {
    json_list(json, json_file).map_err(|at| at.expected(FILES))
}

/// What went wrong with JSON: memory, or the place where something else stands than is expected.
enum Wrong<'a> {
    At(&'a str),
    Memory(TryReserveError),
}

impl From<TryReserveError> for Wrong<'_> {
    fn from(error: TryReserveError) -> Self {
        Self::Memory(error)
    }
}

impl Wrong<'_> {
    fn expected(self, what: &str) -> Error {
        match self {
            Self::Memory(error) => error.into(),
            Self::At(place) => {
                let message = format!("at {}: expected {what}", excerpt(place));
                Error::new(ErrorKind::InvalidArgument, message)
            }
        }
    }
}

/// What was read, and the JSON after it.
type Read<'a, T> = std::result::Result<(T, &'a str), Wrong<'a>>;

const TEXTS: &str = "strings as in JSON: [\"a\", \"b\\n\"] for a list, \"a\" for one";
const FILES: &str =
    "files as in JSON: [{\"path\": \"a.py\", \"text\": \"x = 1\\n\"}], both members in each";

/// An array that is all of the JSON.
fn json_list<'a, T>(
    json: &'a str,
    element: impl Fn(&'a str) -> Read<'a, T>,
) -> std::result::Result<Vec<T>, Wrong<'a>> {
    let mut list = Vec::new();
    let mut rest = after(json, "[")?;
    if let Ok(end) = after(rest, "]") {
        rest = end;
    } else {
        loop {
            let (value, end) = element(rest)?;
            list.try_push(value)?;
            match after(end, ",") {
                Ok(next) => rest = next,
                Err(_) => break rest = after(end, "]")?,
            }
        }
    }
    match rest.is_empty() {
        true => Ok(list),
        false => Err(Wrong::At(rest)),
    }
}

/// An object with a path and a text, in any order.
fn json_file(json: &str) -> Read<'_, ContextFile> {
    let (mut path, mut text) = (None, None);
    let mut rest = after(json, "{")?;
    loop {
        let (name, end) = json_text(rest)?;
        let member = match &*name {
            "path" if path.is_none() => &mut path,
            "text" if text.is_none() => &mut text,
            _ => return Err(Wrong::At(rest)),
        };
        let (value, end) = json_text(after(end, ":")?)?;
        *member = Some(value);
        match after(end, ",") {
            Ok(next) => rest = next,
            Err(_) => break rest = after(end, "}")?,
        }
    }
    let mut file = ContextFile::default();
    match (path, text) {
        (Some(path), Some(text)) => (file.path, file.text) = (path, text),
        _ => return Err(Wrong::At(json)),
    }
    Ok((file, rest))
}

/// A JSON text, or `none`.
pub fn text_or_none(json: &str) -> crate::Result<Option<String>> {
    if json.trim() == "none" {
        return Ok(None);
    }
    match json_text(json.trim_start()) {
        Ok((text, "")) => Ok(Some(text)),
        Ok((_, rest)) => Err(Wrong::At(rest).expected(TEXTS)),
        Err(wrong) => Err(wrong.expected(TEXTS)),
    }
}

/// What follows a delimiter and white space.
fn after<'a>(json: &'a str, delimiter: &str) -> std::result::Result<&'a str, Wrong<'a>> {
    let rest = json.trim_ascii_start().strip_prefix(delimiter);
    Ok(rest.ok_or(Wrong::At(json))?.trim_ascii_start())
}

/// The string that JSON begins with, and what follows it. serde_json unescapes texts of any length in
/// memory that cannot be refused.
fn json_text(json: &str) -> Read<'_, String> {
    let mut rest = json.strip_prefix('"').ok_or(Wrong::At(json))?;
    let mut text = String::new();
    loop {
        let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ');
        let plain = plain.ok_or(Wrong::At(json))?;
        text.try_push_str(&rest[..plain])?;
        let escape = &rest[plain..];
        if let Some(end) = escape.strip_prefix('"') {
            return Ok((text, end.trim_ascii_start()));
        }
        let unescaped;
        (unescaped, rest) = unescape(escape).ok_or(Wrong::At(escape))?;
        text.try_push_str(unescaped.encode_utf8(&mut [0; 4]))?;
    }
}

/// A character that begins with a backslash, and what follows it.
fn unescape(json: &str) -> Option<(char, &str)> {
    let rest = json.strip_prefix('\\')?;
    let unescaped = match rest.chars().next()? {
        c @ ('"' | '\\' | '/') => c,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let (first, rest) = code_unit(rest)?;
            if let Some(c) = char::from_u32(first) {
                return Some((c, rest));
            }
            // Half a pair is no character.
            let (second, rest) = code_unit(rest.strip_prefix('\\')?)?;
            let pair = [first as u16, second as u16];
            let c = char::decode_utf16(pair).next()?.ok()?;
            return Some((c, rest));
        }
        _ => return None,
    };
    Some((unescaped, &rest[1..]))
}

/// The number of `uXXXX`, and what follows it.
fn code_unit(json: &str) -> Option<(u32, &str)> {
    let digits = json.strip_prefix('u')?.get(..4)?;
    let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    Some((number, &json[5..]))
}

/// A JSON array of ids.
pub fn ids(json: &str) -> crate::Result<Vec<u32>> {
    Ok(parse::<List<u32>>(json, "a JSON array of ids")?.0)
}

/// A JSON object of ids and numbers, or null for negative infinity.
pub fn biases(json: &str) -> crate::Result<Vec<(u32, f32)>> {
    Ok(parse::<Biases>(json, "a JSON object of ids and numbers, or null")?.0)
}

/// JSON that is read into memory that can be refused.
fn parse<'a, T: Deserialize<'a>>(json: &'a str, expected: &str) -> crate::Result<T> {
    memory::check_json(json.as_bytes())?;
    serde_json::from_str(json).map_err(|e| {
        // serde carries nothing but a message from a type to its caller.
        let message = e.to_string();
        if message.starts_with(NO_MEMORY) {
            return Error::new(ErrorKind::OutOfMemory, NO_MEMORY);
        }
        let message = format!("{} is not {expected}: {message}", excerpt(json));
        Error::new(ErrorKind::InvalidArgument, message)
    })
}

const NO_MEMORY: &str = "cannot allocate memory for a list of options";

fn no_memory<E: serde::de::Error>(_: TryReserveError) -> E {
    E::custom(NO_MEMORY)
}

struct List<T>(Vec<T>);

impl<'a, T: Deserialize<'a>> Deserialize<'a> for List<T> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Elements<T>(PhantomData<T>);

        impl<'a, T: Deserialize<'a>> Visitor<'a> for Elements<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'a>>(
                self,
                mut values: A,
            ) -> std::result::Result<List<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(value) = values.next_element()? {
                    list.try_push(value).map_err(no_memory)?;
                }
                Ok(List(list))
            }
        }

        deserializer.deserialize_seq(Elements(PhantomData))
    }
}

struct Biases(Vec<(u32, f32)>);

impl<'a> Deserialize<'a> for Biases {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Pairs;

        impl<'a> Visitor<'a> for Pairs {
            type Value = Biases;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'a>>(
                self,
                mut values: A,
            ) -> std::result::Result<Biases, A::Error> {
                let mut pairs = Vec::new();
                while let Some((id, bias)) = values.next_entry::<u32, Option<f32>>()? {
                    if bias.is_some_and(|bias| !bias.is_finite()) {
                        let message = format!("the bias of id {id} is too large");
                        return Err(serde::de::Error::custom(message));
                    }
                    let pair = (id, bias.unwrap_or(f32::NEG_INFINITY));
                    pairs.try_push(pair).map_err(no_memory)?;
                }
                Ok(Biases(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// A list or a text as JSON.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> crate::Result<String> {
    let mut written = Saved::default();
    let json = serde_json::to_writer(&mut written, value).ok();
    let json = json.and_then(|()| String::from_utf8(written.into_bytes()).ok());
    json.ok_or_else(|| Error::new(ErrorKind::OutOfMemory, NO_MEMORY))
}

/// How [`text_or_none`] is read back.
pub fn text_or_none_json(text: Option<&str>) -> crate::Result<String> {
    text.map_or_else(|| Ok("none".to_owned()), to_json)
}

/// How [`files`] are read back.
pub fn files_json(files: &[ContextFile]) -> crate::Result<String> {
    struct File<'a>(&'a ContextFile);

    impl Serialize for File<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
            to.collect_map([("path", &self.0.path), ("text", &self.0.text)])
        }
    }

    struct Files<'a>(&'a [ContextFile]);

    impl Serialize for Files<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
            to.collect_seq(self.0.iter().map(File))
        }
    }

    to_json(&Files(files))
}

/// How [`biases`] are read back.
pub fn biases_json(biases: &[(u32, f32)]) -> crate::Result<String> {
    struct Pairs<'a>(&'a [(u32, f32)]);

    impl Serialize for Pairs<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
            // Negative infinity is null in JSON.
            to.collect_map(self.0.iter().copied())
        }
    }

    to_json(&Pairs(biases))
}

/// The name of a value that [`one_of`] reads.
pub fn name_of<T: PartialEq>(names: &[(&str, T)], value: T) -> String {
    let found = names.iter().find(|(_, v)| *v == value);
    found.map_or("", |(name, _)| name).to_owned()
}

/// One of several names.
pub fn one_of<T: Copy>(text: &str, names: &[(&str, T)]) -> crate::Result<T> {
    let text = text.trim();
    match names.iter().find(|(name, _)| *name == text) {
        Some((_, value)) => Ok(*value),
        None => {
            let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
            bail!(
                InvalidArgument,
                "{} is none of {}",
                excerpt(text),
                known.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_of_texts_are_those_of_json() {
        let empty: &[&str] = &[];
        assert_eq!(texts(" [ ] ").unwrap(), empty);
        assert_eq!(texts(r#"["a" , "\n\"\/"]"#).unwrap(), ["a", "\n\"/"]);
        assert_eq!(
            texts(r#"["\ud83d\ude42 \u00e9\u0000"]"#).unwrap(),
            ["\u{1f642} \u{e9}\0"]
        );
        for wrong in [
            "",
            "[",
            "]",
            "[\"a\"",
            "[\"a\",]",
            "[,]",
            "[\"a\" \"b\"]",
            "[1]",
            "[\"a]",
            "[\"\\x\"]",
            "[\"\n\"]",
            "[] x",
            r#"["\ud83d"]"#,
            r#"["\ud83dx"]"#,
            r#"["\ude42\ud83d"]"#,
            r#"["\u+123"]"#,
            r#"["\u12"]"#,
            "\"a\"",
        ] {
            let error = texts(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{wrong}");
        }
        let long = "if x {\n".repeat(100_000);
        let json = serde_json::to_string(&long).unwrap();
        assert_eq!(text_or_none(&json).unwrap(), Some(long));
        assert_eq!(text_or_none(" none").unwrap(), None);
        assert_eq!(text_or_none("\"none\"").unwrap().unwrap(), "none");
        for wrong in ["", "nothing", "\"a\" \"b\"", "[\"a\"]"] {
            text_or_none(wrong).unwrap_err();
        }
    }

    #[test]
    fn files_have_a_path_and_a_text() {
        assert_eq!(files(" [ ] ").unwrap(), []);
        let json = r#"[{"path": "a.py", "text": "\u0041\n"} , { "text" : "B","path":"b" }]"#;
        let found = files(json).unwrap();
        let expected = [ContextFile::new("a.py", "A\n"), ContextFile::new("b", "B")];
        assert_eq!(found, expected);
        let written = files_json(&found).unwrap();
        assert_eq!(
            written,
            r#"[{"path":"a.py","text":"A\n"},{"path":"b","text":"B"}]"#
        );
        assert_eq!(files(&written).unwrap(), expected);
        for wrong in [
            "",
            "none",
            "{}",
            "[{}]",
            "[\"a\"]",
            r#"[{"path": "a"}]"#,
            r#"[{"text": "a"}]"#,
            r#"[{"path": "a", "text": 1}]"#,
            r#"[{"path": "a", "text": "b", "text": "c"}]"#,
            r#"[{"path": "a", "text": "b", "more": "c"}]"#,
            r#"[{"path": "a", "text": "b",}]"#,
            r#"[{"path": "a", "text": "b"}"#,
            r#"[{"path": "a" "text": "b"}]"#,
            r#"[{"path", "text"}]"#,
            r#"[{"path": "a", "text": "b"}] x"#,
        ] {
            let error = files(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{wrong}");
            let message = error.to_string();
            assert!(message.contains("expected files as in JSON"), "{message}");
        }
        let long = [ContextFile::new("a", "if x {\n".repeat(100_000))];
        assert_eq!(files(&files_json(&long).unwrap()).unwrap(), long);
    }

    #[test]
    fn biases_are_numbers_or_null() {
        let found = biases(r#"{"198": -2.5, "4": null}"#).unwrap();
        assert_eq!(found, [(198, -2.5), (4, f32::NEG_INFINITY)]);
        for wrong in [
            "[]",
            "{\"4\": \"x\"}",
            "{\"4\": 1e39}",
            "{\"4\": -1e39}",
            "{\"-1\": 0}",
        ] {
            biases(wrong).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn serde_reads_the_same(list in prop::collection::vec(any::<String>(), 0..5), wrong in "[\\[\\]\",\\\\u0-9a-fnx ]{0,12}") {
            let json = serde_json::to_string(&list).unwrap();
            prop_assert_eq!(texts(&json).unwrap(), list);
            let serde: Option<Vec<String>> = serde_json::from_str(&wrong).ok();
            prop_assert_eq!(texts(&wrong).ok(), serde);
        }
    }
}
