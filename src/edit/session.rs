//! The text around one cursor, what the model remembers of it, and what it suggested.

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::ControlFlow;

use super::polish::{Candidate, Place, Polish};
use super::suggestion::{Accept, Suggestion};
use super::window::{TOKEN_BYTES, Window};
use crate::cancel::CancelToken;
use crate::error::{Result, bail};
use crate::generate::{
    Event, GenerateOptions, Generator, Infill, InfillOrder, InfillTokens, Session,
};
use crate::language::Language;
use crate::memory::{TryGrow, try_concat, try_copy_text};
use crate::setters::setters;
use crate::tokenizer::SpecialTokens;

/// Options of an [`EditSession`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EditOptions {
    /// How completions are generated. By default 64 tokens at most and
    /// [healed](GenerateOptions::heal). Text is only ever text:
    /// [`special_tokens`](GenerateOptions::special_tokens) does nothing here, and
    /// [`infill`](GenerateOptions::infill) has to be unset.
    pub generate: GenerateOptions,
    /// How far the beginning of what the model sees moves at once, in tokens: see [`Clip`]. A
    /// smaller number shows the model more of a long text, and computes the whole prompt more often.
    pub clip_step: usize,
    /// What is done with completions before they are shown.
    pub polish: Polish,
    /// Whether the model sees the text after the cursor, where it has
    /// [fill-in-the-middle](Generator::infill_tokens). Where it was trained on both orders, the text
    /// after the cursor comes first, so that typing keeps the KV cache; in the other order that text
    /// is computed again after every keystroke. On by default.
    pub infill: bool,
    /// Tokens of the text after the cursor that a model with fill-in-the-middle sees, at most; no more
    /// than a quarter of the context length. Whole lines, where one fits.
    pub infill_suffix_tokens: usize,
}

impl EditOptions {
    /// Healed completions of 64 tokens, all post-processing.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        set generate: GenerateOptions;
        set clip_step: usize;
        set polish: Polish;
        set infill: bool;
        set infill_suffix_tokens: usize;
    }
}

impl Default for EditOptions {
    fn default() -> Self {
        Self {
            generate: GenerateOptions::new().max_new_tokens(64).heal(true),
            clip_step: 512,
            polish: Polish::default(),
            infill: true,
            infill_suffix_tokens: 256,
        }
    }
}

/// What of the text before the cursor the model does not see, because it is too long.
///
/// The rest begins at a line start, after the tag line of the language where the model
/// [has one](crate::model::ModelConfig::has_language_tags). That place stays where it
/// is until the context length is used up, and then moves by some
/// [`clip_step`](EditOptions::clip_step) tokens at once; it moves back where about as much was
/// deleted. It is inside of a line only where lines are longer than half of what the model sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Clip {
    /// Bytes from the beginning of the text.
    pub bytes: usize,
    /// Line breaks in them.
    pub lines: usize,
    /// Whether the rest begins inside of a line.
    pub is_inside_line: bool,
}

/// What a new text changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Update {
    /// What the model does not see.
    pub clip: Clip,
    /// What the model sees begins elsewhere than before, so that it will be read from its
    /// beginning.
    pub moved: bool,
    /// A suggestion agrees with what was typed: it can be shown, and nothing need be computed.
    pub is_alive: bool,
}

/// Prompt-cache statistics of the last computed suggestion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Reuse {
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Those of them in the KV cache.
    pub reused: usize,
    /// Those of them that were computed. The others are re-sampled, see
    /// [`GenerateOptions::heal`].
    pub computed: usize,
}

/// Suggests code at a cursor while the text around it changes.
///
/// ```
/// use std::ops::ControlFlow;
///
/// use codegeex::edit::{Accept, EditOptions, EditSession};
/// use codegeex::{CancelToken, Generator, Language};
///
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
/// let generator = Generator::open(path)?;
/// let mut edit = EditSession::new(&generator, Language::PYTHON, EditOptions::new())?;
///
/// // At every keystroke: the text before the cursor, and the text after it.
/// let mut text = "import os\nimpor".to_owned();
/// edit.update(&text, "\n")?;
/// let go_on = &mut |_| ControlFlow::Continue(());
/// let shown = edit.suggest(&CancelToken::new(), go_on)?.map(|s| s.text.to_owned());
///
/// // What is typed next is what was suggested: the rest of it is still there, for nothing.
/// let typed = shown.as_deref().and_then(|shown| shown.chars().next());
/// text.extend(typed);
/// if edit.update(&text, "\n")?.is_alive {
///     let rest = edit.suggestion().map(|s| s.text.to_owned());
///     assert_eq!(shown, rest.map(|rest| format!("{}{rest}", typed.unwrap_or_default())));
/// }
///
/// let word = edit.accept(Accept::Word)?;
/// println!("{} is inserted, {:?} is left", word.unwrap_or_default(), edit.suggestion());
/// # Ok::<(), codegeex::Error>(())
/// ```
///
/// # What it costs
///
/// - [`update`](Self::update) and [`accept`](Self::accept) encode what the model sees, 2,000
///   tokens at most, which takes well below a millisecond, and compare texts. They never compute.
/// - [`suggest`](Self::suggest) computes the tokens of the prompt that are not in the cache, some
///   one to four after a keystroke, and those that it samples. After the beginning of the prompt
///   [moved](Update::moved) it computes all of it.
/// - Memory: the KV cache of one sequence, and of one more for each further sample while it is
///   generated.
///
/// # Keystrokes and threads
///
/// `suggest` computes on the calling thread. Another one, which sees the next keystroke, cancels
/// the token that it was given: it returns the partial result, and the session goes on from there
/// with the next `update`.
pub struct EditSession {
    session: Session,
    language: Language,
    options: EditOptions,
    before: String,
    after: String,
    window: Window,
    /// Of the text before the cursor, after the language tag.
    ids: Vec<u32>,
    infill: Option<Filling>,
    candidates: Vec<Candidate>,
    /// How long the text before the cursor was when they were computed. While there are
    /// candidates, it still begins with what it was then.
    origin: usize,
    reuse: Reuse,
}

impl EditSession {
    /// A session on an empty text.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for options out of range, or that
    /// leave no room in the context for the text.
    pub fn new(generator: &Generator, language: Language, options: EditOptions) -> Result<Self> {
        options.generate.validate()?;
        if options.generate.infill.is_some() {
            bail!(
                InvalidArgument,
                "generate.infill is set; the text after the cursor comes with every update, and infill \
                 says whether the model sees it"
            );
        }
        let head = match generator.model().config().has_language_tags() {
            true => format!("{}\n", language.tag()),
            false => String::new(),
        };
        let ids = generator
            .tokenizer()
            .encode_prompt(&head, SpecialTokens::AsText)?;
        let context = generator.model().config().max_position_embeddings;
        let infill = match options.infill {
            true => Filling::of(generator, options.infill_suffix_tokens.min(context / 4))?,
            false => None,
        };
        let suffix = match &infill {
            Some(filling) => filling.most + filling.frame,
            None if options.polish.rank && options.generate.samples > 1 => {
                options.polish.suffix_tokens
            }
            None => 0,
        };
        let new = options
            .generate
            .limits
            .max_new_tokens
            .saturating_add(suffix);
        let most = context.saturating_sub(new);
        let least = ids.len().saturating_add(options.clip_step);
        if options.clip_step == 0 || most <= least {
            bail!(
                InvalidArgument,
                "a clip_step of {} and {} new tokens, {suffix} of the text after the cursor and \
                 {} of the language tag do not go into the context length of {context}; ask for \
                 fewer",
                options.clip_step,
                options.generate.limits.max_new_tokens,
                ids.len()
            );
        }
        Ok(Self {
            session: Session::new(generator),
            language,
            window: Window::new(head, most, options.clip_step),
            options,
            before: String::new(),
            after: String::new(),
            ids,
            infill,
            candidates: Vec::new(),
            origin: 0,
            reuse: Reuse::default(),
        })
    }

    /// The options.
    pub fn options(&self) -> &EditOptions {
        &self.options
    }

    /// The text before the cursor.
    pub fn before(&self) -> &str {
        &self.before
    }

    /// The text after the cursor.
    pub fn after(&self) -> &str {
        &self.after
    }

    /// What the model is given of the text before the cursor: all of it that is not cut, after the
    /// tag line of models that have one.
    pub fn prompt(&self) -> String {
        self.window.prompt(&self.before)
    }

    /// What of the text before the cursor is cut.
    pub fn clip(&self) -> Clip {
        let cut = &self.before[..self.window.anchor()];
        Clip {
            bytes: cut.len(),
            lines: cut.bytes().filter(|&b| b == b'\n').count(),
            is_inside_line: !cut.is_empty() && !cut.ends_with('\n'),
        }
    }

    /// Prompt-cache statistics of the last computed suggestion.
    pub fn reuse(&self) -> Reuse {
        self.reuse
    }

    /// The session below, with its KV cache.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Takes the text in, as it is now before and after the cursor. Computes nothing.
    ///
    /// Suggestions stay as long as the text before the cursor is what it was when they were
    /// computed and the beginning of one of them, and the text after it is the same: so typing
    /// them keeps them, and deleting what was typed as well.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory); the text is then as before, and nothing is
    /// suggested.
    pub fn update(&mut self, before: &str, after: &str) -> Result<Update> {
        let origin = &self.before[..self.origin];
        if !before.starts_with(origin) || after != self.after {
            self.dismiss();
        }
        let new_after = match after == self.after {
            true => String::new(),
            false => try_copy_text(after)?,
        };
        let suffix = match &self.infill {
            Some(filling) if after != self.after => Some(filling.cut(&self.session, after)?),
            _ => None,
        };
        let moved = match before == self.before {
            true => false,
            false => self.follow(before)?,
        };
        if after != self.after {
            self.after = new_after;
        }
        if let (Some(filling), Some(suffix)) = (&mut self.infill, suffix) {
            filling.infill.suffix = suffix;
        }
        Ok(Update {
            clip: self.clip(),
            moved,
            is_alive: self.suggestion().is_some(),
        })
    }

    /// Goes on to another text before the cursor.
    fn follow(&mut self, before: &str) -> Result<bool> {
        let text = try_copy_text(before)?;
        let tokenizer = self.session.generator().tokenizer();
        let (ids, moved) = (self.window).follow(&**tokenizer, &self.before, before)?;
        self.ids = ids;
        self.before = text;
        Ok(moved)
    }

    /// Suggests what might follow the cursor: what there is already and agrees with the text, or
    /// else, or where that is [partial](Suggestion::is_partial), what the model says. `on_event`
    /// receives that as it comes, before post-processing. Nothing is suggested where all
    /// candidates are blank or follow the cursor already.
    ///
    /// Cancelled or past its deadline, it suggests the partial result.
    ///
    /// # Errors
    /// Those of [`Session::generate`]. The session is usable afterwards.
    pub fn suggest(
        &mut self,
        cancel: &CancelToken,
        on_event: &mut dyn FnMut(Event) -> ControlFlow<()>,
    ) -> Result<Option<Suggestion<'_>>> {
        let is_whole = self.suggestion().is_some_and(|s| !s.is_partial());
        if !is_whole {
            self.compute(cancel, on_event)?;
        }
        Ok(self.suggestion())
    }

    fn compute(
        &mut self,
        cancel: &CancelToken,
        on_event: &mut dyn FnMut(Event) -> ControlFlow<()>,
    ) -> Result<()> {
        self.dismiss();
        let prompt = self.prompt();
        let options = &self.options.generate;
        let mut polish = self.options.polish;
        let (tokens, completions) = match &self.infill {
            None => {
                let generated = (self.session).generate(&self.ids, options, cancel, on_event)?;
                (self.ids.len(), generated)
            }
            Some(filling) => {
                // The model has seen what follows the cursor.
                polish.suffix_tokens = 0;
                let mut options = options.try_clone()?;
                let ids = filling.encode(&self.session, &self.ids, &mut options)?;
                if let Some(stop_at) = &mut options.stops.stop_at
                    && stop_at.before.is_none()
                {
                    stop_at.before = Some(try_copy_text(&prompt)?);
                }
                let generated = self.session.generate(&ids, &options, cancel, on_event)?;
                (ids.len(), generated)
            }
        };
        self.reuse = Reuse {
            prompt: tokens,
            reused: self.session.reused(),
            computed: self.session.computed(),
        };
        let place = Place {
            language: self.language,
            before: &self.before,
            after: &self.after,
            prompt: &prompt,
        };
        let cancel = cancel.until(options.limits.deadline);
        self.candidates = polish.apply(&self.session, &place, completions, &cancel)?;
        self.origin = self.before.len();
        Ok(())
    }

    /// The best suggestion that agrees with the text.
    pub fn suggestion(&self) -> Option<Suggestion<'_>> {
        self.suggestions().next()
    }

    /// The suggestions that agree with the text, best first.
    pub fn suggestions(&self) -> impl Iterator<Item = Suggestion<'_>> {
        let typed = &self.before[self.origin..];
        self.candidates.iter().filter_map(move |candidate| {
            let text = candidate.text.strip_prefix(typed)?;
            (!text.is_empty()).then_some(Suggestion {
                text,
                completion: &candidate.completion,
                score: candidate.score,
            })
        })
    }

    /// Accepts the best suggestion, or a part of it, as if it were typed. Returns what was
    /// inserted before the cursor; nothing where there is no suggestion. The rest stays
    /// suggested.
    ///
    /// # Errors
    /// [`OutOfMemory`](crate::ErrorKind::OutOfMemory); nothing is accepted then.
    pub fn accept(&mut self, accept: Accept) -> Result<Option<String>> {
        let Some(suggestion) = self.suggestion() else {
            return Ok(None);
        };
        let text = suggestion.text;
        let accepted = try_copy_text(&text[..accept.of(text)])?;
        let before = try_concat(&[&self.before, &accepted])?;
        self.follow(&before)?;
        Ok(Some(accepted))
    }

    /// Drops the suggestions, so that the next ones are computed.
    pub fn dismiss(&mut self) {
        self.candidates.clear();
        self.origin = 0;
    }
}

/// Fill-in-the-middle at the cursor.
struct Filling {
    tokens: InfillTokens,
    /// The text after the cursor, as far as the model sees it, and the order.
    infill: Infill,
    /// Tokens of that text at most.
    most: usize,
    /// Tokens of a prompt beside those of the texts.
    frame: usize,
}

impl Filling {
    fn of(generator: &Generator, most: usize) -> Result<Option<Self>> {
        let Some(tokens) = generator.infill_tokens() else {
            return Ok(None);
        };
        // What is typed comes last, if the model can have it so.
        let last = InfillOrder::SuffixPrefix;
        let infill = Infill::new("").order(tokens.orders().find(|&order| order == last));
        let tokenizer = &**generator.tokenizer();
        let frame = tokens.encode(tokenizer, "", &infill, SpecialTokens::AsText)?;
        Ok(Some(Self {
            tokens,
            infill,
            most,
            frame: frame.len(),
        }))
    }

    /// The beginning of the text after the cursor that the model sees: whole lines, where one fits.
    fn cut(&self, session: &Session, after: &str) -> Result<String> {
        let tokenizer = session.generator().tokenizer();
        let near = after.floor_char_boundary(self.most.saturating_mul(TOKEN_BYTES));
        let ids = tokenizer.encode_continuation(&after[..near], SpecialTokens::AsText)?;
        if ids.len() <= self.most && near == after.len() {
            return Ok(try_copy_text(after)?);
        }
        let shown = ids.iter().take(self.most);
        let bytes = shown.map(|&id| tokenizer.token_bytes(id).map_or(0, <[u8]>::len));
        let end = after.floor_char_boundary(bytes.sum::<usize>().min(near));
        let line = after[..end].rfind('\n').map_or(end, |at| at + 1);
        Ok(try_copy_text(&after[..line])?)
    }

    /// The prompt, whose tokens before the cursor are `ids`, and where its completions end.
    fn encode(
        &self,
        session: &Session,
        ids: &[u32],
        options: &mut GenerateOptions,
    ) -> Result<Vec<u32>> {
        let tokenizer = &**session.generator().tokenizer();
        for id in self.tokens.end_ids(tokenizer) {
            options.stops.stop_ids.try_push(id)?;
        }
        (self.tokens).encode(tokenizer, ids, &self.infill, SpecialTokens::AsText)
    }
}

impl fmt::Debug for EditSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EditSession")
            .field("language", &self.language.name())
            .field("before", &self.before.len())
            .field("after", &self.after.len())
            .field("clip", &self.clip())
            .field("suggestions", &self.suggestions().count())
            .field("session", &self.session)
            .finish()
    }
}
