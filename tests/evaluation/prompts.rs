//! The prompts of all published problems (`CODEGEEX_SHARED`): how many, and how long.

use codegeex::eval::{EvalLanguage, Problem, Prompt, dataset, prompts};
use codegeex::tokenizer::{BpeTokenizer, SpecialTokens, Tokenizer};

/// Tokens of the longest, and how many have those that the paper's runs allow, or more.
fn measure(prompts: &[Prompt]) -> (usize, usize) {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let lengths = prompts.iter().map(|p| {
        tokenizer
            .encode(&p.text, SpecialTokens::AsText)
            .unwrap()
            .len()
    });
    let lengths: Vec<usize> = lengths.collect();
    let long = lengths.iter().filter(|l| **l >= 1024).count();
    (lengths.into_iter().max().unwrap_or(0), long)
}

#[test]
fn prompts_of_all_problems_are_built_and_leave_room() {
    let Some(folder) = crate::support::shared("humaneval-x") else {
        return;
    };
    let load = |language| dataset::load(&folder, language).unwrap();
    let problems: Vec<(EvalLanguage, Vec<Problem>)> = EvalLanguage::ALL
        .map(|l| (l, load(l)))
        .into_iter()
        .collect();
    let mut generations = 0;
    for (language, problems) in &problems {
        assert_eq!(problems.len(), 164);
        let prompts = prompts::generation(problems, true).unwrap();
        let (longest, long) = measure(&prompts);
        eprintln!(
            "{language}: {} prompts, {longest} tokens at most",
            prompts.len()
        );
        assert_eq!(long, 0, "{language}");
        generations += prompts.len();
    }
    assert_eq!(generations, 984);
    let (mut translations, mut longest, mut long) = (0, 0, 0);
    for (from, sources) in &problems {
        for (to, targets) in problems.iter().filter(|(to, _)| to != from) {
            let prompts = prompts::translation(sources, targets).unwrap();
            for (prompt, target) in prompts.iter().zip(targets) {
                assert!(prompt.text.ends_with(&target.declaration), "{from} to {to}");
                let number = target.language().unwrap().1;
                let source = sources.iter().find(|s| s.language().unwrap().1 == number);
                // Nothing of the description; a line may happen to be code as well.
                let source = source.unwrap();
                for text in [
                    &source.text,
                    &source.docstring,
                    &target.text,
                    &target.docstring,
                ] {
                    let text = text.trim();
                    assert!(
                        text.is_empty() || !prompt.text.contains(text),
                        "{}",
                        prompt.text
                    );
                }
            }
            let (most, more) = measure(&prompts);
            (longest, long) = (longest.max(most), long + more);
            translations += prompts.len();
        }
    }
    eprintln!("{translations} translations, {longest} tokens at most, {long} of 1,024 or more");
    assert_eq!(translations, 30 * 164);
    assert!(longest < 2048);
}
