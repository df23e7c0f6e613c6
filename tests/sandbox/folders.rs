//! The private folder, and what programs leave in it to mislead a reader.

use codegeex::eval::sandbox::{Command, End};

use crate::machine::{armed, attack, each, run, secret, shell, text};

#[test]
fn what_is_written_is_seen_and_what_is_left_is_read() {
    each(|sandbox| {
        let folder = armed(sandbox, 1 << 20);
        folder.write("a/b/c.txt", b"given").unwrap();
        folder.write("a/b/c.txt", b"again").unwrap();
        let outcome = run(
            sandbox,
            &shell(&folder, "cat a/b/c.txt; echo made > a/b/d; echo t > /tmp/t"),
        );
        assert_eq!(text(&outcome.stdout), "again", "{}", text(&outcome.stderr));
        assert_eq!(folder.read("a/b/d", 5).unwrap(), b"made\n");
        assert_eq!(
            std::fs::read(folder.path().join("a/b/d")).unwrap(),
            b"made\n"
        );
        assert!(folder.read("a/b/d", 4).is_err());
        assert!(folder.read("none", 4).is_err());
        // A second run in the same folder finds what the first one left.
        assert_eq!(
            text(&run(sandbox, &shell(&folder, "cat a/b/d /tmp/t")).stdout),
            "made\nt\n"
        );
        // Another folder is another.
        let other = armed(sandbox, 1 << 20);
        assert_eq!(
            text(&run(sandbox, &shell(&other, "ls -A . /tmp")).stdout).trim(),
            ".:\nattack\n\n/tmp:\nw"
        );
        for name in ["", ".", "..", "/etc/passwd", "../x", "a/../../x", "/"] {
            assert!(folder.write(name, b"").is_err(), "{name}");
            assert!(folder.read(name, 9).is_err(), "{name}");
        }
        assert!(folder.write("too-large", &vec![0; 2 << 20]).is_err());
    });
}

/// A process that another thread forks while a program is written has it open, until it executes.
#[test]
fn a_program_that_is_open_for_writing_is_waited_for() {
    each(|sandbox| {
        let folder = sandbox.folder(4 << 20).unwrap();
        let program = std::fs::read("/bin/true").unwrap();
        folder.write("program", &program).unwrap();
        let path = folder.path().join("program");
        let writer = std::fs::File::options().append(true).open(path).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(300));
                drop(writer);
            });
            let outcome = run(sandbox, &Command::new("./program", &folder));
            assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome.stderr));
        });
    });
}

#[test]
fn links_lead_nowhere() {
    let (host, path, secret) = secret(&std::env::temp_dir());
    each(|sandbox| {
        let folder = armed(sandbox, 1 << 20);
        let target = path.display();
        let above = host.path().display();
        let script = format!(
            "ln -s {target} file; ln -s {above} folder; ln -s /proc/self/root{above} root; mkfifo pipe"
        );
        assert_eq!(run(sandbox, &shell(&folder, &script)).end, End::Exited(0));
        for name in ["file", "folder/secret", "root/secret", "pipe", "folder"] {
            assert!(folder.read(name, 1000).is_err(), "{name}");
        }
        assert!(folder.write("folder/secret", b"changed").is_err());
        folder.write("file", b"changed").unwrap();
        folder.write("pipe", b"changed").unwrap();
        assert_eq!(folder.read("file", 1000).unwrap(), b"changed");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), secret);
        assert_eq!(std::fs::read_dir(host.path()).unwrap().count(), 1);
    });
}

#[test]
fn what_is_hard_to_delete() {
    each(|sandbox| {
        let folder = armed(sandbox, 64 << 20);
        let outcome = run(sandbox, &attack(&folder, &["deep", "12000"]));
        assert_eq!(outcome.end, End::Exited(0));
        let script =
            "mkdir closed; touch closed/x; chmod 000 closed attack; : > \"$(printf 'a\\377b')\"";
        assert_eq!(run(sandbox, &shell(&folder, script)).end, End::Exited(0));
    });
}
