//! Programs that are talked to.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use codegeex::eval::sandbox::{End, Server};

use crate::machine::{armed, attack, each, limits, marker, processes_with, shell};

fn gone(name: &str) -> bool {
    processes_with(name).is_empty()
}

fn wait_for_end(server: &Server) -> End {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match server.end() {
            Some(end) => return end,
            None => assert!(Instant::now() < until, "still running"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn questions_and_answers() {
    each(|sandbox| {
        let folder = armed(sandbox, 1 << 20);
        let name = marker("server");
        let script = format!("echo ready >&2; while read x; do echo \"got $x\"; done; : {name}");
        // Started by a thread that is gone when it is used.
        let start = || sandbox.spawn(&shell(&folder, &script)).unwrap();
        let mut server = std::thread::scope(|scope| scope.spawn(start).join().unwrap());
        std::thread::sleep(Duration::from_millis(50));
        for question in 0..100 {
            writeln!(server.stdin(), "{question}").unwrap();
            let expected = format!("got {question}\n");
            let mut answer = vec![0; expected.len()];
            server.stdout().read_exact(&mut answer).unwrap();
            assert_eq!(answer, expected.as_bytes());
        }
        assert_eq!((server.end(), server.stderr()), (None, b"ready\n".to_vec()));
        server.set_deadline(Some(Instant::now() + Duration::from_millis(50)));
        let error = server.stdout().read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        server.set_deadline(None);
        server.close_stdin();
        assert_eq!(wait_for_end(&server), End::Exited(0));
        assert_eq!(server.stdout().read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn dropped_with_all_that_it_started() {
    each(|sandbox| {
        let folder = armed(sandbox, 1 << 20);
        let name = marker("dropped");
        let mut server = sandbox.spawn(&attack(&folder, &["daemon", &name])).unwrap();
        let mut line = [0; 7];
        server.stdout().read_exact(&mut line).unwrap();
        assert_eq!(&line, b"daemon\n");
        drop(server);
        assert!(gone(&name));
    });
}

#[test]
fn limits_hold_for_servers() {
    each(|sandbox| {
        let folder = armed(sandbox, 1 << 20);
        let command = attack(&folder, &["allocate"]).limits(limits(|l| l.memory = 100 << 20));
        let mut server = sandbox.spawn(&command).unwrap();
        assert_eq!(wait_for_end(&server), End::OutOfMemory);
        assert!(server.stdin().write_all(&[0; 1 << 20]).is_err());
        let missing = sandbox.spawn(&codegeex::eval::sandbox::Command::new("no-such", &folder));
        if let Ok(server) = missing {
            wait_for_end(&server);
        }
    });
}
