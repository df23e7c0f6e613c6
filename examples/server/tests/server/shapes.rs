//! What answers look like, and that they say what the library says.

use std::time::Duration;

use codegeex::cancel::CancelToken;
use codegeex::generate::GenerateOptions;
use codegeex::tokenizer::SpecialTokens;
use serde_json::{Value, json};

use crate::support::{Server, Setup, generator};

const CODE: &str = "def add(a, b):\n";

#[test]
fn lists_and_health() {
    let server = Server::start(Setup::default());
    let models = server.get("/v1/models").json();
    assert_eq!(models["object"], "list");
    assert_eq!(models["data"][0]["id"], "tiny");
    assert_eq!(models["data"][0]["object"], "model");
    assert_eq!(server.get("/v1/models/tiny").json(), models["data"][0]);
    let error = server.get("/v1/models/other").error(404);
    assert_eq!(error["code"], "model_not_found");
    let health = server.get("/health").json();
    assert_eq!(
        health,
        json!({"status": "ok", "model": "tiny", "active": 0, "queued": 0})
    );
    let page = server.get("/");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("default-src 'none'")
    );
    assert!(page.text().contains("\"tiny\""));
    for elsewhere in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.text().contains(elsewhere), "{elsewhere}");
    }
}

#[test]
fn a_greedy_answer_is_the_librarys() {
    let server = Server::start(Setup::default());
    let generator = generator();
    let mut options = GenerateOptions::default();
    options.limits.max_new_tokens = 24;
    options.stops.stop = vec!["\n\n".into()];
    let prompt = format!("# language: Python\n{CODE}");
    let expected = generator.complete_n(&prompt, &options).unwrap().remove(0);

    let body = json!({
        "model": "tiny", "prompt": CODE, "language": "Python", "max_tokens": 24,
        "temperature": 0, "stop": "\n\n", "user": "nobody", "unheard_of": {"of": 1},
    });
    let found = server.complete(&body);
    assert_eq!(found["object"], "text_completion");
    assert!(found["id"].as_str().unwrap().starts_with("cmpl-"));
    assert!(found["created"].as_u64().unwrap() > 1_600_000_000);
    assert_eq!(found["model"], "tiny");
    let choice = &found["choices"][0];
    assert_eq!(choice["text"], expected.text);
    assert_eq!(choice["index"], 0);
    assert_eq!(choice["logprobs"], Value::Null);
    let reason = match expected.finish_reason.name() {
        "length" => "length",
        _ => "stop",
    };
    assert_eq!(choice["finish_reason"], reason);
    let tokenizer = generator.tokenizer();
    let prompt = tokenizer.encode(&prompt, SpecialTokens::AsText).unwrap();
    let (p, c) = (prompt.len(), expected.ids.len());
    let usage = json!({"prompt_tokens": p, "completion_tokens": c, "total_tokens": p + c});
    assert_eq!(found["usage"], usage);

    // The same as ids.
    let body = json!({"prompt": prompt, "max_tokens": 24, "temperature": 0, "stop": ["\n\n"]});
    assert_eq!(server.complete(&body)["choices"][0]["text"], expected.text);
}

/// The choices of a stream, put together.
fn merged(events: &[Value]) -> Vec<Value> {
    let mut choices = Vec::new();
    for event in events {
        let piece = event["choices"][0].clone();
        let index = piece["index"].as_u64().unwrap() as usize;
        choices.resize(choices.len().max(index + 1), Value::Null);
        let choice = &mut choices[index];
        if choice.is_null() {
            *choice = piece;
            continue;
        }
        assert_eq!(
            choice["finish_reason"],
            Value::Null,
            "something after the end"
        );
        let text = choice["text"].as_str().unwrap().to_owned() + piece["text"].as_str().unwrap();
        choice["text"] = text.into();
        choice["finish_reason"] = piece["finish_reason"].clone();
        for (name, list) in piece["logprobs"].as_object().into_iter().flatten() {
            let more = list.as_array().unwrap().iter().cloned();
            choice["logprobs"][name]
                .as_array_mut()
                .unwrap()
                .extend(more);
        }
    }
    choices
}

#[test]
fn a_stream_is_the_answer_in_pieces() {
    let server = Server::start(Setup::default());
    let body = json!({
        "prompt": [CODE, "x = '\u{e9}\u{1f642}' # "], "max_tokens": 40, "temperature": 1.2,
        "seed": 5, "n": 2, "logprobs": 2, "echo": true, "stop": [":"],
    });
    let whole = server.complete(&body);
    let mut body = body;
    body["stream_options"] = json!({"include_usage": true});
    let mut events = server.stream(&body);
    let last = events.pop().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"], whole["usage"]);
    assert!(events.len() > 8);
    assert_eq!(json!(merged(&events)), whole["choices"]);
    for event in events {
        assert_eq!(event["id"], last["id"]);
        assert_eq!(event["usage"], Value::Null);
    }
    let plain = server.stream(&json!({"prompt": CODE}));
    assert!(plain.iter().all(|event| event.get("usage").is_none()));
}

#[test]
fn logprobs_line_up_with_the_text() {
    let server = Server::start(Setup::default());
    // Random tokens of many scripts, so that some are no text for themselves.
    let body = json!({
        "prompt": "s = '\u{4e2d}\u{6587}\u{1f642}", "max_tokens": 60, "temperature": 2, "seed": 3,
        "logprobs": 3, "echo": true,
    });
    let choice = &server.complete(&body)["choices"][0];
    let text: Vec<char> = choice["text"].as_str().unwrap().chars().collect();
    let logprobs = &choice["logprobs"];
    let list = |name: &str| logprobs[name].as_array().unwrap().clone();
    let (tokens, offsets) = (list("tokens"), list("text_offset"));
    let (values, tops) = (list("token_logprobs"), list("top_logprobs"));
    assert_eq!([tokens.len(), offsets.len(), values.len()], [tops.len(); 3]);
    assert_eq!((&values[0], &tops[0]), (&Value::Null, &Value::Null));
    let mut parts = 0;
    for (i, token) in tokens.iter().enumerate() {
        let at = offsets[i].as_u64().unwrap() as usize;
        let token = token.as_str().unwrap();
        if token.starts_with("bytes:\\x") {
            parts += 1;
        } else {
            let found: String = text[at..].iter().take(token.chars().count()).collect();
            assert_eq!(found, token);
        }
        if i > 0 {
            let top = tops[i].as_object().unwrap();
            let own = values[i].as_f64().unwrap();
            assert!((3..=4).contains(&top.len()), "{top:?}");
            let listed = top[token].as_f64().unwrap();
            assert!(
                own <= 0.0 && (listed - own).abs() < 1e-6,
                "{token:?}: {own} in {top:?}"
            );
            let better = top.values().filter(|v| v.as_f64().unwrap() > own);
            assert!(top.len() == 3 || better.count() == 3);
        }
    }
    assert!(parts >= 3, "the prompt has characters of several tokens");
}

#[test]
fn a_prompt_is_scored_without_generating() {
    let server = Server::start(Setup::default());
    let generator = generator();
    let ids = generator
        .tokenizer()
        .encode(CODE, SpecialTokens::AsText)
        .unwrap();
    let expected = generator.score(&ids, 0, &CancelToken::new()).unwrap();
    let body = json!({"prompt": CODE, "max_tokens": 0, "echo": true, "logprobs": 0});
    let found = server.complete(&body);
    let choice = &found["choices"][0];
    assert_eq!(choice["text"], CODE);
    assert_eq!(choice["finish_reason"], "length");
    let values = choice["logprobs"]["token_logprobs"].as_array().unwrap();
    assert_eq!(values.len(), ids.len());
    for (found, expected) in values.iter().zip(&expected.logprobs) {
        assert_eq!(found.as_f64().map(|v| v as f32), *expected);
    }
    assert_eq!(found["usage"]["completion_tokens"], 0);
}

#[test]
fn an_empty_prompt_begins_a_document() {
    let server = Server::start(Setup::default());
    for body in [json!({}), json!({"prompt": ""}), json!({"prompt": null})] {
        let mut body = body;
        body["max_tokens"] = 4.into();
        body["temperature"] = 0.into();
        let found = server.complete(&body);
        let body = json!({"prompt": [50256], "max_tokens": 4, "temperature": 0});
        assert_eq!(found["choices"], server.complete(&body)["choices"]);
        assert_eq!(found["usage"]["prompt_tokens"], 1);
    }
}

#[test]
fn the_end_of_the_context_is_a_length() {
    let server = Server::start(Setup::default());
    let mut ids = vec![198; 2040];
    let bias = json!({"50256": -100});
    let body = json!({"prompt": ids, "max_tokens": 100, "logit_bias": bias});
    let found = server.complete(&body);
    assert_eq!(found["choices"][0]["finish_reason"], "length");
    // The last token is not processed.
    assert_eq!(found["usage"]["completion_tokens"], 9);
    ids.resize(2049, 198);
    let error = server.post(&json!({"prompt": ids})).error(400);
    assert_eq!(error["code"], "context_length_exceeded");
    server.wait_for((0, 0), Duration::from_secs(5));
}

#[test]
fn a_character_may_begin_in_the_prompt() {
    let server = Server::start(Setup::default());
    let tokenizer = generator().tokenizer().clone();
    let x = tokenizer.encode("x", SpecialTokens::AsText).unwrap()[0];
    // The two halves of an emoji, and the tokens of one that has three parts.
    let (first, second) = (8582, 25081);
    assert_eq!(tokenizer.token_bytes(first), Some(&b"\xf0\x9f"[..]));
    let [half, other, broken] = ["bytes:\\xf0\\x9f", "bytes:\\x99\\x82", "\u{fffd}"];
    // Prompt, what the model says, and text, tokens and offsets with and without the prompt.
    let emoji = "\u{1f642}";
    let rows = [
        (
            vec![first],
            second,
            1,
            (emoji.to_owned(), vec![half, other], vec![0, 0]),
            (emoji.to_owned(), vec![other], vec![0]),
        ),
        (
            vec![x, first],
            second,
            2,
            (
                format!("x{emoji}{broken}{broken}"),
                vec!["x", half, other, other],
                vec![0, 1, 1, 2],
            ),
            (
                format!("{emoji}{broken}{broken}"),
                vec![other, other],
                vec![0, 1],
            ),
        ),
        (
            vec![first],
            x,
            2,
            (format!("{broken}xx"), vec![half, "x", "x"], vec![0, 1, 2]),
            ("xx".to_owned(), vec!["x", "x"], vec![0, 1]),
        ),
        (
            vec![first],
            first,
            2,
            (broken.repeat(3), vec![half; 3], vec![0, 1, 2]),
            (broken.repeat(2), vec![half; 2], vec![0, 1]),
        ),
        (
            vec![first],
            x,
            0,
            (broken.to_owned(), vec![half], vec![0]),
            (String::new(), vec![], vec![]),
        ),
        (
            vec![second],
            x,
            1,
            (format!("{broken}{broken}x"), vec![other, "x"], vec![0, 2]),
            ("x".to_owned(), vec!["x"], vec![0]),
        ),
    ];
    for (prompt, said, max_tokens, with_prompt, without) in rows {
        for (echo, (text, tokens, offsets)) in [(true, with_prompt), (false, without)] {
            let mut body = json!({
                "prompt": prompt, "max_tokens": max_tokens, "temperature": 0, "echo": echo,
                "logit_bias": {said.to_string(): 100}, "logprobs": 0,
            });
            let found = server.complete(&body)["choices"][0].clone();
            assert_eq!(found["text"], text, "{body}");
            assert_eq!(found["logprobs"]["tokens"], json!(tokens), "{body}");
            assert_eq!(found["logprobs"]["text_offset"], json!(offsets), "{body}");
            assert_eq!(merged(&server.stream(&body)), [found], "{body}");
            body["logprobs"] = Value::Null;
            assert_eq!(server.complete(&body)["choices"][0]["text"], text, "{body}");
            assert_eq!(merged(&server.stream(&body))[0]["text"], text, "{body}");
        }
    }
    // A stop string sees the whole character.
    let body = json!({
        "prompt": [first], "max_tokens": 4, "temperature": 0, "stop": emoji, "echo": true,
        "logit_bias": {second.to_string(): 100},
    });
    let found = server.complete(&body)["choices"][0].clone();
    assert_eq!(
        (&found["text"], &found["finish_reason"]),
        (&json!(""), &json!("stop"))
    );
}

#[test]
fn the_end_of_text_is_a_token_of_the_answer() {
    let server = Server::start(Setup::default());
    let generator = generator();
    let ids = generator
        .tokenizer()
        .encode(CODE, SpecialTokens::AsText)
        .unwrap();
    let scored = [&ids[..], &[50_256]].concat();
    let expected = generator.score(&scored, 0, &CancelToken::new()).unwrap();
    let body = json!({
        "prompt": CODE, "max_tokens": 5, "temperature": 0, "logit_bias": {"50256": 100},
        "logprobs": 2, "echo": true,
    });
    let found = server.complete(&body);
    let choice = &found["choices"][0];
    assert_eq!(
        (&choice["text"], &choice["finish_reason"]),
        (&json!(CODE), &json!("stop"))
    );
    let list = |name: &str| choice["logprobs"][name].as_array().unwrap().clone();
    assert_eq!(list("tokens").last(), Some(&json!("<|endoftext|>")));
    assert_eq!(list("text_offset").last(), Some(&json!(CODE.len())));
    let values = list("token_logprobs");
    assert_eq!(values.len(), scored.len());
    for (found, expected) in values.iter().zip(&expected.logprobs) {
        assert_eq!(found.as_f64().map(|v| v as f32), *expected);
    }
    let top = list("top_logprobs").last().unwrap().clone();
    assert_eq!(&top["<|endoftext|>"], values.last().unwrap());
    assert_eq!(found["usage"]["completion_tokens"], 1);
    assert_eq!(
        merged(&server.stream(&body)),
        found["choices"].as_array().unwrap()[..]
    );
    // The usual slice of clients that score answers leaves out what was sampled, whatever it is.
    let all: f64 = values[3..values.len() - 1]
        .iter()
        .map(|v| v.as_f64().unwrap())
        .sum();
    let mut alone = body.clone();
    alone["max_tokens"] = 0.into();
    let alone = server.complete(&alone)["choices"][0]["logprobs"]["token_logprobs"].clone();
    let alone: f64 = alone.as_array().unwrap()[3..]
        .iter()
        .map(|v| v.as_f64().unwrap())
        .sum();
    assert!((all - alone).abs() < 1e-9, "{all} {alone}");
}
