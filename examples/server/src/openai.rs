//! The requests and responses of `/v1/completions` and `/v1/models`, in OpenAI's shape.
//!
//! Extensions: `top_k`, `task` with `language` and the other fields of [`crate::task`], and `path`,
//! `repository` and `files` beside `suffix`, for models with fill-in-the-middle. For other models see
//! [`crate::suffix`].

use std::collections::BTreeMap;

use axum::http::StatusCode;
use codegeex::generate::{ContextFile, Infill};
use serde::Serialize;
use serde_json::Value;

use crate::error::{ApiError, Result, shown};
use crate::fields::{Fields, integer, wrong};
use crate::task::Task;

/// Most stop strings of a request.
pub const MAX_STOPS: usize = 4;
/// Most alternatives a token of `logprobs`.
pub const MAX_LOGPROBS: usize = 5;

/// A prompt as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A text.
    Text(String),
    /// Token ids.
    Ids(Vec<u32>),
}

/// A request for completions, checked as far as that goes without a model.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields are OpenAI's")]
pub struct CompletionRequest {
    pub model: Option<String>,
    pub prompts: Vec<Prompt>,
    pub task: Task,
    pub suffix: Option<String>,
    /// The path of the text that has the cursor.
    pub path: Option<String>,
    /// The name of the repository.
    pub repository: Option<String>,
    /// Other files of the repository.
    pub files: Vec<ContextFile>,
    pub max_tokens: usize,
    pub temperature: f32,
    pub top_p: f32,
    pub top_k: usize,
    pub n: usize,
    pub best_of: usize,
    pub stream: bool,
    pub include_usage: bool,
    pub logprobs: Option<usize>,
    pub echo: bool,
    pub stop: Vec<String>,
    pub presence_penalty: f32,
    pub frequency_penalty: f32,
    pub logit_bias: Vec<(u32, f32)>,
    pub seed: Option<u64>,
}

impl CompletionRequest {
    /// Parses a body. `max_choices` is the most completions that a request may have, over all of
    /// its prompts.
    ///
    /// # Errors
    /// 400, naming the field.
    pub fn parse(body: Vec<u8>, max_choices: usize) -> Result<Self> {
        let mut fields = Fields::parse(body)?;
        let f = &mut fields;
        let stream = f.boolean("stream")?.unwrap_or(false);
        let include_usage = match f.object("stream_options")? {
            None => false,
            Some(_) if !stream => {
                return Err(ApiError::field(
                    "stream_options",
                    "stream_options is for requests with stream",
                ));
            }
            Some(mut options) => options.boolean("include_usage")?.unwrap_or(false),
        };
        let n = f.count("n", 1..=max_choices)?.unwrap_or(1);
        let best_of = f.count("best_of", 1..=max_choices)?.unwrap_or(n);
        if best_of < n {
            return Err(ApiError::field(
                "best_of",
                format!("best_of is {best_of}, expected at least n, which is {n}"),
            ));
        }
        if stream && best_of > n {
            return Err(ApiError::field(
                "best_of",
                "the best are known at the end only, so they cannot be streamed: \
                 leave out best_of or stream",
            ));
        }
        let task = Task::parse(f)?;
        let request = Self {
            model: f.string("model")?,
            prompts: prompts(f.take("prompt"))?,
            task,
            suffix: f.string("suffix")?.filter(|s| !s.is_empty()),
            path: f.string("path")?,
            repository: f.string("repository")?,
            files: files(f.take("files"))?,
            max_tokens: f.count("max_tokens", 0..=1 << 20)?.unwrap_or(16),
            temperature: f.number("temperature", 0.0..=2.0)?.unwrap_or(1.0) as f32,
            top_p: f.number("top_p", 0.0..=1.0)?.unwrap_or(1.0) as f32,
            top_k: f.count("top_k", 0..=1 << 20)?.unwrap_or(0),
            n,
            best_of,
            stream,
            include_usage,
            logprobs: f.count("logprobs", 0..=MAX_LOGPROBS)?,
            echo: f.boolean("echo")?.unwrap_or(false),
            stop: stops(f.take("stop"))?,
            presence_penalty: f.number("presence_penalty", -2.0..=2.0)?.unwrap_or(0.0) as f32,
            frequency_penalty: f.number("frequency_penalty", -2.0..=2.0)?.unwrap_or(0.0) as f32,
            logit_bias: match f.object("logit_bias")? {
                Some(map) => biases(map)?,
                None => Vec::new(),
            },
            // Any whole number is a seed; negative ones wrap around.
            seed: f.integer("seed", i64::MIN..=i64::MAX)?.map(|s| s as u64),
        };
        request.check_choices(max_choices)?;
        request.check_task()?;
        request.check_suffix()?;
        Ok(request)
    }

    /// What the text after the cursor and around it is to a model with fill-in-the-middle.
    pub fn infill(&self) -> Option<Infill> {
        let suffix = self.suffix.as_ref()?;
        let mut infill = Infill::new(suffix).files(self.files.iter().cloned());
        infill.path.clone_from(&self.path);
        infill.repository.clone_from(&self.repository);
        infill.language = match self.task {
            Task::Complete { language } => language,
            _ => None,
        };
        Some(infill)
    }

    /// Whether what belongs to a suffix has one.
    fn check_suffix(&self) -> Result<()> {
        let name = match (&self.path, &self.repository, &*self.files) {
            _ if self.suffix.is_some() => return Ok(()),
            (None, None, []) => return Ok(()),
            (_, _, [_, ..]) => "files",
            (_, Some(_), _) => "repository",
            _ => "path",
        };
        let message = format!("{name} is given without a suffix, expected both or none");
        Err(ApiError::field(name, message))
    }

    /// Completions of all prompts, those that `best_of` throws away included.
    pub fn choices(&self) -> usize {
        // Both are limited: by the size of the body, and by the range of `best_of`.
        self.prompts.len() * self.best_of
    }

    fn check_choices(&self, most: usize) -> Result<()> {
        let (prompts, choices) = (self.prompts.len(), self.choices());
        if choices <= most {
            return Ok(());
        }
        let name = match self.best_of > self.n {
            true => "best_of",
            false => "n",
        };
        let message = format!(
            "{prompts} prompts with {name} {} are {choices} completions, expected {most} at most",
            self.best_of
        );
        Err(ApiError::field("prompt", message))
    }

    /// Whether the task has a use for the other fields.
    fn check_task(&self) -> Result<()> {
        if self.task.continues() {
            return Ok(());
        }
        let name = self.task.name();
        let (field, message) = if self.prompts.iter().any(|p| matches!(p, Prompt::Ids(_))) {
            (
                "prompt",
                "prompt has token ids, expected the code as a string",
            )
        } else if self.echo {
            (
                "echo",
                "echo is true, expected false as the answer does not continue the prompt",
            )
        } else if self.suffix.is_some() {
            (
                "suffix",
                "suffix is given, expected none as the code has no cursor",
            )
        } else {
            return Ok(());
        };
        Err(ApiError::field(
            field,
            format!("{message} with the task {name}"),
        ))
    }
}

/// An array of objects with a path and a text.
fn files(value: Option<Value>) -> Result<Vec<ContextFile>> {
    let expected = "an array of objects with the strings path and text";
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    let Value::Array(list) = value else {
        return Err(wrong("files", &value, expected));
    };
    let one = |item: Value| match (item.get("path"), item.get("text")) {
        (Some(Value::String(path)), Some(Value::String(text))) => Ok(ContextFile::new(path, text)),
        _ => Err(wrong("files", &item, expected)),
    };
    list.into_iter().map(one).collect()
}

/// A string, an array of strings, of ids, or of arrays of ids; without any, the empty string.
fn prompts(value: Option<Value>) -> Result<Vec<Prompt>> {
    let expected =
        "a string, an array of strings, an array of token ids or an array of such arrays";
    match value {
        None => Ok(vec![Prompt::Text(String::new())]),
        Some(Value::String(text)) => Ok(vec![Prompt::Text(text)]),
        Some(Value::Array(list)) => match list.first() {
            None => Err(ApiError::field("prompt", "prompt is an empty array")),
            Some(Value::Number(_)) => Ok(vec![Prompt::Ids(ids(&list)?)]),
            Some(_) => list
                .into_iter()
                .map(|item| match item {
                    Value::String(text) => Ok(Prompt::Text(text)),
                    Value::Array(list) => ids(&list).map(Prompt::Ids),
                    other => Err(wrong("prompt", &other, expected)),
                })
                .collect(),
        },
        Some(other) => Err(wrong("prompt", &other, expected)),
    }
}

fn ids(list: &[Value]) -> Result<Vec<u32>> {
    if list.is_empty() {
        return Err(ApiError::field(
            "prompt",
            "a prompt is an empty array of token ids",
        ));
    }
    list.iter()
        .map(|value| {
            let id = integer(value).and_then(|id| u32::try_from(id).ok());
            id.ok_or_else(|| wrong("prompt", value, "a token id"))
        })
        .collect()
}

fn stops(value: Option<Value>) -> Result<Vec<String>> {
    let list = match value {
        None => return Ok(Vec::new()),
        Some(text @ Value::String(_)) => vec![text],
        Some(Value::Array(list)) => list,
        Some(other) => return Err(wrong("stop", &other, "a string or an array of strings")),
    };
    if list.len() > MAX_STOPS {
        return Err(ApiError::field(
            "stop",
            format!(
                "stop has {} strings, expected {MAX_STOPS} at most",
                list.len()
            ),
        ));
    }
    list.into_iter()
        .map(|item| match item {
            Value::String(text) if text.is_empty() => {
                Err(ApiError::field("stop", "a stop string is empty"))
            }
            Value::String(text) => Ok(text),
            other => Err(wrong("stop", &other, "a string in the array")),
        })
        .collect()
}

fn biases(map: Fields) -> Result<Vec<(u32, f32)>> {
    let name = "logit_bias";
    let bias = |(id, value): (String, Value)| {
        let id: u32 = id.parse().map_err(|_| {
            let message = format!("the key {} of logit_bias is not a token id", shown(&id));
            ApiError::field(name, message)
        })?;
        match value.as_f64() {
            Some(bias) if (-100.0..=100.0).contains(&bias) => Ok((id, bias as f32)),
            _ => Err(ApiError::field(
                name,
                format!("the bias of token {id} is {value}, expected a number from -100 to 100"),
            )),
        }
    };
    map.into_rest().into_iter().map(bias).collect()
}

/// An answer, or a piece of one when it is streamed.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are OpenAI's")]
pub struct Completion<'a> {
    pub id: &'a str,
    pub object: &'static str,
    pub created: u64,
    pub model: &'a str,
    pub choices: Vec<Choice>,
    /// `None` leaves it out, `Some(None)` says `null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
}

/// One completion of a prompt, or a piece of one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are OpenAI's")]
pub struct Choice {
    pub text: String,
    pub index: usize,
    pub logprobs: Option<Logprobs>,
    pub finish_reason: Option<&'static str>,
}

/// Tokens of a choice, in lists of one length.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Logprobs {
    /// The text of each token, or `bytes:` and escapes such as `\xe2` where it is not UTF-8.
    pub tokens: Vec<String>,
    /// The log-probability of each under the model; nothing for the first of a prompt.
    pub token_logprobs: Vec<Option<f32>>,
    /// The most likely tokens at that place, and the one that is there.
    pub top_logprobs: Vec<Option<BTreeMap<String, f32>>>,
    /// Where it begins in the text of the choice, in characters.
    pub text_offset: Vec<usize>,
}

/// Tokens that were computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the fields are OpenAI's")]
pub struct Usage {
    pub prompt_tokens: usize,
    pub completion_tokens: usize,
    pub total_tokens: usize,
}

/// A model of the list.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are OpenAI's")]
pub struct ModelInfo<'a> {
    pub id: &'a str,
    pub object: &'static str,
    pub created: u64,
    pub owned_by: &'static str,
}

/// 404 of a model that is not served.
pub fn no_such_model(name: &str, served: &str) -> ApiError {
    ApiError {
        status: StatusCode::NOT_FOUND,
        message: format!("there is no model {}, only {served:?}", shown(name)),
        param: Some("model".into()),
        code: Some("model_not_found"),
    }
}
