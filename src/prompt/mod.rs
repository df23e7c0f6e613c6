//! Prompts in the form of the training data. Text to text, and pure.
#![forbid(unsafe_code)]

pub mod language;

pub use language::Language;

/// The prompt for completing code: the language's tag line, then the code so far.
///
/// ```
/// use codegeex::prompt::{self, Language};
///
/// let prompt = prompt::generation(Language::from_name("python")?, "def add(a, b):");
/// assert_eq!(prompt, "# language: Python\ndef add(a, b):");
/// # Ok::<(), codegeex::Error>(())
/// ```
pub fn generation(language: Language, code: &str) -> String {
    format!("{}\n{code}", language.tag())
}
