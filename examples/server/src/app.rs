//! The routes, and what they have in common: which requests are answered, errors in one shape,
//! headers.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use crate::engine::Engine;
use crate::error::{ApiError, Result, shown};
use crate::guard::Guard;
use crate::openai::{ModelInfo, no_such_model};
use crate::{completions, playground};

/// Settings of a server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name of the model in requests and responses.
    pub model: String,
    /// Bytes of a body at most.
    pub max_body: usize,
    /// Completions of one request at most, over all its prompts.
    pub max_choices: usize,
    /// How long a client may take to send a body.
    pub read_timeout: Duration,
    /// Which requests are answered.
    pub guard: Guard,
}

/// What the handlers share.
#[derive(Debug)]
pub struct App {
    /// As they were given.
    pub settings: Settings,
    /// Runs the model.
    pub engine: Engine,
    /// When it was made, in seconds of Unix time.
    pub started: u64,
    page: String,
}

impl App {
    /// Joins an engine and settings.
    pub fn new(engine: Engine, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            page: playground::page(&settings.model, engine.context_length()),
            settings,
            engine,
            started: unix_time(),
        })
    }
}

/// Seconds since 1970.
pub fn unix_time() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |d| d.as_secs())
}

/// The routes.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/health", get(health))
        .route("/v1/models", get(models))
        .route("/v1/models/{*id}", get(model))
        .route("/v1/completions", post(completions::completions))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), common))
        .with_state(app)
}

/// How long a browser may keep the answer to a preflight.
const PREFLIGHT_SECONDS: &str = "600";

async fn common(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (request, body) = request.into_parts();
    let checked = app.settings.guard.check(&request);
    let allowed = checked.as_ref().ok().cloned().flatten();
    let asked = request.headers.clone();
    let preflight = allowed.is_some()
        && request.method == Method::OPTIONS
        && asked.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match checked {
        Ok(_) if preflight => StatusCode::NO_CONTENT.into_response(),
        Ok(_) => next.run(Request::from_parts(request, body)).await,
        Err(error) => error.into_response(),
    };
    if is_bare_error(&response) {
        let error = ApiError::new(response.status(), "http_error", reason(response.status()));
        *response.body_mut() = error.into_response().into_body();
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    let headers = response.headers_mut();
    let fixed = HeaderValue::from_static;
    headers.insert(header::CACHE_CONTROL, fixed("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    headers.insert(header::VARY, fixed("origin"));
    let readers = match allowed.is_some() {
        true => "cross-origin",
        false => "same-origin",
    };
    headers.insert("cross-origin-resource-policy", fixed(readers));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            fixed("allow, retry-after"),
        );
        if preflight {
            answer_preflight(&asked, headers);
        }
    }
    response
}

/// What a page of an allowed origin may send. Clients have headers of their own, so all of them.
fn answer_preflight(asked: &HeaderMap, headers: &mut HeaderMap) {
    let fixed = HeaderValue::from_static;
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, fixed("GET, POST"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, fixed(PREFLIGHT_SECONDS));
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    // A page from the network asks whether it may reach into this machine.
    for name in ["private-network", "local-network"] {
        if asked.contains_key(format!("access-control-request-{name}")) {
            let name = format!("access-control-allow-{name}");
            if let Ok(name) = name.parse::<HeaderName>() {
                headers.insert(name, fixed("true"));
            }
        }
    }
    headers.insert(
        header::VARY,
        fixed("origin, access-control-request-method, access-control-request-headers"),
    );
}

/// Whether this is an error without a body that clients can read.
fn is_bare_error(response: &Response) -> bool {
    let json = HeaderValue::from_static("application/json");
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    is_error && response.headers().get(header::CONTENT_TYPE) != Some(&json)
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("the request failed")
}

async fn page(State(app): State<Arc<App>>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, playground::POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, app.page.clone())
}

async fn health(State(app): State<Arc<App>>) -> impl IntoResponse {
    let load = app.engine.load();
    Json(json!({
        "status": "ok",
        "model": app.settings.model,
        "active": load.active,
        "queued": load.queued,
    }))
}

fn info(app: &App) -> ModelInfo<'_> {
    ModelInfo {
        id: &app.settings.model,
        object: "model",
        created: app.started,
        owned_by: "local",
    }
}

async fn models(State(app): State<Arc<App>>) -> Response {
    Json(json!({"object": "list", "data": [info(&app)]})).into_response()
}

async fn model(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response> {
    let Path(id) = id.map_err(|error| {
        let message = "the path is not UTF-8 after its percent signs are decoded";
        ApiError::new(error.status(), "bad_path", message)
    })?;
    if id != app.settings.model {
        return Err(no_such_model(&id, &app.settings.model));
    }
    Ok(Json(info(&app)).into_response())
}

async fn not_found(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "unknown_url",
        format!(
            "nothing answers {} {}",
            shown(method.as_str()),
            shown(uri.path())
        ),
    )
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!(
            "{} does not take the method {}",
            uri.path(),
            shown(method.as_str())
        ),
    )
}
