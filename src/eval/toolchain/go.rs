//! Go: the standard library and testify are compiled once, and programs by the compiler and the
//! linker themselves, which is what `go test` calls in the end.
//!
//! Linking takes most of the time, so up to eight programs are linked into one executable, each as
//! a package of its own; a run picks one. Every run is a process of its own, and a program whose
//! package would do anything before that (an `init`, a variable that calls something) is linked
//! alone, as it would run in the processes of the others too. The compiler's own output says which:
//! the object file has a symbol for it.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::super::dataset::EvalLanguage;
use super::super::program::Program;
use super::super::sandbox::{Folder, Outcome};
use super::super::verdict::{Judgement, Verdict, line_of};
use super::context::{Artifact, Built, Context, Failure};
use super::probe::{Missing, ask, in_path, run};
use super::{Toolchain, cache};
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};

const MODULE: &str = include_str!("../harness/go/mod.txt");
const SUMS: &str = include_str!("../harness/go/sum.txt");
const REPORT: &str = include_str!("../harness/report.go.txt");
const MAIN: &str = include_str!("../harness/main.go.txt");
/// Packages that a program can import.
const PACKAGES: &[&str] = &[
    "testing",
    "github.com/stretchr/testify/assert",
    "bufio",
    "bytes",
    "container/heap",
    "container/list",
    "crypto/md5",
    "encoding/hex",
    "errors",
    "fmt",
    "math",
    "math/big",
    "math/bits",
    "math/cmplx",
    "math/rand",
    "os",
    "reflect",
    "regexp",
    "sort",
    "strconv",
    "strings",
    "sync",
    "time",
    "unicode",
    "unicode/utf8",
];
/// What the harness imports.
const HARNESS: &[&str] = &["os", "syscall", "testing", "testing/internal/testdeps"];
/// Programs that are linked together.
const BATCH: usize = 8;
/// Bytes of an object file and of an executable at most.
const OBJECT: u64 = 64 << 20;
/// One core for each worker.
const ENV: &[(&str, &str)] = &[
    ("GOMAXPROCS", "1"),
    ("GOGC", "off"),
    ("GOTOOLCHAIN", "local"),
];

/// A Go distribution.
pub(super) struct Found {
    pub version: String,
    go: PathBuf,
    root: PathBuf,
    tools: PathBuf,
}

impl Found {
    pub fn look() -> Result<Self, Vec<Missing>> {
        let go = in_path("go");
        let answer = go.as_ref().and_then(|go| {
            let root = ask(go, &["env", "GOROOT"])?;
            let tools = ask(go, &["env", "GOTOOLDIR"])?;
            Some((ask(go, &["env", "GOVERSION"])?, root, tools, go.clone()))
        });
        match answer {
            Some((version, root, tools, go)) if is_recent(&version) => Ok(Self {
                version: format!("Go {}", version.trim_start_matches("go")),
                go,
                root: root.into(),
                tools: tools.into(),
            }),
            _ => {
                let what = "go, version 1.18 or later";
                let install = "apt-get install golang-go";
                Err(vec![Missing::new(EvalLanguage::Go, what, install)])
            }
        }
    }

    /// The command `go` with caches of its own.
    fn command(&self, folder: &Path) -> Command {
        let mut go = Command::new(&self.go);
        go.current_dir(folder)
            .env("GOCACHE", folder.join("gocache"))
            .env("GOMODCACHE", folder.join("gomodcache"))
            .env("GOTOOLCHAIN", "local")
            .env("GOWORK", "off")
            .env("GOFLAGS", "-mod=mod -modcacherw")
            .env_remove("GOEXPERIMENT");
        go
    }

    pub fn prepare(&self, cache: &Path, cancel: &CancelToken) -> Result<Go> {
        let packages = PACKAGES.join(" ");
        let key = [
            &*self.version,
            &*self.root.to_string_lossy(),
            MODULE,
            SUMS,
            REPORT,
            &packages,
        ];
        let folder = cache::folder(cache, "go", &key, |folder| self.make(folder, cancel))?;
        Ok(Go {
            go: self.go.clone(),
            compile: self.tools.join("compile"),
            link: self.tools.join("link"),
            mounts: super::context::outside_usr([&self.root, &folder]),
            folder,
        })
    }

    fn make(&self, folder: &Path, cancel: &CancelToken) -> Result<()> {
        let source = "package humaneval\n\nimport _ \"github.com/stretchr/testify/assert\"\n";
        cache::write(&folder.join("go.mod"), MODULE)?;
        cache::write(&folder.join("go.sum"), SUMS)?;
        cache::write(&folder.join("humaneval.go"), source)?;
        // For `go test` as the reference calls it: it compiles and vets.
        let test = "package humaneval\n\nimport (\n    \"testing\"\n    \
            \"github.com/stretchr/testify/assert\"\n)\n\nfunc TestOne(t *testing.T) {\n    \
            assert.Equal(t, 1, 1)\n}\n";
        cache::write(&folder.join("humaneval_test.go"), test)?;
        run(
            self.command(folder).args(["test", "humaneval_test.go"]),
            cancel,
        )?;
        let mut list = self.command(folder);
        let format = "{{if .Export}}{{.ImportPath}}={{.Export}}{{end}}";
        list.args(["list", "-export", "-deps", "-f", format])
            .args(PACKAGES)
            .args(HARNESS);
        // Without what only C code needs.
        let listed = run(list.env("CGO_ENABLED", "0"), cancel)?;
        let packages = folder.join("packages");
        cache::create(&packages)?;
        let (mut all, mut importable, mut harness) = (String::new(), String::new(), String::new());
        for (n, line) in listed.lines().filter(|l| !l.is_empty()).enumerate() {
            let (path, file) = line.split_once('=').ok_or_else(|| {
                let what = format!("`go list` says \"{line}\", expected a package and its file");
                Error::new(ErrorKind::MalformedFile, what)
            })?;
            let copy = packages.join(format!("{n}.a"));
            std::fs::copy(file, &copy).map_err(|e| Error::io(Path::new(file), "copy", e))?;
            let entry = format!("packagefile {path}={}\n", copy.display());
            let add = |config: &mut String, is_in: bool| {
                if is_in {
                    config.push_str(&entry);
                }
            };
            add(&mut all, true);
            add(&mut importable, PACKAGES.contains(&path));
            add(&mut harness, HARNESS.contains(&path));
        }
        cache::write(&folder.join("harness.cfg"), &harness)?;
        cache::write(&folder.join("report.go"), REPORT)?;
        let mut compile = Command::new(self.tools.join("compile"));
        compile.args(["-p", "0harness", "-importcfg", "harness.cfg", "-pack"]);
        compile.args(["-o", "report.a", "report.go"]);
        run(compile.current_dir(folder), cancel)?;
        let report = format!(
            "packagefile 0harness={}\n",
            folder.join("report.a").display()
        );
        cache::write(&folder.join("all.cfg"), all + &report)?;
        cache::write(&folder.join("harness.cfg"), harness + &report)?;
        cache::write(&folder.join("program.cfg"), &importable)
    }
}

/// Whether a version such as `go1.21.3` is 1.18 or later.
fn is_recent(version: &str) -> bool {
    let numbers = version.trim_start_matches("go");
    let mut numbers = numbers.split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next().and_then(|n| n.parse::<u32>().ok());
    match (number(), number()) {
        (Some(major), Some(minor)) => (major, minor) >= (1, 18),
        _ => false,
    }
}

/// A distribution with compiled packages.
pub(super) struct Go {
    pub go: PathBuf,
    compile: PathBuf,
    link: PathBuf,
    pub folder: PathBuf,
    pub mounts: Vec<PathBuf>,
}

/// What became of compiling a program.
enum Compiled {
    /// Whether the package does nothing before main.
    Object {
        is_inert: bool,
    },
    Failed(Judgement),
}

impl Go {
    /// Compiles all programs in one run of the sandbox.
    fn compile(
        &self,
        folder: &Folder,
        programs: &[Program],
        context: &Context<'_>,
    ) -> Result<(Outcome, Vec<Compiled>)> {
        for (n, program) in programs.iter().enumerate() {
            folder.write(format!("p{n}.go"), program.source().as_bytes())?;
        }
        let script = format!(
            "n=0; while [ $n -lt {} ]; do \"$0\" -p p$n -c 1 -importcfg \"$1\" -pack -o p$n.a \
             p$n.go >p$n.err 2>&1 && : >p$n.ok; n=$((n+1)); done",
            programs.len()
        );
        let args: Vec<OsString> = vec![
            "-c".into(),
            script.into(),
            self.compile.clone().into(),
            self.folder.join("program.cfg").into(),
        ];
        let outcome = context.build_step(folder, Path::new("/bin/sh"), &args, ENV, &self.mounts)?;
        if !outcome.end.is_success() {
            return Ok((outcome, Vec::new()));
        }
        let mut compiled = Vec::new();
        for n in 0..programs.len() {
            if folder.read(format!("p{n}.ok"), 1).is_err() {
                let said = folder
                    .read(format!("p{n}.err"), 1 << 20)
                    .unwrap_or_default();
                // The message must not depend on the other programs of the batch.
                let said =
                    String::from_utf8_lossy(&said).replace(&format!("p{n}.go"), "program.go");
                let line = line_of(&said, |l| l.contains(".go:"));
                compiled.push(Compiled::Failed(Judgement::new(
                    Verdict::CompileError,
                    line,
                )));
                continue;
            }
            let object = folder.read(format!("p{n}.a"), OBJECT)?;
            let name = format!("p{n}.init");
            let is_inert = !object.windows(name.len()).any(|w| w == name.as_bytes());
            compiled.push(Compiled::Object { is_inert });
        }
        Ok((outcome, compiled))
    }

    /// Links some of the programs of a folder into one executable.
    fn link(
        &self,
        folder: &Folder,
        chosen: &[(usize, &Program)],
        context: &Context<'_>,
    ) -> Result<(Outcome, Option<Arc<tempfile::TempDir>>)> {
        let mut objects = String::new();
        for (n, _) in chosen {
            let inside = Folder::INSIDE;
            let _ = writeln!(objects, "packagefile p{n}={inside}/p{n}.a");
        }
        let config = |name: &str| {
            let path = self.folder.join(name);
            std::fs::read_to_string(&path).map_err(|e| Error::io(&path, "read", e))
        };
        let of_harness = format!("{}{objects}", config("harness.cfg")?);
        let of_linker = format!("{}{objects}", config("all.cfg")?);
        folder.write("main.go", harness(chosen).as_bytes())?;
        folder.write("harness.cfg", of_harness.as_bytes())?;
        folder.write("linker.cfg", of_linker.as_bytes())?;
        let script = "\"$0\" -p main -c 1 -importcfg harness.cfg -pack -o main.a main.go && \
            \"$1\" -s -w -buildmode=exe -importcfg linker.cfg -o program main.a";
        let args: Vec<OsString> = vec![
            "-c".into(),
            script.into(),
            self.compile.clone().into(),
            self.link.clone().into(),
        ];
        let outcome = context.build_step(folder, Path::new("/bin/sh"), &args, ENV, &self.mounts)?;
        if !outcome.end.is_success() {
            return Ok((outcome, None));
        }
        let bytes = folder.read("program", OBJECT)?;
        let keep = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&self.folder)
            .map_err(|e| Error::io(&self.folder, "create a folder in", e))?;
        let path = keep.path().join("program");
        cache::write(&path, bytes)?;
        executable(&path)?;
        Ok((outcome, Some(Arc::new(keep))))
    }

    /// Links and makes the artifacts of some programs.
    fn artifacts(
        &self,
        folder: &Folder,
        chosen: &[(usize, &Program)],
        seconds: f64,
        context: &Context<'_>,
    ) -> Result<Vec<Built>> {
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let (outcome, keep) = self.link(folder, chosen, context)?;
        let seconds = seconds + outcome.wall.as_secs_f64() / chosen.len() as f64;
        let mut built = Vec::new();
        for (n, _) in chosen {
            let Some(keep) = &keep else {
                let judgement = context.failed_build(&outcome, |l| l.contains(".go:"));
                built.push(Built::Failed(judgement, seconds));
                continue;
            };
            let program = keep.path().join("program");
            let mut artifact = Artifact::new(context.folder()?, &program, None)
                .args([n.to_string()])
                .env("GOMAXPROCS", "1")
                .mounts(&[program]);
            artifact.keep = Some(keep.clone());
            artifact.seconds = seconds;
            built.push(Built::Artifact(Box::new(artifact)));
        }
        Ok(built)
    }
}

impl Toolchain for Go {
    fn batch(&self) -> usize {
        BATCH
    }

    fn build(&self, programs: &[Program], context: &Context<'_>) -> Result<Vec<Built>> {
        let folder = context.folder()?;
        let (outcome, compiled) = self.compile(&folder, programs, context)?;
        if compiled.is_empty() {
            return self.each_alone(programs, &outcome, context);
        }
        let seconds = outcome.wall.as_secs_f64() / programs.len() as f64;
        let mut built: Vec<Option<Built>> = Vec::new();
        let mut together = Vec::new();
        for (n, (program, compiled)) in programs.iter().zip(compiled).enumerate() {
            built.push(match compiled {
                Compiled::Failed(judgement) => Some(Built::Failed(judgement, seconds)),
                Compiled::Object { is_inert: true } => {
                    together.push((n, program));
                    None
                }
                Compiled::Object { is_inert: false } => self
                    .artifacts(&folder, &[(n, program)], seconds, context)?
                    .pop(),
            });
        }
        let linked = self.artifacts(&folder, &together, seconds, context)?;
        let failed = linked.iter().any(|b| matches!(b, Built::Failed(..)));
        if failed && together.len() > 1 {
            return self.each_alone(programs, &outcome, context);
        }
        for ((n, _), one) in together.iter().zip(linked) {
            built[*n] = Some(one);
        }
        Ok(built.into_iter().flatten().collect())
    }

    fn explain(&self, failure: &Failure<'_>) -> Judgement {
        explain(failure)
    }
}

impl Go {
    /// After a step for several programs did not end well: which of them it was.
    fn each_alone(
        &self,
        programs: &[Program],
        outcome: &Outcome,
        context: &Context<'_>,
    ) -> Result<Vec<Built>> {
        if let [_] = programs {
            let judgement = context.failed_build(outcome, |l| l.contains(".go:"));
            return Ok(vec![Built::Failed(judgement, outcome.wall.as_secs_f64())]);
        }
        let mut built = Vec::new();
        for program in programs {
            built.extend(self.build(std::slice::from_ref(program), context)?);
        }
        Ok(built)
    }
}

/// The main package: runs the tests of the program whose number is the argument, and then prints
/// the line that it was given.
fn harness(chosen: &[(usize, &Program)]) -> String {
    let mut imports = String::new();
    let mut cases = String::new();
    for (n, program) in chosen {
        let _ = writeln!(imports, "    p{n} \"p{n}\"");
        let _ = writeln!(cases, "    case \"{n}\":");
        for name in &program.test_functions {
            let _ = writeln!(cases, "        add(\"{name}\", p{n}.{name})");
        }
    }
    MAIN.replace("/*IMPORTS*/", &imports)
        .replace("/*CASES*/", &cases)
}

#[cfg(unix)]
fn executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, mode).map_err(|e| Error::io(path, "make executable", e))
}

#[cfg(not(unix))]
fn executable(_: &Path) -> Result<()> {
    Ok(())
}

/// From what the tests and the runtime print.
pub(super) fn explain(failure: &Failure<'_>) -> Judgement {
    let both = format!("{}\n{}", failure.stdout, failure.stderr);
    if both.contains("runtime: out of memory") || both.contains("cannot allocate memory") {
        let reason = line_of(&both, |l| l.contains("memory"));
        return Judgement::new(Verdict::OutOfMemory, reason);
    }
    if both.contains(" [build failed]") || both.contains(" [setup failed]") {
        return Judgement::new(
            Verdict::CompileError,
            line_of(&both, |l| l.contains(".go:")),
        );
    }
    let is_panic = |l: &str| l.starts_with("panic: ") || l.starts_with("fatal error: ");
    if both.lines().any(is_panic) {
        return Judgement::new(Verdict::Exception, line_of(&both, is_panic));
    }
    if both.contains("--- FAIL") {
        let about = both.lines().skip_while(|l| !l.contains("Error:")).take(3);
        let about: Vec<&str> = about.map(str::trim).collect();
        let reason = if about.is_empty() {
            line_of(&both, |l| l.contains("--- FAIL"))
        } else {
            about.join(" ")
        };
        return Judgement::new(Verdict::WrongAnswer, reason);
    }
    Judgement::new(Verdict::Exception, failure.ended())
}
