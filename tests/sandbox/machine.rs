//! The sandboxes of this machine, the program that attacks them, and what the machine looks like.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use codegeex::cancel::CancelToken;
use codegeex::eval::sandbox::{Command, Folder, Limits, Outcome, Policy, Sandbox};

/// Set in a run of these tests as an ordinary user.
pub const AS_USER: &str = "SANDBOX_TESTS_AS_USER";

/// Runs `test` with every mechanism. One that does not work here is said, and it is a failure if
/// none does.
pub fn each(test: impl Fn(&Sandbox)) {
    let mut count = 0;
    for policy in [Policy::Bubblewrap, Policy::Namespaces] {
        match Sandbox::detect(policy) {
            Ok(sandbox) => {
                println!("with {}", sandbox.name());
                test(&sandbox);
                count += 1;
            }
            Err(e) => crate::support::skip(&e.to_string()),
        }
    }
    assert!(count > 0, "no sandbox works on this machine");
}

/// A folder with the attacking program in it.
pub fn armed(sandbox: &Sandbox, disk: u64) -> Folder {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| compile(sandbox));
    let folder = sandbox.folder(disk).unwrap();
    folder.write("attack", program).unwrap();
    folder
}

/// Compiles it, in the sandbox as well.
fn compile(sandbox: &Sandbox) -> Vec<u8> {
    let folder = sandbox.folder(64 << 20).unwrap();
    let source = include_bytes!("attack.c");
    folder.write("attack.c", source).unwrap();
    let command = Command::new("cc", &folder)
        .args(["-O1", "-o", "attack", "attack.c", "-pthread"])
        .limits(limits(|limits| limits.wall = Duration::from_secs(120)));
    let outcome = run(sandbox, &command);
    let message = String::from_utf8_lossy(&outcome.stderr);
    assert!(
        outcome.end.is_success(),
        "a C compiler is needed: {message}"
    );
    folder.read("attack", 1 << 24).unwrap()
}

/// Limits that are generous in time, for a machine that does other things meanwhile.
pub fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    limits.wall = Duration::from_secs(60);
    limits.cpu = Duration::from_secs(60);
    change(&mut limits);
    limits
}

pub fn run(sandbox: &Sandbox, command: &Command) -> Outcome {
    sandbox.run(command, &CancelToken::new()).unwrap()
}

/// The attack of that name, with arguments.
pub fn attack<'a>(folder: &'a Folder, args: &[&str]) -> Command<'a> {
    Command::new("./attack", folder)
        .args(args)
        .limits(limits(|_| ()))
}

/// A script of a shell.
pub fn shell<'a>(folder: &'a Folder, script: &str) -> Command<'a> {
    Command::new("sh", folder)
        .args(["-c", script])
        .limits(limits(|_| ()))
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Processes of the machine that have `marker` among their arguments.
pub fn processes_with(marker: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| {
            let args = std::fs::read(path.join("cmdline")).unwrap_or_default();
            args.split(|byte| *byte == 0)
                .any(|arg| arg == marker.as_bytes())
        })
        .collect()
}

/// A word that nothing else on the machine has.
pub fn marker(name: &str) -> String {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!("{name}-{}-{}", std::process::id(), time.unwrap().as_nanos())
}

/// A folder on the machine with a secret in it, outside of what programs see.
pub fn secret(folder: &Path) -> (tempfile::TempDir, PathBuf, String) {
    let folder = tempfile::tempdir_in(folder).unwrap();
    let path = folder.path().join("secret");
    let text = marker("secret");
    std::fs::write(&path, &text).unwrap();
    (folder, path, text)
}
