//! Where code ends a completion, against cutting what is generated without any stop.
// Outside of the crate the options can be made no other way.
#![allow(clippy::field_reassign_with_default)]

use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::cancel::CancelToken;
use crate::code::{StopRule, cut};
use crate::generate::test_model::TestModel;
use crate::generate::{
    BeamOptions, Completion, Event, GenerateOptions, Generator, Request, SchedulerOptions, Service,
    Session, Speculation,
};
use crate::language::Language;
use crate::tokenizer::{BpeTokenizer, SpecialTokens};

const RULES: [StopRule; 4] = [
    StopRule::Line,
    StopRule::Block,
    StopRule::Function,
    StopRule::Unindented,
];

/// Pieces of code, in all languages alike.
const PIECES: [&str; 30] = [
    "\n",
    "\n",
    "\n    ",
    "\n        ",
    " ",
    "    ",
    "{",
    "}",
    "{\n",
    "}\n",
    "(",
    ")",
    "x",
    "y = 1",
    ";",
    ":",
    ":\n    ",
    "def f",
    "if x",
    "else",
    "end",
    "return x",
    "# c",
    "// c",
    "/*",
    "*/",
    "'",
    "\"",
    "func",
    "\u{1f642}",
];
const PROMPTS: [(&str, &str); 8] = [
    ("python", "# language: Python\ndef f(x):\n"),
    ("python", "class A:\n    def f(x):\n        if x:\n"),
    ("c++", "int f(int x) {\n    if (x) {\n"),
    ("java", "class A {\n    int f() {\n        return"),
    ("go", "func f(x int) {\n"),
    ("rust", ""),
    ("ruby", "def f(x)\n  if x\n"),
    ("sql", "SELECT\n    x"),
];

fn encode(text: &str) -> Vec<u32> {
    BpeTokenizer::codegeex()
        .unwrap()
        .encode(text, SpecialTokens::AsText)
        .unwrap()
}

fn generator(model: Arc<TestModel>) -> Generator {
    Generator::new(model, Arc::new(BpeTokenizer::codegeex().unwrap()))
}

/// Says these tokens after a prompt, then the end of text.
fn scripted(prompt: usize, script: Vec<u32>) -> TestModel {
    TestModel::new(move |ids, logits| {
        let next = ids.len().checked_sub(prompt).and_then(|i| script.get(i));
        logits[next.copied().unwrap_or(50_256) as usize] = 20.0;
    })
}

/// Any of these tokens, by chance.
fn babbling(pieces: &[&str]) -> TestModel {
    let ids: Vec<u32> = pieces.iter().flat_map(|p| encode(p)).collect();
    TestModel::new(move |_, logits| ids.iter().for_each(|&id| logits[id as usize] = 12.0))
}

fn options(language: &str, rules: &[StopRule]) -> GenerateOptions {
    let mut options = GenerateOptions::default();
    let language = Language::from_name(language).unwrap();
    options.stops.stop_at = Some(StopAt::new(language, rules.iter().copied()));
    options
}

/// The completions, which the events tell as well.
fn run(generator: &Generator, prompt: &[u32], options: &GenerateOptions) -> Vec<Completion> {
    let mut texts = vec![String::new(); options.samples];
    let completions = generator
        .generate(prompt, options, &CancelToken::new(), &mut |event| {
            let (sample, text) = (event.sample(), event.text());
            texts[sample].push_str(text);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(texts.iter().eq(completions.iter().map(|c| &c.text)));
    completions
}

/// How many of the tokens it takes to decide.
fn deciding(options: &GenerateOptions, before: &str, ids: &[u32]) -> Option<usize> {
    let stop = options.stops.stop_at.as_ref().unwrap();
    (0..=ids.len()).find(|&n| {
        let mut decoder = StreamDecoder::new(InvalidUtf8::Replace);
        let mut text = String::new();
        for &id in &ids[..n] {
            decoder
                .push_token(&BpeTokenizer::codegeex().unwrap(), id, &mut text)
                .unwrap();
        }
        cut(&stop.rules, stop.language, before, &text)
            .unwrap()
            .1
            .is_some()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_text_ends_where_the_whole_would_be_cut(
        which in 0..PROMPTS.len(),
        rules in proptest::sample::subsequence(RULES.to_vec(), 1..=2),
        pieces in proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 1..20),
    ) {
        let (language, before) = PROMPTS[which];
        // A prompt has a token at least; what stands before the end of text is no code.
        let prompt = [&[6, 50_256][..], &encode(before)].concat();
        let script = encode(&pieces.concat());
        let mut options = options(language, &rules);
        let model = Arc::new(scripted(prompt.len(), script.clone()));
        let found = run(&generator(model.clone()), &prompt, &options).remove(0);

        let whole = pieces.concat();
        let stop = options.stops.stop_at.clone().unwrap();
        let (text, fired) = cut(&rules, stop.language, before, &whole).unwrap();
        prop_assert_eq!(&found.text, text);
        let reason = fired.map_or(FinishReason::EndOfText, FinishReason::Code);
        prop_assert_eq!(found.finish_reason, reason);
        // Nothing is computed past the token that decides.
        let sampled = deciding(&options, before, &script).unwrap_or(script.len() + 1);
        prop_assert_eq!(model.calls(), sampled);
        prop_assert_eq!(model.fed(), prompt.len() + sampled - 1);
        let all = [&script[..], &[50_256]].concat();
        prop_assert_eq!(&found.ids, &all[..sampled]);

        // The text before the cursor may be given, whatever the prompt is.
        options.stops.stop_at = Some(StopAt { before: Some(before.to_owned()), ..stop });
        let model = Arc::new(scripted(1, script));
        prop_assert_eq!(&run(&generator(model), &[6], &options)[0].text, &found.text);
    }
}

#[test]
fn many_samples_end_each_by_itself_however_they_are_computed() {
    let before = "def f(x):\n    if x:\n";
    let prompt = encode(before);
    let mut free = GenerateOptions::default();
    free.sampling.temperature = 1.0;
    free.samples = 24;
    free.limits.max_new_tokens = 60;
    let pieces = [
        "\n", "    ", "    ", "return", " x", "(", ")", "else", ":", "x",
    ];
    let model = Arc::new(babbling(&pieces));
    let generator = generator(model);
    let unstopped = run(&generator, &prompt, &free);
    for rule in RULES {
        let mut options = free.clone();
        options.stops.stop_at = self::options("python", &[rule]).stops.stop_at;
        let found = run(&generator, &prompt, &options);
        let mut ended = 0;
        for (found, whole) in found.iter().zip(&unstopped) {
            let language = Language::PYTHON;
            let (text, fired) = cut(&[rule], language, before, &whole.text).unwrap();
            assert_eq!(found.text, text);
            let reason = fired.map_or(FinishReason::Length, FinishReason::Code);
            assert_eq!(found.finish_reason, reason);
            assert!(whole.ids.starts_with(&found.ids));
            let sampled = deciding(&options, before, &whole.ids);
            assert_eq!(found.ids.len(), sampled.unwrap_or(whole.ids.len()));
            ended += usize::from(fired.is_some());
        }
        assert!(ended > 12, "{rule} ended {ended}");

        let mut drafting = options.clone();
        let mut speculation = Speculation::lookup();
        speculation.always = true;
        drafting.speculation = Some(speculation);
        for (a, b) in run(&generator, &prompt, &drafting).iter().zip(&found) {
            assert_eq!(
                (&a.text, &a.ids, a.finish_reason),
                (&b.text, &b.ids, b.finish_reason)
            );
        }

        let mut session = Session::new(&generator);
        for _ in 0..2 {
            let go_on = &mut |_: Event| ControlFlow::Continue(());
            let again = session
                .generate(&prompt, &options, &CancelToken::new(), go_on)
                .unwrap();
            assert_eq!(again, found);
        }
        let service = Service::start(&generator, SchedulerOptions::default()).unwrap();
        let ticket = service
            .submit(Request::new(prompt.clone(), options))
            .unwrap();
        assert_eq!(ticket.wait().unwrap(), found);
    }
}

#[test]
fn stop_strings_come_before_rules_and_rules_before_limits() {
    let before = "def f():\n";
    let prompt = encode(before);
    let run = |text: &str, stop: &str, most: usize| {
        let mut options = options("python", &[StopRule::Function]);
        options.stops.stop = vec![stop.to_owned()];
        options.limits.max_new_tokens = most;
        let model = Arc::new(scripted(prompt.len(), encode(text)));
        let found = self::run(&generator(model), &prompt, &options).remove(0);
        (found.text, found.finish_reason)
    };
    let text = "    return 1\n\ndef g():\n    pass\n";
    let function = FinishReason::Code(StopRule::Function);
    // What the rule would cut off is text where a stop string ends it.
    assert_eq!(
        run(text, "def", 99),
        ("    return 1\n\n".into(), FinishReason::Stop(0))
    );
    assert_eq!(
        run(text, "\n\ndef", 99),
        ("    return 1".into(), FinishReason::Stop(0))
    );
    assert_eq!(run(text, "pass", 99), ("    return 1".into(), function));
    // The stop string holds back what decides, and gives it free at the end.
    assert_eq!(
        run(text, "def g():\n    pass\n!", 99),
        ("    return 1".into(), function)
    );
    let most = encode("    return 1\n").len();
    assert_eq!(
        run(text, "no", most),
        ("    return 1\n".into(), FinishReason::Length)
    );
    let most = encode("    return 1\n\ndef").len();
    assert_eq!(run(text, "no", most), ("    return 1".into(), function));
}

#[test]
fn a_rule_ends_a_beam_as_the_end_of_text_does() {
    let before = "int f() {\n";
    let prompt = encode(before);
    let model = Arc::new(babbling(&["x", ";", "}", "\n", " y"]));
    let mut options = BeamOptions::default();
    options.limits.max_new_tokens = 6;
    let c = Language::C;
    options.stops.stop_at = Some(StopAt::new(c, [StopRule::Function]));
    let found = generator(model)
        .beam_search(&prompt, &options, &CancelToken::new())
        .unwrap();
    let function = FinishReason::Code(StopRule::Function);
    assert!(found.iter().any(|b| b.finish_reason == function));
    for beam in &found {
        let whole = BpeTokenizer::codegeex().unwrap().decode(&beam.ids).unwrap();
        let (text, fired) = cut(&[StopRule::Function], c, before, &whole).unwrap();
        assert_eq!(beam.text, text);
        assert_eq!(fired.is_some(), beam.finish_reason == function);
        let close = beam.ids.iter().position(|&id| id == encode("}")[0]);
        assert!(close.is_none_or(|at| at + 1 == beam.ids.len()), "{beam:?}");
    }
}

#[test]
fn every_reason_has_a_name_of_its_own() {
    let mut names: Vec<&str> = RULES.map(|r| FinishReason::Code(r).name()).to_vec();
    names.extend([FinishReason::EndOfText.name(), FinishReason::Stop(0).name()]);
    assert_eq!(names[2], "end_of_function");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 6);
}

#[test]
fn a_character_that_the_prompt_began_is_completed() {
    // The two halves of an emoji.
    let (first, second) = (8582, 25081);
    let run_after = |prompt: &[u32], script: &[u32], stop: &[&str]| {
        let generator = generator(Arc::new(scripted(prompt.len(), script.to_vec())));
        let mut options = GenerateOptions::default();
        options.stops.stop = stop.iter().map(|&stop| stop.to_owned()).collect();
        let completion = run(&generator, prompt, &options).remove(0);
        (completion.text, completion.finish_reason)
    };
    let x = encode("x")[0];
    let end = FinishReason::EndOfText;
    for before in [vec![], encode("a = '")] {
        let prompt = [&before[..], &[first]].concat();
        let found = run_after(&prompt, &[second, x], &[]);
        assert_eq!(found, ("\u{1f642}x".to_owned(), end));
        // A stop string sees the whole character.
        let found = run_after(&prompt, &[second, x], &["\u{1f642}"]);
        assert_eq!(found, (String::new(), FinishReason::Stop(0)));
        // What is not completed is not the completion's.
        assert_eq!(run_after(&prompt, &[x], &[]), ("x".to_owned(), end));
        assert_eq!(run_after(&prompt, &[], &[]), (String::new(), end));
        assert_eq!(
            run_after(&prompt, &[first, second], &[]),
            ("\u{1f642}".to_owned(), end)
        );
    }
    let found = run_after(&[x], &[second, x], &[]);
    assert_eq!(found.0, "\u{fffd}\u{fffd}x");

    // Beams as well.
    let generator = generator(Arc::new(scripted(1, vec![second, x])));
    let mut options = BeamOptions::default();
    options.limits.max_new_tokens = 2;
    let beams = generator
        .beam_search([first], &options, &CancelToken::new())
        .unwrap();
    assert_eq!(beams[0].text, "\u{1f642}x");
}
