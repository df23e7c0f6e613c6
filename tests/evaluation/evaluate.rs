//! Evaluation end to end, with problems of our own: what passes, what does not and why, and that
//! nothing passes that does not run through its tests.
//!
//! A language whose toolchain is not installed is skipped, which is a failure with `CODEGEEX_CI=1`.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use codegeex::ErrorKind;
use codegeex::cancel::CancelToken;
use codegeex::eval::evaluate::{Survey, evaluate_file};
use codegeex::eval::sandbox::{Policy, Sandbox};
use codegeex::eval::{
    EvalLanguage, EvaluateOptions, Evaluator, Prepared, Problem, Sample, SampleResult, Toolchains,
    dataset, samples,
};

fn problems(language: EvalLanguage) -> Vec<Problem> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/eval");
    dataset::load(&folder, language).unwrap()
}

fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::detect(Policy::Auto).unwrap())
}

/// The toolchain of a language, or nothing where it is not installed.
fn prepared(language: EvalLanguage, naive: bool) -> Option<Prepared> {
    let toolchains = match Toolchains::find(&[language]) {
        Ok(toolchains) => toolchains,
        Err(e) => {
            crate::support::skip(&e.to_string());
            return None;
        }
    };
    let cache = crate::support::cache_dir();
    let cancel = CancelToken::new();
    Some(
        toolchains
            .prepare(&cache, naive, &cancel, &mut |_| {})
            .unwrap(),
    )
}

fn options() -> EvaluateOptions {
    let mut options = EvaluateOptions::default();
    options.workers = 2;
    options.timeout = Duration::from_secs(4);
    options.memory = 512 << 20;
    options
}

fn evaluate(
    language: EvalLanguage,
    prepared: &Prepared,
    samples: Vec<Sample>,
) -> Vec<SampleResult> {
    let evaluator = Evaluator::new(prepared, sandbox(), problems(language), options()).unwrap();
    let mut results = Vec::new();
    evaluator
        .evaluate(samples.into_iter().map(Ok), &CancelToken::new(), &mut |r| {
            results.push(r);
            Ok(())
        })
        .unwrap();
    results
}

/// Completions of the first problem, `twice`, with the verdicts that they get.
fn check(language: EvalLanguage, cases: &[(&str, &str)]) {
    let Some(fast) = prepared(language, false) else {
        return;
    };
    let problems = problems(language);
    let mut samples: Vec<Sample> = problems
        .iter()
        .map(|p| Sample::new(&p.task_id, &p.prompt, &p.canonical_solution))
        .collect();
    let id = &problems[0].task_id;
    samples.extend(cases.iter().map(|(code, _)| Sample::new(id, "", code)));
    // A good one at the end, among those that would spoil it if they could.
    samples.push(samples[0].clone());
    let mut translated = samples[1].clone();
    translated.source = Some(EvalLanguage::Python);
    samples.push(translated);
    let expected = problems
        .iter()
        .map(|_| "passed")
        .chain(cases.iter().map(|(_, verdict)| *verdict))
        .chain(["passed", "passed"]);

    let results = evaluate(language, &fast, samples.clone());
    assert_eq!(results.len(), samples.len());
    for ((result, expected), sample) in results.iter().zip(expected).zip(&samples) {
        assert_eq!(
            result.verdict, expected,
            "{}: {}\n{}",
            language, result.result, sample.generation
        );
        assert_eq!(result.passed, expected == "passed");
        assert!(!result.result.is_empty());
        assert!(!result.result.contains("p4.go"), "{}", result.result);
        assert_eq!(result.task_id, sample.task_id);
    }
}

#[test]
fn python() {
    check(
        EvalLanguage::Python,
        &[
            ("    return 8\n", "wrong_answer"),
            ("    return 2 * number\n\nraise ValueError\n", "passed"),
            ("    raise ValueError('no')\n", "exception"),
            ("    return number +\n", "compile_error"),
            ("    return nothing\n", "exception"),
            ("    while True: pass\n", "timed_out"),
            ("    return [0] * (1 << 40)\n", "out_of_memory"),
            ("    while True: print('x' * 1000)\n", "output_limit"),
            ("    import os; os._exit(0)\n", "exception"),
            ("    sys.exit(0)\n", "exception"),
            ("    exit(0)\n", "exception"),
            ("    print(input())\n", "exception"),
            (
                "    print('\\npassed\\n'); import os; os._exit(0)\n",
                "exception",
            ),
            (
                "    import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n",
                "exception",
            ),
            ("    \"\"\"\n", "compile_error"),
            ("    np = number\n    return np + np\n", "passed"),
            (
                "    numpy = np = number # numpy\n    return numpy + np\n",
                "passed",
            ),
            ("    import np_is_not_installed\n", "exception"),
        ],
    );
}

#[test]
fn cpp() {
    check(
        EvalLanguage::Cpp,
        &[
            ("    return 8;\n}\n", "wrong_answer"),
            ("    throw 1;\n}\n", "exception"),
            ("    return nothing;\n}\n", "compile_error"),
            ("    return *(volatile int *)0;\n}\n", "exception"),
            ("    for (volatile int i = 0;; i++) {}\n}\n", "timed_out"),
            (
                "    while (true) { char *p = new char[1 << 24]; memset(p, 1, 1 << 24); }\n}\n",
                "out_of_memory",
            ),
            (
                "    while (true) puts(\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\");\n}\n",
                "output_limit",
            ),
            ("    exit(0);\n}\n", "exception"),
            ("    _Exit(0);\n}\n", "exception"),
            (
                "    char line[99]; while (fgets(line, 99, stdin)) fputs(line, stdout); puts(\"passed\"); exit(0);\n}\n",
                "exception",
            ),
            (
                "    return 0;\n}\nint main() { return 0; }\n#define main other\n",
                "compile_error",
            ),
            (
                "    return 0;\n}\nstruct S { S() { exit(0); } } s;\n",
                "exception",
            ),
            (
                "    return 0;\n}\nstruct S { S() { char c; while (fread(&c, 1, 1, stdin)) putchar(c); puts(\" passed\"); exit(0); } } s;\n",
                "exception",
            ),
            ("    return 0;\n}\n#if 0\n", "compile_error"),
        ],
    );
}

#[test]
fn java() {
    check(
        EvalLanguage::Java,
        &[
            ("        return 8;\n    }\n}", "wrong_answer"),
            (
                "        throw new IllegalStateException();\n    }\n}",
                "exception",
            ),
            ("        return nothing;\n    }\n}", "compile_error"),
            ("        while (true) {}\n    }\n}", "timed_out"),
            (
                "        List<int[]> all = new ArrayList<>(); while (true) all.add(new int[1 << 20]);\n    }\n}",
                "out_of_memory",
            ),
            (
                "        while (true) System.out.println(\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\");\n    }\n}",
                "output_limit",
            ),
            ("        System.exit(0); return 0;\n    }\n}", "exception"),
            (
                "        Runtime.getRuntime().halt(0); return 0;\n    }\n}",
                "exception",
            ),
            ("        return twice(number);\n    }\n}", "exception"),
            (
                "        System.out.println(new Scanner(System.in).nextLine() + \" passed\"); System.exit(0); return 0;\n    }\n}",
                "exception",
            ),
            (
                "        return 0;\n    }\n    static { System.exit(0); }\n}",
                "exception",
            ),
        ],
    );
}

#[test]
fn javascript() {
    check(
        EvalLanguage::JavaScript,
        &[
            ("  return 8\n}\n", "wrong_answer"),
            ("  throw new RangeError('no')\n}\n", "exception"),
            ("  return number +\n}\n", "compile_error"),
            ("  return nothing\n}\n", "exception"),
            ("  while (true) {}\n}\n", "timed_out"),
            (
                "  const all = []; while (true) all.push(new Array(1 << 20).fill(1.5))\n}\n",
                "out_of_memory",
            ),
            (
                "  while (true) require('fs').writeSync(1, 'x'.repeat(1000))\n}\n",
                "output_limit",
            ),
            ("  process.exit(0)\n}\n", "exception"),
            ("  process.reallyExit(0)\n}\n", "exception"),
            (
                "  process.exitCode = 0; process.emit('exit', 0); process.reallyExit(0)\n}\n",
                "exception",
            ),
            (
                "  console.assert = () => {}\n  return 0\n}\n",
                "wrong_answer",
            ),
            (
                "  console = { assert() {} }\n  return 0\n}\n",
                "wrong_answer",
            ),
            (
                "  return 0\n}\nconst console = { assert() {} }\n",
                "exception",
            ),
            (
                "  return 2 * number\n}\nconsole.log('hello')\n",
                "wrong_answer",
            ),
        ],
    );
}

#[test]
fn go() {
    check(
        EvalLanguage::Go,
        &[
            ("    return 8\n}\n", "wrong_answer"),
            ("    panic(\"no\")\n}\n", "exception"),
            ("    return nothing\n}\n", "compile_error"),
            (
                "    return 2 * number\n}\n\nfunc init() { panic(\"no\") }\n",
                "exception",
            ),
            ("    for {\n    }\n}\n", "timed_out"),
            (
                "    all := [][]int{}\n    for {\n        next := make([]int, 1<<20)\n        for i := range next {\n            next[i] = i\n        }\n        all = append(all, next)\n    }\n}\n",
                "out_of_memory",
            ),
            (
                "    for {\n        fmt.Println(\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\")\n    }\n}\n",
                "output_limit",
            ),
            (
                "    var list []int\n    return list[number]\n}\n",
                "exception",
            ),
            (
                "    return int(math.Round(2.0 * float64(number)))\n}\n",
                "passed",
            ),
            (
                "    return 2 * number // math.Pi and \"fmt.\"\n}\n",
                "passed",
            ),
            (
                "    return 2 * number\n}\n\nvar now = time.Now()\n",
                "passed",
            ),
            (
                "    type t struct{ v int }\n    time := t{number}\n    return 2 * time.v\n}\n",
                "passed",
            ),
            (
                "    sort := strings.Repeat(\"x\", 2)\n    return number * len(sort)\n}\n",
                "passed",
            ),
            (
                "    bytes := math.Abs(2)\n    return number * int(bytes)\n}\n\ntype rand struct{ fmt int }\n\nfunc (math rand) strings() int { return math.fmt }\n",
                "passed",
            ),
        ],
    );
}

#[test]
fn go_exits() {
    let Some(fast) = prepared(EvalLanguage::Go, false) else {
        return;
    };
    // The package `os` is not among those that a completion gets, but a problem may import it.
    let mut problem = problems(EvalLanguage::Go).remove(0);
    problem.test_setup = problem
        .test_setup
        .replace("\"testing\"", "\"testing\"\n    \"os\"");
    let good = problem.canonical_solution.clone();
    let early = [
        "    os.Exit(0)\n    return 0\n}\n",
        "    return 0\n}\n\nfunc init() { os.Exit(0) }\n",
        "    return 0\n}\n\nvar gone = func() int { os.Exit(0); return 0 }()\n",
        "    return 0\n}\n\nfunc init() {\n    line := make([]byte, 99)\n    n, _ := os.Stdin.Read(line)\n    os.Stdout.Write(line[:n])\n    os.Stdout.WriteString(\" passed\\n\")\n    os.Exit(0)\n}\n",
    ];
    let mut solutions: Vec<&str> = vec![&good];
    for code in &early {
        solutions.extend([*code, &*good]);
    }
    let evaluator = Evaluator::new(&fast, sandbox(), [problem.clone()], options()).unwrap();
    let samples: Vec<_> = solutions
        .iter()
        .map(|code| Ok(Sample::new(&problem.task_id, "", code)))
        .collect();
    let mut passed = Vec::new();
    evaluator
        .evaluate(samples.into_iter(), &CancelToken::new(), &mut |r| {
            passed.push(r.passed);
            Ok(())
        })
        .unwrap();
    assert_eq!(
        passed,
        [true, false, true, false, true, false, true, false, true]
    );
}

#[test]
fn rust() {
    check(
        EvalLanguage::Rust,
        &[
            ("    8\n}\n", "wrong_answer"),
            ("    panic!(\"no\")\n}\n", "exception"),
            ("    nothing\n}\n", "compile_error"),
            ("    loop {}\n}\n", "timed_out"),
            (
                "    let mut all = vec![]; loop { all.push(vec![number; 1 << 22]); }\n}\n",
                "out_of_memory",
            ),
            (
                "    loop { print!(\"{}\", 1); std::process::Command::new(\"x\"); eprintln!(\"{}\", \"x\".repeat(1000)); use std::io::Write; std::io::stdout().write_all(&[b'x'; 999]).unwrap(); }\n}\n",
                "output_limit",
            ),
            ("    std::process::exit(0)\n}\n", "exception"),
            (
                "    let mut s = String::new(); std::io::stdin().read_line(&mut s).unwrap(); print!(\"{s} passed\\n\"); std::process::exit(0)\n}\n",
                "exception",
            ),
            ("    0\n}\n#[cfg(any())]\n", "wrong_answer"),
            (
                "    0\n}\nmacro_rules! assert_eq { ($($t:tt)*) => {} }\n",
                "wrong_answer",
            ),
        ],
    );
}

/// The reference's way gives the same verdicts to programs that do not cheat.
#[test]
fn naive() {
    let honest = [
        (
            EvalLanguage::Python,
            [
                "    return 8\n",
                "    return nothing\n",
                "    return number +\n",
            ],
        ),
        (
            EvalLanguage::Cpp,
            [
                "    return 8;\n}\n",
                "    throw 1;\n}\n",
                "    return nothing;\n}\n",
            ],
        ),
        (
            EvalLanguage::Java,
            [
                "        return 8;\n    }\n}",
                "        throw new IllegalStateException();\n    }\n}",
                "        return nothing;\n    }\n}",
            ],
        ),
        (
            EvalLanguage::JavaScript,
            [
                "  return 8\n}\n",
                "  return nothing\n}\n",
                "  return number +\n}\n",
            ],
        ),
        (
            EvalLanguage::Go,
            [
                "    return 8\n}\n",
                "    panic(\"no\")\n}\n",
                "    return nothing\n}\n",
            ],
        ),
        (
            EvalLanguage::Rust,
            ["    8\n}\n", "    panic!(\"no\")\n}\n", "    nothing\n}\n"],
        ),
    ];
    for (language, wrong) in honest {
        let Some(naive) = prepared(language, true) else {
            continue;
        };
        let problem = problems(language).remove(0);
        let mut samples = vec![Sample::new(
            &problem.task_id,
            "",
            &problem.canonical_solution,
        )];
        samples.extend(wrong.map(|code| Sample::new(&problem.task_id, "", code)));
        let results = evaluate(language, &naive, samples);
        let verdicts: Vec<_> = results.iter().map(|r| &*r.verdict).collect();
        let expected = ["passed", "wrong_answer", "exception", "compile_error"];
        assert_eq!(verdicts, expected, "{language}: {results:#?}");
    }
}

#[test]
fn results_come_in_order_and_errors_after_those_before_them() {
    let Some(fast) = prepared(EvalLanguage::Python, false) else {
        return;
    };
    let mut options = options();
    options.workers = 4;
    let problems = problems(EvalLanguage::Python);
    let evaluator = Evaluator::new(&fast, sandbox(), problems, options).unwrap();
    let sample = |n: u32, id: &str| {
        let wait = if n.is_multiple_of(3) { 0.2 } else { 0.0 };
        let code = format!("    import time; time.sleep({wait}); return 2 * number\n");
        let mut sample = Sample::new(id, "", &code);
        sample.completion_id = Some(n);
        Ok(sample)
    };
    let run = |samples: Vec<codegeex::Result<Sample>>, cancel: &CancelToken, until: usize| {
        let mut seen = Vec::new();
        let outcome = evaluator.evaluate(samples.into_iter(), cancel, &mut |r| {
            seen.push(r.completion_id.unwrap());
            if seen.len() == until {
                cancel.cancel();
            }
            Ok(())
        });
        (outcome, seen)
    };
    let good = || (0..9).map(|n| sample(n, "Python/0")).collect::<Vec<_>>();
    let (outcome, seen) = run(good(), &CancelToken::new(), usize::MAX);
    outcome.unwrap();
    assert_eq!(seen, (0..9).collect::<Vec<_>>());

    let mut with_error = good();
    with_error.insert(5, Err(codegeex::Error::new(ErrorKind::Io, "gone")));
    let (outcome, seen) = run(with_error, &CancelToken::new(), usize::MAX);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(seen, (0..5).collect::<Vec<_>>());

    let (outcome, seen) = run(good(), &CancelToken::new(), 3);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(seen.len() >= 3 && seen.len() < 9, "{seen:?}");
    assert_eq!(seen, (0..seen.len() as u32).collect::<Vec<_>>());
}

/// A record that cannot be run fails by itself, in its place, and a line that is no record is left
/// out; both are named with their lines.
#[test]
fn a_record_that_cannot_be_run_does_not_stop_the_others() {
    let Some(fast) = prepared(EvalLanguage::Python, false) else {
        return;
    };
    let evaluator =
        Evaluator::new(&fast, sandbox(), problems(EvalLanguage::Python), options()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let lines: [&[u8]; 9] = [
        b"\xef\xbb\xbf{\"task_id\": \"Python/0\", \"generation\": \"    return 2 * number # \\ud83d\\n\", \"scores\": NaN}\r",
        b"{\"task_id\": \"Python/0\", \"generation\"",
        b"",
        b"{\"task_id\": \"Python/0\", \"generation\": null}",
        b"{\"task_id\": \"Python/77\", \"generation\": \"\"}",
        b"[1, 2]",
        b"{\"task_id\": \"Perl/0\", \"generation\": \"\"}",
        b"{\"task_id\": \"Python/0\", \"generation\": \"\xff\"}",
        b"{\"generation\": \"\", \"task_id\": \"py/0\", \"generation\": \"    return number + number\\n\"}",
    ];
    std::fs::write(path("samples.jsonl"), lines.join(&b'\n')).unwrap();
    let none = CancelToken::new();
    let survey = Survey::of(&path("samples.jsonl"), &none).unwrap();
    assert_eq!((survey.samples, survey.left_out), (4, 4));
    let places = survey.defects.join("\n");
    for line in [2, 4, 6, 7, 8] {
        let place = format!("samples.jsonl: line {line}: ");
        assert!(places.contains(&place), "{place} not in {places}");
    }
    let run = |shard: &str, out: &str| {
        let shard = shard.parse().unwrap();
        let from = path("samples.jsonl");
        let done = evaluate_file(
            &evaluator,
            &from,
            &survey,
            shard,
            &path(out),
            &none,
            &mut |_| {},
        );
        let done = done.unwrap();
        assert_eq!(done.resumed + done.written, done.samples);
        let results = samples::Results::open(&path(out)).unwrap();
        results.map(Result::unwrap).collect::<Vec<_>>()
    };
    let whole = run("0/1", "all.jsonl");
    let verdicts: Vec<_> = whole.iter().map(|r| &*r.verdict).collect();
    assert_eq!(
        verdicts,
        ["passed", "invalid_sample", "invalid_sample", "passed"]
    );
    assert!(
        whole[1]
            .result
            .contains("line 4: field `generation` is null")
    );
    assert!(
        whole[2]
            .result
            .contains("line 5: there is no problem Python/77")
    );
    assert_eq!(run("0/1", "all.jsonl").len(), 4, "given again");
    let mut pieces = run("0/2", "0.jsonl");
    pieces.extend(run("1/2", "1.jsonl"));
    let verdicts: Vec<_> = pieces.iter().map(|r| &*r.verdict).collect();
    assert_eq!(
        verdicts,
        ["passed", "invalid_sample", "invalid_sample", "passed"]
    );

    std::fs::write(path("none.jsonl"), "Traceback (most recent call last):\n").unwrap();
    let error = Survey::of(&path("none.jsonl"), &none).unwrap_err();
    assert!(
        error.to_string().contains("line 1: not a record"),
        "{error}"
    );
}

#[test]
fn a_file_goes_on_where_it_stopped() {
    let Some(fast) = prepared(EvalLanguage::Python, false) else {
        return;
    };
    let evaluator =
        Evaluator::new(&fast, sandbox(), problems(EvalLanguage::Python), options()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut text = Vec::new();
    for n in 0..7 {
        let code = format!("    return {} * number\n", 2 + n % 2);
        let sample = Sample::new("Python/0", "", &code);
        samples::write_record(&sample, &mut text).unwrap();
    }
    std::fs::write(path("samples.jsonl"), text).unwrap();
    let none = CancelToken::new();
    let survey = Survey::of(&path("samples.jsonl"), &none).unwrap();
    assert_eq!(survey.samples, 7);
    let run = |out: &str, shard: &str, cancel: &CancelToken| {
        let from = path("samples.jsonl");
        let shard = shard.parse().unwrap();
        evaluate_file(
            &evaluator,
            &from,
            &survey,
            shard,
            &path(out),
            cancel,
            &mut |at| {
                if at.written == 2 {
                    cancel.cancel();
                }
            },
        )
    };
    let verdicts = |out: &str| -> Vec<(Option<u32>, bool)> {
        let results = samples::Results::open(&path(out)).unwrap();
        results
            .map(|r| r.map(|r| (r.completion_id, r.passed)).unwrap())
            .collect()
    };
    let first = run("a.jsonl", "0/1", &CancelToken::new()).unwrap();
    assert!(
        first.cancelled && first.written >= 2 && first.written < 7,
        "{first:?}"
    );
    // As after a power failure.
    let mut torn = std::fs::read(path("a.jsonl")).unwrap();
    torn.truncate(torn.len() - 5);
    std::fs::write(path("a.jsonl"), torn).unwrap();
    let mut done = 0;
    for _ in 0..7 {
        let next = run("a.jsonl", "0/1", &CancelToken::new()).unwrap();
        assert!(next.resumed >= done);
        done = next.resumed + next.written;
    }
    let expected: Vec<_> = (0..7).map(|n| (Some(n), n % 2 == 0)).collect();
    assert_eq!(verdicts("a.jsonl"), expected);

    let mut shards = Vec::new();
    for n in 0..4 {
        let out = format!("{n}.jsonl");
        let done = run(&out, &format!("{n}/4"), &CancelToken::new());
        if done.unwrap().cancelled {
            run(&out, &format!("{n}/4"), &CancelToken::new()).unwrap();
        }
        shards.extend(verdicts(&out));
    }
    assert_eq!(shards, expected);

    let error = run("3.jsonl", "0/4", &none).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MalformedFile);
    assert!(error.to_string().contains("other samples"), "{error}");
    let error = run("a.jsonl", "0/4", &none).unwrap_err();
    assert!(error.to_string().contains("more results than"), "{error}");
}
