//! Many choices, and which of them come first.

use codegeex::cancel::CancelToken;
use codegeex::tokenizer::SpecialTokens;
use serde_json::{Value, json};

use crate::support::{Server, Setup, filling, generator};

const CODE: &str = "def total(values):\n    result = 0\n    for value in values:\n";

fn texts(answer: &Value) -> Vec<&str> {
    let choices = answer["choices"].as_array().unwrap();
    for (i, choice) in choices.iter().enumerate() {
        assert_eq!(choice["index"], i);
    }
    choices
        .iter()
        .map(|c| c["text"].as_str().unwrap())
        .collect()
}

#[test]
fn seeds_repeat_and_samples_differ() {
    let server = Server::start(Setup::default());
    let ask = |seed: Value| {
        server.complete(&json!({"prompt": [CODE, CODE], "n": 2, "max_tokens": 12, "seed": seed}))
    };
    let first = ask(json!(7));
    assert_eq!(first["choices"], ask(json!(7))["choices"]);
    assert_ne!(first["choices"], ask(json!(-7))["choices"]);
    assert_ne!(ask(json!(null))["choices"], ask(json!(null))["choices"]);
    let mut all = texts(&first);
    assert_eq!(all.len(), 4);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 4, "equal prompts have different samples");
    assert_eq!(first["usage"]["completion_tokens"].as_u64(), Some(48));
}

#[test]
fn the_best_have_the_highest_mean() {
    let server = Server::start(Setup::default());
    let body = json!({"prompt": CODE, "n": 6, "max_tokens": 10, "seed": 1, "logprobs": 0});
    let all = server.complete(&body);
    let mut means: Vec<(f64, &Value)> = all["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| {
            let values = choice["logprobs"]["token_logprobs"].as_array().unwrap();
            let sum: f64 = values.iter().map(|v| v.as_f64().unwrap()).sum();
            (sum / values.len() as f64, &choice["text"])
        })
        .collect();
    means.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut body = body.clone();
    body["n"] = 2.into();
    body["best_of"] = 6.into();
    let best = server.complete(&body);
    assert_eq!(texts(&best), [means[0].1, means[1].1]);
    // What was thrown away was computed.
    assert_eq!(best["usage"], all["usage"]);
}

#[test]
fn penalties_and_biases_change_what_is_sampled() {
    let server = Server::start(Setup::default());
    let ask = |extra: Value| {
        let mut body =
            json!({"prompt": "x = 1\n", "max_tokens": 30, "temperature": 0, "logprobs": 0});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let answer = server.complete(&body);
        let tokens = answer["choices"][0]["logprobs"]["tokens"]
            .as_array()
            .unwrap()
            .clone();
        tokens
            .iter()
            .map(|t| t.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let plain = ask(json!({}));
    let distinct = |tokens: &[String]| {
        let mut tokens = tokens.to_vec();
        tokens.sort_unstable();
        tokens.dedup();
        tokens.len()
    };
    assert!(distinct(&plain) < plain.len(), "greedy code repeats tokens");
    for name in ["presence_penalty", "frequency_penalty"] {
        let penalised = ask(json!({name: 2}));
        assert!(distinct(&penalised) > distinct(&plain), "{name}");
    }
    let repeated = plain
        .iter()
        .find(|t| plain.iter().filter(|o| o == t).count() > 1);
    let repeated = repeated.unwrap();
    let ids = generator()
        .tokenizer()
        .encode(repeated, SpecialTokens::AsText)
        .unwrap();
    let ask_biased = |bias: i64| {
        let biases: serde_json::Map<_, _> =
            ids.iter().map(|id| (id.to_string(), bias.into())).collect();
        ask(json!({"logit_bias": biases}))
    };
    assert!(ask_biased(100).iter().all(|token| token == repeated));
    assert!(!ask_biased(-100).contains(repeated));
    // With a nucleus of nothing, the best is left.
    let best = ask(json!({"temperature": 2, "top_p": 0}));
    assert_eq!(best, plain);
    assert_eq!(ask(json!({"temperature": 2, "top_k": 1})), plain);
}

#[test]
fn a_suffix_ranks_and_cuts_what_repeats_it() {
    let server = Server::start(Setup::default());
    let mut body = json!({"prompt": CODE, "n": 8, "max_tokens": 12, "seed": 4, "temperature": 1});
    let plain = server.complete(&body);
    let mut plain = texts(&plain);
    // What one candidate says last is what follows the cursor, so it says it twice.
    let (at, _) = plain[5].char_indices().rev().nth(4).unwrap();
    let suffix = plain[5][at..].to_owned();
    assert!(!suffix.trim().is_empty());
    body["suffix"] = suffix.clone().into();
    let ranked = server.complete(&body);
    let ranked = texts(&ranked);
    assert!(ranked.contains(&&plain[5][..at]), "{ranked:?}");
    assert!(!ranked.iter().any(|text| text.ends_with(&suffix)));
    assert_ne!(ranked, plain, "in the order of sampling");
    plain.sort_unstable();
    let mut cut = 0;
    for text in &ranked {
        let whole = plain.iter().any(|p| p == text);
        cut += usize::from(!whole);
        assert!(plain.iter().any(|p| p.starts_with(text)), "{text:?}");
    }
    assert!((1..8).contains(&cut));

    // A stream gives the same, each choice in one piece.
    let streamed = server.stream(&body);
    let streamed: Vec<&str> = streamed
        .iter()
        .map(|event| event["choices"][0]["text"].as_str().unwrap())
        .collect();
    assert_eq!(streamed, ranked);
}

#[test]
fn the_text_after_the_cursor_decides_the_order() {
    let server = Server::start(Setup::default());
    let prompt = "values = [1, 2]\nprint(";
    let suffix = "))\nprint(values)\n";
    let ask = |n: usize| {
        server.complete(&json!({
            "prompt": prompt, "n": n, "best_of": 16, "max_tokens": 4, "seed": 2,
            "temperature": 1.5, "suffix": suffix,
        }))
    };
    // From the outside: score each candidate with the suffix after it.
    let generator = generator();
    let encode = |text: &str| {
        generator
            .tokenizer()
            .encode(text, SpecialTokens::AsText)
            .unwrap()
    };
    let mean = |candidate: &str| {
        let (mut ids, more) = (encode(prompt), encode(&format!("{candidate}{suffix}")));
        ids.extend(&more);
        let score = generator.score(&ids, 0, &CancelToken::new()).unwrap();
        let values = score.logprobs[ids.len() - more.len()..].iter().flatten();
        values.map(|&v| f64::from(v)).sum::<f64>() / more.len() as f64
    };
    let all = ask(16);
    let means: Vec<f64> = texts(&all).into_iter().map(mean).collect();
    assert!(means.is_sorted_by(|a, b| a >= b), "{means:?}");
    assert!(means[0] > means[15] + 0.1, "{means:?}");
    assert_eq!(texts(&ask(1))[0], texts(&all)[0]);
}

#[test]
fn a_model_with_fill_in_the_middle_sees_the_suffix() {
    let generator = filling();
    let id = |name: &str| generator.tokenizer().control_id(name).unwrap();
    let bytes = |text: &str| text.bytes().map(u32::from).collect::<Vec<u32>>();
    let whole = [
        vec![id("<fim_prefix>")],
        bytes(CODE),
        vec![id("<fim_suffix>")],
        bytes("\n)"),
        vec![id("<fim_middle>")],
    ]
    .concat();
    let tokens = whole.len();
    let server = Server::of(generator.clone(), Setup::default());
    let by_ids = server.complete(&json!({"prompt": whole, "max_tokens": 9, "temperature": 0}));
    let mut body =
        json!({"prompt": CODE, "suffix": "\n)", "max_tokens": 9, "temperature": 0, "n": 2});
    let by_suffix = server.complete(&body);
    assert_eq!(texts(&by_suffix), [texts(&by_ids)[0]; 2]);
    assert_eq!(by_suffix["usage"]["prompt_tokens"], tokens);
    // A stream comes as it is sampled.
    let pieces = server.stream(&body);
    assert!(pieces.len() > 2, "{pieces:?}");
    // What ends the middle ends the answer.
    body["logit_bias"] = json!({id("<fim_pad>").to_string(): 100});
    let ended = server.complete(&body);
    assert_eq!(texts(&ended), ["", ""]);
    assert_eq!(ended["choices"][0]["finish_reason"], "stop");

    // Files of the repository come before, with the path of the current one.
    body["logit_bias"] = Value::Null;
    body["files"] = json!([{"path": "a.py", "text": "A"}]);
    body["path"] = "b.py".into();
    let with_files = server.complete(&body);
    let added = 3 + "a.py\nAb.py\n".len() - 1;
    assert_eq!(with_files["usage"]["prompt_tokens"], tokens + added);
    for (field, value, part) in [
        ("path", Value::Null, "set the path"),
        ("files", json!([{"path": 1}]), "strings path and text"),
        ("suffix", Value::Null, "without a suffix"),
    ] {
        let mut wrong = body.clone();
        wrong[field] = value;
        let error = server.post(&wrong).error(400);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(part), "{message}");
    }
}
