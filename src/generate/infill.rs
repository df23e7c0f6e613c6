//! Fill-in-the-middle: the text before and after a cursor as the prompt that a model was trained on.
//!
//! The control tokens of the tokenizer tell the format. A table has the formats of published models;
//! a model without their tokens completes the text before the cursor, and its completions are ranked
//! by the text after it.

mod format;
mod ranking;

use std::fmt;

use super::{GenerateOptions, Generator, Prompt};
use crate::error::{Error, Result, bail};
use crate::language::Language;
use crate::memory::{TryGrow, TryGrowText, try_collect_ok, try_copy, try_copy_text};
use crate::setters::setters;
use crate::tokenizer::{SpecialTokens, Tokenizer};

use format::{FORMATS, Format, Piece};
pub(super) use ranking::Ranking;

/// The order in which a prompt has the text before (prefix) and after (suffix) the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InfillOrder {
    /// Prefix, suffix, middle (PSM).
    PrefixSuffix,
    /// Suffix, prefix, middle (SPM). The KV cache of a [`Session`](super::Session) stays valid while
    /// text is typed at the cursor.
    SuffixPrefix,
}

impl InfillOrder {
    /// Every order.
    pub const ALL: [Self; 2] = [Self::PrefixSuffix, Self::SuffixPrefix];

    /// Its name in messages and options: `psm` or `spm`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PrefixSuffix => "psm",
            Self::SuffixPrefix => "spm",
        }
    }

    /// The order of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.name() == name)
    }
}

impl fmt::Display for InfillOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A file of the repository that the model sees before the current one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContextFile {
    /// Its path, relative to the root of the repository.
    pub path: String,
    /// Its text, or the part of it that matters.
    pub text: String,
}

impl ContextFile {
    /// A file with this path and text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }
}

/// What a fill-in-the-middle prompt has beside the text before the cursor, which is the prompt of
/// the call.
///
/// A model whose tokenizer has [fill-in-the-middle tokens](InfillTokens) gets all of it in the format
/// that it was trained on, and a completion ends at the tokens that end the middle as at the end of
/// text. Any other model gets the text before the cursor alone, and several
/// [samples](super::GenerateOptions::samples) are returned best first: by the mean log-probability of
/// their tokens and of the first tokens of the suffix after them, which is one call of the model each.
///
/// ```
/// use codegeex::{GenerateOptions, Generator, Infill};
///
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/toy.safetensors");
/// let generator = Generator::open(path)?;
/// let infill = Infill::new("\n    return total\n");
/// let options = GenerateOptions::new().max_new_tokens(8).infill(infill);
/// let middle = generator.complete("def sum(values):\n    total = ", &options)?;
/// println!("{middle}");
/// # Ok::<(), codegeex::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Infill {
    /// The text after the cursor.
    pub suffix: String,
    /// The order; `None` means the first one that the model was trained on.
    pub order: Option<InfillOrder>,
    /// The path of the current file.
    pub path: Option<String>,
    /// The name of the repository.
    pub repository: Option<String>,
    /// Other files of the repository, the most important last.
    pub files: Vec<ContextFile>,
    /// The language of the current file, for models whose format names it (CodeGeeX4).
    pub language: Option<Language>,
}

impl Infill {
    /// This text after the cursor and nothing else.
    pub fn new(suffix: impl Into<String>) -> Self {
        Self {
            suffix: suffix.into(),
            ..Self::default()
        }
    }

    setters! {
        option order: InfillOrder;
        list files: ContextFile;
        option language: Language;
    }

    /// Sets [`path`](Self#structfield.path).
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Sets [`repository`](Self#structfield.repository).
    #[must_use]
    pub fn repository(mut self, repository: impl Into<String>) -> Self {
        self.repository = Some(repository.into());
        self
    }

    /// A copy, which memory may be refused for.
    pub(crate) fn try_clone(&self) -> Result<Self> {
        let copy = |text: &Option<String>| text.as_deref().map(try_copy_text).transpose();
        let file = |file: &ContextFile| {
            Ok::<_, Error>(ContextFile {
                path: try_copy_text(&file.path)?,
                text: try_copy_text(&file.text)?,
            })
        };
        Ok(Self {
            suffix: try_copy_text(&self.suffix)?,
            order: self.order,
            path: copy(&self.path)?,
            repository: copy(&self.repository)?,
            files: try_collect_ok(self.files.iter().map(file))?,
            language: self.language,
        })
    }
}

/// The fill-in-the-middle format of a tokenizer.
///
/// | format | tokens | models |
/// |---|---|---|
/// | `starcoder2` | `<fim_prefix>`, `<file_sep>` | StarCoder2 |
/// | `starcoder` | `<fim_prefix>` | StarCoder, Granite Code, Stable Code |
/// | `santacoder` | `<fim-prefix>` | SantaCoder |
/// | `qwen2.5-coder` | `<\|fim_prefix\|>` | Qwen2.5-Coder, Granite 3 and 4 |
/// | `codellama` | `▁<PRE>` | Code Llama |
/// | `deepseek-coder` | `<｜fim▁begin｜>` | DeepSeek-Coder |
/// | `codestral` | `[SUFFIX]` | Codestral |
/// | `codegeex4` | `<\|code_suffix\|>` | CodeGeeX4 |
/// | `incoder` | `<\|mask:0\|>` | InCoder |
#[derive(Clone, Copy)]
pub struct InfillTokens(&'static Format);

impl InfillTokens {
    /// The format of a tokenizer, if it has the tokens of one.
    pub fn of(tokenizer: &dyn Tokenizer) -> Option<Self> {
        let has = |token: &str| tokenizer.control_id(token).is_some();
        let is_its = |format: &&Format| {
            let all = [format.head, format.prompts[0].1].into_iter().flatten();
            let mut all = all.filter_map(|piece| piece.token());
            all.all(has) && format.tells.iter().all(|token| has(token))
        };
        FORMATS.iter().find(is_its).map(Self)
    }

    /// Its name, as `codegeex inspect` shows it.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The orders that models of the format were trained on, the one to prefer first.
    pub fn orders(self) -> impl Iterator<Item = InfillOrder> {
        self.0.prompts.iter().map(|(order, _)| *order)
    }

    /// Whether the format has other files of the repository, by tokens that `tokenizer` has.
    pub fn has_files(self, tokenizer: &dyn Tokenizer) -> bool {
        let mut pieces = [self.0.file, self.0.current].into_iter().flatten();
        let is_there = |token| tokenizer.control_id(token).is_some();
        !self.0.file.is_empty() && pieces.all(|p| p.token().is_none_or(is_there))
    }

    /// The ids that end the middle, as far as `tokenizer` has them.
    pub fn end_ids(self, tokenizer: &dyn Tokenizer) -> impl Iterator<Item = u32> {
        let ends = self.0.ends.iter();
        ends.filter_map(|end| tokenizer.control_id(end))
    }

    /// The ids of a prompt, the [prefix](Tokenizer::prefix) of the tokenizer's template included.
    /// `before` is the text before the cursor. Special tokens that texts spell are text or tokens
    /// as `special` says.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for an order that the models of the format
    /// were not trained on, for files or the name of a repository where the format has none, and for
    /// files without a path of the current one; those of [`Tokenizer::encode`].
    pub fn encode<'p>(
        self,
        tokenizer: &dyn Tokenizer,
        before: impl Into<Prompt<'p>>,
        infill: &Infill,
        special: SpecialTokens,
    ) -> Result<Vec<u32>> {
        let format = self.0;
        let mut prompts = format.prompts.iter();
        let prompt = match infill.order {
            None => prompts.next(),
            Some(order) => prompts.find(|(own, _)| *own == order),
        };
        let Some((_, prompt)) = prompt else {
            bail!(
                InvalidArgument,
                "the order is {}, and models of the format {} were trained on {} only",
                infill.order.map_or("", InfillOrder::name),
                format.name,
                format.prompts[0].0
            );
        };
        let has_context = !infill.files.is_empty() || infill.repository.is_some();
        if has_context && !self.has_files(tokenizer) {
            bail!(
                InvalidArgument,
                "other files of the repository are given, and the format {} has no tokens for them",
                format.name
            );
        }
        if has_context && infill.path.is_none() {
            bail!(
                InvalidArgument,
                "other files of the repository are given without the path of the current file; set \
                 the path"
            );
        }
        let before = before.into();
        let mut writer = Writer {
            tokenizer,
            special,
            infill,
            before: &before,
            ids: try_copy(tokenizer.prefix())?,
            text: String::new(),
            goes_on: false,
        };
        writer.all(format.head, None)?;
        if infill.repository.is_some() {
            writer.all(format.repository, None)?;
        }
        for file in &infill.files {
            writer.all(format.file, Some(file))?;
        }
        if has_context || format.current_alone && infill.path.is_some() {
            writer.all(format.current, None)?;
        }
        writer.all(prompt, None)?;
        writer.flush()?;
        Ok(writer.ids)
    }
}

impl fmt::Debug for InfillTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InfillTokens({})", self.name())
    }
}

/// Makes ids of pieces. Text between two control tokens is encoded as one.
struct Writer<'a> {
    tokenizer: &'a dyn Tokenizer,
    special: SpecialTokens,
    infill: &'a Infill,
    before: &'a Prompt<'a>,
    ids: Vec<u32>,
    /// Text that is not encoded yet.
    text: String,
    /// Whether it goes on from text that the model was given before: no space is put before it.
    goes_on: bool,
}

impl Writer<'_> {
    fn all(&mut self, pieces: &[Piece], file: Option<&ContextFile>) -> Result<()> {
        pieces.iter().try_for_each(|&piece| self.write(piece, file))
    }

    fn write(&mut self, piece: Piece, file: Option<&ContextFile>) -> Result<()> {
        let infill = self.infill;
        match piece {
            Piece::Token(token) => {
                self.flush()?;
                let Some(id) = self.tokenizer.control_id(token) else {
                    bail!(Internal, "the tokenizer lost its token {token}");
                };
                self.ids.try_push(id)?;
            }
            Piece::Text(text) => self.text.try_push_str(text)?,
            Piece::Repository => self.push(infill.repository.as_deref())?,
            Piece::Path => match file {
                Some(file) => self.text.try_push_str(&file.path)?,
                None => self.push(infill.path.as_deref())?,
            },
            Piece::PathLine => {
                if let Some(path) = &infill.path {
                    self.text.try_push_str(path)?;
                    self.text.try_push_str("\n")?;
                }
            }
            Piece::File => self.push(file.map(|file| &*file.text))?,
            Piece::Language => self.push(infill.language.map(Language::title))?,
            Piece::Suffix => {
                self.flush()?;
                self.goes_on = true;
                self.text.try_push_str(&infill.suffix)?;
            }
            Piece::Prefix => match self.before {
                Prompt::Text(text) => self.text.try_push_str(text)?,
                Prompt::Ids(ids) => {
                    self.flush()?;
                    let ids = ids.strip_prefix(self.tokenizer.prefix()).unwrap_or(ids);
                    self.ids.try_extend(ids)?;
                }
            },
        }
        Ok(())
    }

    fn push(&mut self, text: Option<&str>) -> Result<()> {
        Ok(self.text.try_push_str(text.unwrap_or_default())?)
    }

    fn flush(&mut self) -> Result<()> {
        let (text, goes_on) = (std::mem::take(&mut self.text), self.goes_on);
        self.goes_on = false;
        if text.is_empty() {
            return Ok(());
        }
        let ids = match goes_on {
            true => (self.tokenizer).encode_continuation(&text, self.special)?,
            false => self.tokenizer.encode(&text, self.special)?,
        };
        Ok(self.ids.try_extend(&ids)?)
    }
}

/// The ids of a prompt with these options. What the options have of fill-in-the-middle goes into the
/// ids, and into their stops.
pub(super) fn encode(
    generator: &Generator,
    prompt: Prompt<'_>,
    options: &mut GenerateOptions,
) -> Result<Vec<u32>> {
    let special = options.special_tokens;
    let Some(infill) = &options.infill else {
        return generator.encode(prompt, special);
    };
    let tokenizer = &**generator.tokenizer();
    let Some(tokens) = InfillTokens::of(tokenizer) else {
        if !infill.files.is_empty() || infill.repository.is_some() {
            bail!(
                InvalidArgument,
                "other files of the repository are given, and this model has no format for them; put \
                 what matters into the prompt"
            );
        }
        return generator.encode(prompt, special);
    };
    if let Some(stop_at) = &mut options.stops.stop_at
        && stop_at.before.is_none()
    {
        stop_at.before = Some(match &prompt {
            Prompt::Text(text) => try_copy_text(text)?,
            Prompt::Ids(ids) => tokenizer.decode(ids)?,
        });
    }
    for id in tokens.end_ids(tokenizer) {
        options.stops.stop_ids.try_push(id)?;
    }
    tokens.encode(tokenizer, prompt, infill, special)
}

#[cfg(test)]
mod tests;
