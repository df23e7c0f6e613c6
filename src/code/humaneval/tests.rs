use proptest::prelude::*;

use super::*;

fn language(name: &str) -> Language {
    Language::from_name(name).unwrap()
}

/// The pieces that pass until the rule fires, and whether it did.
fn stream(cut: EvalCut, name: &str, prompt: &str, pieces: &[&str]) -> (String, bool) {
    let mut stop = cut.stop(language(name), prompt);
    let mut out = String::new();
    for piece in pieces {
        if stop.push(piece, &mut out).unwrap().is_some() {
            return (out, true);
        }
    }
    (out + &stop.finish(), false)
}

#[test]
fn names() {
    for cut in CUTS {
        assert_eq!(cut.to_string().parse::<EvalCut>().unwrap(), cut);
    }
    let error = "aware".parse::<EvalCut>().unwrap_err();
    assert!(error.to_string().contains("code-aware"), "{error}");
}

#[test]
fn the_reference_stops_after_the_piece_that_is_enough() {
    let cases: &[(&str, &[&str], &str)] = &[
        (
            "python",
            &["    x\n", "\n", "  y\nde", "f g"],
            "    x\n\n  y\nde",
        ),
        ("python", &["x", "y"], "x"),
        (
            "python",
            &["\r", "\n\u{b}\n", "\t\n", "\u{1f}\u{a0}", "z", "!"],
            "\r\n\u{b}\n\t\n\u{1f}\u{a0}z",
        ),
        ("python", &["    s = '''\n", "a", "b"], "    s = '''\na"),
        ("cpp", &["  f(\"}\"", ");\n"], "  f(\"}\""),
        (
            "c++",
            &["  if (x) {", "}", "\n}\n", "int"],
            "  if (x) {}\n}\n",
        ),
        // Two at once are one too many.
        (
            "java",
            &["  x();\n", "}}", "\nclass B {", " }"],
            "  x();\n}}\nclass B {",
        ),
        ("js", &["// }", "\n"], "// }"),
        ("javascript", &["x }", "\n"], "x }"),
        ("go", &["x }", "\n"], "x }"),
        ("rust", &["x }", "\n"], "x }"),
    ];
    for &(name, pieces, want) in cases {
        let found = stream(EvalCut::Reference, name, "prompt {", pieces);
        assert_eq!(found, (want.to_owned(), true), "{name} {pieces:?}");
    }
    let pieces = ["x\n}\n", "y"];
    let whole = (pieces.concat(), false);
    assert_eq!(stream(EvalCut::Reference, "ruby", "", &pieces), whole);
    let pieces = ["    x\n", "    y\n", "\n"];
    let whole = (pieces.concat(), false);
    assert_eq!(stream(EvalCut::Reference, "python", "", &pieces), whole);
}

#[test]
fn the_reference_cleans_by_strings() {
    let cases = [
        (
            "python",
            "    x\n\n    y\n\ndef g():\n    z\n\ndef h():\n",
            "    x\n\n    y\n",
        ),
        ("python", "    x\n# c\n    y\nassert f\n", "    x"),
        ("python", "    x\nimport a\n", "    x"),
        ("python", "    x\n\n", "    x\n\n"),
        ("python", "x = 1\n", ""),
        ("python", "\nx = 1\n", ""),
        (
            "java",
            "    x();\n    }\n\n    int g() {",
            "    x();\n    }\n}",
        ),
        ("java", "    x();\n    }\n}\n// end", "    x();\n    }\n}"),
        (
            "java",
            "  x }\n public static void main(String[] a) { }",
            "  x }\n }",
        ),
        (
            "java",
            "  x; public static void main(String[] a) { }",
            "  x; }\n}",
        ),
        ("java", "  x;", "  x;"),
        ("go", "  x\n}\n\n// g\nfunc g() {\n}\n", "  x\n}"),
        (
            "go",
            "  // a\n  x\n}\n// b\nfunc g() {}\n// c\nfunc h() {}\n",
            "  // a\n  x\n}\n// b\nfunc g() {}",
        ),
        ("go", "  x\n}\nfunc main() {\n}\n", "  x\n}"),
        ("go", "  x\n", "  x\n"),
        ("cpp", "  x;\n}\nint g() {", "  x;\n}"),
        ("cpp", "  x;\n}\nint g() { } // ", "  x;\n}\nint g() { }"),
        ("js", "  x;\n}\n\nfoo", "  x;\n}"),
        ("rust", "  x\n}\n\nfn", "  x\n}"),
        ("ruby", "  x\nend\ny", "  x\nend\ny"),
    ];
    for (name, completion, want) in cases {
        let found = EvalCut::Reference
            .clean(language(name), "no matter {", completion)
            .unwrap();
        assert_eq!(found, want, "{name} {completion:?}");
    }
}

#[test]
fn code_aware_cuts_are_not_fooled() {
    let cases = [
        (
            "python",
            "def f():\n    \"\"\"Doc.\"\"\"\n",
            "    s = '''\ndef g\n'''\n    return s\n# c\nx = 1\n",
            "    s = '''\ndef g\n'''\n    return s",
        ),
        (
            "java",
            "class Solution {\n    // {\n    int f() {\n",
            "        return \"}\".length(); // }\n    }\n\n    int g() {\n",
            "        return \"}\".length(); // }\n    }\n}",
        ),
        (
            "java",
            "class Solution {\n    int f() {\n",
            "        return 1;\n",
            "        return 1;\n",
        ),
        (
            "cpp",
            "int f() {\n",
            "    return '}';\n}\nint main() {\n",
            "    return '}';\n}",
        ),
        (
            "js",
            "const f = (x) => {\n",
            "  return `}${x}`\n}\nf()\n",
            "  return `}${x}`\n}",
        ),
        (
            "go",
            "func f() rune {\n",
            "\treturn '}'\n}\n// g\n",
            "\treturn '}'\n}",
        ),
        (
            "rust",
            "fn f() {\n/* { */\n",
            "    g(\"}\")\n}\nfn g",
            "    g(\"}\")\n}",
        ),
    ];
    for (name, prompt, completion, want) in cases {
        let cut = EvalCut::CodeAware;
        let found = cut.clean(language(name), prompt, completion).unwrap();
        assert_eq!(found, want, "{name} {completion:?}");
        // The same from what has passed while it streamed, in pieces of any size.
        for size in [1, 2, 5, 64] {
            let pieces: Vec<&str> = completion
                .as_bytes()
                .chunks(size)
                .map(|p| std::str::from_utf8(p).unwrap())
                .collect();
            let (passed, _) = stream(cut, name, prompt, &pieces);
            assert_eq!(cut.clean(language(name), prompt, &passed).unwrap(), want);
        }
    }
}

/// Word for word what the scripts are known to do.
fn by_words(name: &str, completion: &str) -> String {
    let mut code = completion.to_owned();
    let cut_at_last = |code: &mut String, word: &str| {
        if let Some(at) = code.rfind(word) {
            code.truncate(at);
        }
    };
    match name {
        "python" => {
            for word in ["\ndef", "\nclass", "\nif", "\n#", "\nprint", "\nassert"] {
                cut_at_last(&mut code, word);
            }
            let mut kept = Vec::new();
            for line in code.split('\n') {
                if !line.trim().is_empty() && !line.starts_with(' ') && !line.starts_with('\t') {
                    break;
                }
                kept.push(line);
            }
            return kept.join("\n");
        }
        "java" => {
            if let Some(at) = code.find("public static void main") {
                code.truncate(at);
                code.push('}');
            }
        }
        "go" => {
            cut_at_last(&mut code, "\n//");
            cut_at_last(&mut code, "\nfunc main(");
        }
        _ => {}
    }
    if code.contains('}') {
        cut_at_last(&mut code, "}");
        code.push('}');
    }
    if name == "java" && code.matches('{').count() + 1 == code.matches('}').count() {
        code.push_str("\n}");
    }
    code
}

fn is_finished(name: &str, code: &str) -> bool {
    match name {
        "python" => code
            .split('\n')
            .any(|l| !l.trim().is_empty() && !l.starts_with(' ') && !l.starts_with('\t')),
        _ => code.matches('{').count() + 1 == code.matches('}').count(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_reference_is_what_its_words_say(
        name in proptest::sample::select(vec!["python", "java", "go", "cpp", "js", "rust"]),
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "\n", "\n", "\n    ", "\n\t", " ", "{", "}", "}}", "x", "\ndef", "\nclass", "\nif", "\n#", "\nprint", "\nassert",
            "public static void main", "\n//", "\nfunc main(", "\r\n", "\u{a0}", "\u{e9}", "//", "def",
        ]), 0..16),
    ) {
        let whole = pieces.concat();
        prop_assert_eq!(EvalCut::Reference.clean(language(name), "", &whole).unwrap(), by_words(name, &whole));
        let first = (1..=pieces.len()).find(|&n| is_finished(name, &pieces[..n].concat()));
        let want = (pieces[..first.unwrap_or(pieces.len())].concat(), first.is_some());
        prop_assert_eq!(stream(EvalCut::Reference, name, "", &pieces), want);
    }
}
