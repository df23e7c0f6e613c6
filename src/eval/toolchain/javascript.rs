//! JavaScript: nothing to build; js-md5 comes from the registry once.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::dataset::EvalLanguage;
use super::super::program::Program;
use super::super::verdict::{Judgement, Verdict, line_of};
use super::context::{Artifact, Built, Context, Failure};
use super::probe::{Missing, ask, in_path, run};
use super::{Toolchain, cache};
use crate::cancel::CancelToken;
use crate::error::Result;

const DRIVER: &str = include_str!("../harness/driver.js");
const PACKAGE: &str = include_str!("../harness/js/package.json");
const LOCK: &str = include_str!("../harness/js/package-lock.json");

/// Node and its package manager.
pub(super) struct Found {
    pub version: String,
    program: PathBuf,
    npm: PathBuf,
}

impl Found {
    pub fn look() -> Result<Self, Vec<Missing>> {
        let mut missing = Vec::new();
        let mut lacks = |what, install| {
            missing.push(Missing::new(EvalLanguage::JavaScript, what, install));
        };
        let question = "const [major] = process.versions.node.split('.'); \
            if (+major < 14) process.exit(1); \
            console.log(process.execPath + '\\n' + process.version)";
        let answer = ask("node", &["-e", question]).unwrap_or_default();
        let node = answer.split_once('\n');
        if node.is_none() {
            lacks("node, version 14 or later", "apt-get install nodejs");
        }
        let npm = in_path("npm");
        if npm.is_none() {
            lacks("npm, for js-md5", "apt-get install npm");
        }
        match (node, npm) {
            (Some((program, version)), Some(npm)) => Ok(Self {
                version: format!("Node {version}"),
                program: program.into(),
                npm,
            }),
            _ => Err(missing),
        }
    }

    pub fn prepare(&self, cache: &Path, cancel: &CancelToken) -> Result<JavaScript> {
        let key = [&*self.version, DRIVER, PACKAGE, LOCK];
        let folder = cache::folder(cache, "js", &key, |folder| {
            cache::write(&folder.join("driver.js"), DRIVER)?;
            cache::write(&folder.join("package.json"), PACKAGE)?;
            cache::write(&folder.join("package-lock.json"), LOCK)?;
            let mut npm = Command::new(&self.npm);
            npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
            run(npm.current_dir(folder), cancel)?;
            Ok(())
        })?;
        let home = self.program.parent().and_then(Path::parent);
        let home = home.unwrap_or(&self.program);
        Ok(JavaScript {
            program: self.program.clone(),
            mounts: super::context::outside_usr([home, &folder]),
            folder,
        })
    }
}

/// Node, the harness and js-md5.
pub(super) struct JavaScript {
    pub program: PathBuf,
    pub folder: PathBuf,
    pub mounts: Vec<PathBuf>,
}

impl Toolchain for JavaScript {
    fn build(&self, programs: &[Program], context: &Context<'_>) -> Result<Vec<Built>> {
        let build = |program: &Program| {
            let folder = context.folder()?;
            folder.write("solution.js", program.solution.as_bytes())?;
            folder.write("test.js", program.test.as_bytes())?;
            let artifact = Artifact::new(folder, &self.program, None)
                .args([memory(context)])
                .args([self.folder.join("driver.js")])
                .args(["solution.js", "test.js"])
                .mounts(&self.mounts);
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

/// So that Node says what it ran out of, before it is ended for it.
pub(super) fn memory(context: &Context<'_>) -> String {
    format!(
        "--max-old-space-size={}",
        (context.run.memory >> 20) * 3 / 4
    )
}

/// The reference fails what prints anything: that is how it learns of failed assertions.
pub(super) fn objection(run: &Failure<'_>) -> Option<Judgement> {
    let said = format!("{}{}", run.stderr, run.stdout);
    if said.is_empty() {
        return None;
    }
    let reason = format!("printed, which the reference counts as failed: {said}");
    Some(Judgement::new(Verdict::WrongAnswer, reason))
}

/// From what Node prints.
pub(super) fn explain(failure: &Failure<'_>) -> Judgement {
    let said = failure.stderr;
    if said.contains("heap out of memory") {
        return failure.with(Verdict::OutOfMemory, |l| l.contains("heap out of memory"));
    }
    let is_error = |l: &str| {
        let name = l.split([':', ' ']).next().unwrap_or_default();
        name.ends_with("Error") && !l.starts_with(' ')
    };
    let line = line_of(said, is_error);
    let verdict = if said.contains("Assertion failed") || line.starts_with("AssertionError") {
        Verdict::WrongAnswer
    } else if line.starts_with("SyntaxError") {
        Verdict::CompileError
    } else {
        Verdict::Exception
    };
    failure.with(verdict, is_error)
}
