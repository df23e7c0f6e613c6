//! The bridge between requests, which are async, and the model, which computes on threads of its
//! own: the only file that knows [`codegeex::generate`].
//!
//! Each prompt of a request is a [`Job`]. A few jobs run at once, a bounded number waits, and
//! what goes beyond is refused. Dropping a [`Work`] cancels its jobs.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use axum::http::StatusCode;
use codegeex::cancel::CancelToken;
use codegeex::generate::{self, FinishReason, GenerateOptions, Generator};
use codegeex::model::{Input, State, Wanted};
use codegeex::tokenizer::{SpecialTokens, Tokenizer};
use tokio::sync::mpsc;

use crate::error::{ApiError, Result};
use crate::samplers::{Bias, Penalties, TopLogprobs};
use crate::suffix;

/// Events that wait for a slow client before the computation waits, too.
const CHANNEL: usize = 64;
/// Logits of this many tokens are kept at a time while a prompt is scored.
const SCORE_TOKENS: usize = 128;
/// Tokens after the cursor that a sample is ranked against.
const SUFFIX_TOKENS: usize = 32;

/// How many jobs there may be.
#[derive(Debug, Clone, Copy)]
pub struct EngineOptions {
    /// Jobs that run at once. They share the threads of the model.
    pub parallel: NonZeroUsize,
    /// Jobs that wait.
    pub queue: usize,
}

/// How tokens are drawn.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "the fields are those of the request")]
pub struct Sampling {
    pub max_tokens: usize,
    pub temperature: f32,
    pub top_p: f32,
    pub top_k: usize,
    pub seed: u64,
    pub first_sample: u32,
    pub samples: usize,
    pub stop: Vec<String>,
    pub presence_penalty: f32,
    pub frequency_penalty: f32,
    pub logit_bias: Vec<(u32, f32)>,
    pub top_logprobs: usize,
}

/// One prompt and what to do with it.
#[derive(Debug, Clone, Default)]
pub struct Job {
    /// Its ids, one at least.
    pub prompt: Vec<u32>,
    /// Whether the prompt itself is to be scored.
    pub score_prompt: bool,
    /// The text after the cursor, which samples are ranked against.
    pub suffix: Option<String>,
    /// How to continue it.
    pub sampling: Sampling,
}

/// A token with its log-probability under the model and the likeliest tokens at its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The token.
    pub id: u32,
    /// Nothing for the first of a prompt.
    pub logprob: Option<f32>,
    /// Best first.
    pub top: Vec<(u32, f32)>,
}

/// What happens during a job.
#[derive(Debug)]
pub enum Event {
    /// The scores of the prompt.
    Prompt(Vec<Scored>),
    /// A token was drawn.
    Token {
        /// Which sample of the job.
        sample: usize,
        /// The token.
        token: Scored,
        /// What is certain of the text now and was not before.
        text: String,
    },
    /// A sample is complete.
    End {
        /// Which sample of the job.
        sample: usize,
        /// The rest of its text.
        text: String,
        /// How it ended.
        end: End,
    },
    /// How well a sample fits the text after the cursor: the mean log-probability of its tokens
    /// and the first of that text.
    Fit {
        /// Which sample of the job.
        sample: usize,
        /// Of a token.
        log_probability: f64,
    },
    /// The job ended without an answer.
    Failed(ApiError),
}

/// How a sample ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// At an end of text.
    EndOfText,
    /// At a stop text.
    Stop,
    /// Where a limit is: that of the request, or the positions of the model.
    Length,
    /// It was cancelled.
    Cancelled,
}

/// What runs the jobs.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    generator: Generator,
    options: EngineOptions,
    jobs: Mutex<Jobs>,
    /// Told when a job was queued, and when no more will come.
    queued: Condvar,
}

#[derive(Debug, Default)]
struct Jobs {
    waiting: VecDeque<Task>,
    running: BTreeMap<u64, CancelToken>,
    next: u64,
    closed: bool,
}

#[derive(Debug)]
struct Task {
    number: u64,
    /// Which job of its request.
    index: usize,
    job: Job,
    cancel: CancelToken,
    events: mpsc::Sender<(usize, Event)>,
}

/// The jobs of one request under way. Dropping it cancels them.
#[derive(Debug)]
pub struct Work {
    events: mpsc::Receiver<(usize, Event)>,
    tasks: Vec<(u64, CancelToken)>,
    engine: Engine,
}

impl Work {
    /// The next event and the index of its job; nothing after the last.
    pub async fn next(&mut self) -> Option<(usize, Event)> {
        self.events.recv().await
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        for (_, cancel) in &self.tasks {
            cancel.cancel();
        }
        let tasks = &self.tasks;
        let ours = |number| tasks.iter().any(|&(ours, _)| ours == number);
        self.engine.jobs().waiting.retain(|t| !ours(t.number));
    }
}

impl Engine {
    /// Starts the threads. They end after [`stop`](Self::stop).
    ///
    /// # Errors
    /// When the system grants no thread.
    pub fn start(generator: Generator, options: EngineOptions) -> std::io::Result<Self> {
        let engine = Self(Arc::new(Shared {
            generator,
            options,
            jobs: Mutex::default(),
            queued: Condvar::new(),
        }));
        for number in 0..options.parallel.get() {
            let engine = engine.clone();
            let name = format!("generate-{number}");
            thread::Builder::new()
                .name(name)
                .spawn(move || engine.work())?;
        }
        Ok(engine)
    }

    /// The tokenizer of the model.
    pub fn tokenizer(&self) -> &Arc<dyn Tokenizer> {
        self.0.generator.tokenizer()
    }

    /// Positions of the model.
    pub fn positions(&self) -> usize {
        self.0.generator.model().config().max_position_embeddings
    }

    /// Jobs that run, and jobs that wait.
    pub fn load(&self) -> (usize, usize) {
        let jobs = self.jobs();
        (jobs.running.len(), jobs.waiting.len())
    }

    /// Queues the jobs of a request, all or none.
    ///
    /// # Errors
    /// 429 when the queue is full, 503 after [`stop`](Self::stop).
    pub fn submit(&self, list: Vec<Job>) -> Result<Work> {
        let (sender, events) = mpsc::channel(CHANNEL);
        let mut tasks = Vec::new();
        let mut jobs = self.jobs();
        if jobs.closed {
            return Err(ApiError::stopping());
        }
        let most = self.0.options.parallel.get() + self.0.options.queue;
        if jobs.running.len() + jobs.waiting.len() + list.len() > most {
            return Err(ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "queue_full",
                format!("{most} prompts are under way or waiting; try again later"),
            ));
        }
        for (index, job) in list.into_iter().enumerate() {
            let cancel = CancelToken::new();
            let number = jobs.next;
            jobs.next += 1;
            tasks.push((number, cancel.clone()));
            jobs.waiting.push_back(Task {
                number,
                index,
                job,
                cancel,
                events: sender.clone(),
            });
        }
        drop(jobs);
        self.0.queued.notify_all();
        Ok(Work {
            events,
            tasks,
            engine: self.clone(),
        })
    }

    /// Refuses further jobs and cancels those that there are.
    pub fn stop(&self) {
        let mut jobs = self.jobs();
        jobs.closed = true;
        jobs.running.values().for_each(CancelToken::cancel);
        for task in jobs.waiting.drain(..) {
            let stopping = Event::Failed(ApiError::stopping());
            // Nobody may be listening, and a full channel tells as much by ending.
            let _ = task.events.try_send((task.index, stopping));
        }
        drop(jobs);
        self.0.queued.notify_all();
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        // Nothing panics while it holds the lock in a way that leaves the lists half changed.
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does until the engine is stopped.
    fn work(&self) {
        loop {
            let mut jobs = self.jobs();
            let task = loop {
                if jobs.closed {
                    return;
                }
                if let Some(task) = jobs.waiting.pop_front() {
                    break task;
                }
                let woken = self.0.queued.wait(jobs);
                jobs = woken.unwrap_or_else(PoisonError::into_inner);
            };
            jobs.running.insert(task.number, task.cancel.clone());
            drop(jobs);
            if let Err(error) = run(&self.0.generator, &task) {
                let _ = task
                    .events
                    .blocking_send((task.index, Event::Failed(error.into())));
            }
            self.jobs().running.remove(&task.number);
        }
    }
}

/// Runs one job.
fn run(generator: &Generator, task: &Task) -> codegeex::Result<()> {
    let Task { job, cancel, .. } = task;
    let send = |event| match task.events.blocking_send((task.index, event)) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    if job.score_prompt {
        let top = job.sampling.top_logprobs;
        let scores = score(generator, &job.prompt, top, cancel)?;
        if send(Event::Prompt(scores)).is_break() {
            return Ok(());
        }
    }
    let recorder = Arc::new(TopLogprobs::new(job.sampling.top_logprobs));
    let options = options(&job.sampling, recorder.clone());
    let found = generator.generate_from(&job.prompt, &options, cancel, &mut |event| {
        send(match event {
            generate::Event::Token {
                sample,
                id,
                logprob,
                text,
            } => Event::Token {
                sample,
                token: Scored {
                    id,
                    logprob: Some(logprob),
                    top: recorder.take(),
                },
                text: text.to_owned(),
            },
            generate::Event::End {
                sample,
                text,
                reason,
            } => Event::End {
                sample,
                text: text.to_owned(),
                end: end(reason),
            },
            _ => return ControlFlow::Continue(()),
        })
    })?;
    if let Some(suffix) = &job.suffix
        && !cancel.is_cancelled()
    {
        let texts: Vec<&str> = found.iter().map(|c| c.text.as_str()).collect();
        let fits = fit(generator, &job.prompt, &texts, suffix, cancel)?;
        for (sample, log_probability) in fits.into_iter().enumerate() {
            let fit = Event::Fit {
                sample,
                log_probability,
            };
            if send(fit).is_break() {
                break;
            }
        }
    }
    Ok(())
}

fn options(sampling: &Sampling, recorder: Arc<TopLogprobs>) -> GenerateOptions {
    let mut options = GenerateOptions::default();
    options.max_new_tokens = sampling.max_tokens;
    options.temperature = sampling.temperature;
    // OpenAI allows 0, which leaves the likeliest token.
    options.top_p = sampling.top_p.max(f32::MIN_POSITIVE);
    options.top_k = sampling.top_k;
    options.seed = sampling.seed;
    options.first_sample = sampling.first_sample;
    options.samples = sampling.samples;
    options.stop = sampling.stop.clone();
    if sampling.top_logprobs > 0 {
        options.samplers.push(recorder);
    }
    if !sampling.logit_bias.is_empty() {
        let bias = Bias::new(&sampling.logit_bias);
        options.samplers.push(Arc::new(bias));
    }
    if sampling.presence_penalty != 0.0 || sampling.frequency_penalty != 0.0 {
        options.samplers.push(Arc::new(Penalties {
            presence: sampling.presence_penalty,
            frequency: sampling.frequency_penalty,
        }));
    }
    options
}

fn end(reason: FinishReason) -> End {
    match reason {
        FinishReason::EndOfText => End::EndOfText,
        FinishReason::Stop(_) => End::Stop,
        FinishReason::Cancelled => End::Cancelled,
        _ => End::Length,
    }
}

/// The log-probability of each token given those before it, and the `top` likeliest there.
fn score(
    generator: &Generator,
    ids: &[u32],
    top: usize,
    cancel: &CancelToken,
) -> codegeex::Result<Vec<Scored>> {
    let first = Scored {
        id: ids[0],
        logprob: None,
        top: Vec::new(),
    };
    let mut scores = vec![first];
    let mut state = generator.model().new_state();
    each_row(generator, &mut *state, ids, cancel, &mut |id, row| {
        scores.push(Scored {
            id,
            logprob: Some(generate::log_probability(row, id)),
            top: generate::top_log_probabilities(row, top),
        });
    })?;
    Ok(scores)
}

/// How well each text fits between a prompt and the text after the cursor. The prompt is computed
/// once for all.
fn fit(
    generator: &Generator,
    prompt: &[u32],
    texts: &[&str],
    suffix: &str,
    cancel: &CancelToken,
) -> codegeex::Result<Vec<f64>> {
    let model = generator.model();
    let (&last, before) = prompt.split_last().unwrap_or((&0, &[]));
    let mut state = model.new_state();
    for chunk in before.chunks(generate::PREFILL_TOKENS) {
        model.forward(
            &mut [Input::new(&mut *state, chunk, Wanted::Nothing)],
            cancel,
        )?;
    }
    let one = |text: &&str| {
        let text = &text[..suffix::keep(text, suffix)];
        let encode = |text: &str| generator.tokenizer().encode(text, SpecialTokens::AsText);
        let most = encode(text).len() + SUFFIX_TOKENS;
        let mut ids = vec![last];
        // Together, as tokens may reach over the seam.
        ids.extend(encode(&format!("{text}{suffix}")).iter().take(most));
        ids.truncate(model.config().max_position_embeddings + 1 - before.len());
        let mut sum = 0.0;
        each_row(
            generator,
            &mut *state.fork(),
            &ids,
            cancel,
            &mut |id, row| {
                sum += f64::from(generate::log_probability(row, id));
            },
        )?;
        Ok(sum / (ids.len() - 1).max(1) as f64)
    };
    texts.iter().map(one).collect()
}

/// Feeds ids to a state and hands out each but the first with the logits before it.
fn each_row(
    generator: &Generator,
    state: &mut dyn State,
    ids: &[u32],
    cancel: &CancelToken,
    on_row: &mut dyn FnMut(u32, &[f32]),
) -> codegeex::Result<()> {
    let mut next = 1;
    // What follows the last is of no concern.
    for chunk in ids[..ids.len() - 1].chunks(SCORE_TOKENS) {
        let mut batch = [Input::new(&mut *state, chunk, Wanted::All)];
        let logits = generator.model().forward(&mut batch, cancel)?;
        for row in logits.sequence(0).rows() {
            on_row(ids[next], &row.to_vec());
            next += 1;
        }
    }
    Ok(())
}
