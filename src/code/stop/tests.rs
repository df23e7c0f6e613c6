//! Cases by hand; `oracle` has the whole-text implementations that generated texts are held
//! against.

mod cases;
mod oracle;

use proptest::prelude::*;

use super::*;
use crate::code::reader::source;

const LINE: StopRule = StopRule::Line;
const BLOCK: StopRule = StopRule::Block;
const FUNCTION: StopRule = StopRule::Function;
const UNINDENTED: StopRule = StopRule::Unindented;

fn language(name: &str) -> Language {
    Language::from_name(name).unwrap()
}

/// What passes, piece by piece, and the number of the piece at which a rule fires.
fn push_all<'a>(
    rules: &[StopRule],
    language: Language,
    before: &str,
    pieces: impl IntoIterator<Item = &'a str>,
) -> (String, Option<(StopRule, usize)>) {
    let mut stop = CodeStop::new(rules, language, before);
    let mut out = String::new();
    for (i, piece) in pieces.into_iter().enumerate() {
        if let Some(rule) = stop.push(piece, &mut out).unwrap() {
            let done = out.clone();
            assert_eq!(stop.push("x\n}\nend\n", &mut out).unwrap(), Some(rule));
            assert_eq!((out + &stop.finish()), done, "text after the end");
            return (done, Some((rule, i)));
        }
    }
    out.push_str(&stop.finish());
    (out, None)
}

/// The pieces do not matter, what is passed on stays, and the end is seen at the first character
/// that decides it.
fn check_pieces(rules: &[StopRule], language: Language, before: &str, text: &str) {
    let (answer, fired) = cut(rules, language, before, text).unwrap();
    let chars: Vec<&str> = text
        .char_indices()
        .map(|(at, c)| &text[at..at + c.len_utf8()])
        .collect();
    let (out, at) = push_all(rules, language, before, chars.iter().copied());
    assert_eq!((out.as_str(), at.map(|a| a.0)), (answer, fired), "{text:?}");
    let decides = at.map(|(_, i)| chars[..=i].iter().map(|c| c.len()).sum::<usize>());
    for (split, _) in text.char_indices() {
        let pieces = [&text[..split], &text[split..]];
        let (out, at) = push_all(rules, language, before, pieces);
        assert_eq!((out.as_str(), at.map(|a| a.0)), (answer, fired), "{split}");
        let first = decides.is_some_and(|decides| decides <= split);
        assert_eq!(at.map(|a| a.1), decides.map(|_| usize::from(!first)));
        // A text that ends here is whole unless the rule has fired.
        let (shorter, fired) = cut(rules, language, before, pieces[0]).unwrap();
        match fired {
            Some(_) => assert_eq!(shorter, answer),
            None => assert_eq!(shorter, pieces[0]),
        }
    }
}

#[test]
fn rules_have_names() {
    for rule in RULES {
        assert_eq!(rule.name().parse::<StopRule>().unwrap(), rule);
        assert_eq!(rule.to_string(), rule.name());
    }
    let error = "lines".parse::<StopRule>().unwrap_err();
    assert!(error.to_string().contains("line, block"), "{error}");
}

#[test]
fn of_several_rules_the_first_to_fire_ends_and_the_first_given_wins() {
    let go = language("go");
    let before = "func f() {\n\tif x {\n";
    let text = "\t\ty()\n\t}\n}\nfunc g() {}\n";
    let cut = |rules: &[StopRule]| {
        check_pieces(rules, go, before, text);
        cut(rules, go, before, text).unwrap()
    };
    assert_eq!(cut(&[FUNCTION, BLOCK]), ("\t\ty()\n\t}", Some(BLOCK)));
    assert_eq!(cut(&[BLOCK, LINE]), ("\t\ty()", Some(LINE)));
    assert_eq!(cut(&[FUNCTION]), ("\t\ty()\n\t}\n}", Some(FUNCTION)));
    assert_eq!(cut(&[]), (text, None));
    let before = "func f() {\n";
    let text = "\ty()\n}";
    for rules in [[BLOCK, FUNCTION], [FUNCTION, BLOCK]] {
        check_pieces(&rules, go, before, text);
        let first = Some(rules[0]);
        assert_eq!(
            super::cut(&rules, go, before, text).unwrap(),
            ("\ty()\n}", first)
        );
    }
}

#[test]
fn what_may_be_cut_off_is_held_back_and_nothing_else() {
    let mut stop = CodeStop::new(&[FUNCTION], language("python"), "def f():\n");
    let mut pushes = |text: &str| {
        let mut out = String::new();
        let fired = stop.push(text, &mut out).unwrap();
        (out, fired)
    };
    assert_eq!(pushes("    x = [\n1,\n"), ("    x = [\n1,\n".into(), None));
    assert_eq!(pushes("]\r\n"), ("]".into(), None));
    assert_eq!(pushes("# no code\n\n  "), ("".into(), None));
    assert_eq!(pushes(" "), ("".into(), None));
    assert_eq!(pushes("y"), ("\r\n# no code\n\n   y".into(), None));
    assert_eq!(pushes("\nz"), ("".into(), Some(FUNCTION)));

    // Words of languages whose words close blocks.
    let mut stop = CodeStop::new(&[BLOCK], language("lua"), "if x then\n");
    let mut out = String::new();
    assert_eq!(stop.push("  y() en", &mut out).unwrap(), None);
    assert_eq!(out, "  y() ");
    assert_eq!(stop.push("d", &mut out).unwrap(), None);
    assert_eq!(stop.push("\n", &mut out).unwrap(), Some(BLOCK));
    assert_eq!(out, "  y() end");
}

#[test]
fn long_texts() {
    for name in ["python", "c", "haskell", "lua"] {
        // Deeper and deeper, open and open.
        let mut text = String::new();
        for i in 0..400 {
            text.push_str(&" ".repeat(i));
            text.push_str("if (x) {:\n");
        }
        text.push_str(&"\n".repeat(20_000));
        text.push_str(&"(".repeat(20_000));
        text.push_str(&"w".repeat(20_000));
        text.push_str(&"\"\"\"\n".repeat(5_000));
        let rules = [FUNCTION, BLOCK, UNINDENTED];
        let before = "def f():\n int f() {";
        let mut stop = CodeStop::new(&rules, language(name), before);
        let mut out = String::new();
        let mut fired = None;
        for piece in text.as_bytes().chunks(7) {
            fired = stop
                .push(std::str::from_utf8(piece).unwrap(), &mut out)
                .unwrap();
        }
        out.push_str(&stop.finish());
        let whole = cut(&rules, language(name), before, &text).unwrap();
        assert_eq!((out.as_str(), fired), whole);
        assert!(out.len() > 10_000 || fired.is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn pieces_do_not_matter(
        which in 0..Language::COUNT,
        before in source(),
        text in source(),
        rules in proptest::sample::subsequence(vec![LINE, BLOCK, FUNCTION, UNINDENTED], 1..=3),
    ) {
        let language = Language::all().nth(which).unwrap();
        check_pieces(&rules, language, &before, &text);
    }
}
