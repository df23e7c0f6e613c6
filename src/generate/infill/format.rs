//! How published models write a fill-in-the-middle prompt.

use super::InfillOrder;

/// A part of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
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

impl Piece {
    pub fn token(self) -> Option<&'static str> {
        match self {
            Token(token) => Some(token),
            _ => None,
        }
    }
}

use Piece::{File, Language as Name, Path, PathLine, Prefix, Repository, Suffix, Text, Token};

/// How published models write a prompt.
pub(super) struct Format {
    pub name: &'static str,
    /// Tokens beside those of the first prompt that tell the format.
    pub tells: &'static [&'static str],
    /// Before everything.
    pub head: &'static [Piece],
    /// Prompts, the one to prefer first. The tokens of the first one tell the format.
    pub prompts: &'static [(InfillOrder, &'static [Piece])],
    /// Tokens that end the middle, where the tokenizer has them.
    pub ends: &'static [&'static str],
    /// Before everything else, where the repository has a name.
    pub repository: &'static [Piece],
    /// For each file of the context; empty where the model has no format for that.
    pub file: &'static [Piece],
    /// Between the context and the prompt.
    pub current: &'static [Piece],
    /// Whether `current` is written without a context as well, if the file has a path.
    pub current_alone: bool,
}

const PSM: InfillOrder = InfillOrder::PrefixSuffix;
const SPM: InfillOrder = InfillOrder::SuffixPrefix;

/// The formats. The first one whose tokens are all there is a tokenizer's.
pub(super) const FORMATS: &[Format] = &[
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
