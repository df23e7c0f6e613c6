//! A sequence that is kept between calls, so that the next prompt pays only for what is new in it.

mod file;

use std::fmt;
use std::ops::ControlFlow;

use super::request::RequestState;
use super::scheduler::finish_alone;
use super::{Completion, Event, GenerateOptions, Generator};
use crate::cancel::CancelToken;
use crate::error::{Result, bail};
use crate::model::State;

/// The tokens that a model was fed last, with their keys and values.
///
/// A prompt that begins with the same tokens is computed from where it differs. Answers do not
/// depend on that: the logits are the same to the bit, reused or computed afresh.
///
/// ```no_run
/// # fn main() -> codegeex::Result<()> {
/// # use codegeex::{cancel::CancelToken, generate::*, model::load, tokenizer::*};
/// # let tokenizer = std::sync::Arc::new(Gpt2Tokenizer::codegeex());
/// let generator = Generator::new(load("codegeex_13b.pt", &Default::default())?, tokenizer);
/// let mut session = Session::new(&generator);
/// let (options, cancel) = (GenerateOptions::default(), CancelToken::new());
/// for text in ["def add(", "def add(a, b"] {
///     let ids = generator.tokenizer().encode(text, SpecialTokens::AsText);
///     let go_on = &mut |_: Event<'_>| std::ops::ControlFlow::Continue(());
///     session.generate(&ids, &options, &cancel, go_on)?;
///     println!("{} of {} tokens were there already", session.reused(), ids.len());
/// }
/// # Ok(())
/// # }
/// ```
///
/// What it keeps can be written to a file, and read by another process that has the same model:
///
/// ```
/// # fn main() -> codegeex::Result<()> {
/// # use codegeex::{cancel::CancelToken, generate::*, model::load, tokenizer::*};
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/codegeex_tiny.safetensors");
/// # let tokenizer = std::sync::Arc::new(Gpt2Tokenizer::codegeex());
/// # let generator = Generator::new(load(path, &Default::default())?, tokenizer);
/// # let (mut options, cancel) = (GenerateOptions::default(), CancelToken::new());
/// # options.limits.max_new_tokens = 4;
/// # let go_on = &mut |_: Event<'_>| std::ops::ControlFlow::Continue(());
/// # let ids = generator.tokenizer().encode("def add(a, b):\n", SpecialTokens::AsText);
/// let mut session = Session::new(&generator);
/// session.generate(&ids, &options, &cancel, go_on)?;
/// # let folder = tempfile::tempdir().expect("a folder for the example");
/// # let file = folder.path().join("editor.session");
/// session.save_file(&file)?;
///
/// let mut later = generator.restore_session_file(&file)?;
/// later.generate(&ids, &options, &cancel, go_on)?;
/// assert_eq!(later.reused(), ids.len() - 1);
/// # Ok(())
/// # }
/// ```
pub struct Session {
    generator: Generator,
    /// Nothing before the first call and after one that lost it.
    state: Option<Box<dyn State>>,
    /// What the state was fed.
    ids: Vec<u32>,
    reused: usize,
    computed: usize,
}

impl Session {
    /// A session that was fed nothing.
    pub fn new(generator: &Generator) -> Self {
        Self {
            generator: generator.clone(),
            state: None,
            ids: Vec::new(),
            reused: 0,
            computed: 0,
        }
    }

    /// The model and the tokenizer.
    pub fn generator(&self) -> &Generator {
        &self.generator
    }

    /// The tokens whose keys and values are kept.
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

    /// Bytes of keys and values that are kept.
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

    /// Completes a prompt, see [`Generator::generate_from`]. Afterwards the session keeps the
    /// prompt and what the first sample was fed.
    ///
    /// # Errors
    /// As for [`Generator::generate_from`]. The session is usable afterwards; it may have
    /// forgotten what it kept.
    pub fn generate(
        &mut self,
        prompt: &[u32],
        options: &GenerateOptions,
        cancel: &CancelToken,
        on_event: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<Completion>> {
        let (prompt, options) = (prompt.to_vec(), options.clone().into());
        let mut request = RequestState::new(&self.generator, 0, prompt, options, cancel)?;
        request.set_state(self.rewind_to(request.prompt()));
        request.keep_state();
        let finished = finish_alone(&self.generator, request, on_event)?;
        (self.reused, self.computed) = (finished.reused, finished.computed);
        let completions = finished.result?;
        if let Some(state) = finished.state {
            let generated = completions.first().map_or(&[][..], |c| &c.ids);
            self.ids = finished.prompt;
            self.ids.extend_from_slice(generated);
            self.ids.truncate(state.len());
            self.state = Some(state);
        }
        Ok(completions)
    }

    /// The log-probability of each of `ids[from..]`, given those before it. What the session keeps
    /// of their beginning is not computed again, and the session stays as it is.
    ///
    /// # Errors
    /// As for [`Generator::score`], and [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for
    /// a `from` of 0 or beyond the end.
    pub fn score(&self, ids: &[u32], from: usize, cancel: &CancelToken) -> Result<Vec<f32>> {
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
    /// token has to be fed to get its logits.
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
