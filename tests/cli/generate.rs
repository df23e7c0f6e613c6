//! `generate` for one prompt.

use std::io::Read;
use std::time::{Duration, Instant};

use codegeex::Language;
use codegeex::generate::GenerateOptions;

use crate::command::{finish, read_some, run, start};
use crate::{LIBRARY, PROMPT};

fn options(set: impl FnOnce(&mut GenerateOptions)) -> GenerateOptions {
    let mut options = GenerateOptions::default();
    options.limits.max_new_tokens = 16;
    // The defaults of the command line.
    (options.sampling.temperature, options.sampling.top_p) = (0.2, Some(0.95));
    set(&mut options);
    options
}

fn library(prompt: &str, options: &GenerateOptions) -> Vec<String> {
    let found = LIBRARY.complete_n(prompt, options).unwrap();
    found.into_iter().map(|c| c.text).collect()
}

fn generate(args: &[&str]) -> String {
    let args = [&["generate", "--max-new-tokens", "16"], args].concat();
    run(&args, "").ok()
}

#[test]
fn the_completion_is_the_librarys_wherever_the_prompt_comes_from() {
    let expected = &library(PROMPT, &options(|_| ()))[0];
    assert!(!expected.is_empty());
    assert_eq!(generate(&[PROMPT]), *expected);
    // Greedy is greedy, whatever the other options say.
    let greedy = &library(PROMPT, &options(|o| o.sampling.temperature = 0.0))[0];
    let args = ["--temperature", "0", "--seed", "9", "--top-k", "5", PROMPT];
    assert_eq!(generate(&args), *greedy);

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), PROMPT).unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(generate(&["--prompt-file", path]), *expected);
    let found = run(&["generate", "--max-new-tokens", "16", "-"], PROMPT).ok();
    assert_eq!(found, *expected);
}

#[test]
fn a_language_puts_its_tag_line_before_the_prompt() {
    let prompt = Language::GO.prompt("func main() {\n");
    assert!(prompt.starts_with("// language: Go\n"));
    let expected = &library(&prompt, &options(|_| ()))[0];
    let args = ["--lang", "Go", "--stop-at", "none", "func main() {\n"];
    assert_eq!(generate(&args), *expected);
    // A tag line alone is a prompt as well.
    generate(&["--lang", "python", ""]);
}

#[test]
fn sampling_options_and_seeds_are_the_librarys() {
    let set = |o: &mut GenerateOptions| {
        o.sampling.temperature = 0.8;
        o.sampling.top_k = Some(40);
        o.sampling.top_p = Some(0.95);
        o.sampling.seed = 7;
    };
    let args = "--temperature 0.8 --top-k 40 --top-p 0.95 --seed 7";
    let mut args: Vec<&str> = args.split(' ').chain([PROMPT]).collect();
    assert_eq!(generate(&args), library(PROMPT, &options(set))[0]);
    let several = options(|o| {
        set(o);
        o.samples = 3;
    });
    args.extend(["-n", "3"]);
    let expected: String = LIBRARY
        .complete_n(PROMPT, &several)
        .unwrap()
        .iter()
        .enumerate()
        .map(|(i, c)| format!("--- sample {i} ({})\n{}\n", c.finish_reason, c.text))
        .collect();
    assert_eq!(generate(&args), expected);
}

#[test]
fn penalties_biases_and_narrowing_are_the_librarys() {
    let same = |args: &str, set: fn(&mut GenerateOptions)| {
        let args: Vec<&str> = args.split(' ').chain([PROMPT]).collect();
        let found = generate(&args);
        assert_eq!(found, library(PROMPT, &options(set))[0], "{args:?}");
        found
    };
    let plain = &library(PROMPT, &options(|_| ()))[0];
    same("--temperature 1.5 --min-p 0.2 --seed 4", |o| {
        (o.sampling.temperature, o.sampling.min_p, o.sampling.seed) = (1.5, Some(0.2), 4);
    });
    same("--temperature 1.5 --typical-p 0.4 --seed 4", |o| {
        (
            o.sampling.temperature,
            o.sampling.typical_p,
            o.sampling.seed,
        ) = (1.5, Some(0.4), 4);
    });
    let found = same("--repetition-penalty 1.5", |o| {
        o.sampling.repetition_penalty = Some(1.5)
    });
    assert_ne!(found, *plain);
    let found = same("--presence-penalty 3 --frequency-penalty -0.5", |o| {
        (o.sampling.presence_penalty, o.sampling.frequency_penalty) = (Some(3.0), Some(-0.5));
    });
    assert_ne!(found, *plain);
    let found = same("--logit-bias 198=100,7=-5.5 --logit-bias 9=-inf", |o| {
        o.sampling.logit_bias = vec![(198, 100.0), (7, -5.5), (9, f32::NEG_INFINITY)];
    });
    assert_eq!(found, "\n".repeat(16));
    let found = same("--banned-ids 198,257", |o| {
        o.sampling.banned_ids = vec![198, 257]
    });
    assert_ne!(found, *plain);
}

#[test]
fn stop_texts_end_the_completion_and_are_not_part_of_it() {
    let whole = &library(PROMPT, &options(|o| o.sampling.temperature = 0.0))[0];
    let (before, _) = whole.split_once("\n\n").unwrap();
    let args = "--temperature 0 --stop";
    let args: Vec<&str> = args.split(' ').collect();
    let args = [&args[..], &["-- no such text", "--stop", "\n\n", PROMPT]].concat();
    assert_eq!(generate(&args), before);
}

#[test]
fn a_healed_prompt_may_end_inside_a_word() {
    let prompt = "# language: Python\nimport os\nimpor";
    let expected = &library(prompt, &options(|o| o.heal = true))[0];
    assert_eq!(generate(&["--heal", prompt]), *expected);
    assert_ne!(generate(&[prompt]), *expected);
    assert!(expected.starts_with("t "));
    let error = run(&["generate", "--heal", "--num-beams", "2", prompt], "").failed(2);
    assert!(error.contains("--num-beams does not heal"), "{error}");
}

#[test]
fn special_tokens_of_a_prompt_are_text_unless_parsed() {
    let prompt = "x<|endoftext|>y";
    let plain = options(|_| ());
    let parsed = options(|o| o.special_tokens = codegeex::tokenizer::SpecialTokens::Parse);
    assert_eq!(generate(&[prompt]), library(prompt, &plain)[0]);
    let found = generate(&["--parse-special", prompt]);
    assert_eq!(found, library(prompt, &parsed)[0]);
    assert_ne!(library(prompt, &parsed), library(prompt, &plain));
}

#[test]
fn text_arrives_while_the_rest_is_computed() {
    let started = Instant::now();
    let args = "generate --temperature 0 --max-new-tokens 200";
    let args: Vec<&str> = args.split(' ').chain([PROMPT]).collect();
    let (mut child, stdin, mut stdout) = start(&args);
    drop(stdin);
    let mut text = read_some(&mut stdout, 8);
    let first = started.elapsed();
    assert!(child.try_wait().unwrap().is_none(), "ended already");
    stdout.read_to_string(&mut text).unwrap();
    let rest = started.elapsed() - first;
    assert_eq!(
        text,
        library(
            PROMPT,
            &options(|o| (o.limits.max_new_tokens, o.sampling.temperature) = (200, 0.0))
        )[0]
    );
    assert!(
        rest > Duration::from_millis(100),
        "{first:?}, then {rest:?}"
    );
    assert_eq!(finish(child).ok(), "");
}

#[test]
fn no_tokens_asked_for_are_none_given() {
    assert_eq!(
        run(&["generate", "--max-new-tokens", "0", "x"], "").ok(),
        ""
    );
}

#[test]
fn prompts_that_cannot_be_are_failures() {
    for args in [["generate", ""], ["generate", "-"]] {
        let message = run(&args, "").failed(1);
        assert!(message.contains("empty"), "{message}");
    }
    let long = "x = 1\n".repeat(1000);
    let message = run(&["generate", "-"], &long).failed(1);
    assert!(message.contains("2048"), "{message}");
    let message = run(&["generate", "-"], b"ab\xc3(").failed(1);
    assert!(
        message.contains("UTF-8") && message.contains("offset 2"),
        "{message}"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"\xff").unwrap();
    let path = file.path().to_str().unwrap();
    let message = run(&["generate", "--prompt-file", path], "").failed(1);
    assert!(message.contains(path), "{message}");
}

#[test]
fn a_closed_output_ends_the_generation_without_an_error() {
    let started = Instant::now();
    let args = "generate --temperature 0 --max-new-tokens 1900";
    let args: Vec<&str> = args.split(' ').chain([PROMPT]).collect();
    let (child, _stdin, mut stdout) = start(&args);
    read_some(&mut stdout, 8);
    drop(stdout);
    assert_eq!(finish(child).ok(), "");
    // All of it would take several times as long.
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_function_ends_the_completion_and_the_reason_is_said() {
    let prompt = "func isSpace(c byte) bool {";
    let found = run(&["generate", "--lang", "go", prompt], "");
    assert_eq!(found.code, Some(0), "{found:?}");
    let text = String::from_utf8(found.stdout).unwrap();
    assert!(text.ends_with("\n}"), "{text:?}");
    let said = found
        .stderr
        .strip_prefix("finish reason: end_of_function (");
    assert!(
        said.is_some_and(|s| s.ends_with(" tokens)\n")),
        "{:?}",
        found.stderr
    );

    // Rules and stop strings of one's own replace that default.
    let args = ["generate", "--lang", "go", "--max-new-tokens", "4"];
    for more in [["--stop-at", "none"], ["--stop", "return"]] {
        let found = run(&[&args[..], &more, &[prompt]].concat(), "");
        let expected = "finish reason: length (4 tokens; --max-new-tokens raises the limit)\n";
        assert_eq!(found.stderr, expected, "{more:?}");
    }
    let found = run(&[&args[..], &["--quiet", prompt]].concat(), "");
    assert_eq!(found.stderr, "");
}

/// In one pipe for both, the reason has a line of its own. Windows does not tell that two handles are of one
/// pipe.
#[cfg(unix)]
#[test]
fn text_and_reason_in_one_pipe_are_lines_of_their_own() {
    let args = ["generate", "--lang", "go", "func isSpace(c byte) bool {"];
    let text = String::from_utf8(run(&args, "").stdout).unwrap();
    assert!(text.ends_with("\n}"), "{text:?}");
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = crate::command::codegeex(&args);
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let child = command.spawn().unwrap();
    drop(command);
    let mut both = String::new();
    reader.read_to_string(&mut both).unwrap();
    assert_eq!(finish(child).code, Some(0));
    let expected = format!("{text}\nfinish reason: end_of_function (");
    assert!(both.starts_with(&expected), "{both:?}");
}
