//! Every solution of HumanEval-X, followed by what a model would go on with, is cut to itself.
//! Needs the large reference data.

use std::io::Read;

use codegeex::Language;
use codegeex::code::{CodeStop, EvalCut, StopRule};
use codegeex::tokenizer::{BpeTokenizer, InvalidUtf8, SpecialTokens, StreamDecoder, Tokenizer};
use serde_json::Value;

/// What follows a function, by language.
const FOLLOWS: [(&str, &[&str]); 6] = [
    (
        "python",
        &[
            "\ndef other(x):\n    return x\n",
            "\n\nif __name__ == '__main__':\n    main()\n",
            "\n# A comment.\nprint(1)\n",
            "\nclass A:\n    pass\n",
            "\n@cache\nasync def g():\n    pass\n",
            "\n\nMETADATA = {\n}\n\n\ndef check(candidate):\n    assert candidate\n",
        ],
    ),
    (
        "cpp",
        &[
            "int main() {\n    return 0;\n}\n",
            "\n// A comment: }\nint g() { return 1; }\n",
            "#undef NDEBUG\n#include <assert.h>\n",
        ],
    ),
    (
        "java",
        &[
            "\n    public static void main(String[] args) {\n    }\n}\n",
            "}\n\npublic class Main {\n}\n",
            "\n    // A comment: }\n    private int f;\n",
        ],
    ),
    (
        "js",
        &[
            "\nconst other = (x) => {\n  return x;\n}\n",
            "function g() {}\n",
            "\n// A comment: }\nmodule.exports = {}\n",
            ";\nconsole.log(1)\n",
        ],
    ),
    (
        "go",
        &[
            "\nfunc main() {\n}\n",
            "\n// A comment: }\nfunc g() {}\n",
            "type T struct {\n}\n",
            "func TestF(t *testing.T) {\n}\n",
        ],
    ),
    (
        "rust",
        &[
            "\nfn main() {\n}\n",
            "\n#[cfg(test)]\nmod tests {\n}\n",
            "\n/// A comment: }\npub fn g() {}\n",
        ],
    ),
];

/// Solutions of more than one item: they are cut after the first.
const LONGER: [&str; 8] = [
    "CPP/94", "Go/72", "Rust/10", "Rust/32", "Rust/38", "Rust/50", "Rust/137", "Rust/145",
];

struct Problem {
    id: String,
    /// The text before the solution.
    prompt: String,
    solution: String,
}

fn problems(name: &str) -> Option<Vec<Problem>> {
    let path = crate::support::shared(&format!("humaneval-x/humaneval_{name}.jsonl.gz"))?;
    let mut lines = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_string(&mut lines)
        .unwrap();
    let problems = lines.lines().map(|line| {
        let problem: Value = serde_json::from_str(line).unwrap();
        let field = |key: &str| problem[key].as_str().unwrap().to_owned();
        Problem {
            id: field("task_id"),
            // In Rust the prompt is a comment that stands behind the declaration.
            prompt: match name {
                "rust" => field("declaration") + &field("prompt"),
                _ => field("prompt"),
            },
            solution: field("canonical_solution").trim_end().to_owned(),
        }
    });
    Some(problems.collect())
}

/// What passes of a text that comes token by token, and whether a rule fired.
fn stream(mut stop: CodeStop, text: &str) -> (String, Option<StopRule>) {
    let tokenizer = BpeTokenizer::codegeex().unwrap();
    let mut decoder = StreamDecoder::new(InvalidUtf8::Replace);
    let mut out = String::new();
    for id in tokenizer.encode(text, SpecialTokens::AsText).unwrap() {
        let mut piece = String::new();
        decoder.push_token(&tokenizer, id, &mut piece).unwrap();
        let fired = stop.push(&piece, &mut out).unwrap();
        if fired.is_some() {
            return (out, fired);
        }
    }
    (out + &stop.finish(), None)
}

/// How many cleaned completions, which begin with `first`, are the solution, of how many; and of
/// which problems some are not.
fn agreement(
    cut: EvalCut,
    name: &str,
    first: &str,
    follows: &[&str],
) -> Option<(usize, usize, Vec<String>)> {
    let language = Language::from_name(name).unwrap();
    let (mut agree, mut all, mut others) = (0, 0, Vec::new());
    for problem in problems(name)? {
        let Problem { id, prompt, .. } = problem;
        let solution = format!("{first}{}", problem.solution);
        // In Java the solution closes the class as well, which only some texts do.
        let method = match name {
            "java" => solution.strip_suffix('}').unwrap().trim_end(),
            _ => &solution,
        };
        for next in follows {
            let text = format!("{method}\n{next}");
            let (passed, fired) = stream(cut.stop(language, &prompt), &text);
            let found = cut.clean(language, &prompt, &passed).unwrap();
            all += 1;
            if fired == Some(cut.rule()) && found.trim_end() == solution {
                agree += 1;
            } else if !others.contains(&id) {
                others.push(id.clone());
            }
        }
    }
    Some((agree, all, others))
}

#[test]
fn every_solution_is_cut_to_itself() {
    for cut in [EvalCut::CodeAware, EvalCut::Reference] {
        let mut longer = Vec::new();
        for (name, follows) in FOLLOWS {
            let Some((agree, all, others)) = agreement(cut, name, "", follows) else {
                return;
            };
            println!("{cut}, {name}: {agree} of {all}, not {others:?}");
            assert_eq!(all, 164 * follows.len());
            assert_eq!(agree, all - others.len() * follows.len());
            longer.extend(others);
        }
        assert_eq!(longer, LONGER);
    }
}

#[test]
fn only_the_reference_is_fooled_by_strings_and_comments() {
    for (name, follows) in FOLLOWS {
        let first = match name {
            "python" => "    text = '''\ndef f():\n'''\n",
            _ => "    // } }\n",
        };
        let cut = EvalCut::CodeAware;
        let Some((agree, all, others)) = agreement(cut, name, first, follows) else {
            return;
        };
        assert_eq!(agree, all - others.len() * follows.len());
        assert!(others.iter().all(|id| LONGER.contains(&id.as_str())));
        let reference = agreement(EvalCut::Reference, name, first, follows).unwrap();
        assert!(reference.0 < all / 10, "{name}: {} of {all}", reference.0);
    }
}
