//! The hand-written splitter against GPT-2's pattern in a regex engine.

use std::sync::LazyLock;

use fancy_regex::Regex;
use proptest::prelude::*;

use super::super::pretokenize::{at_space_run, piece_end};

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
            piece_end(text, at)
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
