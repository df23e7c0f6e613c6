//! Where code ends, on any text: nothing panics, the pieces do not matter, what was passed on stays,
//! and cutting again changes nothing.
//!
//! The input is a number that picks the language, one whose bits pick the rules, two texts, and where
//! the second one is cut into pieces.
#![no_main]

use codegeex::Language;
use codegeex::code::{CodeStop, EvalCut, StopRule, cut};
use libfuzzer_sys::fuzz_target;

const RULES: [StopRule; 4] = [
    StopRule::Line,
    StopRule::Block,
    StopRule::Function,
    StopRule::Unindented,
];

fuzz_target!(|input: (u8, u8, &str, &str, Vec<u8>)| {
    let (language, rules, before, text, sizes) = input;
    let languages: Vec<Language> = Language::all().collect();
    let language = languages[usize::from(language) % languages.len()];
    let rules: Vec<StopRule> = (RULES.into_iter().enumerate())
        .filter(|(i, _)| rules >> i & 1 == 1)
        .map(|(_, rule)| rule)
        .collect();
    let (answer, fired) = cut(&rules, language, before, text).unwrap();
    assert!(text.starts_with(answer));
    assert!(fired.is_none_or(|rule| rules.contains(&rule)));
    assert_eq!(cut(&rules, language, before, answer).unwrap().0, answer);

    let mut stop = CodeStop::new(&rules, language, before);
    let (mut out, mut rest, mut found) = (String::new(), text, None);
    let mut sizes = sizes.into_iter().map(|size| usize::from(size % 16));
    while !rest.is_empty() && found.is_none() {
        let size = sizes.next().unwrap_or(rest.len()).min(rest.len());
        let size = (size..).find(|&i| rest.is_char_boundary(i)).unwrap_or(0);
        let (piece, tail) = rest.split_at(size);
        rest = tail;
        found = stop.push(piece, &mut out).unwrap();
        assert!(answer.starts_with(&out));
    }
    out.push_str(&stop.finish());
    assert_eq!((out.as_str(), found), (answer, fired));

    for cut in [EvalCut::Reference, EvalCut::CodeAware] {
        cut.clean(language, before, text).unwrap();
        let mut out = String::new();
        cut.stop(language, before).push(text, &mut out).unwrap();
        assert!(text.starts_with(&out));
    }
});
