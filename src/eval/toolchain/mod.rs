//! Toolchains: what each language needs on this machine, what is made ready once, and how programs
//! are built and run with it.
//!
//! Before anything runs, [`Toolchains::find`] says for every language what is missing and how to
//! get it. [`Toolchains::prepare`] then fills a folder of the [cache](cache_dir) for each: packages
//! from the registries (js-md5, testify, the crates), compiled headers, harnesses. That alone uses
//! the network and runs outside of the sandbox; it runs no program of a sample. Later evaluations
//! find the folder and go on at once.

mod cache;
mod context;
mod cpp;
mod go;
mod java;
mod javac;
mod javascript;
mod naive;
mod probe;
mod python;
mod rust;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

pub use cache::cache_dir;
pub(super) use context::{Built, Context};
pub use probe::Missing;

use super::dataset::EvalLanguage;
use super::program::Program;
use super::verdict::Judgement;
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use context::Failure;

/// How programs of a language are built and run.
pub(super) trait Toolchain: Send + Sync {
    /// How many programs are built at once at most.
    fn batch(&self) -> usize {
        1
    }

    /// Builds programs in the sandbox; as many results as programs, in their order.
    fn build(&self, programs: &[Program], context: &Context<'_>) -> Result<Vec<Built>>;

    /// Why a program did not pass that ended by itself.
    fn explain(&self, failure: &Failure<'_>) -> Judgement;

    /// Whether a program that ran through its tests has to be failed all the same, and why.
    fn objection(&self, _run: &Failure<'_>) -> Option<Judgement> {
        None
    }

    /// Whether a program passes that ended with exit code 0, and need not report its end.
    fn trusts_exit_code(&self) -> bool {
        false
    }
}

/// The toolchains of some languages, found on this machine.
pub struct Toolchains {
    found: BTreeMap<EvalLanguage, Found>,
}

enum Found {
    Python(python::Found),
    Cpp(cpp::Found),
    Java(java::Found),
    JavaScript(javascript::Found),
    Go(go::Found),
    Rust(rust::Found),
}

impl Found {
    fn look(language: EvalLanguage) -> Result<Self, Vec<Missing>> {
        Ok(match language {
            EvalLanguage::Python => Self::Python(python::Found::look()?),
            EvalLanguage::Cpp => Self::Cpp(cpp::Found::look()?),
            EvalLanguage::Java => Self::Java(java::Found::look()?),
            EvalLanguage::JavaScript => Self::JavaScript(javascript::Found::look()?),
            EvalLanguage::Go => Self::Go(go::Found::look()?),
            EvalLanguage::Rust => Self::Rust(rust::Found::look()?),
        })
    }

    fn version(&self) -> &str {
        match self {
            Self::Python(f) => &f.version,
            Self::Cpp(f) => &f.version,
            Self::Java(f) => &f.version,
            Self::JavaScript(f) => &f.version,
            Self::Go(f) => &f.version,
            Self::Rust(f) => &f.version,
        }
    }

    fn prepare(
        &self,
        cache: &Path,
        cancel: &CancelToken,
        naive: bool,
    ) -> Result<Box<dyn Toolchain>> {
        Ok(match (self, naive) {
            (Self::Python(f), false) => Box::new(f.prepare(cache)?),
            (Self::Cpp(f), false) => Box::new(f.prepare(cache, cancel)?),
            (Self::Java(f), false) => Box::new(f.prepare(cache, cancel)?),
            (Self::JavaScript(f), false) => Box::new(f.prepare(cache, cancel)?),
            (Self::Go(f), false) => Box::new(f.prepare(cache, cancel)?),
            (Self::Rust(f), false) => Box::new(f.prepare(cache, cancel)?),
            (Self::Python(f), true) => Box::new(naive::python(f)),
            (Self::Cpp(f), true) => Box::new(naive::cpp(f)),
            (Self::Java(f), true) => Box::new(naive::java(f)),
            (Self::JavaScript(f), true) => Box::new(naive::javascript(f.prepare(cache, cancel)?)),
            (Self::Go(f), true) => Box::new(naive::go(f.prepare(cache, cancel)?)),
            (Self::Rust(f), true) => Box::new(naive::rust(&f.prepare(cache, cancel)?)),
        })
    }
}

impl Toolchains {
    /// Looks for the toolchains of `languages`.
    ///
    /// # Errors
    /// [`BackendUnavailable`](ErrorKind::BackendUnavailable) with one line for everything that is
    /// missing in any of them, and the command that installs it.
    pub fn find(languages: &[EvalLanguage]) -> Result<Self> {
        let mut found = BTreeMap::new();
        let mut missing = Vec::new();
        for &language in languages {
            if found.contains_key(&language) {
                continue;
            }
            match Found::look(language) {
                Ok(f) => drop(found.insert(language, f)),
                Err(what) => missing.extend(what),
            }
        }
        if missing.is_empty() {
            return Ok(Self { found });
        }
        let lines: Vec<String> = missing.iter().map(|m| format!("\n  {m}")).collect();
        Err(Error::new(
            ErrorKind::BackendUnavailable,
            format!(
                "evaluation needs programs that were not found:{}",
                lines.concat()
            ),
        ))
    }

    /// What is missing for a language: nothing where it can be evaluated.
    pub fn missing(language: EvalLanguage) -> Vec<Missing> {
        Found::look(language).err().unwrap_or_default()
    }

    /// The languages and the versions of their toolchains.
    pub fn versions(&self) -> impl Iterator<Item = (EvalLanguage, &str)> {
        self.found.iter().map(|(l, f)| (*l, f.version()))
    }

    /// Makes ready what is made once. `progress` is told which language is next.
    ///
    /// # Errors
    /// [`BackendUnavailable`](ErrorKind::BackendUnavailable) with what a command of the toolchain
    /// said; what the system reports; [`Cancelled`](ErrorKind::Cancelled).
    pub fn prepare(
        &self,
        cache: &Path,
        naive: bool,
        cancel: &CancelToken,
        progress: &mut dyn FnMut(EvalLanguage),
    ) -> Result<Prepared> {
        let mut ready = BTreeMap::new();
        for (&language, found) in &self.found {
            cancel.check()?;
            progress(language);
            let toolchain = found
                .prepare(cache, cancel, naive)
                .map_err(|e| e.within(language))?;
            ready.insert(language, toolchain);
        }
        Ok(Prepared { ready })
    }
}

impl fmt::Debug for Toolchains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.versions()).finish()
    }
}

/// Toolchains that are ready to build and run programs.
pub struct Prepared {
    ready: BTreeMap<EvalLanguage, Box<dyn Toolchain>>,
}

impl Prepared {
    /// That of a language, if it was asked for.
    pub(super) fn get(&self, language: EvalLanguage) -> Option<&dyn Toolchain> {
        self.ready.get(&language).map(|t| &**t)
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.ready.keys()).finish()
    }
}
