//! A sequence that is kept between calls, so that the next prompt costs only what is new in it.

mod file;

use std::fmt;
use std::ops::ControlFlow;

use super::infill::Ranking;
use super::request::RequestState;
use super::scheduler::finish_alone;
use super::step::FinishedRequest;
use super::{Completion, Event, GenerateOptions, Generator, Prompt, Stream};
use crate::cancel::CancelToken;
use crate::error::{Result, bail};
use crate::memory::{TryGrow, try_copy};
use crate::model::State;
use crate::tokenizer::SpecialTokens;

/// A sequence whose KV cache is kept between calls, for chats and editors.
///
/// A prompt that begins with the same tokens as the one before is computed from where it differs.
/// Answers do not depend on that where the model is
/// [bitwise deterministic](crate::model::Model::determinism).
///
/// ```
/// use codegeex::{GenerateOptions, Generator, Session};
///
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
/// let generator = Generator::open(path)?;
/// let mut session = Session::new(&generator);
/// let options = GenerateOptions::new().max_new_tokens(4);
/// for text in ["def add(a, b):\n", "def add(a, b):\n    return"] {
///     session.complete(text, &options)?;
///     println!("{} tokens reused, {} computed", session.reused(), session.computed());
/// }
/// assert!(session.reused() > 0);
/// # Ok::<(), codegeex::Error>(())
/// ```
///
/// What it keeps can be written to a file, and read by another process that has the same model:
///
/// ```
/// # use codegeex::{GenerateOptions, Generator, Session};
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
/// # let generator = Generator::open(path)?;
/// # let options = GenerateOptions::new().max_new_tokens(4);
/// let mut session = Session::new(&generator);
/// session.complete("def add(a, b):\n", &options)?;
/// # let folder = tempfile::tempdir().expect("a folder for the example");
/// # let file = folder.path().join("editor.session");
/// session.save_file(&file)?;
///
/// let mut later = generator.restore_session_file(&file)?;
/// later.complete("def add(a, b):\n", &options)?;
/// assert_eq!(later.computed(), 1);
/// # Ok::<(), codegeex::Error>(())
/// ```
pub struct Session {
    generator: Generator,
    /// Nothing before the first call and after one that lost it.
    state: Option<Box<dyn State>>,
    /// The tokens in the state.
    ids: Vec<u32>,
    reused: usize,
    computed: usize,
    /// How the samples of the running request are ordered in the end.
    ranking: Option<Ranking>,
}

impl Session {
    /// An empty session.
    pub fn new(generator: &Generator) -> Self {
        Self {
            generator: generator.clone(),
            state: None,
            ids: Vec::new(),
            reused: 0,
            computed: 0,
            ranking: None,
        }
    }

    /// The model and the tokenizer.
    pub fn generator(&self) -> &Generator {
        &self.generator
    }

    /// The tokens in the KV cache.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Tokens of the last prompt that did not have to be computed.
    pub fn reused(&self) -> usize {
        self.reused
    }

    /// Tokens of the last prompt that were computed. With those that were reused they are fewer
    /// than the prompt has where it was healed or the call ended early.
    pub fn computed(&self) -> usize {
        self.computed
    }

    /// The size of the KV cache in bytes.
    pub fn bytes(&self) -> usize {
        self.state.as_ref().map_or(0, |s| s.bytes())
    }

    /// Forgets all but the first `tokens`.
    pub fn truncate(&mut self, tokens: usize) {
        self.ids.truncate(tokens);
        if let Some(state) = &mut self.state {
            state.truncate(tokens);
        }
    }

    /// Completes a prompt, as [`Generator::complete`] does. Afterwards the session keeps the prompt
    /// and the tokens of the completion.
    ///
    /// # Errors
    /// As for [`Generator::complete`]. The session is usable afterwards; it may have forgotten what
    /// it kept.
    pub fn complete<'p>(
        &mut self,
        prompt: impl Into<Prompt<'p>>,
        options: &GenerateOptions,
    ) -> Result<Completion> {
        let mut stream = self.stream(prompt, &options.try_clone()?.samples(1))?;
        for event in &mut stream {
            event?;
        }
        match stream.wait()?.pop() {
            Some(completion) => Ok(completion),
            None => bail!(Internal, "a request of one sample returned none"),
        }
    }

    /// Completes a prompt, one event at a time, as [`Generator::stream`] does. When the stream ends
    /// or is dropped, the session keeps the prompt and the tokens of the first sample.
    ///
    /// # Errors
    /// As for [`Generator::stream`].
    pub fn stream<'p>(
        &mut self,
        prompt: impl Into<Prompt<'p>>,
        options: &GenerateOptions,
    ) -> Result<Stream<'_>> {
        Stream::new(self, prompt.into(), options)
    }

    /// Completes a prompt and reports to a callback, as [`Generator::generate`] does. Afterwards the
    /// session keeps the prompt and the tokens of the first sample.
    ///
    /// # Errors
    /// As for [`Generator::generate`]. The session is usable afterwards; it may have forgotten what
    /// it kept.
    pub fn generate<'p>(
        &mut self,
        prompt: impl Into<Prompt<'p>>,
        options: &GenerateOptions,
        cancel: &CancelToken,
        on_event: &mut dyn FnMut(Event) -> ControlFlow<()>,
    ) -> Result<Vec<Completion>> {
        let request = self.begin(prompt.into(), options, cancel)?;
        let finished = finish_alone(&self.generator, request, on_event)?;
        self.adopt(finished)
    }

    /// The request of a prompt, with the state that the session has for it.
    pub(super) fn begin(
        &mut self,
        prompt: Prompt<'_>,
        options: &GenerateOptions,
        cancel: &CancelToken,
    ) -> Result<RequestState> {
        let options = options.try_clone()?;
        self.ranking = Ranking::of(&self.generator, &options, cancel)?;
        let options = options.into();
        let mut request = RequestState::new(&self.generator, 0, prompt, options, cancel)?;
        request.set_state(self.rewind_to(request.prompt()));
        request.keep_state();
        Ok(request)
    }

    /// Keeps the state of a request that has ended.
    pub(super) fn adopt(&mut self, finished: FinishedRequest) -> Result<Vec<Completion>> {
        (self.reused, self.computed) = (finished.reused, finished.computed);
        let ranking = self.ranking.take();
        let mut completions = finished.result?;
        let prompt = match &ranking {
            Some(_) => try_copy(&finished.prompt)?,
            None => Vec::new(),
        };
        if let Some(state) = finished.state {
            let generated = completions.first().map_or(&[][..], |c| &c.ids);
            self.ids = finished.prompt;
            self.ids.try_extend(generated)?;
            self.ids.truncate(state.len());
            self.state = Some(state);
        }
        if let Some(ranking) = ranking {
            ranking.sort(self, &prompt, &mut completions)?;
        }
        Ok(completions)
    }

    /// The log-probability of each token of a prompt from index `from` on, given those before it.
    /// Tokens in the KV cache are not computed again, and the session stays as it is.
    ///
    /// # Errors
    /// As for [`Generator::score`], and [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for
    /// a `from` of 0 or beyond the end.
    pub fn score<'p>(
        &self,
        prompt: impl Into<Prompt<'p>>,
        from: usize,
        cancel: &CancelToken,
    ) -> Result<Vec<f32>> {
        let ids = &(self.generator).encode(prompt.into(), SpecialTokens::AsText)?[..];
        self.generator.check_prompt(ids)?;
        if from == 0 || from > ids.len() {
            bail!(
                InvalidArgument,
                "tokens from {from} on of {} to score, expected at least one token before them",
                ids.len()
            );
        }
        let mut state = match &self.state {
            Some(state) => state.fork(),
            None => self.generator.model().new_state(),
        };
        state.truncate(self.common(ids).min(from - 1));
        self.generator.score_on(&mut *state, ids, from, cancel)
    }

    /// Tokens that `ids` and what is kept both begin with.
    fn common(&self, ids: &[u32]) -> usize {
        self.ids.iter().zip(ids).take_while(|(a, b)| a == b).count()
    }

    /// Takes the state out with what it has in common with `prompt`, but not all of it: the last
    /// token has to be computed to get its logits.
    fn rewind_to(&mut self, prompt: &[u32]) -> Box<dyn State> {
        let new = || self.generator.model().new_state();
        let mut state = self.state.take().unwrap_or_else(new);
        state.truncate(self.common(prompt).min(prompt.len() - 1));
        self.ids.clear();
        state
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Session({} tokens of {:?})",
            self.ids.len(),
            self.generator
        )
    }
}
