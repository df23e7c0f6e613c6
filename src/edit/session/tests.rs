//! Edit sessions against a generator that computes everything afresh.

use std::sync::Arc;

use super::*;
use crate::ErrorKind;
use crate::code::{Indentation, cut_at_scope, distinct, reindent, without_overlap};
use crate::generate::test_model::{ByteTokenizer, TestModel};
use crate::generate::{Completion, FinishReason};
use crate::model::{LoadOptions, Model, load};
use crate::tokenizer::{BpeTokenizer, Tokenizer};

fn rust() -> Language {
    Language::RUST
}

fn python() -> Language {
    Language::PYTHON
}

fn source() -> &'static str {
    include_str!("../../generate/scheduler.rs")
}

/// A model, still there for its counters.
fn join<M: Model + 'static>(model: M) -> (Arc<M>, Generator) {
    let model = Arc::new(model);
    let generator = Generator::new(model.clone(), Arc::new(BpeTokenizer::codegeex().unwrap()));
    (model, generator)
}

fn options(max_new_tokens: usize) -> EditOptions {
    let mut options = EditOptions::default();
    options.generate.limits.max_new_tokens = max_new_tokens;
    options.polish = Polish::nothing();
    options
}

fn suggest(edit: &mut EditSession) -> Option<String> {
    let found = edit.suggest(&CancelToken::new(), &mut |_| ControlFlow::Continue(()));
    found.unwrap().map(|s| s.text.to_owned())
}

/// The same without a session.
fn afresh(edit: &EditSession) -> Completion {
    let generator = edit.session().generator();
    let found = generator.complete_n(edit.prompt(), &edit.options().generate);
    found.unwrap().remove(0)
}

/// Suggests and compares with what is computed afresh.
fn check(edit: &mut EditSession) {
    edit.dismiss();
    suggest(edit);
    compare(edit);
}

/// Afresh, there are the same ids and the same bits.
fn compare(edit: &EditSession) {
    let expected = afresh(edit);
    match edit.suggestion() {
        Some(found) => {
            assert_eq!(found.completion.ids, expected.ids);
            let bits =
                |c: &Completion| -> Vec<u32> { c.logprobs.iter().map(|l| l.to_bits()).collect() };
            assert_eq!(bits(found.completion), bits(&expected));
            assert_eq!(found.text, expected.text);
        }
        None => assert_eq!(expected.text, ""),
    }
}

#[test]
fn typing_and_deleting_compute_a_few_tokens_and_the_same_bits() {
    let path = crate::generate::test_model::file();
    let model = load(path, &LoadOptions::default()).unwrap();
    let generator = Generator::new(model, Arc::new(BpeTokenizer::codegeex().unwrap()));
    let mut edit = EditSession::new(&generator, rust(), options(4)).unwrap();
    let start = 900;
    let typed = &source()[start..start + 60];
    edit.update(&source()[..start], "").unwrap();
    check(&mut edit);
    let first = edit.reuse();
    assert_eq!(first.reused, 0);
    assert!(first.prompt > 180 && first.computed + 4 >= first.prompt);
    let ends = (1..=typed.len()).chain((40..typed.len()).rev());
    let (mut computed, mut keystrokes) = (0, 0);
    for end in ends {
        edit.update(&source()[..start + end], "").unwrap();
        edit.dismiss();
        suggest(&mut edit);
        let reuse = edit.reuse();
        assert!(reuse.computed <= 8, "{reuse:?}");
        assert!(reuse.reused + reuse.computed <= reuse.prompt);
        computed += reuse.computed;
        keystrokes += 1;
        if keystrokes % 8 == 0 {
            compare(&edit);
        }
    }
    assert!(computed <= 3 * keystrokes, "{computed} of {keystrokes}");
}

#[test]
fn a_long_text_is_clipped_and_computed_anew_only_when_that_moves() {
    let (model, generator) = {
        let mut model = TestModel::noise();
        model.config.max_position_embeddings = 256;
        join(model)
    };
    let mut options = options(3);
    options.clip_step = 64;
    let mut edit = EditSession::new(&generator, rust(), options).unwrap();
    let mut moves = 0;
    let ends: Vec<usize> = (0..400).map(|i| 1_500 + i * 3).collect();
    for (i, end) in ends.into_iter().enumerate() {
        let update = edit.update(&source()[..end], "").unwrap();
        let clip = update.clip;
        assert_eq!(edit.prompt()[..18], *"// language: Rust\n");
        assert_eq!(&edit.prompt()[18..], &source()[clip.bytes..end]);
        let cut = &source()[..clip.bytes];
        assert_eq!(clip.lines, cut.lines().count());
        assert!(!clip.is_inside_line && cut.ends_with('\n'));
        edit.dismiss();
        let fed = model.fed();
        suggest(&mut edit);
        let reuse = edit.reuse();
        // The last of the sampled tokens is not fed.
        assert!(model.fed() - fed <= reuse.computed + 2);
        if update.moved {
            moves += 1;
        } else {
            assert!(i > 0 && reuse.computed <= 8, "{reuse:?}");
        }
        if i % 20 == 0 {
            check(&mut edit);
        }
    }
    assert!((2..12).contains(&moves), "{moves}");
}

#[test]
fn what_is_typed_as_suggested_costs_nothing() {
    let text = "# language: Python\nfor name in names:\n    print(name)\n";
    let (model, generator) = join(TestModel::saying(&[text]));
    let mut edit = EditSession::new(&generator, python(), options(64)).unwrap();
    edit.update("for na", "\n\nx = 1\n").unwrap();
    let whole = suggest(&mut edit).unwrap();
    assert_eq!(whole, "me in names:\n    print(name)\n");
    let calls = model.calls();
    let mut before = "for na".to_owned();
    for c in whole.chars() {
        before.push(c);
        let is_last = before.len() == "for na".len() + whole.len();
        assert_eq!(
            edit.update(&before, "\n\nx = 1\n").unwrap().is_alive,
            !is_last
        );
        if !is_last {
            let rest = &whole[before.len() - "for na".len()..];
            assert_eq!(suggest(&mut edit).unwrap(), rest);
        }
    }
    // Deleting brings it back, to where it began.
    for _ in 0..whole.len() {
        before.pop();
        assert!(edit.update(&before, "\n\nx = 1\n").unwrap().is_alive);
    }
    assert_eq!(edit.suggestion().unwrap().text, whole);
    assert_eq!(model.calls(), calls);
    // Before that, or with other text after it, or with other text typed, it is gone.
    for (before, after) in [
        ("for n", "\n\nx = 1\n"),
        ("for na", ""),
        ("for nb", "\n\nx = 1\n"),
    ] {
        edit.update("for na", "\n\nx = 1\n").unwrap();
        suggest(&mut edit);
        assert!(!edit.update(before, after).unwrap().is_alive);
        assert!(!edit.update("for na", "\n\nx = 1\n").unwrap().is_alive);
    }
    assert!(model.calls() > calls);
}

#[test]
fn accepting_goes_through_the_suggestion_and_leaves_its_tokens_in_the_cache() {
    let text = "# language: Python\nfor name in names:\n    print(name)\n    f(name)\n";
    let (model, generator) = join(TestModel::saying(&[text]));
    let mut edit = EditSession::new(&generator, python(), options(64)).unwrap();
    assert_eq!(edit.accept(Accept::All).unwrap(), None);
    edit.update("for na", "").unwrap();
    suggest(&mut edit);
    let calls = model.calls();
    let mut accepted = Vec::new();
    for accept in [Accept::Word, Accept::Word, Accept::Line, Accept::Line] {
        accepted.push(edit.accept(accept).unwrap().unwrap());
        assert_eq!(edit.before(), format!("for na{}", accepted.concat()));
        // The editor says the same, and nothing changes.
        let before = edit.before().to_owned();
        assert!(edit.update(&before, "").unwrap().is_alive);
    }
    assert_eq!(accepted, ["me", " in", " names:\n", "    print(name)\n"]);
    assert_eq!(edit.accept(Accept::All).unwrap().unwrap(), "    f(name)\n");
    assert_eq!(edit.accept(Accept::All).unwrap(), None);
    assert_eq!(model.calls(), calls);
    assert_eq!(edit.before(), &text["# language: Python\n".len()..]);
    // There is nothing to say any more, and nearly nothing to read.
    assert_eq!(suggest(&mut edit), None);
    assert!(edit.reuse().computed <= 2, "{:?}", edit.reuse());
    assert!(edit.reuse().reused > 15);
}

#[test]
fn a_cancelled_suggestion_leaves_what_there_is_and_a_sound_session() {
    let (_, generator) = join(TestModel::noise());
    let mut edit = EditSession::new(&generator, rust(), options(12)).unwrap();
    let before = &source()[..1200];
    edit.update(before, "").unwrap();
    let whole = suggest(&mut edit).unwrap();
    for tokens in 1..6 {
        edit.update(&before[..1100], "").unwrap();
        edit.update(before, "").unwrap();
        let cancel = CancelToken::new();
        let mut seen = 0;
        let found = edit.suggest(&cancel, &mut |event| {
            seen += usize::from(matches!(event, Event::Token { .. }));
            if seen == tokens {
                cancel.cancel();
            }
            ControlFlow::Continue(())
        });
        if let Some(found) = found.unwrap() {
            assert!(found.is_partial());
            assert_eq!(found.completion.finish_reason, FinishReason::Cancelled);
            // A last character may not be complete.
            assert!(whole.starts_with(found.text.trim_end_matches('\u{fffd}')));
        }
        // Asked again, the rest comes.
        assert_eq!(suggest(&mut edit).unwrap(), whole);
        check(&mut edit);
    }
    // Before anything is read.
    edit.update(&before[..900], "").unwrap();
    let cancel = CancelToken::new();
    cancel.cancel();
    let none = edit.suggest(&cancel, &mut |_| ControlFlow::Continue(()));
    assert!(none.unwrap().is_none());
    check(&mut edit);
}

#[test]
fn a_keystroke_on_another_thread_cancels() {
    let path = crate::generate::test_model::file();
    let model = load(path, &LoadOptions::default()).unwrap();
    let generator = Generator::new(model, Arc::new(BpeTokenizer::codegeex().unwrap()));
    let mut edit = EditSession::new(&generator, rust(), options(1000)).unwrap();
    let (keys, typed) = std::sync::mpsc::channel::<(usize, CancelToken)>();
    let (begun, begins) = std::sync::mpsc::channel::<CancelToken>();
    // Cancels each suggestion as soon as it has begun to come.
    let typist = std::thread::spawn(move || {
        for end in 1_000..1_010 {
            let cancel = CancelToken::new();
            keys.send((end, cancel)).unwrap();
            begins.recv().unwrap().cancel();
        }
    });
    for (end, cancel) in typed {
        edit.update(&source()[..end], "").unwrap();
        edit.dismiss();
        let mut told = false;
        edit.suggest(&cancel, &mut |_| {
            if !std::mem::replace(&mut told, true) {
                begun.send(cancel.clone()).unwrap();
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        assert!(edit.suggestions().all(|s| s.completion.ids.len() < 1000));
    }
    typist.join().unwrap();
    edit.options.generate.limits.max_new_tokens = 4;
    check(&mut edit);
}

/// Post-processing by hand, on completions that were computed afresh.
fn by_hand(edit: &EditSession, style: Indentation) -> Vec<(String, f64)> {
    let generator = edit.session().generator();
    let (language, before, after) = (edit.language, edit.before(), edit.after());
    let raw = generator
        .complete_n(edit.prompt(), &edit.options().generate)
        .unwrap();
    let texts: Vec<String> = raw
        .iter()
        .map(|c| {
            let text = reindent(language, style, before, &c.text).unwrap();
            let text = cut_at_scope(language, before, &text).unwrap();
            without_overlap(language, before, text, after)
                .unwrap()
                .to_owned()
        })
        .collect();
    let tokenizer = generator.tokenizer();
    let encode = |text: &str| tokenizer.encode(text, SpecialTokens::AsText).unwrap();
    let mut found: Vec<(String, f64)> = distinct(&texts)
        .unwrap()
        .into_iter()
        .map(|i| {
            let mean = |l: &[f32]| l.iter().map(|&l| f64::from(l)).sum::<f64>() / l.len() as f64;
            // Token by token until as much was said as is shown, blanks apart.
            let visible = |t: &str| t.chars().filter(|c| !" \t".contains(*c)).count();
            let mut said = Vec::new();
            let mut own = Vec::new();
            for (id, &logprob) in raw[i].ids.iter().zip(&raw[i].logprobs) {
                let text = String::from_utf8(said.clone()).unwrap();
                let text = text.get(raw[i].healed..).unwrap_or("");
                if visible(text) >= visible(&texts[i]) {
                    break;
                }
                said.extend(tokenizer.token_bytes(*id).unwrap());
                if said.len() > raw[i].healed {
                    own.push(logprob);
                }
            }
            let prompt = encode(&[&edit.prompt(), &texts[i][..]].concat());
            let mut ids = prompt.clone();
            ids.extend(encode(after).iter().take(32));
            let score = generator.score(&ids, 0, &CancelToken::new()).unwrap();
            let suffix: Vec<f32> = score.logprobs[prompt.len()..]
                .iter()
                .map(|l| l.unwrap())
                .collect();
            (texts[i].clone(), mean(&own) + mean(&suffix))
        })
        .collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found
}

#[test]
fn candidates_are_polished_and_ranked_as_by_hand() {
    let head = "# language: Python\nif a:\n  b()\ndef f(x):\n  ";
    let after = "\n  return y\nf(1)\n";
    let says = [
        // Indented by four, as the file is not, and beyond the scope.
        "if x:\n        y = 1\n    else:\n        y = 2\n\ndef g():\n    pass\n",
        // What follows the cursor already.
        "y = x + 1\n  return y\nf(1)\n",
        "y = x + 1",
        "z = 3\n\n\n",
        "   \n\nf(2)\n",
    ];
    let whole: Vec<String> = says.iter().map(|s| format!("{head}{s}")).collect();
    // The text after the cursor is likely after two of them.
    let more = [
        format!("{head}y = x + 1{after}"),
        format!("{head}if x:\n    y = 1\n  else:\n    y = 2{after}"),
    ];
    let texts: Vec<&str> = whole.iter().chain(&more).map(String::as_str).collect();
    let (model, generator) = join(TestModel::saying(&texts));
    let mut options = EditOptions::default();
    options.generate.samples = 24;
    options.generate.sampling.temperature = 1.0;
    options.generate.sampling.seed = 5;
    let mut edit = EditSession::new(&generator, python(), options.clone()).unwrap();
    let before = &head["# language: Python\n".len()..];
    edit.update(before, after).unwrap();
    assert!(suggest(&mut edit).is_some());
    let found: Vec<(String, f64)> = edit
        .suggestions()
        .map(|s| (s.text.to_owned(), s.score.unwrap()))
        .collect();
    let calls = model.calls();
    let expected = by_hand(&edit, Indentation::Spaces(2));
    assert!(model.calls() > calls);
    assert!(found.len() >= 3, "{found:?}");
    assert_eq!(found.len(), expected.len());
    for ((text, score), (expected, slow)) in found.iter().zip(&expected) {
        assert_eq!(text, expected);
        assert!((score - slow).abs() < 1e-9, "{text:?}: {score} {slow}");
    }
    let texts: Vec<&str> = found.iter().map(|(t, _)| &t[..]).collect();
    assert!(texts.contains(&"y = x + 1"));
    let place = |t: &str| texts.iter().position(|s| *s == t);
    if let Some(z) = place("z = 3") {
        assert!(place("y = x + 1").unwrap() < z, "{texts:?}");
    }
    // Without any of it, they are what the model said, in its order.
    options.polish = Polish::nothing();
    let mut plain = EditSession::new(&generator, python(), options.clone()).unwrap();
    plain.update(before, after).unwrap();
    suggest(&mut plain);
    let raw = generator
        .complete_n(plain.prompt(), &options.generate)
        .unwrap();
    let texts: Vec<&str> = plain.suggestions().map(|s| s.text).collect();
    let raw: Vec<&str> = raw
        .iter()
        .map(|c| &c.text[..])
        .filter(|t| !t.is_empty())
        .collect();
    assert_eq!(texts, raw);
    assert!(plain.suggestions().all(|s| s.score.is_none()));
}

#[test]
fn a_second_candidate_stays_alive_when_the_first_does_not() {
    let head = "# language: Python\nx = ";
    let texts = [format!("{head}first(1)\n"), format!("{head}second(2)\n")];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (model, generator) = join(TestModel::saying(&texts));
    let mut options = options(16);
    options.generate.samples = 12;
    options.generate.sampling.temperature = 1.0;
    options.polish.distinct = true;
    let mut edit = EditSession::new(&generator, python(), options).unwrap();
    edit.update("x =", "").unwrap();
    suggest(&mut edit);
    let all: Vec<String> = edit.suggestions().map(|s| s.text.to_owned()).collect();
    assert_eq!(all.len(), 2);
    let calls = model.calls();
    for text in all {
        edit.update(&format!("x ={}", &text[..2]), "").unwrap();
        assert_eq!(suggest(&mut edit).unwrap(), text[2..]);
        assert_eq!(edit.suggestions().count(), 1);
    }
    assert_eq!(model.calls(), calls);
}

#[test]
fn options_that_leave_no_room_are_refused() {
    let (_, generator) = join(TestModel::noise());
    for (new, step) in [
        (2048, 512),
        (usize::MAX, 512),
        (1600, 512),
        (64, 0),
        (64, 2000),
    ] {
        let mut options = options(new);
        options.clip_step = step;
        let error = EditSession::new(&generator, rust(), options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{new} {step}");
    }
}

const FIM: [&str; 4] = ["<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<fim_pad>"];
const QWEN: [&str; 4] = [
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
    "<|fim_pad|>",
];

/// A model that answers `x` and the end of the middle after exactly this prompt.
fn filling(
    controls: &'static [&'static str],
    prompts: &'static [&'static str],
) -> (Arc<TestModel>, Generator) {
    let tokenizer = ByteTokenizer::new(controls);
    let end = tokenizer.control_id(controls[3]).unwrap();
    let model = TestModel::new(move |ids, logits| {
        let text = tokenizer.show(ids);
        let rest = prompts.iter().find_map(|prompt| text.strip_prefix(prompt));
        let next = match rest {
            Some("") => u32::from(b'x'),
            Some("x") => end,
            _ => u32::from(b'?'),
        };
        logits[next as usize] = 20.0;
    });
    let model = Arc::new(model);
    let tokenizer = Arc::new(ByteTokenizer::new(controls));
    (model.clone(), Generator::new(model, tokenizer))
}

#[test]
fn a_model_with_fill_in_the_middle_sees_what_follows() {
    let tag = "# language: Python\n";
    let prompts: &[&str] = &[
        "<fim_prefix><fim_suffix>)\n<fim_middle># language: Python\nf(y",
        "<fim_prefix><fim_suffix>)\n<fim_middle># language: Python\nf(",
    ];
    let (model, generator) = filling(&FIM, prompts);
    let mut edit = EditSession::new(&generator, python(), options(8)).unwrap();
    edit.update("f(", ")\n").unwrap();
    assert_eq!(suggest(&mut edit).as_deref(), Some("x"));
    assert_eq!(
        edit.suggestion().unwrap().completion.finish_reason,
        FinishReason::EndOfText
    );
    assert_eq!(edit.prompt(), format!("{tag}f("));
    let first = edit.reuse();
    assert_eq!(first.prompt, 3 + ")\n".len() + tag.len() + "f(".len());
    // The suffix comes first, so that a keystroke computes no more than itself (and what is healed).
    edit.update("f(y", ")\n").unwrap();
    let fed = model.fed();
    assert_eq!(suggest(&mut edit).as_deref(), Some("x"));
    assert!(edit.reuse().computed <= 2, "{:?}", edit.reuse());
    assert!(model.fed() - fed <= 4);

    // Models that have the other order alone see it in that.
    let prompts: &[&str] = &["<|fim_prefix|># language: Python\nf(<|fim_suffix|>)\n<|fim_middle|>"];
    let (_, generator) = filling(&QWEN, prompts);
    let mut edit = EditSession::new(&generator, python(), options(8)).unwrap();
    edit.update("f(", ")\n").unwrap();
    assert_eq!(suggest(&mut edit).as_deref(), Some("x"));

    // Without it the text before the cursor is the whole prompt.
    let prompts: &[&str] = &["# language: Python\nf("];
    let (_, generator) = filling(&FIM, prompts);
    let plain = options(8).infill(false);
    let mut edit = EditSession::new(&generator, python(), plain).unwrap();
    edit.update("f(", ")\n").unwrap();
    assert!(suggest(&mut edit).unwrap().starts_with('x'));
}

#[test]
fn the_suffix_of_a_session_comes_with_updates_alone() {
    let (_, generator) = filling(&FIM, &[]);
    let mut options = options(8);
    options.generate.infill = Some(Infill::new(""));
    let error = EditSession::new(&generator, python(), options).unwrap_err();
    assert!(
        error.to_string().contains("comes with every update"),
        "{error}"
    );
}

#[test]
fn the_text_after_the_cursor_is_cut_at_a_line() {
    let (_, generator) = filling(&FIM, &[]);
    let filling = Filling::of(&generator, 8).unwrap().unwrap();
    let session = Session::new(&generator);
    for (after, expected) in [
        ("", ""),
        ("12345678", "12345678"),
        ("1234\n6789", "1234\n"),
        ("1234567\n9", "1234567\n"),
        ("123456789\n", "12345678"),
        ("1234567é", "1234567"),
    ] {
        assert_eq!(filling.cut(&session, after).unwrap(), expected, "{after:?}");
    }
    let long = "a line\n".repeat(1 << 20);
    assert_eq!(filling.cut(&session, &long).unwrap(), "a line\n");
}

/// Reuse and post-processing with the rules of other models: those of SentencePiece put a space
/// before a text, and others a token.
#[test]
fn sessions_work_with_the_tokenizers_of_other_models() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tokenizers");
    for name in [
        "codegen",
        "deepseek_coder",
        "gemma",
        "llama2",
        "llama3",
        "mistral",
        "neox",
        "qwen2",
        "starcoder",
        "yi",
    ] {
        let json = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let fixture: serde_json::Value = serde_json::from_str(&json).unwrap();
        let json = fixture["tokenizer"].to_string();
        let tokenizer = Arc::new(BpeTokenizer::from_json(&json, None).unwrap());
        let generator = Generator::new(Arc::new(TestModel::noise()), tokenizer.clone());
        let options = options(12).infill(false);
        let mut edit = EditSession::new(&generator, python(), options).unwrap();
        let text = "# language: x\nimport os\n\n\ndef größe(pfad):\n    return os.stat(pfad)";
        let (mut computed, mut keystrokes) = (0, 0);
        for (at, c) in text.char_indices().skip(20) {
            let before = &text[..at + c.len_utf8()];
            edit.update(before, "").unwrap();
            check(&mut edit);
            keystrokes += 1;
            if keystrokes > 1 {
                computed += edit.reuse().computed;
            }
            // Prompt and completion are one text.
            let Some(found) = edit.suggestion() else {
                continue;
            };
            let shown = found.text.trim_end_matches('\u{FFFD}');
            let healed: Vec<u8> = (found.completion.ids.iter())
                .flat_map(|&id| tokenizer.token_bytes(id).unwrap_or_default())
                .copied()
                .collect();
            let own = String::from_utf8_lossy(&healed[found.completion.healed..]).into_owned();
            assert!(own.starts_with(shown), "{name}: {own:?} and {shown:?}");
            let due = &healed[..found.completion.healed];
            assert!(
                before.as_bytes().ends_with(due),
                "{name}: {due:?} of {before:?}"
            );
        }
        assert!(
            computed <= 8 * keystrokes,
            "{name}: {computed} of {keystrokes}"
        );
    }
}
