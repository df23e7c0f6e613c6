//! The reference's way: for each program, the commands that a person would type, and the exit code
//! decides. To measure against and to cross-check verdicts.
//!
//! An exit code proves little: a program that ends itself with 0 before its tests passes here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::super::dataset::EvalLanguage;
use super::super::program::Program;
use super::super::sandbox::Folder;
use super::super::verdict::Judgement;
use super::context::{Artifact, Built, Context, Failure};
use super::{Toolchain, cpp, go, java, javascript, python, rust};
use crate::error::Result;

/// A file, a command that compiles it unless the other one does, and one that runs it.
pub(super) struct Naive {
    language: EvalLanguage,
    file: &'static str,
    compile: Option<(PathBuf, Vec<OsString>)>,
    run: (PathBuf, Vec<OsString>),
    env: Vec<(&'static str, OsString)>,
    mounts: Vec<PathBuf>,
    copies: Vec<PathBuf>,
    /// Files that stand beside the program.
    beside: Vec<(&'static str, PathBuf)>,
}

impl Naive {
    fn new(language: EvalLanguage, file: &'static str, program: &Path, args: &[&str]) -> Self {
        Self {
            language,
            file,
            compile: None,
            run: (program.to_owned(), args.iter().map(Into::into).collect()),
            env: Vec::new(),
            mounts: Vec::new(),
            copies: Vec::new(),
            beside: Vec::new(),
        }
    }
}

pub(super) fn python(found: &python::Found) -> Naive {
    let args = ["-B", "program.py"];
    let mut naive = Naive::new(EvalLanguage::Python, "program.py", &found.program, &args);
    naive.mounts.clone_from(&found.mounts);
    naive
}

pub(super) fn cpp(found: &cpp::Found) -> Naive {
    let program = Path::new("./a.out");
    let mut naive = Naive::new(EvalLanguage::Cpp, "program.cpp", program, &[]);
    let args = [cpp::STANDARD, "program.cpp"].map(Into::into).to_vec();
    naive.compile = Some((found.program.clone(), args));
    naive
}

pub(super) fn java(found: &java::Found) -> Naive {
    let args = ["-cp", Folder::INSIDE, "Main"];
    let mut naive = Naive::new(EvalLanguage::Java, "Main.java", &found.tool("java"), &args);
    naive.compile = Some((found.tool("javac"), vec!["Main.java".into()]));
    naive.mounts = found.mounts();
    naive
}

pub(super) fn javascript(ready: javascript::JavaScript) -> Naive {
    let args = ["program.js"];
    let mut naive = Naive::new(
        EvalLanguage::JavaScript,
        "program.js",
        &ready.program,
        &args,
    );
    let modules = ready.folder.join("node_modules");
    naive.env = vec![("NODE_PATH", modules.into())];
    naive.mounts = ready.mounts;
    naive
}

pub(super) fn go(ready: go::Go) -> Naive {
    let args = ["test", "main_test.go"];
    let mut naive = Naive::new(EvalLanguage::Go, "main_test.go", &ready.go, &args);
    let cache = ready.folder.join("gocache");
    naive.env = vec![
        ("GOCACHE", cache.clone().into()),
        ("GOMODCACHE", ready.folder.join("gomodcache").into()),
        ("GOFLAGS", "-mod=mod".into()),
        ("GOPROXY", "off".into()),
        ("GOTOOLCHAIN", "local".into()),
    ];
    for name in ["go.mod", "go.sum"] {
        naive.beside.push((name, ready.folder.join(name)));
    }
    naive.copies = vec![cache];
    naive.mounts = ready.mounts;
    naive
}

/// The reference has cargo call the compiler twice, first to check and then to build; here it is
/// called once.
pub(super) fn rust(ready: &rust::Rust) -> Naive {
    let program = Path::new("./program");
    let mut naive = Naive::new(EvalLanguage::Rust, "program.rs", program, &[]);
    naive.compile = Some((ready.rustc.clone(), ready.arguments(false)));
    naive.mounts.clone_from(&ready.mounts);
    naive
}

impl Toolchain for Naive {
    fn build(&self, programs: &[Program], context: &Context<'_>) -> Result<Vec<Built>> {
        let build = |program: &Program| {
            let folder = context.folder()?;
            let source = program.source();
            folder.write(self.file, source.as_bytes())?;
            for (name, path) in &self.beside {
                let bytes = std::fs::read(path);
                let bytes = bytes.map_err(|e| crate::error::Error::io(path, "read", e))?;
                folder.write(name, &bytes)?;
            }
            let mut seconds = 0.0;
            if let Some((compiler, args)) = &self.compile {
                let mut args = args.clone();
                if self.language == EvalLanguage::Cpp {
                    args.extend(cpp::libraries(&source).iter().map(Into::into));
                }
                let outcome = context.build_step(&folder, compiler, &args, &[], &self.mounts)?;
                seconds = outcome.wall.as_secs_f64();
                if !outcome.end.is_success() {
                    let judgement = context.failed_build(&outcome, |l| l.contains("error"));
                    return Ok(Built::Failed(judgement, seconds));
                }
            }
            let (program, args) = &self.run;
            let mut artifact = Artifact::new(folder, program, None)
                .args(args)
                .mounts(&self.mounts);
            for (name, value) in &self.env {
                artifact = artifact.env(name, value);
            }
            artifact.copies.clone_from(&self.copies);
            artifact.seconds = seconds;
            if self.language == EvalLanguage::Go {
                artifact.also_builds = true;
            }
            Ok(Built::Artifact(Box::new(artifact)))
        };
        programs.iter().map(build).collect()
    }

    fn explain(&self, failure: &Failure<'_>) -> Judgement {
        match self.language {
            EvalLanguage::Python => python::explain(failure),
            EvalLanguage::Cpp => cpp::explain(failure),
            EvalLanguage::Java => java::explain(failure),
            EvalLanguage::JavaScript => javascript::explain(failure),
            EvalLanguage::Go => go::explain(failure),
            EvalLanguage::Rust => rust::explain(failure),
        }
    }

    fn objection(&self, run: &Failure<'_>) -> Option<Judgement> {
        match self.language {
            EvalLanguage::JavaScript => javascript::objection(run),
            EvalLanguage::Rust => rust::objection(run),
            _ => None,
        }
    }

    fn trusts_exit_code(&self) -> bool {
        true
    }
}
