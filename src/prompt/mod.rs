//! Prompts in the form of the training data, and tasks made of them. Text to text, and pure.
//!
//! [`Task`] has the tasks, [`Template`] prompts of your own; the prompt for completing code is
//! [`Language::prompt`](crate::Language::prompt). Nothing here knows a model or a tokenizer, or how long a prompt may be.
#![forbid(unsafe_code)]

mod shots;
pub mod task;
pub mod template;
#[cfg(test)]
mod tests;

pub use task::Task;
pub use template::Template;
