//! Python: nothing to build; the harness runs both parts in one scope.

use std::path::{Path, PathBuf};

use super::super::dataset::EvalLanguage;
use super::super::program::Program;
use super::super::verdict::{Judgement, Verdict};
use super::context::{Artifact, Built, Context, Failure};
use super::probe::{Missing, ask};
use super::{Toolchain, cache};
use crate::error::Result;

const DRIVER: &str = include_str!("../harness/driver.py");

/// An interpreter.
pub(super) struct Found {
    pub program: PathBuf,
    pub version: String,
    pub mounts: Vec<PathBuf>,
}

impl Found {
    pub fn look() -> Result<Self, Vec<Missing>> {
        let question = "import sys, platform; assert sys.version_info >= (3, 7); \
            print(sys.executable, sys.prefix, sys.base_prefix, platform.python_version(), sep='\\n')";
        let answer = ask("python3", &["-c", question]).unwrap_or_default();
        let lines: Vec<&str> = answer.lines().collect();
        let &[program, prefix, base, version] = lines.as_slice() else {
            return Err(vec![Missing::new(
                EvalLanguage::Python,
                "python3, version 3.7 or later",
                "apt-get install python3",
            )]);
        };
        Ok(Self {
            program: program.into(),
            version: format!("CPython {version}"),
            mounts: super::context::outside_usr([prefix, base]),
        })
    }

    pub fn prepare(&self, cache: &Path) -> Result<Python> {
        let folder = cache::folder(cache, "python", &[DRIVER], |folder| {
            cache::write(&folder.join("driver.py"), DRIVER)
        })?;
        let mut mounts = self.mounts.clone();
        mounts.push(folder.clone());
        Ok(Python {
            program: self.program.clone(),
            driver: folder.join("driver.py"),
            mounts,
        })
    }
}

/// An interpreter and the harness.
pub(super) struct Python {
    program: PathBuf,
    driver: PathBuf,
    mounts: Vec<PathBuf>,
}

impl Toolchain for Python {
    fn build(&self, programs: &[Program], context: &Context<'_>) -> Result<Vec<Built>> {
        let build = |program: &Program| {
            let folder = context.folder()?;
            folder.write("solution.py", program.solution.as_bytes())?;
            folder.write("test.py", program.test.as_bytes())?;
            let artifact = Artifact::new(folder, &self.program, None)
                .args(["-I", "-B"])
                .args([&self.driver])
                .args(["solution.py", "test.py"])
                .env("OMP_NUM_THREADS", "1")
                .env("OPENBLAS_NUM_THREADS", "1")
                .mounts(&self.mounts);
            Ok(Built::Artifact(Box::new(artifact)))
        };
        programs.iter().map(build).collect()
    }

    fn explain(&self, failure: &Failure<'_>) -> Judgement {
        explain(failure)
    }
}

/// From the traceback.
pub(super) fn explain(failure: &Failure<'_>) -> Judgement {
    let line = super::super::verdict::line_of(failure.stderr, |_| false);
    let verdict = match line.split([':', ' ']).next().unwrap_or_default() {
        "AssertionError" => Verdict::WrongAnswer,
        "MemoryError" => Verdict::OutOfMemory,
        "SyntaxError" | "IndentationError" | "TabError" => Verdict::CompileError,
        _ => Verdict::Exception,
    };
    failure.with(verdict, |_| false)
}
