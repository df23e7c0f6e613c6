//! Fill-in-the-middle: the text before and after a cursor as the prompt that a model was trained on.
//!
//! The control tokens of the tokenizer tell the format. A table has the formats of published models;
//! a model without their tokens completes the text before the cursor, and its completions are ranked
//! by the text after it.

use std::fmt;

use super::{Completion, FinishReason, GenerateOptions, Generator, Prompt, Session};
use crate::cancel::CancelToken;
use crate::code::{Likelihood, rank};
use crate::error::{Error, ErrorKind, Result, bail};
use crate::language::Language;
use crate::memory::{TryGrow, TryGrowText, try_collect, try_collect_ok, try_copy, try_copy_text};
use crate::setters::setters;
use crate::tokenizer::{SpecialTokens, Tokenizer};

/// Tokens of the text after the cursor that completions are ranked by, at most.
const RANKED_TOKENS: usize = 32;

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

/// A part of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// A control token.
    Token(&'static str),
    Text(&'static str),
    /// The name of the repository.
    Repository,
    /// The path of a file: that of the context in [`Format::file`], else of the current one.
    Path,
    /// The path of the current file and a line break, where it has a path.
    PathLine,
    /// The text of a file of the context.
    File,
    /// The name of the language, if one is given.
    Language,
    Prefix,
    Suffix,
}

use Piece::{File, Language as Name, Path, PathLine, Prefix, Repository, Suffix, Text, Token};

/// How published models write a prompt.
struct Format {
    name: &'static str,
    /// Tokens beside those of the first prompt that tell the format.
    tells: &'static [&'static str],
    /// Before everything.
    head: &'static [Piece],
    /// Prompts, the one to prefer first. The tokens of the first one tell the format.
    prompts: &'static [(InfillOrder, &'static [Piece])],
    /// Tokens that end the middle, where the tokenizer has them.
    ends: &'static [&'static str],
    /// Before everything else, where the repository has a name.
    repository: &'static [Piece],
    /// For each file of the context; empty where the model has no format for that.
    file: &'static [Piece],
    /// Between the context and the prompt.
    current: &'static [Piece],
    /// Whether `current` is written without a context as well, if the file has a path.
    current_alone: bool,
}

const PSM: InfillOrder = InfillOrder::PrefixSuffix;
const SPM: InfillOrder = InfillOrder::SuffixPrefix;

/// The formats. The first one whose tokens are all there is a tokenizer's.
const FORMATS: &[Format] = &[
    // StarCoder2 (arXiv 2402.19173, section 5.1): paths are part of the file's text.
    Format {
        name: "starcoder2",
        tells: &["<file_sep>"],
        head: &[],
        prompts: &[
            (
                PSM,
                &[
                    Token("<fim_prefix>"),
                    PathLine,
                    Prefix,
                    Token("<fim_suffix>"),
                    Suffix,
                    Token("<fim_middle>"),
                ],
            ),
            (
                SPM,
                &[
                    Token("<fim_prefix>"),
                    Token("<fim_suffix>"),
                    Suffix,
                    Token("<fim_middle>"),
                    PathLine,
                    Prefix,
                ],
            ),
        ],
        ends: &["<file_sep>", "<repo_name>", "<fim_pad>", "<fim_prefix>"],
        repository: &[Token("<repo_name>"), Repository],
        file: &[Token("<file_sep>"), Path, Text("\n"), File],
        current: &[Token("<file_sep>")],
        current_alone: false,
    },
    // StarCoder, Granite Code, Stable Code (arXiv 2305.06161, section 5.2).
    Format {
        name: "starcoder",
        tells: &[],
        head: &[],
        prompts: &[
            (
                PSM,
                &[
                    Token("<fim_prefix>"),
                    Prefix,
                    Token("<fim_suffix>"),
                    Suffix,
                    Token("<fim_middle>"),
                ],
            ),
            (
                SPM,
                &[
                    Token("<fim_prefix>"),
                    Token("<fim_suffix>"),
                    Suffix,
                    Token("<fim_middle>"),
                    Prefix,
                ],
            ),
        ],
        ends: &["<filename>", "<reponame>", "<fim_pad>", "<fim_prefix>"],
        repository: &[Token("<reponame>"), Repository],
        file: &[Token("<filename>"), Path, Text("\n"), File],
        current: &[Token("<filename>"), Path, Text("\n")],
        current_alone: true,
    },
    // SantaCoder (arXiv 2301.03988).
    Format {
        name: "santacoder",
        tells: &[],
        head: &[],
        prompts: &[
            (
                PSM,
                &[
                    Token("<fim-prefix>"),
                    Prefix,
                    Token("<fim-suffix>"),
                    Suffix,
                    Token("<fim-middle>"),
                ],
            ),
            (
                SPM,
                &[
                    Token("<fim-prefix>"),
                    Token("<fim-suffix>"),
                    Suffix,
                    Token("<fim-middle>"),
                    Prefix,
                ],
            ),
        ],
        ends: &["<fim-pad>", "<fim-prefix>"],
        repository: &[],
        file: &[],
        current: &[],
        current_alone: false,
    },
    // Qwen2.5-Coder (arXiv 2409.12186, section 3.2), Granite 3 and 4, CodeGemma.
    Format {
        name: "qwen2.5-coder",
        tells: &[],
        head: &[],
        prompts: &[(
            PSM,
            &[
                Token("<|fim_prefix|>"),
                Prefix,
                Token("<|fim_suffix|>"),
                Suffix,
                Token("<|fim_middle|>"),
            ],
        )],
        ends: &[
            "<|endoftext|>",
            "<|fim_prefix|>",
            "<|fim_middle|>",
            "<|fim_suffix|>",
            "<|fim_pad|>",
            "<|repo_name|>",
            "<|file_sep|>",
            "<|file_separator|>",
            "<|im_start|>",
            "<|im_end|>",
        ],
        repository: &[Token("<|repo_name|>"), Repository, Text("\n")],
        file: &[Token("<|file_sep|>"), Path, Text("\n"), File, Text("\n")],
        current: &[Token("<|file_sep|>"), Path, Text("\n")],
        current_alone: false,
    },
    // Code Llama (arXiv 2308.12950, section 3.2).
    Format {
        name: "codellama",
        tells: &[],
        head: &[],
        prompts: &[
            (
                PSM,
                &[
                    Token("▁<PRE>"),
                    Prefix,
                    Token("▁<SUF>"),
                    Suffix,
                    Token("▁<MID>"),
                ],
            ),
            (
                SPM,
                &[
                    Token("▁<PRE>"),
                    Token("▁<SUF>"),
                    Suffix,
                    Token("▁<MID>"),
                    Prefix,
                ],
            ),
        ],
        ends: &["▁<EOT>"],
        repository: &[],
        file: &[],
        current: &[],
        current_alone: false,
    },
    // DeepSeek-Coder (arXiv 2401.14196): other files by their path in a comment.
    Format {
        name: "deepseek-coder",
        tells: &[],
        head: &[],
        prompts: &[(
            PSM,
            &[
                Token("<｜fim▁begin｜>"),
                Prefix,
                Token("<｜fim▁hole｜>"),
                Suffix,
                Token("<｜fim▁end｜>"),
            ],
        )],
        ends: &["<|EOT|>", "<｜end▁of▁sentence｜>"],
        repository: &[],
        file: &[Text("#"), Path, Text("\n"), File, Text("\n")],
        current: &[Text("#"), Path, Text("\n")],
        current_alone: false,
    },
    // Codestral (mistral-common): the path stands before the text of a file.
    Format {
        name: "codestral",
        tells: &[],
        head: &[],
        prompts: &[(SPM, &[Token("[SUFFIX]"), Suffix, Token("[PREFIX]"), Prefix])],
        ends: &[],
        repository: &[],
        file: &[],
        current: &[],
        current_alone: false,
    },
    // CodeGeeX4 (its guide to infilling). The end of a turn is among the ids that end a text.
    Format {
        name: "codegeex4",
        tells: &[],
        head: &[Token("<|user|>"), Text("\n")],
        prompts: &[(
            SPM,
            &[
                Text("###LANGUAGE:"),
                Name,
                Text("\n###MODE:BLOCK\n"),
                Token("<|code_suffix|>"),
                Suffix,
                Token("<|code_prefix|>"),
                Prefix,
                Token("<|code_middle|>"),
                Token("<|assistant|>"),
                Text("\n"),
            ],
        )],
        ends: &["<|user|>", "<|observation|>"],
        repository: &[],
        file: &[
            Text("###REFERENCE:\n###PATH:"),
            Path,
            Text("\n"),
            File,
            Text("\n"),
        ],
        current: &[Text("###PATH:"), Path, Text("\n")],
        current_alone: true,
    },
    // InCoder (arXiv 2204.05999, section 2.1).
    Format {
        name: "incoder",
        tells: &[],
        head: &[],
        prompts: &[(
            PSM,
            &[
                Prefix,
                Token("<|mask:0|>"),
                Suffix,
                Token("<|mask:1|>"),
                Token("<|mask:0|>"),
            ],
        )],
        ends: &["<|endofmask|>"],
        repository: &[],
        file: &[],
        current: &[],
        current_alone: false,
    },
];

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
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for an order that the models of the format
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

impl Piece {
    fn token(self) -> Option<&'static str> {
        match self {
            Token(token) => Some(token),
            _ => None,
        }
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
            Token(token) => {
                self.flush()?;
                let Some(id) = self.tokenizer.control_id(token) else {
                    bail!(Internal, "the tokenizer lost its token {token}");
                };
                self.ids.try_push(id)?;
            }
            Text(text) => self.text.try_push_str(text)?,
            Repository => self.push(infill.repository.as_deref())?,
            Path => match file {
                Some(file) => self.text.try_push_str(&file.path)?,
                None => self.push(infill.path.as_deref())?,
            },
            PathLine => {
                if let Some(path) = &infill.path {
                    self.text.try_push_str(path)?;
                    self.text.try_push_str("\n")?;
                }
            }
            File => self.push(file.map(|file| &*file.text))?,
            Name => self.push(infill.language.map(Language::title))?,
            Suffix => {
                self.flush()?;
                self.goes_on = true;
                self.text.try_push_str(&infill.suffix)?;
            }
            Prefix => match self.before {
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

/// How samples of a model without fill-in-the-middle are ordered: by what follows the cursor.
pub(super) struct Ranking {
    /// The first tokens of the suffix.
    suffix: Vec<u32>,
    cancel: CancelToken,
}

impl Ranking {
    /// The ranking of a request, if it has one.
    pub fn of(
        generator: &Generator,
        options: &GenerateOptions,
        cancel: &CancelToken,
    ) -> Result<Option<Self>> {
        let tokenizer = &**generator.tokenizer();
        let Some(infill) = &options.infill else {
            return Ok(None);
        };
        if options.samples < 2 || InfillTokens::of(tokenizer).is_some() {
            return Ok(None);
        }
        // No token has more bytes than that, so that a long text is not encoded for its beginning.
        let most = infill.suffix.floor_char_boundary(RANKED_TOKENS * 128);
        let text = &infill.suffix[..most];
        let mut suffix = tokenizer.encode_continuation(text, SpecialTokens::AsText)?;
        suffix.truncate(RANKED_TOKENS);
        Ok(Some(Self {
            suffix,
            cancel: cancel.until(options.limits.deadline),
        }))
    }

    /// Orders completions of `prompt`, best first. Without the time for it they stay as they are.
    pub fn sort(
        &self,
        session: &Session,
        prompt: &[u32],
        completions: &mut Vec<Completion>,
    ) -> Result<()> {
        let ended = |c: &Completion| {
            matches!(
                c.finish_reason,
                FinishReason::Cancelled | FinishReason::Deadline | FinishReason::PrefillLimit
            )
        };
        if completions.iter().any(ended) {
            return Ok(());
        }
        let tokenizer = &**session.generator().tokenizer();
        let context = session.generator().model().config().max_position_embeddings;
        // What is shown, not the tokens beyond a stop, after what of the prompt was sampled again.
        let own = completions.iter().map(|completion| {
            let mut text = healed(tokenizer, completion)?;
            text.try_push_str(&completion.text)?;
            tokenizer.encode_continuation(&text, SpecialTokens::AsText)
        });
        let own: Vec<Vec<u32>> = try_collect_ok(own)?;
        let longest = own.iter().map(Vec::len).max().unwrap_or(0);
        let room = context.saturating_sub(prompt.len() + longest);
        let suffix = &self.suffix[..self.suffix.len().min(room)];
        let scored = own.iter().map(|own| {
            let mut ids = try_copy(prompt)?;
            ids.try_extend(own)?;
            ids.try_extend(suffix)?;
            ids.truncate(context);
            if ids.len() == prompt.len() {
                return Ok((Vec::new(), Vec::new()));
            }
            let mut logprobs = session.score(&ids[..], prompt.len(), &self.cancel)?;
            let suffix = logprobs.split_off(own.len().min(logprobs.len()));
            Ok::<_, Error>((logprobs, suffix))
        });
        let scored: Vec<(Vec<f32>, Vec<f32>)> = match try_collect_ok(scored) {
            Err(error) if error.kind() == ErrorKind::Cancelled => return Ok(()),
            result => result?,
        };
        let likelihoods = scored.iter().map(|(own, suffix)| Likelihood {
            tokens: own,
            suffix: Some(suffix),
        });
        let ranked = rank(&try_collect(likelihoods)?)?;
        let mut taken = try_collect(completions.drain(..).map(Some))?;
        let best_first = ranked.iter().filter_map(|r| taken[r.index].take());
        completions.extend(best_first);
        Ok(())
    }
}

/// The bytes of the prompt that a completion begins with, as far as they are text.
fn healed(tokenizer: &dyn Tokenizer, completion: &Completion) -> Result<String> {
    let mut bytes = Vec::new();
    for &id in &completion.ids {
        if bytes.len() >= completion.healed {
            break;
        }
        bytes.try_extend(tokenizer.token_bytes(id).unwrap_or_default())?;
    }
    bytes.truncate(completion.healed);
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(try_copy_text(text)?),
        Err(_) => Ok(String::new()),
    }
}

#[cfg(test)]
mod tests;
