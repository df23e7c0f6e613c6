//! What is refused, and how that is said.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::support::{Response, Server, Setup, head};

#[test]
fn wrong_fields_are_named() {
    let server = Server::start(Setup::default());
    let rows = [
        ("model", json!(5)),
        ("prompt", json!(5)),
        ("prompt", json!([])),
        ("prompt", json!([[]])),
        ("prompt", json!(["a", 1])),
        ("prompt", json!([1, "a"])),
        ("prompt", json!([1, -1])),
        ("prompt", json!([1.5])),
        ("prompt", json!([50_400])),
        ("prompt", json!([4_294_967_296_u64])),
        ("prompt", json!({"text": "a"})),
        ("suffix", json!(1)),
        ("max_tokens", json!(-1)),
        ("max_tokens", json!("16")),
        ("max_tokens", json!(1.5)),
        ("max_tokens", json!(1e300)),
        ("max_tokens", json!(16.000_001)),
        ("max_tokens", json!(10_u64.pow(19))),
        ("n", json!(true)),
        ("n", json!(1e18)),
        ("logprobs", json!(5.5)),
        ("temperature", json!(-0.1)),
        ("temperature", json!(2.1)),
        ("temperature", json!("hot")),
        ("top_p", json!(1.1)),
        ("top_p", json!(-0.1)),
        ("top_k", json!(-1)),
        ("n", json!(0)),
        ("n", json!(129)),
        ("n", json!(33)),
        ("best_of", json!(0)),
        ("best_of", json!(33)),
        ("stream", json!("yes")),
        ("stream_options", json!({"include_usage": true})),
        ("logprobs", json!(6)),
        ("logprobs", json!(true)),
        ("echo", json!(1)),
        ("stop", json!(1)),
        ("stop", json!("")),
        ("stop", json!(["a", ""])),
        ("stop", json!(["a", 1])),
        ("stop", json!(["a", "b", "c", "d", "e"])),
        ("presence_penalty", json!(2.5)),
        ("frequency_penalty", json!(-2.5)),
        ("logit_bias", json!([])),
        ("logit_bias", json!({"a": 1})),
        ("logit_bias", json!({"-1": 1})),
        ("logit_bias", json!({"5": 101})),
        ("logit_bias", json!({"5": "1"})),
        ("logit_bias", json!({"50400": 1})),
        ("seed", json!(1.5)),
        ("seed", json!(9_223_372_036_854_775_808_u64)),
        ("seed", json!(1e19)),
        ("seed", json!("a")),
        ("language", json!(1)),
        ("language", json!("klingon")),
    ];
    for (name, value) in rows {
        let mut body = json!({"prompt": "a"});
        body[name] = value.clone();
        let error = server.post(&body).error(400);
        assert_eq!(error["param"], name, "{name}: {value}");
        assert_eq!(error["type"], "invalid_request_error");
        let message = error["message"].as_str().unwrap();
        assert!(message.len() < 2000, "{name}: {value}");
    }
    let together = [
        ("best_of", json!({"n": 3, "best_of": 2})),
        ("best_of", json!({"n": 1, "best_of": 2, "stream": true})),
        ("prompt", json!({"prompt": vec!["a"; 33]})),
        ("language", json!({"prompt": [5], "language": "python"})),
        (
            "stream_options",
            json!({"stream": true, "stream_options": 1}),
        ),
    ];
    for (name, body) in together {
        assert_eq!(server.post(&body).error(400)["param"], name, "{body}");
    }
    let error = server
        .post(&json!({"model": "gpt", "prompt": "a"}))
        .error(404);
    assert_eq!(error["code"], "model_not_found");
    assert_eq!(error["param"], "model");
    assert_eq!(server.load(), (0, 0));
}

#[test]
fn what_is_no_request_is_refused() {
    let server = Server::start(Setup::default());
    let post = |content_type: &str, body: &str| -> Response {
        let length = body.len().to_string();
        let headers = [("content-type", content_type), ("content-length", &length)];
        server.raw((head("POST", "/v1/completions", &headers) + body).as_bytes())
    };
    let deep = "[".repeat(10_000);
    for body in ["", "{", "[]", "1", "{\"prompt\": \"a\"} x", "\u{0}", &deep] {
        let error = post("application/json", body).error(400);
        assert_eq!(error["code"], "invalid_json", "{body:.20}");
    }
    let good = "{\"max_tokens\": 1}";
    assert_eq!(post("application/json; charset=utf-8", good).status, 200);
    // What a page of another site could send without being asked.
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
    ] {
        post(content_type, good).error(415);
    }
    let headers = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
        ("content-length", "2"),
    ];
    let zipped = head("POST", "/v1/completions", &headers) + "xx";
    let error = server.raw(zipped.as_bytes()).error(415);
    assert_eq!(error["code"], "unsupported_content_encoding");
    let headers = [
        ("content-type", "application/json"),
        ("transfer-encoding", "chunked"),
    ];
    let broken = head("POST", "/v1/completions", &headers) + "five\r\n{\r\n0\r\n\r\n";
    let error = server.raw(broken.as_bytes()).error(400);
    assert_eq!(error["code"], "bad_body");
    let message = error["message"].as_str().unwrap();
    let parts: Vec<&str> = message.split(": ").collect();
    assert!(parts.windows(2).all(|two| two[0] != two[1]), "{message}");
}

#[test]
fn every_route_answers_in_json() {
    let server = Server::start(Setup::default());
    for (method, path, status, code, allow) in [
        ("GET", "/v1/nothing", 404, "unknown_url", None),
        ("POST", "/v1/chat/completions", 404, "unknown_url", None),
        ("OPTIONS", "*", 404, "unknown_url", None),
        ("GET", "/v1/models/other", 404, "model_not_found", None),
        ("GET", "/v1/models/org/other", 404, "model_not_found", None),
        ("GET", "/v1/models/%ff", 400, "bad_path", None),
        (
            "GET",
            "/v1/completions",
            405,
            "method_not_allowed",
            Some("POST"),
        ),
        ("PUT", "/", 405, "method_not_allowed", Some("GET,HEAD")),
        (
            "DELETE",
            "/v1/models/tiny",
            405,
            "method_not_allowed",
            Some("GET,HEAD"),
        ),
        (
            "BREW",
            "/health",
            405,
            "method_not_allowed",
            Some("GET,HEAD"),
        ),
        (
            "OPTIONS",
            "/v1/completions",
            405,
            "method_not_allowed",
            Some("POST"),
        ),
    ] {
        let answer = server.raw(head(method, path, &[]).as_bytes());
        assert_eq!(answer.error(status)["code"], code, "{method} {path}");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
    let long = format!("/{}", "x".repeat(20_000));
    let message = server.get(&long).error(404)["message"].to_string();
    assert!(message.len() < 200, "{message}");
    let found = server.raw(head("HEAD", "/health", &[]).as_bytes());
    assert_eq!((found.status, found.text()), (200, ""));
}

#[test]
fn what_is_not_http_is_answered_in_json() {
    let server = Server::start(Setup::default());
    let many = "x: y\r\n".repeat(200);
    let large = format!("x: {}\r\n", "y".repeat(90 << 10));
    let target = "x".repeat(66_000);
    for (request, status, code) in [
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400, "bad_request"),
        ("hello\r\n\r\n".into(), 400, "bad_request"),
        (
            "\u{16}\u{3}\u{1}\u{2}\u{0}\r\n\r\n".into(),
            400,
            "bad_request",
        ),
        (
            "GET / HTTP/1.1\r\nhost localhost\r\n\r\n".into(),
            400,
            "bad_request",
        ),
        (
            "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n".into(),
            400,
            "bad_request",
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: localhost\r\n{many}\r\n"),
            431,
            "headers_too_large",
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: localhost\r\n{large}\r\n"),
            431,
            "headers_too_large",
        ),
        (
            format!("GET /{target} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
            414,
            "target_too_long",
        ),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400, "no_host"),
        (
            "GET / HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n".into(),
            400,
            "bad_header",
        ),
    ] {
        let request = match code {
            "no_host" | "bad_header" => {
                request.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")
            }
            _ => request,
        };
        let answer = server.raw(request.as_bytes());
        let shown: String = request.chars().take(40).collect();
        assert_eq!(answer.error(status)["code"], code, "{shown:?}");
        assert!(answer.header("date").is_some());
        assert_eq!(answer.header("connection"), Some("close"), "{shown:?}");
    }
    // A good request before it is answered first.
    let two = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut stream = server.connect();
    stream.write_all(two.as_bytes()).unwrap();
    stream.read_exact(&mut [0; 15]).unwrap();
    stream.write_all(b"nonsense\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(
        text.contains("\"status\":\"ok\"}") || text.contains("\"status\":\"ok\""),
        "{text}"
    );
    assert_eq!(
        text.matches("HTTP/1.1 400 Bad Request").count(),
        1,
        "{text}"
    );
    assert!(
        text.ends_with('}') && text.contains("bad_request"),
        "{text}"
    );
}

#[test]
fn numbers_and_strings_are_read_as_python_writes_them() {
    let server = Server::start(Setup::default());
    let expected = server.complete(&json!({
        "prompt": [198, 50_000], "max_tokens": 4, "n": 2, "seed": 7, "logprobs": 1, "top_k": 5,
    }));
    let found = server.post_text(
        r#"{"prompt": [198.0, 5e4], "max_tokens": 4.0, "n": 2.0, "seed": 7.0, "logprobs": 1.0, "top_k": 5.0}"#,
    );
    assert_eq!(found.json()["choices"], expected["choices"]);
    // The first half of an emoji, and what stands for it.
    let fields = r#""max_tokens": 3, "temperature": 0, "echo": true"#;
    let half = server.post_text(&format!(r#"{{"prompt": "x = '\ud83d", {fields}}}"#));
    let whole = server.post_text(&format!(r#"{{"prompt": "x = '\ufffd", {fields}}}"#));
    assert_eq!(half.json()["choices"], whole.json()["choices"]);
    assert_eq!(half.status, 200);
    for value in ["NaN", "Infinity", "-Infinity", "1e400", "016", "1_000"] {
        let error = server
            .post_text(&format!(r#"{{"temperature": {value}}}"#))
            .error(400);
        assert_eq!(error["code"], "invalid_json", "{value}");
    }
}

#[test]
fn one_rule_limits_completions() {
    let server = Server::start(Setup::default());
    for n in [33, 128, 129] {
        for name in ["n", "best_of"] {
            let error = server.post(&json!({name: n})).error(400);
            assert_eq!(error["message"], format!("{name} is {n}, expected 1 to 32"));
        }
    }
    let body = json!({"prompt": ["a", "b", "c"], "n": 11});
    let message = server.post(&body).error(400)["message"].clone();
    assert_eq!(
        message,
        "3 prompts with n 11 are 33 completions, expected 32 at most"
    );
    let answer = server.complete(&json!({"prompt": ["a", "b"], "n": 16, "max_tokens": 1}));
    assert_eq!(answer["choices"].as_array().unwrap().len(), 32);
}

#[test]
fn the_host_of_an_absolute_target_counts() {
    let server = Server::start(Setup::default());
    let get =
        |target: &str, host: &str| server.raw(head("GET", target, &[("host", host)]).as_bytes());
    assert_eq!(get("http://localhost/health", "evil.example").status, 200);
    let error = get("http://evil.example/health", "localhost").error(403);
    assert_eq!(error["code"], "foreign_host");
    assert_eq!(
        get("ftp://localhost/health", "localhost").error(400)["code"],
        "bad_target"
    );
}

#[test]
fn allowed_origins_get_what_browsers_need() {
    let origins = ["http://localhost:3000", "vscode-webview://*", "null"];
    let server = Server::start(Setup {
        origins: origins.map(|origin| origin.parse().unwrap()).to_vec(),
        ..Setup::default()
    });
    for origin in ["http://localhost:3000", "vscode-webview://0a1b", "null"] {
        let asked = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "authorization,content-type,x-stainless-os",
            ),
            ("access-control-request-private-network", "true"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "cors"),
        ];
        let answer = server.raw(head("OPTIONS", "/v1/completions", &asked).as_bytes());
        assert_eq!((answer.status, answer.text()), (204, ""));
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(
            answer.header("access-control-allow-methods"),
            Some("GET, POST")
        );
        assert_eq!(
            answer.header("access-control-allow-headers"),
            Some("authorization,content-type,x-stainless-os")
        );
        assert_eq!(
            answer.header("access-control-allow-private-network"),
            Some("true")
        );
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert!(answer.header("vary").unwrap().contains("origin"));

        // Errors are for the page, too.
        for (path, status) in [("/v1/models", 200), ("/v1/nothing", 404)] {
            let headers = [("origin", origin), ("sec-fetch-site", "cross-site")];
            let answer = server.raw(head("GET", path, &headers).as_bytes());
            assert_eq!(answer.status, status);
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            assert_eq!(
                answer.header("cross-origin-resource-policy"),
                Some("cross-origin")
            );
            assert_eq!(answer.header("vary"), Some("origin"));
        }
    }
    for origin in [
        "http://localhost:3001",
        "https://localhost:3000",
        "http://evil.example",
    ] {
        let answer = server.raw(head("GET", "/v1/models", &[("origin", origin)]).as_bytes());
        assert_eq!(answer.error(403)["code"], "foreign_origin");
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert_eq!(
            answer.header("cross-origin-resource-policy"),
            Some("same-origin")
        );
    }
}

#[test]
fn foreign_pages_are_refused() {
    let server = Server::start(Setup::default());
    let ask = |headers: &[(&str, &str)]| -> Response {
        let body = "{\"max_tokens\": 1}";
        let mut all = vec![
            ("content-type", "application/json"),
            ("content-length", "17"),
        ];
        all.extend(headers);
        server.raw((head("POST", "/v1/completions", &all) + body).as_bytes())
    };
    let host = server.address.to_string();
    let origin = format!("http://{host}");
    assert_eq!(ask(&[("host", &host), ("origin", &origin)]).status, 200);
    assert_eq!(ask(&[("host", "box.lan:80")]).status, 200);
    let code = |response: Response| -> Value { response.error(403)["code"].clone() };
    assert_eq!(code(ask(&[("host", "rebound.example")])), "foreign_host");
    assert_eq!(
        code(ask(&[("origin", "http://evil.example")])),
        "foreign_origin"
    );
    assert_eq!(code(ask(&[("origin", "null")])), "foreign_origin");
    let page = head("GET", "/", &[("host", "rebound.example")]);
    assert_eq!(code(server.raw(page.as_bytes())), "foreign_host");
    // The browser asks before it sends JSON to another site, and is refused.
    let asked = [
        ("origin", "http://evil.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let answer = server.raw(head("OPTIONS", "/v1/completions", &asked).as_bytes());
    answer.error(403);
    assert_eq!(answer.header("access-control-allow-origin"), None);
}
