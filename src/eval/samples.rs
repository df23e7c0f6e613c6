//! Samples and their results, as files of JSON lines.
//!
//! A sample has the fields of the reference's files (`task_id`, `prompt`, `generation`, and
//! optionally `completion_id`), so that its scripts read ours, and any model's samples can be
//! evaluated here. Files are read as the reference reads them: see `json`. A field that the
//! reference does not read (`source`, `run`) counts only where it has the form that is written here, and
//! other fields are kept. A `completion_id` that is no number of a sample is an error. This file does not say what a program is or whether it passes.

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::dataset::EvalLanguage;
use super::jsonl::{Caps, Lines};
use crate::error::{Error, ErrorKind, Result, bail};

/// The reference writes all ids of a completion into its line; that is still far below.
pub(super) const CAPS: Caps = Caps {
    line: 64 << 20,
    total: 1 << 40,
};

/// What a sample was made with. Files of one experiment agree in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// The model: its fingerprint in hexadecimal digits, or whatever else names it.
    pub model: String,
    /// The family of the model; empty in records of before there were several.
    #[serde(default)]
    pub family: String,
    /// Problems of the whole experiment.
    pub problems: u32,
    /// Samples for each problem.
    pub samples: u32,
    /// Seed of the whole experiment.
    pub seed: u64,
    /// Temperature; 0 means greedy.
    pub temperature: f32,
    /// Top-p.
    pub top_p: f32,
    /// Tokens of prompt and completion at most.
    pub max_tokens: u32,
    /// Whether the prompt began with a language tag.
    pub tag: bool,
    /// How completions were cut.
    pub cut: String,
}

/// One completion of a problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sample {
    /// The problem to solve, such as `Go/17`. In a translation that is the one in the target
    /// language.
    pub task_id: String,
    /// What the model was given.
    #[serde(default)]
    pub prompt: String,
    /// What it answered, cut at the end of the function.
    pub generation: String,
    /// Number among the samples of the problem, from 0. A file may leave it out; then
    /// [`Samples`] counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_id: Option<u32>,
    /// In a translation, the language that it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<EvalLanguage>,
    /// What it was made with, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// What is wrong with the record, where it has a problem's id and no program: it is not run, and fails.
    #[serde(skip)]
    pub defect: Option<String>,
    /// All other fields.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Sample {
    /// A sample of which no more is known.
    pub fn new(task_id: &str, prompt: &str, generation: &str) -> Self {
        Self {
            task_id: task_id.to_owned(),
            prompt: prompt.to_owned(),
            generation: generation.to_owned(),
            completion_id: None,
            source: None,
            run: None,
            defect: None,
            extra: Map::new(),
        }
    }

    /// The language of the answer and the number of the problem.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for an id of another form.
    pub fn language(&self) -> Result<(EvalLanguage, u32)> {
        EvalLanguage::of_task(&self.task_id)
    }
}

/// What became of a sample when it was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SampleResult {
    /// The problem, as in the sample.
    pub task_id: String,
    /// Number of the sample, as in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_id: Option<u32>,
    /// In a translation, the language that it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<EvalLanguage>,
    /// Whether the tests passed: what pass@k counts.
    pub passed: bool,
    /// The kind of verdict, such as `passed` or `compile_error`. Files of the reference have
    /// none.
    #[serde(default)]
    pub verdict: String,
    /// The reason in words.
    #[serde(default)]
    pub result: String,
    /// Seconds of wall time that building took.
    #[serde(default)]
    pub compile_seconds: f64,
    /// Seconds of wall time that running took.
    #[serde(default)]
    pub run_seconds: f64,
    /// What the sample was made with, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// All other fields.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl SampleResult {
    /// A result of a sample, with the sample's identity and without its texts; times are zero.
    pub fn of(sample: &Sample, passed: bool, verdict: &str, result: &str) -> Self {
        Self {
            task_id: sample.task_id.clone(),
            completion_id: sample.completion_id,
            source: sample.source,
            passed,
            verdict: verdict.to_owned(),
            result: result.to_owned(),
            compile_seconds: 0.0,
            run_seconds: 0.0,
            run: sample.run.clone(),
            extra: Map::new(),
        }
    }

    /// The language of the answer and the number of the problem.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for an id of another form.
    pub fn language(&self) -> Result<(EvalLanguage, u32)> {
        EvalLanguage::of_task(&self.task_id)
    }
}

/// A record of a sample: what [`Records`] can read.
pub trait Record: Sized + Serialize + sealed::Sealed {
    #[doc(hidden)]
    fn read(object: Map<String, Value>) -> Result<Self>;
    #[doc(hidden)]
    fn identity(&mut self) -> (&str, Option<EvalLanguage>, &mut Option<u32>);
    #[doc(hidden)]
    fn defect(&mut self) -> Option<&mut String>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Sample {}
    impl Sealed for super::SampleResult {}
}

impl Record for Sample {
    fn read(mut object: Map<String, Value>) -> Result<Self> {
        let task_id = text(&mut object, "task_id")?;
        let prompt = text(&mut object, "prompt").unwrap_or_default();
        let (generation, defect) = match text(&mut object, "generation") {
            Ok(generation) => (generation, None),
            Err(e) => (String::new(), Some(e.context().to_owned())),
        };
        // The record keeps its place among those of its problem.
        let (completion_id, defect) = match completion_id(&mut object) {
            Ok(number) => (number, defect),
            Err(e) => (None, defect.or(Some(e.context().to_owned()))),
        };
        Ok(Self {
            task_id,
            prompt,
            generation,
            completion_id,
            source: of_ours(&mut object, "source"),
            run: of_ours(&mut object, "run"),
            defect,
            extra: object,
        })
    }

    fn identity(&mut self) -> (&str, Option<EvalLanguage>, &mut Option<u32>) {
        (&self.task_id, self.source, &mut self.completion_id)
    }

    fn defect(&mut self) -> Option<&mut String> {
        self.defect.as_mut()
    }
}

impl Record for SampleResult {
    fn read(mut object: Map<String, Value>) -> Result<Self> {
        let task_id = text(&mut object, "task_id")?;
        let passed = match object.remove("passed") {
            Some(Value::Bool(passed)) => passed,
            found => bail!(
                MalformedFile,
                "{}, expected true or false",
                lacks("passed", found.as_ref())
            ),
        };
        let mut words = |name: &str| text(&mut object, name).unwrap_or_default();
        let (verdict, result) = (words("verdict"), words("result"));
        let mut seconds = |name: &str| {
            let found = object.remove(name);
            found.and_then(|v| v.as_f64()).unwrap_or_default()
        };
        Ok(Self {
            task_id,
            passed,
            verdict,
            result,
            compile_seconds: seconds("compile_seconds"),
            run_seconds: seconds("run_seconds"),
            completion_id: completion_id(&mut object)?,
            source: of_ours(&mut object, "source"),
            run: of_ours(&mut object, "run"),
            extra: object,
        })
    }

    fn identity(&mut self) -> (&str, Option<EvalLanguage>, &mut Option<u32>) {
        (&self.task_id, self.source, &mut self.completion_id)
    }

    fn defect(&mut self) -> Option<&mut String> {
        None
    }
}

/// A field that has to be text.
fn text(object: &mut Map<String, Value>, name: &str) -> Result<String> {
    match object.remove(name) {
        Some(Value::String(text)) => Ok(text),
        found => bail!(
            MalformedFile,
            "{}, expected a string",
            lacks(name, found.as_ref())
        ),
    }
}

/// In words, a field that is missing or is something else.
fn lacks(name: &str, found: Option<&Value>) -> String {
    let kind = match found {
        None => return format!("missing field `{name}`"),
        Some(Value::Null) => "null or not a number",
        Some(Value::Bool(_)) => "true or false",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a string",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    };
    format!("field `{name}` is {kind}")
}

/// The number of a sample, if there is one: a whole number, `7.0` included.
fn completion_id(object: &mut Map<String, Value>) -> Result<Option<u32>> {
    let found = match object.remove("completion_id") {
        None | Some(Value::Null) => return Ok(None),
        Some(found) => found,
    };
    let whole =
        |n: f64| (n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&n)).then_some(n as u32);
    if let Some(number) = found.as_f64().and_then(whole) {
        return Ok(Some(number));
    }
    let what = match &found {
        Value::Number(number) => format!("field `completion_id` is {number}"),
        _ => lacks("completion_id", Some(&found)),
    };
    bail!(
        MalformedFile,
        "{what}, expected a whole number from 0 to {}; without the field, samples are counted",
        u32::MAX
    )
}

/// A field of our own form; another one stays where it is.
fn of_ours<T: serde::de::DeserializeOwned>(
    object: &mut Map<String, Value>,
    name: &str,
) -> Option<T> {
    let found = object.get(name)?;
    let read = T::deserialize(found).ok();
    if read.is_some() || found.is_null() {
        object.remove(name);
    }
    read
}

/// The records of a file, plain or gzip, one at a time. One without a `completion_id` gets the
/// count of records of its problem before it in this file.
pub struct Records<T> {
    lines: Lines,
    /// Records of each problem so far.
    counts: HashMap<(EvalLanguage, u32, Option<EvalLanguage>), u32>,
    record: std::marker::PhantomData<fn() -> T>,
}

/// The samples of a file.
pub type Samples = Records<Sample>;
/// The results of a file.
pub type Results = Records<SampleResult>;

impl<T: Record> Records<T> {
    /// Opens a file.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) and what else the system reports.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            lines: Lines::open(path, CAPS)?,
            counts: HashMap::new(),
            record: std::marker::PhantomData,
        })
    }

    /// Number of the line that was read last, from 1.
    pub fn line(&self) -> u64 {
        self.lines.number()
    }

    /// Whether reading ended at an error of the file, as opposed to one of a record.
    pub fn has_failed(&self) -> bool {
        self.lines.has_failed()
    }

    /// The file and the line that was read last, for errors about a record.
    pub fn place(&self) -> String {
        self.lines.place()
    }
}

impl<T: Record> Iterator for Records<T> {
    type Item = Result<T>;

    /// The next record; an error names the file and the line. Records follow an error of one of
    /// them, and nothing follows an error of the file: see [`has_failed`](Records::has_failed).
    fn next(&mut self) -> Option<Result<T>> {
        let read = match self.lines.object() {
            Ok(None) => return None,
            Ok(Some(object)) => T::read(object).map_err(|e| e.within(self.lines.place())),
            Err(e) => Err(e),
        };
        let mut record = match read {
            Ok(record) => record,
            Err(e) => return Some(Err(e)),
        };
        if let Some(defect) = record.defect() {
            *defect = format!("{}: {defect}", self.lines.place());
        }
        let (task_id, source, completion_id) = record.identity();
        let problem = match EvalLanguage::of_task(task_id) {
            Ok((language, number)) => (language, number, source),
            Err(e) => {
                let error = Error::new(ErrorKind::MalformedFile, e.context().to_owned());
                return Some(Err(error.within(self.lines.place())));
            }
        };
        let count = self.counts.entry(problem).or_default();
        completion_id.get_or_insert(*count);
        *count = count.saturating_add(1);
        Some(Ok(record))
    }
}

impl<T> fmt::Debug for Records<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Records({})", self.lines.place())
    }
}

/// Writes a record as a line, in one piece.
///
/// # Errors
/// [`Io`](ErrorKind::Io) with what the system reports.
pub fn write_record(record: &impl Serialize, out: &mut dyn Write) -> Result<()> {
    let failed = |what: &str, e: std::io::Error| {
        Error::new(ErrorKind::Io, format!("cannot write a {what}: {e}")).with_source(e)
    };
    let mut line = serde_json::to_vec(record).map_err(|e| failed("record", e.into()))?;
    line.push(b'\n');
    out.write_all(&line).map_err(|e| failed("record", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Record>(text: &str) -> Vec<Result<T>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Records::open(file.path()).unwrap().collect()
    }

    fn lines(records: &[impl Serialize]) -> String {
        let mut bytes = Vec::new();
        for record in records {
            write_record(record, &mut bytes).unwrap();
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn files_of_the_reference_are_read_and_unknown_fields_are_kept() {
        let text = r#"{"task_id": "Go/1", "prompt": "p", "generation": "g", "scores": 0.5, "finish": 2, "output": [1, 2]}
{"task_id": "Go/2", "generation": ""}
{"task_id": "Go/1", "prompt": "p", "generation": "h", "finish": 1}
"#;
        let samples: Vec<Sample> = read(text).into_iter().map(Result::unwrap).collect();
        let numbers: Vec<_> = samples.iter().map(|s| s.completion_id).collect();
        assert_eq!(numbers, [Some(0), Some(0), Some(1)]);
        assert_eq!(samples[0].extra["output"], serde_json::json!([1, 2]));
        let again: Vec<Sample> = read(&lines(&samples))
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(again, samples);
        let text = r#"{"task_id": "CPP/4", "completion_id": 7, "test_code": "…", "prompt": "", "generation": "", "result": "passed", "passed": true, "finish": -1, "file": "", "output": []}"#;
        let result = read::<SampleResult>(text).remove(0).unwrap();
        assert_eq!(result.language().unwrap(), (EvalLanguage::Cpp, 4));
        assert!(result.passed && result.verdict.is_empty());
        assert_eq!(result.completion_id, Some(7));
    }

    #[test]
    fn a_result_has_the_identity_of_its_sample() {
        let mut sample = Sample::new("Java/3", "p", "g");
        sample.completion_id = Some(9);
        sample.source = Some(EvalLanguage::Cpp);
        let result = SampleResult::of(&sample, false, "timed_out", "after 5 s");
        let line = lines(std::slice::from_ref(&result));
        assert!(line.starts_with(r#"{"task_id":"Java/3","completion_id":9,"source":"cpp","passed":false,"verdict":"timed_out","result":"after 5 s","#));
        assert_eq!(read::<SampleResult>(&line).remove(0).unwrap(), result);
    }

    #[test]
    fn what_is_wrong_has_a_line() {
        for (text, what) in [
            (r#"{"generation": ""}"#, "missing field `task_id`"),
            (
                r#"{"task_id": 7}"#,
                "field `task_id` is a number, expected a string",
            ),
            (
                r#"{"task_id": "X/1", "generation": ""}"#,
                "no problem is called",
            ),
            ("{", "found the end of the line"),
        ] {
            let good = r#"{"task_id": "Go/1", "generation": ""}"#;
            let mut read = read::<Sample>(&format!("\n{text}\n{good}"));
            assert!(read.remove(1).is_ok(), "those after it are read");
            let error = read.remove(0).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MalformedFile);
            let message = error.to_string();
            assert!(
                message.contains("line 2: ") && message.contains(what),
                "{message}"
            );
        }
        let error = read::<SampleResult>(r#"{"task_id": "Go/1", "passed": 1}"#).remove(0);
        let message = error.unwrap_err().to_string();
        assert!(
            message.contains("line 1: field `passed` is a number"),
            "{message}"
        );
    }

    #[test]
    fn a_sample_without_a_program_keeps_its_place() {
        let text = "{\"task_id\": \"Go/1\"}\n{\"task_id\": \"Go/1\", \"generation\": null}";
        let samples: Vec<Sample> = read(text).into_iter().map(Result::unwrap).collect();
        let defects: Vec<_> = samples.iter().map(|s| s.defect.clone().unwrap()).collect();
        assert!(defects[0].ends_with("line 1: missing field `generation`, expected a string"));
        assert!(
            defects[1]
                .ends_with("line 2: field `generation` is null or not a number, expected a string")
        );
        assert_eq!(samples[1].completion_id, Some(1));
    }

    #[test]
    fn fields_of_others_with_the_names_of_ours_are_kept() {
        let text = r#"{"task_id": "golang/1", "generation": "", "prompt": null, "completion_id": 3.0, "source": "the web", "run": 7}
{"task_id": "Go/1", "generation": "", "completion_id": null, "source": "py", "run": null}
{"task_id": "Go/1", "generation": ""}"#;
        let samples: Vec<Sample> = read(text).into_iter().map(Result::unwrap).collect();
        let numbers: Vec<_> = samples.iter().map(|s| s.completion_id).collect();
        assert_eq!(numbers, [Some(3), Some(0), Some(1)]);
        assert_eq!(
            (samples[0].source, samples[1].source),
            (None, Some(EvalLanguage::Python))
        );
        assert_eq!(samples[0].extra["source"], "the web");
        assert_eq!(samples[0].extra["run"], 7);
        assert!(samples[1].extra.is_empty() && samples[2].extra.is_empty());
    }

    #[test]
    fn a_number_that_is_none_of_a_sample_is_a_defect() {
        for (id, what) in [
            ("-1", "is -1"),
            ("1.5", "is 1.5"),
            ("1e23", "is 1e+23"),
            ("4294967296", "is 4294967296"),
            ("\"x\"", "is a string"),
            ("[1]", "is an array"),
        ] {
            let expected = format!(
                "line 1: field `completion_id` {what}, expected a whole number from 0 to 4294967295"
            );
            let text =
                format!(r#"{{"task_id": "Go/1", "generation": "g", "completion_id": {id}}}"#);
            let sample = read::<Sample>(&text).remove(0).unwrap();
            let defect = sample.defect.unwrap();
            assert!(defect.contains(&expected), "{defect}");
            let text = format!(r#"{{"task_id": "Go/1", "passed": true, "completion_id": {id}}}"#);
            let error = read::<SampleResult>(&text).remove(0).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MalformedFile);
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }
}
