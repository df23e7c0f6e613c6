//! A small thread pool for short, regular work: one matrix after the other, thousands of times a
//! second.
//!
//! The tasks of a job are claimed from a counter by the calling thread and the workers, so that a
//! worker that the system holds up delays nothing but the task it has. Workers spin for a tenth of
//! a millisecond after a job, since the next one follows at once while a token is computed, then
//! sleep on a condition variable and cost nothing.
//!
//! Callers share the workers: each computes its own job, and between two tasks a worker goes to the
//! job that has the fewest workers. So concurrent calls progress side by side, none waits for
//! another, and a call from inside a task cannot deadlock: a caller only waits for tasks that a
//! thread is running. While there is one job, a worker stays with it and takes no lock.
//!
//! A [`Crew`] is the pool as one call may use it: some of the threads, until it is cancelled. A
//! job for some is for the first workers alone; the others neither wake nor spin for it.
//!
//! Measured against rayon's `install` + parallel iterator in `benches/threads.rs`; the figures
//! are in `benches/README.md`. The pool belongs to its maker: there is no global one, and
//! its threads end when it is dropped.

mod cores;
mod crew;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cancel::Control;
use crate::error::{Error, ErrorKind, Result, bail};
use crate::memory::try_vec;
use crate::system::{Thread, ThreadStart};

pub use crew::Crew;

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
    /// Workers that may compute it at a time.
    helpers: usize,
    /// Only called for claimed indices below `tasks`, see the safety note in `run_on`.
    task: &'static Task<'static>,
    tasks: usize,
    /// The next index to claim.
    next: AtomicUsize,
    /// Tasks that returned or panicked.
    finished: AtomicUsize,
    panic: Mutex<Option<Box<dyn std::any::Any + Send>>>,
}

impl Job {
    /// Computes tasks until none is left to claim, or until `pause` says so after one. Returns
    /// whether none is left.
    fn work(&self, pause: impl Fn() -> bool) -> bool {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.tasks {
                return true;
            }
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.task)(index))) {
                lock(&self.panic).get_or_insert(panic);
            }
            // Release: the caller that sees the last increment sees what the tasks wrote.
            self.finished.fetch_add(1, Ordering::Release);
            if pause() {
                return false;
            }
        }
    }

    fn has_unclaimed(&self) -> bool {
        self.next.load(Ordering::Relaxed) < self.tasks
    }

    fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire) == self.tasks
    }
}

/// A job that is under way.
struct Active {
    job: Arc<Job>,
    /// Workers that compute it, counted while there are tasks to claim.
    workers: usize,
}

#[derive(Default)]
struct Slot {
    /// One for each caller.
    active: Vec<Active>,
    shutdown: bool,
}

impl Slot {
    /// The job with the fewest workers of those that may have another.
    fn join(&mut self) -> Option<Arc<Job>> {
        let open = |a: &&mut Active| a.workers < a.job.helpers && a.job.has_unclaimed();
        let next = self.active.iter_mut().filter(open);
        let active = next.min_by_key(|a| a.workers)?;
        active.workers += 1;
        Some(Arc::clone(&active.job))
    }

    fn find(&mut self, job: &Arc<Job>) -> Option<usize> {
        self.active.iter().position(|a| Arc::ptr_eq(&a.job, job))
    }
}

/// Where a worker sleeps.
#[derive(Default)]
struct Bed {
    wake: Condvar,
    /// Set under the lock of the slot before the worker waits, cleared when it is up again.
    asleep: AtomicBool,
}

/// Bits of a call that say how many workers it is for; the rest counts calls.
const HELPER_BITS: u32 = 16;
const MOST_HELPERS: usize = (1 << HELPER_BITS) - 1;

struct Shared {
    slot: Mutex<Slot>,
    /// How many jobs are active. Changed under the lock, and looked at without it.
    jobs: AtomicUsize,
    beds: Vec<Bed>,
    /// What spinning workers look at: another number for every job and at shutdown. It says which
    /// workers are called, so that the others need not take the lock to find out.
    call: AtomicU64,
}

impl Shared {
    fn new(workers: usize) -> Result<Self> {
        let mut beds = try_vec(workers)?;
        beds.resize_with(workers, Bed::default);
        Ok(Self {
            slot: Mutex::default(),
            jobs: AtomicUsize::new(0),
            beds,
            call: AtomicU64::new(0),
        })
    }

    /// Changes the slot and calls the first `helpers` workers. The call is made under the lock: a
    /// worker that has looked for one there and is about to sleep would miss it otherwise.
    fn publish(&self, helpers: usize, change: impl FnOnce(&mut Slot)) {
        let helpers = helpers.min(MOST_HELPERS);
        let mut slot = lock(&self.slot);
        change(&mut slot);
        let count = (self.call.load(Ordering::Relaxed) >> HELPER_BITS) + 1;
        let call = count << HELPER_BITS | helpers as u64;
        self.call.store(call, Ordering::Release);
        drop(slot);
        for bed in self.beds.iter().take(helpers) {
            // Who was asleep said so before the lock was taken here; who comes to the lock later
            // finds the call. Most jobs find all workers up, and wake none.
            if bed.asleep.load(Ordering::Relaxed) {
                bed.wake.notify_one();
            }
        }
    }

    /// Whether there is a call for worker `index` that it has not seen. One that is not for it
    /// counts as seen.
    fn called(&self, index: usize, seen: &mut u64) -> bool {
        let call = self.call.load(Ordering::Acquire);
        if call == *seen {
            return false;
        }
        if index < call as usize & MOST_HELPERS {
            return true;
        }
        *seen = call;
        false
    }

    /// Waits for a call; a job, unless it is over or has its workers, and false at the end of the
    /// pool.
    fn next_job(&self, index: usize, seen: &mut u64) -> (Option<Arc<Job>>, bool) {
        let bed = &self.beds[index];
        let mut slot = lock(&self.slot);
        loop {
            if slot.shutdown {
                return (None, false);
            }
            if self.called(index, seen) {
                *seen = self.call.load(Ordering::Acquire);
                return (slot.join(), true);
            }
            bed.asleep.store(true, Ordering::Relaxed);
            slot = (bed.wake.wait(slot)).unwrap_or_else(PoisonError::into_inner);
            bed.asleep.store(false, Ordering::Relaxed);
        }
    }

    /// Whether several callers share the workers.
    fn is_shared(&self) -> bool {
        self.jobs.load(Ordering::Relaxed) > 1
    }

    /// Computes a job, and others as long as callers share the workers.
    fn work(&self, mut job: Arc<Job>) {
        let mut is_alone = !self.is_shared();
        loop {
            let is_done = job.work(|| self.is_shared());
            is_alone &= !self.is_shared();
            if is_done && is_alone {
                return;
            }
            let mut slot = lock(&self.slot);
            if let Some(at) = slot.find(&job) {
                slot.active[at].workers -= 1;
            }
            match slot.join() {
                Some(next) => job = next,
                None => return,
            }
        }
    }
}

/// Threads that compute the tasks of one job together with the caller.
pub struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<Thread>,
}

/// Starts a thread, which [`Thread::join`] waits for. Not by the standard library: what that keeps of
/// a thread it asks the system itself for, and ends the process without it.
///
/// # Errors
/// [`OutOfMemory`](ErrorKind::OutOfMemory) when the system refuses.
pub(crate) fn start_thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<Thread> {
    Thread::start(ThreadStart::new(name, body)).map_err(|e| {
        let message = format!("cannot start the thread {name}: {e}");
        Error::new(ErrorKind::OutOfMemory, message).with_source(e)
    })
}

impl ThreadPool {
    /// A pool of `threads` in all, the caller's included: it starts one fewer. `None` means one
    /// for each core that this process may use: logical CPUs of one core count once, affinity
    /// and cgroup limits are kept.
    ///
    /// # Errors
    /// [`OutOfMemory`](ErrorKind::OutOfMemory) when the system refuses to start a thread;
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for none, and for more than 65,536.
    pub fn new(threads: impl Into<Option<usize>>) -> Result<Self> {
        let threads = threads.into().unwrap_or_else(cores::default_threads);
        if threads == 0 || threads > MOST_HELPERS + 1 {
            bail!(
                InvalidArgument,
                "threads is {threads}, expected 1 to {}; leave it unset for one a core",
                MOST_HELPERS + 1
            );
        }
        let mut pool = Self {
            shared: Arc::new(Shared::new(threads - 1)?),
            workers: try_vec(threads - 1)?,
        };
        for i in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let work = move || work_until_shutdown(&shared, i - 1);
            let worker = start_thread(&format!("codegeex-{i}"), work)
                .map_err(|e| e.within(format_args!("thread {i} of {threads}")))?;
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
        self.run_on(self.threads(), tasks, task);
    }

    /// The pool as a call under `control` may use it.
    pub fn crew<'a>(&'a self, control: &'a Control<'_>) -> Crew<'a> {
        Crew::new(self, &control.cancel, control.threads)
    }

    /// [`run`](Self::run) with at most `threads` threads, this one included.
    fn run_on(&self, threads: usize, tasks: usize, task: &Task<'_>) {
        let helpers = threads.min(self.threads()).saturating_sub(1);
        if tasks < 2 || helpers == 0 {
            (0..tasks).for_each(task);
            return;
        }
        // SAFETY: only the lifetime changes. `task` is called through the job for claimed
        // indices below `tasks` alone; each such call is counted in `finished` after it ended,
        // panics included, and this function does not return before all `tasks` are counted. A
        // worker that still holds the job afterwards finds no index left and never calls it.
        let task = unsafe { std::mem::transmute::<&Task<'_>, &'static Task<'static>>(task) };
        let job = Arc::new(Job {
            helpers,
            task,
            tasks,
            next: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            panic: Mutex::new(None),
        });
        self.shared.publish(helpers, |slot| {
            slot.active.push(Active {
                job: Arc::clone(&job),
                workers: 0,
            });
            self.shared.jobs.store(slot.active.len(), Ordering::Relaxed);
        });
        job.work(|| false);
        let mut spins = 0;
        while !job.is_finished() {
            if spins < CALLER_SPINS {
                spins += 1;
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
        let mut slot = lock(&self.shared.slot);
        if let Some(at) = slot.find(&job) {
            slot.active.swap_remove(at);
        }
        self.shared.jobs.store(slot.active.len(), Ordering::Relaxed);
        drop(slot);
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
        self.run(tasks, &crew::chunked(data, chunk, task));
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared
            .publish(MOST_HELPERS, |slot| slot.shutdown = true);
        for worker in self.workers.drain(..) {
            worker.join();
        }
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreadPool({} threads)", self.threads())
    }
}

fn work_until_shutdown(shared: &Shared, index: usize) {
    let mut seen = 0;
    let mut start = Instant::now();
    loop {
        let mut spins = 0u32;
        while !shared.called(index, &mut seen) {
            spins = spins.wrapping_add(1);
            if spins.is_multiple_of(SPINS_A_LOOK) && start.elapsed() >= WORKER_SPIN_TIME {
                break;
            }
            std::hint::spin_loop();
        }
        let (job, goes_on) = shared.next_job(index, &mut seen);
        if !goes_on {
            return;
        }
        if let Some(job) = job {
            shared.work(job);
        }
        start = Instant::now();
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
mod tests;
