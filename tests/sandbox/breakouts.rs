//! Reading, writing and reaching what is not the program's.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;

use codegeex::eval::sandbox::{Access, End};

use crate::machine::{armed, attack, each, marker, run, secret, shell, text};

/// No line of an attack's output says that anything was done.
fn assert_refused(output: &str, tried: usize) {
    assert!(!output.contains("DONE"), "{output}");
    assert_eq!(output.matches("refused").count(), tried, "{output}");
}

#[test]
fn files_outside_cannot_be_read() {
    let home = std::env::var_os("HOME").unwrap_or_else(|| "/tmp".into());
    let (_at_home, in_home, first) = secret(Path::new(&home));
    let (_elsewhere, in_temp, second) = secret(&std::env::temp_dir());
    each(|sandbox| {
        let folder = armed(sandbox, 1 << 20);
        let mut paths = vec!["/etc/shadow".to_owned(), "/proc/1/environ".to_owned()];
        for path in [&in_home, &in_temp] {
            let path = path.to_str().unwrap();
            for prefix in [
                "",
                "/proc/self/root",
                "/proc/1/root",
                "/proc/1/cwd/../../..",
                "/tmp/w/../../..",
                "/proc/self/cwd/../../../..",
            ] {
                paths.push(format!("{prefix}{path}"));
            }
        }
        let mut args = vec!["read"];
        args.extend(paths.iter().map(String::as_str));
        let outcome = run(sandbox, &attack(&folder, &args));
        assert_eq!(outcome.end, End::Exited(0));
        let output = text(&outcome.stdout);
        assert!(
            !output.contains(&first) && !output.contains(&second),
            "{output}"
        );
        assert!(!output.contains("root:"), "{output}");
        // The same program can read what it is shown.
        let command = attack(&folder, &["read", in_temp.to_str().unwrap()]);
        let outcome = run(sandbox, &command.read_only(&in_temp));
        assert_eq!(text(&outcome.stdout), second);
    });
}

#[test]
fn the_root_folder_has_nothing_of_the_users() {
    each(|sandbox| {
        let folder = armed(sandbox, 1 << 20);
        let outcome = run(
            sandbox,
            &shell(&folder, "ls -A / /root /home /mnt /var /run /sys /boot"),
        );
        let output = text(&outcome.stdout);
        let shown: Vec<&str> = output.split_whitespace().skip(1).collect();
        for name in shown {
            let known = [
                "bin", "dev", "etc", "gnu", "lib", "nix", "proc", "sbin", "tmp", "usr",
            ];
            assert!(known.iter().any(|k| name.starts_with(k)), "{output}");
        }
        let outcome = run(
            sandbox,
            &shell(
                &folder,
                "echo x > /x; echo x > /etc/x; echo x > /dev/x; echo x > /usr/x; mkdir /y; rm /bin; ls /",
            ),
        );
        assert!(
            !text(&outcome.stdout).contains('x'),
            "{}",
            text(&outcome.stdout)
        );
        assert!(!text(&outcome.stdout).contains('y'));
        assert!(text(&outcome.stdout).contains("bin"));
    });
}

#[test]
fn the_environment_does_not_leak() {
    // Cargo sets this for tests, so this process has it.
    assert!(std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("CARGO")));
    let host = tempfile::tempdir().unwrap();
    each(|sandbox| {
        let folder = armed(sandbox, 1 << 20);
        let script = "env; cat /proc/*/environ | tr '\\0' '\\n'; tr '\\0' ' ' < /proc/1/cmdline";
        let command = shell(&folder, script)
            .env("GIVEN", "this")
            .env("GIVEN", "that")
            .mount(host.path(), "/shown", Access::ReadOnly);
        let outcome = run(sandbox, &command);
        let output = text(&outcome.stdout);
        assert!(!output.contains("CARGO"), "{output}");
        assert!(!output.contains("target/"), "{output}");
        // Not even where on the machine that is which it is shown.
        assert!(!output.contains(host.path().to_str().unwrap()), "{output}");
        assert!(
            output.contains("GIVEN=that") && !output.contains("GIVEN=this"),
            "{output}"
        );
    });
}

#[test]
fn other_processes_are_not_there() {
    each(|sandbox| {
        let folder = armed(sandbox, 1 << 20);
        let script =
            "cat /proc/[0-9]*/cmdline /proc/[0-9]*/comm | tr '\\0' '\\n'; ls -d /proc/[0-9]*";
        let outcome = run(sandbox, &shell(&folder, script));
        let output = text(&outcome.stdout);
        let largest = output
            .lines()
            .filter_map(|line| line.strip_prefix("/proc/")?.parse::<u32>().ok())
            .max();
        assert!(largest.is_some_and(|pid| pid < 12), "{output}");
        assert!(!output.contains("codegeex"), "{output}");
        let own = std::process::id().to_string();
        let outcome = run(sandbox, &attack(&folder, &["kill", &own]));
        let output = text(&outcome.stdout);
        assert!(
            output.contains("host: refused") && output.contains("alive"),
            "{output}"
        );
    });
}

#[test]
fn what_is_shown_cannot_be_changed() {
    let (host, path, secret) = secret(&std::env::temp_dir());
    each(|sandbox| {
        let folder = armed(sandbox, 1 << 20);
        let command = attack(&folder, &["write", "/data/secret"]);
        let command = command.mount(host.path(), "/data", Access::ReadOnly);
        assert_refused(&text(&run(sandbox, &command).stdout), 10);
        let command = attack(&folder, &["write", "/usr/bin/env"]);
        assert_refused(&text(&run(sandbox, &command).stdout), 10);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), secret);
        assert_eq!(std::fs::read_dir(host.path()).unwrap().count(), 1);
    });
}

#[test]
fn a_copy_on_write_leaves_the_original_alone() {
    let host = tempfile::tempdir().unwrap();
    each(|sandbox| {
        sandbox.make_writable(host.path()).unwrap();
        let folder = armed(sandbox, 4 << 20);
        let script = "echo first > /cache/a; mkdir /cache/b; echo second > /cache/b/c";
        let command = shell(&folder, script);
        let outcome = run(
            sandbox,
            &command.mount(host.path(), "/cache", Access::ReadWrite),
        );
        assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome.stderr));
        assert_eq!(std::fs::read(host.path().join("b/c")).unwrap(), b"second\n");
        let script =
            "echo changed > /cache/a; rm /cache/b/c; touch /cache/d; cat /cache/a; ls -A /cache/b";
        for _ in 0..2 {
            let command = shell(&folder, script);
            let outcome = run(
                sandbox,
                &command.mount(host.path(), "/cache", Access::CopyOnWrite),
            );
            assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome.stderr));
            assert_eq!(text(&outcome.stdout), "changed\n");
            assert_eq!(std::fs::read(host.path().join("a")).unwrap(), b"first\n");
            assert_eq!(std::fs::read(host.path().join("b/c")).unwrap(), b"second\n");
            assert!(!host.path().join("d").exists());
        }
    });
}

#[test]
fn there_is_no_network() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let name = marker("abstract");
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let local = UnixListener::bind_addr(&address).unwrap();
    let host = tempfile::tempdir().unwrap();
    let path = host.path().join("socket");
    let named = UnixListener::bind(&path).unwrap();
    named.set_nonblocking(true).unwrap();
    listener.set_nonblocking(true).unwrap();
    local.set_nonblocking(true).unwrap();
    each(|sandbox| {
        let folder = armed(sandbox, 1 << 20);
        let outcome = run(
            sandbox,
            &attack(&folder, &["connect", &port, &name, path.to_str().unwrap()]),
        );
        assert_refused(&text(&outcome.stdout), 5);
        assert!(listener.accept().is_err() && local.accept().is_err());
        assert!(named.accept().is_err());
    });
}

#[test]
fn pairs_of_sockets_work_and_no_others() {
    each(|sandbox| {
        let folder = armed(sandbox, 1 << 20);
        let script = "import asyncio, socket\na, b = socket.socketpair()\na.send(b'over')\n\
                      async def soon(): await asyncio.sleep(0.01); return b.recv(9)\n\
                      print(asyncio.run(soon()))\n\
                      try: socket.create_server(('127.0.0.1', 0))\n\
                      except PermissionError: print('refused')";
        let command = codegeex::eval::sandbox::Command::new("/usr/bin/python3", &folder);
        if !Path::new("/usr/bin/python3").exists() {
            crate::support::skip("no /usr/bin/python3");
            return;
        }
        let outcome = run(sandbox, &command.args(["-c", script]));
        assert_eq!(
            text(&outcome.stdout),
            "b'over'\nrefused\n",
            "{}",
            text(&outcome.stderr)
        );
    });
}

#[test]
fn the_kernel_holds_nothing_that_does_not_show() {
    each(|sandbox| {
        let folder = armed(sandbox, 1 << 20);
        let outcome = run(sandbox, &attack(&folder, &["kernel-memory"]));
        assert_eq!(outcome.end, End::Exited(0));
        assert_refused(&text(&outcome.stdout), 19);
    });
}

#[test]
fn calls_that_lead_out_are_refused() {
    each(|sandbox| {
        let folder = armed(sandbox, 1 << 20);
        let outcome = run(sandbox, &attack(&folder, &["calls"]));
        assert_eq!(outcome.end, End::Exited(0));
        assert_refused(&text(&outcome.stdout), 32);
    });
}

#[test]
fn no_rights_and_no_way_to_more() {
    each(|sandbox| {
        let folder = armed(sandbox, 1 << 20);
        let script = "cat /proc/self/status; cat /proc/self/uid_map; echo fds:; ls /proc/self/fd; \
                      echo root | su -c id; sudo -n id; unshare -r id; echo 0 > /proc/sys/kernel/panic; \
                      echo c > /proc/sysrq-trigger";
        let outcome = run(sandbox, &shell(&folder, script));
        let output = text(&outcome.stdout);
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert!(
                output.contains(&format!("{set}:\t0000000000000000\n")),
                "{output}"
            );
        }
        assert!(output.contains("NoNewPrivs:\t1\n") && output.contains("Seccomp:\t2\n"));
        assert!(output.contains("Uid:\t1000\t1000\t1000\t1000\n"));
        assert!(
            !output.contains("uid=0") && !output.contains("uid=1"),
            "{output}"
        );
        // Standard streams and the listing's own.
        assert!(output.ends_with("fds:\n0\n1\n2\n3\n"), "{output}");
    });
}
