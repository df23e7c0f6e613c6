//! Progress: on a terminal, and only there.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::PROMPT;
use crate::command::{codegeex, finish};

/// Runs a shell command on a terminal of its own and returns all that appears there; nothing
/// where the system has no tool for that. `codegeex` in the command is the program.
fn on_a_terminal(command: &str) -> Option<String> {
    let version = Command::new("script").arg("--version").output();
    if !version.is_ok_and(|v| String::from_utf8_lossy(&v.stdout).contains("util-linux")) {
        crate::support::skip("script of util-linux is not there");
        return None;
    }
    let command = command.replace("codegeex", env!("CARGO_BIN_EXE_codegeex"));
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A text whose perplexity takes many seconds.
fn long_text() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(PROMPT.repeat(20_000).as_bytes()).unwrap();
    file
}

#[test]
fn a_bar_shows_what_takes_over_a_second() {
    let text = long_text();
    let path = text.path().to_str().unwrap();
    let command = format!("timeout --foreground -s INT 3 codegeex score --perplexity {path}");
    if let Some(screen) = on_a_terminal(&command) {
        assert!(screen.contains(" tokens, "), "{screen:?}");
        assert!(screen.contains("interrupted"), "{screen:?}");
    }
}

#[test]
fn a_counter_shows_while_lines_come_slowly() {
    let out = tempfile::NamedTempFile::new().unwrap();
    let path = out.path().to_str().unwrap();
    let command =
        format!("(echo '\"a\"'; sleep 1.6; echo '\"b\"') | codegeex tokenize --jsonl > {path}");
    if let Some(screen) = on_a_terminal(&command) {
        assert!(screen.contains("1 lines answered"), "{screen:?}");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "[64]\n[65]\n");
    }
}

#[test]
fn a_completion_on_a_terminal_is_not_disturbed() {
    let command = "codegeex generate --temperature 0 --max-new-tokens 4 'def add(a, b):'";
    let Some(screen) = on_a_terminal(command) else {
        return;
    };
    let mut options = codegeex::generate::GenerateOptions::default();
    options.limits.max_new_tokens = 4;
    let expected = crate::LIBRARY
        .complete_n("def add(a, b):", &options)
        .unwrap();
    let expected = expected[0]
        .text
        .trim_end_matches('\n')
        .replace('\n', "\r\n");
    let reason = "finish reason: length (4 tokens; --max-new-tokens raises the limit)";
    assert_eq!(screen, format!("{expected}\r\n{reason}\r\n"));
}

#[test]
fn a_completion_to_a_file_shows_its_tokens_on_the_terminal() {
    let out = tempfile::NamedTempFile::new().unwrap();
    let path = out.path().to_str().unwrap();
    let command = format!(
        "timeout --foreground -s INT 3 codegeex generate --temperature 0 --max-new-tokens 1900 'x = [0, 0, 0, 0, 0,' > {path}"
    );
    if let Some(screen) = on_a_terminal(&command) {
        assert!(screen.contains("of 1900 tokens"), "{screen:?}");
        assert!(!std::fs::read_to_string(path).unwrap().contains("tokens,"));
    }
}

#[test]
fn without_a_terminal_there_is_no_bar() {
    let text = long_text();
    let path = text.path().to_str().unwrap();
    let child = codegeex(&["score", "--perplexity", path]).spawn().unwrap();
    thread::sleep(Duration::from_secs(2));
    crate::command::signal(&child, "INT");
    assert_eq!(finish(child).stderr, "interrupted\n");
}
