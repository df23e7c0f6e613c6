//! A small thread pool for short, regular work: one matrix after the other, thousands of times a
//! second.
//!
//! One job runs at a time. Its tasks are claimed from a counter by the calling thread and the
//! workers, so that a worker that the system holds up delays nothing but the task it has. A
//! second caller that finds the pool busy computes its tasks alone instead of waiting: two
//! sessions on one model never block each other, and a call from inside a task cannot deadlock.
//! Workers spin for a tenth of a millisecond after a job, since the next one follows at once
//! while a token is computed, then sleep on a condition variable and cost nothing.
//!
//! Measured against rayon's `install` + parallel iterator in `benches/threads.rs`; the figures
//! are in `benches/README.md`. The pool belongs to whoever made it: there is no global one, and
//! its threads end when it is dropped.

mod cores;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};

/// How long a worker spins before it sleeps. A time and not a count: the pause of a spin takes
/// 24 ns on a Zen 4, several times less or more on other processors.
const WORKER_SPIN_TIME: Duration = Duration::from_micros(100);
/// Iterations of a worker's spin loop from one look at the clock to the next.
const SPINS_A_LOOK: u32 = 64;
/// Iterations of the spin loop before a waiting caller yields its core between looks.
const CALLER_SPINS: u32 = 10_000;

type Task<'a> = dyn Fn(usize) + Sync + 'a;

/// One call of [`ThreadPool::run`], shared with the workers.
struct Job {
    /// Only called for claimed indices below `tasks`, see the safety note in `run`.
    task: &'static Task<'static>,
    tasks: usize,
    /// The next index to claim.
    next: AtomicUsize,
    /// Tasks that returned or panicked.
    finished: AtomicUsize,
    panic: Mutex<Option<Box<dyn std::any::Any + Send>>>,
}

impl Job {
    fn work(&self) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.tasks {
                return;
            }
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.task)(index))) {
                lock(&self.panic).get_or_insert(panic);
            }
            // Release: the caller that sees the last increment sees what the tasks wrote.
            self.finished.fetch_add(1, Ordering::Release);
        }
    }

    fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire) == self.tasks
    }
}

#[derive(Default)]
struct Slot {
    job: Option<Arc<Job>>,
    shutdown: bool,
}

#[derive(Default)]
struct Shared {
    slot: Mutex<Slot>,
    wake: Condvar,
    /// Grows with every job and at shutdown; what spinning workers look at.
    epoch: AtomicU64,
}

impl Shared {
    /// Changes the slot and wakes the workers. The epoch grows under the lock: a worker that
    /// has checked it there and is about to sleep would miss the notification otherwise.
    fn publish(&self, change: impl FnOnce(&mut Slot)) {
        let mut slot = lock(&self.slot);
        change(&mut slot);
        self.epoch.fetch_add(1, Ordering::Release);
        drop(slot);
        self.wake.notify_all();
    }
}

/// Threads that compute the tasks of one job together with the caller.
pub struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    busy: AtomicBool,
}

impl ThreadPool {
    /// A pool of `threads` in all, the caller's included: it starts one fewer. Zero means one
    /// for each core that this process may use: logical CPUs of one core count once, affinity
    /// and cgroup limits are kept.
    ///
    /// # Errors
    /// [`OutOfMemory`](ErrorKind::OutOfMemory) when the system refuses to start a thread.
    pub fn new(threads: usize) -> Result<Self> {
        let threads = match threads {
            0 => cores::default_threads(),
            n => n,
        };
        let mut pool = Self {
            shared: Arc::default(),
            workers: Vec::new(),
            busy: AtomicBool::new(false),
        };
        for i in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let worker = std::thread::Builder::new()
                .name(format!("codegeex-{i}"))
                .spawn(move || work_until_shutdown(&shared))
                .map_err(|e| {
                    let message = format!("cannot start thread {i} of {threads}: {e}");
                    Error::new(ErrorKind::OutOfMemory, message).with_source(e)
                })?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// Number of threads that compute, the caller's included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `task` once for each index below `tasks`, on this thread and the workers, and
    /// returns when all calls have returned.
    ///
    /// # Panics
    /// With the first panic of a task, after the others have ended.
    pub fn run(&self, tasks: usize, task: &Task<'_>) {
        let alone = tasks < 2 || self.workers.is_empty();
        if alone || self.busy.swap(true, Ordering::Acquire) {
            (0..tasks).for_each(task);
            return;
        }
        // SAFETY: only the lifetime changes. `task` is called through the job for claimed
        // indices below `tasks` alone; each such call is counted in `finished` after it ended,
        // panics included, and this function does not return before all `tasks` are counted. A
        // worker that still holds the job afterwards finds no index left and never calls it.
        let task = unsafe { std::mem::transmute::<&Task<'_>, &'static Task<'static>>(task) };
        let job = Arc::new(Job {
            task,
            tasks,
            next: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            panic: Mutex::new(None),
        });
        self.shared
            .publish(|slot| slot.job = Some(Arc::clone(&job)));
        job.work();
        let mut spins = 0;
        while !job.is_finished() {
            if spins < CALLER_SPINS {
                spins += 1;
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
        lock(&self.shared.slot).job = None;
        self.busy.store(false, Ordering::Release);
        if let Some(panic) = lock(&job.panic).take() {
            resume_unwind(panic);
        }
    }

    /// Calls `task` with each chunk of `chunk` elements of `data`, the last maybe shorter, and
    /// its number.
    ///
    /// # Panics
    /// When `chunk` is zero.
    pub fn for_each_chunk<T: Send>(
        &self,
        data: &mut [T],
        chunk: usize,
        task: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let tasks = data.len().div_ceil(chunk);
        if tasks < 2 || self.workers.is_empty() {
            data.chunks_mut(chunk)
                .enumerate()
                .for_each(|(i, c)| task(i, c));
            return;
        }
        let chunks = Mutex::new(data.chunks_mut(chunk).enumerate());
        self.run(tasks, &|_| {
            let next = lock(&chunks).next();
            if let Some((i, chunk)) = next {
                task(i, chunk);
            }
        });
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.publish(|slot| slot.shutdown = true);
        for worker in self.workers.drain(..) {
            // A worker catches the panics of its tasks, so there is nothing to report here.
            let _ = worker.join();
        }
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreadPool({} threads)", self.threads())
    }
}

fn work_until_shutdown(shared: &Shared) {
    let mut seen = 0;
    loop {
        let start = Instant::now();
        let mut spins = 0;
        while shared.epoch.load(Ordering::Acquire) == seen {
            spins += 1;
            if spins % SPINS_A_LOOK == 0 && start.elapsed() >= WORKER_SPIN_TIME {
                break;
            }
            std::hint::spin_loop();
        }
        let mut slot = lock(&shared.slot);
        while shared.epoch.load(Ordering::Acquire) == seen {
            slot = shared
                .wake
                .wait(slot)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if slot.shutdown {
            return;
        }
        seen = shared.epoch.load(Ordering::Acquire);
        let job = slot.job.clone();
        drop(slot);
        if let Some(job) = job {
            job.work();
        }
    }
}

/// Nothing here is left half-changed by a panic, so a poisoned lock is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first error of the tasks of a call, for what a task cannot return.
#[derive(Debug, Default)]
pub struct Failures(Mutex<Option<Error>>);

impl Failures {
    /// Keeps the error of a result, unless there is one already.
    pub fn note(&self, result: Result<()>) {
        if let Err(error) = result {
            let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(error);
        }
    }

    /// The first error that was noted.
    ///
    /// # Errors
    /// That one.
    pub fn into_result(self) -> Result<()> {
        let first = self.0.into_inner();
        match first.unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_runs_once_for_any_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            let pool = ThreadPool::new(threads).unwrap();
            for tasks in [0, 1, 2, 7, 1000] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, &|i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn chunks_are_disjoint_and_numbered() {
        let pool = ThreadPool::new(4).unwrap();
        let mut data = vec![0usize; 103];
        pool.for_each_chunk(&mut data, 10, |i, chunk| chunk.fill(i + 1));
        assert!(data.iter().enumerate().all(|(i, &v)| v == i / 10 + 1));
    }

    #[test]
    fn nested_and_concurrent_calls_finish() {
        let pool = ThreadPool::new(3).unwrap();
        let total = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        pool.run(5, &|_| {
                            pool.run(3, &|_| {
                                total.fetch_add(1, Ordering::Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(total.load(Ordering::Relaxed), 4 * 200 * 5 * 3);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let pool = ThreadPool::new(2).unwrap();
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.run(10, &|i| assert!(i != 7, "seven"));
        }));
        assert!(caught.is_err());
        let sum = AtomicUsize::new(0);
        pool.run(10, &|i| {
            sum.fetch_add(i, Ordering::Relaxed);
        });
        assert_eq!(sum.load(Ordering::Relaxed), 45);
    }
}
