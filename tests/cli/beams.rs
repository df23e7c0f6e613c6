//! Beam search with `generate`.

use codegeex::cancel::CancelToken;
use codegeex::generate::{BeamOptions, BeamRules, Completion, EarlyStopping};
use serde_json::{Value, json};

use crate::command::{assert_error, json_lines, run};
use crate::support::shared;
use crate::{LIBRARY, PROMPT};

const JSONL: [&str; 2] = ["generate", "--jsonl"];

fn cases() -> Vec<Value> {
    serde_json::from_str(include_str!("../data/reference_beams.json")).unwrap()
}

fn input(requests: &[Value]) -> String {
    requests.iter().map(|r| format!("{r}\n")).collect()
}

fn library(set: impl FnOnce(&mut BeamOptions)) -> Vec<Completion> {
    let mut options = BeamOptions::default();
    options.limits.max_new_tokens = 8;
    set(&mut options);
    LIBRARY
        .beam_search(PROMPT, &options, &CancelToken::new())
        .unwrap()
}

fn as_json(beams: &[Completion]) -> Value {
    let beams = beams.iter().map(|b| {
        json!({"ids": b.ids, "text": b.text, "score": b.score, "finish_reason": b.finish_reason.name()})
    });
    json!({"beams": beams.collect::<Vec<_>>()})
}

#[track_caller]
fn assert_beams(found: &Value, expected: &Value, what: &str) {
    let (found, expected) = (found["beams"].as_array(), expected["beams"].as_array());
    let (found, expected) = (found.unwrap(), expected.unwrap());
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found["ids"], expected["ids"], "{what}");
        let score = expected["score"].as_f64().unwrap();
        let off = (found["score"].as_f64().unwrap() - score).abs() / score.abs();
        assert!(off < 1e-5, "{what}: the score is off by {off}");
    }
}

#[test]
fn the_reference_finds_the_same_beams() {
    let cases = cases();
    if let Some(path) = shared("golden/beam.json") {
        let all: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(all.len(), cases.len());
        for (ours, theirs) in cases.iter().zip(&all) {
            for field in ["prompt", "num_beams", "steps", "beams"] {
                assert_eq!(ours[field], theirs[field]);
            }
        }
    }
    // Saying what is so anyway changes nothing.
    for rules in [
        json!({}),
        json!({"length_penalty": 0, "early_stopping": true}),
    ] {
        let request = |case: &Value| {
            let mut request = json!({
                "prompt": case["prompt"], "num_beams": case["num_beams"], "max_new_tokens": case["steps"],
            });
            let fields = rules.as_object().unwrap().clone();
            request.as_object_mut().unwrap().extend(fields);
            request
        };
        let requests: Vec<Value> = cases.iter().map(request).collect();
        let found = json_lines(&run(&JSONL, input(&requests)).ok());
        assert_eq!(found.len(), cases.len());
        for (found, case) in found.iter().zip(&cases) {
            assert_beams(found, case, &format!("{}, {rules}", case["prompt"]));
        }
    }
}

#[test]
fn every_field_does_what_the_library_does() {
    let rules = |length_penalty, early_stopping| BeamRules::HuggingFace {
        length_penalty,
        early_stopping,
    };
    let requests = [
        json!({"prompt": PROMPT, "num_beams": 3}),
        json!({"prompt": PROMPT, "num_beams": 2, "length_penalty": 1.0}),
        json!({"prompt": PROMPT, "num_beams": 2, "early_stopping": false}),
        json!({"prompt": PROMPT, "num_beams": 2, "length_penalty": -0.5, "early_stopping": "never"}),
        json!({"prompt": PROMPT, "num_beams": 2, "stop": "(", "n": 1, "temperature": 0}),
        json!({"prompt": PROMPT, "num_beams": 1, "max_new_tokens": 0}),
    ];
    let args = ["generate", "--jsonl", "--max-new-tokens", "8"];
    let found = json_lines(&run(&args, input(&requests)).ok());
    let two = |r| {
        move |o: &mut BeamOptions| {
            o.num_beams = 2;
            o.rules = r;
        }
    };
    let expected = [
        library(|o| o.num_beams = 3),
        library(two(rules(1.0, EarlyStopping::Yes))),
        library(two(rules(0.0, EarlyStopping::No))),
        library(two(rules(-0.5, EarlyStopping::Never))),
        library(|o| {
            o.num_beams = 2;
            o.stops.stop = vec!["(".into()];
        }),
        library(|o| (o.num_beams, o.limits.max_new_tokens) = (1, 0)),
    ];
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        let all: Value = serde_json::from_str(&as_json(expected).to_string()).unwrap();
        assert_eq!(*found, all);
    }
    // One beam is what is always taken.
    let one = json!({"prompt": PROMPT, "num_beams": 1}).to_string();
    let greedy = json!({"prompt": PROMPT}).to_string();
    let found = json_lines(&run(&args, format!("{one}\n{greedy}\n")).ok());
    assert_eq!(found[0]["beams"][0]["ids"], found[1]["ids"]);
}

#[test]
fn options_of_the_command_line_hold_where_a_request_says_nothing() {
    let args = "--num-beams 3 --length-penalty 0.5 --max-new-tokens 8";
    let args: Vec<&str> = JSONL.into_iter().chain(args.split(' ')).collect();
    let requests = [
        json!({"prompt": PROMPT}),
        json!({"prompt": PROMPT, "num_beams": 2, "early_stopping": "never"}),
        json!({"prompt": PROMPT, "num_beams": null}),
    ];
    let found = json_lines(&run(&args, input(&requests)).ok());
    let search = |num_beams, early_stopping| {
        let found = library(|o| {
            o.num_beams = num_beams;
            o.rules = BeamRules::HuggingFace {
                length_penalty: 0.5,
                early_stopping,
            };
        });
        serde_json::from_str::<Value>(&as_json(&found).to_string()).unwrap()
    };
    assert_eq!(found[0], search(3, EarlyStopping::Yes));
    assert_eq!(found[1], search(2, EarlyStopping::Never));
    assert_eq!(found[2], found[0]);
}

#[test]
fn the_best_is_printed_or_so_many_of_the_best() {
    let beams = library(|o| o.num_beams = 3);
    let args = ["generate", "--num-beams", "3", "--max-new-tokens", "8"];
    let found = run(&[&args[..], &[PROMPT]].concat(), "").ok();
    assert_eq!(found, beams[0].text);
    let found = run(&[&args[..], &["-n", "2", PROMPT]].concat(), "").ok();
    let expected: String = (beams.iter().take(2).enumerate())
        .map(|(i, b)| {
            let (score, reason, text) = (b.score, b.finish_reason, &b.text);
            format!("--- beam {i} (score {score:.4}, {reason})\n{text}\n")
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let with = |fields: &str| format!("{{\"prompt\": \"x\", \"max_new_tokens\": 2, {fields}}}");
    let cases = [
        ("\"num_beams\": 2, \"temperature\": 0.5", "temperature"),
        ("\"num_beams\": 2, \"n\": 2", "n with"),
        ("\"num_beams\": 0", "num_beams is 0"),
        ("\"num_beams\": 4000000000", "expected 1 to 1024"),
        ("\"num_beams\": -1", "-1"),
        ("\"length_penalty\": 1", "give num_beams"),
        ("\"early_stopping\": true", "give num_beams"),
        (
            "\"num_beams\": 2, \"length_penalty\": 1e39",
            "length_penalty",
        ),
        (
            "\"num_beams\": 2, \"early_stopping\": \"soon\"",
            "nor \\\"never\\\"",
        ),
        ("\"num_beams\": 2, \"stop\": \"\"", "stop string 0 is empty"),
    ];
    let lines: Vec<String> = cases.iter().map(|(fields, _)| with(fields)).collect();
    let found = run(&JSONL, lines.join("\n")).some_refused();
    assert_eq!(found.len(), cases.len());
    for (i, (fields, part)) in cases.iter().enumerate() {
        let part = part.replace('\\', "");
        assert_error(&found[i], 100, i as u64 + 1, &[&part]);
        assert!(found[i].get("beams").is_none(), "{fields}");
    }
    let usage: [(&[&str], &str); 7] = [
        (
            &["--num-beams", "2", "--temperature", "1"],
            "--num-beams searches",
        ),
        (&["--num-beams", "2", "-n", "3"], "-n 3"),
        (&["--num-beams", "0"], "--num-beams is 0"),
        (&["--length-penalty", "1"], "give --num-beams"),
        (
            &["--early-stopping", "never"],
            "--length-penalty and --early-stopping",
        ),
        (
            &["--num-beams", "2", "--early-stopping", "soon"],
            "true, false or never",
        ),
        (
            &["--num-beams", "2", "--length-penalty", "nan"],
            "--length-penalty is NaN",
        ),
    ];
    for (args, part) in usage {
        let message = run(&[&["generate", "x"], args].concat(), "").failed(2);
        assert!(message.contains(part), "{args:?}: {message}");
    }
}
