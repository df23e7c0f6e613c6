//! Running the program.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use serde_json::Value;

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// The program with these arguments, all its streams piped.
pub fn codegeex(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_codegeex"));
    command
        .args(args)
        .env("CODEGEEX_CACHE", crate::support::cache_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A console of its own, so that `signal` reaches no other process.
    #[cfg(windows)]
    std::os::windows::process::CommandExt::creation_flags(
        &mut command,
        windows_sys::Win32::System::Threading::CREATE_NO_WINDOW,
    );
    command
}

/// Starts the program and takes hold of its stdin and stdout.
pub fn start(args: &[&str]) -> (Child, ChildStdin, ChildStdout) {
    let mut child = codegeex(args).spawn().unwrap();
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    (child, stdin.unwrap(), stdout.unwrap())
}

/// Waits for the program; `stdout` is what it wrote and was not read yet.
pub fn finish(child: Child) -> Finished {
    let output = child.wait_with_output().unwrap();
    Finished {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the program on all of `stdin`.
pub fn run(args: &[&str], stdin: impl AsRef<[u8]> + Send) -> Finished {
    let mut child = codegeex(args).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    thread::scope(|scope| {
        // A program that fails early does not read it.
        scope.spawn(move || input.write_all(stdin.as_ref()));
        finish(child)
    })
}

impl Finished {
    /// The output of a run that must succeed without a word on stderr but a finish reason.
    #[track_caller]
    pub fn ok(self) -> String {
        let is_reason = |line: &str| line.starts_with("finish reason: ");
        let said: Vec<&str> = self.stderr.lines().filter(|l| !is_reason(l)).collect();
        assert_eq!((self.code, &said[..]), (Some(0), &[][..]));
        String::from_utf8(self.stdout).unwrap()
    }

    /// The message of a run that must fail with this code and without output.
    #[track_caller]
    pub fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stdout.is_empty(), "{self:?}");
        assert!(self.stderr.starts_with("error: "), "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        self.stderr
    }

    /// The answers of a run in which some lines must have been refused.
    #[track_caller]
    pub fn some_refused(self) -> Vec<Value> {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert!(self.stderr.contains("answered with an error"), "{self:?}");
        json_lines(&String::from_utf8(self.stdout).unwrap())
    }
}

/// Each line as JSON.
#[track_caller]
pub fn json_lines(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// The error code and the line that an answer gives, and whether its message says all of `parts`.
#[track_caller]
pub fn assert_error(answer: &Value, code: i64, line: u64, parts: &[&str]) {
    let error = &answer["error"];
    assert_eq!(error["code"], code, "{answer}");
    assert_eq!(error["line"], line, "{answer}");
    let message = error["message"].as_str().unwrap();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

/// At least that many bytes of a stream, as soon as they are there.
pub fn read_some(stream: &mut impl Read, bytes: usize) -> String {
    let mut found = vec![0; bytes];
    stream.read_exact(&mut found).unwrap();
    String::from_utf8_lossy(&found).into_owned()
}

/// Sends a signal by name.
#[cfg(unix)]
pub fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &id]).status();
    assert!(sent.unwrap().success());
}

/// Sends Ctrl-C, whatever the name. It goes to all processes of a console, and a process has one console
/// at most; so another process, without any, joins that of the program and sends.
#[cfg(windows)]
pub fn signal(child: &Child, _: &str) {
    use std::os::windows::process::CommandExt;
    use windows_sys::Win32::System::Threading::DETACHED_PROCESS;
    let sender = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "command::ctrl_c_is_sent", "--ignored"])
        .env(SEND_TO, child.id().to_string())
        .creation_flags(DETACHED_PROCESS)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&sender.stdout);
    assert!(said.contains("1 passed"), "{sender:?}");
}

/// The process that `ctrl_c_is_sent` sends to.
#[cfg(windows)]
const SEND_TO: &str = "CODEGEEX_TEST_SEND_TO";

#[cfg(windows)]
#[test]
#[ignore = "the process that `signal` starts"]
fn ctrl_c_is_sent() {
    use windows_sys::Win32::System::Console::{
        AttachConsole, CTRL_C_EVENT, GenerateConsoleCtrlEvent, SetConsoleCtrlHandler,
    };
    let to = std::env::var(SEND_TO).expect("a process to send to, which `signal` gives");
    let to = to.parse().unwrap();
    // SAFETY: numbers are passed, and no handler; with none, this process ignores Ctrl-C itself.
    let sent = unsafe {
        AttachConsole(to) != 0
            && SetConsoleCtrlHandler(None, 1) != 0
            && GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) != 0
    };
    assert!(sent, "{}", std::io::Error::last_os_error());
}
