//! What is refused, and how that is said.

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
    let error = server.get("/v1/nothing").error(404);
    assert_eq!(error["code"], "unknown_url");
    let wrong = server.get("/v1/completions");
    wrong.error(405);
    assert_eq!(wrong.header("allow"), Some("POST"));
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
    // The browser asks before it sends JSON to another site, and hears no.
    let asked = [
        ("origin", "http://evil.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let answer = server.raw(head("OPTIONS", "/v1/completions", &asked).as_bytes());
    answer.error(403);
    assert_eq!(answer.header("access-control-allow-origin"), None);
}
