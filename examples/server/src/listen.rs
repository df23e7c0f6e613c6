//! Connections: how many there are at once, how long they may take, and the end of the server.
//!
//! This is HTTP/1 without TLS. `axum::serve` would do, but for the limits.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;

/// Most bytes of a request's head.
const MAX_HEAD: usize = 64 << 10;

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; further ones wait to be accepted.
    pub connections: usize,
    /// How long a client may take for a request's head, or be idle before the next.
    pub head: Duration,
    /// How long a client may take to receive what was written.
    pub write: Duration,
    /// How long connections may go on after the server was told to stop.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            head: Duration::from_secs(15),
            write: Duration::from_secs(30),
            stop: Duration::from_secs(5),
        }
    }
}

/// Serves connections until `stopped`, then calls `on_stop`, accepts no more and waits for those
/// that there are to end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stopped: impl Future<Output = ()>,
    on_stop: impl FnOnce(),
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut stopped = pin!(stopped);
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, stream) = tokio::select! {
            (place, accepted) = accepted => match accepted {
                Ok((stream, _)) => (place, stream),
                Err(error) => {
                    after(&error).await;
                    continue;
                }
            },
            () = &mut stopped => break,
        };
        // Tokens are small and wanted at once.
        let _ = stream.set_nodelay(true);
        let mut stream = Box::pin(TimeoutStream::new(stream));
        stream.as_mut().set_write_timeout_pinned(Some(limits.write));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_buf_size(MAX_HEAD)
            .serve_connection(
                TokioIo::new(stream),
                TowerToHyperService::new(router.clone()),
            );
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A connection that breaks concerns the one at its other end.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    on_stop();
    let _ = timeout(limits.stop, graceful.shutdown()).await;
}

/// Waits a moment where trying again at once would find the same: no file descriptors left.
async fn after(error: &io::Error) {
    let of_one_connection = [
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionRefused,
    ];
    if !of_one_connection.contains(&error.kind()) {
        sleep(Duration::from_millis(100)).await;
    }
}
