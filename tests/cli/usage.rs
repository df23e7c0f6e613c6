//! Help, wrong arguments, missing files.

use crate::command::{codegeex, finish, run};

const SUBCOMMANDS: [&str; 8] = [
    "generate",
    "translate",
    "explain",
    "tokenize",
    "detokenize",
    "score",
    "convert",
    "inspect",
];

#[test]
fn every_subcommand_has_help_with_an_example() {
    let help = run(&["--help"], "").ok();
    assert!(help.contains("Example:\n  codegeex"), "{help}");
    for subcommand in SUBCOMMANDS {
        assert!(help.contains(subcommand), "{help}");
        for flag in ["--help", "-h"] {
            let help = run(&[subcommand, flag], "").ok();
            let (_, example) = help.split_once("Example:\n").expect(subcommand);
            assert!(example.contains(&format!("codegeex {subcommand} ")));
        }
    }
    let version = run(&["--version"], "").ok();
    assert_eq!(version, format!("codegeex {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_help_says_what_the_program_is() {
    let help = run(&["--help"], "").ok();
    let first = "Run CodeGeeX and other code language models on the CPU\n";
    assert!(help.starts_with(first), "{help}");
}

#[test]
fn without_a_command_the_help_goes_to_stderr() {
    let found = run(&[], "");
    assert_eq!(found.code, Some(2));
    assert!(found.stdout.is_empty() && found.stderr.contains("Usage:"));
}

#[test]
fn bad_usage_is_exit_code_2_and_says_what() {
    let cases: &[(&[&str], &str)] = &[
        (&["frobnicate"], "frobnicate"),
        (
            &["generate"],
            "no PROMPT: give it as an argument, as - to read it from stdin",
        ),
        (&["generate", "--frob", "x"], "--frob"),
        (&["generate", "x", "--jsonl"], "--jsonl"),
        (&["generate", "x", "--prompt-file", "f"], "--prompt-file"),
        (&["generate", "x", "--temperature", "-1"], "temperature"),
        (&["generate", "x", "--temperature", "hot"], "temperature"),
        (&["generate", "x", "--temperature", "nan"], "temperature"),
        (&["generate", "x", "--temperature", "inf"], "temperature"),
        (&["generate", "x", "--top-p", "0"], "--top-p is"),
        (&["generate", "x", "--top-p", "1.01"], "--top-p is"),
        (&["generate", "x", "--min-p", "-0.5"], "--min-p is"),
        (&["generate", "x", "--typical-p", "0"], "--typical-p is"),
        (
            &["generate", "x", "--repetition-penalty", "0"],
            "--repetition-penalty is",
        ),
        (
            &["generate", "x", "--presence-penalty", "inf"],
            "--presence-penalty is",
        ),
        (
            &["generate", "x", "--frequency-penalty", "nan"],
            "--frequency-penalty is",
        ),
        (&["generate", "x", "--logit-bias", "5=inf"], "token 5"),
        (
            &["generate", "x", "--logit-bias", "5:1"],
            "expected a token id",
        ),
        (
            &["generate", "x", "--banned-ids", "1,x"],
            "'x' for '--banned-ids <ID>': expected a whole number, 0 or more",
        ),
        (
            &["generate", "x", "--banned-ids", "-1,2"],
            "'-1' for '--banned-ids <ID>': expected a whole number, 0 or more",
        ),
        (
            &["generate", "x", "--banned-ids", "4294967296"],
            "the number is too large",
        ),
        (
            &["generate", "x", "--top-k", "-1"],
            "'-1' for '--top-k <K>': expected a whole number, 0 or more",
        ),
        (
            &["generate", "x", "--max-new-tokens", "-1"],
            "'-1' for '--max-new-tokens <N>': expected a whole number, 0 or more",
        ),
        (&["generate", "x", "--max-new-tokens", "1e3"], "1e3"),
        (
            &["generate", "x", "--seed", "-1"],
            "'-1' for '--seed <N>': expected a whole number, 0 or more",
        ),
        (&["generate", "x", "--samples", "-1"], "'-1' for '--samples"),
        (
            &["generate", "x", "--num-beams", "-1"],
            "'-1' for '--num-beams",
        ),
        (&["bench", "--new", "-1"], "-1 is not in 1.."),
        (&["generate", "x", "-n", "0"], "samples"),
        (&["generate", "x", "-n", "1025"], "samples"),
        (&["generate", "x", "-n", "4000000000"], "samples"),
        (&["generate", "x", "--n", "1000000000000"], "samples"),
        (&["generate", "x", "--stop", ""], "--stop"),
        (&["generate", "x", "--stop-at", "line"], "--lang NAME"),
        (
            &["generate", "x", "--lang", "go", "--stop-at", "lines"],
            "no stop rule is called \"lines\"; there are line, block, function, unindented, humaneval, none",
        ),
        (&["generate", "x", "--lang", "klingon"], "klingon"),
        (&["generate", "x", "--threads", "1000000"], "--threads"),
        (
            &["generate", "x", "--kv", "f64"],
            "expected f32, f16 or int8",
        ),
        (&["translate", "x", "--from", "go"], "--to"),
        (&["translate", "x", "--to", "go"], "--from"),
        (
            &["translate", "--from", "go", "--to", "c"],
            "no CODE: give it as an argument, as - to read it from stdin",
        ),
        (
            &["translate", "x", "--from", "go", "--to", "klingon"],
            "klingon",
        ),
        (&["explain", "x"], "--lang"),
        (
            &["explain", "x", "--lang", "go", "--top-p", "2"],
            "--top-p is",
        ),
        (
            &["explain", "x", "--lang", "go", "--lines", "2,1"],
            "line 2 comes after line 1",
        ),
        (
            &["explain", "x", "--lang", "go", "--lines", "0,1"],
            "lines are counted from 1",
        ),
        (
            &["explain", "x", "--lang", "go", "--lines", "1-2"],
            "expected two line numbers with a comma",
        ),
        (
            &["explain", "x", "--lang", "go", "--lines", "10,20"],
            "--lines 10,20: the code has 1 line\n",
        ),
        (
            &["explain", "x\ny\n", "--lang", "go", "--lines", "3,3"],
            "--lines 3,3: the code has 2 lines\n",
        ),
        (
            &[
                "explain",
                "x",
                "--lang",
                "go",
                "--docstring",
                "--template",
                "f",
            ],
            "--template",
        ),
        (&["score"], "<--jsonl|--perplexity <FILE>>"),
        (&["score", "--jsonl", "--perplexity", "f"], "--perplexity"),
        (&["score", "--perplexity", "f", "--top", "1"], "--top"),
        (&["convert", "in"], "OUT"),
        (&["convert", "in", "out", "--dtype", "int16"], "bf16"),
        (&["convert", "in", "out", "--head", "int4"], "int8"),
        (&["bench", "--shape", "5120x40"], "LAYERSxWIDTHxHEADS"),
        (&["bench", "--shape", "1x64x2"], "two layers"),
        (&["bench", "--shape", "4x63x2"], "63"),
        (&["inspect"], "FILE"),
    ];
    for &(args, part) in cases {
        let message = run(args, "").failed(2);
        assert!(message.contains(part), "{args:?}: {message}");
        assert!(
            !message.contains("tip: to pass '-1'"),
            "{args:?}: {message}"
        );
    }
    let message = run(&["generate", "x", "--lang", "klingon"], "").failed(2);
    assert!(message.contains("python"), "available languages: {message}");
}

/// The text between two words of a help.
fn between<'a>(help: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = help.split_once(from).expect(from);
    rest.split_once(to).expect(to).0
}

#[test]
fn the_help_names_only_options_and_rules_that_there_are() {
    for subcommand in ["translate", "explain"] {
        let help = run(&[subcommand, "--help"], "").ok();
        assert!(help.contains("[default: 0.2]") && help.contains("[default: 0.95]"));
        assert!(
            !help.contains("--jsonl") && !help.contains("--num-beams"),
            "{help}"
        );
    }
    let help = run(&["generate", "--help"], "").ok();
    assert!(
        help.contains("[default: 0.2; 0 with --jsonl and --num-beams]"),
        "{help}"
    );
    assert!(
        help.contains("[default: 0.95; 1, which keeps all, with --jsonl"),
        "{help}"
    );

    let args = ["generate", "x", "--lang", "go", "--stop-at", "lines"];
    let message = run(&args, "").failed(2);
    let rules = between(&message, "there are ", "\n");
    assert_eq!(
        rules,
        between(&help, "Where code ends the completion: ", ".")
    );
    for rule in rules.split(", ") {
        let args = ["--lang", "go", "--max-new-tokens", "1", "--stop-at", rule];
        run(&[&["generate", "x"], &args[..]].concat(), "").ok();
    }
}

#[test]
fn ids_that_the_vocabulary_lacks_are_named() {
    for args in [["--banned-ids", "99999999"], ["--logit-bias", "52224=1"]] {
        let message = run(&[&["generate", "x"], &args[..]].concat(), "").failed(1);
        let id = args[1].trim_end_matches("=1");
        assert!(
            message.contains(&format!("{} has token {id}", args[0])) && message.contains("52224"),
            "{message}"
        );
    }
}

#[test]
fn what_is_missing_is_exit_code_1_and_named() {
    let cases: [&[&str]; 9] = [
        &["generate", "x", "--model", "nowhere.pt"],
        &["generate", "--prompt-file", "nowhere.py"],
        &["generate", "x", "--config", "nowhere.json"],
        &[
            "translate",
            "--from",
            "c",
            "--to",
            "go",
            "--file",
            "nowhere.c",
        ],
        &["explain", "x", "--lang", "c", "--template", "nowhere.txt"],
        &["score", "--jsonl", "--model", "nowhere.safetensors"],
        &["score", "--perplexity", "nowhere.txt"],
        &["convert", "nowhere", "out"],
        &["inspect", "nowhere"],
    ];
    for args in cases {
        let message = run(args, "").failed(1);
        assert!(message.contains("nowhere"), "{args:?}: {message}");
    }
}

#[test]
fn a_default_model_is_found_from_any_folder() {
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = codegeex(&["generate", "--max-new-tokens", "1", "x = "]);
    let child = command.current_dir(elsewhere.path()).spawn().unwrap();
    assert!(!finish(child).ok().is_empty());
}

#[test]
fn a_lost_stderr_is_no_panic() {
    let args = ["generate", "x", "--model", "nowhere.pt"];
    let mut child = codegeex(&args).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(finish(child).code, Some(1));
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_a_failure() {
    for args in [
        &["tokenize"][..],
        &["tokenize", "--jsonl"],
        &["generate", "x"],
        &["generate", "x", "-n", "2"],
        &["inspect", "models/codegeex_tiny.safetensors"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let mut command = codegeex(args);
        let mut child = command.stdout(full.unwrap()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, b"\"a\"\n").unwrap();
        drop(stdin);
        let message = finish(child).failed(1);
        assert!(message.contains("standard output"), "{args:?}: {message}");
    }
}
