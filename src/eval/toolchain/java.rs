//! Java: a warm compiler, and a JVM for each program.
//!
//! A JVM that many programs shared would be faster still, but one of them could change what the
//! next one gets. Startup is made cheap instead: an archive of loaded classes, one collector, one
//! compiler.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::dataset::EvalLanguage;
use super::super::program::Program;
use super::super::verdict::{Judgement, Verdict, line_of};
use super::context::{Artifact, Built, Context, Failure};
use super::javac::{Answer, Servers};
use super::probe::{Missing, ask, in_path, run};
use super::{Toolchain, cache};
use crate::cancel::CancelToken;
use crate::error::Result;

const DRIVER: &str = include_str!("../harness/CodegeexDriver.java");
const SERVER: &str = include_str!("../harness/CompileServer.java");
const WARM_UP: &str = include_str!("../harness/CodegeexWarmUp.java");
/// For short runs on one core.
pub(super) const JVM: &[&str] = &[
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:ActiveProcessorCount=1",
    "-XX:-UsePerfData",
    "-Xshare:auto",
];

/// A development kit.
pub(super) struct Found {
    pub version: String,
    home: PathBuf,
}

impl Found {
    pub fn look() -> Result<Self, Vec<Missing>> {
        let missing = |what: &str| {
            let install = "apt-get install default-jdk-headless";
            Err(vec![Missing::new(EvalLanguage::Java, what, install)])
        };
        let Some(java) = in_path("java") else {
            return missing("java and javac, version 11 or later");
        };
        let output = Command::new(java)
            .args(["-XshowSettings:properties", "-version"])
            .output();
        let said = output.map_or(String::new(), |o| {
            String::from_utf8_lossy(&o.stderr).into_owned()
        });
        let property = |name: &str| {
            said.lines()
                .find_map(|l| l.trim().strip_prefix(name)?.trim().strip_prefix("= "))
                .map(str::to_owned)
        };
        let major = |version: &str| version.split(['.', '-']).next()?.parse::<u32>().ok();
        match (property("java.home"), property("java.version")) {
            (Some(home), Some(version)) if major(&version).is_some_and(|m| m >= 11) => {
                let home = PathBuf::from(home);
                if ask(home.join("bin/javac"), &["-version"]).is_none() {
                    return missing("javac of the same kit as java");
                }
                let vendor = property("java.vendor").unwrap_or_default();
                let built = property("java.vm.version").unwrap_or_default();
                Ok(Self {
                    version: format!("JDK {version} ({vendor}, {built})"),
                    home,
                })
            }
            _ => missing("java and javac, version 11 or later"),
        }
    }

    /// The kit; the sandbox shows where distributions keep its settings.
    pub fn mounts(&self) -> Vec<PathBuf> {
        super::context::outside_usr([&self.home])
    }

    pub fn tool(&self, name: &str) -> PathBuf {
        self.home.join("bin").join(name)
    }

    pub fn prepare(&self, cache: &Path, cancel: &CancelToken) -> Result<Java> {
        let home = self.home.to_string_lossy();
        let key = [
            &*self.version,
            &*home,
            DRIVER,
            SERVER,
            WARM_UP,
            &JVM.join(" "),
        ];
        let folder = cache::folder(cache, "java", &key, |folder| self.make(folder, cancel))?;
        let mut mounts = self.mounts();
        mounts.push(folder.clone());
        let java = self.tool("java");
        Ok(Java {
            servers: Servers::new(java.clone(), folder.clone(), mounts.clone()),
            java,
            folder,
            mounts,
        })
    }

    fn make(&self, folder: &Path, cancel: &CancelToken) -> Result<()> {
        let tool = |name: &str, args: &[&str]| {
            let mut command = Command::new(self.tool(name));
            run(command.args(args).current_dir(folder), cancel)
        };
        let text = |name: &str, text: &str| cache::write(&folder.join(name), text);
        text("CodegeexDriver.java", DRIVER)?;
        text("CompileServer.java", SERVER)?;
        text("CodegeexWarmUp.java", WARM_UP)?;
        tool(
            "javac",
            &["-d", "driver", "CodegeexDriver.java", "CodegeexWarmUp.java"],
        )?;
        tool("javac", &["-d", "server", "CompileServer.java"])?;
        tool(
            "jar",
            &["--create", "--file", "driver.jar", "-C", "driver", "."],
        )?;
        tool(
            "jar",
            &["--create", "--file", "server.jar", "-C", "server", "."],
        )?;
        // Archives are an acceleration: a kit that cannot make them runs without.
        for (name, class, argument) in [
            ("driver", "CodegeexDriver", "CodegeexWarmUp"),
            ("server", "CompileServer", "CodegeexWarmUp.java"),
        ] {
            let path = |extension: &str| folder.join(name).with_extension(extension);
            let dump = format!("-XX:ArchiveClassesAtExit={}", path("jsa").display());
            let jar = path("jar").display().to_string();
            let args = [JVM, &[&*dump, "-cp", &jar, class, argument]].concat();
            let _ = tool("java", &args);
        }
        Ok(())
    }
}

/// A kit with the compile servers and the harness.
pub(super) struct Java {
    servers: Servers,
    java: PathBuf,
    folder: PathBuf,
    mounts: Vec<PathBuf>,
}

impl Java {
    fn build_one(&self, program: &Program, context: &Context<'_>) -> Result<Built> {
        let (answer, seconds) = self.servers.compile(&program.source(), context)?;
        let classes = match answer {
            Answer::Classes(classes) => classes,
            Answer::Failed(judgement) => return Ok(Built::Failed(judgement, seconds)),
        };
        let folder = context.folder()?;
        for (name, bytes) in classes {
            folder.write(format!("{name}.class"), &bytes)?;
        }
        let archive = self.folder.join("driver.jsa");
        let jar = self.folder.join("driver.jar");
        let inside = super::super::sandbox::Folder::INSIDE;
        let mut artifact = Artifact::new(folder, &self.java, None)
            .args(JVM)
            .args([heap(context)])
            .args([
                format!("-XX:SharedArchiveFile={}", archive.display()),
                "-cp".to_owned(),
                format!("{}:{inside}", jar.display()),
                "CodegeexDriver".to_owned(),
            ])
            .mounts(&self.mounts);
        artifact.seconds = seconds;
        Ok(Built::Artifact(Box::new(artifact)))
    }
}

impl Toolchain for Java {
    fn build(&self, programs: &[Program], context: &Context<'_>) -> Result<Vec<Built>> {
        let build = |program| self.build_one(program, context);
        programs.iter().map(build).collect()
    }

    fn explain(&self, failure: &Failure<'_>) -> Judgement {
        explain(failure)
    }
}

/// So that the JVM says what it ran out of, before it is ended for it.
pub(super) fn heap(context: &Context<'_>) -> String {
    format!("-Xmx{}m", (context.run.memory >> 20) * 3 / 4)
}

/// Whether a line of the compiler says what is wrong.
pub(super) fn is_error(line: &str) -> bool {
    line.contains("error:")
}

/// From what the JVM prints.
pub(super) fn explain(failure: &Failure<'_>) -> Judgement {
    let is_thrown = |l: &str| l.contains("Exception in thread ");
    let line = line_of(failure.stderr, is_thrown);
    let verdict = if line.contains("java.lang.AssertionError") {
        Verdict::WrongAnswer
    } else if line.contains("java.lang.OutOfMemoryError") {
        Verdict::OutOfMemory
    } else {
        Verdict::Exception
    };
    failure.with(verdict, is_thrown)
}
