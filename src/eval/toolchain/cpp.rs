//! C++: the headers that all programs share are compiled once.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::dataset::EvalLanguage;
use super::super::program::{CPP, Program};
use super::super::verdict::{Judgement, Verdict};
use super::context::{Artifact, Built, Context, Failure};
use super::probe::{Missing, ask, in_path, run, takes};
use super::{Toolchain, cache};
use crate::cancel::CancelToken;
use crate::error::Result;

/// The harness of programs that a C linker makes.
pub(super) const WRAP_MAIN: &str = include_str!("../harness/wrap_main.c");
/// Makes the linker call the harness first.
pub(super) const WRAP: &str = "-Wl,--wrap=main";
/// As the reference compiles.
pub(super) const STANDARD: &str = "-std=c++11";

/// A compiler.
pub(super) struct Found {
    pub program: PathBuf,
    pub version: String,
}

impl Found {
    pub fn look() -> Result<Self, Vec<Missing>> {
        let lacks = |what, install| Missing::new(EvalLanguage::Cpp, what, install);
        let found = in_path("g++").and_then(|p| Some((ask(&p, &["-dumpfullversion"])?, p)));
        let Some((version, program)) = found else {
            return Err(vec![lacks("g++", "apt-get install g++")]);
        };
        let check = |text: &str| {
            let args = [STANDARD, "-x", "c++", "-fsyntax-only", "-"];
            takes(&program, &args, text)
        };
        let mut missing = Vec::new();
        if !check("#include <string>\nauto x = 1;\n") {
            let what = "g++ with C++11 and the standard library";
            missing.push(lacks(what, "apt-get install g++"));
        }
        if !check("#include <openssl/md5.h>\n") {
            missing.push(lacks(
                "the headers of OpenSSL",
                "apt-get install libssl-dev",
            ));
        }
        if !check("#include <boost/any.hpp>\n") {
            missing.push(lacks(
                "the headers of Boost",
                "apt-get install libboost-dev",
            ));
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        Ok(Self {
            version: format!("g++ {version}"),
            program,
        })
    }

    pub fn prepare(&self, cache: &Path, cancel: &CancelToken) -> Result<Cpp> {
        let prelude: String = CPP.iter().map(|h| format!("#include<{h}>\n")).collect();
        let key = [&self.version, WRAP_MAIN, STANDARD, &prelude];
        let folder = cache::folder(cache, "cpp", &key, |folder| {
            cache::write(&folder.join("prelude.h"), &prelude)?;
            cache::write(&folder.join("wrap_main.c"), WRAP_MAIN)?;
            let compiler = |args: &[&str]| {
                run(
                    Command::new(&self.program).args(args).current_dir(folder),
                    cancel,
                )
            };
            compiler(&["-x", "c", "-O1", "-c", "wrap_main.c", "-o", "wrap_main.o"])?;
            compiler(&[
                STANDARD,
                "-x",
                "c++-header",
                "prelude.h",
                "-o",
                "prelude.h.gch",
            ])?;
            Ok(())
        })?;
        Ok(Cpp {
            program: self.program.clone(),
            folder,
        })
    }
}

/// A compiler with the headers and the harness.
pub(super) struct Cpp {
    program: PathBuf,
    folder: PathBuf,
}

impl Toolchain for Cpp {
    fn build(&self, programs: &[Program], context: &Context<'_>) -> Result<Vec<Built>> {
        let build = |program: &Program| {
            let folder = context.folder()?;
            let source = program.source();
            folder.write("program.cpp", source.as_bytes())?;
            let mut args = vec![STANDARD.into(), "-include".into()];
            args.push(self.folder.join("prelude.h").into());
            args.push("program.cpp".into());
            args.push(self.folder.join("wrap_main.o").into());
            args.extend([WRAP, "-o", "program"].map(Into::into));
            args.extend(libraries(&source).iter().map(Into::into));
            let mounts = [self.folder.clone()];
            let outcome = context.build_step(&folder, &self.program, &args, &[], &mounts)?;
            if !outcome.end.is_success() {
                let judgement = context.failed_build(&outcome, is_error);
                return Ok(Built::Failed(judgement, outcome.wall.as_secs_f64()));
            }
            let artifact = Artifact::new(folder, "./program", Some(&outcome));
            Ok(Built::Artifact(Box::new(artifact)))
        };
        programs.iter().map(build).collect()
    }

    fn explain(&self, failure: &Failure<'_>) -> Judgement {
        explain(failure)
    }
}

/// The libraries of OpenSSL where a program uses them. The reference links them for the one problem
/// that does.
pub(super) fn libraries(source: &str) -> &'static [&'static str] {
    if source.contains("openssl/") {
        &["-lcrypto", "-lssl"]
    } else {
        &[]
    }
}

/// Whether a line of the compiler says what is wrong.
pub(super) fn is_error(line: &str) -> bool {
    line.contains("error:") || line.contains("undefined reference")
}

/// From what `assert` and the runtime print.
pub(super) fn explain(failure: &Failure<'_>) -> Judgement {
    let said = failure.stderr;
    if said.contains("Assertion `") {
        return failure.with(Verdict::WrongAnswer, |l| l.contains("Assertion `"));
    }
    if said.contains("std::bad_alloc") {
        return failure.with(Verdict::OutOfMemory, |l| l.contains("std::bad_alloc"));
    }
    if said.contains("terminate called") {
        return failure.with(Verdict::Exception, |l| l.contains("terminate called"));
    }
    Judgement::new(Verdict::Exception, failure.ended())
}
