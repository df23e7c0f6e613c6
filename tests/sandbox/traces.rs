//! Nothing stays behind: not after a thousand runs, not when the host is killed, and not as
//! another user.

use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};
use std::time::{Duration, Instant};

use codegeex::ErrorKind;
use codegeex::cancel::CancelToken;
use codegeex::eval::sandbox::{Command, End, Policy, Sandbox};

use crate::machine::{AS_USER, armed, attack, each, limits, marker, processes_with};

const RUNS: usize = 1000;

/// What a run could leave behind.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    children: usize,
    descriptors: usize,
    mounts: usize,
    files: Vec<PathBuf>,
}

impl Traces {
    fn now() -> Self {
        let list = |path: &str| -> Vec<PathBuf> {
            let entries = std::fs::read_dir(path).unwrap().flatten();
            entries.map(|entry| entry.path()).collect()
        };
        let children = list("/proc/self/task").into_iter().map(|task| {
            let children = std::fs::read_to_string(task.join("children")).unwrap_or_default();
            children.split_whitespace().count()
        });
        Self {
            children: children.sum(),
            descriptors: list("/proc/self/fd").len(),
            mounts: std::fs::read_to_string("/proc/self/mountinfo")
                .unwrap()
                .lines()
                .count(),
            files: list("/dev/shm"),
        }
    }
}

/// Runs a test of this file in a process of its own, where nothing else opens and starts things.
fn alone(test: &str, user: Option<(&Path, u32)>, name: &str, value: &str) -> Program {
    let own = std::env::current_exe().unwrap();
    let mut program = match user {
        Some((copy, id)) => {
            let mut program = Program::new("setpriv");
            let id = id.to_string();
            program.args([
                "--reuid",
                &id,
                "--regid",
                &id,
                "--clear-groups",
                "--inh-caps=-all",
            ]);
            program.arg(copy);
            program
        }
        None => Program::new(own),
    };
    program
        .args(["--nocapture", "--include-ignored"])
        .env(name, value);
    if !test.is_empty() {
        program.args(["--exact", test]);
    }
    program
}

#[test]
fn a_thousand_runs_leave_nothing() {
    const INNER: &str = "SANDBOX_TESTS_MANY";
    if std::env::var_os(INNER).is_none() {
        let status = alone("traces::a_thousand_runs_leave_nothing", None, INNER, "1").status();
        assert!(status.unwrap().success());
        return;
    }
    each(|sandbox| {
        let one = |sandbox: &Sandbox| {
            let folder = sandbox.folder(1 << 20).unwrap();
            let command = Command::new("true", &folder).limits(limits(|_| ()));
            let outcome = sandbox.run(&command, &CancelToken::new()).unwrap();
            assert_eq!(outcome.end, End::Exited(0));
        };
        one(sandbox);
        let before = Traces::now();
        let started = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..RUNS / 4).for_each(|_| one(sandbox)));
            }
        });
        println!("{RUNS} runs in {:?}", started.elapsed());
        assert_eq!(Traces::now(), before);
    });
}

#[test]
fn programs_end_with_a_host_that_is_killed() {
    const INNER: &str = "SANDBOX_TESTS_HOST";
    const TEST: &str = "traces::programs_end_with_a_host_that_is_killed";
    if let Ok(value) = std::env::var(INNER) {
        let (policy, name) = value.split_once(' ').unwrap();
        let policy = match policy {
            "bubblewrap" => Policy::Bubblewrap,
            _ => Policy::Namespaces,
        };
        let sandbox = Sandbox::detect(policy).unwrap();
        let folder = armed(&sandbox, 1 << 20);
        let _ = sandbox.run(&attack(&folder, &["ignore", name]), &CancelToken::new());
        panic!("was to be killed");
    }
    each(|sandbox| {
        let name = marker("orphan");
        let value = format!("{} {name}", sandbox.name());
        let mut host = alone(TEST, None, INNER, &value);
        let mut host = host
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        // Bubblewrap has it among its arguments as well.
        let running = |name: &str| !processes_with(name).is_empty();
        while !running(&name) {
            assert!(Instant::now() < until, "never started");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(300));
        host.kill().unwrap();
        host.wait().unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while running(&name) {
            assert!(Instant::now() < until, "still running");
            std::thread::sleep(Duration::from_millis(20));
        }
    });
}

#[test]
fn without_bubblewrap_there_are_namespaces() {
    const INNER: &str = "SANDBOX_TESTS_NO_BUBBLEWRAP";
    const TEST: &str = "traces::without_bubblewrap_there_are_namespaces";
    if std::env::var_os(INNER).is_some() {
        let error = Sandbox::detect(Policy::Bubblewrap).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BackendUnavailable);
        assert!(error.context().contains("install the package"), "{error}");
        assert_eq!(Sandbox::detect(Policy::Auto).unwrap().name(), "namespaces");
        return;
    }
    let status = alone(TEST, None, INNER, "1")
        .env("PATH", "/nowhere")
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn without_user_namespaces_nothing_runs() {
    const INNER: &str = "SANDBOX_TESTS_NO_NAMESPACES";
    const TEST: &str = "traces::without_user_namespaces_nothing_runs";
    if std::env::var_os(INNER).is_some() {
        for policy in [Policy::Auto, Policy::Bubblewrap, Policy::Namespaces] {
            let error = Sandbox::detect(policy).unwrap_err();
            println!("{error}");
            assert_eq!(error.kind(), ErrorKind::BackendUnavailable);
            assert!(
                error.context().contains("user.max_user_namespaces=10000"),
                "{error}"
            );
        }
        assert!(Sandbox::detect(Policy::None).is_ok());
        return;
    }
    // In a user namespace of its own, that setting is its own.
    let mut program = Program::new("unshare");
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"";
    program
        .args(["-Ur", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap());
    program
        .args(["--nocapture", "--exact", TEST])
        .env(INNER, "1");
    match program.status() {
        Ok(status) => assert!(status.success()),
        Err(e) => println!("not tested: unshare: {e}"),
    }
}

#[test]
fn everything_again_as_an_ordinary_user() {
    let is_root = std::fs::metadata("/proc/self").unwrap();
    let is_root = std::os::unix::fs::MetadataExt::uid(&is_root) == 0;
    if std::env::var_os(AS_USER).is_some() || !is_root {
        println!("already that");
        return;
    }
    const USER: u32 = 23456;
    let home = tempfile::tempdir().unwrap();
    let copy = home.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    std::os::unix::fs::chown(home.path(), Some(USER), Some(USER)).unwrap();
    let mut program = alone("", Some((&copy, USER)), AS_USER, "1");
    program.current_dir(home.path()).env("HOME", home.path());
    match program.status() {
        Ok(status) => assert!(status.success()),
        Err(e) => println!("not tested: setpriv: {e}"),
    }
}
