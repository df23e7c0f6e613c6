//! The hand-written splitter against GPT-2's pattern in a regex engine.

use std::sync::LazyLock;

use fancy_regex::Regex;
use proptest::prelude::*;

use super::super::patterns::{KNOWN, Pattern};
use super::super::pretokenize::{at_space_run, piece_end};
use super::super::split::by_steps;

const PATTERN: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// Runs of two or more spaces, at most ten, and what the pattern makes of the text between.
fn naive(text: &str) -> Vec<&str> {
    static SPACES: LazyLock<Regex> = LazyLock::new(|| Regex::new(" {2,10}").unwrap());
    static GPT2: LazyLock<Regex> = LazyLock::new(|| Regex::new(PATTERN).unwrap());
    let mut pieces = Vec::new();
    let mut start = 0;
    let runs: Vec<(usize, usize)> = SPACES
        .find_iter(text)
        .map(|run| run.unwrap())
        .map(|run| (run.start(), run.end()))
        .chain([(text.len(), text.len())])
        .collect();
    for (run, end) in runs {
        let between = &text[start..run];
        pieces.extend(GPT2.find_iter(between).map(|piece| piece.unwrap().as_str()));
        pieces.extend((run < end).then_some(&text[run..end]));
        start = end;
    }
    pieces
}

fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = if at_space_run(text, at) {
            let run = text[at..].bytes().take_while(|&byte| byte == b' ').count();
            at + run.min(10)
        } else {
            piece_end::<true>(text, at)
        };
        pieces.push(&text[at..end]);
        at = end;
    }
    pieces
}

/// Characters that the pattern and the splitter treat in ways of their own.
const DENSE: &str = "[ \n\t\r'stremvldSTLab09.=é½\u{a0}\u{2003}\u{85}\u{1c}中🙂\u{301}]{0,24}";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn splits_as_the_pattern_does(text in prop_oneof![DENSE, "\\PC{0,40}", ".{0,40}", any::<String>()]) {
        prop_assert_eq!(pieces(&text), naive(&text));
    }
}

#[test]
fn splits_every_scalar_value_as_the_pattern_does() {
    for block in (0..=u32::from(char::MAX)).step_by(256) {
        let chars = (block..block + 256).filter_map(char::from_u32);
        let text: String = chars.map(|c| format!("a{c}1{c} {c}.{c}\n{c}")).collect();
        assert_eq!(pieces(&text), naive(&text), "U+{block:04X}");
    }
}

/// Every known pattern, in a regex engine. It folds the case of letters as Unicode does.
static REGEXES: LazyLock<Vec<(&str, Pattern, Regex)>> = LazyLock::new(|| {
    let compiled = |&(text, pattern)| (text, pattern, Regex::new(text).unwrap());
    KNOWN.iter().map(compiled).collect()
});

/// Matches, and what is between them.
fn naive_steps<'t>(steps: &[usize], text: &'t str) -> Vec<&'t str> {
    let Some((&step, rest)) = steps.split_first() else {
        return vec![text];
    };
    let mut pieces = Vec::new();
    let mut done = 0;
    for found in REGEXES[step].2.find_iter(text) {
        let found = found.unwrap();
        pieces.extend([&text[done..found.start()], found.as_str()]);
        done = found.end();
    }
    pieces.push(&text[done..]);
    pieces.retain(|piece| !piece.is_empty());
    pieces
        .into_iter()
        .flat_map(|piece| naive_steps(rest, piece))
        .collect()
}

fn step_pieces<'t>(steps: &[usize], text: &'t str) -> Vec<&'t str> {
    let steps: Vec<Pattern> = steps.iter().map(|&step| REGEXES[step].1).collect();
    let mut pieces = Vec::new();
    by_steps(&steps, text, 0..text.len(), &mut |piece| {
        pieces.push(&text[piece]);
        Ok(())
    })
    .unwrap();
    pieces
}

const DENSER: &str =
    "[ \n\t\r'stremvldSTLVEabſ09.=é½\u{a0}\u{85}\u{1c}中かア龥龦ࠀ가🙂\u{301}\u{200d}€«_(]{0,24}";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn every_known_pattern_splits_as_it_is_written(
        text in prop_oneof![DENSER, DENSE, "\\PC{0,40}", ".{0,40}", any::<String>()],
        steps in prop::collection::vec(0..KNOWN.len(), 1..4),
    ) {
        for step in 0..KNOWN.len() {
            let expected = naive_steps(&[step], &text);
            prop_assert_eq!(step_pieces(&[step], &text), expected, "{}", REGEXES[step].0);
        }
        prop_assert_eq!(step_pieces(&steps, &text), naive_steps(&steps, &text));
    }
}

#[test]
fn every_known_pattern_splits_every_scalar_value() {
    for block in (0..=u32::from(char::MAX)).step_by(256) {
        let chars = (block..block + 256).filter_map(char::from_u32);
        let text: String = chars
            .map(|c| format!("a{c}1{c} {c}.{c}\n{c}'{c}x"))
            .collect();
        for step in 0..KNOWN.len() {
            let expected = naive_steps(&[step], &text);
            assert_eq!(
                step_pieces(&[step], &text),
                expected,
                "U+{block:04X}, {}",
                REGEXES[step].0
            );
        }
    }
}

/// No pattern looks at the same text again and again.
#[test]
fn megabytes_without_a_boundary_are_split_in_linear_time() {
    for unit in [
        "a", "1", " ", "\n", "\t \n", "'", "é", "中", "\u{301}", "\0", " a", "\r \0", ".",
    ] {
        let text = unit.repeat((1 << 21) / unit.len());
        for step in 0..KNOWN.len() {
            let pieces = step_pieces(&[step], &text);
            assert_eq!(
                pieces.iter().map(|piece| piece.len()).sum::<usize>(),
                text.len()
            );
        }
    }
}
