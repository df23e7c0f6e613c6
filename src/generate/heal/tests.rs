//! Healing against looking at every token, and against the encodings of whole files.

use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::ErrorKind;
use crate::cancel::CancelToken;
use crate::generate::test_model::{TestModel, VOCAB};
use crate::generate::{
    Completion, Event, FinishReason, GenerateOptions, Generator, Session, Speculation,
};
use crate::tokenizer::BpeTokenizer;

fn encode(text: &str) -> Vec<u32> {
    BpeTokenizer::codegeex()
        .unwrap()
        .encode(text, SpecialTokens::AsText)
        .unwrap()
}

fn bytes(ids: &[u32]) -> Vec<u8> {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let of = |&id: &u32| tokenizer.token_bytes(id).unwrap();
    ids.iter().flat_map(of).copied().collect()
}

/// Source code, and texts chosen to be hard for a tokenizer.
fn texts() -> Vec<String> {
    let cases = include_str!("../../../tests/data/tokenizer_cases.jsonl").lines();
    let text = |line: &str| {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        case["text"].as_str().unwrap().to_owned()
    };
    let sources = [
        include_str!("../sequence.rs"),
        include_str!("../../../tests/data/layouts/make.py"),
    ];
    (sources.map(str::to_owned).into_iter())
        .chain(cases.map(text))
        .collect()
}

/// The tokens that may be sampled again, by the definition and one after the other.
fn slow_tokens() -> Vec<(u32, Vec<u8>)> {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    (0..tokenizer.vocab_size() as u32)
        .map(|id| (id, tokenizer.token_bytes(id).unwrap().to_vec()))
        .filter(|(id, bytes)| {
            let is_run = (50_266..=50_274).contains(id);
            let is_text = *id < 50_256 || is_run;
            let text = std::str::from_utf8(bytes);
            is_text && text.map_or(true, |t| encode(t) == [*id])
        })
        .collect()
}

fn agrees(token: &[u8], due: &[u8]) -> bool {
    due.starts_with(token) || token.starts_with(due)
}

#[test]
fn the_tokens_that_agree_are_those_of_the_whole_vocabulary_that_do() {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let (tokens, slow) = (TextTokens::new(&tokenizer).unwrap(), slow_tokens());
    assert_eq!(tokens.ids.len(), slow.len());
    // GPT-2's runs of spaces are none of them, CodeGeeX's are.
    assert!(slow.iter().any(|(_, b)| b == b"     "));
    assert!(slow.iter().all(|(_, b)| b != b"           "));
    let texts = texts();
    for (i, text) in texts.iter().enumerate() {
        let text = &text.as_bytes()[..text.len().min(200)];
        let due = &text[i * 7 % (text.len() + 1)..]
            [..(i % 40).min(text.len() - i * 7 % (text.len() + 1))];
        if due.is_empty() {
            continue;
        }
        let expected: Vec<u32> = (slow.iter())
            .filter(|(_, b)| agrees(b, due))
            .map(|&(id, _)| id)
            .collect();
        assert_eq!(
            tokens.agreeing(&tokenizer, due).unwrap(),
            expected,
            "{due:?}"
        );
        let beyond = tokens.beyond(&tokenizer, due);
        let expected = |b: &[u8]| b.starts_with(due) && b.len() > due.len();
        assert_eq!(beyond.is_some(), slow.iter().any(|(_, b)| expected(b)));
        assert!(beyond.is_none_or(expected), "{due:?}");
    }
}

#[test]
fn what_is_left_of_a_prompt_is_what_the_whole_file_begins_with() {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let tokens = TextTokens::new(&tokenizer).unwrap();
    let (mut positions, mut changed, mut taken) = (0, 0, 0);
    for text in texts() {
        let whole = encode(&text);
        for (at, _) in text.char_indices().skip(1) {
            let ids = encode(&text[..at]);
            let (kept, due) = match tokens.cut(&tokenizer, &ids).unwrap() {
                Some(cut) => (cut.kept, cut.due),
                None => (ids.len(), Vec::new()),
            };
            assert_eq!([bytes(&ids[..kept]), due].concat(), &text.as_bytes()[..at]);
            positions += 1;
            taken += ids.len() - kept;
            changed += usize::from(!whole.starts_with(&ids));
            // The first token stays, whatever it is.
            assert!(
                kept == 1 || whole.starts_with(&ids[..kept]),
                "{:?}",
                &text[..at]
            );
        }
    }
    assert!(positions > 10_000 && changed > positions / 3);
    assert!(taken < positions * 3 / 2, "{taken} of {positions}");
}

/// The same with the rules of other models.
#[test]
fn prompts_of_other_models_are_healed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tokenizers");
    let text = &include_str!("../sequence.rs")[..6000];
    let text = format!("{text}\n\n    x = 12345 + 6789;  // don't\n\t\ty=\"é中\";\n \n}}\n");
    for name in [
        "codegen",
        "deepseek_coder",
        "deepseek_v3",
        "gemma",
        "gpt2",
        "llama2",
        "llama3",
        "mistral",
        "qwen2",
        "starcoder",
    ] {
        let json = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let fixture: serde_json::Value = serde_json::from_str(&json).unwrap();
        let json = fixture["tokenizer"].to_string();
        let tokenizer = BpeTokenizer::from_json(&json, None).unwrap();
        let tokens = TextTokens::new(&tokenizer).unwrap();
        // All but the bytes that are parts of characters, and what no text comes to.
        assert!(tokens.ids.len() > 300, "{name}: {}", tokens.ids.len());
        let encode = |text: &str| {
            tokenizer
                .encode_prompt(text, SpecialTokens::AsText)
                .unwrap()
        };
        let whole = encode(&text);
        let bytes = |ids: &[u32]| -> Vec<u8> {
            let of = |&id: &u32| tokenizer.token_bytes(id).unwrap();
            ids.iter().flat_map(of).copied().collect()
        };
        let least = tokenizer.prefix().len() + 1;
        let mut taken = 0;
        for (at, _) in text.char_indices().skip(1) {
            let ids = encode(&text[..at]);
            let (kept, due) = match tokens.cut(&tokenizer, &ids).unwrap() {
                Some(cut) => (cut.kept, cut.due),
                None => (ids.len(), Vec::new()),
            };
            assert_eq!([bytes(&ids[..kept]), due].concat(), bytes(&ids));
            taken += ids.len() - kept;
            assert!(
                kept <= least || whole.starts_with(&ids[..kept]),
                "{name}: {:?}",
                &text[text.floor_char_boundary(at.saturating_sub(40))..at]
            );
        }
        assert!(taken < 4 * text.len(), "{name}: {taken}");
    }
}

#[test]
fn runs_of_spaces_are_taken_back_where_another_space_changes_them() {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let tokens = TextTokens::new(&tokenizer).unwrap();
    let due = |text: &str| {
        let cut = tokens.cut(&tokenizer, &encode(text)).unwrap();
        cut.map_or(String::new(), |cut| String::from_utf8(cut.due).unwrap())
    };
    for spaces in 1..40 {
        let run = " ".repeat(spaces);
        // Full tens stay what they are.
        assert_eq!(
            due(&format!("x:\n{run}")),
            " ".repeat(spaces % 10),
            "{spaces}"
        );
    }
    assert_eq!(due("a = (1)"), ")");
    // Two line ends are one token, and two when code follows.
    assert_eq!(due("x\n\n"), "\n\n");
    // Two tokens that one token begins with.
    assert_eq!(due("a functio"), " functio");
    assert_eq!(encode("a functio").len(), 4);
    assert_eq!(due("System.out.prin"), "prin");
    // `Ar` and `gu` become `Arg` and `ument`: no token begins with `Argu`.
    assert_eq!(due("# InvalidArgu"), "Argu");
    // Nothing before a first token, nothing of control tokens.
    assert_eq!((due(""), due("    ")), (String::new(), String::new()));
    let ids = [encode("x = "), vec![50_256]].concat();
    assert_eq!(tokens.cut(&tokenizer, &ids).unwrap(), None);
    let ids = [vec![50_256], encode("    ")].concat();
    assert_eq!(tokens.cut(&tokenizer, &ids).unwrap().unwrap().kept, 1);
}

fn generator(model: TestModel) -> Generator {
    Generator::new(Arc::new(model), Arc::new(BpeTokenizer::codegeex().unwrap()))
}

fn healing(max_new_tokens: usize) -> GenerateOptions {
    GenerateOptions::new()
        .heal(true)
        .max_new_tokens(max_new_tokens)
}

fn run(generator: &Generator, prompt: &str, options: &GenerateOptions) -> Vec<Completion> {
    let mut streamed = vec![String::new(); options.samples];
    let cancel = CancelToken::new();
    let found = generator.generate(prompt, options, &cancel, &mut |event| {
        streamed[event.sample()] += event.text();
        ControlFlow::Continue(())
    });
    let found = found.unwrap();
    for (completion, streamed) in found.iter().zip(streamed) {
        assert_eq!(completion.text, streamed);
    }
    found
}

/// Samples greedily, looking at every token of the vocabulary for every token sampled.
fn slow_greedy(
    model: &TestModel,
    slow: &[(u32, Vec<u8>)],
    (kept, due): (&[u32], &[u8]),
    new: usize,
) -> Vec<u32> {
    let mut ids = kept.to_vec();
    for _ in 0..new {
        let mut logits = vec![0.0; VOCAB];
        model.apply(&ids, &mut logits);
        let owed = due.get(bytes(&ids[kept.len()..]).len()..).unwrap_or(&[]);
        let may: Vec<u32> = match owed {
            [] => (0..50_400).collect(),
            _ => (slow.iter().filter(|(_, b)| agrees(b, owed)))
                .map(|&(id, _)| id)
                .collect(),
        };
        let best = may.into_iter().max_by(|&a, &b| {
            let of = |id: u32| logits[id as usize];
            of(a).total_cmp(&of(b)).then(b.cmp(&a))
        });
        let best = best.unwrap();
        if best == 50_256 {
            break;
        }
        ids.push(best);
    }
    ids.split_off(kept.len())
}

#[test]
fn greedy_takes_the_most_likely_that_agrees_and_the_text_follows_the_prompt() {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let tokens = TextTokens::new(&tokenizer).unwrap();
    let generator = generator(TestModel::noise());
    let (model, slow) = (TestModel::noise(), slow_tokens());
    let text = include_str!("../sequence.rs");
    let mut healed = 0;
    for at in (40..text.len()).step_by(487) {
        let prompt = &text[at - 40..at];
        let ids = encode(prompt);
        let (kept, due) = match tokens.cut(&tokenizer, &ids).unwrap() {
            Some(cut) => (cut.kept, cut.due),
            None => (ids.len(), Vec::new()),
        };
        let expected = slow_greedy(&model, &slow, (&ids[..kept], &due), 6);
        let found = run(&generator, prompt, &healing(6)).remove(0);
        assert_eq!(found.ids, expected, "{prompt:?}");
        let said = bytes(&found.ids);
        assert_eq!(found.healed, due.len().min(said.len()));
        assert_eq!(said[..found.healed], due[..found.healed]);
        let text = String::from_utf8_lossy(&said[found.healed..]);
        assert_eq!(found.text, text);
        healed += usize::from(found.healed > 0);
    }
    assert!(healed > 10, "{healed}");
}

#[test]
fn a_fifth_space_is_found_where_four_are_a_token() {
    // It knows indentation by five, and nothing of what may follow four.
    let (four, five) = (encode("x\n    ")[2], encode("x\n     ")[2]);
    let model = || {
        TestModel::new(move |ids, logits| match ids {
            [.., 198] => logits[five as usize] = 5.0,
            [.., last] if *last == four => logits[50_256] = 5.0,
            _ => logits[87] = 5.0,
        })
    };
    let plain = healing(3).heal(false);
    let plain = run(&generator(model()), "x\n    ", &plain).remove(0);
    assert_eq!(
        (&plain.text[..], plain.healed, plain.finish_reason),
        ("", 0, FinishReason::EndOfText)
    );
    let healed = run(&generator(model()), "x\n    ", &healing(3)).remove(0);
    assert_eq!(&healed.text[..], " xx");
    assert_eq!((healed.ids[0], healed.healed), (five, 4));
    assert_eq!(healed.logprobs.len(), 3);
}

#[test]
fn a_budget_that_ends_before_the_prompt_is_repaid_gives_no_text() {
    // Likes single spaces.
    let model = TestModel::new(|_, logits| logits[220] = 5.0);
    let found = run(&generator(model), "x\n    ", &healing(3)).remove(0);
    assert_eq!(
        (&found.text[..], found.healed, &found.ids[..]),
        ("", 3, &[220; 3][..])
    );
    assert_eq!(found.finish_reason, FinishReason::Length);
}

#[test]
fn bans_hold_and_may_leave_nothing() {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let agreeing = TextTokens::new(&tokenizer)
        .unwrap()
        .agreeing(&tokenizer, b")")
        .unwrap();
    let options = healing(3).banned_ids(agreeing);
    let generator = generator(TestModel::noise());
    let error = generator.complete_n("f(x)", &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn samples_drafts_stops_and_sessions_heal_the_same() {
    let generator = generator(TestModel::noise());
    let prompt = "def read_lines(path):\n    with open(pat";
    let mut options = healing(12);
    options.sampling.temperature = 1.0;
    options.samples = 4;
    options.sampling.seed = 3;
    let plain = run(&generator, prompt, &options);
    for (i, completion) in plain.iter().enumerate() {
        let mut alone = options.clone();
        (alone.samples, alone.first_sample) = (1, i as u32);
        assert_eq!(run(&generator, prompt, &alone)[0], *completion);
    }
    let mut lookup = Speculation::lookup();
    lookup.always = true;
    options.speculation = Some(lookup);
    for (a, b) in plain.iter().zip(run(&generator, prompt, &options)) {
        assert_eq!(
            (&a.text, &a.ids, &a.logprobs),
            (&b.text, &b.ids, &b.logprobs)
        );
    }
    options.speculation = None;
    let mut session = Session::new(&generator);
    let go_on = &mut |_: Event| ControlFlow::Continue(());
    let cancel = CancelToken::new();
    for _ in 0..2 {
        let found = session.generate(encode(prompt), &options, &cancel, go_on);
        assert_eq!(found.unwrap(), plain);
    }
    // What is owed to the prompt is no text that could stop.
    options.stops.stop = vec!["pat".into()];
    options.samples = 1;
    let stopped = run(&generator, prompt, &options).remove(0);
    assert_eq!(stopped.ids, plain[0].ids);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Any ids, also those that no text is encoded to.
    #[test]
    fn any_prompt_is_cut_into_two_parts(ids in proptest::collection::vec(0u32..60_000, 0..12)) {
        let tokenizer = BpeTokenizer::codegeex().unwrap();
        let tokens = TextTokens::new(&tokenizer).unwrap();
        if let Some(cut) = tokens.cut(&tokenizer, &ids).unwrap() {
            prop_assert!(cut.kept >= 1 && cut.kept < ids.len());
            prop_assert_eq!(bytes(&ids[cut.kept..]), cut.due);
        }
    }
}
