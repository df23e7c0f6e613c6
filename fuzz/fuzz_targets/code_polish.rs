//! What is done to completions before they are shown, on any text: nothing panics, and a second call
//! changes nothing more.
//!
//! The input is a number that picks the language and the style, and three texts.
#![no_main]

use codegeex::Language;
use codegeex::code::{Indentation, cut_at_scope, distinct, reindent, without_overlap};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &str, &str, &str)| {
    let (choice, before, completion, after) = input;
    let languages: Vec<Language> = Language::all().collect();
    let language = languages[usize::from(choice) % languages.len()];
    let style = match choice / 64 {
        0 => Indentation::of(language, before)
            .unwrap()
            .unwrap_or(Indentation::Tabs),
        1 => Indentation::Tabs,
        width => Indentation::Spaces(usize::from(width) * 2 - 2),
    };

    let new = reindent(language, style, before, completion).unwrap();
    assert_eq!(reindent(language, style, before, &new).unwrap(), new);
    let cut = cut_at_scope(language, before, &new).unwrap();
    assert_eq!(cut_at_scope(language, before, cut).unwrap(), cut);
    let cut = without_overlap(language, before, cut, after).unwrap();
    assert_eq!(without_overlap(language, before, cut, after).unwrap(), cut);
    assert!(new.starts_with(cut));

    let kept = distinct(&[completion, &new, cut]).unwrap();
    assert!(kept.iter().is_sorted());
});
