//! Samples of a model for all prompts of a task, written to a file as they come.
//!
//! Every sample is a request of its own to the [`Scheduler`], which computes a prompt once and
//! keeps it for the others; each ends for itself, and its place is taken at once. Samples are
//! numbered by problem and sample, and records are written in that order, so that the file is the
//! same for any batch, however often the work was interrupted, and split into any shards.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::dataset::EvalLanguage;
use super::merge::EvalTask;
use super::prompts::Prompt;
use super::sample_file::SampleFile;
use super::samples::{Run, Sample};
use super::shard::Shard;
use crate::cancel::CancelToken;
use crate::checksum::Xxh64;
use crate::code::EvalCut;
use crate::error::{Result, bail};
use crate::generate::{
    Event, FinishReason, GenerateOptions, Generator, Request, RequestId, Scheduler,
    SchedulerOptions, StopAt, Update,
};
use crate::tokenizer::SpecialTokens;

/// How samples are generated. The default is the paper's: 200 samples, temperature 0.8, top-p 0.95,
/// 1,024 tokens of prompt and completion.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GenerationOptions {
    /// Samples of each problem.
    pub samples: u32,
    /// Divides the logits; 0 means greedy.
    pub temperature: f32,
    /// Top-p: the probability mass that tokens are sampled from.
    pub top_p: f32,
    /// Tokens of prompt and completion at most. No more than the model has positions.
    pub max_tokens: u32,
    /// Seed of the experiment.
    pub seed: u64,
    /// Whether the prompts have a tag line. It is written into the records.
    pub tag: bool,
    /// Where completions end, and what is kept of them.
    pub cut: EvalCut,
    /// The part of the samples that is made here.
    pub shard: Shard,
    /// Sequences that are computed together.
    pub sequences: usize,
}

impl Default for GenerationOptions {
    fn default() -> Self {
        Self {
            samples: 200,
            temperature: 0.8,
            top_p: 0.95,
            max_tokens: 1024,
            seed: 0,
            tag: true,
            cut: EvalCut::Reference,
            shard: Shard::WHOLE,
            sequences: 16,
        }
    }
}

/// How far a generation is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct GenerationProgress {
    /// Samples of this shard.
    pub samples: u64,
    /// Those that were in the file already.
    pub resumed: u64,
    /// Those that have ended since.
    pub ended: u64,
    /// Those of them that are in the file: each waits for the ones before it.
    pub written: u64,
    /// Tokens that were generated since, by those that have ended and by those that have not.
    pub tokens: u64,
    /// Tokens of a sample at most.
    pub longest: u64,
    /// Time since the beginning of the computation.
    pub elapsed: Duration,
}

impl GenerationProgress {
    /// Tokens of a sample on average, as far as can be told: all tokens so far over the samples
    /// that have ended. Samples that still run count by what they have, so that the first to end,
    /// which are short, do not make it too low. Nothing before the first has ended.
    pub fn tokens_of_sample(&self) -> Option<f64> {
        let mean = self.tokens as f64 / self.ended as f64;
        (self.ended > 0).then(|| mean.min(self.longest as f64))
    }

    /// Tokens a second, prompts included in the time.
    pub fn tokens_per_second(&self) -> f64 {
        match self.elapsed.as_secs_f64() {
            0.0 => 0.0,
            seconds => self.tokens as f64 / seconds,
        }
    }

    /// Time that is left at the speed so far, if samples go on to have as many tokens.
    pub fn left(&self) -> Option<Duration> {
        let left = self.samples - self.resumed - self.ended;
        let seconds = self.tokens_of_sample()? * left as f64 / self.tokens_per_second();
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// What a generation has done.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Generated {
    /// How far it came.
    pub progress: GenerationProgress,
    /// Prompts that leave no room for a token; their samples are empty.
    pub too_long: usize,
    /// Whether it was cancelled before its end.
    pub cancelled: bool,
}

/// Generates the samples of all prompts of a task and appends them to a file. What the file has
/// already is checked and kept.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for options out of range and for a file of
/// another run, [`Busy`](crate::ErrorKind::Busy) for a file that another process writes, and what the
/// model and the system report. The file keeps what was written before, and a further call goes
/// on from there.
pub fn generate(
    generator: &Generator,
    task: EvalTask,
    prompts: &[Prompt],
    options: &GenerationOptions,
    out: &Path,
    cancel: &CancelToken,
    on_progress: &mut dyn FnMut(&GenerationProgress),
) -> Result<Generated> {
    let plan = Plan::new(generator, task, prompts, options)?;
    let range = options.shard.range(plan.total());
    let (mut file, there) = SampleFile::open(out, |number, sample: &Sample| {
        let at = range.start + number;
        match at < range.end {
            true => plan.check(at, sample),
            false => bail!(
                InvalidArgument,
                "a record too many: shard {} has {} samples",
                options.shard,
                range.end - range.start
            ),
        }
    })?;
    let progress = GenerationProgress {
        samples: range.end - range.start,
        resumed: there,
        ended: 0,
        written: 0,
        tokens: 0,
        longest: plan.longest as u64,
        elapsed: Duration::ZERO,
    };
    let mut work = SampleLoop {
        plan: &plan,
        scheduler: Scheduler::new(generator, plan.bounds())?,
        running: HashMap::new(),
        warm: None,
        next: range.start + there,
        written: range.start + there,
        end: range.end,
        ended: BTreeMap::new(),
        progress,
    };
    let outcome = work.run(&mut file, cancel, on_progress);
    // What was written stays, whatever ended the work.
    let synced = file.sync();
    let cancelled = outcome?;
    synced?;
    Ok(Generated {
        progress: work.progress,
        too_long: plan.prompts.iter().filter(|p| p.room == 0).count(),
        cancelled,
    })
}

/// A prompt as it is computed.
struct Tokens<'a> {
    prompt: &'a Prompt,
    ids: Vec<u32>,
    seed: u64,
    /// Tokens that may follow.
    room: usize,
}

/// What does not change during generation.
struct Plan<'a> {
    task: EvalTask,
    language: crate::Language,
    prompts: Vec<Tokens<'a>>,
    options: &'a GenerationOptions,
    run: Run,
    /// Room of the shortest prompt.
    longest: usize,
}

impl<'a> Plan<'a> {
    fn new(
        generator: &Generator,
        task: EvalTask,
        prompts: &'a [Prompt],
        options: &'a GenerationOptions,
    ) -> Result<Self> {
        if options.samples == 0 || options.sequences == 0 {
            bail!(
                InvalidArgument,
                "{} samples, {} sequences at once, expected one or more of each",
                options.samples,
                options.sequences
            );
        }
        let model = generator.model();
        let positions = model.config().max_position_embeddings;
        let most = positions.min(options.max_tokens as usize);
        let tokens = prompts.iter().map(|prompt| {
            let ids = (generator.tokenizer()).encode_prompt(&prompt.text, SpecialTokens::AsText)?;
            Ok(Tokens {
                seed: seed_of(options.seed, task, &prompt.task_id),
                room: most.saturating_sub(ids.len()),
                ids,
                prompt,
            })
        });
        let prompts = tokens.collect::<Result<Vec<Tokens<'_>>>>()?;
        let fingerprint = model.fingerprint();
        let this = Self {
            task,
            language: task.language().language(),
            run: Run {
                model: fingerprint.map_or_else(
                    || "unknown".to_owned(),
                    |f| format!("{:016x}", u64::from_le_bytes(f.to_bytes())),
                ),
                family: model.config().family.name().to_owned(),
                problems: prompts.len().try_into().unwrap_or(u32::MAX),
                samples: options.samples,
                seed: options.seed,
                temperature: options.temperature,
                top_p: options.top_p,
                max_tokens: options.max_tokens,
                tag: options.tag,
                cut: options.cut.name().to_owned(),
            },
            longest: prompts.iter().map(|p| p.room).max().unwrap_or(0),
            prompts,
            options,
        };
        this.of_sample(0, 0).validate()?;
        Ok(this)
    }

    /// Samples of all shards.
    fn total(&self) -> u64 {
        self.prompts.len() as u64 * u64::from(self.options.samples)
    }

    /// Prompt and sample of a number among all; numbers are below the total.
    fn place(&self, at: u64) -> (usize, u32) {
        let samples = u64::from(self.options.samples);
        ((at / samples) as usize, (at % samples) as u32)
    }

    fn bounds(&self) -> SchedulerOptions {
        SchedulerOptions::new()
            .sequences(self.options.sequences)
            .waiting(self.options.sequences)
            // That of the samples under way, and of those that begin.
            .prefixes(2)
    }

    /// The generation options of a sample.
    fn of_sample(&self, prompt: usize, sample: u32) -> GenerateOptions {
        let options = GenerateOptions::new()
            .temperature(self.options.temperature)
            .top_p(self.options.top_p)
            .first_sample(sample);
        let Some(tokens) = self.prompts.get(prompt) else {
            return options;
        };
        let stop = StopAt::new(self.language, [self.options.cut.rule()]);
        options
            .max_new_tokens(tokens.room)
            .seed(tokens.seed)
            .stop_at(stop.before(tokens.prompt.code.clone()))
    }

    /// A record without its completion.
    fn record(&self, at: u64) -> Sample {
        let (prompt, sample) = self.place(at);
        let prompt = self.prompts[prompt].prompt;
        let mut record = Sample::new(&prompt.task_id, &prompt.text, "");
        record.completion_id = Some(sample);
        record.source = self.task.source();
        record.run = Some(self.run.clone());
        record
    }

    /// Whether a record in the file is the one that belongs there.
    fn check(&self, at: u64, found: &Sample) -> Result<()> {
        let expected = self.record(at);
        let differs =
            if found.task_id != expected.task_id || found.completion_id != expected.completion_id {
                format!(
                    "sample {} of {}, expected sample {} of {}",
                    found.completion_id.unwrap_or(0),
                    found.task_id,
                    expected.completion_id.unwrap_or(0),
                    expected.task_id
                )
            } else if found.source != expected.source {
                "a translation from another language, or none".to_owned()
            } else if found.run != expected.run {
                "a sample of another run: another model, seed, temperature or number of samples or \
             tokens"
                    .to_owned()
            } else if found.prompt != expected.prompt {
                "a sample of another prompt".to_owned()
            } else {
                return Ok(());
            };
        bail!(
            InvalidArgument,
            "{differs}; go on with the arguments of the beginning, or give another file"
        )
    }
}

/// The seed of a problem. It depends only on the run's seed and the problem, so samples do too.
fn seed_of(seed: u64, task: EvalTask, task_id: &str) -> u64 {
    let source = task.source().map_or("", EvalLanguage::name);
    let mut hash = Xxh64::new(seed);
    hash.update(format!("{source}/{task_id}").as_bytes());
    hash.finish()
}

/// A sample that is being generated.
struct ActiveSample {
    at: u64,
    text: String,
    tokens: u64,
    score: f64,
    ended: Option<FinishReason>,
}

/// The state of generation.
struct SampleLoop<'a> {
    plan: &'a Plan<'a>,
    scheduler: Scheduler,
    running: HashMap<RequestId, ActiveSample>,
    /// The prompt that was computed last, which further samples begin with.
    warm: Option<usize>,
    /// The next sample to begin, the next to write, and the end.
    next: u64,
    written: u64,
    end: u64,
    /// Records that wait for those before them.
    ended: BTreeMap<u64, Sample>,
    progress: GenerationProgress,
}

impl SampleLoop<'_> {
    /// Generates and writes all samples. Returns whether it was cancelled.
    fn run(
        &mut self,
        file: &mut SampleFile,
        cancel: &CancelToken,
        on_progress: &mut dyn FnMut(&GenerationProgress),
    ) -> Result<bool> {
        let clock = Instant::now();
        while self.written < self.end {
            if cancel.is_cancelled() {
                return Ok(true);
            }
            self.begin(cancel)?;
            self.step()?;
            while let Some(sample) = self.ended.remove(&self.written) {
                file.append(&sample)?;
                self.written += 1;
                self.progress.written += 1;
            }
            self.progress.elapsed = clock.elapsed();
            on_progress(&self.progress);
        }
        Ok(false)
    }

    /// Begins samples while there are places for them.
    fn begin(&mut self, cancel: &CancelToken) -> Result<()> {
        // One long sample must not let records pile up behind it without end.
        let most_ahead = 4 * self.plan.options.sequences as u64;
        while self.next < self.end
            && self.running.len() < self.plan.options.sequences
            && self.next - self.written < most_ahead
        {
            let (prompt, sample) = self.plan.place(self.next);
            let tokens = &self.plan.prompts[prompt];
            if tokens.room == 0 {
                self.keep(self.next, "", &Ending::new(0, "length"));
                self.next += 1;
                continue;
            }
            // The first computes the prompt, the others wait for that.
            let is_under_way = |r: &ActiveSample| self.plan.place(r.at).0 == prompt;
            if self.warm != Some(prompt) && self.running.values().any(is_under_way) {
                return Ok(());
            }
            let options = self.plan.of_sample(prompt, sample);
            let mut request = Request::new(tokens.ids.clone(), options);
            request.cancel = cancel.clone();
            let id = self.scheduler.submit(request)?;
            self.running.insert(
                id,
                ActiveSample {
                    at: self.next,
                    text: String::new(),
                    tokens: 0,
                    score: 0.0,
                    ended: None,
                },
            );
            self.next += 1;
        }
        Ok(())
    }

    /// One step of what is running.
    fn step(&mut self) -> Result<()> {
        let (running, progress) = (&mut self.running, &mut self.progress);
        let (mut warm, mut done, mut failure) = (None, Vec::new(), None);
        self.scheduler.step(&mut |id, update| {
            let Some(sample) = running.get_mut(&id) else {
                return ControlFlow::Break(());
            };
            match update {
                Update::Event(Event::Token { text, logprob, .. }) => {
                    warm = warm.max(Some(sample.at));
                    sample.tokens += 1;
                    sample.score += f64::from(logprob);
                    progress.tokens += 1;
                    sample.text.push_str(&text);
                }
                Update::Event(Event::End { text, reason, .. }) => {
                    sample.text.push_str(&text);
                    sample.ended = Some(reason);
                }
                Update::Done(Ok(_)) => done.push(id),
                Update::Done(Err(error)) => {
                    failure.get_or_insert(error);
                }
            }
            ControlFlow::Continue(())
        });
        if let Some(at) = warm {
            self.warm = self.warm.max(Some(self.plan.place(at).0));
        }
        if let Some(error) = failure {
            return Err(error);
        }
        for id in done {
            if let Some(sample) = self.running.remove(&id) {
                self.take(sample)?;
            }
        }
        Ok(())
    }

    /// Takes a sample that has ended.
    fn take(&mut self, sample: ActiveSample) -> Result<()> {
        let mut ending = match sample.ended {
            Some(reason @ FinishReason::Code(_)) => Ending::new(1, reason.name()),
            Some(reason @ FinishReason::EndOfText) => Ending::new(2, reason.name()),
            Some(reason @ (FinishReason::Length | FinishReason::ContextFull)) => {
                Ending::new(0, reason.name())
            }
            Some(FinishReason::Cancelled) => return Ok(()),
            other => bail!(
                Internal,
                "a sample ended for a reason that was not requested: {other:?}"
            ),
        };
        ending.score = sample.score;
        ending.tokens = sample.tokens;
        if ending.finish == 0 {
            // Nothing says where it should have ended; the reference leaves it as it is.
            self.keep(sample.at, &sample.text, &ending);
            return Ok(());
        }
        let (prompt, _) = self.plan.place(sample.at);
        let before = &self.plan.prompts[prompt].prompt.code;
        let cut = self.plan.options.cut;
        let text = cut.clean(self.plan.language, before, &sample.text)?;
        self.keep(sample.at, &text, &ending);
        Ok(())
    }

    /// Keeps a record until it is its turn.
    fn keep(&mut self, at: u64, text: &str, ending: &Ending) {
        let mut record = self.plan.record(at);
        record.generation = text.to_owned();
        let fields: [(&str, Value); 4] = [
            ("finish", ending.finish.into()),
            ("finish_reason", ending.reason.into()),
            ("scores", ending.score.into()),
            ("tokens", ending.tokens.into()),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        record.extra.extend(fields);
        self.ended.insert(at, record);
        self.progress.ended += 1;
    }
}

/// How a sample ended.
struct Ending {
    /// As in the reference's files: 2 for an end of text, 1 for the language's rule, 0 for
    /// neither.
    finish: u32,
    reason: &'static str,
    /// Sum of the log-probabilities of its tokens.
    score: f64,
    tokens: u64,
}

impl Ending {
    fn new(finish: u32, reason: &'static str) -> Self {
        Self {
            finish,
            reason,
            score: 0.0,
            tokens: 0,
        }
    }
}

#[cfg(test)]
mod tests;
