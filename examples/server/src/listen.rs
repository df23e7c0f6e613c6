//! Connections: how many there are at once, how long they may take, and the end of the server.
//!
//! This is HTTP/1 without TLS. `axum::serve` would do, but for the limits. [`crate::connection`]
//! has a single connection.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::connection::{Activity, run};

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once. A further one takes the place of one that is idle, or waits.
    pub connections: usize,
    /// How long a client may take to send a request's head.
    pub head: Duration,
    /// How long a connection stays open without a request. Zero closes it after the first.
    ///
    /// Clients keep connections in a pool and fail when they reuse one that the server closes in
    /// that moment. So this is longer than they do: many pools keep them for 90 seconds.
    pub keep_alive: Duration,
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
            keep_alive: Duration::from_secs(120),
            write: Duration::from_secs(30),
            stop: Duration::from_secs(5),
        }
    }
}

/// How long a connection is idle at least before it makes place for another.
const SPARE: Duration = Duration::from_secs(1);
/// How often one that waits for a place looks for one.
const LOOK: Duration = Duration::from_millis(50);

/// The connections that there are.
#[derive(Debug, Default)]
struct Open(Mutex<BTreeMap<u64, Arc<Activity>>>);

impl Open {
    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Activity>>> {
        // The map is consistent between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the one that has been idle longest to close.
    fn close_one(&self) {
        let all = self.all();
        let idle = all.values().filter_map(|a| Some((a.idle_for()?, a)));
        let longest = idle.max_by_key(|(idle, _)| *idle);
        if let Some((_, activity)) = longest.filter(|(idle, _)| *idle >= SPARE) {
            activity.close();
        }
    }
}

/// Takes its connection off the list.
struct Listed(Arc<Open>, u64);

impl Drop for Listed {
    fn drop(&mut self) {
        self.0.all().remove(&self.1);
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
    let open = Arc::new(Open::default());
    let places = Arc::new(Semaphore::new(limits.connections));
    let (stop, stopping) = watch::channel(());
    let mut stopped = pin!(stopped);
    for number in 0.. {
        let accepted = async {
            let accepted = listener.accept().await;
            (accepted, place(&places, &open).await)
        };
        let (stream, place) = tokio::select! {
            accepted = accepted => match accepted {
                (Ok((stream, _)), place) => (stream, place),
                (Err(error), _) => {
                    after(&error).await;
                    continue;
                }
            },
            () = &mut stopped => break,
        };
        let activity = Arc::new(Activity::default());
        open.all().insert(number, activity.clone());
        let listed = Listed(open.clone(), number);
        let connection = run(stream, router.clone(), limits, activity, stopping.clone());
        tokio::spawn(async move {
            connection.await;
            drop((listed, place));
        });
    }
    drop(listener);
    drop(stopping);
    on_stop();
    // The tasks are watching for this.
    drop(stop);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let _ = timeout(limits.stop, places.acquire_many(all)).await;
}

/// Waits for a place among the connections. The semaphore is never closed, so there is always one.
async fn place(places: &Arc<Semaphore>, open: &Open) -> Option<OwnedSemaphorePermit> {
    loop {
        if let Ok(place) = timeout(LOOK, places.clone().acquire_owned()).await {
            return place.ok();
        }
        open.close_one();
    }
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
