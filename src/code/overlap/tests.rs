use super::{next_lower, overlaps, without_overlap};
use crate::language::Language;
use proptest::prelude::*;

fn check(language: &str, before: &str, completion: &str, after: &str, expected: &str) {
    let language = Language::from_name(language).unwrap();
    let cut = without_overlap(language, before, completion, after).unwrap();
    assert_eq!(cut, expected, "{before:?} {completion:?} {after:?}");
    assert_eq!(
        without_overlap(language, before, cut, after).unwrap(),
        expected,
        "again"
    );
}

#[test]
fn closers_that_editors_insert() {
    let py =
        |before, completion, after, expected| check("python", before, completion, after, expected);
    py("print(", "x)", ")", "x");
    py("print(", "x)\nprint(y)", ")\n", "x");
    py("print(\"", "a\")", "\")\n", "a");
    py("print(\"", "a (b\")", "\")\n", "a (b");
    py("print(\"", "a\")", ")\n", "a\"");
    py("print(\"", "a\", b)", ", \"x\")\n", "a\", b");
    py("x = [", "1, 2]", "]", "1, 2");
    py("x = {", "\"a\": [1]}", "}", "\"a\": [1]");
    py("x = \"\"\"", "doc\"\"\"\ny", "\"\"\"\n", "doc");
    py("x = '", "it\\'s'", "'", "it\\'s");
    // One of two was missing.
    py("f(g(", "x))", ")\n", "x)");
    py("f(g(", "x))", "))\n", "x");
    // Their own closers stay.
    py("f(", "(1, 2)", ")\n", "(1, 2)");
    py("f(", "g(x)", ")\n", "g(x)");
    py("x = ", "[1]", "]", "[1]");
    py("f(", "\"a\"", "\"b\")", "\"a\"");
    // Nor is a delimiter cut in two.
    check("groovy", "", "\"\"\"\"\"\"", "\"", "\"\"\"\"\"\"");
    // Nothing follows.
    py("f(", "x)\n", "", "x)\n");
    check("c", "int a = f(", "x);\n", ");\n", "x");
    check("c", "/* ", "a */\nint b;", " */\n", "a");
    check("rust", "let c = '", "x';", "';\n", "x");
    check("javascript", "f({", " a: 1 });", "});\n", " a: 1 ");
    check("javascript", "f(`a ${", "b}`)", "}`)\n", "b");
    check("javascript", "if (x) {", "\n  y();\n}", "}\n", "\n  y();\n");
}

#[test]
fn closers_on_their_own_lines() {
    let rust =
        |before, completion, after, expected| check("rust", before, completion, after, expected);
    rust("fn f() {\n    ", "g();\n}", "\n}\n", "g();");
    rust("fn f() {\r\n    ", "g();\r\n}", "\r\n}\r\n", "g();");
    rust("fn f() {\n    ", "g();\n}\n\nfn h() {}", "\n}\n", "g();");
    rust("fn f() {\n    ", "g();\n}", "\n    h();\n}\n", "g();");
    // The block that was opened last is not closed yet: its closer stays.
    rust(
        "fn f() {\n    if x {\n        ",
        "g();\n    }\n}",
        "\n}\n",
        "g();\n    }",
    );
    rust(
        "fn f() {\n    if x {\n        ",
        "g();\n    }\n}",
        "\n    }\n}\n",
        "g();",
    );
    rust(
        "fn f() {\n    if x {",
        "\n        g();\n    }",
        "\n}\n",
        "\n        g();\n    }",
    );
    // Its own blocks keep theirs.
    rust(
        "fn f() {\n    ",
        "if x {\n    }\n    y();\n}",
        "\n}\n",
        "if x {\n    }\n    y();",
    );
    // Strings and comments close nothing.
    rust(
        "fn f() {\n    ",
        "g(\"}\"); // }",
        "\n}\n",
        "g(\"}\"); // }",
    );
    // The text before begins late.
    rust("", "g();\n}", "\n}\n", "g();");
    check("ruby", "def f\n  ", "x\nend", "\nend\n", "x");
    check(
        "ruby",
        "def f\n  if x\n    ",
        "y\n  end\nend",
        "\nend\n",
        "y\n  end",
    );
    check(
        "ruby",
        "def f\n  ",
        "if x\n    y\n  end",
        "\nend\n",
        "if x\n    y\n  end",
    );
}

#[test]
fn what_follows_on_the_line() {
    check("c", "int x = ", "f(y);", ";", "f(y)");
    check("c", "int x = f", "(y);", ";\nint z;", "(y)");
    check("python", "f(a, ", "x, b, c)", "b, c)\n", "x, ");
    check("python", "if a", " == 1:", ":\n", " == 1");
    check("python", "x = ", "a ", " + b", "a");
    check("python", "retu", "rn x", "rn x\n", "");
    // Not within words.
    check("python", "x = ", "a", "and b", "a");
    check("python", "x = ", "banana", "na", "banana");
    check("python", "x = [", "1", "10]", "1");
    check("python", "x = \"", "hello world\"", " world\"", "hello");
}

#[test]
fn lines_that_follow() {
    let py =
        |before, completion, after, expected| check("python", before, completion, after, expected);
    py(
        "a = 1\n",
        "b = 2\nc = 3\nd = 4",
        "\nc = 3\nd = 4\n",
        "b = 2",
    );
    py(
        "a = 1\n",
        "b = 2\nc = 3\nd = 5",
        "\n\nc = 3\nd = 4\n",
        "b = 2",
    );
    py("a = 1\n", "b = 2\r\nc = 3\r\n", "\r\nc = 3\r\n", "b = 2");
    py("def f():\n    ", "return x", "\n    return x\n", "");
    py(
        "def f():\n    ",
        "x = 1\n    return x",
        "\n    return x\n",
        "x = 1",
    );
    py(
        "class A:\n    ",
        "x = 1\n\n    def g(self):\n        pass",
        "\n\n    def g(self):\n        return 1\n",
        "x = 1",
    );
    py("if a:\n    ", "b\nelse:\n    c", "\nelse:\n    d\n", "b");
    // Only with the same indentation, and in code.
    py(
        "if a:\n    ",
        "if b:\n        c\n    else:\n        d",
        "\nelse:\n    e\n",
        "if b:\n        c\n    else:\n        d",
    );
    py(
        "x = ",
        "\"\"\"\nb = 2\n\"\"\"",
        "\nb = 2\n",
        "\"\"\"\nb = 2\n\"\"\"",
    );
    py("x = ", "(\nb,\n)", "\nb,\n", "(\nb,\n)");
    // A half line, as where a limit ended it, if it ends with a word.
    py("a = 1\n", "b = 2\nc =", "\nc = 3\n", "b = 2");
    // A word that was begun is finished.
    py("return x\nret", "urn x", "\nreturn x\n", "urn x");
    // Closers alone are no evidence.
    check(
        "javascript",
        "",
        "f(() => {\n});\ng(() => {\n});",
        "\n});\n",
        "f(() => {\n});\ng(() => {\n});",
    );
}

#[test]
fn white_space_before_a_line_break_goes() {
    check("python", "x = ", "1  \n\n", "\n", "1");
    check("python", "x = ", "1\n", "", "1\n");
    check("python", "x = ", "1\n    ", "  y", "1\n    ");
    check("python", "", "", "", "");
}

#[test]
fn long_texts() {
    let c = Language::C;
    for (text, after) in [
        (";", ";a"),
        ("a", "a"),
        ("(", ")"),
        (")", ")"),
        (" ", " ;"),
        ("\"", "\""),
        (";\n", "\n;\n"),
        ("a;", "a;a"),
        ("{\n", "}\n"),
        (";", "; b\na;"),
    ] {
        let long = text.repeat(200_000 / text.len());
        for (before, completion, after) in [
            ("", &*long, after),
            ("", after, &long),
            (&long, after, after),
            (&long, &long, &long),
        ] {
            let start = std::time::Instant::now();
            without_overlap(c, before, completion, after).unwrap();
            // The square of the length would be 40 billion steps.
            let seconds = start.elapsed().as_secs();
            assert!(seconds < 10, "{text:?} {after:?}: {seconds} s");
        }
    }
}

proptest! {
    #[test]
    fn a_prefix_that_stays(
        language in proptest::sample::select(Language::all().collect::<Vec<_>>()),
        before in super::super::reader::source(),
        completion in super::super::reader::source(),
        after in super::super::reader::source(),
    ) {
        let cut = without_overlap(language, &before, &completion, &after).unwrap();
        prop_assert!(completion.starts_with(cut));
        prop_assert_eq!(without_overlap(language, &before, cut, &after).unwrap(), cut);
    }

    #[test]
    fn any_text(before in ".*", completion in ".*", after in ".*") {
        for language in Language::all() {
            without_overlap(language, &before, &completion, &after).unwrap();
        }
    }

    /// A completion that is balanced stays so, whatever follows.
    #[test]
    fn own_brackets_keep_their_closers(
        before in "[(\\[{x]{0,4}",
        halves in "[(\\[{;x ]{0,8}",
        after in "[)\\]}(\\[{;x ]{0,8}",
    ) {
        let closer = |c| match c {
            '(' => Some(')'),
            '[' => Some(']'),
            '{' => Some('}'),
            _ => None,
        };
        let mirrored: String = halves.chars().rev().filter_map(closer).collect();
        let completion = format!("{halves}{mirrored}");
        let c = Language::C;
        let cut = without_overlap(c, &before, &completion, &after).unwrap();
        let mut expected = Vec::new();
        for c in cut.chars() {
            match closer(c) {
                Some(close) => expected.push(close),
                None if ")]}".contains(c) => prop_assert_eq!(expected.pop(), Some(c)),
                None => {}
            }
        }
        prop_assert!(expected.is_empty(), "{:?} of {:?}", cut, completion);
    }

    /// Every length at every end.
    #[test]
    fn overlaps_are_those_found_by_trying(text in "[ab\u{e9}]{0,20}", after in "[ab\u{e9}]{0,8}") {
        let found = overlaps(&text, &after).unwrap();
        for end in 0..=text.len() {
            let mut len = found.longest[end];
            let tried = (1..=end.min(after.len()))
                .rev()
                .filter(|&k| text.as_bytes()[..end].ends_with(&after.as_bytes()[..k]));
            for k in tried {
                prop_assert_eq!(len, k);
                len = found.shorter[len];
            }
            prop_assert_eq!(len, 0);
        }
    }

    #[test]
    fn next_lower_is_the_first_lower(values in proptest::collection::vec(0usize..5, 0..30)) {
        let next = next_lower(&values).unwrap();
        for (i, v) in values.iter().enumerate() {
            let expected = (i + 1..values.len()).find(|&j| values[j] < *v);
            prop_assert_eq!(next[i], expected.unwrap_or(values.len()));
        }
    }
}
