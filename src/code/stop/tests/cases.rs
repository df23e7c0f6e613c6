//! Cases by hand. `¦` stands where the text is cut; without it, no rule fires.

use super::*;

fn check(name: &str, cases: &[(StopRule, &str, &str)]) {
    for &(rule, before, marked) in cases {
        for is_crlf in [false, true] {
            let crlf = |text: &str| match is_crlf {
                true => text.replace('\n', "\r\n"),
                false => text.to_owned(),
            };
            let (before, marked) = (crlf(before), crlf(marked));
            let text = marked.replace('\u{a6}', "");
            let end = marked.find('\u{a6}');
            let language = language(name);
            let (answer, fired) = cut(&[rule], language, &before, &text).unwrap();
            let want = end.map_or(text.as_str(), |end| &text[..end]);
            assert_eq!(answer, want, "{name} {rule}: {before:?} then {marked:?}");
            assert_eq!(fired.is_some(), end.is_some(), "{before:?} {marked:?}");
            check_pieces(&[rule], language, &before, &text);
        }
    }
}

#[test]
fn lines() {
    check(
        "python",
        &[
            (LINE, "x = ", "1 + 2¦\ny = 3\n"),
            (LINE, "x = f(", "¦\n    1)\n"),
            (LINE, "x = '''a", " b¦\nc'''\n"),
            (LINE, "x = ", "1"),
            (LINE, "", "¦\n\n"),
        ],
    );
}

#[test]
fn python_functions() {
    check(
        "python",
        &[
            (
                FUNCTION,
                "def f():\n",
                "    return 1¦\n\n\ndef g():\n    pass\n",
            ),
            (FUNCTION, "def f():\n", "    return 1¦\n# comment\nx = 1\n"),
            (
                FUNCTION,
                "def f():\n",
                "    return 1¦\nif __name__ == '__main__':\n",
            ),
            (FUNCTION, "def f():\n", "    return 1¦\n@cache\ndef g():\n"),
            (FUNCTION, "def f():\n", "    return 1\n\n    # inside\n"),
            (
                FUNCTION,
                "def f():\n",
                "    a = 1\n\n# outside, but code follows\n    return a¦\nb",
            ),
            (FUNCTION, "def f(", "a, b):\n    return a¦\nprint(f())\n"),
            (FUNCTION, "def f", "(a,\nb\n):\n    return a¦\nclass A:\n"),
            (FUNCTION, "def f(): return", " 1¦\nx"),
            // Strings and brackets that reach over lines.
            (
                FUNCTION,
                "def f():\n",
                "    s = '''\ndef g():\n'''\n    return s¦\nx",
            ),
            (
                FUNCTION,
                "def f():\n",
                "    s = \"\"\"a\"b\\\"\"\"\nx\"\"\"\n    y¦\nx",
            ),
            (
                FUNCTION,
                "def f():\n",
                "    s = f'{x}' + r'\\n' + b\"#\"¦\nx",
            ),
            (
                FUNCTION,
                "def f():\n",
                "    s = [\n1, # ]\n'(',\n]\n    return s¦\nx",
            ),
            (
                FUNCTION,
                "def f():\n",
                "    s = 1 + \\\n2\n    return s¦\nx",
            ),
            (
                FUNCTION,
                "def f():\n",
                "    s = 'it\\\n    goes on'\n    return s¦\nx",
            ),
            (
                FUNCTION,
                "def f():\n    \"\"\"Doc",
                "\nof f.\n\"\"\"\n    pass¦\nx",
            ),
            (FUNCTION, "def f():\n    g('(', \")\")\n", "    h(']')¦\nx"),
            // Functions in functions, lambdas, methods.
            (
                FUNCTION,
                "def f():\n",
                "    def g():\n        return 1\n    return g¦\nx",
            ),
            (
                FUNCTION,
                "def f():\n    def g():\n",
                "        return 1¦\n    return g\n",
            ),
            (
                FUNCTION,
                "def f():\n    def g():\n        pass\n",
                "    return g¦\nx",
            ),
            (
                FUNCTION,
                "def f():\n",
                "    g = lambda: {\n'a': 1}\n    return g¦\nx",
            ),
            (
                FUNCTION,
                "class A:\n    def f(self):\n",
                "        pass¦\n\n    def g(self):\n",
            ),
            (
                FUNCTION,
                "class A:\n    def f(self):\n",
                "        pass¦\n\n    @property\n    def g",
            ),
            (
                FUNCTION,
                "class A:\n    async def f(self):\n",
                "        pass¦\n    x = 1\n",
            ),
            (
                FUNCTION,
                "class A:\n\tdef f(self):\n",
                "\t\tpass¦\n\tx = 1\n",
            ),
            // Continuations belong to it in any case.
            (
                FUNCTION,
                "def f():\n    try:\n",
                "        x\n    except E:\n        y\n    else:\n        z¦\nx",
            ),
            // The first function of the answer.
            (
                FUNCTION,
                "import a\n",
                "\n\n@cache\ndef f():\n    pass¦\n\n@cache\ndef g():\n",
            ),
            (
                FUNCTION,
                "# language: Python\n",
                "x = 1\ndef f():\n    pass¦\ny = 2\n",
            ),
            (
                FUNCTION,
                "",
                "class A:\n    def f(self):\n        pass¦\n    def g(self):\n",
            ),
            (FUNCTION, "x = 1\n", "y = 2\nz = 3\n"),
            // Behind a finished function.
            (
                FUNCTION,
                "def f():\n    pass\n\n",
                "def g():\n    pass¦\n\ndef h():\n",
            ),
            // A body has to be indented.
            (FUNCTION, "def f():\n", "¦x = 1\n"),
            (FUNCTION, "def f():\n", "¦\n\n# c\ndef g():\n    pass\n"),
            (FUNCTION, "class A:\n    def f(self):\n    ", "¦x = 1\n"),
            // Not ASCII, and blanks of other kinds.
            (
                FUNCTION,
                "def f():\n",
                "    é = '中\u{1f642}'\n\n    \n \u{3000}\n    π = 1¦\n\u{e9} = 2\n",
            ),
        ],
    );
}

#[test]
fn python_blocks_and_unindented_lines() {
    check(
        "python",
        &[
            (
                BLOCK,
                "def f():\n    if x:\n",
                "        y\n        z¦\n    return\n",
            ),
            (
                BLOCK,
                "def f():\n    if x:\n",
                "        y\n    else:\n        z¦\n    return\n",
            ),
            (
                BLOCK,
                "if x:\n    y\nelif z:\n",
                "    a\nelse:\n    b¦\nelse_where\n",
            ),
            (BLOCK, "for x in y:\n", "    z\nelse:\n    a¦\nb"),
            (BLOCK, "for x in y:\n", "    z¦\nelif a:\n"),
            (
                BLOCK,
                "try:\n",
                "    a\nexcept A:\n    b\nexcept B:\n    c\nelse:\n    d\nfinally:\n    e¦\nf",
            ),
            (BLOCK, "if x:\n", "    a¦\nelsewhere = 1\n"),
            (BLOCK, "if x:\n", "    a\nels"),
            (BLOCK, "def f():\n    x = 1\n", "    y = 2¦\nz"),
            (BLOCK, "def f():\n    x =", " 1\n    y¦\nz"),
            (BLOCK, "if x:", "\n    y¦\nz"),
            (BLOCK, "if x: y =", " 1\nz\n"),
            (BLOCK, "", "if x:\n    y\nelse:\n    z¦\na"),
            (
                BLOCK,
                "",
                "class A:\n    def f():\n        pass\n    x = 1¦\ny",
            ),
            (BLOCK, "x = {\n", "'a': [\n1]}\ny = 1\n"),
            (
                UNINDENTED,
                "class A:\n    def f():\n",
                "        pass\n    def g():\n        pass¦\nx",
            ),
            (UNINDENTED, "if x:\n", "    y¦\nelse:\n"),
            (
                UNINDENTED,
                "def f():\n",
                "    x = (\n1\n)\n    y = '''\nz'''¦\n\n\ndef",
            ),
            (UNINDENTED, "def f():\n", "    x\n# c\n    y¦\n# c\nz"),
            (UNINDENTED, "", "def f():\n    pass¦\n@cache\ndef g():\n"),
            (UNINDENTED, "# language: Python\n", "\n\nx = 1¦\ny"),
            (UNINDENTED, "x = ", "1¦\ny"),
            (UNINDENTED, "def f():\n", "¦x\n"),
            (UNINDENTED, "def f():\n    pass\n", "x = 1¦\ny"),
            (UNINDENTED, "def f():\n    pass", "¦\nx"),
        ],
    );
}

#[test]
fn c_plus_plus() {
    check(
        "c++",
        &[
            (
                FUNCTION,
                "int f() {\n",
                "    return '}' + \"}\\\"}\"[0]; // }\n}¦\n\nint main() {\n",
            ),
            (
                FUNCTION,
                "int f() {\n",
                "    /* } */ return R\"x(})\")x\"[0];\n}¦\nint g",
            ),
            (
                FUNCTION,
                "int f() {\n",
                "    int a[] = {1, 2};\n    if (a) { g(); } else { h(); }\n}¦ int",
            ),
            (
                FUNCTION,
                "int f() {\n  if (x) {\n",
                "    y();\n  }\n  return 0;\n}¦\n",
            ),
            (FUNCTION, "int f()\n{\n  for (;;)\n  {\n", "  }\n}¦\n"),
            (
                FUNCTION,
                "int f() {\n  auto g = [](int x) {",
                " return x; }¦;\n}\n",
            ),
            (
                FUNCTION,
                "int f() {\n",
                "  auto g = [&] { return 1; };\n  return g();\n}¦\n",
            ),
            (
                FUNCTION,
                "struct S {\n  int x;\n",
                "  int f() const { return x; }¦\n  int g();\n};\n",
            ),
            (
                FUNCTION,
                "struct S {\n  int f() {\n",
                "    return 1;\n  }¦\n};\n",
            ),
            (
                FUNCTION,
                "",
                "#include <a>\nint f(int a) {\n  return {1};\n}¦\nint g() {}\n",
            ),
            (
                FUNCTION,
                "namespace a {\n",
                "enum class E { A };\nint f() { return 1; }¦\n}\n",
            ),
            (FUNCTION, "int f(", "int a) { return a; }¦ int g"),
            (FUNCTION, "int f() {\n  x = {1,", " 2};\n  return 0;\n}¦\n"),
            (
                FUNCTION,
                "int f() {\n#if A\n",
                "  g();\n#else\n  h();\n#endif\n}¦\n",
            ),
            (
                BLOCK,
                "int f() {\n  if (x) {\n",
                "    y(\"}\");\n  }¦\n  return 0;\n}\n",
            ),
            (
                BLOCK,
                "int f() {\n  if (x)",
                " {\n    y();\n  }\n  return 0;\n}¦\n",
            ),
            (BLOCK, "int f()", " {\n  if (x) { y(); }\n}¦\n"),
            (BLOCK, "f(a, ", "b);\n  }¦\n"),
            (BLOCK, "int a[] = {", "1, 2}¦;\n"),
            (UNINDENTED, "int f() {\n", "  return 1;\n}¦\n\nint g() {\n"),
            (
                UNINDENTED,
                "int f() {\n",
                "#ifdef A\n  g();\n#endif\n}¦\n// c\nint g() {\n",
            ),
            (UNINDENTED, "", "int f()\n{\n  return 1;\n}¦\nint g()\n"),
            (UNINDENTED, "struct S {\n  int a;\n", "};¦\nint g"),
            (UNINDENTED, "", "#define A \\\n  1\nint a;¦\nint b;\n"),
        ],
    );
}

#[test]
fn java() {
    check(
        "java",
        &[
            (
                FUNCTION,
                "class A {\n    int f() {\n",
                "        return '}' + \"}\".length();\n    }¦\n\n    int g() {\n",
            ),
            (
                FUNCTION,
                "class A {\n    int f() {\n",
                "        String s = \"\"\"\n}\n\"}\n\"\"\";\n    }¦\n}\n",
            ),
            (
                FUNCTION,
                "class A {\n    int f() throws B, C {\n        try {\n",
                "        } catch (E e) {\n        } finally {\n        }\n    }¦\n}",
            ),
            (
                FUNCTION,
                "class A {\n    int f() {\n        xs.forEach(x -> {\n",
                "            g(x);\n        }¦);\n    }\n",
            ),
            (
                FUNCTION,
                "class A {\n    int f() {\n        switch (x) {\n            case 1 -> {\n",
                "                g();\n            }\n        }\n    }¦\n",
            ),
            (
                FUNCTION,
                "class A {\n    int f() {\n",
                "        return new B() {\n            int g() { return 1; }\n        };\n    }¦\n}",
            ),
            (
                FUNCTION,
                "class A {\n    int[] x = {1, 2};\n",
                "    A() { g(); }¦\n    int f() {\n",
            ),
            (
                FUNCTION,
                "class A {\n",
                "    record B(int x) {\n        int f() { return 1; }¦\n    }\n",
            ),
            (
                FUNCTION,
                "class A {\n    /** { */ int f() { // {\n",
                "        g();\n    }¦\n}\n",
            ),
            (
                BLOCK,
                "class A {\n    int f() {\n        while (x) {\n",
                "            y();\n        }¦\n",
            ),
            (
                UNINDENTED,
                "class A {\n    int f() {\n",
                "        return 1;\n    }\n}¦\n\nclass B {\n",
            ),
        ],
    );
}

#[test]
fn javascript() {
    check(
        "js",
        &[
            (
                FUNCTION,
                "const f = (x) => {\n",
                "  return `}${g(`}`)}}` + '}' + /[}/]/.test(x);\n}¦\n\nconst g",
            ),
            (
                FUNCTION,
                "const f = x => {\n",
                "  const y = { a: 1, b: { c: 2 } }\n  return y\n}¦\n",
            ),
            (
                FUNCTION,
                "function f() {\n  g()\n  const y = {\n",
                "    a: 1,\n  }\n  return y\n}¦\n",
            ),
            (
                FUNCTION,
                "function f() {\n  return g(h(), {\n",
                "    a: 1,\n  })\n}¦\n",
            ),
            (
                FUNCTION,
                "function f(xs) {\n  xs.map(function (x) {\n",
                "    return x\n  }¦)\n}\n",
            ),
            (
                FUNCTION,
                "function f(xs) {\n",
                "  xs.map((x) => { return x });\n  return xs;\n}¦;\n",
            ),
            (
                FUNCTION,
                "class A {\n",
                "  constructor(a) {\n    this.a = a\n  }¦\n  f() {}\n}\n",
            ),
            (
                FUNCTION,
                "class A {\n  f() {\n    if (x) {\n",
                "    }\n  }¦\n  g() {}\n}\n",
            ),
            (
                FUNCTION,
                "const f = (x) => {\n",
                "  // it's } here\n  return x / 2 / 3 // }\n}¦\n",
            ),
            (
                FUNCTION,
                "",
                "// a comment\nconst f = x => {\n  return x\n}¦\nmodule.exports",
            ),
            (FUNCTION, "", "const f = x => x\nconst g = 1\n"),
            (FUNCTION, "}\nf(", "x)\n}¦"),
            (BLOCK, "const a = {", " b: 1 }¦\n"),
            (UNINDENTED, "function f() {\n", "  return `\nx`\n}¦\nf()\n"),
        ],
    );
}

#[test]
fn go() {
    check(
        "go",
        &[
            (
                FUNCTION,
                "func f() int {\n",
                "\treturn len(`}\n}`) + len(\"}\") + '}'\n}¦\n\nfunc main() {\n",
            ),
            (
                FUNCTION,
                "func f(x []int) interface{} {\n",
                "\tm := map[int]struct{}{}\n\treturn m\n}¦\n",
            ),
            (
                FUNCTION,
                "func f(\n\tx int,\n) error {\n",
                "\tif x > 1 {\n\t\treturn nil\n\t}\n\treturn nil\n}¦\n// c\n",
            ),
            (
                FUNCTION,
                "func f() {\n\tgo func() {\n",
                "\t\tg()\n\t}¦()\n}\n",
            ),
            (
                FUNCTION,
                "func f() {\n\tvar g func(int) int\n\tif x {\n",
                "\t\ty()\n\t}\n}¦\n",
            ),
            (
                FUNCTION,
                "func f() {\n",
                "\tsort.Slice(x, func(i, j int) bool {\n\t\treturn true\n\t})\n}¦\n",
            ),
            (
                FUNCTION,
                "type T struct {\n\tx int\n}\n",
                "\nfunc (t T) f() { g() }¦\nfunc h() {\n",
            ),
            (
                BLOCK,
                "func f() {\n\tfor {\n",
                "\t\tswitch {\n\t\tcase x:\n\t\t}\n\t}¦\n",
            ),
            (UNINDENTED, "func f() {\n", "\tx := `\ny`¦\nlabel:\n"),
            (UNINDENTED, "func f() {\n", "\tx()\n}¦\n\ntype T int\n"),
        ],
    );
}

#[test]
fn rust() {
    check(
        "rust",
        &[
            (
                FUNCTION,
                "fn f<'a>(x: &'a str) -> char {\n",
                "    let s = r#\"}\"}\"#;\n    '}'\n}¦\n\nfn main() {\n",
            ),
            (
                FUNCTION,
                "fn f() {\n",
                "    /* } /* } */ } */ let x = \"}\n}\";\n}¦\n",
            ),
            (
                FUNCTION,
                "fn f() {\n",
                "    x.map(|y| { y });\n    match x { _ => {} }\n}¦\n/// doc\n",
            ),
            (
                FUNCTION,
                "impl A {\n    fn f(&self) {\n        if x {\n",
                "        }\n    }¦\n    fn g",
            ),
            (
                FUNCTION,
                "struct S {\n    x: u8,\n}\n",
                "\nfn f() -> S {\n    S { x: 1 }\n}¦\nfn g",
            ),
            (FUNCTION, "fn f() {\n    fn g() {\n", "    }¦\n}\n"),
            (
                BLOCK,
                "fn f() {\n    loop {\n",
                "        break 'a;\n    }¦\n}\n",
            ),
            (
                UNINDENTED,
                "fn f() {\n",
                "    let x = b'}';\n}¦\n\n#[test]\nfn g",
            ),
        ],
    );
}

#[test]
fn words() {
    check(
        "ruby",
        &[
            (
                FUNCTION,
                "def f(x)\n",
                "  if x\n    y.each do |z|\n      g \"end #{z}\" # end\n    end\n  end\n  return if x\nend¦\n\ndef g\n",
            ),
            (
                FUNCTION,
                "class A\n  def f\n",
                "    x = y unless z\n    { end: 1 }\n  end¦\n  def g\n",
            ),
            (BLOCK, "def f\n  while x do\n", "    y\n  end¦\nend\n"),
            (BLOCK, "def f\n", "  endless = 1\n  x.end\nend¦ # c\n"),
            (UNINDENTED, "def f\n", "  x\nend¦\n\nputs 1\n"),
        ],
    );
    check(
        "lua",
        &[
            (
                FUNCTION,
                "local function f(x)\n",
                "  if x then return [[end]] end -- end\n  --[[ end ]] for i = 1, 2 do g() end\nend¦\nprint(1)\n",
            ),
            (FUNCTION, "f(function()\n", "  repeat x() until y\nend¦)\n"),
            (BLOCK, "while x do\n", "  local t = {}\nend¦\n"),
        ],
    );
    check(
        "shell",
        &[
            (
                FUNCTION,
                "f() {\n",
                "  if [ \"$#\" -gt 0 ]; then echo '}' # }\n  fi\n  echo ${x}\n}¦\nf\n",
            ),
            (
                BLOCK,
                "if x; then\n",
                "  for i in *; do echo \\}; done\nfi¦\necho\n",
            ),
            (UNINDENTED, "f() {\n", "  echo\n}¦\nf\n"),
        ],
    );
    check(
        "pascal",
        &[(
            BLOCK,
            "begin\n",
            "  if x then BEGIN y := 'end' { end } END;\nEnd¦;\n",
        )],
    );
    check(
        "elixir",
        &[(
            FUNCTION,
            "def f(x) do\n",
            "  g(do: x)\n  Enum.map(x, fn y -> y end)\nend¦\n\ndef g",
        )],
    );
    check(
        "julia",
        &[(
            FUNCTION,
            "function f(x)\n",
            "  y = x[end]\n  [i for i in x]\nend¦\nf(1)\n",
        )],
    );
}

#[test]
fn layout_and_languages_without_blocks() {
    check(
        "haskell",
        &[
            (
                FUNCTION,
                "f :: Int -> Int\nf 0 = 1\n",
                "f n = g\n  where\n    g = n -- c\n",
            ),
            (
                FUNCTION,
                "f 0 = 1\n",
                "f n = n'\n  where n' = 'a'¦\n\nmain = print 1\n",
            ),
            (
                FUNCTION,
                "f x =\n",
                "  case x of\n    {- c -} \"g\" -> 1¦\ng = 2\n",
            ),
            (UNINDENTED, "f x =\n", "  x¦\ng = 2\n"),
        ],
    );
    check(
        "sql",
        &[
            (BLOCK, "SELECT\n    x,\n", "    'a\nb'¦\nFROM t\n"),
            (FUNCTION, "SELECT\n    x\n", "    -- c\n    y¦\nFROM t\n"),
        ],
    );
    check(
        "clojure",
        &[
            (FUNCTION, "(defn f [x]\n", "  (g \"(\" \\( x))¦ ; )\n"),
            (UNINDENTED, "(defn f [x]\n", "  (g x))¦\n\n(f 1)\n"),
        ],
    );
    check(
        "css",
        &[(BLOCK, "a {\n", "  content: '}'; /* } */\n}¦\nb {\n")],
    );
    check(
        "html",
        &[(BLOCK, "<p>\n  <b>", "x\n  <!--\n-->\n  </b>¦\n</p>")],
    );
}
