//! One generation: the prompt once, then all samples a token at a time, together.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::candidates::{Candidates, log_probability};
use super::options::{FinishReason, GenerateOptions};
use super::rng;
use super::sampler::{History, Sampler};
use super::stop::StopStrings;
use super::{Completion, Event, Generator, PREFILL_TOKENS};
use crate::cancel::CancelToken;
use crate::error::{ErrorKind, Result, bail};
use crate::model::{Input, Logits, State, Wanted};
use crate::tokenizer::{InvalidUtf8, StreamDecoder};

type OnEvent<'a> = &'a mut dyn FnMut(Event<'_>) -> ControlFlow<()>;

/// A generation under way.
pub(super) struct Run<'a> {
    generator: &'a Generator,
    prompt: &'a [u32],
    options: &'a GenerateOptions,
    chain: Vec<Arc<dyn Sampler>>,
    cancel: &'a CancelToken,
    on_event: OnEvent<'a>,
    candidates: Candidates,
    samples: Vec<Sample>,
    /// Holds a prefix of the prompt before the prompt is through, and what the first sample was
    /// fed after it has ended.
    kept: Option<Box<dyn State>>,
    /// The callback asked to stop.
    stopped: bool,
}

/// One sample. Its state is there while it is being generated.
struct Sample {
    state: Option<Box<dyn State>>,
    decoder: StreamDecoder,
    stops: StopStrings,
    completion: Completion,
}

impl<'a> Run<'a> {
    pub fn new(
        generator: &'a Generator,
        state: Box<dyn State>,
        prompt: &'a [u32],
        options: &'a GenerateOptions,
        cancel: &'a CancelToken,
        on_event: OnEvent<'a>,
    ) -> Result<Self> {
        let sample = || {
            Ok(Sample {
                state: None,
                decoder: StreamDecoder::new(InvalidUtf8::Replace),
                stops: StopStrings::new(&options.stop)?,
                completion: Completion {
                    text: String::new(),
                    ids: Vec::new(),
                    logprobs: Vec::new(),
                    finish_reason: FinishReason::Length,
                },
            })
        };
        Ok(Self {
            samples: (0..options.samples)
                .map(|_| sample())
                .collect::<Result<_>>()?,
            chain: options.chain(),
            generator,
            prompt,
            options,
            cancel,
            on_event,
            candidates: Candidates::default(),
            kept: Some(state),
            stopped: false,
        })
    }

    /// The completions, and the state with the prompt and what the first sample was fed, as far
    /// as that went.
    pub fn run(mut self) -> Result<(Vec<Completion>, Option<Box<dyn State>>)> {
        if self.options.max_new_tokens == 0 {
            (0..self.samples.len()).for_each(|s| self.end(s, FinishReason::Length));
        } else if let Some(logits) = self.unless_cancelled(Self::prefill)? {
            let shared = vec![0; self.samples.len()];
            self.draw_all(&logits, &shared)?;
            while let Some((logits, rows)) = self.unless_cancelled(Self::step)? {
                self.draw_all(&logits, &rows)?;
            }
        }
        let completions = self.samples.into_iter().map(|s| s.completion).collect();
        Ok((completions, self.kept))
    }

    /// Runs a part of the work; a cancelled one ends all samples that are left.
    fn unless_cancelled<T>(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        match part(self) {
            Err(e) if e.kind() == ErrorKind::Cancelled => {
                for s in 0..self.samples.len() {
                    // Before the prompt is through, no sample has a state yet.
                    if self.samples[s].state.is_some() || self.samples[s].completion.ids.is_empty()
                    {
                        self.end(s, FinishReason::Cancelled);
                    }
                }
                Ok(None)
            }
            other => other,
        }
    }

    /// Feeds the prompt and gives every sample a fork of the state after it.
    fn prefill(&mut self) -> Result<Option<Logits>> {
        let model = self.generator.model();
        let Some(state) = &mut self.kept else {
            return Ok(None);
        };
        let mut logits = None;
        let (_, left) = self.prompt.split_at(state.len());
        for chunk in left.chunks(PREFILL_TOKENS) {
            let last = state.len() + chunk.len() == self.prompt.len();
            let wanted = if last { Wanted::Last } else { Wanted::Nothing };
            let mut batch = [Input::new(&mut **state, chunk, wanted)];
            logits = Some(model.forward(&mut batch, &self.cancel.into())?);
        }
        let (Some((first, others)), Some(state)) =
            (self.samples.split_first_mut(), self.kept.take())
        else {
            return Ok(None);
        };
        for sample in others {
            sample.state = Some(state.fork());
        }
        first.state = Some(state);
        Ok(logits)
    }

    /// Feeds the last token of every sample that goes on. Returns the logits and, for each
    /// sample, its row.
    fn step(&mut self) -> Result<Option<(Logits, Vec<usize>)>> {
        if self.stopped {
            bail!(Cancelled, "the callback asked to stop");
        }
        let mut rows = vec![usize::MAX; self.samples.len()];
        let mut batch = Vec::new();
        for (sample, row) in self.samples.iter_mut().zip(&mut rows) {
            let last = sample.completion.ids.last_chunk::<1>();
            if let (Some(state), Some(last)) = (&mut sample.state, last) {
                *row = batch.len();
                batch.push(Input::new(&mut **state, last, Wanted::Last));
            }
        }
        if batch.is_empty() {
            return Ok(None);
        }
        let logits = self
            .generator
            .model()
            .forward(&mut batch, &self.cancel.into())?;
        Ok(Some((logits, rows)))
    }

    fn draw_all(&mut self, logits: &Logits, rows: &[usize]) -> Result<()> {
        for (s, &row) in rows.iter().enumerate() {
            if self.samples[s].state.is_none() {
                continue;
            }
            let Some(row) = logits.last(row) else {
                bail!(Internal, "the model returned no logits for sample {s}");
            };
            match row.as_slice() {
                Some(row) => self.draw(s, row)?,
                None => self.draw(s, &row.to_vec())?,
            }
        }
        Ok(())
    }

    /// Draws the next token of a sample and ends it when it is complete.
    fn draw(&mut self, s: usize, logits: &[f32]) -> Result<()> {
        let tokenizer = self.generator.tokenizer();
        let sample = &mut self.samples[s];
        let ids = &mut sample.completion.ids;
        self.candidates.fill(logits)?;
        // Rows of the embedding beyond the tokenizer's ids are padding.
        let vocabulary = tokenizer.vocab_size();
        self.candidates.retain(|c| (c.id as usize) < vocabulary);
        for stage in &self.chain {
            let history = History {
                prompt: self.prompt,
                generated: ids,
            };
            stage.apply(&mut self.candidates, history)?;
        }
        // `validate` made sure that sample numbers fit.
        let number = self.options.first_sample + s as u32;
        let u = rng::uniform(self.options.seed, number, ids.len() as u64);
        let id = self.candidates.draw(u)?.id;
        if id == tokenizer.end_of_text() {
            self.end(s, FinishReason::EndOfText);
            return Ok(());
        }
        let logprob = log_probability(logits, id);
        ids.push(id);
        sample.completion.logprobs.push(logprob);

        let mut decoded = String::new();
        let mut text = String::new();
        sample.decoder.push_token(&**tokenizer, id, &mut decoded)?;
        let stop = sample.stops.push(&decoded, &mut text);
        sample.completion.text.push_str(&text);
        let reason = if let Some(index) = stop {
            Some(FinishReason::Stop(index))
        } else if sample.completion.ids.len() == self.options.max_new_tokens {
            Some(FinishReason::Length)
        } else {
            let most = self.generator.model().config().max_position_embeddings;
            let full = sample.state.as_ref().is_none_or(|s| s.len() >= most);
            full.then_some(FinishReason::ContextFull)
        };
        self.report(Event::Token {
            sample: s,
            id,
            logprob,
            text: &text,
        });
        if let Some(reason) = reason {
            self.end(s, reason);
        }
        Ok(())
    }

    /// Completes a sample: the text that was held back is text after all, unless a stop string
    /// ended it.
    fn end(&mut self, s: usize, reason: FinishReason) {
        let sample = &mut self.samples[s];
        let state = sample.state.take();
        if s == 0 && state.is_some() {
            self.kept = state;
        }
        sample.completion.finish_reason = reason;
        let mut text = String::new();
        if !matches!(reason, FinishReason::Stop(_)) {
            let mut decoded = String::new();
            // Replacing what is not UTF-8 cannot fail.
            let _ = sample.decoder.finish(&mut decoded);
            if sample.stops.push(&decoded, &mut text).is_none() {
                text.push_str(&sample.stops.finish());
            }
        }
        sample.completion.text.push_str(&text);
        self.report(Event::End {
            sample: s,
            text: &text,
            reason,
        });
    }

    fn report(&mut self, event: Event<'_>) {
        // Once asked to stop, the callback only hears of the ends.
        if (!self.stopped || matches!(event, Event::End { .. }))
            && (self.on_event)(event).is_break()
        {
            self.stopped = true;
        }
    }
}
