//! Prompts in the form of the training data, and tasks made of them. Text to text, and pure.
//!
//! [`Language`] has the tag lines, [`Task`] what can be asked for, [`Template`] prompts of the
//! caller's own. Nothing here knows a model or a tokenizer, or how long a prompt may be.
#![forbid(unsafe_code)]

pub mod language;
mod shots;
pub mod task;
pub mod template;
#[cfg(test)]
mod tests;

pub use language::Language;
pub use task::Task;
pub use template::Template;

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
