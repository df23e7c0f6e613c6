//! What is bounded: bodies, the queue, connections, and the time that clients take.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use codegeex_server::listen::Limits;
use serde_json::json;
use tokio::net::TcpSocket;

use crate::support::{Response, Server, Setup, completion, head, long};

const SHORT: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn large_bodies_are_refused() {
    let server = Server::start(Setup::default());
    let fits = json!({"prompt": "a", "max_tokens": 1, "user": "x".repeat(60 << 10)});
    server.complete(&fits);
    let large = json!({"prompt": "a", "max_tokens": 1, "user": "x".repeat(70 << 10)});
    assert_eq!(server.post(&large).error(413)["code"], "body_too_large");
    // In chunks, without saying how much will come.
    let headers = [
        ("content-type", "application/json"),
        ("transfer-encoding", "chunked"),
    ];
    let mut request = head("POST", "/v1/completions", &headers);
    for _ in 0..70 {
        request += &format!("400\r\n{}\r\n", " ".repeat(1024));
    }
    request += "0\r\n\r\n";
    server.raw(request.as_bytes()).error(413);
}

#[test]
fn a_full_queue_says_so() {
    let server = Server::start(Setup {
        sequences: 1,
        queue: 1,
        ..Setup::default()
    });
    let mut first = server.connect();
    first.write_all(&completion(&long(1))).unwrap();
    server.wait_for((1, 0), PATIENCE);
    let mut second = server.connect();
    second.write_all(&completion(&long(1))).unwrap();
    server.wait_for((1, 1), PATIENCE);
    let refused = server.post(&json!({"prompt": "a", "max_tokens": 1}));
    assert_eq!(refused.error(429)["code"], "queue_full");
    assert_eq!(refused.error(429)["type"], "rate_limit_error");
    assert_eq!(refused.header("retry-after"), Some("1"));
    // One that waits goes away, and its place is free.
    drop(second);
    server.wait_for((1, 0), PATIENCE);
    drop(first);
    server.wait_for((0, 0), PATIENCE);
    // All prompts of a request are taken, or none.
    server
        .post(&json!({"prompt": ["a", "b", "c"], "max_tokens": 1}))
        .error(429);
    assert_eq!(server.load(), (0, 0));
    server.complete(&json!({"prompt": ["a", "b"], "max_tokens": 1}));
}

#[test]
fn slow_senders_are_let_go() {
    let limits = Limits {
        head: SHORT,
        ..Limits::default()
    };
    let server = Server::start(Setup {
        limits,
        read_timeout: SHORT,
        ..Setup::default()
    });
    for sent in ["", "POST /v1/completions HTTP/1.1\r\nhost: local"] {
        let mut slow = server.connect();
        slow.write_all(sent.as_bytes()).unwrap();
        let clock = Instant::now();
        let mut answer = Vec::new();
        let _ = slow.read_to_end(&mut answer);
        assert!(clock.elapsed() < PATIENCE / 3, "{sent:?}");
    }
    let mut slow = server.connect();
    let headers = [
        ("content-type", "application/json"),
        ("content-length", "100"),
    ];
    let start = head("POST", "/v1/completions", &headers) + "{";
    slow.write_all(start.as_bytes()).unwrap();
    Response::read(&mut slow).error(408);
}

/// A connection with a small window, so that little is under way in it.
fn narrow(server: &Server) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let connecting = async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(server.address).await.unwrap()
    };
    let stream = runtime.block_on(connecting).into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream
}

#[test]
fn slow_receivers_are_let_go() {
    let limits = Limits {
        write: SHORT,
        connections: 1,
        wait: PATIENCE * 10,
        ..Limits::default()
    };
    let server = Server::start(Setup {
        limits,
        ..Setup::default()
    });
    // Megabytes, more than the system takes off the server's hands.
    let mut body = json!({"prompt": vec![198; 2040], "n": 32, "echo": true, "logprobs": 5});
    body["max_tokens"] = 0.into();
    body["stream"] = true.into();
    let mut slow = narrow(&server);
    slow.write_all(&completion(&body)).unwrap();
    // It never reads, and the next one gets its place.
    assert_eq!(server.get("/health").status, 200);
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    let text = String::from_utf8_lossy(&rest);
    assert!(text.starts_with("HTTP/1.1 200"), "{text:.80}");
    assert!(!text.contains("[DONE]"));
}

#[test]
fn connections_beyond_the_limit_wait() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let server = Server::start(Setup {
        limits,
        ..Setup::default()
    });
    let mut busy = [server.connect(), server.connect()];
    for stream in &mut busy {
        stream.write_all(&completion(&long(1))).unwrap();
    }
    let mut third = server.connect();
    third
        .write_all(head("GET", "/health", &[]).as_bytes())
        .unwrap();
    third
        .set_read_timeout(Some(Duration::from_millis(1500)))
        .unwrap();
    assert!(third.read(&mut [0]).is_err(), "answered beyond the limit");
    drop(busy);
    third.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(Response::read(&mut third).status, 200);
}

#[test]
fn idle_connections_make_place() {
    let limits = Limits {
        connections: 3,
        ..Limits::default()
    };
    let server = Server::start(Setup {
        limits,
        ..Setup::default()
    });
    let mut kept = server.connect();
    ask(&mut kept);
    std::thread::sleep(SHORT);
    // One that has sent nothing, and one that has sent half a head.
    let silent = server.connect();
    let mut half = server.connect();
    half.write_all(b"GET /health HTTP/1.1\r\n").unwrap();
    for _ in 0..3 {
        assert_eq!(server.get("/health").status, 200);
    }
    // It was the first to go, without a word.
    let mut rest = Vec::new();
    assert_eq!(kept.read_to_end(&mut rest).unwrap(), 0);
    drop((silent, half));
}

/// Sends a request on a connection that stays open, and reads the answer.
fn ask(stream: &mut TcpStream) {
    stream
        .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    while !text.ends_with('}') {
        let mut buffer = [0; 1024];
        let n = stream.read(&mut buffer).unwrap();
        assert!(n > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[test]
fn idle_connections_outlive_the_limit_on_heads() {
    let limits = Limits {
        head: SHORT,
        keep_alive: SHORT * 5,
        ..Limits::default()
    };
    let server = Server::start(Setup {
        limits,
        ..Setup::default()
    });
    let mut stream = server.connect();
    for _ in 0..3 {
        ask(&mut stream);
        std::thread::sleep(SHORT * 2);
    }
    // A head that has begun has less time, and is told so.
    stream.write_all(b"GET /health HTTP").unwrap();
    assert_eq!(
        Response::read(&mut stream).error(408)["code"],
        "head_timeout"
    );

    let mut stream = server.connect();
    ask(&mut stream);
    let clock = Instant::now();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    let idle = clock.elapsed();
    assert!(idle > SHORT * 4 && idle < PATIENCE, "{idle:?}");
}

#[test]
fn the_default_outlives_the_pools_of_clients() {
    assert!(Limits::default().keep_alive >= Duration::from_secs(100));
    let limits = Limits {
        keep_alive: Duration::ZERO,
        ..Limits::default()
    };
    let server = Server::start(Setup {
        limits,
        ..Setup::default()
    });
    let mut stream = server.connect();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let answer = Response::read(&mut stream);
    assert_eq!(
        (answer.status, answer.header("connection")),
        (200, Some("close"))
    );
}

#[test]
fn an_answer_arrives_before_all_is_sent() {
    let server = Server::start(Setup::default());
    let length = (8 << 20).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("content-length", &*length),
    ];
    for _ in 0..5 {
        let mut stream = server.connect();
        let start = head("POST", "/v1/completions", &headers);
        stream.write_all(start.as_bytes()).unwrap();
        // The client sends all before it reads, as many do.
        for _ in 0..8 << 4 {
            stream.write_all(&[b' '; 64 << 10]).unwrap();
        }
        assert_eq!(
            Response::read(&mut stream).error(413)["code"],
            "body_too_large"
        );
    }
}

#[test]
fn connections_beyond_those_that_wait_are_told_so() {
    // Much longer than what must happen meanwhile.
    let wait = SHORT * 10;
    let limits = Limits {
        connections: 2,
        wait,
        ..Limits::default()
    };
    let server = Server::start(Setup {
        limits,
        ..Setup::default()
    });
    let mut busy = [server.connect(), server.connect()];
    for stream in &mut busy {
        stream.write_all(&completion(&long(4))).unwrap();
    }
    std::thread::sleep(SHORT);
    let clock = Instant::now();
    let mut waiting = [server.connect(), server.connect()];
    std::thread::sleep(SHORT);
    let refused = server.get("/health");
    assert_eq!(refused.error(503)["code"], "too_many_connections");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(clock.elapsed() < wait, "it waited");
    for stream in &mut waiting {
        assert_eq!(
            Response::read(stream).error(503)["code"],
            "too_many_connections"
        );
    }
    assert!(clock.elapsed() >= wait, "they did not wait");
    drop(busy);
    let clock = Instant::now();
    while server.get("/health").status != 200 {
        assert!(clock.elapsed() < PATIENCE);
    }
}

#[test]
fn hundreds_of_idle_connections_keep_no_request_out() {
    let limits = Limits {
        connections: 16,
        ..Limits::default()
    };
    let server = Server::start(Setup {
        limits,
        ..Setup::default()
    });
    let idle: Vec<TcpStream> = (0..400).map(|_| server.connect()).collect();
    let clock = Instant::now();
    loop {
        let answer = server.get("/health");
        if answer.status == 200 {
            break;
        }
        // An honest answer at once, not a hanging connection.
        assert_eq!(answer.error(503)["code"], "too_many_connections");
        assert!(clock.elapsed() < Duration::from_secs(15));
        std::thread::sleep(SHORT);
    }
    drop(idle);
}

#[test]
fn bodies_that_do_not_arrive_make_place() {
    let limits = Limits {
        connections: 2,
        wait: Duration::from_secs(20),
        ..Limits::default()
    };
    let server = Server::start(Setup {
        limits,
        read_timeout: PATIENCE * 4,
        ..Setup::default()
    });
    let headers = [
        ("content-type", "application/json"),
        ("content-length", "100"),
    ];
    let start = head("POST", "/v1/completions", &headers) + "{";
    let mut slow = [server.connect(), server.connect()];
    for stream in &mut slow {
        stream.write_all(start.as_bytes()).unwrap();
        std::thread::sleep(SHORT);
    }
    assert_eq!(server.get("/health").status, 200);
    // The one that took longest had to go, and is told so.
    assert_eq!(
        Response::read(&mut slow[0]).error(503)["code"],
        "too_many_connections"
    );
    // The other is still served.
    let rest = format!("{:98}}}", r#""prompt": 5"#);
    slow[1].write_all(rest.as_bytes()).unwrap();
    assert_eq!(Response::read(&mut slow[1]).error(400)["param"], "prompt");
}
