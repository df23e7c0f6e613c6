//! What ordinary programs need works: compilers and runtimes that reserve much, start threads and
//! write where they are.

use std::path::Path;

use codegeex::eval::sandbox::{Command, End};

use crate::machine::{each, limits, run, text};

/// Programs, their arguments and what they print; run where they are installed.
const RUNTIMES: [(&str, &[&str], &str); 5] = [
    (
        "/usr/bin/python3",
        &[
            "-c",
            "import threading, tempfile, random; tempfile.TemporaryFile().write(b'x'); print(6 * 7)",
        ],
        "42\n",
    ),
    ("/usr/bin/node", &["-e", "console.log(6 * 7)"], "42\n"),
    ("/usr/bin/javac", &["-J-Xmx256m", "Answer.java"], ""),
    ("/usr/bin/java", &["-Xmx256m", "Answer"], "42\n"),
    (
        "/usr/bin/g++",
        &["-O1", "-c", "-x", "c++", "answer.cpp"],
        "",
    ),
];

#[test]
fn common_ones() {
    each(|sandbox| {
        let folder = sandbox.folder(64 << 20).unwrap();
        let java = "class Answer { public static void main(String[] a) throws Exception {
            Thread t = new Thread(() -> System.out.println(6 * 7)); t.start(); t.join(); } }";
        folder.write("Answer.java", java.as_bytes()).unwrap();
        let cpp = "#include <map>\n#include <string>\nstd::map<std::string, int> m;\n";
        folder.write("answer.cpp", cpp.as_bytes()).unwrap();
        for (program, args, expected) in RUNTIMES {
            if !Path::new(program).exists() {
                crate::support::skip(&format!("no {program}"));
                continue;
            }
            let command = Command::new(program, &folder).args(args);
            let outcome = run(sandbox, &command.limits(limits(|_| ())));
            let message = text(&outcome.stderr);
            assert_eq!(outcome.end, End::Exited(0), "{program}: {message}");
            assert_eq!(text(&outcome.stdout), expected, "{program}: {message}");
        }
    });
}
