//! The fields of a JSON object, taken one by one with their types and ranges checked, so that an
//! error names the field. `null` stands for a field that is not there; fields that nobody takes
//! are ignored.

use std::fmt::Display;
use std::ops::RangeInclusive;

use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::error::{ApiError, Result};

/// The fields that are left.
#[derive(Debug)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Parses a body.
    pub fn parse(body: &[u8]) -> Result<Self> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            Ok(other) => Err(Self::no_object(format!("it is {}", kind(&other)))),
            Err(error) => Err(Self::no_object(error.to_string())),
        }
    }

    fn no_object(found: String) -> ApiError {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_json",
            format!("the body has to be a JSON object, but {found}"),
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

    /// Takes a whole number.
    pub fn integer(&mut self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let number = value
            .as_i64()
            .ok_or_else(|| wrong(name, &value, "a whole number"))?;
        within(name, number, range).map(Some)
    }

    /// Takes a whole number that is not negative.
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

    /// Takes a text.
    pub fn string(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(value) => Err(wrong(name, &value, "a text")),
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

fn within<T: PartialOrd + Display>(name: &str, value: T, range: RangeInclusive<T>) -> Result<T> {
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = range.into_inner();
    Err(ApiError::field(
        name,
        format!("{name} is {value}, expected {least} to {most}"),
    ))
}

/// A value by its type: values of texts are not repeated in messages.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(_) => "a text".into(),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}
