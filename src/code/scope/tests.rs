use super::cut_at_scope;
use crate::language::Language;
use proptest::prelude::*;

fn check(language: &str, before: &str, completion: &str, expected: &str) {
    let language = Language::from_name(language).unwrap();
    let cut = cut_at_scope(language, before, completion).unwrap();
    assert_eq!(cut, expected, "{before:?} {completion:?}");
    assert_eq!(
        cut_at_scope(language, before, cut).unwrap(),
        expected,
        "again"
    );
}

#[test]
fn python() {
    let py = |before, completion, expected| check("python", before, completion, expected);
    // A body ends before the next function, and the blank lines go.
    py(
        "def f():\n    ",
        "return 1\n\n\ndef g():\n    return 2\n",
        "return 1",
    );
    py(
        "def f():\r\n    ",
        "a\r\n    b\r\n\r\ndef g():",
        "a\r\n    b",
    );
    py(
        "def f():",
        "\n    return 1\n\ndef g():\n    pass",
        "\n    return 1",
    );
    py("def f():\n", "    return 1\ndef g():\n", "    return 1");
    py("def f():\n", "\n    return 1\ndef g():\n", "\n    return 1");
    py(
        "def f(",
        "a, b):\n    return a\n\ndef g():",
        "a, b):\n    return a",
    );
    py("def f(\n    a,\n    ", "b,\n):\n    x\ny", "b,\n):\n    x");
    // Nothing leaves the outermost scope.
    py(
        "",
        "a = 1\n\ndef f():\n    pass\n\nb = 2\n",
        "a = 1\n\ndef f():\n    pass\n\nb = 2\n",
    );
    py("x = ", "1\ny = 2\n", "1\ny = 2\n");
    py(
        "def f():\n    x = ",
        "1\n    y = 2\nz = 3\n",
        "1\n    y = 2",
    );
    // Branches belong to the statement whose line it is.
    py(
        "if a",
        ":\n    b\nelse:\n    c\nd\n",
        ":\n    b\nelse:\n    c",
    );
    py("if a:\n    ", "b\nelse:\n    c\n", "b");
    // Brackets, strings and comments hide line starts.
    py(
        "def f():\n    ",
        "x = (\n1,\n)\n    y\nz",
        "x = (\n1,\n)\n    y",
    );
    py(
        "def f():\n    ",
        "x = \"\"\"\nabc\n\"\"\"\n    y\nz",
        "x = \"\"\"\nabc\n\"\"\"\n    y",
    );
    py("def f():\n    ", "x\n# y\n    z\n# end\nw", "x\n# y\n    z");
    py(
        "def f():\n    ",
        "x = 1 + \\\n2\n    y\nz",
        "x = 1 + \\\n2\n    y",
    );
    py("x = f(", "1,\n    2,\n)\ny = 3\n", "1,\n    2,\n)\ny = 3\n");
    py("ret", "urn 1\nx\n", "urn 1\nx\n");
    py("def f():\n    ret", "urn 1\nx\n", "urn 1");
    // Tabs.
    py("def f():\n\t", "x\n\tif y:\n\t\tz\nw", "x\n\tif y:\n\t\tz");
    // Everything leaves.
    py("def f():\n    ", "\n\ndef g():\n    pass", "");
}

#[test]
fn brackets() {
    let js = |before, completion, expected| check("javascript", before, completion, expected);
    js(
        "function f() {\n  ",
        "return 1;\n}\n\nfunction g() {}",
        "return 1;\n}",
    );
    js(
        "function f() {",
        "\n  return \"}\";\n}\ng();",
        "\n  return \"}\";\n}",
    );
    js("if (a) {\n  ", "b();\n} else {\n  c();\n}", "b();\n}");
    js("foo({ a: ", "1 });\nbar();", "1 });");
    js(
        "foo(",
        "function () {\n  x();\n});\nbar();",
        "function () {\n  x();\n});",
    );
    js(
        "function f(",
        "a) {\n  x();\n}\n\nfunction g() {}",
        "a) {\n  x();\n}",
    );
    js("function f()", "\n{\n  x();\n}\ng();", "\n{\n  x();\n}");
    // A statement of the same block is no other scope, nor is a block within.
    js(
        "{\n  let a = ",
        "1;\n  if (a) {\n  }\n  b();\n}\nc();",
        "1;\n  if (a) {\n  }\n  b();\n}",
    );
    js("", "if (a) {\n}\nb();\n", "if (a) {\n}\nb();\n");
    js("/* { */ ", "a();\n// }\nb();", "a();\n// }\nb();");
    // What opened the block may be out of sight.
    js("", "a();\n}\nb();", "a();\n}");
    check(
        "rust",
        "match a {\n    B => {",
        " 1 },\n    C => 2,\n}",
        " 1 },",
    );
}

#[test]
fn words() {
    check("ruby", "def f\n  ", "x\nend\n\ndef g\nend\n", "x\nend");
    check(
        "ruby",
        "def f",
        "(a)\n  a\nend\n\ndef g\nend\n",
        "(a)\n  a\nend",
    );
    check("lua", "f(function()\n  ", "g()\nend)\nh()\n", "g()\nend)");
}

#[test]
fn a_megabyte() {
    let language = Language::PYTHON;
    let lines = "    x = [1, 2]\n".repeat(70_000);
    let completion = format!("{lines}y");
    let kept = cut_at_scope(language, "def f():\n", &completion).unwrap();
    assert_eq!(kept.len(), lines.len() - 1);
}

/// The lines before the first that is less deep than the cursor.
fn slow(completion: &str, depth: usize) -> String {
    let is_inside = |line: &&str| line.len() - line.trim_start().len() >= depth;
    let lines: Vec<&str> = completion.split('\n').collect();
    let kept: Vec<&str> = lines[1..].iter().copied().take_while(is_inside).collect();
    [&lines[..1], &kept].concat().join("\n")
}

proptest! {
    #[test]
    fn a_prefix_that_stays(
        language in proptest::sample::select(Language::all().collect::<Vec<_>>()),
        before in super::super::reader::source(),
        completion in super::super::reader::source(),
    ) {
        let cut = cut_at_scope(language, &before, &completion).unwrap();
        prop_assert!(completion.starts_with(cut));
        prop_assert_eq!(cut_at_scope(language, &before, cut).unwrap(), cut);
    }

    /// Statements of any depth, after a cursor of any depth.
    #[test]
    fn as_line_by_line(depth in 0usize..4, depths in proptest::collection::vec(0usize..4, 0..8)) {
        let before: String = (0..depth).map(|d| format!("{}if x:\n", " ".repeat(d))).collect();
        let lines: Vec<String> = depths.iter().map(|&d| format!("{}x", " ".repeat(d))).collect();
        let completion = [vec!["x".to_owned()], lines].concat().join("\n");
        let python = Language::PYTHON;
        let cut = cut_at_scope(python, &format!("{before}{}", " ".repeat(depth)), &completion).unwrap();
        prop_assert_eq!(cut, slow(&completion, depth));
    }

    #[test]
    fn any_text(before in ".*", completion in ".*") {
        for language in Language::all() {
            cut_at_scope(language, &before, &completion).unwrap();
        }
    }
}
