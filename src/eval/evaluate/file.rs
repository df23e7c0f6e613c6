//! A file of samples to a file of results: one line for each, in the same order, and after an
//! interruption from where it stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Evaluator;
use crate::cancel::CancelToken;
use crate::error::{ErrorKind, Result, bail};
use crate::eval::dataset::Language;
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
    pub languages: BTreeSet<Language>,
}

impl Survey {
    /// Reads a file of samples to its end.
    ///
    /// # Errors
    /// As for [`Samples`], and [`Cancelled`](ErrorKind::Cancelled).
    pub fn of(path: &Path, cancel: &CancelToken) -> Result<Self> {
        let mut survey = Self::default();
        for sample in Samples::open(path)? {
            survey.languages.insert(sample?.language()?.0);
            survey.samples += 1;
            if survey.samples % 1024 == 0 {
                cancel.check()?;
            }
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
        next(&mut reader, samples)?;
    }
    let count = at.samples;
    let (mut file, resumed) = SampleFile::open(out, |number, result: &SampleResult| {
        if number >= count {
            bail!(MalformedFile, "more results than the {count} samples");
        }
        let sample = next(&mut reader, samples)?;
        let same = (sample.completion_id.is_none() || result.completion_id == sample.completion_id)
            && result.task_id == sample.task_id
            && result.source == sample.source;
        if !same {
            bail!(
                MalformedFile,
                "a result of {} number {:?}, expected one of {} number {:?}: the file belongs to \
                 other samples",
                result.task_id,
                result.completion_id,
                sample.task_id,
                sample.completion_id
            );
        }
        at.count(&result.verdict, result.passed);
        Ok(())
    })?;
    at.resumed = resumed;
    progress(&at);
    let left = usize::try_from(at.samples - resumed).unwrap_or(usize::MAX);
    let done = evaluator.evaluate(reader.take(left), cancel, &mut |result| {
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

fn next(reader: &mut Samples, path: &Path) -> Result<Sample> {
    match reader.next() {
        Some(sample) => sample,
        None => bail!(
            MalformedFile,
            "{}: fewer samples than before: it changed meanwhile",
            path.display()
        ),
    }
}
