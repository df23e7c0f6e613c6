//! Programs that try to break out, each with every mechanism that this machine has.

use codegeex::cancel::CancelToken;
use codegeex::eval::sandbox::{Command, End, Policy, Sandbox};

#[test]
fn first() {
    let sandbox = Sandbox::detect(Policy::Bubblewrap).unwrap();
    let folder = sandbox.folder(64 << 20).unwrap();
    folder.write("a/hello.sh", b"id; ls -la / /dev /tmp/ /etc; ls -la /proc/self/fd; cat /proc/self/status; env; pwd; echo hi; cat; ulimit -a; mount; echo x > x").unwrap();
    let command = Command::new("sh", &folder).arg("a/hello.sh").stdin("given");
    let outcome = sandbox.run(&command, &CancelToken::new()).unwrap();
    println!(
        "{:?} {}\n{}",
        outcome.end,
        String::from_utf8_lossy(&outcome.stdout),
        String::from_utf8_lossy(&outcome.stderr)
    );
    assert_eq!(outcome.end, End::Exited(0));
    println!(
        "{:?}",
        sandbox.run(&Command::new("nothing", &folder), &CancelToken::new())
    );
}
