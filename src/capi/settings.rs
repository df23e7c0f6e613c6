//! Options as text keys and values, so that a program can set options that are newer than it: one
//! table for each kind of options, which C can list.

use std::ffi::c_char;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};

use super::boundary::{Call, Handle, Held, Out, Result};
use super::buffer::give_text;
use crate::error::{Error, ErrorKind, bail, excerpt};

/// An option: its NUL-terminated key and description, and how it is set and read.
pub struct Setting<T> {
    pub key: &'static str,
    pub help: &'static str,
    pub set: fn(&mut T, &str) -> crate::Result<()>,
    pub get: fn(&T) -> String,
}

/// Options behind a handle. Calls read a copy, so that any number of calls may use them
/// concurrently.
#[derive(Default)]
pub struct Options<T>(RwLock<T>);

impl<T: Clone> Options<T> {
    pub fn new(value: T) -> Self {
        Self(RwLock::new(value))
    }

    /// The options as they are now.
    pub fn copy(&self) -> T {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub fn change<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The copy of options that may be NULL, which means the default.
pub fn copy_or_default<H, T>(options: Option<&Held<H>>) -> T
where
    H: Handle<Value = Options<T>>,
    T: Clone + Default,
{
    options.map_or_else(T::default, |options| options.copy())
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

/// Sets an option of a copy first, so that a value that is refused changes nothing.
pub fn set<T: Clone>(
    table: &'static [Setting<T>],
    options: &Options<T>,
    key: &str,
    value: &str,
) -> Result<()> {
    let setting = find(table, key)?;
    options.change(|options| {
        let mut changed = options.clone();
        (setting.set)(&mut changed, value)
            .map_err(|e| e.within(setting.key.trim_end_matches('\0')))?;
        *options = changed;
        Ok(())
    })
}

pub fn get<T: Clone>(
    table: &'static [Setting<T>],
    options: &Options<T>,
    key: &str,
    value: Out<*mut c_char>,
    len: Out<usize>,
) -> Result<()> {
    let text = (find(table, key)?.get)(&options.copy());
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
pub fn number<T: FromStr<Err: Display>>(text: &str) -> crate::Result<T> {
    text.trim().parse().map_err(|e| {
        let message = format!("{} is not a number that fits here: {e}", excerpt(text));
        Error::new(ErrorKind::InvalidArgument, message)
    })
}

/// A number or `none`.
pub fn number_or_none<T: FromStr<Err: Display>>(text: &str) -> crate::Result<Option<T>> {
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

/// JSON: for lists.
pub fn json<T: serde::de::DeserializeOwned>(text: &str, expected: &str) -> crate::Result<T> {
    serde_json::from_str(text).map_err(|e| {
        let message = format!("{} is not {expected}: {e}", excerpt(text));
        Error::new(ErrorKind::InvalidArgument, message)
    })
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
