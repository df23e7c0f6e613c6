use proptest::prelude::*;

use super::*;

fn language(name: &str) -> Language {
    Language::from_name(name).unwrap()
}

/// Strings as `s`, comments as `c`, everything else as it is.
fn mask(name: &str, text: &str) -> String {
    let mut out = String::new();
    for (kind, range, _) in scan(language(name), text).unwrap() {
        for c in text[range].chars() {
            out.push(match kind {
                Kind::String if c != '\n' => 's',
                Kind::Comment if c != '\n' => 'c',
                _ => c,
            });
        }
    }
    out
}

fn depth(name: &str, text: &str) -> usize {
    scan(language(name), text)
        .unwrap()
        .last()
        .map_or(0, |t| t.2)
}

fn tokens(name: &str, pieces: &[&str]) -> Vec<(Kind, String, usize, bool)> {
    let mut found = Vec::new();
    let mut sink = |t: Token<'_>| found.push((t.kind, t.text.to_owned(), t.depth, t.is_block));
    let mut scanner = Scanner::new(language(name));
    for piece in pieces {
        scanner.push(piece, &mut sink);
    }
    scanner.finish(&mut sink);
    found
}

#[test]
fn tells_code_from_strings_and_comments() {
    let cases = [
        ("python", "a = 'b\\'#' # c", "a = ssssss ccc"),
        ("python", "x = \"\"\"a\"b\n#\"\"\"+1", "x = ssssss\nssss+1"),
        ("python", "f('', \"\")#", "f(ss, ss)c"),
        ("python", "s = 'open\nx", "s = sssss\nx"),
        ("c", "a/b//c\nd/*{*/e", "a/bccc\ndccccce"),
        ("c", "'{' \"}\\\"{\" /", "sss ssssss /"),
        ("c++", "R\"x({)\")x\";1'000'0;'a'", "ssssssssss;1'000'0;sss"),
        (
            "rust",
            "fn f<'a>(x: &'a str) {'{'}",
            "fn f<'a>(x: &'a str) {sss}",
        ),
        (
            "rust",
            "'\\'' r#\"a\"{\"# b\"x\" /*/**/{*/",
            "ssss ssssssss bsss ccccccccc",
        ),
        ("go", "`{\n\"`+'\"'", "ss\nss+sss"),
        ("js", "a = /[/\"]{/g; b / c / d", "a = sssssssg; b / c / d"),
        ("js", "`a${f({x:`}`})}b`+1", "ssssf({x:sss})sss+1"),
        ("ruby", "\"a#{b(\"}\")}c\" # d", "ssssb(sss)sss ccc"),
        ("ruby", "=begin\nif\n=end\nx", "cccccc\ncc\ncccc\nx"),
        (
            "lua",
            "a[ [[x]] ]=1 --[==[ ]] \n]==] b -- c",
            "a[ sssss ]=1 cccccccccc\ncccc b cccc",
        ),
        (
            "haskell",
            "foldl' f {- {- -} -} x' 'c' -- y",
            "foldl' f ccccccccccc x' sss cccc",
        ),
        ("html", "don't <!-- \" --> \"", "don't cccccccccc \""),
        (
            "shell",
            "echo $# a#b \"$(f \")\")\" # c",
            "echo $# a#b sssf sssss ccc",
        ),
        ("sql", "'it''s' -- x", "sssssss cccc"),
        (
            "vb",
            "x = \"a\"\"b\" ' c\nRem d\nremark",
            "x = ssssss ccc\nccccc\nremark",
        ),
        ("matlab", "a' * b' + 'c' % d", "a' * b' + sss ccc"),
        ("lisp", "(f #\\( \"(\" ; )\n)", "(f #\\( sss ccc\n)"),
        ("abap", "* x\na = 'b'. \" c", "ccc\na = sss. ccc"),
    ];
    let mut wrong = Vec::new();
    for (name, text, expected) in cases {
        let masked = mask(name, text);
        if masked != expected {
            wrong.push(format!("{name}: {text:?} is {masked:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn follows_brackets_and_keywords() {
    let cases = [
        ("c", "f(a[1]) { if (x) {", 2),
        ("c", "f(a[1) {", 1),
        ("c", ")}]", 0),
        ("lua", "if a then f(function() return 1 end) else", 1),
        ("lua", "for i=1,2 do if x then end", 1),
        ("ruby", "def f\n  return 1 if x\n  while y do\n", 2),
        (
            "ruby",
            "x = if a\n 1\nend\nfoo.end\n{if: 1, end: 2}\nputs :end",
            0,
        ),
        ("ruby", "class A\n def class\n end\n xs.each do |x|", 2),
        (
            "julia",
            "function f(a)\n a[end] = [i for i in a if i > 1]\n",
            1,
        ),
        ("julia", "map(a) do x\n if x\n end\nend", 0),
        ("elixir", "def f(x), do: x\ndef g do\n fn x -> x end\n", 1),
        ("matlab", "function f\nif x, y = a(end); end\n", 1),
        ("pascal", "procedure f;\nBegin\n if x then begin end;\n", 1),
        (
            "vb",
            "Sub A()\n If x Then y\n If z Then\n ElseIf q Then\n End If\n",
            1,
        ),
        (
            "vb",
            "Function F() As Function\n Exit Function\nEnd Function\n",
            0,
        ),
        (
            "fortran",
            "subroutine s\n do i=1,2\n if (x) then\n else if (y) then\n end if\n enddo\n",
            1,
        ),
        (
            "shell",
            "f() {\n if a; then b; fi\n for i in x; do\n case $i in a) ;; esac\n",
            2,
        ),
        ("js", "`${`${", 2),
    ];
    let mut wrong = Vec::new();
    for (name, text, expected) in cases {
        let found = depth(name, text);
        if found != expected {
            wrong.push(format!("{name}: {text:?} has {found}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_language_has_a_syntax_and_knows_its_own_tag_as_a_comment() {
    let without: Vec<&str> = Language::all()
        .filter(|l| {
            let text = format!("{}\n", l.tag());
            let kinds = scan(*l, &text).unwrap();
            kinds[0].0 != Kind::Comment || kinds[0].1.end + 1 < text.len()
        })
        .map(Language::name)
        .collect();
    // The reference gives Lua a tag with slashes, which divide there.
    assert_eq!(without, ["lua"]);
}

#[test]
fn memory_is_bounded() {
    for l in Language::all() {
        for text in [
            "(", "{", "${", "`${", "a", "=", "[", "#", "\"", "'", "r#", "--[=", "do\n",
        ] {
            let mut scanner = Scanner::new(l);
            scanner.push(&text.repeat(3000), &mut |_| {});
            assert!(scanner.pending.len() < 128, "{} {text}", l.name());
            assert!(scanner.open.len() <= MAX_OPEN);
        }
    }
}

fn words() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "\"",
        "'",
        "`",
        "\"\"\"",
        "'''",
        "/*",
        "*/",
        "//",
        "#",
        "--",
        "{-",
        "-}",
        "(*",
        "*)",
        "<!--",
        "-->",
        "\\",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "${",
        "#{",
        "$(",
        "r#\"",
        "\"#",
        "R\"x(",
        ")x\"",
        "[==[",
        "]==]",
        "\n",
        "\r\n",
        " ",
        "\t",
        "if",
        "end",
        "do",
        "then",
        "else",
        "def",
        "begin",
        "=begin",
        "=end",
        "a",
        "1",
        "=",
        ".",
        ":",
        "é",
        "\u{1F600}",
        "%",
        "!",
        ";",
        "/",
        "rem",
        "$$",
    ];
    proptest::collection::vec(proptest::sample::select(WORDS), 0..40).prop_map(|v| v.concat())
}

fn any_language() -> impl Strategy<Value = Language> {
    let all: Vec<Language> = Language::all().collect();
    proptest::sample::select(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Tokens are the text, and the same for any cut.
    #[test]
    fn pieces_do_not_matter(text in words(), l in any_language(), cuts in proptest::collection::vec(0usize..200, 0..8)) {
        let mut at: Vec<usize> = cuts.into_iter().map(|c| c.min(text.len())).filter(|&c| text.is_char_boundary(c)).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let pieces: Vec<&str> = at.windows(2).map(|w| &text[w[0]..w[1]]).collect();
        let whole = tokens(l.name(), &[&text]);
        prop_assert_eq!(&tokens(l.name(), &pieces), &whole);
        let joined: String = whole.iter().map(|t| t.1.as_str()).collect();
        prop_assert_eq!(joined, text);
    }

    /// What is pending is needed: the tokens before it do not depend on what follows.
    #[test]
    fn tokens_are_final(text in words(), more in words(), l in any_language()) {
        let mut early = Vec::new();
        let mut scanner = Scanner::new(l);
        scanner.push(&text, &mut |t: Token<'_>| early.push((t.kind, t.text.to_owned(), t.depth, t.is_block)));
        let all = tokens(l.name(), &[&format!("{text}{more}")]);
        prop_assert_eq!(&all[..early.len()], &early[..]);
    }

    #[test]
    fn any_text_is_read(text in "\\PC{0,60}", l in any_language()) {
        let joined: String = tokens(l.name(), &[&text]).iter().map(|t| t.1.clone()).collect();
        prop_assert_eq!(joined, text);
    }
}
