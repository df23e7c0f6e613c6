//! Without isolation, for who asks for it: limits hold, and what is left behind can be deleted.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::Duration;

use codegeex::eval::sandbox::{Access, End, Policy, Sandbox};

use crate::machine::{armed, attack, limits, marker, processes_with, run, secret, shell, text};

const MIB: u64 = 1 << 20;

fn plain() -> Sandbox {
    let sandbox = Sandbox::detect(Policy::None).unwrap();
    assert_eq!((sandbox.name(), sandbox.is_isolated()), ("none", false));
    sandbox
}

#[test]
fn only_if_asked_for() {
    for policy in [Policy::Auto, Policy::Bubblewrap, Policy::Namespaces] {
        if let Ok(sandbox) = Sandbox::detect(policy) {
            assert!(sandbox.is_isolated(), "{policy:?}");
        }
    }
    assert_eq!(Policy::default(), Policy::Auto);
}

#[test]
fn verdicts() {
    let sandbox = plain();
    let folder = armed(&sandbox, 64 * MIB);
    let name = marker("plain");
    let end = |args: &[&str], change: &dyn Fn(&mut codegeex::eval::sandbox::Limits)| {
        run(&sandbox, &attack(&folder, args).limits(limits(change))).end
    };
    assert_eq!(end(&["exit", "3"], &|_| ()), End::Exited(3));
    assert_eq!(end(&["exit", "139"], &|_| ()), End::Exited(139));
    assert_eq!(end(&["signal", "11"], &|_| ()), End::Signal(11));
    let short = |l: &mut codegeex::eval::sandbox::Limits| l.wall = Duration::from_millis(500);
    assert_eq!(end(&["ignore", &name], &short), End::TimedOut);
    for what in ["allocate", "allocate-many", "allocate-headless"] {
        assert_eq!(
            end(&[what, &name], &|l| l.memory = 150 * MIB),
            End::OutOfMemory
        );
    }
    assert_eq!(
        end(&["threads-spin"], &|l| l.cpu = Duration::from_secs(1)),
        End::TimedOut
    );
    assert_eq!(end(&["print", "1"], &|l| l.output = 1000), End::OutputLimit);
    assert_eq!(end(&["large"], &|l| l.file_size = 2 * MIB), End::DiskLimit);
    let outcome = run(
        &sandbox,
        &shell(&folder, "echo $HOME; pwd; env").env("A", "b"),
    );
    let path = folder.path().to_str().unwrap();
    assert!(text(&outcome.stdout).starts_with(&format!("{path}\n{path}\n")));
    assert!(!text(&outcome.stdout).contains("CARGO"));
    // In the background, and still in the group.
    let script = format!("./attack ignore {name} & sleep 0.2");
    assert_eq!(run(&sandbox, &shell(&folder, &script)).end, End::Exited(0));
    std::thread::sleep(Duration::from_millis(100));
    assert!(processes_with(&name).is_empty());
}

#[test]
fn the_attacks_work_where_nothing_stops_them() {
    // Otherwise the tests of the sandboxes would say nothing.
    let sandbox = plain();
    let folder = armed(&sandbox, 8 * MIB);
    let output = |args: &[&str]| text(&run(&sandbox, &attack(&folder, args)).stdout);
    let (host, path, secret) = secret(&std::env::temp_dir());
    let path = path.to_str().unwrap();
    assert_eq!(output(&["read", path]), secret);
    let prefixed = format!("/proc/self/root{path}");
    assert_eq!(output(&["read", &prefixed]), secret);
    let output_of_write = output(&["write", path]);
    for what in ["open", "truncate", "create", "rename"] {
        assert!(
            output_of_write.contains(&format!("{what}: DONE")),
            "{output_of_write}"
        );
    }
    assert!(!std::path::Path::new(path).exists());

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let name = marker("abstract");
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _local = UnixListener::bind_addr(&address).unwrap();
    let socket = host.path().join("socket");
    let _named = UnixListener::bind(&socket).unwrap();
    let output = output(&["connect", &port, &name, socket.to_str().unwrap()]);
    for what in ["tcp: DONE", "abstract: DONE", "path: DONE"] {
        assert!(output.contains(what), "{output}");
    }
    let calls = text(&run(&sandbox, &attack(&folder, &["shared-memory"])).stdout);
    assert_eq!(calls.matches("DONE").count(), 3, "{calls}");
}

#[test]
fn a_full_folder() {
    let sandbox = plain();
    let folder = armed(&sandbox, 8 * MIB);
    let outcome = run(
        &sandbox,
        &shell(
            &folder,
            "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do head -c 1000000 /dev/urandom > $i; done; sleep 5",
        ),
    );
    assert_eq!(outcome.end, End::DiskLimit);
}

#[test]
fn what_is_hard_to_delete() {
    let sandbox = plain();
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("kept"), "kept").unwrap();
    let folder = armed(&sandbox, 64 * MIB);
    let path = folder.path().to_owned();
    assert_eq!(
        run(&sandbox, &attack(&folder, &["deep", "3000"])).end,
        End::Exited(0)
    );
    let script = format!(
        "mkdir -p closed/in; touch closed/in/x; chmod 000 closed/in closed; ln -s {} link; \
         : > \"$(printf 'a\\377b')\"",
        host.path().display()
    );
    assert_eq!(run(&sandbox, &shell(&folder, &script)).end, End::Exited(0));
    drop(folder);
    assert!(!path.exists());
    assert_eq!(std::fs::read(host.path().join("kept")).unwrap(), b"kept");
}

#[test]
fn a_folder_of_another_sandbox_is_an_error() {
    let folder = plain().folder(MIB).unwrap();
    let sandbox = Sandbox::detect(Policy::Auto).unwrap();
    let command = shell(&folder, "true");
    let none = codegeex::cancel::CancelToken::new();
    assert!(sandbox.run(&command, &none).is_err());
    let command = shell(&folder, "true").mount("/usr", "/elsewhere", Access::ReadOnly);
    assert!(plain().run(&command, &none).is_err());
}
