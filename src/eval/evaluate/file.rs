//! A file of samples to a file of results: one line for each, in the same order, and after an
//! interruption from where it stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Evaluator;
use crate::cancel::CancelToken;
use crate::error::{ErrorKind, Result, bail};
use crate::eval::dataset::EvalLanguage;
use crate::eval::sample_file::SampleFile;
use crate::eval::samples::{Sample, SampleResult, Samples};
use crate::eval::shard::Shard;

/// What a file of samples has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survey {
    /// Its samples.
    pub samples: u64,
    /// Their languages.
    pub languages: BTreeSet<EvalLanguage>,
    /// Lines that are no records of any problem. They are left out.
    pub left_out: u64,
    /// What is wrong with the first of them, and with the first samples that have a problem and no program,
    /// each with its line.
    pub defects: Vec<String>,
}

/// Defects that are spelled out.
const SHOWN: usize = 20;

impl Survey {
    /// Reads a file of samples to its end.
    ///
    /// # Errors
    /// Those of [`Samples`] that end the file, and [`Cancelled`](ErrorKind::Cancelled);
    /// [`MalformedFile`](ErrorKind::MalformedFile) for a file with lines of which none is a record.
    pub fn of(path: &Path, cancel: &CancelToken) -> Result<Self> {
        let mut survey = Self::default();
        let mut samples = Samples::open(path)?;
        while let Some(sample) = samples.next() {
            let defect = match sample {
                Ok(sample) => {
                    survey.languages.insert(sample.language()?.0);
                    survey.samples += 1;
                    sample.defect
                }
                Err(e) if samples.has_failed() || e.kind() != ErrorKind::MalformedFile => {
                    return Err(e);
                }
                Err(e) => {
                    survey.left_out += 1;
                    Some(e.to_string())
                }
            };
            if let Some(defect) = defect
                && survey.defects.len() < SHOWN
            {
                survey.defects.push(defect);
            }
            if (survey.samples + survey.left_out).is_multiple_of(1024) {
                cancel.check()?;
            }
        }
        if survey.samples == 0 && survey.left_out > 0 {
            bail!(
                MalformedFile,
                "{}: no line is a sample; {}",
                path.display(),
                survey.defects.first().map_or("", String::as_str)
            );
        }
        Ok(survey)
    }
}

/// How far an evaluation is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evaluated {
    /// Samples of the shard.
    pub samples: u64,
    /// Results that were there before.
    pub resumed: u64,
    /// Results that were added.
    pub written: u64,
    /// Results by verdict, those from before included.
    pub verdicts: BTreeMap<String, u64>,
    /// Whether it was cancelled: the same call goes on from there.
    pub cancelled: bool,
}

impl Evaluated {
    fn count(&mut self, verdict: &str, passed: bool) {
        let verdict = match (verdict, passed) {
            ("", true) => "passed",
            ("", false) => "failed",
            _ => verdict,
        };
        *self.verdicts.entry(verdict.to_owned()).or_default() += 1;
    }
}

/// Evaluates a shard of the samples of a file into a file of results. Results that are there are
/// kept, and have to be those of the same samples.
///
/// # Errors
/// As for [`Evaluator::evaluate`] and [`Samples`];
/// [`MalformedFile`](ErrorKind::MalformedFile) where the results are of other samples or are more;
/// [`Busy`](ErrorKind::Busy) where another process writes them.
pub fn evaluate_file(
    evaluator: &Evaluator<'_>,
    samples: &Path,
    survey: &Survey,
    shard: Shard,
    out: &Path,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(&Evaluated),
) -> Result<Evaluated> {
    let range = shard.range(survey.samples);
    let mut at = Evaluated {
        samples: range.end - range.start,
        ..Evaluated::default()
    };
    let mut reader = Samples::open(samples)?;
    for _ in 0..range.start {
        expect(&mut reader, samples)?;
    }
    let count = at.samples;
    let (mut file, resumed) = SampleFile::open(out, |number, result: &SampleResult| {
        if number >= count {
            bail!(MalformedFile, "more results than the {count} samples");
        }
        let sample = expect(&mut reader, samples)?;
        let same = (sample.completion_id.is_none() || result.completion_id == sample.completion_id)
            && result.task_id == sample.task_id
            && result.source == sample.source;
        if !same {
            bail!(
                MalformedFile,
                "a result of {}, expected that of {}: the file belongs to other samples",
                named(&result.task_id, result.completion_id),
                named(&sample.task_id, sample.completion_id)
            );
        }
        at.count(&result.verdict, result.passed);
        Ok(())
    })?;
    at.resumed = resumed;
    progress(&at);
    let left = usize::try_from(at.samples - resumed).unwrap_or(usize::MAX);
    let samples_left = std::iter::from_fn(|| {
        let mut sample = next(&mut reader)?;
        if let Ok(sample) = &mut sample {
            evaluator.check(sample, &reader.place());
        }
        Some(sample)
    });
    let done = evaluator.evaluate(samples_left.take(left), cancel, &mut |result| {
        file.append(&result)?;
        at.written += 1;
        at.count(&result.verdict, result.passed);
        progress(&at);
        Ok(())
    });
    file.sync()?;
    match done {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::Cancelled => at.cancelled = true,
        Err(e) => return Err(e),
    }
    if !at.cancelled && at.resumed + at.written != at.samples {
        bail!(
            MalformedFile,
            "{}: fewer samples than before: it changed meanwhile",
            samples.display()
        );
    }
    Ok(at)
}

/// The next sample; lines that are no records are left out.
fn next(reader: &mut Samples) -> Option<Result<Sample>> {
    loop {
        match reader.next()? {
            Err(e) if e.kind() == ErrorKind::MalformedFile && !reader.has_failed() => {}
            other => return Some(other),
        }
    }
}

/// The next sample, where there was one before.
fn expect(reader: &mut Samples, path: &Path) -> Result<Sample> {
    match next(reader) {
        Some(sample) => sample,
        None => bail!(
            MalformedFile,
            "{}: fewer samples than before: it changed meanwhile",
            path.display()
        ),
    }
}

/// A sample in words.
fn named(task_id: &str, completion_id: Option<u32>) -> String {
    match completion_id {
        Some(number) => format!("sample {number} of {task_id}"),
        None => format!("a sample of {task_id} without a completion_id"),
    }
}
