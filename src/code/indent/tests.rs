use super::Indentation::{self, Spaces, Tabs};
use super::reindent;
use crate::language::Language;
use proptest::prelude::*;

fn check(language: &str, style: Indentation, before: &str, completion: &str, expected: &str) {
    let language = Language::from_name(language).unwrap();
    let new = reindent(language, style, before, completion).unwrap();
    assert_eq!(new, expected, "{before:?} {completion:?}");
    assert_eq!(
        reindent(language, style, before, &new).unwrap(),
        expected,
        "again"
    );
}

#[test]
fn the_style_of_a_file() {
    let of =
        |language, text| Indentation::of(Language::from_name(language).unwrap(), text).unwrap();
    assert_eq!(of("python", "def f():\n    x\n"), Some(Spaces(4)));
    assert_eq!(
        of("python", "class A:\n  def f():\n    x\n"),
        Some(Spaces(2))
    );
    assert_eq!(of("go", "func f() {\n\tx()\n}\n"), Some(Tabs));
    assert_eq!(of("go", "func f() {\r\n\tx()\r\n}\r\n"), Some(Tabs));
    assert_eq!(of("ruby", "def f\n  x\nend\n"), Some(Spaces(2)));
    assert_eq!(of("c", "f(\n   a);\n"), Some(Spaces(3)));
    // Comments, strings and aligned lines do not count.
    assert_eq!(
        of("java", "/**\n * a\n */\nclass A {\n    int b;\n}\n"),
        Some(Spaces(4))
    );
    assert_eq!(
        of("python", "x = '''\n\ta\n\tb\n'''\nif x:\n  y\n"),
        Some(Spaces(2))
    );
    assert_eq!(
        of("python", "f(a,\n  b,\n  c)\nif x:\n    y\n"),
        Some(Spaces(4))
    );
    // Nothing opens a block.
    assert_eq!(of("python", "    x\n        y\n"), Some(Spaces(4)));
    assert_eq!(of("python", "  x\n"), Some(Spaces(2)));
    assert_eq!(of("python", "   x\n"), None);
    assert_eq!(of("python", ""), None);
}

#[test]
fn spaces_to_tabs() {
    let go = |before, completion, expected| check("go", Tabs, before, completion, expected);
    go(
        "func f() {\n\t",
        "if a {\n        b()\n    }\n}",
        "if a {\n\t\tb()\n\t}\n}",
    );
    go(
        "func f() {",
        "\n  if a {\n    b()\n  }\n}",
        "\n\tif a {\n\t\tb()\n\t}\n}",
    );
    go("func f() {", "\r\n    a()\r\n}", "\r\n\ta()\r\n}");
    go("func f() {\n", "    a()\n}", "\ta()\n}");
    // One level in the only line, and indentation for what follows the cursor.
    go("func f() {", "\n    ", "\n    ");
    go("func f() {", "\n    a()\n    ", "\n\ta()\n\t");
    // What is aligned keeps the rest in spaces.
    go(
        "func f() {",
        "\n    a(b,\n      c)\n}",
        "\n\ta(b,\n\t  c)\n}",
    );
    check(
        "java",
        Tabs,
        "class A {",
        "\n    /**\n     * b\n     */\n    int c;\n",
        "\n\t/**\n\t * b\n\t */\n\tint c;\n",
    );
    // No width is to be seen.
    go(
        "func f() {",
        "\n   a()\n     b()\n}",
        "\n   a()\n     b()\n}",
    );
    // Nor is what stands within the line indentation.
    go("x :=", "    1\n", "    1\n");
    // Strings stay.
    go(
        "func f() {",
        "\n    a := `\n    b\n`\n",
        "\n\ta := `\n    b\n`\n",
    );
    go("a := `\n", "    b\n", "    b\n");
}

#[test]
fn tabs_to_spaces() {
    let js =
        |before, completion, expected| check("javascript", Spaces(2), before, completion, expected);
    js(
        "function f() {\n  ",
        "if (a) {\n\t\tb();\n\t}\n}",
        "if (a) {\n    b();\n  }\n}",
    );
    js("function f() {\n", "\ta();\n}", "  a();\n}");
    check(
        "python",
        Spaces(4),
        "x = 1\n",
        "y = '''\n\ta\n'''\nif z:\n\tw\n",
        "y = '''\n\ta\n'''\nif z:\n    w\n",
    );
}

#[test]
fn other_widths() {
    let js =
        |before, completion, expected| check("javascript", Spaces(2), before, completion, expected);
    js(
        "function f() {",
        "\n    if (a) {\n        b();\n    }\n}",
        "\n  if (a) {\n    b();\n  }\n}",
    );
    js(
        "function f() {\n  ",
        "if (a) {\n      b();\n  }\n}",
        "if (a) {\n    b();\n  }\n}",
    );
    // As the file has it, with a line that continues another.
    js(
        "function f() {\n  ",
        "if (a) {\n    b(1 +\n        2);\n  }\n",
        "if (a) {\n    b(1 +\n        2);\n  }\n",
    );
    check(
        "python",
        Spaces(4),
        "def f():",
        "\n  if a:\n    b\n  c\n",
        "\n    if a:\n        b\n    c\n",
    );
    // Steps that differ say nothing.
    let mixed = "\n  if a:\n     b\n  c\n";
    check("python", Spaces(4), "def f():", mixed, mixed);
}

#[test]
fn indentation_at_the_cursor() {
    let py =
        |before, completion, expected| check("python", Spaces(4), before, completion, expected);
    // It is there already, and comes again.
    py("def f():\n    ", "    a\n    b\n", "a\n    b\n");
    py(
        "def f():\n    ",
        "    if a:\n        b\n",
        "if a:\n        b\n",
    );
    py("def f():\n    ", "    return 1", "return 1");
    // It is not there, or not all of it.
    py("def f():\n", "    a\n    b\n", "    a\n    b\n");
    py(
        "class A:\n    def f():\n    ",
        "    return 1",
        "    return 1",
    );
    py("def f():\n  ", "  a\n    b\n", "  a\n    b\n");
    check(
        "go",
        Tabs,
        "func f() {\n\ta()\n\t",
        "    b()\n    c()\n}",
        "b()\n\tc()\n}",
    );
    check(
        "ruby",
        Spaces(2),
        "  def f(x)\n  ",
        "  y\n  end\n",
        "  y\n  end\n",
    );
    // Chains and lists may be deeper.
    check(
        "rust",
        Spaces(4),
        "    let a = b\n    ",
        "    .c();\n",
        "    .c();\n",
    );
    py("x = [\n    ", "    1,\n]", "    1,\n]");
}

#[test]
fn any_width_is_harmless() {
    for width in [0, 1, 17, usize::MAX] {
        let python = Language::PYTHON;
        let new = reindent(python, Spaces(width), "if a:", "\n\tb\n\tif c:\n\t\td\n").unwrap();
        assert!(new.len() < 100);
    }
}

#[test]
fn a_megabyte() {
    let python = Language::PYTHON;
    let long = "if x:\n\ty = [1, 2]\n".repeat(60_000);
    let new = reindent(python, Spaces(4), "", &long).unwrap();
    assert_eq!(new, long.replace('\t', "    "));
    assert_eq!(Indentation::of(python, &long).unwrap(), Some(Tabs));
    assert_eq!(Indentation::of(python, &new).unwrap(), Some(Spaces(4)));
    let tabs = "\t".repeat(1_000_000);
    assert_eq!(
        reindent(python, Spaces(4), &tabs, &tabs).unwrap().len(),
        4_000_000
    );
}

/// What is not blank, and where lines end.
fn without_blanks(text: &str) -> String {
    text.chars().filter(|&c| c != ' ' && c != '\t').collect()
}

proptest! {
    #[test]
    fn nothing_but_indentation_changes_and_once_only(
        language in proptest::sample::select(Language::all().collect::<Vec<_>>()),
        style in prop_oneof![Just(Tabs), (1usize..9).prop_map(Spaces)],
        before in super::super::reader::source(),
        completion in super::super::reader::source(),
    ) {
        let new = reindent(language, style, &before, &completion).unwrap();
        prop_assert_eq!(without_blanks(&new), without_blanks(&completion));
        for (a, b) in completion.split('\n').zip(new.split('\n')) {
            let blanks = |c| c == ' ' || c == '\t';
            prop_assert_eq!(a.trim_start_matches(blanks), b.trim_start_matches(blanks));
        }
        let again = reindent(language, style, &before, &new).unwrap();
        prop_assert_eq!(&*again, &*new);
    }

    #[test]
    fn any_text(before in ".*", completion in ".*") {
        for language in Language::all() {
            if let Some(style) = Indentation::of(language, &before).unwrap() {
                reindent(language, style, &before, &completion).unwrap();
            }
        }
    }

    /// Code in one style comes out in the other, whatever its shape.
    #[test]
    fn a_block_in_any_style(depths in proptest::collection::vec(0usize..4, 1..12), from in 0usize..6) {
        // Each line may be one deeper than the one before, which then opens a block.
        let mut levels = vec![0];
        for d in depths {
            let last = *levels.last().unwrap();
            levels.push(d.min(last + 1));
        }
        let write = |unit: &str| -> String {
            let next = levels.iter().skip(1).map(Some).chain([None]);
            levels
                .iter()
                .zip(next)
                .map(|(&l, n)| {
                    let opens = n.is_some_and(|&n| n > l);
                    format!("{}{}\n", unit.repeat(l), if opens { "if x:" } else { "x" })
                })
                .collect()
        };
        let from = ["\t", "  ", "   ", "    ", "     ", "        "][from];
        let python = Language::PYTHON;
        for (style, to) in [(Tabs, "\t"), (Spaces(2), "  "), (Spaces(4), "    ")] {
            let text = write(from);
            prop_assert_eq!(reindent(python, style, "", &text).unwrap(), write(to));
        }
    }
}

#[test]
fn a_level_that_is_typed_in_part_is_completed() {
    let python = Language::PYTHON;
    let style = Indentation::Spaces(4);
    for typed in 1..4 {
        let before = format!("def f():\n{}", " ".repeat(typed));
        let completion = format!("{}return 1\n", " ".repeat(4 - typed));
        assert_eq!(
            reindent(python, style, &before, &completion).unwrap(),
            completion
        );
    }
    // A whole level is not there twice.
    let before = "def f():\n    ";
    assert_eq!(
        reindent(python, style, before, "    return 1\n").unwrap(),
        "return 1\n"
    );
}
