use super::*;

fn problem(language: EvalLanguage) -> Problem {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/eval");
    super::super::dataset::load(&folder, language)
        .unwrap()
        .remove(0)
}

fn source(language: EvalLanguage, generation: &str) -> String {
    let problem = problem(language);
    Program::assemble(&problem, generation, Tests::All, Imports::Needed, false)
        .unwrap()
        .source()
}

#[test]
fn python_ends_at_the_first_line_that_is_not_indented() {
    let text = source(
        EvalLanguage::Python,
        "    return 1\n\n\t# more\nprint(2)\n    return 3\n",
    );
    assert!(text.starts_with("import math\nimport re\n"));
    assert!(text.contains("    return 1\n\n\t# more\n"));
    assert!(!text.contains("print(2)") && !text.contains("return 3"));
    assert!(text.trim_end().ends_with("check(twice)"));
    assert!(!text.contains("numpy"));
    let with = source(EvalLanguage::Python, "    return np.array([1])\n");
    assert!(with.contains("\ntry:\n    import numpy\n    import numpy as np\nexcept ImportError:"));
    for without in [
        "    return inp.x\n",
        "    # numpy is not needed, np\n    return 1\n",
    ] {
        assert!(!source(EvalLanguage::Python, without).contains("import numpy"));
    }
    for with in [
        "    return f'{np.pi}'\n",
        "    return eval('np.pi')\n",
        "    np = 1\n",
    ] {
        assert!(source(EvalLanguage::Python, with).contains("import numpy"));
    }
}

#[test]
fn the_reference_adds_its_imports_by_the_text() {
    let of = |language, generation: &str| {
        let problem = problem(language);
        Program::assemble(&problem, generation, Tests::All, Imports::Reference, false)
            .unwrap()
            .solution
    };
    let python = of(EvalLanguage::Python, "    return 1\n");
    assert!(
        python.contains("\nimport numpy\nimport numpy as np\n"),
        "{python}"
    );
    let go = of(EvalLanguage::Go, "    // math.Pi\n    runtime.x()\n}\n");
    let imports = "import (\n    \"testing\"\n    \"github.com/stretchr/testify/assert\"\n)\n";
    assert!(
        go.starts_with(&format!("package main\n\n{imports}")),
        "{go}"
    );
    assert!(
        go.contains("\nimport (\n    \"math\"\n    \"time\"\n)\n"),
        "{go}"
    );
    assert!(!of(EvalLanguage::Go, "    return 1\n}\n").contains("\"math\""));
}

#[test]
fn translations_go_on_from_the_declaration_and_examples_replace_the_tests() {
    let problem = problem(EvalLanguage::Java);
    let code = "        return 2 * number;\n    }\n}";
    let of = |tests, is_translation| {
        Program::assemble(&problem, code, tests, Imports::Needed, is_translation)
            .unwrap()
            .source()
    };
    assert!(of(Tests::All, false).contains("Double the given number"));
    let translated = of(Tests::All, true);
    assert!(!translated.contains("Double") && translated.contains("twice(-3)"));
    assert!(!of(Tests::Examples, false).contains("twice(-3)"));
    // Rust has no examples: all tests are run.
    let rust = self::problem(EvalLanguage::Rust);
    let all = Program::assemble(
        &rust,
        "    2 * number\n}\n",
        Tests::Examples,
        Imports::Needed,
        false,
    )
    .unwrap();
    assert!(all.test.contains("twice(-3)"));
    let translated =
        Program::assemble(&rust, "    0\n}\n", Tests::All, Imports::Needed, true).unwrap();
    assert!(!translated.solution.contains("Double"));
}

#[test]
fn headers_come_first_and_a_macro_does_not_reach_the_tests() {
    let text = source(EvalLanguage::Cpp, "    return 1;\n}\n#define main other");
    assert!(text.starts_with("#include<stdlib.h>\n"));
    let undo = text.find("#undef main\n").unwrap();
    assert!(undo > text.find("#define main").unwrap());
    assert!(undo < text.find("int main()").unwrap());
}

#[test]
fn tests_of_rust_name_their_macros_and_attributes_do_not_reach_them() {
    let text = source(EvalLanguage::Rust, "    1\n}\n#[cfg(any())]");
    assert!(text.contains("#[cfg(any())]\nconst _: () = ();\n"));
    assert!(text.contains("::std::assert_eq!(twice(4), 8)"));
    let tests = "assert!(a); my_assert!(b); std::assert_eq!(1, 1); assert(c);x(assert_ne!(1, 2))";
    let expected = "::std::assert!(a); my_assert!(b); std::assert_eq!(1, 1); assert(c);\
        x(::std::assert_ne!(1, 2))";
    assert_eq!(rust_test(tests), expected);
}

fn imports(generation: &str) -> Vec<String> {
    let text = source(EvalLanguage::Go, generation);
    let block = text.split("import (\n").nth(1).unwrap();
    let block = block.split(')').next().unwrap();
    block
        .lines()
        .map(|l| l.trim().trim_matches('"').to_owned())
        .collect()
}

#[test]
fn go_imports_what_is_used_and_nothing_else() {
    let testing = ["testing", "github.com/stretchr/testify/assert"];
    assert_eq!(imports("    return 1\n}\n"), testing);
    let of = |code: &str| imports(code).split_off(2);
    assert_eq!(
        of("    return math.Abs(rand.Int())\n}\n"),
        ["math", "math/rand"]
    );
    // Neither in strings, comments or fields, nor as a part of another name.
    let none =
        "    // math.Pi\n    x := \"fmt.\" + `sort.`\n    runtime.y()\n    a.strings.z()\n}\n";
    assert!(of(none).is_empty());
    // A variable with the name of a package is not one.
    let shadowed = "    type t struct{ v int }\n    time := t{1}\n    return time.v\n}\n";
    assert!(of(shadowed).is_empty());
    assert_eq!(of("    sort := sort.Ints\n    sort.x()\n}\n"), ["sort"]);
    let problem = &super::super::dataset::load(
        &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/eval"),
        EvalLanguage::Go,
    )
    .unwrap()[1];
    // The prompt's own import goes when the completion does not need it.
    let other = Program::assemble(
        problem,
        "    return 0\n}\n",
        Tests::All,
        Imports::Needed,
        false,
    )
    .unwrap();
    assert!(!other.source().contains("\"math\""));
    assert_eq!(other.test_functions, ["TestLargestGap"]);
}

#[test]
fn go_without_a_test_function_is_an_error() {
    let mut problem = problem(EvalLanguage::Go);
    problem.test = "func helper() {}\n".to_owned();
    let error = Program::assemble(&problem, "", Tests::All, Imports::Needed, false).unwrap_err();
    assert!(error.to_string().contains("Go/0: no test function"));
}
