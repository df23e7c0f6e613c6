//! The pool: every task once, from any calling thread, and no more threads than were asked for.

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
fn concurrent_callers_share_the_workers() {
    let pool = ThreadPool::new(2).unwrap();
    let (begun, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let together = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // It has tasks for the one worker for as long as the other caller computes.
        scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                pool.run(1000, &|_| {
                    begun.store(true, Ordering::Release);
                    if !over.load(Ordering::Acquire) {
                        std::thread::sleep(Duration::from_micros(100));
                    }
                });
            }
        });
        while !begun.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        // Two tasks that meet: the caller alone would run one after the other.
        let start = Instant::now();
        pool.run(2, &|_| {
            together.fetch_add(1, Ordering::AcqRel);
            while together.load(Ordering::Acquire) < 2 && start.elapsed().as_secs() < 10 {
                std::thread::yield_now();
            }
        });
        assert!(
            start.elapsed().as_secs() < 10,
            "the second caller got no worker"
        );
        over.store(true, Ordering::Release);
    });
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

fn wait(barrier: &std::sync::Barrier) {
    barrier.wait();
}

/// Which threads run the tasks of `jobs` jobs.
fn threads_of(crew: Crew<'_>, jobs: usize, tasks: usize) -> usize {
    let seen = Mutex::new(std::collections::HashSet::new());
    for _ in 0..jobs {
        let ran = crew.run(tasks, &|_| {
            std::hint::black_box((0..2000u64).sum::<u64>());
            lock(&seen).insert(std::thread::current().id());
        });
        ran.unwrap();
    }
    lock(&seen).len()
}

#[test]
fn a_crew_has_the_threads_it_may_have_and_no_others() {
    let pool = ThreadPool::new(4).unwrap();
    let all = [1, 2, 3, 4, 9].map(Some).into_iter().chain([None]);
    for (most, expected) in all.zip([1, 2, 3, 4, 4, 4]) {
        let control = Control::new().threads(most);
        let crew = pool.crew(&control);
        assert_eq!(crew.threads(), expected);
        // Every thread waits for all the others: fewer would never get through.
        let barrier = std::sync::Barrier::new(expected);
        crew.run(expected, &|_| wait(&barrier)).unwrap();
        assert!(threads_of(crew, 300, 20) <= expected, "at most {most:?}");
        // In turn with jobs for all, whose workers are still up.
        for _ in 0..100 {
            pool.run(8, &|_| {});
            assert!(threads_of(crew, 1, 20) <= expected, "at most {most:?}");
        }
    }
}

#[test]
fn a_crew_that_is_called_after_a_sleep_comes() {
    let pool = ThreadPool::new(3).unwrap();
    let two = Control::new().threads(2);
    for round in 0..30 {
        // Long enough for all to sleep, at least now and then.
        std::thread::sleep(WORKER_SPIN_TIME * (round % 4));
        let barrier = std::sync::Barrier::new(2);
        pool.crew(&two).run(2, &|_| wait(&barrier)).unwrap();
        std::thread::sleep(WORKER_SPIN_TIME * (round % 3));
        let barrier = std::sync::Barrier::new(3);
        pool.run(3, &|_| wait(&barrier));
    }
}

#[test]
fn no_task_begins_after_a_cancel_was_seen() {
    for threads in [1, 3] {
        let pool = ThreadPool::new(threads).unwrap();
        let control = Control::new();
        let begun = AtomicUsize::new(0);
        let error = pool.crew(&control).run(1000, &|i| {
            if i == 10 {
                control.cancel.cancel();
            }
            begun.fetch_add(1, Ordering::Relaxed);
            while i > 10 && !control.cancel.is_cancelled() {
                std::hint::spin_loop();
            }
        });
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Cancelled);
        let begun = begun.into_inner();
        // Those up to the one that cancels, and one that each other thread has begun.
        assert!((1..11 + threads).contains(&begun), "{begun} of 1000");

        let ran = AtomicUsize::new(0);
        let count = |_| {
            ran.fetch_add(1, Ordering::Relaxed);
        };
        assert!(pool.crew(&control).run(5, &count).is_err());
        assert!(pool.crew(&control).run(1, &count).is_err());
        pool.crew(&control).run(0, &count).unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), 0);
        pool.run(5, &count);
        assert_eq!(ran.into_inner(), 5, "the pool itself has no flag");
    }
}

#[test]
fn a_cancel_in_the_last_task_leaves_nothing_out() {
    let pool = ThreadPool::new(2).unwrap();
    let control = Control::new();
    let ran = pool.crew(&control).run(1, &|_| control.cancel.cancel());
    ran.unwrap();
    assert!(pool.crew(&control).check().is_err());
}

#[test]
fn too_many_threads_are_refused() {
    let error = ThreadPool::new(usize::MAX).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}
