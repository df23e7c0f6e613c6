//! The warm compiler of Java: JVMs in the sandbox that compile one source after another and run
//! none of them.
//!
//! A source is hostile to its compiler at most, so a JVM that failed, was slow or said something
//! odd is replaced before the next source; what the others get never depends on it.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::sandbox::{Command, Folder, Limits, Server};
use super::super::verdict::{Judgement, Verdict, line_of};
use super::context::Context;
use crate::error::{Error, ErrorKind, Result};

/// Bytes of an answer at most.
const ANSWER: usize = 32 << 20;
/// Sources that one JVM compiles, so that what it keeps does not grow for ever.
const SOURCES: u32 = 2_000;

/// Longer than a JVM lives; each answer has a time limit of its own.
const DAY: Duration = Duration::from_secs(86_400);

/// What became of a source.
pub(super) enum Answer {
    /// Names, without folders, and bytes.
    Classes(Vec<(String, Vec<u8>)>),
    Failed(Judgement),
}

/// Servers that wait for work: as many as compile at the same time.
pub(super) struct Servers {
    java: PathBuf,
    folder: PathBuf,
    mounts: Vec<PathBuf>,
    idle: Mutex<Vec<Warm>>,
}

struct Warm {
    server: Server,
    /// The folder that it stands in.
    _folder: Folder,
    left: u32,
}

impl Servers {
    pub fn new(java: PathBuf, folder: PathBuf, mounts: Vec<PathBuf>) -> Self {
        Self {
            java,
            folder,
            mounts,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Compiles a source; the seconds that it took do not contain the start of a server.
    pub fn compile(&self, source: &str, context: &Context<'_>) -> Result<(Answer, f64)> {
        context.cancel.check()?;
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = idle().pop();
        let was_waiting = waiting.is_some();
        let mut warm = match waiting {
            Some(warm) => warm,
            None => self.start(context)?,
        };
        let start = Instant::now();
        let mut asked = warm.ask(source, context.build.wall);
        if was_waiting && matches!(asked, Err(Broken::Ended(_))) {
            // One that died while it waited says nothing about this source.
            warm = self.start(context)?;
            asked = warm.ask(source, context.build.wall);
        }
        let seconds = start.elapsed().as_secs_f64();
        let answer = match asked {
            Ok(answer) => {
                warm.left -= 1;
                if warm.left > 0 {
                    idle().push(warm);
                }
                answer
            }
            Err(Broken::Late) => {
                let reason = format!(
                    "javac took more than {} s",
                    context.build.wall.as_secs_f64()
                );
                Answer::Failed(Judgement::new(Verdict::TimedOut, reason))
            }
            Err(Broken::Failed(said) | Broken::Ended(said)) => {
                let reason = format!("javac failed: {said}");
                Answer::Failed(Judgement::new(Verdict::CompileError, reason))
            }
        };
        Ok((answer, seconds))
    }

    fn start(&self, context: &Context<'_>) -> Result<Warm> {
        let folder = context.folder()?;
        let archive = self.folder.join("server.jsa");
        let limits = Limits {
            wall: DAY,
            cpu: DAY,
            ..context.build.clone()
        };
        let mut command = Command::new(&self.java, &folder)
            .args(super::java::JVM)
            .arg(format!("-Xmx{}m", (context.build.memory >> 20) / 2))
            .arg("-Xss8m")
            .arg(format!("-XX:SharedArchiveFile={}", archive.display()))
            .arg("-cp")
            .arg(self.folder.join("server.jar"))
            .arg("CompileServer")
            .limits(limits);
        for path in &self.mounts {
            command = super::context::show(command, path);
        }
        let server = context.sandbox.spawn(&command)?;
        Ok(Warm {
            server,
            _folder: folder,
            left: SOURCES,
        })
    }
}

/// Why there is no answer.
enum Broken {
    Late,
    /// The compiler threw something, or the answer is odd.
    Failed(String),
    /// The server is gone.
    Ended(String),
}

impl Warm {
    fn ask(&mut self, source: &str, patience: Duration) -> Result<Answer, Broken> {
        self.server.set_deadline(Some(Instant::now() + patience));
        let mut message = (source.len() as u32).to_be_bytes().to_vec();
        message.extend_from_slice(source.as_bytes());
        let answer = self.exchange(&message).map_err(|e| match e.kind() {
            std::io::ErrorKind::TimedOut => Broken::Late,
            _ => {
                let said = self.server.stderr();
                let said = line_of(&String::from_utf8_lossy(&said), |_| false);
                Broken::Ended(format!("{e} {said}"))
            }
        })?;
        parse(&answer).map_err(|e| Broken::Failed(e.to_string()))
    }

    fn exchange(&mut self, message: &[u8]) -> std::io::Result<Vec<u8>> {
        let stdin = self.server.stdin();
        stdin.write_all(message)?;
        stdin.flush()?;
        let mut length = [0; 4];
        let stdout = self.server.stdout();
        stdout.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > ANSWER {
            return Err(std::io::Error::other(format!(
                "an answer of {length} bytes"
            )));
        }
        let mut answer = vec![0; length];
        stdout.read_exact(&mut answer)?;
        Ok(answer)
    }
}

/// Reads an answer; what it says is as hostile as its source.
fn parse(answer: &[u8]) -> Result<Answer> {
    let mut rest = answer;
    let kind = take(&mut rest, 1)?[0];
    if kind != 0 {
        let text = String::from_utf8_lossy(field(&mut rest)?).into_owned();
        if kind != 1 {
            return Err(odd(&text));
        }
        let line = line_of(&text, super::java::is_error);
        let judgement = Judgement::new(Verdict::CompileError, line);
        return Ok(Answer::Failed(judgement));
    }
    let count = number(&mut rest)?;
    let mut classes = Vec::new();
    for _ in 0..count {
        let name = String::from_utf8_lossy(field(&mut rest)?).into_owned();
        let is_plain = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(odd(&format!("a class is called \"{name}\"")));
        }
        classes.push((name, field(&mut rest)?.to_vec()));
    }
    Ok(Answer::Classes(classes))
}

fn take<'a>(rest: &mut &'a [u8], n: usize) -> Result<&'a [u8]> {
    let (taken, left) = rest
        .split_at_checked(n)
        .ok_or_else(|| odd("the answer is too short"))?;
    *rest = left;
    Ok(taken)
}

fn number(rest: &mut &[u8]) -> Result<usize> {
    let bytes = take(rest, 4)?;
    let bytes = bytes
        .try_into()
        .map_err(|_| odd("the answer is too short"))?;
    Ok(u32::from_be_bytes(bytes) as usize)
}

fn field<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8]> {
    let n = number(rest)?;
    take(rest, n)
}

fn odd(what: &str) -> Error {
    Error::new(ErrorKind::Internal, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
    }

    #[test]
    fn answers_are_read_and_odd_ones_refused() {
        let classes = [&[0, 0, 0, 0, 1][..], &text(b"Main$1"), &text(b"\xca\xfe")].concat();
        match parse(&classes).unwrap() {
            Answer::Classes(c) => assert_eq!(c, [("Main$1".to_owned(), vec![0xca, 0xfe])]),
            Answer::Failed(j) => panic!("{j:?}"),
        }
        let failed = [&[1][..], &text(b"Main.java:3: error: ';' expected\n")].concat();
        match parse(&failed).unwrap() {
            Answer::Failed(j) => assert_eq!(j.verdict, Verdict::CompileError),
            Answer::Classes(_) => panic!("no classes"),
        }
        for cut in 0..classes.len() {
            assert!(parse(&classes[..cut]).is_err(), "{cut}");
        }
        let path = [&[0, 0, 0, 0, 1][..], &text(b"../Main"), &text(b"")].concat();
        assert!(parse(&path).is_err());
        let many = [0, 255, 255, 255, 255];
        assert!(parse(&many).is_err());
        assert!(parse(&[&[2][..], &text(b"x")].concat()).is_err());
    }
}
