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

use crate::connection::{Activity, refuse, run};

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections that are served at once. A further one takes the place of one that is idle or
    /// whose body does not arrive, and waits for it. As many may wait; those beyond, and those that
    /// wait too long, are answered with 503.
    pub connections: usize,
    /// How long a connection waits for a place.
    pub wait: Duration,
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
            wait: Duration::from_secs(5),
            head: Duration::from_secs(15),
            keep_alive: Duration::from_secs(120),
            write: Duration::from_secs(30),
            stop: Duration::from_secs(5),
        }
    }
}

/// How long a connection is idle at least before it makes place for another.
const SPARE: Duration = Duration::from_secs(1);
/// How long the body of a request takes at least before its connection makes place for another.
const SPARE_BODY: Duration = Duration::from_secs(3);
/// Connections at most that are being told that there is no place. Further ones are not accepted
/// meanwhile.
const REFUSING: usize = 256;
/// How long that takes at most before one is closed without an answer.
const REFUSE: Duration = Duration::from_secs(1);
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

    /// Asks the one that has been idle longest to close, or without any the one whose body has
    /// taken longest.
    fn close_one(&self) {
        let all = self.all();
        let waits = |a: &Arc<Activity>| a.idle_for().or(a.body_for()).is_some();
        if all.values().any(|a| a.is_closing() && waits(a)) {
            return;
        }
        let open = || all.values().filter(|a| !a.is_closing());
        let idle = open().filter_map(|a| Some((a.idle_for()?, a)));
        let body = open().filter_map(|a| Some((a.body_for()?, a)));
        let idle = idle.filter(|(idle, _)| *idle >= SPARE).max_by_key(|f| f.0);
        let body = body.filter(|(body, _)| *body >= SPARE_BODY);
        if let Some((_, activity)) = idle.or_else(|| body.max_by_key(|f| f.0)) {
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
    // Those that wait for a place, and those that are told that there is none.
    let waiting = Arc::new(Semaphore::new(limits.connections));
    let refusing = Arc::new(Semaphore::new(REFUSING));
    let (stop, stopping) = watch::channel(());
    let mut stopped = pin!(stopped);
    for number in 0.. {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    after(&error).await;
                    continue;
                }
            },
            () = &mut stopped => break,
        };
        let (refusing, open) = (refusing.clone(), open.clone());
        let (router, stopping) = (router.clone(), stopping.clone());
        let free = places.clone().try_acquire_owned().ok();
        // One beyond those that may wait is told so at once.
        let waits = match free {
            Some(_) => None,
            None => waiting.clone().try_acquire_owned().ok(),
        };
        if free.is_none() && waits.is_none() {
            let turn = timeout(REFUSE, refusing.acquire_owned()).await;
            if let Ok(Ok(turn)) = turn {
                tokio::spawn(async move {
                    refuse(stream).await;
                    drop(turn);
                });
            }
            continue;
        }
        let places = places.clone();
        tokio::spawn(async move {
            let place = match free {
                Some(place) => Some(place),
                None => timeout(limits.wait, place(&places, &open))
                    .await
                    .ok()
                    .flatten(),
            };
            drop(waits);
            let Some(place) = place else {
                refuse(stream).await;
                return;
            };
            let activity = Arc::new(Activity::default());
            open.all().insert(number, activity.clone());
            let listed = Listed(open, number);
            run(stream, router, limits, activity, stopping, place).await;
            drop(listed);
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
    // The queue of the semaphore is in the order of arrival.
    let mut place = pin!(places.clone().acquire_owned());
    loop {
        open.close_one();
        if let Ok(place) = timeout(LOOK, &mut place).await {
            return place.ok();
        }
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
