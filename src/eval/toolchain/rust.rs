//! Rust: the crates that programs may use are compiled once, and programs by `rustc` alone.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::dataset::EvalLanguage;
use super::super::program::Program;
use super::super::verdict::{Judgement, Verdict};
use super::context::{Artifact, Built, Context, Failure};
use super::cpp::{WRAP, WRAP_MAIN};
use super::probe::{Missing, ask, in_path, run};
use super::{Toolchain, cache};
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};

/// The reference's, and exactly.
const MANIFEST: &str = include_str!("../harness/rust/manifest.toml");
const LOCK: &str = include_str!("../harness/rust/lock.toml");
/// The crates by the names that programs use.
const CRATES: &[&str] = &["rand", "regex", "md5"];

/// Settings of a caller's own builds.
const CARGO_SETTINGS: &[&str] = &[
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "CARGO_INCREMENTAL",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
];

/// A compiler with its package manager.
pub(super) struct Found {
    pub version: String,
    cargo: PathBuf,
    rustc: PathBuf,
    sysroot: PathBuf,
}

impl Found {
    pub fn look() -> Result<Self, Vec<Missing>> {
        let mut missing = Vec::new();
        let mut lacks = |what, install| {
            missing.push(Missing::new(EvalLanguage::Rust, what, install));
        };
        let sysroot = ask("rustc", &["--print", "sysroot"]).unwrap_or_default();
        let rustc = Path::new(&sysroot).join("bin/rustc");
        let version = ask(&rustc, &["--version"]);
        if version.is_none() {
            lacks(
                "rustc",
                "install Rust with rustup, or: apt-get install rustc cargo",
            );
        }
        let cargo = in_path("cargo").filter(|c| ask(c, &["--version"]).is_some());
        if cargo.is_none() && version.is_some() {
            lacks(
                "cargo",
                "install Rust with rustup, or: apt-get install cargo",
            );
        }
        if in_path("cc").is_none() {
            lacks("cc, which links", "apt-get install gcc");
        }
        match (version, cargo) {
            (Some(version), Some(cargo)) if missing.is_empty() => Ok(Self {
                version,
                cargo,
                rustc,
                sysroot: sysroot.into(),
            }),
            _ => Err(missing),
        }
    }

    pub fn prepare(&self, cache: &Path, cancel: &CancelToken) -> Result<Rust> {
        let key = [&self.version, MANIFEST, LOCK, WRAP_MAIN];
        let folder = cache::folder(cache, "rust", &key, |folder| {
            cache::write(&folder.join("Cargo.toml"), MANIFEST)?;
            cache::write(&folder.join("Cargo.lock"), LOCK)?;
            cache::write(&folder.join("wrap_main.c"), WRAP_MAIN)?;
            cache::create(&folder.join("src/bin"))?;
            cache::write(&folder.join("src/lib.rs"), "")?;
            cache::write(&folder.join("src/bin/program.rs"), "fn main() {}\n")?;
            let mut cc = Command::new("cc");
            cc.args(["-O1", "-c", "wrap_main.c", "-o", "wrap_main.o"]);
            run(cc.current_dir(folder), cancel)?;
            let cargo = |args: &[&str]| {
                let mut cargo = Command::new(&self.cargo);
                for name in CARGO_SETTINGS {
                    cargo.env_remove(name);
                }
                cargo
                    .args(args)
                    .env("RUSTC", &self.rustc)
                    .current_dir(folder);
                run(&mut cargo, cancel)
            };
            let target = ["--target-dir", "target"];
            cargo(&[&["test", "--no-run", "--locked", "--quiet"][..], &target].concat())?;
            Ok(())
        })?;
        let libraries = folder.join("target/debug/deps");
        let mut externs = Vec::new();
        for name in CRATES {
            externs.push((*name, library(&libraries, name)?));
        }
        Ok(Rust {
            rustc: self.rustc.clone(),
            mounts: super::context::outside_usr([&self.sysroot, &folder]),
            folder,
            externs,
        })
    }
}

/// The compiled library of a crate.
fn library(folder: &Path, name: &str) -> Result<PathBuf> {
    let start = format!("lib{name}-");
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, "read", e))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let file = path.file_name().and_then(|n| n.to_str());
            file.is_some_and(|f| f.starts_with(&start) && f.ends_with(".rlib"))
        })
        .collect();
    found.sort();
    found.pop().ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            format!(
                "{}: no library of the crate {name}; remove the folder to build it again",
                folder.display()
            ),
        )
    })
}

/// A compiler with the crates and the harness.
pub(super) struct Rust {
    pub rustc: PathBuf,
    pub mounts: Vec<PathBuf>,
    pub folder: PathBuf,
    externs: Vec<(&'static str, PathBuf)>,
}

impl Rust {
    /// How `program.rs` becomes `program`, with the harness or without.
    pub fn arguments(&self, harness: bool) -> Vec<OsString> {
        let mut args: Vec<OsString> = Vec::new();
        args.extend(["--test", "--edition=2021", "program.rs", "-o", "program"].map(Into::into));
        args.push("--cap-lints=allow".into());
        args.extend(["-Cdebuginfo=0", "-Copt-level=0", "-Ccodegen-units=1"].map(Into::into));
        let deps = self.folder.join("target/debug/deps");
        args.push(format!("-Ldependency={}", deps.display()).into());
        for (name, file) in &self.externs {
            args.push("--extern".into());
            args.push(format!("{name}={}", file.display()).into());
        }
        if harness {
            let object = self.folder.join("wrap_main.o");
            args.push(format!("-Clink-arg={WRAP}").into());
            args.push(format!("-Clink-arg={}", object.display()).into());
        }
        args
    }
}

impl Toolchain for Rust {
    fn build(&self, programs: &[Program], context: &Context<'_>) -> Result<Vec<Built>> {
        let build = |program: &Program| {
            let folder = context.folder()?;
            folder.write("program.rs", program.source().as_bytes())?;
            let args = self.arguments(true);
            let outcome = context.build_step(&folder, &self.rustc, &args, &[], &self.mounts)?;
            if !outcome.end.is_success() {
                let judgement = context.failed_build(&outcome, is_error);
                return Ok(Built::Failed(judgement, outcome.wall.as_secs_f64()));
            }
            let artifact = Artifact::new(folder, "./program", Some(&outcome)).mounts(&self.mounts);
            Ok(Built::Artifact(Box::new(artifact)))
        };
        programs.iter().map(build).collect()
    }

    fn explain(&self, failure: &Failure<'_>) -> Judgement {
        explain(failure)
    }

    fn objection(&self, run: &Failure<'_>) -> Option<Judgement> {
        objection(run)
    }
}

/// A run without a test passes with the test harness of Rust, and not here.
pub(super) fn objection(run: &Failure<'_>) -> Option<Judgement> {
    let none = "test result: ok. 0 passed";
    run.stdout
        .contains(none)
        .then(|| Judgement::new(Verdict::Exception, "there is no test that ran"))
}

pub(super) fn is_error(line: &str) -> bool {
    line.starts_with("error")
}

/// From what the test harness prints.
pub(super) fn explain(failure: &Failure<'_>) -> Judgement {
    let said = failure.stdout;
    let at = said.lines().position(|l| l.contains("panicked at "));
    if let Some(at) = at {
        let lines: Vec<&str> = said.lines().skip(at).take(2).collect();
        let reason = lines.join(" ");
        let is_assertion = reason.contains("assertion ");
        let verdict = if is_assertion {
            Verdict::WrongAnswer
        } else {
            Verdict::Exception
        };
        return Judgement::new(verdict, reason);
    }
    if failure.stderr.contains("memory allocation of ") {
        return failure.with(Verdict::OutOfMemory, |l| {
            l.contains("memory allocation of ")
        });
    }
    failure.with(Verdict::Exception, |l| l.contains("overflowed its stack"))
}
