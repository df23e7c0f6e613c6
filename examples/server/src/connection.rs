//! One connection, from its first byte to the last.
//!
//! hyper reads requests and writes answers. What it does not do is done here: telling a connection
//! that is idle between two requests from one that is slow to send a head, answering in JSON what
//! is no request, and closing so that the last answer arrives (RFC 9112, 9.6).

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, StatusCode};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_io_timeout::TimeoutStream;

use crate::error::ApiError;
use crate::listen::Limits;

/// Most bytes of the head of a request. hyper takes a target of 64 KiB.
const MAX_HEAD: usize = 80 << 10;
/// Most headers of a request.
const MAX_HEADERS: usize = 100;
/// How long a client may go on sending after the last answer.
const LINGER: Duration = Duration::from_secs(3);
/// The same when the server stops.
const LINGER_STOPPED: Duration = Duration::from_millis(200);

/// What a connection is doing, for the limits on it.
#[derive(Debug)]
pub struct Activity {
    state: Mutex<State>,
    close: Notify,
    closing: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Has not sent anything, since then.
    New(Instant),
    /// Waits for another request, since then.
    Idle(Instant),
    /// A part of a head has come, since then.
    Head(Instant),
    /// The body of a request has been arriving since then.
    Body(Instant),
    /// A request is answered.
    Busy,
    /// The end of an answer is on its way.
    Ending,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            state: Mutex::new(State::New(Instant::now())),
            close: Notify::new(),
            closing: AtomicBool::new(false),
        }
    }
}

impl Activity {
    fn state(&self) -> MutexGuard<'_, State> {
        // There is no state between two.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long there has been no request; nothing while there is one.
    pub fn idle_for(&self) -> Option<Duration> {
        match *self.state() {
            State::New(since) | State::Idle(since) | State::Head(since) => Some(since.elapsed()),
            State::Body(_) | State::Busy | State::Ending => None,
        }
    }

    /// How long the body of a request has been arriving; nothing while none is.
    pub fn body_for(&self) -> Option<Duration> {
        match *self.state() {
            State::Body(since) => Some(since.elapsed()),
            _ => None,
        }
    }

    /// Asks the connection to close if it is still idle, or its body still not there.
    pub fn close(&self) {
        self.closing.store(true, Relaxed);
        self.close.notify_one();
    }

    /// Whether it was asked to.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    fn deadline(&self, limits: &Limits) -> Option<Instant> {
        match *self.state() {
            State::Idle(since) => Some(since + limits.keep_alive),
            State::New(since) | State::Head(since) => Some(since + limits.head),
            State::Body(_) | State::Busy | State::Ending => None,
        }
    }
}

/// How hyper left a connection.
enum Left {
    /// At its end, by itself.
    Ended(hyper::Result<()>),
    /// Waiting for a request that does not come.
    Idle,
    /// Waiting for a body while others wait for a connection.
    Late,
}

/// Serves a connection to its end, and keeps its place until then. It ends after the request under
/// way when `stopping` closes.
pub async fn run(
    stream: TcpStream,
    router: Router,
    limits: Limits,
    activity: Arc<Activity>,
    mut stopping: watch::Receiver<()>,
    place: OwnedSemaphorePermit,
) {
    // Tokens are small and wanted at once.
    let _ = stream.set_nodelay(true);
    let mut stream = Box::pin(TimeoutStream::new(stream));
    stream.as_mut().set_write_timeout_pinned(Some(limits.write));
    let io = Tracked {
        stream,
        activity: activity.clone(),
        refused: Vec::new(),
    };
    let router = TowerToHyperService::new(router);
    let answering = activity.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        *answering.state() = State::Busy;
        let ending = Ending(answering.clone());
        let activity = answering.clone();
        let request = request.map(|body| Body::new(Arriving { body, activity }));
        let answer = hyper::service::Service::call(&router, request);
        Box::pin(async move {
            let answer = answer.await?;
            Ok::<_, Infallible>(answer.map(|body| Last {
                body,
                _ending: ending,
            }))
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .keep_alive(!limits.keep_alive.is_zero())
        .max_buf_size(MAX_HEAD)
        .max_header_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(io), service);
    let (left, stopped) = {
        let mut timer = pin!(sleep_until(Instant::now() + limits.head));
        let mut stop = pin!(async {
            // Nothing is ever sent: this waits for the other end to go.
            while stopping.changed().await.is_ok() {}
        });
        let mut stopped = false;
        let mut close = pin!(activity.close.notified());
        let mut crowded = false;
        let left = poll_fn(|cx| {
            if !stopped && stop.as_mut().poll(cx).is_ready() {
                stopped = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            if !crowded && close.as_mut().poll(cx).is_ready() {
                crowded = true;
            }
            if let Poll::Ready(result) = connection.poll_without_shutdown(cx) {
                return Poll::Ready(Left::Ended(result));
            }
            let idle = activity.idle_for();
            if idle.is_some() && (stopped || crowded) {
                return Poll::Ready(Left::Idle);
            }
            if crowded && activity.body_for().is_some() {
                return Poll::Ready(Left::Late);
            }
            let Some(deadline) = activity.deadline(&limits) else {
                return Poll::Pending;
            };
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            timer.as_mut().poll(cx).map(|()| Left::Idle)
        })
        .await;
        (left, stopped)
    };
    let Tracked {
        stream, refused, ..
    } = connection.into_parts().io.into_inner();
    let state = *activity.state();
    let error = match (left, state) {
        (Left::Ended(Ok(())), _) => None,
        (Left::Ended(Err(_)), _) if !refused.is_empty() => Some(refusal(&refused)),
        // A connection that breaks concerns the one at its other end.
        (Left::Ended(Err(_)), _) => return,
        (Left::Idle, State::Head(since)) if since.elapsed() >= limits.head => Some(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "head_timeout",
            "the head of the request did not arrive in time",
        )),
        (Left::Late, _) => {
            // Another one waits for it.
            drop(place);
            let message =
                "the body of the request took long, and its connection was needed for another";
            return close(stream, Some(busy(message)), LINGER_STOPPED).await;
        }
        // No answer is on its way that the client could lose.
        (Left::Idle, _) => return,
    };
    let linger = match stopped {
        true => LINGER_STOPPED,
        false => LINGER,
    };
    close(stream, error, linger).await;
}

/// Tells a client that there is no place for it.
pub async fn refuse(stream: TcpStream) {
    let mut stream = Box::pin(TimeoutStream::new(stream));
    stream.as_mut().set_write_timeout_pinned(Some(LINGER));
    let error = busy("too many connections; try again later");
    close(stream, Some(error), LINGER_STOPPED).await;
}

fn busy(message: &str) -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too_many_connections",
        message,
    )
}

/// What to answer instead of hyper's own answer to a head that it cannot read.
fn refusal(answer: &[u8]) -> ApiError {
    let status = answer.split(|&byte| byte == b' ').nth(1);
    let status = status.and_then(|status| StatusCode::from_bytes(status).ok());
    let status = status.unwrap_or(StatusCode::BAD_REQUEST);
    let (code, message) = match status {
        StatusCode::URI_TOO_LONG => ("target_too_long", "the request target is too long".into()),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => (
            "headers_too_large",
            format!(
                "the headers are too large, expected at most {MAX_HEADERS} headers and {MAX_HEAD} bytes"
            ),
        ),
        _ => ("bad_request", "this is not a valid HTTP/1.1 request".into()),
    };
    ApiError::new(status, code, message)
}

/// Sends the last answer, if there is one still, and closes. What the client still sends is read
/// for a while: otherwise the system would reset the connection, and the client might lose an
/// answer that it has not read yet.
async fn close(
    mut stream: Pin<Box<TimeoutStream<TcpStream>>>,
    error: Option<ApiError>,
    linger: Duration,
) {
    if let Some(error) = error {
        let body = error.body().to_string();
        let retry = match error.status {
            StatusCode::SERVICE_UNAVAILABLE => "retry-after: 1\r\n",
            _ => "",
        };
        let answer = format!(
            "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             cache-control: no-store\r\nx-content-type-options: nosniff\r\n\
             date: {}\r\n{retry}connection: close\r\n\r\n{body}",
            error.status,
            body.len(),
            httpdate::fmt_http_date(SystemTime::now()),
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
    if stream.shutdown().await.is_err() {
        return;
    }
    let rest = async {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
    };
    let _ = timeout(linger, rest).await;
}

/// Sees when the first byte of a head comes and when an answer is sent, and keeps back what hyper
/// says to a head that it cannot read.
struct Tracked {
    stream: Pin<Box<TimeoutStream<TcpStream>>>,
    activity: Arc<Activity>,
    refused: Vec<u8>,
}

impl Tracked {
    /// Whether this is written without a request. Takes the beginning of it, which has the status.
    fn refuses(&mut self, bytes: &[u8]) -> bool {
        let no_request = self.activity.idle_for().is_some();
        if no_request {
            let room = 64_usize.saturating_sub(self.refused.len());
            self.refused
                .extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        no_request
    }
}

impl AsyncRead for Tracked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.stream.as_mut().poll_read(cx, buffer))?;
        let mut state = self.activity.state();
        if matches!(*state, State::New(_) | State::Idle(_)) && buffer.filled().len() > before {
            *state = State::Head(Instant::now());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tracked {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.refuses(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.stream.as_mut().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bytes.iter().find(|slice| !slice.is_empty());
        if first.is_some_and(|first| self.refuses(first)) {
            return Poll::Ready(Ok(bytes.iter().map(|slice| slice.len()).sum()));
        }
        self.stream.as_mut().poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.stream.as_mut().poll_flush(cx))?;
        let mut state = self.activity.state();
        if matches!(*state, State::Ending) {
            *state = State::Idle(Instant::now());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }
}

/// The body of a request, which says when it is waited for.
struct Arriving {
    body: Incoming,
    activity: Arc<Activity>,
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let is_over = self.body.is_end_stream() || matches!(polled, Poll::Ready(None));
        let mut state = self.activity.state();
        match *state {
            State::Body(_) if is_over => *state = State::Busy,
            State::Busy if polled.is_pending() && !is_over => *state = State::Body(Instant::now()),
            _ => {}
        }
        drop(state);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        if matches!(*state, State::Body(_)) {
            *state = State::Busy;
        }
    }
}

/// Says when it is dropped that the answer has been made.
struct Ending(Arc<Activity>);

impl Drop for Ending {
    fn drop(&mut self) {
        *self.0.state() = State::Ending;
    }
}

/// The body of an answer.
struct Last {
    body: Body,
    _ending: Ending,
}

impl HttpBody for Last {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
