//! What prompt lookup (speculative decoding) brings where answers repeat their prompt: translations between
//! languages alike, and edits of code; and where they do not.
//!
//! The default model writes no translations, so the answers are given: a stage of the sampler
//! leaves the next token of the answer alone. What is measured is then the model's own time for
//! an answer of that text, and how many of its tokens the lookup drafts, which depends on the text
//! and on nothing else. A model that answers otherwise gains otherwise.
//!
//! ```sh
//! cargo bench --bench speculation                     # the default model
//! cargo bench --bench speculation -- --model FILE     # any other, say one that `codegeex bench` wrote
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use codegeex::generate::{
    Candidates, Completion, GenerateOptions, Generator, History, Sampler, Speculation,
};
use codegeex::model::{LoadOptions, load};
use codegeex::tokenizer::{BpeTokenizer, SpecialTokens};

/// A prompt and its answer.
struct Case {
    name: &'static str,
    prompt: &'static str,
    answer: &'static str,
}

const CASES: &[Case] = &[
    Case {
        name: "C++ to Java",
        prompt: r#"code translation
C++:
bool hasPairWithSum(vector<int> numbers, int target) {
    int left = 0;
    int right = numbers.size() - 1;
    sort(numbers.begin(), numbers.end());
    while (left < right) {
        int sum = numbers[left] + numbers[right];
        if (sum == target) {
            return true;
        } else if (sum < target) {
            left++;
        } else {
            right--;
        }
    }
    return false;
}
Java:
public boolean hasPairWithSum(int[] numbers, int target) {
"#,
        answer: r#"    int left = 0;
    int right = numbers.length - 1;
    Arrays.sort(numbers);
    while (left < right) {
        int sum = numbers[left] + numbers[right];
        if (sum == target) {
            return true;
        } else if (sum < target) {
            left++;
        } else {
            right--;
        }
    }
    return false;
}
"#,
    },
    Case {
        name: "JavaScript to Python",
        prompt: r#"code translation
JavaScript:
const longestCommonPrefix = (words) => {
  if (words.length === 0) {
    return "";
  }
  let prefix = words[0];
  for (const word of words) {
    while (!word.startsWith(prefix)) {
      prefix = prefix.slice(0, prefix.length - 1);
    }
  }
  return prefix;
}
Python:
def longest_common_prefix(words):
"#,
        answer: r#"    if len(words) == 0:
        return ""
    prefix = words[0]
    for word in words:
        while not word.startswith(prefix):
            prefix = prefix[:len(prefix) - 1]
    return prefix
"#,
    },
    Case {
        name: "edit: an argument more",
        prompt: r#"# Before:
def write_report(path, rows, title):
    total = sum(row.amount for row in rows)
    with open(path, "w") as out:
        out.write(title + "\n")
        out.write("=" * len(title) + "\n")
        for row in rows:
            share = row.amount / total
            out.write(f"{row.name:20} {row.amount:10.2f} {share:6.1%}\n")
        out.write(f"{'total':20} {total:10.2f}\n")
    return total

# After, with an encoding for the file:
"#,
        answer: r#"def write_report(path, rows, title, encoding="utf-8"):
    total = sum(row.amount for row in rows)
    with open(path, "w", encoding=encoding) as out:
        out.write(title + "\n")
        out.write("=" * len(title) + "\n")
        for row in rows:
            share = row.amount / total
            out.write(f"{row.name:20} {row.amount:10.2f} {share:6.1%}\n")
        out.write(f"{'total':20} {total:10.2f}\n")
    return total
"#,
    },
    Case {
        name: "new code",
        prompt: "# language: Python\n# Parse a duration such as 1h30m into seconds.\n",
        answer: r#"import re

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def parse_duration(text):
    if not re.fullmatch(r"(\d+[dhms])+", text):
        raise ValueError(f"not a duration: {text!r}")
    return sum(int(n) * UNITS[unit] for n, unit in re.findall(r"(\d+)([dhms])", text))
"#,
    },
];

/// Leaves the next token of a given answer.
#[derive(Debug)]
struct Given(Vec<u32>);

impl Sampler for Given {
    fn apply(&self, candidates: &mut Candidates, history: History<'_>) -> codegeex::Result<()> {
        let next = self.0[history.generated.len()];
        candidates.retain(|c| c.id == next);
        Ok(())
    }
}

fn main() {
    let mut path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/codegeex_tiny.safetensors");
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match &arg[..] {
            "--model" => path = args.next().expect("--model has a value").into(),
            // What `cargo bench` says to every bench.
            "--bench" => {}
            _ => panic!("{arg}: expected --model FILE"),
        }
    }
    let model = load(&path, &LoadOptions::default()).expect("the model opens");
    let generator = Generator::new(model, Arc::new(BpeTokenizer::codegeex().unwrap()));
    println!("{}", generator.model().describe());
    println!("answer                    tokens  drafted  kept  steps   plain    drafting  ratio");
    for case in CASES {
        let answer = (generator.tokenizer())
            .encode(case.answer, SpecialTokens::AsText)
            .unwrap();
        let run = |speculation: Option<Speculation>| {
            let mut options = GenerateOptions::default();
            options.limits.max_new_tokens = answer.len();
            options
                .sampling
                .samplers
                .push(Arc::new(Given(answer.clone())));
            options.speculation = speculation;
            let start = Instant::now();
            let mut found = generator
                .complete_n(case.prompt, &options)
                .expect("an answer");
            let seconds = start.elapsed().as_secs_f64();
            let found: Completion = found.remove(0);
            assert_eq!(found.ids, answer, "speculation changed the answer");
            (seconds, found.speculated)
        };
        // Alternating, so that a busy neighbour slows both; the best of each.
        let mut best = [f64::INFINITY; 2];
        let mut counters = Default::default();
        for _ in 0..5 {
            best[0] = best[0].min(run(None).0);
            let (seconds, found) = run(Some(Speculation::lookup()));
            best[1] = best[1].min(seconds);
            counters = found;
        }
        println!(
            "{:24} {:7} {:8} {:5} {:6} {:7.0} ms {:7.0} ms {:6.2}",
            case.name,
            answer.len(),
            counters.drafted,
            counters.accepted,
            answer.len() - counters.accepted,
            best[0] * 1e3,
            best[1] * 1e3,
            best[0] / best[1],
        );
    }
}
