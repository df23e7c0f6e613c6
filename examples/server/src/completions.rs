//! `POST /v1/completions`: from a request to an answer, whole or streamed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::time::timeout;

use crate::app::{App, unix_time};
use crate::choice::ChoiceBuilder;
use crate::engine::{End, Event, Job, Sampling, Work};
use crate::error::{ApiError, Result};
use crate::openai::{Choice, Completion, CompletionRequest, Usage, no_such_model};
use crate::prompt::{Prepared, prepare};
use crate::suffix;

/// Answers a request.
///
/// # Errors
/// Whatever is wrong with the request, 429 when the queue is full, and what ends the work.
pub async fn completions(State(app): State<Arc<App>>, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let body = match timeout(
        app.settings.read_timeout,
        read(&parts.headers, body, app.settings.max_body),
    )
    .await
    {
        Ok(body) => body?,
        Err(_) => {
            let late = "the body did not arrive in time";
            return Err(ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_timeout",
                late,
            ));
        }
    };
    let request = CompletionRequest::parse(body, app.settings.max_choices)?;
    let mut answer = Answer::start(app, request)?;
    if answer.request.stream {
        let pieces = stream::unfold(Some(answer), next_piece);
        let headers = [(header::CONTENT_TYPE, "text/event-stream")];
        return Ok((headers, Body::from_stream(pieces)).into_response());
    }
    let choices = answer.collect().await?;
    let usage = Some(Some(answer.usage));
    Ok(Json(answer.completion(choices, usage)).into_response())
}

/// Reads a body of JSON. The content type is asked for because a page of another site can send
/// others without the browser asking first.
async fn read(headers: &HeaderMap, body: Body, most: usize) -> Result<Vec<u8>> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok());
    let media_type = content_type.and_then(|v| v.split(';').next());
    if !media_type.is_some_and(|t| t.trim().eq_ignore_ascii_case("application/json")) {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_type",
            "the content-type has to be application/json",
        ));
    }
    let coding = headers.get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_encoding",
            "the body has a content-encoding, expected none",
        ));
    }
    let too_large = || {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body is larger than {most} bytes"),
        )
    };
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|n| n > most as u64) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            let message = format!("the body cannot be read: {}", root(&error));
            ApiError::new(StatusCode::BAD_REQUEST, "bad_body", message)
        })?;
        if bytes.len() + chunk.len() > most {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// What an error goes back to. Those around it say what they were doing, each in its own words.
fn root<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root
}

/// An answer under way. Dropping it cancels the work.
struct Answer {
    app: Arc<App>,
    request: CompletionRequest,
    prompts: Vec<Prepared>,
    candidates: Vec<Candidate>,
    work: Work,
    /// The text after the cursor, where finished candidates are cut and ranked by it.
    ranked_by: Option<String>,
    usage: Usage,
    id: String,
    created: u64,
    /// Pieces that are ready to be streamed.
    ready: VecDeque<Choice>,
    /// Whether all of a stream has been made ready.
    complete: bool,
}

/// One sample of a prompt.
struct Candidate {
    builder: ChoiceBuilder,
    /// How likely it is together with the text after the cursor.
    fit: Option<f64>,
    ended: bool,
}

impl Answer {
    fn start(app: Arc<App>, request: CompletionRequest) -> Result<Self> {
        let served = &app.settings.model;
        if let Some(name) = request.model.as_ref().filter(|name| *name != served) {
            return Err(no_such_model(name, served));
        }
        let choices = request.choices();
        let tokenizer = app.engine.tokenizer();
        if let Some((id, _)) = request
            .logit_bias
            .iter()
            .find(|(id, _)| *id as usize >= tokenizer.vocab_size())
        {
            return Err(ApiError::field(
                "logit_bias",
                format!("there is no token {id}"),
            ));
        }
        let prompts = prepare(&request, app.engine.generator())?;
        let (suffix, stop_ids) = match (app.engine.generator().infill_tokens(), &request.suffix) {
            (Some(tokens), Some(_)) => (None, tokens.end_ids(&**tokenizer).collect()),
            (_, suffix) => (suffix.clone(), Vec::new()),
        };
        let seed = request.seed.unwrap_or_else(random);
        let job = |(number, prompt): (usize, &Prepared)| Job {
            prompt: prompt.ids.clone(),
            score_prompt: request.echo && request.logprobs.is_some(),
            suffix: suffix.clone(),
            sampling: Sampling {
                max_tokens: request.max_tokens,
                temperature: request.temperature,
                top_p: request.top_p,
                top_k: request.top_k,
                seed,
                // Equal prompts of an array have different samples.
                first_sample: (number * request.best_of) as u32,
                samples: request.best_of,
                // The request's first, as in the command line.
                stop: [&request.stop[..], &prompt.framed.stop].concat(),
                presence_penalty: request.presence_penalty,
                frequency_penalty: request.frequency_penalty,
                logit_bias: request.logit_bias.clone(),
                top_logprobs: request.logprobs.unwrap_or(0),
                stop_ids: stop_ids.clone(),
            },
        };
        let jobs = prompts.iter().enumerate().map(job).collect();
        let candidates = (0..choices)
            .map(|index| Candidate {
                builder: ChoiceBuilder::new(
                    tokenizer.clone(),
                    index,
                    request.logprobs.is_some(),
                    &prompts[index / request.best_of],
                ),
                fit: None,
                ended: false,
            })
            .collect();
        let work = app.engine.submit(jobs)?;
        let mut answer = Self {
            usage: Usage {
                prompt_tokens: prompts.iter().map(|p| p.ids.len()).sum(),
                ..Usage::default()
            },
            id: format!("cmpl-{:016x}", random()),
            created: unix_time(),
            ready: VecDeque::new(),
            complete: false,
            app,
            request,
            prompts,
            candidates,
            work,
            ranked_by: suffix,
        };
        if answer.request.echo && answer.request.logprobs.is_none() {
            for index in 0..choices {
                let prompt = &answer.prompts[index / answer.request.best_of];
                let piece = answer.candidates[index].builder.prompt(prompt, &[]);
                answer.ready.push_back(piece);
            }
        }
        Ok(answer)
    }

    /// Waits for the next event and adds its pieces to those that are ready; false after the last.
    async fn advance(&mut self) -> Result<bool> {
        let Some((prompt, event)) = self.work.next().await else {
            if self.candidates.iter().all(|c| c.ended) {
                return Ok(false);
            }
            return Err(ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                "the computation ended without a result",
            ));
        };
        let first = prompt * self.request.best_of;
        match event {
            Event::Prompt(scores) => {
                let prompt = &self.prompts[prompt];
                for candidate in &mut self.candidates[first..first + self.request.best_of] {
                    let piece = candidate.builder.prompt(prompt, &scores);
                    self.ready.push_back(piece);
                }
            }
            Event::Token {
                sample,
                token,
                text,
            } => {
                self.usage.completion_tokens += 1;
                let builder = &mut self.candidates[first + sample].builder;
                self.ready.push_back(builder.token(token, &text));
            }
            Event::End {
                end: End::Cancelled,
                ..
            } => return Err(ApiError::stopping()),
            Event::End { sample, text, end } => {
                let candidate = &mut self.candidates[first + sample];
                candidate.ended = true;
                self.ready.push_back(candidate.builder.end(&text, end));
            }
            Event::Fit {
                sample,
                log_probability,
            } => self.candidates[first + sample].fit = Some(log_probability),
            Event::Failed(error) => return Err(error),
        }
        self.usage.total_tokens = self.usage.prompt_tokens + self.usage.completion_tokens;
        Ok(true)
    }

    /// All choices, whole.
    async fn collect(&mut self) -> Result<Vec<Choice>> {
        let mut choices: Vec<Option<Choice>> = vec![None; self.candidates.len()];
        loop {
            for piece in self.ready.drain(..) {
                match &mut choices[piece.index] {
                    Some(choice) => choice.extend(piece),
                    none => *none = Some(piece),
                }
            }
            if !self.advance().await? {
                break;
            }
        }
        let mut choices: Vec<Choice> = choices.into_iter().flatten().collect();
        if let Some(suffix) = &self.ranked_by {
            for choice in &mut choices {
                let prompt = match self.request.echo {
                    true => {
                        let prompt = &self.prompts[choice.index / self.request.best_of];
                        prompt.framed.prompt.len()
                    }
                    false => 0,
                };
                let keep = suffix::keep(&choice.text[prompt..], suffix);
                choice.truncate(prompt + keep);
            }
        }
        Ok(self.best(choices))
    }

    /// The best of the candidates of each prompt, the best first; all in the order in which they
    /// were sampled where nothing says which are better.
    fn best(&self, mut choices: Vec<Choice>) -> Vec<Choice> {
        let (n, best_of) = (self.request.n, self.request.best_of);
        let value = |choice: &Choice| {
            let candidate = &self.candidates[choice.index];
            let mean = candidate.builder.log_probability / candidate.builder.tokens.max(1) as f64;
            (candidate.fit.unwrap_or(f64::NEG_INFINITY), mean)
        };
        if best_of > n || self.ranked_by.is_some() {
            for group in choices.chunks_mut(best_of) {
                group.sort_by(|a, b| {
                    let (a, b) = (value(a), value(b));
                    b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1))
                });
            }
        }
        let kept = choices.chunks(best_of).flat_map(|group| &group[..n]);
        let numbered = kept.cloned().enumerate().map(|(index, mut choice)| {
            choice.index = index;
            choice
        });
        numbered.collect()
    }

    /// The next piece of a stream; nothing after the last.
    async fn next(&mut self) -> Result<Option<Choice>> {
        loop {
            // What ends with the text after the cursor is known at the end.
            if self.ranked_by.is_some() && !self.complete {
                self.ready = self.collect().await?.into();
                self.complete = true;
            }
            match self.ready.pop_front() {
                Some(piece) if piece.is_empty() => {}
                Some(piece) => return Ok(Some(piece)),
                None if self.complete => return Ok(None),
                None => self.complete = !self.advance().await?,
            }
        }
    }

    fn completion(&self, choices: Vec<Choice>, usage: Option<Option<Usage>>) -> Completion<'_> {
        Completion {
            id: &self.id,
            object: "text_completion",
            created: self.created,
            model: &self.app.settings.model,
            choices,
            usage,
        }
    }
}

/// The next bytes of a stream of events, and what is left of it.
async fn next_piece(answer: Option<Answer>) -> Option<(Result<Bytes, Infallible>, Option<Answer>)> {
    let mut answer = answer?;
    let (text, more) = match answer.next().await {
        Ok(Some(piece)) => {
            let usage = answer.request.include_usage.then_some(None);
            (event(&answer.completion(vec![piece], usage)), true)
        }
        Ok(None) => {
            let mut text = String::new();
            if answer.request.include_usage {
                text = event(&answer.completion(Vec::new(), Some(Some(answer.usage))));
            }
            (text + "data: [DONE]\n\n", false)
        }
        Err(error) => (event(&error.body()), false),
    };
    Some((Ok(text.into()), more.then_some(answer)))
}

fn event(data: &impl serde::Serialize) -> String {
    // These types have nothing in them that JSON cannot say.
    let json = serde_json::to_string(data).unwrap_or_else(|_| Value::Null.to_string());
    format!("data: {json}\n\n")
}

/// A random number: hashers of the standard library have random keys.
fn random() -> u64 {
    RandomState::new().hash_one(unix_time())
}
