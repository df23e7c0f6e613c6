//! Results of one or many files put together: what passed of each problem, once it is certain
//! that no sample is missing and none is there twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::dataset::EvalLanguage;
use super::passk::Count;
use super::samples::{Results, Run};
use super::verdict::Verdict;
use crate::error::{Result, bail};

/// What was to be done with the problems of a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EvalTask {
    /// To solve them from their descriptions.
    Generation(EvalLanguage),
    /// To translate solutions, without a description.
    Translation {
        /// The language of the solutions.
        source: EvalLanguage,
        /// The language of the answers.
        target: EvalLanguage,
    },
}

impl EvalTask {
    /// A generation, or a translation where there is a source.
    pub fn new(language: EvalLanguage, source: Option<EvalLanguage>) -> Self {
        match source {
            None => Self::Generation(language),
            Some(source) => Self::Translation {
                source,
                target: language,
            },
        }
    }

    /// The language of the answers.
    pub fn language(self) -> EvalLanguage {
        match self {
            Self::Generation(language) => language,
            Self::Translation { target, .. } => target,
        }
    }

    /// The language of the solutions that are translated.
    pub fn source(self) -> Option<EvalLanguage> {
        match self {
            Self::Generation(_) => None,
            Self::Translation { source, .. } => Some(source),
        }
    }
}

impl fmt::Display for EvalTask {
    /// `generation of python`, `translation from java to python`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generation(language) => write!(f, "generation of {language}"),
            Self::Translation { source, target } => {
                write!(f, "translation from {source} to {target}")
            }
        }
    }
}

/// What a whole set of results has.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Expected {
    /// Samples of each problem; without it, as many as the run says, else as the problem that has
    /// the most.
    pub samples: Option<u32>,
    /// Numbers of the problems of a language; where they are not given, the run says how many
    /// there are, else nothing is known of problems without results.
    pub problems: BTreeMap<EvalLanguage, BTreeSet<u32>>,
    /// Whether results may be missing all the same.
    pub partial: bool,
}

/// The results of a task.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Tally {
    /// The task.
    pub task: EvalTask,
    /// Samples of each problem by its number, and those that passed.
    pub counts: BTreeMap<u32, Count>,
    /// How often each verdict was given; `passed` and `failed` where a file has none,
    /// `other` for one that is none of ours.
    pub verdicts: BTreeMap<String, u64>,
    /// What the samples were made with, where that is known.
    pub run: Option<Run>,
}

/// Where a result was read.
#[derive(Debug, Clone, Copy)]
struct Place {
    file: usize,
    line: u64,
}

#[derive(Default)]
struct Gathered {
    /// By number of the problem and of the sample.
    results: BTreeMap<u32, BTreeMap<u32, (bool, Place)>>,
    verdicts: BTreeMap<String, u64>,
    run: Option<(Run, usize)>,
}

/// Puts results together, a file at a time.
#[derive(Default)]
pub struct Merger {
    files: Vec<PathBuf>,
    tasks: BTreeMap<EvalTask, Gathered>,
    /// Samples that are there more than once, and the first of them in words.
    doubled: u64,
    doubles: Vec<String>,
}

/// Defects that an error spells out.
const SHOWN: usize = 8;

impl Merger {
    /// Without any results.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file of results; returns how many there were.
    ///
    /// # Errors
    /// As for [`Results`], and [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for results
    /// of a task that were made with something else than those before.
    pub fn add_file(&mut self, path: &Path) -> Result<u64> {
        let file = self.files.len();
        self.files.push(path.to_owned());
        let mut results = Results::open(path)?;
        let mut read = 0;
        while let Some(result) = results.next() {
            let result =
                result.map_err(|e| match e.context().contains("missing field `passed`") {
                    true => e.within("expected a file of results as `evaluate` writes it"),
                    false => e,
                })?;
            let (language, number) = result.language()?;
            let task = EvalTask::new(language, result.source);
            let gathered = self.tasks.entry(task).or_default();
            if let Some(run) = result.run {
                match &gathered.run {
                    None => gathered.run = Some((run, file)),
                    Some((first, its)) if *first != run => bail!(
                        InvalidArgument,
                        "{}: a sample that was made with another {} than those of {}; files of \
                         different runs make no report",
                        results.place(),
                        differences(first, &run),
                        self.files[*its].display()
                    ),
                    Some(_) => {}
                }
            }
            let verdict = match (&*result.verdict, result.passed) {
                ("", true) => "passed",
                ("", false) => "failed",
                // A report has room for a few.
                (verdict, _) if Verdict::from_name(verdict).is_none() => "other",
                (verdict, _) => verdict,
            };
            *gathered.verdicts.entry(verdict.to_owned()).or_default() += 1;
            let sample = result.completion_id.unwrap_or(0);
            let place = Place {
                file,
                line: results.line(),
            };
            let problem = gathered.results.entry(number).or_default();
            if let Some((_, before)) = problem.insert(sample, (result.passed, place)) {
                self.doubled += 1;
                if self.doubles.len() < SHOWN {
                    let places = [before, place].map(|Place { file, line }| {
                        format!("{} line {line}", self.files[file].display())
                    });
                    self.doubles.push(format!(
                        "sample {sample} of {} is in {} and in {}",
                        result.task_id, places[0], places[1]
                    ));
                }
            }
            read += 1;
        }
        Ok(read)
    }

    /// The languages that there are results in.
    pub fn languages(&self) -> BTreeSet<EvalLanguage> {
        self.tasks.keys().map(|task| task.language()).collect()
    }

    /// The results of all files, by task.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument), saying which, when samples are
    /// there twice or missing, and when there are no results at all.
    pub fn finish(self, expected: &Expected) -> Result<Vec<Tally>> {
        if self.tasks.is_empty() {
            bail!(InvalidArgument, "there are no results in any of the files");
        }
        let mut defects = self.doubles;
        if self.doubled > defects.len() as u64 {
            let more = self.doubled - defects.len() as u64;
            defects.push(format!("{more} more are there twice"));
        }
        if !expected.partial {
            for (&task, gathered) in &self.tasks {
                missing(task, gathered, expected, &mut defects);
            }
        }
        if !defects.is_empty() {
            bail!(
                InvalidArgument,
                "the results are not one whole:\n  {}",
                defects.join("\n  ")
            );
        }
        let tallies = self.tasks.into_iter().map(|(task, gathered)| Tally {
            task,
            counts: (gathered.results.iter())
                .map(|(&number, results)| {
                    let passed = results.values().filter(|(passed, _)| *passed);
                    let count = Count {
                        // Numbers of samples have 32 bits, and each is there once.
                        samples: results.len().try_into().unwrap_or(u32::MAX),
                        passed: passed.count().try_into().unwrap_or(u32::MAX),
                    };
                    (number, count)
                })
                .collect(),
            verdicts: gathered.verdicts,
            run: gathered.run.map(|(run, _)| run),
        });
        Ok(tallies.collect())
    }
}

/// Says what of a task is not there, or too much.
fn missing(task: EvalTask, gathered: &Gathered, expected: &Expected, defects: &mut Vec<String>) {
    let run = gathered.run.as_ref().map(|(run, _)| run);
    let most = || gathered.results.values().map(|r| r.len() as u32).max();
    let samples = (expected.samples.or(run.map(|r| r.samples))).unwrap_or(most().unwrap_or(0));
    let mut found = Vec::new();
    let prefix = task.language().task_prefix();
    for (number, results) in &gathered.results {
        // A number in the way of a file's says nothing of how many there are.
        let there = results.range(..samples).count() as u32;
        if there < samples {
            let absent = (0..samples).filter(|i| !results.contains_key(i)).take(4);
            let absent: Vec<String> = absent.map(|i| i.to_string()).collect();
            let more = if samples - there > 4 { ", …" } else { "" };
            found.push(format!(
                "{prefix}/{number} has {there} of {samples} samples; missing: {}{more}",
                absent.join(", ")
            ));
        }
        if let Some((beyond, (_, place))) = results.range(samples..).next() {
            found.push(format!(
                "{prefix}/{number} has a sample {beyond}, of {samples} from 0 on (line {})",
                place.line
            ));
        }
    }
    match expected.problems.get(&task.language()) {
        Some(numbers) => {
            for number in numbers.difference(&gathered.results.keys().copied().collect()) {
                found.push(format!("{prefix}/{number} has no samples"));
            }
        }
        None => {
            let there = gathered.results.len();
            if let Some(run) = run.filter(|r| r.problems as usize > there) {
                let absent = (0..run.problems).filter(|n| !gathered.results.contains_key(n));
                let absent: Vec<String> = absent.take(4).map(|n| format!("{prefix}/{n}")).collect();
                found.push(format!(
                    "there are {there} of {} problems; missing may be {}, …",
                    run.problems,
                    absent.join(", ")
                ));
            }
        }
    }
    let more = found.len().saturating_sub(SHOWN);
    found.truncate(SHOWN);
    if more > 0 {
        found.push(format!("and so on for {more} more"));
    }
    defects.extend(found.into_iter().map(|defect| format!("{task}: {defect}")));
}

/// Names of what differs.
fn differences(a: &Run, b: &Run) -> String {
    let fields = [
        ("model", a.model != b.model),
        ("family", a.family != b.family),
        ("number of problems", a.problems != b.problems),
        ("number of samples", a.samples != b.samples),
        ("seed", a.seed != b.seed),
        ("temperature", a.temperature != b.temperature),
        ("top-p", a.top_p != b.top_p),
        ("maximum of tokens", a.max_tokens != b.max_tokens),
        ("tag", a.tag != b.tag),
        ("cut", a.cut != b.cut),
    ];
    let names: Vec<&str> = (fields.iter().filter(|f| f.1).map(|f| f.0)).collect();
    names.join(" and ")
}

impl fmt::Debug for Merger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Merger({:?})", self.files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::samples::{Sample, SampleResult, write_record};

    fn result(task_id: &str, sample: u32, passed: bool) -> SampleResult {
        let mut of = Sample::new(task_id, "", "");
        of.completion_id = Some(sample);
        let verdict = if passed { "passed" } else { "wrong_answer" };
        SampleResult::of(&of, passed, verdict, "")
    }

    fn merge(files: &[Vec<SampleResult>], expected: &Expected) -> Result<Vec<Tally>> {
        let folder = tempfile::tempdir().unwrap();
        let mut merger = Merger::new();
        for (i, results) in files.iter().enumerate() {
            let path = folder.path().join(format!("{i}.jsonl"));
            let mut bytes = Vec::new();
            for result in results {
                write_record(result, &mut bytes).unwrap();
            }
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(merger.add_file(&path)?, results.len() as u64);
        }
        merger.finish(expected)
    }

    /// Two problems in Go with three samples each.
    fn whole() -> Vec<SampleResult> {
        (0..6)
            .map(|i| result(&format!("Go/{}", i / 3), i % 3, i % 2 == 0))
            .collect()
    }

    #[test]
    fn shards_in_any_order_are_one_whole() {
        let all = whole();
        let expected = Expected::default();
        let one = merge(std::slice::from_ref(&all), &expected).unwrap();
        assert_eq!(one[0].task, EvalTask::Generation(EvalLanguage::Go));
        let count = |samples, passed| Count { samples, passed };
        let counts = [(0, count(3, 2)), (1, count(3, 1))];
        assert_eq!(one[0].counts, BTreeMap::from(counts));
        assert_eq!(one[0].verdicts["wrong_answer"], 3);
        let mut parts = [all[4..].to_vec(), all[..1].to_vec(), all[1..4].to_vec()];
        assert_eq!(merge(&parts, &expected).unwrap(), one);
        parts.reverse();
        assert_eq!(merge(&parts, &expected).unwrap(), one);
    }

    #[test]
    fn what_is_missing_or_doubled_is_named() {
        let wrong = |files: &[Vec<SampleResult>], expected: &Expected| {
            merge(files, expected).unwrap_err().to_string()
        };
        let (all, any) = (whole(), Expected::default());
        let message = wrong(&[all.clone(), all[2..3].to_vec()], &any);
        assert!(message.contains("sample 2 of Go/0 is in "), "{message}");
        assert!(message.contains("0.jsonl line 3 and in"), "{message}");
        let message = wrong(
            &[all.clone(), all.iter().cycle().take(40).cloned().collect()],
            &any,
        );
        assert!(message.contains("32 more are there twice"), "{message}");
        let mut less = all.clone();
        less.remove(4);
        let message = wrong(&[less.clone()], &any);
        let part = "generation of go: Go/1 has 2 of 3 samples; missing: 1";
        assert!(message.contains(part), "{message}");
        assert_eq!(message.lines().count(), 2);
        let expected = Expected {
            partial: true,
            ..Expected::default()
        };
        assert_eq!(merge(&[less], &expected).unwrap()[0].counts[&1].samples, 2);
        let mut expected = Expected {
            samples: Some(4),
            ..Expected::default()
        };
        let one = [all.clone()];
        assert!(wrong(&one, &expected).contains("Go/0 has 3 of 4"));
        expected.samples = Some(2);
        assert!(wrong(&one, &expected).contains("Go/0 has a sample 2, of 2"));
        let mut expected = Expected::default();
        let numbers = BTreeSet::from([0, 1, 7]);
        expected.problems.insert(EvalLanguage::Go, numbers);
        assert!(wrong(&[all], &expected).contains("Go/7 has no samples"));
        assert!(wrong(&[vec![]], &any).contains("no results"));
    }

    #[test]
    fn a_run_says_what_there_should_be_and_runs_are_not_mixed() {
        let run = Run {
            model: "m".into(),
            family: "codegeex".into(),
            problems: 3,
            samples: 3,
            seed: 0,
            temperature: 0.8,
            top_p: 0.95,
            max_tokens: 1024,
            tag: true,
            cut: "reference".into(),
        };
        let mut all = whole();
        for result in &mut all {
            result.run = Some(run.clone());
        }
        let message = merge(std::slice::from_ref(&all), &Expected::default()).unwrap_err();
        assert!(
            message
                .to_string()
                .contains("2 of 3 problems; missing may be Go/2")
        );
        let mut other = all.split_off(3);
        other[0].run.as_mut().unwrap().seed = 1;
        other[0].run.as_mut().unwrap().tag = false;
        let message = merge(&[all, other], &Expected::default()).unwrap_err();
        let part = "1.jsonl: line 1: a sample that was made with another seed and tag than";
        assert!(message.to_string().contains(part), "{message}");
    }

    #[test]
    fn a_file_of_samples_is_not_one_of_results() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"task_id": "Go/1", "generation": ""}"#).unwrap();
        let error = Merger::new().add_file(file.path()).unwrap_err().to_string();
        assert!(error.starts_with("expected a file of results"), "{error}");
    }
}
