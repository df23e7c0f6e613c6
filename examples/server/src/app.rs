//! The routes, and what is common to them: who may ask, errors in one shape, headers.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use crate::engine::Engine;
use crate::error::{ApiError, Result};
use crate::openai::{ModelInfo, no_such_model};
use crate::{completions, guard, playground};

/// What a server is told.
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
    /// Names of the server beside addresses and `localhost`.
    pub names: Vec<String>,
}

/// What the handlers share.
#[derive(Debug)]
pub struct App {
    /// What was set.
    pub settings: Settings,
    /// What computes.
    pub engine: Engine,
    /// When it was made, in seconds of Unix time.
    pub started: u64,
    page: String,
}

impl App {
    /// Joins an engine and settings.
    pub fn new(engine: Engine, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            page: playground::page(&settings.model, engine.positions()),
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
        .route("/v1/models/{id}", get(model))
        .route("/v1/completions", post(completions::completions))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), common))
        .with_state(app)
}

async fn common(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let checked = guard::check(request.headers(), &app.settings.names);
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static("same-origin"),
    );
    response
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

async fn model(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response> {
    if id != app.settings.model {
        return Err(no_such_model(&id, &app.settings.model));
    }
    Ok(Json(info(&app)).into_response())
}

async fn not_found(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "unknown_url",
        format!("there is no {method} {} here", uri.path()),
    )
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} does not take {method}", uri.path()),
    )
}
