//! What the model is given for each problem, as the reference builds it.
//!
//! Generation goes on from the problem's own prompt, after the language's tag line. Translation
//! shows the solution in one language and the declaration in another, and no description: it
//! would let the model solve the problem instead.

use std::collections::HashMap;

use super::dataset::{EvalLanguage, Problem};
use super::merge::EvalTask;
use crate::error::{Result, bail};
use crate::prompt;

/// A problem as the model sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prompt {
    /// The problem to solve; in a translation that in the target language.
    pub task_id: String,
    /// What the model goes on from.
    pub text: String,
    /// The end of it that is code in the language of the answer: what decides where that ends.
    pub code: String,
}

/// The prompts of a generation, in the order of the problems. `tag` puts the language's tag line
/// first.
///
/// In Rust the description stands after the declaration, as it does in the programs that the
/// reference runs.
///
/// # Errors
/// As for [`Problem::language`].
pub fn generation(problems: &[Problem], tag: bool) -> Result<Vec<Prompt>> {
    let prompts = problems.iter().map(|problem| {
        let (language, _) = problem.language()?;
        let code = match language {
            EvalLanguage::Rust => format!("{}{}", problem.declaration, problem.prompt),
            _ => problem.prompt.clone(),
        };
        let text = match tag {
            true => language.language().prompt(&code),
            false => code.clone(),
        };
        Ok(Prompt {
            task_id: problem.task_id.clone(),
            text,
            code,
        })
    });
    prompts.collect()
}

/// The prompts of a translation, in the order of the target's problems. There is no tag line: the
/// two headings name the languages.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a problem that the source does not
/// have, and for a translation from a language into itself.
pub fn translation(sources: &[Problem], targets: &[Problem]) -> Result<Vec<Prompt>> {
    let mut by_number = HashMap::new();
    for source in sources {
        let (language, number) = source.language()?;
        by_number.insert(number, (language, source));
    }
    let prompts = targets.iter().map(|target| {
        let (to, number) = target.language()?;
        let Some(&(from, source)) = by_number.get(&number) else {
            bail!(
                InvalidArgument,
                "{} has no counterpart in the source language",
                target.task_id
            );
        };
        if from == to {
            bail!(InvalidArgument, "a translation from {from} into itself");
        }
        let solution = format!("{}\n{}", source.declaration, source.canonical_solution);
        let (from, to) = (from.language(), to.language());
        let task = prompt::Task::translate(from, &solution, to, &target.declaration)?;
        Ok(Prompt {
            task_id: target.task_id.clone(),
            text: task.prompt,
            code: target.declaration.clone(),
        })
    });
    prompts.collect()
}

/// The translations of the paper: all ordered pairs of its five languages.
pub fn pairs() -> Vec<EvalTask> {
    let all = EvalLanguage::PAPER.into_iter();
    all.flat_map(|source| {
        let others = EvalLanguage::PAPER
            .into_iter()
            .filter(move |l| *l != source);
        others.map(move |target| EvalTask::Translation { source, target })
    })
    .collect()
}

#[cfg(test)]
mod tests;
