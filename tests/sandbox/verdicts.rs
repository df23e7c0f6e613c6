//! Programs that exhaust a resource: each limit ends them, and the outcome says which.

use std::time::{Duration, Instant};

use codegeex::ErrorKind;
use codegeex::cancel::CancelToken;
use codegeex::eval::sandbox::{Command, End};

use crate::machine::{armed, attack, each, limits, marker, processes_with, run, shell, text};

const MIB: u64 = 1 << 20;

#[test]
fn exit_codes_and_signals() {
    each(|sandbox| {
        let folder = armed(sandbox, MIB);
        for code in [0, 1, 3, 127, 128, 255] {
            let outcome = run(sandbox, &attack(&folder, &["exit", &code.to_string()]));
            assert_eq!(outcome.end, End::Exited(code));
        }
        for number in [6, 9, 11, 15] {
            let outcome = run(sandbox, &attack(&folder, &["signal", &number.to_string()]));
            assert_eq!(outcome.end, End::Signal(number));
        }
    });
}

#[test]
fn a_program_that_cannot_be_started_is_an_error() {
    each(|sandbox| {
        let folder = armed(sandbox, MIB);
        let none = CancelToken::new();
        let error = sandbox.run(&Command::new("no-such-program", &folder), &none);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(sandbox.run(&Command::new("/tmp", &folder), &none).is_err());
        let command = Command::new("true", &folder).read_only("/no/such/folder");
        assert!(sandbox.run(&command, &none).is_err());
    });
}

#[test]
fn streams() {
    each(|sandbox| {
        let folder = armed(sandbox, MIB);
        let large = vec![b'x'; 900_000];
        let outcome = run(
            sandbox,
            &shell(&folder, "cat; echo err >&2").stdin(large.clone()),
        );
        assert_eq!(
            (outcome.end, outcome.stderr.as_slice()),
            (End::Exited(0), &b"err\n"[..])
        );
        assert!(outcome.stdout == large);
        // Never read, and closed.
        assert_eq!(
            run(sandbox, &shell(&folder, "exit 4").stdin(large)).end,
            End::Exited(4)
        );
        assert_eq!(
            run(sandbox, &attack(&folder, &["closed"])).end,
            End::Exited(0)
        );
        // As much as is allowed, and one byte more.
        for (count, end) in [(1000, End::Exited(0)), (1001, End::OutputLimit)] {
            let command = shell(&folder, &format!("head -c {count} /usr/bin/env"));
            let outcome = run(sandbox, &command.limits(limits(|l| l.output = 1000)));
            assert_eq!((outcome.end, outcome.stdout.len()), (end, 1000));
        }
    });
}

#[test]
fn printing_for_ever() {
    each(|sandbox| {
        let folder = armed(sandbox, MIB);
        for stream in ["1", "2"] {
            let command = attack(&folder, &["print", stream]);
            let outcome = run(sandbox, &command.limits(limits(|l| l.output = 10_000)));
            assert_eq!(outcome.end, End::OutputLimit);
            assert_eq!(outcome.stdout.len() + outcome.stderr.len(), 10_000);
        }
    });
}

#[test]
fn ignoring_signals() {
    each(|sandbox| {
        let folder = armed(sandbox, MIB);
        let name = marker("ignore");
        let command = attack(&folder, &["ignore", &name]);
        let command = command.limits(limits(|l| l.wall = Duration::from_millis(700)));
        let outcome = run(sandbox, &command);
        assert_eq!(outcome.end, End::TimedOut);
        assert_eq!(text(&outcome.stdout), "ignoring\n");
        assert!(outcome.wall >= Duration::from_millis(700));
        assert!(processes_with(&name).is_empty());
    });
}

#[test]
fn a_daemon_ends_with_the_program() {
    each(|sandbox| {
        let folder = armed(sandbox, MIB);
        let name = marker("daemon");
        let started = Instant::now();
        let outcome = run(sandbox, &attack(&folder, &["daemon", &name]));
        assert_eq!(
            (outcome.end, text(&outcome.stdout).as_str()),
            (End::Exited(0), "daemon\n")
        );
        assert!(processes_with(&name).is_empty());
        // It held the other end of standard output and would have for 30 seconds.
        assert!(started.elapsed() < Duration::from_secs(25));
    });
}

#[test]
fn fork_bombs() {
    each(|sandbox| {
        let folder = armed(sandbox, MIB);
        let name = marker("bomb");
        let command = attack(&folder, &["fork-bomb", &name]);
        let outcome = run(sandbox, &command.limits(limits(|l| l.processes = 50)));
        assert_eq!(
            (outcome.end, text(&outcome.stdout).trim()),
            (End::Exited(0), "49")
        );
        let command = attack(&folder, &["fork-tree", &name]);
        let outcome = run(
            sandbox,
            &command.limits(limits(|l| {
                l.processes = 100;
                l.wall = Duration::from_secs(1);
            })),
        );
        assert_eq!(outcome.end, End::TimedOut);
        assert_eq!(
            run(sandbox, &attack(&folder, &["zombies", &name])).end,
            End::Exited(0)
        );
        assert!(processes_with(&name).is_empty());
    });
}

#[test]
fn processes_are_counted_for_each_run_alone() {
    each(|sandbox| {
        let folder = armed(sandbox, MIB);
        std::thread::scope(|scope| {
            let one = || {
                let command = shell(&folder, "sleep 0.3 & sleep 0.3 & sleep 0.3 & wait");
                run(sandbox, &command.limits(limits(|l| l.processes = 4)))
            };
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
            for run in runs {
                let outcome = run.join().unwrap();
                assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome.stderr));
            }
        });
    });
}

#[test]
fn allocating_for_ever() {
    each(|sandbox| {
        let folder = armed(sandbox, MIB);
        for what in ["allocate", "allocate-many", "allocate-headless"] {
            let command = attack(&folder, &[what]);
            let outcome = run(sandbox, &command.limits(limits(|l| l.memory = 150 * MIB)));
            assert_eq!(outcome.end, End::OutOfMemory, "{what}");
            assert!(outcome.peak_memory > 150 * MIB);
        }
    });
}

/// What sockets and pipes hold belongs to no process: it counts, and is bounded by the limit and by
/// what can be filled between two looks.
#[test]
fn filling_sockets_and_pipes() {
    each(|sandbox| {
        let folder = armed(sandbox, MIB);
        for what in ["sockets", "pipes"] {
            let command = attack(&folder, &[what]);
            let outcome = run(
                sandbox,
                &command.limits(limits(|l| {
                    l.memory = 150 * MIB;
                    l.open_files = 1024;
                })),
            );
            assert_eq!(outcome.end, End::OutOfMemory, "{what}");
            let mut queued = [0u64; 6];
            for line in text(&outcome.stdout).lines() {
                let mut numbers = line.split(' ').map(|n| n.parse::<u64>().unwrap_or(0));
                if let (Some(child), Some(bytes)) = (numbers.next(), numbers.next()) {
                    queued[child as usize] = bytes;
                }
            }
            let queued: u64 = queued.iter().sum();
            println!(
                "{what}: {} MiB queued, {} MiB seen",
                queued / MIB,
                outcome.peak_memory / MIB
            );
            // How far past the limit depends on how soon the watcher gets a core. Unwatched, these
            // hold 1.4 GB.
            assert!(queued > MIB && queued < 1000 * MIB, "{what}: {queued}");
        }
    });
}

/// Where there is a control group, all that the kernel keeps for a program counts.
#[test]
fn memory_of_the_kernel_counts_in_a_control_group() {
    each(|sandbox| {
        if !sandbox.counts_kernel_memory() {
            println!("no control group for this user");
            return;
        }
        let folder = armed(sandbox, MIB);
        let command = attack(&folder, &["mappings"]);
        let outcome = run(sandbox, &command.limits(limits(|l| l.memory = 150 * MIB)));
        assert_eq!(outcome.end, End::OutOfMemory);
        // The next run is not the one that was full.
        assert_eq!(
            run(sandbox, &attack(&folder, &["exit", "0"])).end,
            End::Exited(0)
        );
    });
}

#[test]
fn memory_that_is_not_used_or_shared_does_not_count() {
    each(|sandbox| {
        let folder = armed(sandbox, MIB);
        for what in ["share", "reserve"] {
            let command = attack(&folder, &[what]);
            let outcome = run(sandbox, &command.limits(limits(|l| l.memory = 150 * MIB)));
            assert_eq!(outcome.end, End::Exited(0), "{what}");
        }
    });
}

#[test]
fn processor_time_of_all_threads_and_children() {
    each(|sandbox| {
        let folder = armed(sandbox, MIB);
        for what in ["threads-spin", "children-spin"] {
            let command = attack(&folder, &[what]);
            let outcome = run(
                sandbox,
                &command.limits(limits(|l| l.cpu = Duration::from_secs(1))),
            );
            assert_eq!(outcome.end, End::TimedOut, "{what}");
        }
    });
}

#[test]
fn filling_the_disk() {
    each(|sandbox| {
        for what in ["fill", "fill-shm", "inodes"] {
            let folder = armed(sandbox, 4 * MIB);
            let outcome = run(sandbox, &attack(&folder, &[what]));
            assert_eq!(outcome.end, End::DiskLimit, "{what}");
        }
    });
}

#[test]
fn large_and_sparse_files() {
    each(|sandbox| {
        for what in ["sparse", "large"] {
            let folder = armed(sandbox, 16 * MIB);
            let command = attack(&folder, &[what]);
            let outcome = run(sandbox, &command.limits(limits(|l| l.file_size = 2 * MIB)));
            assert_eq!(outcome.end, End::DiskLimit, "{what}");
        }
    });
}

#[test]
fn cancelling() {
    each(|sandbox| {
        let folder = armed(sandbox, MIB);
        let cancel = CancelToken::new();
        let name = marker("cancel");
        let command = attack(&folder, &["ignore", &name]);
        let started = Instant::now();
        let outcome = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(200));
                cancel.cancel();
            });
            sandbox.run(&command, &cancel).unwrap()
        });
        assert_eq!(outcome.end, End::Cancelled);
        assert!(started.elapsed() < Duration::from_secs(25));
        assert!(processes_with(&name).is_empty());
        let error = sandbox.run(&command, &cancel).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    });
}
