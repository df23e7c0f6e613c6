//! Tasks: the library's prompts go in, and answers come out whole.

use codegeex::Language;
use codegeex::generate::{FinishReason, GenerateOptions};
use codegeex::prompt::{Task, Template};
use codegeex::tokenizer::SpecialTokens;
use serde_json::{Value, json};

use crate::support::{Server, Setup, generator};

const CODE: &str = "def add(a, b):\n    return a + b\n";
const TEMPLATE: &str = "# language: Python\n<INPUT>\n# Tests of <INPUT:0,1>\n";

fn language(name: &str) -> Language {
    Language::from_name(name).unwrap()
}

/// Fields of a request and the task of the library that they stand for.
fn tasks() -> Vec<(Value, Task)> {
    let (python, java) = (language("python"), language("java"));
    let head = "static int add(int a, int b) {\n";
    let template = Template::parse(TEMPLATE).unwrap();
    vec![
        (
            json!({"task": "translate", "language": "python", "target_language": "java"}),
            Task::translate(python, CODE, java, "").unwrap(),
        ),
        (
            json!({
                "task": "translate", "language": "python", "target_language": "java",
                "target_declaration": head,
            }),
            Task::translate(python, CODE, java, head).unwrap(),
        ),
        (
            json!({"task": "explain", "language": "python"}),
            Task::explain(python, CODE).unwrap(),
        ),
        (
            json!({"task": "docstring", "language": "python"}),
            Task::docstring(python, CODE).unwrap(),
        ),
        (
            json!({"task": "custom", "language": "python", "template": TEMPLATE}),
            Task::custom(&template, python, CODE).unwrap(),
        ),
    ]
}

/// Two objects in one.
fn with(body: &Value, extra: Value) -> Value {
    let mut body = body.clone();
    let more = extra.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    body
}

/// The pieces of the first choice of a stream.
fn pieces(events: &[Value]) -> Vec<&str> {
    let choices = events.iter().map(|event| &event["choices"][0]["text"]);
    choices.map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn answers_are_those_of_the_command_line() {
    let server = Server::start(Setup::default());
    let generator = generator();
    for (fields, task) in tasks() {
        let mut options = GenerateOptions::default();
        options.limits.max_new_tokens = 20;
        options.stops.stop = vec!["\u{0}".into()];
        options.stops.stop.extend(task.stop.clone());
        let expected = generator
            .complete_n(&task.prompt, &options)
            .unwrap()
            .remove(0);
        let body = with(
            &fields,
            json!({"prompt": CODE, "max_tokens": 20, "temperature": 0, "stop": "\u{0}"}),
        );
        let found = server.complete(&body);
        let text = format!("{}{}{}", task.lead, expected.text, task.tail);
        assert_eq!(found["choices"][0]["text"], text, "{fields}");
        let ids = generator
            .tokenizer()
            .encode(&task.prompt, SpecialTokens::AsText)
            .unwrap();
        assert_eq!(found["usage"]["prompt_tokens"], ids.len(), "{fields}");
        assert_eq!(found["usage"]["completion_tokens"], expected.ids.len());

        // A stream begins with the lead and its first token, and ends with the tail.
        let events = server.stream(&body);
        let pieces = pieces(&events);
        assert_eq!(pieces.concat(), text, "{fields}");
        assert!(pieces.len() > 5 && pieces[0].starts_with(&task.lead));
        assert!(pieces.last().unwrap().ends_with(&task.tail));
        let reason = found["choices"][0]["finish_reason"].clone();
        assert_eq!(
            events.last().unwrap()["choices"][0]["finish_reason"],
            reason
        );
    }
}

#[test]
fn a_task_ends_where_its_answer_does() {
    let server = Server::start(Setup::default());
    let generator = generator();
    let (fields, task) = tasks().remove(3);
    let quotes = "\"\"\"";
    assert_eq!((&*task.stop[0], &*task.tail), (quotes, quotes));
    // The model can say nothing but quotes.
    let ids = generator
        .tokenizer()
        .encode(quotes, SpecialTokens::AsText)
        .unwrap();
    let bias: serde_json::Map<_, _> = ids.iter().map(|id| (id.to_string(), 100.into())).collect();
    let body = with(
        &fields,
        json!({"prompt": CODE, "max_tokens": 20, "temperature": 0, "logit_bias": bias}),
    );
    let whole = format!("{}{}", task.lead, task.tail);
    for stop in [json!(null), json!(["never\u{0}"])] {
        let found = server.complete(&with(&body, json!({"stop": stop})));
        assert_eq!(found["choices"][0]["text"], whole);
        assert_eq!(found["choices"][0]["finish_reason"], "stop");
    }
    let streamed = server.stream(&body);
    assert_eq!(pieces(&streamed).concat(), whole);

    // The library agrees on what fired.
    let mut options = GenerateOptions::default();
    options.sampling.logit_bias = ids.iter().map(|&id| (id, 100.0)).collect();
    options.stops.stop = task.stop.clone();
    let expected = generator
        .complete_n(&task.prompt, &options)
        .unwrap()
        .remove(0);
    assert_eq!(expected.finish_reason, FinishReason::Stop(0));

    // Without the task, quotes follow until the limit.
    let mut plain = with(&body, json!({"prompt": task.prompt}));
    plain.as_object_mut().unwrap().remove("task");
    let found = server.complete(&plain);
    assert_eq!(found["choices"][0]["finish_reason"], "length");

    // The request's own stops end a task as well.
    let (fields, task) = tasks().remove(2);
    let body = with(
        &fields,
        json!({"prompt": CODE, "max_tokens": 20, "temperature": 0}),
    );
    let text = server.complete(&body)["choices"][0]["text"].clone();
    let answer = &text.as_str().unwrap()[task.lead.len()..];
    let (at, last) = answer.char_indices().nth(6).unwrap();
    let stop = &answer[at..at + last.len_utf8()];
    let found = server.complete(&with(&body, json!({"stop": stop})));
    let cut = &answer[..answer.find(stop).unwrap()];
    assert_eq!(found["choices"][0]["text"], format!("{}{cut}", task.lead));
    assert_eq!(found["choices"][0]["finish_reason"], "stop");
}

#[test]
fn each_prompt_has_its_own_frame() {
    let server = Server::start(Setup::default());
    let codes = ["fn one() -> u32 {\n    1\n}\n", "    fn two() {}\n"];
    let ask = |prompt: Value, n: usize| {
        server.complete(&json!({
            "task": "docstring", "language": "rust", "prompt": prompt, "n": n, "max_tokens": 6,
            "seed": 3, "logit_bias": {"50256": -100},
        }))
    };
    let all = ask(json!(codes), 2);
    let choices = all["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 4);
    for (i, choice) in choices.iter().enumerate() {
        let lead = Task::docstring(language("rust"), codes[i / 2])
            .unwrap()
            .lead;
        assert_eq!(lead, ["///", "    ///"][i / 2]);
        assert!(choice["text"].as_str().unwrap().starts_with(&lead));
    }
    assert_ne!(choices[0]["text"], choices[1]["text"]);
    assert_eq!(ask(json!(codes[0]), 2)["choices"], json!(choices[..2]));
}

#[test]
fn tokens_of_an_answer_begin_after_its_lead() {
    let server = Server::start(Setup::default());
    for (fields, task) in tasks() {
        let body = with(
            &fields,
            json!({"prompt": CODE, "max_tokens": 12, "seed": 1, "logprobs": 1}),
        );
        let choice = &server.complete(&body)["choices"][0];
        let text: Vec<char> = choice["text"].as_str().unwrap().chars().collect();
        let list = |name: &str| choice["logprobs"][name].as_array().unwrap().clone();
        let (tokens, offsets) = (list("tokens"), list("text_offset"));
        assert!(tokens.len() > 3 && tokens.len() == offsets.len());
        assert_eq!(offsets[0], task.lead.chars().count(), "{fields}");
        let mut together = task.lead.clone();
        for (token, at) in tokens.iter().zip(&offsets) {
            let token = token.as_str().unwrap();
            let at = at.as_u64().unwrap() as usize;
            if !token.starts_with("bytes:") {
                let found: String = text[at..].iter().take(token.chars().count()).collect();
                assert_eq!(found, token, "{fields}");
            }
            together += token;
        }
        assert!(list("token_logprobs").iter().all(Value::is_number));
        if !together.contains("bytes:") {
            assert_eq!(choice["text"], together + &task.tail, "{fields}");
        }
    }
}

#[test]
fn an_answer_of_no_tokens_is_its_frame() {
    let server = Server::start(Setup::default());
    for (fields, task) in tasks() {
        let body = with(&fields, json!({"prompt": CODE, "max_tokens": 0}));
        let found = server.complete(&body);
        let text = format!("{}{}", task.lead, task.tail);
        assert_eq!(found["choices"][0]["text"], text, "{fields}");
        assert_eq!(found["usage"]["completion_tokens"], 0);
        assert_eq!(pieces(&server.stream(&body)).concat(), text);
    }
}

#[test]
fn complete_is_as_without_a_task() {
    let server = Server::start(Setup::default());
    let plain = json!({"prompt": CODE, "max_tokens": 12, "temperature": 0, "language": "python"});
    let expected = server.complete(&plain);
    for extra in [
        json!({"task": "complete"}),
        json!({"task": null, "target_language": null}),
    ] {
        let found = server.complete(&with(&plain, extra));
        assert_eq!(found["choices"], expected["choices"]);
        assert_eq!(found["usage"], expected["usage"]);
    }
    // What is for completions alone.
    let echo = json!({"task": "complete", "echo": true, "suffix": "\nprint(1)\n"});
    server.complete(&with(&plain, echo));
    server.complete(&json!({"task": "complete", "prompt": [198], "max_tokens": 1}));
}

#[test]
fn what_a_task_has_no_use_for_is_named() {
    let server = Server::start(Setup::default());
    let translate = json!({
        "prompt": CODE, "task": "translate", "language": "python", "target_language": "java",
    });
    let explain = json!({"prompt": CODE, "task": "explain", "language": "python"});
    let custom =
        json!({"prompt": CODE, "task": "custom", "language": "python", "template": "<INPUT>"});
    let complete = json!({"prompt": CODE, "language": "python"});
    let rows = [
        // Fields, what to change, the field of the error and what its message has to say.
        (
            &explain,
            json!({"task": "review"}),
            "task",
            "\"review\", expected one of complete,",
        ),
        (
            &explain,
            json!({"task": "Explain"}),
            "task",
            "\"Explain\", expected",
        ),
        (&explain, json!({"task": ""}), "task", "\"\", expected"),
        (
            &explain,
            json!({"task": 5}),
            "task",
            "is 5, expected a string",
        ),
        (
            &explain,
            json!({"language": null}),
            "language",
            "missing; the task explain needs",
        ),
        (
            &explain,
            json!({"language": "klingon"}),
            "language",
            "\"klingon\", expected one of abap, ",
        ),
        (&explain, json!({"prompt": null}), "prompt", "blank"),
        (
            &explain,
            json!({"prompt": [CODE, " \n"]}),
            "prompt",
            "blank",
        ),
        (
            &explain,
            json!({"prompt": [198, 5]}),
            "prompt",
            "token ids, expected the code as a string",
        ),
        (
            &explain,
            json!({"prompt": [[198], [5]]}),
            "prompt",
            "token ids",
        ),
        (&explain, json!({"echo": true}), "echo", "expected false"),
        (&explain, json!({"suffix": "\n"}), "suffix", "expected none"),
        (
            &explain,
            json!({"target_language": "go"}),
            "target_language",
            "for the task translate, but the task is explain",
        ),
        (
            &explain,
            json!({"target_declaration": ""}),
            "target_declaration",
            "the task is explain",
        ),
        (
            &explain,
            json!({"template": "<INPUT>"}),
            "template",
            "for the task custom",
        ),
        (
            &translate,
            json!({"language": null}),
            "language",
            "the task translate needs",
        ),
        (
            &translate,
            json!({"target_language": null}),
            "target_language",
            "missing; the task translate needs",
        ),
        (
            &translate,
            json!({"target_language": "klingon"}),
            "target_language",
            "\"klingon\", expected one of",
        ),
        (
            &translate,
            json!({"target_language": ["go"]}),
            "target_language",
            "an array, expected a string",
        ),
        (
            &translate,
            json!({"target_declaration": 1}),
            "target_declaration",
            "expected a string",
        ),
        (
            &translate,
            json!({"template": "<INPUT>"}),
            "template",
            "the task is translate",
        ),
        (
            &custom,
            json!({"template": null}),
            "template",
            "missing; the task custom needs",
        ),
        (
            &custom,
            json!({"template": "no place"}),
            "template",
            "<INPUT>",
        ),
        (
            &custom,
            json!({"template": "<INPUT:x>"}),
            "template",
            "<INPUT:x>",
        ),
        (
            &complete,
            json!({"target_language": "go"}),
            "target_language",
            "the task is complete",
        ),
        (
            &complete,
            json!({"target_declaration": "x"}),
            "target_declaration",
            "the task is complete",
        ),
        (
            &complete,
            json!({"template": "<INPUT>"}),
            "template",
            "the task is complete",
        ),
    ];
    for (body, change, field, part) in rows {
        let body = with(body, change.clone());
        for stream in [false, true] {
            let error = server
                .post(&with(&body, json!({"stream": stream})))
                .error(400);
            assert_eq!(error["param"], field, "{body}: {error}");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(field) || part == "blank", "{message}");
            assert!(message.contains(part), "{message}");
        }
    }
    // What fits for itself may not with what goes around it.
    let long = "x = 1\n".repeat(500);
    let error = server
        .post(&with(&explain, json!({"prompt": long})))
        .error(400);
    server.complete(&json!({"prompt": long, "max_tokens": 1}));
    assert_eq!(error["code"], "context_length_exceeded");
    let template = "<INPUT>".repeat(5000);
    let body = with(
        &custom,
        json!({"prompt": "x".repeat(2000), "template": template}),
    );
    assert_eq!(server.post(&body).error(400)["param"], "prompt");
    assert_eq!(server.load(), (0, 0));
}
