//! Threads of a loaded model, counted by the system: as many as were asked for, asleep when
//! nothing is computed or when fewer may compute, gone with the model. One test alone in its
//! process, so that no other test's threads are counted.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use codegeex::cancel::Control;
use codegeex::model::{Input, LoadOptions, Model, Wanted, load};

/// The tasks of this process, other than those of the test harness.
fn tasks(before: &[PathBuf]) -> Vec<PathBuf> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let mut tasks: Vec<PathBuf> = tasks.map(|t| t.unwrap().path()).collect();
    tasks.retain(|task| !before.contains(task));
    tasks.sort();
    tasks
}

/// Nanoseconds that a task has computed, zero on a system that does not count them.
fn computed(task: &Path) -> u64 {
    let times = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    let first = times.split(' ').next().unwrap_or_default();
    first.parse().unwrap_or(0)
}

/// Waits for something that the system or a busy machine may do late.
#[track_caller]
fn in_time(mut done: impl FnMut() -> bool) {
    for _ in 0..200 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not within ten seconds");
}

fn open(threads: Option<usize>) -> Arc<dyn Model> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/models/codegeex_tiny.safetensors"
    );
    let mut options = LoadOptions::default();
    options.cpu.threads = threads;
    load(path, &options).unwrap()
}

#[test]
fn a_model_has_the_threads_asked_for_and_they_sleep_when_it_is_idle() {
    let harness = tasks(&[]);
    let granted = std::thread::available_parallelism().unwrap().get();
    for threads in [Some(1), Some(2), Some(5), None] {
        let model = open(threads);
        let mut state = model.new_state();
        // Prompts and single steps take different ways.
        for ids in [&[1; 40][..], &[2; 3], &[3]] {
            let mut batch = [Input::new(&mut *state, ids, Wanted::Last)];
            model.forward(&mut batch, &Control::new()).unwrap();
        }
        let workers = tasks(&harness);
        match threads {
            None => assert!(workers.len() < granted, "{} workers", workers.len()),
            Some(threads) => assert_eq!(workers.len(), threads - 1),
        }

        // They end their spin, and compute nothing from one look to the next.
        let asleep = || {
            let mut before = Vec::new();
            in_time(|| {
                let now: Vec<u64> = workers.iter().map(|task| computed(task)).collect();
                std::mem::replace(&mut before, now.clone()) == now
            });
            before
        };
        let mut before = asleep();

        // A call that may have some threads wakes no others.
        let counted = before.iter().any(|&time| time > 0);
        for most in [Some(1), Some(2), Some(3), None] {
            for _ in 0..20 {
                let mut batch = [Input::new(&mut *state, &[4; 20], Wanted::Last)];
                let control = Control::new().threads(most);
                model.forward(&mut batch, &control).unwrap();
            }
            let now = asleep();
            let woken = now.iter().zip(&before).filter(|(now, was)| now != was);
            let woken = woken.count();
            let expected = match most {
                None => workers.len(),
                Some(most) => workers.len().min(most - 1),
            };
            assert!(!counted || woken == expected, "{woken} woken of {most:?}");
            before = now;
        }

        // A thread that was joined may be listed for a moment.
        drop((state, model));
        in_time(|| tasks(&harness).is_empty());
    }
}
