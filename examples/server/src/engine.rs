//! The bridge between requests, which are async, and the model, which computes on threads of its
//! own: the only file that knows [`codegeex::generate`].
//!
//! Each prompt of a request is a [`Job`]. The library's [`Service`] computes many at once and
//! lets others wait; what goes beyond is refused here. Scores of given text, which a service does
//! not do, are computed one text at a time. Dropping a [`Work`] cancels its jobs.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use codegeex::cancel::CancelToken;
use codegeex::generate::{
    self, Completion, FinishReason, GenerateOptions, Generator, Request, SchedulerOptions, Service,
    Ticket,
};
use codegeex::model::{Input, State, Wanted};
use codegeex::tokenizer::{SpecialTokens, Tokenizer};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::error::{ApiError, Result};
use crate::suffix;

/// Events that wait for a slow client here; further ones wait in the service.
const CHANNEL: usize = 64;
/// Logits of this many tokens are kept at a time while a text is scored.
const SCORE_TOKENS: usize = 128;
/// Tokens after the cursor that a sample is ranked against.
const SUFFIX_TOKENS: usize = 32;

/// How much there may be at once.
#[derive(Debug, Clone, Copy)]
pub struct EngineOptions {
    /// Sequences that are computed together. Jobs have one for each sample.
    pub sequences: NonZeroUsize,
    /// Jobs that may wait beside as many as there are sequences.
    pub queue: usize,
    /// Most bytes of the KV cache. Jobs that do not fit wait.
    pub cache_bytes: Option<u64>,
}

/// How tokens are sampled.
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
    pub stop_ids: Vec<u32>,
}

/// One prompt and what to do with it.
#[derive(Debug, Clone, Default)]
pub struct Job {
    /// Its ids, one at least.
    pub prompt: Vec<u32>,
    /// Whether the prompt itself is to be scored.
    pub score_prompt: bool,
    /// The text after the cursor, which samples of a model without fill-in-the-middle are ranked
    /// against.
    pub suffix: Option<String>,
    /// How to continue it.
    pub sampling: Sampling,
}

/// A token with its log-probability under the model and the most likely tokens at its place.
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
    /// A token was sampled.
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
    /// At `max_tokens` or at the context length.
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
    service: Service,
    /// Jobs under way at most, those that wait included.
    most: usize,
    jobs: Mutex<Jobs>,
    /// Held while a text is scored.
    scoring: Mutex<()>,
}

#[derive(Debug, Default)]
struct Jobs {
    under_way: BTreeMap<u64, CancelToken>,
    next: u64,
    stopped: bool,
}

/// How many jobs there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Jobs that are being worked on.
    pub active: usize,
    /// Jobs that wait.
    pub queued: usize,
}

/// The jobs of one request under way. Dropping it cancels them.
#[derive(Debug)]
pub struct Work {
    events: mpsc::Receiver<(usize, Event)>,
    cancels: Vec<CancelToken>,
}

impl Work {
    /// The next event and the index of its job; nothing after the last.
    pub async fn next(&mut self) -> Option<(usize, Event)> {
        self.events.recv().await
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.cancels.iter().for_each(CancelToken::cancel);
    }
}

impl Engine {
    /// Starts the service.
    ///
    /// # Errors
    /// Those of [`Service::start`].
    pub fn start(generator: Generator, options: EngineOptions) -> codegeex::Result<Self> {
        let most = options.sequences.get().saturating_add(options.queue);
        let mut scheduler = SchedulerOptions::default();
        scheduler.sequences = options.sequences.get();
        scheduler.cache_bytes = options.cache_bytes;
        // What may wait is counted here, for all jobs of a request at once.
        scheduler.waiting = most;
        Ok(Self(Arc::new(Shared {
            service: Service::start(&generator, scheduler)?,
            generator,
            most,
            jobs: Mutex::default(),
            scoring: Mutex::default(),
        })))
    }

    /// The model and its tokenizer.
    pub fn generator(&self) -> &Generator {
        &self.0.generator
    }

    /// The tokenizer of the model.
    pub fn tokenizer(&self) -> &Arc<dyn Tokenizer> {
        self.0.generator.tokenizer()
    }

    /// Context length of the model.
    pub fn context_length(&self) -> usize {
        self.0.generator.model().config().max_position_embeddings
    }

    /// Jobs under way.
    pub fn load(&self) -> Load {
        let all = self.jobs().under_way.len();
        let queued = self.0.service.progress().waiting.min(all);
        Load {
            active: all - queued,
            queued,
        }
    }

    /// Begins the jobs of a request, all or none. Needs a runtime of tokio around it.
    ///
    /// # Errors
    /// 429 when there are too many, 503 after [`stop`](Self::stop).
    pub fn submit(&self, list: Vec<Job>) -> Result<Work> {
        let (sender, events) = mpsc::channel(CHANNEL);
        let mut cancels = Vec::new();
        let mut tickets = Vec::new();
        let mut jobs = self.jobs();
        if jobs.stopped {
            return Err(ApiError::stopping());
        }
        let Shared { service, most, .. } = &*self.0;
        if jobs.under_way.len() + list.len() > *most {
            return Err(ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "queue_full",
                format!("the queue is full: {most} prompts at once; try again later"),
            ));
        }
        for job in &list {
            let mut request = Request::new(job.prompt.clone(), options(&job.sampling));
            request.cancel = CancelToken::new();
            cancels.push(request.cancel.clone());
            // Those that were handed in end with their tickets.
            tickets.push(service.submit(request)?);
        }
        for (index, (job, mut ticket)) in list.into_iter().zip(tickets).enumerate() {
            let number = jobs.next;
            jobs.next += 1;
            let cancel = cancels[index].clone();
            jobs.under_way.insert(number, cancel.clone());
            let runner = Runner {
                engine: self.clone(),
                number,
                index,
                cancel,
                events: sender.clone(),
            };
            spawn_blocking(move || runner.run(&job, &mut ticket));
        }
        Ok(Work { events, cancels })
    }

    /// Refuses further jobs and cancels those that there are.
    pub fn stop(&self) {
        let mut jobs = self.jobs();
        jobs.stopped = true;
        jobs.under_way.values().for_each(CancelToken::cancel);
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        // The list is consistent between any two statements.
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the events of one job from the service to its request. A client that is slow to receive
/// them holds up its own job alone.
struct Runner {
    engine: Engine,
    number: u64,
    index: usize,
    cancel: CancelToken,
    events: mpsc::Sender<(usize, Event)>,
}

/// The client has gone.
struct Gone;

impl Drop for Runner {
    fn drop(&mut self) {
        self.engine.jobs().under_way.remove(&self.number);
    }
}

impl Runner {
    fn send(&self, event: Event) -> Result<(), Gone> {
        let sent = self.events.blocking_send((self.index, event));
        sent.map_err(|_| Gone)
    }

    fn run(&self, job: &Job, ticket: &mut Ticket) {
        let answered = match self.answer(job, ticket) {
            Ok(Err(error)) => self.send(Event::Failed(error.into())),
            Ok(Ok(())) => Ok(()),
            Err(Gone) => Err(Gone),
        };
        if answered.is_err() {
            self.cancel.cancel();
        }
    }

    fn answer(&self, job: &Job, ticket: &mut Ticket) -> Result<codegeex::Result<()>, Gone> {
        if job.score_prompt {
            let scores = self.score(&job.prompt, job.sampling.top_logprobs);
            match scores {
                Ok(scores) => self.send(Event::Prompt(scores))?,
                Err(error) => return Ok(Err(error)),
            }
        }
        let mut failed = None;
        for event in &mut *ticket {
            match event {
                Ok(codegeex::Event::Token {
                    sample,
                    id,
                    logprob,
                    top_logprobs,
                    text,
                }) => self.send(Event::Token {
                    sample,
                    token: Scored {
                        id,
                        logprob: Some(logprob),
                        top: top_logprobs,
                    },
                    text,
                })?,
                Ok(codegeex::Event::End {
                    sample,
                    text,
                    reason,
                }) => self.send(Event::End {
                    sample,
                    text,
                    end: end(reason),
                })?,
                Ok(_) => {}
                Err(error) => failed = Some(error),
            }
        }
        let done = match (failed, ticket.take_completions()) {
            (Some(error), _) => Err(error),
            (None, Some(completions)) => Ok(completions),
            (None, None) => return Ok(self.cancel.check()),
        };
        match (done, &job.suffix) {
            (Ok(found), Some(suffix)) => {
                let fits = self.fit(&job.prompt, &found, suffix);
                match fits {
                    Ok(fits) => {
                        for (sample, log_probability) in fits.into_iter().enumerate() {
                            self.send(Event::Fit {
                                sample,
                                log_probability,
                            })?;
                        }
                        Ok(Ok(()))
                    }
                    Err(error) => Ok(Err(error)),
                }
            }
            (done, _) => Ok(done.map(|_| ())),
        }
    }

    /// Waits until no other text is being scored.
    fn scoring(&self) -> codegeex::Result<MutexGuard<'_, ()>> {
        let lock = &self.engine.0.scoring;
        let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.cancel.check()?;
        Ok(guard)
    }

    /// The log-probability of each token given those before it, and the `top` most likely there.
    fn score(&self, ids: &[u32], top: usize) -> codegeex::Result<Vec<Scored>> {
        let _turn = self.scoring()?;
        let first = Scored {
            id: ids[0],
            logprob: None,
            top: Vec::new(),
        };
        let mut scores = vec![first];
        let vocabulary = self.engine.0.generator.tokenizer().vocab_size();
        let mut state = self.engine.0.generator.model().new_state();
        self.each_row(&mut *state, ids, &mut |id, row| {
            scores.push(Scored {
                id,
                logprob: Some(generate::log_probability(row, id)),
                top: generate::top_log_probabilities_below(row, vocabulary, top)?,
            });
            Ok(())
        })?;
        Ok(scores)
    }

    /// How well each sample fits between a prompt and the text after the cursor. The prompt is
    /// computed once for all.
    fn fit(
        &self,
        prompt: &[u32],
        samples: &[Completion],
        suffix: &str,
    ) -> codegeex::Result<Vec<f64>> {
        let _turn = self.scoring()?;
        let generator = &self.engine.0.generator;
        let model = generator.model();
        let (&last, before) = prompt.split_last().unwrap_or((&0, &[]));
        let mut state = model.new_state();
        for chunk in before.chunks(generate::PREFILL_TOKENS) {
            let mut batch = [Input::new(&mut *state, chunk, Wanted::Nothing)];
            model.forward(&mut batch, &(&self.cancel).into())?;
        }
        let one = |sample: &Completion| {
            let text = &sample.text[..suffix::keep(&sample.text, suffix)];
            let tokenizer = generator.tokenizer();
            let encode = |text: &str| tokenizer.encode_continuation(text, SpecialTokens::AsText);
            let most = encode(text)?.len() + SUFFIX_TOKENS;
            let mut ids = vec![last];
            // Together, as tokens may reach over the seam.
            ids.extend(encode(&format!("{text}{suffix}"))?.iter().take(most));
            ids.truncate(model.config().max_position_embeddings + 1 - before.len());
            let mut sum = 0.0;
            self.each_row(&mut *state.fork(), &ids, &mut |id, row| {
                sum += f64::from(generate::log_probability(row, id));
                Ok(())
            })?;
            Ok(sum / (ids.len() - 1).max(1) as f64)
        };
        samples.iter().map(one).collect()
    }

    /// Feeds ids to a state and hands out each but the first with the logits before it.
    fn each_row(
        &self,
        state: &mut dyn State,
        ids: &[u32],
        on_row: &mut dyn FnMut(u32, &[f32]) -> codegeex::Result<()>,
    ) -> codegeex::Result<()> {
        let model = self.engine.0.generator.model();
        let mut next = 1;
        // What follows the last is of no concern.
        for chunk in ids[..ids.len() - 1].chunks(SCORE_TOKENS) {
            let mut batch = [Input::new(&mut *state, chunk, Wanted::All)];
            let logits = model.forward(&mut batch, &(&self.cancel).into())?;
            for row in logits.rows(0) {
                on_row(ids[next], row)?;
                next += 1;
            }
        }
        Ok(())
    }
}

fn options(sampling: &Sampling) -> GenerateOptions {
    GenerateOptions::new()
        .max_new_tokens(sampling.max_tokens)
        .temperature(sampling.temperature)
        // OpenAI allows 0, which leaves the most likely token.
        .top_p(sampling.top_p.max(f32::MIN_POSITIVE))
        .top_k((sampling.top_k > 0).then_some(sampling.top_k))
        .seed(sampling.seed)
        .first_sample(sampling.first_sample)
        .samples(sampling.samples)
        .stop(&sampling.stop)
        .stop_ids(sampling.stop_ids.iter().copied())
        .top_logprobs(sampling.top_logprobs)
        .logit_bias(sampling.logit_bias.iter().copied())
        .presence_penalty(sampling.presence_penalty)
        .frequency_penalty(sampling.frequency_penalty)
}

fn end(reason: FinishReason) -> End {
    match reason {
        FinishReason::EndOfText => End::EndOfText,
        FinishReason::Stop(_) | FinishReason::Code(_) => End::Stop,
        FinishReason::Cancelled => End::Cancelled,
        _ => End::Length,
    }
}
