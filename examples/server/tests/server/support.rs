//! A server on a port of its own, and a client that speaks plain HTTP.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use codegeex::backend::CpuOptions;
use codegeex::generate::Generator;
use codegeex::model::{LoadOptions, load};
use codegeex::tokenizer::BpeTokenizer;
use codegeex_server::app::{App, Settings, router};
use codegeex_server::engine::{Engine, EngineOptions};
use codegeex_server::guard::{Guard, OriginPattern};
use codegeex_server::listen::{Limits, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The end of text, which a long answer must not sample.
const END: &str = "50256";

/// What a test may choose.
pub struct Setup {
    pub sequences: usize,
    pub queue: usize,
    pub max_body: usize,
    pub read_timeout: Duration,
    pub limits: Limits,
    pub origins: Vec<OriginPattern>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            sequences: 16,
            queue: 32,
            max_body: 64 << 10,
            read_timeout: Duration::from_secs(10),
            limits: Limits::default(),
            origins: Vec::new(),
        }
    }
}

pub fn generator() -> Generator {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../models/codegeex_tiny.safetensors"
    );
    let mut options = LoadOptions::default();
    options.cpu = CpuOptions::new().threads(1);
    let model = load(path, &options).unwrap();
    Generator::new(model, Arc::new(BpeTokenizer::codegeex().unwrap()))
}

/// The same model with a tokenizer of single bytes and StarCoder2's control tokens.
pub fn filling() -> Generator {
    // The printable stand-ins of bytes, as GPT-2 has them.
    let printable = |b: u32| matches!(b, 33..=126 | 161..=172 | 174..=255);
    let mut stand_in = 255;
    let mut vocab = serde_json::Map::new();
    for byte in 0..256 {
        let code = match printable(byte) {
            true => byte,
            false => {
                stand_in += 1;
                stand_in
            }
        };
        vocab.insert(char::from_u32(code).unwrap().into(), byte.into());
    }
    let controls = [
        "<|endoftext|>",
        "<fim_prefix>",
        "<fim_suffix>",
        "<fim_middle>",
        "<fim_pad>",
        "<repo_name>",
        "<file_sep>",
    ];
    let added: Vec<Value> = (256..)
        .zip(controls)
        .map(|(id, content)| {
            json!({
                "id": id, "content": content, "special": true, "normalized": false,
                "single_word": false, "lstrip": false, "rstrip": false,
            })
        })
        .collect();
    let byte_level = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    });
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": added,
        "pre_tokenizer": byte_level, "post_processor": null, "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    });
    let json = tokenizer.to_string();
    let tokenizer = BpeTokenizer::from_json(&json, Some("<|endoftext|>")).unwrap();
    Generator::new(generator().model().clone(), Arc::new(tokenizer))
}

/// A server that ends with it.
pub struct Server {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(setup: Setup) -> Self {
        Self::of(generator(), setup)
    }

    pub fn of(generator: Generator, setup: Setup) -> Self {
        let engine = Engine::start(
            generator,
            EngineOptions {
                sequences: setup.sequences.try_into().unwrap(),
                queue: setup.queue,
                cache_bytes: None,
            },
        )
        .unwrap();
        let settings = Settings {
            model: "tiny".into(),
            max_body: setup.max_body,
            max_choices: 32,
            read_timeout: setup.read_timeout,
            guard: Guard {
                names: vec!["box.lan".into()],
                origins: setup.origins,
            },
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, address) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let app = App::new(engine.clone(), settings);
                let stopped = async {
                    let _ = stopped.await;
                };
                serve(listener, router(app), setup.limits, stopped, || {
                    engine.stop()
                })
                .await;
            });
        });
        Self {
            address: address.recv().unwrap(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// Asks it to stop.
    pub fn ask_to_stop(&mut self) {
        drop(self.stop.take());
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).unwrap();
        stream
    }

    /// Sends these bytes and reads until the server closes.
    pub fn raw(&self, request: &[u8]) -> Response {
        let mut stream = self.connect();
        // A server that has seen enough may close before all is sent.
        let _ = stream.write_all(request);
        Response::read(&mut stream)
    }

    pub fn get(&self, path: &str) -> Response {
        self.raw(head("GET", path, &[]).as_bytes())
    }

    pub fn post(&self, body: &Value) -> Response {
        self.raw(&completion(body))
    }

    /// The answer to a body that is written as it is.
    pub fn post_text(&self, body: &str) -> Response {
        self.raw(&completion_of(body))
    }

    /// The answer to a request that has to succeed.
    pub fn complete(&self, body: &Value) -> Value {
        let response = self.post(body);
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    }

    /// The data of all events of a stream.
    pub fn stream(&self, body: &Value) -> Vec<Value> {
        let mut body = body.clone();
        body["stream"] = true.into();
        let response = self.post(&body);
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.header("content-type"), Some("text/event-stream"));
        let text = response.text();
        let mut events: Vec<&str> = text
            .split_terminator("\n\n")
            .map(|e| e.strip_prefix("data: ").unwrap())
            .collect();
        assert_eq!(events.pop(), Some("[DONE]"));
        let events = events.iter().map(|e| serde_json::from_str(e).unwrap());
        events.collect()
    }

    /// Jobs that are active and jobs that wait.
    pub fn load(&self) -> (u64, u64) {
        let health = self.get("/health").json();
        let number = |name: &str| health[name].as_u64().unwrap();
        (number("active"), number("queued"))
    }

    /// Waits until the load is this, and says how long it took.
    #[track_caller]
    pub fn wait_for(&self, load: (u64, u64), patience: Duration) -> Duration {
        let clock = Instant::now();
        loop {
            let found = self.load();
            if found == load {
                return clock.elapsed();
            }
            assert!(clock.elapsed() < patience, "{found:?} and not {load:?}");
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A request's head, from this host unless the headers name another.
pub fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        head += "host: localhost\r\n";
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head + "\r\n"
}

/// A whole request for a completion.
pub fn completion(body: &Value) -> Vec<u8> {
    completion_of(&body.to_string())
}

fn completion_of(body: &str) -> Vec<u8> {
    let length = body.len().to_string();
    let headers = [
        ("content-type", "application/json"),
        ("content-length", length.as_str()),
    ];
    (head("POST", "/v1/completions", &headers) + body).into_bytes()
}

/// Samples that take many seconds.
pub fn long(n: usize) -> Value {
    json!({
        "prompt": "def f():\n", "max_tokens": 2000, "n": n, "seed": 1, "logit_bias": {END: -100},
    })
}

/// What a server answered.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Response {
    pub fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        match stream.read_to_end(&mut bytes) {
            Ok(_) => {}
            // What was there before the end still counts.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error} after {} bytes", bytes.len()),
        }
        let split = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&bytes[..split]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let mut response = Self {
            status: status.parse().unwrap(),
            headers: lines
                .map(|line| line.split_once(": ").unwrap())
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect(),
            body: bytes[split + 4..].to_vec(),
        };
        if response.header("transfer-encoding") == Some("chunked") {
            response.body = whole(&response.body);
        }
        response
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The error object of an answer with this status.
    #[track_caller]
    pub fn error(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        let error = self.json()["error"].clone();
        assert!(error["message"].is_string() && error["type"].is_string());
        assert!(error.get("param").is_some() && error.get("code").is_some());
        error
    }
}

/// A chunked body put together.
fn whole(mut chunked: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(at) = chunked.windows(2).position(|w| w == b"\r\n") {
        let size = std::str::from_utf8(&chunked[..at]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let data = &chunked[at + 2..];
        if size == 0 || data.len() < size + 2 {
            break;
        }
        body.extend_from_slice(&data[..size]);
        chunked = &data[size + 2..];
    }
    body
}
