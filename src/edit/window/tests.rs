//! The window against trying every line, and over streams of edits.

use proptest::prelude::*;

use super::*;
use crate::tokenizer::BpeTokenizer;

const HEAD: &str = "// language: Rust\n";

fn encode(text: &str) -> Vec<u32> {
    BpeTokenizer::codegeex()
        .unwrap()
        .encode(text, SpecialTokens::AsText)
        .unwrap()
}

fn source() -> &'static str {
    include_str!("../../generate/scheduler.rs")
}

/// The leftmost line start from which a prompt has no more tokens than that, by trying each.
fn slow_full(text: &str, target: usize) -> usize {
    let starts = (0..=text.len()).filter(|&at| at == 0 || text.as_bytes()[at - 1] == b'\n');
    let mut fitting = starts.filter(|&at| encode(&[HEAD, &text[at..]].concat()).len() <= target);
    fitting.next().unwrap()
}

#[test]
fn full_is_the_leftmost_line_start_that_fits() {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let window = Window::new(HEAD.into(), 300, 100);
    for end in (0..8000).step_by(331) {
        let text = &source()[..source().floor_char_boundary(end)];
        let found = window.full(&tokenizer, text).unwrap();
        assert_eq!(found, slow_full(text, 200), "{end}");
    }
    // Blank lines and lines of several kinds of ends.
    let text = "\n\n  \n\t\n\r\na = 1\r\n\n\n".repeat(60);
    assert_eq!(
        window.full(&tokenizer, &text).unwrap(),
        slow_full(&text, 200)
    );
}

#[test]
fn a_line_that_is_longer_than_the_window_is_cut_inside() {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let window = Window::new(HEAD.into(), 300, 100);
    let text = format!("let x = \"{}", "héllo wörld ".repeat(2000));
    let at = window.full(&tokenizer, &text).unwrap();
    let tokens = encode(&[HEAD, &text[at..]].concat()).len();
    assert!((190..=200).contains(&tokens), "{tokens}");
    // Dashes have the longest tokens there are.
    let text = "-".repeat(1_000_000);
    let at = window.full(&tokenizer, &text).unwrap();
    assert!(encode(&[HEAD, &text[at..]].concat()).len() <= 200 && at < text.len());
}

#[test]
fn text_that_is_inserted_above_the_window_moves_it_along() {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let mut window = Window::new(HEAD.into(), 300, 100);
    let text = &source()[..6000];
    let (ids, moved) = window.follow(&tokenizer, "", text).unwrap();
    assert!(moved && window.anchor() > 1000);
    let prompt = window.prompt(text);
    let more = format!("use x;\n{text}");
    assert_eq!(
        window.follow(&tokenizer, text, &more).unwrap(),
        (ids, false)
    );
    assert_eq!(window.prompt(&more), prompt);
    // Another text altogether, which fits.
    assert!(window.follow(&tokenizer, &more, "fn f() {").unwrap().1);
    assert_eq!(window.anchor(), 0);
}

#[test]
fn typing_and_deleting_move_the_anchor_once_in_a_step() {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let (most, step) = (400, 100);
    let mut window = Window::new(HEAD.into(), most, step);
    let mut text = String::new();
    let mut moves = Vec::new();
    let mut tokens = |text: &str, old: &str| {
        let (ids, moved) = window.follow(&tokenizer, old, text).unwrap();
        assert!(ids.len() <= most);
        assert_eq!(ids, encode(&window.prompt(text)));
        let anchor = window.anchor();
        assert!(anchor == 0 || text.as_bytes()[anchor - 1] == b'\n');
        if moved {
            moves.push((ids.len(), anchor));
        }
        (moves.len(), ids.len())
    };
    for c in source()[..9000].chars() {
        let old = text.clone();
        text.push(c);
        tokens(&text, &old);
    }
    let whole = encode(&text).len();
    let (typed, mut length) = tokens(&text, &text);
    assert!(typed >= 10 && typed <= whole / (step - 20), "{typed}");
    // Up to the limit and away from it again and again.
    while length < most {
        let old = text.clone();
        text.push_str(" x");
        length = tokens(&text, &old).1;
    }
    let before = tokens(&text, &text).0;
    let full = text.clone() + " x y";
    let mut last = text.clone();
    for i in 0..50 {
        let next = if i % 2 == 0 { &full } else { &text };
        tokens(next, &last);
        last = next.clone();
    }
    assert_eq!(tokens(&last, &last).0, before + 1);
    // Back to the beginning.
    while text.pop().is_some() {
        let old = std::mem::replace(&mut last, text.clone());
        tokens(&last, &old);
    }
    let (all, _) = tokens("", "");
    assert!(all - before <= whole / (step - 20), "{all} {before}");
    assert_eq!(moves.last().unwrap().1, 0, "it is back at the beginning");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_edits_leave_a_prompt_that_fits(edits in proptest::collection::vec((0usize..200, 0usize..200, "[ab \n\u{e9}]{0,200}"), 1..12)) {
        let tokenizer = BpeTokenizer::codegeex().unwrap();
        let mut window = Window::new(HEAD.into(), 80, 20);
        let mut text = String::new();
        for (at, len, with) in edits {
            let old = text.clone();
            let at = text.floor_char_boundary(at);
            let end = text.floor_char_boundary((at + len).min(text.len())).max(at);
            text.replace_range(at..end, &with);
            let before = window.prompt(&old);
            let (ids, moved) = window.follow(&tokenizer, &old, &text).unwrap();
            let prompt = window.prompt(&text);
            prop_assert_eq!(&ids, &encode(&prompt));
            prop_assert!(ids.len() <= 80);
            // What is not cut although it could be seen is less than two steps and a line.
            prop_assert!(window.anchor() == 0 || ids.len() + 40 > 80 || window.anchor() == window.full(&tokenizer, &text).unwrap());
            let same = before.bytes().zip(prompt.bytes()).take_while(|(a, b)| a == b).count();
            prop_assert!(moved || same >= HEAD.len().min(before.len()));
        }
    }
}
