//! `generate --jsonl`.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};

use codegeex::Language;
use codegeex::code::StopRule;
use codegeex::generate::{Completion, GenerateOptions, StopAt};
use serde_json::{Value, json};

use crate::command::{assert_error, finish, json_lines, run, start};
use crate::support::golden::Golden;
use crate::support::layouts;
use crate::{LIBRARY, PROMPT};

const ARGS: [&str; 4] = ["generate", "--jsonl", "--max-new-tokens", "8"];

fn input(requests: &[Value]) -> String {
    requests.iter().fold(String::new(), |mut text, request| {
        writeln!(text, "{request}").unwrap();
        text
    })
}

fn library(prompt: &str, set: impl FnOnce(&mut GenerateOptions)) -> Vec<Value> {
    let mut options = GenerateOptions::default();
    options.limits.max_new_tokens = 8;
    set(&mut options);
    let found = LIBRARY.complete_n(prompt, &options).unwrap();
    found.iter().map(as_json).collect()
}

fn as_json(c: &Completion) -> Value {
    // Through text, as the program writes it: the shortest digits that give the same f32.
    let text = format!(
        "{{\"text\": {}, \"ids\": {:?}, \"logprobs\": {}, \"finish_reason\": \"{}\"}}",
        json!(c.text),
        c.ids,
        serde_json::to_string(&c.logprobs).unwrap(),
        c.finish_reason
    );
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_field_does_what_the_library_does() {
    let lang = format!("{PROMPT}\n");
    let requests = [
        json!({"prompt": PROMPT}),
        json!({"prompt": PROMPT, "max_new_tokens": 3}),
        json!({"prompt": PROMPT, "temperature": 0.9, "top_k": 50, "top_p": 0.9, "seed": 3}),
        json!({"prompt": PROMPT, "temperature": 1, "n": 3, "seed": 18446744073709551615u64}),
        json!({"prompt": "x = 1\n", "lang": "python"}),
        json!({"prompt": PROMPT, "stop": "("}),
        json!({"prompt": PROMPT, "stop": ["no such", "("]}),
        json!({"prompt": PROMPT, "temperature": null, "lang": null, "stop": null, "n": null}),
        json!({"prompt": lang, "max_new_tokens": 0}),
    ];
    let found = json_lines(&run(&ARGS, input(&requests)).ok());
    let sampled = |o: &mut GenerateOptions| {
        o.sampling.temperature = 0.9;
        (o.sampling.top_k, o.sampling.top_p, o.sampling.seed) = (Some(50), Some(0.9), 3);
    };
    let several = library(PROMPT, |o| {
        (o.sampling.temperature, o.samples, o.sampling.seed) = (1.0, 3, u64::MAX);
    });
    let plain = library(PROMPT, |_| ()).remove(0);
    let expected = [
        plain.clone(),
        library(PROMPT, |o| o.limits.max_new_tokens = 3).remove(0),
        library(PROMPT, sampled).remove(0),
        json!({"choices": several}),
        library("# language: Python\nx = 1\n", |_| ()).remove(0),
        library(PROMPT, |o| o.stops.stop = vec!["(".into()]).remove(0),
        library(PROMPT, |o| {
            o.stops.stop = vec!["no such".into(), "(".into()]
        })
        .remove(0),
        plain,
        json!({"text": "", "ids": [], "logprobs": [], "finish_reason": "length"}),
    ];
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "request {i}");
    }
    assert_eq!(found.len(), expected.len());
    assert_eq!(found[0]["finish_reason"], "length");
    assert_eq!(found[5]["finish_reason"], "stop");
}

#[test]
fn the_fields_of_the_samplers_do_what_the_library_does() {
    let requests = [
        json!({"prompt": PROMPT, "temperature": 1.5, "min_p": 0.2, "seed": 4}),
        json!({"prompt": PROMPT, "temperature": 1.5, "typical_p": 0.4, "seed": 4}),
        json!({"prompt": PROMPT, "repetition_penalty": 1.5}),
        json!({"prompt": PROMPT, "presence_penalty": -9, "frequency_penalty": 0.5}),
        json!({"prompt": PROMPT, "logit_bias": {"198": 100, "7": -5.5}}),
        json!({"prompt": PROMPT, "banned_ids": [198, 4808]}),
        json!({"prompt": PROMPT, "heal": true}),
        json!({"prompt": PROMPT, "logit_bias": null, "min_p": null, "heal": null}),
    ];
    let sets: [fn(&mut GenerateOptions); 8] = [
        |o| (o.sampling.temperature, o.sampling.min_p, o.sampling.seed) = (1.5, Some(0.2), 4),
        |o| {
            (
                o.sampling.temperature,
                o.sampling.typical_p,
                o.sampling.seed,
            ) = (1.5, Some(0.4), 4)
        },
        |o| o.sampling.repetition_penalty = Some(1.5),
        |o| (o.sampling.presence_penalty, o.sampling.frequency_penalty) = (Some(-9.0), Some(0.5)),
        |o| o.sampling.logit_bias = vec![(198, 100.0), (7, -5.5)],
        |o| o.sampling.banned_ids = vec![198, 4808],
        |o| o.heal = true,
        |_| (),
    ];
    let found = json_lines(&run(&ARGS, input(&requests)).ok());
    let expected: Vec<Value> = sets.map(|set| library(PROMPT, set).remove(0)).to_vec();
    assert_eq!(found, expected);
    assert_eq!(found[4]["ids"], json!(vec![198; 8]));
    // All but the last differ from the plain answer, so every field was heard.
    assert!(found[..7].iter().all(|answer| *answer != found[7]));

    // The command line's hold where a request says nothing.
    let flags = [
        "--logit-bias",
        "198=100",
        "--banned-ids",
        "257",
        "--min-p",
        "0.1",
    ];
    let args = [&ARGS[..], &flags[..]].concat();
    let found = json_lines(&run(&args, input(&requests[7..])).ok());
    assert_eq!(found[0]["ids"], json!(vec![198; 8]));
}

#[test]
fn options_of_the_command_line_hold_where_a_request_says_nothing() {
    let args = "--lang python --temperature 0.7 --seed 5 -n 2 --stop )";
    let args: Vec<&str> = ARGS.into_iter().chain(args.split(' ')).collect();
    let requests = [
        json!({"prompt": "def f("}),
        json!({"prompt": "func f(", "lang": "go", "temperature": 0, "n": 1, "stop": []}),
    ];
    let found = json_lines(&run(&args, input(&requests)).ok());
    let expected = library("# language: Python\ndef f(", |o| {
        (o.sampling.temperature, o.sampling.seed, o.samples) = (0.7, 5, 2);
        o.stops.stop = vec![")".into()];
    });
    assert_eq!(found[0], json!({"choices": expected}));
    assert_eq!(found[1], library("// language: Go\nfunc f(", |_| ())[0]);
}

#[test]
fn code_ends_answers_by_the_rules_of_its_language() {
    let python = Language::PYTHON;
    let prompt = "def f(x):\n    return";
    let ended = |rules: &[StopRule]| {
        library(&format!("# language: Python\n{prompt}"), |o| {
            o.limits.max_new_tokens = 96;
            o.stops.stop_at = Some(StopAt::new(python, rules.iter().copied()));
        })
    };
    let line = ended(&[StopRule::Line]).remove(0);
    assert_eq!(line["finish_reason"], "end_of_line");
    let function = ended(&[StopRule::Function]).remove(0);
    assert_eq!(function["finish_reason"], "end_of_function");
    let args = [&ARGS[..4], &["--lang", "python", "--stop-at", "function"]].concat();
    let requests = [
        json!({"prompt": prompt, "max_new_tokens": 96}),
        json!({"prompt": prompt, "max_new_tokens": 96, "stop_at": "line"}),
        json!({"prompt": prompt, "max_new_tokens": 96, "stop_at": ["block", "line"]}),
        json!({"prompt": prompt, "max_new_tokens": 8, "stop_at": []}),
    ];
    let found = json_lines(&run(&args, input(&requests)).ok());
    assert_eq!(found[..3], [function.clone(), line.clone(), line]);
    assert_eq!(found[3]["finish_reason"], "length");

    let args = "generate --temperature 0 --max-new-tokens 96 --lang python --stop-at line \
                --stop-at function";
    let args: Vec<&str> = args.split(' ').chain([prompt]).collect();
    assert_eq!(run(&args, "").ok(), found[1]["text"].as_str().unwrap());
}

#[test]
fn the_reference_continues_prompts_the_same_way() {
    let reference: Value =
        serde_json::from_str(include_str!("../data/reference_model.json")).unwrap();
    let cases = reference["greedy"].as_array().unwrap();
    let request = |case: &Value| json!({"prompt": case["prompt"], "max_new_tokens": 64});
    let requests: Vec<Value> = cases.iter().map(request).collect();
    let found = json_lines(&run(&ARGS, input(&requests)).ok());
    assert_eq!(found.len(), cases.len());
    for (found, case) in found.iter().zip(cases) {
        assert_eq!(found["ids"], case["greedy"], "{}", case["prompt"]);
    }
}

#[test]
fn what_cannot_be_answered_is_an_error_in_its_place() {
    let good = json!({"prompt": "x = ", "max_new_tokens": 2}).to_string();
    let long = json!({"prompt": "x = 1\n".repeat(1000)}).to_string();
    let with = |field: &str| format!("{{\"prompt\": \"x\", {field}}}");
    let cases: [(String, i64, &str); 36] = [
        ("{\"prompt\": \"x\"".into(), 100, "EOF"),
        ("[]".into(), 100, "expected a JSON object"),
        ("\"x".into(), 100, "EOF"),
        (
            "[\"x\", null, 2, 0, 0, 1, 0, null, 1]".into(),
            100,
            "expected a JSON object",
        ),
        ("{}".into(), 100, "expected either prompt or ids"),
        ("{\"prompt\": \"\\ud800\"}".into(), 100, "hex escape"),
        (
            "{\"prompt\": null}".into(),
            100,
            "expected either prompt or ids",
        ),
        (with("\"ids\": [1]"), 100, "expected either prompt or ids"),
        ("{\"ids\": \"1\"}".into(), 100, "not a request"),
        (with("\"top\": 1"), 100, "unknown field `top`"),
        (with("\"n\": 1, \"n\": 1"), 100, "duplicate field"),
        (with("\"lang\": \"klingon\""), 100, "klingon"),
        (with("\"n\": 0"), 100, "samples"),
        (
            with("\"n\": 1000000000000"),
            100,
            "samples is 1000000000000",
        ),
        (with("\"n\": 4000000000"), 100, "expected 1 to 1024"),
        (with("\"n\": 1.5"), 100, "floating point"),
        (with("\"temperature\": -1"), 100, "temperature"),
        (with("\"temperature\": 1e39"), 100, "temperature"),
        (with("\"temperature\": \"hot\""), 100, "hot"),
        (with("\"top_p\": 2"), 100, "top_p"),
        (with("\"min_p\": 1.5"), 100, "min_p is 1.5"),
        (with("\"typical_p\": 0"), 100, "typical_p is 0"),
        (
            with("\"repetition_penalty\": -1"),
            100,
            "repetition_penalty",
        ),
        (with("\"presence_penalty\": 1e39"), 100, "presence_penalty"),
        (
            with("\"frequency_penalty\": \"x\""),
            100,
            "expected a number",
        ),
        (with("\"logit_bias\": {\"5\": 1e39}"), 100, "token 5"),
        (with("\"logit_bias\": {\"x\": 1}"), 100, "not a request"),
        (with("\"banned_ids\": [-1]"), 100, "not a request"),
        (with("\"seed\": 18446744073709551616"), 100, "not a request"),
        (with("\"stop\": 5"), 100, "a list of strings"),
        (with("\"stop\": \"\""), 100, "stop string 0 is empty"),
        (with("\"stop_at\": 5"), 100, "a list of strings"),
        (with("\"stop_at\": \"line\""), 100, "lang"),
        (
            with("\"lang\": \"go\", \"stop_at\": [\"row\"]"),
            100,
            "no stop rule is called \"row\"",
        ),
        ("{\"prompt\": \"\"}".into(), 100, "empty"),
        (long, 102, "2048"),
    ];
    let mut input = format!("{good}\n");
    for (line, ..) in &cases {
        writeln!(input, "{line}\n{good}").unwrap();
    }
    let found = run(&ARGS, input).some_refused();
    assert_eq!(found.len(), 2 * cases.len() + 1);
    let good: Vec<&Value> = found.iter().step_by(2).collect();
    assert!(good[0]["text"].is_string());
    assert!(good.iter().all(|answer| *answer == good[0]));
    for (i, (_, code, part)) in cases.iter().enumerate() {
        assert_error(&found[2 * i + 1], *code, 2 * i as u64 + 2, &[part]);
    }
}

#[test]
fn more_tokens_than_there_can_be_end_with_the_context() {
    let model = layouts().join("single.pt");
    let args = ["generate", "--jsonl", "--model", model.to_str().unwrap()];
    let request = json!({"prompt": "!", "max_new_tokens": 1u64 << 63}).to_string();
    let found = &json_lines(&run(&args, request).ok())[0];
    assert_eq!(found["finish_reason"], "context_full");
    // The token after the last of 32 positions needs none.
    assert_eq!(found["ids"].as_array().unwrap().len(), 32);
}

#[test]
fn a_client_that_waits_for_each_answer_gets_it() {
    let (child, mut stdin, stdout) = start(&ARGS);
    let mut answers = BufReader::new(stdout).lines();
    for prompt in ["x = ", "def f("] {
        writeln!(stdin, "{}", json!({"prompt": prompt})).unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!(answer, library(prompt, |_| ())[0]);
    }
    drop(stdin);
    assert!(answers.next().is_none());
    assert_eq!(finish(child).ok(), "");
}

/// A model that came without a tokenizer works with ids.
#[test]
fn a_request_has_ids_in_place_of_a_prompt() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/families/qwen2");
    let expected = format!("{model}/expected.safetensors");
    let text = Golden::read(expected.as_ref()).ids("greedy");
    let args = [
        "generate",
        "--jsonl",
        "--model",
        model,
        "--max-new-tokens",
        "5",
    ];
    let request = json!({"ids": text[..5], "temperature": 0});
    let answers = json_lines(&run(&args, format!("{request}\n")).ok());
    let found: Vec<u32> = serde_json::from_value(answers[0]["ids"].clone()).unwrap();
    assert!(!found.is_empty() && found == text[5..5 + found.len()]);
    let beams = json!({"ids": text[..5], "num_beams": 2, "max_new_tokens": 3});
    let answers = json_lines(&run(&args, format!("{beams}\n")).ok());
    assert_eq!(answers[0]["beams"].as_array().unwrap().len(), 2);

    // Options that need the text of tokens are refused by name; what asks for nothing is not.
    for (option, value) in [
        ("stop", json!("\n")),
        ("stop_at", json!("line")),
        ("heal", json!(true)),
        ("suffix", json!("}")),
        ("lang", json!("go")),
    ] {
        let mut request = json!({"ids": text[..5]});
        request[option] = value;
        if option == "stop_at" {
            request["lang"] = json!("go");
        }
        let named = match option {
            "suffix" => "infill needs the text",
            "stop_at" => "lang is about text",
            "lang" => "lang is about text",
            other => &format!("{other} needs the text"),
        };
        let answer = run(&args, format!("{request}\n"));
        let found = &json_lines(std::str::from_utf8(&answer.stdout).unwrap())[0];
        let message = found["error"]["message"].as_str().unwrap();
        assert!(message.contains(named), "{request}: {found}");
        assert!(message.contains("without a tokenizer"), "{found}");
    }
    let nothing = json!({"ids": text[..5], "stop": [], "heal": false});
    run(&args, format!("{nothing}\n")).ok();
}
