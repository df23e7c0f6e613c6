//! A request ends when its client disconnects.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Response, Server, Setup, completion, long};

/// Far less than what the work takes, and far more than what its end takes.
const SOON: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads until some events have come.
fn some_events(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    while text.matches("data: ").count() < 3 {
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).unwrap();
        assert!(n > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    text
}

#[test]
fn closing_a_stream_ends_the_work() {
    let server = Server::start(Setup::default());
    let mut body = long(16);
    body["stream"] = true.into();
    let mut stream = server.connect();
    stream.write_all(&completion(&body)).unwrap();
    some_events(&mut stream);
    assert_eq!(server.load(), (1, 0));
    drop(stream);
    server.wait_for((0, 0), SOON);
}

#[test]
fn closing_before_the_answer_ends_the_work() {
    let server = Server::start(Setup::default());
    let mut stream = server.connect();
    stream.write_all(&completion(&long(16))).unwrap();
    server.wait_for((1, 0), PATIENCE);
    drop(stream);
    server.wait_for((0, 0), SOON);
}

#[test]
fn the_work_would_have_taken_longer() {
    let server = Server::start(Setup::default());
    let mut stream = server.connect();
    stream.write_all(&completion(&long(16))).unwrap();
    server.wait_for((1, 0), PATIENCE);
    let clock = Instant::now();
    while clock.elapsed() < SOON {
        assert_eq!(server.load(), (1, 0));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn stopping_ends_streams_with_a_reason() {
    let mut server = Server::start(Setup::default());
    let mut body = long(16);
    body["stream"] = true.into();
    let mut stream = server.connect();
    stream.write_all(&completion(&body)).unwrap();
    some_events(&mut stream);
    let mut whole = server.connect();
    whole.write_all(&completion(&long(1))).unwrap();
    server.wait_for((2, 0), PATIENCE);
    let clock = Instant::now();
    server.ask_to_stop();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("shutting_down"), "{rest}");
    assert!(!rest.contains("[DONE]"));
    assert_eq!(
        Response::read(&mut whole).error(503)["code"],
        "shutting_down"
    );
    server.stop();
    assert!(clock.elapsed() < SOON);
    assert!(TcpStream::connect(server.address).is_err());
}
