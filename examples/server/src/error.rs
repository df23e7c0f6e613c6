//! Errors in the shape that OpenAI clients expect: a status and
//! `{"error": {"message", "type", "param", "code"}}`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// Shorthand for results of this crate.
pub type Result<T, E = ApiError> = std::result::Result<T, E>;

/// What is told to the client instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The status of the response.
    pub status: StatusCode,
    /// A sentence for people.
    pub message: String,
    /// The field that it is about.
    pub param: Option<String>,
    /// A name for programs.
    pub code: Option<&'static str>,
}

impl ApiError {
    /// An error about the request as a whole.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            param: None,
            code: Some(code),
        }
    }

    /// 400, about one field.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
            param: Some(name.into()),
            code: Some("invalid_value"),
        }
    }

    /// 503: the server is going away.
    pub fn stopping() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting_down",
            "the server is shutting down",
        )
    }

    /// The same with another code.
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// The error object.
    pub fn body(&self) -> Value {
        let kind = match self.status {
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            s if s.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        json!({"error": {
            "message": self.message,
            "type": kind,
            "param": self.param,
            "code": self.code,
        }})
    }
}

impl From<codegeex::Error> for ApiError {
    fn from(error: codegeex::Error) -> Self {
        use codegeex::ErrorKind as Kind;
        let (status, code) = match error.kind() {
            Kind::InvalidArgument => (StatusCode::BAD_REQUEST, "invalid_value"),
            Kind::TokenOutOfRange => (StatusCode::BAD_REQUEST, "token_out_of_range"),
            Kind::ContextOverflow => (StatusCode::BAD_REQUEST, "context_length_exceeded"),
            Kind::Busy => (StatusCode::TOO_MANY_REQUESTS, "queue_full"),
            Kind::OutOfMemory => (StatusCode::SERVICE_UNAVAILABLE, "out_of_memory"),
            Kind::Cancelled => return Self::stopping(),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        let busy = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        ];
        if busy.contains(&self.status) {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Characters of a name from a request that a message repeats at most.
const SHOWN: usize = 40;

/// The beginning of a name, in quotes.
pub fn shown(name: &str) -> String {
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?} …", &name[..end]),
        None => format!("{name:?}"),
    }
}
